#pragma once
// Products of matrices of float: c = a b, or c += a b. The matrices lie anywhere, a and b with any strides.
//
// The work is done by tiles of c (strip.h). A panel of b, as wide as a tile, is first copied to where its rows follow each
// other (`pack`), in pieces of at most DEPTH rows that stay in the nearest caches while all rows of a pass by. For few rows
// of a the copy would not pay: b is then read where it lies, as a always is.
//
// Each element of c is summed in one order, which depends on k only: the products of a piece one after the other, then
// the sums of the pieces. So its bits do not depend on how many rows or columns are asked for at once. A c that has a
// single column, and not only a part of one, has orders of its own, in which too a row does not depend on others.

#include "strip.h"

#if REGISTERS == 32
#define MORE_ROWS 192
#define NEAR 1024
#else
#define MORE_ROWS 96
#define NEAR 256
#endif
#define DEPTH 320       // rows of a packed piece at most
#define BLOCK_ROWS 512  // of a, which with DEPTH columns stay in the second-level cache
#define FEW_ROWS 36     // of a, for which b is read where it lies, and up to MORE_ROWS where its rows are not farther apart
                        // than NEAR: the lines of a narrow panel share few places of the nearest cache
#define RUN_PANELS 4    // of a b that comes from the memory, packed together,
#define AHEAD 16        // and asked for so many rows before

// ----------------------------------------------------------------------------------------------- packing

typedef int Lanes __attribute__((vector_size(4 * LANES)));

// The first and the second halves of two vectors, lane by lane in turn.
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (Lanes){__VA_ARGS__})
#endif
#if LANES == 16
#define ZIP_FIRST(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_SECOND(a, b) SHUFFLE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif LANES == 8
#define ZIP_FIRST(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_SECOND(a, b) SHUFFLE(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_FIRST(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
#define ZIP_SECOND(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
#endif

// A square of LANES rows, columns made rows. Each round deals the vectors like two halves of a pack of cards.
INLINE void transpose_square(const float* from, Word from_row, float* to, Word to_row) {
    Vector x[LANES], y[LANES];
    UNROLL for (int i = 0; i < LANES; ++i, from += from_row) x[i] = *(const volatile Vector*)from;  // each loaded once
    UNROLL for (int round = 1; round < LANES; round *= 2) {
        UNROLL for (int i = 0; i < LANES / 2; ++i) {
            y[2 * i] = ZIP_FIRST(x[i], x[i + LANES / 2]);
            y[2 * i + 1] = ZIP_SECOND(x[i], x[i + LANES / 2]);
        }
        UNROLL for (int i = 0; i < LANES; ++i) x[i] = y[i];
    }
    UNROLL for (int i = 0; i < LANES; ++i, to += to_row) *(Vector*)to = x[i];
}

// One vector's width of a panel, whose rows are `width` apart: k rows of `columns` columns, filled up with zeros.
static inline void pack_vector(const float* b, Word b_row, Word b_column, Word k, Word columns, float* packed, Word width) {
    Word p = 0;
    if (columns == LANES && b_column == 1) {
        for (; p < k; ++p) *(Vector*)(packed + p * width) = load(b + p * b_row);
    } else if (columns == LANES && b_row == 1) {
        for (; p + LANES <= k; p += LANES) transpose_square(b + p, b_column, packed + p * width, width);
    } else if (b_column == 1 && b_row > 0) {  // what follows a row is cut off; the last rows must not be read so far
        Lanes keep;
        for (int j = 0; j < LANES; ++j) keep[j] = j < columns ? -1 : 0;
        for (; (p - k + 1) * b_row + LANES <= columns; ++p)
            *(Vector*)(packed + p * width) = (Vector)((Lanes)load(b + p * b_row) & keep);
    }
    for (; p < k; ++p) {
        for (Word j = 0; j < columns; ++j) packed[p * width + j] = b[p * b_row + j * b_column];
        for (Word j = columns; j < LANES; ++j) packed[p * width + j] = 0;
    }
}

// A panel: `columns` columns of b, filled up to `width`, which is LANES or twice that.
static inline void pack_panel(const float* b, Word b_row, Word b_column, Word k, Word columns, float* packed, Word width) {
    for (Word v = 0; v < width; v += LANES)
        pack_vector(b + v * b_column, b_row, b_column, k, MIN(columns - v, LANES), packed + v, width);
}

// The width of the panel for this many columns.
static inline Word panel_width(Word columns) { return columns > LANES ? TILE_COLUMNS : LANES; }

// Rows of a piece: k is cut into as few pieces as can be, all but the last of one size.
static inline Word piece_depth(Word k) {
    Word pieces = (k + DEPTH - 1) / DEPTH;
    return pieces < 2 ? k : ((k + pieces - 1) / pieces + LANES - 1) / LANES * LANES;
}

// Numbers in a packed b.
static inline Word packed_size(Word k, Word n) { return k * ((n + LANES - 1) / LANES * LANES); }

// b (k rows, n columns) as panels, one after the other.
static inline void pack(const float* b, Word b_row, Word b_column, Word k, Word n, float* packed) {
    for (Word j = 0; j < n; j += TILE_COLUMNS) {
        Word columns = MIN(n - j, TILE_COLUMNS), width = panel_width(columns);
        pack_panel(b + j * b_column, b_row, b_column, k, columns, packed, width);
        packed += k * width;
    }
}

// ---------------------------------------------------------------------------------------------- products

static inline void clear(Word m, Word n, float* c, Word c_row) {
    for (Word i = 0; i < m; ++i) memset(c + i * c_row, 0, (size_t)n * 4);
}

// c (m rows, n columns, the rows c_row apart) = a b, or c += a b. Element (i, p) of a is a[i * a_row + p * a_column];
// rows may overlap, as windows of a convolution do.
static inline void gemm_packed(Word m, Word n, Word k, const float* a, Word a_row, Word a_column, const float* packed,
                               float* c, Word c_row, int add) {
    if (k < 1 && !add) clear(m, n, c, c_row);
    Word depth = piece_depth(k);
    for (Word i = 0; i < m; i += BLOCK_ROWS)
        for (Word p = 0; p < k; p += depth)
            for (Word j = 0; j < n; j += TILE_COLUMNS) {
                Word columns = MIN(n - j, TILE_COLUMNS), width = panel_width(columns);
                strip(MIN(m - i, BLOCK_ROWS), width > LANES, MIN(k - p, depth), a + i * a_row + p * a_column, a_row,
                      a_column, packed + j * k + p * width, width, c + i * c_row + j, c_row, columns, add || p);
            }
}

// ---------------------------------------------------------------------------------------- a single column

// Of one row: a vector of sums, and what is left one by one.
INLINE float dot(Word k, const float* a, const float* b) {
    Vector sums[4] = {{0}};
    Word p = 0;
    for (; p + 4 * LANES <= k; p += 4 * LANES)
        UNROLL for (int v = 0; v < 4; ++v) sums[v] += load(a + p + v * LANES) * load(b + p + v * LANES);
    for (; p + LANES <= k; p += LANES) sums[0] += load(a + p) * load(b + p);
    Vector all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float sum = 0;
    for (; p < k; ++p) sum += a[p] * b[p];
    UNROLL for (int i = 0; i < LANES; ++i) sum += all[i];
    return sum;
}

// Of `vectors` vectors of rows that lie side by side.
INLINE void beside(const int vectors, Word k, const float* a, Word a_column, const float* b, Word b_row, float* c, int add) {
    Vector sums[8];
    UNROLL for (int v = 0; v < vectors; ++v) sums[v] = (Vector){0};
    for (Word p = 0; p < k; ++p, a += a_column)
        UNROLL for (int v = 0; v < vectors; ++v) sums[v] += load(a + v * LANES) * b[p * b_row];
    UNROLL for (int v = 0; v < vectors; ++v) {
        if (add) sums[v] += load(c + v * LANES);
        *(Vector*)(c + v * LANES) = sums[v];
    }
}

// The same for fewer rows than a vector has: lanes that go beyond them stay 0.
static inline void few_beside(Word rows, Word k, const float* a, Word a_column, const float* b, Word b_row, float* c, int add) {
    float left[LANES] = {0};
    Vector sum = {0};
    for (Word p = 0; p < k; ++p, a += a_column) {
        for (Word i = 0; i < rows; ++i) left[i] = a[i];
        sum += load(left) * b[p * b_row];
    }
    store_some(&sum, 1, 1, c, 0, rows, add);
}

// c (m numbers) = or += a b, where the rows of a, or its columns, lie without gaps; whether they do. It is compiled once,
// so that a row has the same bits wherever it is asked for.
static __attribute__((noinline)) int one_column(Word m, Word k, const float* a, Word a_row, Word a_column, const float* b,
                                                Word b_row, float* c, int add) {
    if (a_column == 1 && b_row == 1) {
        for (Word i = 0; i < m; ++i, a += a_row) {
            float sum = dot(k, a, b);
            c[i] = add ? c[i] + sum : sum;
        }
        return 1;
    }
    if (a_row != 1) return 0;
    for (; m >= 8 * LANES; m -= 8 * LANES, a += 8 * LANES, c += 8 * LANES) beside(8, k, a, a_column, b, b_row, c, add);
    for (; m >= LANES; m -= LANES, a += LANES, c += LANES) beside(1, k, a, a_column, b, b_row, c, add);
    if (m) few_beside(m, k, a, a_column, b, b_row, c, add);
    return 1;
}

// Bytes of the thread's room that `gemm` needs.
static inline Word gemm_room(Word k) { return MIN(k, DEPTH) * TILE_COLUMNS * 4; }

// Vectors of a tile for so many rows, as a power of two. The fewer rows, the wider: b is read in longer runs then.
static inline int wide_for(Word m) { return m <= SUMS / 16 ? 4 : m <= SUMS / 8 ? 3 : m <= SUMS / 4 ? 2 : 1; }

// The same with a b that lies anywhere.
static inline void gemm(Word m, Word n, Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row,
                        Word b_column, float* c, Word c_row, int add, char* room) {
    if (k < 1 && !add) clear(m, n, c, c_row);
    Word depth = piece_depth(k);
    int direct = b_column == 1 && (m <= FEW_ROWS || (m <= MORE_ROWS && b_row <= NEAR));
    for (Word i = 0; i < m; i += BLOCK_ROWS) {
        Word rows = MIN(m - i, BLOCK_ROWS);
        for (Word p = 0; p < k; p += depth) {
            Word deep = MIN(k - p, depth), columns;
            const float *left = a + i * a_row + p * a_column, *right = b + p * b_row;
            if (n == 1 && c_row == 1 && one_column(rows, deep, left, a_row, a_column, right, b_row, c + i, add || p))
                continue;
            for (Word j = 0; j < n; j += columns) {
                int wide = wide_for(m);
                while (wide && (LANES << wide) > n - j) --wide;
                if (direct && (wide || n - j == LANES)) {
                    columns = LANES << wide;
                    strip(rows, wide, deep, left, a_row, a_column, right + j, b_row, c + i * c_row + j, c_row, columns,
                          add || p);
                } else {
                    columns = MIN(n - j, TILE_COLUMNS);
                    Word width = panel_width(columns);
                    pack_panel(right + j * b_column, b_row, b_column, deep, columns, FLOATS(room), width);
                    strip(rows, width > LANES, deep, left, a_row, a_column, FLOATS(room), width, c + i * c_row + j,
                          c_row, columns, add || p);
                }
            }
        }
    }
}

// ------------------------------------------------------------------------------------------------- a single row

#define VECTORS (SUMS >= 16 ? 16 : 8)  // of c, whose sums are registers
#define ROW_COLUMNS (VECTORS * LANES)
#define TOGETHER 4     // rows of b
#define CACHE_LINE 16  // floats

// Some rows of b more for sums of a single row, which are in c, or begin with 0. `list` has the numbers of the rows, and
// of those that come after them; 0: they follow each other.
INLINE void rows_more(const int rows, const int vectors, const int* list, const float* a, Word a_column, const float* b,
                      Word b_row, float* c, int begin) {
    Vector sums[VECTORS];
    UNROLL for (int v = 0; v < vectors; ++v) sums[v] = begin ? (Vector){0} : load(c + v * LANES);
    UNROLL for (int i = 0; i < rows; ++i) {
        const Word p = list ? list[i] : i;
        const float left = a[p * a_column];
        if (list) {
            const float* soon = b + list[i + TOGETHER] * b_row;
            UNROLL for (int v = 0; v < vectors; v += CACHE_LINE / LANES) __builtin_prefetch(soon + v * LANES);
        }
        UNROLL for (int v = 0; v < vectors; ++v) sums[v] += left * load(b + p * b_row + v * LANES);
    }
    UNROLL for (int v = 0; v < vectors; ++v) *(Vector*)(c + v * LANES) = sums[v];
}

// The same by a list for all columns but the last, fewer than LANES: as many as are registers at a time, then halves of
// that.
INLINE void wide_rows_more(const int rows, Word n, const int* list, const float* a, const float* b, Word b_row, float* c,
                           int begin) {
    for (; n >= ROW_COLUMNS; n -= ROW_COLUMNS, b += ROW_COLUMNS, c += ROW_COLUMNS)
        rows_more(rows, VECTORS, list, a, 1, b, b_row, c, begin);
    UNROLL for (int vectors = VECTORS / 2; vectors; vectors /= 2)
        if (n >= vectors * LANES) {
            rows_more(rows, vectors, list, a, 1, b, b_row, c, begin);
            n -= vectors * LANES, b += vectors * LANES, c += vectors * LANES;
        }
}

// c = a b for a single row and one piece of k, with the same bits as from `gemm`. It goes through b in the order in which
// that lies in memory, a few rows at a time: it comes a fifth faster than one half of the columns after the other.
static inline void one_row(Word n, Word k, const float* a, Word a_column, const float* b, Word b_row, float* c, char* room) {
    Word wide = n / ROW_COLUMNS * ROW_COLUMNS, p = 0;
    for (; p + TOGETHER <= k; p += TOGETHER)
        for (Word j = 0; j < wide; j += ROW_COLUMNS)
            rows_more(TOGETHER, VECTORS, 0, a + p * a_column, a_column, b + p * b_row + j, b_row, c + j, !p);
    for (; p < k; ++p)
        for (Word j = 0; j < wide; j += ROW_COLUMNS)
            rows_more(1, VECTORS, 0, a + p * a_column, a_column, b + p * b_row + j, b_row, c + j, !p);
    if (wide < n) gemm(1, n - wide, k, a, 0, a_column, b + wide, b_row, 1, c + wide, 0, 0, room);
}

// The places of the numbers that are not 0, of k (DEPTH at most), and TOGETHER more; how many they are. If less than a
// quarter is 0, going through all rows in order is faster: then k, and no places.
static inline Word places_of(Word k, const float* a, int* list) {
    typedef unsigned Bits __attribute__((may_alias));
    const Bits* x = (const Bits*)a;  // without the sign's bit: -0 is a 0 as well
    Word count = 0;
    int zeros = 0;
    for (Word p = 0; p < k; ++p) zeros += x[p] << 1 == 0;
    if (4 * zeros < k) return k;
    UNROLL for (Word p = 0; p < k; ++p) {
        list[count] = (int)p;
        count += x[p] << 1 != 0;
    }
    for (int i = 0; i < TOGETHER; ++i) list[count + i] = (int)k - 1;
    return count;
}

// The same by the rows of b in a list from `places_of` alone, where a has no gaps. If all numbers of b are finite, the
// others add 0, and the bits are those of all rows.
static inline void one_row_of_some(Word n, Word count, const int* list, const float* a, const float* b, Word b_row, float* c) {
    Word q = 0;
    if (!count) clear(1, n, c, 0);
    for (; q + TOGETHER <= count; q += TOGETHER)
        wide_rows_more(TOGETHER, n, list + q, a, b, b_row, c, !q);
    for (; q < count; ++q) wide_rows_more(1, n, list + q, a, b, b_row, c, !q);
    const Word wide = n / LANES * LANES;
    float right[LANES] = {0};
    Vector sum = {0};
    for (q = 0; wide < n && q < count; ++q) {
        for (Word j = wide; j < n; ++j) right[j - wide] = b[list[q] * b_row + j];
        sum += a[list[q]] * load(right);
    }
    store_some(&sum, 1, 1, c + wide, 0, n - wide, 0);
}

// ------------------------------------------------------------------------------------------ b from the memory

// Panels, one after the other, of columns that lie side by side and come from the memory.
static inline void pack_far(const float* b, Word b_row, Word k, Word panels, float* packed) {
    for (Word p = 0; p < k; ++p, b += b_row, packed += TILE_COLUMNS)
        for (Word i = 0; i < panels; ++i)
            for (Word v = i * TILE_COLUMNS; v < (i + 1) * TILE_COLUMNS; v += LANES) {
                __builtin_prefetch(b + AHEAD * b_row + v);
                *(Vector*)(packed + i * (k - 1) * TILE_COLUMNS + v) = load(b + v);
            }
}

// c = a b for a b that comes from the memory, which is several times as fast for long runs: some panels are packed
// together. The room is RUN_PANELS times that of `gemm`.
static inline void gemm_far(Word m, Word n, Word k, const float* a, Word a_row, Word a_column, const float* b, Word b_row,
                            float* c, Word c_row, char* room) {
    Word depth = piece_depth(k), columns;
    for (Word p = 0; p < k; p += depth)
        for (Word j = 0; j < n; j += columns) {
            Word deep = MIN(k - p, depth), panels = MIN((n - j) / TILE_COLUMNS, RUN_PANELS);
            const float *left = a + p * a_column, *right = b + p * b_row + j;
            columns = panels ? panels * TILE_COLUMNS : n - j;
            if (panels) pack_far(right, b_row, deep, panels, FLOATS(room));
            else pack_panel(right, b_row, 1, deep, columns, FLOATS(room), TILE_COLUMNS);
            for (Word i = 0; i < columns; i += TILE_COLUMNS)
                strip(m, 1, deep, left, a_row, a_column, FLOATS(room) + i * deep, TILE_COLUMNS, c + j + i, c_row,
                      MIN(columns - i, TILE_COLUMNS), p > 0);
        }
}
