// Depthwise convolution: every channel has `multiplier` filters of its own. Forward, and the gradients for input and
// kernel, over windows in up to three dimensions (window.cuh).
//
// x is (samples, *space, channels) with any strides, given in elements for samples, three spatial axes and channels;
// kernel (*size, channels, multiplier) and y, g (samples, *positions, channels * multiplier) have no gaps. A filter is
// a pair of channel and multiplier, numbered as they lie in memory; neighbouring threads work on neighbouring filters
// or channels. Any number of blocks along x. 16-bit floats add up in float.
//
// The gradient for the kernel comes in two stages: blockIdx.y takes `chunk` rows of positions (of samples * positions0
// * positions1) and leaves its sums in part (chunks, *size, filters); the reduction family adds these up.
//
// With -DSIZE=n -DSTRIDE=s the window is n x n, without dilation, moved by s, and the compiler unrolls the loops over
// its cells.

#include "types.cuh"
#include "window.cuh"

#ifdef SIZE
#define DEPTHWISE_WINDOW                                                                                     \
    {{1, space1, space2},  {1, positions1, positions2}, {1, SIZE, SIZE}, {1, STRIDE, STRIDE}, {1, 1, 1}, \
     {0, before1, before2}}
#else
#define DEPTHWISE_WINDOW WINDOW
#endif

#define STEPS Index sample_step, Index step0, Index step1, Index step2, Index channel_step

// A thread makes RUN outputs, neighbours along the last axis: weights and, as the windows overlap, cells are loaded
// once for several. The cell to load is always one inside, so that the loads wait for no branch.
//
// With `backwards` 1 the kernel is read from its end. Where windows move by 1 and the multiplier is 1, that is also the
// gradient for the input: g takes the place of x, and the window's padding is (size - 1) * dilation - before.
constexpr int RUN = 4;

KERNEL depthwise_forward(const Value* x, const Value* kernel, Value* y, Index samples, Index channels, Index multiplier,
                         Index backwards, STEPS, WINDOW_PARAMETERS) {
    const Window window = DEPTHWISE_WINDOW;
    Index filters = channels * multiplier, places = volume(window.size);
    Index extent[3] = {window.positions[0], window.positions[1], (window.positions[2] + RUN - 1) / RUN};
    EACH(i, samples * volume(extent) * filters) {
        Index position[3], filter = i % filters;
        Index sample = unravel(i / filters, extent, position);
        position[2] *= RUN;
        const Value* cells = x + sample * sample_step + filter / multiplier * channel_step;
        Sum total[RUN] = {};
        for (Index place0 = 0; place0 < window.size[0]; ++place0) {
            Index cell0 = seen(window, 0, position[0], place0);
            if (!inside(cell0, window.space[0])) continue;
            for (Index place1 = 0; place1 < window.size[1]; ++place1) {
                Index cell1 = seen(window, 1, position[1], place1);
                if (!inside(cell1, window.space[1])) continue;
                const Value* line = cells + cell0 * step0 + cell1 * step1;
                for (Index place2 = 0; place2 < window.size[2]; ++place2) {
                    Index place = (place0 * window.size[1] + place1) * window.size[2] + place2;
                    Sum weight = Sum(kernel[(backwards ? places - 1 - place : place) * filters + filter]);
#pragma unroll
                    for (int k = 0; k < RUN; ++k) {
                        Index cell2 = seen(window, 2, position[2] + k, place2);
                        bool counts = inside(cell2, window.space[2]);
                        Sum value = Sum(line[(counts ? cell2 : 0) * step2]);
                        total[k] = counts ? total[k] + value * weight : total[k];
                    }
                }
            }
        }
        Index row = (sample * window.positions[0] + position[0]) * window.positions[1] + position[1];
        Value* out = y + (row * window.positions[2] + position[2]) * filters + filter;
#pragma unroll
        for (int k = 0; k < RUN; ++k)
            if (position[2] + k < window.positions[2]) out[k * filters] = Value(total[k]);
    }
}

// (g, kernel) -> dx for any window: each cell gathers from the windows that see it.
KERNEL depthwise_input_gradient(const Value* g, const Value* kernel, Value* dx, Index samples, Index channels,
                                Index multiplier, WINDOW_PARAMETERS) {
    const Window window = DEPTHWISE_WINDOW;
    Index filters = channels * multiplier;
    EACH(i, samples * volume(window.space) * channels) {
        Index cell[3], first[3], last[3], position[3], channel = i % channels;
        Index sample = unravel(i / channels, window.space, cell);
        for (int axis = 0; axis < 3; ++axis) reaching(window, axis, cell[axis], &first[axis], &last[axis]);
        Sum total = 0;
        for (position[0] = last[0]; position[0] >= first[0]; --position[0]) {
            Index place0 = place_of(window, 0, cell[0], position[0]);
            if (place0 < 0) continue;
            for (position[1] = last[1]; position[1] >= first[1]; --position[1]) {
                Index place1 = place_of(window, 1, cell[1], position[1]);
                if (place1 < 0) continue;
                Index row = (sample * window.positions[0] + position[0]) * window.positions[1] + position[1];
                for (position[2] = last[2]; position[2] >= first[2]; --position[2]) {
                    Index place2 = place_of(window, 2, cell[2], position[2]);
                    if (place2 < 0) continue;
                    Index place = (place0 * window.size[1] + place1) * window.size[2] + place2;
                    Index output = row * window.positions[2] + position[2];
                    const Value* gradients = g + output * filters + channel * multiplier;
                    const Value* weights = kernel + place * filters + channel * multiplier;
                    for (Index m = 0; m < multiplier; ++m) total += Sum(gradients[m]) * Sum(weights[m]);
                }
            }
        }
        dx[i] = Value(total);
    }
}

// (x, g) -> part: a thread makes the sum for one place of the window and one filter. Sums of rows are added up, not
// single products: that keeps rounding errors small.
KERNEL depthwise_kernel_gradient(const Value* x, const Value* g, Sum* part, Index samples, Index channels,
                                 Index multiplier, Index chunk, STEPS, WINDOW_PARAMETERS) {
    const Window window = DEPTHWISE_WINDOW;
    Index filters = channels * multiplier, outputs = volume(window.size) * filters;
    Index rows = samples * window.positions[0] * window.positions[1];
    Index start = blockIdx.y * chunk, stop = start + chunk < rows ? start + chunk : rows;
    EACH(i, outputs) {
        Index place[3], filter = i % filters;
        unravel(i / filters, window.size, place);
        // The positions along the last axis at which this place lies inside the input.
        Index shift = seen(window, 2, 0, place[2]), stride = window.strides[2];
        Index first = shift < 0 ? (-shift + stride - 1) / stride : 0;
        Index last = shift < window.space[2] ? (window.space[2] - 1 - shift) / stride : -1;
        if (last >= window.positions[2]) last = window.positions[2] - 1;
        Sum total = 0;
        for (Index row = start; row < stop; ++row) {
            Index cell0 = seen(window, 0, row / window.positions[1] % window.positions[0], place[0]);
            Index cell1 = seen(window, 1, row % window.positions[1], place[1]);
            if (!inside(cell0, window.space[0]) || !inside(cell1, window.space[1])) continue;
            Index sample = row / (window.positions[0] * window.positions[1]);
            const Value* line = x + sample * sample_step + cell0 * step0 + cell1 * step1 + shift * step2 +
                                filter / multiplier * channel_step;
            const Value* gradients = g + row * window.positions[2] * filters + filter;
            Sum sum = 0;
            for (Index position = first; position <= last; ++position)
                sum += Sum(line[position * stride * step2]) * Sum(gradients[position * filters]);
            total += sum;
        }
        part[blockIdx.y * outputs + i] = total;
    }
}
