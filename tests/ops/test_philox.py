"""The generator against published words, and its distributions against numbers printed by TensorFlow 1's own ops."""

import numpy as np
import pytest

from gpukeras.ops import philox


@pytest.mark.parametrize(
    "key, seed, counter, words",
    [
        # Random123's known answers for ten rounds
        (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (2**64 - 1, 2**64 - 1, 2**64 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_words(key, seed, counter, words):
    assert tuple(int(w) for w in philox.philox(key, seed, np.array([counter], "uint64"))[0]) == words


def test_counters_are_independent_of_each_other():
    many = philox.philox(5, 7, np.arange(10, dtype="uint64"))
    assert np.array_equal(many[3:4], philox.philox(5, 7, np.array([3], "uint64")))


def test_uniform_is_tensorflows():
    expected = TENSORFLOW["uniform"]
    assert np.array_equal(philox.uniform(len(expected), 12345), np.array(expected, "float32"))


@pytest.mark.parametrize("name", ["normal", "truncated_normal"])
def test_normals_are_tensorflows(name):
    got = getattr(philox, name)(len(TENSORFLOW[name]), 12345)
    np.testing.assert_allclose(got, TENSORFLOW[name], rtol=2e-6, atol=2e-7)


def test_truncated_normal_stays_within_two_and_fills_every_place():
    values = philox.truncated_normal(20_001, 3)
    assert values.shape == (20_001,) and np.abs(values).max() < 2
    assert values.std() == pytest.approx(0.8796, abs=0.01) and abs(values.mean()) < 0.02


# tf.random_uniform / random_normal / truncated_normal([6], seed=12345) without a graph seed
TENSORFLOW = {
    "uniform": [
        0.6743394136428833,
        0.23592019081115723,
        0.8220641613006592,
        0.46504127979278564,
        0.09273302555084229,
        0.33845949172973633,
    ],
    "normal": [
        0.8842466473579407,
        0.07843047380447388,
        0.1363987922668457,
        -0.6109575033187866,
        1.8525681495666504,
        -1.1506747007369995,
    ],
    "truncated_normal": [
        0.8842466473579407,
        0.07843047380447388,
        0.1363987922668457,
        -0.6109575033187866,
        0.45253217220306396,
        -0.8106634616851807,
    ],
}
