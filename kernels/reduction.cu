// Reductions over any axes, running sums and products, and the place of the largest or smallest element.
//
// A reduction makes `outputs` results of `length` elements each. Where an element lies follows from the number o of
// its result and its number r within it. Usually both count through at most two axes:
//     x[(o / k1) * k0_stride + (o % k1) * k1_stride + (r / r1) * r0_stride + (r % r1) * r1_stride]
// and for the rest a table of axes is read (`TableLayout`).
//
// A block of BLOCK threads is a tile: `lanes` threads (a power of two) share the elements of a result, BLOCK / lanes
// results stand side by side. Neighbouring threads are neighbouring lanes if `along` is 1 (the elements of a result lie
// side by side, as the rows of a matrix), neighbouring results if it is 0 (columns). blockIdx.x counts tiles, any
// number of them; blockIdx.y counts chunks of `chunk` elements, none of them empty. With more than one chunk,
// `reduce_part` writes partial results (chunks, outputs), of which `reduce_rest` makes the results. The order of all
// this depends on the sizes alone. KIND is Add, Multiply, Max or Min (reduce.cuh); 16-bit floats add up in float.
// For bool, Max is `any` and Min is `all`.

#include "types.cuh"
#include "reduce.cuh"

#ifndef KIND
#define KIND Add
#endif

struct PlainLayout {
    Index k1, k0_stride, k1_stride, r1, r0_stride, r1_stride;
    __device__ Index result(Index o) const { return (o / k1) * k0_stride + (o % k1) * k1_stride; }
    __device__ Index element(Index r) const {
        if (r0_stride == r1 * r1_stride) return r * r1_stride;  // one axis: no division
        return (r / r1) * r0_stride + (r % r1) * r1_stride;
    }
};

// The table: how many axes count results and how many count elements, then length and stride of each.
struct TableLayout {
    const long long* table;
    __device__ static Index walk(const long long* axes, int count, Index number) {
        Index place = 0;
#pragma unroll 1
        for (int axis = count - 1; axis >= 0; --axis) {
            Index size = axes[2 * axis];
            place += number % size * Index(axes[2 * axis + 1]);
            number /= size;
        }
        return place;
    }
    __device__ Index result(Index o) const { return walk(table + 2, table[0], o); }
    __device__ Index element(Index r) const { return walk(table + 2 + 2 * table[0], table[1], r); }
};

// Every lanes-th element from `first` to before `last`. Four running results: their loads need not wait for each other,
// and each adds up a quarter only, which keeps rounding errors small.
template <typename In, typename Layout>
__device__ Sum reduce_lane(const In* x, Index first, Index last, int lanes, Sum start, const Layout& layout) {
    const KIND combine;
    Sum a = start, b = start, c = start, d = start;
    Index r = first;
    for (; r + 3 * lanes < last; r += 4 * lanes) {
        a = combine(a, Sum(x[layout.element(r)]));
        b = combine(b, Sum(x[layout.element(r + lanes)]));
        c = combine(c, Sum(x[layout.element(r + 2 * lanes)]));
        d = combine(d, Sum(x[layout.element(r + 3 * lanes)]));
    }
    for (; r < last; r += lanes) a = combine(a, Sum(x[layout.element(r)]));
    return combine(combine(a, b), combine(c, d));
}

// What the first element may be combined with: where nothing is neutral, the element itself.
template <typename Operation>
__device__ Sum start_of(Sum first) {
    if constexpr (Operation::repeats)
        return first;
    else
        return Operation::template start<Sum>();
}

template <typename In, typename Out, typename Layout>
__device__ void reduce_tiles(const In* x, Out* out, Index outputs, Index length, Index chunk, int lanes, bool along,
                             const Layout& layout) {
    int across = BLOCK / lanes, thread = threadIdx.x;
    int lane = along ? thread % lanes : thread / across;
    int column = along ? thread / lanes : thread % across;
    Index first = blockIdx.y * chunk;
    Index last = first + chunk < length ? first + chunk : length;
    for (Index tile = (Index)blockIdx.x * across; tile < outputs; tile += (Index)gridDim.x * across) {
        Index o = tile + column;
        Sum total = Sum(0);
        if (o < outputs) {
            const In* elements = x + layout.result(o);
            Sum start = start_of<KIND>(first < last ? Sum(elements[layout.element(first)]) : Sum(0));
            total = reduce_lane(elements, first + lane, last, lanes, start, layout);
        }
        total = lanes_reduce(total, lane, lanes, along ? 1 : across, KIND());
        if (lane == 0 && o < outputs) out[blockIdx.y * outputs + o] = Out(total);
    }
}

KERNEL reduce(const Value* x, Value* y, Index outputs, Index length, Index chunk, Index lanes, Index along, Index k1,
              Index k0_stride, Index k1_stride, Index r1, Index r0_stride, Index r1_stride) {
    PlainLayout layout{k1, k0_stride, k1_stride, r1, r0_stride, r1_stride};
    reduce_tiles(x, y, outputs, length, chunk, lanes, along, layout);
}

KERNEL reduce_part(const Value* x, Sum* part, Index outputs, Index length, Index chunk, Index lanes, Index along,
                   Index k1, Index k0_stride, Index k1_stride, Index r1, Index r0_stride, Index r1_stride) {
    PlainLayout layout{k1, k0_stride, k1_stride, r1, r0_stride, r1_stride};
    reduce_tiles(x, part, outputs, length, chunk, lanes, along, layout);
}

KERNEL reduce_table(const Value* x, Value* y, Index outputs, Index length, Index chunk, Index lanes, Index along,
                    const long long* table) {
    reduce_tiles(x, y, outputs, length, chunk, lanes, along, TableLayout{table});
}

KERNEL reduce_part_table(const Value* x, Sum* part, Index outputs, Index length, Index chunk, Index lanes, Index along,
                         const long long* table) {
    reduce_tiles(x, part, outputs, length, chunk, lanes, along, TableLayout{table});
}

KERNEL reduce_rest(const Sum* part, Value* y, Index outputs, Index chunks, Index lanes) {
    reduce_tiles(part, y, outputs, chunks, chunks, lanes, false, PlainLayout{outputs, 0, 1, chunks, 0, outputs});
}

// The place of the extremum along the middle axis of x (outer, length, inner); lanes and along as above. NaN counts as
// an extremum; among equals the first is found.
struct Candidate {
    Sum value;
    Index place;
};

template <typename Order>
struct Better {
    __device__ Candidate operator()(Candidate a, Candidate b) const {
        bool a_is_nan = a.value != a.value, b_is_nan = b.value != b.value;
        bool equal = a.value == b.value || (a_is_nan && b_is_nan);
        bool second = equal ? b.place < a.place : !a_is_nan && (b_is_nan || Order::before(b.value, a.value));
        return second ? b : a;
    }
};

struct Larger {
    __device__ static bool before(Sum a, Sum b) { return a > b; }
};

struct Smaller {
    __device__ static bool before(Sum a, Sum b) { return a < b; }
};

template <typename Order>
__device__ void arg_tiles(const Value* x, long long* y, Index outputs, Index length, Index inner, int lanes,
                          bool along) {
    const Better<Order> better;
    int across = BLOCK / lanes, thread = threadIdx.x;
    int lane = along ? thread % lanes : thread / across;
    int column = along ? thread / lanes : thread % across;
    for (Index tile = (Index)blockIdx.x * across; tile < outputs; tile += (Index)gridDim.x * across) {
        Index o = tile + column;
        Candidate best{Sum(0), 0};
        if (o < outputs) {
            const Value* line = x + o / inner * length * inner + o % inner;
            best.value = line[0];
            for (Index r = lane; r < length; r += lanes) best = better(best, Candidate{Sum(line[r * inner]), r});
        }
        best = lanes_reduce(best, lane, lanes, along ? 1 : across, better);
        if (lane == 0 && o < outputs) y[o] = best.place;
    }
}

KERNEL arg_max(const Value* x, long long* y, Index outputs, Index length, Index inner, Index lanes, Index along) {
    arg_tiles<Larger>(x, y, outputs, length, inner, lanes, along);
}

KERNEL arg_min(const Value* x, long long* y, Index outputs, Index length, Index inner, Index lanes, Index along) {
    arg_tiles<Smaller>(x, y, outputs, length, inner, lanes, along);
}

// Running results along the middle axis of x (outer, length, inner); with `exclusive` 1, y[j] leaves out x[j]. Here one
// thread goes through each of the outer * inner lines.
KERNEL scan_lines(const Value* __restrict__ x, Value* __restrict__ y, Index lines, Index length, Index inner,
                  Index exclusive) {
    const KIND combine;
    EACH(i, lines) {
        Index start = i / inner * length * inner + i % inner;
        Sum total = start_of<KIND>(x[start]);
        for (Index j = 0; j < length; ++j) {
            Index place = start + j * inner;
            Sum next = combine(total, Sum(x[place]));
            y[place] = Value(exclusive ? total : next);
            total = next;
        }
    }
}

// The same for inner = 1: a block goes through a line, BLOCK elements at a time.
KERNEL scan_rows(const Value* x, Value* y, Index rows, Index length, Index exclusive) {
    __shared__ Sum partial[BLOCK];
    const KIND combine;
    int thread = threadIdx.x;
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Value* in = x + row * length;
        Value* out = y + row * length;
        Sum before = start_of<KIND>(in[0]);  // of the elements left of this tile
        for (Index tile = 0; tile < length; tile += BLOCK) {
            Index j = tile + thread;
            Sum value = Sum(in[j < length ? j : length - 1]);
            partial[thread] = value;
            __syncthreads();
            for (int reach = 1; reach < BLOCK; reach *= 2) {
                if (thread >= reach) value = combine(partial[thread - reach], value);
                __syncthreads();
                partial[thread] = value;
                __syncthreads();
            }
            if (j < length) {
                if (exclusive) value = thread == 0 ? before : combine(before, partial[thread - 1]);
                out[j] = Value(exclusive ? value : combine(before, value));
            }
            before = combine(before, partial[BLOCK - 1]);
            __syncthreads();  // before the next tile is written over this one
        }
    }
}
