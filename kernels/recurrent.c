// Recurrences over whole sequences, and their derivatives: see gpukeras/ops/recurrent.py for what is computed.
//
// Pre-activations and gates are (time, samples, gates * units), gates side by side in Keras's order: i, f, c, o for
// LSTM; z, r, h for GRU. States are (time + 1, samples, units) with the initial one in front, in the order of the
// steps; all else stands in the order of the input. The words of a task begin with those of a Recurrence.

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

// The block of samples that is unit `unit`: its first, and how many.
static Word block_of(const Recurrence* r, Word unit, Word* first) {
    *first = unit * r->block;
    return MIN(r->block, r->samples - *first);
}

static void copy_rows(Array to, Word to_step, Array from, Word from_step, Word first, Word rows, Word n) {
    for (Word i = first; i < first + rows; ++i) copy_row(row(to, to_step, i), row(from, from_step, i), from.column, n);
}

// ------------------------------------------------------------------------------------------------- simple

// Words: z, h; states, last.
TASK Word simple_forward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array z = array(w), h = array(w + 4), states = array(w + 8), end = array(w + 12);
    Word units = r.units;
    float *product = FLOATS(room), *dropped = product + r.block * units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(states, 0, h, 0, from, rows, units);
        for (Word step = 0; step < r.time; ++step) {
            Word place = place_of(&r, step);
            times_kernel(&r, from, rows, row(states, step, from), 1, dropped, product);
            for (Word i = 0; i < rows; ++i) {
                float* after = row(states, step + 1, from + i);
                if (live(&r, place, from + i)) {
                    sum_rows(after, row(z, place, from + i), product + i * units, units);
                    activate(r.inner, after, units);
                } else {
                    copy_row(after, row(states, step, from + i), 1, units);
                }
            }
        }
        copy_rows(end, 0, states, r.time, from, rows, units);
    }
    return 0;
}

// Words: dstates, dlast, states; dz, dh.
TASK Word simple_backward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array dstates = array(w), dlast = array(w + 4), states = array(w + 8), dz = array(w + 12), dh = array(w + 16);
    Word units = r.units;
    float *back = FLOATS(room), *spare = back + r.block * units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(dh, 0, dlast, 0, from, rows, units);
        for (Word step = r.time; step-- > 0;) {
            Word place = place_of(&r, step);
            for (Word i = from; i < from + rows; ++i) {
                float *g = row(dh, 0, i), *d = row(dz, place, i);
                add_row(g, row(dstates, step + 1, i), dstates.column, units);
                if (live(&r, place, i)) {
                    memcpy(d, g, (size_t)units * 4);
                    times_slope(r.inner, row(states, step + 1, i), d, units);
                } else {
                    clear_row(d, units);
                }
            }
            back_through(&r, from, rows, row(dz, place, from), units, 1, spare, back);
            for (Word i = 0; i < rows; ++i)
                if (live(&r, place, from + i)) memcpy(row(dh, 0, from + i), back + i * units, (size_t)units * 4);
        }
        for (Word i = from; i < from + rows; ++i) add_row(row(dh, 0, i), row(dstates, 0, i), dstates.column, units);
    }
    return 0;
}

// --------------------------------------------------------------------------------------------------- LSTM

// A step of one sample: c = f c + i g, h = o activation(c).
static void lstm_step(const Recurrence* r, const float* z, const float* product, float* y, const float* cell,
                      float* new_cell, float* state) {
    Word units = r->units;
    sum_rows(y, z, product, 4 * units);
    activate(r->outer, y, 2 * units);
    activate(r->inner, y + 2 * units, units);
    activate(r->outer, y + 3 * units, units);
    const float *i = y, *f = y + units, *g = y + 2 * units, *o = y + 3 * units;
    ALONE for (Word j = 0; j < units; ++j) {
        float c = f[j] * cell[j] + i[j] * g[j];
        new_cell[j] = c;
        state[j] = c;
    }
    activate(r->inner, state, units);
    multiply_rows(state, o, state, units);
}

// Words: z, h, c; gates, states, cells, the last of both.
TASK Word lstm_forward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array z = array(w), h = array(w + 4), c = array(w + 8), gates = array(w + 12), states = array(w + 16),
          cells = array(w + 20), last_h = array(w + 24), last_c = array(w + 28);
    Word units = r.units, wide = 4 * units;
    float *product = FLOATS(room), *dropped = product + r.block * wide;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(states, 0, h, 0, from, rows, units);
        copy_rows(cells, 0, c, 0, from, rows, units);
        for (Word step = 0; step < r.time; ++step) {
            Word place = place_of(&r, step);
            times_kernel(&r, from, rows, row(states, step, from), 4, dropped, product);
            for (Word i = from; i < from + rows; ++i) {
                float *state = row(states, step + 1, i), *cell = row(cells, step + 1, i);
                lstm_step(&r, row(z, place, i), product + (i - from) * wide, row(gates, place, i), row(cells, step, i),
                          cell, state);
                if (!live(&r, place, i)) {
                    copy_row(state, row(states, step, i), 1, units);
                    copy_row(cell, row(cells, step, i), 1, units);
                }
            }
        }
        copy_rows(last_h, 0, states, r.time, from, rows, units);
        copy_rows(last_c, 0, cells, r.time, from, rows, units);
    }
    return 0;
}

// Back through a step of one sample: d by its gates, and what is left of gc for the step before.
static void lstm_step_back(const Recurrence* r, const float* y, const float* cell, const float* new_cell,
                           const float* gh, float* gc, float* d, float* squashed, float* inner) {
    Word units = r->units;
    const float *i = y, *f = y + units, *g = y + 2 * units, *o = y + 3 * units;
    float *di = d, *df = d + units, *dg = d + 2 * units, *dout = d + 3 * units;
    memcpy(squashed, new_cell, (size_t)units * 4);
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
    times_slope(r->outer, y, d, 2 * units);
    times_slope(r->inner, y + 2 * units, dg, units);
    times_slope(r->outer, y + 3 * units, dout, units);
}

// Words: dstates, dlast_h, dlast_c, gates, states, cells; dz, dh, dc.
TASK Word lstm_backward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array dstates = array(w), dlast_h = array(w + 4), dlast_c = array(w + 8), gates = array(w + 12),
          cells = array(w + 20), dz = array(w + 24), dh = array(w + 28), dc = array(w + 32);
    Word units = r.units, wide = 4 * units;
    float *back = FLOATS(room), *spare = back + r.block * units, *squashed = spare + r.block * units,
          *inner = squashed + units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(dh, 0, dlast_h, 0, from, rows, units);
        copy_rows(dc, 0, dlast_c, 0, from, rows, units);
        for (Word step = r.time; step-- > 0;) {
            Word place = place_of(&r, step);
            for (Word i = from; i < from + rows; ++i) {
                float* gh = row(dh, 0, i);
                add_row(gh, row(dstates, step + 1, i), dstates.column, units);
                if (live(&r, place, i))
                    lstm_step_back(&r, row(gates, place, i), row(cells, step, i), row(cells, step + 1, i), gh,
                                   row(dc, 0, i), row(dz, place, i), squashed, inner);
                else
                    clear_row(row(dz, place, i), wide);
            }
            back_through(&r, from, rows, row(dz, place, from), wide, 4, spare, back);
            for (Word i = 0; i < rows; ++i)
                if (live(&r, place, from + i)) memcpy(row(dh, 0, from + i), back + i * units, (size_t)units * 4);
        }
        for (Word i = from; i < from + rows; ++i) add_row(row(dh, 0, i), row(dstates, 0, i), dstates.column, units);
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------------- GRU

// The state that a step carries over: dropped in `carried` if there is one factor for all gates.
static const float* carried_state(const Recurrence* r, const float* before, Word sample, float* carried) {
    if (r->drops != 1) return before;
    drop_row(r, carried, before, 0, sample);
    return carried;
}

// The new state: u carried + (1 - u) candidate.
static void mix(const float* update, const float* carried, const float* candidate, float* after, Word n) {
    ALONE for (Word j = 0; j < n; ++j) after[j] = (carried[j] - candidate[j]) * update[j] + candidate[j];
}

// The state on its way through the reset gate into the candidate's product.
static void reset_state(const Recurrence* r, const float* before, const float* gate, Word sample, float* out) {
    multiply_rows(out, gate, before, r->units);
    if (r->drops) drop_row(r, out, out, 2, sample);
}

// Words: z, h; gates, states, last.
TASK Word gru_forward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array z = array(w), h = array(w + 4), gates = array(w + 8), states = array(w + 12), end = array(w + 16);
    Word units = r.units, two = 2 * units;
    float *product = FLOATS(room), *reset = product + r.block * two, *dropped = reset + r.block * units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(states, 0, h, 0, from, rows, units);
        for (Word step = 0; step < r.time; ++step) {
            Word place = place_of(&r, step);
            times_kernel(&r, from, rows, row(states, step, from), 2, dropped, product);
            for (Word i = 0; i < rows; ++i) {
                float* y = row(gates, place, from + i);
                sum_rows(y, row(z, place, from + i), product + i * two, two);
                activate(r.outer, y, two);
                reset_state(&r, row(states, step, from + i), y + units, from + i, reset + i * units);
            }
            gemm_packed(rows, units, units, reset, units, 1, part_of(&r, 2), product, units, 0);
            for (Word i = from; i < from + rows; ++i) {
                float *candidate = row(gates, place, i) + two, *after = row(states, step + 1, i);
                const float *before = row(states, step, i), *carried = carried_state(&r, before, i, dropped);
                sum_rows(candidate, row(z, place, i) + two, product + (i - from) * units, units);
                activate(r.inner, candidate, units);
                if (live(&r, place, i)) mix(row(gates, place, i), carried, candidate, after, units);
                else copy_row(after, before, 1, units);
            }
        }
        copy_rows(end, 0, states, r.time, from, rows, units);
    }
    return 0;
}

// From g, the derivative by the new state: d for update and candidate, and what goes through to the carried state.
static void unmix(const Recurrence* r, const float* y, const float* carried, const float* g, float* d, float* through) {
    Word units = r->units;
    const float *update = y, *candidate = y + 2 * units;
    float *du = d, *dc = d + 2 * units;
    ALONE for (Word j = 0; j < units; ++j) {
        du[j] = (carried[j] - candidate[j]) * g[j];
        through[j] = g[j] * update[j];
        dc[j] = g[j] - through[j];
    }
    times_slope(r->outer, update, du, units);
    times_slope(r->inner, candidate, dc, units);
}

// The derivative by the state before a step: what went through, dropped if there is one factor for all, and what came
// back through the product.
static void collect(const Recurrence* r, Word sample, const float* through, const float* back, float* g) {
    if (r->drops == 1) drop_row(r, g, through, 0, sample);
    else memcpy(g, through, (size_t)r->units * 4);
    add_row(g, back, 1, r->units);
}

// Words: dstates, dlast, gates, states; dz, dh, the reset states in the order of the input.
TASK Word gru_backward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array dstates = array(w), dlast = array(w + 4), gates = array(w + 8), states = array(w + 12), dz = array(w + 16),
          dh = array(w + 20), resets = array(w + 24);
    Word units = r.units, wide = 3 * units;
    float *back = FLOATS(room), *spare = back + r.block * units, *through = spare + r.block * units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(dh, 0, dlast, 0, from, rows, units);
        for (Word step = r.time; step-- > 0;) {
            Word place = place_of(&r, step);
            for (Word i = 0; i < rows; ++i) {
                const float *y = row(gates, place, from + i), *before = row(states, step, from + i);
                float *g = row(dh, 0, from + i), *d = row(dz, place, from + i);
                add_row(g, row(dstates, step + 1, from + i), dstates.column, units);
                reset_state(&r, before, y + units, from + i, row(resets, place, from + i));
                if (live(&r, place, from + i))
                    unmix(&r, y, carried_state(&r, before, from + i, spare), g, d, through + i * units);
                else
                    clear_row(d, wide);
            }
            gemm_packed(rows, units, units, row(dz, place, from) + 2 * units, wide, 1, part_of(&r, 2), back, units, 0);
            for (Word i = 0; i < rows; ++i) {
                if (!live(&r, place, from + i)) continue;
                const float *y = row(gates, place, from + i), *before = row(states, step, from + i), *reset = y + units;
                float *dr = row(dz, place, from + i) + units, *b = back + i * units;
                if (r.drops) drop_row(&r, b, b, 2, from + i);
                multiply_rows(dr, b, before, units);
                times_slope(r.outer, reset, dr, units);
                float* t = through + i * units;
                if (r.drops == 1) drop_row(&r, t, t, 0, from + i);
                ALONE for (Word j = 0; j < units; ++j) t[j] += b[j] * reset[j];
            }
            back_through(&r, from, rows, row(dz, place, from), wide, 2, spare, back);
            for (Word i = 0; i < rows; ++i)
                if (live(&r, place, from + i))
                    sum_rows(row(dh, 0, from + i), through + i * units, back + i * units, units);
        }
        for (Word i = from; i < from + rows; ++i) add_row(row(dh, 0, i), row(dstates, 0, i), dstates.column, units);
    }
    return 0;
}

// Words: z, h, bias; gates, states, inner, last.
TASK Word gru_after_forward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array z = array(w), h = array(w + 4), bias = array(w + 8), gates = array(w + 12), states = array(w + 16),
          inner = array(w + 20), end = array(w + 24);
    Word units = r.units, two = 2 * units, wide = 3 * units;
    float *product = FLOATS(room), *dropped = product + r.block * wide;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(states, 0, h, 0, from, rows, units);
        for (Word step = 0; step < r.time; ++step) {
            Word place = place_of(&r, step);
            times_kernel(&r, from, rows, row(states, step, from), 3, dropped, product);
            for (Word i = from; i < from + rows; ++i) {
                float *p = product + (i - from) * wide, *y = row(gates, place, i), *candidate = y + two;
                const float *before = row(states, step, i), *input = row(z, place, i) + two, *reset = y + units;
                add_row(p, bias.at, bias.column, wide);
                memcpy(row(inner, place, i), p + two, (size_t)units * 4);
                sum_rows(y, row(z, place, i), p, two);
                activate(r.outer, y, two);
                ALONE for (Word j = 0; j < units; ++j) candidate[j] = input[j] + reset[j] * p[two + j];
                activate(r.inner, candidate, units);
                float* after = row(states, step + 1, i);
                if (live(&r, place, i)) mix(y, carried_state(&r, before, i, dropped), candidate, after, units);
                else copy_row(after, before, 1, units);
            }
        }
        copy_rows(end, 0, states, r.time, from, rows, units);
    }
    return 0;
}

// Words: dstates, dlast, gates, states, inner; dz, dsums, dh.
TASK Word gru_after_backward(const Word* w, Word first, Word last, char* room) {
    Recurrence r = recurrence(w);
    w += OWN_WORDS;
    Array dstates = array(w), dlast = array(w + 4), gates = array(w + 8), states = array(w + 12), inner = array(w + 16),
          dz = array(w + 20), dsums = array(w + 24), dh = array(w + 28);
    Word units = r.units, two = 2 * units, wide = 3 * units;
    float *back = FLOATS(room), *spare = back + r.block * units, *through = spare + r.block * units;
    for (Word unit = first; unit < last; ++unit) {
        Word from, rows = block_of(&r, unit, &from);
        copy_rows(dh, 0, dlast, 0, from, rows, units);
        for (Word step = r.time; step-- > 0;) {
            Word place = place_of(&r, step);
            for (Word i = from; i < from + rows; ++i) {
                const float *y = row(gates, place, i), *before = row(states, step, i), *q = row(inner, place, i);
                float *g = row(dh, 0, i), *d = row(dz, place, i), *sums = row(dsums, place, i);
                add_row(g, row(dstates, step + 1, i), dstates.column, units);
                if (!live(&r, place, i)) {
                    clear_row(d, wide);
                    clear_row(sums, wide);
                    continue;
                }
                unmix(&r, y, carried_state(&r, before, i, spare), g, d, through + (i - from) * units);
                multiply_rows(d + units, d + two, q, units);
                times_slope(r.outer, y + units, d + units, units);
                memcpy(sums, d, (size_t)two * 4);
                multiply_rows(sums + two, d + two, y + units, units);
            }
            back_through(&r, from, rows, row(dsums, place, from), wide, 3, spare, back);
            for (Word i = 0; i < rows; ++i)
                if (live(&r, place, from + i))
                    collect(&r, from + i, through + i * units, back + i * units, row(dh, 0, from + i));
        }
        for (Word i = from; i < from + rows; ++i) add_row(row(dh, 0, i), row(dstates, 0, i), dstates.column, units);
    }
    return 0;
}

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
    w += OWN_WORDS;
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
