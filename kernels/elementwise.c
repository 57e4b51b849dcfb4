// Elementwise steps on the CPU: a chain of operations on arrays of one size, a tile of elements at a time, so that what
// passes between the operations stays in the first-level cache.
//
// The operations themselves, one function for each and each element type, are made from the table of ops (the
// expressions are those of the CUDA kernels) and stand where this file includes <bodies.h>, with the array `bodies`.
//
// A chain is given as words. First the number of its preparations and of its steps, and the elements of a tile; then
//   preparations, made once for each call:    register, array, bytes of an element:    a single element, repeated
//   steps, made for each tile:                function, result, operand, operand, operand
// A function below zero is a way to spread an array over the tile: -1 for a row that is repeated, -2 for a column whose
// elements are repeated; its operands are the array, the period in elements and the bytes of an element.
// A result or operand is 16 * array + bytes of an element for an array that is walked; below zero it is the register
// that begins -(1 + x) bytes into the thread's room.

#include "functions.h"
#include "tasks.h"

typedef void (*Body)(char* out, const char* a, const char* b, const char* c, long n);

#include <bodies.h>

static void repeat(char* to, const char* element, Word size, Word n) {
    if (size == 4) {
        int value;
        memcpy(&value, element, 4);
        for (Word i = 0; i < n; ++i) ((int*)to)[i] = value;
    } else if (size == 8) {
        Word value;
        memcpy(&value, element, 8);
        for (Word i = 0; i < n; ++i) ((Word*)to)[i] = value;
    } else {
        memset(to, *element, (size_t)n);
    }
}

// Elements first ... first+n-1 of a row of `period` elements, repeated without end.
static void spread_row(char* to, const char* row, Word period, Word size, Word first, Word n) {
    for (Word at = first % period; n > 0; at = 0) {
        Word here = period - at < n ? period - at : n;
        memcpy(to, row + at * size, (size_t)(here * size));
        to += here * size;
        n -= here;
    }
}

// The same of a column each of whose elements stands `period` times.
static void spread_column(char* to, const char* column, Word period, Word size, Word first, Word n) {
    for (Word at = first; n > 0;) {
        Word here = period - at % period < n ? period - at % period : n;
        repeat(to, column + at / period * size, size, here);
        to += here * size;
        at += here;
        n -= here;
    }
}

// Words: the chain, the elements of a unit, and the arrays.
TASK Word elementwise(const Word* w, Word first, Word last, char* room) {
    const Word* code = (const Word*)w[0];
    char* const* arrays = (char* const*)(w + 2);
    Word preparations = code[0], steps = code[1], tile = code[2];
    const Word* word = code + 3;
    first *= w[1];
    last *= w[1];
    for (Word i = 0; i < preparations; ++i, word += 3) repeat(room + word[0], arrays[word[1]], word[2], tile);
    for (Word at = first; at < last; at += tile) {
        Word n = last - at < tile ? last - at : tile;
        const Word* step = word;
        for (Word i = 0; i < steps; ++i, step += 5) {
            char* places[4];
            for (int k = 0; k < 4; ++k) {
                Word place = step[1 + k];
                places[k] = place < 0 ? room - (place + 1) : arrays[place >> 4] + at * (place & 15);
                if (step[0] < 0) break;  // the operands of these are numbers
            }
            if (step[0] == -1)
                spread_row(places[0], arrays[step[2]], step[3], step[4], at, n);
            else if (step[0] == -2)
                spread_column(places[0], arrays[step[2]], step[3], step[4], at, n);
            else
                bodies[step[0]](places[0], places[1], places[2], places[3], n);
        }
    }
    return 0;
}
