"""What tests of layers begin with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gpukeras import backend as K


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """The same initial weights each time."""
    np.random.seed(3)


@pytest.fixture
def float64() -> Iterator[None]:
    """Layers that count in float64."""
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")
