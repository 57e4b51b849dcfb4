#pragma once
// Sums over blocks of samples, which tasks have made each by itself.

#include "tasks.h"

// The blocks' sums added, in order. Words: sums, blocks, elements of each, result. A unit is an element.
TASK Word add_blocks(const Word* w, Word first, Word last, char* room) {
    (void)room;
    float* to = FLOATS(w[3]);
    memcpy(to + first, FLOATS(w[0]) + first, (size_t)(last - first) * sizeof(float));
    for (Word b = 1; b < w[1]; ++b) {
        const float* from = FLOATS(w[0]) + b * w[2];
        ALONE for (Word i = first; i < last; ++i) to[i] += from[i];
    }
    return 0;
}
