#pragma once
// What is done to the sums of a convolution before they are stored: a bias for each filter, the ReLU, the largest of
// some. The bits are those of the steps by themselves.

#include "tasks.h"

typedef int Mask __attribute__((vector_size(4 * LANES)));  // all bits of a lane, or none

static inline Vector choose(Mask which, Vector a, Vector b) { return (Vector)(((Mask)a & which) | ((Mask)b & ~which)); }

static inline Vector larger(Vector a, Vector b) { return choose((b > a) | (b != b), b, a); }  // once NaN, always NaN

static inline Vector positive(Vector x) { return (Vector)((Mask)x & ((x > 0) | (x != x))); }

// Rows of so many columns, in place.
static inline void finish_rows(float* y, Word rows, Word columns, const float* bias, int relu) {
    Word c = 0;
    for (; c + LANES <= columns; c += LANES) {
        Vector addend = *(const Vector*)(bias + c);
        for (Word r = 0; r < rows; ++r) {
            Vector* to = (Vector*)(y + r * columns + c);
            Vector sum = *to + addend;
            *to = relu ? positive(sum) : sum;
        }
    }
    for (; c < columns; ++c)
        for (Word r = 0; r < rows; ++r) {
            float sum = y[r * columns + c] + bias[c];
            y[r * columns + c] = !relu || sum > 0 || sum != sum ? sum : 0;
        }
}
