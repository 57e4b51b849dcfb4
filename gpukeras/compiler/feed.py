"""Feed: batches of whole data arrays, brought into a program's input buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import device
from ..device import tasks
from ..graph import Variable
from .function import Function, is_debugging
from .graph_loop import GraphLoop, gather
from .program import Program
from .rows import Order, Rows, taking_function, taking_rows

GATHERED = 1 << 16  # bytes of small batches that are gathered at a time


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
        self._flight = device.Flight() if device.NAME == "cupy" else None

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
            for _ in bound.batches(rows, count, times):
                self._program.run()
        self._values = self._program.outputs
        if self._flight is not None:
            self._flight.launched()

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
        sources = self._data if self._resident is None else self._resident
        loaders: list[_Loader] = []
        pairs: list[tuple[Any, Any]] = []
        for i, (a, buffer) in enumerate(zip(sources, program.inputs)):
            if buffer is None:
                continue
            if i in self._fixed:
                device.upload(buffer, self._fixed[i])
            elif a is not None:
                pairs.append((a, buffer))
                loaders.append(_loader(a, buffer, self._order))
        loop = _StepLoop if device.NAME == "numpy" else GraphLoop
        return _Bound(program, loaders, loop.made(program, pairs, count, self._order))


class _Bound(NamedTuple):
    """A program with what brings rows into its inputs, and where it can be had, a loop that does both."""

    program: Program
    loaders: list[_Loader]
    loop: _StepLoop | GraphLoop | None

    def batches(self, rows: Rows, count: int, times: int) -> Iterable[Any]:
        """Brings one batch after the other, an item each."""
        if times > 1 and self.loaders:
            return zip(*(loader.each(rows.start, count, times) for loader in self.loaders))
        for loader in self.loaders:
            loader.load(rows)
        return range(times)


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
        plain = all(isinstance(a, np.ndarray) and a.flags.c_contiguous and taking_function(a.dtype, buffer.dtype)
                    for a, buffer in pairs)
        if program.whole is None or not plain or not count or not tasks.ready("rows"):
            return None
        return cls(program, pairs, count, order)

    def __call__(self, start: int, times: int) -> None:
        if self._loop is None or self._index is not self._order.index:
            self._loop = self._bind()
        self._place[0] = start
        self._loop(times)

    def _bind(self) -> tasks.Run:
        self._index = index = self._order.index
        if index is not None and not (index.dtype == np.int64 and index.flags.c_contiguous):
            index, self._index = np.ascontiguousarray(index, np.int64), None  # the copy does not see what becomes of it
        order = 0 if index is None else index
        taking = [taking_rows(a, buffer, order, self._place) for a, buffer in self._pairs]
        assert self._program.whole is not None
        return tasks.Run([*taking, *self._program.whole.chains], self._place, self._count)


class _Loader:
    """Brings rows of an array into an input's buffer, by the function `load`. It holds no reference to its feed: a fit
    that ends leaves no circle behind."""

    def __init__(self, load: Callable[[Rows], None]):
        self.load = load

    def each(self, start: int, count: int, times: int) -> Iterator[None]:
        """Brings so many batches of `count` rows, one at a time."""
        for first in range(start, start + times * count, count):
            yield self.load(slice(first, first + count))


class _SmallLoader(_Loader):
    """For small batches of NumPy's arrays: many are gathered at a time, for the call takes longer than the rows."""

    def __init__(self, source: np.ndarray, buffer: np.ndarray, order: Order):
        super().__init__(_host_load(source, buffer, order))
        self._source, self._buffer, self._order = source, buffer, order

    def each(self, start: int, count: int, times: int) -> Iterator[None]:
        """Brings so many batches of `count` rows, one at a time."""
        source, buffer, stop = self._source, self._buffer, start + times * count
        block = GATHERED // buffer.nbytes * count
        for first in range(start, stop, block):
            rows = self._order.rows(slice(first, min(first + block, stop)))
            found = source[rows] if isinstance(rows, slice) else source.take(rows, 0)
            for batch in found.astype(buffer.dtype, copy=False).reshape(-1, *buffer.shape):
                buffer[...] = batch
                yield


def _loader(source: Any, buffer: Any, order: Order) -> _Loader:
    """What brings some rows of `source` into `buffer`."""
    if device.NAME == "numpy":
        small = isinstance(source, np.ndarray) and 0 < 2 * buffer.nbytes <= GATHERED
        return _SmallLoader(source, buffer, order) if small else _Loader(_host_load(source, buffer, order))
    if device.is_device_array(source):
        return _Loader(_device_load(source, buffer, order))
    streamer = device.Streamer(buffer, _narrower(source.dtype, buffer.dtype))
    return _Loader(lambda rows: streamer.load(lambda target: _read(source, order.rows(rows), target)))


def _taken(a: Any, rows: Rows) -> Any:
    """Some rows of an array of the host or of the device."""
    there = device.is_device_array(a) and not isinstance(rows, slice)
    return a[device.asarray(np.asarray(rows))] if there else a[rows]


def _host_load(source: Any, buffer: np.ndarray, order: Order) -> Callable[[Rows], None]:
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


def _device_load(source: Any, buffer: Any, order: Order) -> Callable[[Rows], None]:
    """For rows that no `GraphLoop` brings: those of an array of row numbers, and those beside data that is streamed."""
    def load(rows: Rows) -> None:
        rows = order.rows(rows)
        if isinstance(rows, slice):
            device.xp.copyto(buffer, source[rows], "unsafe")
        else:
            gather(buffer, source, device.asarray(np.asarray(rows, np.int64)), device.asarray(np.zeros(1, np.int64)))()
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
