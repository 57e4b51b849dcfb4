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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.activations import gelu
from gpukeras.device import blas, epilogues
from gpukeras.layers import Activation, Add, Dense, Dropout, Input
from gpukeras.models import Model, Sequential
from tests.device.test_blas import LAYOUTS, TOLERANCE, matrix
from tests.kernels.floats import HALVES

DTYPES = (*HALVES, "float32")

RELUS = ("relu", "relu and mask")  # kinds of which others report that they make something else of NaN and of 0
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
        ("bias", "BIAS"), ("relu", "RELU_BIAS"), ("gradient", "BGRADA"), ("relu and mask", "RELU_AUX_BIAS"),
        ("masked", "DRELU_BGRAD"), ("gelu", "GELU_AUX_BIAS"), ("gelu gradient", "DGELU_BGRAD"))} == epilogues.KINDS
    assert {key: number(text, f"MATMUL_DESC_{name}") for key, name in (
        ("transpose_a", "TRANSA"), ("transpose_b", "TRANSB"), ("epilogue", "EPILOGUE"), ("bias", "BIAS_POINTER"),
        ("aux", "EPILOGUE_AUX_POINTER"), ("aux_lead", "EPILOGUE_AUX_LD"))} == epilogues.DESCRIPTOR
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
    plan = Plan(array(5, 7), array(7, 3), array(5, 3), kind, array(3), array(5, 4), (1, 5), (0, 3))
    operation, left, right, whole = plan._parts
    found = [read("MatmulDesc", operation, epilogues.DESCRIPTOR[k], t) for k, t in (
        ("transpose_a", ctypes.c_int32), ("transpose_b", ctypes.c_int32), ("epilogue", ctypes.c_uint32),
        ("bias", ctypes.c_void_p))]
    assert found == [0, 1, epilogue, 0x12340], found
    mask = [read("MatmulDesc", operation, epilogues.DESCRIPTOR[k], t) for k, t in (
        ("aux", ctypes.c_void_p), ("aux_lead", ctypes.c_int64))]
    due = 128 if kind in epilogues.MASKED else 3 if kind in epilogues.GELU else 0
    assert mask == [0x12340 if due else None, due], mask
    layouts = [[read("MatrixLayout", x, i, t) for i, t in ((0, ctypes.c_uint32), (2, ctypes.c_uint64),
                                                          (3, ctypes.c_uint64), (4, ctypes.c_int64))]
               for x in (left, right, whole)]
    assert layouts == [[0, 3, 7, 3], [0, 5, 7, 5], [0, 3, 5, 3]], layouts
    assert read("MatmulPreference", plan.preference, 1, ctypes.c_uint64) == blas.WORKSPACE
    assert read("MatmulPreference", plan.preference, 5, ctypes.c_uint32) == 4
    del plan
try:
    epilogues._set("MatmulDesc", Plan(array(5, 7), array(7, 3), array(5, 3), kind, array(3), array(5, 4), (0, 7),
                                     (0, 3))._parts[0],
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
    forget = epilogues.proven.cache_clear
    forget()
    yield
    forget()


@on_gpu_only
@pytest.mark.parametrize("kind", epilogues.KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
def test_any_layout(left: str, right: str, dtype: str, kind: str) -> None:
    for m, k, n in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (33, 7, 2), (5, 3, 16)):
        (a, va), (b, vb) = matrix((m, k), dtype, left), matrix((k, n), dtype, right)
        values = np.linspace(-1, 1, n).astype(dtype)
        vector, out = device.asarray(values), device.asarray(np.full((m, n), np.nan, dtype))
        n_fits = n % epilogues.GELU_COLUMNS == 0
        kept = epilogues.bits_of(np.arange(m * n).reshape(m, n) % 3 > 0) if kind not in epilogues.GELU else (
            np.linspace(-3, 3, m * n).reshape(m, n).astype(dtype))
        aux = device.asarray(kept)
        if kind in epilogues.GELU and not n_fits:
            continue
        call = epilogues.product(a, b, out, kind, vector, aux)
        if call is None:
            assert "every second" in (left, right) or not device.xp.__version__.endswith("standin")
            continue
        call[0](*call[1])
        expected, after, beside = epilogues._by_numpy(va, vb, kind, values, kept)
        tolerance = TOLERANCE[dtype]
        np.testing.assert_allclose(device.to_host(out), expected, tolerance, tolerance)
        np.testing.assert_allclose(device.to_host(vector), after, tolerance, tolerance)
        if kind in epilogues.GELU:
            np.testing.assert_allclose(device.to_host(aux), beside, tolerance, tolerance)
            continue
        found, due = (epilogues._columns_of(x, n) for x in (device.to_host(aux), beside))
        assert (found != due).mean() < 0.05  # a sum that is nearly 0 may be on either side


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
    if said and ("no algorithm" in str(said[0].message) or kind in RELUS) and not device.xp.__version__.endswith(
            "standin"):
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


@on_the_stand_in
@pytest.mark.parametrize("kind", RELUS)
def test_a_relu_as_it_was_reported_is_not_ours(asked: None, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes 0 of NaN, and lets the derivative through at 0."""
    monkeypatch.setattr(type(epilogues.library()), "as_reported", True)
    with pytest.warns(RuntimeWarning, match=f"'{kind}' are not used .it computed other numbers"):
        assert not device.serves_epilogue(kind, "float32")
    assert device.serves_epilogue("masked", "float32")


# ----------------------------------------------------------------------------------------------- programs
X = np.random.RandomState(0).rand(20, 6).astype("float32")
Y = np.eye(3, dtype="float32")[np.arange(20) % 3]
X[4] = 0  # with biases that are 0 in the beginning: sums that are exactly 0
NEW = {"matmul_bias", "matmul_bias_relu", "matmul_bias_relu_mask", "matmul_mask_and_sum_samples",
       "contract_and_sum_samples", "matmul_bias_gelu", "matmul_gelu_gradient_and_sum_samples"}


class Found(NamedTuple):
    """What a training came to."""

    steps: list[str]
    losses: list[float]
    weights: list[Any]


def deep() -> Any:
    return Sequential([Dense(8, activation="relu", input_shape=(6,)), Dense(8, activation="relu"), Dropout(0.2),
                       Dense(8, activation="tanh"), Dense(3, activation="softmax")])


def trained(monkeypatch: pytest.MonkeyPatch, value: str, made: Callable[[], Any] = deep) -> Found:
    """The steps of a training program, its losses and the weights after it."""
    monkeypatch.setenv(epilogues.VARIABLE, value)
    np.random.seed(1)
    model = made()
    model.compile("adam", "categorical_crossentropy")
    history = model.fit(X, Y, batch_size=8, epochs=4, verbose=0).history["loss"]
    program = next(iter(model.train_function._programs.values()))
    return Found([step.op.name for step in program.plan.steps], history, model.get_weights())


def both(monkeypatch: pytest.MonkeyPatch, made: Callable[[], Any] = deep,
         tolerance: float = 1e-5) -> tuple[Found, Found]:
    """Trained without and with epilogues, to the same weights."""
    plain, found = trained(monkeypatch, "off", made), trained(monkeypatch, "on", made)
    assert not NEW & set(plain.steps)
    np.testing.assert_allclose(found.losses, plain.losses, tolerance)
    for a, b in zip(found.weights, plain.weights):
        np.testing.assert_allclose(a, b, 10 * tolerance, 10 * tolerance)
    return plain, found


@pytest.fixture
def all_served(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epilogues are asked for, and prove themselves; a GPU's ReLUs need not, for kernels do without."""
    monkeypatch.setenv(epilogues.VARIABLE, "on")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not all(device.serves_epilogue(kind, "float32") for kind in epilogues.KINDS if kind not in RELUS):
            pytest.skip("this GPU's cuBLASLt does not offer all of them")


@on_gpu_only
def test_a_training_step_takes_them_where_they_save_a_kernel(all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, (steps, _, _) = both(monkeypatch)
    assert steps.count("matmul_bias_relu_mask") == 1  # the first layer; dropout and tanh have a kernel anyway
    assert steps.count("matmul_mask_and_sum_samples") == 1 and "mask" not in steps
    assert steps.count("matmul_bias") == 1 and steps.count("contract_and_sum_samples") == 3
    assert steps.count("sum") == plain.steps.count("sum") - 4 and len(steps) <= len(plain.steps) - 7


@on_gpu_only
def test_a_prediction_needs_no_mask(all_served: None) -> None:
    if not device.serves_epilogue("relu", "float32"):
        pytest.skip("this GPU's cuBLASLt has another ReLU")
    model = deep()
    model.predict(X)
    program = next(iter(model.predict_function._programs.values()))
    steps = [step.op.name for step in program.plan.steps]
    assert steps.count("matmul_bias_relu") == 2 and "matmul_bias_relu_mask" not in steps


def two_readers() -> Any:
    x = Input((6,))
    hidden = Dense(8, activation="relu")(x)
    return Model(x, Activation("softmax")(Add()([Dense(3)(hidden), Dense(3)(hidden)])))


def watched() -> Any:
    return Sequential([Dense(8, activation="relu", input_shape=(6,), activity_regularizer="l2"), Dense(3),
                       Activation("softmax")])


def unbiased() -> Any:
    return Sequential([Dense(8, activation="relu", input_shape=(6,), use_bias=False), Dense(3), Activation("softmax")])


def capped() -> Any:
    return Sequential([Dense(8, activation=lambda x: K.relu(x, max_value=0.5), input_shape=(6,)), Dense(3),
                       Activation("softmax")])


def doubled() -> Any:
    return Sequential([Dense(8, activation=lambda x: K.relu(x) * 2, input_shape=(6,)), Dense(3), Activation("softmax")])


@on_gpu_only
@pytest.mark.parametrize("made", [two_readers, watched, unbiased, capped, doubled], ids=lambda made: made.__name__)
def test_a_derivative_that_is_more_than_a_masked_product_is_left_alone(
        made: Callable[[], Any], all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (steps, _, _) = both(monkeypatch, made)
    assert not {"matmul_bias_relu_mask", "matmul_mask_and_sum_samples"} & set(steps)


def apart() -> Any:
    """The activation is a layer, and layers are wide: a mask has rows of two times 128 bits."""
    return Sequential([Dense(150, input_shape=(6,)), Activation("relu"), Dense(200, activation="relu"),
                       Dense(3, activation="softmax")])


@on_gpu_only
def test_wide_layers_and_activations_apart(all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (steps, _, _) = both(monkeypatch, apart)
    assert steps.count("matmul_bias_relu_mask") == steps.count("matmul_mask_and_sum_samples") == 2
    assert steps.count("contract_and_sum_samples") == 1 and steps.count("contract_samples") == 2


def halves() -> Any:
    return Sequential([Dense(16, activation=by_tanh, input_shape=(6,), dtype="mixed_float16"),
                       Dense(16, activation="relu", dtype="mixed_float16"), Dense(16, dtype="mixed_float16"),
                       Dense(3, activation="softmax")])


@on_gpu_only
def test_in_halves(all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (steps, _, _) = both(monkeypatch, halves, 2e-3)
    assert "matmul_bias_relu_mask" in steps and "matmul_mask_and_sum_samples" in steps and "matmul_bias_gelu" in steps


@on_the_stand_in
def test_only_what_a_program_has_is_tried(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning about a GELU would puzzle whoever has none."""
    tried: list[str] = []
    real = epilogues.proven
    monkeypatch.setattr(epilogues, "proven", lambda kind, dtype: tried.append(kind) or real(kind, dtype))
    trained(monkeypatch, "on")
    assert {"bias", "gradient", "masked", "relu and mask"} <= set(tried) <= set(epilogues.KINDS) - {*epilogues.GELU}


@on_the_stand_in
@pytest.mark.parametrize("attribute, value", [("algorithms", 0), ("as_reported", True)])
def test_where_a_product_is_plain_a_kernel_does_the_rest(attribute: str, value: Any, asked: None,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """No algorithm for the products of this program; no mask that is ours."""
    monkeypatch.setenv(epilogues.VARIABLE, "on")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if attribute == "algorithms":
            assert all(device.serves_epilogue(kind, "float32") for kind in epilogues.KINDS)
        monkeypatch.setattr(type(epilogues.library()), attribute, value)
        for made in (deep, apart):
            _, (steps, _, _) = both(monkeypatch, made)
            assert "matmul_bias_relu_mask" in steps and "matmul_mask_and_sum_samples" in steps


def by_tanh(x: Any) -> Any:
    return gelu(x, approximate=True)


def by_erf(x: Any) -> Any:
    return gelu(x)


def nearly(x: Any) -> Any:
    """Another formula for nearly the same."""
    return x * K.sigmoid(1.5957691216 * (x + 0.044715 * x * x * x))


def with_gelu(activation: Callable[[Any], Any], *units: int) -> Callable[[], Any]:
    return lambda: Sequential([*(Dense(n, activation=activation, input_shape=(6,)) for n in units),
                               Dense(3, activation="softmax")])


@on_gpu_only
def test_gelu_by_tanh_and_its_derivative(all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, (steps, _, _) = both(monkeypatch, with_gelu(by_tanh, 8, 8, 40))
    assert steps.count("matmul_bias_gelu") == steps.count("matmul_gelu_gradient_and_sum_samples") == 3
    assert steps.count("matmul_bias") == steps.count("contract_and_sum_samples") == 1
    assert len(steps) == len(plain.steps) - 11 and not any("tanh" in name for name in steps)


@on_gpu_only
@pytest.mark.parametrize("made", [with_gelu(by_erf, 8), with_gelu(nearly, 8), with_gelu(by_tanh, 9), with_gelu(
    lambda x: by_tanh(x) + x, 8), with_gelu(lambda x: 2 * by_tanh(x), 8)],
    ids=["erf", "another formula", "9 columns", "more of its input", "more of its result"])
def test_another_gelu_is_left_alone(made: Callable[[], Any], all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """cuBLASLt's is the formula with tanh, its rows are multiples of 8, and nothing else may be made of it."""
    _, (steps, _, _) = both(monkeypatch, made)
    assert not any("gelu" in name for name in steps)


@on_the_stand_in
def test_a_gelu_without_an_algorithm_is_kernels(all_served: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(epilogues.library()), "algorithms", 0)
    _, (steps, _, _) = both(monkeypatch, with_gelu(by_tanh, 8, 40))
    assert steps.count("matmul_bias_gelu") == steps.count("matmul_gelu_gradient_and_sum_samples") == 2


@on_the_stand_in
def test_masks_need_their_own_proof(asked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real = epilogues.proven
    monkeypatch.setattr(epilogues, "proven", lambda kind, dtype: kind != "masked" and real(kind, dtype))
    _, (steps, _, _) = both(monkeypatch)
    assert "matmul_bias_relu" in steps and not {"matmul_bias_relu_mask", "matmul_mask_and_sum_samples"} & set(steps)
    monkeypatch.setattr(epilogues, "proven", lambda kind, dtype: kind == "masked" and real(kind, dtype))
    _, (steps, _, _) = both(monkeypatch)
    assert NEW & set(steps) == {"matmul_bias_relu_mask", "matmul_mask_and_sum_samples"}


def test_the_workspace_is_this_threads() -> None:
    if device.NAME == "cupy":
        assert blas.workspace().nbytes == blas.WORKSPACE and blas.workspace() is blas.workspace()
