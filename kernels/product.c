// Products of matrices as tasks. Which of them serves is decided where they are bound (gpukeras/ops/product_tasks.py):
// what matters is that a matrix b is packed once, and read from the memory as seldom as can be.

#include "blocks.h"
#include "gemm.h"
#include "rows.h"

// The words that all of them begin with. Strides are counted in elements; the rows of c follow each other.
typedef struct {
    Word m, n, k;
    const float* a;
    Word a_row, a_column;
    const float* b;
    Word b_row, b_column;
    float* c;
} Product;

#define AFTER_PRODUCT 10

INLINE Product product_of(const Word* w) {
    return (Product){w[0], w[1], w[2], FLOATS(w[3]), w[4], w[5], FLOATS(w[6]), w[7], w[8], FLOATS(w[9])};
}

// c = a b. A unit is a block of w[10] rows and w[11] columns of c; the blocks of the same columns follow each other.
// w[12]: where k is found, if that is known only when the task is run (x.k is the most that it can be then), else 0. w[13]:
// whether b comes from the memory; the columns of its rows lie side by side then.
TASK Word product_blocks(const Word* w, Word first, Word last, char* room) {
    Product x = product_of(w);
    if (w[AFTER_PRODUCT + 2]) x.k = *(const Word*)w[AFTER_PRODUCT + 2];
    Word high = w[AFTER_PRODUCT], broad = w[AFTER_PRODUCT + 1], blocks = (x.m + high - 1) / high;
    while (first < last) {
        Word j = first / blocks * broad, i = first % blocks, here = MIN(last - first, blocks - i);
        Word rows = MIN((i + here) * high, x.m) - i * high, columns = MIN(broad, x.n - j);
        const float* a = x.a + i * high * x.a_row;
        float* c = x.c + i * high * x.n + j;
        if (w[AFTER_PRODUCT + 3])
            gemm_far(rows, columns, x.k, a, x.a_row, x.a_column, x.b + j, x.b_row, c, x.n, room);
        else
            gemm(rows, columns, x.k, a, x.a_row, x.a_column, x.b + j * x.b_column, x.b_row, x.b_column, c, x.n, 0, room);
        first += here;
    }
    return 0;
}

// Whether all numbers of pieces of b are finite, each a unit. Words: k, n, b, the step between its rows, and the answers.
TASK Word finite_pieces(const Word* w, Word first, Word last, char* room) {
    (void)room;
    typedef int Bits __attribute__((may_alias));
    const Word k = w[0], n = w[1], depth = piece_depth(k);
    for (Word piece = first; piece < last; ++piece) {
        int without = 0;  // those whose exponent has all bits
        for (Word p = piece * depth; p < MIN((piece + 1) * depth, k); ++p) {
            const Bits* row = (const Bits*)(FLOATS(w[2]) + p * w[3]);
            for (Word j = 0; j < n; ++j) without |= (row[j] & 0x7f800000) == 0x7f800000;
        }
        ((Bool*)w[4])[piece] = !without;
    }
    return 0;
}

// The products of pieces of k apart, each as a matrix like c, for `add_blocks` to add them up. A unit is w[10] columns of
// one; those of the same piece follow each other, and are done together where c has one row. w[11]: the answers of
// `finite_pieces`, if there are any: zeros of a, which then is a single row without gaps, save what they are multiplied by
// from being read.
TASK Word product_pieces(const Word* w, Word first, Word last, char* room) {
    Product x = product_of(w);
    Word broad = w[AFTER_PRODUCT], blocks = (x.n + broad - 1) / broad, depth = piece_depth(x.k);
    const Bool* finite = (const Bool*)w[AFTER_PRODUCT + 1];
    while (first < last) {
        Word piece = first / blocks, p = piece * depth, block = first % blocks, j = block * broad;
        Word here = x.m > 1 ? 1 : MIN(last - first, blocks - block);
        Word columns = MIN(j + here * broad, x.n) - j, deep = MIN(x.k - p, depth);
        const float *a = x.a + p * x.a_column, *b = x.b + p * x.b_row + j;
        float* c = x.c + piece * x.m * x.n + j;
        int list[DEPTH + TOGETHER];
        Word count = finite && finite[piece] ? places_of(deep, a, list) : deep;
        if (count < deep) one_row_of_some(columns, count, list, a, b, x.b_row, c);
        else if (x.m == 1 && columns >= 2 * ROW_COLUMNS) one_row(columns, deep, a, x.a_column, b, x.b_row, c, room);
        else gemm(x.m, columns, deep, a, x.a_row, x.a_column, b, x.b_row, x.b_column, c, x.n, 0, room);
        first += here;
    }
    return 0;
}

// A row added to rows of c that have just been made. Words: where it is, or 0, and the step between its elements.
static inline void add_bias(const Word* w, Word rows, Word n, float* c) {
    for (Word i = 0; w[0] && i < rows; ++i) add_row(c + i * n, FLOATS(w[0]), w[1], n);
}

// c = a b; a unit is w[10] rows. w[11]: see add_bias.
TASK Word product_rows(const Word* w, Word first, Word last, char* room) {
    Product x = product_of(w);
    Word i = first * w[AFTER_PRODUCT], rows = (last - first) * w[AFTER_PRODUCT];
    gemm(rows, x.n, x.k, x.a + i * x.a_row, x.a_row, x.a_column, x.b, x.b_row, x.b_column, x.c + i * x.n, x.n, 0, room);
    add_bias(w + AFTER_PRODUCT + 1, rows, x.n, x.c + i * x.n);
    return 0;
}

// b packed, a unit for every 32 columns. Words: k, n, b and its strides, and the memory for it.
TASK Word pack_panels(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word k = w[0], n = w[1], from = first * 32, to = MIN(last * 32, n);
    pack(FLOATS(w[2]) + from * w[4], w[3], w[4], k, to - from, FLOATS(w[5]) + from * k);
    return 0;
}

// c = a b for a packed b; a unit is w[10] rows. w[11]: see add_bias.
TASK Word packed_rows(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Product x = product_of(w);
    Word i = first * w[AFTER_PRODUCT], rows = (last - first) * w[AFTER_PRODUCT];
    gemm_packed(rows, x.n, x.k, x.a + i * x.a_row, x.a_row, x.a_column, x.b, x.c + i * x.n, x.n, 0);
    add_bias(w + AFTER_PRODUCT + 1, rows, x.n, x.c + i * x.n);
    return 0;
}

// c = a b for each block of w[10] samples, which are what k is made of: k is the rows of one. A unit is a sample.
TASK Word sample_blocks(const Word* w, Word first, Word last, char* room) {
    Product x = product_of(w);
    Word block = w[AFTER_PRODUCT];
    for (Word i = first; i < last; i += block)
        gemm(x.m, x.n, block * x.k, x.a + i * x.k * x.a_column, x.a_row, x.a_column, x.b + i * x.k * x.b_row, x.b_row,
             x.b_column, x.c + i / block * x.m * x.n, x.n, 0, room);
    return 0;
}

// Many products. A unit is what lies at one index of the first axis of c. w[10]: the steps of a and b along it, and the
// number of further axes, each with its length and the steps of a and b.
TASK Word products(const Word* w, Word first, Word last, char* room) {
    Product x = product_of(w);
    const Word *axes = w + AFTER_PRODUCT + 3, count = w[AFTER_PRODUCT + 2];
    Word each = 1;
    for (Word d = 0; d < count; ++d) each *= axes[3 * d];
    for (Word u = first; u < last; ++u)
        for (Word i = 0; i < each; ++i) {
            const float *a = x.a + u * w[AFTER_PRODUCT], *b = x.b + u * w[AFTER_PRODUCT + 1];
            for (Word d = count - 1, rest = i; d >= 0; --d) {
                a += rest % axes[3 * d] * axes[3 * d + 1];
                b += rest % axes[3 * d] * axes[3 * d + 2];
                rest /= axes[3 * d];
            }
            gemm(x.m, x.n, x.k, a, x.a_row, x.a_column, b, x.b_row, x.b_column, x.c + (u * each + i) * x.m * x.n, x.n, 0,
                 room);
        }
    return 0;
}
