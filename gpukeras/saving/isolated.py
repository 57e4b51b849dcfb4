"""HDF5 files read by a process of their own, in which the HDF5 library may crash or hang without harm to the program.

The process reads what it is asked for, as `guarded` does, and answers with plain data: a line of JSON, and after it the
bytes of an array. It gets a limit for its memory, may write no files, and is ended when it gives no answer. It has the
user's rights all the same: what is kept away from the program are crashes, not an attacker who has taken it over.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from .errors import BrokenFileError, CrashedReaderError, UnsafeFileError
from .guarded import MAX_TEXT, Array, Group, opened, opened_image, parsed

SECONDS = 30.0
"""Time for an answer; an array has a second more for every 10 MB."""
MEMORY = 1 << 30
"""Bytes of memory that the process may take besides what it has at its start and what an array needs."""
_ERRORS = {"BrokenFileError": BrokenFileError, "UnsafeFileError": UnsafeFileError}
_PROGRAM = "import sys; sys.path[:0] = {path!r}; from gpukeras.saving.isolated import serve; serve()"
_LINE = 8 * MAX_TEXT
"""Bytes of the longest answer: a text in which JSON writes every byte as six."""


# ------------------------------------------------------------------------------------------------- in the program


@contextmanager
def isolated(path: str, image: bytes | None = None) -> Iterator[IsolatedGroup]:
    """The root group of the file at `path`, or of the file in memory that `path` only names, read by another process.

    Raises what `guarded.opened` raises, and CrashedReaderError if the process crashes or gives no answer.
    """
    reader = _Reader(path)
    try:
        name = path if image is not None else os.path.abspath(path)
        size = reader.ask({"path": name, "said": path, "image": None if image is None else len(image)}, image)
        yield IsolatedGroup(reader, 0, "/", path, size)
    finally:
        reader.close()


class _Reader:
    """The process, and what it is asked."""

    def __init__(self, path: str) -> None:
        self.path = path
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=[root])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "GPUKERAS_ISOLATED": "0", "OPENBLAS_NUM_THREADS": "1"})
        self._late = False
        try:
            self._answer(SECONDS * 2)  # that it is there
        except BaseException:
            self.close()
            raise

    def ask(self, request: dict[str, Any], data: bytes | None = None, seconds: float = SECONDS) -> Any:
        """The answer to a request; the file's errors are raised."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            if data is not None:
                self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            self._lost()
        return self._answer(seconds)

    def _answer(self, seconds: float) -> Any:
        assert self._process.stdout is not None
        with self._in_time(seconds):
            line = self._process.stdout.readline(_LINE)
        if not line.endswith(b"\n"):
            self._lost()
        found = parsed(line.decode("utf-8", "replace"), f"'{self.path}', the process that reads it")
        if "error" in found:
            raise _ERRORS.get(found["error"], BrokenFileError)(found["text"])
        return found["value"]

    def fill(self, array: np.ndarray) -> None:
        """The bytes that follow an answer, into an array."""
        assert self._process.stdout is not None
        view = array.reshape(-1).view(np.uint8).data
        with self._in_time(SECONDS + len(view) / 1e7):
            while len(view):
                count = self._process.stdout.readinto(view)  # type: ignore[attr-defined]
                if not count:
                    self._lost()
                view = view[count:]

    @contextmanager
    def _in_time(self, seconds: float) -> Iterator[None]:
        """Ends the process if what happens inside takes longer."""
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        self._late = True
        self._process.kill()

    def _lost(self) -> NoReturn:
        """The process is no more: CrashedReaderError says why."""
        status = self._process.wait()
        if self._late:
            why = "gave no answer in time"
        elif status < 0:
            why = f"crashed in the HDF5 library ({_signal(-status)})"
        else:
            assert self._process.stderr is not None
            words = self._process.stderr.read()[-400:].decode("utf-8", "replace").strip()
            why = f"ended with status {status}: {words}"
        raise CrashedReaderError(f"'{self.path}': the file is damaged, or made to do harm: the process that reads it "
                                 f"{why}")

    def close(self) -> None:
        """The end of the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what it was still to be told
                    continue


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class IsolatedGroup:
    """A group of the file, as `guarded.Group`."""

    def __init__(self, reader: _Reader, number: int, name: str, path: str, file_size: int) -> None:
        self._reader, self._number = reader, number
        self.name, self.path, self.file_size = name, path, file_size

    def _ask(self, what: str, *arguments: Any) -> Any:
        return self._reader.ask({"what": what, "of": self._number, "arguments": arguments})

    def _place(self, name: str) -> str:
        return f"'{self.path}', {self.name.rstrip('/')}/{name}"

    def __contains__(self, name: str) -> bool:
        result: bool = self._ask("__contains__", name)
        return result

    def members(self) -> list[str]:
        """The names in the group."""
        result: list[str] = self._ask("members")
        return result

    def member(self, name: str) -> tuple[bool, int]:
        """Whether a member is a group, and its place in the file."""
        is_group, place = self._ask("member", name)
        return is_group, place

    def group(self, path: str) -> IsolatedGroup:
        """The group at `path` below this one."""
        number, name = self._ask("group", path)
        return IsolatedGroup(self._reader, number, name, self.path, self.file_size)

    def array(self, path: str) -> IsolatedArray:
        """The data set at `path` below this group, not yet read."""
        return IsolatedArray(self._reader, *self._ask("array", path))

    def attributes(self) -> list[str]:
        """The names of all attributes."""
        result: list[str] = self._ask("attributes")
        return result

    def text(self, name: str) -> str | None:
        """A text attribute; None if it is absent."""
        result: str | None = self._ask("text", name)
        return result

    def texts(self, name: str) -> list[str] | None:
        """A list of texts; None if it is absent."""
        result: list[str] | None = self._ask("texts", name)
        return result

    def json(self, name: str) -> Any:
        """A JSON attribute; None if it is absent."""
        text = self.text(name)
        return None if text is None else parsed(text, f"{self._place('')} attribute {name!r}")


class IsolatedArray:
    """A data set of the file, as `guarded.Array`."""

    def __init__(self, reader: _Reader, number: int, where: str, shape: list[int], dtype: str,
                 stored: int) -> None:
        self._reader, self._number, self.where, self.stored = reader, number, where, stored
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.size = math.prod(self.shape)
        self.bytes = self.size * self.dtype.itemsize

    def read(self) -> np.ndarray:
        """The numbers. Check `shape` first."""
        found = np.empty(self.shape, self.dtype)
        self._reader.ask({"what": "read", "of": self._number, "arguments": []}, seconds=SECONDS + self.bytes / 1e7)
        self._reader.fill(found)
        return found


# ------------------------------------------------------------------------------------------- in the other process


def serve() -> None:
    """Answers requests until there are no more: what the process does."""
    import h5py  # noqa: F401  (before the limits)

    _limit(0)
    _say({"value": "ready"})
    first = json.loads(sys.stdin.buffer.readline())
    image = None if first["image"] is None else sys.stdin.buffer.read(first["image"])
    try:
        reading = opened(first["path"], False) if image is None else opened_image(image, first["path"], False)
        with reading as root:
            root.path = first["said"]
            objects: list[Any] = [root]
            _say({"value": root.file_size})
            for line in sys.stdin.buffer:
                _reply(json.loads(line), objects)
    except (ValueError, OSError) as error:
        _refuse(error)


def _done(request: dict[str, Any], objects: list[Any]) -> tuple[Any, Any]:
    """An answer, and the array after it if there is one."""
    of, what = objects[request["of"]], request["what"]
    if what == "read":
        _limit(of.bytes)
        return None, of.read()
    found = getattr(of, what)(*request["arguments"])
    if isinstance(found, (Group, Array)):
        objects.append(found)
        number = len(objects) - 1
        return (number, found.name) if isinstance(found, Group) else (
            number, found.where, found.shape, found.dtype.str, found.stored), None
    return found, None


def _reply(request: dict[str, Any], objects: list[Any]) -> None:
    try:
        value, array = _done(request, objects)
    except ValueError as error:
        _refuse(error)
        return
    _say({"value": value})
    if array is not None and array.size:
        sys.stdout.buffer.write(array.reshape(-1).view(np.uint8).data)
        sys.stdout.buffer.flush()


def _refuse(error: Exception) -> None:
    _say({"error": type(error).__name__, "text": str(error)})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def _limit(more: int) -> None:
    """Memory for what is to come, and no files to write, where the system has such limits."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    for kind, limit in ((resource.RLIMIT_AS, taken + MEMORY + more), (resource.RLIMIT_FSIZE, 0),
                        (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
