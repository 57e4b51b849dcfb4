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

#include "tasks.h"

typedef void (*Body)(char* out, const char* a, const char* b, const char* c, long n);

// Functions of float, without branches, so that loops over them become vector code. Within 4 units in the last place of
// what NumPy makes; where nothing else is said, the polynomials are those of Cephes (Moshier, single precision).
static inline float power_of_two(int n) {
    union { int i; float f; } bits = {(n + 127) << 23};
    return bits.f;
}

// 2^n p(r) / q(r) with r = x - n ln 2, the approximation that NumPy has for this type: programs compare with its results.
static inline float exp_float(float x) {
    float y = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
    float n = rintf(y * 1.44269504088896341f);
    float r = y - n * 6.93145752e-1f;
    r = r - n * 1.42860677e-6f;
    float p = 5.082762527590693718096e-04f, q = 2.159509375685829852307e-02f;
    p = p * r + 6.757896990527504603057e-03f;
    p = p * r + 5.114512081637298353406e-02f;
    p = p * r + 2.473615434895520810817e-01f;
    p = p * r + 7.257664613233124478488e-01f;
    p = p * r + 9.999999999980870924916e-01f;
    q = q * r - 2.742335390411667452936e-01f;
    q = q * r + 1.0f;
    int whole = (int)n, half = whole / 2;
    return x != x ? x : p / q * power_of_two(half) * power_of_two(whole - half);
}

static inline float log_float(float x) {
    int tiny = x < 1.17549435e-38f;
    union { float f; int i; } bits = {tiny ? x * 8388608.0f : x};
    int exponent = ((bits.i >> 23) & 255) - 126 - (tiny ? 23 : 0);
    bits.i = (bits.i & 0x007fffff) | 0x3f000000;
    float m = bits.f;
    int low = m < 0.707106781186547524f;
    float e = (float)(exponent - low);
    m = (low ? m + m : m) - 1.0f;
    float z = m * m, p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    p = p * m * z + e * -2.12194440e-4f - 0.5f * z;
    float y = m + p + e * 0.693359375f;
    y = x == 0.0f ? -INFINITY : x < 0.0f ? NAN : y;
    return x == INFINITY || x != x ? x : y;
}

// log1p and expm1 by what rounding has lost of 1 + x and e^x (Kahan)
static inline float log1p_float(float x) {
    float u = 1.0f + x, lost = u - 1.0f;
    float y = log_float(u) * (x / (lost == 0.0f ? 1.0f : lost));
    y = lost == 0.0f ? x : y;
    return u == INFINITY || u <= 0.0f ? log_float(u) : y;
}

static inline float expm1_float(float x) {
    float u = exp_float(x), down = u - 1.0f, l = log_float(u);
    float y = down * (x / (l == 0.0f ? 1.0f : l));
    y = u == 1.0f ? x : y;
    return u == INFINITY || down == -1.0f ? down : y;
}

static inline float tanh_float(float x) {
    float size = fabsf(x), z = x * x, p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    p = p * z * x + x;
    float large = copysignf(1.0f - 2.0f / (exp_float(2.0f * size) + 1.0f), x);
    return size < 0.625f || x != x ? p : large;
}

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
