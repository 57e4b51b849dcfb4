"""A stand-in for CuPy, so that the whole suite can run with the CuPy backend on a machine without a GPU.

It offers what gpukeras calls of CuPy, no more, on NumPy's memory, and is as strict: an array is no NumPy array and
does not become one unasked, functions and kernels take no NumPy arrays, out= must have shape and dtype, keyword
arguments that CuPy lacks are unknown here too. Kernels of generated text are run from their text (see expressions), raw
kernels by the kernel tests' harness; cuda.py has streams, graphs and memory.
"""

from types import SimpleNamespace

import numpy as np

try:
    from ml_dtypes import bfloat16
except ImportError:  # then CuPy does without it too
    bfloat16 = None

from . import cuda
from .kernels import ElementwiseKernel, RawModule

__version__ = "0.0-standin"
__all__ = ["ElementwiseKernel", "RawModule", "cuda"]


class ndarray:
    """An array "of the device". Views share their owner, which knows when the memory is free."""

    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, values, owner=None):
        assert type(values) is np.ndarray, type(values)
        self._values = values
        self._owner = owner or cuda.Owner(values)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    dtype = property(lambda self: self._values.dtype)
    shape = property(lambda self: self._values.shape)
    size = property(lambda self: self._values.size)
    ndim = property(lambda self: self._values.ndim)
    nbytes = property(lambda self: self._values.nbytes)
    itemsize = property(lambda self: self._values.itemsize)
    strides = property(lambda self: self._values.strides)
    flags = property(lambda self: self._values.flags)
    T = property(lambda self: self.transpose())
    data = property(lambda self: SimpleNamespace(ptr=self._values.ctypes.data))
    __cuda_array_interface__ = property(lambda self: {
        "shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "strides": self.strides,
        "version": 3, "stream": 1})

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._values.__dlpack__()

    def __dlpack_device__(self):
        return (2, 0)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, index):
        parts = index if isinstance(index, tuple) else (index,)
        arrays = [i for i in parts if isinstance(i, (ndarray, np.ndarray, list))]
        if not arrays:
            return ndarray(np.asarray(self._values[index]), self._owner)
        if bool in [i.dtype for i in arrays if isinstance(i, ndarray)]:
            cuda.host_reads()  # how many hold decides the shape
        return _compute(lambda x, *chosen: x[_merge(parts, chosen)], self, *map(_chosen, arrays))

    def __setitem__(self, index, value):
        parts = index if isinstance(index, tuple) else (index,)
        arrays = [i for i in parts if isinstance(i, (ndarray, np.ndarray, list))]

        def assign(target, new, *chosen):
            target[_merge(parts, chosen)] = new

        _change(assign, self, value, *map(_chosen, arrays))

    def _item(self):
        cuda.host_reads(self.nbytes)
        return self._values

    def __bool__(self):
        return bool(self._item())

    def __int__(self):
        return int(self._item())

    def __float__(self):
        return float(self._item())

    def item(self):
        return self._item().item()

    def get(self):
        cuda.host_reads(self.nbytes)
        return self._values.copy()

    def set(self, arr, stream=None):
        if type(arr) is not np.ndarray:
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.c_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        cuda.host_writes(stream, arr.nbytes)
        values = self._values
        (stream or cuda.get_current_stream()).submit(lambda: np.copyto(values, arr), [self._owner])

    def fill(self, value):
        _change(lambda x, v: x.fill(v), self, value)

    def reshape(self, *shape):
        view = self._values.reshape(*shape)
        if np.may_share_memory(view, self._values) or not self.size:
            return ndarray(view, self._owner)
        return _compute(lambda x: x.reshape(*shape), self)

    def transpose(self, *axes):
        return ndarray(self._values.transpose(*axes), self._owner)

    def swapaxes(self, axis1, axis2):
        return ndarray(self._values.swapaxes(axis1, axis2), self._owner)

    def squeeze(self, axis=None):
        return ndarray(self._values.squeeze(axis), self._owner)

    def view(self, dtype):
        return ndarray(self._values.view(dtype), self._owner)

    def astype(self, dtype, *, copy=True):  # CuPy has the memory's order in second place
        if not copy and self.dtype == dtype:
            return self
        return _compute(lambda x: x.astype(dtype), self)

    def copy(self):
        return _compute(lambda x: x.copy("C"), self)

    def min(self, axis=None, out=None, keepdims=False):
        return min(self, axis, out, keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        return max(self, axis, out, keepdims)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        return sum(self, axis, dtype, out, keepdims)

    def any(self, axis=None, out=None, keepdims=False):
        return any(self, axis, out, keepdims)

    def all(self, axis=None, out=None, keepdims=False):
        return all(self, axis, out, keepdims)

    def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
        return _compute(lambda x: x.argmax(axis), self, out=out)

    def argmin(self, axis=None, out=None, dtype=None, keepdims=False):
        return _compute(lambda x: x.argmin(axis), self, out=out)


def _only(value):
    """The values of a device array, or a number; CuPy refuses NumPy arrays beside its own."""
    if isinstance(value, ndarray):
        return value._values
    if isinstance(value, (bool, int, float, np.generic)):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _chosen(index):
    if isinstance(index, (np.ndarray, list)):
        raise TypeError("arrays used as indices must be CuPy arrays")
    return index


def _merge(parts, chosen):
    """The index with the values of its arrays in their places."""
    values = iter(chosen)
    return tuple([next(values) if isinstance(part, ndarray) else part for part in parts])


def _compute(function, *inputs, out=None, casting="same_kind"):
    """function(*values), now or when the current stream comes to it, in a new array or in `out`."""
    values = [_only(x) for x in inputs]
    owners = [x._owner for x in inputs if isinstance(x, ndarray)]
    stream = cuda.get_current_stream()
    if out is not None and not isinstance(out, ndarray):
        raise TypeError(f"Output arguments type must be cupy.ndarray, not {type(out)}")
    with np.errstate(all="ignore"):
        result = np.asarray(function(*values))  # even where it is too early: the shape is known then
    if out is None:
        if not stream.defers:
            return ndarray(result)
        target = np.empty(result.shape, result.dtype)
        out = ndarray(target)
        _spoil(target)
        casting = "unsafe"
    elif out.shape != result.shape:
        raise ValueError(f"out has shape {out.shape}, the result {result.shape}")
    elif not np.can_cast(result.dtype, out.dtype, casting):
        raise TypeError(f"the result, {result.dtype}, can't go to {out.dtype}")
    elif not stream.defers:
        with np.errstate(all="ignore"):
            np.copyto(out._values, result, casting)
        return out
    target = out._values
    stream.submit(lambda: np.copyto(target, function(*values), casting), [*owners, out._owner])
    return out


def _change(function, target, *inputs):
    """function(values of target, *values), which changes the target."""
    values = [_only(x) for x in (target, *inputs)]
    owners = [x._owner for x in (target, *inputs) if isinstance(x, ndarray)]
    cuda.get_current_stream().submit(lambda: function(*values), owners)


def _spoil(values):
    """NaN, or absurd numbers: nobody may rely on what is there."""
    values.reshape(-1).view(np.uint8).fill(0xFF)


def _operator(name):
    def method(self, other):
        return _compute(lambda a, b: getattr(a, name)(b), self, other)

    return method


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "mod", "pow", "lt", "le",
              "gt", "ge", "eq", "ne", "and", "or"):  # fmt: skip
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _inplace(name):
    def method(self, other):
        _change(lambda a, b: getattr(a, name)(b), self, other)
        return self

    return method


for _name in ("iadd", "isub", "imul", "itruediv"):
    setattr(ndarray, f"__{_name}__", _inplace(f"__{_name}__"))


class ufunc:
    """A NumPy ufunc on device arrays."""

    def __init__(self, function):
        self._function = function
        self.name = f"cupy_{function.__name__}"
        self.types = [*function.types, *(["E" * function.nin + "->E"] if bfloat16 else [])]

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        inputs, rest = args[: self._function.nin], args[self._function.nin :]
        if len(inputs) < self._function.nin or len(rest) > 1 or rest and out is not None:
            raise TypeError(f"wrong number of arguments for {self.name}")
        out = rest[0] if rest else out
        if out is None:
            return _compute(self._function, *inputs)
        if not isinstance(out, ndarray):
            raise TypeError(f"Output arguments type must be cupy.ndarray, not {type(out)}")
        _change(lambda target, *values: self._function(*values, out=target, casting=casting), out, *inputs)
        return out


def __getattr__(name):
    function = getattr(np, name, None)
    if isinstance(function, np.ufunc):
        return ufunc(function)
    raise AttributeError(f"the stand-in for CuPy has no {name!r}")


def empty(shape, dtype=float):
    values = np.empty(shape, dtype)
    array = ndarray(values)
    _spoil(values)
    return array


def zeros(shape, dtype=float):
    return full(shape, 0, dtype)


def ones(shape, dtype=float):
    return full(shape, 1, dtype)


def full(shape, fill_value, dtype=None):
    array = empty(shape, np.result_type(fill_value) if dtype is None else dtype)
    array.fill(fill_value)
    return array


def full_like(a, fill_value, dtype=None):
    return full(a.shape, fill_value, dtype or a.dtype)


def arange(start, stop=None, step=1, dtype=None):
    return _compute(lambda: np.arange(*((0, start) if stop is None else (start, stop)), step, dtype=dtype))


def array(obj, dtype=None, copy=True, order="K"):
    obj = _shared(obj)
    if isinstance(obj, ndarray):
        return _compute(lambda x: np.array(x, dtype, order=order), obj)
    if isinstance(obj, (list, tuple)) and ndarray in map(type, obj):
        raise TypeError("the stand-in makes no array of a list of arrays")
    values = np.array(obj, dtype, order=order)
    cuda.host_writes(None, values.nbytes)
    return ndarray(values)


def _shared(obj):
    """Memory of the device that another library owns, through the CUDA array interface; anything else as it is."""
    if isinstance(obj, ndarray) or not hasattr(obj, "__cuda_array_interface__"):
        return obj
    there = obj.__cuda_array_interface__
    assert there["version"] >= 2 and not there.get("mask")
    interface = {**{k: there[k] for k in ("shape", "typestr", "data")}, "strides": there.get("strides"), "version": 3}
    return ndarray(np.asarray(SimpleNamespace(__array_interface__=interface, kept=obj)))


def from_dlpack(array):
    """Memory of the device that another library owns."""
    kind, number = array.__dlpack_device__()
    if (kind, number) != (2, 0):
        raise ValueError(f"from_dlpack of device {kind}, {number}")
    return ndarray(np.from_dlpack(_InTruth(array)))


class _InTruth:
    """What lies on the stand-in's device is host memory in truth, and NumPy is told so."""

    def __init__(self, obj):
        self._obj = obj

    def __dlpack_device__(self):
        return (1, 0)

    def __dlpack__(self, **kwargs):
        return self._obj.__dlpack__(stream=1)


def asarray(a, dtype=None):
    a = _shared(a)
    return a if isinstance(a, ndarray) and dtype in (None, a.dtype) else array(a, dtype)


def ascontiguousarray(a, dtype=None):
    if isinstance(a, ndarray) and a.flags.c_contiguous and dtype in (None, a.dtype):
        return a
    return array(a, dtype) if not isinstance(a, ndarray) else _compute(lambda x: np.array(x, dtype, order="C"), a)


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def copyto(dst, src, casting="same_kind", where=None):
    if not isinstance(dst, ndarray):
        raise TypeError(f"dst must be a CuPy array, not {type(dst)}")
    if isinstance(src, ndarray):
        if not np.can_cast(src.dtype, dst.dtype, casting):
            raise TypeError(f"Cannot cast {src.dtype} to {dst.dtype} in {casting} casting mode")
        np.broadcast_to(src._values, dst.shape)
    rest = () if where is None else (where,)
    _change(lambda d, s, *w: np.copyto(d, s, casting, **({"where": w[0]} if w else {})), dst, src, *rest)


def _blas(*arrays):
    if {a.dtype.kind for a in arrays} & {"f", "c"}:
        cuda.library("cuBLAS")


def dot(a, b, out=None):
    _only(a), _only(b)
    _blas(a, b)
    if out is not None and not out._values.flags.c_contiguous:
        raise ValueError("Output array must be C-contiguous")
    if out is not None and out.dtype != np.result_type(a.dtype, b.dtype):
        raise ValueError("Output array has an incorrect dtype")
    return _compute(np.dot, a, b, out=out)


def matmul(a, b, *, out=None):  # of the versions that gpukeras takes, CuPy 14 has `out` by name only
    _only(a), _only(b)
    _blas(a, b)
    return _compute(np.matmul, a, b, out=out)


def take(a, indices, axis=None, out=None):
    return _compute(lambda x, i: np.take(x, i, axis, mode="wrap"), a, indices, out=out)  # CuPy does not look, it wraps


def put(a, ind, v, mode="wrap"):
    if not a._values.flags.c_contiguous:
        raise ValueError("put of an array with gaps would go to a copy")
    _change(lambda x, i, new: np.put(x, i, new, mode), a, ind, v)


def _reduced(function, a, out):
    """Nobody may ask for `out`: of CuPy 13.6 and 14.2 `min` gives it to CUB as the dtype, a TypeError, and where the
    array lies in Fortran's order the others change the strides of `out`."""
    if out is not None:
        raise TypeError("a reduction with `out`")
    return _compute(function, a)


def sum(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced(lambda x: np.sum(x, axis, dtype, keepdims=keepdims), a, out)


def prod(a, axis=None, dtype=None, out=None, keepdims=False):
    return _reduced(lambda x: np.prod(x, axis, dtype, keepdims=keepdims), a, out)


def max(a, axis=None, out=None, keepdims=False):
    return _reduced(lambda x: np.max(x, axis, keepdims=keepdims), a, out)


def min(a, axis=None, out=None, keepdims=False):
    return _reduced(lambda x: np.min(x, axis, keepdims=keepdims), a, out)


def any(a, axis=None, out=None, keepdims=False):
    return _reduced(lambda x: np.any(x, axis, keepdims=keepdims), a, out)


def all(a, axis=None, out=None, keepdims=False):
    return _reduced(lambda x: np.all(x, axis, keepdims=keepdims), a, out)


def cumsum(a, axis=None, dtype=None, out=None):
    return _compute(lambda x: np.cumsum(x, axis), a, out=out)


def cumprod(a, axis=None, dtype=None, out=None):
    return _compute(lambda x: np.cumprod(x, axis), a, out=out)


def argsort(a, axis=-1, kind=None):
    cuda.thrust()
    return _compute(lambda x: np.argsort(x, axis, kind), a)


def flatnonzero(a):
    cuda.host_reads()  # how many there are decides the shape
    return _compute(np.flatnonzero, a)


def concatenate(tup, axis=0, out=None):
    return _compute(lambda *parts: np.concatenate(parts, axis), *tup, out=out)


def expand_dims(a, axis):
    return ndarray(np.expand_dims(_only(a), axis), a._owner)


def moveaxis(a, source, destination):
    return ndarray(np.moveaxis(_only(a), source, destination), a._owner)


def broadcast_to(array, shape):
    return ndarray(np.broadcast_to(_only(array), shape), array._owner)


def _as_strided(x, shape=None, strides=None):
    return ndarray(np.lib.stride_tricks.as_strided(_only(x), shape, strides), x._owner)


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


class _Generator:
    def __init__(self, bits):
        self._generator = np.random.Generator(np.random.SFC64(bits.seed))

    def random(self, size=None, dtype=np.float64, out=None):
        cuda.library("cuRAND")
        values = self._generator.random(out.shape if size is None and out is not None else size, dtype)
        return _compute(lambda: values, out=out)

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        cuda.library("cuRAND")
        values = self._generator.standard_normal(out.shape if size is None and out is not None else size, dtype)
        return _compute(lambda: values, out=out)


random = SimpleNamespace(Generator=_Generator, Philox4x3210=lambda seed: SimpleNamespace(seed=seed))


def get_default_memory_pool():
    return cuda._default_pool
