"""Who is measured, and the processes they live in."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 300.0  # seconds that an answer may take
LEFT_OUT = {  # variables that tell one library, or all, to use less of the machine than it would by itself
    "OPENBLAS_CORETYPE": "OpenBLAS chooses its code for this processor by itself",
    "OPENBLAS_NUM_THREADS": "libraries choose their threads by themselves",
    "OMP_NUM_THREADS": "libraries choose their threads by themselves",
    "MKL_NUM_THREADS": "libraries choose their threads by themselves",
}


class Rival(NamedTuple):
    """A library with its surroundings. Those `apart` are shown, but are not what the others are compared with."""

    key: str
    name: str
    library: str  # what worker.py is told
    interpreter: str
    environment: dict[str, str]
    patience: float = PATIENCE
    apart: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is gpukeras, in one of its forms."""
        return self.library == "gpukeras"


def rivals(options: Any) -> list[Rival]:
    """Those for which there is an interpreter, as the command line says."""
    native = {"on": [""], "off": ["off"], "both": ["", "off"]}[options.native]
    backend = {"GPUKERAS_BACKEND": "cupy" if options.device == "gpu" else "numpy"}
    found = [Rival("numpy" if value else "gpukeras", "NumPy alone" if value else "gpukeras", "gpukeras",
                   sys.executable, {**backend, "GPUKERAS_NATIVE": value}) for value in native]
    if options.device == "gpu":  # what it can do besides, each a setting
        found += [found[0]._replace(key=key, name=f"gpukeras, {key}", environment=found[0].environment | more)
                  for key, more in (("tf32", {"GPUKERAS_PRECISION": "tf32"}),
                                    ("epilogues", {"GPUKERAS_EPILOGUES": "on"}))]
    if options.keras209:
        found.append(Rival("keras209", "Keras 2.0.9", "keras", options.keras209, {"KERAS_BACKEND": "tensorflow"}))
    if options.keras2:
        found.append(Rival("keras2", "Keras 2", "keras", options.keras2, {"KERAS_BACKEND": "tensorflow"}))
    if options.keras3:
        found += [
            Rival("jax", "Keras 3 on JAX", "keras", options.keras3, {"KERAS_BACKEND": "jax"}),
            Rival("keras3-torch", "Keras 3 on torch", "keras", options.keras3, {"KERAS_BACKEND": "torch"}),
            Rival("torch", "PyTorch", "torch", options.keras3, {}),
            Rival("compile", "torch.compile", "torch.compile", options.keras3, {}, options.patience, True)]
    if options.device == "gpu":  # they share one, so nobody may take all of its memory beforehand
        polite = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        found = [r._replace(environment={**r.environment, **polite}) for r in found]
    chosen = options.rivals.split(",") if options.rivals else [r.key for r in found]
    if unknown := set(chosen) - {r.key for r in found}:
        raise SystemExit(f"--rivals: there is no {', '.join(sorted(unknown))} here; there are "
                         f"{', '.join(r.key for r in found)} (--keras2, --keras3 and --keras209 bring others in)")
    return [r for r in found if r.key in chosen]


def surroundings(rival: Rival, bytecode: str | None = None) -> dict[str, str]:
    """The environment of a rival's processes. gpukeras is run from its sources: with a folder for `bytecode` it finds
    its modules compiled there, as installed libraries do."""
    kept = {k: v for k, v in os.environ.items() if k not in (*LEFT_OUT, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    if rival.ours:
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        if bytecode:
            kept["PYTHONPYCACHEPREFIX"] = bytecode
    return kept | rival.environment


class Lost(RuntimeError):
    """A rival's process ended, or did not answer in time; with its last words."""


class Worker:
    """A process that measures one library when asked to, and sleeps in between."""

    def __init__(self, rival: Rival, device: str, arguments: Sequence[str] = (), bytecode: str | None = None):
        self.rival = rival
        self.started = time.perf_counter()
        self._process = subprocess.Popen([rival.interpreter, str(WORKER), rival.library, device, *arguments],
                                         env=surroundings(rival, bytecode), text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said: list[str] = []
        self._answers: queue.Queue[tuple[float, str]] = queue.Queue()
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._overhear)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put((time.perf_counter(), line))
        self._answers.put((time.perf_counter(), ""))

    def _overhear(self) -> None:
        """Reads what the library says on its error channel, so that it never blocks; kept for when it fails."""
        assert self._process.stderr is not None
        self.said.extend(self._process.stderr)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request; Lost if there is none."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: the answer will be empty
        return self.answer()[1]

    def answer(self) -> tuple[float, dict[str, Any]]:
        """The next answer, and the time on this process's clock when it came."""
        try:
            at, line = self._answers.get(timeout=self.rival.patience)
        except queue.Empty:
            self.end(at_once=True)
            raise Lost(f"{self.rival.name} gave no answer within {self.rival.patience:.0f} seconds") from None
        if not line:
            self.end()
            raise Lost(f"{self.rival.name} stopped with status {self._process.returncode}:\n{''.join(self.said[-20:])}")
        return at, json.loads(line)

    def processor_seconds(self) -> float:
        """Processor time that the process has taken; 0 where unknown."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def gpu_memory(self) -> int | None:
        """Bytes that the process holds on GPUs, by nvidia-smi; None where that does not say."""
        program = shutil.which("nvidia-smi")
        if program is None:
            return None
        said = subprocess.run([program, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
                              capture_output=True, text=True).stdout
        lines = [line.split(",") for line in said.splitlines() if line.count(",") == 1]
        held = [int(mebibytes) for pid, mebibytes in lines if pid.strip() == str(self._process.pid)
                and mebibytes.strip().isdecimal()]
        return sum(held) << 20 if held else None

    def end(self, at_once: bool = False) -> None:
        """Ends the process, when it has done what it was asked for or at once."""
        if at_once:
            self._process.kill()
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it ended before
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.end(at_once=kind is not None)


def busy() -> float:
    """Processor time that the whole machine has spent on anything; 0 where unknown."""
    try:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0.0
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
