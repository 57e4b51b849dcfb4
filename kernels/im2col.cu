// Windows as rows of a matrix, and the way back.
//
//   im2col  x (samples, *space, channels), any strides -> columns (samples, *positions, *size, channels), without gaps;
//           what lies in the padding is 0
//   col2im  the same columns -> x without gaps: each cell the sum of all places in the columns that show it, in the
//           order of the window's cells, so that the same numbers give the same bits
//
// Up to three spatial axes (window.cuh). Any number of blocks, but for im2col at least one thread for each place of a
// row: a thread stays at its place of the row and goes from row to row, so that it finds out once which cell it shows.

#include "window.cuh"

KERNEL im2col(const Value* x, Value* columns, Index samples, Index channels, Index step_sample, Index step0,
              Index step1, Index step2, Index step_channel, WINDOW_PARAMETERS) {
    const Window window = WINDOW;
    const Index width = volume(window.size) * channels, rows = samples * volume(window.positions);
    const Index thread = (Index)blockIdx.x * BLOCK + threadIdx.x, lanes = (Index)gridDim.x * BLOCK / width;
    const Index place = thread % width, lane = thread / width;
    if (lane >= lanes) return;  // the last threads, too few for one more row
    Index tap[3], position[3], cell[3];
    unravel(place / channels, window.size, tap);
    for (Index row = lane; row < rows; row += lanes) {
        const Index sample = unravel(row, window.positions, position);
        bool there = true;
        for (int axis = 0; axis < 3; ++axis) {
            cell[axis] = seen(window, axis, position[axis], tap[axis]);
            there = there && inside(cell[axis], window.space[axis]);
        }
        Value value = Value(0);
        if (there)
            value = x[sample * step_sample + cell[0] * step0 + cell[1] * step1 + cell[2] * step2 +
                      place % channels * step_channel];
        columns[row * width + place] = value;
    }
}

KERNEL col2im(const Value* columns, Value* x, Index samples, Index channels, WINDOW_PARAMETERS) {
    const Window window = WINDOW;
    const Index taps = volume(window.size);
    EACH(i, samples * volume(window.space) * channels) {
        Index cell[3];
        const Index sample = unravel(i / channels, window.space, cell);
        Sum sum = 0;
        for (Index a = 0; a < window.size[0]; ++a) {
            const Index o = seer(window, 0, cell[0], a);
            if (o < 0) continue;
            for (Index b = 0; b < window.size[1]; ++b) {
                const Index p = seer(window, 1, cell[1], b);
                if (p < 0) continue;
                for (Index c = 0; c < window.size[2]; ++c) {
                    const Index q = seer(window, 2, cell[2], c);
                    if (q < 0) continue;
                    const Index tap = (a * window.size[1] + b) * window.size[2] + c;
                    const Index row =
                        ((sample * window.positions[0] + o) * window.positions[1] + p) * window.positions[2] + q;
                    sum += columns[(row * taps + tap) * channels + i % channels];
                }
            }
        }
        x[i] = Value(sum);
    }
}
