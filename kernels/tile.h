#pragma once
// Tiles of a matrix product whose left rows may lie anywhere: the windows of a convolution, in the image itself. The
// sums of a tile stay in registers over all the parts that its rows have, so that nothing passes through memory between
// one row of a window and the next. gemm.h, whose left rows lie one step apart and in one piece, can't do that.

#include "finish.h"
#include "windows.h"

#define VECTORS 2  // of columns in a panel of the right matrix: with 12 rows 24 sums, which hide how long one takes
#if REGISTERS == 32
#define WIDE_ROWS ROWS
#else
#define WIDE_ROWS 6  // of a tile with two vectors, where there are 16 registers
#endif

// A tile of so many rows and vectors, which the compiler knows: all sums are registers. Adjacent rows need one address.
INLINE void tile(const Tile* t, const int rows, const int vectors, const int adjacent) {
    Vector sums[ROWS][VECTORS];
    const float* left[ROWS];
    UNROLL for (int r = 0; r < rows; ++r) {
        left[r] = t->left[r];
        UNROLL for (int v = 0; v < vectors; ++v) sums[r][v] = (Vector){0};
    }
    Word left_step = t->left_step, right_step = t->right_step;
    const Word* piece = t->pieces;
    for (const Word* end = piece + 3 * t->count; piece < end; piece += 3) {
        Word at = piece[0];
        const float* right = t->right + piece[2] * t->place_step;
        for (Word i = piece[1]; i > 0; --i, at += left_step, right += right_step) {
            Vector column[VECTORS];
            UNROLL for (int v = 0; v < vectors; ++v) column[v] = *(const Vector*)(right + v * LANES);
            UNROLL for (int r = 0; r < rows; ++r) {
                float element = adjacent ? left[0][at + r] : left[r][at];
                UNROLL for (int v = 0; v < vectors; ++v) sums[r][v] += element * column[v];
            }
        }
    }
    UNROLL for (int r = 0; r < rows; ++r) {
        UNROLL for (int v = 0; v < vectors; ++v) {
            Vector* to = (Vector*)(t->sums[r] + v * LANES);
            if (t->add) sums[r][v] += *to;
            *to = sums[r][v];
        }
    }
}

#define NARROW(rows)                                                   \
    static void narrow_##rows(const Tile* t) { tile(t, rows, 1, 0); } \
    static void narrow_adjacent_##rows(const Tile* t) { tile(t, rows, 1, 1); }
#define WIDE(rows)                                                   \
    static void wide_##rows(const Tile* t) { tile(t, rows, 2, 0); } \
    static void wide_adjacent_##rows(const Tile* t) { tile(t, rows, 2, 1); }
#define NAMES(name) name##1, name##2, name##3, name##4, name##5, name##6
#define MORE_NAMES(name) name##7, name##8, name##9, name##10, name##11, name##12

NARROW(1) NARROW(2) NARROW(3) NARROW(4) NARROW(5) NARROW(6)
NARROW(7) NARROW(8) NARROW(9) NARROW(10) NARROW(11) NARROW(12)
WIDE(1) WIDE(2) WIDE(3) WIDE(4) WIDE(5) WIDE(6)
#if WIDE_ROWS == ROWS
WIDE(7) WIDE(8) WIDE(9) WIDE(10) WIDE(11) WIDE(12)
#define WIDE_NAMES(name) NAMES(name), MORE_NAMES(name)
#else
#define WIDE_NAMES(name) NAMES(name)
#endif

// By whether the rows are adjacent, the number of vectors, and the number of rows.
static void (*const tiles[2][VECTORS][ROWS])(const Tile*) = {
    {{NAMES(narrow_), MORE_NAMES(narrow_)}, {WIDE_NAMES(wide_)}},
    {{NAMES(narrow_adjacent_), MORE_NAMES(narrow_adjacent_)}, {WIDE_NAMES(wide_adjacent_)}},
};

#if WIDE_ROWS == ROWS
#define LINE_ROWS 30  // of a tile with one vector whose rows are evenly spaced: 30 sums and a column are registers
#define WIDE_LINE 14  // of one with two vectors
#define LEAST_LINE 7  // rows with two vectors; where lines make shorter tiles, these had better have rows of several
#define SPACED 3      // rows that are reached from one address

// A tile with so many rows, evenly spaced, of which the sums are too. The longer a tile the better: what begins and
// ends it costs as much as some of its rows.
INLINE void line_tile(const Tile* t, Word from_step, Word to_step, const int rows, const int vectors) {
    Vector sums[LINE_ROWS];
    UNROLL_ALL for (int r = 0; r < rows * vectors; ++r) sums[r] = (Vector){0};
    Word step = from_step * (Word)sizeof(float), right_step = t->right_step;
    Word left_step = t->left_step * (Word)sizeof(float);
    const Word* piece = t->pieces;
    for (const Word* end = piece + 3 * t->count; piece < end; piece += 3) {
        const float* right = t->right + piece[2] * t->place_step;
        const char* left[(LINE_ROWS + SPACED - 1) / SPACED];
        UNROLL for (int k = 0; SPACED * k < rows; ++k)
            left[k] = (const char*)t->left[0] + piece[0] * (Word)sizeof(float) + SPACED * k * step;
        for (Word i = piece[1]; i > 0; --i, right += right_step) {
            Vector column[VECTORS];
            UNROLL for (int v = 0; v < vectors; ++v) column[v] = *(const Vector*)(right + v * LANES);
            UNROLL_ALL for (int r = 0; r < rows; ++r) {
                float element = *(const float*)(left[r / SPACED] + r % SPACED * step);
                UNROLL for (int v = 0; v < vectors; ++v) sums[r * vectors + v] += element * column[v];
            }
            UNROLL for (int k = 0; SPACED * k < rows; ++k) left[k] += left_step;
        }
    }
    float* to = t->sums[0];
    UNROLL_ALL for (int r = 0; r < rows; ++r, to += to_step)
        UNROLL for (int v = 0; v < vectors; ++v) {
            Vector sum = sums[r * vectors + v];
            if (t->add) sum += *(Vector*)(to + v * LANES);
            if (t->bias) {
                sum += *(const Vector*)(t->bias + v * LANES);
                if (t->relu) sum = positive(sum);
            }
            *(Vector*)(to + v * LANES) = sum;
        }
}

#define LINE(rows) static void line_##rows(const Tile* t, Word from, Word to) { line_tile(t, from, to, rows, 1); }
#define PAIR(rows) static void pair_##rows(const Tile* t, Word from, Word to) { line_tile(t, from, to, rows, 2); }
LINE(1) LINE(2) LINE(3) LINE(4) LINE(5) LINE(6) LINE(7) LINE(8) LINE(9) LINE(10) LINE(11) LINE(12) LINE(13) LINE(14)
LINE(15) LINE(16) LINE(20) LINE(24) LINE(26) LINE(28) LINE(30)
PAIR(1) PAIR(2) PAIR(3) PAIR(4) PAIR(5) PAIR(6) PAIR(7) PAIR(8) PAIR(9) PAIR(10) PAIR(11) PAIR(12) PAIR(13) PAIR(14)
static void (*const pair_tiles[WIDE_LINE])(const Tile*, Word, Word) = {
    pair_1, pair_2, pair_3, pair_4, pair_5, pair_6, pair_7, pair_8, pair_9, pair_10, pair_11, pair_12, pair_13, pair_14};
static void (*const line_tiles[LINE_ROWS])(const Tile*, Word, Word) = {  // some of the longer, as each takes its time
    line_1, line_2, line_3, line_4, line_5, line_6, line_7, line_8, line_9, line_10, line_11, line_12, line_13, line_14,
    line_15, line_16, 0, 0, 0, line_20, 0, 0, 0, line_24, 0, line_26, 0, line_28, 0, line_30};

// How many tiles a line of so many rows makes.
static inline Word tiles_of_line(Word rows, int vectors) {
    if (vectors == 2) return (rows + WIDE_LINE - 1) / WIDE_LINE;
    Word tiles = (rows + LINE_ROWS - 1) / LINE_ROWS;
    return rows % tiles == 0 && line_tiles[rows / tiles - 1] ? tiles : (rows + 15) / 16;
}
#endif

// The same where there are so few columns (1 to 4) that vectors of them would be empty: vectors of the elements of a
// row, each column's elements `right_step` apart. The pieces are whole vectors.
#define DOTS 4
#if WIDE_ROWS == ROWS
#define DOT_ROWS(columns) ((columns) == 1 ? 12 : (columns) == 4 ? 6 : 8)
#else
#define DOT_ROWS(columns) ((columns) == 1 ? 8 : (columns) == 2 ? 4 : (columns) == 3 ? 3 : 2)
#endif

static inline float sum_lanes(Vector v) {
    float lanes[LANES];
    memcpy(lanes, &v, sizeof lanes);
    UNROLL for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; ++i) lanes[i] += lanes[half + i];
    return lanes[0];
}

INLINE void dots(const Tile* t, int filled, const int columns) {
    const int rows = DOT_ROWS(columns);
    Vector sums[ROWS][DOTS];
    const float* left[ROWS];
    UNROLL for (int r = 0; r < rows; ++r) {
        left[r] = t->left[r < filled ? r : 0];
        UNROLL for (int c = 0; c < columns; ++c) sums[r][c] = (Vector){0};
    }
    const Word* piece = t->pieces;
    for (const Word* end = piece + 3 * t->count; piece < end; piece += 3) {
        const float* right = t->right + piece[2];
        Word at = piece[0];
        for (Word i = 0; i < piece[1]; i += LANES, at += LANES, right += LANES) {
            Vector column[DOTS];
            UNROLL for (int c = 0; c < columns; ++c) column[c] = *(const Vector*)(right + c * t->right_step);
            UNROLL for (int r = 0; r < rows; ++r) {
                Vector elements = *(const Vector*)(left[r] + at);
                UNROLL for (int c = 0; c < columns; ++c) sums[r][c] += elements * column[c];
            }
        }
    }
    UNROLL for (int r = 0; r < rows; ++r) {
        if (r == filled) break;
        UNROLL for (int c = 0; c < columns; ++c) {
            float sum = sum_lanes(sums[r][c]);
            t->sums[r][c] = t->add ? t->sums[r][c] + sum : sum;
        }
    }
}

static void dots_1(const Tile* t, int rows) { dots(t, rows, 1); }
static void dots_2(const Tile* t, int rows) { dots(t, rows, 2); }
static void dots_3(const Tile* t, int rows) { dots(t, rows, 3); }
static void dots_4(const Tile* t, int rows) { dots(t, rows, 4); }
static void (*const dot_tiles[DOTS])(const Tile*, int) = {dots_1, dots_2, dots_3, dots_4};
