"""Ops that steer: branches that may be resolved when a program is made, barriers for derivatives, debugging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from ..device import to_host, xp
from ..device.tasks import Task
from ..graph import (
    MIX,
    OPERATORS,
    ROW,
    Apply,
    Call,
    ExpandedOp,
    Op,
    Spec,
    Tensor,
    Variable,
    ViewOp,
    apply,
    frozen,
    topological,
)
from . import copies
from .convert import as_tensor, unify
from .elementwise import Cast, Elementwise


@frozen
class Branch(ExpandedOp):
    """(condition, a, b) -> a or b. A scalar condition that is constant in a program, such as the learning phase,
    leaves only the chosen side in it; otherwise both are computed and one is selected."""

    name = "switch"
    chooses = True

    def infer(self, *ins: Spec) -> Spec:
        """The dimensions on which both sides agree."""
        _, a, b = ins
        if len(a.shape) != len(b.shape):
            raise ValueError(f"both branches need the same rank, got shapes {a.shape} and {b.shape}")
        dims = []
        for p, q in zip(a.shape, b.shape):
            if None not in (p, q) and p != q:
                raise ValueError(f"both branches need the same shape, got {a.shape} and {b.shape}")
            dims.append(p if p == q else None)
        return Spec(tuple(dims), a.dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """An elementwise selection."""
        return make(Elementwise("where"), make(Cast("bool"), ins[0]), ins[1], ins[2])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """To either side: `gradients` keeps apart what is for which."""
        return [None, grads[0], grads[0]]


def branch(condition: Any, a: Any, b: Any) -> Tensor:
    """`a` if the scalar condition holds, else `b`."""
    a, b = unify(a, b)
    return apply(Branch(), as_tensor(condition), a, b)


@frozen
class IsZero(ExpandedOp):
    """Whether a variable is 0, as a constant of the program, which is made anew when that changes. Of one that a
    program updates it is not known, so the answer is no: what may be left out for 0 must not be wrong otherwise."""

    name = "is_zero"

    def infer(self, *ins: Spec) -> Spec:
        """One bool."""
        return Spec((), "bool")

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """What is known of the variable."""
        return make.constant(np.bool_(ins[0].leaf.is_zero))  # type: ignore[attr-defined]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None."""
        return [None]


def is_zero(setting: Tensor) -> Tensor:
    """Whether a setting, such as a momentum, is known to be 0; a `branch` on it costs nothing."""
    if not isinstance(setting, Variable):
        return as_tensor(False)
    if setting.is_zero is None:
        setting.is_zero = not setting.updated and not setting.read().any()
    return apply(IsZero(), setting)


@frozen
class StopGradient(ViewOp):
    """The same value, through which no derivative flows."""

    name = "stop_gradient"
    keeps_contiguous = True

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return ins[0]

    def view(self, x: Any) -> Any:
        """The input."""
        return x

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


def stop_gradient(x: Tensor) -> Tensor:
    """The same value as a constant to `gradients`."""
    return apply(StopGradient(), x)


@frozen
class Identity(Op):
    """A copy of the value."""

    name = "identity"
    in_place = (0,)
    c_family = copies.FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One copy."""
        return [(xp.copyto, (outs[0], ins[0]))]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Always, but for very many axes."""
        return copies.takes_copy(*ins)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One copy."""
        return copies.copy(outs[0], ins[0], samples=True)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Passed on."""
        return [grads[0]]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


def identity(x: Tensor) -> Tensor:
    """A tensor with the same value."""
    return apply(Identity(), x)


@frozen
class After(ExpandedOp):
    """The first input; the others are there for the `Assigned` that they are made of."""

    name = "identity"

    def infer(self, *ins: Spec) -> Spec:
        """The first input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The first input."""
        return ins[0]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Passed on."""
        return [grads[0], *[None] * (len(node.inputs) - 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


@frozen
class Assigned(After):
    """(new value, variable) -> the new value. A function of what is made of it also gives it to the variable."""

    name = "assign"
    shape_only = (1,)


_assigned: WeakSet[Tensor] = WeakSet()


def assigned(new: Tensor, variable: Variable) -> Tensor:
    """A new value of a variable, which is the variable's once it was computed."""
    made: Tensor = apply(Assigned(), new, variable)
    _assigned.add(made)
    return made


def assigned_in(tensors: Sequence[Tensor]) -> list[Apply]:
    """The applications of `Assigned` that these tensors are made of, in their order."""
    if not _assigned:  # which is most often so: the graph need not be walked
        return []
    return [node for node in topological(tensors) if isinstance(node.op, Assigned)]


def assignments(tensors: Sequence[Tensor]) -> list[tuple[Variable, Tensor]]:
    """The variables that get a value where these tensors are computed, with their new values."""
    return [(node.inputs[1], node.inputs[0]) for node in assigned_in(tensors)]  # type: ignore[misc]


def after(x: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The same value; where it is computed the others count as computed too."""
    return apply(After(), x, *others)


@frozen
class Print(Op):
    """A copy that prints the value when it is computed, or the values of further inputs in its place."""

    message: str
    name = "print"
    stateful = True

    def infer(self, *ins: Spec) -> Spec:
        """The input's."""
        return Spec(ins[0].shape, ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A copy and a print."""
        return [(xp.copyto, (outs[0], ins[0])), (self.show, tuple(ins[1:] or ins))]

    def show(self, *arrays: Any) -> None:
        """Prints device arrays."""
        print(self.message, *map(to_host, arrays))

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Passed on."""
        return [grads[0], *[None] * (len(node.inputs) - 1)]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """The whole batch is printed at once."""
        return MIX


def print_tensor(x: Any, message: str = "") -> Tensor:
    """The same value; printed whenever it is computed."""
    return apply(Print(message), as_tensor(x))


OPERATORS.update(identity=identity)
