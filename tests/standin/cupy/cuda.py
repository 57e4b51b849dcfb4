"""Streams, events, graphs and memory of the stand-in.

Work given to the null stream is done at once. Work given to a non-blocking stream waits until somebody waits for it
(a stream for an event, the host for either), which is as late as a GPU may do it: who forgets to wait sees old values.
Work given to a stream that is capturing is recorded, not done. What CuPy and CUDA refuse during a capture is refused
with the same exceptions.

Memory is counted, and can be limited (`memory.set_limit`). Graphs keep no arrays alive, as in CuPy: launching one after
an array that it uses was freed, or its memory given to another array, raises RuntimeError instead of computing rubbish.
"""

import threading
import time
import weakref
from bisect import bisect_right, insort
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, name, text):
        super().__init__(f"{name}: {text}")
        self.status = status


class OutOfMemoryError(MemoryError):
    def __init__(self, size, total, limit=0):
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


def _unsupported():
    return CUDARuntimeError(
        900, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"
    )


# -- memory -----------------------------------------------------------------------------------------------------------

TOTAL = 4 << 30
_UNIT = 512


class _Device:
    limit = TOTAL
    taken = 0  # bytes that pools hold


class _Block:
    """A piece of a pool. `version` changes whenever its bytes get another owner."""

    def __init__(self, pool, size):
        self.pool, self.size = pool, size
        self.version = 0
        self.used = True


class MemoryPool:
    def __init__(self, allocator=None):
        self._free = {}  # size: blocks
        self._used = 0

    def malloc(self, size):
        size = -(-size // _UNIT) * _UNIT
        free = self._free.get(size)
        if free:
            block = free.pop()
            block.version += 1
        else:
            if _Device.taken + size > _Device.limit:
                self.free_all_blocks()
            if _Device.taken + size > _Device.limit:
                raise OutOfMemoryError(size, self.total_bytes())
            _Device.taken += size
            block = _Block(self, size)
        block.used = True
        self._used += size
        return block

    def _give_back(self, block):
        block.used = False
        self._used -= block.size
        self._free.setdefault(block.size, []).append(block)

    def free_all_blocks(self, stream=None):
        for blocks in self._free.values():
            for block in blocks:
                block.version += 1
                _Device.taken -= block.size
        self._free = {}

    def free_bytes(self):
        return sum(b.size for blocks in self._free.values() for b in blocks)

    def used_bytes(self):
        return self._used

    def total_bytes(self):
        return self._used + self.free_bytes()

    def n_free_blocks(self):
        return sum(map(len, self._free.values()))

    def __del__(self):
        self.free_all_blocks()


_default_pool = MemoryPool()
_local = threading.local()


@contextmanager
def using_allocator(allocator=None):
    before = getattr(_local, "allocator", None)
    _local.allocator = allocator or _default_pool.malloc
    try:
        yield
    finally:
        _local.allocator = before


_bases = []  # addresses of all arrays' memory, sorted
_owners = {}  # address: weak reference to Owner


class Owner:
    """The memory of an array and of its views: gone when none of them is left."""

    def __init__(self, values):
        self.base, self.nbytes, self.memory = values.ctypes.data, values.nbytes, values
        self.block = None
        if self.nbytes:
            self.block = (getattr(_local, "allocator", None) or _default_pool.malloc)(self.nbytes)
            if self.base not in _owners:
                insort(_bases, self.base)
            _owners[self.base] = weakref.ref(self)

    def __del__(self):
        if self.block is None:
            return
        known = _owners.get(self.base)
        if known is not None and known() in (None, self):
            del _owners[self.base]
            at = bisect_right(_bases, self.base) - 1
            if at >= 0 and _bases[at] == self.base:
                del _bases[at]
        self.block.pool._give_back(self.block)


def owner_of(address, nbytes):
    """Whose memory these bytes are; RuntimeError where they are nobody's."""
    at = bisect_right(_bases, address) - 1
    known = _owners.get(_bases[at]) if at >= 0 else None
    owner = known() if known is not None else None
    if owner is None or address + nbytes > owner.base + owner.nbytes:
        raise RuntimeError(f"an illegal memory access was encountered: {nbytes} bytes at {address:#x}")
    return owner


def set_limit(nbytes):
    """How many bytes can be taken from now on, besides those in use; None: as many as the device has."""
    _default_pool.free_all_blocks()
    _Device.limit = TOTAL if nbytes is None else _Device.taken + nbytes


memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError, MemoryPool=MemoryPool, set_limit=set_limit)


def alloc_pinned_memory(size):
    if get_current_stream().is_capturing():
        raise _unsupported()
    return memoryview(bytearray(size))


# -- streams ----------------------------------------------------------------------------------------------------------


class _Capture:
    def __init__(self):
        self.works = []
        self.blocks = {}  # block: whether it was allocated before the capture
        self.invalid = False


def __getattr__(name):
    if name != "nccl":
        raise AttributeError(name)
    from . import nccl

    return nccl


class Stream:
    null = None
    _count = 0

    def __init__(self, null=False, non_blocking=False, ptds=False):
        if ptds:
            raise ValueError("the stand-in has no per-thread streams")
        if not null:
            Stream._count += 1
        self.ptr = 0 if null else 0x1000 + 16 * Stream._count
        self.device_id = -1 if null else 0
        self._late = non_blocking and not null
        self._queue = []
        self._capture = None

    def __enter__(self):
        _stack().append(self)
        return self

    def __exit__(self, *error):
        _stack().pop()

    def __repr__(self):
        return f"<Stream {self.ptr} (device {self.device_id})>"

    def synchronize(self):
        if self._capture:
            self._capture.invalid = True
            raise _unsupported()
        self._catch_up()

    def wait_event(self, event):
        if self._capture and event._stream is not None and event._stream is not self:
            self._capture.invalid = True
            raise CUDARuntimeError(
                905, "cudaErrorStreamCaptureIsolation", "dependency created on uncaptured work in another stream"
            )
        self._give(event.synchronize)

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self._capture:
            raise CUDARuntimeError(1, "cudaErrorInvalidValue", "invalid argument")
        self._capture = _Capture()

    def is_capturing(self):
        if self._capture and self._capture.invalid:
            raise RuntimeError("the stream was capturing, but an error has invalidated the capture sequence")
        return self._capture is not None

    def end_capture(self):
        capture, self._capture = self._capture, None
        if capture is None:
            raise CUDARuntimeError(1, "cudaErrorInvalidValue", "invalid argument")
        if capture.invalid:
            raise CUDARuntimeError(
                901, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"
            )
        return Graph._of(capture)

    def submit(self, work, owners):
        """Do the work when its time comes. `owners` are the memory that it uses."""
        if self._capture:
            self.is_capturing()
            self._capture.works.append(work)
            self._capture.blocks.update((o.block, None) for o in owners if o is not None and o.block is not None)
        else:
            self._give(work)

    @property
    def defers(self):
        """Whether work is not done at once."""
        return self._late or self._capture is not None

    def _give(self, work):
        if self._late:
            self._queue.append(work)
        else:
            with np.errstate(all="ignore"):
                work()

    def _catch_up(self, until=None):
        while self._queue and (until is None or until in self._queue):
            work = self._queue.pop(0)
            with np.errstate(all="ignore"):
                work()

    def __del__(self):
        self._catch_up()


class Event:
    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.ptr = id(self)
        self._stream = self._mark = self._captured = None
        self._timed = not disable_timing

    def record(self, stream=None):
        stream = stream or get_current_stream()
        self._time = time.perf_counter()
        self._stream, self._mark = stream, lambda: None
        self._captured = stream._capture
        if stream._late and not stream._capture:
            stream._queue.append(self._mark)

    def synchronize(self):
        if self._stream is not None:
            self._refuse_captured()
            self._stream._catch_up(self._mark)

    @property
    def done(self):
        if self._stream is None:
            return True
        self._refuse_captured()
        return self._mark not in self._stream._queue

    def _refuse_captured(self):
        if self._captured is not None and self._stream._capture is self._captured:
            self._captured.invalid = True
            raise CUDARuntimeError(907, "cudaErrorCapturedEvent", "operation not permitted on an event last recorded "
                                   "in a capturing stream")


def get_elapsed_time(begin, end):
    """Milliseconds between two events."""
    if not (begin._timed and end._timed and begin.done and end.done):
        raise CUDARuntimeError(400, "cudaErrorInvalidResourceHandle", "invalid resource handle")
    return (end._time - begin._time) * 1e3


class Graph:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("a graph is made by capturing a stream")

    @classmethod
    def _of(cls, capture):
        graph = cls.__new__(cls)
        graph._works = capture.works
        graph.graph = 0  # as CuPy 13 leaves it
        graph._versions = {block: block.version for block in capture.blocks}
        graph._loose = {block for block in capture.blocks if not block.used}  # temporary: nobody else may get them
        return graph

    def launch(self, stream=None):
        stream = stream or get_current_stream()
        for block, version in self._versions.items():
            if block.version != version or not (block.used or block in self._loose):
                raise RuntimeError("an illegal memory access was encountered: a graph uses memory that was freed")
        stream.submit(self._run, [])

    def _run(self):
        for work in self._works:
            work()


Stream.null = Stream(null=True)


def _stack():
    if not hasattr(_local, "streams"):
        _local.streams = [Stream.null]
    return _local.streams


def get_current_stream(device_id=-1):
    return _stack()[-1]


def stream_at(pointer):
    """The current stream, which must be the one at this address."""
    stream = get_current_stream()
    if stream.ptr != (pointer or 0):
        raise RuntimeError(f"work for stream {pointer} while {stream} is current")
    return stream


traffic = {"to_host": 0, "to_device": 0}  # bytes that have gone either way


def host_reads(nbytes=1):
    """The host looks at values: waits for the current stream, which no capture allows."""
    traffic["to_host"] += nbytes
    stream = get_current_stream()
    if stream.is_capturing():
        raise RuntimeError("the current stream is capturing, so D2H transfers are disallowed")
    stream._catch_up()


def host_writes(stream=None, nbytes=0):
    """The host sends values."""
    traffic["to_device"] += nbytes
    if (stream or get_current_stream()).is_capturing():
        raise RuntimeError("the current stream is capturing, so H2D transfers are disallowed")


def library(name):
    """A call of a library through CuPy's own bindings."""
    if get_current_stream().is_capturing():
        raise NotImplementedError(f"calling {name} API during stream capture is currently unsupported")


def thrust():
    """A call that synchronises inside."""
    stream = get_current_stream()
    if stream.is_capturing():
        stream.synchronize()


class Device:
    id = 0
    compute_capability = "80"

    def __init__(self, device=None):
        pass

    def synchronize(self):
        get_current_stream().synchronize()


nvrtc = SimpleNamespace(getVersion=lambda: (12, 6))
device = SimpleNamespace(get_cublas_handle=lambda: 1, Device=Device)
runtime = SimpleNamespace(
    getDevice=lambda: 0,
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"Stand-in"},
    memGetInfo=lambda: (max(_Device.limit - _Device.taken, 0), _Device.limit),
    driverGetVersion=lambda: 12040,
    runtimeGetVersion=lambda: 12060,
)
