"""Sequences of unequal length made one array, windows of time series, and word pairs for word2vec."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpukeras.utils import data_utils


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """One array (n, maxlen, ...) of n sequences, the short ones filled up with `value`, the long ones cut.

    `maxlen` defaults to the greatest length. `padding` and `truncating` say at which end: 'pre' or 'post'. The steps of
    a sequence are numbers, or arrays that all have one shape. ValueError for what is no sequence, for steps of another
    shape, and for an unknown end.

    >>> pad_sequences([[1], [2, 3, 4, 5]], maxlen=3)
    array([[0, 0, 1],
           [3, 4, 5]], dtype=int32)
    >>> pad_sequences([[1], [2, 3, 4, 5]], maxlen=3, padding="post", truncating="post")
    array([[1, 0, 0],
           [2, 3, 4]], dtype=int32)
    """
    lengths = _lengths(sequences)
    for argument, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {argument} must be 'pre' or 'post', not {end!r}.")
    if maxlen is None:
        if not lengths:
            raise ValueError("pad_sequences: there are no sequences to take a length from, so give maxlen.")
        maxlen = max(lengths)

    step_shape = next((np.shape(steps)[1:] for steps, length in zip(sequences, lengths) if length), ())
    padded = np.full((len(lengths), maxlen, *step_shape), value).astype(dtype)
    for number, (steps, length) in enumerate(zip(sequences, lengths)):
        size = min(length, maxlen)
        if not size:
            continue
        kept = _numbers(steps[length - size :] if truncating == "pre" else steps[:size], dtype)
        if kept.shape[1:] != step_shape:
            raise ValueError(
                f"pad_sequences: sequence {number} has steps of shape {kept.shape[1:]}, but the first that is not "
                f"empty has steps of shape {step_shape}. All steps must have one shape."
            )
        start = maxlen - size if padding == "pre" else 0
        padded[number, start : start + size] = kept
    return padded


def _numbers(steps: Any, dtype: Any) -> np.ndarray:
    """Steps as an array of that type; whole numbers that it has no place for wrap, as they did for Keras."""
    found = np.asarray(steps)
    return found.astype(dtype) if found.dtype.kind in "iu" else np.asarray(steps, dtype)


def _lengths(sequences: Any) -> list[int]:
    if not hasattr(sequences, "__len__"):
        raise ValueError(
            f"pad_sequences: sequences must be a list of sequences, not {type(sequences).__name__}. "
            "Write pad_sequences(list(sequences)) for an iterator."
        )
    for number, steps in enumerate(sequences):
        if not hasattr(steps, "__len__"):
            raise ValueError(f"pad_sequences: entry {number} must be a sequence, not {steps!r}.")
    return [len(steps) for steps in sequences]


class TimeseriesGenerator(data_utils.Sequence):
    """Batches of windows of a series, and the target that follows each (from newer Keras), for `fit_generator`.

    The window before step i is ``data[i - length:i:sampling_rate]`` and its target ``targets[i]``; i runs from
    `start_index` + `length` to `end_index` (the last step if None) by `stride`, or with `shuffle` is drawn from
    NumPy's random state, `batch_size` of them each time. `reverse` turns the windows round. A batch is
    (samples, steps, ...) and (samples, ...).

    ValueError if data and targets differ in length, if not one window fits, or for a length, rate, stride or batch
    size below 1.

    >>> series = np.arange(10)
    >>> x, y = TimeseriesGenerator(series, series, length=4, sampling_rate=2, batch_size=2)[1]
    >>> x, y
    (array([[2, 4],
           [3, 5]]), array([6, 7]))
    """

    def __init__(self, data: Any, targets: Any, length: int, sampling_rate: int = 1, stride: int = 1,
                 start_index: int = 0, end_index: int | None = None, shuffle: bool = False, reverse: bool = False,
                 batch_size: int = 128) -> None:
        if len(data) != len(targets):
            raise ValueError(f"TimeseriesGenerator: data has {len(data)} steps and targets {len(targets)}; each step "
                             "needs its target.")
        for name, value in (("length", length), ("sampling_rate", sampling_rate), ("stride", stride),
                            ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"TimeseriesGenerator: {name} must be at least 1, not {value}.")
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ValueError(f"TimeseriesGenerator: no window of {length} steps ends before step {self.end_index}: "
                             f"start_index + length is {self.start_index}.")

    def __len__(self) -> int:
        """The number of batches."""
        windows = (self.end_index - self.start_index) // self.stride + 1
        return -(-windows // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `index`: windows and targets. IndexError past the end."""
        if not 0 <= index < len(self):
            raise IndexError(f"TimeseriesGenerator has {len(self)} batches; there is no number {index}.")
        if self.shuffle:
            steps = np.random.randint(self.start_index, self.end_index + 1, self.batch_size)
        else:
            first = self.start_index + index * self.batch_size * self.stride
            steps = np.arange(first, self.end_index + 1, self.stride)[: self.batch_size]
        windows = np.array([self.data[i - self.length : i : self.sampling_rate] for i in steps])
        return windows[:, ::-1] if self.reverse else windows, np.array([self.targets[i] for i in steps])

    def get_config(self) -> dict[str, Any]:
        """The arguments; data and targets as JSON texts. TypeError if they can't be written so.

        >>> TimeseriesGenerator([1, 2, 3], [1, 2, 3], 1).get_config()["data"]
        '[1, 2, 3]'
        """
        names = ("length", "sampling_rate", "stride", "end_index", "shuffle", "reverse", "batch_size")
        return {"data": json.dumps(_plain(self.data)), "targets": json.dumps(_plain(self.targets)),
                **{name: getattr(self, name) for name in names}, "start_index": self.start_index - self.length}

    def to_json(self, **kwargs: Any) -> str:
        """The config as JSON, for `timeseries_generator_from_json`; `kwargs` go to `json.dumps`.

        >>> generator = TimeseriesGenerator([1, 2, 3], [1, 2, 3], 1, batch_size=1)
        >>> len(timeseries_generator_from_json(generator.to_json()))
        2
        """
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _plain(series: Any) -> Any:
    return series.tolist() if isinstance(series, np.ndarray) else series


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The generator that `TimeseriesGenerator.to_json` described. ValueError for any other text.

    >>> json_string = TimeseriesGenerator([1, 2, 3], [4, 5, 6], length=2).to_json()
    >>> timeseries_generator_from_json(json_string)[0]
    (array([[1, 2]]), array([6]))
    """
    try:
        config = dict(json.loads(json_string)["config"])
        series = {name: json.loads(config.pop(name)) for name in ("data", "targets")}
        return TimeseriesGenerator(**series, **config)
    except (KeyError, TypeError) as error:
        raise ValueError(f"timeseries_generator_from_json: this is no generator in JSON ({error!r}).") from error


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """With what probability word2vec keeps the word of each rank: float64 (size,), for `skipgrams`.

    A word of frequency f is kept with probability sqrt(sampling_factor / f), at most 1 (Mikolov et al. 2013,
    "Distributed Representations of Words and Phrases", 2.3). By Zipf's law the word of rank r has frequency 1/(r H_r),
    where the harmonic number H_r is about log(r) + 0.577 + 1 / (2 r) - 1 / (12 r^2). Rank 0, no word, is as rank 1.

    >>> make_sampling_table(4).round(5)
    array([0.00315, 0.00315, 0.00548, 0.00742])
    """
    rank = np.maximum(np.arange(size), 1)
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1 / (12 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Sequence[float] | np.ndarray | None = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs [word, other] of a sequence of word numbers, and labels: 1 for neighbours, 0 for a random other.

    Neighbours stand at most `window_size` apart; number 0 is no word. For each true pair come `negative_samples` (a
    fraction will do) random ones, their others drawn from 1 to vocabulary_size - 1. `sampling_table[word]` is the
    probability with which a word is used at all (`make_sampling_table`). `categorical` writes the labels [0, 1] and
    [1, 0]. Draws come from Python's `random`; shuffling seeds it, with `seed` or with a number drawn.

    >>> skipgrams([1, 2, 3], vocabulary_size=4, window_size=1, negative_samples=0, shuffle=False)
    ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    neighbours = [
        [word, other]
        for place, word in enumerate(sequence)
        if word and (sampling_table is None or sampling_table[word] >= random.random())
        for other in _window(sequence, place, window_size)
        if other
    ]
    strangers = _negatives([word for word, _ in neighbours], vocabulary_size, negative_samples)
    pairs = [(couple, 1) for couple in neighbours] + [(couple, 0) for couple in strangers]
    if shuffle:
        random.seed(random.randint(0, 10_000_000) if seed is None else seed)
        random.shuffle(pairs)
    couples = [couple for couple, _ in pairs]
    return couples, [[1 - label, label] if categorical else label for _, label in pairs]


def _window(sequence: Sequence[int], place: int, size: int) -> list[int]:
    """What stands at most `size` places from `place`, in order."""
    return [*sequence[max(0, place - size) : place], *sequence[place + 1 : place + size + 1]]


def _negatives(words: list[int], vocabulary_size: int, share: float) -> list[list[int]]:
    """`share` times as many pairs as words: the words in random order, over and over, each with a random other."""
    if share <= 0:
        return []
    random.shuffle(words)
    total = int(len(words) * share)
    return [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(total)]


def _remove_long_seq(maxlen: int, seq: Sequence[Any], label: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The sequences shorter than `maxlen`, and their labels.

    >>> _remove_long_seq(3, [[1], [1, 2], [1, 2, 3]], ["a", "b", "c"])
    ([[1], [1, 2]], ['a', 'b'])
    """
    short = [(steps, name) for steps, name in zip(seq, label) if len(steps) < maxlen]
    return [steps for steps, _ in short], [name for _, name in short]
