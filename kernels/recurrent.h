#pragma once
// What the recurrences of recurrent.c share: arrays, activations of rows, products with the recurrent kernel, and the
// way through time, forward and back.
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
    const int* numbers;    // (time, samples) or 0: which row of the input each step of a sample takes
} Recurrence;

enum { LINEAR, RELU, SIGMOID, HARD_SIGMOID, TANH };

static inline Array array(const Word* w) { return (Array){FLOATS(w[0]), w[1], w[2], w[3]}; }

static inline Recurrence recurrence(const Word* w) {
    return (Recurrence){w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], FLOATS(w[9]),
                        (const Bool*)w[10], w[11], w[12], array(w + 13), (const int*)w[17]};
}
#define HEAD_WORDS 18  // of a Recurrence

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

// ------------------------------------------------------------------------------------------ the way through time

#define CARRIED 2  // states that go from step to step, at most
#define OWN 5      // other arrays of a cell, at most

// Where a walk is. The words of a task: those of a Recurrence; forward, for each state that is carried on, the initial
// one, all, and the last; back, the derivatives by all states, and for each that is carried on, those by the last and
// by the initial one; then the cell's own arrays.
typedef struct {
    Recurrence r;
    Array begin[CARRIED], all[CARRIED], end[CARRIED], own[OWN];
    Word from, rows;   // the block of samples
    Word left, width;  // the units: all, or a slice of them
    Word step, place;  // the step, and where the input has it
    float* product;    // rows of the block: states times the kernel; on the way back, what came back through it
    float* through;    // rows of the block: on the way back, what passes the product by. Else as a cell likes
    float* spare;      // rows of the block
    float* pair;       // two rows
} Walk;

// What a cell does with a block of samples at a step. `gates` are those of the product with the kernel that is made
// before a step forward and after a step back.
typedef struct {
    Word carried, own, gates;  // states that are carried on, arrays of its own, gates
    void (*step)(const Walk* x);
    Word derivatives;  // the first so many own arrays: what a step back makes, for all gates
    int passes;        // whether a step back leaves something in `through`
    void (*close)(const Walk* x);  // of slices: what ends a step, when all slices have done the rest of it. What they
                                   // have for each other is in `through` then, which is the last own array
} Cell;

// Whether the step counts for sample i of the block.
static inline int lives(const Walk* x, Word i) { return live(&x->r, x->place, x->from + i); }

#define EACH_SAMPLE(x, i) for (Word i = 0; i < (x)->rows; ++i)
#define EACH_LIVE(x, i) EACH_SAMPLE(x, i) if (lives(x, i))

// Its rows, from the first of its units on: of an array in the order of the input, of one in that of the steps, of a
// state, and of the thread's room.
static inline float* here(const Walk* x, Array a, Word i) { return row(a, x->place, x->from + i) + x->left; }
// A row of the input, where it is found by its number if it has one.
static inline const float* input(const Walk* x, Array z, Word i) {
    const int* numbers = x->r.numbers;
    return numbers ? row(z, 0, numbers[x->place * x->r.samples + x->from + i]) + x->left : here(x, z, i);
}
static inline float* before(const Walk* x, Array a, Word i) { return row(a, x->step, x->from + i) + x->left; }
static inline float* after(const Walk* x, Array a, Word i) { return row(a, x->step + 1, x->from + i) + x->left; }
static inline float* of_state(const Walk* x, Array a, Word i) { return row(a, 0, x->from + i); }
static inline float* of_block(float* rows, const Walk* x, Word i) { return rows + i * x->r.units; }

// Runs of units in rows of so many gates, from element j on n of them: one where the walk has all units, otherwise one for
// each gate.
#define EACH_RUN(x, gates, j, n)                                                                        \
    for (Word whole_ = (x)->width == (x)->r.units, end_ = (gates) * (x)->r.units,                       \
              n = whole_ ? end_ : (x)->width, j = 0; j < end_; j += whole_ ? end_ : (x)->r.units)

static inline void sum_gates(const Walk* x, Word gates, float* to, const float* a, const float* b) {
    EACH_RUN(x, gates, j, n) sum_rows(to + j, a + j, b + j, n);
}

static inline void activate_gates(const Walk* x, Word gates, Word kind, float* y) {
    EACH_RUN(x, gates, j, n) activate(kind, y + j, n);
}

static inline Walk walk(const Word* w, char* room) {
    Walk x = {.r = recurrence(w)};
    x.width = x.r.units;
    Word block = x.r.block * x.r.units;
    x.product = FLOATS(room);
    x.through = x.product + block * x.r.gates;
    x.spare = x.through + block;
    x.pair = x.spare + block;
    return x;
}

static inline void take_own(const Cell* cell, Walk* x, const Word* w) {
    for (Word k = 0; k < cell->own; ++k) x->own[k] = array(w + 4 * k);
}

static inline void take_block(Walk* x, Word unit) {
    x->from = unit * x->r.block;
    x->rows = MIN(x->r.block, x->r.samples - x->from);
}

static inline void go_to(Walk* x, Word step) {
    x->step = step;
    x->place = place_of(&x->r, step);
}

// The block's rows at a step, from one array to another.
static inline void copy_rows(const Walk* x, Array to, Word to_step, Array from, Word from_step) {
    for (Word i = x->from; i < x->from + x->rows; ++i)
        copy_row(row(to, to_step, i) + x->left, row(from, from_step, i) + x->left * from.column, from.column, x->width);
}

static inline Walk walk_forward(const Cell* cell, const Word* w, char* room) {
    Walk x = walk(w, room);
    w += HEAD_WORDS;
    for (Word k = 0; k < cell->carried; ++k, w += 12) {
        x.begin[k] = array(w);
        x.all[k] = array(w + 4);
        x.end[k] = array(w + 8);
    }
    take_own(cell, &x, w);
    return x;
}

static inline void begin_forward(const Cell* cell, const Walk* x) {
    for (Word k = 0; k < cell->carried; ++k) copy_rows(x, x->all[k], 0, x->begin[k], 0);
}

// Where a step does not count the states stay as they were.
static inline void hold_states(const Cell* cell, const Walk* x) {
    EACH_SAMPLE(x, i)
        for (Word k = 0; k < cell->carried && !lives(x, i); ++k)
            copy_row(after(x, x->all[k], i), before(x, x->all[k], i), 1, x->width);
}

static inline void end_forward(const Cell* cell, const Walk* x) {
    for (Word k = 0; k < cell->carried; ++k) copy_rows(x, x->end[k], 0, x->all[k], x->r.time);
}

// Units first ... last-1, forward.
static inline Word forward(const Cell* cell, const Word* w, Word first, Word last, char* room) {
    Walk x = walk_forward(cell, w, room);
    for (Word unit = first; unit < last; ++unit) {
        take_block(&x, unit);
        begin_forward(cell, &x);
        for (Word step = 0; step < x.r.time; ++step) {
            go_to(&x, step);
            times_kernel(&x.r, x.from, x.rows, before(&x, x.all[0], 0), cell->gates, x.spare, x.product);
            cell->step(&x);
            hold_states(cell, &x);
        }
        end_forward(cell, &x);
    }
    return 0;
}

#define BESIDE 4  // panels that are multiplied with one row at the same time: the sums of one alone would wait for each other

// A row times some panels, or that added to c: the same bits as from `gemm_packed`. A panel may be given twice.
INLINE void row_by_panels(Word k, const float* a, const float* const* panels, float* const* c, int add) {
    Vector sums[2 * BESIDE];
    UNROLL for (int i = 0; i < 2 * BESIDE; ++i) sums[i] = (Vector){0};
    for (Word p = 0; p < k; ++p)
        UNROLL for (int i = 0; i < 2 * BESIDE; ++i)
            sums[i] += a[p] * load(panels[i / 2] + p * TILE_COLUMNS + i % 2 * LANES);
    UNROLL for (int i = 0; i < 2 * BESIDE && add; ++i) sums[i] += load(c[i / 2] + i % 2 * LANES);
    UNROLL for (int i = 0; i < 2 * BESIDE; ++i) *(Vector*)(c[i / 2] + i % 2 * LANES) = sums[i];
}

// The product of the one state with the kernel's columns for a slice of units.
static inline void multiply_slice(const Walk* x, Word gates) {
    Word units = x->r.units, panels = x->width / TILE_COLUMNS, depth = piece_depth(units);
    const float *state = row(x->all[0], x->step, 0), *from[BESIDE];
    float* to[BESIDE];
    for (Word n = 0; n < gates * panels; n += BESIDE)
        for (Word p = 0; p < units; p += depth) {
            for (Word i = 0; i < BESIDE; ++i) {  // the last may be made more than once
                Word panel = MIN(n + i, gates * panels - 1);
                Word column = panel / panels * units + x->left + panel % panels * TILE_COLUMNS;
                from[i] = x->r.packed + column * units + p * TILE_COLUMNS;
                to[i] = x->product + column;
            }
            row_by_panels(MIN(units - p, depth), state + p, from, to, p > 0);
        }
}

// The same for a single sample, shared by threads that meet at each step. A round has a unit for each slice of the
// recurrence's units (whole panels of the kernel; the last word says how many): the first makes the states ready, then
// come one or two for each step. There is no dropout.
static inline Word forward_slices(const Cell* cell, const Word* w, Word first, Word last, char* room) {
    Walk x = walk_forward(cell, w, room);
    Word slices = w[HEAD_WORDS + 12 * cell->carried + 4 * cell->own], rounds = cell->close ? 2 : 1;
    if (cell->close) x.through = x.own[cell->own - 1].at;
    x.width = x.r.units / slices;
    x.rows = 1;
    for (Word unit = first; unit < last; ++unit) {
        Word round = unit / slices - 1, ends = round % rounds == rounds - 1;
        x.left = unit % slices * x.width;
        if (round < 0) {
            begin_forward(cell, &x);
            continue;
        }
        go_to(&x, round / rounds);
        if (round % rounds) cell->close(&x);
        else {
            multiply_slice(&x, cell->gates);
            cell->step(&x);
        }
        if (ends) hold_states(cell, &x);
        if (ends && x.step == x.r.time - 1) end_forward(cell, &x);
    }
    return 0;
}

// And back. The derivatives by the states that a step makes are in `end`, where those by the states that it takes
// replace them: of h here, of others by the cell.
static inline Word back(const Cell* cell, const Word* w, Word first, Word last, char* room) {
    Walk x = walk(w, room);
    Word units = x.r.units, wide = x.r.gates * units;
    Array all = x.all[0] = array(w + HEAD_WORDS);
    w += HEAD_WORDS + 4;
    for (Word k = 0; k < cell->carried; ++k, w += 8) {
        x.begin[k] = array(w);
        x.end[k] = array(w + 4);
    }
    take_own(cell, &x, w);
    Array d = x.end[0];
    for (Word unit = first; unit < last; ++unit) {
        take_block(&x, unit);
        for (Word k = 0; k < cell->carried; ++k) copy_rows(&x, x.end[k], 0, x.begin[k], 0);
        for (Word step = x.r.time; step-- > 0;) {
            go_to(&x, step);
            EACH_SAMPLE(&x, i) {
                add_row(of_state(&x, d, i), after(&x, all, i), all.column, units);
                for (Word k = 0; k < cell->derivatives && !lives(&x, i); ++k) clear_row(here(&x, x.own[k], i), wide);
            }
            cell->step(&x);
            back_through(&x.r, x.from, x.rows, here(&x, x.own[0], 0), wide, cell->gates, x.spare, x.product);
            EACH_LIVE(&x, i) {
                float *to = of_state(&x, d, i), *product = of_block(x.product, &x, i);
                if (cell->passes) sum_rows(to, of_block(x.through, &x, i), product, units);
                else memcpy(to, product, (size_t)units * 4);
            }
        }
        EACH_SAMPLE(&x, i) add_row(of_state(&x, d, i), row(all, 0, x.from + i), all.column, units);
    }
    return 0;
}
