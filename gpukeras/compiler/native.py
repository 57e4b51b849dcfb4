"""Fused steps as chains for `kernels/elementwise.c`: one call for a whole chain, tile by tile in the first-level cache.

The C functions are made from the same table of ops as the CUDA kernels. A chain that has something without such a
function (other types, functions of double, arrays spread in two directions) is left to the NumPy bodies.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import device
from ..device.native import load
from ..graph import Call, size_of
from ..ops.elementwise import TABLE, Cast, Elementwise

if TYPE_CHECKING:
    from .fuse import Fused

TILE = 1024  # elements: a register of float32 has 4 KiB, and a chain uses a handful
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


@cache
def source() -> str:
    """The C program."""
    functions = list(bodies().values())
    listed = ",\n    ".join(body.name for body in functions)
    made = "\n".join(body.text() for body in functions) + f"\nstatic const Body bodies[] = {{\n    {listed}}};\n"
    text = (device.kernel_folder() / "elementwise.c").read_text(encoding="utf-8")
    return text.replace('#include "bodies.h"\n', made)


@cache
def library() -> Any:
    """The compiled program, or None."""
    found = load(source())
    if found is not None:
        found.gpukeras_elementwise.restype = None
    return found


@cache
def _numbers() -> dict[tuple[str, tuple[str, ...]], int]:
    """The place of each function in the C array."""
    return {key: i for i, key in enumerate(bodies())}


def chain(fused: Fused, ins: Sequence[Any], outs: Sequence[Any]) -> list[Call] | None:
    """The calls that compute a fused step; None if it can't be done so."""
    shape = outs[0].shape
    size = size_of(shape)
    if not size or any(not x.flags.c_contiguous for x in outs) or library() is None:
        return None
    arrays = [*ins, *outs]
    registers = fused._slot_count
    preparations: list[int] = []
    spread: list[int] = []
    operands: list[int] = []
    count = 0
    for i, x in enumerate(ins):
        way = _way(x, shape)
        if way is None:
            return None
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
        name = f"cast_to_{member.op.dtype}" if isinstance(member.op, Cast) else member.op.name
        number = _numbers().get((name, tuple(types[a] for a in member.args)))
        if number is None or not isinstance(member.op, (Cast, Elementwise)):
            return None
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
    addresses = np.array([x.ctypes.data for x in arrays], np.uint64)
    parts = device.threads.deal(size, COST * size * len(fused.members))
    return device.threads.together([[_call(code, addresses, arrays, registers + count, part)] for part in parts])


def _way(x: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """How an input is spread over the full shape: (0, 0) not at all, (0, 1) one number, (-1, period) a row,
    (-2, period) a column; None in another way."""
    if x.size == 1:
        return 0, 1 if size_of(shape) > 1 else 0
    if not x.flags.c_contiguous:
        return None
    if x.shape == shape:
        return 0, 0
    full = (1,) * (len(shape) - x.ndim) + x.shape
    varying = [a for a, n in enumerate(full) if n > 1]
    first, last = varying[0], varying[-1]
    if full[first:last + 1] != shape[first:last + 1]:
        return None
    after, before = size_of(shape[last + 1:]), size_of(shape[:first])
    if after == 1:
        return -1, x.size
    return (-2, after) if before == 1 else None


def _call(code: Any, addresses: Any, arrays: Sequence[Any], registers: int, part: slice) -> Call:
    room = np.empty(max(registers, 1) * TILE * 8, np.uint8)
    pointers = [ctypes.c_void_p(x.ctypes.data) for x in (code, addresses, room)]
    pointers[0].keep = (code, addresses, room, list(arrays))  # type: ignore[attr-defined]
    return library().gpukeras_elementwise, (*pointers, ctypes.c_longlong(part.start), ctypes.c_longlong(part.stop))
