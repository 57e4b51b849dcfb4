"""Loops of TensorFlow 1 (`while_loop`, `scan`, folds and maps), the arrays that they write, functions of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import backend as K
from ..graph import Tensor
from ..graph.static_shape import plain_shape
from ..ops import loops, selection
from ..ops import scan as recurrences
from ..ops.shape import known_number
from .functions import as_tensor, sizes


class TensorArray:
    """Tensors of one shape in a row, which loops write one by one. As in TensorFlow, `write` and its kin return the
    array with the change.

    >>> K.eval(TensorArray('float32', size=2).write(0, [1., 2.]).write(1, [3., 4.]).stack()).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """

    def __init__(self, dtype: Any, size: Any = None, dynamic_size: Any = None, clear_after_read: Any = None,
                 tensor_array_name: str | None = None, handle: Any = None, flow: Any = None, infer_shape: bool = True,
                 element_shape: Any = None, colocate_with_first_write_call: bool = True,
                 name: str | None = None) -> None:
        self.dtype, self._grows, self._rows = dtype, bool(dynamic_size), flow
        self._size = 0 if size is None else size
        if flow is None and element_shape is not None and None not in plain_shape(element_shape):
            self._rows = _zeros(self._size, plain_shape(element_shape), dtype)

    def _with(self, rows: Any) -> TensorArray:
        return TensorArray(self.dtype, self._size, self._grows, flow=rows)

    @property
    def flow(self) -> Any:
        """The rows as a tensor; None before the first is written."""
        return self._rows

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """The array with a tensor at a place."""
        new, place = as_tensor(value, self.dtype), K.cast(as_tensor(index), "int32")
        rows = self.for_elements(K.int_shape(new))._rows
        if self._grows:
            missing = K.maximum(place + 1 - K.shape(rows)[0], 0)
            rows = K.concatenate([rows, _zeros(missing, sizes(rows)[1:], self.dtype)], 0)
        hit = K.equal(K.arange(K.shape(rows)[0]), place)
        return self._with(K.where(K.reshape(hit, (-1, *[1] * K.ndim(new))), K.expand_dims(new, 0), rows))

    def for_elements(self, shape: Sequence[int | None]) -> TensorArray:
        """The array with rows of this shape, if it has none yet: zeros, of length 1 where a length is not known."""
        if self._rows is not None:
            return self
        rows = _zeros(self._size, [1 if n is None else n for n in shape], self.dtype)
        return self._with(rows)

    def read(self, index: Any, name: str | None = None) -> Any:
        """The tensor at a place."""
        return self.stack()[K.cast(as_tensor(index), "int32")]

    def stack(self, name: str | None = None) -> Any:
        """All of them, along a first axis. ValueError where nothing was written."""
        if self._rows is None:
            raise ValueError("tf.TensorArray: nothing was written, so the shape of its tensors is not known")
        return self._rows

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """Those at some places, along a first axis."""
        return K.gather(self.stack(), as_tensor(indices))

    def concat(self, name: str | None = None) -> Any:
        """All of them, one after the other along their first axis."""
        rows = self.stack()
        return K.reshape(rows, (-1, *sizes(rows)[2:]))

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """An array of the parts of a tensor along its first axis."""
        return self._with(as_tensor(value, self.dtype))

    def size(self, name: str | None = None) -> Any:
        """How many there are."""
        return K.shape(self._rows)[0] if self._rows is not None else as_tensor(self._size, "int32")

    def identity(self) -> TensorArray:
        """The array."""
        return self

    def close(self, name: str | None = None) -> None:
        """Nothing is to be done."""

    @property
    def known_shape(self) -> tuple[int | None, ...]:
        """The shape of all its tensors as far as no write changes it."""
        size = self._size if isinstance(self._size, int) or not K.is_tensor(self._size) else known_number(self._size)
        return (None if self._grows else size, *K.int_shape(self._rows)[1:])


def _zeros(count: Any, shape: Sequence[Any], dtype: Any) -> Any:
    dims: Any = [count, *shape]
    return K.zeros(dims, dtype)


def while_loop(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, shape_invariants: Any = None,
               parallel_iterations: int = 10, back_prop: bool = True, swap_memory: bool = False,
               name: str | None = None, maximum_iterations: Any = None, return_same_structure: bool = False) -> Any:
    """Passes of body(*loop_vars), which returns the new variables, as long as cond(*loop_vars) holds: their values in
    the end, or the one in place of a list of one. They may be tensors, `TensorArray`s, and lists and tuples of these.

    >>> i, rows = while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, i * i)),
    ...                      [0, TensorArray('int32', size=3)])
    >>> K.eval(rows.stack()).tolist()
    [0, 1, 4]
    """
    begin = _like(loop_vars, [leaf if isinstance(leaf, TensorArray) else as_tensor(leaf)
                              for leaf in _leaves(loop_vars)])
    begin = _begun(body, begin)
    kept = _leaves(begin)
    moving = [i for i, leaf in enumerate(kept) if not _is_blank(leaf)]
    said = [None] * len(kept) if shape_invariants is None else _leaves(shape_invariants)
    shapes = [kept[i].known_shape if isinstance(kept[i], TensorArray) else _shape_of(said[i], kept[i]) for i in moving]
    counted = maximum_iterations is not None

    def variables(tensors: Sequence[Any]) -> Any:
        leaves = list(kept)
        for i, t in zip(moving, tensors):
            leaves[i] = kept[i]._with(t) if isinstance(kept[i], TensorArray) else t
        return _like(begin, leaves)

    def goes_on(*tensors: Any) -> Any:
        holds = as_tensor(cond(*variables(tensors)))
        return K.logical_and(holds, K.less(tensors[-1], maximum_iterations)) if counted else holds

    def passed(*tensors: Any) -> list[Any]:
        leaves = _leaves(_as_list(body(*variables(tensors)), begin))
        return [*(_tensor(leaves[i]) for i in moving), *([tensors[-1] + 1] if counted else [])]
    ends = loops.while_loop(goes_on, passed, [*(_tensor(kept[i]) for i in moving), *([0] if counted else [])],
                            [*shapes, *([()] if counted else [])])
    found = variables(ends[:len(moving)])
    return found[0] if len(found) == 1 and not return_same_structure else found


def _begun(body: Callable[..., Any], begin: Any) -> Any:
    """The first variables, with rows for the arrays that a pass will write."""
    leaves = _leaves(begin)
    if not any(_is_blank(leaf) for leaf in leaves):
        return begin
    after = _leaves(_as_list(body(*begin), begin))
    return _like(begin, [a.for_elements(K.int_shape(b.flow)[1:]) if _is_blank(a) and not _is_blank(b) else a
                         for a, b in zip(leaves, after)])


def _is_blank(leaf: Any) -> bool:
    return isinstance(leaf, TensorArray) and leaf.flow is None


def _tensor(leaf: Any) -> Any:
    return leaf.flow if isinstance(leaf, TensorArray) else leaf


def _shape_of(said: Any, leaf: Tensor) -> tuple[int | None, ...]:
    return plain_shape(leaf.shape if said is None else said)


def _as_list(found: Any, like: Any) -> Any:
    """What a body returns, which may be a single variable without a list."""
    return found if len(like) != 1 or isinstance(found, (list, tuple)) else [found]


def _leaves(nested: Any) -> list[Any]:
    """What lists and tuples hold, save shapes, which are tuples too."""
    if isinstance(nested, (list, tuple)) and not hasattr(nested, "as_list"):
        return [leaf for part in nested for leaf in _leaves(part)]
    return [nested]


def _like(nested: Any, leaves: Sequence[Any]) -> Any:
    left = iter(leaves)

    def filled(part: Any) -> Any:
        if not isinstance(part, (list, tuple)):
            return next(left)
        found = [filled(p) for p in part]
        return type(part)(*found) if hasattr(part, "_fields") else type(part)(found)
    return filled(nested)


def py_func(func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True,
            name: str | None = None) -> Any:
    """What a function of NumPy's arrays returns, called whenever it is computed; one tensor, or one for each dtype. It
    has no derivative. Say the result's shape with `set_shape`."""
    several = isinstance(Tout, (list, tuple))
    found = selection.host_function(func, inp, [str(t) for t in (Tout if several else [Tout])])
    return list(found) if several else found[0]


def scan(fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10,
         back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True, reverse: bool = False,
         name: str | None = None) -> Any:
    """All of what `foldl` comes by, from the first element to the last: fn(before, element) at each one. `elems` and
    `initializer` may be several tensors.

    >>> K.eval(scan(lambda total, x: total + x, K.constant([1., 2., 3.]))).tolist()
    [1.0, 3.0, 6.0]
    """
    several = isinstance(elems, (list, tuple))
    begin = initializer if initializer is not None else type(elems)(t[-1 if reverse else 0] for t in elems) if several \
        else elems[-1 if reverse else 0]
    many = isinstance(begin, (list, tuple))
    sequences = [K.reverse(as_tensor(t), 0) if reverse else as_tensor(t) for t in (elems if several else [elems])]

    def step(xs: list[Tensor], states: list[Tensor]) -> tuple[list[Any], list[Any]]:
        made = fn(type(begin)(states) if many else states[0], type(elems)(xs) if several else xs[0])
        return [], list(made) if many else [made]
    _, states = recurrences.scan(step, sequences if initializer is not None else [t[1:] for t in sequences],
                                 [as_tensor(t) for t in (begin if many else [begin])])
    found = [t[1:] if initializer is not None else t for t in states]
    found = [K.reverse(t, 0) if reverse else t for t in found]
    return type(begin)(found) if many else found[0]


def _fold(fold: Callable[..., Any]) -> Callable[..., Any]:
    def folded(fn: Callable[..., Any], elems: Any, initializer: Any = None, parallel_iterations: int = 10,
               back_prop: bool = True, swap_memory: bool = False, name: str | None = None) -> Any:
        return fold(fn, elems, initializer)
    return folded


def map_fn(fn: Callable[..., Any], elems: Any, dtype: Any = None, parallel_iterations: Any = None,
           back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True, name: str | None = None) -> Any:
    """`fn` of each element along axis 0, stacked."""
    return K.map_fn(fn, elems, name, dtype)


NAMES: dict[str, Any] = {
    "TensorArray": TensorArray, "while_loop": while_loop, "py_func": py_func,
    "numpy_function": lambda func, inp, Tout, name=None: py_func(func, inp, Tout), "scan": scan,
    "foldl": _fold(K.foldl), "foldr": _fold(K.foldr), "map_fn": map_fn}
