"""Fused steps as chains for `kernels/elementwise.c`: one task for a whole chain, tile by tile in the first-level cache.

The C functions are made from the same table of ops as the CUDA kernels. A chain that has something without such a
function (other types, functions of double, arrays spread in two directions) is left to the NumPy bodies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import device
from ..device import tasks
from ..device.tasks import Task
from ..graph import Spec, size_of
from ..ops.elementwise import TABLE, Cast, Elementwise

if TYPE_CHECKING:
    from .fuse import Fused, Member

TILE = 1024  # elements: a register of float32 has 4 KiB, and a chain uses a handful
LEAST_ROWS = 8  # of a shape whose units are its rows; with fewer they are its elements
COST = 0.08  # nanoseconds that one operation takes for one element

_C = {"float32": "float", "float64": "double", "int32": "int", "int64": "Word", "bool": "Bool"}
_WHOLE = ("add", "subtract", "multiply", "maximum", "minimum", "negative", "square", "mask", "where")
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_PLAIN = (*_WHOLE, *_COMPARISONS, "divide", "absolute", "sign", "sqrt", "positive_sqrt", "sigmoid_gradient", "softsign",
          "relu", "floor", "ceil", "round", "is_nan", "is_inf")
_CURVED = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "sigmoid_crossentropy")
_LOGICAL = ("logical_and", "logical_or", "logical_not")
_FUNCTIONS = {
    "float32": {"abs": "fabsf", "sqrt": "sqrtf", "floor": "floorf", "ceil": "ceilf", "rint": "rintf",
                **{name: f"{name}_float" for name in ("exp", "expm1", "log", "log1p", "tanh")}},
    "float64": {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "rint": "rint"},
}


class Body(NamedTuple):
    """A C function: the types of what it takes and makes, and its expression."""

    name: str
    takes: tuple[str, ...]
    makes: str
    expression: str

    def text(self) -> str:
        """The function. Its loop has no branches and no calls, so compilers make vector code of it."""
        arrays = [f"const {_C[dtype]}* x{i} = (const {_C[dtype]}*){'abc'[i]};" for i, dtype in enumerate(self.takes)]
        value = self.expression.format(*(f"x{i}[i]" for i in range(len(self.takes))))
        return (f"static void {self.name}(char* out, const char* a, const char* b, const char* c, long n) {{\n"
                f"    {_C[self.makes]}* y = ({_C[self.makes]}*)out;\n    {' '.join(arrays)}\n"
                f"    ALONE for (long i = 0; i < n; ++i) y[i] = {value};\n}}\n")


@cache
def bodies() -> dict[tuple[str, tuple[str, ...]], Body]:
    """All functions, by the op's name and the dtypes of its inputs; their order is that of the C array."""
    made: dict[tuple[str, tuple[str, ...]], Body] = {}

    def declare(name: str, takes: tuple[str, ...], makes: str, expression: str) -> None:
        made[name, takes] = Body(f"{name}_{'_'.join(takes)}", takes, makes, expression)

    for dtype, names in (("float32", _PLAIN + _CURVED), ("float64", _PLAIN), ("int32", _WHOLE + _COMPARISONS),
                         ("int64", _WHOLE + _COMPARISONS), ("bool", _LOGICAL)):
        for name in names:
            row = TABLE[name]
            count = len(set(re.findall(r"\{(\d)\}", row.cuda)))
            takes = ("bool", *[dtype] * (count - 1)) if name in ("mask", "where") else (dtype,) * count
            declare(name, takes, row.result or dtype, _in_c(row.cuda, dtype))
    for source in _C:
        for target in _C:
            expression = "({0} != 0)" if target == "bool" else f"({_C[target]})({{0}})"
            declare(f"cast_to_{target}", (source,), target, expression)
    return made


def _in_c(expression: str, dtype: str) -> str:
    """A CUDA expression, whose functions are overloaded, in C."""
    functions = _FUNCTIONS.get(dtype, {})
    return re.sub(r"\b([a-z]\w*)\(", lambda match: functions.get(match[1], match[1]) + "(", expression)


def source() -> str:
    """The C program."""
    functions = list(bodies().values())
    listed = ",\n    ".join(body.name for body in functions)
    made = "\n".join(body.text() for body in functions) + f"\nstatic const Body bodies[] = {{\n    {listed}}};\n"
    head, _, rest = device.kernel_source("elementwise.c").partition("#include <bodies.h>")
    return head + made + rest


tasks.sources["elementwise"] = source


@cache
def _numbers() -> dict[tuple[str, tuple[str, ...]], int]:
    """The place of each function in the C array."""
    return {key: i for i, key in enumerate(bodies())}


def _number(member: Member, types: Sequence[str]) -> int | None:
    """The place of a member's function, given the dtypes of all that came before it."""
    if not isinstance(member.op, (Cast, Elementwise)):
        return None
    name = f"cast_to_{member.op.dtype}" if isinstance(member.op, Cast) else member.op.name
    return _numbers().get((name, tuple(types[a] for a in member.args)))


def takes(fused: Fused, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
    """Whether `chain` can be made."""
    shape = outs[0].shape
    types = [x.dtype for x in ins]
    for member in fused.members:
        if _number(member, types) is None:
            return False
        types.append(member.dtype)
    return size_of(shape) > 0 and all(_way(x.shape, shape) is not None for x in ins)


def chain(fused: Fused, ins: Sequence[Any], outs: Sequence[Any]) -> Task:
    """The task that computes a fused step."""
    shape = outs[0].shape
    registers = fused._slot_count
    preparations: list[int] = []
    spread: list[int] = []
    operands: list[int] = []
    count = 0
    for i, x in enumerate(ins):
        way = _way(x.shape, shape)
        assert way is not None
        if way == (0, 0):
            operands.append(16 * i + x.itemsize)
            continue
        place = (registers + count) * TILE * 8
        count += 1
        operands.append(-1 - place)
        if way[0] == 0:
            preparations += [place, i, x.itemsize]
        else:
            spread += [way[0], -1 - place, i, way[1], x.itemsize]
    types = [x.dtype.name for x in ins]
    steps: list[int] = []
    for k, member in enumerate(fused.members):
        number = _number(member, types)
        assert number is not None
        if k in fused.exported:
            out = outs[fused.exported.index(k)]
            target = 16 * (len(ins) + fused.exported.index(k)) + out.itemsize
        else:
            target = -1 - fused._slots[k] * TILE * 8
        inputs = [operands[a] for a in member.args]
        steps += [number, target, *inputs, *[-1] * (3 - len(inputs))]
        operands.append(target)
        types.append(member.dtype)
    code = np.array([len(preparations) // 3, (len(spread) + len(steps)) // 5, TILE, *preparations, *spread, *steps],
                    np.int64)
    size = size_of(shape)
    by_rows = bool(shape) and shape[0] >= LEAST_ROWS
    units = shape[0] if by_rows else size
    return Task("elementwise", "elementwise", (code, size // units, *ins, *outs), units,
                COST * size * len(fused.members), max(registers + count, 1) * TILE * 8, samples=by_rows)


def _way(x: Any, shape: Any) -> tuple[int, int] | None:
    """How an input of shape x is spread over the full shape: (0, 0) not at all, (0, 1) one number, (-1, period) a row,
    (-2, period) a column; None in another way."""
    if size_of(x) == 1:
        return 0, 1 if size_of(shape) > 1 else 0
    if x == shape:
        return 0, 0
    full = (1,) * (len(shape) - len(x)) + x
    varying = [a for a, n in enumerate(full) if n > 1]
    first, last = varying[0], varying[-1]
    if full[first:last + 1] != shape[first:last + 1]:
        return None
    after, before = size_of(shape[last + 1:]), size_of(shape[:first])
    if after == 1:
        return -1, size_of(x)
    return (-2, after) if before == 1 else None
