// What a ReLU let through, as bits: what stands beside cuBLASLt's products that write and read such masks.
//
// y and g (rows, columns); bits (rows, padded / 32), where element (row, column) has bit column % 32 of the word
// column / 32, and `padded` is a multiple of 128, as cuBLASLt has it. Bits beyond the columns are 0.

#include "types.cuh"

// y = ReLU(y + bias), and where it is above 0. A warp makes a word.
KERNEL relu_and_bits(Value* y, const Value* bias, unsigned* bits, Index rows, Index columns, Index padded) {
    EACH(i, rows * padded) {
        Index row = i / padded, column = i % padded;
        bool kept = false;
        if (column < columns) {
            Value* at = y + row * columns + column;
            Value x = (Sum)*at + (Sum)bias[column];
            kept = (Sum)x > 0;
            *at = kept || (Sum)x != (Sum)x ? x : Value(0);
        }
        unsigned word = __ballot_sync(0xffffffffu, kept);
        if (column % 32 == 0) bits[i / 32] = word;
    }
}

// 0 in the place of what had not been let through.
KERNEL mask_by_bits(Value* g, const unsigned* bits, Index rows, Index columns, Index padded) {
    EACH(i, rows * columns) {
        Index row = i / columns, column = i % columns;
        if (!(bits[(row * padded + column) / 32] >> column % 32 & 1)) g[i] = Value(0);
    }
}
