// The geometry of windows that slide over an input (samples, *space, channels): up to three spatial axes; where there
// are fewer, the first ones have length 1. A kernel takes it as eighteen numbers, which Window.geometry() in
// gpukeras/ops/windows.py supplies:
//
//     KERNEL f(const Value* x, ..., WINDOW_PARAMETERS) {
//         Window window = WINDOW;
#pragma once
#include "types.cuh"

struct Window {
    Index space[3];      // cells of the input along each axis
    Index positions[3];  // places where the window stands: the cells of the output
    Index size[3];       // cells of the window
    Index strides[3];    // input cells from one position to the next
    Index dilation[3];   // input cells from one cell of the window to the next
    Index before[3];     // cells of padding in front of the input; behind it, whatever the last window sees
};

#define WINDOW_PARAMETERS                                                                                           \
    Index space0, Index space1, Index space2, Index positions0, Index positions1, Index positions2, Index size0,    \
        Index size1, Index size2, Index strides0, Index strides1, Index strides2, Index dilation0, Index dilation1, \
        Index dilation2, Index before0, Index before1, Index before2

#define WINDOW                                                                                          \
    {                                                                                                   \
        {space0, space1, space2}, {positions0, positions1, positions2}, {size0, size1, size2},          \
            {strides0, strides1, strides2}, {dilation0, dilation1, dilation2}, {before0, before1, before2} \
    }

// The number of cells of a box.
__device__ inline Index volume(const Index* extent) { return extent[0] * extent[1] * extent[2]; }

// Row-major number `i` within boxes of the given extent: the coordinates in the box; returns the number of the box.
__device__ inline Index unravel(Index i, const Index* extent, Index* at) {
    at[2] = i % extent[2];
    i /= extent[2];
    at[1] = i % extent[1];
    i /= extent[1];
    at[0] = i % extent[0];
    return i / extent[0];
}

// The input cell that the window at `position` sees at its own cell `place`. In the padding it is negative, or not
// less than space[axis].
__device__ inline Index seen(const Window& window, int axis, Index position, Index place) {
    return position * window.strides[axis] + place * window.dilation[axis] - window.before[axis];
}

__device__ inline bool inside(Index i, Index extent) { return i >= 0 && i < extent; }

// The position from which the window sees input cell `cell` at its own cell `place`; -1 if there is none.
__device__ inline Index seer(const Window& window, int axis, Index cell, Index place) {
    Index way = cell + window.before[axis] - place * window.dilation[axis];
    if (way < 0 || way % window.strides[axis] != 0) return -1;
    Index position = way / window.strides[axis];
    return position < window.positions[axis] ? position : -1;
}

// The positions, from `first` to `last`, of the windows that reach as far as `cell`; none if first > last. With a
// dilation, some of them step over it: their `place_of` it is -1.
__device__ inline void reaching(const Window& window, int axis, Index cell, Index* first, Index* last) {
    Index end = cell + window.before[axis], start = end - (window.size[axis] - 1) * window.dilation[axis];
    *first = start <= 0 ? 0 : (start + window.strides[axis] - 1) / window.strides[axis];
    *last = end / window.strides[axis];
    if (*last >= window.positions[axis]) *last = window.positions[axis] - 1;
}

// The window's own cell at which, standing at a position of `reaching`, it sees input cell `cell`; -1 if it does not.
__device__ inline Index place_of(const Window& window, int axis, Index cell, Index position) {
    Index way = cell + window.before[axis] - position * window.strides[axis];
    if (window.dilation[axis] == 1) return way;
    return way % window.dilation[axis] == 0 ? way / window.dilation[axis] : -1;
}
