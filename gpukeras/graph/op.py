"""What an op declares, once, in one place: shape rule, body, gradient, and how it treats the batch axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..device.tasks import Task
from .spec import Spec
from .tensor import Apply, Tensor

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A bound call of a program: the function and its positional arguments."""

Flow = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
"""For each of several tasks, which arrays it reads and which it writes, counted through inputs, outputs and room."""

ROW, REDUCE, MIX = "row-wise", "reducing", "mixing"


class Op:
    """Base of all ops. Subclasses are `frozen`: equal attributes make equal ops, which is how the
    compiler finds common subexpressions. An op has no inputs of its own; `apply(op, *tensors)` uses it.

    Either `calls` (a body that fills preallocated outputs), or `view` (the output shares its input's memory), or
    `expand` (the op is written in terms of other ops once all shapes are known) is given.
    """

    name = "op"
    elementwise = False
    stateful = False
    generates = False
    """Makes numbers out of nothing, each place by itself: a GPU makes them anew wherever they are read."""
    chooses = False
    """Of (condition, a, b) it is either a or b, whichever the condition says."""
    shape_only: tuple[int, ...] = ()
    """Inputs of which only the shape is read: they need not be computed."""
    known_from: int | None = None
    """From this input on, inputs decide sizes by what they hold: an op is bound when they are known."""
    unknown = False
    """Nothing but dtypes is known of the outputs before a run: how many axes they have is a guess."""
    in_place: tuple[int, ...] = ()
    """Inputs whose memory the first output may take over."""
    contiguous: tuple[int, ...] = ()
    """Inputs that the body takes under another shape: the compiler puts a copy before one that has gaps."""
    kernel_types: tuple[str, ...] = ()
    """Dtypes of the first input for which there is a CUDA body."""
    packed: tuple[int, ...] | None = None
    """Inputs that the CUDA body takes without gaps only; None: all of them."""

    c_family: str | None = None
    """The file `kernels/<c_family>.c` that has tasks for this op."""
    c_further: tuple[str, ...] = ()
    """Further such files that its tasks may come from, where they can be had."""
    c_types: tuple[str, ...] = ("float32",)
    """Dtypes of the first input for which there are tasks."""
    gapless: tuple[int, ...] | None = None
    """Inputs that the tasks take without gaps only; None: all of them. With gaps, `calls` serves."""

    def infer(self, *ins: Spec) -> Spec | tuple[Spec, ...]:
        """Shape and dtype of the outputs; raises ValueError on inputs that do not fit."""
        raise NotImplementedError(f"op {self.name} declares no shape rule")

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Extra buffers the body needs while it runs."""
        return []

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The body on arrays, as calls that write `outs`. Written with `device.xp`, so it serves both backends."""
        raise NotImplementedError(f"op {self.name} declares no body")

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """Whether there is a CUDA body for these inputs; `calls` serves a GPU too where there is none."""
        return ins[0].dtype in self.kernel_types if ins else False

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What `scratch` is to `calls`, for the CUDA body."""
        return []

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """The CUDA body: launches of kernels (`device.launch`) that write `outs`, with `room` as `workspace` asked.
        They are recorded and run again without Python: they can't allocate, wait, or look at a value."""
        raise NotImplementedError(f"op {self.name} declares no CUDA body")

    def finish(self) -> list[Call]:
        """Calls at the end of every program in which the op occurs, once for each op: state that moves on."""
        return []

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Whether there are tasks for these inputs and outputs; `calls` serves where there are none."""
        return bool(ins) and ins[0].dtype in self.c_types

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What `scratch` is to `calls`, for the tasks: memory that they share. A Task asks for a thread's own."""
        return []

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """The compiled body for a CPU: tasks that, one after the other, write `outs`."""
        raise NotImplementedError(f"op {self.name} declares no tasks")

    flow: Flow = ()
    """Of several tasks; the compiler may then put other steps' tasks between them."""
    packs: int | None = None
    """The input that the first of two tasks packs into the room. The second reads the room in its place, and of its own
    array only the shape; the first reads nothing else."""

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The derivative with respect to each input, as graph; None where there is none."""
        raise NotImplementedError(f"op {self.name} has no gradient"
                                  + (f" (used in layer '{node.origin}')" if node.origin else ""))

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """How the op treats samples, given which inputs carry them on axis 0.

        ROW: output row i depends on row i of these inputs only. REDUCE: the output is a sum over the samples.
        MIX: anything else; the whole batch is needed at once.
        """
        return MIX


class ViewOp(Op):
    """An op whose output is a view of its first input."""

    needs_contiguous = False
    keeps_contiguous = False

    def view(self, x: Any) -> Any:
        """The view of an array."""
        raise NotImplementedError(f"op {self.name} declares no view")


class ExpandedOp(Op):
    """An op that depends on shapes: when they are known, it is replaced by other ops."""

    def expand(self, make: Callable[..., Any], *ins: Any) -> Any:
        """The same value made of other ops; `make(op, *values)` applies one, `value.shape` is concrete."""
        raise NotImplementedError(f"op {self.name} declares no expansion")
