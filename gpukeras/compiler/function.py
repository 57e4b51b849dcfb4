"""Function: outputs and updates of a graph, compiled once for each tuple of input shapes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import device
from ..graph import Spec, Tensor, Variable
from .again import Again
from .interpret import Interpreter
from .program import Memory, Program

MOST_PROGRAMS = 32  # per function; more input shapes than these push the oldest out

_debugging: list[bool] = []


@contextmanager
def debugging(check_numbers: bool = True) -> Iterator[None]:
    """Inside, functions are interpreted op by op, and the op that first makes a NaN or infinity is named.

    >>> from gpukeras import backend as K
    >>> x = K.placeholder((2,))
    >>> with debugging():
    ...     K.function([x], [K.log(x)])([[1., 0.]])
    Traceback (most recent call last):
    FloatingPointError: NaN or infinity first appears in log(float32[2]) -> float32[2]
    """
    _debugging.append(check_numbers)
    try:
        yield
    finally:
        _debugging.pop()


def is_debugging() -> bool:
    """Whether functions are interpreted now."""
    return bool(_debugging)


class Function:
    """A callable that takes host arrays for `inputs` and returns host arrays for `outputs`; after that it has given
    each variable of `updates` its new value. All values, outputs and new values alike, are computed from the
    variables as they were before the call.

    Inputs are placeholders, or any tensors: these are then fed in place of being computed. Safe to call from several
    threads.

    >>> from gpukeras import backend as K
    >>> x, n = K.placeholder((None, 2)), K.variable(0.)
    >>> f = Function([x], [K.sum(x)], [(n, n + 1)])
    >>> [float(v) for v in f([[[1., 2.], [3., 4.]]])], float(K.get_value(n))
    ([10.0], 1.0)
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor],
                 updates: Sequence[tuple[Variable, Tensor]] | None = None, name: str | None = None):
        name = name or "function"
        for t in inputs:
            if isinstance(t, Variable):
                raise ValueError(f"{name}: the variable '{t.name}' can't be an input; give it a value with K.set_value")
        self.name = name
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.updates = list(updates or ())
        for variable, _ in self.updates:
            variable.will_be_updated()
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._known: dict[Any, Again | None] = {}  # by shape and dtype of an array; only of `_programs`
        self._memory = Memory()
        self._flight: device.Flight | None = None
        self.lock = threading.RLock()

    def __call__(self, inputs: Sequence[Any], on_device: bool = False) -> list[Any]:
        """The outputs for these inputs, as NumPy's arrays and numbers of the caller's own, or with `on_device` as
        arrays of the device. Inputs may be arrays of any library that knows DLPack or the CUDA array interface; what is
        on the GPU in use doesn't leave it."""
        with self.lock:
            found = self.run(inputs)
            if on_device:
                return [device.new_array(a, a.dtype.name) for a in found]
            return [device.own_value(a) for a in found]

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """The same outputs, as arrays of the device in which the next run puts its own."""
        arrays = self._arrays(inputs)
        with self.lock, np.errstate(all="ignore"):
            if _debugging:
                feeds = self._feeds([None if a is None else a.shape for a in arrays], arrays)
                found = Interpreter(self.inputs, self.outputs, self.updates, feeds, _debugging[-1]).run(arrays)
                return [device.asarray(a) for a in found]
            program = self._run(arrays)
            program.check()
            return program.outputs

    def again(self, x: np.ndarray) -> Any:
        """What `__call__` would give for this array (an output, or a list of several), if such a call was `remember`ed
        and all that it depends on is as it was; else None."""
        with self.lock:
            known = self._known.get((x.shape, x.dtype))
            if known is None or known.layout != Variable.layout or _debugging:
                return None
            return known(x)

    def remember(self, inputs: Sequence[Any]) -> None:
        """Lets `again` make this call, of an array and learning phases, with other arrays of its shape and dtype."""
        x = inputs[0]
        with self.lock:
            if (x.shape, x.dtype) not in self._known and not _debugging:
                arrays = [_array(a) for a in inputs]
                self._known[x.shape, x.dtype] = Again.made(self.program([a.shape for a in arrays], arrays), arrays)

    def launch(self, inputs: Sequence[Any]) -> None:
        """A call for the sake of its updates: no value is read, so a GPU may be a step behind. `check` then says what
        a call would have raised."""
        arrays = self._arrays(inputs)
        with self.lock, np.errstate(all="ignore"):
            self._run(arrays)
            self._flight = self._flight or device.Flight()
            self._flight.launched()

    def check(self) -> None:
        """Raises IndexError if labels or indices were out of range in a call that was only launched."""
        for program in self._programs.values():
            program.check()

    def _arrays(self, inputs: Sequence[Any]) -> list[Any]:
        if not isinstance(inputs, (list, tuple)):
            raise TypeError(f"{self.name} takes its inputs in a list, one for each of {len(self.inputs)}; got "
                            f"{type(inputs).__name__}. Write f([x])")
        if len(inputs) != len(self.inputs):
            raise ValueError(f"{self.name} takes {len(self.inputs)} inputs, got {len(inputs)}")
        return [_array(x) for x in inputs]

    def _run(self, arrays: Sequence[Any]) -> Program:
        program = self.program([None if a is None else a.shape for a in arrays], arrays)
        for buffer, a in zip(program.inputs, arrays):
            if buffer is not None:
                device.upload(buffer, a)
        program.run()
        return program

    def program(self, shapes: Sequence[tuple[int, ...] | None], values: Sequence[Any] = ()) -> Program:
        """The program for these input shapes (None: nothing is fed, the placeholder's default is meant). Learning
        phases and constants are part of the program, so `values` must hold theirs."""
        phases = tuple(tuple(np.asarray(v).tolist()) if _is_constant(p) else bool(v)
                       for p, v in zip(self.inputs, values) if _is_phase(p) or _is_constant(p) and v is not None)
        key = (*shapes, *phases, device.precision())
        program = self._programs.get(key)
        if program is None or program.layout != Variable.layout:
            self._known.clear()
            program = self._programs[key] = self._compile(self._feeds(shapes, values), shapes)
            if len(self._programs) > MOST_PROGRAMS:
                self._programs.popitem(last=False)
        elif len(self._programs) > 1:
            self._programs.move_to_end(key)
        return program

    def _compile(self, feeds: dict[Tensor, Spec], shapes: Sequence[Any]) -> Program:
        try:
            return Program(self.inputs, self.outputs, self.updates, feeds, self._memory)
        except device.OUT_OF_MEMORY as error:
            problem = str(error)
        self.release()
        batch = next((s[0] for s in shapes if s), None)
        what = f"a batch of {batch} does not fit into memory" if batch else "there is not enough memory"
        hint = "" if "batch_size" in problem else ". A smaller batch_size needs less"
        raise MemoryError(f"{self.name}: {what}: {problem}{hint}")

    def release(self) -> None:
        """Gives back the memory of all programs; the next call makes them anew."""
        self._known.clear()
        self._programs.clear()
        self._memory = Memory()
        device.free_unused()

    def _feeds(self, shapes: Sequence[tuple[int, ...] | None], values: Sequence[Any]) -> dict[Tensor, Spec]:
        feeds: dict[Tensor, Spec] = {}
        for i, (p, shape) in enumerate(zip(self.inputs, shapes)):
            if shape is None:
                if getattr(p, "default", None) is None:
                    raise ValueError(f"{self.name}: nothing is fed for {p!r}")
                continue
            fits = len(shape) == len(p.shape) and all(d in (None, s) for d, s in zip(p.shape, shape))
            if not fits:
                raise ValueError(f"{self.name}: input {i} ('{p.name}') expects shape {p.shape}, got {tuple(shape)}")
            value = np.asarray(int(bool(values[i])), p.dtype) if _is_phase(p) else None
            value = np.asarray(values[i], p.dtype) if _is_constant(p) else value
            feeds[p] = Spec(tuple(shape), p.dtype, value)
        return feeds


def _array(x: Any) -> Any:
    if hasattr(x, "toarray"):  # a sparse matrix of SciPy
        return x.toarray()
    x = device.adopt(x)
    return x if x is None or hasattr(x, "shape") and hasattr(x, "dtype") else np.asarray(x)


def _is_constant(p: Tensor) -> bool:
    return getattr(p, "is_constant", False)


def _is_phase(p: Tensor) -> bool:
    return getattr(p, "is_learning_phase", False)
