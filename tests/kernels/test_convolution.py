"""The three convolutions' CUDA bodies against NumPy in float64: values, tiles, tensor cores, layouts, order of sums."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpukeras import device
from gpukeras.graph import Spec
from gpukeras.ops import convolution_kernels as kernels
from gpukeras.ops.convolution import Convolution, ConvolutionInputGradient, ConvolutionKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.convolutions import check, exact, numbers, three_ops, windows
from tests.kernels.floats import FLOATS, HALVES
from tests.kernels.run_op import run_kernel_body

MUTATIONS = [
    ("a barrier is missing before the first product", "    b.store(right[0]);\n    __syncthreads();",
     "    b.store(right[0]);"),
    ("a barrier is missing between two products", "__syncthreads();  // the other pair", "// the other pair"),
    ("both pairs of tiles are one", "const int now = round % 2;", "const int now = 0;"),
    ("padding is ignored along a row", "window.strides[2] - window.before[2];", "window.strides[2];"),
    ("dilation is ignored", "channels, step_row, step_column, step_channel,\n                      window.dilation[1]",
     "channels, step_row, step_column, step_channel,\n                      1"),
    ("a residue's first cell of the window is its second", "        first = 0;\n", "        first = 1;\n"),
    ("the position moves the wrong way", "-down.back, -across.back", "-down.back, across.back"),
    ("a row of sums is written one further down", "chunk_row(run / (PART_N / 4) / 4) + run",
     "chunk_row(run / (PART_N / 4) / 4) + 1 + run"),
    ("a part of the sum is left out", "Index part = 0; part < count", "Index part = 1; part < count"),
    ("parts overlap", "start + share < lines ? start + share : lines", "lines"),
    ("the last row of the input is cut off", "inside(from.h + y, field.height)",
     "inside(from.h + y, field.height - 1)"),
    ("tensor cores get two rows of words exchanged", "w / 2 * 4, part_row()", "(1 - w / 2) * 4, part_row()"),
    *([("tensor cores take bfloat16 for float16", "{ mma_bf16(d, a, b); }", "{ mma_f16(d, a, b); }")]
      if "bfloat16" in HALVES else []),
]  # fmt: skip


def tile_defines(tile, tensor, vector_a, vector_b):
    threads = (tile.rows // tile.part_rows) * (tile.columns // tile.part_columns) * (32 if tensor else 1)
    return {
        "BLOCK": threads, "TENSOR": tensor, "TILE_M": tile.rows, "TILE_N": tile.columns,
        "TILE_K": tile.depth * max(tensor, 1), "PART_M": tile.part_rows, "PART_N": tile.part_columns,
        "VECTOR_A": vector_a, "VECTOR_B": vector_b,
    }  # fmt: skip


# what test_compile.py builds: the first set for every GPU and type, the others for one GPU each
DEFINES = [
    tile_defines(kernels.PLAIN[2], 0, 1, 1),
    *({"VALUE": value, **tile_defines(tile, tensor, a, b)}
      for value, tensor, tiles in (("float", 0, kernels.PLAIN), ("double", 0, kernels.DOUBLE),
                                   ("float", 1, kernels.TENSOR), ("float", 2, kernels.TENSOR[1:2]),
                                   ("Half", 2, kernels.TENSOR), ("BFloat", 2, kernels.TENSOR))
      for tile, (a, b) in zip(tiles, ((4, 4), (1, 4), (4, 1), (1, 1), (4, 4)))),
]  # fmt: skip


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    device.set_precision("float32")


@given(
    case=windows(),
    samples=st.integers(1, 3),
    channels=st.sampled_from((1, 3, 4, 31)),
    filters=st.sampled_from((1, 4, 5, 33)),
    dtype=st.sampled_from(FLOATS),
    channels_first=st.booleans(),
    seed=st.integers(0, 2**31),
)
@example((Window((3, 3), (1, 1), "same", (1, 1)), (8, 8)), 2, 4, 8, "float32", False, 1)
@example((Window((3, 3), (2, 2), "same", (1, 1)), (9, 8)), 2, 4, 8, "float32", False, 2)
@example((Window((1, 1), (3, 2), "valid", (1, 1)), (8, 7)), 2, 3, 5, "float32", False, 3)  # cells that nobody sees
@example((Window((3, 2), (2, 3), "same", (2, 3)), (11, 12)), 1, 3, 5, "float32", True, 4)  # residues without a tap
def test_random_convolutions(case, samples, channels, filters, dtype, channels_first, seed):
    window, space = case
    rng = np.random.RandomState(seed)
    x = numbers(rng, (samples, *space, channels), dtype, channels_first)
    kernel = numbers(rng, (*window.size, channels, filters), dtype)
    g = numbers(rng, (samples, *window.output_space(space), filters), dtype, channels_first)
    for op, inputs in three_ops(window, x, kernel, g):
        check(op, inputs)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_parts_of_the_kernel_gradient(dtype, monkeypatch):
    """Any number of parts gives the gradient, and each launch the same bits."""
    rng, window = np.random.RandomState(0), Window((3,), (1,), "same", (1,))
    x, g = numbers(rng, (3, 101, 3), dtype), numbers(rng, (3, 101, 5), dtype)
    op, inputs = ConvolutionKernelGradient(window), [x, g, Spec((3, 3, 5), dtype)]
    for least in (1, 40, 100, 1000):
        monkeypatch.setattr(kernels, "LEAST", least)
        (room,) = op.workspace([Spec(a.shape, dtype) for a in inputs], [inputs[2]])
        assert room.dtype == "float32" and (room.shape == (1,)) == (least == 1000)
        first = check(op, inputs)
        np.testing.assert_array_equal(first, run_kernel_body(op, *inputs)[0])


def larger(dtype, channels, filters):
    """A convolution whose products need more than one tile of any size."""
    rng, window = np.random.RandomState(0), Window((2, 3), (1, 1), "same", (1, 1))
    shape = (2, 9, 8)
    return three_ops(window, numbers(rng, (*shape, channels), dtype), numbers(rng, (2, 3, channels, filters), dtype),
                     numbers(rng, (*shape, filters), dtype))  # fmt: skip


PLACES = [
    *(("float32", 90, tile) for tile in kernels.PLAIN),
    *(("float64", 90, tile) for tile in kernels.DOUBLE),
    ("float16", 70, kernels.PLAIN[1]),
    *(("float16", 90, tile) for tile in kernels.TENSOR),
    *((half, 90, tile) for half in HALVES[1:] for tile in kernels.TENSOR[2:4]),
]
def needs_tensor_cores(dtype):
    if dtype in HALVES and device.compute_capability() < 80:
        pytest.skip("this GPU has no tensor cores of the kind that is meant")


# moved four values at a time, and every other tile also one by one
EVERY_TILE = [(*place, 24, 132) for place in PLACES] + [(*place, 23, 131) for place in PLACES[::2]]


@pytest.mark.parametrize("dtype, capability, tile, channels, filters", EVERY_TILE, ids=str)
def test_every_tile(dtype, capability, tile, channels, filters, monkeypatch):
    if capability > 75:
        needs_tensor_cores(dtype)
    monkeypatch.setattr(kernels, "compute_capability", lambda: capability)
    monkeypatch.setattr(kernels, "_tile", lambda *_: tile)
    monkeypatch.setattr(kernels, "LEAST", 64)
    for op, inputs in larger(dtype, channels, filters):
        check(op, inputs)


def rounded_to_tf32(a):
    bits = a.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def rounded_to_half(a):
    return a.astype(np.float16).astype(np.float64)


@pytest.mark.parametrize("i, tile", list(enumerate(kernels.TENSOR)), ids=str)
def test_tensor_cores_round_float32_inputs_only(i, tile, monkeypatch):
    needs_tensor_cores("float16")
    precision, rounded = (("tf32", rounded_to_tf32), ("float16", rounded_to_half))[i % 2]
    monkeypatch.setattr(kernels, "_tile", lambda *_: tile)
    device.set_precision(precision)
    for op, inputs in larger("float32", 23, 36):
        got = check(op, inputs, 2e-6, rounded)
        error, magnitude = np.abs(got - exact(op, inputs)), exact(op, inputs, np.abs)
        assert (error <= 2.0**-10 * magnitude).all() and error.max() > 1e-6 * magnitude.max()


def test_precision_is_for_new_gpus_and_float32_only(monkeypatch):
    device.set_precision("tf32")
    assert [kernels._tensor(t) for t in ("float16", "bfloat16", "float32", "float64")] == [2, 2, 1, 0]
    monkeypatch.setattr(kernels, "compute_capability", lambda: 75)
    assert [kernels._tensor(t) for t in ("float16", "bfloat16", "float32", "float64")] == [0, 0, 0, 0]
    monkeypatch.undo()
    device.set_precision("float32")
    assert kernels._tensor("float32") == 0


def test_strided_inputs_are_read_in_place():
    rng = np.random.RandomState(0)
    window = Window((3, 2), (1, 2), "same", (1, 1))
    x = numbers(rng, (3, 14, 10, 8), "float32")[::-1, ::2, ::-1, 1:5]
    kernel, g = numbers(rng, (3, 2, 4, 8), "float32"), numbers(rng, (3, 7, 5, 16), "float32")[..., ::2]
    for op, inputs in three_ops(window, x, kernel, g):
        check(op, inputs)


def test_columns_of_a_few_samples_at_a_time(monkeypatch):
    """Three axes: the result does not depend on how many samples' columns there is room for."""
    rng, window = np.random.RandomState(0), Window((2, 3, 2), (1, 2, 1), "same", (1, 1, 1))
    x, kernel, g = (numbers(rng, s, "float64") for s in ((5, 3, 4, 3, 2), (2, 3, 2, 2, 3), (5, 3, 2, 3, 3)))
    for room in (1, 4 * 3 * 2 * 3 * 12 * 2 * 8, 1 << 20):
        monkeypatch.setattr(kernels, "ROOM", room)
        for op, inputs in three_ops(window, x, kernel, g):
            check(op, inputs)


def test_wide_indices(monkeypatch):
    """Arrays of 2**30 elements need indices of 64 bits; the limit is lowered here."""
    monkeypatch.setattr(importlib.import_module("gpukeras.device.launch"), "WIDE", 1)
    rng, window = np.random.RandomState(0), Window((3, 3), (2, 1), "same", (1, 1))
    x, kernel, g = (numbers(rng, s, "float32") for s in ((2, 5, 6, 3), (3, 3, 3, 4), (2, 3, 6, 4)))
    for op, inputs in three_ops(window, x, kernel, g):
        check(op, inputs)


@pytest.mark.parametrize("rank", [2, 3])
def test_no_samples(rank):
    window = Window((2,) * rank, (1,) * rank, "same", (1,) * rank)
    x, g = np.zeros((0, *(3,) * rank, 2), np.float32), np.zeros((0, *(3,) * rank, 3), np.float32)
    kernel = np.ones((*window.size, 2, 3), np.float32)
    for op, inputs in three_ops(window, x, kernel, g):
        (got,) = run_kernel_body(op, *inputs)
        assert got.shape == op.infer(*(Spec(a.shape, "float32") for a in inputs)).shape
        assert (got == 0).all()


def test_tiles_fit_the_product():
    tile = kernels._tile
    assert tile("float32", 10**6, 256, kernels.BUSY) == kernels.PLAIN[0]
    assert tile("float32", 10**6, 64, kernels.BUSY) == kernels.PLAIN[1]
    assert tile("float32", 10**6, 8, kernels.BUSY) == kernels.PLAIN[-1]
    assert tile("float32", 10**6, 32, kernels.BUSY) == kernels.PLAIN[3]
    assert tile("float32", 200, 512, kernels.BUSY) == kernels.PLAIN[-1]  # larger ones would leave most of a GPU idle
    assert tile("float64", 10**6, 256, kernels.BUSY) == kernels.DOUBLE[0]
    assert tile("float16", 10**6, 256, kernels.BUSY) == kernels.TENSOR[0]


def test_vector_loads_need_alignment():
    x = np.zeros((2, 6, 8), np.float32)
    x = x if x.ctypes.data % 16 == 0 else np.zeros(100, np.float32)[2:98].reshape(2, 6, 8)
    assert kernels._moves_wide(x) and kernels._moves_wide(x[:, ::2, 4:8])
    for other in (x[..., 1:5], x[..., :3], x[..., ::2], np.moveaxis(x, 2, 1), np.zeros((2, 6, 7), np.float32)[..., :4]):
        assert not kernels._moves_wide(other)


def test_an_op_without_a_kernel_says_so():
    window = Window((2, 2), (1, 1), "valid", (1, 1))
    whole = [Spec((1, 3, 3, 2), "int32"), Spec((2, 2, 2, 3), "int32")]
    mixed = [Spec((1, 3, 3, 2), "float32"), Spec((2, 2, 2, 3), "float64")]
    for op in (Convolution(window), ConvolutionInputGradient(window), ConvolutionKernelGradient(window)):
        assert not op.takes_kernel(whole) and not op.takes_kernel(mixed)
    four = Window((1,) * 4, (1,) * 4, "valid", (1,) * 4)
    assert not Convolution(four).takes_kernel([Spec((1,) * 6, "float32")] * 2)
