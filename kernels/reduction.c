// Reductions over any axes. What follows <kinds.h> is there once for each element type, which with the kind defines
//   Value, Total         the type of an element, and the one that long sums are kept in
//   NAME(task)           what the task is called
//   START, JOIN(a, b)    the result of nothing, and that of two
//   IS_NAN(a)            whether an element is no number
//   EXTREME              1 where JOIN picks one of the two, else 0
// gpukeras/ops/reduce.py makes them. The order in which elements meet follows from the shapes alone.
//
// The axes that stay and those that go are layouts (see layout.h) of which only the strides in the array count. A long
// reduction is cut into parts: then the results of part p for all outputs stand, as Total, in row p of a matrix that
// `join` reduces.

#include "layout.h"

#define SIDE 64      // partial results that a line of elements has side by side
#define SHORT 12     // elements of a line up to which it has only one
#define WIDE 256     // columns that are reduced together
#define ROWS 64      // rows that are added up before they count as one of the total
#define LINE 4096    // elements of a line likewise

#include <kinds.h>

// `n` columns of a row that go into those of `sums`.
static inline void NAME(add)(Value* sums, const Value* row, Word n) {
    ALONE for (Word j = 0; j < n; ++j) sums[j] = JOIN(sums[j], row[j]);
}

static inline Value NAME(fold)(Value sums[SIDE]) {
    NAME(add)(sums, sums + 32, 32);  // written out: short loops of a known length cost least
    NAME(add)(sums, sums + 16, 16);
    NAME(add)(sums, sums + 8, 8);
    NAME(add)(sums, sums + 4, 4);
    NAME(add)(sums, sums + 2, 2);
    return JOIN(sums[0], sums[1]);
}

// Elements that lie side by side.
static Total NAME(line)(const Value* x, Word n) {
    Total total = START;
    if (n <= SHORT) {
        for (Word i = 0; i < n; ++i) total = JOIN(total, (Total)x[i]);
        return total;
    }
    while (n > 0) {
        Value sums[SIDE];
        for (int j = 0; j < SIDE; ++j) sums[j] = START;
        Word here = MIN(n, LINE), i = 0;
        for (; i + SIDE <= here; i += SIDE) NAME(add)(sums, x + i, SIDE);
        NAME(add)(sums, x + i, here - i);
        total = JOIN(total, (Total)NAME(fold)(sums));
        x += here;
        n -= here;
    }
    return total;
}

// Elements first ... last-1 of the reduced axes.
static Total NAME(all)(const char* x, const Word* reduced, Word first, Word last) {
    const Word* inner = reduced + 1 + 3 * (reduced[0] - 1);
    Word length = inner[0], stride = inner[2];
    Total total = START;
    for (Word i = first; i < last;) {
        Word here = MIN(length - (reduced[0] > 1 ? i % length : i), last - i);
        const char* from = x + place(reduced, i);
        if (stride == sizeof(Value)) {
            total = JOIN(total, NAME(line)((const Value*)from, here));
        } else {
            for (Word k = 0; k < here; ++k, from += stride) total = JOIN(total, (Total) * (const Value*)from);
        }
        i += here;
    }
    return total;
}

// A unit is some results. Words: array, results or parts, kept axes, reduced axes, elements to reduce, parts, elements
// of a part, numbers of a unit, results.
TASK Word NAME(rows)(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word length = w[4], parts = w[5], count = w[6];
    for (Word k = first * w[7]; k < last * w[7]; ++k) {
        Word out = k / parts, part = k % parts;
        const char* x = (const char*)w[0] + place((const Word*)w[2], out);
        Total total = NAME(all)(x, (const Word*)w[3], part * count, MIN((part + 1) * count, length));
        if (parts == 1) ((Value*)w[1])[out] = (Value)total;
        else ((Total*)w[1])[part * w[8] + out] = total;
    }
    return 0;
}

// `width` columns side by side: elements first ... last-1 of the reduced axes for each. Narrow rows without gaps between
// them are taken several at a time.
static void NAME(columns_part)(const char* x, const Word* reduced, Word first, Word last, Word width, Total* totals) {
    const Word* inner = reduced + 1 + 3 * (reduced[0] - 1);
    Word length = inner[0], stride = inner[2];
    Word beside = stride == width * (Word)sizeof(Value) ? MAX(WIDE / 4 / width, 1) : 1, wide = beside * width;
    for (Word j = 0; j < width; ++j) totals[j] = START;
    for (Word i = first; i < last;) {
        Value sums[WIDE];
        for (Word j = 0; j < wide; ++j) sums[j] = START;
        Word here = MIN(MIN(length - (reduced[0] > 1 ? i % length : i), last - i), ROWS * beside), r = 0;
        const char* from = x + place(reduced, i);
        for (; r + beside <= here; r += beside, from += beside * stride) NAME(add)(sums, (const Value*)from, wide);
        for (; r < here; ++r, from += stride) NAME(add)(sums, (const Value*)from, width);
        for (Word k = 0; k < wide; k += width)
            ALONE for (Word j = 0; j < width; ++j) totals[j] = JOIN(totals[j], (Total)sums[k + j]);
        i += here;
    }
}

// Where the last of the kept axes has neighbours side by side. A unit is up to WIDE results of one part. Words: array,
// results or parts, the other kept axes, reduced axes, elements to reduce, parts, elements of a part, the length of the
// last kept axis, all results.
TASK Word NAME(columns)(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word length = w[4], parts = w[5], count = w[6], width = w[7], blocks = (width + WIDE - 1) / WIDE;
    for (Word k = first; k < last; ++k) {
        Word part = k % parts, block = k / parts % blocks, outer = k / parts / blocks;
        Word columns = MIN(width - block * WIDE, WIDE);
        Total totals[WIDE];
        const char* x = (const char*)w[0] + place((const Word*)w[2], outer) + block * WIDE * (Word)sizeof(Value);
        NAME(columns_part)(x, (const Word*)w[3], part * count, MIN((part + 1) * count, length), columns, totals);
        Word out = outer * width + block * WIDE;
        for (Word j = 0; j < columns; ++j) {
            if (parts == 1) ((Value*)w[1])[out + j] = (Value)totals[j];
            else ((Total*)w[1])[part * w[8] + out + j] = totals[j];
        }
    }
    return 0;
}

// A unit is up to WIDE results. Words: parts, results, the number of parts, that of results.
TASK Word NAME(join)(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const Total* parts = (const Total*)w[0];
    for (Word k = first * WIDE; k < MIN(last * WIDE, w[3]); k += WIDE) {
        Word columns = MIN(w[3] - k, WIDE);
        Total totals[WIDE];
        for (Word j = 0; j < columns; ++j) totals[j] = START;
        for (Word p = 0; p < w[2]; ++p)
            ALONE for (Word j = 0; j < columns; ++j) totals[j] = JOIN(totals[j], parts[p * w[3] + k + j]);
        for (Word j = 0; j < columns; ++j) ((Value*)w[1])[k + j] = (Value)totals[j];
    }
    return 0;
}

#if EXTREME
// The places of the first elements that no other surpasses; NaN surpasses all. A unit is some results. Words: array,
// results, kept axes, elements to look at, the bytes from one to the next, results of a unit.
TASK Word NAME(first)(const Word* w, Word first, Word last, char* room) {
    (void)room;
    for (Word k = first * w[5]; k < last * w[5]; ++k) {
        const char* x = (const char*)w[0] + place((const Word*)w[2], k);
        Value best = *(const Value*)x;
        Word found = 0;
        if (w[4] == sizeof(Value) && w[3] > 2 * SIDE) {  // the extreme first: vectors find it
            const Value* line = (const Value*)x;
            best = NAME(line)(line, w[3]);
            for (int hit = 0; !hit && found + SIDE <= w[3];) {
                ALONE for (int j = 0; j < SIDE; ++j) hit |= (line[found + j] == best) | IS_NAN(line[found + j]);
                found += hit ? 0 : SIDE;
            }
            while (line[found] != best && !IS_NAN(line[found])) ++found;
            ((Word*)w[1])[k] = found;
            continue;
        }
        for (Word i = 1; i < w[3] && !IS_NAN(best); ++i) {
            Value here = *(const Value*)(x + i * w[4]);
            if (JOIN(best, here) == best) continue;
            best = here;
            found = i;
        }
        ((Word*)w[1])[k] = found;
    }
    return 0;
}
#endif
