// Batches: rows of the training data, in the epoch's order, converted to the program's type on the way.
//
// source (rows, width) of type SOURCE, order (rows) of row numbers; out (count, width).

#include "types.cuh"

#ifndef SOURCE
#define SOURCE VALUE
#endif

KERNEL gather_rows(Value* out, const SOURCE* source, const long long* order, Index start, Index count, Index width) {
    EACH(i, count * width) out[i] = (Value)source[order[start + i / width] * width + i % width];
}
