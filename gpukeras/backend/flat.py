"""Many variables as one flat vector: an optimizer then is one elementwise pass over the whole model."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from ..graph import HALVES, Tensor, Variable, size_of
from ..ops.convert import cast
from ..ops.elementwise import Cast
from .shapes import concatenate, flatten, reshape
from .updates import update


class Flat:
    """Variables of one dtype, end to end.

    If they have memory of their own, they are moved into one buffer, and `value` is the variable that owns it.
    Variables that another buffer already holds in another order stay where they are (two optimizers may share
    layers); `value` is then put together from them, which costs a copy but gives the same numbers.

    >>> from gpukeras import backend as K
    >>> a, b = K.variable([1., 2.]), K.variable([[3.]])
    >>> flat = Flat([a, b])
    >>> K.eval(flat.value * 2).tolist()
    [2.0, 4.0, 6.0]
    """

    def __init__(self, variables: Sequence[Variable]):
        self.variables = list(variables)
        sizes = [size_of(v.shape) for v in self.variables]
        self._bounds = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        owner = self._shared_owner()
        self._owner = self._move() if owner is None else owner

    @property
    def value(self) -> Tensor:
        """All values as one vector."""
        return self._owner if self._owner is not None else self.join(self.variables)

    @staticmethod
    def join(tensors: Sequence[Tensor]) -> Tensor:
        """Tensors end to end. If all of them were cast from another dtype, they are joined before, and cast once."""
        sources = [source_of_cast(t) for t in tensors]
        first = sources[0]
        if first is not None and all(s is not None and s.dtype == first.dtype for s in sources):
            return cast(concatenate([flatten(s) for s in sources if s is not None], 0), tensors[0].dtype)
        return concatenate([flatten(t) for t in tensors], 0)

    def split(self, vector: Tensor) -> list[Tensor]:
        """The parts of a vector in the shapes of the variables."""
        parts = zip(self.variables, self._bounds[:-1], self._bounds[1:])
        return [reshape(vector[start:stop], v.shape) for v, start, stop in parts]

    def updates(self, vector: Tensor, make: Callable[[Variable, Tensor], Any] = update) -> list[Any]:
        """Gives the variables the values in `vector`, after each one's constraint. What a program has put in the place
        of `K.update` makes one for each variable."""
        if any(v.constraint is not None for v in self.variables):
            parts = [p if v.constraint is None else v.constraint(p) for v, p in zip(self.variables,
                                                                                   self.split(vector))]
            vector = self.join(parts)
        if self._owner is not None and make is update:
            return [update(self._owner, vector)]
        return [make(v, p) for v, p in zip(self.variables, self.split(vector))]

    def zeros(self) -> Flat:
        """As many variables of the same shapes, full of zeros."""
        return Flat([Variable(np.zeros(v.shape), v.dtype) for v in self.variables])

    def _shared_owner(self) -> Variable | None:
        """The variable that holds exactly these, in this order, if one does; or a view of the part of it that does, as
        when some layers were frozen since it was made."""
        owner, first = self.variables[0].storage, self.variables[0].offset
        if owner is self.variables[0] or owner.ndim != 1:
            return None
        for v, start in zip(self.variables, self._bounds):
            if v.storage is not owner or v.offset != first + start:
                return None
        size = self._bounds[-1]
        if owner.shape[0] == size:
            return owner
        part = Variable(owner.read()[first:first + size], owner.dtype)
        part.move_to(owner, first, first + size)
        return part

    def _move(self) -> Variable | None:
        if any(v.storage is not v or v.holds_others for v in self.variables):
            return None
        if len(set(map(id, self.variables))) != len(self.variables):
            return None
        owner = Variable(np.zeros(self._bounds[-1]), self.variables[0].dtype)
        for v, start, stop in zip(self.variables, self._bounds[:-1], self._bounds[1:]):
            v.move_to(owner, start, stop)
        return owner


def source_of_cast(t: Tensor) -> Tensor | None:
    """What a tensor was cast from, of 16 bits; None if it was not. (The derivative of a weight that a layer reads in
    16 bits is of that kind.)"""
    made = t.producer
    narrow = made is not None and isinstance(made.op, Cast) and made.inputs[0].dtype in HALVES
    return made.inputs[0] if made is not None and narrow else None


def flat_groups(variables: Sequence[Variable], without: Container[int] = (),
                apart: Container[int] = ()) -> list[tuple[Flat, list[int]]]:
    """One Flat for each dtype, with the positions of its variables in the list. Those at positions `without` are left
    out, those at `apart` get Flats of their own."""
    groups: dict[tuple[str, bool], list[int]] = {}
    for i, v in enumerate(variables):
        if i not in without:
            groups.setdefault((v.dtype, i in apart), []).append(i)
    return [(Flat([variables[i] for i in places]), places) for places in groups.values()]
