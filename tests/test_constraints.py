"""Constraints against their formulas, and their configs."""
from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import constraints

W = np.random.RandomState(3).normal(size=(6, 4)) * np.array([0.1, 0.5, 1.0, 3.0])
FILTERS = np.random.RandomState(4).normal(size=(3, 3, 2, 5))


def norms(w, axis=0):
    return np.sqrt((w ** 2).sum(axis=axis, keepdims=True))


def apply(constraint, w=W):
    return K.eval(constraint(K.variable(w)))


@pytest.mark.parametrize("constraint, w, expected", [
    (constraints.MaxNorm(), W, W * np.minimum(norms(W), 2) / norms(W)),
    (constraints.MaxNorm(0.5, axis=1), W, W * np.minimum(norms(W, 1), 0.5) / norms(W, 1)),
    (constraints.MaxNorm(1.0, axis=[0, 1, 2]), FILTERS,
     FILTERS * np.minimum(norms(FILTERS, (0, 1, 2)), 1) / norms(FILTERS, (0, 1, 2))),
    (constraints.NonNeg(), W, np.maximum(W, 0)),
    (constraints.UnitNorm(), W, W / norms(W)),
    (constraints.UnitNorm(axis=1), W, W / norms(W, 1)),
    (constraints.MinMaxNorm(), W, W * np.clip(norms(W), 0, 1) / norms(W)),
    (constraints.MinMaxNorm(0.5, 0.8, rate=0.3), W,
     W * (0.3 * np.clip(norms(W), 0.5, 0.8) + 0.7 * norms(W)) / norms(W)),
    (constraints.Constraint(), W, W),
], ids=lambda value: type(value).__name__)
def test_values(constraint, w, expected):
    np.testing.assert_allclose(apply(constraint, w), expected, rtol=1e-5, atol=1e-6)


def test_zero_weights_stay_zero():
    zero = np.zeros((3, 2))
    for name in sorted(constraints._named):
        assert (apply(constraints.get(name), zero) == 0).all()


def test_the_weight_itself_is_not_touched():
    weight = K.variable(W)
    constraints.MaxNorm(0.1)(weight)
    np.testing.assert_allclose(K.get_value(weight), W, rtol=1e-6)


@pytest.mark.parametrize("constraint", [
    constraints.MaxNorm(3, axis=[0, 1]), constraints.NonNeg(), constraints.UnitNorm(1),
    constraints.MinMaxNorm(0.1, 0.9, 0.5, 1), constraints.Constraint(),
], ids=lambda value: type(value).__name__)
def test_config_round_trip(constraint):
    config = constraints.serialize(constraint)
    again = constraints.deserialize(config, custom_objects={"Constraint": constraints.Constraint})
    assert type(again) is type(constraint)
    assert constraints.serialize(again) == config


@pytest.mark.parametrize("name, kind", [
    ("max_norm", "MaxNorm"), ("maxnorm", "MaxNorm"), ("non_neg", "NonNeg"), ("nonneg", "NonNeg"),
    ("unit_norm", "UnitNorm"), ("unitnorm", "UnitNorm"), ("min_max_norm", "MinMaxNorm"), ("NonNeg", "NonNeg"),
])
def test_names(name, kind):
    assert type(constraints.get(name)).__name__ == kind


def test_get():
    def mine(w):
        return w * 0.5

    assert constraints.get(None) is None
    assert constraints.get(mine) is mine
    assert isinstance(constraints.get(constraints.NonNeg), constraints.NonNeg)
    assert constraints.get({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}}).max_value == 3
    with pytest.raises(ValueError, match="Unknown constraint: 'maxnrm'. Did you mean 'maxnorm'"):
        constraints.get("maxnrm")
    with pytest.raises(ValueError, match="Could not interpret constraint identifier: 3"):
        constraints.get(3)
