// Batches: rows of the training data, in the epoch's order, converted to the program's type on the way.
//
// source (rows, width) of type SOURCE, order (rows) of row numbers; out (count, width). The batch starts at `place`,
// which lies on the device so that a recorded graph can go on from batch to batch, and `ahead` rows after it.

#include "types.cuh"

#ifndef SOURCE
#define SOURCE VALUE
#endif

KERNEL gather_rows(Value* out, const SOURCE* source, const long long* order, const long long* place, Index ahead,
                   Index count, Index width) {
    const long long* first = order + place[0] + ahead;
    EACH(i, count * width) out[i] = (Value)source[first[i / width] * width + i % width];
}

KERNEL move_on(long long* place, Index by) {
    if (blockIdx.x == 0 && threadIdx.x == 0) place[0] += by;
}
