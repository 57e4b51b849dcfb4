"""A program's own classes that have the name of one of this library's: files leave them alone."""

import json

import numpy as np
import pytest

import gpukeras as keras
from gpukeras import backend as K
from gpukeras import layers
from gpukeras.engine.topology import preprocess_weights_for_loading
from gpukeras.models import Model, Sequential, clone_model, load_model, model_from_json
from gpukeras.saving.configs import readable_text


class Own(layers.Layer):
    """Its output tells its arguments."""

    defaults = {}

    def __init__(self, **kwargs):
        self.given = {name: kwargs.pop(name, default) for name, default in self.defaults.items()}
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (6, 4), initializer="ones")
        self.second = self.add_weight("second", (4, 4), initializer="ones")
        self.bias = self.add_weight("bias", (12,), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        return inputs * K.sum(self.kernel) + float(sum(map(ord, json.dumps(self.given, sort_keys=True))))

    def get_config(self):
        return {**super().get_config(), **self.given}


def named(name, **defaults):
    return type(name, (Own,), {"defaults": defaults})


class Both(layers.Layer):
    def call(self, inputs):
        return inputs[0] + 2 * inputs[1]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


class GRUCell(layers.Layer):
    def __init__(self, units, **kwargs):
        self.units = self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units))
        super().build(input_shape)

    def call(self, inputs, states):
        output = K.tanh(K.dot(inputs, self.kernel) + states[0])
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def of_one(*stack):
    start = x = layers.Input((4, 3))
    for layer in stack:
        x = layer(x)
    return Model(start, x)


def of_two(layer):
    start = [layers.Input((4, 3)), layers.Input((4, 3))]
    return Model(start, layer(start))


CASES = {
    "GRU": lambda own: of_one(own()), "CuDNNLSTM": lambda own: Sequential([own(input_shape=(4, 3))]),
    "CuDNNGRU": lambda own: of_one(layers.TimeDistributed(own())), "GRUCell": lambda own: of_one(layers.RNN(own(3))),
    "MultiHeadAttention": lambda own: of_two(own()), "LSTM": lambda own: of_two(own()),
    "LeakyReLU": lambda own: of_one(layers.TimeDistributed(own(negative_slope=0.3))),
    "BatchNormalization": lambda own: of_one(own(axis=[1], fused=True, renorm_momentum=0.99)),
    "GaussianNoise": lambda own: of_one(own(seed=5)), "SpatialDropout1D": lambda own: of_one(own(seed=None)),
    "GlobalMaxPooling1D": lambda own: of_one(own(keepdims=False)),
    "ConvLSTM2D": lambda own: of_one(own(implementation=2)),
    "LocallyConnected1D": lambda own: of_one(own(implementation=1)),
    "Attention": lambda own: Sequential([of_one(own(score_mode="dot"))]),
    "Bidirectional": lambda own: of_one(own(layer=None, backward_layer=None)),
}
ARGUMENTS = {
    "LeakyReLU": {"negative_slope": 1}, "BatchNormalization": {"axis": 1, "fused": None, "renorm_momentum": 0.5},
    "GaussianNoise": {"seed": 3}, "SpatialDropout1D": {"seed": 3}, "GlobalMaxPooling1D": {"keepdims": True},
    "ConvLSTM2D": {"implementation": 7}, "LocallyConnected1D": {"implementation": 7},
    "Attention": {"score_mode": "cat"}, "Bidirectional": {"layer": 3, "backward_layer": 5},
}


def own_class(name):
    found = {"GRUCell": GRUCell, "MultiHeadAttention": type(name, (Both,), {}), "LSTM": type(name, (Both,), {})}
    return found.get(name) or named(name, **ARGUMENTS.get(name, {}))


@pytest.mark.filterwarnings("ignore:.*does not say how the model was compiled")
@pytest.mark.parametrize("name", CASES)
def test_own_classes_come_back_as_they_were(name, tmp_path):
    own = own_class(name)
    model = CASES[name](own)
    random = np.random.RandomState(1)
    model.set_weights([random.rand(*w.shape) for w in model.get_weights()])
    x = [random.rand(2, 4, 3).astype("float32") for _ in model.inputs]
    expected = model.predict(x)
    for ending in ("h5", "keras"):
        path = str(tmp_path / f"model.{ending}")
        model.save(path)
        np.testing.assert_array_equal(load_model(path, custom_objects={name: own}).predict(x), expected)
        with keras.utils.CustomObjectScope({name: own}):
            np.testing.assert_array_equal(load_model(path).predict(x), expected)
    with keras.utils.CustomObjectScope({name: own}):
        copies = [model_from_json(model.to_json()), clone_model(model), type(model).from_config(model.get_config())]
    for copy in copies:
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy.predict(x), expected)
    assert "reset_after" not in model.to_json()


def test_the_librarys_own_classes_are_still_translated(tmp_path):
    model = of_one(layers.GRU(2))
    assert '"reset_after": false' in model.to_json()
    entry = {"class_name": "LeakyReLU", "module": "keras.layers", "config": {"name": "a", "negative_slope": 0.5}}
    for custom in (None, {"LeakyReLU": layers.LeakyReLU}, {"LeakyReLU": type("LeakyReLU", (layers.LeakyReLU,), {})}):
        assert readable_text(entry, custom)["config"] == {"name": "a", "alpha": 0.5}


def test_own_classes_in_files_of_keras_1_keep_their_arguments():
    entry = {"class_name": "Dense", "keras_version": "1.2.2", "config": {"name": "a", "output_dim": 3, "bias": True}}
    assert readable_text(entry)["config"] == {"name": "a", "units": 3, "use_bias": True}
    assert readable_text(entry, {"Dense": named("Dense")})["config"] == entry["config"]
    entry["class_name"] = "Mine"
    assert readable_text(entry, {"Mine": named("Mine")})["config"] == entry["config"]


@pytest.mark.parametrize("name, cudnn", [("LSTM", True), ("GRU", False), ("CuDNNLSTM", False), ("CuDNNGRU", False)])
def test_weights_of_own_classes_are_converted_where_keras_2_goes_by_the_name(name, cudnn):
    layer = named(name)()
    layer.build((None, 3))
    units = 2 if name.endswith("GRU") else 1
    stored = [np.arange(12.0).reshape(1, 12), np.ones((units, 12)), np.arange(units * (8 if "LSTM" in name else 6.0))]
    found = preprocess_weights_for_loading(layer, stored, "2.0.9", "tensorflow")
    assert (found[2].shape != stored[2].shape) == cudnn
    if not cudnn:
        assert all(a is b for a, b in zip(found, stored))
    joined = preprocess_weights_for_loading(named("GRU")(), [np.ones((1, 2))] * 9, "1", None)
    assert [a.shape for a in joined] == [(1, 6)] * 3


def test_an_own_bidirectional_takes_the_weights_of_keras_1():
    class Bidirectional(layers.Wrapper):
        def build(self, input_shape):
            self.forward_layer, self.backward_layer = layers.LSTM(2), layers.LSTM(2)
            for part in (self.forward_layer, self.backward_layer):
                part.build(input_shape)

        @property
        def weights(self):
            return self.forward_layer.weights + self.backward_layer.weights

    layer = Bidirectional(layers.LSTM(2))
    layer.build((None, 4, 3))
    stored = [np.ones(s) for _ in range(2) for _ in range(4) for s in [(3, 2), (2, 2), (2,)]]
    found = preprocess_weights_for_loading(layer, stored, "1", None)
    assert [a.shape for a in found] == [w.shape for w in layer.weights]
