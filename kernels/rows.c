// Rows of a batch, gathered from the whole data.

#include "tasks.h"

// Words: the data, the order in which its rows are taken (0: as they stand), where the place in that order at which the
// batch begins is kept, the batch, and the bytes of a row.
TASK Word take_rows(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const char* data = (const char*)w[0];
    const Word* order = (const Word*)w[1];
    Word start = *(const Word*)w[2], size = w[4];
    char* batch = (char*)w[3];
    if (!order) {
        memcpy(batch + first * size, data + (start + first) * size, (size_t)((last - first) * size));
        return 0;
    }
    for (Word i = first; i < last; ++i) memcpy(batch + i * size, data + order[start + i] * size, (size_t)size);
    return 0;
}
