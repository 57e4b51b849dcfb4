"""What programs for Keras name beside Keras 2.0.9: TensorFlow's functions, newer module paths and helpers."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Input, Lambda, UpSampling2D
from gpukeras.models import Model
from gpukeras.tensorflow1.names import named

A = np.array([[1.0, -2.0], [3.0, 0.5]], "float32")
B = np.array([[0.5, 2.0], [-1.0, 4.0]], "float32")


@pytest.mark.parametrize(("name", "call", "expected"), [
    ("reduce_sum", lambda f: f(K.constant(A), axis=-1, keep_dims=True), A.sum(-1, keepdims=True)),
    ("math.reduce_mean", lambda f: f(A, axis=(0, 1)), A.mean()),
    ("math.reduce_std", lambda f: f(K.constant(A), 0), A.std(0)),
    ("matmul", lambda f: f(A, B, transpose_b=True), A @ B.T),
    ("matmul", lambda f: f(A, B, transpose_a=True), A.T @ B),
    ("sparse_tensor_dense_matmul", lambda f: f(K.constant(A), B, adjoint_a=True), A.T @ B),
    ("sparse_tensor_to_dense", lambda f: f(K.constant(A)), A),
    ("where", lambda f: f(K.constant(A) > 0, A, B), np.where(A > 0, A, B)),
    ("math.squared_difference", lambda f: f(A, B), (A - B) ** 2),
    ("concat", lambda f: f([K.constant(A), K.constant(B)], axis=0), np.concatenate([A, B])),
    ("unstack", lambda f: f(K.constant(A), axis=1)[1], A[:, 1]),
    ("add_n", lambda f: f([K.constant(A), K.constant(B)]), A + B),
    ("clip_by_value", lambda f: f(K.constant(A), -1, 1), A.clip(-1, 1)),
    ("one_hot", lambda f: f([0, 2], 3), np.eye(3)[[0, 2]]),
    ("cast", lambda f: f(A > 0, "float32"), A > 0),
    ("nn.leaky_relu", lambda f: f(K.constant(A), alpha=0.1), np.where(A > 0, A, 0.1 * A)),
    ("nn.sigmoid_cross_entropy_with_logits", lambda f: f(labels=np.ones((2, 2)), logits=K.constant(A)),
     np.log1p(np.exp(-A))),
    ("nn.weighted_cross_entropy_with_logits", lambda f: f(np.eye(2), K.constant(A[:2, :2]), 3.0),
     np.log1p(np.exp(A[:2, :2])) * (1 - np.eye(2)) + 3 * np.log1p(np.exp(-A[:2, :2])) * np.eye(2)),
    ("compat.v1.transpose", lambda f: f(K.constant(A), perm=[1, 0]), A.T),
    ("random.normal", lambda f: f((3, 4), stddev=0.0), np.zeros((3, 4))),
    ("pad", lambda f: f(K.constant(A), [[1, 0], [0, 2]], constant_values=5), np.pad(A, [[1, 0], [0, 2]],
                                                                                  constant_values=5)),
    ("pad", lambda f: f(K.constant(A), [[1, 1], [1, 0]], "REFLECT"), np.pad(A, [[1, 1], [1, 0]], "reflect")),
    ("pad", lambda f: f(K.constant(A), [[2, 0], [0, 1]], "symmetric"), np.pad(A, [[2, 0], [0, 1]], "symmetric")),
    ("split", lambda f: K.concatenate(f(K.constant(A), [1, 1], axis=1)[::-1]), A[:, ::-1]),
    ("split", lambda f: f(K.constant(A), 2)[1], A[1:]),
    ("tensordot", lambda f: f(K.constant(A), [2.0, 1.0], axes=1), A @ [2.0, 1.0]),
    ("tensordot", lambda f: f(A, B, [[0], [1]]), np.tensordot(A, B, [[0], [1]])),
    ("tensordot", lambda f: f(A, np.stack([A, B]), (1, 0)), np.tensordot(A, np.stack([A, B]), (1, 0))),
    ("linalg.norm", lambda f: f(K.constant(A), axis=1), np.linalg.norm(A, axis=1)),
    ("norm", lambda f: f(K.constant(A), ord=np.inf), np.abs(A).max()),
    ("nn.moments", lambda f: f(K.constant(A), [0])[1], A.var(0)),
    ("space_to_depth", lambda f: named("depth_to_space")(f(np.arange(32.0).reshape(1, 4, 4, 2), 2), 2),
     np.arange(32.0).reshape(1, 4, 4, 2)),
    ("nn.conv2d", lambda f: f(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), [1, 1, 1, 1], "VALID"),
     np.full((1, 2, 2, 1), 4.0)),
    ("nn.max_pool", lambda f: f(A[None, :, :, None], [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), [[[[3.0]]]]),
    ("nn.avg_pool2d", lambda f: f(input=A[None, :, :, None], ksize=2, strides=1), [[[[A.mean()]]]]),
    ("image.psnr", lambda f: f(np.zeros((1, 2, 2, 1)), np.ones((1, 2, 2, 1)), max_val=10), [20.0]),
    ("nn.dropout", lambda f: f(K.constant(A), rate=0.0), A),
    ("nn.log_softmax", lambda f: f(K.constant(A)), A - np.log(np.exp(A).sum(1, keepdims=True))),
    ("size", lambda f: f(K.constant(A)), 4), ("rank", lambda f: f(K.constant(A)), 2),
    ("nn.relu6", lambda f: f(K.constant(A) * 9), np.clip(A * 9, 0, 6)), ("floordiv", lambda f: f(A, B), A // B),
    ("cond", lambda f: f(K.constant(1) > 0, lambda: K.constant(A), lambda: K.constant(B)), A),
], ids=lambda value: value if isinstance(value, str) else "")
def test_functions(name, call, expected):
    np.testing.assert_allclose(K.eval(call(named(name))), expected, rtol=1e-5)


def test_switches_and_refusals():
    session = named("Session")(config=named("ConfigProto")(gpu_options=named("GPUOptions")(allow_growth=True)))
    K.set_session(session)
    assert session.run(named("global_variables_initializer")()) is None
    assert session.run(K.constant(1.0)) == 1.0
    with pytest.raises(TypeError, match="takes a session"):
        K.set_session(object())
    assert isinstance(session, K.Session) and named("GradientTape") is None and named("data") is None
    with pytest.raises(AttributeError, match="tensorflow.nn.conv9d"):
        _ = named("nn").conv9d


@pytest.mark.parametrize(("module", "name", "same"), [
    ("engine.base_layer", "Layer", "layers"), ("engine.sequential", "Sequential", "models"),
    ("engine.saving", "load_model", "models"), ("engine.functional", "Model", "models"),
    ("backend.tensorflow_backend", "set_session", "backend"), ("backend.common", "floatx", "backend"),
    ("layers.experimental.preprocessing", "Rescaling", "layers"), ("utils", "pad_sequences", "preprocessing.sequence"),
    ("utils", "load_img", "preprocessing.image"),
])
def test_module_paths_of_newer_keras(module, name, same):
    assert getattr(import_module(f"gpukeras.{module}"), name) is getattr(import_module(f"gpukeras.{same}"), name)


def test_nodes_by_their_newer_names():
    x = Input(shape=(2,))
    layer = Lambda(lambda t: t)
    layer(x)
    assert layer._inbound_nodes is layer.inbound_nodes and len(layer._inbound_nodes) == 1
    layer._inbound_nodes = []
    assert layer.inbound_nodes == [] and len(x._keras_history[0]._outbound_nodes) == 1


def lines_between(x, axis, factor):
    """Values on the lines between the middles of cells, by the definition."""
    at = (np.arange(x.shape[axis] * factor) + 0.5) / factor - 0.5
    at = at.clip(0, x.shape[axis] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    part = (at - low).reshape(shape)
    return x.take(low, axis) * (1 - part) + x.take(high, axis) * part


@pytest.mark.parametrize("size", [(2, 2), (3, 1), (1, 4)])
@pytest.mark.parametrize("known", [True, False])
def test_bilinear_upsampling(size, known):
    images = np.random.RandomState(0).rand(2, 3, 4, 2).astype("float32")
    x = Input(shape=(3, 4, 2) if known else (None, None, 2))
    layer = UpSampling2D(size, interpolation="bilinear")
    expected = lines_between(lines_between(images, 1, size[0]), 2, size[1])
    np.testing.assert_allclose(Model(x, layer(x)).predict(images), expected, rtol=1e-5)
    first = UpSampling2D.from_config({**layer.get_config(), "data_format": "channels_first", "name": "first"})
    y = Input(shape=(2, 3, 4))
    moved = Model(y, first(y)).predict(np.moveaxis(images, -1, 1))
    np.testing.assert_allclose(np.moveaxis(moved, 1, -1), expected, rtol=1e-5)


@pytest.mark.parametrize("rows, parts", [(4, [2, 2]), (5, [2, 3])])
def test_split_of_a_batch(rows, parts):
    """As programs share it among devices; no row is lost."""
    x = K.placeholder((None, 2))
    data = np.arange(2.0 * rows).reshape(rows, 2)
    found = K.function([x], named("split")(x, 2))([data])
    assert [len(part) for part in found] == parts and np.array_equal(np.concatenate(found), data)


def test_a_graph_is_made_the_default_while_a_thread_predicts():
    import threading

    graph, found = named("get_default_graph")(), []
    model = Model(x := Input((3,)), Lambda(lambda t: t * 2)(x))

    def serve():
        with graph.as_default() as same:
            found.append((same is graph, model.predict(np.ones((1, 3))).tolist()))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert found == [(True, [[2.0, 2.0, 2.0]])]
    with named("Graph")().as_default() as other, named("Session")(graph=other), K.get_session().graph.as_default():
        assert K.eval(K.constant(1.0)) == 1


def test_refusals_of_functions():
    with pytest.raises(ValueError, match="mode must be"):
        named("pad")(A, [[0, 0], [0, 0]], "WRAP")
    with pytest.raises(ValueError, match="no 3 equal parts"):
        named("split")(A, 3)
    for call in (lambda: named("tensordot")(A, B, 2), lambda: named("norm")(A, ord=3),
                 lambda: named("nn.max_pool")(A, data_format="NCHW")):
        with pytest.raises(NotImplementedError, match="here"):
            call()


def test_optimizers_of_tensorflow_1():
    adam = named("train.AdamOptimizer")(0.01, beta1=0.5)
    assert adam.get_config()["beta_1"] == 0.5 and adam.get_config()["epsilon"] == 1e-8
    assert named("train.RMSPropOptimizer")(0.1, decay=0.8).epsilon_under_root
    assert named("train.MomentumOptimizer")(0.1, 0.5, use_nesterov=True).nesterov
    with pytest.raises(TypeError, match="takes learning_rate"):
        named("train.GradientDescentOptimizer")(0.1, momentum=0.9)


def test_the_backend_holds_what_there_is_of_tensorflow():
    assert K.eval(K.tf.nn.relu(K.constant([-1.0, 2.0]))).tolist() == [0.0, 2.0]
    with pytest.raises(AttributeError, match="GradientTape"):
        K.tf.GradientTape  # noqa: B018
