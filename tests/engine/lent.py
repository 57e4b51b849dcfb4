"""Arrays as other libraries lend them: objects that speak one protocol and nothing else."""

from __future__ import annotations

from gpukeras.device import xp


class Lent:
    """An array on the host that only DLPack reaches. `dtype` is a library's own word."""

    def __init__(self, array):
        self.lent, self.shape, self.dtype = array, array.shape, f"library.{array.dtype.name}"

    def __len__(self):
        return len(self.lent)

    def __dlpack__(self, **options):
        return self.lent.__dlpack__(**options)

    def __dlpack_device__(self):
        return (1, 0)


class Tracked(Lent):
    """Part of an automatic derivative: lent as a value only."""

    requires_grad = True

    def detach(self):
        return Lent(self.lent)

    def __dlpack__(self, **options):
        raise BufferError("can't export a tensor that requires gradient")


class Short(Lent):
    """bfloat16, which NumPy does not know."""

    def __init__(self, array):
        super().__init__(array)
        self.dtype = "library.bfloat16"

    def float(self):
        return Lent(self.lent)

    def __dlpack__(self, **options):
        raise RuntimeError("Unsupported dtype")


class OnGpu:
    """An array on a GPU that only DLPack reaches."""

    def __init__(self, array, number=0):
        self.there = array if isinstance(array, xp.ndarray) else xp.asarray(array)
        self.shape, self.dtype, self.number = self.there.shape, f"library.{self.there.dtype.name}", number

    def __len__(self):
        return len(self.there)

    def __dlpack__(self, *, stream=None):
        return self.there.__dlpack__()

    def __dlpack_device__(self):
        return (2, self.number)


class CudaArray:
    """An array on a GPU that only the CUDA array interface reaches."""

    def __init__(self, array):
        self.there = array if isinstance(array, xp.ndarray) else xp.asarray(array)
        self.shape, self.dtype = self.there.shape, f"library.{self.there.dtype.name}"

    def __len__(self):
        return len(self.there)

    @property
    def __cuda_array_interface__(self):
        return self.there.__cuda_array_interface__


class Fetchable:
    """An array on a GPU, in a program that computes on the CPU; its library knows how to bring it over."""

    __cuda_array_interface__ = {"shape": (), "typestr": "<f4", "data": (16, False), "version": 3}

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def get(self):
        return self.array.copy()
