"""Gathering rows, picking one class a row, and one-hot rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import C_NAMES, FLOATS, NAME, Complaint, address, blocks, launch, scatter_add, take, xp
from ..device.tasks import Task
from ..graph import MIX, REDUCE, ROW, Apply, Call, Op, Spec, Tensor, apply, frozen, size_of
from . import copies
from .convert import as_tensor, cast
from .elementwise import equal, greater, less, logical_and
from .embedding_tasks import FAMILY, adding, gathering, pairs_spec, takes_rows
from .reduce import reduce
from .shape import Range, expand_dims, known_number

SLICE = 16384  # elements that are scattered by one call: their places fill 128 KiB
TILE_ITEMS = 8  # neighbours that a thread sorts, on a GPU
ONE_TILE = 16384  # pairs up to which a single block sorts them
LONG = 64  # rows with more places are summed by a block each: see kernels/embedding.cu

_UNSIGNED = {np.dtype("int32"): np.dtype("uint32"), np.dtype("int64"): np.dtype("uint64")}


def check_range(indices: Any, length: int, what: str) -> None:
    """Raises IndexError for indices (int32 or int64) outside of [0, length)."""
    # Read as unsigned, a negative index is a huge one: one search finds both ends.
    found = indices.view(_UNSIGNED[indices.dtype]).reshape(-1)
    if indices.size and int(found[found.argmax()]) >= length:  # for few numbers faster than max()
        raise IndexError(f"{out_of_range(what, length)}, got values from {int(indices.min())} to {int(indices.max())}")


def range_check(indices: Any, length: int, what: str) -> Call:
    """The call of `check_range` on an array that stays where it is."""
    if NAME != "numpy" or not indices.size or not indices.flags.c_contiguous:
        return check_range, (indices, length, what)
    return _check_line, (indices.view(_UNSIGNED[indices.dtype]).reshape(-1), length, indices, what)


def _check_line(line: Any, length: int, indices: Any, what: str) -> None:
    if line.item(line.argmax()) >= length:
        check_range(indices, length, what)


def out_of_range(what: str, length: int) -> str:
    """What to say of indices that are not in [0, length)."""
    return f"{what}: indices must lie in [0, {length})"


@frozen
class Gather(Op):
    """Rows of a table: (table, indices) -> indices' shape + row shape."""

    name = "gather"
    kernel_types = tuple(C_NAMES)
    c_family = FAMILY
    gapless = (0,)

    def infer(self, *ins: Spec) -> Spec:
        """The indices' shape, then the row's."""
        if not ins[0].shape:
            raise ValueError("can't gather from a scalar")
        return Spec((*ins[1].shape, *ins[0].shape[1:]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """A range check, then one take."""
        return [range_check(ins[1], ins[0].shape[0], self.name), (take, (ins[0], ins[1], 0, outs[0]))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, up to 16 bytes at a time; NaN for an index out of range."""
        (table, indices), out = ins, outs[0]
        if not out.size:
            return []
        width = out.size // indices.size
        pack = 16 // table.itemsize
        while width % pack or any(address(a) % (pack * table.itemsize) for a in (table, out)):
            pack //= 2
        count = out.size // pack
        return [launch("embedding", "gather", table.dtype, blocks(count), table, indices, out,
                       Complaint(out_of_range(self.name, table.shape[0])), count, width // pack, table.shape[0],
                       PACK=pack, LABEL=C_NAMES[indices.dtype.name])]

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of any type: bytes are copied."""
        return ins[1].dtype in ("int32", "int64") and 0 not in (*outs[0].shape, *ins[0].shape)

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One task."""
        return [gathering(ins[0], ins[1], outs[0])]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """Rows added up where they came from."""
        return [apply(ScatterRows(), grads[0], *node.inputs[::-1]), None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise in the indices."""
        return ROW if carries[1] and not carries[0] else MIX


@frozen
class ScatterRows(Op):
    """The table of zeros to which each row is added at its index, in the rows' order: (rows, indices, like)."""

    name = "scatter_rows"
    shape_only = (2,)
    contiguous = (0,)
    kernel_types = FLOATS
    c_family = FAMILY
    gapless = ()

    def infer(self, *ins: Spec) -> Spec:
        """The table's shape."""
        return Spec(ins[2].shape, ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Where each row goes, and each element of a slice."""
        width = _width(outs[0])
        return [Spec(ins[1].shape, "int64"), Spec((max(SLICE // max(width, 1), 1), width), "int64")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Zeros, then additions to single elements in the order of the rows, which NumPy does faster than to rows."""
        (rows, indices, _), table, (starts, places) = ins, outs[0], scratch
        height, width = places.shape
        columns = xp.arange(width, dtype="int64")
        calls: list[Call] = [range_check(indices, table.shape[0], self.name), (table.fill, (0,)),
                             (xp.multiply, (indices, width, starts))]
        for i in range(0, indices.size if width else 0, height):
            part = slice(i * width, min(i + height, indices.size) * width)
            first = starts.reshape(-1)[i:i + height, None]
            there = places[:first.size]
            calls += [(xp.add, (first, columns, there)),
                      (scatter_add, (table.reshape(-1), there.reshape(-1), rows.reshape(-1)[part]))]
        return calls

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """That of sorting."""
        return sorting_room(ins[1].size)

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """Pairs of index and place sorted by index, then a sum for each row of the table."""
        (rows, indices, _), table = ins, outs[0]
        if not table.size:
            return []
        calls, keys, places = sorted_pairs(indices, table.shape[0], self.name, room)
        last = (keys, places, rows, table, indices.size, _width(table), table.shape[0])
        calls.append(launch("embedding", "sum_rows", rows.dtype, blocks(table.size), *last, LABEL="int"))
        if indices.size > LONG:
            calls.append(long_sums(*last, distinct=False))
        return calls

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Of float32."""
        return super().takes_tasks(ins, outs) and takes_rows(ins[1], ins[2], *ins[:2], *outs)

    def tasks_room(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Where each index has its row."""
        return [pairs_spec(ins[1])]

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """Zeros, then additions, some columns to a thread."""
        return adding(ins[0], ins[1], outs[0], room[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The rows gathered again."""
        return [gather(grads[0], node.inputs[1]), None, None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Reducing: a sum over the rows."""
        return REDUCE


@frozen
class OneHot(Op):
    """Rows with 1 at the index; all zeros for an index out of range, as in TensorFlow."""

    classes: int
    dtype: str
    name = "one_hot"
    c_family = copies.FAMILY
    c_types = ("int32", "int64")

    def takes_tasks(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> bool:
        """Rows of float32, where there are any."""
        return super().takes_tasks(ins, outs) and self.dtype == "float32" and outs[0].size > 0

    def tasks(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Task]:
        """One."""
        return copies.one_hot(ins[0], outs[0])
    kernel_types = ("int32", "int64")

    def infer(self, *ins: Spec) -> Spec:
        """One more axis."""
        return Spec((*ins[0].shape, self.classes), self.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """Room for the comparison."""
        return [Spec(outs[0].shape, "bool")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One comparison with 0, 1, 2, ..."""
        classes = xp.arange(self.classes, dtype=ins[0].dtype)
        return [(xp.equal, (ins[0][..., None], classes, scratch[0])), (xp.copyto, (outs[0], scratch[0]))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel."""
        indices, out = ins[0], outs[0]
        return [launch("embedding", "one_hot", out.dtype, blocks(out.size), indices, out, out.size, self.classes,
                       LABEL=C_NAMES[indices.dtype.name])]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: an index does not vary smoothly."""
        return [None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


def _width(table: Any) -> int:
    """Elements of a row."""
    return size_of(tuple(table.shape[1:]))


def _tiles(count: int) -> tuple[int, int, int]:
    """How `count` pairs are sorted: threads a block, neighbours a thread, blocks."""
    if count <= ONE_TILE:
        threads = 256 if count <= 2048 else 1024
        return threads, max(-(-count // threads), 1), 1
    return 1024, TILE_ITEMS, -(-count // (1024 * TILE_ITEMS))


def sorting_room(count: int) -> list[Spec]:
    """Indices and places, before and after a pass of sorting; counts for each tile and digit."""
    _, _, tiles = _tiles(count)
    return [Spec((count,), "int32")] * 4 + [Spec((16 * tiles,), "int32")]


def sorted_pairs(indices: Any, length: int, what: str, room: Sequence[Any]) -> tuple[list[Call], Any, Any]:
    """Launches that sort pairs of index and place by index, in `room`; and the arrays with both. An index out of
    [0, length) is complained of, and becomes `length`."""
    count, label, counts = indices.size, C_NAMES[indices.dtype.name], room[4]
    threads, items, tiles = _tiles(count)

    def sort(name: str, grid: int, *arguments: Any) -> Call:
        return launch("embedding", name, "float32", grid, *arguments, block=threads, LABEL=label)
    now, other = room[:2], room[2:4]
    fault = Complaint(out_of_range(what, length))
    calls = [sort("sort_start", blocks(count, threads), indices, *now, fault, count, length)]
    for shift in range(0, length.bit_length(), 4):
        if tiles > 1:
            calls += [sort("sort_count", tiles, now[0], counts, count, items, shift),
                      sort("sort_scan", 1, counts, counts.size)]
        calls.append(sort("sort_scatter", tiles, *now, counts, *other, count, items, shift))
        now, other = other, now
    return calls, now[0], now[1]


def long_sums(keys: Any, places: Any, rows: Any, sums: Any, count: int, width: int, length: int,
              distinct: bool) -> Call:
    """The launch that makes the sums of long runs of equal keys, which the other kernels leave out."""
    side = min(1 << (width - 1).bit_length(), 32)
    return launch("embedding", "sum_long_rows", rows.dtype, (-(-count // LONG), -(-width // side)), keys, places, rows,
                  sums, count, width, length, side, int(distinct), LABEL="int")


def gather(table: Any, indices: Any) -> Tensor:
    """Rows of `table` at `indices`."""
    t = as_tensor(indices, "int32")
    return apply(Gather(), as_tensor(table), cast(t, "int32") if t.dtype not in ("int32", "int64") else t)


def one_hot(indices: Any, classes: Any, dtype: str) -> Tensor:
    """Rows with a 1 at each index; how many classes there are may be a tensor made of shapes."""
    known = known_number(classes) if isinstance(classes, Tensor) else classes
    if known is None:
        first, last, step, places = (cast(as_tensor(n, "int64"), "int64") for n in (0, classes, 1, indices))
        return cast(equal(expand_dims(places, -1), apply(Range(), first, last, step)), dtype)
    classes, t = known, as_tensor(indices, "int32")
    return apply(OneHot(int(classes), dtype), cast(t, "int64") if t.dtype not in ("int32", "int64") else t)


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Whether fewer than k predictions are larger than the target's, so that ties at the boundary count; bool of
    shape (samples,). False where a prediction is NaN or infinite, as in TensorFlow."""
    predictions, targets = as_tensor(predictions), as_tensor(targets, "int32")
    if predictions.ndim != 2 or targets.ndim != 1:
        raise ValueError(f"in_top_k needs predictions of shape (samples, classes) and targets of shape (samples,), "
                         f"got {predictions.shape} and {targets.shape}")
    hot = one_hot(targets, _classes(predictions), predictions.dtype)
    own = reduce("sum", predictions * hot, -1)
    above = reduce("sum", cast(greater(predictions, expand_dims(own, -1)), "int32"), -1)
    return logical_and(less(above, k), equal(own * 0, 0))


def _classes(predictions: Tensor) -> int:
    if predictions.shape[-1] is None:
        raise ValueError(f"the number of classes must be known, got shape {predictions.shape}")
    return predictions.shape[-1]
