"""Which array library is chosen, on which machine, and what is said when it cannot be."""

from __future__ import annotations

import pytest

from tests.device.machine import last_line_of_error, output

CHOSEN = "import sys, gpukeras.device as d; print(d.NAME, 'cupy' in sys.modules, d.REASON)"
IMPORT = "import gpukeras.device"
USE = "import gpukeras.device as d; d.allocate(10)"


def test_auto_without_a_driver_is_numpy_and_never_imports_cupy():
    said = output(CHOSEN, driver=False)
    assert said.startswith(
        "numpy False NumPy, because no NVIDIA driver is visible (libcuda.so.1 does not load)"
    )


def test_auto_with_a_driver_but_no_gpu_is_numpy():
    said = output(CHOSEN, devices=0, CUDA_VISIBLE_DEVICES="")
    assert said.startswith("numpy False") and "shows no GPU; CUDA_VISIBLE_DEVICES is ''" in said


def test_auto_with_a_driver_that_fails_is_numpy():
    assert "answers with error 100" in output(CHOSEN, status=100)


def test_auto_with_a_gpu_is_cupy():
    assert output(CHOSEN, devices=2) == "cupy True CuPy, because the NVIDIA driver shows 2 GPU(s)."


@pytest.mark.parametrize("setting", ["numpy", "NumPy", " numpy "])
def test_numpy_when_asked_for_even_with_a_gpu(setting):
    assert output(CHOSEN, backend=setting) == "numpy False GPUKERAS_BACKEND=numpy asks for NumPy."


def test_cupy_when_asked_for():
    assert output(CHOSEN, backend="cupy") == "cupy True CuPy, because GPUKERAS_BACKEND=cupy asks for it."


def test_an_empty_setting_is_auto():
    assert output(CHOSEN, backend="", driver=False).startswith("numpy")


def test_an_unknown_setting_names_the_choices():
    line = last_line_of_error(IMPORT, backend="torch")
    assert line == "ValueError: GPUKERAS_BACKEND is 'torch'; it must be one of auto, numpy, cupy."


# What is wrong with the machine, and what an error about it must say.
BROKEN = {
    "no driver": ({"driver": False}, ["no NVIDIA driver is visible", "nvidia-smi", "gpukeras[cuda12]"]),
    "no gpu": ({"devices": 0}, ["shows no GPU"]),
    "driver error": ({"status": 999}, ["error 999"]),
    "no cupy": ({"cupy": False}, ["CuPy is not installed", "pip install 'gpukeras[cuda12]'"]),
    "no cupy, CUDA 13": ({"cupy": False, "version": 13000}, ["pip install 'gpukeras[cuda13]'"]),
    "broken cupy": ({"fails": "import"}, ["CuPy does not import", "libcudart", "pip install"]),
    "old driver": ({"fails": "count"}, ["cannot reach the GPU", "InsufficientDriver", "update the driver"]),
    "cupy sees none": ({"fails": "zero"}, ["sees no GPU"]),
}


@pytest.mark.parametrize("machine, expected", BROKEN.values(), ids=list(BROKEN))
def test_cupy_where_it_cannot_work_is_an_error_with_the_cure(machine, expected):
    line = last_line_of_error(IMPORT, backend="cupy", **machine)
    assert line.startswith("gpukeras.device.select.BackendUnavailable: GPUKERAS_BACKEND=cupy")
    for text in (*expected, "To go on without a GPU"):
        assert text in line


@pytest.mark.parametrize("machine, expected", list(BROKEN.values())[3:], ids=list(BROKEN)[3:])
def test_auto_goes_on_with_numpy_and_keeps_the_cure_in_its_reason(machine, expected):
    said = output(CHOSEN, **machine)
    assert said.startswith("numpy") and "although the driver shows a GPU" in said and expected[0] in said


FIRST_USE = {
    "kernel": "cannot compile and run a kernel (NVRTC and CUDA headers): Failed to find CUDA headers.",
    "gemm": "cannot multiply matrices (cuBLAS): libcublas.so.12: cannot open shared object file.",
    "wrong": "computed a wrong matrix product: 16.0 where 32 was due",
}


@pytest.mark.parametrize("fails, expected", FIRST_USE.items())
def test_first_use_names_the_library_that_is_missing(fails, expected):
    assert output(CHOSEN, fails=fails).startswith("cupy")
    line = last_line_of_error(USE, fails=fails)
    assert expected in line and "GPUKERAS_BACKEND=numpy" in line


def test_an_import_error_reaches_the_user_of_the_package():
    line = last_line_of_error("import gpukeras; gpukeras.config()", backend="cupy", driver=False)
    assert "no NVIDIA driver is visible" in line
