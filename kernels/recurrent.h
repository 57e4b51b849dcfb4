#pragma once
// What the recurrences of recurrent.c share: arrays, activations of rows, and products with the recurrent kernel.
//
// A unit of work is a block of samples, for which a thread goes through all of time: what passes from one step to the
// next stays in its caches, and so does the recurrent kernel, which a task before has packed.

#include "functions.h"
#include "gemm.h"
#include "rows.h"

// An array (time, samples, features) or (samples, features), anywhere: elements from one to the next along each axis.
typedef struct {
    float* at;
    Word step, row, column;
} Array;

typedef struct {
    Word time, samples, units, gates, block;
    Word inner, outer;     // the activations of the candidate (and of LSTM's cell) and of the other gates
    Word backwards;        // whether the last step of the input comes first
    Word drops;            // dropout factors of a state: 0, 1 or `gates`
    const float* packed;   // the kernel: see pack_kernel
    const Bool* mask;      // (time, samples) or 0: where it is false the states stay as they were
    Word mask_step, mask_row;
    Array drop;            // (drops, samples, units)
} Recurrence;

enum { LINEAR, RELU, SIGMOID, HARD_SIGMOID, TANH };

static inline Array array(const Word* w) { return (Array){FLOATS(w[0]), w[1], w[2], w[3]}; }

static inline Recurrence recurrence(const Word* w) {
    return (Recurrence){w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], FLOATS(w[9]),
                        (const Bool*)w[10], w[11], w[12], array(w + 13)};
}
#define OWN_WORDS 17  // of a Recurrence

static inline float* row(Array a, Word step, Word sample) { return a.at + step * a.step + sample * a.row; }

static inline Word place_of(const Recurrence* r, Word step) { return r->backwards ? r->time - 1 - step : step; }

static inline int live(const Recurrence* r, Word place, Word sample) {
    return !r->mask || r->mask[place * r->mask_step + sample * r->mask_row];
}


// ------------------------------------------------------------------------------------------- rows of features

// A row times its dropout factors for a gate.
static inline void drop_row(const Recurrence* r, float* to, const float* from, Word gate, Word sample) {
    const float* factor = row(r->drop, r->drops > 1 ? gate : 0, sample);
    if (r->drop.column == 1)
        multiply_rows(to, from, factor, r->units);
    else
        for (Word j = 0; j < r->units; ++j) to[j] = from[j] * factor[j * r->drop.column];
}

static inline void clear_row(float* to, Word n) { memset(to, 0, (size_t)n * 4); }

static void activate(Word kind, float* y, Word n) {
    if (kind == TANH) {
        ALONE for (Word j = 0; j < n; ++j) y[j] = tanh_float(y[j]);
    } else if (kind == SIGMOID) {
        ALONE for (Word j = 0; j < n; ++j) y[j] = sigmoid_float(y[j]);
    } else if (kind == RELU) {
        ALONE for (Word j = 0; j < n; ++j) y[j] = y[j] < 0 ? 0 : y[j];
    } else if (kind == HARD_SIGMOID) {
        ALONE for (Word j = 0; j < n; ++j) {
            float x = 0.2f * y[j] + 0.5f;
            y[j] = x < 0 ? 0 : x > 1 ? 1 : x;
        }
    }
}

// d times the slope of an activation where its result is y. Where y is not a number the product isn't one either.
static void times_slope(Word kind, const float* y, float* d, Word n) {
    if (kind == TANH) {
        ALONE for (Word j = 0; j < n; ++j) d[j] *= 1 - y[j] * y[j];
    } else if (kind == SIGMOID) {
        ALONE for (Word j = 0; j < n; ++j) d[j] *= (1 - y[j]) * y[j];
    } else if (kind == RELU) {
        ALONE for (Word j = 0; j < n; ++j) d[j] *= y[j] > 0 ? 1 : 0 * y[j];
    } else if (kind == HARD_SIGMOID) {
        ALONE for (Word j = 0; j < n; ++j) d[j] *= y[j] > 0 && y[j] < 1 ? 0.2f : 0 * y[j];
    }
}

// ------------------------------------------------------------------------- products with the recurrent kernel

// The packed part of the kernel that begins with a gate. Where each has a dropout factor, every gate is a part.
static inline const float* part_of(const Recurrence* r, Word gate) {
    return r->packed + gate * packed_size(r->units, r->units);
}

// out = the block's states, dropped in `dropped`, times the kernel's columns for the first `gates` gates.
static void times_kernel(const Recurrence* r, Word first, Word rows, const float* states, Word gates, float* dropped,
                         float* out) {
    Word units = r->units, parts = r->drops > 1 ? gates : 1, width = gates / parts * units;
    for (Word g = 0; g < parts; ++g) {
        const float* source = states;
        if (r->drops) {
            for (Word i = 0; i < rows; ++i)
                drop_row(r, dropped + i * units, states + i * units, g, first + i);
            source = dropped;
        }
        gemm_packed(rows, width, units, source, units, 1, part_of(r, g), out + g * width, gates * units, 0);
    }
}

// out = d (rows d_row apart), the derivative for such a product, taken back to the states.
static void back_through(const Recurrence* r, Word first, Word rows, const float* d, Word d_row, Word gates,
                         float* spare, float* out) {
    Word units = r->units;
    if (r->drops <= 1) {
        gemm_packed(rows, units, gates * units, d, d_row, 1, r->packed, out, units, 0);
        for (Word i = 0; i < rows && r->drops; ++i)
            drop_row(r, out + i * units, out + i * units, 0, first + i);
        return;
    }
    memset(out, 0, (size_t)(rows * units) * 4);
    for (Word g = 0; g < gates; ++g) {
        gemm_packed(rows, units, units, d + g * units, d_row, 1, part_of(r, g), spare, units, 0);
        for (Word i = 0; i < rows; ++i) {
            drop_row(r, spare + i * units, spare + i * units, g, first + i);
            add_row(out + i * units, spare + i * units, 1, units);
        }
    }
}
