// Convolution over one or two spatial axes (a single one has height 1), and its two derivatives, as matrix products
// whose large operand, the windows' cells side by side, exists in shared memory only, a tile at a time ("implicit
// GEMM", Chetlur et al. 2014, cuDNN: Efficient Primitives for Deep Learning).
//
//   x       (samples, height, width, channels), any strides: channels-first data needs no copy
//   kernel  (size, size, channels, filters), without gaps
//   y, g    (samples, positions, positions, filters); y without gaps, g with any strides in input_gradient
//
//                         rows                     columns     summed over
//   convolution      y    samples and positions    filters     the window's cells and channels
//   input_gradient   dx   samples and cells        channels    the cells of the window that see the row, and filters
//   kernel_gradient  dk   window cells, channels   filters     samples and positions
//
// Launch with one block for each tile of rows and columns (grid x, column tiles next to each other) and threads as
// tile.cuh says. Grid z: for input_gradient one for each stride * stride residue of a cell's coordinates, which decides
// by which cells of the window it can be seen; for kernel_gradient any number of parts of the sum.
//
// Values moved in one access, 1 or 4: VECTOR_A for the left operand (x; g in input_gradient), VECTOR_B for the right
// one (kernel; g in kernel_gradient) and the result. 4 needs addresses and all strides but the last in multiples of 4
// values, and neighbours along the last axis side by side.

#include "tile.cuh"
#include "window.cuh"

#ifndef VECTOR_A
#define VECTOR_A 1
#define VECTOR_B 1
#endif

// The largest tiles take half of a multiprocessor's registers and a little more if the compiler may choose. Held to the
// half, where that spills few numbers or none, two blocks fit: one multiplies while the other waits.
#if TILE_M * TILE_N >= 128 * 128 && (TENSOR == 0 || TENSOR == 1 && VECTOR_A * VECTOR_B > 4)
#undef KERNEL
#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK, 2)
#endif

#define STEPS Index step_sample, Index step_depth, Index step_row, Index step_column, Index step_channel

// A coordinate from which no step leads into the data.
constexpr Index NOWHERE = -(Index(1) << 30);

// A place within nested loops over `middle` x `inner`, of which a thread takes every so many steps.
struct Walk {
    Index outer, middle, inner;

    __device__ void advance(Index by, Index middles, Index inners) {
        inner += by;
        if (inner < inners) return;
        middle += inner / inners;
        inner %= inners;
        if (middle < middles) return;
        outer += middle / middles;
        middle %= middles;
    }
};

// A field of cells that windows are read from: a row's window starts at some cell and takes `taps` x `taps` steps of
// (down, across) from there, and all channels at each. Beyond the edges everything is 0.
struct Field {
    const Value* data;
    Index height, width, channels, step_row, step_column, step_channel;
    Index down, across, taps_down, taps_across;

    __device__ Index cells() const { return taps_down * taps_across * channels; }
};

// The first cell of a row's window, and the element of the field's data that stands for it.
struct Corner {
    Index h, w, element;
};

// The left operand whose row i is window i. `corner(i)` gives its Corner.
struct WindowRows : AlongK<TILE_M, VECTOR_A> {
    const Field& field;
    Corner corners[PASSES];
    Walk at{0, 0, 0};  // tap down, tap across, channel

    template <typename Find>
    __device__ WindowRows(const Field& field, Index first, Index rows, Find corner) : field(field) {
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            const Index row = first + column(pass);
            corners[pass] = row < rows ? corner(row) : Corner{NOWHERE, NOWHERE, 0};
        }
        at.advance(k(), field.taps_across, field.channels);
    }

    __device__ void fetch() {
        const bool more = at.outer < field.taps_down;
        const Index y = more ? at.outer * field.down : 0, x = at.middle * field.across;
        const Index ahead = y * field.step_row + x * field.step_column + at.inner * field.step_channel;
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            const Corner& from = corners[pass];
            held[pass] = load<VECTOR_A>(field.data, from.element + ahead,
                                        more && inside(from.h + y, field.height) && inside(from.w + x, field.width));
        }
        at.advance(TILE_K, field.taps_across, field.channels);
    }
};

// The right operand that is a matrix in memory, from row `line` up to row `lines`.
struct MatrixRows : AlongWidth<TILE_N, VECTOR_B> {
    const Value* data;
    Index line, lines, columns, first;

    __device__ MatrixRows(const Value* data, Index line, Index lines, Index columns, Index first)
        : data(data), line(line), lines(lines), columns(columns), first(first + column()) {}

    __device__ void fetch() {
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            const Index row = line + k(pass);
            held[pass] = load<VECTOR_B>(data, row * columns + first, row < lines && first < columns);
        }
        line += TILE_K;
    }
};

// Which tile of the product a block makes.
struct Place {
    Index row, column;

    __device__ Place(Index columns) {
        const Index tiles = (columns + TILE_N - 1) / TILE_N;
        row = blockIdx.x / tiles * TILE_M;
        column = blockIdx.x % tiles * TILE_N;
    }
};

// The tile of sums into the rows of a matrix; `target(row)` is a row's first element.
template <typename T, typename Target>
__device__ void write_tile(const Sum* sums, const Place& place, Index rows, Index columns, Target target) {
#pragma unroll
    for (int run = 0; run < SUMS / RUN; ++run) {
        const Index row = place.row + sum_row(run), column = place.column + sum_column(run);
        if (row < rows && column < columns)
            write<(VECTOR_B > 1), T>(target(row) + column, sums + run * RUN, columns - column);
    }
}

KERNEL convolution(const Value* x, const Value* kernel, Value* y, Index samples, Index channels, Index filters, STEPS,
                   WINDOW_PARAMETERS) {
    const Window window = WINDOW;
    const Index rows = samples * window.positions[1] * window.positions[2];
    const Field field{x, window.space[1], window.space[2], channels, step_row, step_column, step_channel,
                      window.dilation[1], window.dilation[2], window.size[1], window.size[2]};
    const Place place(filters);
    WindowRows windows(field, place.row, rows, [&](Index row) {
        const Index h = row / window.positions[2] % window.positions[1] * window.strides[1] - window.before[1];
        const Index w = row % window.positions[2] * window.strides[2] - window.before[2];
        const Index sample = row / (window.positions[1] * window.positions[2]);
        return Corner{h, w, sample * step_sample + h * step_row + w * step_column};
    });
    MatrixRows matrix(kernel, 0, field.cells(), filters, place.column);
    Sum sums[SUMS];
    multiply(windows, matrix, (field.cells() + TILE_K - 1) / TILE_K, sums);
    write_tile<Value>(sums, place, rows, filters, [&](Index row) { return y + row * filters; });
}

// The cells of one axis whose coordinate leaves a given residue, divided by the stride. All of them are seen by the
// same cells of the window: every `apart`th one from `first` on, `taps` in number; from one of these to the next, the
// position of the window moves back by `back`. Cell number i of them is seen first from position i + `from`.
struct Residue {
    Index cells, first, apart, taps, back, from;

    __device__ Residue(const Window& window, int axis, Index residue) {
        const Index stride = window.strides[axis], dilation = window.dilation[axis];
        cells = residue < window.space[axis] ? (window.space[axis] - residue - 1) / stride + 1 : 0;
        apart = 1;
        while (apart * dilation % stride != 0) ++apart;
        first = 0;
        while (first < apart && (residue + window.before[axis] - first * dilation) % stride != 0) ++first;
        taps = first < apart && first < window.size[axis] ? (window.size[axis] - first - 1) / apart + 1 : 0;
        back = apart * dilation / stride;
        from = (residue + window.before[axis] - first * dilation) / stride;
    }
};

// The right operand of the input gradient: for each cell of the window in turn, filters x channels.
struct KernelColumns : AlongK<TILE_N, VECTOR_B> {
    const Value* kernel;
    const Residue &h, &w;
    Index size_across, channels, filters, first;
    Walk at{0, 0, 0};  // tap down, tap across, filter

    __device__ KernelColumns(const Value* kernel, const Residue& h, const Residue& w, Index size_across, Index channels,
                             Index filters, Index first)
        : kernel(kernel), h(h), w(w), size_across(size_across), channels(channels), filters(filters), first(first) {
        at.advance(k(), w.taps, filters);
    }

    __device__ void fetch() {
        const Index tap = (h.first + at.outer * h.apart) * size_across + w.first + at.middle * w.apart;
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            const Index channel = first + column(pass);
            held[pass] = load<VECTOR_B>(kernel, (tap * channels + channel) * filters + at.inner,
                                        at.outer < h.taps && channel < channels);
        }
        at.advance(TILE_K, w.taps, filters);
    }
};

KERNEL input_gradient(const Value* g, const Value* kernel, Value* dx, Index samples, Index channels, Index filters,
                      STEPS, WINDOW_PARAMETERS) {
    const Window window = WINDOW;
    const Index residue_h = blockIdx.z / window.strides[2], residue_w = blockIdx.z % window.strides[2];
    Residue down(window, 1, residue_h), across(window, 2, residue_w);
    if (down.taps == 0 || across.taps == 0) down.taps = 0, across.taps = 1;  // nobody sees these cells: zeros
    const Index rows = samples * down.cells * across.cells;
    const Place place(channels);
    if (place.row >= rows) return;  // the grid is made for the residue of most cells
    const Field field{g, window.positions[1], window.positions[2], filters, step_row, step_column, step_channel,
                      -down.back, -across.back, down.taps, across.taps};
    WindowRows windows(field, place.row, rows, [&](Index row) {
        const Index p = row / across.cells % down.cells + down.from, q = row % across.cells + across.from;
        const Index sample = row / (down.cells * across.cells);
        return Corner{p, q, sample * step_sample + p * step_row + q * step_column};
    });
    KernelColumns columns(kernel, down, across, window.size[2], channels, filters, place.column);
    Sum sums[SUMS];
    multiply(windows, columns, (field.cells() + TILE_K - 1) / TILE_K, sums);
    write_tile<Value>(sums, place, rows, channels, [&](Index row) {
        const Index h = row / across.cells % down.cells * window.strides[1] + residue_h;
        const Index w = row % across.cells * window.strides[2] + residue_w;
        const Index sample = row / (down.cells * across.cells);
        return dx + ((sample * window.space[1] + h) * window.space[2] + w) * channels;
    });
}

// The left operand of the kernel gradient: a column for each cell of the window and channel, a line for each position.
struct WindowColumns : AlongWidth<TILE_M, VECTOR_A> {
    const Value* x;
    const Window& window;
    Index end, step_sample, step_row, step_column;
    Index h, w, offset;  // what this thread's column sees from position (0, 0) of sample 0
    Index line[PASSES];
    Walk at[PASSES];  // sample, position down, position across

    __device__ WindowColumns(const Value* x, const Window& window, Index start, Index end, Index channels, Index first,
                             STEPS)
        : x(x), window(window), end(end), step_sample(step_sample), step_row(step_row), step_column(step_column) {
        const Index cell = (first + column()) / channels, channel = (first + column()) % channels;
        const bool there = cell < window.size[1] * window.size[2];  // the tile may be wider than the matrix
        h = there ? seen(window, 1, 0, cell / window.size[2]) : NOWHERE;
        w = seen(window, 2, 0, cell % window.size[2]);
        offset = there ? h * step_row + w * step_column + channel * step_channel : 0;
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            line[pass] = start + k(pass);
            at[pass] = Walk{0, 0, 0};
            at[pass].advance(line[pass], window.positions[1], window.positions[2]);
        }
    }

    __device__ void fetch() {
#pragma unroll
        for (int pass = 0; pass < PASSES; ++pass) {
            const Index y = at[pass].middle * window.strides[1], z = at[pass].inner * window.strides[2];
            const bool there = line[pass] < end && inside(h + y, window.space[1]) && inside(w + z, window.space[2]);
            const Index element = at[pass].outer * step_sample + y * step_row + z * step_column + offset;
            held[pass] = load<VECTOR_A>(x, there ? element : 0, there);
            line[pass] += TILE_K;
            at[pass].advance(TILE_K, window.positions[1], window.positions[2]);
        }
    }
};

// Block z adds up `share` positions (a multiple of TILE_K). With one such part the sums are the gradient; otherwise
// they go to `parts` (parts, size * size * channels, filters), which add_parts adds up.
KERNEL kernel_gradient(const Value* x, const Value* g, Value* dk, Sum* parts, Index samples, Index channels,
                       Index filters, Index share, STEPS, WINDOW_PARAMETERS) {
    const Window window = WINDOW;
    const Index rows = window.size[1] * window.size[2] * channels;
    const Index lines = samples * window.positions[1] * window.positions[2], start = blockIdx.z * share;
    const Index end = start + share < lines ? start + share : lines;
    const Place place(filters);
    WindowColumns windows(x, window, start, end, channels, place.row, step_sample, step_depth, step_row, step_column,
                          step_channel);
    MatrixRows matrix(g, start, end, filters, place.column);
    Sum sums[SUMS];
    multiply(windows, matrix, end > start ? (end - start + TILE_K - 1) / TILE_K : 0, sums);
    if (gridDim.z == 1)
        write_tile<Value>(sums, place, rows, filters, [&](Index row) { return dk + row * filters; });
    else
        write_tile<Sum>(sums, place, rows, filters,
                        [&](Index row) { return parts + (blockIdx.z * rows + row) * filters; });
}

// The parts of the kernel gradient, added up in their order.
KERNEL add_parts(const Sum* parts, Value* dk, Index count, Index size) {
    EACH(i, size) {
        Sum sum = 0;
        for (Index part = 0; part < count; ++part) sum += parts[part * size + i];
        dk[i] = Value(sum);
    }
}
