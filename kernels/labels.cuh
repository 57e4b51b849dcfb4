// Class numbers and row numbers that come with the data, and may be wrong.
#pragma once
#include "types.cuh"

// The type of the numbers: int, or long long.
#ifndef LABEL
#define LABEL int
#endif
typedef LABEL Label;

// Whether an index lies in 0 ... length-1. If not, it is noted in `fault`, which is 0 while all is well: as index + 1
// if it is too large, and as it is if it is negative. Of several the largest as an unsigned number is kept, whatever
// the order: a negative one, if there is any.
__device__ inline bool in_range(Label index, Index length, long long* fault) {
    if (index >= 0 && index < length) return true;
    atomicMax((unsigned long long*)fault, (unsigned long long)(index < 0 ? (long long)index : (long long)index + 1));
    return false;
}

// What is written where an index was wrong, so that it can't pass unseen: NaN for floats, 0 for whole numbers.
template <typename V>
__device__ inline V no_value_like(V zero) { return zero; }
__device__ inline float no_value_like(float zero) { return zero / zero; }
__device__ inline double no_value_like(double zero) { return zero / zero; }
template <typename Format>
__device__ inline Stored<Format> no_value_like(Stored<Format>) {
    return no_value_like(0.0f);
}
__device__ inline Value no_value() { return no_value_like(Value(0)); }
