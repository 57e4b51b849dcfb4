"""Functions of Python and NumPy that were taken out without another name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

NINF = -np.inf


class ArgSpec(NamedTuple):
    """What `inspect.getargspec` returned."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(func: Callable[..., Any]) -> ArgSpec:
    """The arguments of a function.

    >>> getargspec(lambda a, b=2, *c: None)
    ArgSpec(args=['a', 'b'], varargs='c', keywords=None, defaults=(2,))
    """
    return ArgSpec(*inspect.getfullargspec(func)[:4])


class _Cast:
    def __getitem__(self, dtype: Any) -> Callable[[Any], np.ndarray]:
        return lambda x: np.asarray(x).astype(dtype)


cast = _Cast()
"""`np.cast['float32'](x)`: an array in another dtype."""


def asscalar(a: Any) -> Any:
    """The one element of an array as a number of Python's."""
    return a.item()


def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> np.ndarray:
    """For each element of the first array, flattened, whether the second one has it."""
    return np.isin(np.ravel(ar1), ar2, assume_unique, invert)


def msort(a: Any) -> np.ndarray:
    """A copy, sorted along the first axis."""
    return np.sort(a, axis=0)


def asfarray(a: Any, dtype: Any = np.float64) -> np.ndarray:
    """An array of floats."""
    return np.asarray(a, dtype if np.issubdtype(dtype, np.inexact) else np.float64)
