"""Penalties against their formulas, and their configs."""
from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import regularizers

W = np.array([[1.0, -2.0, 0.0], [0.5, -0.25, 4.0]])


def penalty(regularizer):
    return float(K.eval(regularizer(K.constant(W))))


@pytest.mark.parametrize("make, l1, l2", [
    (lambda: regularizers.L1L2(0.1, 0.2), 0.1, 0.2),
    (lambda: regularizers.l1(0.03), 0.03, 0),
    (lambda: regularizers.l1(), 0.01, 0),
    (lambda: regularizers.l2(l=0.5), 0, 0.5),
    (lambda: regularizers.l2(l2=0.5), 0, 0.5),
    (lambda: regularizers.l1_l2(), 0.01, 0.01),
    (lambda: regularizers.get("l1"), 0.01, 0),
    (lambda: regularizers.get("l1_l2"), 0.01, 0.01),
    (lambda: regularizers.get({"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.25}}), 0, 0.25),
    (lambda: regularizers.get({"class_name": "L2", "config": {"l2": 0.25}}), 0, 0.25),
])
def test_penalty(make, l1, l2):
    assert penalty(make()) == pytest.approx(l1 * abs(W).sum() + l2 * (W ** 2).sum(), rel=1e-6)


def test_gradient():
    w = K.placeholder(shape=W.shape)
    slope = K.gradients(regularizers.L1L2(0.1, 0.2)(w), [w])[0]
    got = K.function([w], [slope])([W.astype(K.floatx())])[0]
    np.testing.assert_allclose(got, 0.1 * np.sign(W) + 0.4 * W, rtol=1e-6)


def test_no_penalty_is_the_number_zero():
    assert regularizers.L1L2()(K.constant(W)) == 0.0
    assert regularizers.Regularizer()(K.constant(W)) == 0.0


@pytest.mark.parametrize("name", sorted(regularizers._named))
def test_config_round_trip(name):
    regularizer = regularizers.get(name)
    config = regularizers.serialize(regularizer)
    assert config["class_name"] == "L1L2"
    assert regularizers.serialize(regularizers.deserialize(config)) == config


def test_configs_hold_the_precision_of_the_weights():
    assert regularizers.l2(0.01).get_config() == {"l1": 0.0, "l2": float(np.float32(0.01))}


def test_get():
    def mine(w):
        return 0.5 * K.sum(w)

    assert regularizers.get(None) is None
    assert regularizers.get(mine) is mine
    assert isinstance(regularizers.get(regularizers.L1L2), regularizers.L1L2)
    assert regularizers.Regularizer.from_config(regularizers.Regularizer().get_config()) is not None
    with pytest.raises(ValueError, match="Unknown regularizer: 'l3'. Known names: .*l1_l2"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="Could not interpret regularizer identifier: 0.01"):
        regularizers.get(0.01)
