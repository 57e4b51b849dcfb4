"""Products with epilogues, by cuBLASLt: what is asked of it, what proves it, and which steps take it.

The numbers of its C interface are held against the header, and the calls that need no GPU are made for real, where the
wheel `nvidia-cublas-cu12` (or `-cu13`) is installed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import blas, epilogues
from gpukeras.layers import Dense, Dropout
from gpukeras.models import Sequential
from tests.device.test_blas import LAYOUTS, TOLERANCE, matrix
from tests.kernels.floats import HALVES

DTYPES = (*HALVES, "float32")

on_gpu_only = pytest.mark.skipif(device.NAME != "cupy", reason="cuBLASLt")
on_the_stand_in = pytest.mark.skipif(device.NAME != "cupy" or not device.xp.__version__.endswith("standin"),
                                     reason="a library that can be told to err")


# ----------------------------------------------------------------------------------------------- the C interface
def wheel(part: str) -> Path:
    """A file of the newest wheel of cuBLAS that is installed."""
    for name in ("nvidia.cu13", "nvidia.cublas"):
        try:
            spec = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            continue
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for found in sorted(Path(folder).glob(part)):
                return found
    pytest.skip("no wheel of cuBLAS is installed")


def number(text: str, name: str) -> int:
    """The value of one of the header's constants, which may be made of others: (CUBLASLT_A | 128)."""
    found = re.search(rf"^\s*CUBLASLT_{name}\s*=\s*\(?([^,()\n]+)", text, re.MULTILINE)
    assert found, name
    words = [word.strip() for word in found[1].split("|")]
    return sum({number(text, w[9:]) if w.startswith("CUBLASLT_") else int(w, 0) for w in words})


def test_numbers_are_those_of_the_header() -> None:
    text = wheel("include/cublasLt.h").read_text(encoding="utf-8")
    assert {kind: number(text, f"EPILOGUE_{name}") for kind, name in (
        ("bias", "BIAS"), ("relu", "RELU_BIAS"), ("gradient", "BGRADA"))} == epilogues.KINDS
    assert {key: number(text, f"MATMUL_DESC_{name}") for key, name in (
        ("transpose_a", "TRANSA"), ("transpose_b", "TRANSB"), ("epilogue", "EPILOGUE"), ("bias", "BIAS_POINTER"))
    } == epilogues.DESCRIPTOR
    assert {key: number(text, f"MATMUL_PREF_{name}") for key, name in (
        ("workspace", "MAX_WORKSPACE_BYTES"), ("reductions", "REDUCTION_SCHEME_MASK"),
        *((f"align_{x}", f"MIN_ALIGNMENT_{x.upper()}_BYTES") for x in "abcd"))} == epilogues.PREFERENCE
    assert number(text, "REDUCTION_SCHEME_COMPUTE_TYPE") == epilogues.IN_COMPUTE_TYPE
    body = re.search(r"typedef struct \{((?:(?!typedef).)*?)\} cublasLtMatmulHeuristicResult_t;", text, re.DOTALL)
    assert body and re.findall(r"^\s*(\w+) (\w+)(?:\[(\d+)\])?;", body[1], re.MULTILINE) == [
        ("cublasLtMatmulAlgo_t", "algo", ""), ("size_t", "workspaceSize", ""), ("cublasStatus_t", "state", ""),
        ("float", "wavesCount", ""), ("int", "reserved", "4")]
    assert re.search(r"uint64_t data\[8\];\s*\} cublasLtMatmulAlgo_t;", text)
    assert ctypes.sizeof(epilogues.Heuristic) == 8 * 8 + 8 + 4 + 4 + 4 * 4


def test_the_library_takes_the_calls_that_need_no_gpu() -> None:
    """Descriptors are made, filled and read again by the real library, in a process of its own."""
    program = f"""
import ctypes, sys
from types import SimpleNamespace
import numpy as np
from gpukeras.device import blas, epilogues
library = ctypes.CDLL({str(wheel("lib/libcublasLt.so.1*"))!r})
epilogues.library = lambda: library
handle = ctypes.c_void_p()
assert library.cublasLtCreate(ctypes.byref(handle)) in (0, 1)  # 1: there is no GPU


class Plan(epilogues._Plan):
    def _choose(self, alignment):
        self.preference = self._create("MatmulPreference")
        for name, value in (("workspace", ctypes.c_uint64(blas.WORKSPACE)), ("reductions", ctypes.c_uint32(2)),
                            *((f"align_{{x}}", ctypes.c_uint32(4)) for x in "abcd")):
            epilogues._set("MatmulPreference", self.preference, epilogues.PREFERENCE[name], value)
        return True


def array(*shape):
    return SimpleNamespace(shape=shape, dtype=np.dtype("float32"), data=SimpleNamespace(ptr=0x12340), size=1)


def read(kind, made, attribute, made_of):
    value, written = made_of(), ctypes.c_size_t()
    size = ctypes.c_size_t(ctypes.sizeof(value))
    get = getattr(library, f"cublasLt{{kind}}GetAttribute")
    status = get(made, attribute, ctypes.byref(value), size, ctypes.byref(written))
    assert status == 0 and written.value == ctypes.sizeof(value), (kind, attribute, status)
    return value.value


for kind, epilogue in epilogues.KINDS.items():
    plan = Plan(array(5, 7), array(7, 3), array(5, 3), kind, array(3), (1, 5), (0, 3))
    operation, left, right, whole = plan._parts
    found = [read("MatmulDesc", operation, epilogues.DESCRIPTOR[k], t) for k, t in (
        ("transpose_a", ctypes.c_int32), ("transpose_b", ctypes.c_int32), ("epilogue", ctypes.c_uint32),
        ("bias", ctypes.c_void_p))]
    assert found == [0, 1, epilogue, 0x12340], found
    layouts = [[read("MatrixLayout", x, i, t) for i, t in ((0, ctypes.c_uint32), (2, ctypes.c_uint64),
                                                          (3, ctypes.c_uint64), (4, ctypes.c_int64))]
               for x in (left, right, whole)]
    assert layouts == [[0, 3, 7, 3], [0, 5, 7, 5], [0, 3, 5, 3]], layouts
    assert read("MatmulPreference", plan.preference, 1, ctypes.c_uint64) == blas.WORKSPACE
    assert read("MatmulPreference", plan.preference, 5, ctypes.c_uint32) == 4
    del plan
try:
    epilogues._set("MatmulDesc", Plan(array(5, 7), array(7, 3), array(5, 3), kind, array(3), (0, 7), (0, 3))._parts[0],
                   epilogues.DESCRIPTOR["epilogue"], ctypes.c_uint64(4))
except RuntimeError as error:
    print(error)
"""
    environment = {**os.environ, "GPUKERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cublasLtMatmulDescSetAttribute failed with cuBLAS status 7\n"  # it checks sizes


# ----------------------------------------------------------------------------------------------- products
@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Epilogues are asked for, and have yet to prove themselves."""
    monkeypatch.setenv(epilogues.VARIABLE, "on")
    epilogues.proven.cache_clear()
    yield
    epilogues.proven.cache_clear()


@on_gpu_only
@pytest.mark.parametrize("kind", epilogues.KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
def test_any_layout(left: str, right: str, dtype: str, kind: str) -> None:
    for m, k, n in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (33, 7, 2)):
        (a, va), (b, vb) = matrix((m, k), dtype, left), matrix((k, n), dtype, right)
        values = np.linspace(-1, 1, n).astype(dtype)
        vector, out = device.asarray(values), device.asarray(np.full((m, n), np.nan, dtype))
        call = epilogues.product(a, b, out, kind, vector)
        if call is None:
            assert "every second" in (left, right) or not device.xp.__version__.endswith("standin")
            continue
        call[0](*call[1])
        expected, after = epilogues._by_numpy(va, vb, kind, values)
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(device.to_host(out), expected, tolerance, tolerance)
        np.testing.assert_allclose(device.to_host(vector), after, tolerance, tolerance)


@on_gpu_only
def test_weights_may_lie_anywhere() -> None:
    """A view into the flat vector is aligned to its element only, and so is its bias."""
    flat = device.asarray(np.arange(64, dtype="float32"))
    w, bias, x = flat[1:13].reshape(4, 3), flat[13:16], device.asarray(np.ones((2, 4), "float32"))
    out = device.asarray(np.zeros((2, 3), "float32"))
    call = epilogues.product(x, w, out, "bias", bias)
    if call is not None:
        call[0]()
        np.testing.assert_array_equal(device.to_host(out), [[35, 40, 45]] * 2)


# ----------------------------------------------------------------------------------------------- proof
@on_gpu_only
@pytest.mark.parametrize("kind", epilogues.KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_prove_themselves_here(asked: None, kind: str, dtype: str) -> None:
    """On a GPU: that what its cuBLASLt offers is right."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        serves = device.serves_epilogue(kind, dtype)
    if said and "no algorithm" in str(said[0].message) and not device.xp.__version__.endswith("standin"):
        pytest.skip(str(said[0].message))
    assert serves and not said, said[0].message


@on_gpu_only
def test_not_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(epilogues.VARIABLE, raising=False)
    assert not device.serves_epilogue("bias", "float32")
    monkeypatch.setenv(epilogues.VARIABLE, "perhaps")
    with pytest.raises(ValueError, match="GPUKERAS_EPILOGUES must be 'on' or 'off', got 'perhaps'"):
        device.serves_epilogue("bias", "float32")


@on_the_stand_in
@pytest.mark.parametrize("attribute, value, why", [("wrong", 0.01, "it computed other numbers than a plain product"),
                                                   ("algorithms", 0, "cuBLASLt has no algorithm for it")])
def test_what_fails_is_not_used_and_said_once(asked: None, attribute: str, value: Any, why: str,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(epilogues.library()), attribute, value)
    with pytest.warns(RuntimeWarning, match=why):
        assert not device.serves_epilogue("relu", "float32")
    assert not device.serves_epilogue("relu", "float32")


@on_the_stand_in
def test_a_library_that_is_missing_is_said_too(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise OSError("libcublasLt.so.12: cannot open shared object file")

    monkeypatch.setattr(epilogues, "library", missing)
    with pytest.warns(RuntimeWarning, match="'bias' are not used .libcublasLt.so.12: cannot open"):
        assert not device.serves_epilogue("bias", "float32")


# ----------------------------------------------------------------------------------------------- programs
X = np.random.RandomState(0).rand(20, 6).astype("float32")
Y = np.eye(3, dtype="float32")[np.arange(20) % 3]


def trained(monkeypatch: pytest.MonkeyPatch, value: str) -> tuple[list[str], list[float]]:
    """The steps of a training program, and its losses."""
    monkeypatch.setenv(epilogues.VARIABLE, value)
    np.random.seed(1)
    model = Sequential([Dense(8, activation="relu", input_shape=(6,)), Dense(8, activation="relu"), Dropout(0.2),
                        Dense(8, activation="tanh"), Dense(3, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    history = model.fit(X, Y, batch_size=8, epochs=4, verbose=0).history["loss"]
    program = next(iter(model.train_function._programs.values()))
    return [step.op.name for step in program.plan.steps], history


@on_gpu_only
def test_a_training_step_takes_them_where_they_save_a_kernel(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, expected = trained(monkeypatch, "off")
    monkeypatch.setenv(epilogues.VARIABLE, "on")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not all(device.serves_epilogue(kind, "float32") for kind in epilogues.KINDS):
            pytest.skip("this GPU's cuBLASLt does not offer all of them")
    steps, losses = trained(monkeypatch, "on")
    np.testing.assert_allclose(losses, expected, 1e-5)
    assert not {"matmul_bias", "matmul_bias_relu", "contract_and_sum_samples"} & set(plain)
    assert steps.count("matmul_bias_relu") == 1  # the first layer; dropout and tanh have a kernel anyway
    assert steps.count("matmul_bias") == 1 and steps.count("contract_and_sum_samples") == 4
    assert steps.count("sum") == plain.count("sum") - 4 and len(steps) <= len(plain) - 6


@on_the_stand_in
def test_a_product_without_an_algorithm_is_a_plain_one(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, expected = trained(monkeypatch, "off")
    monkeypatch.setenv(epilogues.VARIABLE, "on")
    assert all(device.serves_epilogue(kind, "float32") for kind in epilogues.KINDS)
    monkeypatch.setattr(type(epilogues.library()), "algorithms", 0)
    steps, losses = trained(monkeypatch, "on")
    assert "matmul_bias_relu" in steps
    np.testing.assert_allclose(losses, expected, 1e-5)


def test_the_workspace_is_this_threads() -> None:
    if device.NAME == "cupy":
        assert blas.workspace().nbytes == blas.WORKSPACE and blas.workspace() is blas.workspace()
