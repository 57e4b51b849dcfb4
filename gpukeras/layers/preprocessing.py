"""Layers that bring raw numbers to a scale: Rescaling, and Normalization by statistics of data. Newer than Keras 2.0.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import backend as K
from ..engine.layer import Layer

_CHUNK = 8192  # samples turned into float64 at once


def _plain(value: Any) -> Any:
    """Arrays as lists, for a config."""
    return value.tolist() if hasattr(value, "tolist") else list(value) if isinstance(value, (tuple, list)) else value


class Rescaling(Layer):
    """``inputs * scale + offset``; whole numbers become floats. Shape unchanged.

    >>> Rescaling(1 / 255).get_config()['offset']
    0.0
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale
        self.offset = offset

    def call(self, inputs: Any) -> Any:
        """The rescaled inputs."""
        return K.cast(inputs, K.floatx()) * K.constant(self.scale) + K.constant(self.offset)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": _plain(self.scale), "offset": _plain(self.offset)}


class Normalization(Layer):
    """``(inputs - mean) / sqrt(variance)``, the statistics known beforehand or taken from data by `adapt`; with
    `invert` the way back. Shape unchanged, whole numbers become floats.

    There is one mean and one variance for each position along `axis` (one axis, several, or None for one of all).
    Either both `mean` and `variance` are given, or `adapt(data)` is called before the layer is used; until then
    nothing changes. Deviations below 1e-7 count as that.

    Weights, if no statistics are given: mean, variance, and the count of what they are made of; none is trained.

    >>> layer = Normalization()
    >>> layer.adapt(np.array([[1., 10.], [3., 30.]]))
    >>> [w.tolist() for w in layer.get_weights()]
    [[2.0, 20.0], [1.0, 100.0], 2]
    """

    def __init__(self, axis: int | Sequence[int] | None = -1, mean: Any = None, variance: Any = None,
                 invert: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError(f"Layer '{self.name}': give both mean and variance, or neither and call adapt(data).")
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean = mean
        self.input_variance = variance
        self.invert = invert

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of this shape."""
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ValueError(f"Layer '{self.name}': axis {self.axis} is not there in inputs of shape "
                             f"{tuple(input_shape)}.")
        self._kept = sorted(axis % rank for axis in self.axis)
        shape = tuple(input_shape[axis] for axis in self._kept)
        if None in shape:
            raise ValueError(f"Layer '{self.name}' keeps statistics along axis {self.axis} and must know its length, "
                             f"but the input has shape {tuple(input_shape)}.")
        self._broadcast = tuple(input_shape[axis] if axis in self._kept else 1 for axis in range(rank))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
            self.adapt_variance = self.add_weight(name="variance", shape=shape, initializer="ones", trainable=False)
            self.count = self.add_weight(name="count", shape=(), dtype="int64", initializer="zeros", trainable=False)
            self.mean, self.variance = (K.reshape(w, self._broadcast) for w in (self.adapt_mean, self.adapt_variance))
        else:
            self.mean, self.variance = (K.reshape(K.constant(1.0, shape=shape) * K.constant(value), self._broadcast)
                                        for value in (self.input_mean, self.input_variance))
        self.built = True

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Takes mean and variance from `data`: an array, or batches of one (a Sequence, or `steps` batches of an
        iterator). An earlier adaptation is forgotten. ValueError if the layer was given its statistics, or for no data.
        """
        if self.input_mean is not None:
            raise ValueError(f"Layer '{self.name}' was given its mean and variance, so it can't adapt to data.")
        count = 0
        mean = variance = 0.0
        for batch in self._batches(data, batch_size or _CHUNK, steps):
            if not self.built:
                self.build((None, *batch.shape[1:]))
            reduced = tuple(axis for axis in range(batch.ndim) if axis not in self._kept)
            added = 1
            for axis in reduced:
                added *= batch.shape[axis]
            batch_mean = batch.mean(reduced)
            share, count = added / (count + added), count + added
            shift = batch_mean - mean
            variance = variance + share * (batch.var(reduced) - variance) + share * (1 - share) * shift**2
            mean = mean + share * shift
        if not count:
            raise ValueError(f"Layer '{self.name}': there is no data to adapt to.")
        K.batch_set_value([(self.adapt_mean, mean), (self.adapt_variance, variance), (self.count, count)])

    def _batches(self, data: Any, batch_size: int, steps: int | None) -> Iterator[Any]:
        """The data in float64, with at least two axes, a batch at a time."""
        whole = isinstance(data, (np.ndarray, list, tuple))
        batches: Iterable[Any] = [data] if not whole else _parts(np.asarray(data), batch_size)
        if not whole:
            batches = (data[i] for i in range(len(data))) if hasattr(data, "__len__") else data
        for number, batch in enumerate(batches):
            if number == steps:
                return
            values = np.asarray(batch, "float64")
            if values.size:
                yield values.reshape(-1, 1) if values.ndim < 2 else values

    def call(self, inputs: Any) -> Any:
        """The normalized inputs."""
        inputs = K.cast(inputs, K.floatx())
        deviation = K.maximum(K.sqrt(self.variance), K.epsilon())
        return inputs * deviation + self.mean if self.invert else (inputs - self.mean) / deviation

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis, "invert": self.invert, "mean": _plain(self.input_mean),
                "variance": _plain(self.input_variance)}


def _parts(data: Any, batch_size: int) -> Iterator[Any]:
    return (data[start:start + batch_size] for start in range(0, len(data), batch_size))
