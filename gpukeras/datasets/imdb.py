"""IMDB film reviews as lists of word numbers, labelled 0 (bad) or 1 (good) (Maas et al. 2011, "Learning Word Vectors
for Sentiment Analysis")."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.datasets import _sequences as s
from gpukeras.datasets._files import KERAS_FILES, fetch
from gpukeras.preprocessing.sequence import _remove_long_seq

_Split = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "imdb.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2, index_from: int = 3,
              **kwargs: Any) -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: arrays (n,) of lists of word numbers, and labels (n,); 25,000 reviews
    each.

    The most frequent word has number 1 + `index_from`; smaller numbers are left for padding (0), `start_char`, put
    before each review unless None, and `oov_char`, which takes the place of words above `num_words` and below
    `skip_top` (None leaves them out). `maxlen` keeps the reviews with fewer words than that. Both parts are shuffled by
    `seed` as newer Keras does it (2.0.9 ignored the seed); NumPy's global random state is left alone.

    `path` names the file in the cache's `datasets` folder, or is an absolute path. What the file has pickled is read as
    plain lists of whole numbers; ValueError for anything else in it, and if `maxlen` leaves nothing.
    """
    num_words = s.words_wanted(num_words, kwargs, "imdb.load_data")
    file = fetch(path, KERAS_FILES + "imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
    stored = s.read_lists(file, "x_train", "y_train", "x_test", "y_test")
    random = np.random.RandomState(seed)
    texts, labels = [], []
    for x, y in (stored[:2], stored[2:]):
        order = np.arange(len(x))
        random.shuffle(order)
        texts.append(s.marked((x[i] for i in order), start_char, index_from))
        labels.append(y[order])
        if maxlen:
            texts[-1], labels[-1] = _remove_long_seq(maxlen, texts[-1], labels[-1])
            if not texts[-1]:
                raise ValueError(f"imdb.load_data: no review is shorter than maxlen={maxlen}. Increase maxlen.")
    both = s.limited(texts[0] + texts[1], num_words, skip_top, oov_char)
    split = len(texts[0])
    return (s.as_rows(both[:split]), np.asarray(labels[0])), (s.as_rows(both[split:]), np.asarray(labels[1]))


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The rank of each word by frequency, from 1; `load_data` adds its `index_from`."""
    file = fetch(path, KERAS_FILES + "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")
    return s.read_word_index(file)
