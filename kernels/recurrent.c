// Recurrences over whole sequences, and their derivatives: see gpukeras/ops/recurrent.py for what is computed.
//
// Pre-activations and gates are (time, samples, gates * units), gates side by side in Keras's order: i, f, c, o for
// LSTM; z, r, h for GRU. States are (time + 1, samples, units) with the initial one in front, in the order of the
// steps; all else stands in the order of the input. What the words of a task begin with is said at Walk in recurrent.h;
// then come the arrays of the cell's own, by the names under which its step takes them.

#include "recurrent.h"

// Words: kernel with its strides, units, whether it is transposed, where to, the gates at which parts begin and end.
TASK Word pack_kernel(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word row = w[1], column = w[2], units = w[3];
    for (Word part = first; part < last; ++part) {
        Word gate = w[6 + part], width = (w[7 + part] - gate) * units;
        const float* from = FLOATS(w[0]) + gate * units * column;
        float* to = FLOATS(w[5]) + gate * packed_size(units, units);
        if (w[4]) pack(from, column, row, width, units, to);
        else pack(from, row, column, units, width, to);
    }
    return 0;
}

// A task for each cell and way.
#define WALK(name, way, ...)                                           \
    TASK Word name(const Word* w, Word first, Word last, char* room) { \
        static const Cell cell = {__VA_ARGS__};                        \
        return way(&cell, w, first, last, room);                       \
    }

// ------------------------------------------------------------------------------------------------- simple

static void simple_step(const Walk* x) {
    Array z = x->own[0], states = x->all[0];
    EACH_SAMPLE(x, i) {
        float* state = after(x, states, i);
        sum_rows(state, input(x, z, i), of_block(x->product, x, i) + x->left, x->width);
        activate(x->r.inner, state, x->width);
    }
}

static void simple_step_back(const Walk* x) {
    Array dz = x->own[0], states = x->own[1], dh = x->end[0];
    EACH_LIVE(x, i) {
        memcpy(here(x, dz, i), of_state(x, dh, i), (size_t)x->r.units * 4);
        times_slope(x->r.inner, after(x, states, i), here(x, dz, i), x->r.units);
    }
}

WALK(simple_forward, forward, .carried = 1, .own = 1, .gates = 1, .step = simple_step)
WALK(simple_forward_slices, forward_slices, .carried = 1, .own = 1, .gates = 1, .step = simple_step)
WALK(simple_backward, back, .carried = 1, .own = 2, .gates = 1, .step = simple_step_back, .derivatives = 1)

// --------------------------------------------------------------------------------------------------- LSTM

// c = f c + i g, h = o activation(c).
static void lstm_step(const Walk* x) {
    Array z = x->own[0], gates = x->own[1], states = x->all[0], cells = x->all[1];
    const Recurrence* r = &x->r;
    Word units = r->units, width = x->width;
    EACH_SAMPLE(x, k) {
        float *i = here(x, gates, k), *f = i + units, *g = f + units, *o = g + units;
        float *state = after(x, states, k), *new_cell = after(x, cells, k);
        const float* cell = before(x, cells, k);
        sum_gates(x, 4, i, input(x, z, k), x->product + k * 4 * units + x->left);
        activate_gates(x, 2, r->outer, i);
        activate(r->inner, g, width);
        activate(r->outer, o, width);
        ALONE for (Word j = 0; j < width; ++j) {
            float c = f[j] * cell[j] + i[j] * g[j];
            new_cell[j] = c;
            state[j] = c;
        }
        activate(r->inner, state, width);
        multiply_rows(state, o, state, width);
    }
}

// The derivatives by the gates; of dc what is left for the step before.
static void lstm_step_back(const Walk* x) {
    Array dz = x->own[0], gates = x->own[1], cells = x->own[2], dh = x->end[0], dc = x->end[1];
    const Recurrence* r = &x->r;
    Word units = r->units;
    float *squashed = x->pair, *inner = x->pair + units;
    EACH_LIVE(x, k) {
        const float *i = here(x, gates, k), *f = i + units, *g = f + units, *o = g + units, *cell = before(x, cells, k);
        float *di = here(x, dz, k), *df = di + units, *dg = df + units, *dout = dg + units;
        float *gh = of_state(x, dh, k), *gc = of_state(x, dc, k);
        memcpy(squashed, after(x, cells, k), (size_t)units * 4);
        activate(r->inner, squashed, units);
        multiply_rows(inner, gh, o, units);
        times_slope(r->inner, squashed, inner, units);
        ALONE for (Word j = 0; j < units; ++j) {
            float e = gc[j] + inner[j];
            di[j] = e * g[j];
            df[j] = e * cell[j];
            dg[j] = e * i[j];
            dout[j] = gh[j] * squashed[j];
            gc[j] = e * f[j];
        }
        times_slope(r->outer, i, di, 2 * units);
        times_slope(r->inner, g, dg, units);
        times_slope(r->outer, o, dout, units);
    }
}

WALK(lstm_forward, forward, .carried = 2, .own = 2, .gates = 4, .step = lstm_step)
WALK(lstm_forward_slices, forward_slices, .carried = 2, .own = 2, .gates = 4, .step = lstm_step)
WALK(lstm_backward, back, .carried = 2, .own = 3, .gates = 4, .step = lstm_step_back, .derivatives = 1)

// ---------------------------------------------------------------------------------------------------- GRU

// The state that a step carries over: dropped if there is one factor for all gates.
static const float* carried_state(const Walk* x, const float* state, Word i) {
    if (x->r.drops != 1) return state;
    drop_row(&x->r, x->spare, state, 0, x->from + i);
    return x->spare;
}

// The new state: u carried + (1 - u) candidate.
static void mix(const float* update, const float* carried, const float* candidate, float* state, Word n) {
    ALONE for (Word j = 0; j < n; ++j) state[j] = (carried[j] - candidate[j]) * update[j] + candidate[j];
}

// From dh, the derivative by the new state: d for update and candidate, and what goes through to the old state.
static void unmix(const Walk* x, Array states, Array gates, Word i, float* d) {
    Word units = x->r.units;
    const float *update = here(x, gates, i), *candidate = update + 2 * units;
    const float *carried = carried_state(x, before(x, states, i), i), *g = of_state(x, x->end[0], i);
    float *du = d, *dc = d + 2 * units, *through = of_block(x->through, x, i);
    ALONE for (Word j = 0; j < units; ++j) {
        du[j] = (carried[j] - candidate[j]) * g[j];
        through[j] = g[j] * update[j];
        dc[j] = g[j] - through[j];
    }
    times_slope(x->r.outer, update, du, units);
    times_slope(x->r.inner, candidate, dc, units);
    if (x->r.drops == 1) drop_row(&x->r, through, through, 0, x->from + i);
}

// The state on its way through the reset gate into the candidate's product.
static void reset_state(const Walk* x, const float* state, const float* gate, Word i, float* out) {
    multiply_rows(out, gate, state, x->width);
    if (x->r.drops) drop_row(&x->r, out, out, 2, x->from + i);
}

// Update and reset gate, and the reset state, which all of the candidate's product needs.
static void gru_open(const Walk* x) {
    Array z = x->own[0], gates = x->own[1], states = x->all[0];
    Word units = x->r.units, two = 2 * units;
    EACH_SAMPLE(x, i) {
        float* y = here(x, gates, i);
        sum_gates(x, 2, y, input(x, z, i), x->product + i * two + x->left);
        activate_gates(x, 2, x->r.outer, y);
        reset_state(x, before(x, states, i), y + units, i, of_block(x->through, x, i) + x->left);
    }
}

static void gru_close(const Walk* x) {
    Array z = x->own[0], gates = x->own[1], states = x->all[0];
    Word units = x->r.units, two = 2 * units, width = x->width;
    gemm_packed(x->rows, width, units, x->through, units, 1, part_of(&x->r, 2) + x->left * units, x->product + x->left,
                units, 0);
    EACH_SAMPLE(x, i) {
        float *update = here(x, gates, i), *candidate = update + two;
        sum_rows(candidate, input(x, z, i) + two, of_block(x->product, x, i) + x->left, width);
        activate(x->r.inner, candidate, width);
        mix(update, carried_state(x, before(x, states, i), i), candidate, after(x, states, i), width);
    }
}

static void gru_step(const Walk* x) {
    gru_open(x);
    gru_close(x);
}

// `resets` are the reset states, in the order of the input.
static void gru_step_back(const Walk* x) {
    Array dz = x->own[0], gates = x->own[1], states = x->own[2], resets = x->own[3];
    Word units = x->r.units, two = 2 * units;
    EACH_SAMPLE(x, i) reset_state(x, before(x, states, i), here(x, gates, i) + units, i, here(x, resets, i));
    EACH_LIVE(x, i) unmix(x, states, gates, i, here(x, dz, i));
    gemm_packed(x->rows, units, units, here(x, dz, 0) + two, 3 * units, 1, part_of(&x->r, 2), x->product, units, 0);
    EACH_LIVE(x, i) {
        const float* reset = here(x, gates, i) + units;
        float *dr = here(x, dz, i) + units, *b = of_block(x->product, x, i), *through = of_block(x->through, x, i);
        if (x->r.drops) drop_row(&x->r, b, b, 2, x->from + i);
        multiply_rows(dr, b, before(x, states, i), units);
        times_slope(x->r.outer, reset, dr, units);
        ALONE for (Word j = 0; j < units; ++j) through[j] += b[j] * reset[j];
    }
}

WALK(gru_forward, forward, .carried = 1, .own = 3, .gates = 2, .step = gru_step)
WALK(gru_forward_slices, forward_slices, .carried = 1, .own = 3, .gates = 2, .step = gru_open, .close = gru_close)
WALK(gru_backward, back, .carried = 1, .own = 4, .gates = 2, .step = gru_step_back, .derivatives = 1, .passes = 1)

// `inner` is the candidate's product and bias, which the reset gate multiplies.
static void gru_after_step(const Walk* x) {
    Array z = x->own[0], bias = x->own[1], gates = x->own[2], inner = x->own[3], states = x->all[0];
    Word units = x->r.units, two = 2 * units, wide = 3 * units, width = x->width;
    EACH_SAMPLE(x, i) {
        float *p = x->product + i * wide + x->left, *y = here(x, gates, i), *candidate = y + two;
        const float *fresh = input(x, z, i) + two, *reset = y + units;
        EACH_RUN(x, 3, j, n) add_row(p + j, bias.at + (x->left + j) * bias.column, bias.column, n);
        memcpy(here(x, inner, i), p + two, (size_t)width * 4);
        sum_gates(x, 2, y, input(x, z, i), p);
        activate_gates(x, 2, x->r.outer, y);
        ALONE for (Word j = 0; j < width; ++j) candidate[j] = fresh[j] + reset[j] * p[two + j];
        activate(x->r.inner, candidate, width);
        mix(y, carried_state(x, before(x, states, i), i), candidate, after(x, states, i), width);
    }
}

// `dsums` are the derivatives by the products and the bias.
static void gru_after_step_back(const Walk* x) {
    Array dsums = x->own[0], dz = x->own[1], gates = x->own[2], states = x->own[3], inner = x->own[4];
    Word units = x->r.units, two = 2 * units;
    EACH_LIVE(x, i) {
        const float* reset = here(x, gates, i) + units;
        float *d = here(x, dz, i), *sums = here(x, dsums, i);
        unmix(x, states, gates, i, d);
        multiply_rows(d + units, d + two, here(x, inner, i), units);
        times_slope(x->r.outer, reset, d + units, units);
        memcpy(sums, d, (size_t)two * 4);
        multiply_rows(sums + two, d + two, reset, units);
    }
}

WALK(gru_after_forward, forward, .carried = 1, .own = 4, .gates = 3, .step = gru_after_step)
WALK(gru_after_forward_slices, forward_slices, .carried = 1, .own = 4, .gates = 3, .step = gru_after_step)
WALK(gru_after_backward, back, .carried = 1, .own = 5, .gates = 3, .step = gru_after_step_back, .derivatives = 2,
     .passes = 1)

// ---------------------------------------------------------------------------------- the kernel's gradient

#define PIECE 256  // rows of states that are dropped, or turned round, for one product

// (time * samples) rows of states before the steps, in the order of the input and dropped, from row `from` on.
static void source_rows(const Recurrence* r, Array states, Word gate, Word from, Word count, float* to) {
    for (Word i = from; i < from + count; ++i, to += r->units) {
        Word place = i / r->samples, sample = i % r->samples;
        const float* state = row(states, place_of(r, place), sample);
        if (r->drops) drop_row(r, to, state, gate, sample);
        else memcpy(to, state, (size_t)r->units * 4);
    }
}

// The sum over steps and samples of (states before the step)' d, for the columns of some gates. A unit is a piece of a
// gate's columns. Words: the states, whether they are ready in the order of the input; d and the step between its rows;
// likewise the gradient; the first gate; and a unit's columns.
TASK Word kernel_gradient(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += HEAD_WORDS;
    Array states = array(w);
    Word ready = w[4], d_row = w[6], out_row = w[8], gate = w[9], width = w[10], units = r.units;
    Word pieces = (units + width - 1) / width, rows = r.time * r.samples;
    float* source = FLOATS(room);
    char* rest = room + PIECE * units * 4;
    for (Word unit = first; unit < last; ++unit) {
        Word g = gate + unit / pieces, column = unit % pieces * width, columns = MIN(width, units - column);
        const float* d = FLOATS(w[5]) + g * units + column;
        float* out = FLOATS(w[7]) + g * units + column;
        if (ready) {
            gemm(units, columns, rows, states.at, 1, units, d, d_row, 1, out, out_row, 0, room);
            continue;
        }
        for (Word i = 0; i < rows; i += PIECE) {
            Word count = MIN(PIECE, rows - i);
            source_rows(&r, states, g, i, count, source);
            gemm(units, columns, count, source, 1, units, d + i * d_row, d_row, 1, out, out_row, i > 0, rest);
        }
    }
    return 0;
}
