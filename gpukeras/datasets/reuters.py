"""Reuters news wires of 1987 as lists of word numbers, with one of 46 topics each (Lewis's Reuters-21578)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.datasets import _sequences as s
from gpukeras.datasets._files import KERAS_FILES, fetch
from gpukeras.preprocessing.sequence import _remove_long_seq

_Split = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "reuters.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              test_split: float = 0.2, seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2,
              index_from: int = 3, **kwargs: Any) -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: arrays (n,) of lists of word numbers, and topics 0-45 (n,); of 11,228
    wires the last `test_split` after shuffling is test.

    The other arguments are those of `imdb.load_data`. The order is Keras's for the same `seed`; NumPy's global random
    state is left alone. ValueError for a `test_split` outside 0 <= test_split < 1, and if `maxlen` leaves nothing.
    """
    num_words = s.words_wanted(num_words, kwargs, "reuters.load_data")
    if not 0 <= test_split < 1:
        raise ValueError(f"reuters.load_data: test_split must be in 0 <= test_split < 1, but is {test_split}.")
    file = fetch(path, KERAS_FILES + "reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916")
    x, y = s.read_lists(file, "x", "y")
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    texts, labels = s.marked((x[i] for i in order), start_char, index_from), y[order]
    if maxlen:
        texts, labels = _remove_long_seq(maxlen, texts, labels)
        if not texts:
            raise ValueError(f"reuters.load_data: no wire is shorter than maxlen={maxlen}. Increase maxlen.")
    texts, labels = s.limited(texts, num_words, skip_top, oov_char), np.asarray(labels)
    split = int(len(texts) * (1 - test_split))
    return (s.as_rows(texts[:split]), labels[:split]), (s.as_rows(texts[split:]), labels[split:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The rank of each word by frequency, from 1; `load_data` adds its `index_from`."""
    file = fetch(path, KERAS_FILES + "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")
    return s.read_word_index(file)
