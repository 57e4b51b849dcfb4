#pragma once
// Functions of float, without branches, so that loops over them become vector code. Within 4 units in the last place of
// what NumPy makes; where nothing else is said, the polynomials are those of Cephes (Moshier, single precision).

#include "tasks.h"

static inline float power_of_two(int n) {
    union { int i; float f; } bits = {(n + 127) << 23};
    return bits.f;
}

// e^x = 2^n p / q, the approximation that NumPy has for this type: programs compare with its results. x must be between
// -104 and 89, or not a number.
typedef struct {
    float p, q;
    int n;
} Exponential;

static inline Exponential exponential(float x) {
    float n = rintf(x * 1.44269504088896341f);
    float r = x - n * 6.93145752e-1f;
    r = r - n * 1.42860677e-6f;
    float p = 5.082762527590693718096e-04f, q = 2.159509375685829852307e-02f;
    p = p * r + 6.757896990527504603057e-03f;
    p = p * r + 5.114512081637298353406e-02f;
    p = p * r + 2.473615434895520810817e-01f;
    p = p * r + 7.257664613233124478488e-01f;
    p = p * r + 9.999999999980870924916e-01f;
    q = q * r - 2.742335390411667452936e-01f;
    q = q * r + 1.0f;
    return (Exponential){p, q, (int)n};
}

static inline float exp_float(float x) {
    Exponential e = exponential(x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x);
    int half = e.n / 2;
    return x != x ? x : e.p / e.q * power_of_two(half) * power_of_two(e.n - half);
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

// 1 - 2 / (e^2|x| + 1), with a single division as e^2|x| is a fraction anyway; from 9.1 on it is 1.
static inline float tanh_float(float x) {
    float size = fabsf(x), z = x * x, small = -5.70498872745e-3f;
    small = small * z + 2.06390887954e-2f;
    small = small * z - 5.37397155531e-2f;
    small = small * z + 1.33314422036e-1f;
    small = small * z - 3.33332819422e-1f;
    small = small * z * x + x;
    Exponential e = exponential(size > 9.1f ? 18.2f : 2.0f * size);
    float large = 1.0f - 2.0f * e.q / (e.p * power_of_two(e.n) + e.q);
    return size < 0.625f || x != x ? small : copysignf(large, x);
}

// 1 / (1 + e^-x), likewise.
static inline float sigmoid_float(float x) {
    Exponential e = exponential(x < -87.0f ? 87.0f : x > 87.0f ? -87.0f : -x);
    return e.q / (e.p * power_of_two(e.n) + e.q);
}
