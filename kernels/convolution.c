// Convolution on the CPU as products of matrices whose left rows are windows, read where they lie in the image (tile.h).
//
// One function serves the convolution and the gradient for its input: that is, for each place of the stride, a
// convolution with stride 1 of the padded gradient, with every so manieth cell of the kernel. What is to be done stands
// in a plan, an array of whole numbers that is made when the program is (gpukeras/ops/convolution_tasks.py).

#include "tile.h"
#include "blocks.h"

#define PANEL (VECTORS * LANES)
#define ALL_PANELS(columns) (((columns) + LANES - 1) / LANES * LANES)

// One tile whose rows are set; `columns` is what is left of a panel of so many vectors.
static inline void run_tile(Tile* t, int rows, int vectors, Word columns) {
    if (columns >= vectors * LANES) {
        tiles[t->adjacent][vectors - 1][rows - 1](t);
        return;
    }
    float spare[ROWS * PANEL], *sums[ROWS];
    int add = t->add;
    t->add = 0;
    for (int r = 0; r < rows; ++r) {
        sums[r] = t->sums[r];
        t->sums[r] = spare + r * PANEL;
    }
    tiles[t->adjacent][vectors - 1][rows - 1](t);
    for (int r = 0; r < rows; ++r)
        for (Word i = 0; i < columns; ++i) sums[r][i] = add ? sums[r][i] + spare[r * PANEL + i] : spare[r * PANEL + i];
    t->add = add;
}

static inline int vectors_of(Word columns) { return columns > LANES ? VECTORS : 1; }

static inline Word most_rows(int vectors) { return vectors == 1 ? ROWS : WIDE_ROWS; }

// The kernel as panels, or where it is given as `turned` as its columns, one after the other. Words: kernel, packed, the
// rows of a cell, from one of these to the next, columns, from one of these to the next, turned, and for each cell its
// place in the kernel, the rows before its part and in its part of the packed kernel, and its row there. A unit is a row
// of a cell.
TASK Word pack_kernel(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word rows = w[2], row_step = w[3], columns = w[4], step = w[5], turned = w[6];
    Word width = turned ? columns : ALL_PANELS(columns);
    for (Word unit = first; unit < last; ++unit) {
        const Word* cell = (const Word*)w[7] + 4 * (unit / rows);
        const float* from = FLOATS(w[0]) + cell[0] + unit % rows * row_step;
        float* part = FLOATS(w[1]) + cell[1] * width;
        Word row = cell[3] + unit % rows;
        if (turned) {
            for (Word i = 0; i < columns; ++i) part[i * cell[2] + row] = from[i * step];
            continue;
        }
        for (Word column = 0; column < columns; column += PANEL) {
            Word panel = vectors_of(columns - column) * LANES, filled = MIN(panel, columns - column);
            float* to = part + column * cell[2] + row * panel;
            for (Word i = 0; i < filled; ++i) to[i] = from[(column + i) * step];
            for (Word i = filled; i < panel; ++i) to[i] = 0.0f;
        }
    }
    return 0;
}

// What a part of a convolution makes: the places of the outputs, and what they are the sums of.
typedef struct {
    Places places;
    Word before, rows;  // rows of the packed kernel before the panels of this part, and in them
    Word blocks;        // of rows of the kernel, each small enough for the first-level cache; then for each of them
                        // the number of its pieces, and the pieces (see Tile)
} Part;

// Positions `first` to `last` of one part, panel by panel.
static void convolve(const Part* part, const float* x, const float* packed, float* y, const Box* box, Word columns,
                     Word first, Word last) {
    for (Word column = 0; column < columns; column += PANEL) {
        int vectors = vectors_of(columns - column);
        Tile t = {.left_step = 1, .right_step = vectors * LANES, .place_step = vectors * LANES,
                  .right = packed + part->before * ALL_PANELS(columns) + column * part->rows};
        Word most = most_rows(vectors), count = (last - first + most - 1) / most;
        const Word* block = (const Word*)(part + 1);
        for (Word b = 0; b < part->blocks; ++b, block += 1 + 3 * block[0]) {
            t.count = block[0];
            t.pieces = block + 1;
            t.add = b > 0;
            Walk positions = walk(box, x, y + column, first);
            for (Word i = 0; i < count; ++i) {
                int rows = next_rows(&t, &positions, i, count, last - first);
                run_tile(&t, rows, vectors, columns - column);
            }
        }
    }
}

// The same for few columns, with the kernel turned.
static void convolve_few(const Part* part, const float* x, const float* packed, float* y, const Box* box, Word columns,
                         Word first, Word last) {
    Tile t = {.right_step = part->rows, .right = packed + part->before * columns};
    Word count = (last - first + DOT_ROWS(columns) - 1) / DOT_ROWS(columns);
    const Word* block = (const Word*)(part + 1);
    for (Word b = 0; b < part->blocks; ++b, block += 1 + 3 * block[0]) {
        t.count = block[0];
        t.pieces = block + 1;
        t.add = b > 0;
        Walk positions = walk(box, x, y, first);
        for (Word i = 0; i < count; ++i) {
            int rows = next_rows(&t, &positions, i, count, last - first);
            dot_tiles[columns - 1](&t, rows);
        }
    }
}

// Words: image, packed kernel, output, plan, turned. The plan: elements of an output sample, columns, samples that are
// done together, positions that are done together, the image, the number of parts, and the parts, each with its length.
TASK Word convolution(const Word* w, Word first, Word last, char* room) {
    const Word* plan = (const Word*)w[3];
    Word sample = plan[0], columns = plan[1], together = plan[2], chunk = plan[3];
    const Image* image = (const Image*)(plan + 4);
    const Word* parts = plan + 4 + sizeof(Image) / sizeof(Word);
    for (Word start = first; start < last; start += together) {
        Word count = MIN(together, last - start);
        const float* x = samples_of(image, FLOATS(w[0]), start, count, (float*)room);
        float* y = FLOATS(w[2]) + start * sample;
        const Word* code = parts + 1;
        for (Word i = 0; i < parts[0]; ++i, code += code[0]) {
            const Part* part = (const Part*)(code + 1);
            Box box = box_of(&part->places, count, image->sample, sample);
            const float* from = x + part->places.from;
            float* to = y + part->places.to;
            for (Word p = 0, positions = volume(box.size); p < positions; p += chunk)
                (w[4] ? convolve_few : convolve)(part, from, FLOATS(w[1]), to, &box, columns, p, MIN(p + chunk, positions));
        }
    }
    return 0;
}

// Rows `first` to `last` of the sum over some positions of windows (turned) times gradients.
static void add_products(Tile* t, const float* x, const Word* cells, Word channels, Word columns, int vectors, Word first,
                         Word last, float* sums, Word sums_step) {
    Word most = most_rows(vectors), count = (last - first + most - 1) / most;
    Word cell = first / channels, channel = first % channels;
    float* to = sums;
    for (Word i = 0; i < count; ++i) {
        int rows = (int)((i + 1) * (last - first) / count - i * (last - first) / count);
        t->adjacent = 1;
        for (int r = 0; r < rows; ++r, to += sums_step) {
            t->left[r] = x + cells[cell] + channel;
            t->sums[r] = to;
            if (t->left[r] != t->left[0] + r) t->adjacent = 0;
            if (++channel == channels) {
                channel = 0;
                ++cell;
            }
        }
        run_tile(t, rows, vectors, columns);
    }
}

// A panel of the gradients of some positions without gaps.
static void pack_panel(const float* g, Word columns, Word filled, Word panel, Word positions, float* to) {
    for (Word p = 0; p < positions; ++p, g += columns, to += panel) {
        Word i = 0;
        for (; i + LANES <= filled; i += LANES) *(Vector*)(to + i) = *(const Vector*)(g + i);
        for (; i < filled; ++i) to[i] = g[i];
        for (; i < panel; ++i) to[i] = 0.0f;
    }
}

// Sums over blocks of samples, each for a part of the kernel's rows: that is a unit. Words: image, gradient, sums, plan,
// samples. The plan: blocks of samples, parts of the rows, filters, samples that are done together, positions that are
// done together, their number along each axis of a sample (three), the steps from one to the next in the image (three),
// the image, the number of cells of the kernel, and their places in a window.
TASK Word kernel_gradient(const Word* w, Word first, Word last, char* room) {
    const Word* plan = (const Word*)w[3];
    Word blocks = plan[0], parts = plan[1], columns = plan[2], together = plan[3], chunk = plan[4], samples = w[4];
    const Image* image = (const Image*)(plan + 11);
    const Word* cells = plan + 11 + sizeof(Image) / sizeof(Word);
    Word channels = image->channels, rows = cells[0] * channels;
    Word* lines = (Word*)room;
    float* packed = (float*)(room + 32 * chunk);
    float* padded = packed + chunk * PANEL;
    Word positions = plan[5] * plan[6] * plan[7];
    Word steps[4] = {image->sample, plan[8], plan[9], plan[10]};
    for (Word unit = first; unit < last; ++unit) {
        Word block = unit / parts, part = unit % parts;
        Word row = rows * part / parts, end = rows * (part + 1) / parts;
        Word sample = samples * block / blocks, last_sample = samples * (block + 1) / blocks;
        float* sums = FLOATS(w[2]) + block * rows * columns + row * columns;
        Tile t = {.pieces = lines, .left_step = plan[10]};
        for (; sample < last_sample; sample += together) {
            Word count = MIN(together, last_sample - sample);
            Word size[4] = {count, plan[5], plan[6], plan[7]};
            const float* x = samples_of(image, FLOATS(w[0]), sample, count, padded);
            const float* g = FLOATS(w[1]) + sample * positions * columns;
            for (Word p = 0; p < count * positions; p += chunk, t.add = 1) {
                Word here = MIN(chunk, count * positions - p);
                t.count = lines_of(size, steps, p, p + here, lines);
                for (Word column = 0; column < columns; column += PANEL) {
                    int vectors = vectors_of(columns - column);
                    Word panel = vectors * LANES, filled = MIN(panel, columns - column);
                    t.right = g + p * columns + column;
                    t.right_step = columns;
                    if (filled < panel || columns > panel) {
                        pack_panel(t.right, columns, filled, panel, here, packed);
                        t.right = packed;
                        t.right_step = panel;
                    }
                    t.place_step = t.right_step;
                    add_products(&t, x, cells + 1, channels, filled, vectors, row, end, sums + column, columns);
                }
            }
        }
    }
    return 0;
}

// The same for few filters, as the product of gradients (turned) times windows. The sums are turned too: filters, rows.
// Words and plan are as for `kernel_gradient`, but at the end of the plan are not cells, but pieces of the rows: their
// number, and for each its place in a window and its length, which is of whole vectors.
TASK Word kernel_gradient_few(const Word* w, Word first, Word last, char* room) {
    const Word* plan = (const Word*)w[3];
    Word blocks = plan[0], filters = plan[2], together = plan[3], chunk = plan[4], samples = w[4];
    const Image* image = (const Image*)(plan + 11);
    const Word* pieces = plan + 11 + sizeof(Image) / sizeof(Word);
    Word* lines = (Word*)room;
    float* padded = (float*)(room + 32 * chunk);
    Word positions = plan[5] * plan[6] * plan[7], rows = 0;
    Word steps[4] = {image->sample, plan[8], plan[9], plan[10]};
    for (Word i = 0; i < pieces[0]; ++i) rows += pieces[2 + 2 * i];
    for (Word block = first; block < last; ++block) {
        Word sample = samples * block / blocks, end = samples * (block + 1) / blocks;
        Tile t = {.pieces = lines, .left_step = filters, .right_step = plan[10], .place_step = 1, .adjacent = 1};
        for (; sample < end; sample += together) {
            Word count = MIN(together, end - sample), size[4] = {count, plan[5], plan[6], plan[7]};
            const float* x = samples_of(image, FLOATS(w[0]), sample, count, padded);
            for (Word p = 0; p < count * positions; p += chunk, t.add = 1) {
                t.count = lines_of(size, steps, p, MIN(p + chunk, count * positions), lines);
                const float* g = FLOATS(w[1]) + (sample * positions + p) * filters;
                for (Word i = 0; i < t.count; ++i) {  // here the windows are on the right
                    Word place = lines[3 * i];
                    lines[3 * i] = lines[3 * i + 2] * filters;
                    lines[3 * i + 2] = place;
                }
                Word row = 0;
                for (const Word* piece = pieces + 1; row < rows; row += piece[1], piece += 2) {
                    for (Word at = 0; at < piece[1]; at += PANEL) {
                        Word left = piece[1] - at, most = most_rows(vectors_of(left));
                        Word tiles_here = (filters + most - 1) / most;
                        t.right = x + piece[0] + at;
                        for (Word k = 0; k < tiles_here; ++k) {
                            Word f = k * filters / tiles_here;
                            int here = (int)((k + 1) * filters / tiles_here - f);
                            for (int r = 0; r < here; ++r) {
                                t.left[r] = g + f + r;
                                t.sums[r] = FLOATS(w[2]) + (block * filters + f + r) * rows + row + at;
                            }
                            run_tile(&t, here, vectors_of(left), left);
                        }
                    }
                }
            }
        }
    }
    return 0;
}

// The blocks' turned sums added, in order, and turned back. Words: sums, blocks, rows, filters, result. A unit is a row.
TASK Word add_turned(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word blocks = w[1], rows = w[2], filters = w[3];
    for (Word row = first; row < last; ++row) {
        for (Word f = 0; f < filters; ++f) {
            float sum = 0.0f;
            for (Word b = 0; b < blocks; ++b) sum += FLOATS(w[0])[(b * filters + f) * rows + row];
            FLOATS(w[4])[row * filters + f] = sum;
        }
    }
    return 0;
}
