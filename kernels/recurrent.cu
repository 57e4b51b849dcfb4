// One step of a recurrence, forward and backward, over (samples, units): what stands between two matrix products.
//
// A thread works on element i = sample * units + unit of the state; neighbouring threads on neighbouring units. Any
// number of blocks along x. Pre-activations and gates are (samples, gates * units), gates side by side in Keras's order:
// i, f, c, o for LSTM; z, r, h for GRU. 16-bit floats are computed in float.
//
// Defines: ACTIVATION and RECURRENT, the activations of the candidate (and of LSTM's cell) and of the other gates, by the
// numbers below; MASKED, 1 if there is a mask of bools, one a sample: where it is false the states stay as they were;
// DROPS, the number of recurrent dropout's factors for a state: 0, 1 for all gates, or one for each gate.
//
// A product of states with the recurrent kernel is (samples, gates * units), or (gates, samples, units) if each gate has a
// factor of its own. Factors `drop` are (DROPS, samples, units), and so are the states `dropped` by them for the next
// product. With one factor for all, the state that a GRU carries over is dropped as well.
//
// Backward, the derivative by the state after a step is the sum of what comes from the step's result (`own`), of what
// came back through the products with the next step's gates (`back`, before the factors are applied), and of what came
// by other ways (`keep`), which the kernel replaces by its own.

#include "types.cuh"

#ifndef ACTIVATION
#define ACTIVATION 4
#endif
#ifndef RECURRENT
#define RECURRENT 3
#endif
#ifndef MASKED
#define MASKED 0
#endif
#ifndef DROPS
#define DROPS 0
#endif

#if MASKED
#define MASK const bool* mask,
#define LIVE mask[i / units]
#else
#define MASK
#define LIVE true
#endif

#if DROPS
#define DROP const Value* drop,
#define DROPPED const Value* drop, Value* dropped,
#define FACTOR(gate) Sum(drop[(DROPS > 1 ? (gate) : 0) * size + i])
#else
#define DROP
#define DROPPED
#define FACTOR(gate) Sum(1)
#endif
#define CARRY (DROPS == 1 ? FACTOR(0) : Sum(1))  // of the state that a GRU carries over

#define EACH_UNIT(i)                     \
    const Index size = samples * units;  \
    EACH(i, size)

enum { LINEAR, RELU, SIGMOID, HARD_SIGMOID, TANH };

template <int kind>
__device__ Sum activate(Sum x) {
    if (kind == RELU) return x > 0 || x != x ? x : Sum(0);
    if (kind == SIGMOID) return Sum(1) / (Sum(1) + exp(-x));
    if (kind == HARD_SIGMOID) {
        Sum y = Sum(0.2) * x + Sum(0.5);
        return y < 0 ? Sum(0) : y > 1 ? Sum(1) : y;
    }
    if (kind == TANH) return tanh(x);
    return x;
}

// The derivative of an activation, from its result.
template <int kind>
__device__ Sum slope(Sum y) {
    if (kind == RELU) return y > 0 ? Sum(1) : y;
    if (kind == SIGMOID) return y * (1 - y);
    if (kind == HARD_SIGMOID) return y == 0 || y == 1 ? Sum(0) : Sum(0.2);
    if (kind == TANH) return 1 - y * y;
    return 1;
}

// Where a gate of element i lies.
__device__ inline Index at(Index i, Index units, Index gates, Index gate) {
    Index sample = i / units;
    return (sample * gates + gate) * units + (i - sample * units);
}

// A gate's share of the product of states and kernel.
__device__ inline Sum share(const Value* product, Index i, Index size, Index units, Index gates, Index gate) {
    return product[DROPS > 1 ? gate * size + i : at(i, units, gates, gate)];
}

#if DROPS
__device__ inline void drop_state(Sum h, const Value* drop, Value* dropped, Index i, Index size) {
    for (Index k = 0; k < DROPS; ++k) dropped[k * size + i] = Value(h * Sum(drop[k * size + i]));
}
#define DROP_STATE(h) drop_state(h, drop, dropped, i, size)
#else
#define DROP_STATE(h)
#endif

// The initial state on its way into the first product.
KERNEL drop_states(const Value* h, DROPPED Index samples, Index units) {
    EACH_UNIT(i) { DROP_STATE(h[i]); }
}

// The derivative by the state after a step. Of `gates` gates each has its own way back if each has a factor.
#define INCOMING(gates) (Sum(own[i]) + Sum(keep[i]) + returned(back, DROP_OR_NOTHING, i, size, gates))
#if DROPS
#define DROP_OR_NOTHING drop
#else
#define DROP_OR_NOTHING back
#endif
__device__ inline Sum returned(const Value* back, const Value* drop, Index i, Index size, Index gates) {
    if (DROPS == 0) return back[i];
    Sum total = 0;
    for (Index k = 0; k < (DROPS > 1 ? gates : 1); ++k) total += Sum(back[k * size + i]) * Sum(drop[k * size + i]);
    return total;
}

// The derivative by the initial state.
KERNEL collect(const Value* own, const Value* back, DROP const Value* keep, Value* out, Index gates, Index samples,
               Index units) {
    EACH_UNIT(i) { out[i] = Value(INCOMING(gates)); }
}

// The simple recurrence: h = activation(z + product) ------------------------------------------------------------------
KERNEL simple_forward(const Value* z, const Value* product, MASK DROPPED const Value* before, Value* after, Index samples,
                      Index units) {
    EACH_UNIT(i) {
        Value h = LIVE ? Value(activate<ACTIVATION>(Sum(z[i]) + Sum(product[i]))) : before[i];
        after[i] = h;
        DROP_STATE(h);
    }
}

KERNEL simple_backward(const Value* after, const Value* own, const Value* back, MASK DROP Value* keep, Value* dz,
                       Index samples, Index units) {
    EACH_UNIT(i) {
        Sum g = INCOMING(1);
        bool live = LIVE;
        dz[i] = Value(live ? g * slope<ACTIVATION>(after[i]) : Sum(0));
        keep[i] = Value(live ? Sum(0) : g);
    }
}

// LSTM: c = f c + i g, h = o activation(c) ----------------------------------------------------------------------------
KERNEL lstm_forward(const Value* z, const Value* product, MASK DROPPED const Value* before, const Value* old, Value* gates,
                    Value* after, Value* cell, Index samples, Index units) {
    EACH_UNIT(i) {
        Sum y[4];
        for (int k = 0; k < 4; ++k) {
            Sum x = Sum(z[at(i, units, 4, k)]) + share(product, i, size, units, 4, k);
            y[k] = k == 2 ? activate<ACTIVATION>(x) : activate<RECURRENT>(x);
        }
        for (int k = 0; k < 4; ++k) gates[at(i, units, 4, k)] = Value(y[k]);
        bool live = LIVE;
        Sum c = y[1] * Sum(old[i]) + y[0] * y[2];
        Value h = live ? Value(y[3] * activate<ACTIVATION>(c)) : before[i];
        cell[i] = live ? Value(c) : old[i];
        after[i] = h;
        DROP_STATE(h);
    }
}

KERNEL lstm_backward(const Value* gates, const Value* old, const Value* cell, const Value* own, const Value* back,
                     MASK DROP Value* keep, Value* dcell, Value* dz, Index samples, Index units) {
    EACH_UNIT(i) {
        Sum y[4], d[4] = {0, 0, 0, 0};
        for (int k = 0; k < 4; ++k) y[k] = gates[at(i, units, 4, k)];
        Sum g = INCOMING(4), dc = dcell[i];
        bool live = LIVE;
        if (live) {
            Sum squashed = activate<ACTIVATION>(cell[i]);
            dc += g * y[3] * slope<ACTIVATION>(squashed);
            d[0] = dc * y[2] * slope<RECURRENT>(y[0]);
            d[1] = dc * Sum(old[i]) * slope<RECURRENT>(y[1]);
            d[2] = dc * y[0] * slope<ACTIVATION>(y[2]);
            d[3] = g * squashed * slope<RECURRENT>(y[3]);
            dcell[i] = Value(dc * y[1]);
        }
        keep[i] = Value(live ? Sum(0) : g);
        for (int k = 0; k < 4; ++k) dz[at(i, units, 4, k)] = Value(d[k]);
    }
}

// GRU: h = z h + (1 - z) c --------------------------------------------------------------------------------------------
// The first two gates, and the state that the reset gate lets through to the candidate's product.
KERNEL gru_gates(const Value* z, const Value* product, const Value* before, DROP Value* gates, Value* reset,
                 Index samples, Index units) {
    EACH_UNIT(i) {
        Sum y[2];
        for (int k = 0; k < 2; ++k)
            y[k] = activate<RECURRENT>(Sum(z[at(i, units, 3, k)]) + share(product, i, size, units, 2, k));
        for (int k = 0; k < 2; ++k) gates[at(i, units, 3, k)] = Value(y[k]);
        reset[i] = Value(y[1] * Sum(before[i]) * FACTOR(2));
    }
}

KERNEL gru_forward(const Value* z, const Value* product, MASK DROPPED const Value* before, Value* gates, Value* after,
                   Index samples, Index units) {
    EACH_UNIT(i) {
        Sum update = gates[at(i, units, 3, 0)];
        Sum candidate = activate<ACTIVATION>(Sum(z[at(i, units, 3, 2)]) + Sum(product[i]));
        gates[at(i, units, 3, 2)] = Value(candidate);
        Value h = LIVE ? Value(update * (Sum(before[i]) * CARRY - candidate) + candidate) : before[i];
        after[i] = h;
        DROP_STATE(h);
    }
}

// Update gate and candidate. The reset gate's part of dz is left to gru_reset_backward.
KERNEL gru_backward(const Value* gates, const Value* before, const Value* own, const Value* back, MASK DROP Value* keep,
                    Value* dz, Index samples, Index units) {
    EACH_UNIT(i) {
        Sum update = gates[at(i, units, 3, 0)], candidate = gates[at(i, units, 3, 2)];
        Sum g = INCOMING(2);
        bool live = LIVE;
        Sum through = g * (Sum(before[i]) * CARRY - candidate);
        dz[at(i, units, 3, 0)] = Value(live ? through * slope<RECURRENT>(update) : Sum(0));
        dz[at(i, units, 3, 2)] = Value(live ? g * (1 - update) * slope<ACTIVATION>(candidate) : Sum(0));
        keep[i] = Value(live ? g * update * CARRY : g);
    }
}

// From `inner`, the derivative by the state that was let through; which is also made again, for the kernel's gradient.
KERNEL gru_reset_backward(const Value* gates, const Value* before, const Value* inner, MASK DROP Value* keep, Value* dz,
                          Value* reset, Index samples, Index units) {
    EACH_UNIT(i) {
        Sum gate = gates[at(i, units, 3, 1)], source = Sum(before[i]) * FACTOR(2);
        bool live = LIVE;
        dz[at(i, units, 3, 1)] = Value(live ? Sum(inner[i]) * source * slope<RECURRENT>(gate) : Sum(0));
        reset[i] = Value(live ? gate * source : Sum(0));
        if (live) keep[i] = Value(Sum(keep[i]) + Sum(inner[i]) * gate * FACTOR(2));
    }
}

// GRU with the reset gate after the product, which has a bias: `inner` is the candidate's part of their sum -----------
KERNEL gru_after_forward(const Value* z, const Value* product, const Value* bias, MASK DROPPED const Value* before,
                         Value* gates, Value* inner, Value* after, Index samples, Index units) {
    EACH_UNIT(i) {
        Index unit = i % units;
        Sum x[3], q[3];
        for (int k = 0; k < 3; ++k) {
            x[k] = z[at(i, units, 3, k)];
            q[k] = share(product, i, size, units, 3, k) + Sum(bias[k * units + unit]);
        }
        Value within = Value(q[2]);
        Sum update = activate<RECURRENT>(x[0] + q[0]), reset = activate<RECURRENT>(x[1] + q[1]);
        Sum candidate = activate<ACTIVATION>(x[2] + reset * Sum(within));
        gates[at(i, units, 3, 0)] = Value(update);
        gates[at(i, units, 3, 1)] = Value(reset);
        gates[at(i, units, 3, 2)] = Value(candidate);
        inner[i] = within;
        Value h = LIVE ? Value(update * (Sum(before[i]) * CARRY - candidate) + candidate) : before[i];
        after[i] = h;
        DROP_STATE(h);
    }
}

// dsums is the derivative by product and bias.
KERNEL gru_after_backward(const Value* gates, const Value* inner, const Value* before, const Value* own, const Value* back,
                          MASK DROP Value* keep, Value* dz, Value* dsums, Index samples, Index units) {
    EACH_UNIT(i) {
        Sum update = gates[at(i, units, 3, 0)], reset = gates[at(i, units, 3, 1)], candidate = gates[at(i, units, 3, 2)];
        Sum g = INCOMING(3), d[3] = {0, 0, 0};
        bool live = LIVE;
        if (live) {
            d[0] = g * (Sum(before[i]) * CARRY - candidate) * slope<RECURRENT>(update);
            d[2] = g * (1 - update) * slope<ACTIVATION>(candidate);
            d[1] = d[2] * Sum(inner[i]) * slope<RECURRENT>(reset);
        }
        keep[i] = Value(live ? g * update * CARRY : g);
        for (int k = 0; k < 3; ++k) {
            dz[at(i, units, 3, k)] = Value(d[k]);
            dsums[at(i, units, 3, k)] = Value(k == 2 ? d[2] * reset : d[k]);
        }
    }
}
