// Batch normalization and its derivative. An array is (outer, features, inner) without gaps; where the features come
// last, inner is 1. Statistics are taken part by part, a part being some of `outer`, small enough for the second-level
// cache: the mean of each feature there, the squared distances from that mean; and are joined exactly (Chan, Golub and
// LeVeque, 1979).

#include "tasks.h"

#define WIDE 256  // sums that are taken side by side

typedef struct {
    Word outer, features, inner;
} Shape;

// Where the features come last: STATEMENT for each element `i` of `rows` rows of `width` elements, `stride` apart; `j` is
// the place of its sums. If there are no gaps, `beside` rows are one, and each has sums of its own.
#define EACH_ELEMENT(rows, width, stride, beside, STATEMENT)                                       \
    {                                                                                              \
        Word r = 0;                                                                                \
        for (; r + (beside) <= (rows); r += (beside))                                              \
            ALONE for (Word j = 0; j < (beside) * (width); ++j) { Word i = r * (stride) + j; STATEMENT } \
        for (; r < (rows); ++r)                                                                    \
            ALONE for (Word j = 0; j < (width); ++j) { Word i = r * (stride) + j; STATEMENT }      \
    }

static inline Word rows_beside(Word width, Word features) { return width == features ? MAX(WIDE / width, 1) : 1; }

static inline double total(const float* sums, Word feature, Word width, Word beside) {
    double sum = 0;
    for (Word k = 0; k < beside; ++k) sum += sums[k * width + feature];
    return sum;
}

static void repeat(float* to, const float* row, Word width, Word beside) {
    for (Word k = 0; k < beside; ++k) memcpy(to + k * width, row, (size_t)width * sizeof *to);
}

// The means of `width` features of a part, and the squared distances.
static void column_statistics(const float* x, Word rows, Word width, Word features, double* means, double* squares) {
    Word beside = rows_beside(width, features);
    float sums[WIDE] = {0}, centre[WIDE], mean[WIDE];
    EACH_ELEMENT(rows, width, features, beside, sums[j] += x[i];)
    for (Word f = 0; f < width; ++f) {
        mean[f] = (float)(total(sums, f, width, beside) / (double)rows);
        means[f] = mean[f];
    }
    repeat(centre, mean, width, beside);
    memset(sums, 0, sizeof sums);
    EACH_ELEMENT(rows, width, features, beside, float d = x[i] - centre[j]; sums[j] += d * d;)
    for (Word f = 0; f < width; ++f) squares[f] = total(sums, f, width, beside);
}

// The sums of g and of g (x - mean).
static void column_products(const float* g, const float* x, const float* mean, Word rows, Word width, Word features,
                            double* plain, double* weighted) {
    Word beside = rows_beside(width, features);
    float sums[WIDE] = {0}, products[WIDE] = {0}, centre[WIDE];
    repeat(centre, mean, width, beside);
    EACH_ELEMENT(rows, width, features, beside, sums[j] += g[i]; products[j] += g[i] * (x[i] - centre[j]);)
    for (Word f = 0; f < width; ++f) {
        plain[f] = total(sums, f, width, beside);
        weighted[f] = total(products, f, width, beside);
    }
}

// The same sums of a line of one feature, added to *plain and *weighted.
static void line_products(const float* g, const float* x, float mean, Word n, double* plain, double* weighted) {
    float sums[LANES * 4] = {0}, products[LANES * 4] = {0};
    EACH_ELEMENT(n / (LANES * 4), LANES * 4, LANES * 4, 1, sums[j] += g[i]; products[j] += g[i] * (x[i] - mean);)
    for (Word i = n / (LANES * 4) * (LANES * 4), j = 0; i < n; ++i, ++j) {
        sums[j] += g[i];
        products[j] += g[i] * (x[i] - mean);
    }
    *plain += total(sums, 0, 1, LANES * 4);
    *weighted += total(products, 0, 1, LANES * 4);
}

static void line_sums(const float* x, float mean, Word n, double* plain, double* squares) {
    float sums[LANES * 4] = {0}, products[LANES * 4] = {0};
    EACH_ELEMENT(n / (LANES * 4), LANES * 4, LANES * 4, 1, float d = x[i] - mean; sums[j] += d; products[j] += d * d;)
    for (Word i = n / (LANES * 4) * (LANES * 4), j = 0; i < n; ++i, ++j) {
        float d = x[i] - mean;
        sums[j] += d;
        products[j] += d * d;
    }
    *plain += total(sums, 0, 1, LANES * 4);
    *squares += total(products, 0, 1, LANES * 4);
}

// A unit is a part. Words: x, two numbers for each part and feature, the shape, `outer` of a part.
TASK Word statistics(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[2], w[3], w[4]};
    for (Word part = first; part < last; ++part) {
        Word from = part * w[5], rows = MIN(w[5], s.outer - from);
        const float* x = FLOATS(w[0]) + from * s.features * s.inner;
        double *means = (double*)w[1] + 2 * part * s.features, *squares = means + s.features;
        if (s.inner == 1) {
            for (Word f = 0; f < s.features; f += WIDE)
                column_statistics(x + f, rows, MIN(WIDE, s.features - f), s.features, means + f, squares + f);
            continue;
        }
        for (Word f = 0; f < s.features; ++f) {
            double sum = 0, square = 0, n = (double)(rows * s.inner);
            for (Word r = 0; r < rows; ++r) line_sums(x + (r * s.features + f) * s.inner, 0, s.inner, &sum, &square);
            float mean = (float)(sum / n);
            sum = square = 0;
            for (Word r = 0; r < rows; ++r) line_sums(x + (r * s.features + f) * s.inner, mean, s.inner, &sum, &square);
            means[f] = mean + sum / n;
            squares[f] = square - sum * sum / n;
        }
    }
    return 0;
}

// A unit is a feature. Words: the parts' numbers, mean, variance, gamma, from one gamma to the next, beta likewise, the
// factors and betas of `normalize`, the shape, `outer` of a part, epsilon.
TASK Word join_statistics(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[8], w[9], w[10]};
    Word each = w[11], parts = (s.outer + each - 1) / each;
    for (Word f = first; f < last; ++f) {
        const double* numbers = (const double*)w[0] + f;
        double mean = 0, square = 0, all = (double)(s.outer * s.inner);
        for (Word p = 0; p < parts; ++p)
            mean += numbers[2 * p * s.features] * (double)(MIN(each, s.outer - p * each) * s.inner) / all;
        for (Word p = 0; p < parts; ++p) {
            double away = numbers[2 * p * s.features] - mean;
            square += numbers[(2 * p + 1) * s.features] + away * away * (double)(MIN(each, s.outer - p * each) * s.inner);
        }
        FLOATS(w[1])[f] = (float)mean;
        FLOATS(w[2])[f] = (float)(square / all);
        FLOATS(w[7])[f] = FLOATS(w[3])[f * w[4]] / sqrtf((float)(square / all) + (float)number(w[12]));
        FLOATS(w[7])[s.features + f] = FLOATS(w[5])[f * w[6]];
    }
    return 0;
}

// Numbers for each feature, repeated if they are few: the period that results.
static Word widen(Word features, int count, const float** numbers, float (*wide)[WIDE]) {
    if (features > WIDE / 2) return features;
    for (int k = 0; k < count; ++k) {
        repeat(wide[k], numbers[k], features, WIDE / features);
        numbers[k] = wide[k];
    }
    return WIDE / features * features;
}

// y = (x - mean) factor + beta. A unit is some of `outer`. Words: x, y, the means, the factors and behind them the betas,
// the shape, `outer` of a unit.
TASK Word normalize(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[4], w[5], w[6]};
    Word size = w[7] * s.features * s.inner, n = (last - first) * size;
    const float *x = FLOATS(w[0]) + first * size, *numbers[3] = {FLOATS(w[2]), FLOATS(w[3]), FLOATS(w[3]) + s.features};
    float *y = FLOATS(w[1]) + first * size, wide[3][WIDE];
    Word period = s.inner == 1 ? widen(s.features, 3, numbers, wide) : s.inner;
    const float *mean = numbers[0], *factor = numbers[1], *beta = numbers[2];
    for (Word i = 0, f = 0; i < n; i += period, ++f, f = f == s.features ? 0 : f) {
        Word here = MIN(period, n - i);
        if (s.inner == 1) {
            ALONE for (Word j = 0; j < here; ++j) y[i + j] = (x[i + j] - mean[j]) * factor[j] + beta[j];
        } else {
            ALONE for (Word j = 0; j < here; ++j) y[i + j] = (x[i + j] - mean[f]) * factor[f] + beta[f];
        }
    }
    return 0;
}

// A unit is a part. Words: g, x, mean, two numbers for each part and feature, the shape, `outer` of a part.
TASK Word gradient_sums(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[4], w[5], w[6]};
    const float* mean = FLOATS(w[2]);
    for (Word part = first; part < last; ++part) {
        Word from = part * w[7], rows = MIN(w[7], s.outer - from), start = from * s.features * s.inner;
        const float *g = FLOATS(w[0]) + start, *x = FLOATS(w[1]) + start;
        double *plain = (double*)w[3] + 2 * part * s.features, *weighted = plain + s.features;
        for (Word f = 0; f < s.features && s.inner == 1; f += WIDE)
            column_products(g + f, x + f, mean + f, rows, MIN(WIDE, s.features - f), s.features, plain + f, weighted + f);
        for (Word f = 0; f < s.features && s.inner > 1; ++f) {
            plain[f] = weighted[f] = 0;
            for (Word r = 0; r < rows; ++r) {
                Word line = (r * s.features + f) * s.inner;
                line_products(g + line, x + line, mean[f], s.inner, plain + f, weighted + f);
            }
        }
    }
    return 0;
}

// The derivatives for gamma and beta, and what `gradient` needs for each feature: the factors of g and of x - mean, and
// what is added. A unit is a feature. Words: the parts' numbers, variance, gamma, from one to the next, the derivatives
// by mean and by variance likewise, dgamma, dbeta, those factors, the shape, `outer` of a part, epsilon.
TASK Word join_gradient(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[11], w[12], w[13]};
    Word parts = (s.outer + w[14] - 1) / w[14];
    for (Word f = first; f < last; ++f) {
        const double* numbers = (const double*)w[0] + f;
        double plain = 0, weighted = 0, all = (double)(s.outer * s.inner);
        for (Word p = 0; p < parts; ++p) {
            plain += numbers[2 * p * s.features];
            weighted += numbers[(2 * p + 1) * s.features];
        }
        double inverse = 1 / sqrt((double)FLOATS(w[1])[f] + number(w[15])), dgamma = weighted * inverse;
        double scale = (double)FLOATS(w[2])[f * w[3]] * inverse;
        FLOATS(w[8])[f] = (float)dgamma;
        FLOATS(w[9])[f] = (float)plain;
        float* factors = FLOATS(w[10]) + f;
        factors[0] = (float)scale;
        factors[s.features] = (float)((2 * (double)FLOATS(w[6])[f * w[7]] - scale * inverse * dgamma) / all);
        factors[2 * s.features] = (float)(((double)FLOATS(w[4])[f * w[5]] - scale * plain) / all);
    }
    return 0;
}

// dx = scale g + slope (x - mean) + shift. A unit is some of `outer`. Words: g, x, mean, scale, slope and shift of each
// feature, dx, the shape, `outer` of a unit.
TASK Word gradient(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Shape s = {w[5], w[6], w[7]};
    Word size = w[8] * s.features * s.inner, n = (last - first) * size;
    const float *g = FLOATS(w[0]) + first * size, *x = FLOATS(w[1]) + first * size, *factors = FLOATS(w[3]);
    const float* numbers[4] = {FLOATS(w[2]), factors, factors + s.features, factors + 2 * s.features};
    float *dx = FLOATS(w[4]) + first * size, wide[4][WIDE];
    Word period = s.inner == 1 ? widen(s.features, 4, numbers, wide) : s.inner;
    const float *mean = numbers[0], *scale = numbers[1], *slope = numbers[2], *shift = numbers[3];
    for (Word i = 0, f = 0; i < n; i += period, ++f, f = f == s.features ? 0 : f) {
        Word here = MIN(period, n - i);
        if (s.inner == 1) {
            ALONE for (Word j = 0; j < here; ++j)
                dx[i + j] = scale[j] * g[i + j] + slope[j] * (x[i + j] - mean[j]) + shift[j];
        } else {
            ALONE for (Word j = 0; j < here; ++j)
                dx[i + j] = scale[f] * g[i + j] + slope[f] * (x[i + j] - mean[f]) + shift[f];
        }
    }
    return 0;
}
