"""Initial values of weights: an initializer is called with a shape and returns a NumPy array.

Random ones draw a seed from NumPy's global state, so that ``np.random.seed(7)`` at the top of a program repeats its
weights, or take the `seed` they are given: then every call gives the same values. A seed gives the values that Keras 2
on TensorFlow 1 got of it (see ops/philox.py), so old programs start from their old weights.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gpukeras import backend as K
from gpukeras.device.openblas import single_thread
from gpukeras.ops import philox
from gpukeras.utils.generic_utils import Registry, deserialize_keras_object, interpreted, serialize_keras_object

# A normal distribution cut at two standard deviations has this much of its standard deviation left.
TRUNCATED_STD = 0.87962566103423978


class Initializer:
    """Base of all initializers: override `__call__`, and `get_config` if there are arguments."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        """An array of `shape` and `dtype` (default: `K.floatx()`)."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to make values: define "
                                  "__call__(self, shape, dtype=None).")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """An initializer from `get_config`. A 'dtype' that other versions wrote there is dropped."""
        return cls(**{key: value for key, value in config.items() if key != "dtype"})


def _cast(values: np.ndarray, dtype: str | None) -> np.ndarray:
    """The values in the asked type."""
    return np.asarray(values, dtype=dtype or K.floatx())


def _draw(numbers: Callable[[int, int], np.ndarray], seed: int | None, shape: Sequence[int], scale: float,
          shift: float, dtype: str | None) -> np.ndarray:
    """Random numbers times `scale` plus `shift`, in float32 arithmetic like the original's.

    Without a seed, one is drawn from NumPy's global state: just one number for each weight, as Keras 2 does, so
    that what a program draws after building its model is the same too.
    """
    size = math.prod(shape)
    seed = int(np.random.randint(10_000_000)) if seed is None else int(seed)
    return _cast((numbers(size, seed) * np.float32(scale) + np.float32(shift)).reshape(tuple(shape)), dtype)


def _uniform(seed: int | None, shape: Sequence[int], low: float, high: float, dtype: str | None) -> np.ndarray:
    return _draw(philox.uniform, seed, shape, float(np.float32(high) - np.float32(low)), low, dtype)


class Zeros(Initializer):
    """All 0.

    >>> Zeros()((2, 3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.zeros(tuple(shape), dtype or K.floatx())


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.ones(tuple(shape), dtype or K.floatx())


class Constant(Initializer):
    """All `value` (a number, or an array that broadcasts to the shape).

    >>> Constant(2)((1, 2)).tolist()
    [[2.0, 2.0]]
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return np.full(tuple(shape), self.value, dtype or K.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value.tolist() if isinstance(self.value, np.ndarray) else self.value}


class RandomNormal(Initializer):
    """Normal values with this `mean` and standard deviation `stddev`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _draw(philox.normal, self.seed, shape, self.stddev, self.mean, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class RandomUniform(Initializer):
    """Uniform values from `minval` to `maxval`."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _uniform(self.seed, shape, self.minval, self.maxval, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class TruncatedNormal(RandomNormal):
    """Normal values, drawn again where they lie more than two `stddev` from the mean.

    Their real standard deviation is therefore 0.88 of `stddev`.
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        return _draw(philox.truncated_normal, self.seed, shape, self.stddev, self.mean, dtype)


class VarianceScaling(Initializer):
    """Values whose variance is ``scale / n``, so that signals keep their size through the layers.

    n counts the inputs of a unit (`mode` 'fan_in'), its outputs ('fan_out') or the mean of both ('fan_avg').
    `distribution` 'uniform' draws within ``sqrt(3 * scale / n)`` of zero; 'normal' draws normal values of
    standard deviation ``sqrt(scale / n)`` cut at twice that. Newer Keras's 'truncated_normal' widens them
    first to make up for the cut, and its 'untruncated_normal' does not cut.

    >>> VarianceScaling(scale=2.0, seed=1)((300, 200)).shape
    (300, 200)
    """

    MODES = ("fan_in", "fan_out", "fan_avg")
    DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "untruncated_normal")

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "normal",
                 seed: int | None = None) -> None:
        if scale <= 0:
            raise ValueError(f"VarianceScaling: scale must be positive, got {scale!r}.")
        self.scale = scale
        self.mode = self._one_of("mode", mode, self.MODES)
        self.distribution = self._one_of("distribution", distribution, self.DISTRIBUTIONS)
        self.seed = seed

    @staticmethod
    def _one_of(argument: str, value: str, choices: tuple[str, ...]) -> str:
        """The value in lower case, if it is one of the choices."""
        if str(value).lower() not in choices:
            raise ValueError(f"VarianceScaling: {argument} must be one of {choices}, got {value!r}.")
        return value.lower()

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        fan_in, fan_out = _compute_fans(shape)
        units = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, units)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return _uniform(self.seed, shape, -limit, limit, dtype)
        stddev = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return _draw(philox.normal, self.seed, shape, stddev, 0.0, dtype)
        if self.distribution == "truncated_normal":
            stddev /= TRUNCATED_STD
        return _draw(philox.truncated_normal, self.seed, shape, stddev, 0.0, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


class Orthogonal(Initializer):
    """A random matrix with orthonormal rows or columns (the shorter way), times `gain` (Saxe et al. 2013,
    arXiv:1312.6120). Leading axes of longer shapes count as rows."""

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = gain
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal needs a shape of at least 2 dimensions, got {tuple(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        # As in Keras 2, the matrix itself is drawn from the global state, not a seed for it.
        draw: Any = np.random if self.seed is None else np.random.RandomState(self.seed)
        values = draw.normal(size=(rows, columns))
        with single_thread:  # more would wait for each other where cores are shared, and change the last bits
            left, _, right = np.linalg.svd(values, full_matrices=False)
        matrix = left if left.shape == (rows, columns) else right
        return _cast(self.gain * matrix.reshape(tuple(shape)), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


class Identity(Initializer):
    """The identity matrix times `gain`, with zeros where one side is longer (newer than Keras 2.0.9); ValueError for a
    shape that is no matrix. As a `recurrent_initializer` of a GRU or LSTM it makes one for each gate.

    >>> Identity(2.0)((2, 3)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"Identity makes matrices only, got the shape {tuple(shape)}.")
        return _cast(self.gain * np.eye(shape[0], shape[1]), dtype)

    def side_by_side(self, size: int, count: int, dtype: str | None = None) -> np.ndarray:
        """That many square matrices beside each other: (size, count * size)."""
        return _cast(self.gain * np.tile(np.eye(size), (1, count)), dtype)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within ``sqrt(3 / fan_in)`` of zero (LeCun et al. 1998, Efficient BackProp)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with stddev ``sqrt(1 / fan_in)``; the choice for selu (arXiv:1706.02515)."""
    return VarianceScaling(1.0, "fan_in", "normal", seed)


def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within ``sqrt(6 / (fan_in + fan_out))`` of zero (Glorot and Bengio 2010, AISTATS).

    >>> bool(abs(glorot_uniform()((20, 40))).max() <= (6 / 60) ** 0.5)
    True
    """
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with stddev ``sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio 2010, AISTATS)."""
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within ``sqrt(6 / fan_in)`` of zero (He et al. 2015, arXiv:1502.01852)."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal with stddev ``sqrt(2 / fan_in)`` (He et al. 2015, arXiv:1502.01852)."""
    return VarianceScaling(2.0, "fan_in", "normal", seed)


zero = zeros = Zeros
one = ones = Ones
constant = Constant
identity, orthogonal = Identity, Orthogonal
random_normal = normal = RandomNormal
random_uniform = uniform = RandomUniform
truncated_normal = TruncatedNormal


class Scaled(Protocol):
    """An initializer with the spread that the class's name says."""

    def __call__(self, seed: int | None = None, dtype: str | None = None) -> VarianceScaling:
        """The initializer; `dtype` is ignored."""
        ...


def _of_config(make: Callable[[int | None], VarianceScaling]) -> Scaled:
    """`make` under the class name of newer Keras, whose configs may also hold a dtype, which is dropped."""
    def from_config(seed: int | None = None, dtype: str | None = None) -> VarianceScaling:
        return make(seed)

    from_config.__doc__ = make.__doc__
    return from_config


LecunUniform, LecunNormal = _of_config(lecun_uniform), _of_config(lecun_normal)
GlorotUniform, GlorotNormal = _of_config(glorot_uniform), _of_config(glorot_normal)
HeUniform, HeNormal = _of_config(he_uniform), _of_config(he_normal)

def _compute_fans(shape: Sequence[int], data_format: str = "channels_last") -> tuple[float, float]:
    """Inputs and outputs of one unit for a kernel of this shape.

    Kernels of 3 to 5 dimensions are convolutions, (..., in, out) in 'channels_last' and (out, in, ...) in
    'channels_first' order; their fans count every cell of the window. Other shapes count as square.

    >>> _compute_fans((3, 3, 16, 32))
    (144, 288)
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"Invalid data_format: {data_format!r}. Known: 'channels_last', 'channels_first'.")
    shape = tuple(shape)
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) not in (3, 4, 5):
        return math.sqrt(math.prod(shape)), math.sqrt(math.prod(shape))
    if data_format == "channels_first":
        window, inputs, outputs = shape[2:], shape[1], shape[0]
    else:
        window, inputs, outputs = shape[:-2], shape[-2], shape[-1]
    cells = math.prod(window)
    return inputs * cells, outputs * cells


def serialize(initializer: Any) -> Any:
    """The config entry of an initializer."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The initializer that a config entry describes."""
    return deserialize_keras_object(config, module_objects=_named, custom_objects=custom_objects,
                                    printable_module_name="initializer")


def get(identifier: Any) -> Any:
    """The initializer that a layer argument means: a name, a config, a class, or a callable of (shape,
    dtype).

    >>> get("he_uniform").scale, type(get("zeros")).__name__
    (2.0, 'Zeros')
    """
    return interpreted(identifier, Initializer, deserialize,
                       "a name such as 'glorot_uniform', an initializer, or a function of (shape, dtype)")


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), (
    "Zeros", "Ones", "Constant", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling",
    "Orthogonal", "Identity", "lecun_uniform", "lecun_normal", "glorot_uniform", "glorot_normal",
    "he_uniform", "he_normal", "zero", "zeros", "one", "ones", "constant", "uniform", "random_uniform",
    "normal", "random_normal", "truncated_normal", "identity", "orthogonal", "LecunUniform", "LecunNormal",
    "GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal"))
