"""cuBLASLt's C functions as gpukeras calls them, on the stand-in's memory. They check what the real ones check."""

import ctypes

import numpy as np
from cublas import _COMPUTE, _DATA, INVALID_VALUE, NOT_INITIALIZED, NOT_SUPPORTED, SUCCESS, _matrices

BIAS, RELU, BGRADA = 4, 2, 256
RELU_AUX_BIAS, DRELU_BGRAD = 2 | 128 | 4, 8 | 128 | 16
GELU_AUX_BIAS, DGELU_BGRAD = 32 | 128 | 4, 64 | 128 | 16
_WITH_MASK, _WITH_INPUT = (RELU_AUX_BIAS, DRELU_BGRAD), (GELU_AUX_BIAS, DGELU_BGRAD)
_SIZES = {
    "MatmulDesc": {3: 4, 4: 4, 7: 4, 8: 8, 11: 8, 12: 8},
    "MatmulPreference": {1: 8, 3: 4, 5: 4, 6: 4, 7: 4, 8: 4},
}
_ALGORITHM = 0x600D


class CublasLt:
    """`algorithms`: how many the library finds; `wrong`: what it adds to what it computes, for tests; `as_reported`:
    whether a ReLU makes 0 of NaN and its mask has a bit for a sum that is 0, as people saw cuBLASLt do on cards."""

    algorithms, wrong, as_reported = 1, 0.0, False

    def __init__(self):
        self._made = {}  # descriptor: its kind, what it was made with, its attributes
        self._handles = set()

    def cublasLtCreate(self, pointer):
        pointer._obj.value = 0x7000 + len(self._handles)
        self._handles.add(pointer._obj.value)
        return SUCCESS

    def __getattr__(self, name):
        """cublasLt<kind>Create, ...Destroy and ...SetAttribute."""
        for kind in ("MatmulDesc", "MatrixLayout", "MatmulPreference"):
            for verb in ("Create", "Destroy", "SetAttribute"):
                if name == f"cublasLt{kind}{verb}":
                    return lambda *arguments: getattr(self, f"_{verb.lower()}")(kind, *arguments)
        raise AttributeError(name)

    def _create(self, kind, pointer, *arguments):
        types = {"MatmulDesc": (int, int), "MatmulPreference": (),
                 "MatrixLayout": (int, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64)}[kind]
        assert tuple(map(type, arguments)) == types, arguments
        pointer._obj.value = 0x8000 + 16 * len(self._made)
        self._made[pointer._obj.value] = [kind, [getattr(a, "value", a) for a in arguments], {}]
        return SUCCESS

    def _destroy(self, kind, made):
        assert self._made[made.value][0] == kind
        self._made[made.value][0] = "destroyed"
        return SUCCESS

    def _setattribute(self, kind, made, attribute, value, size):
        assert type(size) is ctypes.c_size_t and size.value == ctypes.sizeof(value._obj)
        if self._made[made.value][0] != kind or _SIZES[kind].get(attribute) != size.value:
            return INVALID_VALUE
        self._made[made.value][2][attribute] = value._obj.value
        return SUCCESS

    def cublasLtMatmulAlgoGetHeuristic(self, handle, operation, a, b, c, d, preference, asked, results, count):
        if handle.value not in self._handles:
            return NOT_INITIALIZED
        (compute, scale), asks = self._of("MatmulDesc", operation), self._made[operation.value][2]
        kinds = [self._of("MatrixLayout", x)[0] for x in (a, b, c, d)]
        wants = self._made[preference.value][2]
        if len(set(kinds)) > 1 or (kinds[0], compute) not in _COMPUTE or scale != 0 or asked < 1 or c is not d:
            return NOT_SUPPORTED
        for attribute in (5, 6, 7, 8):
            power = wants.get(attribute, 256)
            assert 1 <= power <= 256 and power & (power - 1) == 0, "an alignment is a power of two"
        known = BIAS, RELU | BIAS, BGRADA, *_WITH_MASK, *_WITH_INPUT
        if asks[7] not in known or not asks.get(8) or wants.get(1, 0) <= 0:
            return INVALID_VALUE
        rows = self._of("MatrixLayout", d)[1]
        step = 128 if asks[7] in _WITH_MASK else 8
        if asks[7] & 128 and (not asks.get(11) or asks.get(12, 0) % step or asks.get(12, 0) < rows):
            return INVALID_VALUE
        count._obj.value = min(self.algorithms, asked)
        results._obj.state = SUCCESS
        results._obj.algorithm[0] = _ALGORITHM
        results._obj.algorithm[1] = min(wants.get(attribute, 256) for attribute in (5, 6, 7, 8))
        results._obj.workspace = wants[1]
        return SUCCESS

    def _of(self, kind, made):
        assert self._made[made.value][0] == kind, self._made[made.value]
        return self._made[made.value][1]

    def cublasLtMatmul(self, handle, operation, alpha, a, left, b, right, beta, c, whole, d, same, algorithm, room,
                       size, stream):  # fmt: skip
        from cupy import cuda

        assert all(type(x) is ctypes.c_void_p for x in (handle, operation, a, b, c, d, room, stream))
        assert type(alpha._obj) is ctypes.c_float and (alpha._obj.value, beta._obj.value) == (1.0, 0.0)
        assert type(size) is ctypes.c_size_t and whole is same and c.value == d.value
        if handle.value not in self._handles or algorithm._obj.algorithm[0] != _ALGORITHM:
            return NOT_INITIALIZED
        assert size.value >= algorithm._obj.workspace and cuda.owner_of(room.value, size.value)
        least = algorithm._obj.algorithm[1]
        assert all(x.value % least == 0 for x in (a, b, d)), "less aligned than was said"
        (compute, _), asks = self._of("MatmulDesc", operation), self._made[operation.value][2]
        (kind, rows, columns, lead_d) = self._of("MatrixLayout", whole)
        turned = asks.get(3, 0), asks.get(4, 0)
        shapes = [self._of("MatrixLayout", x)[1:] for x in (left, right)]
        (n, k), (inner, m) = (tuple(s[1::-1] if t else s[:2]) for s, t in zip(shapes, turned))
        if inner != k or (n, m) != (rows, columns) or any(s[2] < s[0] for s in shapes) or lead_d < rows:
            return INVALID_VALUE
        dtype = _DATA[kind]
        cuda.owner_of(asks[8], n * np.dtype(dtype).itemsize)
        pieces = [_matrices(a.value, dtype, shapes[0][2], 0, n, k, turned[0], 1),
                  _matrices(b.value, dtype, shapes[1][2], 0, k, m, turned[1], 1),
                  _matrices(d.value, dtype, lead_d, 0, n, m, 0, 1), _matrices(asks[8], dtype, n, 0, n, 1, 0, 1)]
        if asks[7] in _WITH_MASK:
            pieces.append(_matrices(asks[11], np.uint8, asks[12] // 8, 0, asks[12] // 8, m, 0, 1))
        elif asks[7] in _WITH_INPUT:
            pieces.append(_matrices(asks[11], dtype, asks[12], 0, n, m, 0, 1))

        def work():
            x, y, z, vector, *aux = (view[0] for view, _ in pieces)
            wide = [v.astype(_COMPUTE[kind, compute]) for v in (x, y)]
            made = wide[0] @ wide[1] + self.wrong
            if asks[7] == BGRADA:
                vector[:, 0] = wide[0].sum(axis=1)
            elif asks[7] == DRELU_BGRAD:
                made = np.where(np.unpackbits(aux[0], axis=0, bitorder="little")[:n], made, 0)
                vector[:, 0] = made.sum(axis=1)
            elif asks[7] == DGELU_BGRAD:
                made = made * _gelu(aux[0].astype(made.dtype))[1]
                vector[:, 0] = made.sum(axis=1)
            else:
                made = made + vector
            if asks[7] == GELU_AUX_BIAS:
                aux[0][...] = made
                made = _gelu(made)[0]
            if asks[7] == RELU_AUX_BIAS:  # bits beyond the rows stay as they are
                bits = np.unpackbits(aux[0], axis=0, bitorder="little")
                bits[:n] = ~(made < 0) if self.as_reported else made > 0
                aux[0][...] = np.packbits(bits, axis=0, bitorder="little")
            rectify = np.fmax if self.as_reported else np.maximum
            z[...] = rectify(made, 0) if asks[7] & RELU else made

        cuda.stream_at(stream.value).submit(work, [owner for _, owner in pieces])
        return SUCCESS


def _gelu(x):
    """GELU, approximated by tanh as NVIDIA's documents have it, and its derivative."""
    inner = 0.7978845608028654 * x * (1 + 0.044715 * x * x)
    t = np.tanh(inner)
    return x * (1 + t) / 2, (1 + t + x * (1 - t * t) * 0.7978845608028654 * (1 + 0.134145 * x * x)) / 2
