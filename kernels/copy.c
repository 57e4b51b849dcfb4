// Copies between arrays that may have gaps: values in another order of axes, parts of a concatenation; and one-hot rows.

#include "layout.h"

// Words: to, from, the layout of both, bytes of an element, elements of a unit.
TASK Word copy(const Word* w, Word first, Word last, char* room) {
    (void)room;
    copy_elements((char*)w[0], (const char*)w[1], (const Word*)w[2], w[3], first * w[4], (last - first) * w[4]);
    return 0;
}

// Rows with 1 at the index, else 0; an index out of range has no 1. A unit is some rows. Words: indices, bytes of one,
// result, columns, rows of a unit.
TASK Word one_hot(const Word* w, Word first, Word last, char* room) {
    (void)room;
    Word columns = w[3];
    for (Word row = first * w[4]; row < last * w[4]; ++row) {
        Word index = w[1] == 4 ? (Word)((const int*)w[0])[row] : ((const Word*)w[0])[row];
        float* to = FLOATS(w[2]) + row * columns;
        memset(to, 0, (size_t)columns * sizeof *to);
        if (index >= 0 && index < columns) to[index] = 1;
    }
    return 0;
}
