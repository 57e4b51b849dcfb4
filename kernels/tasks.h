#pragma once
// What every family of C tasks starts from. A task is a function
//     Word name(const Word* w, Word first, Word last, char* room)
// that does the units `first` ... `last`-1 of its work and returns 0, or 1 for an index out of range. `w` has its words:
// addresses of arrays, sizes, and numbers (`number`). `room` is memory of the thread's own, as much as was asked for,
// aligned to 64 bytes. Units are independent: any thread may do any range of them, in any order, with the same bits.

#include <math.h>
#include <string.h>

typedef long long Word;
typedef unsigned char Bool;

#define TASK __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
// A loop of which element i of the result needs elements i of the operands, and no others.
#if defined(__clang__)
#define ALONE _Pragma("clang loop vectorize(assume_safety)")
#else
#define ALONE _Pragma("GCC ivdep")
#endif

#define FLOATS(word) ((float*)(word))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

// A word that is a number with a fraction: the bits of a double.
static inline double number(Word word) {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

// Vectors of float as wide as the processor has them, in GCC's and clang's own notation.
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
#define REGISTERS 32  // for vectors
#else
#define REGISTERS 16
#endif
typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));  // may lie anywhere
