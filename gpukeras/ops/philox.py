"""Philox 4x32-10, the counter-based generator of Salmon et al. (SC 2011), on the host, and the distributions that
TensorFlow 1 makes of it.

Keras 2 draws one seed for each weight from NumPy's global state and leaves the numbers to TensorFlow. The same seed
gives the same numbers here, so a program that calls `np.random.seed(7)` starts from the very weights it started from
in its day.
"""

from __future__ import annotations

import numpy as np

GRAPH_SEED = 87654321  # TensorFlow's, for operations that have a seed of their own in a graph that has none
_AT_ONCE = 16384  # counters: what ten rounds make on the way fits the cache, and asks the system for no memory
_RESERVED = 256  # counters set aside for every four numbers of a distribution that may reject some


def philox(key: int, seed: int, counters: np.ndarray) -> np.ndarray:
    """Four random 32-bit words for each counter: uint32, shape (len(counters), 4).

    `key` (64 bits) chooses the stream; `seed` (64 bits) is the upper half of the counter, `counters` (uint64) the
    lower.

    >>> [hex(word) for word in philox(0, 0, np.zeros(1, 'uint64'))[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    words = np.empty((len(counters), 4), np.uint32)
    for start in range(0, len(counters), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        for column, values in enumerate(_rounds(key, seed, counters[some])):
            words[some, column] = values
    return words


def _rounds(key: int, seed: int, counters: np.ndarray) -> tuple[np.ndarray, ...]:
    """The four words of each counter, uint64 below 2**32."""
    low, word = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1 = counters & low, counters >> word
    c2, c3 = (np.full_like(counters, part) for part in (seed & 0xFFFFFFFF, seed >> 32))
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> word) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> word) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniform(size: int, seed: int) -> np.ndarray:
    """`size` float32 numbers in [0, 1) as TensorFlow's random_uniform makes them: 23 random bits each."""
    words = philox(GRAPH_SEED, seed, np.arange(-(-size // 4), dtype=np.uint64))
    return _unit(words).reshape(-1)[:size]


def normal(size: int, seed: int) -> np.ndarray:
    """`size` float32 standard normal numbers as TensorFlow's random_normal makes them (Box and Muller 1958)."""
    words = philox(GRAPH_SEED, seed, np.arange(-(-size // 4), dtype=np.uint64))
    return _box_muller(words.reshape(-1, 2)).reshape(-1)[:size]


def truncated_normal(size: int, seed: int) -> np.ndarray:
    """`size` float32 normal numbers between -2 and 2 as TensorFlow's truncated_normal makes them: each group of four
    is filled with what falls inside, from a range of counters of its own."""
    groups = -(-size // 4)
    result = np.empty((groups, 4), np.float32)
    filled = np.zeros(groups, np.int64)
    open_groups = np.arange(groups)
    step = 0
    while len(open_groups):
        words = philox(GRAPH_SEED, seed, open_groups.astype(np.uint64) * np.uint64(_RESERVED) + np.uint64(step))
        for values in _box_muller(words.reshape(-1, 2)).reshape(-1, 4).T:
            fits = (np.abs(values) < 2) & (filled[open_groups] < 4)
            rows = open_groups[fits]
            result[rows, filled[rows]] = values[fits]
            filled[rows] += 1
        open_groups = open_groups[filled[open_groups] < 4]
        step += 1
    return result.reshape(-1)[:size]


def _unit(words: np.ndarray) -> np.ndarray:
    """The lower 23 bits as the mantissa of a number in [1, 2), less 1."""
    return ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _box_muller(pairs: np.ndarray) -> np.ndarray:
    """Two normal numbers of two words."""
    u = np.maximum(_unit(pairs[:, 0]), np.float32(1e-7))
    angle = np.float32(2 * np.pi) * _unit(pairs[:, 1])
    radius = np.sqrt(np.float32(-2) * np.log(u))
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], axis=1)


def drawn(kind: str, count: int, seed: int, step: int, dtype: str = "float32", level: float = 0.0) -> np.ndarray:
    """What kernels/philox.cuh draws at places 0 ... count-1: 'uniform', 'normal', 'truncated' (float32 or float64) or
    'keep' (bool). The oracle of those functions.

    >>> drawn("keep", 8, seed=7, step=0, level=0.5).dtype.name
    'bool'
    """
    if kind == "keep":
        return drawn("uniform", count, seed, step) >= np.float32(level)
    if kind == "uniform":
        return _fraction(_round(count, seed, step, 0), dtype)[0]
    first, second = _normal_pair(_round(count, seed, step, 0), dtype)
    if kind == "normal":
        return first
    result = np.where(np.abs(first) <= 2, first, second)
    outside, attempt = np.flatnonzero(np.abs(result) > 2), 1
    while len(outside):
        first, second = _normal_pair(_round(count, seed, step, attempt)[outside], dtype)
        result[outside] = np.where(np.abs(first) <= 2, first, second)
        outside, attempt = outside[np.abs(result[outside]) > 2], attempt + 1
    return result


def _round(count: int, seed: int, step: int, attempt: int) -> np.ndarray:
    return philox(seed, step | attempt << 32, np.arange(count, dtype=np.uint64))


def _fraction(words: np.ndarray, dtype: str) -> list[np.ndarray]:
    """Numbers in [0, 1): one a word (24 bits), or one for two words (53 bits)."""
    if dtype == "float32":
        return [(w >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24) for w in words.T]
    high, low = words.T[::2] >> np.uint32(5), words.T[1::2] >> np.uint32(6)
    return [(h * 67108864.0 + w) * 2.0**-53 for h, w in zip(high, low)]


def _normal_pair(words: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    u, v = _fraction(words, dtype)[:2]
    one = u.dtype.type(1)
    radius, angle = np.sqrt(-2 * np.log(one - u)), u.dtype.type(2 * np.pi) * v
    return radius * np.cos(angle), radius * np.sin(angle)
