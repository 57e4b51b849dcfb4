"""Static shapes with what programs of TensorFlow 1's time ask of them: `x.get_shape()[1].value`, `as_list()`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal


class Dimension(int):
    """A known size: an int with `.value`. Copies and pickles of it are plain ints."""

    __slots__ = ()

    @property
    def value(self) -> int:
        """The size as a plain int."""
        return int(self)

    def __reduce__(self) -> Any:
        return int, (int(self),)


class UnknownDimension:
    """A size that is not known yet: its `.value` is None, it equals None, and so does what is computed from it."""

    __slots__ = ()
    value = None

    def __eq__(self, other: object) -> bool:
        return other is None or other is self

    def __hash__(self) -> int:
        return hash(None)

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "None"

    def __reduce__(self) -> str:
        return "UNKNOWN"

    def _unknown(self, other: Any) -> UnknownDimension:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _unknown
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _unknown


UNKNOWN = UnknownDimension()


class _Dimensions(dict[Any, Any]):
    """For each size the one Dimension of it, made when it is first asked for."""

    def __missing__(self, size: Any) -> Dimension:
        made = self[size] = Dimension(size)
        return made


_item = tuple.__getitem__
_known, _all = _Dimensions({None: None}), _Dimensions({None: UNKNOWN})


def plain_shape(shape: Iterable[Any]) -> tuple[int | None, ...]:
    """A shape of ints and None, whatever its dimensions were given as.

    >>> plain_shape([UNKNOWN, Dimension(3), None])
    (None, 3, None)
    """
    return tuple(None if d is None or d is UNKNOWN else int(d) for d in shape)


class StaticShape(tuple[Any, ...]):
    """A shape, an int or None for each dimension, with the methods of TensorFlow 1's.

    >>> StaticShape((None, 3)).as_list(), StaticShape((2, 3)).num_elements()
    ([None, 3], 6)
    """

    def as_list(self) -> list[int | None]:
        """The dimensions as a list."""
        return list(plain_shape(tuple.__iter__(self)))

    @property
    def ndims(self) -> int:
        """The number of dimensions."""
        return len(self)

    @property
    def dims(self) -> list[Any]:
        """The dimensions, each with `.value`, which is None for one that is unknown."""
        return [_all[d] for d in tuple.__iter__(self)]

    def is_fully_defined(self) -> bool:
        """Whether every dimension is known."""
        return None not in self

    def num_elements(self) -> int | None:
        """The number of elements, None if it is not known."""
        n = 1
        for d in tuple.__iter__(self):
            if d is None:
                return None
            n *= d
        return n

    def with_rank(self, rank: int) -> StaticShape:
        """Itself. ValueError for another number of dimensions."""
        if len(self) != rank:
            raise ValueError(f"Shape {tuple.__repr__(self)} must have rank {rank}")
        return self

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor may have both shapes."""
        sizes = plain_shape(other)
        return len(sizes) == len(self) and all(None in pair or pair[0] == pair[1]
                                               for pair in zip(tuple.__iter__(self), sizes))

    def merge_with(self, other: Any) -> StaticShape:
        """The shape with what another one of the same tensor adds. ValueError where they contradict."""
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {tuple.__repr__(self)} and {plain_shape(other)} are not compatible")
        return type(self)(b if a is None else a for a, b in zip(tuple.__iter__(self), plain_shape(other)))

    def concatenate(self, other: Any) -> StaticShape:
        """Its dimensions, and then those of another shape."""
        return type(self)((*tuple.__iter__(self), *plain_shape(other)))


class TensorShape(StaticShape):
    """The shape of a tensor: an entry of `x.shape` is None or an int with `.value`, and parts of it are such shapes."""

    _entries = _known

    def __getitem__(self, index: Any) -> Any:
        found = _item(self, index)
        return type(self)(found) if found.__class__ is tuple else self._entries[found]

    def __iter__(self) -> Iterator[Any]:
        return map(self._entries.__getitem__, tuple.__iter__(self))


class AllDimensions(TensorShape):
    """What `x.get_shape()` gives: unknown sizes have `.value` too, `[d.value for d in x.get_shape()]`."""

    _entries = _all
