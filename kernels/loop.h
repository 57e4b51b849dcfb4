// The program for a chain of operations on floats as one loop of its own: what passes between them stays in registers.
// It is made for the rules by which optimizers change weights, once for each rule (gpukeras/compiler/loops.py): where
// this file includes <arrays.h> stand the arrays and numbers that the chain reads and the arrays that it writes, and
// where it includes <body.h> what is done to element i.
//
// The bits are those of kernels/elementwise.c, which stores what an operation makes. So none may be made together with
// the next, as compilers do with products and sums: the line in front of the program says so (SINGLY of
// gpukeras/device/native.py).

#include "tasks.h"

// Words: the elements of a unit, and the arrays.
TASK Word loop(const Word* w, Word first, Word last, char* room) {
    (void)room;
    const Word begin = first * w[0], end = last * w[0];
#include <arrays.h>
    ALONE for (Word i = begin; i < end; ++i) {
#include <body.h>
    }
    return 0;
}
