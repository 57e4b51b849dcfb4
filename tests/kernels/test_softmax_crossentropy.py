"""The kernels of softmax_crossentropy.cu, on the CPU and on the GPU if there is one, against NumPy."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from gpukeras import device
from gpukeras.device import kernel_source
from tests.kernels.on_cpu import CpuModule
from tests.kernels.on_gpu import GpuModule

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ compiles the kernels for the CPU"
)
PLACES = [pytest.param("cpu", marks=needs_compiler), *(["gpu"] if device.NAME == "cupy" else [])]
BLOCKS = (1, 8, 128)
SHAPES = [(1, 1), (3, 10), (5, 8), (2, 129), (4, 1000)]
TYPES = {"f32": np.float32, "f64": np.float64}
LABELS = {"i32": np.int32, "i64": np.int64}
TOLERANCE = {"f32": 2e-6, "f64": 1e-14}


@pytest.fixture(scope="module", params=PLACES)
def place(request):
    return request.param


@pytest.fixture(scope="module", params=BLOCKS, ids=lambda block: f"block{block}")
def module(place, request, tmp_path_factory):
    if place == "gpu":
        return GpuModule("softmax_crossentropy", request.param)
    return CpuModule(kernel_source("softmax_crossentropy"), tmp_path_factory.mktemp("cpu"), request.param)


def softmax(x):
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def log_softmax(x):
    shifted = x.astype(np.float64) - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def draw(shape, suffix, seed=0):
    rng = np.random.RandomState(seed)
    x = (rng.standard_normal(shape) * 5).astype(TYPES[suffix])
    target = rng.dirichlet(np.ones(shape[1]), shape[0]).astype(TYPES[suffix])
    upstream = rng.standard_normal(shape[0]).astype(TYPES[suffix])
    return x, target, upstream, rng.randint(0, shape[1], shape[0])


def close(actual, expected, suffix):
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[suffix] * 20, atol=TOLERANCE[suffix])


@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_softmax_and_its_logarithm(module, shape, suffix):
    x, target, _, _ = draw(shape, suffix)
    y, ly, dx, ldx = (np.empty_like(x) for _ in range(4))
    module.launch(f"softmax_{suffix}", 2, x, y, *shape)
    module.launch(f"log_softmax_{suffix}", 2, x, ly, *shape)
    close(y, softmax(x), suffix)
    close(ly, log_softmax(x), suffix)
    module.launch(f"softmax_backward_{suffix}", 2, y, target, dx, *shape)
    module.launch(f"log_softmax_backward_{suffix}", 2, ly, target, ldx, *shape)
    p = softmax(x)
    close(dx, p * (target - (p * target).sum(-1, keepdims=True)), suffix)
    close(ldx, target - p * target.sum(-1, keepdims=True), suffix)


@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dense_targets_that_need_not_add_to_one(module, shape, suffix):
    x, target, upstream, _ = draw(shape, suffix)
    target *= 3
    loss, dx = np.empty_like(upstream), np.empty_like(x)
    module.launch(f"dense_forward_{suffix}", 2, x, target, loss, *shape)
    module.launch(f"dense_backward_{suffix}", 2, x, target, upstream, dx, *shape)
    close(loss, -(target * log_softmax(x)).sum(-1), suffix)
    close(dx, upstream[:, None] * (softmax(x) * target.sum(-1, keepdims=True) - target), suffix)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("suffix", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_class_numbers(module, shape, suffix, label):
    x, _, upstream, classes = draw(shape, suffix)
    loss, dx = np.empty_like(upstream), np.empty_like(x)
    module.launch(f"sparse_forward_{suffix}_{label}", 2, x, classes.astype(LABELS[label]), loss, *shape)
    module.launch(
        f"sparse_backward_{suffix}_{label}", 2, x, classes.astype(LABELS[label]), upstream, dx, *shape
    )
    close(loss, -log_softmax(x)[np.arange(shape[0]), classes], suffix)
    close(dx, upstream[:, None] * (softmax(x) - np.eye(shape[1])[classes]), suffix)


def test_huge_logits_stay_finite(module):
    x = np.array([[1e4, -1e4, 0.0]], np.float32)
    loss, dx = np.empty(1, np.float32), np.empty_like(x)
    module.launch("sparse_forward_f32_i32", 1, x, np.array([1], np.int32), loss, 1, 3)
    module.launch("sparse_backward_f32_i32", 1, x, np.array([1], np.int32), np.ones(1, np.float32), dx, 1, 3)
    assert loss[0] == 2e4
    assert dx.tolist() == [[1.0, -1.0, 0.0]]


def test_impossible_logit_with_zero_target_adds_nothing(module):
    x, target = np.array([[0.0, -np.inf]], np.float32), np.array([[1.0, 0.0]], np.float32)
    loss = np.empty(1, np.float32)
    module.launch("dense_forward_f32", 1, x, target, loss, 1, 2)
    assert loss[0] == 0.0


@pytest.mark.parametrize("wrong", [-1, 3])
def test_class_number_out_of_range_is_nan(module, wrong):
    x = np.zeros((2, 3), np.float32)
    classes = np.array([wrong, 0], np.int32)
    loss, dx = np.empty(2, np.float32), np.empty_like(x)
    module.launch("sparse_forward_f32_i32", 1, x, classes, loss, 2, 3)
    module.launch("sparse_backward_f32_i32", 1, x, classes, np.ones(2, np.float32), dx, 2, 3)
    assert np.isnan(loss[0]) and np.isnan(dx[0]).all()
    assert np.isfinite(loss[1]) and np.isfinite(dx[1]).all()


@needs_compiler
@pytest.mark.parametrize("barrier", range(3))
def test_the_harness_sees_a_missing_barrier(tmp_path, barrier):
    """Each __syncthreads of the reduction is needed: without any one of them the numbers are wrong."""
    parts = kernel_source("softmax_crossentropy").split("__syncthreads();")
    assert len(parts) == 4
    broken = (
        "__syncthreads();".join(parts[: barrier + 1]) + ";" + "__syncthreads();".join(parts[barrier + 1 :])
    )
    damaged = CpuModule(broken, tmp_path, 128)
    x, _, _, _ = draw((4, 1000), "f64")
    y = np.empty_like(x)
    damaged.launch("softmax_f64", 1, x, y, *x.shape)
    assert not np.allclose(y, softmax(x), rtol=1e-12, atol=0)


@needs_compiler
def test_the_harness_sees_a_barrier_in_a_branch(tmp_path):
    source = (
        'extern "C" __global__ void half(int* x) { if (threadIdx.x < BLOCK / 2) __syncthreads(); x[0] = 1; }'
    )
    with pytest.raises(AssertionError, match="some threads"):
        CpuModule(source, tmp_path, 8).launch("half", 1, np.zeros(1, np.int32))
