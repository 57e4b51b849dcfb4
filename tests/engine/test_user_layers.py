"""Layers as users write them: in the style of Keras 2.0.9, and in newer and older ones."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine import InputSpec
from gpukeras.engine.node import masks_of
from gpukeras.layers import Dense, Embedding, Input, Lambda, Layer, Masking, deserialize, serialize
from gpukeras.models import Model, Sequential, model_from_json


class Affine(Layer):
    """A layer that uses every hook."""

    def __init__(self, units, initializer="ones", **kwargs):
        self.units = units  # before super().__init__, as the documentation of Keras has it
        self.initializer = initializer
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units),
                                      initializer=self.initializer, regularizer=lambda w: K.sum(w) * 0.5)
        self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        super().build(input_shape)

    def call(self, inputs, mask=None, training=None):
        self.add_update([K.update_add(self.calls, 1)], inputs)
        self.add_loss(K.sum(inputs), inputs=inputs)
        output = K.dot(inputs, self.kernel)
        return K.in_train_phase(output * 2, output, training=training)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "initializer": self.initializer}


def test_every_hook():
    x = Input(shape=(3,))
    layer = Affine(2, name="affine")
    y = layer(x)
    model = Model(x, y)
    assert layer.built and model.output_shape == (None, 2)
    assert [w.name for w in layer.weights] == ["affine/kernel:0", "affine/calls:0"]
    assert layer.trainable_weights == [layer.kernel] and layer.non_trainable_weights == [layer.calls]
    assert layer.count_params() == 7
    assert y._uses_learning_phase and layer.uses_learning_phase
    data = np.ones((1, 3), "float32")
    f = K.function([x, K.learning_phase()], [y, *model.losses], updates=model.updates)
    test = f([data, 0])
    train = f([data, 1])
    assert test[0].tolist() == [[3, 3]] and train[0].tolist() == [[6, 6]]
    assert sorted(float(v) for v in test[1:]) == [3, 3]
    assert layer.get_weights()[1] == 2
    again = model_from_json(model.to_json(), custom_objects={"Affine": Affine})
    assert again.get_config() == model.get_config()


def test_layer_without_output_shape_or_names():
    class Pairs(Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 2), initializer="glorot_uniform", trainable=True)
            self.b = self.add_weight((2,), initializer="zeros")
            self.c = self.add_weight((2,), "zeros")
            self.d = self.add_weight((2,), "offset", initializer="ones")
            self.e = self.add_weight("scale", (2,), initializer="ones", constraint="nonneg")
            self.f = self.add_weight("count", (), dtype="int32", trainable=False)

        def call(self, inputs):
            return [K.dot(inputs, self.w) + self.b, inputs]

    layer = Pairs(name="pairs")
    first, second = layer(Input(shape=(4,)))
    assert layer.output_shape == [(None, 2), (None, 4)]
    assert [K.int_shape(first), K.int_shape(second)] == [(None, 2), (None, 4)]
    names = [w.name for w in layer.weights]
    assert names == [f"pairs/{n}:0" for n in ("weight_1", "weight_2", "weight_3", "offset", "scale", "count")]
    assert K.dtype(layer.f) == "int32" and layer.e.constraint is not None
    assert K.get_value(layer.d).tolist() == [1, 1]


def test_weights_set_by_hand():
    class Manual(Layer):
        def build(self, input_shape):
            self.w = K.variable(np.full((3, 1), 2.0), name="w")
            self.v = K.variable(np.zeros(1))
            self.trainable_weights = [self.w]
            self._trainable_weights.append(self.v)

        def call(self, x):
            return K.dot(x, self.w) + self.v

        def compute_output_shape(self, input_shape):
            return (input_shape[0], 1)

    layer = Manual()
    model = Sequential([Dense(3, input_dim=2), layer])
    assert layer.trainable_weights == [layer.w, layer.v]
    assert len(model.trainable_weights) == 4
    layer.trainable = False
    assert layer.trainable_weights == [] and layer.weights == [layer.w, layer.v]


def test_initial_weights_and_set_weights():
    kernel, bias = np.arange(6).reshape(3, 2), np.ones(2)
    layer = Dense(2, weights=[kernel, bias], input_shape=(3,))
    Sequential([layer])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    layer.set_weights([kernel * 2, bias])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel * 2)
    with pytest.raises(ValueError):
        layer.set_weights([kernel * 3, np.ones(3)])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel * 2)  # all or nothing


def test_composite_layer():
    class Twice(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Dense(3)

        def call(self, inputs):
            return self.inner(self.inner(inputs))

    x = Input(shape=(3,))
    layer = Twice(name="twice")
    y = layer(x)
    assert y._keras_history[0] is layer and len(Model(x, y).layers) == 2


def test_call_arguments():
    class Scaled(Layer):
        def call(self, inputs, by=1.0, shift=0.0):
            return inputs * by + shift

    x = Input(shape=(2,))
    layer = Scaled(name="scaled")
    model = Model(x, layer(x, 3.0, shift=1.0))
    again = Model.from_config(model.get_config(), custom_objects={"Scaled": Scaled})
    for m in (model, again):
        assert K.function(m.inputs, m.outputs)([np.ones((1, 2))])[0].tolist() == [[4, 4]]
    with pytest.raises(TypeError, match="'scaled'.*takes 2 arguments"):
        layer(x, 1.0, 2.0, 3.0)


def test_names_and_numbers():
    K.reset_uids()

    class MyHTTPLayer(Layer):
        pass

    assert [Dense(1).name, Dense(1).name, MyHTTPLayer().name] == ["dense_1", "dense_2", "my_http_layer_1"]
    assert Dense(1, name="mine").name == "mine"
    x = Input(shape=(1,))
    assert x._keras_history[0].name == "input_1" and Sequential().name == "sequential_1"
    assert Model(x, Dense(1)(x)).name == "model_1"
    assert "'mine'" in repr(Dense(1, name="mine"))


def test_first_layer_keywords():
    assert Dense(1, input_dim=3).batch_input_shape == (None, 3)
    assert Dense(1, input_shape=(4, 3), batch_size=2).batch_input_shape == (2, 4, 3)
    assert Masking(batch_input_shape=(2, None, 3)).batch_input_shape == (2, None, 3)
    assert Dense(1, input_shape=(3,), dtype="float64").get_config()["dtype"] == "float64"
    assert "dtype" not in Dense(1).get_config()
    assert Sequential([Dense(1, input_shape=(3,), dtype="float64")]).inputs[0].dtype == "float64"


def test_forced_learning_phase():
    class Old(Layer):
        def __init__(self):
            super().__init__()
            self.uses_learning_phase = True

    assert Old()(Input(shape=(1,)))._uses_learning_phase


def test_keras_1_layers_are_told_what_to_rename():
    class Old(Layer):
        def get_output_shape_for(self, input_shape):
            return input_shape

    with pytest.warns(UserWarning, match="get_output_shape_for.*compute_output_shape"):
        Old()(Input(shape=(1,)))


def test_serialize_is_class_and_config():
    layer = Dense(2, name="d")
    assert serialize(layer) == {"class_name": "Dense", "config": layer.get_config()}
    assert deserialize(serialize(layer)).get_config() == layer.get_config()
    assert InputSpec(shape=(None, 3)).ndim == 2 and "ndim=2" in repr(InputSpec(ndim=2))


def test_a_variational_autoencoder_in_the_style_of_the_time():
    """A Lambda that closes over other layers' tensors, and a layer whose loss is the model's only one."""
    x = Input(shape=(6,))
    mean, spread = Dense(2)(x), Dense(2)(x)
    z = Lambda(lambda t: mean + K.exp(spread / 2) * 0.1 * t, output_shape=(2,))(mean)
    decoded = Dense(6, activation="sigmoid")(z)

    class Objective(Layer):
        def call(self, inputs):
            given, made = inputs
            divergence = -0.5 * K.sum(1 + spread - K.square(mean) - K.exp(spread), axis=-1)
            self.add_loss(K.mean(K.sum(K.square(given - made), axis=-1) + divergence), inputs=inputs)
            return given

    model = Model(x, Objective()([x, decoded]))
    model.compile("adam", loss=None)
    data = np.random.RandomState(0).uniform(size=(32, 6))
    history = model.fit(data, verbose=0, epochs=3)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_shape_first_and_the_name_by_keyword():
    """As attention layers written for Keras 2 have it."""
    layer = Layer(name="mine")
    first = layer.add_weight((2, 3), initializer="ones", name=f"{layer.name}_W")
    second = layer.add_weight((3,), "zeros", name="b")
    assert [w.name.split("/")[-1].partition(":")[0] for w in (first, second)] == ["mine_W", "b"]
    assert K.eval(first).tolist() == [[1, 1, 1]] * 2 and K.eval(second).tolist() == [0, 0, 0]


class Sum(Layer):
    """A layer of several inputs that supports masking and says nothing of the masks."""

    def __init__(self, outputs=1, **kwargs):
        super().__init__(**kwargs)
        self.outputs, self.supports_masking = outputs, True

    def call(self, inputs, mask=None):
        return inputs[0] + inputs[1] if self.outputs == 1 else [inputs[0] + inputs[1], *inputs[1:], inputs[0]]

    def compute_output_shape(self, input_shape):
        return input_shape[0] if self.outputs == 1 else [input_shape[0]] * self.outputs


@pytest.mark.parametrize("outputs", [1, 3])
def test_masks_of_several_inputs_go_to_the_outputs_in_their_order(outputs):
    words, others = Input((4,)), Input((4,))
    masked = Embedding(5, 3, mask_zero=True)
    tensors = [masked(words), Embedding(5, 3)(others)]
    for given, expected in ((tensors, [True, False, False]), (tensors[::-1], [False, True, False])):
        made = Sum(outputs)(given)
        found = masks_of(made)
        assert [m is not None for m in (found if isinstance(found, list) else [found])] == expected[:outputs]
        model = Model([words, others], made)
        model.compile("sgd", "mse")
        assert np.isfinite(model.test_on_batch([np.ones((2, 4))] * 2, [np.zeros((2, 4, 3))] * outputs)).all()
