"""A layer that only refers to another one of its model, as tied autoencoders have it: weights count where they were
made. Numbers are Keras 2.0.9's."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Input, Layer, TimeDistributed
from gpukeras.models import Model, Sequential

X = np.linspace(0, 1, 96, dtype="float32").reshape(16, 6) ** 2


class DenseTranspose(Layer):
    """A dense layer with another's kernel."""

    def __init__(self, dense, by="attribute", **kwargs):
        self.dense = dense
        self.by = by
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.bias = self.add_weight(shape=(6,), initializer="zeros", name="bias")
        if self.by == "attribute":
            self.kernel = K.transpose(self.dense.kernel)
        elif self.by == "list":
            self.trainable_weights = [self.bias]
        else:
            self._trainable_weights.append(self.dense.kernel)
        super().build(input_shape)

    def call(self, x):
        return K.bias_add(K.dot(x, K.transpose(self.dense.kernel)), self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 6)


def stack(dense, tied):
    return Sequential([dense, tied])


def functional(dense, tied):
    x = Input((6,))
    return Model(x, tied(dense(x)))


def nested(dense, tied):
    x, code = Input((6,)), Input((3,))
    encoder, decoder = Model(x, dense(x)), Model(code, tied(code))
    return Model(x, decoder(encoder(x)))


@pytest.mark.parametrize("by", ["attribute", "list"])
@pytest.mark.parametrize("make", [stack, functional, nested])
def test_a_weight_counts_where_it_was_made(make, by, tmp_path):
    dense, tied = Dense(3, input_shape=(6,), name="encoder"), DenseTranspose(None, by, name="decoder")
    tied.dense = dense
    model = make(dense, tied)
    assert [w.shape for w in model.get_weights()] == [(6, 3), (3,), (6,)]
    assert len(model.weights) == len(model.trainable_weights) == 3 and model.count_params() == 27
    assert tied.weights == [tied.bias] and tied.count_params() == 6

    model.set_weights([np.linspace(-1, 1, w.size).reshape(w.shape) for w in model.get_weights()])
    model.compile("sgd", "mse")
    losses = [float(model.train_on_batch(X, X)) for _ in range(3)]
    np.testing.assert_allclose(losses, [0.6808569, 0.6185105, 0.5626714], rtol=1e-5)
    found = model.get_weights()
    model.save_weights(str(tmp_path / "w.h5"))
    for by_name in (False, True) if make is not nested else (False,):
        model.set_weights([0 * w for w in found])
        model.load_weights(str(tmp_path / "w.h5"), by_name=by_name)
        np.testing.assert_equal(model.get_weights(), found)
    if make is not nested:
        with h5py.File(tmp_path / "w.h5", "r") as file:
            assert list(file["decoder"].attrs["weight_names"]) == [b"decoder/bias:0"]


def test_a_frozen_layer_freezes_its_own():
    dense = Dense(3, input_shape=(6,))
    tied = DenseTranspose(dense, trainable=False)
    model = Sequential([dense, tied])
    assert model.trainable_weights == [dense.kernel, dense.bias] and model.non_trainable_weights == [tied.bias]
    dense.trainable, tied.trainable = False, True
    assert model.trainable_weights == [tied.bias]


def test_what_a_layer_lists_is_its_own():
    dense = Dense(3, input_shape=(6,))
    tied = DenseTranspose(dense, "append")
    model = Sequential([dense, tied])
    assert tied.weights == [tied.bias, dense.kernel] and len(model.get_weights()) == 4
    model.compile("sgd", "mse")
    before = K.get_value(dense.kernel)
    model.train_on_batch(X, X)
    once = K.get_value(dense.kernel)
    assert model.trainable_weights == [dense.kernel, dense.bias, tied.bias] and (once != before).any()


def test_a_layer_in_a_wrapper_is_elsewhere_too():
    dense = Dense(3)
    x = Input((2, 6))
    tied = DenseTranspose(dense)
    model = Model(x, tied(TimeDistributed(dense)(x)))
    assert len(model.get_weights()) == 3 and tied.weights == [tied.bias]


def test_a_network_of_layers_that_are_elsewhere():
    dense = Dense(3)
    x = Input((6,))
    code = dense(x)
    tied = DenseTranspose(dense)
    tied.encoder = Model(x, code)
    assert len(Model(x, tied(code)).get_weights()) == 3


def test_a_layer_that_is_nowhere_else_is_its_keepers():
    class Block(Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    base = Sequential([Dense(3, input_shape=(6,))])
    of_other_model = base.layers[0]
    for inner in (Dense(3), base, of_other_model):
        block = Block(inner)
        model = Sequential([Dense(6, input_shape=(6,)), block])
        assert len(block.weights) == 2 and len(model.get_weights()) == len(model.weights) == 4


def test_a_subclass_counts_each_once():
    class Autoencoder(Model):
        def __init__(self):
            super().__init__()
            self.encoder = Dense(3)
            self.decoder = DenseTranspose(self.encoder)

        def call(self, x):
            return self.decoder(self.encoder(x))

    model = Autoencoder()
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    assert len(model.get_weights()) == len(model.weights) == 3
