"""Sums over the GPUs of a job, by NCCL, which CuPy brings: they are queued in the current stream, and may be recorded
as part of a CUDA graph."""

from __future__ import annotations

from typing import Any

from gpukeras.device.choice import ensure_ready, xp


class Nccl:
    """The GPUs of a job, one a rank. ImportError if this CuPy has no NCCL."""

    def __init__(self, ranks: Any):
        ensure_ready()
        from cupy.cuda import nccl

        if not nccl.available:  # the library is missing; of that CuPy makes a warning and an empty module
            raise ImportError(f"training on several GPUs needs NCCL, and this CuPy ({xp.__version__}) has none: pip "
                              "install nvidia-nccl-cu12 (or -cu13), or take conda's cupy, which brings it")
        number = ranks.bcast(nccl.get_unique_id() if ranks.rank == 0 else None)
        self._made = nccl.NcclCommunicator(ranks.size, number, ranks.rank)
        self._types = {"float16": nccl.NCCL_FLOAT16, "bfloat16": nccl.NCCL_BFLOAT16, "float32": nccl.NCCL_FLOAT32,
                       "float64": nccl.NCCL_FLOAT64}
        self._sum = nccl.NCCL_SUM

    def sum(self, array: Any) -> None:
        """Adds an array up over the ranks, in place."""
        pointer = array.data.ptr
        self._made.allReduce(pointer, pointer, array.size, self._types[array.dtype.name], self._sum,
                             xp.cuda.get_current_stream().ptr)

    def gather(self, mine: Any, everyone: Any) -> None:
        """The arrays of all ranks in order of rank, of one shape."""
        self._made.allGather(mine.data.ptr, everyone.data.ptr, mine.size, self._types[mine.dtype.name],
                             xp.cuda.get_current_stream().ptr)
