"""Elementwise fusion: chains of elementwise steps of one shape become one step.

On the GPU a fused step is one generated kernel (see codegen). On the CPU it is one call of compiled C (see native), or
without a compiler its members' NumPy bodies over a few thousand elements at a time. Either way, what passes between
them stays in cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import device
from ..device import tasks
from ..device.tasks import Task
from ..graph import Call, Op, Spec, is_float, size_of
from ..ops.elementwise import Elementwise
from . import native
from .codegen import fused_kernel
from .ir import Step, Value, needed, readers, replace

TILE = 16384  # elements: three or four float32 operands of a tile fit in a 256 KiB second-level cache
MIN_TILED = 4 * TILE
LONGEST_SEARCH = 64  # groups looked at before two steps are left apart


class Member(NamedTuple):
    """One step inside a fused step. Arguments are indices: external inputs first, then the members' results."""

    op: Op
    args: tuple[int, ...]
    dtype: str


class Fused(Op):
    """Several elementwise ops as one. Not a value type: it is made for one place."""

    name = "fused"
    elementwise = True
    c_family = "elementwise"
    gapless = ()
    loop: str | None = None
    """The family that has it as a loop of its own: see loops.py."""

    def __init__(self, members: Sequence[Member], inputs: int, exported: Sequence[int]):
        self.members = tuple(members)
        self.inputs = inputs
        self.exported = tuple(exported)  # members whose results leave the step
        self.name = "_".join(["fused"] * (len(members) > 1) + [m.op.name for m in members[:6]])
        self._slots, self._slot_count = self._assign_slots()

    def generators(self) -> list[Op]:
        """The ops among the members that make numbers out of nothing, each once."""
        return list(dict.fromkeys(m.op for m in self.members if m.op.generates))

    def _states(self) -> list[Any]:
        return [op.state for op in self.generators()]  # type: ignore[attr-defined]

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """The outputs' common shape."""
        shape = np.broadcast_shapes(*(s.shape for s in ins))  # type: ignore[arg-type]
        return tuple(Spec(shape, self.members[i].dtype) for i in self.exported)

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """As one elementwise op: the members all have the full shape."""
        return Elementwise("add").batch(carries, ins)

    def _assign_slots(self) -> tuple[dict[int, int], int]:
        """A temporary for every result that stays inside, reused as soon as its last reader has run."""
        last = {a - self.inputs: i for i, m in enumerate(self.members) for a in m.args if a >= self.inputs}
        slots: dict[int, int] = {}
        free: list[int] = []
        count = 0
        for i, m in enumerate(self.members):
            dying = [a - self.inputs for a in dict.fromkeys(m.args)
                     if a >= self.inputs and last[a - self.inputs] == i and a - self.inputs in slots]
            heir = next((d for d in dying if self._may_overwrite(m, d) and self.members[d].dtype == m.dtype), None)
            if i not in self.exported:
                if heir is not None:
                    slots[i] = slots[heir]
                    dying.remove(heir)
                elif free:
                    slots[i] = free.pop()
                else:
                    slots[i] = count
                    count += 1
            free.extend(slots[d] for d in dying)
        return slots, count

    def _may_overwrite(self, m: Member, result: int) -> bool:
        places = [k for k, a in enumerate(m.args) if a == result + self.inputs]
        return all(k in m.op.in_place for k in places)

    def takes_over(self, output: int, source: int) -> bool:
        """Whether output number `output` may be written into the memory of external input `source` (same shape
        and dtype): every read of the input comes before the write, or is one that allows it."""
        at = self.exported[output]
        for i, m in enumerate(self.members):
            if source in m.args and (i > at or i == at and not all(
                    k in m.op.in_place for k, a in enumerate(m.args) if a == source)):
                return False
        return True

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """One tile for each temporary."""
        if device.NAME == "cupy":
            return []
        shape = outs[0].shape
        if size_of(shape) == 1:
            return [Spec((8,), "uint8")] * len(self.members)
        elements = max(self._tile_elements(shape), self._tile_elements((size_of(shape),)))  # as it is, or as one row
        return [Spec((elements * 8,), "uint8")] * self._slot_count

    def _tile_elements(self, shape: Any) -> int:
        size = int(np.prod(shape, dtype=np.int64))
        if size < MIN_TILED or not shape:
            return max(size, 1)
        row = size // shape[0]
        return max(TILE // row, 1) * row

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The members' bodies, tile by tile; on the GPU one kernel."""
        if device.NAME == "cupy":
            return [(fused_kernel(self, ins, outs), (*ins, *self._states(), *outs))]
        shape = outs[0].shape
        if len(shape) > 1 and all(_flat(x, shape) for x in (*ins, *outs)):
            ins = [x.reshape(-1) if x.ndim == len(shape) and x.size != 1 else x.reshape(()) for x in ins]
            outs = [x.reshape(-1) for x in outs]
            shape = outs[0].shape
        step = self._tile_elements(shape) // max(int(np.prod(shape[1:])), 1) if shape else 1
        calls: list[Call] = []
        for start in range(0, shape[0] if shape else 1, max(step, 1)):
            part = slice(start, start + step)
            tile = (min(step, shape[0] - start), *shape[1:]) if shape else ()
            cut = [x[part] if x.ndim == len(shape) and shape and x.shape[0] == shape[0] else x for x in ins]
            calls += self._tile_calls(cut, [x[part] if shape else x for x in outs], scratch, tile)
        return calls

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Where every member has a C function."""
        return native.takes(self, ins, outs)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One chain."""
        return [native.chain(self, ins, outs)]

    def _tile_calls(self, ins: list[Any], outs: list[Any], scratch: Sequence[Any], shape: Any) -> list[Call]:
        values = list(ins)
        calls: list[Call] = []
        count = int(np.prod(shape, dtype=np.int64))
        for i, m in enumerate(self.members):
            if i in self.exported:
                target = outs[self.exported.index(i)]
            else:
                # a ufunc that overwrites its input is fast, but not if that is a single number
                slot = scratch[i if count == 1 else self._slots[i]]
                bytes_ = slot[:count * np.dtype(m.dtype).itemsize]
                target = bytes_.view(m.dtype).reshape(shape)
            calls += m.op.calls([values[a] for a in m.args], [target], [])
            values.append(target)
        return calls


def _flat(x: Any, shape: Any) -> bool:
    """True for arrays that may be walked as one row: contiguous and full, or a single element."""
    return x.size == 1 or x.shape == shape and x.flags.c_contiguous


def fuse(roots: Sequence[Value]) -> list[Value]:
    """Merges elementwise steps into fused ones; returns the values that take the roots' places."""
    steps = _with_generators(needed(roots), roots)
    groups: dict[_Group, list[Step]] = {}
    for step, group in _group(steps).items():
        groups.setdefault(group, []).append(step)  # in the order of the steps
    users: dict[Value, list[Step]] = {}
    for step in steps:
        for v in step.ins:
            users.setdefault(v, []).append(step)
    new: dict[Value, Value] = {}
    for members in groups.values():
        if len(members) > 1 or device.NAME == "cupy" or tasks.ready("elementwise"):  # even one is best run so
            inside = set(members)
            exported = [s for s in members if s.outs[0] in roots or any(u not in inside
                                                                       for u in users.get(s.outs[0], []))]
            new.update(merge(members, exported))
    replace([*steps, *{v.step for v in new.values() if v.step}], new)
    return [new.get(v, v) for v in roots]


class _Group:
    """Steps that will be one, with the range of their places in the order."""

    def __init__(self, steps: list[Step], first: int, last: int):
        self.steps, self.first, self.last = steps, first, last


def _group(steps: Sequence[Step]) -> dict[Step, _Group]:
    """Puts elementwise steps of one shape together where they are neighbours (one reads the other, or both read the
    same array) and no path leaves the group and comes back."""
    group = {s: _Group([s], i, i) for i, s in enumerate(steps)}
    users = readers(steps)

    def after(g: _Group) -> list[_Group]:
        return [group[u] for s in g.steps for v in s.outs for u in users.get(v, ())]

    def detour(first: _Group, second: _Group) -> bool:
        """Whether a path from `first` reaches `second` through other groups; also True if the search gets long,
        as it does from the forward to the backward pass, where there nearly always is one."""
        todo = [g for g in after(first) if g is not first and g is not second]
        seen: set[_Group] = set()
        grouped = max(first.last, second.last)  # what begins later is not in a group yet and leads only further on
        while todo:
            g = todo.pop()
            if g in seen or g.first > grouped:
                continue
            seen.add(g)
            following = after(g)
            if second in following or len(seen) > LONGEST_SEARCH:
                return True
            todo += following
        return False

    for i, s in enumerate(steps):
        if not _fusible(s):
            continue
        shape = s.outs[0].shape
        near = [v.step for v in s.reads() if v.step is not None]
        near += [u for v in s.reads() if v.shape == shape for u in users[v] if group[u].first < i]
        for other in dict.fromkeys(near):
            a, b = group[other], group[s]
            if a is b or not _fusible(other) or other.outs[0].shape != shape or detour(a, b) or detour(b, a):
                continue
            merged = _Group(a.steps + b.steps, min(a.first, b.first), max(a.last, b.last))
            for m in merged.steps:
                group[m] = merged
    return {s: g for s, g in group.items() if _fusible(s)}


def _fusible(s: Step) -> bool:
    if device.NAME == "cupy" and s.op == Elementwise("power") and not is_float(s.outs[0].dtype):
        return False  # CUDA's pow is for floating point; CuPy's own serves whole numbers
    return s.op.elementwise and not s.op.stateful or _generates(s)


def _generates(s: Step) -> bool:
    return s.op.generates and device.NAME == "cupy"


def _with_generators(steps: list[Step], roots: Sequence[Value]) -> list[Step]:
    """The steps, with what a kernel can make out of nothing made anew for each elementwise reader of its shape."""
    for step in list(filter(_generates, steps)):
        out = step.outs[0]
        readers = [s for s in steps if out in s.ins and s.op.elementwise and s.outs[0].shape == out.shape]
        for reader in readers[1 if out not in roots else 0:]:
            own = Step(step.op, [], [out.spec], step.origin)
            reader.ins = tuple(own.outs[0] if v is out else v for v in reader.ins)
        step.ins = ()
    return needed(roots)


def merge(members: Sequence[Step], exported: Sequence[Step]) -> dict[Value, Value]:
    """One step for several elementwise ones, in their order: {result of one that is `exported`: its value now}."""
    position = {s.outs[0]: i for i, s in enumerate(members)}
    inputs = list(dict.fromkeys(v for s in members for v in s.ins if v not in position))
    place = {v: i for i, v in enumerate(inputs)}
    place |= {v: len(inputs) + i for v, i in position.items()}
    fused = Fused([Member(s.op, tuple(place[v] for v in s.ins), s.outs[0].dtype) for s in members], len(inputs),
                  [position[s.outs[0]] for s in exported])
    origins = {s.origin for s in members}
    specs = [s.outs[0].spec for s in exported]
    step = Step(fused, inputs, specs, origins.pop() if len(origins) == 1 else None)
    return dict(zip((s.outs[0] for s in exported), step.outs))
