"""Data sets of texts as lists of word numbers: reading their files, and the choice of words that Keras offers."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from gpukeras.datasets._files import read_members
from gpukeras.utils.pickles import parse_arrays

_AGAIN = "Delete it to fetch it anew."


def read_lists(path: Path, *names: str) -> tuple[Any, ...]:
    """The named arrays of an .npz file: an array of numbers, or a list of lists of whole numbers, which NumPy pickles.

    The pickle is read as plain data (`gpukeras.utils.pickles`). ValueError if the file is damaged, lacks an array, or
    holds anything else.
    """
    return read_members(path, names, _lists, "texts")


def _lists(content: bytes, name: str, shape: tuple[int, ...]) -> list[list[int]]:
    """The rows of a pickled array of lists of whole numbers."""
    stored = parse_arrays(content, source=name)
    if not isinstance(stored, np.ndarray) or stored.shape != shape or len(shape) != 1:
        raise ValueError(f"{name} is no list of lists")
    for row in stored:
        if not isinstance(row, list) or not all(issubclass(kind, (int, np.integer)) for kind in set(map(type, row))):
            raise ValueError(f"{name} holds something else than lists of whole numbers")
    result: list[list[int]] = stored.tolist()
    return result


def read_word_index(path: Path) -> dict[str, int]:
    """The number of each word, from a JSON file. ValueError if it holds anything else."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no word index in JSON: {error}. {_AGAIN}") from error
    if not isinstance(index, dict) or not all(type(number) is int for number in index.values()):
        raise ValueError(f"{path} is no word index: it must map words to whole numbers. {_AGAIN}")
    return index


def words_wanted(num_words: int | None, renamed: dict[str, Any], function: str) -> int | None:
    """`num_words`, which Keras 1 called `nb_words`; TypeError for any other keyword."""
    if "nb_words" in renamed:
        warnings.warn(f"`nb_words` is Keras 1 spelling. Write `{function}(num_words=...)`.", UserWarning, stacklevel=3)
        num_words = renamed.pop("nb_words")
    if renamed:
        raise TypeError(f"{function} has no argument {sorted(renamed)[0]!r}.")
    return num_words


def marked(texts: Iterable[Any], start_char: int | None, index_from: int) -> list[list[int]]:
    """Word numbers raised by `index_from`, behind a `start_char` unless that is None."""
    shift = index_from or 0
    start = [] if start_char is None else [start_char]
    return [start + [word + shift for word in text] for text in texts]


def limited(texts: list[list[int]], num_words: int | None, skip_top: int, oov_char: int | None) -> list[list[int]]:
    """The texts with every number outside skip_top <= number < num_words replaced by `oov_char`, or left out if that is
    None. As in Keras, without `num_words` the limit is the largest number, which is so outside itself."""
    bound = num_words or max((max(text, default=0) for text in texts), default=0)
    if oov_char is None:
        return [[word for word in text if skip_top <= word < bound] for text in texts]
    return [[word if skip_top <= word < bound else oov_char for word in text] for text in texts]


def as_rows(texts: list[list[int]]) -> np.ndarray:
    """An array (n,) of lists, whatever their lengths."""
    rows = np.empty(len(texts), object)
    for place, text in enumerate(texts):
        rows[place] = text
    return rows
