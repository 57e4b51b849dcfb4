// Convolution on the CPU as products of matrices whose left rows are windows, read where they lie in the image
// (tile.h).
//
// One function serves the convolution and the gradient for its input: that is, for each place of the stride, a
// convolution with stride 1 of the padded gradient, with every so manieth cell of the kernel. What is to be done stands
// in a plan, an array of whole numbers that is made when the program is (gpukeras/ops/convolution_tasks.py).

#include "blocks.h"
#include "tile.h"

#define PANEL (VECTORS * LANES)
#define ALL_PANELS(columns) (((columns) + LANES - 1) / LANES * LANES)

// What is left to be done to the rows of a tile.
static inline void finish_tile(const Tile* t, int rows, Word columns) {
    for (int r = 0; t->bias && r < rows; ++r) finish_rows(t->sums[r], 1, columns, t->bias, t->relu);
}

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
    for (int r = 0; r < rows; ++r) {
        const float* made = spare + r * PANEL;
        Word i = 0;
        for (; i + LANES <= columns; i += LANES) {
            Vector sum = *(const Vector*)(made + i), *to = (Vector*)(sums[r] + i);
            if (add) sum += *to;
            *to = sum;
        }
        for (; i < columns; ++i) sums[r][i] = add ? made[i] + sums[r][i] : made[i];
        t->sums[r] = sums[r];
    }
    t->add = add;
}

static inline int vectors_of(Word columns) { return columns > LANES ? VECTORS : 1; }

static inline Word most_rows(int vectors) { return vectors == 1 ? ROWS : WIDE_ROWS; }

// Some rows of a matrix without gaps, `width` numbers from one to the next. Reads along whichever way is the nearer.
static void pack_rows(const float* from, Word row_step, Word rows, Word step, Word columns, Word width, float* to) {
    if (step == 1) {
        for (Word r = 0; r < rows; ++r)
            for (Word i = 0; i < columns; ++i) to[r * width + i] = from[r * row_step + i];
    } else {
        for (Word i = 0; i < columns; ++i)
            for (Word r = 0; r < rows; ++r) to[r * width + i] = from[r * row_step + i * step];
    }
    for (Word r = 0; r < rows; ++r)
        for (Word i = columns; i < width; ++i) to[r * width + i] = 0.0f;
}

#define PACKED 16  // rows in one go

// The kernel as panels, or where it is wanted as `turned` as its columns, one after the other. Words: kernel, packed,
// the rows of a cell, from one of these to the next, columns, from one of these to the next, turned, and for each cell
// its place in the kernel, the rows before its part and in its part of the packed kernel, and its row there. A unit is
// 16 rows of a cell, or what is left of them.
TASK Word pack_kernel(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word all = w[2], row_step = w[3], columns = w[4], step = w[5], turned = w[6], units = (all + PACKED - 1) / PACKED;
    for (Word unit = first; unit < last; ++unit) {
        const Word* cell = (const Word*)w[7] + 4 * (unit / units);
        Word start = unit % units * PACKED, rows = MIN(PACKED, all - start), row = cell[3] + start;
        const float* from = FLOATS(w[0]) + cell[0] + start * row_step;
        if (turned) {
            float* to = FLOATS(w[1]) + cell[1] * columns + row;
            for (Word i = 0; i < columns; ++i)
                for (Word r = 0; r < rows; ++r) to[i * cell[2] + r] = from[r * row_step + i * step];
            continue;
        }
        float* part = FLOATS(w[1]) + cell[1] * ALL_PANELS(columns);
        for (Word column = 0; column < columns; column += PANEL) {
            Word panel = vectors_of(columns - column) * LANES;
            pack_rows(from + column * step, row_step, rows, step, MIN(panel, columns - column), panel,
                      part + column * cell[2] + row * panel);
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

#ifdef LINE_ROWS
// Lines go along the last axis on which there is more than one position.
static inline int line_axis(const Box* box) {
    int axis = 3;
    while (axis > 1 && box->size[axis] == 1) --axis;
    return axis;
}

// Whether full vectors of columns are best made line by line.
static inline int by_lines(const Box* box, int vectors) {
    Word length = box->size[line_axis(box)];
    return vectors == 1 || (vectors == 2 && length / tiles_of_line(length, 2) >= LEAST_LINE);
}

// Positions `first` to `last` for so many full vectors of columns, line by line.
static void convolve_lines(Tile* t, const float* x, float* y, const Box* box, int vectors, Word first, Word last) {
    int axis = line_axis(box);
    Word length = box->size[axis], inside = first % length;
    Walk positions = walk(box, x, y, first);
    for (Word at = first, here; at < last; at += here, inside = 0) {
        here = MIN(length - inside, last - at);
        Word tiles = tiles_of_line(here, vectors), done = 0;
        for (Word i = 1; i <= tiles; ++i) {
            Word end = here * i / tiles;
            t->left[0] = positions.from + done * box->from_steps[axis];
            t->sums[0] = positions.to + done * box->to_steps[axis];
            if (vectors == 2) pair_tiles[end - done - 1](t, box->from_steps[axis], box->to_steps[axis]);
            else line_tiles[end - done - 1](t, box->from_steps[axis], box->to_steps[axis]);
            done = end;
        }
        if (at + here < last) positions = walk(box, x, y, at + here);
    }
}
#endif

// Positions `first` to `last` of one part for columns of which there are panels of so many vectors; for few columns 0.
static void convolve_columns(const Part* part, Tile* t, const float* x, float* y, const Box* box, int vectors,
                             Word columns, const float* bias, Word first, Word last) {
    Word most = vectors ? most_rows(vectors) : DOT_ROWS(columns), count = (last - first + most - 1) / most;
    const Word* block = (const Word*)(part + 1);
    for (Word b = 0; b < part->blocks; ++b, block += 1 + 3 * block[0]) {
        t->count = block[0];
        t->pieces = block + 1;
        t->add = b > 0;
        t->bias = b + 1 < part->blocks ? 0 : bias;
#ifdef LINE_ROWS
        if (columns >= vectors * LANES && by_lines(box, vectors)) {
            convolve_lines(t, x, y, box, vectors, first, last);
            continue;
        }
#endif
        Walk positions = walk(box, x, y, first);
        for (Word i = 0; i < count; ++i) {
            int rows = next_rows(t, &positions, i, count, last - first);
            if (vectors)
                run_tile(t, rows, vectors, columns);
            else
                dot_tiles[columns - 1](t, rows);
            finish_tile(t, rows, MIN(columns, vectors ? vectors * LANES : columns));
        }
    }
}

// The same for all columns.
static void convolve(const Part* part, const float* x, const float* packed, float* y, const Box* box, Word columns,
                     int turned, const float* bias, int relu, Word first, Word last) {
    if (turned) {
        Tile t = {.right_step = part->rows, .right = packed + part->before * columns, .relu = relu};
        convolve_columns(part, &t, x, y, box, 0, columns, bias, first, last);
        return;
    }
    const float* panels = packed + part->before * ALL_PANELS(columns);
    for (Word column = 0; column < columns; column += PANEL) {
        int vectors = vectors_of(columns - column);
        Word panel = vectors * LANES;
        Tile t = {.left_step = 1, .right_step = panel, .place_step = panel, .right = panels + column * part->rows,
                  .relu = relu};
        convolve_columns(part, &t, x, y + column, box, vectors, columns - column, bias ? bias + column : 0, first,
                         last);
    }
}

// Of a part's positions those whose outputs lie in the lines `first` to `last` of a single sample: `axis` is the one that
// lines follow each other on, `line` their elements.
typedef struct {
    Word first, last;
} Range;

static inline Range in_lines(const Places* places, int axis, Word line, Word first, Word last) {
    Word step = MAX(places->to_steps[axis] / line, 1), before = places->to / line - step + 1, inner = 1;
    for (int i = axis + 1; i < 3; ++i) inner *= places->size[i];
    Word from = MIN(MAX(first - before, 0) / step, places->size[axis]);
    Word to = MIN(MAX(last - before, 0) / step, places->size[axis]);
    return (Range){from * inner, to * inner};
}

// Some samples; if `axis` is not below zero, of a single one the lines `first` to `last`. `w`: see below.
static void convolve_samples(const Word* w, Word start, Word count, int axis, Word first, Word last, float* room) {
    const Word* plan = (const Word*)w[3];
    Word sample = plan[0], columns = plan[1], chunk = plan[3];
    const Image* image = (const Image*)(plan + 4);
    const Word* parts = plan + 4 + sizeof(Image) / sizeof(Word);
    const float* x = samples_of(image, FLOATS(w[0]), start, count, room);
    float* y = FLOATS(w[2]) + start * sample;
    const Word* code = parts + 1;
    for (Word i = 0; i < parts[0]; ++i, code += code[0]) {
        const Part* part = (const Part*)(code + 1);
        Box box = box_of(&part->places, count, image->sample, sample);
        const float* from = x + part->places.from;
        float* to = y + part->places.to;
        Range range = axis < 0 ? (Range){0, volume(box.size)} : in_lines(&part->places, axis, w[8], first, last);
        for (Word p = range.first; p < range.last; p += chunk)
            convolve(part, from, FLOATS(w[1]), to, &box, columns, w[4] != 0, FLOATS(w[5]), w[6] != 0, p,
                     MIN(p + chunk, range.last));
    }
}

// Words: image, packed kernel, output, plan, turned, bias or 0, whether the ReLU of the sums is taken. The plan: elements
// of an output sample, columns, samples that are done together, positions that are done together, the image, the number
// of parts, and the parts, each with its length.
TASK Word convolution(const Word* w, Word first, Word last, char* room) {
    Word together = ((const Word*)w[3])[2];
    for (Word start = first; start < last; start += together)
        convolve_samples(w, start, MIN(together, last - start), -1, 0, 0, (float*)room);
    return 0;
}

// The same for a single sample, of which a unit is a line of the output. Words: as above, the axis of space on which
// lines follow each other, and their elements.
TASK Word convolution_lines(const Word* w, Word first, Word last, char* room) {
    convolve_samples(w, 0, 1, (int)w[7], first, last, (float*)room);
    return 0;
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

// Windows (turned) times gradients, for one panel of columns.
static void add_panel(Chunk* c, int vectors, Word columns, float* sums) {
    const Sums* plan = c->plan;
    const Word* cells = (const Word*)(plan + 1);
    Tile* t = &c->tile;
    Word channels = plan->image.channels, cell = c->first / channels, channel = c->first % channels;
    Word all = c->last - c->first, most = most_rows(vectors), count = (all + most - 1) / most;
    for (Word i = 0; i < count; ++i) {
        int rows = rows_of(i, count, all);
        t->adjacent = 1;
        for (int r = 0; r < rows; ++r, sums += plan->columns) {
            t->left[r] = c->x + cells[cell] + channel;
            t->sums[r] = sums;
            if (t->left[r] != t->left[0] + r) t->adjacent = 0;
            if (++channel == channels) {
                channel = 0;
                ++cell;
            }
        }
        run_tile(t, rows, vectors, columns);
    }
}

static void add_chunk(Chunk* c) {
    Word columns = c->plan->columns;
    Tile* t = &c->tile;
    for (Word column = 0; column < columns; column += PANEL) {
        int vectors = vectors_of(columns - column);
        Word panel = vectors * LANES, filled = MIN(panel, columns - column);
        t->right = c->g + column;
        t->right_step = columns;
        if (columns != panel) {
            pack_panel(t->right, columns, filled, panel, c->positions, c->room);
            t->right = c->room;
            t->right_step = panel;
        }
        t->place_step = t->right_step;
        add_panel(c, vectors, filled, c->sums + column);
    }
}

// Sums over blocks of samples, each for a part of the kernel's rows: that is a unit. Words: image, gradient, sums, plan
// (with the places of the kernel's cells in a window), samples, and the samples of a block if these are the units.
TASK Word kernel_gradient(const Word* w, Word first, Word last, char* room) {
    const Sums* plan = (const Sums*)w[3];
    Word rows = plan->count * plan->image.channels;
    for (Word unit = first; unit < last; unit += MAX(w[5], 1)) {
        Word block = unit / (w[5] ? w[5] : plan->parts), part = w[5] ? 0 : unit % plan->parts;
        Chunk c = {.plan = plan, .tile = {.left_step = plan->steps[2]},
                   .first = rows * part / plan->parts, .last = rows * (part + 1) / plan->parts};
        c.sums = FLOATS(w[2]) + (block * rows + c.first) * plan->columns;
        each_chunk(w, block, room, PANEL, &c, add_chunk);
    }
    return 0;
}

// Gradients (turned) times some columns of the windows, for few filters.
static void add_turned_panel(Chunk* c, const float* right, Word columns, float* sums) {
    Tile* t = &c->tile;
    Word filters = c->plan->columns, most = most_rows(vectors_of(columns));
    Word count = (filters + most - 1) / most, filter = 0;
    t->right = right;
    for (Word i = 0; i < count; ++i) {
        int rows = rows_of(i, count, filters);
        for (int r = 0; r < rows; ++r, ++filter) {
            t->left[r] = c->g + filter;
            t->sums[r] = sums + filter * c->last;
        }
        run_tile(t, rows, vectors_of(columns), columns);
    }
}

static void add_turned_chunk(Chunk* c) {
    Word* lines = (Word*)c->tile.pieces;
    for (Word i = 0; i < c->tile.count; ++i) {  // here the windows are on the right
        Word place = lines[3 * i];
        lines[3 * i] = lines[3 * i + 2] * c->plan->columns;
        lines[3 * i + 2] = place;
    }
    const Word *pieces = (const Word*)(c->plan + 1), *end = pieces + 2 * c->plan->count;
    Word row = 0;
    for (const Word* piece = pieces; piece < end; row += piece[1], piece += 2)
        for (Word at = 0; at < piece[1]; at += PANEL)
            add_turned_panel(c, c->x + piece[0] + at, piece[1] - at, c->sums + row + at);
}

// Sums over blocks of samples for few filters, as the product of gradients (turned) times windows: turned sums
// (filters, rows). Words are as for `kernel_gradient`, but what the plan ends with are pieces of the rows: for each
// its place in a window and its length, which is of whole vectors. A unit is a block, or a sample.
TASK Word kernel_gradient_few(const Word* w, Word first, Word last, char* room) {
    const Sums* plan = (const Sums*)w[3];
    Word rows = 0;
    for (Word i = 0; i < plan->count; ++i) rows += ((const Word*)(plan + 1))[2 * i + 1];
    for (Word unit = first; unit < last; unit += MAX(w[5], 1)) {
        Word block = w[5] ? unit / w[5] : unit;
        Tile t = {.left_step = plan->columns, .right_step = plan->steps[2], .place_step = 1, .adjacent = 1};
        Chunk c = {.plan = plan, .tile = t, .last = rows, .sums = FLOATS(w[2]) + block * rows * plan->columns};
        each_chunk(w, block, room, 0, &c, add_turned_chunk);
    }
    return 0;
}

// The blocks' turned sums added, in order, and turned back. Words: sums, blocks, rows, filters, result. A unit is a
// row.
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
