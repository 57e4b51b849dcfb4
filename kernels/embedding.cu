// Rows of a table: gathered by index, and added up where they came from; and one-hot rows.
//
// A table has `length` rows of `width` values, row after row without gaps. Indices have the type LABEL; one that is
// not in 0 ... length-1 is noted in `fault` (see labels.cuh), gathers a row of NaN and adds nothing.
//
// The sum of rows is made without atomics, in an order that depends on the indices only: pairs of index and place are
// sorted by index, 4 bits at a time from the lowest, each pass keeping equal digits in their order; then every row of
// the table finds its own stretch of places and adds it up in order. A stretch of more than LONG places is cut into one
// piece for each line of a block. Sorting works on tiles of BLOCK threads with `items` (at most 64) neighbouring pairs
// each; with a single tile sort_scatter is a whole pass, otherwise sort_count and sort_scan go before it.

#include "labels.cuh"

#ifndef PACK
#define PACK 1  // values that are copied at a time
#endif
static_assert(BLOCK >= 32 && (BLOCK & (BLOCK - 1)) == 0, "BLOCK must be a power of two of at least 32");
constexpr int DIGITS = 16;
constexpr int LONG = 64;

struct alignas(sizeof(Value) * PACK) Pack {
    Value values[PACK];
};

// `count` and `width` in packs, at the beginning of which table and out lie.
KERNEL gather(const Value* table, const Label* indices, Value* out, long long* fault, Index count, Index width,
              Index length) {
    const Pack* from = (const Pack*)table;
    Pack* to = (Pack*)out;
    EACH(i, count) {
        Index place = i / width;
        Label index = indices[place];
        if (in_range(index, length, fault)) {
            to[i] = from[(Index)index * width + (i - place * width)];
        } else {
            Pack nothing;
            for (int k = 0; k < PACK; ++k) nothing.values[k] = no_value();
            to[i] = nothing;
        }
    }
}

KERNEL one_hot(const Label* indices, Value* out, Index count, Index classes) {
    EACH(i, count) {
        Index place = i / classes;
        out[i] = Value(indices[place] == i - place * classes);
    }
}

// Sorting ----------------------------------------------------------------------------------------------------------
// Pairs to be sorted; an index out of range becomes `length`, which is the last.
KERNEL sort_start(const Label* indices, int* keys, int* places, long long* fault, Index count, Index length) {
    EACH(i, count) {
        keys[i] = in_range(indices[i], length, fault) ? (int)indices[i] : (int)length;
        places[i] = (int)i;
    }
}

// The sum of the values of all threads before this one. All threads of the block must call it.
__device__ int sum_before(int value) {
    __shared__ int sums[BLOCK];
    int thread = threadIdx.x;
    sums[thread] = value;
    __syncthreads();
    for (int distance = 1; distance < BLOCK; distance *= 2) {
        int other = thread >= distance ? sums[thread - distance] : 0;
        __syncthreads();
        sums[thread] += other;
        __syncthreads();
    }
    int before = sums[thread] - value;
    __syncthreads();
    return before;
}

// This thread's stretch of a tile.
struct Stretch {
    Index first, last;

    __device__ Stretch(Index count, Index items) {
        first = ((Index)blockIdx.x * BLOCK + threadIdx.x) * items;
        last = first + items < count ? first + items : count;
    }
};

// For each digit and thread, the number of a tile's pairs that come before those of the thread with this digit, where
// the tile is sorted by digit: starts[digit * BLOCK + thread].
__device__ void digit_starts(const int* keys, const Stretch& stretch, Index shift, unsigned short* starts) {
    int thread = threadIdx.x;
    for (int digit = 0; digit < DIGITS; ++digit) starts[digit * BLOCK + thread] = 0;
    for (Index i = stretch.first; i < stretch.last; ++i) ++starts[(keys[i] >> shift) % DIGITS * BLOCK + thread];
    __syncthreads();
    int sum = 0;  // each thread adds up DIGITS neighbours
    for (int k = 0; k < DIGITS; ++k) sum += starts[thread * DIGITS + k];
    int before = sum_before(sum);
    for (int k = 0; k < DIGITS; ++k) {
        int own = starts[thread * DIGITS + k];
        starts[thread * DIGITS + k] = (unsigned short)before;
        before += own;
    }
    __syncthreads();
}

// How many pairs of each tile have each digit: counts[digit * tiles + tile].
KERNEL sort_count(const int* keys, int* counts, Index count, Index items, Index shift) {
    __shared__ unsigned short starts[DIGITS * BLOCK];
    digit_starts(keys, Stretch(count, items), shift, starts);
    if (threadIdx.x < DIGITS) {
        Index tile = BLOCK * items, rest = count - blockIdx.x * tile, size = rest < tile ? rest : tile;
        int digit = threadIdx.x;
        int end = digit + 1 < DIGITS ? starts[(digit + 1) * BLOCK] : (int)size;
        counts[digit * gridDim.x + blockIdx.x] = end - starts[digit * BLOCK];
    }
}

// Each count becomes the sum of those before it. One block.
KERNEL sort_scan(int* counts, Index size) {
    Index each = (size + BLOCK - 1) / BLOCK, first = threadIdx.x * each;
    Index last = first + each < size ? first + each : size;
    int sum = 0;
    for (Index i = first; i < last; ++i) sum += counts[i];
    int before = sum_before(sum);
    for (Index i = first; i < last; ++i) {
        int own = counts[i];
        counts[i] = before;
        before += own;
    }
}

// One pass. `counts` is that of sort_scan; with one tile it is not read.
KERNEL sort_scatter(const int* keys, const int* places, const int* counts, int* new_keys, int* new_places, Index count,
                    Index items, Index shift) {
    __shared__ unsigned short starts[DIGITS * BLOCK];
    __shared__ int offsets[DIGITS];
    Stretch stretch(count, items);
    digit_starts(keys, stretch, shift, starts);
    if (threadIdx.x < DIGITS) {
        int digit = threadIdx.x;
        offsets[digit] = gridDim.x == 1 ? 0 : counts[digit * gridDim.x + blockIdx.x] - starts[digit * BLOCK];
    }
    __syncthreads();
    for (Index i = stretch.first; i < stretch.last; ++i) {
        int digit = (keys[i] >> shift) % DIGITS;
        Index to = offsets[digit] + starts[digit * BLOCK + threadIdx.x]++;
        new_keys[to] = keys[i];
        new_places[to] = places[i];
    }
}

// Sums -------------------------------------------------------------------------------------------------------------
// The first of the sorted keys that is not less than `key`.
__device__ inline Index find(const int* keys, Index count, int key) {
    Index low = 0, high = count;
    while (low < high) {
        Index middle = low + (high - low) / 2;
        if (keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// table = sums of the rows at the places of each index; 0 where there is none. Long stretches are left out.
KERNEL sum_rows(const int* keys, const int* places, const Value* rows, Value* table, Index count, Index width,
                Index length) {
    EACH(i, length * width) {
        int key = (int)(i / width);
        Index column = i - key * width, first = find(keys, count, key), last = find(keys, count, key + 1);
        if (last - first > LONG) continue;
        Sum sum = 0;
#pragma unroll 4
        for (Index j = first; j < last; ++j) sum += Sum(rows[places[j] * width + column]);
        table[i] = Value(sum);
    }
}

// The same for those indices alone that occur: a row of sums for each of the sorted keys, the sum at the first of a
// stretch of equal ones, 0 at the others and at keys that are out of range.
KERNEL sum_distinct(const int* keys, const int* places, const Value* rows, Value* sums, Index count, Index width,
                    Index length) {
    EACH(i, count * width) {
        Index own = i / width, column = i - own * width;
        int key = keys[own];
        Sum sum = 0;
        if (key < length && (own == 0 || keys[own - 1] != key)) {
            Index last = find(keys, count, key + 1);
            if (last - own > LONG) continue;
#pragma unroll 4
            for (Index j = own; j < last; ++j) sum += Sum(rows[places[j] * width + column]);
        }
        sums[i] = Value(sum);
    }
}

// The first row of each stretch of equal places becomes the table's row at that place.
KERNEL put_rows(const Value* rows, const int* places, Value* table, Index count, Index width, Index length) {
    EACH(i, count * width) {
        Index own = i / width;
        int place = places[own];
        if (place < length && (own == 0 || places[own - 1] != place)) table[place * width + (i - own * width)] = rows[i];
    }
}

// Sums of long stretches, for sum_rows or (if `distinct`) for sum_distinct. Each holds the place of one of the blocks
// along x, at least; the first is to do it. Blocks along y are for the columns, `side` (a power of two up to BLOCK) to
// a block.
KERNEL sum_long_rows(const int* keys, const int* places, const Value* rows, Value* table, Index count, Index width,
                     Index length, Index side, Index distinct) {
    __shared__ Sum sums[BLOCK];
    int lines = BLOCK / (int)side, line = threadIdx.x / (int)side;
    Index own = (Index)blockIdx.x * LONG;
    int key = keys[own];
    Index first = find(keys, count, key), last = find(keys, count, key + 1);
    if (key >= length || last - first <= LONG || first + LONG <= own) return;
    Index column = blockIdx.y * side + threadIdx.x % side, each = (last - first + lines - 1) / lines;
    Index from = first + line * each, to = from + each < last ? from + each : last;
    Sum sum = 0;
    if (column < width)
#pragma unroll 4
        for (Index j = from; j < to; ++j) sum += Sum(rows[places[j] * width + column]);
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (line > 0 || column >= width) return;
    for (int other = 1; other < lines; ++other) sum += sums[other * side + threadIdx.x];
    table[(distinct ? first : (Index)key) * width + column] = Value(sum);
}
