"""Operations between layers, of which newer Keras makes layers by itself."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Activation, Dense, Dropout, Input, Lambda, Layer
from gpukeras.models import Model, clone_model

X = np.random.RandomState(0).rand(10, 4).astype("float32")


def model_of(op):
    """Two inputs, operations between layers (by `op`, which may make layers of them), and two outputs."""
    x, y = Input((4,)), Input((4,))
    both = op(lambda t: K.concatenate([t[0] * 2.0, K.relu(t[1])], -1), [Dense(3, name="a")(x), Dense(3, name="b")(y)])
    z = Dense(2, name="c")(both)
    centred = op(lambda t: t[0] - K.mean(t[0], axis=-1, keepdims=True), [z])
    return Model([x, y], [centred, Activation("tanh")(op(lambda t: t[0] / 2.0, [centred]))])


def test_as_layers_of_the_same_functions_do():
    plain = model_of(lambda f, tensors: f(tensors))
    layers = model_of(lambda f, tensors: Lambda(lambda t: f(t if isinstance(t, list) else [t]))(
        tensors if len(tensors) > 1 else tensors[0]))
    layers.set_weights(plain.get_weights())
    for model in (plain, layers):
        model.compile("sgd", "mse")
    data = [X, X[::-1]], [X[:, :2], X[:, 2:]]
    found, expected = (m.fit(*data, epochs=3, shuffle=False, verbose=0).history["loss"] for m in (plain, layers))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert plain.compute_output_shape([(5, 4), (5, 4)]) == [(5, 2), (5, 2)]
    x = Input((4,))
    again = Model(x, plain([x, x])[1])  # the operations are made again for other tensors
    np.testing.assert_allclose(again.predict(X), plain.predict([X, X])[1], rtol=1e-6)
    np.testing.assert_allclose(plain([X, X])[0].numpy(), plain.predict([X, X])[0], rtol=1e-5)


def test_the_phase_goes_through():
    x = Input((50,))
    model = Model(x, K.in_train_phase(Dropout(0.5)(x) * 2.0, x))
    model.compile("sgd", "mse")
    ones = np.ones((4, 50))
    assert model.test_on_batch(ones, ones) == 0.0 and model.train_on_batch is not None
    assert (K.function([x, K.learning_phase()], [model.output])([ones, 1.0])[0] == 0).any()


def test_no_layers_come_up_within_a_call():
    class Inner(Layer):
        def __init__(self):
            super().__init__()
            self.dense = Dense(2)

        def call(self, inputs):
            return self.dense(inputs * 2.0)

    x = Input((4,))
    layer = Inner()
    model = Model(x, layer(x))
    assert [type(one).__name__ for one in model.layers] == ["InputLayer", "Inner"]
    assert layer.dense.inbound_nodes[0].inbound_layers == [None]


def test_what_no_file_holds(tmp_path):
    x = Input((4,))
    model = Model(x, Dense(2)(x) * 2.0)
    model.save_weights(str(tmp_path / "w.h5"))
    model.load_weights(str(tmp_path / "w.h5"))
    for use in (model.to_json, model.get_config, lambda: model.save(str(tmp_path / "m.h5"))):
        with pytest.raises(NotImplementedError, match="operations between layers, which no file holds.*Lambda"):
            use()
    with pytest.raises(NotImplementedError, match="operations between layers"):
        clone_model(model)


def test_what_must_be_fed_by_itself():
    x, other = Input((4,)), K.placeholder((None, 4))
    with pytest.raises(TypeError, match="that no layer made"):
        Model(x, x + other)
    with pytest.raises(TypeError, match="that no layer made"):
        Model(x, K.ones((3, 4)))
