// One value from many threads of a block, in an order that never changes: the same numbers give the same bits on every
// run. No atomics and no warp intrinsics, so the same text also runs on a CPU under the tests' harness.
#pragma once

#include "types.cuh"

static_assert(BLOCK > 0 && (BLOCK & (BLOCK - 1)) == 0, "BLOCK must be a power of two");

// What arithmetic of T is done in. Integers wrap around, as NumPy's do; for signed ones C++ leaves that undefined.
template <typename T>
struct Wrapping { typedef T type; };
template <>
struct Wrapping<int> { typedef unsigned type; };
template <>
struct Wrapping<long long> { typedef unsigned long long type; };
template <>
struct Wrapping<unsigned short> { typedef unsigned type; };

// What two values become. Those with `repeats` may meet a value twice (max(a, a) = a); the others start at `start()`.
struct Add {
    static constexpr bool repeats = false;
    template <typename T>
    __device__ static T start() { return T(0); }
    template <typename T>
    __device__ T operator()(T a, T b) const {
        typedef typename Wrapping<T>::type Number;
        return T(Number(a) + Number(b));
    }
};

struct Multiply {
    static constexpr bool repeats = false;
    template <typename T>
    __device__ static T start() { return T(1); }
    template <typename T>
    __device__ T operator()(T a, T b) const {
        typedef typename Wrapping<T>::type Number;
        return T(Number(a) * Number(b));
    }
};

// NaN is the largest and the smallest of all, as in NumPy: it is not lost on the way.
struct Max {
    static constexpr bool repeats = true;
    template <typename T>
    __device__ T operator()(T a, T b) const { return a > b || a != a ? a : b; }
};

struct Min {
    static constexpr bool repeats = true;
    template <typename T>
    __device__ T operator()(T a, T b) const { return a < b || a != a ? a : b; }
};

// Combines the values of `lanes` threads (a power of two, the same in the whole block) whose numbers lie `step` apart;
// this thread is number `lane` of them. All of them get the result. All threads of the block must call it.
template <typename T, typename Operation>
__device__ T lanes_reduce(T value, int lane, int lanes, int step, Operation combine) {
    __shared__ T partial[BLOCK];
    if (lanes == 1) return value;
    int thread = threadIdx.x;
    partial[thread] = value;
    __syncthreads();
    for (int half = lanes / 2; half > 0; half /= 2) {
        if (lane < half) partial[thread] = combine(partial[thread], partial[thread + half * step]);
        __syncthreads();
    }
    T result = partial[thread - lane * step];
    __syncthreads();  // nobody may start the next reduction while another still reads this one
    return result;
}

// Combines every thread's value; all threads get the result. All threads of the block must call it.
template <typename T, typename Operation>
__device__ T block_reduce(T value, Operation combine) {
    return lanes_reduce(value, threadIdx.x, BLOCK, 1, combine);
}
