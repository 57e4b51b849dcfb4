"""Training on several GPUs, which Keras 2 did with towers, and which goes by processes here."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..device.job import seat


def multi_gpu_model(model: Any, gpus: Any) -> Any:
    """The model itself, in a job of as many ranks: they train it together, a GPU each (`gpukeras.distribute`).

    A program that was started alone on a machine with that many GPUs is started again as such a job, from its first
    line on, and this process becomes its launcher. ValueError for less than 2 GPUs, or a job of another size; where
    there are not so many GPUs, NotImplementedError says what to write.
    """
    count = len(gpus) if isinstance(gpus, (list, tuple)) else gpus
    if not isinstance(count, int) or isinstance(count, bool) or count < 2:
        raise ValueError(f"multi_gpu_model needs gpus=2 or more (or a list of their numbers), got gpus={gpus!r}")
    size = seat().size
    if size == count:
        return model
    if size > 1:
        raise ValueError(f"multi_gpu_model(gpus={gpus!r}): this job has {size} ranks, one GPU each. Start it with "
                         f"mpiexec -n {count}, or leave this call out: the model is trained by all ranks in any case.")
    command = _job(gpus, count)
    if command is None:
        raise NotImplementedError(
            f"multi_gpu_model(gpus={gpus!r}): a process computes on one GPU here. Train the model itself, without this "
            f"call, and run a process for each GPU: mpiexec -n {count} python -m gpukeras run program.py (pip install "
            "'gpukeras[distributed]'). On a machine with so many GPUs this call does it itself.")
    if isinstance(gpus, (list, tuple)):
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, gpus))
    print(f"multi_gpu_model: starting again as a job of {count} ranks: {' '.join(command)}", flush=True)
    os.execv(command[0], command)


def _job(gpus: Any, count: int) -> list[str] | None:
    """The command that runs this program as a job; None if it can't be one, or there are not so many GPUs."""
    from ..device.select import probe_driver

    program = getattr(sys.modules["__main__"], "__file__", None)
    wanted = max(map(int, gpus)) + 1 if isinstance(gpus, (list, tuple)) else count
    if program is None or not Path(program).is_file() or probe_driver().devices < wanted or find_spec("mpi4py") is None:
        return None
    launcher = launcher_of_mpi()
    return None if launcher is None else [launcher, "-n", str(count), sys.executable, "-m", "gpukeras", "run", program,
                                          *sys.argv[1:]]


def launcher_of_mpi() -> str | None:
    """The path of mpiexec: that of a wheel, which stands beside python, or else the system's."""
    from shutil import which

    return which("mpiexec", path=str(Path(sys.executable).parent)) or which("mpiexec")
