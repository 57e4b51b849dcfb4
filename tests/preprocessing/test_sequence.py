"""Padding, word2vec's sampling and skip-grams."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from gpukeras.preprocessing.sequence import _remove_long_seq, make_sampling_table, pad_sequences, skipgrams

RAGGED = [[1], [2, 3], [4, 5, 6], []]


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6], [0, 0, 0]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6], [0, 0, 0]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6], [0, 0]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5], [0, 0]]),
        ({"maxlen": 4, "value": 9}, [[9, 9, 9, 1], [9, 9, 2, 3], [9, 4, 5, 6], [9] * 4]),
        ({"maxlen": 0}, [[], [], [], []]),
    ],
)
def test_padding_and_truncating(options, expected):
    padded = pad_sequences(RAGGED, **options)
    assert padded.dtype == np.int32 and padded.tolist() == expected


def test_dtype_and_value():
    assert pad_sequences(RAGGED, dtype="float32", value=0.5)[0].tolist() == [0.5, 0.5, 1]
    assert pad_sequences(RAGGED, value=0.5)[0].tolist() == [0, 0, 1]
    assert pad_sequences([["a"], ["b", "c"]], dtype=object, value="-").tolist() == [["-", "a"], ["b", "c"]]


def test_whole_numbers_wrap():
    assert pad_sequences([[300, -1]], dtype="uint8").tolist() == [[44, 255]]
    assert pad_sequences([[2**40, 1]]).tolist() == [[0, 1]] and pad_sequences([[1.7]]).tolist() == [[1]]


def test_steps_may_be_arrays():
    padded = pad_sequences([[], [[1, 2]], np.array([[3, 4], [5, 6]])], dtype="float64", value=-1)
    assert padded.shape == (3, 2, 2)
    assert padded.tolist() == [[[-1, -1], [-1, -1]], [[-1, -1], [1, 2]], [[3, 4], [5, 6]]]


def test_no_sequences_need_a_length():
    assert pad_sequences([], maxlen=3).shape == (0, 3)
    with pytest.raises(ValueError, match="give maxlen"):
        pad_sequences([])


@pytest.mark.parametrize(
    "sequences, options, message",
    [
        (iter(RAGGED), {}, r"not list_iterator.*pad_sequences\(list"),
        ([[1], 2], {}, "entry 1 must be a sequence, not 2"),
        ([[1], [[2]]], {}, r"sequence 1 has steps of shape \(1,\).*shape \(\)"),
        (RAGGED, {"padding": "left"}, "padding must be 'pre' or 'post', not 'left'"),
        (RAGGED, {"truncating": "left"}, "truncating must be 'pre' or 'post', not 'left'"),
    ],
)
def test_what_cannot_be_padded_is_named(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        pad_sequences(sequences, **options)


def test_sampling_table():
    table = make_sampling_table(1000)
    assert table.shape == (1000,) and table.dtype == np.float64
    assert table[0] == table[1] == pytest.approx(np.sqrt(1e-5 * (0.577 + 0.5 - 1 / 12)))
    assert (np.diff(table[1:]) > 0).all()  # the rarer, the likelier to stay
    harmonic = sum(1 / r for r in range(1, 501))
    assert table[500] == pytest.approx(np.sqrt(1e-5 * 500 * harmonic), rel=1e-4)
    assert make_sampling_table(5, sampling_factor=10).tolist() == [1] * 5


def test_skipgrams_are_neighbours_in_order():
    couples, labels = skipgrams([5, 0, 6, 7], 8, window_size=2, negative_samples=0, shuffle=False)
    assert couples == [[5, 6], [6, 5], [6, 7], [7, 6]]  # 0 is no word, and takes a place
    assert labels == [1] * 4


def test_skipgrams_with_random_others():
    couples, labels = skipgrams(np.arange(20), 20, negative_samples=1.5, categorical=True, shuffle=False)
    true = labels.count([0, 1])
    assert len(couples) == len(labels) and labels == [[0, 1]] * true + [[1, 0]] * int(true * 1.5)
    firsts = Counter(couple[0] for couple in couples[:true])
    assert Counter(couple[0] for couple in couples[true : 2 * true]) == firsts  # each word once before any comes again
    assert {other for _, other in couples[true:]} <= set(range(1, 20))


def test_skipgrams_draw_as_keras_does():
    """The words are shuffled, the others drawn, a seed drawn, and couples and labels shuffled with that seed."""
    random.seed(3)
    couples, labels = skipgrams([1, 2, 3], 9, window_size=1)
    after = random.random()

    random.seed(3)
    expected = [[1, 2], [2, 1], [2, 3], [3, 2]]
    words = [1, 2, 2, 3]
    random.shuffle(words)
    expected += [[word, random.randint(1, 8)] for word in words]
    truth = [1] * 4 + [0] * 4
    seed = random.randint(0, 10**7)
    for values in (expected, truth):
        random.seed(seed)
        random.shuffle(values)
    assert (couples, labels, after) == (expected, truth, random.random())


def test_skipgrams_repeat_with_a_seed():
    runs = [skipgrams(range(1, 9), 9, negative_samples=0, seed=4) for _ in range(2)]
    assert runs[0] == runs[1] != skipgrams(range(1, 9), 9, negative_samples=0, seed=5)


def test_a_sampling_table_leaves_words_out():
    couples, _ = skipgrams([1, 2, 3], 4, sampling_table=[0, 0, 2, 0], negative_samples=0, shuffle=False)
    assert couples == [[2, 1], [2, 3]]  # as words; as others they stay
    assert skipgrams([1, 2], 4, sampling_table=np.full(4, -1.0)) == ([], [])


def test_long_sequences_go_with_their_labels():
    assert _remove_long_seq(2, [[1, 2], [3], [4, 5, 6], []], [0, 1, 2, 3]) == ([[3], []], [1, 3])
