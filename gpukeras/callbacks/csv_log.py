"""The logs of each epoch as a line of a CSV file."""
from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from typing import Any

from gpukeras.callbacks.base import Callback


class CSVLogger(Callback):
    """Writes the number of each epoch and its logs, sorted by name, as a line of the file `filename`.

    `separator` stands between the columns. `append` continues a file that exists instead of replacing it,
    without a second header. The file is closed after each line, so that an interrupted training leaves a
    complete one, as does a disk that is full, which raises OSError.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = filename
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Create or empty the file."""
        self.keys = None
        self._path = os.path.abspath(self.filename)  # the program may change its folder meanwhile
        goes_on = self.append or self.params.get("resumed", False)
        with open(self._path, "a" if goes_on else "w", encoding="utf8"):
            self._needs_header = os.path.getsize(self._path) == 0

    def get_state(self) -> dict[str, Any]:
        """The columns, and how long the file is."""
        return {"keys": self.keys, "length": os.path.getsize(self._path)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take back the lines of epochs that will be trained once more."""
        self.keys = state.get("keys", self.keys)
        length = state.get("length", 0)
        if os.path.getsize(self._path) > length:
            os.truncate(self._path, length)
        self._needs_header = os.path.getsize(self._path) == 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write one line. A value that the first epoch had and this one lacks is 'NA'."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.sep)
        if self._needs_header:
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_cell(logs[key]) if key in logs else "NA" for key in self.keys)])
        self._write(text.getvalue())
        self._needs_header = False

    def _write(self, text: str) -> None:
        """At the end of the file. OSError names the file, and nothing of the text is left in it."""
        length = os.path.getsize(self._path)
        try:
            with open(self._path, "a", newline="", encoding="utf8") as file:
                file.write(text)
        except OSError as error:
            os.truncate(self._path, length)
            error.filename = self._path
            raise


def _cell(value: Any) -> Any:
    """A value as it stands in one column: lists and arrays in brackets."""
    if isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
