"""Architectures as text: JSON and YAML there and back, old layouts, Lambdas, and what must not be run."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine import own_functions
from gpukeras.layers import (
    Conv2D,
    ConvLSTM2D,
    Dense,
    Input,
    Lambda,
    MaxPooling1D,
    MaxPooling2D,
    SeparableConv2D,
    SimpleRNN,
    ZeroPadding2D,
    deserialize,
)
from gpukeras.models import Model, Sequential, clone_model, model_from_json, model_from_yaml


def twice(x):
    return x * 2


def shape_of(shape):
    return shape


def several():
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    shared = Dense(4, name="shared")
    inner = Sequential([Dense(4, input_shape=(4,), name="core")], name="inner")
    mixed = Lambda(twice, name="mixed")(inner(shared(a)))
    return Model([a, b], [mixed, shared(b)], name="several")


def test_layout_of_2_0_9():
    config = json.loads(several().to_json())
    assert sorted(config) == ["backend", "class_name", "config", own_functions.MARK, "keras_version"]
    assert config["class_name"] == "Model" and config["keras_version"] == "2.0.9"
    assert sorted(config["config"]) == ["input_layers", "layers", "name", "output_layers"]
    by_name = {layer["name"]: layer for layer in config["config"]["layers"]}
    assert by_name["a"] == {"name": "a", "class_name": "InputLayer", "inbound_nodes": [], "config": {
        "batch_input_shape": [None, 3], "dtype": "float32", "sparse": False, "name": "a"}}
    assert by_name["shared"]["inbound_nodes"] == [[["a", 0, 0, {}]], [["b", 0, 0, {}]]]
    assert by_name["inner"]["inbound_nodes"] == [[["shared", 0, 0, {}]]]
    assert isinstance(by_name["inner"]["config"], list)
    assert by_name["mixed"]["inbound_nodes"] == [[["inner", 1, 0,
                                                   {}]]]  # call 0 is the inner model's own graph
    assert config["config"]["output_layers"] == [["mixed", 0, 0], ["shared", 1, 0]]


@pytest.mark.parametrize(("write", "read"),
                         [(Model.to_json, model_from_json), (Model.to_yaml, model_from_yaml)])
def test_text_there_and_back(write, read):
    if read is model_from_yaml:
        pytest.importorskip("yaml")
    model = several()
    again = read(write(model), custom_objects={"twice": twice})
    assert write(again) == write(model)
    again.set_weights(model.get_weights())
    data = [np.random.RandomState(i).normal(size=(2, 3)) for i in (0, 1)]
    for old, new in zip(K.function(model.inputs, model.outputs)(data),
                        K.function(again.inputs, again.outputs)(data)):
        np.testing.assert_array_equal(old, new)


def test_functions_stay_in_the_process_that_made_them(monkeypatch):
    model = Model(x := Input(shape=(2,)), Lambda(lambda t, by: t * by, arguments={"by": np.array([2., 3.])},
                                                 name="l")(x))
    data = np.ones((1, 2))
    for copy in (Model.from_config(model.get_config()), clone_model(model)):
        assert K.function(copy.inputs, copy.outputs)([data])[0].tolist() == [[2, 3]]
    text = model.to_json()
    assert json.loads(text)["config"]["layers"][1]["config"]["arguments"] == {
        "by": {"type": "ndarray", "value": [2, 3]}}
    monkeypatch.setattr(own_functions, "_written", {})  # as in another process
    with pytest.raises(ValueError, match=r"custom_objects=\{'l': function\}"):
        model_from_json(text)
    again = model_from_json(text, custom_objects={"l": lambda t, by: t * by})
    assert K.function(again.inputs, again.outputs)([data])[0].tolist() == [[2, 3]]
    assert type(pickle.loads(pickle.dumps(model.get_layer("l").get_config()["function"]))) is str


def test_named_functions_need_custom_objects():
    config = json.loads(json.dumps(Lambda(twice, output_shape=shape_of, name="l").get_config()))
    assert (config["function"], config["function_type"]) == ("twice", "function")
    assert (config["output_shape"], config["output_shape_type"]) == ("shape_of", "function")
    entry = {"class_name": "Lambda", "config": config}
    with pytest.raises(ValueError, match=r"'twice'.*custom_objects=\{'twice': function\}"):
        deserialize(entry)
    with pytest.warns(UserWarning, match="'shape_of' is not in custom_objects"):
        assert deserialize(entry, custom_objects={"twice": twice})(Input(shape=(3,))).shape == (None, 3)
    assert deserialize(entry, custom_objects={"twice": twice, "shape_of": shape_of}).get_config() == config


def test_bytecode_is_not_run():
    ran = []
    stored = {"class_name": "Lambda", "config": {
        "name": "evil", "function": ["4wEAAAAAAAAA", None,
                                     None], "function_type": "lambda", "output_shape": None,
        "output_shape_type": "raw", "arguments": {}}}
    with pytest.raises(ValueError, match="'evil'.*no code is ever loaded"):
        deserialize(stored)
    assert deserialize(stored, custom_objects={"evil": twice}).function is twice
    for name in ("os.system", "builtins.exec", "Registry", "deserialize_keras_object", "__import__"):
        with pytest.raises(ValueError, match="Unknown layer"):
            deserialize({"class_name": name, "config": {"command": ran.append(1) or "true"}})
    pytest.importorskip("yaml")
    with pytest.raises(ValueError, match="python/object/apply"):
        model_from_yaml("!!python/object/apply:os.system ['true']")


def test_functional_class_of_newer_keras():
    config = json.loads(several().to_json())
    config["class_name"] = "Functional"
    config["config"].update(trainable=False, output_layers=["shared", 1, 0],
                            input_layers=[["a", 0, 0], ["b", 0, 0]])
    model = model_from_json(json.dumps(config), custom_objects={"twice": twice})
    assert model.output_names == ["shared"] and model.trainable_weights == []


def test_a_malformed_call():
    config = several().get_config()
    config["layers"][2]["inbound_nodes"] = [[["a", 0]]]
    with pytest.raises(ValueError, match="expected .layer name, node index, tensor index, keywords."):
        Model.from_config(config)
    config["layers"][2]["inbound_nodes"] = [[["aa", 0, 0]]]
    with pytest.raises(ValueError, match="'aa'"):
        Model.from_config(config)


def test_unused_inputs_are_left_out():
    a, b = Input(shape=(1,), name="a"), Input(shape=(1,), name="b")
    config = Model([a, b], Dense(1)(a)).get_config()
    assert config["input_layers"] == [["a", 0, 0]] and [layer["name"] for layer in config["layers"]][0] == "a"


def test_arguments_stand_in_keras2_order():
    common = ["name", "trainable"]
    weighted = ["kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
                "activity_regularizer", "kernel_constraint", "bias_constraint"]
    assert list(Dense(3).get_config()) == [*common, "units", "activation", "use_bias", *weighted]
    assert list(Conv2D(3, 2).get_config()) == [
        *common, "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
        "use_bias", *weighted]
    assert list(MaxPooling1D().get_config()) == [*common, "strides", "pool_size", "padding"]
    assert list(MaxPooling2D().get_config()) == [*common, "pool_size", "padding", "strides", "data_format"]
    assert list(ZeroPadding2D().get_config()) == [*common, "padding", "data_format"]
    assert list(SeparableConv2D(3, 2).get_config())[-5:] == [
        "pointwise_initializer", "depthwise_regularizer", "pointwise_regularizer", "depthwise_constraint",
        "pointwise_constraint"]
    recurrent = [*common, "return_sequences", "return_state", "go_backwards", "stateful", "unroll"]
    assert list(SimpleRNN(3).get_config()) == [
        *recurrent, "units", "activation", "use_bias", "kernel_initializer", "recurrent_initializer",
        "bias_initializer", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
        "activity_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint",
        "dropout", "recurrent_dropout"]
    assert list(ConvLSTM2D(3, 2).get_config())[len(recurrent):][:3] == ["implementation", "filters", "kernel_size"]


def test_order_of_a_program_s_layer_is_its_base_s():
    class Mine(Dense):
        def __init__(self, activation=None, units=3, **kwargs):
            super().__init__(units, activation=activation, **kwargs)

    assert list(Mine().get_config()) == list(Dense(3).get_config())


def test_yaml_of_keras2_itself():
    pytest.importorskip("yaml")
    text = """backend: !!python/unicode 'tensorflow'
class_name: Sequential
config:
- class_name: Conv2D
  config:
    batch_input_shape: !!python/tuple [null, 5, 6, 1]
    filters: !!python/long 2
    kernel_size: !!python/tuple [2, 3]
    strides: &id001 !!python/tuple [1, 1]
    dilation_rate: *id001
keras_version: 2.0.9
"""
    assert model_from_yaml(text).output_shape == (None, 4, 4, 2)
