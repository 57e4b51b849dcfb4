// Elementwise steps on the CPU: a chain of operations on arrays of one size, a tile of elements at a time, so that what
// passes between the operations stays in the first-level cache.
//
// The operations themselves, one function for each and each element type, are made from the table of ops (the
// expressions are those of the CUDA kernels) and stand where this file includes <bodies.h>, with the array `bodies`.
//
// A chain is given as words: the elements of a tile; how many arrays are spread once for each call, and how many for
// each tile; the steps; then
//   for an array that is spread:   register, array, its layout's place among these words, bytes of an element
//   for a step:                    function, result, operand, operand, operand
//   the layouts (see layout.h).
// A result or operand is 16 * array + bytes of an element for an array that is walked; below zero it is the register
// that begins -(1 + x) bytes into the thread's room. What is spread once repeats itself from one tile to the next.

#include "functions.h"
#include "tasks.h"
#include "functions.h"
#include "layout.h"

typedef void (*Body)(char* out, const char* a, const char* b, const char* c, long n);

#include <bodies.h>

// Elements first ... first+n-1 of the arrays that are spread, each into its register.
static void spread(const Word* word, Word count, const Word* code, char* const* arrays, char* room, Word first, Word n) {
    for (const Word* end = word + 4 * count; word < end; word += 4)
        copy_elements(room + word[0] - first * word[3], arrays[word[1]], code + word[2], word[3], first, n);
}

// Words: the chain, the elements of a unit, and the arrays.
TASK Word elementwise(const Word* w, Word first, Word last, char* room) {
    const Word* code = (const Word*)w[0];
    char* const* arrays = (char* const*)(w + 2);
    Word tile = code[0];
    const Word *once = code + 4, *always = once + 4 * code[1], *steps = always + 4 * code[2], *end = steps + 5 * code[3];
    first *= w[1];
    last *= w[1];
    spread(once, code[1], code, arrays, room, first, MIN(tile, last - first));
    for (Word at = first; at < last; at += tile) {
        Word n = MIN(tile, last - at);
        spread(always, code[2], code, arrays, room, at, n);
        for (const Word* step = steps; step < end; step += 5) {
            char* places[4];
            for (int k = 0; k < 4; ++k) {
                Word place = step[1 + k];
                places[k] = place < 0 ? room - (place + 1) : arrays[place >> 4] + at * (place & 15);
            }
            bodies[step[0]](places[0], places[1], places[2], places[3], n);
        }
    }
    return 0;
}
