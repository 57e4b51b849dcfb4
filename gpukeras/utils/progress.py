"""Progress bars in plain text."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np


def format_value(value: Any, verbose: int = 1) -> str:
    """A metric as Keras prints it: four decimals, in scientific notation when the size is 0.001 or less. In the line
    of `verbose` 2, all negative numbers are in scientific notation, as Keras 2 has it.

    >>> format_value(0.64), format_value(0.0001), format_value(-0.25), format_value(-0.25, verbose=2)
    ('0.6400', '1.0000e-04', '-0.2500', '-2.5000e-01')
    """
    mean = float(np.mean(value))
    return f"{mean:.4f}" if (mean if verbose == 2 else abs(mean)) > 1e-3 else f"{mean:.4e}"


def _duration(seconds: float) -> str:
    """Time left as a bar shows it: 5s, 2:05, 1:02:05."""
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}" if seconds > 60 else f"{int(seconds)}s"


def time_per(seconds: float, what: str = "step") -> str:
    """The time of one step in the unit that leaves a readable number.

    >>> time_per(2.0), time_per(0.0125), time_per(42e-6, "sample")
    ('2s/step', '12ms/step', '42us/sample')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}/{what}"
    return f"{seconds / 1e-6:.0f}us/{what}"


def draw_bar(current: int, target: int | None, width: int = 30) -> str:
    """A counter and a bar of characters.

    >>> draw_bar(50, 100, 10), draw_bar(7, 7, 10), draw_bar(3, None)
    (' 50/100 [====>.....]', '7/7 [==========]', '      3/Unknown')
    """
    if target is None:
        return f"{current:7d}/Unknown"
    filled = int(width * min(1.0, current / target)) if target else width
    head = ("=" if current >= target else ">") if filled else ""
    bar = ("=" * (filled - 1) + head).ljust(width, ".")
    return f"{current:{len(str(target))}d}/{target} [{bar}]"


def can_redraw() -> bool:
    """Whether the standard output can draw over what it showed: a terminal or a notebook, not a file or a
    pipe."""
    return sys.stdout.isatty() or in_notebook()


def in_notebook() -> bool:
    """Whether what is printed goes to a cell of a notebook (or a console with a Jupyter kernel)."""
    IPython = sys.modules.get("IPython")
    shell = IPython.get_ipython() if IPython is not None else None
    return hasattr(shell, "kernel") and type(sys.stdout).__module__.startswith("ipykernel")


class Progbar:
    """A progress bar in plain text, for programs that run their own loops (`fit` draws with tqdm).

    `target` is the number of steps expected (None if unknown), `width` the bar's characters, `verbose` 1 for
    a bar, 2 for one line at the end, 0 for silence, `interval` the least number of seconds between two
    drawings. Of the `stateful_metrics` the last values are shown, not averages.

    >>> bar = Progbar(2, verbose=2)
    >>> bar.update(1, [("loss", 0.5)])
    >>> bar.update(2, [("loss", 1.5)])
     - 0s - loss: 1.0000
    """

    def __init__(self, target: int | None, width: int = 30, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Iterable[str] | None = None) -> None:
        self.stateful_metrics = set(stateful_metrics or ())
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.sum_values: dict[Any, list[Any]] = {}  # name -> [sum of value * steps, steps]
        self.unique_values: list[Any] = []
        self.seen_so_far = 0
        self.total_width = 0
        self.start = time.time()
        self.last_update = 0.0
        self._redraws = can_redraw()

    def update(self, current: int, values: Iterable[tuple[Any, Any]] | None = None,
               force: bool = False) -> None:
        """Go to step `current`; `values` are (name, value since the last update), shown as averages over
        steps.

        `force` draws even if the last drawing is younger than `interval`.
        """
        steps = current - self.seen_so_far
        for name, value in values or ():
            if name not in self.sum_values:
                self.sum_values[name] = [0.0, 0]
                self.unique_values.append(name)
            if name in self.stateful_metrics:
                self.sum_values[name] = [value, 1]
                continue
            entry = self.sum_values[name]
            entry[0] = entry[0] + value * steps
            entry[1] += steps
        self.seen_so_far = current

        now = time.time()
        finished = self.target is not None and current >= self.target
        if self.verbose == 1:
            if not (force or finished) and now - self.last_update < self.interval:
                return
            self._draw(current, now, finished)
        elif self.verbose == 2 and (finished or self.target is None):
            self._write(f" - {now - self.start:.0f}s{self._averages()}\n")
        self.last_update = now

    def add(self, n: int, values: Iterable[tuple[Any, Any]] | None = None) -> None:
        """Go `n` steps further."""
        self.update(self.seen_so_far + n, values)

    def _averages(self) -> str:
        """The running averages as ' - name: value' pieces."""
        return "".join(f" - {name}: {format_value(total / max(1, steps), self.verbose)}"
                       for name, (total, steps) in self.sum_values.items())

    def _draw(self, current: int, now: float, finished: bool) -> None:
        """Redraw the line in place, or start a new one where the output cannot go back."""
        elapsed = now - self.start
        each = elapsed / current if current else 0.0
        if self.target is not None and not finished:
            timing = f"ETA: {_duration(each * (self.target - current))}"
        else:
            timing = f"{elapsed:.0f}s {time_per(each)}"
        line = f"{draw_bar(current, self.target, self.width)} - {timing}{self._averages()}"
        before, self.total_width = self.total_width, len(line)
        start = "\b" * before + "\r" if self._redraws else "\n"
        self._write(start + line.ljust(before) + ("\n" if finished else ""))

    @staticmethod
    def _write(text: str) -> None:
        """To the standard output of this moment, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()
