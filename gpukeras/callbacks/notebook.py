"""Progress in a notebook: one bar for a whole training, which leaves a line of text where it was.

A saved notebook then shows what was said, and no widget that is gone. With ipywidgets tqdm draws the bar as a widget,
and the output of a hundred epochs is one widget and a hundred lines; without, it is a line that is drawn over.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

COLUMNS = 200  # of a text bar at most; the page breaks longer lines than it has room for
INTERVAL = 0.2  # seconds between two drawings: as often as a notebook's kernel sends what is printed


class Spot:
    """The place of the bar in a cell's output. `bar_class` gives tqdm's class when something is drawn."""

    def __init__(self, bar_class: Callable[[], Any]) -> None:
        self._bar_class = bar_class
        self._bar: Any = None
        self._handle: Any = None  # of the output with the widget
        self.started = self._drawn = time.perf_counter()  # what is over sooner is not drawn at all

    def due(self) -> bool:
        """Whether it is time to draw again. The clock is one for all epochs: short ones flood nobody."""
        return time.perf_counter() - self._drawn >= INTERVAL

    def show(self, title: str, seen: int, total: int | None, seconds: float, text: str) -> None:
        """Draw the bar at `seen` of `total`, `seconds` after its start, with `text` behind it."""
        widgets = self._widgets()
        new = self._bar is None
        if new:
            kind = {"display": False} if widgets else {"ncols": COLUMNS, "nrows": 24, "ascii": ".>="}
            self._bar = self._bar_class()(total=total, file=sys.stdout, leave=False, mininterval=0, bar_format="",
                                          **kind)
        bar = self._bar
        if bar.total != total or bar.n > seen:
            bar.reset(total)
        bar.start_t = time.time() - seconds  # the time left is reckoned from the epoch's true start
        bar.bar_format = (f"{title}{{n_fmt}}/{{total_fmt}} " + ("{bar} " if widgets else "[{bar:20}] - ") +
                          "ETA: {remaining}{desc}")
        bar.n = seen if total is None else min(seen, total)
        bar.set_description_str(text, refresh=False)
        bar.refresh()
        bar.last_print_t = time.time()  # a bar that was last drawn before it began would not be cleared
        if new and widgets:
            self._handle = import_module("IPython.display").display(bar.container, display_id=True)
        self._drawn = time.perf_counter()

    def clear(self) -> None:
        """Make room for a printed line: a bar of text is taken away, a widget stays above the lines."""
        if self._bar is not None and not self._widgets():
            self._bar.close()
            self._bar = None

    def close(self, text: str) -> bool:
        """Put `text` where the widget was; False if there was none."""
        self.clear()
        if self._bar is None:
            return False
        bar, self._bar = self._bar, None
        self._handle.update({"text/plain": text}, raw=True)
        bar.container.close()
        bar.close()
        return True

    def _widgets(self) -> bool:
        """Whether tqdm draws widgets here."""
        return issubclass(self._bar_class(), _widget_class())


def _widget_class() -> Any:
    """tqdm's class that draws widgets; it loads no widgets where there are none."""
    return import_module("tqdm.notebook").tqdm_notebook
