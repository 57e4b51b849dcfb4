"""Kernels of the stand-in: elementwise ones are run from their text, raw ones are compiled for the CPU."""

import math
import re

import numpy as np

from . import cuda
from .expressions import run_kernel

_SCALARS = {bool: np.bool_, int: np.int64, float: np.float64}  # what CuPy makes of Python's numbers


def _array(name, a):
    from . import ndarray

    if not isinstance(a, ndarray):
        raise TypeError(f"argument {name} must be a CuPy array, not {type(a)}")
    return a


class ElementwiseKernel:
    """Runs the statements of its body on whole arrays. Parameters are arrays, or `raw` arrays to take elements of."""

    def __init__(self, in_params, out_params, operation, name="kernel", reduce_dims=True, preamble=""):
        self._ins = [_parameter(p) for p in in_params.split(", ") if p]
        self._outs = [_parameter(p) for p in out_params.split(", ")]
        self._body = operation
        self.name = name
        if not name.isidentifier() or hasattr(np, name) or hasattr(math, name):
            raise ValueError(f"{name!r} can't be a kernel's name: CUDA may have a function of that name")

    def __call__(self, *args, size=None):
        from . import ndarray

        if len(args) not in (len(self._ins), len(self._ins) + len(self._outs)):
            raise TypeError(f"Wrong number of arguments for {self.name!r}")
        for (_, dtype, name), a in zip([*self._ins, *self._outs], args):
            if dtype != "T" and _array(name, a).dtype != np.dtype(dtype):
                raise TypeError(f"argument {name} is {a.dtype}, declared as {dtype}")
        ins = args[: len(self._ins)]
        shape = np.broadcast_shapes(*(a.shape for (raw, _, _), a in zip(self._ins, ins) if not raw))
        outs = args[len(self._ins) :]
        if not outs:
            made = ndarray(np.empty(shape, args[0].dtype))
            outs = (made,)
        elif len({a.shape for a in outs}) != 1 or np.broadcast_shapes(shape, outs[0].shape) != outs[0].shape:
            raise ValueError(f"{self.name!r}: inputs of shape {shape}, outputs of shape {[a.shape for a in outs]}")
        values = {name: a._values for (_, _, name), a in zip([*self._ins, *self._outs], [*ins, *outs])}
        names = [name for _, _, name in self._outs]
        owners = [a._owner for a in (*ins, *outs)]
        cuda.get_current_stream().submit(lambda: run_kernel(self._body, values, names), owners)
        return outs[0] if len(outs) == 1 else outs


def _parameter(text):
    words = text.split()
    return words[0] == "raw", words[-2], words[-1]


class RawModule:
    """Compiled by the kernel tests' harness, when a function is asked for."""

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", name_expressions=None, jitify=False):
        if not isinstance(options, tuple) or not all(isinstance(o, str) for o in options):
            raise TypeError("options must be a tuple of str")
        for option in options:
            if not re.fullmatch(r"-std=c\+\+17|-D\w+=[\w *]+", option):
                raise ValueError(f"NVRTC has no option {option!r}")
        self._code = code
        self._defines = dict(option[2:].split("=", 1) for option in options if option.startswith("-D"))

    def get_function(self, name):
        from tests.kernels.on_cpu import library

        if cuda.get_current_stream().is_capturing():
            raise RuntimeError(f"kernel {name} is compiled and loaded during a capture")
        kernels = library(self._code, **self._defines)
        if name not in kernels.kernels:
            raise RuntimeError(f"CUDA_ERROR_NOT_FOUND: named symbol not found: {name}")
        return Function(kernels, name)


class Function:
    def __init__(self, kernels, name):
        self._kernels, self.name = kernels, name

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        from . import ndarray

        if not isinstance(grid, tuple) or not isinstance(block, tuple) or not isinstance(args, (tuple, list)):
            raise TypeError("grid and block must be tuples")
        values, owners = [], []
        for i, a in enumerate(args):
            if isinstance(a, ndarray):
                values.append(a._values)
                owners.append(a._owner)
            elif isinstance(a, np.generic):
                values.append(a)
            elif type(a) in _SCALARS:
                values.append(_SCALARS[type(a)](a))
            else:
                raise TypeError(f"Unsupported type {type(a)} for argument {i} of {self.name}")

        def work():
            self._kernels.launch(self.name, grid, block, values, shared_mem, both=False)

        (stream or cuda.get_current_stream()).submit(work, owners)
