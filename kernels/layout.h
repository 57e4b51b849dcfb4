#pragma once
// Arrays with gaps, with repeated elements, or with axes in another order. A layout has, in words, the number of axes
// (at least 1), and for each axis, outermost first, its length, its stride in bytes where elements are put, and where
// they are taken. Axes that continue each other are one: see gpukeras/device/layouts.py.

#include "tasks.h"

#define MOST_AXES 16

// Elements as bits: copies are the same for numbers of one size.
typedef char __attribute__((may_alias)) Bits1;
typedef short __attribute__((may_alias)) Bits2;
typedef int __attribute__((may_alias)) Bits4;
typedef Word __attribute__((may_alias)) Bits8;

#define STRIDED(Bits) ALONE for (Word i = 0; i < n; ++i) *(Bits*)(to + i * to_stride) = *(const Bits*)(from + i * stride)

// Where element i of a layout is taken, in bytes from the first one.
static inline Word place(const Word* layout, Word i) {
    const Word* axes = layout + 1;
    Word at = 0;
    for (Word a = layout[0] - 1; a > 0; --a) {
        at += i % axes[3 * a] * axes[3 * a + 2];
        i /= axes[3 * a];
    }
    return at + i * axes[2];
}

// One line of elements.
static inline void copy_line(char* to, Word to_stride, const char* from, Word stride, Word size, Word n) {
    if (to_stride == size && stride == size) {
        memcpy(to, from, (size_t)(n * size));
    } else if (to_stride == 4 && stride == 0 && size == 4) {
        Bits4 value = *(const Bits4*)from;
        for (Word i = 0; i < n; ++i) ((Bits4*)to)[i] = value;
    } else {
        switch (size) {
            case 1: STRIDED(Bits1); break;
            case 2: STRIDED(Bits2); break;
            case 4: STRIDED(Bits4); break;
            default: STRIDED(Bits8);
        }
    }
}

// Elements first ... first+n-1 in row-major order; `to` and `from` are where element 0 is, or would be.
static inline void copy_elements(char* to, const char* from, const Word* layout, Word size, Word first, Word n) {
    Word index[MOST_AXES], last = layout[0] - 1;
    const Word *axes = layout + 1, *inner = axes + 3 * last;
    for (Word a = last; a >= 0; --a) {
        index[a] = a ? first % axes[3 * a] : first;
        first = a ? first / axes[3 * a] : 0;
        to += index[a] * axes[3 * a + 1];
        from += index[a] * axes[3 * a + 2];
    }
    while (n > 0) {
        Word here = MIN(inner[0] - index[last], n);
        copy_line(to, inner[1], from, inner[2], size, here);
        n -= here;
        to -= index[last] * inner[1];
        from -= index[last] * inner[2];
        index[last] = 0;
        for (Word a = last - 1; a >= 0; --a) {  // on to the next line
            const Word* axis = axes + 3 * a;
            to += axis[1];
            from += axis[2];
            if (++index[a] < axis[0]) break;
            to -= index[a] * axis[1];
            from -= index[a] * axis[2];
            index[a] = 0;
        }
    }
}
