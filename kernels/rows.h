#pragma once
// Rows of n floats; `column` is the step from one element of a row to the next, where it need not be 1.

#include "tasks.h"

static inline void copy_row(float* to, const float* from, Word column, Word n) {
    if (column == 1)
        memcpy(to, from, (size_t)n * 4);
    else
        for (Word j = 0; j < n; ++j) to[j] = from[j * column];
}

static inline void add_row(float* to, const float* from, Word column, Word n) {
    if (column == 1) {
        ALONE for (Word j = 0; j < n; ++j) to[j] += from[j];
    } else {
        for (Word j = 0; j < n; ++j) to[j] += from[j * column];
    }
}

static inline void sum_rows(float* to, const float* a, const float* b, Word n) {
    ALONE for (Word j = 0; j < n; ++j) to[j] = a[j] + b[j];
}

static inline void multiply_rows(float* to, const float* a, const float* b, Word n) {
    ALONE for (Word j = 0; j < n; ++j) to[j] = a[j] * b[j];
}
