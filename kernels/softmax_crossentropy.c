// Softmax, its logarithm and the crossentropies over the last axis. No row knows of the others.
//
// Rows are taken to the thread's room as a table of lines of SIDE numbers, and each step is a loop over lines. Of narrow
// rows a line has the same column of SIDE rows; a wide row fills the lines one after the other, with padding at the end,
// and what is made of its lines (a maximum, a sum) is joined across the line. So the same code serves both, and how a
// row is computed depends on its length only.
//
// A gradient for each row (`g`) may lie with gaps, so it comes with its layout. Labels have 8 or 4 bytes.

#include "functions.h"
#include "layout.h"

#define SIDE 16
#define NARROW 32  // columns

#define LINES ALONE for (int j = 0; j < SIDE; ++j)
#define EACH_LINE(table) for (Word k = 0; k < (table).lines; ++k)

typedef struct {
    Word columns, rows, lines;  // rows that it holds now, and lines that they fill
    int wide;
    float *a, *b;               // room for two tables
} Table;

// The tables of `columns` and the loop over all rows of the units, as many at a time as a table holds.
#define EACH_TABLE(table, width, per_unit)                                                                     \
    Word count = width, end = last * (per_unit), wide = count > NARROW;                                        \
    Word filled = wide ? (count + SIDE - 1) / SIDE : count;                                                    \
    Table table = {count, 1, filled, (int)wide, FLOATS(room), FLOATS(room) + filled * SIDE};                   \
    for (Word row = first * (per_unit); row < end && (table.rows = wide ? 1 : MIN(end - row, SIDE), 1); row += table.rows)

static void load(const Table* t, const float* from, float padding, float* to) {
    if (t->wide) {
        memcpy(to, from, (size_t)t->columns * sizeof *to);
        for (Word i = t->columns; i < t->lines * SIDE; ++i) to[i] = padding;
        return;
    }
    for (Word j = 0; j < SIDE; ++j, from += j < t->rows ? t->columns : 0)  // the last row stands for those that are missing
        for (Word k = 0; k < t->columns; ++k) to[k * SIDE + j] = from[k];
}

static void store(const Table* t, const float* from, float* to) {
    if (t->wide) {
        memcpy(to, from, (size_t)t->columns * sizeof *to);
        return;
    }
    for (Word j = 0; j < t->rows; ++j, to += t->columns)
        for (Word k = 0; k < t->columns; ++k) to[k] = from[k * SIDE + j];
}

// Where a table has column `column` of its row number j.
static inline Word at(const Table* t, Word j, Word column) { return t->wide ? column : column * SIDE + j; }

static inline void largest(const Table* t, const float* a, float* top) {
    LINES top[j] = -INFINITY;
    EACH_LINE(*t) LINES top[j] = a[k * SIDE + j] > top[j] ? a[k * SIDE + j] : top[j];
    if (!t->wide) return;
    for (int half = SIDE / 2; half; half /= 2)
        for (int j = 0; j < half; ++j) top[j] = top[j + half] > top[j] ? top[j + half] : top[j];
    for (int j = 1; j < SIDE; ++j) top[j] = top[0];
}

static inline void join_sums(const Table* t, float* sums) {
    if (!t->wide) return;
    for (int half = SIDE / 2; half; half /= 2)
        for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
    for (int j = 1; j < SIDE; ++j) sums[j] = sums[0];
}

static inline void sum(const Table* t, const float* a, float* sums) {
    LINES sums[j] = 0;
    EACH_LINE(*t) LINES sums[j] += a[k * SIDE + j];
    join_sums(t, sums);
}

static inline void sum_products(const Table* t, const float* a, const float* b, float* sums) {
    LINES sums[j] = 0;
    EACH_LINE(*t) LINES sums[j] += a[k * SIDE + j] * b[k * SIDE + j];
    join_sums(t, sums);
}

// a less its maximum, and the logarithm of the sum of its exponentials.
static inline void shift(const Table* t, float* a, float* rest) {
    float top[SIDE];
    largest(t, a, top);
    LINES rest[j] = 0;
    EACH_LINE(*t) LINES {
        float x = a[k * SIDE + j] - top[j];
        a[k * SIDE + j] = x;
        rest[j] += exp_float(x);
    }
    join_sums(t, rest);
    LINES rest[j] = log_float(rest[j]);
}

// The numbers of the rows that a table has now.
static inline void load_numbers(const Table* t, Word numbers, Word layout, Word row, float* to) {
    for (Word j = 0; j < SIDE; ++j) {
        Word from = t->wide ? row : row + MIN(j, t->rows - 1);
        to[j] = *FLOATS(numbers + place((const Word*)layout, from));
    }
}

// The label of a row, or -1 for one that is no class.
static inline Word label_of(Word labels, Word bytes, Word row, Word classes) {
    Word label = bytes == 4 ? (Word)((const int*)labels)[row] : ((const Word*)labels)[row];
    return label < 0 || label >= classes ? -1 : label;
}

// Words: logits, result, columns, rows of a unit.
TASK Word softmax(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[2], w[3]) {
        float top[SIDE], total[SIDE];
        load(&t, FLOATS(w[0]) + row * t.columns, -INFINITY, t.a);
        largest(&t, t.a, top);
        LINES total[j] = 0;
        EACH_LINE(t) LINES {
            float y = exp_float(t.a[k * SIDE + j] - top[j]);
            t.a[k * SIDE + j] = y;
            total[j] += y;
        }
        join_sums(&t, total);
        EACH_LINE(t) LINES t.a[k * SIDE + j] /= total[j];
        store(&t, t.a, FLOATS(w[1]) + row * t.columns);
    }
    return 0;
}

// As softmax.
TASK Word log_softmax(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[2], w[3]) {
        float rest[SIDE];
        load(&t, FLOATS(w[0]) + row * t.columns, -INFINITY, t.a);
        shift(&t, t.a, rest);
        EACH_LINE(t) LINES t.a[k * SIDE + j] -= rest[j];
        store(&t, t.a, FLOATS(w[1]) + row * t.columns);
    }
    return 0;
}

// The gradient of softmax or of its logarithm. Words: g, the result y, the gradient, columns, rows of a unit.
static inline void gradient_by_rows(const Word* w, Word first, Word last, char* room, int logarithm) {
    EACH_TABLE(t, w[3], w[4]) {
        float total[SIDE];
        load(&t, FLOATS(w[0]) + row * t.columns, 0, t.a);
        load(&t, FLOATS(w[1]) + row * t.columns, 0, t.b);
        if (logarithm) sum(&t, t.a, total);
        else sum_products(&t, t.a, t.b, total);
        EACH_LINE(t) LINES {
            float g = t.a[k * SIDE + j], y = t.b[k * SIDE + j];
            t.a[k * SIDE + j] = logarithm ? g - exp_float(y) * total[j] : y * (g - total[j]);
        }
        store(&t, t.a, FLOATS(w[2]) + row * t.columns);
    }
}

TASK Word softmax_gradient(const Word* w, Word first, Word last, char* room) {
    gradient_by_rows(w, first, last, room, 0);
    return 0;
}

TASK Word log_softmax_gradient(const Word* w, Word first, Word last, char* room) {
    gradient_by_rows(w, first, last, room, 1);
    return 0;
}

// Words: logits, target, result, columns, rows of a unit.
TASK Word dense(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[3], w[4]) {
        float rest[SIDE], total[SIDE];
        load(&t, FLOATS(w[0]) + row * t.columns, -INFINITY, t.a);
        load(&t, FLOATS(w[1]) + row * t.columns, 0, t.b);
        shift(&t, t.a, rest);
        for (Word i = t.columns; i < t.lines * SIDE && t.wide; ++i) t.a[i] = 0;  // the padding, which is infinite
        EACH_LINE(t) LINES t.a[k * SIDE + j] = rest[j] - t.a[k * SIDE + j];
        sum_products(&t, t.a, t.b, total);
        for (Word j = 0; j < t.rows; ++j) FLOATS(w[2])[row + j] = total[j];
    }
    return 0;
}

// Words: g, its layout, the softmax p, target, result, columns, rows of a unit.
TASK Word dense_gradient(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[5], w[6]) {
        float g[SIDE], total[SIDE];
        load_numbers(&t, w[0], w[1], row, g);
        load(&t, FLOATS(w[2]) + row * t.columns, 0, t.a);
        load(&t, FLOATS(w[3]) + row * t.columns, 0, t.b);
        sum(&t, t.b, total);
        EACH_LINE(t) LINES t.a[k * SIDE + j] = g[j] * (t.a[k * SIDE + j] * total[j] - t.b[k * SIDE + j]);
        store(&t, t.a, FLOATS(w[4]) + row * t.columns);
    }
    return 0;
}

// Words: logits, labels, bytes of a label, result, columns, rows of a unit.
TASK Word sparse(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[4], w[5]) {
        float rest[SIDE];
        load(&t, FLOATS(w[0]) + row * t.columns, -INFINITY, t.a);
        shift(&t, t.a, rest);
        for (Word j = 0; j < t.rows; ++j) {
            Word label = label_of(w[1], w[2], row + j, t.columns);
            if (label < 0) return 1;
            FLOATS(w[3])[row + j] = rest[j] - t.a[at(&t, j, label)];
        }
    }
    return 0;
}

// Words: g, its layout, the softmax p, labels, bytes of a label, result, columns, rows of a unit.
TASK Word sparse_gradient(const Word* w, Word first, Word last, char* room) {
    EACH_TABLE(t, w[6], w[7]) {
        float g[SIDE];
        load_numbers(&t, w[0], w[1], row, g);
        load(&t, FLOATS(w[2]) + row * t.columns, 0, t.a);
        for (Word j = 0; j < t.rows; ++j) {
            Word label = label_of(w[3], w[4], row + j, t.columns);
            if (label < 0) return 1;
            t.a[at(&t, j, label)] -= 1.0f;
        }
        EACH_LINE(t) LINES t.a[k * SIDE + j] *= g[j];
        store(&t, t.a, FLOATS(w[5]) + row * t.columns);
    }
    return 0;
}
