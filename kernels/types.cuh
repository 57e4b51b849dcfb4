// What every kernel shares: the types it is compiled for, and the loop over elements.
//
// A source is compiled for one element type at a time, given as -DVALUE=..., and for blocks of -DBLOCK=... threads.
// It includes no header of CUDA's or C++'s: NVRTC then needs nothing but the source, and the same text also runs on a
// CPU under the tests' harness, which defines CUDA_ON_CPU.
#pragma once

#ifndef VALUE
#define VALUE float
#endif
#ifndef INDEX
#define INDEX int
#endif
#ifndef BLOCK
#define BLOCK 256
#endif

// Half precision to store, float to compute in.
struct Half {
    unsigned short bits;
    Half() = default;
#ifdef CUDA_ON_CPU
    Half(float x) : bits(half_bits(x)) {}
    operator float() const { return half_value(bits); }
#else
    __device__ Half(float x) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x)); }
    __device__ operator float() const {
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
        return x;
    }
#endif
};

template <typename V>
struct SumOf {
    typedef V type;
};
template <>
struct SumOf<Half> {
    typedef float type;
};

typedef VALUE Value;                    // the element type of the arrays
typedef typename SumOf<Value>::type Sum;  // the type to compute in
typedef INDEX Index;                    // long long for arrays of 2^30 elements and more

#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK)

// Every thread's share of the numbers 0 ... n-1; a launch may have any number of blocks.
#define EACH(i, n)                                                                        \
    for (Index i = (Index)blockIdx.x * BLOCK + threadIdx.x; i < (n); i += (Index)gridDim.x * BLOCK)
