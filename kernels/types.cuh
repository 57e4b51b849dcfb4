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

// The floats of 16 bits: what is stored, while all arithmetic is done in float. A Format says which bits stand for a
// number, rounded to the nearest (ties to even), and which number for bits.
template <typename Format>
struct Stored {
    unsigned short bits;
    Stored() = default;
    __device__ Stored(float x) : bits(Format::rounded(x)) {}
    __device__ operator float() const { return Format::value(bits); }
};

struct Float16 {  // 11 significant bits, up to 65504
#ifdef CUDA_ON_CPU
    static unsigned short rounded(float x) { return half_bits(x); }
    static float value(unsigned short bits) { return half_value(bits); }
#else
    __device__ static unsigned short rounded(float x) {
        unsigned short bits;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
        return bits;
    }
    __device__ static float value(unsigned short bits) {
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
        return x;
    }
#endif
};

struct BrainFloat16 {  // bfloat16: the upper half of a float, 8 significant bits
    __device__ static unsigned short rounded(float x) {
#if __CUDA_ARCH__ >= 800
        unsigned short bits;
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
        return bits;
#else
        unsigned bits = __float_as_uint(x);
        if (x != x) return bits >> 16 | 0x40;  // still NaN, whichever of its bits are lost
        return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
#endif
    }
    __device__ static float value(unsigned short bits) { return __uint_as_float((unsigned)bits << 16); }
};

typedef Stored<Float16> Half;
typedef Stored<BrainFloat16> BFloat;

template <typename V>
struct SumOf {
    typedef V type;
};
template <typename Format>
struct SumOf<Stored<Format>> {
    typedef float type;
};

typedef VALUE Value;                    // the element type of the arrays
typedef typename SumOf<Value>::type Sum;  // the type to compute in
typedef INDEX Index;                    // long long for arrays of 2^30 elements and more

#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK)

// Every thread's share of the numbers 0 ... n-1; a launch may have any number of blocks.
#define EACH(i, n)                                                                        \
    for (Index i = (Index)blockIdx.x * BLOCK + threadIdx.x; i < (n); i += (Index)gridDim.x * BLOCK)
