"""CUDA for fused steps: the members' expressions, one local variable each, in one elementwise kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import device
from ..graph import HALVES
from ..ops.elementwise import C_TYPES

if TYPE_CHECKING:
    from .fuse import Fused


def fused_body(fused: Fused, in_types: Sequence[str] = ()) -> str:
    """The statements of the kernel: inputs x0, x1, ..., outputs y0, y1, .... Inputs of 16 bits are made floats,
    because C++ can't choose a type for `x0 > 0 ? x0 : 0` otherwise.

    >>> from gpukeras.compiler.fuse import Fused, Member
    >>> from gpukeras.ops.elementwise import Elementwise
    >>> fused = Fused([Member(Elementwise('multiply'), (0, 1), 'float32'),
    ...                Member(Elementwise('add'), (2, 0), 'float32')], 2, [1])
    >>> print(fused_body(fused))
    const float t0 = x0 * x1;
    const float t1 = t0 + x0;
    y0 = t1;
    """
    halves = {i for i, dtype in enumerate(in_types) if dtype in HALVES}
    names = [f"(float)x{i}" if i in halves else f"x{i}" for i in range(fused.inputs)]
    names += [f"t{i}" for i in range(len(fused.members))]
    states = {op: f"s{k}" for k, op in enumerate(fused.generators())}
    lines = []
    for i, m in enumerate(fused.members):
        arguments = [names[a] for a in m.args]
        expression = m.op.cuda.format(*arguments, state=states.get(m.op))  # type: ignore[attr-defined]
        kind = "float" if m.dtype in HALVES else C_TYPES[m.dtype]  # halves are for storage
        lines.append(f"const {kind} t{i} = {expression};")
    lines += [f"y{k} = t{i};" for k, i in enumerate(fused.exported)]
    return "\n".join(lines)


def fused_kernel(fused: Fused, ins: Sequence[Any], outs: Sequence[Any]) -> Any:
    """The compiled kernel, callable with inputs, the step counters of random members, and outputs."""
    in_params = [f"{a.dtype.name} x{i}" for i, a in enumerate(ins)]
    states = [f"raw int64 s{k}" for k in range(len(fused.generators()))]
    out_params = ", ".join(f"{a.dtype.name} y{i}" for i, a in enumerate(outs))
    preamble = device.kernel_source("philox.cuh") if states else ""
    body = fused_body(fused, [a.dtype.name for a in ins])
    name = f"gpukeras_{fused.name}"  # a kernel must not be called exp
    return device.elementwise_kernel(", ".join(in_params + states), out_params, body, name, preamble)
