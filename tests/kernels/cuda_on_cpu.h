// The part of CUDA's language that the kernels use, for g++: a kernel's text is compiled after this file and runs on
// the CPU, one block after another, so that its numbers can be checked without a GPU. block_on_cpu.h runs the threads.
//
// Stricter than a GPU where a GPU leaves things open: shared memory and unwritten registers of a shuffle hold 0xFF
// bytes (NaN), warps of a block run in changing order, a barrier must be the same line for all threads of a block,
// and atomics are for integers only (sums of floats would depend on the order).
#pragma once
#define CUDA_ON_CPU 1

#include "block_on_cpu.h"

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
// A section of its own: the harness fills it with 0xFF before each block. `extern __shared__` is rewritten by on_cpu.py.
#define __shared__ static __attribute__((section("cuda_shared")))

#define __syncthreads() cuda_on_cpu::barrier(__FILE__, __LINE__)
#define __syncwarp(...) cuda_on_cpu::warp_barrier(__LINE__ __VA_OPT__(, ) __VA_ARGS__)
#define __shfl_sync(...) cuda_on_cpu::shuffle(__LINE__, cuda_on_cpu::from_lane, __VA_ARGS__)
#define __shfl_xor_sync(...) cuda_on_cpu::shuffle(__LINE__, cuda_on_cpu::from_xor, __VA_ARGS__)
#define __shfl_up_sync(...) cuda_on_cpu::shuffle(__LINE__, cuda_on_cpu::from_below, __VA_ARGS__)
#define __shfl_down_sync(...) cuda_on_cpu::shuffle(__LINE__, cuda_on_cpu::from_above, __VA_ARGS__)
#define __ballot_sync(mask, predicate) cuda_on_cpu::ballot(__LINE__, mask, predicate)
#define __any_sync(mask, predicate) (__ballot_sync(mask, predicate) != 0)
#define __all_sync(mask, predicate) (__ballot_sync(mask, !(predicate)) == 0)
#define __threadfence() ((void)0)
#define __threadfence_block() ((void)0)

using cuda_on_cpu::blockDim;
using cuda_on_cpu::blockIdx;
using cuda_on_cpu::gridDim;
using cuda_on_cpu::threadIdx;
constexpr int warpSize = 32;

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline double2 make_double2(double x, double y) { return {x, y}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// Mathematics: one name for float and double, and float's own with an f.
#define CUDA_ON_CPU_FUNCTION1(name)                                         \
    static inline float name(float x) { return __builtin_##name##f(x); }    \
    static inline double name(double x) { return __builtin_##name(x); }     \
    static inline double name(int x) { return __builtin_##name(x); }        \
    static inline float name##f(float x) { return __builtin_##name##f(x); }
#define CUDA_ON_CPU_FUNCTION2(name)                                                        \
    static inline float name(float x, float y) { return __builtin_##name##f(x, y); }       \
    static inline double name(double x, double y) { return __builtin_##name(x, y); }       \
    static inline float name##f(float x, float y) { return __builtin_##name##f(x, y); }
CUDA_ON_CPU_FUNCTION1(exp)
CUDA_ON_CPU_FUNCTION1(exp2)
CUDA_ON_CPU_FUNCTION1(expm1)
CUDA_ON_CPU_FUNCTION1(log)
CUDA_ON_CPU_FUNCTION1(log2)
CUDA_ON_CPU_FUNCTION1(log10)
CUDA_ON_CPU_FUNCTION1(log1p)
CUDA_ON_CPU_FUNCTION1(sqrt)
CUDA_ON_CPU_FUNCTION1(cbrt)
CUDA_ON_CPU_FUNCTION1(sin)
CUDA_ON_CPU_FUNCTION1(cos)
CUDA_ON_CPU_FUNCTION1(tan)
CUDA_ON_CPU_FUNCTION1(asin)
CUDA_ON_CPU_FUNCTION1(acos)
CUDA_ON_CPU_FUNCTION1(atan)
CUDA_ON_CPU_FUNCTION1(sinh)
CUDA_ON_CPU_FUNCTION1(cosh)
CUDA_ON_CPU_FUNCTION1(tanh)
CUDA_ON_CPU_FUNCTION1(asinh)
CUDA_ON_CPU_FUNCTION1(acosh)
CUDA_ON_CPU_FUNCTION1(atanh)
CUDA_ON_CPU_FUNCTION1(erf)
CUDA_ON_CPU_FUNCTION1(erfc)
CUDA_ON_CPU_FUNCTION1(lgamma)
CUDA_ON_CPU_FUNCTION1(tgamma)
CUDA_ON_CPU_FUNCTION1(floor)
CUDA_ON_CPU_FUNCTION1(ceil)
CUDA_ON_CPU_FUNCTION1(trunc)
CUDA_ON_CPU_FUNCTION1(round)
CUDA_ON_CPU_FUNCTION1(rint)
CUDA_ON_CPU_FUNCTION1(fabs)
CUDA_ON_CPU_FUNCTION2(pow)
CUDA_ON_CPU_FUNCTION2(fmod)
CUDA_ON_CPU_FUNCTION2(atan2)
CUDA_ON_CPU_FUNCTION2(fmin)
CUDA_ON_CPU_FUNCTION2(fmax)
CUDA_ON_CPU_FUNCTION2(copysign)
CUDA_ON_CPU_FUNCTION2(hypot)
static inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
static inline float rsqrtf(float x) { return rsqrt(x); }
static inline float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
static inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
static inline float normcdf(float x) { return 0.5f * __builtin_erfcf(-x * 0.70710678118654752f); }
static inline double normcdf(double x) { return 0.5 * __builtin_erfc(-x * 0.70710678118654752); }
static inline void sincos(float x, float* s, float* c) { *s = sin(x), *c = cos(x); }
static inline void sincos(double x, double* s, double* c) { *s = sin(x), *c = cos(x); }
static inline void sincosf(float x, float* s, float* c) { sincos(x, s, c); }
static inline void sincospi(double x, double* s, double* c) { sincos(x * 3.14159265358979323846, s, c); }
static inline void sincospif(float x, float* s, float* c) {
    double ds, dc;
    sincospi(x, &ds, &dc);
    *s = ds, *c = dc;
}
static inline float __expf(float x) { return __builtin_expf(x); }
static inline float __logf(float x) { return __builtin_logf(x); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline bool isnan(double x) { return __builtin_isnan(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }
static inline bool signbit(double x) { return __builtin_signbit(x); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline long long abs(long long x) { return x < 0 ? -x : x; }
static inline float abs(float x) { return __builtin_fabsf(x); }
static inline double abs(double x) { return __builtin_fabs(x); }

// max and min of floats skip NaN, as CUDA's do.
template <typename A, typename B>
static inline auto max(A a, B b) -> decltype(a + b) {
    decltype(a + b) x = a, y = b;
    return x != x || x < y ? y : x;
}
template <typename A, typename B>
static inline auto min(A a, B b) -> decltype(a + b) {
    decltype(a + b) x = a, y = b;
    return x != x || y < x ? y : x;
}

template <typename To, typename From>
static inline To cuda_on_cpu_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
}
static inline int __float_as_int(float x) { return cuda_on_cpu_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return cuda_on_cpu_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return cuda_on_cpu_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return cuda_on_cpu_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return cuda_on_cpu_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return cuda_on_cpu_bits<double>(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __brev(unsigned x) {
    unsigned y = 0;
    for (int i = 0; i < 32; ++i) y |= (x >> i & 1u) << (31 - i);
    return y;
}
template <typename T>
static inline T __ldg(const T* p) {
    return *p;
}
// Half's conversions, for kernels/types.cuh: to the nearest, ties to even, as cvt.rn.f16.f32.
static inline unsigned short half_bits(float x) { return cuda_on_cpu_bits<unsigned short>((_Float16)x); }
static inline float half_value(unsigned short bits) {
    unsigned shifted = (bits & 0x7FFFu) << 13;  // mantissa and exponent where float has them, the exponent 112 too small
    float size = shifted < 0x0F800000u ? cuda_on_cpu_bits<float>(shifted) * 0x1p112f
                                       : cuda_on_cpu_bits<float>(shifted | 0x7F800000u);
    return bits & 0x8000u ? -size : size;
}

// Threads of a block take turns only at barriers, so an atomic operation is a plain one.
#define CUDA_ON_CPU_ATOMIC(T)                                                                                   \
    static inline T atomicAdd(T* p, T x) { T old = *p; *p = (T)((unsigned long long)old + x); return old; }     \
    static inline T atomicMax(T* p, T x) { T old = *p; *p = old < x ? x : old; return old; }                    \
    static inline T atomicMin(T* p, T x) { T old = *p; *p = x < old ? x : old; return old; }                    \
    static inline T atomicOr(T* p, T x) { T old = *p; *p = old | x; return old; }                               \
    static inline T atomicAnd(T* p, T x) { T old = *p; *p = old & x; return old; }                              \
    static inline T atomicExch(T* p, T x) { T old = *p; *p = x; return old; }                                   \
    static inline T atomicCAS(T* p, T expected, T x) { T old = *p; if (old == expected) *p = x; return old; }
CUDA_ON_CPU_ATOMIC(int)
CUDA_ON_CPU_ATOMIC(unsigned)
CUDA_ON_CPU_ATOMIC(unsigned long long)

// The functions of kernels/mma.cuh, which tells the layout of the tiles.
static inline unsigned tf32_bits(float x) {
    return x != x ? 0x7FFFFFFFu : (__float_as_uint(x) + 0x1000u) & ~0x1FFFu;  // ties away from zero, as cvt.rna
}

namespace cuda_on_cpu {

struct Operands {
    const unsigned *a, *b;
};

// Adds the products of one lane's four places; `times` multiplies two words.
template <typename Times>
static void multiply_tiles(int line, float* d, const unsigned* a, const unsigned* b, Times times) {
    static Operands lanes[max_threads];  // the other lanes' registers
    Operands* warp = lanes + current / 32 * 32;
    unsigned lane = current % 32, g = lane / 4, t = lane % 4;
    warp[lane] = {a, b};
    warp_barrier(line);
    float sums[4];
    for (unsigned i = 0; i < 4; ++i) {
        unsigned row = g + i / 2 * 8, column = 2 * t + i % 2;
        sums[i] = d[i];
        for (unsigned k = 0; k < 8; ++k)
            sums[i] += times(warp[row % 8 * 4 + k % 4].a[row / 8 + k / 4 * 2], warp[column * 4 + k % 4].b[k / 4]);
    }
    warp_barrier(line);  // d, a and b are the caller's again only when all have read them
    for (unsigned i = 0; i < 4; ++i) d[i] = sums[i];
}

}  // namespace cuda_on_cpu

static inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
    cuda_on_cpu::multiply_tiles(__LINE__, d, a, b, [](unsigned x, unsigned y) {
        return __uint_as_float(x & ~0x1FFFu) * __uint_as_float(y & ~0x1FFFu);  // tensor cores ignore the last bits
    });
}
// Words of two numbers; `value` makes floats of 16 bits.
template <typename Value>
static void multiply_pairs(int line, float* d, const unsigned* a, const unsigned* b, Value value) {
    cuda_on_cpu::multiply_tiles(line, d, a, b, [value](unsigned x, unsigned y) {
        return value((unsigned short)x) * value((unsigned short)y) +
               value((unsigned short)(x >> 16)) * value((unsigned short)(y >> 16));
    });
}
static inline void mma_f16(float* d, const unsigned* a, const unsigned* b) {
    multiply_pairs(__LINE__, d, a, b, half_value);
}
static inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
    multiply_pairs(__LINE__, d, a, b, [](unsigned short bits) { return __uint_as_float((unsigned)bits << 16); });
}
