"""Reductions as compiled tasks (`kernels/reduction.c`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

from ..device import kernel_source
from ..device.layouts import MOST_AXES, merged, words
from ..device.tasks import Task, sources
from ..graph import Spec

WIDE = 256  # columns that are reduced together, as in the C source
COST = 0.06  # nanoseconds an element
SHARED = 1 << 17  # elements of a reduction that is cut into parts if it has few results
PARTS = 16  # at most, but
SAMPLE, SAMPLES = 1024, 256  # each sample is a part where it has so many elements, and there are at most so many,
LEAST = 4  # and so many elements of it make one result

_C = {"float32": "float", "float64": "double", "int32": "int", "int64": "Word", "bool": "Bool"}
_LOWEST = {"float32": "-INFINITY", "float64": "-INFINITY", "int32": "(-__INT_MAX__ - 1)",
           "int64": "(-__LONG_LONG_MAX__ - 1)"}
_HIGHEST = {"float32": "INFINITY", "float64": "INFINITY", "int32": "__INT_MAX__", "int64": "__LONG_LONG_MAX__"}
_NUMBERS = ("float32", "float64", "int32", "int64")
_KINDS = {  # types, the result of nothing, that of two: NaN stays what it is
    "sum": (_NUMBERS, "0", "((a) + (b))"),
    "prod": (("float32", "float64"), "1", "((a) * (b))"),
    "max": (_NUMBERS, "lowest", "(((a) >= (b)) | IS_NAN(a) ? (a) : (b))"),
    "min": (_NUMBERS, "highest", "(((a) <= (b)) | IS_NAN(a) ? (a) : (b))"),
    "any": (("bool",), "0", "((a) | (b))"),
    "all": (("bool",), "1", "((a) & (b))"),
}


def total(kind: str, dtype: str) -> str:
    """The dtype that long reductions are kept in."""
    return "float64" if dtype == "float32" and kind in ("sum", "prod") else dtype


def family(kind: str) -> str:
    """The name under which the tasks of a kind are compiled: by themselves, as most programs need only two."""
    return f"reduction_{kind}"


def source(kind: str) -> str:
    """The C program: the tasks of a kind, for each type."""
    head, _, text = kernel_source("reduction.c").partition("#include <kinds.h>")
    made = [head]
    types, start, join = _KINDS[kind]
    for dtype in types:
        nothing = {"lowest": _LOWEST, "highest": _HIGHEST}.get(start, {}).get(dtype, start)
        defines = {"Value": _C[dtype], "Total": _C[total(kind, dtype)], "START": nothing, "JOIN(a, b)": join,
                   "NAME(task)": f"{_C[dtype]}_##task", "EXTREME": int(kind in ("max", "min")),
                   "IS_NAN(a)": "((a) != (a))" if dtype.startswith("float") else "0"}
        made += [f"#define {name} {value}\n" for name, value in defines.items()]
        made += [text, *(f"#undef {name.partition('(')[0]}\n" for name in defines)]
    return "".join(made)


sources.update((family(kind), partial(source, kind)) for kind in _KINDS)


def takes(kind: str, x: Spec) -> bool:
    """Whether there are tasks for an array like x."""
    return x.dtype in _KINDS[kind][0] and x.size > 0 and len(x.shape) <= MOST_AXES


def _cut(shape: Sequence[Any], axes: Sequence[int]) -> tuple[int, int]:
    """Into how many parts a reduction is cut, and the elements of a part: by the shape alone."""
    length = prod(shape[a] for a in axes)
    results = prod(shape) // length
    if prod(shape) < SHARED or results >= 8 * WIDE:
        return 1, length
    parts = min(PARTS, length)
    if 0 in axes and 1 < shape[0] <= SAMPLES and prod(shape[1:]) >= SAMPLE and length >= LEAST * shape[0]:
        parts = shape[0]
    each = -(-length // parts)
    return -(-length // each), each


def room(kind: str, x: Spec, axes: Sequence[int]) -> list[Spec]:
    """A row of results for each part."""
    parts, _ = _cut(x.shape, axes)
    results = x.size // prod(x.shape[a] for a in axes)  # type: ignore[misc]
    return [Spec((parts, results), total(kind, x.dtype))] if parts > 1 else []


def tasks(kind: str, x: Any, axes: Sequence[int], out: Any, parts_room: Sequence[Any]) -> list[Task]:
    """The tasks that write the reduction of x over these axes to `out`."""
    kept_axes = [a for a in range(x.ndim) if a not in axes]
    kept = _axes(x, kept_axes)
    reduced = _axes(x, sorted(axes, key=lambda a: -abs(x.strides[a])))
    length = prod(n for n, _, _ in reduced)
    parts, each = _cut(x.shape, axes)
    target = parts_room[0] if parts > 1 else out
    prefix = _C[x.dtype.name]
    batch = x.shape[0] if kept_axes[:1] == [0] else 0
    cost = COST * x.size
    if kept[-1][2] == x.itemsize and kept[-1][0] > 1 and abs(reduced[-1][2]) != x.itemsize:
        width = kept[-1][0]
        units = out.size // width * -(-width // WIDE) * parts
        sizes = length, parts, each, width, out.size
        by_samples = 0 in axes and units == parts == x.shape[0] and max(axes, key=lambda a: abs(x.strides[a])) == 0
        made = Task(family(kind), f"{prefix}_columns",
                    (x, target, words(kept[:-1] or [(1, 0, 0)]), words(reduced), *sizes), units, cost,
                    samples=by_samples or units == batch and width * batch == out.size)
    else:
        units = batch if batch and parts == 1 else out.size * parts
        made = Task(family(kind), f"{prefix}_rows", (x, target, words(kept), words(reduced), length, parts, each,
                                               out.size * parts // units, out.size), units, cost + 10 * out.size,
                    samples=units == batch and parts == 1)
    if parts == 1:
        return [made]
    return [made, Task(family(kind), f"{prefix}_join", (target, out, parts, out.size), -(-out.size // WIDE),
                       COST * parts * out.size)]


def arg_tasks(kind: str, x: Any, axis: int, out: Any) -> list[Task]:
    """The task that writes the places of the first extremes along an axis."""
    kept = _axes(x, [a for a in range(x.ndim) if a != axis])
    units = x.shape[0] if axis else out.size
    return [Task(family(kind), f"{_C[x.dtype.name]}_first", (x, out, words(kept), x.shape[axis], x.strides[axis],
                                                             out.size // units), units, 0.5 * x.size, samples=axis > 0)]


def _axes(x: Any, axes: Sequence[int]) -> list[tuple[int, ...]]:
    strides = [x.strides[a] for a in axes]
    return [(length, stride, stride) for length, stride in merged([x.shape[a] for a in axes], strides)]
