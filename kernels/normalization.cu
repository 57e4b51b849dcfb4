// Batch normalization: mean and variance of every feature over the batch, the normalized values, and the derivatives.
//
// An array of outer x features x inner elements, row after row; inner is 1 where the features are the last axis. Each
// feature has n = outer * inner elements. A block works on `columns` features side by side (a power of two up to BLOCK:
// neighbouring threads on neighbouring features if inner is 1, else columns = 1 and neighbouring threads on
// neighbouring elements of a feature) and has BLOCK / columns lines of threads for each. Blocks along x are for the
// features; blocks along y for parts of `length` elements where sums are taken, else for any share of the elements.
// Sums are taken in an order that depends on the sizes only. Mean, variance, sums, gamma, beta
// and the derivatives by these two have the type Sum.
//
// With d = x - mean and r = 1 / sqrt(variance + epsilon):
//     y      = d * r * gamma + beta
//     dbeta  = sum(g), dgamma = sum(g * d) * r
//     dx     = g * gamma * r + (g_mean - gamma * r * dbeta + d * (2 * g_variance - gamma * r * r * dgamma)) / n
// where g, g_mean and g_variance are the derivatives by y, mean and variance. Gamma, beta, g_mean and g_variance come
// with the distance of two neighbours, which may be 0.

#include "types.cuh"

static_assert((BLOCK & (BLOCK - 1)) == 0, "BLOCK must be a power of two");
constexpr int CHUNK = 8;  // elements that a thread reads at a time

// Which feature a thread works on, and its line of how many.
struct Share {
    Index feature, columns, line, lines;
    bool mine;

    __device__ Share(Index features, Index side) {
        columns = side;
        lines = BLOCK / columns;
        line = threadIdx.x / columns;
        feature = blockIdx.x * columns + threadIdx.x % columns;
        mine = feature < features;
    }
};

// Where element e of a feature lies.
__device__ inline Index place(Index e, Index feature, Index features, Index inner) {
    if (inner == 1) return e * features + feature;
    Index o = e / inner;
    return (o * features + feature) * inner + (e - o * inner);
}

// This thread's share of the elements of a feature.
#define EACH_ELEMENT(e, n) \
    for (Index e = blockIdx.y * share.lines + share.line; e < (n); e += gridDim.y * share.lines)

// Number, mean and sum of squared distances from the mean; joined by the formulas of Chan, Golub and LeVeque.
struct Moments {
    Sum count, mean, squares;

    __device__ void join(const Moments& other) {
        if (other.count == 0) return;
        Sum total = count + other.count, share = other.count / total, apart = other.mean - mean;
        mean += apart * share;
        squares += other.squares + apart * apart * count * share;
        count = total;
    }
};

struct Sums {
    Sum first, second;

    __device__ void join(const Sums& other) {
        first += other.first;
        second += other.second;
    }
};

// Joins what the lines of a block have for a feature; line 0 gets the result. All threads of the block must call it.
template <typename T>
__device__ T join_lines(T own, const Share& share) {
    __shared__ T all[BLOCK];
    all[threadIdx.x] = own;
    __syncthreads();
    for (Index half = share.lines / 2; half > 0; half /= 2) {
        if (share.line < half) all[threadIdx.x].join(all[threadIdx.x + half * share.columns]);
        __syncthreads();
    }
    return all[threadIdx.x];
}

// Mean and variance of each feature in part blockIdx.y: rows of `means` and `variances`.
KERNEL statistics(const Value* x, Sum* means, Sum* variances, Index features, Index columns, Index inner, Index n,
                  Index length) {
    Share share(features, columns);
    Index begin = (Index)blockIdx.y * length, end = begin + length < n ? begin + length : n;
    Moments all = {0, 0, 0};
    if (share.mine)
        for (Index e = begin + share.line; e < end; e += share.lines * CHUNK) {
            Sum values[CHUNK], total = 0, squares = 0;
            int count = 0;
#pragma unroll
            for (int i = 0; i < CHUNK; ++i) {
                values[i] = 0;
                if (e + i * share.lines < end) {
                    values[i] = Sum(x[place(e + i * share.lines, share.feature, features, inner)]);
                    total += values[i];
                    ++count;
                }
            }
            Sum mean = total / Sum(count);
#pragma unroll
            for (int i = 0; i < CHUNK; ++i)
                if (i < count) squares += (values[i] - mean) * (values[i] - mean);
            all.join(Moments{Sum(count), mean, squares});
        }
    all = join_lines(all, share);
    if (share.mine && share.line == 0) {
        Index at = (Index)blockIdx.y * features + share.feature;
        means[at] = all.mean;
        variances[at] = all.count > 0 ? all.squares / all.count : Sum(0);
    }
}

// Mean and variance of all parts together.
KERNEL join_statistics(const Sum* means, const Sum* variances, Sum* mean, Sum* variance, Index features, Index columns,
                       Index inner, Index n, Index length) {
    Share share(features, columns);
    Moments all = {0, 0, 0};
    Index parts = (n + length - 1) / length;
    if (share.mine)
        for (Index part = share.line; part < parts; part += share.lines) {
            Index at = part * features + share.feature;
            Sum count = Sum(n - part * length < length ? n - part * length : length);
            all.join(Moments{count, means[at], variances[at] * count});
        }
    all = join_lines(all, share);
    if (share.mine && share.line == 0) {
        mean[share.feature] = all.mean;
        variance[share.feature] = all.squares / all.count;
    }
}

KERNEL normalize(const Value* x, const Sum* gamma, const Sum* beta, const Sum* mean, const Sum* variance, Value* y,
                 Index features, Index columns, Index inner, Index n, Index gamma_step, Index beta_step, Sum epsilon) {
    Share share(features, columns);
    if (!share.mine) return;
    Sum middle = mean[share.feature], shift = beta[share.feature * beta_step];
    Sum scale = gamma[share.feature * gamma_step] / sqrt(variance[share.feature] + epsilon);
    EACH_ELEMENT(e, n) {
        Index at = place(e, share.feature, features, inner);
        y[at] = Value((Sum(x[at]) - middle) * scale + shift);
    }
}

// Sums of g and of g * (x - mean) for each feature in part blockIdx.y.
KERNEL gradient_sums(const Value* g, const Value* x, const Sum* mean, Sum* sums, Sum* products, Index features,
                     Index columns, Index inner, Index n, Index length) {
    Share share(features, columns);
    Index begin = (Index)blockIdx.y * length, end = begin + length < n ? begin + length : n;
    Sums all = {0, 0};
    if (share.mine) {
        Sum middle = mean[share.feature];
        for (Index e = begin + share.line; e < end; e += share.lines) {
            Index at = place(e, share.feature, features, inner);
            Sum slope = Sum(g[at]);
            all.join(Sums{slope, slope * (Sum(x[at]) - middle)});
        }
    }
    all = join_lines(all, share);
    if (share.mine && share.line == 0) {
        Index at = (Index)blockIdx.y * features + share.feature;
        sums[at] = all.first;
        products[at] = all.second;
    }
}

// Sums of all parts.
KERNEL join_sums(const Sum* part_sums, const Sum* part_products, Sum* sums, Sum* products, Index features,
                 Index columns, Index inner, Index n, Index length) {
    Share share(features, columns);
    Sums all = {0, 0};
    Index parts = (n + length - 1) / length;
    if (share.mine)
        for (Index part = share.line; part < parts; part += share.lines) {
            Index at = part * features + share.feature;
            all.join(Sums{part_sums[at], part_products[at]});
        }
    all = join_lines(all, share);
    if (share.mine && share.line == 0) {
        sums[share.feature] = all.first;
        products[share.feature] = all.second;
    }
}

KERNEL gradient(const Value* g, const Value* x, const Sum* gamma, const Sum* mean, const Sum* variance,
                const Sum* g_mean, const Sum* g_variance, const Sum* sums, const Sum* products, Value* dx,
                Sum* dgamma, Sum* dbeta, Index features, Index columns, Index inner, Index n, Index gamma_step,
                Index mean_step, Index variance_step, Sum epsilon) {
    Share share(features, columns);
    if (!share.mine) return;
    Index f = share.feature;
    Sum r = 1 / sqrt(variance[f] + epsilon), scale = gamma[f * gamma_step] * r;
    Sum of_gamma = products[f] * r, of_beta = sums[f], middle = mean[f];
    Sum slope = (2 * g_variance[f * variance_step] - scale * r * of_gamma) / Sum(n);
    Sum shift = (g_mean[f * mean_step] - scale * of_beta) / Sum(n);
    if (blockIdx.y == 0 && share.line == 0) {
        dgamma[f] = of_gamma;
        dbeta[f] = of_beta;
    }
    EACH_ELEMENT(e, n) {
        Index at = place(e, f, features, inner);
        dx[at] = Value(Sum(g[at]) * scale + (Sum(x[at]) - middle) * slope + shift);
    }
}
