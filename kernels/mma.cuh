// Tensor cores: one warp multiplies a 16 x K tile by a K x 8 tile and adds the product to a 16 x 8 tile of floats, for
// sm_80 and newer. A word is 32 bits: one number rounded to TF32 (K is 8), or two floats of 16 bits that are
// neighbours along k (K is 16, the even k in the low bits). With g = lane / 4 and t = lane % 4, the lane holds
//     a[0...3]: words (row g, t), (row g + 8, t), (row g, t + 4), (row g + 8, t + 4)
//     b[0...1]: words (t, column g), (t + 4, column g)
//     d[0...3]: sums (row g, column 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
// which is the layout of PTX's mma.sync.m16n8k8 (TF32) and m16n8k16 (16 bits), in "Warp Level Matrix Instructions" of
// NVIDIA's PTX manual. The tests' harness brings its own functions.
#pragma once
#include "types.cuh"

#ifndef CUDA_ON_CPU

// The nearest TF32 number: a float whose last 13 bits are zero.
__device__ inline unsigned tf32_bits(float x) {
    unsigned bits = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
    return bits;
}

#if __CUDA_ARCH__ >= 800
#define MMA(instruction)                                                                                   \
    asm volatile(instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                      \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#else
#define MMA(instruction) asm volatile("trap;")  // older cores have no such instruction: nobody may launch this there
#endif

__device__ inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
    MMA("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
}

__device__ inline void mma_f16(float* d, const unsigned* a, const unsigned* b) {
    MMA("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
}

__device__ inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
    MMA("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
}

#endif

// The product for tiles of one 16-bit type or the other.
__device__ inline void mma_of(float* d, const unsigned* a, const unsigned* b, Half) { mma_f16(d, a, b); }
__device__ inline void mma_of(float* d, const unsigned* a, const unsigned* b, BFloat) { mma_bf16(d, a, b); }
