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

// The same for a batch of another type than the data. Words: as above, but for the elements of a row in place of its
// bytes.
#define TAKE_AS(name, Source, Target)                                                      \
    TASK Word name(const Word* w, Word first, Word last, char* room) {                     \
        (void)room;                                                                        \
        const Word* order = (const Word*)w[1];                                             \
        Word start = *(const Word*)w[2], width = w[4];                                     \
        for (Word i = first; i < last; ++i) {                                              \
            Word row = order ? order[start + i] : start + i;                               \
            const Source* source = (const Source*)w[0] + row * width;                      \
            Target* target = (Target*)w[3] + i * width;                                    \
            ALONE for (Word k = 0; k < width; ++k) target[k] = (Target)source[k];          \
        }                                                                                  \
        return 0;                                                                          \
    }

TAKE_AS(take_float64_as_float32, double, float)
TAKE_AS(take_int64_as_float32, Word, float)
TAKE_AS(take_int32_as_float32, int, float)
TAKE_AS(take_uint8_as_float32, unsigned char, float)
TAKE_AS(take_bool_as_float32, Bool, float)
TAKE_AS(take_float32_as_float64, float, double)
