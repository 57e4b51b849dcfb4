#pragma once
// Windows that slide over an image (samples, *space, channels), for the tasks of convolutions. All places and steps are
// counted in elements.

#include "tasks.h"

#define ROWS 12  // of a tile
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_ALL _Pragma("GCC unroll 32")

// An image as a plan has it, all in elements: axes are samples, three of space, channels.
typedef struct {
    Word copied;     // whether it is copied to padded memory of the thread's own
    Word space[3], channels;
    Word repeat;     // how often each channel stands in the copy
    Word steps[5];   // of the image as it is
    Word before[3];  // cells of padding
    Word padded[3];  // cells with all padding
    Word sample;     // elements from one sample to the next, as it is read
} Image;

// The cells of a line, with each channel repeated.
static inline void copy_line(const Image* image, const float* from, float* to) {
    Word channels = image->channels, step = image->steps[3], channel_step = image->steps[4], repeat = image->repeat;
    if (channel_step == 1 && step == channels && repeat == 1) {
        memcpy(to, from, (size_t)(image->space[2] * channels) * sizeof(float));
        return;
    }
    for (Word x = 0; x < image->space[2]; ++x)
        for (Word c = 0; c < channels; ++c)
            for (Word i = 0; i < repeat; ++i) *to++ = from[x * step + c * channel_step];
}

// A sample with its padding.
static inline void copy_padded(const Image* image, const float* from, float* to) {
    Word cell = image->channels * image->repeat, row = image->padded[2] * cell;
    Word left = image->before[2] * cell, inside = image->space[2] * cell;
    for (Word z = 0; z < image->padded[0]; ++z) {
        for (Word y = 0; y < image->padded[1]; ++y, to += row) {
            Word from_z = z - image->before[0], from_y = y - image->before[1];
            if (from_z < 0 || from_z >= image->space[0] || from_y < 0 || from_y >= image->space[1]) {
                memset(to, 0, (size_t)row * sizeof(float));
                continue;
            }
            memset(to, 0, (size_t)left * sizeof(float));
            copy_line(image, from + from_z * image->steps[1] + from_y * image->steps[2], to + left);
            memset(to + left + inside, 0, (size_t)(row - left - inside) * sizeof(float));
        }
    }
}

// Some samples as they are read: where they lie, or copied to `room`.
static inline const float* samples_of(const Image* image, const float* x, Word first, Word count, float* room) {
    if (!image->copied) return x + first * image->steps[0];
    for (Word i = 0; i < count; ++i)
        copy_padded(image, x + (first + i) * image->steps[0], room + i * image->sample);
    return room;
}

// Positions of windows in an image, and where what they see and what they make lies.
typedef struct {
    Word size[3], from, from_steps[3], to, to_steps[3];
} Places;

// The same for some samples.
typedef struct {
    Word size[4], from_steps[4], to_steps[4];
} Box;

static inline Box box_of(const Places* places, Word samples, Word from_sample, Word to_sample) {
    Box box = {{samples}, {from_sample}, {to_sample}};
    memcpy(box.size + 1, places->size, sizeof places->size);
    memcpy(box.from_steps + 1, places->from_steps, sizeof places->from_steps);
    memcpy(box.to_steps + 1, places->to_steps, sizeof places->to_steps);
    return box;
}

static inline Word volume(const Word* size) { return size[0] * size[1] * size[2] * size[3]; }

// The positions of a box, one after the other.
typedef struct {
    const Box* box;
    Word at[4];
    const float* from;
    float* to;
} Walk;

static inline Walk walk(const Box* box, const float* from, float* to, Word first) {
    Walk w = {.box = box};
    for (int i = 3; i >= 0; --i) {
        w.at[i] = i ? first % box->size[i] : first;
        from += w.at[i] * box->from_steps[i];
        to += w.at[i] * box->to_steps[i];
        first /= box->size[i];
    }
    w.from = from;
    w.to = to;
    return w;
}

// So many positions further, which may be where the line ends.
static inline void advance(Walk* w, Word count) {
    const Box* box = w->box;
    w->from += count * box->from_steps[3];
    w->to += count * box->to_steps[3];
    w->at[3] += count;
    for (int i = 3; i > 0 && w->at[i] == box->size[i]; --i) {
        w->from += box->from_steps[i - 1] - box->size[i] * box->from_steps[i];
        w->to += box->to_steps[i - 1] - box->size[i] * box->to_steps[i];
        w->at[i] = 0;
        ++w->at[i - 1];
    }
}

// Rows of numbers that meet the same right side: each makes its own sums.
typedef struct {
    const float* left[ROWS];  // where each row begins
    const Word* pieces;       // of the rows, each three words: place in a row, length, and place in the right matrix
    Word count;               // of the pieces
    Word left_step;           // from one element of a row to the next
    const float* right;       // panel: VECTORS vectors for each element of a row, or one if the panel is narrow
    Word right_step;          // from one element's vectors to the next
    Word place_step;          // the unit of places in the right matrix
    float* sums[ROWS];        // where the sums of each row go
    int add;                  // to what is there
    int adjacent;             // whether the rows begin one element apart
    const float* bias;        // for each column, added to sums that are complete; 0: none is, or they are not
    int relu;                 // whether their ReLU is stored
} Tile;

// How many of `all` rows tile i has, if `count` tiles share them evenly.
static inline int rows_of(Word i, Word count, Word all) { return (int)((i + 1) * all / count - i * all / count); }

// Sets the rows of tile i of `count`, which share `all` positions; how many it has.
static inline int next_rows(Tile* t, Walk* w, Word i, Word count, Word all) {
    int here = rows_of(i, count, all);
    Word from_step = w->box->from_steps[3], to_step = w->box->to_steps[3];
    for (int row = 0; row < here;) {
        int along = (int)MIN(here - row, w->box->size[3] - w->at[3]);  // in the same line
        for (int r = 0; r < along; ++r) {
            t->left[row + r] = w->from + r * from_step;
            t->sums[row + r] = w->to + r * to_step;
        }
        advance(w, along);
        row += along;
    }
    return here;
}

// The lines of windows that make positions `first` to `last`, as pieces: the place of the windows, their number, and
// that of the first; how many lines there are.
static inline Word lines_of(const Word* size, const Word* steps, Word first, Word last, Word* lines) {
    Word count = 0;
    for (Word at = first; at < last; at += lines[-2], ++count) {
        Word x = at % size[3], line = at / size[3], y = line % size[2], z = line / size[2] % size[1];
        lines[0] = x * steps[3] + y * steps[2] + z * steps[1] + line / size[2] / size[1] * steps[0];
        lines[1] = MIN(size[3] - x, last - at);
        lines[2] = at - first;
        lines += 3;
    }
    return count;
}

// How the gradient for a kernel is added up, as plans have it.
typedef struct {
    Word blocks, parts;           // of the samples, and of the kernel's rows
    Word columns;                 // filters
    Word together, chunk;         // samples and positions that are done together
    Word positions[3], steps[3];  // of a sample, and from one to the next in the image
    Image image;
    Word count;                   // of what follows
} Sums;

// Some positions of some samples.
typedef struct {
    const Sums* plan;
    const float *x, *g;  // the samples' image, and the gradients of these positions
    Word positions;
    Tile tile;           // its pieces are the lines of these positions
    float* room;         // for `spare` numbers for each position
    Word first, last;    // rows of the kernel
    float* sums;         // of the first of them
} Chunk;

// Calls `add` with all chunks of a block of samples, one after the other. The words of the task begin with image,
// gradient, sums, plan, samples. The thread's room has the lines of a chunk, the spare numbers, and copies of samples.
static inline void each_chunk(const Word* w, Word block, char* room, Word spare, Chunk* c, void (*add)(Chunk*)) {
    const Sums* plan = c->plan;
    Word end = w[4] * (block + 1) / plan->blocks;
    Word size[4] = {0, plan->positions[0], plan->positions[1], plan->positions[2]};
    Word steps[4] = {plan->image.sample, plan->steps[0], plan->steps[1], plan->steps[2]};
    Word* lines = (Word*)room;
    c->room = (float*)(room + 32 * plan->chunk);
    c->tile.pieces = lines;
    for (Word sample = w[4] * block / plan->blocks; sample < end; sample += size[0]) {
        size[0] = MIN(plan->together, end - sample);
        c->x = samples_of(&plan->image, FLOATS(w[0]), sample, size[0], c->room + spare * plan->chunk);
        c->g = FLOATS(w[1]) + sample * size[1] * size[2] * size[3] * plan->columns;
        for (Word p = 0, positions = volume(size); p < positions; p += c->positions) {
            c->positions = MIN(plan->chunk, positions - p);
            c->tile.count = lines_of(size, steps, p, p + c->positions, lines);
            add(c);
            c->tile.add = 1;
            c->g += c->positions * plan->columns;
        }
    }
}
