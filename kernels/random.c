// Random numbers on the CPU, the very bits that NumPy's SFC64 generator gives: its state is where NumPy keeps it, four
// 64-bit words, and goes on from call to call, so all numbers of an op are one unit.

#include "tasks.h"

#define WORDS 512  // that are drawn before they are looked at

typedef unsigned long long __attribute__((may_alias)) Bits;
typedef unsigned short __attribute__((may_alias)) Half;
typedef unsigned __attribute__((may_alias)) Single;

// The generator's own step (Doty-Humphrey's SFC64) for `n` words.
static void draw(Bits* state, Bits* out, Word n) {
    Bits a = state[0], b = state[1], c = state[2], counter = state[3];
    for (Word i = 0; i < n; ++i) {
        Bits x = a + b + counter++;
        a = b ^ (b >> 11);
        b = c + (c << 3);
        c = (c << 24 | c >> 40) + x;
        out[i] = x;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = counter;
}

// Truth values: whether a piece of `bytes` (2 or 4) is above `most`. Words: state, result, their number, most, bytes.
TASK Word keep(const Word* w, Word first, Word last, char* room) {
    (void)room;
    if (first >= last) return 0;
    Bits words[WORDS];
    Word pieces = 8 / w[4], n = w[2];
    Bool* out = (Bool*)w[1];
    for (Word at = 0; at < n; at += WORDS * pieces) {
        Word here = MIN(n - at, WORDS * pieces);
        draw((Bits*)w[0], words, (here + pieces - 1) / pieces);
        if (w[4] == 2) {
            const Half *piece = (const Half*)words, most = (Half)w[3];
            ALONE for (Word i = 0; i < here; ++i) out[at + i] = piece[i] > most;
        } else {
            const Single *piece = (const Single*)words, most = (Single)w[3];
            ALONE for (Word i = 0; i < here; ++i) out[at + i] = piece[i] > most;
        }
    }
    return 0;
}

// What one of NumPy's own functions fills. Words: the function, its generator, result, how many numbers.
TASK Word fill(const Word* w, Word first, Word last, char* room) {
    (void)room;
    if (first < last) ((void (*)(void*, Word, void*))w[0])((void*)w[1], w[3], (void*)w[2]);
    return 0;
}
