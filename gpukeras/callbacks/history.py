"""The two callbacks that every training has: averages over an epoch, and the record of all epochs."""
from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from gpukeras.callbacks.base import Callback, skippable
from gpukeras.callbacks.logs import Average, Logs


class BaseLogger(Callback):
    """Puts the average over the samples of an epoch into its logs, for the callbacks after it.

    Of `stateful_metrics`, names of metrics whose value is that of the whole epoch so far, the last value counts. A loop
    that leaves out the batch hooks has averaged already: then nothing changes here.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start counting."""
        self.seen = 0
        self.totals: dict[str, float] = {}
        self.complete = True  # False after an interruption, where not all batches of the epoch were counted here

    @skippable
    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count one batch, with the weight of its 'size'."""
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            whole = name in self.stateful_metrics
            self.totals[name] = float(value) if whole else self.totals.get(name, 0.0) + float(value) * size

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put the averages of the metrics into the logs."""
        if logs is None or not self.seen or not self.complete:
            return
        for name in self.params.get("metrics", ()):
            if name in self.totals:
                logs[name] = Average(self.totals[name] / (1 if name in self.stateful_metrics else self.seen))


class History(Callback):
    """The record that `fit` returns: `history` maps each name to its list of values, one an epoch; `epoch`
    has the numbers of the epochs. Names are Keras 2.0's ('acc', 'val_acc'); the later 'accuracy',
    'val_accuracy' find the same lists. In a notebook it shows itself as curves.

    >>> record = History()
    >>> record.on_train_begin()
    >>> record.on_epoch_end(0, {"loss": 0.5, "acc": 0.75})
    >>> record.history, record.history["accuracy"]
    ({'loss': [0.5], 'acc': [0.75]}, [0.75])
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = Logs()

    def on_train_begin(self, logs: Any = None) -> None:
        """Start a new record."""
        self.epoch = []
        self.history = Logs()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record one epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def draw(self, names: Iterable[str] | None = None) -> Any:
        """A picture of the curves of the quantities `names` (all of them, without 'val_'), each with its validation
        values: a notebook shows it, `save('curves.svg')` writes it. ValueError for a name that was not recorded."""
        from gpukeras.drawing.curves import draw_curves, panels

        return draw_curves(panels(self.epoch, self.history, names))

    def plot(self, names: Iterable[str] | None = None) -> Any:
        """The same by matplotlib, in a new figure; the list of its axes is returned. Without matplotlib, `draw`."""
        from gpukeras.drawing.curves import panels, plot_with

        try:
            pyplot = import_module("matplotlib.pyplot")
        except ImportError:  # the drawing needs nothing
            return self.draw(names)
        return plot_with(pyplot, panels(self.epoch, self.history, names))

    def _repr_html_(self) -> str | None:
        from gpukeras.drawing.html import history_html

        return history_html(self.epoch, self.history)

    def _repr_svg_(self) -> str | None:
        return self.draw().svg() if self.epoch and self.history else None
