// The largest and the mean of the cells that a window sees (window.cuh), and their gradients.
//
// Tensors are (samples, *space, channels), channels fastest, without gaps; only x may have any strides, which are given
// in elements for samples, three spatial axes and channels. A thread makes one result at a time, neighbouring threads
// neighbouring channels; any number of blocks. Gradients gather: the thread of an input cell goes through the windows
// that see it, always in the same order. Padding does not count in a mean. 16-bit floats add up in float.
//
// The gradient of a maximum goes to the first cell, in row-major order, that equals it. A window with a NaN has the
// maximum NaN, which equals no cell, and gives nothing.
//
// With -DTILE=n the window is n x n, moved by n, and the compiler unrolls the loops over its cells.

#include "types.cuh"
#include "window.cuh"

#ifdef TILE
#define POOLING_WINDOW \
    {{1, space1, space2}, {1, positions1, positions2}, {1, TILE, TILE}, {1, TILE, TILE}, {1, 1, 1}, {0, 0, 0}}
#else
#define POOLING_WINDOW WINDOW
#endif

#define STEPS Index sample_step, Index step0, Index step1, Index step2, Index channel_step
#define FOR_PLACES                                                  \
    for (Index place0 = 0; place0 < window.size[0]; ++place0)       \
        for (Index place1 = 0; place1 < window.size[1]; ++place1)   \
            for (Index place2 = 0; place2 < window.size[2]; ++place2)

// An input with any strides, seen from one sample and channel.
struct Cells {
    const Value* start;
    Index step[3];
    __device__ Sum at(const Index* cell) const {
        return Sum(start[cell[0] * step[0] + cell[1] * step[1] + cell[2] * step[2]]);
    }
};

// The cell that the window at `position` sees at its own place; false in the padding.
__device__ inline bool look(const Window& window, const Index* position, Index place0, Index place1, Index place2,
                            Index* cell) {
    cell[0] = seen(window, 0, position[0], place0);
    cell[1] = seen(window, 1, position[1], place1);
    cell[2] = seen(window, 2, position[2], place2);
    return inside(cell[0], window.space[0]) && inside(cell[1], window.space[1]) && inside(cell[2], window.space[2]);
}

// Where a cell of the input lies in a tensor without gaps.
__device__ inline Index cell_index(const Window& window, Index sample, const Index* cell, Index channels,
                                   Index channel) {
    return (((sample * window.space[0] + cell[0]) * window.space[1] + cell[1]) * window.space[2] + cell[2]) * channels +
           channel;
}

__device__ inline Index output_index(const Window& window, Index sample, const Index* position, Index channels,
                                     Index channel) {
    return (((sample * window.positions[0] + position[0]) * window.positions[1] + position[1]) * window.positions[2] +
            position[2]) * channels + channel;
}

KERNEL max_pool(const Value* x, Value* y, Index samples, Index channels, STEPS, WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    EACH(i, samples * volume(window.positions) * channels) {
        Index position[3], cell[3], channel = i % channels;
        Index sample = unravel(i / channels, window.positions, position);
        Cells cells{x + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        Sum zero = 0, best = -1 / zero;
        FOR_PLACES {
            if (!look(window, position, place0, place1, place2, cell)) continue;
            Sum value = cells.at(cell);
            if (value > best || value != value) best = value;  // once NaN, always NaN
        }
        y[i] = Value(best);
    }
}

// Whether the window at `position` sees its maximum `y` at none of the places before the given one.
__device__ inline bool first_of(const Cells& cells, const Window& window, const Index* position, const Index* place,
                                Sum y) {
    Index cell[3];
    FOR_PLACES {
        if (place0 == place[0] && place1 == place[1] && place2 == place[2]) return true;
        if (look(window, position, place0, place1, place2, cell) && cells.at(cell) == y) return false;
    }
    return true;
}

// (g, x, y) -> dx, for any window.
KERNEL max_pool_gradient(const Value* g, const Value* x, const Value* y, Value* dx, Index samples, Index channels,
                         STEPS, WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    EACH(i, samples * volume(window.space) * channels) {
        Index cell[3], first[3], last[3], position[3], place[3], channel = i % channels;
        Index sample = unravel(i / channels, window.space, cell);
        for (int axis = 0; axis < 3; ++axis) reaching(window, axis, cell[axis], &first[axis], &last[axis]);
        Cells cells{x + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        Sum value = cells.at(cell), total = 0;
        for (position[0] = last[0]; position[0] >= first[0]; --position[0]) {
            place[0] = place_of(window, 0, cell[0], position[0]);
            for (position[1] = last[1]; position[1] >= first[1]; --position[1]) {
                place[1] = place_of(window, 1, cell[1], position[1]);
                for (position[2] = last[2]; position[2] >= first[2]; --position[2]) {
                    place[2] = place_of(window, 2, cell[2], position[2]);
                    if (place[0] < 0 || place[1] < 0 || place[2] < 0) continue;
                    Index output = output_index(window, sample, position, channels, channel);
                    Sum largest = Sum(y[output]);
                    if (value == largest && first_of(cells, window, position, place, largest)) total += Sum(g[output]);
                }
            }
        }
        dx[i] = Value(total);
    }
}

// The same where windows lie side by side (strides = size, dilation 1): a thread writes all cells of one window. Cells
// behind the last window belong to a tile without one. Nothing overlaps (__restrict__): the cells' loads need not wait
// for the stores before them.
KERNEL max_pool_gradient_tiles(const Value* g, const Value* __restrict__ x, const Value* y, Value* __restrict__ dx,
                               Index samples, Index channels, STEPS, WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    Index tiles[3];
    for (int axis = 0; axis < 3; ++axis)
        tiles[axis] = (window.space[axis] + window.before[axis] + window.size[axis] - 1) / window.size[axis];
    EACH(i, samples * volume(tiles) * channels) {
        Index position[3], cell[3], channel = i % channels;
        Index sample = unravel(i / channels, tiles, position);
        Cells cells{x + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        bool open = position[0] < window.positions[0] && position[1] < window.positions[1] &&
                    position[2] < window.positions[2];
        Sum largest = 0, gradient = 0;
        if (open) {
            Index output = output_index(window, sample, position, channels, channel);
            largest = Sum(y[output]);
            gradient = Sum(g[output]);
        }
        FOR_PLACES {
            if (!look(window, position, place0, place1, place2, cell)) continue;
            bool hit = open && cells.at(cell) == largest;
            dx[cell_index(window, sample, cell, channels, channel)] = Value(hit ? gradient : Sum(0));
            if (hit) open = false;
        }
    }
}

// (h, x, y) -> for each window, h at the first cell where x equals y; 0 if there is none.
KERNEL max_pool_pick(const Value* h, const Value* x, const Value* y, Value* out, Index samples, Index channels, STEPS,
                     WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    EACH(i, samples * volume(window.positions) * channels) {
        Index position[3], cell[3], channel = i % channels;
        Index sample = unravel(i / channels, window.positions, position);
        Cells cells{x + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        Sum largest = Sum(y[i]), picked = 0;
        bool open = true;
        FOR_PLACES {
            if (!open || !look(window, position, place0, place1, place2, cell) || cells.at(cell) != largest) continue;
            picked = Sum(h[cell_index(window, sample, cell, channels, channel)]);
            open = false;
        }
        out[i] = Value(picked);
    }
}

// The number of cells inside the input that a window sees along one axis.
__device__ inline Index cells_seen(const Window& window, int axis, Index position) {
    Index step = window.dilation[axis], start = position * window.strides[axis] - window.before[axis];
    Index room = window.space[axis] - 1 - start;  // to the last cell of the input
    Index first = start < 0 ? (-start + step - 1) / step : 0;
    Index last = room < 0 ? -1 : room / step;
    if (last >= window.size[axis]) last = window.size[axis] - 1;
    return last < first ? 0 : last - first + 1;
}

__device__ inline Sum cells_seen(const Window& window, const Index* position) {
    return Sum(cells_seen(window, 0, position[0]) * cells_seen(window, 1, position[1]) *
               cells_seen(window, 2, position[2]));
}

KERNEL average_pool(const Value* x, Value* y, Index samples, Index channels, STEPS, WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    EACH(i, samples * volume(window.positions) * channels) {
        Index position[3], cell[3], channel = i % channels;
        Index sample = unravel(i / channels, window.positions, position);
        Cells cells{x + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        Sum total = 0;
        FOR_PLACES if (look(window, position, place0, place1, place2, cell)) total += cells.at(cell);
        y[i] = Value(total / cells_seen(window, position));
    }
}

// g -> dx; here the strides are those of g.
KERNEL average_pool_gradient(const Value* g, Value* dx, Index samples, Index channels, STEPS, WINDOW_PARAMETERS) {
    const Window window = POOLING_WINDOW;
    EACH(i, samples * volume(window.space) * channels) {
        Index cell[3], first[3], last[3], position[3], channel = i % channels;
        Index sample = unravel(i / channels, window.space, cell);
        for (int axis = 0; axis < 3; ++axis) reaching(window, axis, cell[axis], &first[axis], &last[axis]);
        Cells shares{g + sample * sample_step + channel * channel_step, {step0, step1, step2}};
        Sum total = 0;
        for (position[0] = last[0]; position[0] >= first[0]; --position[0])
            for (position[1] = last[1]; position[1] >= first[1]; --position[1])
                for (position[2] = last[2]; position[2] >= first[2]; --position[2])
                    if (place_of(window, 0, cell[0], position[0]) >= 0 &&
                        place_of(window, 1, cell[1], position[1]) >= 0 &&
                        place_of(window, 2, cell[2], position[2]) >= 0)
                        total += shares.at(position) / cells_seen(window, position);
        dx[i] = Value(total);
    }
}
