"""What data selects: places where truths hold, boxes that are no others' doubles, and what a function of Python makes
of arrays. How many there are is known when a program runs. All of it is found on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device import to_host
from ..graph import Apply, ExpandedOp, Spec, Tensor, apply, frozen
from .convert import as_tensor, cast
from .elementwise import not_equal
from .indexing import gather
from .shape import Reshape, shape_of, transpose


class Selection(ExpandedOp):
    """Base of ops that are a function of the values of all inputs, without a derivative."""

    known_from = 0

    def select(self, *arrays: np.ndarray) -> np.ndarray:
        """The result for host arrays."""
        raise NotImplementedError(f"op {self.name} selects nothing")

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """A constant."""
        return make.constant(self.select(*(to_host(v.const) for v in ins)))  # type: ignore[attr-defined]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: places do not vary smoothly."""
        return [None] * len(node.inputs)


@frozen
class Places(Selection):
    """The indices of the truths, in their order: int64 of shape (truths, axes)."""

    name = "where"

    def infer(self, *ins: Spec) -> Spec:
        """As many rows as there are truths."""
        return Spec((None, len(ins[0].shape)), "int64")

    def select(self, *arrays: np.ndarray) -> np.ndarray:
        """What NumPy finds."""
        return np.argwhere(arrays[0])


def places(condition: Any) -> Tensor:
    """The indices of the elements that are true, or not 0, row by row.

    >>> from gpukeras import backend as K
    >>> K.eval(places([[True, False], [True, True]])).tolist()
    [[0, 0], [1, 0], [1, 1]]
    """
    x = as_tensor(condition)
    return apply(Places(), x if x.dtype == "bool" else not_equal(x, 0))


def chosen(x: Any, truths: Any, axis: int = 0) -> Tensor:
    """The parts of x at which the truths hold, whose axes are those of x from `axis` on.

    >>> from gpukeras import backend as K
    >>> K.eval(chosen([[1., 2.], [3., 4.]], [[True, False], [True, True]])).tolist()
    [1.0, 3.0, 4.0]
    """
    x, mask = as_tensor(x), cast(as_tensor(truths), "bool")
    axis = axis % max(x.ndim, 1)
    if not mask.ndim:
        raise ValueError("a single truth chooses nothing: the mask needs an axis at least")
    there = x.shape[axis:axis + mask.ndim]
    if len(there) < mask.ndim or any(None not in (a, b) and a != b for a, b in zip(there, mask.shape)):
        raise ValueError(f"a mask of shape {mask.shape} does not fit axes {there} of shape {x.shape}")
    middle = tuple(range(axis, axis + mask.ndim))
    turned = transpose(x, (*middle, *(a for a in range(x.ndim) if a not in middle)))
    at = apply(Places(), apply(Reshape((-1,)), mask))[:, 0]
    found = gather(_flat(turned, mask.ndim), at)
    return transpose(found, (*range(1, axis + 1), 0, *range(axis + 1, found.ndim))) if axis else found


def _flat(x: Tensor, axes: int) -> Tensor:
    """The first axes as one."""
    rest = x.shape[axes:]
    if None not in rest and 0 not in rest:
        return apply(Reshape((-1, *rest)), x)
    sizes = [shape_of(x)[axes + i] for i, n in enumerate(rest) if n is None]
    return apply(Reshape((-1, *rest)), x, *sizes)


@frozen
class Suppression(Selection):
    """The indices of boxes (boxes, 4), given by two opposite corners (y, x, y, x), from the highest score down, without
    those that overlap one before by more than a threshold: (boxes, scores, most, threshold, least score)."""

    name = "non_max_suppression"

    def infer(self, *ins: Spec) -> Spec:
        """A vector of places."""
        if len(ins[0].shape) != 2 or ins[0].shape[1] not in (4, None) or len(ins[1].shape) != 1:
            raise ValueError(f"takes boxes (boxes, 4) and scores (boxes,), got {ins[0].shape} and {ins[1].shape}")
        return Spec((None,), "int32")

    def select(self, *arrays: np.ndarray) -> np.ndarray:
        """One after the other."""
        boxes, scores, most, threshold, least = arrays
        low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
        area = (high - low).prod(1)
        order = np.argsort(-scores, kind="stable")
        left = order[scores[order] > least]
        found: list[int] = []
        while left.size and len(found) < int(most):
            best, left = left[0], left[1:]
            found.append(int(best))
            common = np.maximum(np.minimum(high[best], high[left]) - np.maximum(low[best], low[left]), 0).prod(1)
            union = area[best] + area[left] - common
            there = (area[best] > 0) & (area[left] > 0)
            left = left[np.where(there, common / np.where(there, union, 1), 0) <= threshold]
        return np.array(found, "int32")


def non_max_suppression(boxes: Any, scores: Any, most: Any, threshold: Any, least: Any) -> Tensor:
    """The places of the best boxes, without doubles, int32.

    >>> from gpukeras import backend as K
    >>> boxes = [[0., 0., 1., 1.], [0., 0., 1., 1.1], [2., 2., 3., 3.]]
    >>> K.eval(non_max_suppression(boxes, [0.5, 0.9, 0.3], 10, 0.5, 0.0)).tolist()
    [1, 2]
    """
    given = as_tensor(boxes), as_tensor(scores), as_tensor(most, "int32"), as_tensor(threshold), as_tensor(least)
    return apply(Suppression(), *given)


@frozen
class HostFunction(ExpandedOp):
    """A function of Python that takes and returns NumPy's arrays, called whenever it is computed: it returns one, or
    one for each dtype. `rank` is a guess."""

    function: Callable[..., Any]
    dtypes: tuple[str, ...]
    rank: int
    name = "py_func"
    known_from = 0
    unknown = True

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """Dtypes."""
        return tuple(Spec((None,) * self.rank, dtype) for dtype in self.dtypes)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """What the function returns. ValueError for another number of arrays, or other dtypes."""
        found = self.function(*(to_host(v.const) for v in ins))
        arrays = [np.asarray(a) for a in (found if isinstance(found, (list, tuple)) else [found])]
        dtypes = tuple(a.dtype.name for a in arrays)
        if dtypes != self.dtypes:
            raise ValueError(f"py_func: the function returned {', '.join(dtypes)}, not {', '.join(self.dtypes)}")
        return tuple(map(make.constant, arrays))  # type: ignore[attr-defined]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: what the function computes is not known."""
        return [None] * len(node.inputs)


def host_function(function: Callable[..., Any], inputs: Sequence[Any], dtypes: Sequence[str]) -> tuple[Tensor, ...]:
    """The results of a function of arrays. Their shapes are unknown: until `set_shape` says otherwise they have as many
    axes as the first input.

    >>> from gpukeras import backend as K
    >>> K.eval(host_function(lambda x: x[x > 1], [K.constant([1., 2., 3.])], ['float32'])[0]).tolist()
    [2.0, 3.0]
    """
    tensors = [as_tensor(x) for x in inputs]
    made: tuple[Tensor, ...] = apply(HostFunction(function, tuple(dtypes), tensors[0].ndim if tensors else 0), *tensors)
    return made
