// Depthwise convolution on the CPU: every channel has filters of its own, so that vectors are made of channels.
//
// As in convolution.c, one function serves the convolution and the gradient for its input, and a plan says what is to
// be done (gpukeras/ops/depthwise_tasks.py). Where a channel has several filters, the image is copied with each
// channel as often: then every filter has a channel of its own, called a column here.

#include "blocks.h"
#include "windows.h"

// A tile: sums, column by column, of what the rows have times what the right side has; for a vector of columns.
INLINE void tile(const Tile* t, const int rows, Word column, float* const* to) {
    Vector sums[ROWS];
    const float* left[ROWS];
    UNROLL for (int r = 0; r < rows; ++r) {
        left[r] = t->left[r] + column;
        sums[r] = (Vector){0};
    }
    const Word* piece = t->pieces;
    for (const Word* end = piece + 3 * t->count; piece < end; piece += 3) {
        Word at = piece[0];
        const float* right = t->right + column + piece[2] * t->place_step;
        for (Word i = piece[1]; i > 0; --i, at += t->left_step, right += t->right_step) {
            Vector factors = *(const Vector*)right;
            UNROLL for (int r = 0; r < rows; ++r) sums[r] += *(const Vector*)(left[r] + at) * factors;
        }
    }
    if (to) {
        UNROLL for (int r = 0; r < rows; ++r) *(Vector*)to[r] = sums[r];
        return;
    }
    UNROLL for (int r = 0; r < rows; ++r) {
        Vector* place = (Vector*)(t->sums[r] + column);
        if (t->add) sums[r] += *place;
        *place = sums[r];
    }
}

#define TILE(rows) \
    static void tile_##rows(const Tile* t, Word column, float* const* to) { tile(t, rows, column, to); }
TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12)
static void (*const tiles[ROWS])(const Tile*, Word, float* const*) = {
    tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8, tile_9, tile_10, tile_11, tile_12};

// The same for fewer columns than a vector has.
static void tile_of_few(const Tile* t, int rows, Word columns) {
    for (int r = 0; r < rows; ++r) {
        for (Word c = 0; c < columns; ++c) {
            float sum = 0.0f;
            for (const Word *piece = t->pieces, *end = piece + 3 * t->count; piece < end; piece += 3) {
                const float *left = t->left[r] + piece[0] + c, *right = t->right + piece[2] * t->place_step + c;
                for (Word i = piece[1]; i > 0; --i, left += t->left_step, right += t->right_step) sum += *left * *right;
            }
            t->sums[r][c] = t->add ? t->sums[r][c] + sum : sum;
        }
    }
}

// A tile for all columns. The last vector begins earlier if need be, and only its new columns are stored.
static void all_columns(const Tile* t, int rows, Word columns) {
    if (columns < LANES) {
        tile_of_few(t, rows, columns);
        return;
    }
    Word column = 0, last = columns - LANES;
    for (; column <= last; column += LANES) tiles[rows - 1](t, column, 0);
    Word left = columns - column;
    if (!left) return;
    float spare[ROWS][LANES], *to[ROWS];
    for (int r = 0; r < rows; ++r) to[r] = spare[r];
    tiles[rows - 1](t, last, to);
    for (int r = 0; r < rows; ++r) {
        float* sums = t->sums[r] + column;
        const float* made = spare[r] + LANES - left;
        for (Word c = 0; c < left; ++c) sums[c] = t->add ? sums[c] + made[c] : made[c];
    }
}

// The sums of a tile's columns that belong to the same channel, from rows that follow each other.
static void fold(const float* from, float* const* to, int rows, Word channels, Word multiplier) {
    for (int r = 0; r < rows; ++r) {
        for (Word c = 0; c < channels; ++c) {
            float sum = 0.0f;
            for (Word i = 0; i < multiplier; ++i) sum += *from++;
            to[r][c] = sum;
        }
    }
}

// Words: image, kernel, output, plan. The plan: elements of an output sample, columns, how many of them are added up
// to one channel of the output, samples that are done together, the image, the number of parts, and the parts: their
// length, the places, the number of cells and for each its place in the window, 1, and its place in the kernel.
TASK Word depthwise(const Word* w, Word first, Word last, char* room) {
    const Word* plan = (const Word*)w[3];
    Word sample = plan[0], columns = plan[1], multiplier = plan[2], together = plan[3];
    const Image* image = (const Image*)(plan + 4);
    const Word* parts = plan + 4 + sizeof(Image) / sizeof(Word);
    float* wide = (float*)room;  // a tile's columns, if they are to be added up
    float* copy = wide + (multiplier > 1 ? ROWS * columns : 0);
    for (Word start = first; start < last; start += together) {
        Word count = MIN(together, last - start);
        const float* x = samples_of(image, FLOATS(w[0]), start, count, copy);
        const Word* code = parts + 1;
        for (Word i = 0; i < parts[0]; ++i, code += code[0]) {
            const Places* places = (const Places*)(code + 1);
            const Word* cells = (const Word*)(places + 1);
            Box box = box_of(places, count, image->sample, sample);
            Word positions = volume(box.size), number = (positions + ROWS - 1) / ROWS;
            Walk walked = walk(&box, x + places->from, FLOATS(w[2]) + start * sample + places->to, 0);
            Tile t = {.pieces = cells + 1, .count = cells[0], .right = FLOATS(w[1]), .place_step = columns};
            for (Word k = 0; k < number; ++k) {
                int rows = next_rows(&t, &walked, k, number, positions);
                float* results[ROWS];
                for (int r = 0; r < rows && multiplier > 1; ++r) {
                    results[r] = t.sums[r];
                    t.sums[r] = wide + r * columns;
                }
                all_columns(&t, rows, columns);
                if (multiplier > 1) fold(wide, results, rows, columns / multiplier, multiplier);
            }
        }
    }
    return 0;
}

static void add_chunk(Chunk* c) {
    const Sums* plan = c->plan;
    const Word* cells = (const Word*)(plan + 1);
    Word count = (plan->count + ROWS - 1) / ROWS, cell = 0;
    c->tile.right = c->g;
    for (Word i = 0; i < count; ++i) {
        int rows = rows_of(i, count, plan->count);
        for (int r = 0; r < rows; ++r, ++cell) {
            c->tile.left[r] = c->x + cells[cell];
            c->tile.sums[r] = c->sums + cell * plan->columns;
        }
        all_columns(&c->tile, rows, plan->columns);
    }
}

// Sums over blocks of samples: that is a unit. Words: image, gradient, sums, plan (with the places of the kernel's
// cells in a window), samples.
TASK Word depthwise_kernel_gradient(const Word* w, Word first, Word last, char* room) {
    const Sums* plan = (const Sums*)w[3];
    for (Word block = first; block < last; ++block) {
        Tile t = {.left_step = plan->steps[2], .right_step = plan->columns, .place_step = plan->columns};
        Chunk c = {.plan = plan, .tile = t, .sums = FLOATS(w[2]) + block * plan->count * plan->columns};
        each_chunk(w, block, room, 0, &c, add_chunk);
    }
    return 0;
}
