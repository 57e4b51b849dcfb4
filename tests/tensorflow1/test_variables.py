"""Variables, scopes, derivatives, loops and printing of TensorFlow 1's programs."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Layer
from gpukeras.models import Sequential
from gpukeras.tensorflow1.names import named

A = np.random.RandomState(0).randn(4, 3).astype("float32")


def test_variables():
    make = named("Variable")
    weight, count = make([1.0, 2.0], trainable=False), make(3)
    assert isinstance(weight, make) and not isinstance(K.constant(1.0), make)
    assert (weight.dtype, count.dtype, weight.trained_by_owner) == ("float32", "int32", False)
    run = K.get_session().run
    assert run(named("assign_add")(count, 2)) == 5 and run(named("assign")(count, 1)) == 1
    assert run(named("assign_sub")(weight, [1.0, 1.0])).tolist() == [0.0, 1.0]


def test_scopes_hand_out_variables_by_name():
    scope, get, ones = named("variable_scope"), named("get_variable"), named("ones_initializer")
    with scope("outer"), scope("inner", reuse=named("AUTO_REUSE")) as inner:
        first = get("w", [2, 2], initializer=ones())
        assert get("w", [2, 2]) is first and first.name == "outer/inner/w:0" and inner.name == "outer/inner"
    with pytest.raises(ValueError, match="outer/inner/w already exists"), scope("outer/inner"):
        get("w", [2, 2])
    with scope(inner, reuse=True):
        assert get("w") is first
        with pytest.raises(ValueError, match="does not exist"):
            get("v", [2])
    del first
    gc.collect()
    with scope("outer/inner"):
        assert K.get_value(get("w", [3], initializer=ones)).tolist() == [1.0] * 3
        assert get("drawn", 5).shape == (5,)


@pytest.mark.parametrize(("name", "arguments", "mean", "deviation"), [
    ("random_normal", (), 0, 1), ("truncated_normal", (0.0, 2.0), 0, 2 * 0.8796),
    ("random_uniform", (), 0.5, 12 ** -0.5),
    ("constant", (3.0,), 3, 0), ("he_normal", (), 0, (2 / 200) ** 0.5), ("variance_scaling", (), 0, 200 ** -0.5),
])
def test_first_values(name, arguments, mean, deviation):
    drawn = np.asarray(K.eval(named(f"initializers.{name}")(*arguments)([200, 300])))
    assert np.isclose(drawn.mean(), mean, atol=0.02) and np.isclose(drawn.std(), deviation, rtol=0.02)


def test_derivatives():
    x, g = K.placeholder((4, 3)), K.placeholder((4, 3))
    gradients = named("gradients")
    weighted, = gradients(K.tanh(x), x, grad_ys=g)
    both = gradients([x * x, K.sin(x)], [x], grad_ys=[g, None])
    back, = gradients(weighted, g)  # as programs push vectors forwards
    seed = np.arange(12.0).reshape(4, 3)
    found = K.function([x, g], [weighted, *both, back, *gradients(K.tanh(x), [x])])([A, seed])
    slope = 1 - np.tanh(A) ** 2
    for value, expected in zip(found, (seed * slope, 2 * A * seed + np.cos(A), slope, slope)):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
    inner = K.square(x)
    outer = inner * x
    partial, held = gradients(outer, [x, inner], stop_gradients=[inner])
    seeded, = gradients(outer, [x], grad_ys=[g], stop_gradients=inner)
    for value, expected in zip(K.function([x, g], [partial, held, seeded])([A, seed]), (A ** 2, A, seed * A ** 2)):
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_clipping_by_norms():
    norm = np.linalg.norm(A)
    clipped, whole = named("clip_by_global_norm")([A * 3, None, A * 4], 1.0)
    assert clipped[1] is None and np.isclose(K.eval(whole), 5 * norm, rtol=1e-5)
    np.testing.assert_allclose(K.eval(clipped[2]), A * 0.8 / norm, rtol=1e-5)
    np.testing.assert_allclose(K.eval(named("clip_by_norm")(A, 100.0)), A)
    rows = A / np.maximum(np.linalg.norm(A, axis=1, keepdims=True), 1)
    np.testing.assert_allclose(K.eval(named("clip_by_norm")(A, 1.0, axes=[1])), rows, rtol=1e-5)
    x = K.placeholder((2,))
    assert np.isfinite(K.function([x], K.gradients(named("clip_by_norm")(x, 1.0), [x]))([[0.0, 0.0]])[0]).all()


def test_loops():
    scan, x = named("scan"), K.constant(A)
    np.testing.assert_allclose(K.eval(scan(lambda a, t: a + t, x)), A.cumsum(0), rtol=1e-5)
    np.testing.assert_allclose(K.eval(scan(lambda a, t: a + t, x, reverse=True)), A[::-1].cumsum(0)[::-1], rtol=1e-5)
    total, last = scan(lambda a, t: (a[0] + t[0] * t[1], t[0]), (x, x), initializer=(np.ones(3), np.zeros(3)))
    np.testing.assert_allclose(K.eval(total), 1 + (A * A).cumsum(0), rtol=1e-5)
    np.testing.assert_allclose(K.eval(last), A)
    folded = named("foldl")(lambda a, t: a * 2 + t, x, initializer=K.zeros((3,)), back_prop=True)
    np.testing.assert_allclose(K.eval(folded), [8, 4, 2, 1] @ A, rtol=1e-5)
    mapped = named("map_fn")(lambda t: t * 2, x, named("float32"), parallel_iterations=1)
    np.testing.assert_allclose(K.eval(mapped), A * 2)


def test_printing(capsys):
    x = K.placeholder((2,))
    y = named("Print")(x, [K.sum(x), K.max(x)], "sum and largest:") * 2
    found = K.function([x], [y, *K.gradients(y, [x])])([[1.0, 2.0]])
    assert capsys.readouterr().out == "sum and largest: 3.0 2.0\n"
    assert found[0].tolist() == [2.0, 4.0] and found[1].tolist() == [2.0, 2.0]


def test_an_order_that_only_tensors_ask_for():
    order = named("control_dependencies")
    with order(None), order([K.constant(1.0)]):
        assert K.eval(named("identity")(K.constant(2.0))) == 2


def test_a_derivative_of_a_program_s_own_as_guided_backpropagation_has_it():
    graph, name = named("get_default_graph")(), "GuidedReluOfTheTest"

    @named("RegisterGradient")(name)
    def guided(op, grad):
        assert op.type == "Relu" and op.outputs[0].shape == grad.shape
        kind = op.inputs[0].dtype
        return grad * K.cast(grad > 0, kind) * K.cast(op.inputs[0] > 0, kind)

    assert name in named("python.framework.ops._gradient_registry")._registry
    kernels = [np.random.RandomState(i).randn(4, 4) for i in range(2)]

    def derivative():
        model = Sequential([Dense(4, activation="relu", input_shape=(4,), use_bias=False, weights=[k])
                            for k in kernels])
        return K.function(model.inputs, K.gradients(K.sum(model.output), model.inputs))

    with graph.gradient_override_map({"Relu": name}):
        changed = derivative()
    x = np.random.RandomState(2).randn(3, 4)
    first = x @ kernels[0]
    second = np.maximum(first, 0) @ kernels[1]
    back = (second > 0) @ kernels[1].T
    for fn, expected in ((changed, back * (back > 0)), (derivative(), back)):
        np.testing.assert_allclose(fn([x])[0], expected * (first > 0) @ kernels[0].T, rtol=1e-4)
    with pytest.raises(KeyError, match="registered already"):
        named("RegisterGradient")(name)(guided)
    with pytest.raises(LookupError, match="no gradient is registered as 'Unheard'"):
        graph.gradient_override_map({"Relu": "Unheard"})


class Centred(Layer):
    """Takes a running mean off, which it keeps by assignments of TensorFlow 1, in one of three ways."""

    def __init__(self, way, **kwargs):
        super().__init__(**kwargs)
        self.way = way

    def build(self, input_shape):
        self.mean = self.add_weight(name="mean", shape=(input_shape[-1],), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, x):
        if self.way == "added":
            self.add_update([self.mean.assign(K.mean(x, axis=0))], x)
            return x - self.mean
        update = self.mean.assign_add(K.mean(x, axis=0)) if self.way == "grown" else named("assign")(
            self.mean, self.mean + K.ones((3,)))
        with named("control_dependencies")([update]):
            return x - named("identity")(self.mean)


@pytest.mark.parametrize(("way", "expected"), [
    ("added", A.mean(axis=0)), ("grown", 2 * A.mean(axis=0)), ("counted", [2.0, 2.0, 2.0])])
def test_assignments_in_a_layer_are_carried_out(way, expected):
    """Those that something waits for also when it predicts, as on TensorFlow 1."""
    model = Sequential([Centred(way, input_shape=(3,)), Dense(1)])
    model.compile("sgd", "mse")
    for _ in range(2):
        model.train_on_batch(A, np.ones((4, 1)))
    mean = model.layers[0].get_weights()[0]
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    model.predict(A)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], mean * (1 if way == "added" else 1.5), rtol=1e-5)


def test_an_assignment_in_build_is_made_at_once():
    class Scaled(Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(3,), initializer="zeros")
            self.scale.assign(K.ones((3,)) * 2.0)
            super().build(input_shape)

        def call(self, x):
            return x * self.scale
    np.testing.assert_allclose(Sequential([Scaled(input_shape=(3,))]).predict(A), A * 2)
