"""Fused steps as chains for `kernels/elementwise.c`: one task for a whole chain, tile by tile in the first-level cache.

The C functions are made from the same table of ops as the CUDA kernels. A chain that has something without such a
function (other types, remainders) is left to the NumPy bodies, as are functions that C's library computes number by
number, where there are many numbers: NumPy has vector code for them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import device
from ..device import tasks
from ..device.layouts import MOST_AXES, dense, merged, words
from ..device.tasks import Task
from ..graph import Spec, size_of
from ..ops.elementwise import TABLE, Cast, Elementwise

if TYPE_CHECKING:
    from .fuse import Fused, Member

TILE = 256  # elements: while some are computed, others come from memory, so that steps of few overlap well
MOST_REPEATED = 1024  # elements of what repeats itself that are written out once: a tile then has as many
MOST_CALLED = 4096  # elements for which functions of C's library are called, number by number
LEAST_ROWS = 8  # of a shape whose units are its rows; with fewer they are its elements
COSTS = {"plain": 0.025, "curved": 0.4, "called": 10.0}  # nanoseconds that an operation takes for one element,
WALK = 0.02  # and an array that is walked,
LOOPED = 0.03  # and in a loop of their own

_C = {"float32": "float", "float64": "double", "int32": "int", "int64": "Word", "bool": "Bool"}
_WHOLE = ("add", "subtract", "multiply", "maximum", "minimum", "negative", "square", "mask", "where")
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_PLAIN = (*_WHOLE, *_COMPARISONS, "divide", "absolute", "sign", "sqrt", "positive_sqrt", "sigmoid_gradient", "softsign",
          "relu", "floor", "ceil", "round", "is_nan", "is_inf")
_CURVED = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "sigmoid_crossentropy")
_CALLED = ("power", "sin", "cos", "tan", "sinh", "cosh")  # the functions of C's library, number by number
_LOGICAL = ("logical_and", "logical_or", "logical_not")
_FUNCTIONS = {
    "float32": {"abs": "fabsf", "sqrt": "sqrtf", "floor": "floorf", "ceil": "ceilf", "rint": "rintf",
                **{name: f"{name}_float" for name in ("exp", "expm1", "log", "log1p", "tanh")},
                **{name: f"{name}f" for name in ("pow", "sin", "cos", "tan", "sinh", "cosh")}},
    "float64": {"abs": "fabs"},
}


class Body(NamedTuple):
    """A C function: the types of what it takes and makes, and its expression."""

    name: str
    takes: tuple[str, ...]
    makes: str
    expression: str

    def text(self) -> str:
        """The function. Where its loop has no branches and no calls, compilers make vector code of it."""
        arrays = [f"const {_C[dtype]}* x{i} = (const {_C[dtype]}*){'abc'[i]};" for i, dtype in enumerate(self.takes)]
        value = self.expression.format(*(f"x{i}[i]" for i in range(len(self.takes))))
        return (f"static void {self.name}(char* out, const char* a, const char* b, const char* c, long n) {{\n"
                f"    {_C[self.makes]}* y = ({_C[self.makes]}*)out;\n    {' '.join(arrays)}\n"
                f"    (void)b, (void)c;\n"
                f"    ALONE for (long i = 0; i < n; ++i) y[i] = {value};\n}}\n")


@cache
def bodies() -> dict[tuple[str, tuple[str, ...]], Body]:
    """All functions, by the op's name and the dtypes of its inputs; their order is that of the C array."""
    made: dict[tuple[str, tuple[str, ...]], Body] = {}

    def declare(name: str, takes: tuple[str, ...], makes: str, expression: str) -> None:
        made[name, takes] = Body(f"{name}_{'_'.join(takes)}", takes, makes, expression)

    floats, integers = _PLAIN + _CURVED + _CALLED, _WHOLE + _COMPARISONS
    for dtype, names in (("float32", floats), ("float64", floats), ("int32", integers), ("int64", integers),
                         ("bool", _LOGICAL)):
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
        if _number(member, types) is None or size_of(shape) > MOST_CALLED and _kind(member) == "called":
            return False
        types.append(member.dtype)
    return size_of(shape) > 0 and len(shape) <= MOST_AXES


class _Spread(NamedTuple):
    """An input that is written out before it is read: its number, the axes of its layout, and the elements after which
    it repeats itself (0: it does not)."""

    number: int
    axes: list[tuple[int, ...]]
    period: int


def chain(fused: Fused, ins: Sequence[Any], outs: Sequence[Any]) -> Task:
    """The task that computes a fused step."""
    shape = outs[0].shape
    size = size_of(shape)
    by_rows = bool(shape) and shape[0] >= LEAST_ROWS
    units = shape[0] if by_rows else size
    if fused.loop and tasks.ready(fused.loop):
        return Task(fused.loop, "loop", (size // units, *ins, *outs), units, size * LOOPED * (len(ins) + len(outs)),
                    samples=by_rows, stretch=0 if by_rows else 1)
    spread = [made for made in (_spread(i, x, shape) for i, x in enumerate(ins)) if made is not None]
    once: list[_Spread] = []
    period = 1
    for made in sorted((s for s in spread if s.period), key=lambda s: s.period):
        if lcm(period, made.period) <= MOST_REPEATED:
            period = lcm(period, made.period)
            once.append(made)
    tile = min(max(TILE // period, 1), -(-size // period)) * period
    register = -(-tile // 8) * 64  # bytes, for elements of 8
    places = {made.number: (fused._slot_count + k) * register for k, made in enumerate(spread)}
    operands = [-1 - places[i] if i in places else 16 * i + x.itemsize for i, x in enumerate(ins)]
    types = [x.dtype.name for x in ins]
    steps: list[int] = []
    for k, member in enumerate(fused.members):
        number = _number(member, types)
        assert number is not None
        if k in fused.exported:
            out = outs[fused.exported.index(k)]
            target = 16 * (len(ins) + fused.exported.index(k)) + out.itemsize
        else:
            target = -1 - fused._slots[k] * register
        inputs = [operands[a] for a in member.args]
        steps += [number, target, *inputs, *[-1] * (3 - len(inputs))]
        operands.append(target)
        types.append(member.dtype)
    code = _code(tile, once, [made for made in spread if made not in once], steps, places, ins)
    return Task("elementwise", "elementwise", (code, size // units, *ins, *outs), units,
                size * (WALK * (len(ins) + len(outs)) + sum(COSTS[_kind(member)] for member in fused.members)),
                max(fused._slot_count + len(spread), 1) * register, samples=by_rows, stretch=0 if by_rows else 1)


def _spread(number: int, x: Any, shape: tuple[int, ...]) -> _Spread | None:
    """How an input is spread over the full shape; None for one that is walked."""
    strides = np.broadcast_to(x, shape).strides
    full = dense(shape, x.itemsize)
    axes = merged(shape, full, strides)
    if all(to == source for _, to, source in axes):
        return None
    period = size_of(tuple(length for length, _, _ in axes[1:]))
    return _Spread(number, axes, period if axes[0][2] == 0 else 0)


def _code(tile: int, once: Sequence[_Spread], always: Sequence[_Spread], steps: Sequence[int], places: dict[int, int],
          ins: Sequence[Any]) -> np.ndarray:
    """The words of a chain: see `kernels/elementwise.c`."""
    at = 4 + 4 * (len(once) + len(always)) + len(steps)
    spread: list[int] = []
    layouts: list[int] = []
    for made in (*once, *always):
        spread += [places[made.number], made.number, at + len(layouts), ins[made.number].itemsize]
        layouts += words(made.axes).tolist()
    return np.array([tile, len(once), len(always), len(steps) // 5, *spread, *steps, *layouts], np.int64)


def _kind(member: Member) -> str:
    """What a member costs."""
    name = member.op.name
    if name in _CALLED or name in _CURVED and member.dtype == "float64":
        return "called"
    return "curved" if name in _CURVED else "plain"
