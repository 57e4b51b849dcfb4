#pragma once
// Tiles of a matrix product whose left rows may lie anywhere: the windows of a convolution, in the image itself. The
// sums of a tile stay in registers over all the parts that its rows have, so that nothing passes through memory between
// one row of a window and the next. gemm.h, whose left rows lie one step apart and in one piece, can't do that.

#include "tasks.h"

#define VECTORS 2  // of columns in a panel of the right matrix
#define ROWS 12    // of a tile: with two vectors 24 sums, which hide the time that an addition takes
#if defined(__AVX512F__) || defined(__aarch64__)
#define WIDE_ROWS ROWS
#else
#define WIDE_ROWS 6 // with two vectors, where there are 16 registers
#endif

typedef struct {
    const float* left[ROWS];  // where each row begins
    const Word* parts;        // place in every row and length, for each part of the rows
    Word count;               // of the parts
    Word left_step;           // from one element of a row to the next
    const float* right;       // panel: VECTORS vectors for each element of a row, or one if the panel is narrow
    Word right_step;
    float* sums[ROWS];        // where the sums of each row go
    int add;                  // to what is there
} Tile;

static inline __attribute__((always_inline)) void tile(const Tile* t, const int rows, const int vectors) {
    Vector sums[ROWS][VECTORS];
    const float* left[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
        left[r] = t->left[r];
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) sums[r][v] = (Vector){0};
    }
    const float* right = t->right;
    Word left_step = t->left_step, right_step = t->right_step;
    const Word* part = t->parts;
    for (const Word* end = part + 2 * t->count; part < end; part += 2) {
        Word at = part[0];
        for (Word i = part[1]; i > 0; --i, at += left_step, right += right_step) {
            Vector column[VECTORS];
#pragma GCC unroll 16
            for (int v = 0; v < vectors; ++v) column[v] = *(const Vector*)(right + v * LANES);
#pragma GCC unroll 16
            for (int r = 0; r < rows; ++r) {
                float element = left[r][at];
#pragma GCC unroll 16
                for (int v = 0; v < vectors; ++v) sums[r][v] += element * column[v];
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 16
        for (int v = 0; v < vectors; ++v) {
            Vector* to = (Vector*)(t->sums[r] + v * LANES);
            if (t->add) sums[r][v] += *to;
            *to = sums[r][v];
        }
    }
}

#define NARROW(rows) \
    static void narrow_##rows(const Tile* t) { tile(t, rows, 1); }
#define WIDE(rows) \
    static void wide_##rows(const Tile* t) { tile(t, rows, 2); }
NARROW(1) NARROW(2) NARROW(3) NARROW(4) NARROW(5) NARROW(6) NARROW(7) NARROW(8) NARROW(9) NARROW(10) NARROW(11) NARROW(12)
WIDE(1) WIDE(2) WIDE(3) WIDE(4) WIDE(5) WIDE(6)
#if WIDE_ROWS == ROWS
WIDE(7) WIDE(8) WIDE(9) WIDE(10) WIDE(11) WIDE(12)
#endif

static void (*const tiles[VECTORS][ROWS])(const Tile*) = {
    {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6, narrow_7, narrow_8, narrow_9, narrow_10, narrow_11,
     narrow_12},
    {wide_1, wide_2, wide_3, wide_4, wide_5, wide_6,
#if WIDE_ROWS == ROWS
     wide_7, wide_8, wide_9, wide_10, wide_11, wide_12,
#endif
    },
};
