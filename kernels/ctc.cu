// Connectionist temporal classification (Graves et al. 2006): the loss of a sequence of labels, and its derivative.
//
// `logs` are log-probabilities (samples, steps, classes), of which the last class is the blank. `labels` is (samples,
// width); of sample i the first lengths[i] labels count, and the first times[i] steps. A path through the steps visits
// the 2 length + 1 symbols blank, label, blank, label, ..., blank in order: each stays, moves by one, or moves by two
// where that skips the blank between two different labels. The loss is -log of the sum of all paths' probabilities.
//
// One block works on a sample, step after step, its threads on the symbols; any number of blocks. `alphas`, (steps + 1,
// samples, 2 width + 3), has for symbol s after t steps, at [t][sample][s + 2], the log of the probability of all ways
// to it. The first two places of a row stand before the first symbol, from where all paths start: there a row has
// log(0), but that [0][sample][1] is log(1). What lies behind times[i] and lengths[i] has no meaning. For log(0) stands
// a number far below the logarithm of any path, so that all arithmetic is finite; the loss is infinite if it is as far.
//
// A label out of range gives a loss and a derivative of NaN and is noted in `fault`; so are a time and a length.

#include "labels.cuh"
#include "reduce.cuh"

#define NEVER Value(-1e30)  // for log(0)

__device__ inline Sum log_sum(Sum a, Sum b, Sum c) {
    Sum largest = Max()(a, Max()(b, c));
    return largest + log(exp(a - largest) + exp(b - largest) + exp(c - largest));
}

// The threads of a block deal out 0 ... n-1.
#define EACH_THREAD(i, n) for (Index i = threadIdx.x; i < (n); i += BLOCK)
#define EACH_SAMPLE(i) for (Index i = blockIdx.x; i < samples; i += gridDim.x)

// The symbols of one sample.
struct Symbols {
    const int* labels;
    Index blank;

    __device__ Index operator[](Index s) const { return s % 2 ? (Index)labels[s / 2] : blank; }

    // The log-probability of a symbol at a step whose classes begin at `row`.
    __device__ Sum log_p(Index s, const Value* row) const { return Max()(Sum(row[(*this)[s]]), Sum(NEVER)); }

    // Whether a path may come to s from s - 2.
    __device__ bool skips(Index s) const {
        return s == 1 || (s % 2 && labels[s / 2] != labels[s / 2 - 1] && labels[s / 2] != blank);
    }
};

KERNEL ctc_forward(const Value* logs, const int* labels, const int* times, const int* lengths, Value* loss, Value* alphas,
                   long long* bad_label, long long* bad_time, long long* bad_length, Index samples, Index steps,
                   Index classes, Index width) {
    const Index row = 2 * width + 3;
    EACH_SAMPLE(sample) {
        bool right = in_range(times[sample], steps + 1, bad_time) && in_range(lengths[sample], width + 1, bad_length);
        EACH_THREAD(i, (steps + 1) * row)
            alphas[(i / row * samples + sample) * row + i % row] = i == 1 ? Value(0) : NEVER;
        Symbols symbols = {labels + sample * width, classes - 1};
        const Index length = right ? lengths[sample] : 0, time = right ? times[sample] : 0;
        EACH_THREAD(j, length) right = in_range(symbols.labels[j], classes, bad_label) && right;
        if (block_reduce((int)!right, Max())) {
            if (threadIdx.x == 0) loss[sample] = no_value();
            continue;
        }
        const Value* log_p = logs + sample * steps * classes;
        Value* now = alphas + sample * row;
        for (Index t = 0; t < time; ++t) {
            __syncthreads();
            const Value* before = now;
            now += samples * row;
            EACH_THREAD(s, 2 * length + 1) {
                Sum ways = log_sum(before[s + 2], before[s + 1], symbols.skips(s) ? before[s] : NEVER);
                now[s + 2] = Value(ways + symbols.log_p(s, log_p + t * classes));
            }
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            Sum cost = -log_sum(now[2 * length + 2], now[2 * length + 1], NEVER);
            loss[sample] = Value(cost > Sum(1e29) ? -log(Sum(0)) : cost);
        }
    }
}

// For symbol s before step t, `after` has the log of the probability of all ways from it to the end, that of step t
// included, of two steps by turns (samples, 2, 2 width + 2); `shares` (samples, 2 width + 1) has what part of all paths
// is at s. `chains` (samples, 2, width) links equal labels, so that a class has one thread which adds its labels' shares
// up, in their order: for each label whether it is the first of its kind, and the place of the next such one.
KERNEL ctc_backward(const Value* g, const Value* loss, const Value* alphas, const Value* logs, const int* labels,
                    const int* times, const int* lengths, Value* out, Value* after, Value* shares, int* chains,
                    Index samples, Index steps, Index classes, Index width) {
    const Index room = 2 * width + 2;
    EACH_SAMPLE(sample) {
        const Sum cost = loss[sample], weight = -Sum(g[sample]);
        Value* d = out + sample * steps * classes;
        EACH_THREAD(i, steps * classes) d[i] = cost != cost ? no_value() : Value(0);
        if (cost != cost || cost == -log(Sum(0))) continue;  // no path: the loss is infinite wherever one goes
        Symbols symbols = {labels + sample * width, classes - 1};
        const Index length = lengths[sample], count = 2 * length + 1;
        const Value* log_p = logs + sample * steps * classes;
        Value *rows = after + sample * 2 * room, *share = shares + sample * (2 * width + 1);
        int *first = chains + sample * 2 * width, *next = first + width;
        EACH_THREAD(j, length) {
            Index k = j + 1;
            while (k < length && symbols.labels[k] != symbols.labels[j]) ++k;
            next[j] = (int)k;
            k = 0;
            while (symbols.labels[k] != symbols.labels[j]) ++k;
            first[j] = k == j && symbols.labels[j] != symbols.blank;
        }
        EACH_THREAD(j, 2) rows[j * room + count] = NEVER;
        for (Index t = times[sample] - 1; t >= 0; --t) {
            Value *now = rows + (t % 2) * room, *then = rows + (1 - t % 2) * room;
            const Value* alpha = alphas + ((t + 1) * samples + sample) * (2 * width + 3) + 2;
            const bool last = t == times[sample] - 1;
            __syncthreads();
            Sum blanks = 0;
            EACH_THREAD(s, count) {
                Sum rest = last ? (s + 2 >= count ? Sum(0) : NEVER)
                                : log_sum(then[s], then[s + 1], s + 2 < count && symbols.skips(s + 2) ? then[s + 2]
                                                                                                      : NEVER);
                now[s] = Value(rest + symbols.log_p(s, log_p + t * classes));
                Sum part = exp(Sum(alpha[s]) + rest + cost);
                share[s] = Value(part);
                if (symbols[s] == symbols.blank) blanks += part;
            }
            blanks = block_reduce(blanks, Add());  // its barriers also make the shares visible
            if (threadIdx.x == 0) d[t * classes + symbols.blank] = Value(weight * blanks);
            EACH_THREAD(j, length) {
                if (!first[j]) continue;
                Sum sum = 0;
                for (Index k = j; k < length; k = next[k]) sum += Sum(share[2 * k + 1]);
                d[t * classes + symbols.labels[j]] = Value(weight * sum);
            }
        }
    }
}
