// Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011), and numbers made of it.
//
// Every number is a function of (seed, step, place): the place i in the array, the step of the program, the seed of the
// op. Nothing is stored, so whoever needs a number again, such as the backward pass of dropout, computes it again.
// The same functions stand, in NumPy, in gpukeras/ops/philox.py.
#pragma once

struct Words {
    unsigned int x, y, z, w;
};

__device__ inline unsigned int philox_high(unsigned int a, unsigned int b) {
    return (unsigned int)(((unsigned long long)a * b) >> 32);
}

// Four random words for the counter (place, step, round); the seed is the key.
__device__ inline Words philox(unsigned long long seed, unsigned long long place, unsigned int step,
                               unsigned int round) {
    unsigned int c0 = (unsigned int)place, c1 = (unsigned int)(place >> 32), c2 = step, c3 = round;
    unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
    for (int i = 0; i < 10; ++i) {
        unsigned int high0 = philox_high(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        unsigned int high1 = philox_high(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Words words = {c0, c1, c2, c3};
    return words;
}

// [0, 1) with 24 random bits, or 53.
__device__ inline float unit(unsigned int word) { return (word >> 8) * 5.9604644775390625e-8f; }
__device__ inline double unit(unsigned int high, unsigned int low) {
    return ((high >> 5) * 67108864.0 + (low >> 6)) * 1.1102230246251565e-16;
}

__device__ inline float philox_uniform(unsigned long long seed, long long step, long long place) {
    return unit(philox(seed, place, (unsigned int)step, 0).x);
}
__device__ inline double philox_uniform_double(unsigned long long seed, long long step, long long place) {
    Words w = philox(seed, place, (unsigned int)step, 0);
    return unit(w.x, w.y);
}

// True with probability 1 - level.
__device__ inline bool philox_keep(unsigned long long seed, long long step, long long place, float level) {
    return philox_uniform(seed, step, place) >= level;
}

// Two normal numbers of four words (Box and Muller 1958).
__device__ inline void normal_pair(Words w, float* a, float* b) {
    float radius = sqrtf(-2.0f * logf(1.0f - unit(w.x))), angle = 6.283185307179586f * unit(w.y);
    *a = radius * cosf(angle);
    *b = radius * sinf(angle);
}
__device__ inline void normal_pair(Words w, double* a, double* b) {
    double radius = sqrt(-2.0 * log(1.0 - unit(w.x, w.y))), angle = 6.283185307179586 * unit(w.z, w.w);
    *a = radius * cos(angle);
    *b = radius * sin(angle);
}

// The first number within two standard deviations of the pairs that rounds 0, 1, 2, ... give.
template <typename V>
__device__ V truncated(unsigned long long seed, long long step, long long place) {
    V a = 0, b = 0;
    for (unsigned int round = 0; round < 64; ++round) {  // one pair in 480 has both numbers outside
        normal_pair(philox(seed, place, (unsigned int)step, round), &a, &b);
        if (a >= -2 && a <= 2) return a;
        if (b >= -2 && b <= 2) return b;
    }
    return 0;
}

__device__ inline float philox_normal(unsigned long long seed, long long step, long long place) {
    float a, b;
    normal_pair(philox(seed, place, (unsigned int)step, 0), &a, &b);
    return a;
}
__device__ inline double philox_normal_double(unsigned long long seed, long long step, long long place) {
    double a, b;
    normal_pair(philox(seed, place, (unsigned int)step, 0), &a, &b);
    return a;
}
__device__ inline float philox_truncated(unsigned long long seed, long long step, long long place) {
    return truncated<float>(seed, step, place);
}
__device__ inline double philox_truncated_double(unsigned long long seed, long long step, long long place) {
    return truncated<double>(seed, step, place);
}
