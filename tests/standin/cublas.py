"""cuBLAS's C functions as gpukeras calls them, on the stand-in's memory. They check what the real ones check."""

import ctypes

import cupy
import numpy as np

_DATA = {2: np.float16, 14: cupy.bfloat16, 0: np.float32, 1: np.float64}
_COMPUTE = {
    (2, 68): np.float32, (14, 68): np.float32, (0, 68): np.float32, (0, 74): np.float32, (0, 77): np.float32,
    (1, 70): np.float64,
}  # fmt: skip
SUCCESS, NOT_INITIALIZED, INVALID_VALUE, NOT_SUPPORTED = 0, 1, 7, 15


class Cublas:
    def __init__(self):
        self._handles = {}  # handle: [stream, has a workspace]

    def cublasCreate_v2(self, pointer):
        handle = len(self._handles) + 1
        pointer._obj.value = handle
        self._handles[handle] = [0, False]
        return SUCCESS

    def cublasSetStream_v2(self, handle, stream):
        self._handles[handle.value] = [stream.value or 0, False]
        return SUCCESS

    def cublasSetWorkspace_v2(self, handle, pointer, size):
        from cupy import cuda

        cuda.owner_of(pointer.value, size.value)
        self._handles[handle.value][1] = True
        return SUCCESS

    def cublasGemmStridedBatchedEx(
        self, handle, op_a, op_b, m, n, k, alpha, a, type_a, lead_a, step_a, b, type_b, lead_b, step_b, beta,
        c, type_c, lead_c, step_c, batch, compute, algorithm,
    ):  # fmt: skip
        from cupy import cuda

        for number in (op_a, op_b, m, n, k, type_a, lead_a, type_b, lead_b, type_c, lead_c, batch, compute, algorithm):
            assert type(number) is int and abs(number) < 2**31, number
        assert all(type(step) is ctypes.c_longlong for step in (step_a, step_b, step_c))
        assert all(type(pointer) is ctypes.c_void_p for pointer in (handle, a, b, c))
        if handle.value not in self._handles:
            return NOT_INITIALIZED
        if not type_a == type_b == type_c or (type_a, compute) not in _COMPUTE:
            return NOT_SUPPORTED
        scalar = ctypes.c_double if compute == 70 else ctypes.c_float
        assert type(alpha._obj) is scalar and type(beta._obj) is scalar, "alpha and beta have the type of the sums"
        least = (max(1, k if op_a else m), max(1, n if op_b else k), max(1, m))
        if min(m, n, k, batch) < 0 or lead_a < least[0] or lead_b < least[1] or lead_c < least[2]:
            return INVALID_VALUE
        dtype = _DATA[type_a]
        stream = cuda.stream_at(self._handles[handle.value][0])
        assert self._handles[handle.value][1] or not stream.is_capturing(), "a capture needs a workspace of its own"
        pieces = [
            _matrices(a.value, dtype, lead_a, step_a.value, m, k, op_a, batch),
            _matrices(b.value, dtype, lead_b, step_b.value, k, n, op_b, batch),
            _matrices(c.value, dtype, lead_c, step_c.value, m, n, 0, batch),
        ]
        factor, old = alpha._obj.value, beta._obj.value

        def work():
            x, y, z = (view for view, _ in pieces)
            product = factor * np.matmul(x.astype(_COMPUTE[type_a, compute]), y.astype(_COMPUTE[type_a, compute]))
            z[...] = product if old == 0 else product + old * z

        stream.submit(work, [owner for _, owner in pieces])
        return SUCCESS


def _matrices(address, dtype, lead, step, rows, columns, transposed, batch):
    """(batch, rows, columns), as cuBLAS reads them: by columns, `lead` elements from one to the next."""
    from cupy import cuda

    size = np.dtype(dtype).itemsize
    down, along = (lead, 1) if transposed else (1, lead)
    reach = (rows - 1) * down + (columns - 1) * along + (batch - 1) * step + 1
    owner = cuda.owner_of(address, reach * size)
    flat = owner.memory.reshape(-1) if owner.memory.flags.c_contiguous else _flat(owner.memory)
    flat = flat.view(np.uint8)[address - owner.base :][: reach * size].view(dtype)
    strides = (step * size, down * size, along * size)
    return np.lib.stride_tricks.as_strided(flat, (batch, rows, columns), strides), owner


def _flat(values):
    order = np.argsort(values.strides)[::-1]
    return values.transpose(order).reshape(-1)
