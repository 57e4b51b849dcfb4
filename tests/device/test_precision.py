"""The precision of products: a setting that programs follow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device


@pytest.fixture(autouse=True)
def _restored():
    yield
    device.set_precision("float32")


def test_float32_unless_asked_otherwise():
    assert device.precision() == "float32"
    with pytest.raises(ValueError, match="float32, tf32, float16, got 'tf23'"):
        device.set_precision("tf23")
    assert device.precision() == "float32"


def test_a_program_keeps_the_precision_it_was_made_with():
    x = K.placeholder((2, 3))
    f = K.function([x], [K.dot(x, K.transpose(x))])
    first = f.program([(2, 3)])
    K.set_matmul_precision("tf32")
    second = f.program([(2, 3)])
    assert second is not first and K.matmul_precision() == "tf32"
    device.set_precision("float32")
    assert f.program([(2, 3)]) is first
    np.testing.assert_array_equal(f([np.ones((2, 3))])[0], np.full((2, 2), 3.0))


@pytest.mark.parametrize("value, said", [("TF32", "tf32"), ("", "float32"), ("half", "ValueError")])
def test_the_environment_sets_it(value, said):
    code = "from gpukeras import device; print(device.precision())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**__import__("os").environ, "GPUKERAS_PRECISION": value})
    assert said in (done.stdout if said != "ValueError" else done.stderr)
