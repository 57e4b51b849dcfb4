// A block's share of a matrix product: a tile of TILE_M x TILE_N sums, made from two tiles in shared memory, TILE_K
// steps of the sum at a time. Each thread adds up PART_M x PART_N of them in registers (TENSOR 0), or each warp on
// tensor cores: from numbers rounded to TF32 (TENSOR 1), or to floats of 16 bits (TENSOR 2): bfloat16 if that is what
// there is, otherwise halves.
//
// While the threads multiply one pair of tiles, the values of the next one are on their way from memory into
// registers; there are two pairs in shared memory, so that one barrier a step is enough.
#pragma once
#include "mma.cuh"

#ifndef TENSOR
#define TENSOR 0
#endif
#ifndef TILE_M
#define TILE_M 64
#define TILE_N 64
#define TILE_K 16
#define PART_M 4
#define PART_N 4
#endif

constexpr int THREADS = (TILE_M / PART_M) * (TILE_N / PART_N) * (TENSOR ? 32 : 1);
static_assert(THREADS == BLOCK, "launch with one thread (tensor cores: one warp) for each part of the tile");
static_assert(TILE_M <= BLOCK && TILE_N <= BLOCK, "a thread loads no more than one column of a tile");

// Neighbours in memory that move in one access; at most 16 bytes at a time.
template <typename T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T at[N];
};

// ---- One operand's tile in shared memory: TILE_K x WIDTH, k by k.
#if TENSOR == 0
template <int WIDTH>
struct Tile {
    static constexpr int LINE = WIDTH + 4;  // 4 more: what a warp stores along k then goes to different banks
    alignas(16) Sum cells[TILE_K * LINE];

    __device__ void put(int k, int i, Value value) { cells[k * LINE + i] = value; }

    __device__ Pack<Sum, 4> get(int k, int i) const {
        return *reinterpret_cast<const Pack<Sum, 4>*>(&cells[k * LINE + i]);
    }
};
constexpr int SUMS = PART_M * PART_N;
#else
// What stands in the words of TENSOR 2.
template <typename V>
struct PairOf {
    typedef Half type;
};
template <>
struct PairOf<BFloat> {
    typedef BFloat type;
};
typedef typename PairOf<Value>::type Paired;

// In words, as tensor cores take them. Four neighbours along k and eight along the width are read at once: lines that
// are 8 banks apart keep those apart. The numbers that are stored at once are more than four along k: every four of
// them start 8 further on, around the line.
template <int WIDTH>
struct Tile {
    static constexpr int LINE = WIDTH + 8;
    static_assert(WIDTH % 32 == 0, "the lines turn in rounds of 32");
    alignas(16) unsigned words[TILE_K / TENSOR * LINE];

    __device__ static int place(int line, int i) { return line * LINE + (i ^ (line / 4 % 4 * 8)); }

    __device__ void put(int k, int i, Value value) {
#if TENSOR == 1
        words[place(k, i)] = tf32_bits(value);
#else
        reinterpret_cast<Paired*>(words)[place(k / 2, i) * 2 + k % 2] = value;
#endif
    }

    __device__ unsigned get(int line, int i) const { return words[place(line, i)]; }
};
constexpr int SUMS = PART_M * PART_N / 32;
#endif

// ---- The product of two tiles, added to this thread's sums; and where those stand in the tile of sums.
#if TENSOR == 0
constexpr int RUN = 4;  // neighbours along a row that one thread has

// The first row (or column) of a thread's chunk of four: chunks of neighbouring threads lie side by side, so that
// their reads from shared memory do.
constexpr int ACROSS = TILE_N / PART_N;  // threads side by side
__device__ inline int chunk_row(int chunk) { return (chunk * (TILE_M / PART_M) + threadIdx.x / ACROSS) * 4; }
__device__ inline int chunk_column(int chunk) { return (chunk * ACROSS + threadIdx.x % ACROSS) * 4; }

__device__ inline void add_product(const Tile<TILE_M>& a, const Tile<TILE_N>& b, Sum* sums) {
#pragma unroll
    for (int k = 0; k < TILE_K; ++k) {
        Pack<Sum, 4> x[PART_M / 4], y[PART_N / 4];
#pragma unroll
        for (int c = 0; c < PART_M / 4; ++c) x[c] = a.get(k, chunk_row(c));
#pragma unroll
        for (int c = 0; c < PART_N / 4; ++c) y[c] = b.get(k, chunk_column(c));
#pragma unroll
        for (int i = 0; i < PART_M; ++i)
#pragma unroll
            for (int j = 0; j < PART_N; ++j) sums[i * PART_N + j] += x[i / 4].at[i % 4] * y[j / 4].at[j % 4];
    }
}

__device__ inline int sum_row(int run) { return chunk_row(run / (PART_N / 4) / 4) + run / (PART_N / 4) % 4; }
__device__ inline int sum_column(int run) { return chunk_column(run % (PART_N / 4)); }
#else
constexpr int RUN = 2;

__device__ inline int part_row() { return threadIdx.x / 32 / (TILE_N / PART_N) * PART_M; }
__device__ inline int part_column() { return threadIdx.x / 32 % (TILE_N / PART_N) * PART_N; }

__device__ inline void add_product(const Tile<TILE_M>& a, const Tile<TILE_N>& b, float* sums) {
    const int group = threadIdx.x % 32 / 4, member = threadIdx.x % 4;
#pragma unroll
    for (int line = 0; line < TILE_K / TENSOR; line += 8) {
        unsigned x[PART_M / 16][4], y[PART_N / 8][2];
#pragma unroll
        for (int i = 0; i < PART_M / 16; ++i)
#pragma unroll
            for (int w = 0; w < 4; ++w)
                x[i][w] = a.get(line + member + w / 2 * 4, part_row() + i * 16 + group + w % 2 * 8);
#pragma unroll
        for (int j = 0; j < PART_N / 8; ++j)
#pragma unroll
            for (int w = 0; w < 2; ++w) y[j][w] = b.get(line + member + w * 4, part_column() + j * 8 + group);
#pragma unroll
        for (int i = 0; i < PART_M / 16; ++i)
#pragma unroll
            for (int j = 0; j < PART_N / 8; ++j)
#if TENSOR == 1
                mma_tf32(sums + (i * (PART_N / 8) + j) * 4, x[i], y[j]);
#else
                mma_of(sums + (i * (PART_N / 8) + j) * 4, x[i], y[j], Paired());
#endif
    }
}

__device__ inline int sum_row(int run) {
    return part_row() + run / 2 / (PART_N / 8) * 16 + run % 2 * 8 + threadIdx.x % 32 / 4;
}
__device__ inline int sum_column(int run) { return part_column() + run / 2 % (PART_N / 8) * 8 + threadIdx.x % 4 * 2; }
#endif

// ---- One thread's share of fetching a tile.

// Memory runs along k: neighbouring threads fetch neighbours along k, `N` at a time, and then the next lines of them.
template <int WIDTH, int N>
struct AlongK {
    static constexpr int LANES = TILE_K / N, LINES = BLOCK / LANES, PASSES = (WIDTH + LINES - 1) / LINES;
    Pack<Value, N> held[PASSES];

    __device__ static int k() { return threadIdx.x % LANES * N; }
    __device__ static int column(int pass) { return threadIdx.x / LANES + pass * LINES; }

    __device__ void store(Tile<WIDTH>& tile) const {
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass)
            if (column(pass) < WIDTH)
#pragma unroll
                for (int e = 0; e < N; ++e) tile.put(k() + e, column(pass), held[pass].at[e]);
    }
};

// Memory runs along the width.
template <int WIDTH, int N>
struct AlongWidth {
    static constexpr int LANES = WIDTH / N, LINES = BLOCK / LANES, PASSES = (TILE_K + LINES - 1) / LINES;
    Pack<Value, N> held[PASSES];

    __device__ static int k(int pass) { return threadIdx.x / LANES + pass * LINES; }
    __device__ static int column() { return threadIdx.x % LANES * N; }

    __device__ void store(Tile<WIDTH>& tile) const {
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass)
            if (k(pass) < TILE_K)
#pragma unroll
                for (int e = 0; e < N; ++e) tile.put(k(pass), column() + e, held[pass].at[e]);
    }
};

// N neighbours from memory, or zeros.
template <int N>
__device__ inline Pack<Value, N> load(const Value* data, Index offset, bool there) {
    if (there) return *reinterpret_cast<const Pack<Value, N>*>(data + offset);
    Pack<Value, N> zeros;
#pragma unroll
    for (int e = 0; e < N; ++e) zeros.at[e] = Value(0);
    return zeros;
}

// The whole product: `a.fetch()` and `b.fetch()` bring the values of the next TILE_K steps into registers, `store` puts
// them into a tile. All threads of the block must come here with the same number of rounds.
template <typename A, typename B>
__device__ void multiply(A& a, B& b, Index rounds, Sum* sums) {
    __shared__ Tile<TILE_M> left[2];
    __shared__ Tile<TILE_N> right[2];
#pragma unroll
    for (int i = 0; i < SUMS; ++i) sums[i] = 0;
    if (rounds == 0) return;
    a.fetch();
    b.fetch();
    a.store(left[0]);
    b.store(right[0]);
    __syncthreads();
    for (Index round = 0; round < rounds; ++round) {
        const int now = round % 2;
        if (round + 1 < rounds) {
            a.fetch();
            b.fetch();
        }
        add_product(left[now], right[now], sums);
        if (round + 1 < rounds) {
            a.store(left[1 - now]);
            b.store(right[1 - now]);
        }
        __syncthreads();  // the other pair is complete, and nobody reads this one any more
    }
}

// RUN sums into a row of an output with `left` places before its end; in one access if `TOGETHER`: all are there then.
template <bool TOGETHER, typename T>
__device__ inline void write(T* out, const Sum* sums, Index left) {
    Pack<T, RUN> pack;
#pragma unroll
    for (int e = 0; e < RUN; ++e) pack.at[e] = T(sums[e]);
    if constexpr (TOGETHER)
        *reinterpret_cast<Pack<T, RUN>*>(out) = pack;
    else
#pragma unroll
        for (int e = 0; e < RUN; ++e)
            if (e < left) out[e] = pack.at[e];
}
