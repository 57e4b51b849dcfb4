#pragma once
// A strip of a product c = a b: all rows of a with one panel of b, a few vectors wide. It is made of tiles, whose sums
// stay in registers:
//
//         for each p:   row p of b, two vectors:   [b b b b|b b b b]
//         column p of a, each repeated:  [a a a a] [+ + + +|+ + + +]   sums += a[i][p] * b[p][...]
//                                        [a a a a] [+ + + +|+ + + +]
//
// Each number loaded serves many multiplications, so the arithmetic is what takes the time, not the memory.

#include "tasks.h"

#define SUMS (REGISTERS == 32 ? 24 : 12)  // of a tile, in registers
#define TILE_ROWS (SUMS / 2)
#define TILE_COLUMNS (2 * LANES)

#define UNROLL _Pragma("GCC unroll 24")

INLINE Vector load(const float* x) { return *(const Vector*)x; }

typedef void (*Tile)(Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row, float* c, Word c_row,
                     Word columns, int add);

// What `tile` stores where c ends within it: the first `columns` columns.
static __attribute__((noinline)) void store_some(const Vector* sums, int rows, int vectors, float* c, Word c_row,
                                                 Word columns, int add) {
    for (int i = 0; i < rows; ++i, c += c_row) {
        const float* sum = (const float*)(sums + i * vectors);
        for (Word j = 0; j < columns; ++j) c[j] = add ? c[j] + sum[j] : sum[j];
    }
}

// A product more in each sum of a tile. `left`: where the numbers of a lie, p further on.
INLINE void step(const int rows, const int vectors, const float** left, Word p, const float* b, Vector* sums) {
    Vector right[16];
    UNROLL for (int v = 0; v < vectors; ++v) right[v] = load(b + v * LANES);
    UNROLL for (int i = 0; i < rows; ++i)
        UNROLL for (int v = 0; v < vectors; ++v) sums[i * vectors + v] += left[i][p] * right[v];
}

// All of them, for an a that lies anywhere.
INLINE void steps(const int rows, const int vectors, Word k, const float* a, Word a_row, Word a_column, const float* b,
                  Word b_row, Vector* sums) {
    const float *quads[(TILE_ROWS + 3) / 4], *left[TILE_ROWS];  // every fourth row: others are at simple distances from it
    UNROLL for (int i = 0; i < rows; i += 4) quads[i / 4] = a + i * a_row;
    const Word third = 3 * a_row;
    for (Word p = 0; p < k; ++p, b += b_row) {
        UNROLL for (int i = 0; i < rows; ++i) left[i] = quads[i / 4] + (i % 4 == 3 ? third : i % 4 * a_row);
        step(rows, vectors, left, 0, b, sums);
        UNROLL for (int i = 0; i < rows; i += 4) quads[i / 4] += a_column;
    }
}

// The same in fewer instructions, two steps a turn, for 16 registers. Where two threads share a core, as they may on rented
// machines, it begins half as many instructions for each, and those beside the multiplications delay them: of the speed
// that multiplications alone have, `steps` reaches 63% then, these reach 75% (alone on a core, all 86%). UNKNOWN keeps the
// compiler from moving loads to another step, where registers would not suffice, and from reckoning one address from
// others.
#define UNKNOWN(pointer) __asm__ volatile("" : "+r"(pointer) : : "memory")

// Where the numbers of a row of a follow each other.
INLINE void steps_along(const int rows, const int vectors, Word k, const float* a, Word a_row, const float* b, Word b_row,
                        Vector* sums) {
    const float* left[TILE_ROWS];
    UNROLL for (int i = 0; i < rows; ++i) {
        left[i] = a + i * a_row;
        UNKNOWN(left[i]);
    }
    Word p = 0;
    for (; p + 2 <= k; p += 2)
        UNROLL for (int next = 0; next < 2; ++next) {
            step(rows, vectors, left, p + next, b, sums);
            b += b_row;
            UNKNOWN(b);
        }
    if (p < k) step(rows, vectors, left, p, b, sums);
}

// Where those of a column do.
INLINE void step_across(const int rows, const int vectors, const float* a, const float* b, Vector* sums) {
    const float* left[TILE_ROWS];
    UNROLL for (int i = 0; i < rows; ++i) left[i] = a + i;
    step(rows, vectors, left, 0, b, sums);
}

INLINE void steps_across(const int rows, const int vectors, Word k, const float* a, Word a_column, const float* b,
                         Word b_row, Vector* sums) {
    for (; k >= 2; k -= 2)
        UNROLL for (int next = 0; next < 2; ++next) {
            step_across(rows, vectors, a, b, sums);
            a += a_column, b += b_row;
            UNKNOWN(a);
            UNKNOWN(b);
        }
    if (k) step_across(rows, vectors, a, b, sums);
}

// A tile of `rows` rows and `vectors` vectors: c = or += a b, of which the first `columns` columns are stored. It is made
// for each number of rows and vectors by itself: then all loops over them are unrolled, and the sums are registers.
INLINE void tile(const int rows, const int vectors, Word k, const float* a, Word a_row, Word a_column, const float* b,
                 Word b_row, float* c, Word c_row, Word columns, int add) {
    Vector sums[SUMS];
    UNROLL for (int i = 0; i < rows * vectors; ++i) sums[i] = (Vector){0};
    const int often = REGISTERS == 16 && vectors == 2 && rows > TILE_ROWS / 2;
    if (often && a_column == 1) steps_along(rows, vectors, k, a, a_row, b, b_row, sums);
    else if (often && a_row == 1) steps_across(rows, vectors, k, a, a_column, b, b_row, sums);
    else steps(rows, vectors, k, a, a_row, a_column, b, b_row, sums);
    if (columns < vectors * LANES) {
        Vector kept[SUMS];  // in memory, which `sums` must not be
        UNROLL for (int i = 0; i < rows * vectors; ++i) kept[i] = sums[i];
        store_some(kept, rows, vectors, c, c_row, columns, add);
        return;
    }
    UNROLL for (int i = 0; i < rows; ++i, c += c_row)
        UNROLL for (int v = 0; v < vectors; ++v) {
            if (add) sums[i * vectors + v] += load(c + v * LANES);
            *(Vector*)(c + v * LANES) = sums[i * vectors + v];
        }
}

#define TILE(rows, vectors)                                                                                         \
    static void tile_##rows##x##vectors(Word k, const float* a, Word a_row, Word a_column, const float* b,          \
                                        Word b_row, float* c, Word c_row, Word columns, int add) {                  \
        tile(rows, vectors, k, a, a_row, a_column, b, b_row, c, c_row, columns, add);                               \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
TILES(1) TILES(2) TILES(3) TILES(4) TILES(5) TILES(6)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(1, 8)
#if REGISTERS == 32
TILES(7) TILES(8) TILES(9) TILES(10) TILES(11) TILES(12)
TILE(4, 4) TILE(5, 4) TILE(6, 4) TILE(2, 8) TILE(3, 8) TILE(1, 16)
#endif

// By the logarithm of the vectors, and the rows less one.
static const Tile tiles[5][TILE_ROWS] = {
#if REGISTERS == 32
    {tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1, tile_9x1, tile_10x1, tile_11x1,
     tile_12x1},
    {tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2, tile_9x2, tile_10x2, tile_11x2,
     tile_12x2},
    {tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4},
    {tile_1x8, tile_2x8, tile_3x8},
    {tile_1x16},
#else
    {tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1},
    {tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2},
    {tile_1x4, tile_2x4, tile_3x4},
    {tile_1x8},
#endif
};

// All rows of a with one panel of b, of 2^wide vectors; the rows are dealt evenly to the fewest tiles.
static inline void strip(Word m, int wide, Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row,
                         float* c, Word c_row, Word columns, int add) {
    Word most = wide < 2 ? TILE_ROWS : SUMS >> wide;
    for (Word parts = (m + most - 1) / most; parts; --parts) {
        Word rows = (m + parts - 1) / parts;
        tiles[wide][rows - 1](k, a, a_row, a_column, b, b_row, c, c_row, columns, add);
        a += rows * a_row;
        c += rows * c_row;
        m -= rows;
    }
}
