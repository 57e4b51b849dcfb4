"""Models whose input shape nobody has said: they learn it from the first data that they see."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from .data import array_of_rows

F = TypeVar("F", bound=Callable[..., Any])


def sees_data(method: F) -> F:
    """Decorates a method of Model whose first argument is data, or gives batches of it: a model that is not connected
    yet is built for it first."""
    names = _names(method)

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (self.built and self.outputs):
            args, kwargs = _learned(self, names, args, kwargs)
        return method(self, *args, **kwargs)
    return wrapper  # type: ignore[return-value]


def predicts(method: F) -> F:
    """As `sees_data`, for a method that returns outputs: by name, if `call` of a subclass returns a dict."""
    names = _names(method)

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (self.built and self.outputs):
            args, kwargs = _learned(self, names, args, kwargs)
        found = method(self, *args, **kwargs)
        keys = self._output_keys
        return found if keys is None else dict(zip(keys, found if len(keys) > 1 else [found]))
    return wrapper  # type: ignore[return-value]


def _names(method: Callable[..., Any]) -> list[str]:
    """The names of a method's arguments after self."""
    return list(inspect.signature(method).parameters)[1:]


def _learned(model: Any, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Builds the model for the data among these arguments. Of an iterator a batch is looked at; the arguments that are
    returned have it again."""
    given = {**dict(zip(names, args)), **kwargs}
    data: Any = given.get(names[0])
    if _is_iterator(data):
        batch = next(data)
        again = itertools.chain([batch], data)
        args, kwargs = ((again, *args[1:]), kwargs) if args else (args, {**kwargs, names[0]: again})
        data = batch_inputs(batch)
    model._build_from(data, given.get("batch_size"))
    return args, kwargs


def _is_iterator(data: Any) -> bool:
    return hasattr(data, "__next__") and not hasattr(data, "shape") and not hasattr(data, "__getitem__")


def batch_inputs(batch: Any) -> Any:
    """The inputs of a batch: of (inputs, targets) or (inputs, targets, weights) the first."""
    return batch[0] if isinstance(batch, tuple) else batch


def first_of(data: Any) -> Any:
    """Arrays to learn shapes from: the data themselves, or the inputs of a Sequence's first batch."""
    if hasattr(data, "shape") or isinstance(data, (Mapping, list, tuple)) or not hasattr(data, "__getitem__"):
        return data
    return batch_inputs(data[0])


def shape_of(data: Any) -> tuple[int, ...] | None:
    """The shape that an array (or nested list of numbers) will be fed with: with an axis for the features at least.
    None where there is no data."""
    if data is None:
        return None
    try:
        shape = tuple(data.shape) if hasattr(data, "shape") else array_of_rows(data).shape
    except ValueError:
        raise ValueError("the model takes an array, or a list or dict of arrays, one for each input; got something "
                         f"nested of unequal parts: {data!r:.100}") from None
    return shape if len(shape) > 1 else (*shape, 1) if shape else None
