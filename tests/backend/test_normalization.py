"""K.normalize_batch_in_training: any axes, gamma and beta of any shape or none, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K

EPSILON = 0.01


def normalized(x, gamma, beta, axes):
    """Output, mean and variance."""
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta, mean.squeeze(axes), variance.squeeze(axes)


def steps(f, arrays):
    """The program's steps, one a line."""
    return f.program([a.shape for a in arrays]).describe()


@pytest.mark.parametrize(
    "shape, axes, weights, fused",
    [
        ((6, 4), (0,), (4,), True),
        ((6, 4), [-2], (1, 4), True),
        ((3, 4, 5, 2), (0, 1, 2), (2,), True),
        ((3, 4, 5, 2), (0, 2, 3), (1, 4, 1, 1), True),
        ((3, 4, 5, 2), (3, 2, 1), (3,), True),
        ((3, 4), (0,), (), True),
        ((3, 4), (0,), (3, 4), False),
        ((3, 4, 5, 2), (1, 2), (3, 1, 1, 2), False),
        ((3, 4, 5), (0,), (4, 5), False),
        ((3, 4), (0, 1), (), False),
    ],
)
@pytest.mark.parametrize("given", ["both", "gamma", "beta", "neither"])
def test_against_numpy(shape, axes, weights, fused, given):
    rng = np.random.RandomState(0)
    x, gamma, beta = rng.standard_normal(shape), rng.uniform(1, 2, weights), rng.standard_normal(weights)
    g, b = K.variable(gamma, "float64"), K.variable(beta, "float64")
    wide = [1 if a in [i % len(shape) for i in axes] else n for a, n in enumerate(shape)]
    t = K.placeholder((None if wide[0] == 1 else shape[0], *shape[1:]), dtype="float64")
    gamma, beta = (a if a.ndim in (0, len(shape)) else a.reshape(wide) for a in (gamma, beta))
    scale, shift = given in ("both", "gamma"), given in ("both", "beta")
    outs = K.normalize_batch_in_training(t, g if scale else None, b if shift else None, axes, epsilon=EPSILON)
    want = normalized(x, gamma if scale else 1, beta if shift else 0, tuple(axes))
    f = K.function([t], list(outs))
    for a, w in zip(f([x]), want, strict=True):
        np.testing.assert_allclose(a, w, 1e-12, 1e-12)
    if fused or given == "neither" and len(wide) - wide.count(1) == 1:
        assert steps(f, [x]).count("batch_normalize") == 1 and "sqrt" not in steps(f, [x])

    r, d = rng.standard_normal((2, *shape))
    total = K.sum(outs[0] * K.constant(r, "float64")) + K.sum(outs[1]) + K.sum(outs[2] * 3)
    (grad,) = K.gradients(total, [t])
    slope = (K.function([t], [grad])([x])[0] * d).sum()

    def value(h):
        y, m, v = normalized(x + h * d, gamma if scale else 1, 0, tuple(axes))
        return (y * r).sum() + m.sum() + v.sum() * 3

    np.testing.assert_allclose(slope, (value(1e-5) - value(-1e-5)) / 2e-5, 1e-6, 1e-6)


def test_half_precision_adds_in_single():
    """30,000 numbers near 4 would be 65504 too much for float16."""
    x = K.placeholder((None, 2), dtype="float16")
    y, mean, variance = K.normalize_batch_in_training(x, None, None, [0], EPSILON)
    assert [t.dtype for t in (y, mean, variance)] == ["float16"] * 3
    values = (np.random.RandomState(0).standard_normal((30000, 2)) + 4).astype("float16")
    got = K.function([x], [y, mean, variance])([values])
    want = normalized(values.astype("float64"), 1, 0, (0,))
    np.testing.assert_allclose(got[0], want[0], 0, 2e-2)
    np.testing.assert_allclose(got[1], want[1], 1e-3)
    np.testing.assert_allclose(got[2], want[2], 2e-3)


def test_weights_that_do_not_fit_are_refused():
    x, weights = K.placeholder((None, 3)), K.variable(np.ones(4))
    with pytest.raises(ValueError, match="gamma and beta need one number for each of 3 features"):
        K.normalize_batch_in_training(x, weights, weights, [0])
