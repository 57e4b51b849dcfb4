"""The shim's own calls, on the backend of this run and on a stub of CuPy."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import device
from tests.device.machine import last_line_of_error, output

on_numpy = pytest.mark.skipif(device.NAME != "numpy", reason="about the NumPy backend")


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 1000, 2**20 + 1])
def test_storage_is_aligned_bytes(nbytes):
    storage = device.allocate(nbytes)
    assert storage.shape == (nbytes,) and storage.dtype == np.uint8
    address = storage.ctypes.data if device.NAME == "numpy" else storage.data.ptr
    assert address % 64 == 0 or nbytes == 0


def test_negative_storage_is_refused():
    with pytest.raises(ValueError, match="nbytes must not be negative, but is -1"):
        device.allocate(-1)


def test_arrays_go_to_the_device_and_back():
    host = np.arange(6.0).reshape(2, 3)
    there = device.asarray(host)
    assert device.is_device_array(there)
    back = device.to_host(there)
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, host)
    device.synchronize()


@on_numpy
def test_numpy_arrays_are_not_copied():
    host = np.arange(3)
    assert device.asarray(host) is host and device.to_host(host) is host


def test_lists_are_no_device_arrays():
    assert not device.is_device_array([1, 2]) and not device.is_device_array(1.0)


@on_numpy
def test_kernels_need_a_gpu():
    with pytest.raises(RuntimeError, match="runs on a GPU only"):
        device.raw_kernel("softmax_crossentropy", "softmax_f32")
    with pytest.raises(RuntimeError, match="runs on a GPU only"):
        device.elementwise_kernel("T x", "T y", "y = x", "copy")


def test_an_unknown_kernel_family_lists_the_known():
    with pytest.raises(ValueError, match="no kernel family 'relu'; kernels/ has .*softmax_crossentropy"):
        device.kernel_source("relu")


def test_includes_are_put_in_place_once_with_their_lines():
    text = device.kernel_source("softmax_crossentropy")
    assert '#include "' not in text and "#pragma once" not in text
    assert text.count("T block_reduce(T value, Operation combine)") == 1
    assert text.startswith('#line 1 "softmax_crossentropy.cu"\n') and '#line 1 "reduce.cuh"' in text


def test_config_says_what_computes():
    config = device.config()
    assert config["backend"] == device.NAME and config["why"] == device.REASON
    assert config["numpy"] == np.__version__
    assert config["threads"] >= 1
    assert config["memory_total"] is None or config["memory_total"] >= (config["memory_free"] or 0) > 0
    printed = str(config).splitlines()
    assert printed[0].split() == ["backend", device.NAME] and len(printed) == len(config)
    assert "{" not in printed[0] and str(config) == repr(config)


def test_config_names_the_blas_kernel_as_openblas_does():
    config = device.config()
    if "openblas" not in (config["blas"] or ""):
        pytest.skip("this NumPy has another BLAS")
    said = output(
        "import gpukeras; print(gpukeras.config()['blas_kernel'], gpukeras.config()['blas_threads'])",
        driver=False,
        OPENBLAS_CORETYPE="Haswell",
        OPENBLAS_NUM_THREADS="1",
    )
    kernel, threads = said.split()
    assert threads == "1"
    if device.config()["device"].startswith(("AMD", "Intel")):
        assert kernel == "Haswell"


STUBBED = """
import cupy, numpy, gpukeras.device as d
"""


def test_cupy_is_probed_once_then_used():
    code = """
a = d.allocate(100); b = d.asarray(numpy.ones(3)); d.allocate(5)
d.synchronize()
print(type(b) is cupy.ndarray, d.is_device_array(b), d.is_device_array(numpy.ones(3)))
print(type(d.to_host(b)).__name__)
print(cupy.log)
"""
    kinds, back, log = output(STUBBED + code).splitlines()
    assert kinds == "True True False" and back == "ndarray"
    assert log == "['ElementwiseKernel gpukeras_probe', 'empty', 'empty', 'synchronize']"


def test_kernels_are_compiled_once():
    code = """
one = d.raw_kernel("softmax_crossentropy", "softmax_f32", ("BLOCK=32",))
assert one is d.raw_kernel("softmax_crossentropy", "softmax_f32", ("BLOCK=32",))
d.raw_kernel("softmax_crossentropy", "softmax_f64", ("BLOCK=32",))
d.raw_kernel("softmax_crossentropy", "softmax_f64")
assert d.elementwise_kernel("T x", "T y", "y = x + x", "twice") is d.elementwise_kernel(
    "T x", "T y", "y = x + x", "twice")
print([line for line in cupy.log if "Raw" in line], sum("get_function" in line for line in cupy.log))
"""
    assert output(STUBBED + code) == "['RawModule -std=c++17 -DBLOCK=32', 'RawModule -std=c++17'] 3"


def test_config_reports_the_gpu():
    said = output("import gpukeras; print(gpukeras.config())")
    for text in ("Stub GPU", "4.0 GiB", "3.0 GiB", "0.0-stub", "12.4", "12.6"):
        assert text in said


def test_out_of_memory_frees_the_pool_and_says_what_helps():
    assert (
        output(STUBBED + "d.allocate(1000); print('free_all_blocks' in cupy.log)", fails="memory") == "False"
    )
    line = last_line_of_error(STUBBED + "d.allocate(2**20)", fails="memory")
    assert line.startswith("MemoryError: The GPU has no room for 1.0 MiB: 3,072 of 4,096 MiB are free.")
    assert "batch_size" in line
    code = "\ntry:\n    d.allocate(2**20)\nexcept MemoryError:\n    print('free_all_blocks' in cupy.log)"
    assert output(STUBBED + code, fails="memory") == "True"


def test_mixing_in_a_numpy_array_is_not_silent():
    line = last_line_of_error(STUBBED + "numpy.ones(3) + numpy.asarray(d.asarray(numpy.ones(3)))")
    assert "Implicit conversion" in line
