// The largest and the mean of the cells that a window sees, and their gradients; a unit is a sample, or for the forward
// pass of a single one a line of its windows. Tensors are
// (samples, *space, channels) without gaps; only the x of a forward pass may have any strides.
//
// The gradient of a maximum goes to the first cell, in row-major order, that equals it. A window with a NaN has the
// maximum NaN, which equals no cell, and gives nothing.

#include "finish.h"

#define UNROLL _Pragma("GCC unroll 8")

// As Window.geometry() in gpukeras/ops/windows.py gives it, for three axes; where there are fewer, the first ones have
// length 1.
typedef struct {
    Word space[3];      // cells of the input along each axis
    Word positions[3];  // places where the window stands: the cells of the output
    Word size[3];       // cells of the window
    Word strides[3];    // input cells from one position to the next
    Word dilation[3];   // input cells from one cell of the window to the next
    Word before[3];     // cells of padding in front of the input
} Window;

// What a task goes through: the windows of a sample, one after the other.
typedef struct {
    const Window* window;
    Word step[3];      // elements from one cell of the input to the next, along each axis
    Word position[3], from[3], to[3];
    Word count;         // of the cells that the present window sees
    const Word* cells;  // where they are, in elements from `base`
    Word base;          // where the window stands, in elements from the sample's first cell
    Word* inside;       // the cells of a window that sees no padding
    Word* seen;         // of one that does
} Walk;

static inline Word volume(const Word* extent) { return extent[0] * extent[1] * extent[2]; }

static void start(Walk* walk, const Window* window, const Word* step, char* room) {
    walk->window = window;
    walk->inside = (Word*)room;
    walk->seen = walk->inside + volume(window->size);
    memcpy(walk->step, step, sizeof walk->step);
    memset(walk->from, 0, sizeof walk->from);
    memcpy(walk->to, window->positions, sizeof walk->to);
    Word* to = walk->inside;
    for (Word i = 0; i < window->size[0]; ++i)
        for (Word j = 0; j < window->size[1]; ++j)
            for (Word k = 0; k < window->size[2]; ++k)
                *to++ = i * window->dilation[0] * step[0] + j * window->dilation[1] * step[1] +
                        k * window->dilation[2] * step[2];
}

// Finds the cells that the window sees at the walk's position; 1.
static int look(Walk* walk) {
    const Window* window = walk->window;
    Word corner[3], base = 0, full = 1, *to = walk->seen;
    for (int a = 0; a < 3; ++a) {
        corner[a] = walk->position[a] * window->strides[a] - window->before[a];
        full &= corner[a] >= 0 && corner[a] + (window->size[a] - 1) * window->dilation[a] < window->space[a];
        base += corner[a] * walk->step[a];
    }
    walk->base = base;
    if (full) {
        walk->cells = walk->inside;
        walk->count = walk->seen - walk->inside;
        return 1;
    }
    const Word *place = walk->inside, *space = window->space, *dilation = window->dilation;
    for (Word i = 0; i < window->size[0]; ++i) {
        Word cell0 = corner[0] + i * dilation[0], out0 = cell0 < 0 || cell0 >= space[0];
        for (Word j = 0; j < window->size[1]; ++j) {
            Word cell1 = corner[1] + j * dilation[1], out1 = out0 || cell1 < 0 || cell1 >= space[1];
            for (Word k = 0; k < window->size[2]; ++k, ++place) {
                Word cell2 = corner[2] + k * dilation[2];
                if (!(out1 || cell2 < 0 || cell2 >= space[2])) *to++ = *place;
            }
        }
    }
    walk->cells = walk->seen;
    walk->count = to - walk->seen;
    return 1;
}

// All positions of a sample, or those between the walk's limits, in row-major order.
#define EACH_WINDOW(walk)                                                                                      \
    for (walk.position[0] = walk.from[0]; walk.position[0] < walk.to[0]; ++walk.position[0])                  \
        for (walk.position[1] = walk.from[1]; walk.position[1] < walk.to[1]; ++walk.position[1])              \
            for (walk.position[2] = walk.from[2]; walk.position[2] < walk.to[2] && look(&walk); ++walk.position[2])

#define VECTORS 4  // of channels, that are joined together

// So many vectors of channels, or one channel, of the cells that a window sees: their mean or the largest. `channel` is
// the distance of the first.
static inline __attribute__((always_inline)) void join_vectors(const Walk* walk, const float* x, Word channel, float* y,
                                                               const int vectors, int mean) {
    Vector made[VECTORS];
    Word first = walk->base + channel;
    UNROLL for (int v = 0; v < vectors; ++v) made[v] = (mean ? 0.0f : -INFINITY) - (Vector){0};
    for (Word t = 0; t < walk->count; ++t) {
        const float* cells = x + (first + walk->cells[t]);
        UNROLL for (int v = 0; v < vectors; ++v) {
            Vector cell = *(const Vector*)(cells + v * LANES);
            if (mean) made[v] += cell;
            else made[v] = larger(made[v], cell);
        }
    }
    UNROLL for (int v = 0; v < vectors; ++v) {
        if (mean) made[v] /= (float)walk->count;
        *(Vector*)(y + v * LANES) = made[v];
    }
}

static inline float join_numbers(const Walk* walk, const float* x, Word channel, int mean) {
    float made = mean ? 0 : -INFINITY;
    for (Word t = 0; t < walk->count; ++t) {
        float cell = x[walk->base + walk->cells[t] + channel];
        made = mean ? made + cell : cell > made || cell != cell ? cell : made;
    }
    return mean ? made / (float)walk->count : made;
}

// Words: x, its strides in elements (samples, three axes, channels), channels, result, numbers in a unit of it, the axis
// on which units follow each other if they are lines of a single sample, else -1, the window.
static inline void pool(const Word* w, Word first, Word last, char* room, int mean) {
    Walk walk;
    start(&walk, (const Window*)(w + 10), w + 2, room);
    Word channels = w[6], step = w[5];
    float* y = FLOATS(w[7]) + first * w[8];
    if (w[9] >= 0) {
        walk.from[w[9]] = first;
        walk.to[w[9]] = last;
        first = 0;
        last = 1;
    }
    for (Word sample = first; sample < last; ++sample) {
        EACH_WINDOW(walk) {
            const float* x = FLOATS(w[0]) + sample * w[1];
            Word c = 0, whole = step == 1 ? channels / LANES * LANES : 0;
            for (; c + VECTORS * LANES <= whole; c += VECTORS * LANES) join_vectors(&walk, x, c, y + c, VECTORS, mean);
            for (; c < whole; c += LANES) join_vectors(&walk, x, c, y + c, 1, mean);
            for (; c < channels; ++c) y[c] = join_numbers(&walk, x, c * step, mean);
            y += channels;
        }
    }
}

TASK Word max_pool(const Word* w, Word first, Word last, char* room) {
    pool(w, first, last, room, 0);
    return 0;
}

TASK Word average_pool(const Word* w, Word first, Word last, char* room) {
    pool(w, first, last, room, 1);
    return 0;
}

// Words: g, x, its strides in elements (samples, three axes, channels), y, result, channels, whether windows leave no
// cell out and never meet (`tiled`), the window.
static inline void spread_largest(const Word* w, Word first, Word last, char* room, int tiled) {
    const Window* window = (const Window*)(w + 11);
    Word channels = w[9], size = volume(window->space) * channels, results = volume(window->positions) * channels;
    Word step[3] = {window->space[1] * window->space[2] * channels, window->space[2] * channels, channels};
    Word across = w[6], same = across == 1 && w[3] == step[0] && w[4] == step[1] && w[5] == step[2];
    Walk walk, other;  // through the result, and through x if it lies in another way
    start(&walk, window, step, room);
    start(&other, window, w + 3, room + 2 * volume(window->size) * (Word)sizeof(Word));
    for (Word sample = first; sample < last; ++sample) {
        const float *g = FLOATS(w[0]) + sample * results, *x = FLOATS(w[1]) + sample * w[2];
        const float* y = FLOATS(w[7]) + sample * results;
        float* dx = FLOATS(w[8]) + sample * size;
        if (!tiled) memset(dx, 0, (size_t)size * sizeof *dx);
        EACH_WINDOW(walk) {
            Word c = 0;
            if (!same) {
                memcpy(other.position, walk.position, sizeof walk.position);
                look(&other);
            }
            const Walk* in_x = same ? &walk : &other;
            for (; across == 1 && c + LANES <= channels; c += LANES) {
                Mask open = (Mask){0} == 0;  // whether no cell was the largest yet
                Vector top = *(const Vector*)(y + c), gives = *(const Vector*)(g + c);
                for (Word t = 0; t < walk.count; ++t) {
                    Vector* cell = (Vector*)(dx + (walk.base + walk.cells[t] + c));
                    Mask hit = open & (*(const Vector*)(x + (in_x->base + in_x->cells[t] + c)) == top);
                    Vector gets = (Vector)((Mask)gives & hit);
                    if (!tiled) gets += *cell;
                    *cell = gets;
                    open &= ~hit;
                }
            }
            for (; c < channels; ++c) {
                int open = 1;
                for (Word t = 0; t < walk.count; ++t) {
                    float* cell = dx + (walk.base + walk.cells[t] + c);
                    int hit = open && x[in_x->base + in_x->cells[t] + c * across] == y[c];
                    *cell = tiled ? (hit ? g[c] : 0) : *cell + (hit ? g[c] : 0);
                    open &= !hit;
                }
            }
            g += channels;
            y += channels;
        }
    }
}

TASK Word max_pool_gradient(const Word* w, Word first, Word last, char* room) {
    if (w[10]) spread_largest(w, first, last, room, 1);
    else spread_largest(w, first, last, room, 0);
    return 0;
}

// Words: g, result, channels, whether windows leave no cell out and never meet, the window.
TASK Word average_pool_gradient(const Word* w, Word first, Word last, char* room) {
    const Window* window = (const Window*)(w + 4);
    Word channels = w[2], size = volume(window->space) * channels, results = volume(window->positions) * channels;
    Word step[3] = {window->space[1] * window->space[2] * channels, window->space[2] * channels, channels};
    Walk walk;
    start(&walk, window, step, room);
    for (Word sample = first; sample < last; ++sample) {
        const float* g = FLOATS(w[0]) + sample * results;
        float* dx = FLOATS(w[1]) + sample * size;
        if (!w[3]) memset(dx, 0, (size_t)size * sizeof *dx);
        EACH_WINDOW(walk) {
            float cells = (float)walk.count;
            for (Word t = 0; t < walk.count; ++t) {
                float* to = dx + (walk.base + walk.cells[t]);
                if (w[3]) {
                    ALONE for (Word c = 0; c < channels; ++c) to[c] = g[c] / cells;
                } else {
                    ALONE for (Word c = 0; c < channels; ++c) to[c] += g[c] / cells;
                }
            }
            g += channels;
        }
    }
    return 0;
}
