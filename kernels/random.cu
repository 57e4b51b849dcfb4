// Arrays of random numbers, for where no fused kernel makes them on the way (see philox.cuh). `state` holds the number of
// steps that the op has drawn for so far, and its seed.

#include "types.cuh"
#include "philox.cuh"

#ifndef FUNCTION
#define FUNCTION philox_uniform
#endif

KERNEL fill(Value* out, const long long* state, Index n) {
    EACH(i, n) out[i] = FUNCTION(state[1], state[0], i);
}

KERNEL fill_keep(bool* out, const long long* state, Index n, float level) {
    EACH(i, n) out[i] = philox_keep(state[1], state[0], i, level);
}

KERNEL advance(long long* state) {
    if (blockIdx.x == 0 && threadIdx.x == 0) ++state[0];
}
