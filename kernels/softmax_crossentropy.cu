// Softmax over rows, its logarithm, and the cross-entropy of logits, forward and backward.
//
// A matrix has `rows` rows of `columns` values (at least one), row after row without gaps. One block works on one row
// at a time, so a row may have any length; launch with BLOCK threads (see reduce.cuh) and any number of blocks.
// Names end in the type of the values, f32 or f64, and for class numbers also in theirs, i32 or i64.
//
// With m = max(x) and s = sum(exp(x - m)) over the row:
//     softmax(x)     = exp(x - m) / s
//     log_softmax(x) = x - m - log(s)                      finite however large x is
//     loss           = -sum(t * log_softmax(x))            dense targets t
//     loss           = -log_softmax(x)[label]              one class number a row
// and, for an incoming gradient g of the row's loss:
//     dx = g * (softmax(x) * sum(t) - t)                   sum(t) is 1 for probabilities
//     dx = g * (softmax(x) - one_hot(label))
// A class number outside 0...columns-1 gives a loss and a gradient of NaN: it must not read out of bounds,
// and it must not pass unseen.

#include "reduce.cuh"

// The row's maximum m and the sum s, as above. Every thread gets both.
template <typename T>
__device__ void row_normaliser(const T* x, long long columns, T* m, T* s) {
    T largest = x[0];
    for (long long j = threadIdx.x; j < columns; j += BLOCK) largest = x[j] > largest ? x[j] : largest;
    *m = block_reduce(largest, Max());
    T sum = 0;
    for (long long j = threadIdx.x; j < columns; j += BLOCK) sum += exp(x[j] - *m);
    *s = block_reduce(sum, Add());
}

template <typename T>
__device__ void softmax(const T* x, T* y, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* in = x + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        for (long long j = threadIdx.x; j < columns; j += BLOCK) y[row * columns + j] = exp(in[j] - m) / s;
    }
}

template <typename T>
__device__ void log_softmax(const T* x, T* y, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* in = x + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        T log_s = log(s);
        for (long long j = threadIdx.x; j < columns; j += BLOCK) y[row * columns + j] = in[j] - m - log_s;
    }
}

// Softmax's own gradient from its result y: dx = y * (dy - sum(y * dy)).
template <typename T>
__device__ void softmax_backward(const T* y, const T* dy, T* dx, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *p = y + row * columns, *g = dy + row * columns;
        T sum = 0;
        for (long long j = threadIdx.x; j < columns; j += BLOCK) sum += p[j] * g[j];
        sum = block_reduce(sum, Add());
        for (long long j = threadIdx.x; j < columns; j += BLOCK) dx[row * columns + j] = p[j] * (g[j] - sum);
    }
}

// Log-softmax's gradient from its result y: dx = dy - exp(y) * sum(dy).
template <typename T>
__device__ void log_softmax_backward(const T* y, const T* dy, T* dx, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *l = y + row * columns, *g = dy + row * columns;
        T sum = 0;
        for (long long j = threadIdx.x; j < columns; j += BLOCK) sum += g[j];
        sum = block_reduce(sum, Add());
        for (long long j = threadIdx.x; j < columns; j += BLOCK) dx[row * columns + j] = g[j] - exp(l[j]) * sum;
    }
}

template <typename T>
__device__ void dense_forward(const T* x, const T* t, T* loss, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *in = x + row * columns, *target = t + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        T log_s = log(s), sum = 0;
        for (long long j = threadIdx.x; j < columns; j += BLOCK)
            if (target[j] != 0) sum += target[j] * (in[j] - m - log_s);  // 0 * log(0) counts as 0
        sum = block_reduce(sum, Add());
        if (threadIdx.x == 0) loss[row] = -sum;
    }
}

template <typename T>
__device__ void dense_backward(const T* x, const T* t, const T* dloss, T* dx, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T *in = x + row * columns, *target = t + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        T mass = 0;
        for (long long j = threadIdx.x; j < columns; j += BLOCK) mass += target[j];
        mass = block_reduce(mass, Add());
        for (long long j = threadIdx.x; j < columns; j += BLOCK)
            dx[row * columns + j] = dloss[row] * (exp(in[j] - m) / s * mass - target[j]);
    }
}

template <typename T, typename Label>
__device__ void sparse_forward(const T* x, const Label* labels, T* loss, long long rows, long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* in = x + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        if (threadIdx.x == 0) {
            Label label = labels[row];
            bool valid = label >= 0 && label < columns;
            loss[row] = valid ? log(s) - (in[label] - m) : T(0) / T(0);
        }
    }
}

template <typename T, typename Label>
__device__ void sparse_backward(const T* x, const Label* labels, const T* dloss, T* dx, long long rows,
                                long long columns) {
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* in = x + row * columns;
        T m, s;
        row_normaliser(in, columns, &m, &s);
        Label label = labels[row];
        bool valid = label >= 0 && label < columns;
        T scale = valid ? dloss[row] : T(0) / T(0);
        for (long long j = threadIdx.x; j < columns; j += BLOCK)
            dx[row * columns + j] = scale * (exp(in[j] - m) / s - (j == label ? T(1) : T(0)));
    }
}

#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK)

#define VALUES(T, suffix)                                                                                          \
    KERNEL softmax_##suffix(const T* x, T* y, long long rows, long long columns) { softmax(x, y, rows, columns); } \
    KERNEL log_softmax_##suffix(const T* x, T* y, long long rows, long long columns) {                             \
        log_softmax(x, y, rows, columns);                                                                          \
    }                                                                                                              \
    KERNEL softmax_backward_##suffix(const T* y, const T* dy, T* dx, long long rows, long long columns) {          \
        softmax_backward(y, dy, dx, rows, columns);                                                                \
    }                                                                                                              \
    KERNEL log_softmax_backward_##suffix(const T* y, const T* dy, T* dx, long long rows, long long columns) {      \
        log_softmax_backward(y, dy, dx, rows, columns);                                                            \
    }                                                                                                              \
    KERNEL dense_forward_##suffix(const T* x, const T* t, T* loss, long long rows, long long columns) {            \
        dense_forward(x, t, loss, rows, columns);                                                                  \
    }                                                                                                              \
    KERNEL dense_backward_##suffix(const T* x, const T* t, const T* dloss, T* dx, long long rows,                  \
                                   long long columns) {                                                            \
        dense_backward(x, t, dloss, dx, rows, columns);                                                            \
    }

#define LABELS(T, Label, suffix)                                                                                   \
    KERNEL sparse_forward_##suffix(const T* x, const Label* labels, T* loss, long long rows, long long columns) {  \
        sparse_forward(x, labels, loss, rows, columns);                                                            \
    }                                                                                                              \
    KERNEL sparse_backward_##suffix(const T* x, const Label* labels, const T* dloss, T* dx, long long rows,        \
                                    long long columns) {                                                           \
        sparse_backward(x, labels, dloss, dx, rows, columns);                                                      \
    }

VALUES(float, f32)
VALUES(double, f64)
LABELS(float, int, f32_i32)
LABELS(float, long long, f32_i64)
LABELS(double, int, f64_i32)
LABELS(double, long long, f64_i64)
