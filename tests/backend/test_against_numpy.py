"""K's functions against NumPy's formulas, on constants, on placeholders of unknown shape, and from plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K

RNG = np.random.RandomState(0)
X = RNG.uniform(-2, 2, (3, 4)).astype("float32")
P = RNG.uniform(0.1, 2, (3, 4)).astype("float32")
T = RNG.uniform(-1, 1, (2, 3, 4)).astype("float32")
S = RNG.uniform(-1, 1, (2, 4, 5)).astype("float32")
BOOL = X > 0
WHOLE = np.array([[3, -4, 5], [0, 2, -1]], "int32")


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


TABLE: list[tuple[str, Callable[..., Any], Callable[..., Any], list[Any]]] = [
    ("abs", K.abs, np.abs, [X]),
    ("square", K.square, np.square, [X]),
    ("sqrt", K.sqrt, np.sqrt, [P]),
    ("exp", K.exp, np.exp, [X]),
    ("sqrt-negative", K.sqrt, lambda x: np.sqrt(np.maximum(x, 0)), [X]),
    ("log", K.log, np.log, [P]),
    ("round", K.round, np.round, [X * 2]),
    ("round-half", K.round, np.round, [np.array([0.5, 1.5, -0.5, 2.5], "float32")]),
    ("sign", K.sign, np.sign, [X]),
    ("sin", K.sin, np.sin, [X]),
    ("cos", K.cos, np.cos, [X]),
    ("tan", K.tan, np.tan, [P / 2]),
    ("sinh", K.sinh, np.sinh, [X]),
    ("cosh", K.cosh, np.cosh, [X]),
    ("tanh", K.tanh, np.tanh, [X]),
    ("erf", K.erf, np.vectorize(erf), [X * 2]),
    ("floor", K.floor, np.floor, [X]),
    ("ceil", K.ceil, np.ceil, [X]),
    ("log1p", K.log1p, np.log1p, [P]),
    ("expm1", K.expm1, np.expm1, [X]),
    ("is_nan", K.is_nan, np.isnan, [X / np.float32(1)]),
    ("pow", lambda x: K.pow(x, 3), lambda x: x**3, [X]),
    ("pow-tensor", K.pow, np.power, [P, X]),
    ("clip", lambda x: K.clip(x, -1, 1), lambda x: np.clip(x, -1, 1), [X]),
    ("clip-crossed", lambda x: K.clip(x, 1, -1), lambda x: np.full_like(x, 1), [X]),
    ("clip-open", lambda x: K.clip(x, 0.5, None), lambda x: np.maximum(x, 0.5), [X]),
    ("maximum", K.maximum, np.maximum, [X, P]),
    ("minimum", K.minimum, np.minimum, [X, P]),
    ("equal", K.equal, np.equal, [WHOLE, WHOLE * 2]),
    ("not_equal", K.not_equal, np.not_equal, [WHOLE, WHOLE * 2]),
    ("greater", K.greater, np.greater, [X, P - 1]),
    ("greater_equal", K.greater_equal, np.greater_equal, [X, P - 1]),
    ("less", K.less, np.less, [X, P - 1]),
    ("less_equal", K.less_equal, np.less_equal, [X, P - 1]),
    ("logical_and", K.logical_and, np.logical_and, [BOOL, P > 1]),
    ("logical_or", K.logical_or, np.logical_or, [BOOL, P > 1]),
    ("logical_not", K.logical_not, np.logical_not, [BOOL]),
    ("where", K.where, np.where, [BOOL, X, P]),
    *(
        (
            f"{n}-{a}-{k}",
            lambda x, n=n, a=a, k=k: getattr(K, n)(x, a, keepdims=k),
            lambda x, n=n, a=a, k=k: getattr(np, n)(x, axis=a, keepdims=k),
            [X],
        )
        for n in ("sum", "prod", "max", "min", "mean", "std", "var")
        for a in (None, 0, -1, (0, 1))
        for k in (False, True)
    ),
    ("any", lambda x: K.any(x, 1), lambda x: np.any(x, 1), [BOOL]),
    ("all", lambda x: K.all(x), lambda x: np.all(x), [BOOL]),
    ("any-float", lambda x: K.any(x, [0, 1]), lambda x: np.any(x, (0, 1)), [X]),
    ("mean-int", K.mean, np.mean, [WHOLE]),
    ("mean-bool", K.mean, np.mean, [BOOL]),
    ("cumsum", lambda x: K.cumsum(x, 1), lambda x: np.cumsum(x, 1), [X]),
    ("cumprod", lambda x: K.cumprod(x, -1), lambda x: np.cumprod(x, -1), [X]),
    ("cumsum-0", K.cumsum, lambda x: np.cumsum(x, 0), [X]),
    (
        "logsumexp",
        lambda x: K.logsumexp(x * 500, -1),
        lambda x: (x * 500).max(-1) + np.log(np.exp(x * 500 - (x * 500).max(-1)[:, None]).sum(-1)),
        [X],
    ),
    ("argmax", K.argmax, lambda x: np.argmax(x, -1), [X]),
    ("argmin", lambda x: K.argmin(x, 0), lambda x: np.argmin(x, 0), [X]),
    ("dot", K.dot, np.dot, [X, P.T]),
    ("dot-3-2", K.dot, np.dot, [T, P.T]),
    ("dot-2-3", K.dot, np.dot, [X, S]),
    ("dot-3-3", K.dot, np.dot, [T, S]),
    ("dot-2-1", K.dot, np.dot, [X, P[0]]),
    ("dot-1-1", K.dot, np.dot, [X[0], P[0]]),
    ("batch_dot", K.batch_dot, np.matmul, [T, S]),
    ("batch_dot-2-2", lambda x, y: K.batch_dot(x, y, 1), lambda x, y: (x * y).sum(1, keepdims=True), [X, P]),
    (
        "batch_dot-axes",
        lambda x, y: K.batch_dot(x, y, (2, 2)),
        lambda x, y: np.einsum("nij,nkj->nik", x, y),
        [T, T * 2],
    ),
    (
        "batch_dot-1-1",
        lambda x, y: K.batch_dot(x, y, 1),
        lambda x, y: np.einsum("nij,nik->njk", x, y),
        [T, T[:, :, :2]],
    ),
    ("batch_dot-3-2", lambda x, y: K.batch_dot(x, y, (2, 1)), lambda x, y: np.einsum("nij,nj->ni", x, y), [T, X[:2]]),
    ("batch_dot-2-3", lambda x, y: K.batch_dot(x, y, (1, 1)), lambda x, y: np.einsum("nj,njk->nk", x, y), [X[:2], S]),
    ("transpose", K.transpose, np.transpose, [T]),
    ("permute", lambda x: K.permute_dimensions(x, (1, 2, 0)), lambda x: x.transpose(1, 2, 0), [T]),
    ("reshape", lambda x: K.reshape(x, (-1, 6)), lambda x: x.reshape(-1, 6), [T]),
    ("flatten", K.flatten, np.ravel, [T]),
    ("batch_flatten", K.batch_flatten, lambda x: x.reshape(2, -1), [T]),
    ("expand_dims", K.expand_dims, lambda x: x[..., None], [X]),
    ("squeeze", lambda x: K.squeeze(x, 1), lambda x: x[:, 0], [X[:, :1]]),
    ("stack", lambda x, y: K.stack([x, y], 1), lambda x, y: np.stack([x, y], 1), [X, P]),
    ("stack-last", lambda x, y: K.stack([x, y], -1), lambda x, y: np.stack([x, y], -1), [X, P]),
    ("concatenate", lambda x, y: K.concatenate([x, y]), lambda x, y: np.concatenate([x, y], -1), [X, P]),
    ("concatenate-0", lambda x, y: K.concatenate([x, y, x], 0), lambda x, y: np.concatenate([x, y, x]), [X, P]),
    ("repeat_elements", lambda x: K.repeat_elements(x, 3, 1), lambda x: np.repeat(x, 3, 1), [T]),
    ("repeat", lambda x: K.repeat(x, 2), lambda x: np.repeat(x[:, None], 2, 1), [X]),
    ("tile", lambda x: K.tile(x, [2, 3]), lambda x: np.tile(x, [2, 3]), [X]),
    ("tile-number", lambda x: K.tile(x, 2), lambda x: np.tile(x, 2), [X]),
    ("reverse", lambda x: K.reverse(x, 1), lambda x: x[:, ::-1], [X]),
    ("reverse-two", lambda x: K.reverse(x, [0, -1]), lambda x: x[::-1, ::-1], [X]),
    ("gather", lambda x: K.gather(x, [[2, 0], [1, 1]]), lambda x: x[[[2, 0], [1, 1]]], [X]),
    ("one_hot", lambda i: K.one_hot(i, 4), lambda i: (i[..., None] == np.arange(4)).astype("float32"), [WHOLE]),
    ("relu", K.relu, lambda x: np.maximum(x, 0), [X]),
    ("relu-leaky", lambda x: K.relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x), [X]),
    ("relu-6", lambda x: K.relu(x, 0.1, 0.5), lambda x: np.minimum(np.where(x > 0, x, 0.1 * x), 0.5), [X]),
    ("elu", lambda x: K.elu(x, 0.7), lambda x: np.where(x > 0, x, 0.7 * (np.exp(x) - 1)), [X]),
    ("softplus", K.softplus, lambda x: np.log1p(np.exp(x)), [X]),
    ("softsign", K.softsign, lambda x: x / (1 + abs(x)), [X]),
    ("sigmoid", K.sigmoid, lambda x: 1 / (1 + np.exp(-x)), [X]),
    ("hard_sigmoid", K.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1), [X * 3]),
    ("softmax", K.softmax, softmax, [X]),
    ("softmax-3", K.softmax, softmax, [T]),
    ("softmax-axis", lambda x: K.softmax(x, 1), lambda x: softmax(x, 1), [T]),
    ("l2_normalize", lambda x: K.l2_normalize(x, 1), lambda x: x / np.sqrt((x * x).sum(1, keepdims=True)), [X]),
    ("l2_normalize-all", K.l2_normalize, lambda x: x / np.sqrt((x * x).sum()), [X]),
    ("bias_add", lambda x, b: K.bias_add(x, b), lambda x, b: x + b, [X, P[0]]),
    ("bias_add-array", K.bias_add, lambda x, b: x + b, [T, X]),
    ("zeros_like", K.zeros_like, np.zeros_like, [X]),
    ("ones_like", K.ones_like, np.ones_like, [WHOLE]),
    ("identity", K.identity, lambda x: x, [X]),
    ("cast", lambda x: K.cast(x, "int32"), lambda x: x.astype("int32"), [X * 3]),
    ("shape", K.shape, lambda x: np.array(x.shape, "int32"), [T]),
    ("switch", lambda c, x, y: K.switch(c, x, y), np.where, [BOOL, X, P]),
    ("switch-rows", lambda c, x, y: K.switch(c, x, y), lambda c, x, y: np.where(c[:, None], x, y), [BOOL[:, 0], X, P]),
    ("arange", lambda x: K.arange(0, K.shape(x)[1], 2), lambda x: np.arange(0, 4, 2, "int32"), [X]),
    (
        "in_top_k",
        lambda p, t: K.in_top_k(p, t, 2),
        lambda p, t: np.array([(r > r[i]).sum() < 2 for r, i in zip(p, t)]),
        [X, np.array([0, 2, 3])],
    ),
]


NEED_LENGTHS = {"squeeze": [(None, 1)], "in_top_k": [(None, 4), (None,)]}
"""The shapes of placeholders that are as unknown as these functions allow."""


@pytest.mark.parametrize("known", ["constants", "shapes", "nothing"])
@pytest.mark.parametrize("name, build, formula, values", TABLE, ids=[row[0] for row in TABLE])
def test_same_as_numpy(
    name: str, build: Callable[..., Any], formula: Callable[..., Any], values: list[Any], known: str
) -> None:
    expected = np.asarray(formula(*values))
    if known == "constants":
        made = build(*(K.constant(v, v.dtype.name) for v in values))
        got = K.eval(made)
    else:
        unknown = NEED_LENGTHS.get(name, [(None,) * v.ndim for v in values])
        shapes = [v.shape for v in values] if known == "shapes" else unknown
        inputs = [K.placeholder(s, dtype=v.dtype.name) for s, v in zip(shapes, values)]
        made = build(*inputs)
        got = K.function(inputs, [made])(values)[0]
    assert got.shape == expected.shape and len(made.shape) == got.ndim and got.dtype.name == made.dtype
    assert all(d in (None, n) for d, n in zip(made.shape, got.shape))
    if known == "shapes":
        assert tuple(made.shape) == got.shape
    if expected.dtype.kind in "bi":
        np.testing.assert_array_equal(got, expected)
        assert got.dtype.kind == expected.dtype.kind
    else:
        np.testing.assert_allclose(got, expected, 2e-5, 1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "abs",
        "square",
        "exp",
        "sum",
        "mean",
        "max",
        "tanh",
        "softmax",
        "relu",
        "flatten",
        "transpose",
        "sigmoid",
        "argmax",
    ],
)
def test_plain_arrays_are_taken_too(name: str) -> None:
    np.testing.assert_allclose(K.eval(getattr(K, name)(X)), K.eval(getattr(K, name)(K.constant(X))), 1e-6)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: K.tile(x, [1, 2, 3]),
        lambda x: K.repeat_elements(x, 2, 2),
        lambda x: K.batch_flatten(x),
        lambda x: K.batch_dot(x, x, 2),
        lambda x: K.dot(x, K.ones((4, 2))),
        lambda x: K.reshape(x, (-1, K.shape(x)[2])),
        lambda x: K.softmax(x, 1),
        lambda x: x[:, -1] + K.sum(x, 1),
    ],
)
def test_derivatives_with_unknown_shapes(build: Callable[[Any], Any]) -> None:
    """The same slope whether the shape is known when the graph is built, or when it runs."""
    got = []
    for x in (K.placeholder(T.shape), K.placeholder((None, None, 4)), K.placeholder((None, None, None))):
        got.append(K.function([x], K.gradients(K.sum(K.square(build(x))), [x]))([T])[0])
    np.testing.assert_allclose(got[1], got[0], 1e-5, 1e-6)
    np.testing.assert_allclose(got[2], got[0], 1e-5, 1e-6)
