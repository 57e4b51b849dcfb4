// Softmax over rows, its logarithm, and the cross-entropy of logits, forward and backward.
//
// A matrix has `rows` rows of `columns` values (at least one), row after row without gaps. `lanes` threads work on a
// row, and BLOCK / lanes rows are worked on by a block at a time: 1, 2, 4, ... or 32 threads for short rows, which then
// meet in shuffles, or the whole block for long ones. BLOCK is a multiple of 32. Any number of blocks; class numbers
// have the type LABEL.
//
// With m = max(x) and s = sum(exp(x - m)) over the row:
//     softmax(x)     = exp(x - m) / s
//     log_softmax(x) = x - m - log(s)                      finite however large x is
//     loss           = sum(t * (m + log(s) - x))           dense targets t
//     loss           = m + log(s) - x[label]               one class number a row
// and, for an incoming gradient g of the row's loss and p = softmax(x):
//     dx = g * (p * sum(t) - t)                            sum(t) is 1 for probabilities
//     dx = g * (p - one_hot(label))
// A class number outside 0...columns-1 gives a loss and a gradient of NaN and is noted in `fault` (see labels.cuh).
// Results may overwrite p, y or x.

#include "labels.cuh"
#include "reduce.cuh"

static_assert(BLOCK % 32 == 0, "BLOCK must be a multiple of 32");

// All rounds of a block: as many for each of its threads, since they meet in reductions.
#define EACH_ROUND(first) \
    for (Index first = blockIdx.x * (BLOCK / lanes); first < rows; first += gridDim.x * (BLOCK / lanes))

// The row on which a thread works in one round. A thread without a row gets one of no columns.
struct Row {
    Index number, start, columns, lanes, lane;
    bool mine;

    __device__ Row(Index first, Index rows, Index width, Index threads) {
        lanes = threads;
        number = first + threadIdx.x / lanes;
        lane = threadIdx.x % lanes;
        mine = number < rows;
        start = mine ? number * width : 0;
        columns = mine ? width : 0;
    }
};

// Every column of a row that is this thread's.
#define EACH_COLUMN(j, row) for (Index j = row.lane; j < row.columns; j += row.lanes)

// The values of a row's threads combined, in an order that never changes; all of them get the result.
template <typename Operation>
__device__ Sum row_reduce(Sum value, const Row& row, Operation combine) {
    if (row.lanes > 32) return block_reduce(value, combine);
    for (int distance = (int)row.lanes / 2; distance > 0; distance /= 2)
        value = combine(value, __shfl_xor_sync(0xffffffffu, value, distance));
    return value;
}

// The row's maximum m and the sum s, as above. Every thread of the row gets both.
__device__ void row_normaliser(const Value* x, const Row& row, Sum* m, Sum* s) {
    Sum largest = row.mine ? Sum(x[0]) : Sum(0);
    EACH_COLUMN(j, row) largest = Max()(Sum(x[j]), largest);
    *m = row_reduce(largest, row, Max());
    Sum sum = 0;
    EACH_COLUMN(j, row) sum += exp(Sum(x[j]) - *m);
    *s = row_reduce(sum, row, Add());
}

KERNEL softmax(const Value* x, Value* y, Index rows, Index columns, Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value* in = x + row.start;
        Sum m, s;
        row_normaliser(in, row, &m, &s);
        EACH_COLUMN(j, row) y[row.start + j] = Value(exp(Sum(in[j]) - m) / s);
    }
}

KERNEL log_softmax(const Value* x, Value* y, Index rows, Index columns, Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value* in = x + row.start;
        Sum m, s;
        row_normaliser(in, row, &m, &s);
        Sum log_s = log(s);
        EACH_COLUMN(j, row) y[row.start + j] = Value(Sum(in[j]) - m - log_s);
    }
}

// The gradients from the results y: softmax's dx = y * (dy - sum(y * dy)), its logarithm's dx = dy - exp(y) * sum(dy).
template <bool LOGARITHM>
__device__ void row_gradients(const Value* dy, const Value* y, Value* dx, Index rows, Index columns, Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value *g = dy + row.start, *own = y + row.start;
        Sum sum = 0;
        EACH_COLUMN(j, row) sum += LOGARITHM ? Sum(g[j]) : Sum(own[j]) * Sum(g[j]);
        sum = row_reduce(sum, row, Add());
        EACH_COLUMN(j, row)
            dx[row.start + j] = Value(LOGARITHM ? Sum(g[j]) - exp(Sum(own[j])) * sum : Sum(own[j]) * (Sum(g[j]) - sum));
    }
}

KERNEL softmax_gradient(const Value* dy, const Value* y, Value* dx, Index rows, Index columns, Index lanes) {
    row_gradients<false>(dy, y, dx, rows, columns, lanes);
}

KERNEL log_softmax_gradient(const Value* dy, const Value* y, Value* dx, Index rows, Index columns, Index lanes) {
    row_gradients<true>(dy, y, dx, rows, columns, lanes);
}

KERNEL dense_forward(const Value* x, const Value* t, Value* loss, Index rows, Index columns, Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value *in = x + row.start, *target = t + row.start;
        Sum m, s;
        row_normaliser(in, row, &m, &s);
        Sum log_s = log(s), sum = 0;
        EACH_COLUMN(j, row) {
            Sum weight = Sum(target[j]);
            if (weight != 0) sum += weight * (log_s - (Sum(in[j]) - m));  // an impossible class costs nothing
        }
        sum = row_reduce(sum, row, Add());
        if (row.mine && row.lane == 0) loss[row.number] = Value(sum);
    }
}

KERNEL dense_backward(const Value* dloss, const Value* p, const Value* t, Value* dx, Index rows, Index columns,
                      Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value *own = p + row.start, *target = t + row.start;
        Sum mass = 0;
        EACH_COLUMN(j, row) mass += Sum(target[j]);
        mass = row_reduce(mass, row, Add());
        Sum g = row.mine ? Sum(dloss[row.number]) : Sum(0);
        EACH_COLUMN(j, row) dx[row.start + j] = Value(g * (Sum(own[j]) * mass - Sum(target[j])));
    }
}

KERNEL sparse_forward(const Value* x, const Label* labels, Value* loss, long long* fault, Index rows, Index columns,
                      Index lanes) {
    EACH_ROUND(first) {
        Row row(first, rows, columns, lanes);
        const Value* in = x + row.start;
        Sum m, s;
        row_normaliser(in, row, &m, &s);
        if (row.mine && row.lane == 0) {
            Label label = labels[row.number];
            loss[row.number] = in_range(label, columns, fault) ? Value(log(s) - (Sum(in[label]) - m)) : no_value();
        }
    }
}

KERNEL sparse_backward(const Value* dloss, const Value* p, const Label* labels, Value* dx, long long* fault, Index rows,
                       Index columns, Index lanes) {
    EACH(i, rows * columns) {
        Index row = i / columns, column = i - row * columns;
        Label label = labels[row];
        dx[i] = !in_range(label, columns, fault) ? no_value()
                                                 : Value(Sum(dloss[row]) * (Sum(p[i]) - Sum(column == label)));
    }
}
