"""Layers that compute in 16 bits: their outputs are those of float32, rounded on the way, and they train."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import mixed_precision
from gpukeras.layers import Input, Layer
from gpukeras.models import Model
from tests.kernels.floats import EPSILON, HALVES
from tests.layers.test_every_layer import TABLE

FIRST = {name: (make, shape) for name, make, shape, _ in reversed(TABLE)}


@pytest.fixture(autouse=True)
def no_policy() -> Iterator[None]:
    yield
    mixed_precision.set_global_policy(None)


def with_weights(layer: Layer, shape: Any) -> Model:
    x = Input(shape=tuple(shape))
    model = Model(x, layer(x))
    rng = np.random.RandomState(1)
    layer.set_weights([rng.uniform(0.2, 0.5, w.shape) if w.dtype.kind == "f" else w for w in layer.get_weights()])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", sorted(FIRST))
def test_outputs_and_a_step(name: str, half: str) -> None:
    make, shape = FIRST[name]
    x = np.random.RandomState(0).uniform(-1, 1, (4, *shape)).astype("float32")
    exact = with_weights(make(), shape).predict(x)
    mixed_precision.set_global_policy(f"mixed_{half}")
    model = with_weights(make(), shape)
    assert model.outputs[0].dtype == half and K.floatx() == "float32"
    found = np.asarray(model.predict(x), "float32")
    np.testing.assert_allclose(found, exact, atol=16 * EPSILON[half] * max(1.0, float(np.abs(exact).max())))
    before = model.get_weights()
    assert np.isfinite(model.train_on_batch(x, exact + 1))
    after = model.get_weights()
    assert {w.dtype.name for w in after} <= {"float32", "int64", "int32"}
    moved = [not np.array_equal(a, b) for a, b in zip(before, after)]
    assert any(moved) or not model.trainable_weights
