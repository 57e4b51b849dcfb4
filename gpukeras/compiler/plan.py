"""Memory: which value lives where. Liveness decides reuse; updates go straight into variables, parts straight into
their concatenation, elementwise results into memory of an input that nobody needs any more."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np

from ..graph import Spec, Variable, ViewOp
from ..ops.control import Identity
from ..ops.distinct import PutRows
from ..ops.joining import Concatenate
from ..ops.ranks import AllReduce
from . import kept
from .arena import ALIGNMENT, Arena
from .bodies import rooms, without_gaps
from .by_places import find_places
from .fuse import Fused
from .groups import Group, batch_size, find, place
from .ir import Step, Value, contiguous, is_view, needed, readers, root


class Part(NamedTuple):
    """The place of a value that is written straight into a concatenation."""

    whole: Value
    number: int


class Plan:
    """The steps in order, first those whose results are kept, and for every value with memory of its own its place: an
    offset in the arena or among what is kept, a variable, or a part of a concatenation."""

    grouped = True  # whether steps may be done a few samples at a time
    keeps = True  # whether results may be kept from run to run

    def __init__(self, outputs: Sequence[Value], updates: Sequence[tuple[Variable, Value]]):
        updated = {variable.storage for variable, _ in updates}
        outputs, targets = _own_memory(list(outputs), list(updates), updated)
        self.outputs = outputs
        self.steps = needed([*outputs, *targets])
        _straighten(self.steps)
        self.steps, groups = needed([*outputs, *targets]), list[Group]()
        self.as_written = self.steps  # in the order of the graph, whatever is done together
        tables = [step.ins[2] for step in self.steps if isinstance(step.op, PutRows)]  # which are written to in place
        self.keeping = kept.find(self.steps if self.keeps else [], [*outputs, *targets, *tables], updated)
        if self.grouped:
            one = batch_size(self.steps) == 1
            self.steps, groups = (find_places if one else find)(self.steps, self._fixed(targets))
        making = set(self.keeping.steps)
        self.steps = [*self.keeping.steps, *(step for step in self.steps if step not in making)]
        self.groups = {step: group for group in groups for step in group.steps}
        self.offsets: dict[Value, int] = {}
        self.scratch: dict[Step, list[int]] = {}
        self.variables: dict[Value, Variable] = {}
        self.parts: dict[Value, Part] = {}
        self.copies: list[tuple[Variable, Value]] = []  # updates that could not be made in place
        self.kept, self.kept_size = _place_kept(self.keeping.values)
        self._position = {s: i for i, s in enumerate(self.steps)}
        self._place_updates([(v, t) for (v, _), t in zip(updates, targets)])
        self._place_parts()
        self._place_in_groups(groups)
        self.size = self._allocate()

    # Groups ------------------------------------------------------------------------------------------------
    def _fixed(self, targets: Sequence[Value]) -> set[Value]:
        """Values that may get a place in a variable or in a concatenation."""
        found = set(targets)
        for step in needed([*self.outputs, *targets]):
            if isinstance(step.op, (Concatenate, PutRows)):
                found.update(map(root, step.reads()))
        return found

    def _place_in_groups(self, groups: Sequence[Group]) -> None:
        read_by = readers(self.steps)
        kept = {root(v) for v in (*self.outputs, *(v for _, v in self.copies))}
        for group in groups:
            place(group, read_by, kept)

    # Updates -----------------------------------------------------------------------------------------------
    def _place_updates(self, updates: Sequence[tuple[Variable, Value]]) -> None:
        times_updated: dict[Variable, int] = {}
        for variable, _ in updates:
            times_updated[variable.storage] = times_updated.get(variable.storage, 0) + 1
        reads: dict[Variable, list[tuple[Step, Value]]] = {}
        for step in self.steps:
            for v in step.reads():
                leaf = root(v).leaf
                if isinstance(leaf, Variable):
                    reads.setdefault(leaf.storage, []).append((step, v))
        for variable, value in updates:
            if times_updated[variable.storage] == 1 and self._fits(value, variable, reads.get(variable.storage, [])):
                self.variables[value] = variable
                self._keep_in(variable, value, reads.get(variable.storage, []))
            else:
                self.copies.append((variable, value))

    def _fits(self, value: Value, variable: Variable, readers: Sequence[tuple[Step, Value]]) -> bool:
        """Whether the value may be computed right in the variable's memory."""
        maker = value.step
        if maker is None or is_view(value) or value in self.variables or value in self.outputs:
            return False
        if value.shape != variable.shape or value.dtype != variable.dtype:
            return False
        at = self._position[maker]
        for step, v in readers:
            if self._position[step] > at:
                return False
            if step is maker and (v.leaf is not variable or not takes_over(maker, value, v)):
                return False
        return True

    def _keep_in(self, variable: Variable, value: Value, readers: Sequence[tuple[Step, Value]]) -> None:
        """Lets a new table that rows are put into be made in the variable's memory already."""
        assert value.step is not None
        if isinstance(value.step.op, PutRows):
            table = value.step.ins[2]
            others = [s for s in self.steps if s is not value.step and table in map(root, s.reads())]
            if not others and self._fits(table, variable, readers):
                self.variables[table] = variable

    # Concatenations ----------------------------------------------------------------------------------------
    def _place_parts(self) -> None:
        for step in self.steps:
            if not isinstance(step.op, Concatenate):
                continue
            whole = step.outs[0]
            if any(d != 1 for d in whole.shape[:step.op.axis]) or whole in self.variables:
                continue
            for i, v in enumerate(step.ins):
                source = root(v)
                plain = source.step is not None and source not in self.variables and source not in self.parts
                stays = source not in self.kept or whole in self.kept
                if plain and stays and contiguous(v) and source.size == v.size and not self._reaches(source, whole):
                    self.parts[source] = Part(whole, i)

    def _reaches(self, source: Value, whole: Value) -> bool:
        """Whether `source` is itself (a concatenation holding) the whole: a chain of parts must not loop."""
        while source in self.parts:
            source = self.parts[source].whole
        return source is whole or any(p.whole is source for p in self.parts.values())

    # The arena ---------------------------------------------------------------------------------------------
    def _holder(self, v: Value) -> Value:
        v = root(v)
        while v in self.parts:
            v = root(self.parts[v].whole)
        return v

    def _allocate(self) -> int:
        """Gives offsets in the order of the steps, freeing what has had its last use."""
        ends: dict[Value, int] = {}
        for i, step in enumerate(self.steps):
            for v in (*step.reads(), *step.outs):
                ends[self._holder(v)] = i
        for v in (*self.outputs, *(t for _, t in self.copies)):
            ends[self._holder(v)] = len(self.steps)
        arena = Arena()
        given: dict[int, list[tuple[int, int]]] = {}  # after which step what is free
        for i, step in enumerate(self.steps):
            group = self.groups.get(step)
            free = given.setdefault(i if group is None else self._position[group.steps[-1]], [])
            dying = [h for h in dict.fromkeys(self._holder(v) for v in step.reads())
                     if h in self.offsets and ends[h] == i]
            for out in step.outs:
                holder = self._holder(out)
                placed = holder in self.offsets or holder in self.variables or holder in self.kept
                if is_view(out) or placed or group and out in group.places:
                    continue
                heir = next((d for d in dying if self._may_take(step, out, d)), None)
                if heir is not None and (group is None or heir in group.carriers):
                    self.offsets[holder] = self.offsets[heir]
                    dying.remove(heir)
                else:
                    self.offsets[holder] = arena.take(nbytes(holder))
            if not isinstance(step.op, ViewOp):
                taken = [(arena.take(nbytes(s)), nbytes(s)) for s in rooms(step)]
                self.scratch[step] = [offset for offset, _ in taken]
                free += taken
            free += [(self.offsets[h], nbytes(h)) for h in dying]
            for out in step.outs:  # results that nobody reads
                h = self._holder(out)
                if ends[h] == i and h in self.offsets and not is_view(out) and out not in self.parts:
                    free.append((self.offsets[h], nbytes(h)))
            for offset, size in given.pop(i, []):
                arena.give(offset, size)
        return arena.size

    def _may_take(self, step: Step, out: Value, dying: Value) -> bool:
        """Whether `out` may be written into the memory of an input that dies here."""
        if out in self.parts or dying.shape != out.shape or dying.dtype != out.dtype or dying not in step.ins:
            return False
        if out.size == 1:  # nothing to save, and NumPy is slow where a single number is overwritten
            return False
        if any(p.whole is dying or self._holder(p.whole) is dying for p in self.parts.values()):
            return isinstance(step.op, AllReduce)  # a whole that is added up where its parts were made
        if any(root(v) is dying and v is not dying for v in step.reads()):
            return False
        return takes_over(step, out, dying)


def takes_over(step: Step, out: Value, source: Value) -> bool:
    """Whether the op allows `out` to overwrite its input `source`."""
    if source.shape != out.shape or source.dtype != out.dtype:
        return False
    if isinstance(step.op, Fused):
        return step.op.takes_over(step.outs.index(out), step.ins.index(source))
    return step.outs[0] is out and all(i in step.op.in_place for i, v in enumerate(step.ins) if v is source)


def nbytes(v: Value | Spec) -> int:
    """Bytes, rounded up to whole cache lines."""
    n = v.size * np.dtype(v.dtype).itemsize
    return max(-(-n // ALIGNMENT), 1) * ALIGNMENT


def _place_kept(values: Sequence[Value]) -> tuple[dict[Value, int], int]:
    """The places of what is kept, in a block of its own, and the size of that."""
    arena = Arena()
    return {v: arena.take(nbytes(v)) for v in values}, arena.size


def _own_memory(outputs: list[Value], updates: list[tuple[Variable, Value]],
                updated: Container[Variable]) -> tuple[list[Value], list[Value]]:
    """Copies for results that are (views of) variables which the program itself updates: they mean the old value."""
    def settled(v: Value) -> Value:
        leaf = root(v).leaf
        if isinstance(leaf, Variable) and leaf.storage in updated:
            return Step(Identity(), [v], [v.spec], None).outs[0]
        return v
    return [settled(v) for v in outputs], [settled(v) for _, v in updates]


def _straighten(steps: Sequence[Step]) -> None:
    """A copy in front of every reshape, and of every body that asks for it, whose input has gaps."""
    for step in steps:
        for i in without_gaps(step):
            source = step.ins[i]
            if not source.shape_only and not contiguous(source):
                copy = Step(Identity(), [source], [source.spec], step.origin)
                step.ins = (*step.ins[:i], copy.outs[0], *step.ins[i + 1:])

