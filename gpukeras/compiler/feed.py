"""Feed: batches of whole data arrays, brought into a program's input buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import device
from ..device import tasks
from ..graph import Variable
from .function import Function, is_debugging
from .program import Program

_CONVERSIONS = {*(f"take_{source}_as_float32" for source in ("float64", "int64", "int32", "uint8", "bool")),
                "take_float32_as_float64"}
TAKEN = 0.1  # nanoseconds that it takes to copy a byte
Rows = Any  # a slice, or an array of row numbers
Loader = Callable[[Rows], None]


class Order:
    """The order in which an epoch takes the rows: row numbers on the host and, once asked for, on the device."""

    def __init__(self) -> None:
        self.set(None)

    def set(self, index: np.ndarray | None) -> None:
        """From now on, slices count along `index`; None: along the data."""
        self.index, self._there = index, None

    def rows(self, rows: Rows) -> Rows:
        """The rows that are meant, on the host."""
        return self.index[rows] if self.index is not None and isinstance(rows, slice) else rows

    def there(self) -> Any:
        """All row numbers on the device."""
        if self._there is None:
            self._there = device.asarray(np.asarray(self.index, np.int64))
        return self._there


class Feed:
    """Runs a function over batches of whole data arrays, without allocating: rows are gathered straight into the
    program's input buffers.

    `data` holds one array for each input, all of the same length; None for one that takes its default. `fixed`
    gives inputs that are not batched, such as the learning phase, by position. On a GPU the data is moved there once
    if it takes a modest share of the free memory; otherwise it is streamed. Outputs are valid until the next run.
    """

    def __init__(self, function: Function, data: Sequence[Any], fixed: dict[int, Any] | None = None):
        self.function = function
        self._data = list(data)
        self._fixed = dict(fixed or {})
        self._given: dict[int, Any] = {}
        self._kind: Any = None  # constants of the program, where one count may go with several
        self._bound: dict[Any, _Bound] = {}
        self._program: Program | None = None
        self._values: list[Any] = []
        self._order = Order()
        self._resident: list[Any] | None = None

    def order(self, index: np.ndarray | None) -> None:
        """From now on, slices count along `index`, an array of row numbers; None: along the data."""
        self._order.set(index)

    def fix(self, input: int, constant: tuple[int, ...]) -> None:
        """From now on, an input that is constant in a program has this value."""
        self._fixed[input] = self._kind = constant

    def give(self, input: int, value: Any) -> None:
        """From now on, an input that is not batched has this value, an array of the device."""
        self._fixed[input] = self._given[input] = value

    def run(self, rows: Rows, count: int, times: int = 1) -> None:
        """One call on `count` rows: a slice of the order, or an array of row numbers. With `times`, of a slice: as
        many calls, each on the rows after those of the one before."""
        if is_debugging():
            for _ in range(times - 1):
                self.run(rows, count)
                rows = slice(rows.start + count, rows.stop + count)
            chosen = self._order.rows(rows)
            self._values = self.function([self._fixed.get(i) if a is None else _taken(a, chosen)
                                          for i, a in enumerate(self._data)])
            return
        key = count if self._kind is None else (count, self._kind)
        bound = self._bound.get(key)
        if bound is None or bound.program.layout != Variable.layout:
            bound = self._bound[key] = self._bind(count)
        self._program = bound.program
        for i, value in self._given.items():
            if self._program.inputs[i] is not None:
                device.upload(self._program.inputs[i], value)
        if bound.loop is not None and isinstance(rows, slice):
            bound.loop(rows.start, times)
        else:
            for i in range(times):
                for load in bound.loads:
                    load(slice(rows.start + i * count, rows.stop + i * count) if times > 1 else rows)
                self._program.run()
        self._values = self._program.outputs

    def check(self) -> None:
        """Raises IndexError if the last program met labels or indices out of range that it could only note."""
        if self._program is not None:
            self._program.check()

    def outputs(self, on_device: bool = False) -> list[Any]:
        """The outputs of the last run, as arrays of the host, or of the device, that the next run overwrites."""
        self.check()
        return [device.asarray(a) if on_device else device.to_host(device.asarray(a)) for a in self._values]

    def arrays(self) -> list[Any]:
        """The same, where they were computed."""
        return self._values

    def values(self) -> list[Any]:
        """The outputs of the last run, copied; scalars as NumPy scalars."""
        return [a.copy()[()] for a in self.outputs()]

    def _bind(self, count: int) -> _Bound:
        shapes: list[Any] = []
        for i, a in enumerate(self._data):
            fixed = np.shape(self._fixed[i]) if i in self._fixed else None
            shapes.append(fixed if a is None else (count, *a.shape[1:]))
        program = self.function.program(shapes, [self._fixed.get(i) for i in range(len(self._data))])
        if device.NAME == "cupy" and self._resident is None:
            self._resident = _moved(self._data, program.inputs)
        loads: list[Loader] = []
        pairs: list[tuple[Any, Any]] = []
        for i, (a, buffer) in enumerate(zip(self._data, program.inputs)):
            if buffer is None:
                continue
            if i in self._fixed:
                device.upload(buffer, self._fixed[i])
            elif a is not None:
                pairs.append((a, buffer))
                loads.append(_loader(a if self._resident is None else self._resident[i], buffer, self._order))
        return _Bound(program, loads, _StepLoop.made(program, pairs, count, self._order))


class _Bound(NamedTuple):
    """A program with what brings rows into its inputs, and where it can be had, a loop that does both."""

    program: Program
    loads: list[Loader]
    loop: _StepLoop | None


class _StepLoop:
    """Batch after batch in one call of compiled C: rows are gathered, then the program runs."""

    def __init__(self, program: Program, pairs: Sequence[tuple[Any, Any]], count: int, order: Order):
        self._program, self._pairs, self._count, self._order = program, list(pairs), count, order
        self._place = np.zeros(1, np.int64)
        self._loop: Any = None
        self._index: Any = None

    @classmethod
    def made(cls, program: Program, pairs: Sequence[tuple[Any, Any]], count: int, order: Order) -> _StepLoop | None:
        """The loop; None where part of the program, or of the data, needs Python."""
        plain = all(isinstance(a, np.ndarray) and a.flags.c_contiguous and _taking(a.dtype, buffer.dtype) and count
                    for a, buffer in pairs)
        if program.whole is None or not plain or not tasks.ready("rows"):
            return None
        return cls(program, pairs, count, order)

    def __call__(self, start: int, times: int) -> None:
        if self._loop is None or self._index is not self._order.index:
            self._loop = self._bind()
        self._place[0] = start
        self._loop(times)

    def _bind(self) -> tasks.Loop:
        self._index = index = self._order.index
        if index is not None and not (index.dtype == np.int64 and index.flags.c_contiguous):
            index, self._index = np.ascontiguousarray(index, np.int64), None  # the copy does not see what becomes of it
        order = 0 if index is None else index
        made = []
        for a, buffer in self._pairs:
            width = (buffer.nbytes if a.dtype == buffer.dtype else buffer.size) // self._count
            made.append(tasks.Task("rows", _taking(a.dtype, buffer.dtype), (a, order, self._place, buffer, width),
                                   self._count, TAKEN * a.itemsize * buffer.size))
        assert self._program.whole is not None
        taking = [tasks.Run([tasks.Chain([task], [_impossible]) for task in made])] if made else []
        return tasks.Loop([*taking, self._program.whole], self._place, self._count)


def _taking(source: np.dtype[Any], target: np.dtype[Any]) -> str:
    """The function of `kernels/rows.c` that takes rows of one dtype for a batch of another; '' if there is none."""
    if source == target:
        return "take_rows"
    name = f"take_{source.name}_as_{target.name}"
    return name if name in _CONVERSIONS and source.isnative else ""


def _impossible() -> None:
    raise AssertionError("rows are in range")


# The loaders hold no reference to their feed: a fit that ends leaves no circle behind.
def _loader(source: Any, buffer: Any, order: Order) -> Loader:
    """A function that brings some rows of `source` into `buffer`."""
    if device.NAME == "numpy":
        return _host_loader(source, buffer, order)
    if device.is_device_array(source):
        return _device_loader(source, buffer, order)
    streamer = device.Streamer(buffer, _narrower(source.dtype, buffer.dtype))
    return lambda rows: streamer.load(lambda target: _read(source, order.rows(rows), target))


def _taken(a: Any, rows: Rows) -> Any:
    """Some rows of an array of the host or of the device."""
    there = device.is_device_array(a) and not isinstance(rows, slice)
    return a[device.asarray(np.asarray(rows))] if there else a[rows]


def _host_loader(source: Any, buffer: np.ndarray, order: Order) -> Loader:
    same = isinstance(source, np.ndarray) and source.dtype == buffer.dtype
    staging = buffer if same else None

    def load(rows: Rows) -> None:
        nonlocal staging
        rows = order.rows(rows)
        if isinstance(rows, slice):
            _read(source, rows, buffer)
            return
        if staging is None:
            staging = np.empty(buffer.shape, source.dtype)
        _read(source, rows, staging)
        if staging is not buffer:
            np.copyto(buffer, staging, "unsafe")
    return load


def _read(source: Any, rows: Rows, target: np.ndarray) -> None:
    """Some rows of an array on the host, or in a file, into another of the same dtype, or of any for a slice."""
    if isinstance(rows, slice):
        np.copyto(target, source[rows], "unsafe")
    elif not isinstance(source, np.ndarray):  # an HDF5 data set takes sorted lists
        order = np.argsort(rows)
        np.copyto(target, np.asarray(source[rows[order].tolist()])[np.argsort(order)], "unsafe")
    elif source.dtype == target.dtype:
        source.take(rows, 0, target, "clip")  # any mode but 'raise' spares a copy; the rows are in range
    else:
        np.copyto(target, source[rows], "unsafe")


def _device_loader(source: Any, buffer: Any, order: Order) -> Loader:
    width = buffer[0].size
    defines: dict[str, Any] = {"SOURCE": device.C_NAMES[source.dtype.name]}

    def load(rows: Rows) -> None:
        if not isinstance(rows, slice):
            there, start = device.asarray(np.asarray(rows, np.int64)), 0
        elif order.index is not None:
            there, start = order.there(), rows.start
        else:
            device.xp.copyto(buffer, source[rows], "unsafe")
            return
        gather, _ = device.launch("rows", "gather_rows", buffer.dtype, device.blocks(buffer.size), buffer, source,
                                  there, start, len(buffer), width, **defines)
        gather()
    return load


def _narrower(a: Any, b: Any) -> Any:
    """The smaller of two dtypes: what is moved between host and device."""
    return a if a.itemsize <= b.itemsize else b


def _moved(data: Sequence[Any], buffers: Sequence[Any]) -> list[Any]:
    """The arrays on the device, if all that have to go there may stay; otherwise as they are. Those that are there
    already lose their gaps: kernels read their rows one after the other."""
    data = [device.xp.ascontiguousarray(a) if device.is_device_array(a) else a for a in data]
    goes = [isinstance(a, np.ndarray) and buffer is not None for a, buffer in zip(data, buffers)]
    kinds = [_narrower(a.dtype, buffer.dtype) if go else None for a, buffer, go in zip(data, buffers, goes)]
    if not device.has_room_for(sum(a.size * k.itemsize for a, k in zip(data, kinds) if k is not None)):
        return list(data)
    return [a if k is None else device.asarray(np.ascontiguousarray(a, k)) for a, k in zip(data, kinds)]
