// Rows of tables: gathered, added up where they came from, and put back.
//
// Indices are int32 or int64 with any strides. A task that meets one outside of the table returns 1.

#include "rows.h"

#define AXES 16  // that indices have at most

static inline Word index_at(const char* indices, Word size, Word at) {
    return size == 8 ? ((const Word*)indices)[at] : ((const int*)indices)[at];
}

// Walks along axes, the last one fastest: two places at once, that of an index and that of its row.
typedef struct {
    Word axes, index, row, count[AXES];
    const Word* lengths;  // then the index's steps, then the row's
} Walk;

static inline Walk walk(Word axes, const Word* lengths) {
    Walk made = {.axes = axes, .lengths = lengths};
    return made;
}

static inline void go_on(Walk* k) {
    const Word *steps = k->lengths + k->axes, *rows = steps + k->axes;
    for (Word a = k->axes; a-- > 0;) {
        k->index += steps[a];
        k->row += rows[a];
        if (++k->count[a] < k->lengths[a]) return;
        k->count[a] = 0;
        k->index -= steps[a] * k->lengths[a];
        k->row -= rows[a] * k->lengths[a];
    }
}

#define AHEAD 8    // rows that are asked for before they are read,
#define LINE 64    // bytes at a time
#define MOST 1024  // bytes of each at most

// Asks for the beginning of a row.
static inline void ask_for(const void* row, Word bytes) {
    for (Word at = 0; at < MIN(bytes, MOST); at += LINE) __builtin_prefetch((const char*)row + at);
}

static inline void copy_bytes(char* to, const char* from, Word bytes) {
    if (bytes == 4) memcpy(to, from, 4);
    else memcpy(to, from, (size_t)bytes);
}

// The rows at one index after another, which need not be found by a walk.
static Word gather_line(const Word* w, Word first, Word last) {
    const char *table = (const char*)w[0], *indices = (const char*)w[4];
    Word length = w[1], bytes = w[2], size = w[5], step = w[6];
    for (Word i = first; i < last; ++i) {
        Word index = index_at(indices, size, i * step), next = index_at(indices, size, MIN(i + AHEAD, last - 1) * step);
        if (index < 0 || index >= length) return 1;
        if (next >= 0 && next < length) ask_for(table + next * bytes, bytes);
        copy_bytes((char*)w[3] + i * bytes, table + index * bytes, bytes);
    }
    return 0;
}

// A unit is all indices of a place on their first axis. Words: table, its rows, bytes of a row, out, indices, bytes of
// an index, its step along the first axis, indices of a unit, and the other axes as in Walk.
TASK Word gather(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const char *table = (const char*)w[0], *indices = (const char*)w[4];
    Word length = w[1], bytes = w[2], size = w[5], step = w[6], count = w[7];
    if (count == 1) return gather_line(w, first, last);
    for (Word unit = first; unit < last; ++unit) {
        char* out = (char*)w[3] + unit * count * bytes;
        Walk at = walk(w[8], w + 9);
        for (Word i = 0; i < count; ++i, out += bytes, go_on(&at)) {
            Word index = index_at(indices, size, unit * step + at.index);
            if (index < 0 || index >= length) return 1;
            copy_bytes(out, table + index * bytes, bytes);
        }
    }
    return 0;
}

// An index and where its row begins, in elements.
typedef struct {
    Word index, row;
} Pair;

// One unit. Words: indices, bytes of one, how many, rows of the table, pairs, and the axes as in Walk.
TASK Word pair_up(const Word* w, Word first, Word last, char* room) {
    (void)first, (void)last, (void)room;
    Pair* pair = (Pair*)w[4];
    Walk at = walk(w[5], w + 6);
    for (Word i = 0; i < w[2]; ++i, go_on(&at)) {
        Word index = index_at((const char*)w[0], w[1], at.index);
        if (index < 0 || index >= w[3]) return 1;
        pair[i] = (Pair){index, at.row};
    }
    return 0;
}

// A pass of sorting by eight bits of the index; equal ones keep their order.
static void sort_pass(const Pair* from, Pair* to, Word count, int shift) {
    Word starts[256] = {0}, sum = 0;
    for (Word i = 0; i < count; ++i) ++starts[from[i].index >> shift & 255];
    for (int digit = 0; digit < 256; ++digit) {
        Word here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (Word i = 0; i < count; ++i) to[starts[from[i].index >> shift & 255]++] = from[i];
}

// One unit. Words: pairs, room for as many, how many, rows of the table, where the sorted indices go (int32).
TASK Word sort_pairs(const Word* w, Word first, Word last, char* room) {
    (void)first, (void)last, (void)room;
    Pair *now = (Pair*)w[0], *other = (Pair*)w[1];
    Word count = w[2];
    for (int shift = 0; shift < 16 || (w[3] - 1) >> shift; shift += 16) {  // passes are even: back to the start
        sort_pass(now, other, count, shift);
        sort_pass(other, now, count, shift + 8);
    }
    for (Word i = 0; i < count; ++i) ((int*)w[4])[i] = (int)now[i].index;
    return 0;
}

// The distinct indices, and their numbers: 0 for the least. In sorted pairs, each with the place of an index for its row,
// the numbers take the indices' places. One unit. Words: pairs, how many, the distinct indices (int32), the rest being the
// last of them again, how many of these there can be, and are, and the number of each index (int32).
TASK Word number_pairs(const Word* w, Word first, Word last, char* room) {
    (void)first, (void)last, (void)room;
    Pair* pairs = (Pair*)w[0];
    int *distinct = (int*)w[2], *numbers = (int*)w[5];
    Word found = 0, index = -1;
    for (Word i = 0; i < w[1]; ++i) {
        if (pairs[i].index != index) distinct[found++] = (int)(index = pairs[i].index);
        pairs[i].index = found - 1;
        numbers[pairs[i].row] = (int)(found - 1);
    }
    *(Word*)w[4] = found;
    for (; found < w[3]; ++found) distinct[found] = (int)index;
    return 0;
}

// The sum of the rows of each number, in their order; what lies behind the last is left as it is. A unit is a few columns.
// Words: sorted pairs of a number and the place of a row, how many, rows, elements of one, sums, columns of a unit.
TASK Word sum_numbered(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const Pair* pairs = (const Pair*)w[0];
    Word width = w[3], from = first * w[5], columns = MIN(last * w[5], width) - from;
    const float* rows = FLOATS(w[2]) + from;
    float* sums = FLOATS(w[4]) + from;
    for (Word i = 0, before = -1; i < w[1]; before = pairs[i++].index) {
        float* sum = sums + pairs[i].index * width;
        const float* row = rows + pairs[i].row * width;
        if (i + AHEAD < w[1]) ask_for(rows + pairs[i + AHEAD].row * width, columns * 4);
        if (pairs[i].index == before) add_row(sum, row, 1, columns);
        else copy_row(sum, row, 1, columns);
    }
    return 0;
}

// Zeros in the rows from a number on. Words: table, bytes of a row, where the number is found.
TASK Word clear_rest(const Word* w, Word first, Word last, char* room) {
    (void)room;
    first = MAX(first, *(const Word*)w[2]);
    if (first < last) memset((char*)w[0] + first * w[1], 0, (size_t)((last - first) * w[1]));
    return 0;
}

// A unit is a sorted pair: at the first of each run of equal indices the sum of its rows, in their order, else zeros.
// Words: pairs, how many, rows, elements of one, the step between them, sums.
TASK Word sum_runs(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const Pair* pairs = (const Pair*)w[0];
    Word count = w[1], width = w[3];
    for (Word i = first; i < last; ++i) {
        float* sum = FLOATS(w[5]) + i * width;
        memset(sum, 0, (size_t)width * 4);
        Word index = pairs[i].index;
        if (i && pairs[i - 1].index == index) continue;
        for (Word k = i; k < count && pairs[k].index == index; ++k)
            add_row(sum, FLOATS(w[2]) + pairs[k].row, w[4], width);
    }
    return 0;
}

// Rows of zeros. Words: table, bytes of a row.
TASK Word clear_rows(const Word* w, Word first, Word last, char* room) {
    (void)room;
    memset((char*)w[0] + first * w[1], 0, (size_t)((last - first) * w[1]));
    return 0;
}

// Each row is added to the table at its index, in the rows' order. A unit is a few columns. Words: pairs, how many,
// rows, elements of one, the step between them, table, columns of a unit.
TASK Word add_rows(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const Pair* pairs = (const Pair*)w[0];
    Word width = w[3], column = w[4], from = first * w[6], columns = MIN(last * w[6], width) - from;
    float *table = FLOATS(w[5]) + from, *rows = FLOATS(w[2]) + from * column;
    for (Word i = 0; i < w[1]; ++i) add_row(table + pairs[i].index * width, rows + pairs[i].row, column, columns);
    return 0;
}

// Words: from, to, bytes of a unit, bytes in all.
TASK Word copy_bytes_of(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word from = first * w[2], to = MIN(last * w[2], w[3]);
    memcpy((char*)w[1] + from, (const char*)w[0] + from, (size_t)(to - from));
    return 0;
}

// A unit is a place (int32, sorted): the first row of each run of equal places goes there. Words: rows, places, table,
// its rows, bytes of a row.
TASK Word put_rows(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const int* places = (const int*)w[1];
    Word bytes = w[4];
    for (Word i = first; i < last; ++i) {
        if (places[i] < 0 || places[i] >= w[3]) return 1;
        if (i && places[i - 1] == places[i]) continue;
        copy_bytes((char*)w[2] + places[i] * bytes, (const char*)w[0] + i * bytes, bytes);
    }
    return 0;
}
