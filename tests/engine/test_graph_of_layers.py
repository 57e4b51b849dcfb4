"""The graph of layer calls: sharing, nesting, order, masks, losses and updates per call."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.engine import get_source_inputs
from gpukeras.engine.topology import Container, _object_list_uid, _to_snake_case
from gpukeras.layers import Activation, Dense, Dropout, Input, Lambda, Layer, Masking
from gpukeras.models import Model, Sequential, clone_model


def run(model, *arrays, training=None):
    feeds = list(arrays)
    inputs = list(model.inputs)
    if training is not None:
        inputs, feeds = [*inputs, K.learning_phase()], [*feeds, training]
    return K.function(inputs, model.outputs)(feeds)


def added(tensors):
    return Lambda(lambda ts: sum(ts[1:], ts[0]))(tensors)


def test_a_call_leaves_a_node():
    a, b = Input(shape=(4,), name="a"), Input(shape=(4,), name="b")
    dense = Dense(3)
    x, y = dense(a), dense(b)
    first, second = dense.inbound_nodes
    assert (first.input_tensors, first.output_tensors) == ([a], [x])
    assert (second.input_tensors, second.output_tensors) == ([b], [y])
    assert first.get_config() == {"outbound_layer": dense.name, "inbound_layers": ["a"], "node_indices": [0],
                                  "tensor_indices": [0]}
    assert a._keras_history[0].outbound_nodes == [first]
    assert tuple(y._keras_history) == (dense, 1, 0)
    assert [dense.get_input_at(i) for i in (0, 1)] == [a, b]
    assert [dense.get_output_at(i) for i in (0, 1)] == [x, y]
    assert dense.get_output_mask_at(1) is None
    assert dense.get_input_shape_at(0) == (None, 4)
    assert dense.output_shape == (None, 3)  # both calls agree
    for attribute in ("input", "output", "input_mask", "output_mask"):
        with pytest.raises(AttributeError, match="called 2 times"):
            getattr(dense, attribute)


def test_shared_layer_sums_gradients_and_counts_once():
    a, b = Input(shape=(2,)), Input(shape=(2,))
    dense = Dense(1, use_bias=False)
    model = Model([a, b], added([dense(a), dense(b)]))
    assert [w.shape for w in model.weights] == [(2, 1)]
    assert model.count_params() == 2
    grad = K.gradients(K.sum(model.output), model.trainable_weights)[0]
    got = K.function([a, b], [grad])([np.array([[1., 2.]]), np.array([[10., 20.]])])[0]
    np.testing.assert_allclose(got, [[11.], [22.]])


def test_layers_shared_at_different_depths_run_in_order_and_survive_json():
    x = Input(shape=(5,))
    first, second = Dense(5, name="first"), Dense(5, name="second")
    model = Model(x, first(second(first(second(x)))))
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    data = np.random.RandomState(0).normal(size=(3, 5)).astype("float32")
    w2, b2, w1, b1 = model.get_weights()
    expected = (((data @ w2 + b2) @ w1 + b1) @ w2 + b2) @ w1 + b1
    assert [layer.name for layer in model.layers[1:]] == ["second", "first"]
    np.testing.assert_allclose(run(model, data)[0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(run(again, data)[0], run(model, data)[0])


def test_inputs_of_a_shared_layer_stand_at_one_depth():
    a, b = Input(shape=(4,), name="a"), Input(shape=(4,), name="b")
    shared = Dense(3)
    model = Model([a, b], added([shared(a), Dense(3)(Dense(3)(shared(b)))]))
    depth = {layer.name: d for d, ls in model.layers_by_depth.items() for layer in ls}
    assert depth["a"] == depth["b"] == depth[shared.name] + 1
    assert sorted(sum(model.layers_by_depth.values(), []), key=id) == sorted(model.layers, key=id)


def test_several_outputs_and_ends():
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    both = added([a, b])
    model = Model([a, b], [Dense(2, name="p")(both), Dense(4, name="q")(both)])
    assert isinstance(model, Container)
    assert (model.input_names, model.output_names) == (["a", "b"], ["p", "q"])
    assert [layer.name for layer in model.input_layers] == ["a", "b"]
    assert model.input_layers_node_indices == [0, 0]
    assert model._feed_input_names == ["a", "b"] and model._feed_inputs == [a, b]
    assert model._feed_input_shapes == [(None, 3), (None, 3)]
    assert model.compute_output_shape([(7, 3), (7, 3)]) == [(7, 2), (7, 4)]
    assert model.compute_mask([a, b], [None, None]) == [None, None]
    assert get_source_inputs(model.outputs[0]) == [a, b]
    assert model.get_layer("p") is model.get_layer(index=-2)


def test_network_as_layer_shares_weights_and_caches():
    inner = Model(x := Input(shape=(3,)), Dense(2, name="core")(x), name="inner")
    a, b = Input(shape=(3,)), Input(shape=(3,))
    outer = Model([a, b], added([inner(a), inner(b)]))
    assert outer.get_layer("inner") is inner
    assert len(outer.weights) == 2
    kernel, bias = inner.get_weights()
    data = np.ones((2, 3), "float32")
    np.testing.assert_allclose(run(outer, data, 2 * data)[0], 3 * data @ kernel + 2 * bias, rtol=1e-5)
    before = len(inner._runs)
    inner.call(a)
    inner.compute_mask(a, None)
    assert len(inner._runs) == before


def test_nested_networks_give_trainable_weights_first():
    class Normed(Layer):
        def build(self, input_shape):
            self.mean = self.add_weight(name="mean", shape=(3,), initializer="zeros", trainable=False)
            self.gain = self.add_weight(name="gain", shape=(3,), initializer="ones")

        def call(self, inputs):
            return (inputs - self.mean) * self.gain

    x = Input(shape=(3,))
    inner = Model(x, Dense(3)(Normed(name="n")(Dense(3)(x))))
    outer = Model(a := Input(shape=(3,)), inner(a))
    kinds = [w.name.split("/")[1] for w in outer._weights_by_layer()]
    assert kinds == ["kernel:0", "bias:0", "gain:0", "kernel:0", "bias:0", "mean:0"]
    kinds = [w.name.split("/")[1] for w in inner._weights_by_layer()]
    assert kinds == ["kernel:0", "bias:0", "gain:0", "mean:0", "kernel:0", "bias:0"]
    outer.set_weights(outer.get_weights())


def test_frozen_parts_move_to_non_trainable_weights():
    inner = Model(x := Input(shape=(3,)), Dense(2)(x))
    model = Model(a := Input(shape=(3,)), Dense(1)(inner(a)))
    weights = model.weights
    inner.trainable = False
    assert model.trainable_weights == weights[2:]
    assert model.non_trainable_weights == weights[:2]
    model.trainable = False
    assert model.trainable_weights == [] and set(model.non_trainable_weights) == set(weights)


def test_losses_belong_to_calls():
    dense = Dense(2, kernel_regularizer="l2", activity_regularizer="l1")
    a, b = Input(shape=(3,)), Input(shape=(3,))
    x, y = dense(a), dense(b)
    assert len(dense.losses) == 3
    assert [len(dense.get_losses_for(of)) for of in (a, [b], None)] == [1, 1, 1]
    assert len(Model(a, x).losses) == 2  # not the call on b
    both = Model([a, b], added([x, y]))
    assert len(both.losses) == 3
    c = Input(shape=(3,))
    outer = Model(c, Model(a, x)(c))
    assert len(outer.losses) == 2
    data = np.ones((1, 3), "float32")
    kernel = dense.get_weights()[0]
    total = K.function([c], [sum(outer.losses[1:], outer.losses[0])])([data])[0]
    np.testing.assert_allclose(total, 0.01 * (np.abs(data @ kernel).sum() + (kernel ** 2).sum()), rtol=1e-5)


def test_weight_losses_count_once_however_often_a_network_is_called():
    inner = Model(x := Input(shape=(3,)), Dense(3, kernel_regularizer="l2")(x))
    outer = Model(a := Input(shape=(3,)), inner(inner(a)))
    assert len(outer.losses) == len(inner.losses) == 1


def test_losses_added_to_a_model_count():
    x = Input(shape=(3,))
    y = Dense(2)(x)
    model = Model(x, y)
    loss = K.mean(K.square(y))
    model.add_loss(loss)
    assert model.losses == [loss]


def test_updates_belong_to_calls_found_without_naming_inputs():
    class Counting(Layer):
        def build(self, input_shape):
            self.total = self.add_weight(name="total", shape=(), initializer="zeros", trainable=False)

        def call(self, inputs):
            self.add_update(K.update_add(self.total, K.sum(inputs)))
            return inputs

    layer = Counting()
    a, b = Input(shape=(1,)), Input(shape=(1,))
    model = Model(a, layer(a))
    layer(b)
    assert len(layer.updates) == 2 and len(model.updates) == 1
    outer = Model(c := Input(shape=(1,)), model(c))
    K.function([c], outer.outputs, updates=outer.updates)([np.array([[2.], [3.]])])
    assert layer.get_weights()[0] == 5


def test_explicit_items_for_inputs():
    a, dense = Input(shape=(2,)), Dense(1)
    dense.add_update(0, inputs=a)
    dense.add_update(1)
    dense.add_loss(2, inputs=[a])
    dense.add_loss([])
    assert dense.get_updates_for(a) == [0] and dense.get_updates_for(None) == [1]
    assert dense.get_losses_for(a) == [2] and dense.get_losses_for(None) == []


def test_masks_travel_and_stop():
    x = Input(shape=(3, 2))
    masked = Masking()(x)
    dense = Dense(4)
    out = dense(masked)
    assert dense.input_mask is masked._keras_history[0].output_mask
    data = np.array([[[1, 1], [0, 0], [0, 2]]], "float32")
    assert K.function([x], [dense.output_mask])([data])[0].tolist() == [[True, False, True]]
    model = Model(x, out)
    y = Input(shape=(3, 2))
    model(y)
    assert K.function([y], [model.get_output_mask_at(1)])([data])[0].tolist() == [[True, False, True]]
    with pytest.raises(TypeError, match="Layer 'flat' does not support masking"):
        layers.Flatten(name="flat")(masked)


def test_layers_receive_masks_they_ask_for():
    class Mean(Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            counts = K.expand_dims(K.cast(mask, "float32"))
            return K.sum(inputs * counts, axis=1) / K.sum(counts, axis=1)

        def compute_mask(self, inputs, mask=None):
            return None

    x = Input(shape=(3, 1))
    model = Model(x, Mean()(Masking()(x)))
    outer = Model(y := Input(shape=(3, 1)), model(y))
    data = np.array([[[2.], [0.], [4.]]])
    assert run(model, data)[0].tolist() == run(outer, data)[0].tolist() == [[3.0]]


def test_learning_phase_spreads_and_can_be_fixed():
    a, b = Input(shape=(8,)), Input(shape=(8,))
    dropped, plain = Dropout(0.5)(a), Dense(8)(b)
    assert dropped._uses_learning_phase and not plain._uses_learning_phase
    model = Model([a, b], [dropped, plain])
    assert model.uses_learning_phase and added([dropped, plain])._uses_learning_phase
    ones = np.ones((4, 8), "float32")
    assert np.array_equal(run(model, ones, ones, training=0)[0], ones)
    assert sorted(np.unique(run(model, ones, ones, training=1)[0])) == [0, 2]
    fixed = Model(a, Dropout(0.5)(a, training=True))
    assert not fixed.uses_learning_phase
    assert not Model.from_config(fixed.get_config()).uses_learning_phase
    assert not fixed(b)._uses_learning_phase
    assert not Model(a, dropped).call(b, training=False)._uses_learning_phase


def test_passing_inputs_on_makes_a_tensor_of_the_layers_own():
    x = Input(shape=(2,))
    y = Layer(name="nothing")(x)
    assert y is not x and y._keras_history[0].name == "nothing" and x._keras_history[0].name != "nothing"
    model = Model(x, Activation("linear")(y))
    assert run(model, np.ones((1, 2)))[0].tolist() == [[1, 1]]
    assert len(model.layers) == 3


def test_inputs_may_wrap_tensors():
    fixed = K.variable([[1., 2.]])
    x = Input(tensor=fixed)
    model = Model(x, Dense(2, kernel_initializer="ones")(x))
    assert model._feed_inputs == [] and model._feed_input_names == []
    assert K.function([], model.outputs)([])[0].tolist() == [[3, 3]]


def test_deep_graphs_need_no_deep_stack():
    x = y = Input(shape=(1,))
    for _ in range(1500):
        y = Layer()(y)
    assert len(Model(x, y).layers) == 1501


def test_clone_has_weights_of_its_own():
    a = Input(shape=(4,), name="a")
    dense = Dense(4)
    model = Model(a, added([dense(Dropout(0.5)(dense(a))), a]))
    copy = clone_model(model)
    assert copy.get_config() == model.get_config()
    assert not set(copy.weights) & set(model.weights)
    data = K.variable(np.ones((2, 4)))
    on_data = clone_model(model, input_tensors=data)
    on_data.set_weights(model.get_weights())
    np.testing.assert_allclose(K.function([], on_data.outputs)([])[0], run(model, np.ones((2, 4)))[0],
                               rtol=1e-6)
    stack = Sequential([Dense(3, input_shape=(4,)), Dense(2)])
    assert clone_model(stack).get_config() == stack.get_config()
    assert clone_model(stack, input_tensors=Input(shape=(4,))).output_shape == (None, 2)


def test_helpers_under_their_old_names():
    a, b = Input(shape=(1,)), Input(shape=(1,))
    assert _object_list_uid([a, b]) != _object_list_uid([b,
                                                         a]) and _object_list_uid(a) == _object_list_uid([a])
    assert _to_snake_case("LeakyReLU") == "leaky_re_lu"


def test_a_model_keeps_its_own_input_and_output_however_often_it_is_called():
    inner = Sequential([Dense(3, input_shape=(4,), name="first"), Dense(2)])
    own = inner.input, inner.output
    a, b = Input(shape=(4,)), Input(shape=(4,))
    Model([a, b], [inner(a), inner(b)])
    assert (inner.input, inner.output) == own and inner.input_shape == (None, 4)
    assert inner.get_output_at(2) is not inner.output
    features = Model(inner.input, inner.get_layer("first").output)
    assert features.predict(np.ones((1, 4))).shape == (1, 3)
    stack = Sequential([inner, Dense(1)])  # begins with the model's own call
    assert stack.input is inner.input and stack.predict(np.ones((1, 4))).shape == (1, 1)
    layer = Dense(3)
    layer(a), layer(b)
    with pytest.raises(AttributeError, match="was called 2 times"):
        _ = layer.input
