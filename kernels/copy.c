// Copies between arrays that may have gaps: values in another order of axes, and parts of a concatenation.

#include "layout.h"

// Words: to, from, the layout of both, bytes of an element, elements of a unit.
TASK Word copy(const Word* w, Word first, Word last, char* room) {
    (void)room;
    copy_elements((char*)w[0], (const char*)w[1], (const Word*)w[2], w[3], first * w[4], (last - first) * w[4]);
    return 0;
}
