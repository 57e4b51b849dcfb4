// One value from a whole block, in an order that never changes: the same numbers give the same bits on every run.
// No atomics and no warp intrinsics, so the same text also runs on a CPU under the tests' harness.
#pragma once

// Threads a block, fixed when the kernel is compiled: a power of two. Launch with exactly this many.
#ifndef BLOCK
#define BLOCK 128
#endif
static_assert(BLOCK > 0 && (BLOCK & (BLOCK - 1)) == 0, "BLOCK must be a power of two");

struct Add {
    template <typename T>
    __device__ T operator()(T a, T b) const { return a + b; }
};

struct Max {
    template <typename T>
    __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};

// Combines every thread's `value`; all threads get the result. All threads of the block must call it.
template <typename T, typename Operation>
__device__ T block_reduce(T value, Operation combine) {
    __shared__ T partial[BLOCK];
    partial[threadIdx.x] = value;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            partial[threadIdx.x] = combine(partial[threadIdx.x], partial[threadIdx.x + half]);
        __syncthreads();
    }
    T result = partial[0];
    __syncthreads();  // nobody may start the next reduction while another still reads this one
    return result;
}
