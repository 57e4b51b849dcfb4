"""A stand-in for CuPy, so that the whole suite can run with the CuPy backend on a machine without a GPU.

It offers what gpukeras calls of CuPy, no more, on NumPy's memory, and is as strict: an array is no NumPy array and
does not become one unasked, functions and kernels take no NumPy arrays, out= must have shape and dtype, keyword
arguments that CuPy lacks are unknown here too. Kernels of generated text are run from their text (see expressions).
"""

from types import SimpleNamespace

import numpy as np

from .expressions import run_kernel

__version__ = "0.0-standin"


class ndarray:
    """An array "of the device"."""

    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, values):
        assert type(values) is np.ndarray, type(values)
        self._values = values

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
    T = property(lambda self: ndarray(self._values.T))
    data = property(lambda self: SimpleNamespace(ptr=self._values.ctypes.data))

    def __len__(self):
        return len(self._values)

    def __getitem__(self, index):
        return _wrap(self._values[_index(index)])

    def __setitem__(self, index, value):
        self._values[_index(index)] = _only(value)

    def __bool__(self):
        return bool(self._values)

    def __int__(self):
        return int(self._values)

    def __float__(self):
        return float(self._values)

    def get(self):
        return self._values.copy()

    def fill(self, value):
        self._values.fill(_only(value))

    def reshape(self, *shape):
        return ndarray(self._values.reshape(*shape))

    def transpose(self, *axes):
        return ndarray(self._values.transpose(*axes))

    def squeeze(self, axis=None):
        return ndarray(self._values.squeeze(axis))

    def view(self, dtype):
        return ndarray(self._values.view(dtype))

    def astype(self, dtype, copy=True):
        return ndarray(self._values.astype(dtype, copy=copy))

    def copy(self):
        return ndarray(self._values.copy())

    def min(self, axis=None, out=None, keepdims=False):
        return _into(out, self._values.min(axis, keepdims=keepdims))

    def max(self, axis=None, out=None, keepdims=False):
        return _into(out, self._values.max(axis, keepdims=keepdims))

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        return _into(out, self._values.sum(axis, dtype, keepdims=keepdims))

    def any(self, axis=None, out=None, keepdims=False):
        return _into(out, self._values.any(axis, keepdims=keepdims))

    def all(self, axis=None, out=None, keepdims=False):
        return _into(out, self._values.all(axis, keepdims=keepdims))

    def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
        return _into(out, np.asarray(self._values.argmax(axis)))

    def argmin(self, axis=None, out=None, dtype=None, keepdims=False):
        return _into(out, np.asarray(self._values.argmin(axis)))


def _operator(name):
    def method(self, other):
        return _wrap(getattr(self._values, name)(_only(other)))
    return method


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "mod", "pow", "lt", "le",
              "gt", "ge", "eq", "ne", "and", "or"):
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _inplace(name):
    def method(self, other):
        getattr(self._values, name)(_only(other))
        return self
    return method


for _name in ("iadd", "isub", "imul", "itruediv"):
    setattr(ndarray, f"__{_name}__", _inplace(f"__{_name}__"))


def _wrap(values):
    return ndarray(np.asarray(values))


def _only(value):
    """The values of a device array, or a number; CuPy refuses NumPy arrays beside its own."""
    if isinstance(value, ndarray):
        return value._values
    if isinstance(value, (bool, int, float, np.generic)):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _index(index):
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, np.ndarray):
        raise TypeError("arrays used as indices must be CuPy arrays")
    return index._values if isinstance(index, ndarray) else index


def _into(out, values):
    if out is None:
        return _wrap(values)
    if not isinstance(out, ndarray):
        raise TypeError(f"out must be a CuPy array, not {type(out)}")
    if out.shape != np.shape(values):
        raise ValueError(f"out has shape {out.shape}, the result {np.shape(values)}")
    np.copyto(out._values, values, "same_kind")
    return out


class ufunc:
    """A NumPy ufunc on device arrays."""

    def __init__(self, function):
        self._function = function
        self.name = f"cupy_{function.__name__}"

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        inputs, rest = args[:self._function.nin], args[self._function.nin:]
        if len(inputs) < self._function.nin or len(rest) > 1 or rest and out is not None:
            raise TypeError(f"wrong number of arguments for {self.name}")
        out = rest[0] if rest else out
        values = [_only(x) for x in inputs]
        if out is None:
            return _wrap(self._function(*values))
        if not isinstance(out, ndarray):
            raise TypeError(f"Output arguments type must be cupy.ndarray, not {type(out)}")
        self._function(*values, out=out._values, casting=casting)
        return out


def __getattr__(name):
    function = getattr(np, name, None)
    if isinstance(function, np.ufunc):
        return ufunc(function)
    raise AttributeError(f"the stand-in for CuPy has no {name!r}")


def empty(shape, dtype=float):
    values = np.empty(shape, dtype)
    values.reshape(-1).view(np.uint8).fill(0xFF)  # NaN, or absurd numbers: nobody may rely on what is there
    return ndarray(values)


def zeros(shape, dtype=float):
    return ndarray(np.zeros(shape, dtype))


def ones(shape, dtype=float):
    return ndarray(np.ones(shape, dtype))


def arange(start, stop=None, step=1, dtype=None):
    return ndarray(np.arange(*((0, start) if stop is None else (start, stop)), step, dtype=dtype))


def full_like(a, fill_value, dtype=None):
    return ndarray(np.full_like(_only(a), fill_value, dtype))


def array(obj, dtype=None, copy=True):
    return ndarray(np.array(obj._values if isinstance(obj, ndarray) else obj, dtype))


def asarray(a, dtype=None):
    return a if isinstance(a, ndarray) and dtype is None else array(a, dtype)


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def copyto(dst, src, casting="same_kind", where=None):
    np.copyto(_only(dst), _only(src), casting, **({} if where is None else {"where": _only(where)}))


def dot(a, b, out=None):
    if out is not None and not out._values.flags.c_contiguous:
        raise ValueError("Output array must be C-contiguous")
    if out is not None and out.dtype != np.result_type(a.dtype, b.dtype):
        raise ValueError("Output array has an incorrect dtype")
    return _into(out, np.dot(_only(a), _only(b)))


def matmul(a, b, out=None):
    return _into(out, np.matmul(_only(a), _only(b)))


def take(a, indices, axis=None, out=None):
    return _into(out, np.take(_only(a), _only(indices), axis))


def put(a, ind, v, mode="wrap"):
    if not a._values.flags.c_contiguous:
        raise ValueError("put of an array with gaps would go to a copy")
    a._values.reshape(-1)[_only(ind)] = _only(v)


def sum(a, axis=None, dtype=None, out=None, keepdims=False):
    return _into(out, np.sum(_only(a), axis, dtype, keepdims=keepdims))


def prod(a, axis=None, dtype=None, out=None, keepdims=False):
    return _into(out, np.prod(_only(a), axis, dtype, keepdims=keepdims))


def max(a, axis=None, out=None, keepdims=False):
    return _into(out, np.max(_only(a), axis, keepdims=keepdims))


def min(a, axis=None, out=None, keepdims=False):
    return _into(out, np.min(_only(a), axis, keepdims=keepdims))


def any(a, axis=None, out=None, keepdims=False):
    return _into(out, np.any(_only(a), axis, keepdims=keepdims))


def all(a, axis=None, out=None, keepdims=False):
    return _into(out, np.all(_only(a), axis, keepdims=keepdims))


def cumsum(a, axis=None, dtype=None, out=None):
    return _into(out, np.cumsum(_only(a), axis))


def cumprod(a, axis=None, dtype=None, out=None):
    return _into(out, np.cumprod(_only(a), axis))


def argsort(a, axis=-1, kind=None):
    return _wrap(np.argsort(_only(a), axis, kind))


def flatnonzero(a):
    return _wrap(np.flatnonzero(_only(a)))


def concatenate(tup, axis=0, out=None):
    return _wrap(np.concatenate([_only(a) for a in tup], axis))


def expand_dims(a, axis):
    return _wrap(np.expand_dims(_only(a), axis))


def broadcast_to(a, shape):
    return _wrap(np.broadcast_to(_only(a), shape))


def _as_strided(x, shape=None, strides=None):
    return ndarray(np.lib.stride_tricks.as_strided(_only(x), shape, strides))


lib = SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided))


class _Generator:
    def __init__(self, bits):
        self._generator = np.random.Generator(np.random.SFC64(bits.seed))

    def random(self, size=None, dtype=np.float64, out=None):
        return _into(out, self._generator.random(out.shape if size is None and out is not None else size, dtype))

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        shape = out.shape if size is None and out is not None else size
        return _into(out, np.asarray(self._generator.standard_normal(shape, dtype)))


random = SimpleNamespace(Generator=_Generator, Philox4x3210=lambda seed: SimpleNamespace(seed=seed))


class ElementwiseKernel:
    """Runs the statements of its body on whole arrays."""

    def __init__(self, in_params, out_params, operation, name="kernel"):
        self._ins = [p.split() for p in in_params.split(", ")]
        self._outs = [p.split() for p in out_params.split(", ")]
        self._body = operation

    def __call__(self, *args):
        named = {}
        outs = []
        for (dtype, name), a in zip([*self._ins, *self._outs], args):
            if not isinstance(a, ndarray):
                raise TypeError(f"kernel arguments must be CuPy arrays, not {type(a)}")
            if dtype != "T" and a.dtype != np.dtype(dtype):
                raise TypeError(f"argument {name} is {a.dtype}, declared as {dtype}")
            named[name] = a._values
        if len(args) == len(self._ins):
            outs = [np.empty(np.broadcast_shapes(*(a.shape for a in args)), args[0].dtype)]
            named[self._outs[0][1]] = outs[0]
        run_kernel(self._body, named, [name for _, name in self._outs])
        return _wrap(outs[0]) if outs else args[len(self._ins)]


class RawModule:
    def __init__(self, code, options):
        raise RuntimeError("the stand-in runs no raw kernels; tests/kernels does")


def _memory():
    return SimpleNamespace(free_all_blocks=lambda: None)


get_default_memory_pool = _memory


class OutOfMemoryError(MemoryError):
    pass


cuda = SimpleNamespace(
    Device=lambda: SimpleNamespace(id=0),
    get_current_stream=lambda: SimpleNamespace(synchronize=lambda: None),
    memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1, getDeviceProperties=lambda device: {"name": b"Stand-in"},
        memGetInfo=lambda: (3 * 2**30, 4 * 2**30), driverGetVersion=lambda: 12040, runtimeGetVersion=lambda: 12060))
