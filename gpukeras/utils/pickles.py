"""Pickles that may come from anywhere: NumPy arrays, numbers and strings in lists, tuples and dicts, and nothing else.

A pickle is a program: opened by `pickle.load` it may call any function there is. Data sets come as pickles all the
same (CIFAR; lists inside an .npz). Here nothing that a file names is ever looked up. The few names that make up an
array stand for functions of this module, which check what they are given and never call NumPy's own `__setstate__`.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6}|O8?)")
_LEAVES = frozenset({int, float, complex, bool, str, bytes, bytearray, type(None)})
_DEEPEST = 100  # containers in containers


class UnsafePickle(ValueError):
    """The pickle asks for more than plain data; the message names what. Nothing of it was run."""


def load_arrays(path: str | os.PathLike[str], encoding: str = "latin1") -> Any:
    """What the pickle file at `path` holds: arrays, numbers and strings in lists, tuples and dicts.

    `encoding` is how strings written by Python 2 are read; 'bytes' leaves them bytes. Raises UnsafePickle (a
    ValueError) naming whatever else the file asks for, and ValueError for a damaged file.
    """
    with open(path, "rb") as file:
        return parse_arrays(file.read(), encoding, os.fspath(path))


def parse_arrays(content: bytes, encoding: str = "latin1", source: str = "the pickle") -> Any:
    """`load_arrays` for a pickle in memory; `source` is what errors call it.

    >>> parse_arrays(pickle.dumps({'x': np.arange(3), 'names': ['a', 'b']}))
    {'x': array([0, 1, 2]), 'names': ['a', 'b']}
    >>> parse_arrays(pickle.dumps(print))
    Traceback (most recent call last):
    gpukeras.utils.pickles.UnsafePickle: the pickle asks for builtins.print, which is no plain data: not opened.
    """
    try:
        _check_sizes(content)
        stored = _Unpickler(io.BytesIO(content), encoding=encoding).load()
        return _Finisher().finish(stored)
    except UnsafePickle as error:
        raise UnsafePickle(f"{source} {error}") from None
    except Exception as error:  # a damaged pickle fails in any way
        raise ValueError(f"{source} is no whole pickle of plain data: {error or type(error).__name__}.") from error


def _opcodes() -> tuple[re.Pattern[bytes], dict[int, pickletools.OpcodeInfo]]:
    """A pattern of many short instructions in a row, and those to be looked at one by one."""
    single: dict[int, pickletools.OpcodeInfo] = {}
    by_size: dict[int, list[bytes]] = {}
    for op in pickletools.opcodes:
        size = 0 if op.arg is None else op.arg.n
        if size < 0 or op.name in ("LONG_BINPUT", "BINPUT", "STOP"):
            single[ord(op.code)] = op
        else:
            by_size.setdefault(size, []).append(re.escape(op.code.encode("latin1")))
    runs = (b"[%s].{%d}" % (b"".join(codes), size) for size, codes in by_size.items())
    return re.compile(b"(?:%s){1,5000}" % b"|".join(runs), re.DOTALL), single


_RUN, _SINGLE = _opcodes()
_LENGTH_BYTES = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4,
                 pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8}


def _check_sizes(content: bytes) -> None:
    """ValueError for a pickle that claims more than it holds: the standard library makes room for what an instruction
    asks for, a string of 2^60 bytes or a memo of 2^32 places, before it looks whether that can be."""
    at, end = 0, len(content)
    while at < end:
        run = _RUN.match(content, at)
        if run:
            at = run.end()
            continue
        op = _SINGLE.get(content[at])
        if op is None:
            raise ValueError(f"there is no instruction {content[at:at + 1]!r}, or it is cut off")
        if op.arg is None:  # STOP
            return
        at += 1
        if op.arg.n in _LENGTH_BYTES:
            size = _LENGTH_BYTES[op.arg.n]
            length = int.from_bytes(content[at:at + size], "little")
            at += size + length
        elif op.arg.n == pickletools.UP_TO_NEWLINE:
            for _ in range(2 if op.name in ("GLOBAL", "INST") else 1):
                line, at = at, content.find(b"\n", at) + 1
                if not at:
                    raise ValueError("a line is cut off")
            if op.name == "PUT" and int(content[line:at]) > end:
                raise ValueError("the memo would be larger than the pickle")
        else:  # BINPUT, LONG_BINPUT
            if int.from_bytes(content[at:at + op.arg.n], "little") > end:
                raise ValueError("the memo would be larger than the pickle")
            at += op.arg.n
        if at > end:
            raise ValueError("it is cut off")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for one of the names that make up an array."""
        old = {"__builtin__": "builtins"}.get(module, module.replace("numpy._core.", "numpy.core."))
        known = _NAMES.get((old, name))
        if known is None:
            raise UnsafePickle(f"asks for {module}.{name}, which is no plain data: not opened.")
        return _Name(f"{module}.{name}", known)


class _Name:
    """What a pickle gets for a name: it can be called, and nothing else."""

    __slots__ = ("name", "make")

    def __init__(self, name: str, make: Callable[..., Any]) -> None:
        self.name = name
        self.make = make

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)

    def __setstate__(self, state: Any) -> NoReturn:
        raise UnsafePickle(f"changes {self.name}: not opened.")


class _DType:
    """The dtype of an array still to be made."""

    __slots__ = ("dtype",)

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        text = _text(code)
        if not _CODE.fullmatch(text):
            raise UnsafePickle(f"holds an array of dtype {text!r}; numbers, strings and lists are all it may.")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        """Takes the byte order of (version, order, parts of a compound dtype, ...)."""
        if any(part is not None for part in state[2:5]):
            raise UnsafePickle("holds an array of a compound dtype; numbers, strings and lists are all it may.")
        order = _text(state[1])
        if order not in "<>|=":
            raise ValueError(f"a dtype has the byte order {order!r}")
        self.dtype = np.dtype(order + self.dtype.str[1:])


class _Array:
    """An array still to be made: its state, as the pickle has it."""

    __slots__ = ("state",)

    def __init__(self, kind: Any, shape: Any = (0,), code: Any = b"b") -> None:
        if not isinstance(kind, _Name) or kind.make is not _not_called:
            raise UnsafePickle("makes an array of a class of its own: not opened.")
        self.state: tuple[Any, _DType, bool, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        """(version, shape, dtype, whether Fortran's order, bytes or list)."""
        shape, dtype, fortran, data = state[-4:]
        self.state = (shape, _checked(dtype), bool(fortran), data)


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _checked(dtype: Any) -> _DType:
    if not isinstance(dtype, _DType):
        raise ValueError("an array lacks its dtype")
    return dtype


def _not_called(*args: Any) -> NoReturn:
    raise UnsafePickle("makes an array by numpy.ndarray itself: not opened.")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """An array as pickle's protocol 5 writes it."""
    array = _Array(_Name("numpy.ndarray", _not_called))
    array.state = (shape, _checked(dtype), order == "F", data)
    return array


def _scalar(dtype: Any, data: Any) -> Any:
    return _filled((), _checked(dtype).dtype, False, data)[()]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes as Python 3 writes them in old protocols."""
    if encoding != "latin1":
        raise ValueError(f"bytes are written in the encoding {encoding!r}")
    return text.encode("latin1")


def _empty(*args: Any) -> bytes:
    """Empty bytes as Python 3 writes them in old protocols."""
    if args:
        raise UnsafePickle("makes bytes by calling builtins.bytes: not opened.")
    return b""


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _not_called,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _empty,
    ("builtins", "complex"): complex,
}


def _filled(shape: Any, dtype: np.dtype[Any], fortran: bool, data: Any) -> np.ndarray:
    """An array of the values in `data`, bytes or, for dtype object, a list."""
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array has the shape {shape!r}")
    count = math.prod(shape)
    order: Any = "F" if fortran else "C"
    if dtype.hasobject:
        if not isinstance(data, list) or len(data) != count:
            raise ValueError(f"an array of shape {shape} lacks its {count} values")
        objects = np.empty(count, object)
        for place, value in enumerate(data):  # not at once: NumPy would take lists of one length for an axis
            objects[place] = value
        return objects.reshape(shape, order=order)
    raw = data.encode("latin1") if isinstance(data, str) else bytes(data)
    if len(raw) != count * dtype.itemsize:
        raise ValueError(f"an array of shape {shape} and dtype {dtype} has {len(raw)} bytes")
    return np.frombuffer(raw, dtype, count).reshape(shape, order=order).copy(order)


class _Finisher:
    """Makes the arrays, and refuses what is neither an array nor a plain container of plain values."""

    def __init__(self) -> None:
        self._done: dict[int, Any] = {}
        self._under_way: set[int] = set()

    def finish(self, x: Any) -> Any:
        """`x` with real arrays. What stands in it twice is made once."""
        kind = type(x)
        if kind in _LEAVES or issubclass(kind, np.generic):
            return x
        if id(x) not in self._done:
            if id(x) in self._under_way or len(self._under_way) >= _DEEPEST:
                raise UnsafePickle(f"has containers within themselves, or more than {_DEEPEST} deep: not opened.")
            self._under_way.add(id(x))
            self._done[id(x)] = self._made(x)
            self._under_way.remove(id(x))
        return self._done[id(x)]

    def _made(self, x: Any) -> Any:
        if isinstance(x, dict):
            return {self.finish(key): self.finish(value) for key, value in x.items()}
        if isinstance(x, (list, tuple)):
            if set(map(type, x)) <= _LEAVES:  # long lists of numbers, at the speed of C
                return x
            return type(x)(map(self.finish, x))
        if isinstance(x, _Array) and x.state is not None:
            shape, dtype, fortran, data = x.state
            if dtype.dtype.hasobject and isinstance(data, list):
                data = list(map(self.finish, data))
            return _filled(shape, dtype.dtype, fortran, data)
        raise UnsafePickle(f"holds a {type(x).__name__.strip('_')}, which is no plain data: not opened.")
