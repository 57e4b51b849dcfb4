"""TensorFlow's functions of elements, parts, order and matrices, as programs for Keras 2 use them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.tensorflow1.names import named

RNG = np.random.RandomState(0)
A, B, C = (RNG.randn(*shape).astype("float32") for shape in ((4, 5), (4, 5), (2, 4, 5)))
SQUARE = RNG.randn(2, 3, 3).astype("float32")
AT = np.array([[4, 0], [1, 1], [2, 3], [0, 4]], "int32")
RANK = np.argsort(-A, -1, kind="stable")


@pytest.mark.parametrize(("name", "call", "expected"), [
    ("squeeze", lambda f: f(A[:, None, :, None]), A), ("squeeze", lambda f: f(A[:, None, None], [1, -2]), A),
    ("squeeze", lambda f: f(A[:, None, :, None], squeeze_dims=[-1]), A[:, None]),
    ("slice", lambda f: f(A, [1, 0], [-1, 3]), A[1:, :3]),
    ("strided_slice", lambda f: f(A, [0, 1], [4, 2], [2, 1], shrink_axis_mask=2), A[::2, 1]),
    ("strided_slice", lambda f: f(A, [1, 1], [2, 2], begin_mask=1, end_mask=2), A[:2, 1:]),
    ("fill", lambda f: f([2, 3], 7), np.full((2, 3), 7)), ("linspace", lambda f: f(1.0, 2.0, 5), np.linspace(1, 2, 5)),
    ("meshgrid", lambda f: f(A[0], B[1, :3])[1], np.meshgrid(A[0], B[1, :3])[1]),
    ("meshgrid", lambda f: f(A[0], B[1, :3], indexing="ij")[0], np.meshgrid(A[0], B[1, :3], indexing="ij")[0]),
    ("gather", lambda f: f(A, [2, 0]), A[[2, 0]]), ("gather", lambda f: f(C, AT % 4, axis=1), C[:, AT % 4]),
    ("gather", lambda f: f(C, 2, axis=-1), C[..., 2]),
    ("gather", lambda f: f(C, AT[:2] % 4, batch_dims=1), np.take_along_axis(C, AT[:2, :, None] % 4, 1)),
    ("gather", lambda f: f(C, AT[:2], axis=2, batch_dims=1), np.stack([x[:, i] for x, i in zip(C, AT)])),
    ("batch_gather", lambda f: f(A, AT), np.take_along_axis(A, AT, 1)),
    ("gather_nd", lambda f: f(A, [[3, 4], [0, 1]]), A[[3, 0], [4, 1]]),
    ("gather_nd", lambda f: f(C, [[[1, 3]]]), C[[[1]], [[3]]]),
    ("confusion_matrix", lambda f: f([0, 2, 2, 1], [0, 1, 2, 1], 3, weights=[1, 2, 3, 4]),
     [[1, 0, 0], [0, 4, 0], [0, 2, 3]]),
    ("unsorted_segment_sum", lambda f: f(A, [0, 2, 0, 2], 3), [A[0] + A[2], np.zeros(5), A[1] + A[3]]),
    ("nn.top_k", lambda f: f(A, 2).values, np.take_along_axis(A, RANK, 1)[:, :2]),
    ("nn.top_k", lambda f: f(np.array([1, 3, 3, 2]), 3)[1], [1, 2, 3]),
    ("nn.in_top_k", lambda f: f(A, RANK[:, 1], 1), np.zeros(4)), ("argsort", lambda f: f(A, 0), A.argsort(0)),
    ("sort", lambda f: f(C, 1, "DESCENDING"), -np.sort(-C, 1)),
    ("sequence_mask", lambda f: f([1, 3], 3), [[1, 0, 0], [1, 1, 1]]),
    ("matrix_band_part", lambda f: f(C, 1, 0), np.triu(np.tril(C), -1)),
    ("linalg.band_part", lambda f: f(C, -1, 2), np.tril(C, 2)),
    ("eye", lambda f: f(2, 3, batch_shape=[2]), np.stack([np.eye(2, 3)] * 2)),
    ("diag", lambda f: f(A[0]), np.diag(A[0])), ("matrix_diag", lambda f: f(A)[1], np.diag(A[1])),
    ("diag_part", lambda f: f(SQUARE[0]), np.diag(SQUARE[0])),
    ("matrix_diag_part", lambda f: f(C), np.diagonal(C, axis1=1, axis2=2)),
    ("matrix_diag_part", lambda f: f(A.T), np.diagonal(A)), ("trace", lambda f: f(SQUARE), SQUARE.trace(0, 1, 2)),
    ("matrix_set_diag", lambda f: f(SQUARE, np.zeros((2, 3))), SQUARE * (1 - np.eye(3))),
    ("one_hot", lambda f: f([0, 2], 3, 5.0, -1.0, axis=0), np.eye(3)[:, [0, 2]] * 6 - 1),
    ("roll", lambda f: f(A, [1, -2], [0, 1]), np.roll(A, [1, -2], [0, 1])),
    ("cumsum", lambda f: f(A, 1, exclusive=True, reverse=True), A[:, ::-1].cumsum(1)[:, ::-1] - A),
    ("argmax", lambda f: f(A, dimension=1), A.argmax(1)), ("count_nonzero", lambda f: f(A > 0, 1), (A > 0).sum(1)),
    ("broadcast_to", lambda f: f(A[:, :1], [4, 2]), A[:, [0, 0]]), ("expand_dims", lambda f: f(A, dim=1), A[:, None]),
    ("atan2", lambda f: f(A, B), np.arctan2(A, B)), ("math.acos", lambda f: f(np.tanh(A)), np.arccos(np.tanh(A))),
    ("asin", lambda f: f(np.tanh(A)), np.arcsin(np.tanh(A))), ("atan", lambda f: f(A), np.arctan(A)),
    ("atanh", lambda f: f(np.tanh(A)), A), ("is_finite", lambda f: f([1.0, np.inf, -np.inf, np.nan]), [1, 0, 0, 0]),
    ("log_sigmoid", lambda f: f(A), -np.log1p(np.exp(-A))), ("div", lambda f: f(AT, 3), AT // 3),
    ("div_no_nan", lambda f: f(A, [0.0, 2.0, 0.0, 1.0, 4.0]), A * [0, 0.5, 0, 1, 0.25]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_functions(name, call, expected):
    np.testing.assert_allclose(K.eval(call(named(name))), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("equation", "shapes"), [
    ("ij,jk->ik", [(3, 4), (4, 5)]), ("bqhd,bkhd->bhqk", [(2, 3, 4, 5), (2, 6, 4, 5)]), ("ij,ij->i", [(3, 4), (3, 4)]),
    ("bti,ijk->btjk", [(2, 3, 4), (4, 5, 6)]), ("i,j->ji", [(3,), (4,)]), ("ij->j", [(3, 4)]),
    ("ij,ij->", [(3, 4), (3, 4)]),
    ("ij,jk", [(3, 4), (4, 5)]), ("ij,jk,kl->li", [(3, 4), (4, 5), (5, 2)]), ("bij,ik->bjk", [(2, 3, 4), (3, 5)]),
])
def test_einsum(equation, shapes):
    arrays = [RNG.randn(*shape).astype("float32") for shape in shapes]
    tensors = [K.placeholder((None, *shape[1:])) for shape in shapes]
    found, = K.function(tensors, [named("einsum")(equation, *tensors)])(arrays)
    np.testing.assert_allclose(found, np.einsum(equation, *arrays), rtol=1e-4, atol=1e-5)


def test_lengths_that_are_not_known_before_the_program_runs():
    x = K.placeholder((None, None))
    rows = named("range")(named("shape")(x)[0])
    made = [named("matrix_diag_part")(x), named("eye")(K.shape(x)[0]), named("zeros")(named("shape")(x)),
            named("gather_nd")(x, K.stack([rows, rows * 0 + 2], 1)), named("nn.top_k")(x, 2).values,
            named("slice")(x, [0, 1], [K.shape(x)[0] - 1, 2])]
    assert made[4].shape[1] == 2
    expected = [np.diagonal(A), np.eye(4), np.zeros((4, 5)), A[:, 2], -np.sort(-A)[:, :2], A[:3, 1:3]]
    for found, want in zip(K.function([x], made)([A]), expected):
        np.testing.assert_allclose(found, want)


@pytest.mark.filterwarnings("ignore:argsort.* can't be part of a CUDA graph")
@pytest.mark.parametrize("call", [
    lambda x: named("nn.top_k")(x, 2).values, lambda x: named("gather")(x, AT, batch_dims=1),
    lambda x: named("gather_nd")(x, [[1, 2], [1, 2]]), lambda x: named("sort")(x, 0) ** 3,
    lambda x: named("matrix_band_part")(x, 0, 1), lambda x: named("einsum")("ij,kj->ik", x, K.sin(x)),
    lambda x: named("matrix_diag")(x) ** 2, lambda x: named("unsorted_segment_sum")(x, [0, 1, 0, 1], 2),
])
def test_gradients(call):
    """Against differences in a random direction."""
    x = K.placeholder((4, 5))
    y = K.sum(K.sin(call(x)))
    slope, along = K.function([x], K.gradients(y, [x]))([A])[0], RNG.randn(4, 5)
    value = K.function([x], [y])
    high, low = (value([A + side * 1e-2 * along])[0] for side in (1, -1))
    assert np.isclose((slope * along).sum(), (high - low) / 2e-2, rtol=2e-2, atol=2e-2)


def test_dtypes():
    whole = K.placeholder((3,), dtype="int32")
    assert named("maximum")(whole, 2).dtype == named("div")(whole, 2).dtype == "int32"
    assert named("constant")([1, 2]).dtype == "int32"
    assert named("constant")(1).dtype == "int32" and named("constant")(1, named("double")).dtype == "float64"
    assert named("multiply")(K.constant(A), np.arange(5.0)).dtype == "float32"
    assert named("matmul")(K.constant(A), np.ones((5, 2))).dtype == "float32"
    kernel, x = np.ones((1, 1, 3, 1)), K.placeholder((None, 4, 4, 3))
    assert named("nn.depthwise_conv2d")(x, kernel, [1] * 4, "SAME").dtype == "float32"
    assert named("argmax")(A, 1, output_type=named("int32")).dtype == "int32"
    assert named("float32").name == "float32" and named("dtypes.half") == named("float16")
    assert isinstance(K.constant(1.0), named("Tensor"))


def test_places_of_a_size_that_is_not_known_number_all_axes():
    x, places = K.placeholder((None, 5)), K.placeholder((None, None), dtype="int32")
    found, = K.function([x, places], [named("gather_nd")(x, places)])([A, [[3, 4], [0, 1]]])
    np.testing.assert_allclose(found, A[[3, 0], [4, 1]])


def test_refusals():
    x, at = K.placeholder((4, 5)), K.placeholder((4, 2), dtype="int32")
    for picked in (named("gather")(x, at, batch_dims=1), named("gather_nd")(x, at)):
        with pytest.raises(IndexError, match="must lie in"):
            K.function([x, at], [picked])([A, [[0, 5], [0, 0], [0, 0], [0, 0]]])  # not what comes next in memory
    with pytest.raises(NotImplementedError, match="a letter twice"):
        named("einsum")("ii->i", SQUARE[0])
    with pytest.raises(ValueError, match="does not fit"):
        named("einsum")("ijk->i", A)
    with pytest.raises(ValueError, match="fewer than 6"):
        named("nn.top_k")(A, 6)
    for call in (lambda: named("diag")(A), lambda: named("gather_nd")(
            A, AT, batch_dims=1), lambda: named("strided_slice")(A, [0], [1], new_axis_mask=1)):
        with pytest.raises(NotImplementedError):
            call()


def test_as_many_of_the_largest_as_a_tensor_says():
    x = K.placeholder((None,))
    run = K.function([x], [named("nn.top_k")(x, K.shape(x)[0]).values, named("nn.top_k")(x, k=3)[1]])
    values, places = run([[3.0, 1.0, 2.0, 4.0]])
    assert values.tolist() == [4.0, 3.0, 2.0, 1.0] and places.tolist() == [3, 0, 2]
    assert float(K.eval(named("cond")(K.constant(1) > 0, lambda: K.constant(1.0), lambda: K.constant(2.0),
                                      strict=True))) == 1.0


def test_the_gamma_function():
    x = np.concatenate([np.linspace(-3.9, 12, 50), [1e-10, 1e3, 1e6]]).astype("float32")
    given = K.placeholder((None,))
    value, slope, same = K.function([given], [named("lgamma")(given), named("digamma")(given), *K.gradients(
        named("math.lgamma")(given), [given])])([x])
    expected = np.array([math.lgamma(v) for v in x.astype(float)])
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=3e-6)
    step = 1e-6 * np.maximum(1, np.abs(x.astype(float)))[x > 0.1]
    up, down = ([math.lgamma(v) for v in x.astype(float)[x > 0.1] + way * step] for way in (1, -1))
    np.testing.assert_allclose(slope[x > 0.1], (np.array(up) - down) / (2 * step), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(slope, same)
    assert K.eval(named("lgamma")([0.0, -2.0])).tolist() == [np.inf, np.inf]
