// Softmax, its logarithm and the crossentropies over the last axis, row by row; no row knows of the others. `w[k]` that
// are not arrays: the numbers of columns, and of rows of a unit. A gradient per row (`g`) may lie with gaps, so it comes
// with its layout. Labels are Word or, where the word after them says 4, int.

#include "functions.h"
#include "layout.h"

#define SIDE 32  // partial results side by side

#define ROWS(columns, per_unit)                                                              \
    Word n = columns, stop = last * (per_unit);                                              \
    (void)room;                                                                              \
    for (Word row = first * (per_unit); row < stop; ++row)

static inline float largest(const float* x, Word n) {
    float best[SIDE];
    for (int j = 0; j < SIDE; ++j) best[j] = -INFINITY;
    Word i = 0;
    for (; i + SIDE <= n; i += SIDE)
        ALONE for (int j = 0; j < SIDE; ++j) best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
    ALONE for (Word j = 0; j < n - i; ++j) best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
    for (int half = SIDE / 2; half; half /= 2)
        ALONE for (int j = 0; j < half; ++j) best[j] = best[j + half] > best[j] ? best[j + half] : best[j];
    return best[0];
}

// The sum over i < n of VALUE, in which i is the column.
#define SUM(result, n, VALUE)                                                                \
    float result;                                                                            \
    {                                                                                        \
        float sums[SIDE];                                                                    \
        for (int j = 0; j < SIDE; ++j) sums[j] = 0;                                          \
        Word from = 0;                                                                       \
        for (; from + SIDE <= (n); from += SIDE)                                             \
            ALONE for (int j = 0; j < SIDE; ++j) { Word i = from + j; sums[j] += VALUE; }    \
        ALONE for (Word j = 0; j < (n) - from; ++j) { Word i = from + j; sums[j] += VALUE; } \
        for (int half = SIDE / 2; half; half /= 2)                                           \
            ALONE for (int j = 0; j < half; ++j) sums[j] += sums[j + half];                  \
        result = sums[0];                                                                    \
    }

// log(sum(exp(x - shift))), and in *shift the largest x.
static inline float log_sum(const float* x, Word n, float* shift) {
    float top = largest(x, n);
    SUM(total, n, exp_float(x[i] - top))
    *shift = top;
    return log_float(total);
}

// The label of a row, or -1 for one that is no class.
static inline Word label_of(const char* labels, Word bytes, Word row, Word classes) {
    Word label = bytes == 4 ? (Word)((const int*)labels)[row] : ((const Word*)labels)[row];
    return label < 0 || label >= classes ? -1 : label;
}

// Words: logits, result, columns, rows of a unit.
TASK Word softmax(const Word* w, Word first, Word last, char* room) {
    ROWS(w[2], w[3]) {
        const float* x = FLOATS(w[0]) + row * n;
        float* y = FLOATS(w[1]) + row * n;
        float top = largest(x, n);
        ALONE for (Word i = 0; i < n; ++i) y[i] = exp_float(x[i] - top);
        SUM(total, n, y[i])
        ALONE for (Word i = 0; i < n; ++i) y[i] = y[i] / total;
    }
    return 0;
}

// Words: g, the softmax's result y, result, columns, rows of a unit.
TASK Word softmax_gradient(const Word* w, Word first, Word last, char* room) {
    ROWS(w[3], w[4]) {
        const float *g = FLOATS(w[0]) + row * n, *y = FLOATS(w[1]) + row * n;
        float* out = FLOATS(w[2]) + row * n;
        SUM(total, n, g[i] * y[i])
        ALONE for (Word i = 0; i < n; ++i) out[i] = y[i] * (g[i] - total);
    }
    return 0;
}

// As softmax.
TASK Word log_softmax(const Word* w, Word first, Word last, char* room) {
    ROWS(w[2], w[3]) {
        const float* x = FLOATS(w[0]) + row * n;
        float *y = FLOATS(w[1]) + row * n, top, rest = log_sum(x, n, &top);
        ALONE for (Word i = 0; i < n; ++i) y[i] = x[i] - top - rest;
    }
    return 0;
}

// As softmax_gradient.
TASK Word log_softmax_gradient(const Word* w, Word first, Word last, char* room) {
    ROWS(w[3], w[4]) {
        const float *g = FLOATS(w[0]) + row * n, *y = FLOATS(w[1]) + row * n;
        float* out = FLOATS(w[2]) + row * n;
        SUM(total, n, g[i])
        ALONE for (Word i = 0; i < n; ++i) out[i] = g[i] - exp_float(y[i]) * total;
    }
    return 0;
}

// Words: logits, target, result, columns, rows of a unit.
TASK Word dense(const Word* w, Word first, Word last, char* room) {
    ROWS(w[3], w[4]) {
        const float *x = FLOATS(w[0]) + row * n, *target = FLOATS(w[1]) + row * n;
        float top, rest = log_sum(x, n, &top);
        SUM(total, n, (rest - (x[i] - top)) * target[i])
        FLOATS(w[2])[row] = total;
    }
    return 0;
}

// Words: g, its layout, the softmax p, target, result, columns, rows of a unit.
TASK Word dense_gradient(const Word* w, Word first, Word last, char* room) {
    ROWS(w[5], w[6]) {
        const float *p = FLOATS(w[2]) + row * n, *target = FLOATS(w[3]) + row * n;
        float *out = FLOATS(w[4]) + row * n, g = *FLOATS(w[0] + place((const Word*)w[1], row));
        SUM(total, n, target[i])
        ALONE for (Word i = 0; i < n; ++i) out[i] = g * (p[i] * total - target[i]);
    }
    return 0;
}

// Words: logits, labels, bytes of a label, result, columns, rows of a unit.
TASK Word sparse(const Word* w, Word first, Word last, char* room) {
    ROWS(w[4], w[5]) {
        const float* x = FLOATS(w[0]) + row * n;
        Word label = label_of((const char*)w[1], w[2], row, n);
        if (label < 0) return 1;
        float top, rest = log_sum(x, n, &top);
        FLOATS(w[3])[row] = rest - (x[label] - top);
    }
    return 0;
}

// Words: g, its layout, the softmax p, labels, bytes of a label, result, columns, rows of a unit.
TASK Word sparse_gradient(const Word* w, Word first, Word last, char* room) {
    ROWS(w[6], w[7]) {
        const float* p = FLOATS(w[2]) + row * n;
        float *out = FLOATS(w[5]) + row * n, g = *FLOATS(w[0] + place((const Word*)w[1], row));
        Word label = label_of((const char*)w[3], w[4], row, n);
        if (label < 0) return 1;
        float own = p[label];
        ALONE for (Word i = 0; i < n; ++i) out[i] = g * p[i];
        out[label] = g * (own - 1.0f);
    }
    return 0;
}
