"""Matrix products of the device: on a GPU, that cuBLAS is asked for the right thing, whatever the strides."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import device
from tests.kernels.floats import HALVES, tolerances

RNG = np.random.RandomState(3)
TOLERANCE = tolerances(8e-3, 1e-5, 1e-13)


def matrix(shape, dtype, layout):
    """A device array with the layout, and its values."""
    values = RNG.uniform(-1, 1, shape).astype(dtype)
    there = device.asarray(values)
    if layout == "transposed":
        there = device.xp.ascontiguousarray(device.asarray(np.swapaxes(values, -1, -2))).transpose(
            *range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
    elif layout == "columns of a wider one":
        wide = np.full((*shape[:-1], shape[-1] + 3), np.nan, dtype)
        wide[..., 1:-2] = values
        there = device.asarray(wide)[..., 1:-2]
    elif layout == "every second":
        wide = np.full((*shape[:-1], 2 * shape[-1]), np.nan, dtype)
        wide[..., ::2] = values
        there = device.asarray(wide)[..., ::2]
    return there, values


LAYOUTS = ("plain", "transposed", "columns of a wider one", "every second")


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("left", LAYOUTS)
def test_any_layout(left, right, dtype):
    for m, k, n in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1), (33, 7, 2)):
        (a, va), (b, vb) = matrix((m, k), dtype, left), matrix((k, n), dtype, right)
        out = device.asarray(np.full((m, n), np.nan, dtype))
        for function, arguments in device.products(a, b, out):
            function(*arguments)
        np.testing.assert_allclose(device.to_host(out), va.astype("float64") @ vb, TOLERANCE[dtype], TOLERANCE[dtype])


@pytest.mark.parametrize("lead_a, lead_b", [((2,), (2,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (2, 3)),
                                            ((), (4,)), ((2, 1, 3), (1, 4, 1))])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_leading_axes_are_broadcast(lead_a, lead_b, layout):
    (a, va), (b, vb) = matrix((*lead_a, 3, 4), "float32", layout), matrix((*lead_b, 4, 5), "float32", "plain")
    expected = va @ vb
    out = device.asarray(np.full(expected.shape, np.nan, "float32"))
    for function, arguments in device.products(a, b, out):
        function(*arguments)
    np.testing.assert_allclose(device.to_host(out), expected, 1e-5, 1e-5)


@pytest.mark.parametrize("lead", [(2,), (2, 3)])
def test_whole_numbers_with_leading_axes(lead):
    va, vb = RNG.randint(-5, 5, (*lead, 3, 4)), RNG.randint(-5, 5, (*lead, 4, 5))
    out = device.asarray(np.zeros((*lead, 3, 5), va.dtype))
    for function, arguments in device.products(device.asarray(va), device.asarray(vb), out):
        function(*arguments)
    np.testing.assert_array_equal(device.to_host(out), va @ vb)


def test_leading_axes_in_another_order():
    values = RNG.rand(2, 3, 4, 5).astype("float32")
    a = device.asarray(values).transpose(1, 0, 2, 3)
    b = device.asarray(RNG.rand(3, 2, 5, 6).astype("float32"))
    out = device.asarray(np.empty((3, 2, 4, 6), "float32"))
    for function, arguments in device.products(a, b, out):
        function(*arguments)
    expected = values.transpose(1, 0, 2, 3) @ device.to_host(b)
    np.testing.assert_allclose(device.to_host(out), expected, 1e-5, 1e-5)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 3, 0), (2, 0, 3)])
def test_nothing_to_multiply(shape):
    m, k, n = shape
    out = device.asarray(np.ones((m, n), "float32"))
    a, b = device.asarray(np.ones((m, k), "float32")), device.asarray(np.ones((k, n), "float32"))
    for function, arguments in device.products(a, b, out):
        function(*arguments)
    np.testing.assert_array_equal(device.to_host(out), np.zeros((m, n)) if k == 0 else np.full((m, n), k))


def test_products_add_up():
    (a, va), (b, vb) = matrix((3, 4), "float32", "plain"), matrix((4, 5), "float32", "transposed")
    out = device.asarray(np.ones((3, 5), "float32"))
    function, arguments = device.gemm(a, b, out, beta=1.0)
    function(*arguments)
    function(*arguments)
    np.testing.assert_allclose(device.to_host(out), 1 + 2 * (va @ vb), 1e-5)


def test_whole_numbers():
    out = device.asarray(np.empty((2, 2), "int32"))
    a = device.asarray(np.arange(6, dtype="int32").reshape(2, 3))
    for function, arguments in device.products(a, a.transpose(1, 0), out):
        function(*arguments)
    np.testing.assert_array_equal(device.to_host(out), [[5, 14], [14, 50]])


# Each sum here is of 4608 ones, which halves can hold; a sum of halves comes to a stop at 2048 (of bfloat16 at 256).
@pytest.mark.skipif(device.NAME != "cupy", reason="how a GPU adds halves")
@pytest.mark.parametrize("dtype", HALVES)
def test_halves_are_added_up_in_float32(dtype):
    from gpukeras import backend as K

    def ones(*shape):
        return K.ones(shape, dtype=dtype)

    kernel = ones(1, 1, 8, 8)
    found = [K.dot(ones(2, 4608), ones(4608, 3)), K.conv2d(ones(2, 3, 3, 512), ones(3, 3, 512, 8)),
             K.gradients(K.sum(K.conv2d(ones(4608, 1, 1, 8), kernel)), [kernel])[0]]
    for value in K.function([], found)([]):
        assert value.dtype == dtype and set(value.ravel().tolist()) == {4608.0}


@pytest.mark.skipif(device.NAME != "cupy", reason="how a GPU adds halves")
@pytest.mark.parametrize("dtype", HALVES)
def test_products_of_halves_in_a_recurrence_too(dtype):
    from gpukeras.device import blas

    assert blas.compute_type(dtype) == blas.compute_type("float32") == 68  # CUBLAS_COMPUTE_32F
    h, kernel = (device.asarray(np.ones(shape, dtype)) for shape in ((2, 4608), (4608, 4)))
    out = device.asarray(np.zeros((2, 4), dtype))
    function, arguments = blas.gemm(h, kernel, out)  # what ops/recurrent.py asks for at every step
    function(*arguments)
    assert set(device.to_host(out).ravel().tolist()) == {4608.0}
