"""Sequential: stacks of layers, given at once or one by one, with or without an input shape."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Activation, Dense, Dropout, Flatten, Input, InputLayer, Reshape
from gpukeras.models import Model, Sequential, model_from_json


def outputs(model, x):
    return K.function(model.inputs, model.outputs)([x])[0]


def test_list_and_add_make_the_same():
    K.reset_uids()
    listed = Sequential([Dense(4, input_shape=(3,)), Activation("relu"), Dense(2)])
    K.reset_uids()
    grown = Sequential()
    for layer in (Dense(4, input_dim=3), Activation("relu"), Dense(2)):
        grown.add(layer)
    assert grown.get_config() == listed.get_config()
    assert [layer.name for layer in grown.layers] == ["dense_1", "activation_1", "dense_2"]
    assert grown.input_names == ["dense_1_input"] and grown.output_names == ["dense_2"]
    assert grown.input_shape == (None, 3) and grown.output_shape == (None, 2)
    assert grown.model is grown and grown.built
    assert grown.get_layer(index=0).name == "dense_1_input" and grown.get_layer(index=-1) is grown.layers[-1]
    assert grown.get_layer("dense_2") is grown.layers[-1]


def test_pop_and_go_on():
    model = Sequential([Dense(4, input_shape=(3,)), Dense(5), Dense(6)])
    first = model.layers[0]
    model.pop()
    assert model.output_shape == (None, 5) and len(model.weights) == 4
    model.pop()
    assert first.outbound_nodes == [] and model.output is first.output
    model.add(Dense(2))
    assert model.output_shape == (None, 2) and model.get_layer(index=-1).output_shape == (None, 2)
    assert outputs(model, np.ones((7, 3))).shape == (7, 2)
    model.pop()
    model.pop()
    assert model.layers == [] and model.outputs == [] and not model.built
    model.add(Dense(1, input_shape=(2,)))
    assert model.output_shape == (None, 1)


def test_a_model_inside_and_in_front():
    inner = Sequential([Dense(4, input_shape=(3,)), Activation("relu")])
    front = Sequential([Sequential([inner]), Dense(2)])
    assert front.inputs == inner.inputs  # as in Keras 2.0.9: it goes on from the inner one's tensors
    assert [type(layer).__name__ for layer in front.layers] == ["Sequential", "Dense"]
    behind = Sequential([Dense(3, input_shape=(3,)), inner, Dense(2)])
    assert behind.layers[1] is inner and len(inner.inbound_nodes) == 2
    assert len(front.weights) == 4 and len(behind.weights) == 6
    x = np.random.RandomState(0).normal(size=(5, 3)).astype("float32")
    kernel, bias = front.layers[1].get_weights()
    np.testing.assert_allclose(outputs(front, x), outputs(inner, x) @ kernel + bias, rtol=1e-5, atol=1e-6)
    again = Sequential.from_config(behind.get_config())
    again.set_weights(behind.get_weights())
    np.testing.assert_array_equal(outputs(again, x), outputs(behind, x))
    inner.trainable = False
    assert len(front.trainable_weights) == 2 and len(behind.trainable_weights) == 4


def test_called_like_a_layer():
    model = Sequential([Dense(2, input_shape=(3,), kernel_regularizer="l2"), Dropout(0.5)])
    x = Input(shape=(3,))
    functional = Model(x, model(x))
    assert functional.uses_learning_phase and len(functional.losses) == len(model.losses) == 1
    assert functional.layers[1] is model
    assert Model.from_config(functional.get_config()).get_config() == functional.get_config()


@pytest.mark.parametrize("start", [Input, lambda shape: InputLayer(input_shape=shape)])
def test_begins_with_an_input(start):
    model = Sequential([start(shape=(4, 3)), Flatten(), Dense(2)])
    assert model.output_shape == (None, 2)
    again = model_from_json(model.to_json())
    assert again.input_shape == (None, 4, 3) and again.output_shape == (None, 2)


def test_built_when_the_shape_is_known():
    model = Sequential([Dense(4), Activation("relu")], name="late")
    model.add(Dense(2))
    assert not model.built and model.weights == [] and len(model.layers) == 3
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert lines[3].split() == [model.layers[0].name, "(Dense)", "?", "unbuilt"]
    waiting = Sequential.from_config(model.get_config())
    with pytest.raises(ValueError, match="can't reshape"):
        broken = Sequential([Dense(4), Reshape((3,))])
        broken.build((None, 5))
    model.build((None, 3))
    assert model.built and model.output_shape == (None, 2) and len(model.layers) == 3
    assert model.layers[0].batch_input_shape == (None, 3)
    assert Sequential.from_config(model.get_config()).output_shape == (None, 2)
    assert K.int_shape(waiting(Input(shape=(7,)))) == (None, 2)  # called on a tensor
    assert waiting.input_shape == (None, 7)


def test_built_by_the_first_data():
    model = Sequential([Dense(3), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 5)), np.ones((4, 1)), verbose=0)
    assert model.input_shape == (None, 5)
    assert Sequential([Dense(2)]).predict(np.ones((3, 4))).shape == (3, 2)


def test_classes_and_probabilities():
    model = Sequential([Activation("linear", input_shape=(3,))])
    x = np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]])
    assert model.predict_classes(x).tolist() == [1, 0]
    np.testing.assert_allclose(model.predict_proba(x), x, rtol=1e-6)
    with pytest.warns(UserWarning, match="no probabilities"):
        model.predict_proba(x * 2)
    binary = Sequential([Activation("linear", input_shape=(1,))])
    assert binary.predict_classes(np.array([[0.4], [0.6]])).tolist() == [[0], [1]]


def test_config_of_newer_keras():
    config = {"name": "enc", "layers": [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 7], "dtype": "float32",
                                                "sparse": False,
                                                "ragged": False, "name": "enc_1_input"}},
        {"class_name": "Dense", "config": {
            "name": "enc_1", "trainable": True, "dtype": "float32", "units": 6, "activation": "relu",
            "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform",
                                   "config": {"seed": None}, "registered_name": None}}}]}
    model = Sequential.from_config(config)
    assert model.name == "enc" and [layer.name for layer in model.layers] == ["enc_1"]
    assert model.input_names == ["enc_1_input"]
    again = Sequential.from_config(model.get_config())
    assert again.input_names == ["enc_1_input"]
    config["layers"][0]["config"] = {"batch_shape": [None, 7], "name": "other"}
    assert Sequential.from_config(config).input_shape == (None, 7)


def test_what_keras_2_had_on_a_stack():
    model = Sequential([Dense(2, input_shape=(3,), kernel_regularizer="l2"), Dense(1, activity_regularizer="l1")])
    assert [type(r).__name__ for r in model.regularizers] == ["L1L2", "L1L2"]
    assert model.legacy_get_config() == model.get_config()
    assert Sequential.legacy_from_config(model.get_config()).output_shape == (None, 1)
    assert list(inspect.signature(model.compile).parameters)[:6] == [
        "optimizer", "loss", "metrics", "sample_weight_mode", "weighted_metrics", "target_tensors"]


def test_steps_go_without_a_batch_size():
    target = K.variable(np.ones((4, 1)))
    x = Input(tensor=K.variable(np.ones((4, 3))))
    stack = Sequential([Model(x, Dense(1)(x))])
    stack.compile("sgd", "mse", target_tensors=[target])
    assert stack.fit(None, None, epochs=1, steps_per_epoch=2, verbose=0).epoch == [0]
    assert np.isfinite(stack.evaluate(None, None, steps=2, verbose=0))
    assert stack.predict(None, steps=2).shape == (8, 1)
    with pytest.raises(ValueError, match="batch_size must be left out"):
        stack.predict(None, batch_size=4, steps=2)
