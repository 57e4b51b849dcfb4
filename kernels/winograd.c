// Convolutions of 3x3 windows with stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2015): tiles of
// 2x2 outputs from 4x4 cells with 16 multiplications for each pair of channels, where plainly there are 36.
//
//     tile of outputs = A' [ (G kernel G') * (B' cells B) ] A          (* : number by number)
//
// All cells of the same place in their tiles make a matrix [tiles x channels], all numbers of the kernel at that place
// one [channels x filters]. So there are 16 products of matrices (gemm.h); what stands around them are a few additions,
// along channels, of vectors that are still in cache. The kernel is transformed by a task of its own.

#include "finish.h"
#include "gemm.h"

#define PLACES 16  // of a transformed tile
#define BLOCK 48   // tiles that are done together
#define APART 16   // numbers between the matrices of places, so that they do not all meet in the same lines of a cache

// What is done, in elements.
typedef struct {
    Word height, width, channels, steps[4];  // of the image: along samples, rows, cells, channels
    Word above, before;                      // cells of padding
    Word rows, columns, filters;             // of the outputs, without gaps
    Word down, across;                       // tiles of a sample
    Word pooled;                             // whether of each tile the largest outputs only are stored
} Plan;

// Of rows of so many filters: whole vectors.
static inline Word width_of(Word filters) { return (filters + LANES - 1) / LANES * LANES; }

// B' times four numbers, `step` apart.
INLINE void times_b_turned(Vector* x, const int step) {
    Vector second = x[step], third = x[2 * step];
    x[0] -= third;
    x[step] = second + third;
    x[2 * step] = third - second;
    x[3 * step] = second - x[3 * step];
}

// Cells of a vector of channels, transformed; the places of the result are `plane` apart.
INLINE void transform_cells(Vector d[PLACES], float* to, Word plane) {
    UNROLL for (int i = 0; i < 4; ++i) times_b_turned(d + i, 4);
    UNROLL for (int i = 0; i < 4; ++i) times_b_turned(d + 4 * i, 1);
    UNROLL for (int i = 0; i < PLACES; ++i) *(Vector*)(to + i * plane) = d[i];
}

// Some numbers at most of a vector, `step` apart; zeros fill it up.
static inline Vector gather(const float* from, Word step, Word count) {
    if (step == 1 && count == LANES) return load(from);
    float values[LANES] = {0};
    for (Word j = 0; j < count; ++j) values[j] = from[j * step];
    return load(values);
}

// A tile within the image, of which channels lie side by side.
static inline void transform_inner(const Plan* p, const float* x, float* to, Word plane) {
    Word row = p->steps[1], cell = p->steps[2], last = p->channels - LANES;
    for (Word c = 0; c < p->channels; c += LANES) {
        Word channel = MIN(c, last);
        Vector d[PLACES];
        UNROLL for (int i = 0; i < PLACES; ++i) d[i] = load(x + channel + i / 4 * row + i % 4 * cell);
        transform_cells(d, to + channel, plane);
    }
}

// Any tile, of which cell (row, column) is the first: what is outside of the image is zeros.
static __attribute__((noinline)) void transform_any(const Plan* p, const float* x, Word row, Word column, float* to,
                                                    Word plane) {
    Word last = p->channels - LANES;
    for (Word c = 0; c < p->channels; c += LANES) {
        Word channel = MIN(c, last);
        Vector d[PLACES] = {{0}};
        for (int i = 0; i < PLACES; ++i) {
            Word r = row + i / 4, k = column + i % 4;
            if (r >= 0 && k >= 0 && r < p->height && k < p->width)
                d[i] = gather(x + r * p->steps[1] + k * p->steps[2] + channel * p->steps[3], p->steps[3], LANES);
        }
        transform_cells(d, to + channel, plane);
    }
}

// Which tile of which sample it is.
typedef struct {
    Word sample, down, across;
} At;

static inline At tile_at(const Plan* p, Word tile) {
    Word each = p->down * p->across;
    return (At){tile / each, tile % each / p->across, tile % p->across};
}

static inline void next_tile(const Plan* p, At* at) {
    if (++at->across < p->across) return;
    at->across = 0;
    if (++at->down < p->down) return;
    at->down = 0;
    ++at->sample;
}

static void transform_image(const Plan* p, const float* x, Word first, Word count, float* to, Word plane) {
    At at = tile_at(p, first);
    for (Word t = 0; t < count; ++t, next_tile(p, &at), to += p->channels) {
        Word row = 2 * at.down - p->above, column = 2 * at.across - p->before;
        const float* sample = x + at.sample * p->steps[0];
        int inside = row >= 0 && column >= 0 && row + 4 <= p->height && column + 4 <= p->width;
        if (inside && p->steps[3] == 1)
            transform_inner(p, sample + row * p->steps[1] + column * p->steps[2], to, plane);
        else
            transform_any(p, sample, row, column, to, plane);
    }
}

static inline void store_part(float* to, Vector v, Word count) {
    if (count >= LANES) *(Vector*)to = v;
    else memcpy(to, &v, (size_t)count * sizeof(float));
}

// The outputs of a tile, for a vector of filters.
INLINE void transform_sum(const float* sums, Word plane, Vector made[4]) {
    Vector m[PLACES], up[4], low[4];
    UNROLL for (int k = 0; k < PLACES; ++k) m[k] = load(sums + k * plane);
    UNROLL for (int k = 0; k < 4; ++k) {
        Vector sum = m[4 + k] + m[8 + k], difference = m[4 + k] - m[8 + k];
        up[k] = m[k] + sum;
        low[k] = difference - m[12 + k];
    }
    made[0] = up[0] + (up[1] + up[2]);
    made[1] = up[1] - up[2] - up[3];
    made[2] = low[0] + (low[1] + low[2]);
    made[3] = low[1] - low[2] - low[3];
}

// What is done to a vector of outputs, of which so many are, before they are stored.
typedef struct {
    const float* bias;  // 0: nothing
    Word relu;
} Finish;

INLINE Vector finished(Vector v, const Finish* finish, Word filter, Word filled) {
    if (!finish->bias) return v;
    v += gather(finish->bias + filter, 1, MIN(filled, LANES));
    return finish->relu ? positive(v) : v;
}

// The outputs that a tile has beside and below the first, at these distances, or 0.
typedef struct {
    Word right, below;
} Beyond;

INLINE void store_tile(const float* sums, Word plane, const Finish* finish, Word filter, Word filled, float* to,
                       Beyond b) {
    Vector made[4];
    transform_sum(sums, plane, made);
    UNROLL for (int i = 0; i < 4; ++i) made[i] = finished(made[i], finish, filter, filled);
    store_part(to, made[0], filled);
    if (b.right) store_part(to + b.right, made[1], filled);
    if (b.below) store_part(to + b.below, made[2], filled);
    if (b.right && b.below) store_part(to + b.right + b.below, made[3], filled);
}

// The largest first: what is done to all of them keeps their order.
INLINE void store_largest(const float* sums, Word plane, const Finish* finish, Word filter, Word filled, float* to,
                          Beyond b) {
    Vector made[4], most;
    transform_sum(sums, plane, made);
    most = made[0];
    if (b.right) most = larger(most, made[1]);
    if (b.below) most = larger(most, made[2]);
    if (b.right && b.below) most = larger(most, made[3]);
    store_part(to, finished(most, finish, filter, filled), filled);
}

static void transform_sums(const Plan* p, const float* sums, Word plane, Word width, Word first, Word count, float* y,
                           Finish finish) {
    Word columns = p->filters, line = p->columns * columns;
    At at = tile_at(p, first);
    for (Word t = 0; t < count; ++t, next_tile(p, &at), sums += width) {
        Word row = 2 * at.down, column = 2 * at.across, i = 0;
        Beyond all = {columns, line}, here = {column + 1 < p->columns ? columns : 0, row + 1 < p->rows ? line : 0};
        int whole = here.right && here.below;
        if (p->pooled) {
            float* to = y + (first + t) * columns;
            for (; whole && i + LANES <= columns; i += LANES)
                store_largest(sums + i, plane, &finish, i, LANES, to + i, all);
            for (; i < columns; i += LANES) store_largest(sums + i, plane, &finish, i, columns - i, to + i, here);
        } else {
            float* to = y + (at.sample * p->rows + row) * line + column * columns;
            for (; whole && i + LANES <= columns; i += LANES)
                store_tile(sums + i, plane, &finish, i, LANES, to + i, all);
            for (; i < columns; i += LANES) store_tile(sums + i, plane, &finish, i, columns - i, to + i, here);
        }
    }
}

// Tiles `first` to `last`.
static void filter(const Plan* p, const Word* w, Word first, Word last, float* room) {
    Word width = width_of(p->filters), kernel_plane = packed_size(p->channels, p->filters) + APART;
    Word plane = BLOCK * p->channels + APART, sum_plane = BLOCK * width + APART;
    float *cells = room, *sums = cells + PLACES * plane;
    for (Word t = first; t < last; t += BLOCK) {
        Word count = MIN(BLOCK, last - t);
        transform_image(p, FLOATS(w[0]), t, count, cells, plane);
        for (Word k = 0; k < PLACES; ++k)
            gemm_packed(count, width, p->channels, cells + k * plane, p->channels, 1, FLOATS(w[1]) + k * kernel_plane,
                        sums + k * sum_plane, width, 0);
        transform_sums(p, sums, sum_plane, width, t, count, FLOATS(w[2]), (Finish){FLOATS(w[4]), w[5]});
    }
}

// Words: image, transformed kernel, outputs, plan, bias or 0, whether the ReLU of the sums is taken. A unit is a
// sample.
TASK Word winograd(const Word* w, Word first, Word last, char* room) {
    const Plan* p = (const Plan*)w[3];
    Word tiles = p->down * p->across;
    filter(p, w, first * tiles, last * tiles, FLOATS(room));
    return 0;
}

// The same for a single sample. A unit is a row of tiles: two rows of the outputs.
TASK Word winograd_rows(const Word* w, Word first, Word last, char* room) {
    const Plan* p = (const Plan*)w[3];
    filter(p, w, first * p->across, last * p->across, FLOATS(room));
    return 0;
}

// And where outputs are pooled: a unit is a tile.
TASK Word winograd_tiles(const Word* w, Word first, Word last, char* room) {
    filter((const Plan*)w[3], w, first, last, FLOATS(room));
    return 0;
}

// G times three numbers, `from_step` apart; the four of the result are `step` apart.
INLINE void times_g(const Vector* x, const int from_step, Vector* to, const int step) {
    Vector outer = (x[0] + x[2 * from_step]) * 0.5f, inner = x[from_step] * 0.5f;
    to[0] = x[0];
    to[step] = outer + inner;
    to[2 * step] = outer - inner;
    to[3 * step] = x[2 * from_step];
}

// The kernel, transformed, for each place in panels (gemm.h). Words: kernel, result, channels, from one to the next,
// filters, from one to the next, and whether the kernel is turned by half a circle. A unit is a channel.
TASK Word transform_kernel(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word channels = w[2], filters = w[4], step = w[5], plane = packed_size(channels, filters) + APART;
    for (Word c = first; c < last; ++c)
        for (Word f = 0; f < filters; f += LANES) {
            Vector cells[9], rows[12], made[PLACES];
            for (int i = 0; i < 9; ++i) {
                const float* from = FLOATS(w[0]) + (w[6] ? 8 - i : i) * channels * filters + c * w[3] + f * step;
                cells[i] = gather(from, step, MIN(filters - f, LANES));
            }
            UNROLL for (int i = 0; i < 3; ++i) times_g(cells + i, 3, rows + i, 3);
            UNROLL for (int i = 0; i < 4; ++i) times_g(rows + 3 * i, 1, made + 4 * i, 1);
            Word panel = f / TILE_COLUMNS * TILE_COLUMNS, width = panel_width(MIN(filters - panel, TILE_COLUMNS));
            float* to = FLOATS(w[1]) + panel * channels + c * width + f - panel;
            UNROLL for (int i = 0; i < PLACES; ++i) *(Vector*)(to + i * plane) = made[i];
        }
    return 0;
}

// ----------------------------------------------------------------------------------- the gradient for the kernel

// The above turned around, in the kernel: G' [ (A gradients A') * (B' cells B) ] G, where what is in the middle is summed
// over all tiles: for each place a product of matrices [channels x tiles] and [tiles x filters].

#define SUMMED 64  // tiles that are done together

// Some numbers at most of a vector; zeros fill it up.
static inline Vector load_part(const float* from, Word count) {
    return gather(from, 1, MIN(count, LANES));
}

// The gradients of a tile's outputs: those beyond `right` and `below` are zeros.
INLINE void transform_gradient(const float* g, Word right, Word below, Word count, float* to, Word plane) {
    Vector zero = {0}, cells[4], rows[8];
    cells[0] = load_part(g, count);
    cells[1] = right ? load_part(g + right, count) : zero;
    cells[2] = below ? load_part(g + below, count) : zero;
    cells[3] = right && below ? load_part(g + right + below, count) : zero;
    UNROLL for (int i = 0; i < 2; ++i) {
        rows[i] = cells[i];
        rows[2 + i] = cells[i] + cells[2 + i];
        rows[4 + i] = cells[i] - cells[2 + i];
        rows[6 + i] = -cells[2 + i];
    }
    UNROLL for (int i = 0; i < 4; ++i, to += 4 * plane) {
        *(Vector*)to = rows[2 * i];
        *(Vector*)(to + plane) = rows[2 * i] + rows[2 * i + 1];
        *(Vector*)(to + 2 * plane) = rows[2 * i] - rows[2 * i + 1];
        *(Vector*)(to + 3 * plane) = -rows[2 * i + 1];
    }
}

static void transform_gradients(const Plan* p, const float* g, Word first, Word count, float* to, Word plane,
                                Word width) {
    Word columns = p->filters, line = p->columns * columns;
    At at = tile_at(p, first);
    for (Word t = 0; t < count; ++t, next_tile(p, &at), to += width) {
        Word row = 2 * at.down, column = 2 * at.across, i = 0;
        const float* from = g + (at.sample * p->rows + row) * line + column * columns;
        Word right = column + 1 < p->columns ? columns : 0, below = row + 1 < p->rows ? line : 0;
        if (right && below)
            for (; i + LANES <= columns; i += LANES) transform_gradient(from + i, columns, line, LANES, to + i, plane);
        for (; i < columns; i += LANES) transform_gradient(from + i, right, below, columns - i, to + i, plane);
    }
}

// Words: image, gradients, the blocks' sums, plan, samples, blocks, samples of each if a unit is a sample, or else 0. A
// unit is a sample, or a block.
TASK Word winograd_kernel_gradient(const Word* w, Word first, Word last, char* room) {
    const Plan* p = (const Plan*)w[3];
    Word width = width_of(p->filters), each = p->down * p->across, matrix = p->channels * width + APART;
    Word plane = SUMMED * p->channels + APART, gradient_plane = SUMMED * width + APART;
    float *cells = FLOATS(room), *gradients = cells + PLACES * plane;
    for (Word unit = first; unit < last; unit += MAX(w[6], 1)) {
        Word block = w[6] ? unit / w[6] : unit;
        Word start = w[4] * block / w[5] * each, end = w[4] * (block + 1) / w[5] * each;
        float* sums = FLOATS(w[2]) + block * PLACES * matrix;
        for (Word t = start; t < end; t += SUMMED) {
            Word count = MIN(SUMMED, end - t);
            transform_image(p, FLOATS(w[0]), t, count, cells, plane);
            transform_gradients(p, FLOATS(w[1]), t, count, gradients, gradient_plane, width);
            for (Word k = 0; k < PLACES; ++k)
                for (Word j = 0; j < width; j += TILE_COLUMNS) {
                    Word columns = MIN(width - j, TILE_COLUMNS);
                    strip(p->channels, columns > LANES, count, cells + k * plane, 1, p->channels,
                          gradients + k * gradient_plane + j, width, sums + k * matrix + j, width, columns, t > start);
                }
        }
    }
    return 0;
}

// G' times four numbers, `step` apart; the first three are the result.
INLINE void times_g_turned(Vector* x, const int step) {
    Vector outer = (x[step] + x[2 * step]) * 0.5f, inner = (x[step] - x[2 * step]) * 0.5f;
    x[0] += outer;
    x[step] = inner;
    x[2 * step] = outer + x[3 * step];
}

// The kernel's gradient of the blocks' sums, which are added in order. Words: sums, blocks, channels, filters, result.
// A unit is a channel.
TASK Word winograd_kernel_sum(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word channels = w[2], filters = w[3], width = width_of(filters), matrix = channels * width + APART;
    for (Word c = first; c < last; ++c)
        for (Word f = 0; f < filters; f += LANES) {
            const float* from = FLOATS(w[0]) + c * width + f;
            Vector m[PLACES];
            UNROLL for (int i = 0; i < PLACES; ++i) m[i] = load(from + i * matrix);
            for (Word b = 1; b < w[1]; ++b)
                UNROLL for (int i = 0; i < PLACES; ++i) m[i] += load(from + (b * PLACES + i) * matrix);
            UNROLL for (int i = 0; i < 4; ++i) times_g_turned(m + i, 4);
            UNROLL for (int i = 0; i < 3; ++i) times_g_turned(m + 4 * i, 1);
            float* to = FLOATS(w[4]) + c * filters + f;
            UNROLL for (int i = 0; i < 9; ++i)
                store_part(to + i * channels * filters, m[i / 3 * 4 + i % 3], filters - f);
        }
    return 0;
}
