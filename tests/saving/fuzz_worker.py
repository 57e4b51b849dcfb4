"""A process that damages files and loads them, watched by itself and by the process that started it (`fuzz.py`).

It reads jobs from its standard input, a line of JSON each, and answers each with a line.
"""
from __future__ import annotations

import ctypes
import hashlib
import json
import os
import random
import shutil
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

BYTES = 1 << 30
"""Bytes of memory that a load may take."""
ADDRESSES = 4 << 30
"""Bytes of address space that a load may take besides what the process has: a net under the limit that counts."""
REFUSALS = (ValueError, TypeError, RuntimeError)
"""Errors that a user can read. All others are findings."""
_HARMLESS = ("object.", "sys._getframe", "sys.monitoring", "sys.unraisablehook", "gc.", "array.", "cpython.", "time.",
             "_thread.", "mmap.", "ctypes.", "warnings.", "os.listdir", "os.scandir", "os.fwalk", "os.walk", "glob.",
             "code.", "function.", "builtins.id", "id")
# `inspect` has the signatures of functions written in C parsed.
_CODE_MAKERS = tuple(os.path.join(os.path.dirname(os.__file__), *name.split("/")) for name in (
    "dataclasses.py", "collections/__init__.py", "inspect.py"))
_LIBRARY = tuple(os.path.realpath(p) for p in {sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])})


class Guard:
    """Notices, while it is armed, that code is run, or that anything but the one file is opened."""

    def __init__(self) -> None:
        self.allowed: set[str] | None = None  # None: not armed
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.allowed is None or event.startswith(_HARMLESS) or len(self.seen) > 20:
            return
        if event == "open":
            path, mode, flags = args
            path = os.path.realpath(path) if isinstance(path, str) else str(path)
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if not writes and (path in self.allowed or path.startswith(_LIBRARY) and path.endswith((".py", ".pyc"))
                               or path.startswith(("/proc/self/", "/proc/cpuinfo", "/sys/"))):
                return
        elif event == "import" and _is_library(args[0]):
            return
        elif event in ("compile", "exec", "marshal.loads"):
            if _importing():
                return
        self.seen.append(f"{event} {args!r:.150}")


def _is_library(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names or name.startswith(("gpukeras", "numpy", "h5py", "yaml",
                                                                                 "_yaml", "pywintypes"))


def _importing() -> bool:
    """Whether it is the import system that asks, or a module of Python that makes code of its own text."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if "importlib._bootstrap" in file or file.endswith(_CODE_MAKERS):
            return True
        frame = frame.f_back
    return False


class Watch:
    """Tells whether the files of a folder were opened, by anyone: inotify, where the system has it."""

    def __init__(self, folder: Path) -> None:
        try:
            library = ctypes.CDLL(None, use_errno=True)
            self._handle = library.inotify_init1(os.O_NONBLOCK)
            found = library.inotify_add_watch(self._handle, os.fsencode(folder), 0x20)  # IN_OPEN
        except (AttributeError, OSError):
            found = -1
        self.works = found >= 0

    def opened(self) -> list[str]:
        """Names that were opened since the last call."""
        if not self.works:
            return []
        try:
            data = os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return []
        names, at = [], 0
        while at + 16 <= len(data):
            length = int.from_bytes(data[at + 12:at + 16], sys.byteorder)
            names.append(data[at + 16:at + 16 + length].rstrip(b"\0").decode())
            at += 16 + length
        return names


def _memory(field: str) -> int:
    """Bytes, from the process's own status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _state(model: Any) -> str:
    digest = hashlib.blake2b()
    for value in model.get_weights():
        digest.update(value.tobytes())
    return digest.hexdigest()


class Worker:
    """Loads one file after the other."""

    def __init__(self, folder: Path) -> None:
        from gpukeras import backend, models, saving
        from gpukeras.device import report
        from tests.saving import archive_mutations, mutations

        self.folder, self.models, self.saving, self.mutations = folder, models, saving, mutations
        self.mutate_archive = archive_mutations.mutate_archive
        self.clear = backend.clear_session
        # An architecture alone may ask for weights of half of the memory that is free, and for the time that filling
        # them takes: orthogonal matrices of thousands of rows take minutes, in a program too. Here little is free.
        report.host_memory = lambda: (BYTES, 64 << 20)  # type: ignore[attr-defined]
        self.targets: dict[str, Any] = {}
        locked = folder / "locked"
        locked.mkdir(exist_ok=True)
        self.canaries = locked
        mutations.canaries(locked)
        (folder / "canary.h5").unlink(missing_ok=True)
        (folder / "canary.bin").unlink(missing_ok=True)
        self.watch = Watch(locked)
        self.guard = Guard()

    def prepare(self, source: str, seed: str) -> tuple[Path, str]:
        """A damaged copy of a file."""
        path = self.folder / f"file{Path(source).suffix}"
        shutil.copyfile(source, path)
        draw = random.Random(seed)
        change = {".h5": self.mutations.mutate, ".keras": self.mutate_archive}.get(
            path.suffix, self.mutations.mutate_config)
        return path, change(draw, path)

    def target(self, source: str) -> Any:
        """A model for the weights of a file."""
        if source not in self.targets:
            try:
                self.targets[source] = self.models.load_model(source, compile=False)
            except ValueError:
                self.targets[source] = None
        return self.targets[source]

    def actions(self, source: str, path: Path, draw: random.Random) -> dict[str, Callable[[], Any]]:
        """What is tried on a file."""
        if path.suffix not in (".h5", ".keras"):
            read = self.models.model_from_json if path.suffix == ".json" else self.models.model_from_yaml
            return {"architecture": lambda: read(path.read_text(encoding="utf-8"))}
        found: dict[str, Callable[[], Any]] = {"inspect": lambda: str(self.saving.inspect(path)),
                                               "load_model": lambda: self.models.load_model(path)}
        model = self.target(source)
        if model is not None:
            by_name = draw.random() < 0.5
            skip = draw.random() < 0.3

            def load_weights() -> Any:
                before = _state(model)
                try:
                    model.load_weights(path, by_name=by_name, skip_mismatch=skip)
                except BaseException:
                    if _state(model) != before:
                        raise SystemError("load_weights failed, and changed the model") from None
                    raise
                return model

            found["load_weights"] = load_weights
        return found

    def run(self, name: str, path: Path, action: Callable[[], Any]) -> dict[str, Any]:
        """One load, and what was seen of it."""
        import resource

        (Path("/proc/self/clear_refs")).write_text("5")  # the peak is counted from here on
        before, addresses = _memory("VmRSS"), _memory("VmSize")
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (addresses + ADDRESSES, hard))
        self.guard.seen.clear()
        self.watch.opened()
        found: dict[str, Any] = {"action": name}
        made = None
        begun, cpu = time.perf_counter(), time.process_time()
        self.guard.allowed = {os.path.realpath(path)}
        try:
            made = action()
            found["result"] = "loaded"
        except BaseException as error:
            self.guard.allowed = None
            found["result"] = type(error).__name__
            found["text"] = str(error)[:300]
            found["memory_error"] = isinstance(error.__cause__ or error, MemoryError)
            found["odd"] = not isinstance(error, REFUSALS) or isinstance(error, RecursionError) or not str(error)
            if found["odd"]:
                found["trace"] = traceback.format_exc()[-3000:]
        finally:
            self.guard.allowed = None
        found["seconds"], found["cpu"] = time.perf_counter() - begun, time.process_time() - cpu
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        found["peak"] = max(0, _memory("VmHWM") - before)
        found["events"] = [*self.guard.seen, *(f"opened {n}" for n in self.watch.opened())]
        if hasattr(made, "get_weights") and any(
                (w == self.mutations.CANARY).any() for w in made.get_weights() if w.dtype.kind == "f"):
            found["events"].append("numbers of the canary")
        return found

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """All that happened with one file."""
        path, told = self.prepare(job["source"], job["seed"])
        draw = random.Random(job["seed"] + "actions")
        actions = self.actions(job["source"], path, draw)
        if "instead" in job:  # for tests of the harness
            actions = {"instead": eval(f"lambda: {job['instead']}", {"folder": self.folder})}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = []
            for name, action in actions.items():
                say({"starts": name, "told": told})
                results.append(self.run(name, path, action))
        self.clear()
        return {"told": told, "results": results}


def say(message: dict[str, Any]) -> None:
    """One line to the process that started this one."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(folder: str) -> None:
    """Answer until there are no more jobs."""
    worker = Worker(Path(folder))
    warm: set[str] = set()
    say({"ready": True, "watches": worker.watch.works})
    for line in sys.stdin:
        job = json.loads(line)
        if job["source"] not in warm:  # what the first load imports is no sign of trouble
            warm.add(job["source"])
            path = Path(job["source"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for action in worker.actions(job["source"], path, random.Random(0)).values():
                    try:
                        action()
                    except (ValueError, OSError):
                        continue
        say(worker.answer(job))


if __name__ == "__main__":
    main(sys.argv[1])
