"""The rules by which optimizers change weights, as loops of their own (`kernels/loop.h`).

A chain of elementwise steps goes through a tile operation by operation (see native.py), which loads and stores what
passes between them. An update of many weights is worth a loop that keeps this in registers: it takes a third of the
time. There is one for each rule, whatever the model, so few are ever compiled; where nothing can be, chains serve.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import device
from ..device import tasks
from ..device.native import SINGLY, compiler
from ..graph import size_of
from ..ops.distinct import PutRows
from ..ops.elementwise import Elementwise
from .bodies import uses_tasks
from .fuse import Fused
from .ir import Step, Value, contiguous, root
from .native import bodies

LEAST = 1 << 14  # elements
SHORTEST = 3  # operations
_OPERATIONS = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "square", "sqrt",
               "positive_sqrt")


def give_loops(updates: Sequence[Value]) -> None:
    """Has the steps that make new values of variables done by loops, where they can be."""
    if not updates or device.NAME != "numpy" or compiler() is None:
        return
    import hashlib  # late: only programs that train have a use for it

    makers = dict.fromkeys(root(v).step for v in updates)
    tables = [root(step.ins[0]).step for step in makers if step is not None and isinstance(step.op, PutRows)]
    for step in (*makers, *tables):
        if step is not None and isinstance(step.op, Fused) and _fits(step):
            text = source(step)
            family = f"loop_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
            tasks.texts[family] = text
            step.op.loop = family
    tasks.prepare(tasks.texts)


def _fits(step: Step) -> bool:
    """Whether the step is long enough, of operations that have no branches, on whole arrays and single numbers."""
    assert isinstance(step.op, Fused)
    shape = step.outs[0].shape
    return (size_of(shape) >= LEAST and len(step.op.members) >= SHORTEST and uses_tasks(step)
            and all(isinstance(m.op, Elementwise) and m.op.name in _OPERATIONS for m in step.op.members)
            and all(v.dtype == "float32" for v in (*step.ins, *step.outs))
            and all(v.size == 1 or v.shape == shape and contiguous(v) for v in step.ins))


def source(step: Step) -> str:
    """The C program. Everything is read before anything is written: an output may have the memory of an input."""
    fused = step.op
    assert isinstance(fused, Fused)
    arrays, body = [], []
    for i, v in enumerate(step.ins):
        place = f"FLOATS(w[{1 + i}])"
        arrays.append(f"    const float v{i} = *{place};" if v.size == 1 else f"    const float* x{i} = {place};")
        if v.size > 1:
            body.append(f"        const float v{i} = x{i}[i];")
    for k, member in enumerate(fused.members):
        name = member.op.name
        expression = bodies()[name, ("float32",) * len(member.args)].expression.format(*(f"v{a}" for a in member.args))
        body.append(f"        const float v{len(step.ins) + k} = {expression};")
    for k, number in enumerate(fused.exported):
        arrays.append(f"    float* y{k} = FLOATS(w[{1 + len(step.ins) + k}]);")
        body.append(f"        y{k}[i] = v{len(step.ins) + number};")
    text = SINGLY + device.kernel_source("loop.h")
    return text.replace("#include <arrays.h>", "\n".join(arrays)).replace("#include <body.h>", "\n".join(body))
