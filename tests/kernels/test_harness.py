"""The harness itself: what it computes is what CUDA computes, and what a GPU would leave undefined it reports."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.device.kernels import kernel_folder
from tests.kernels.floats import HALVES
from tests.kernels.on_cpu import TYPES, library


def kernel(parameters, body, name="k", **defines):
    text = f'extern "C" __global__ void {name}({parameters}) {{ {body} }}'
    loaded = library(text, **defines)
    return lambda grid, block, *arguments, **options: loaded.launch(name, grid, block, arguments, **options)


def zeros(n, dtype=np.int32):
    return np.zeros(n, dtype)


# -- results ----------------------------------------------------------------------------------------------------------


def test_three_dimensions_of_threads_and_blocks():
    out = zeros((2, 3, 2, 2, 3, 4))
    kernel(
        "int* out",
        "int t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);"
        "int b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);"
        "out[b * blockDim.x * blockDim.y * blockDim.z + t] ="
        "    b * 1000 + threadIdx.z * 100 + threadIdx.y * 10 + threadIdx.x;",
    )((2, 3, 2), (4, 3, 2), out)
    b = np.arange(12).reshape(2, 3, 2, 1, 1, 1) * 1000
    z, y, x = np.ogrid[0:2, 0:3, 0:4]
    np.testing.assert_array_equal(out, b + z * 100 + y * 10 + x)


SHUFFLES = {
    "__shfl_sync(~0u, v, 5)": lambda i: i // 32 * 32 + 5,
    "__shfl_sync(~0u, v, lane + 1, 8)": lambda i: i // 8 * 8 + (i + 1) % 8,
    "__shfl_xor_sync(~0u, v, 3)": lambda i: i ^ 3,
    "__shfl_xor_sync(~0u, v, 16)": lambda i: i ^ 16,
    "__shfl_down_sync(~0u, v, 4)": lambda i: np.where(i % 32 + 4 < 32, i + 4, i),
    "__shfl_down_sync(~0u, v, 2, 8)": lambda i: np.where(i % 8 + 2 < 8, i + 2, i),
    "__shfl_up_sync(~0u, v, 3)": lambda i: np.where(i % 32 >= 3, i - 3, i),
}


@pytest.mark.parametrize("text", SHUFFLES)
@pytest.mark.parametrize("c_type, dtype", [("int", np.int32), ("double", np.float64), ("float", np.float32)])
def test_shuffles_move_values_between_lanes(text, c_type, dtype):
    x = np.random.RandomState(0).randint(0, 1000, 96).astype(dtype)
    y = np.empty_like(x)
    kernel(
        f"const {c_type}* x, {c_type}* y",
        f"int lane = threadIdx.x % 32; {c_type} v = x[threadIdx.x]; y[threadIdx.x] = {text};",
    )(1, 96, x, y)
    np.testing.assert_array_equal(y, x[SHUFFLES[text](np.arange(96))])


def test_a_shuffle_among_some_lanes_and_votes():
    y, votes = zeros(32), zeros(32, np.uint32)
    kernel(
        "int* y, unsigned* votes",
        "int lane = threadIdx.x; y[lane] = lane;"
        "if (lane >= 8 && lane < 16) y[lane] = __shfl_xor_sync(0xff00u, lane * 10, 1);"
        "__syncwarp();"
        "votes[lane] = __ballot_sync(~0u, lane % 3 == 0) + (__any_sync(~0u, lane == 40) ? 2u : 0u)"
        "    + (__all_sync(~0u, lane < 32) ? 4u : 0u);",
    )(1, 32, y, votes)
    lanes = np.arange(32)
    np.testing.assert_array_equal(y, np.where((lanes >= 8) & (lanes < 16), (lanes ^ 1) * 10, lanes))
    assert set(votes.tolist()) == {sum(1 << i for i in range(0, 32, 3)) + 4}


def test_lanes_that_do_not_exist_have_no_number():
    x = np.ones(20, np.float32)
    kernel("float* x", "x[threadIdx.x] = __shfl_down_sync(~0u, x[threadIdx.x], 4);")(1, 20, x)
    assert np.isnan(x[16:]).all() and (x[:16] == 1).all()


def test_dynamic_and_static_shared_memory_hold_garbage_in_each_block():
    x, y = np.arange(64, dtype=np.float32), np.empty(64, np.float32)
    text = (
        "extern __shared__ float turned[]; __shared__ float last;"
        "bool fresh = turned[threadIdx.x] != turned[threadIdx.x] && last != last;"
        "__syncthreads();"
        "turned[threadIdx.x] = x[blockIdx.x * 32 + threadIdx.x]; if (threadIdx.x == 31) last = turned[31];"
        "__syncthreads();"
        "y[blockIdx.x * 32 + threadIdx.x] = fresh ? turned[31 - threadIdx.x] + last : -1.0f;"
    )
    kernel("const float* x, float* y", text)(2, 32, x, y, shared=128)
    turned = x.reshape(2, 32)[:, ::-1]
    np.testing.assert_array_equal(y.reshape(2, 32), turned + turned[:, :1])


def test_atomics_on_integers_of_all_blocks():
    out = np.array([0, 0, 100, 0], np.int32)
    kernel(
        "int* out",
        "atomicAdd(out, 1); int i = blockIdx.x * 64 + threadIdx.x;"
        "atomicMax(out + 1, i); atomicMin(out + 2, i - 7); atomicOr(out + 3, i);",
    )(3, 64, out)
    assert out.tolist() == [192, 191, -7, 255]


@pytest.mark.parametrize("dtype", HALVES)
def test_half_rounds_as_numpy_does_and_computes_in_float(dtype):
    x = np.array([1.0009, 65504, 60000, 1e-7, 3.14159, 0.1, np.inf], dtype)
    y = np.empty_like(x)
    types = (kernel_folder() / "types.cuh").read_text()
    text = types + "KERNEL k(const Value* x, Value* y, Sum a, Index n) { EACH(i, n) y[i] = x[i] * a + x[i]; }"
    library(text, VALUE=TYPES[dtype], BLOCK=32).launch("k", 1, 32, (x, y, 0.0625, x.size))
    wide = x.astype(np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y, (wide * np.float32(0.0625) + wide).astype(dtype))


def test_every_half_is_the_float_that_numpy_says():
    bits = np.arange(65536, dtype=np.uint16)
    wide, back = np.empty(65536, np.float32), np.empty(65536, np.uint16)
    parameters = "const unsigned short* x, float* y, unsigned short* z"
    kernel(parameters, "int i = blockIdx.x * 256 + threadIdx.x; y[i] = half_value(x[i]); z[i] = half_bits(y[i]);")(
        256, 256, bits, wide, back, both=False
    )
    halves = bits.view(np.float16)
    np.testing.assert_array_equal(wide, halves.astype(np.float32))
    np.testing.assert_array_equal(back.view(np.float16), halves)


@pytest.mark.skipif("bfloat16" not in HALVES, reason="ml_dtypes says what is right")
def test_floats_become_the_bfloat16_that_numpy_says():
    """All of them as they are, and floats around what lies halfway between two; NaN stays NaN."""
    every = np.arange(65536, dtype=np.uint32) << 16
    x = np.concatenate([every + near for near in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)]).view(np.float32)
    got = np.empty(x.size, "bfloat16")
    types = (kernel_folder() / "types.cuh").read_text()
    text = types + "KERNEL k(const float* x, BFloat* y) { Index i = blockIdx.x * 256 + threadIdx.x; y[i] = x[i]; }"
    library(text, BLOCK=256).launch("k", x.size // 256, 256, (x, got), both=False)
    with np.errstate(all="ignore"):
        want = x.astype("bfloat16")
    numbers = ~np.isnan(x)
    np.testing.assert_array_equal(got.view(np.uint16)[numbers], want.view(np.uint16)[numbers])
    assert np.isnan(got[~numbers].astype("float32")).all() and numbers.sum() > 300000
    wide = np.empty(65536, np.float32)
    text = types + "KERNEL k(const BFloat* x, float* y) { Index i = blockIdx.x * 256 + threadIdx.x; y[i] = x[i]; }"
    library(text, BLOCK=256).launch("k", 256, 256, (got[:65536], wide), both=False)
    np.testing.assert_array_equal(wide, got[:65536].astype("float32"))


def test_tiles_of_the_tensor_cores():
    """As kernels/mma.cuh lays them out: word and sum numbers of each lane."""
    rng = np.random.RandomState(0)
    lane = np.arange(32)
    g, t = lane // 4, lane % 4
    rows, columns = np.stack([g, g, g + 8, g + 8], 1), np.stack([2 * t, 2 * t + 1] * 2, 1)
    a, b, d = (rng.randint(-8, 8, shape).astype(np.float32) for shape in ((16, 8), (8, 8), (16, 8)))
    body = "float own[4]; for (int i = 0; i < 4; ++i) own[i] = d[threadIdx.x * 4 + i];"
    body += "%s(own, a + threadIdx.x * 4, b + threadIdx.x * 2);"
    body += "for (int i = 0; i < 4; ++i) d[threadIdx.x * 4 + i] = own[i];"
    for name, dtype in (("mma_tf32", None), *zip(("mma_f16", "mma_bf16"), HALVES)):
        if dtype:  # a word is two neighbours along k
            a, b = rng.randint(-8, 8, (16, 16)).astype(dtype), rng.randint(-8, 8, (16, 8)).astype(dtype)
            wa, wb = a.view(np.uint32), np.ascontiguousarray(b.T).view(np.uint32).T
        else:
            wa, wb = a.view(np.uint32), b.view(np.uint32)
        of_a = np.stack([wa[g, t], wa[g + 8, t], wa[g, t + 4], wa[g + 8, t + 4]], 1)
        of_b = np.stack([wb[t, g], wb[t + 4, g]], 1)
        of_d = d[rows, columns]
        kernel("float* d, const unsigned* a, const unsigned* b", body % name)(1, 32, of_d, of_a, of_b)
        np.testing.assert_array_equal(of_d, (d + a.astype("f4") @ b.astype("f4"))[rows, columns])


def test_rounding_to_tf32():
    x = np.array([1.0, 1 + 2**-11, 1 + 3 * 2**-12, -1 - 2**-11, 1 + 2**-12, np.inf, np.nan], np.float32)
    y = np.empty_like(x)
    kernel("const float* x, float* y", "y[threadIdx.x] = __uint_as_float(tf32_bits(x[threadIdx.x]));")(1, 7, x, y)
    np.testing.assert_array_equal(y, np.array([1, 1 + 2**-10, 1 + 2**-10, -1 - 2**-10, 1, np.inf, np.nan], np.float32))


def test_an_argument_in_the_place_of_another_stays_there():
    x = np.arange(10, dtype=np.float32)
    kernel("const float* x, float* y", "y[threadIdx.x] = x[threadIdx.x] * 2;")(1, 10, x, x)
    assert x.tolist() == [2.0 * i for i in range(10)]


def test_strided_views_keep_their_strides():
    whole = np.arange(40, dtype=np.float32).reshape(8, 5)
    y = np.empty(8, np.float32)
    kernel("const float* x, float* y, int stride", "y[threadIdx.x] = x[(long long)threadIdx.x * stride];")(
        1, 8, whole[::-1, 2], y, -5
    )
    np.testing.assert_array_equal(y, whole[::-1, 2])


# -- faults -----------------------------------------------------------------------------------------------------------

SUM = """
    __shared__ int part[64]; part[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    for (int half = 32; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    x[threadIdx.x] = part[0];
"""


def test_without_a_barrier_the_result_depends_on_the_order():
    x = np.arange(64, dtype=np.int32)
    kernel("int* x", SUM)(1, 64, x)
    assert set(x) == {2016}
    parts = SUM.split("__syncthreads();")
    for missing in (0, 1):
        text = "__syncthreads();".join(parts[: missing + 1]) + ";" + "__syncthreads();".join(parts[missing + 1 :])
        with pytest.raises(AssertionError, match="depends on the order"):
            kernel("int* x", text)(1, 64, np.arange(64, dtype=np.int32))


def test_a_race_between_blocks_is_seen():
    with pytest.raises(AssertionError, match="depends on the order"):
        kernel("int* x", "x[0] = blockIdx.x;")(4, 1, zeros(1))


@pytest.mark.parametrize(
    "body, said",
    [
        ("if (threadIdx.x < 16) __syncthreads(); x[0] = 1;", "some threads of a block only"),
        ("if (threadIdx.x < 40) __syncthreads(); else __syncwarp();", "never come"),
        ("if (threadIdx.x < 32) { __syncthreads(); }\n else { __syncthreads(); }", "some at another"),
        ("if (threadIdx.x != 3) x[threadIdx.x] = __shfl_xor_sync(~0u, 1, 1); else __syncthreads();", "never come"),
        ("if (threadIdx.x % 32 < 8) __shfl_sync(0xff00u, 1, 9);", "does not name its lane"),
        ("if (threadIdx.x % 2) __shfl_sync(~0u, 1, 9);\n else __shfl_sync(~0u, 1, 8);", "different warp operations"),
        ("if (threadIdx.x % 2) __syncwarp(0xffff5555u); else __syncwarp(0xffffffffu);", "warp"),
    ],
)
def test_barriers_and_warp_operations_that_not_all_reach(body, said):
    with pytest.raises(AssertionError, match=said):
        kernel("int* x", body)(1, 64, zeros(64))


@pytest.mark.parametrize("c_type, dtype", [("int", np.int32), ("double", np.float64), ("unsigned char", np.uint8)])
@pytest.mark.parametrize("size", [16, 1024, 5000])
def test_accesses_beside_an_array_are_seen_on_either_side(c_type, dtype, size):
    x, y = zeros(size, dtype), zeros(32, dtype)
    parameters = f"const {c_type}* x, {c_type}* y, int at"
    read = kernel(parameters, "y[threadIdx.x] = x[at + (int)threadIdx.x];")
    read(1, 1, x, y, 0)
    read(1, 1, x, y, size - 1)
    with pytest.raises(AssertionError, match=rf"bytes past the end of argument 0 \({dtype.__name__}\[{size}\]\)"):
        read(1, 1, x, y, size + 16 // x.itemsize)
    with pytest.raises(AssertionError, match="bytes before the start of argument 0"):
        read(1, 1, x, y, -1)
    with pytest.raises(AssertionError, match="past the end of argument 0"):
        read(1, 1, x, y, 1 << 22)
    write = kernel(f"{c_type}* x, int at", "x[at] = 1;")
    with pytest.raises(AssertionError, match="past the end of argument 0"):
        write(1, 1, x, size)
    with pytest.raises(AssertionError, match="before the start of argument 0"):
        write(1, 1, x, -1)


def test_a_read_in_the_bytes_that_alignment_leaves_gives_nan():
    x, y = zeros(13, np.float32), zeros(1, np.float32)
    kernel("const float* x, float* y", "y[0] = x[13];")(1, 1, x, y, both=False)
    assert np.isnan(y[0])


@pytest.mark.parametrize(
    "body",
    [
        "__shared__ int s[8]; s[threadIdx.x + at] = 1; x[0] = s[0];",
        "x[0] = at * 2000000000;",
        "x[0] = 100 / (at - 4);",
        "*(int4*)(x + at) = make_int4(1, 1, 1, 1);",
    ],
)
def test_what_the_sanitizers_of_the_compiler_see(body):
    run = kernel("int* x, int at", body)
    run(1, 1, zeros(16), 0)
    with pytest.raises(AssertionError, match="index outside an array|division by zero"):
        run(1, 1, zeros(16), 8 if "s[8]" in body else 4 if "100" in body else 2)


def test_beyond_dynamic_shared_memory_is_seen():
    use = kernel("int* x", "extern __shared__ int s[]; s[threadIdx.x] = 1;")
    use(1, 16, zeros(1), shared=64)
    with pytest.raises(AssertionError, match="outside the arrays"):
        use(1, 20, zeros(1), shared=64)


def test_a_launch_that_does_not_end_is_given_up():
    # as between blocks on a GPU, nothing says that another thread gets a turn while one spins
    wait = "if (threadIdx.x == 0) while (((volatile int*)x)[0] == 0) ; else x[0] = 1;"
    with pytest.raises(AssertionError, match="does not end"):
        kernel("int* x", wait, SECONDS=1)(1, 2, zeros(1))


@pytest.mark.parametrize(
    "grid, block, arguments, said",
    [
        (1, 2048, (zeros(4), 1), "block"),
        (0, 32, (zeros(4), 1), "grid"),
        ((1, 70000), 32, (zeros(4), 1), "grid"),
        (1, 32, (zeros(4),), "parameters"),
        (1, 32, (zeros(4, np.float32), 1), "float32"),
        (1, 32, (zeros(4), 1.0), "float"),
        (1, 32, (zeros(4), np.int64(1)), "int64"),
        (1, 32, (zeros(4), 2**31), "too large"),
        (1, 32, (zeros(4), zeros(1)), "array for a number"),
        (1, 32, (1, 1), "pointer"),
    ],
)
def test_launches_that_a_gpu_would_refuse_or_misread(grid, block, arguments, said):
    with pytest.raises(AssertionError, match=said):
        kernel("int* x, int n", "")(grid, block, *arguments)


def test_the_tests_still_run_after_a_fault():
    with pytest.raises(AssertionError):
        kernel("int* x", "x[1 << 20] = 1;")(1, 1, zeros(1))
    x = zeros(64)
    kernel("int* x", "x[threadIdx.x] = threadIdx.x; __syncthreads();")(1, 64, x)
    np.testing.assert_array_equal(x, np.arange(64))
