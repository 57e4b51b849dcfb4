// Arrays of random numbers, for where no fused kernel makes them on the way (see philox.cuh). `step` points to the
// number of steps that the op has drawn for so far.

#include "types.cuh"
#include "philox.cuh"

#ifndef FUNCTION
#define FUNCTION philox_uniform
#endif

KERNEL fill(Value* out, const long long* step, Index n, Index seed_low, Index seed_high) {
    unsigned long long seed = (unsigned int)seed_low | (unsigned long long)(unsigned int)seed_high << 32;
    EACH(i, n) out[i] = FUNCTION(seed, *step, i);
}

KERNEL fill_keep(bool* out, const long long* step, Index n, Index seed_low, Index seed_high, float level) {
    unsigned long long seed = (unsigned int)seed_low | (unsigned long long)(unsigned int)seed_high << 32;
    EACH(i, n) out[i] = philox_keep(seed, *step, i, level);
}

KERNEL advance(long long* step) {
    if (blockIdx.x == 0 && threadIdx.x == 0) ++*step;
}
