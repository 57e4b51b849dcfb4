"""What training shows while it runs: a moving bar, a line an epoch, or nothing."""
from __future__ import annotations

import functools
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from gpukeras.callbacks.base import Callback, skippable
from gpukeras.callbacks.logs import Logs, as_logs
from gpukeras.callbacks.notebook import Spot
from gpukeras.utils.generic_utils import can_redraw, draw_bar, format_value, in_notebook, time_per

BAR_WIDTH = 30  # characters, where the terminal has room for them
INTERVAL = 0.05  # seconds between two drawings at least, however often the loop asks


@functools.lru_cache(maxsize=1)
def _bar_class() -> Any:
    """tqdm for this terminal or notebook, imported when something is drawn for the first time."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # without ipywidgets, a line of text does as well
        from tqdm import auto, std
    notebook = sys.modules.get("tqdm.notebook")
    # tqdm 4.60 chooses widgets in a notebook even where there are none
    chosen = std.tqdm if notebook is not None and notebook.IProgress is None else auto.tqdm
    return type("Bar", (chosen,), {"monitor_interval": 0})  # no helper thread: `Meter.show` alone redraws a bar


class Meter:
    """A bar that moves while something runs, where the output allows it, and is gone when closed.

    It costs nothing before `show` is called for the first time, so that short epochs never make one. In a
    notebook it is drawn at a `spot` that outlives it, with its `title`.
    """

    def __init__(self, total: int | None, live: bool, spot: Spot | None = None, title: str = "") -> None:
        self.total = total
        self.live = live
        self.spot = spot
        self.title = title
        self.started = time.perf_counter()
        self._bar: Any = None
        self._drawn = -INTERVAL

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.started

    def due(self) -> bool:
        """Whether it is time to draw again."""
        if self.spot is not None:
            return self.live and self.spot.due()
        return self.live and self.seconds - self._drawn >= INTERVAL

    def show(self, seen: int, text: str = "") -> None:
        """Draw the bar at `seen`, followed by `text`."""
        if self.spot is not None:
            self.spot.show(self.title, seen, self.total, self.seconds, text)
            return
        # Some terminals say that they have 0 columns: they count as 80.
        import shutil  # late: not every display is a terminal

        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        bar = "{bar}"
        if columns is not None:
            numbers = len(f"{self.total}/{self.total} [] - ETA: 00:00:00")
            bar = f"{{bar:{max(1, min(BAR_WIDTH, columns - 1 - numbers - len(text)))}}}"
        layout = f"{{n_fmt}}/{{total_fmt}} [{bar}] - ETA: {{remaining}}{{desc}}"
        if self._bar is None:
            self._bar = _bar_class()(total=self.total, file=sys.stdout, leave=False, ascii=".>=",
                                     bar_format=layout, ncols=columns, nrows=columns and 24, mininterval=0)
            self._bar.start_t -= self.seconds  # the time left is reckoned from the true start
        self._bar.bar_format, self._bar.ncols = layout, columns
        self._bar.n = seen if self.total is None else min(seen, self.total)
        self._bar.set_description_str(text, refresh=False)
        self._bar.refresh()
        self._drawn = self.seconds

    def close(self) -> None:
        """Take the bar away; what is left in a notebook is for the spot's owner to close."""
        if self.spot is not None:
            self.spot.clear()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def summary(self, seen: int, unit: str = "step") -> str:
        """The finished bar as text, with the time it took in all and for one step."""
        return f"{draw_bar(seen, self.total)} - {self.timing(seen, unit)}"

    def timing(self, seen: int, unit: str = "step") -> str:
        """The time it took in all and for one step."""
        seconds = self.seconds
        return f"{seconds:.0f}s {time_per(seconds / max(1, seen), unit)}"


class ProgbarLogger(Callback):
    """Shows the epochs of a training as the parameter 'verbose' says.

    1 ('auto', True): 'Epoch 1/20', and under it a bar with the running averages, in its place at the end the full bar
    with all results; where the output is no terminal, the full bar alone. In a notebook, a line an epoch under one bar
    for the whole training. 2: Keras 2's line without a bar. 0: nothing. `count_mode` 'samples' or 'steps' says what
    is counted, and in what unit `tick` is told. Of `stateful_metrics` the last values are shown, not averages.

    Raises ValueError for another `count_mode`.
    """

    def __init__(self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        if count_mode not in ("samples", "steps"):
            raise ValueError(f"Unknown `count_mode`: {count_mode!r}. Expected 'samples' or 'steps'.")
        self.use_steps = count_mode == "steps"
        self.verbose = 0
        self.epochs: int | None = None
        self.seen = 0  # what `on_batch_end` counted
        self.target: int | None = None
        self._meter: Meter | None = None
        self._spot: Spot | None = None
        self._title = ""
        self._done = 0  # epochs of this training
        self._told = 0  # what `tick` was last told
        self._sums: dict[str, list[float]] = {}  # name -> [sum over what was counted, count]

    def get_state(self) -> dict[str, Any]:
        """What was counted in this epoch."""
        return {"seen": self.seen, "_sums": self._sums}

    def on_train_begin(self, logs: Any = None) -> None:
        """Read how much to show."""
        verbose = self.params["verbose"]
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.epochs = self.params["epochs"]
        self.close()
        self._done = 0
        self._spot = Spot(_bar_class) if self.verbose == 1 and in_notebook() else None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Print the heading."""
        self._leave()
        self.seen = 0
        self._told = 0
        self._sums = {}
        self._title = f"Epoch {epoch + 1}/{self.epochs}"
        self.target = self.params.get("steps" if self.use_steps else "samples")
        self._meter = Meter(self.target, self.verbose == 1 and can_redraw(), self._spot, f"{self._title} - ")
        if self.verbose and self._spot is None:
            print(self._title, flush=True)

    def tick(self, seen: int, read_logs: Callable[[], Mapping[str, Any]]) -> None:
        """Move the bar to `seen` samples (or steps) of this epoch; `read_logs` gives the averages so far,
        and is called only if something is drawn. For loops that leave out the batch hooks."""
        self._told = seen
        if self._meter is not None and self._meter.due():
            self._meter.show(seen, self._results(read_logs()))

    @skippable
    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count a batch, and draw for loops that never call `tick`."""
        logs = as_logs(logs)
        count = 1 if self.use_steps else logs.get("size", 0)
        self.seen += count
        for name in self.params["metrics"]:
            if name in self.stateful_metrics and name in logs:
                self._sums[name] = [logs[name], 1]
            elif name in logs:
                entry = self._sums.setdefault(name, [0.0, 0])
                entry[0] += logs[name] * count
                entry[1] += count
        if not self._told and self._meter is not None and self._meter.due():
            self._meter.show(self.seen, self._results(self._averages()))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the results."""
        meter = self._meter
        if meter is None or not self.verbose:
            return
        self._leave()
        self._done += 1
        results = self._results(Logs({**self._averages(), **(logs or {})}))
        seen = self.seen or self.target or self._told  # an epoch nobody counted is taken to be complete
        if self.verbose == 2:
            print(f" - {meter.seconds:.0f}s{results}", flush=True)
        elif self.verbose == 1 and self._spot is None:
            print(f"{meter.summary(seen)}{results}", flush=True)
        elif self.verbose == 1:  # a notebook's kernel sends its lines together, five times a second, unless it is urged
            print(f"{self._title} - {meter.timing(seen)}{results}")

    def on_train_end(self, logs: Any = None) -> None:
        """Leave no bar behind."""
        self.close()

    def close(self) -> None:
        """Take away the bar of a training that ended, or was interrupted: nothing is drawn after this."""
        unfinished = self._meter is not None
        self._leave()
        spot, self._spot = self._spot, None
        if spot is not None:
            seconds = time.perf_counter() - spot.started
            spot.close(f"{self._title}: interrupted after {seconds:.0f}s" if unfinished else
                       f"{self._done} epoch{'s'[:self._done != 1]} in {seconds:.0f}s")

    def _leave(self) -> None:
        """Take away the bar of an epoch."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None

    def _averages(self) -> Logs:
        """Running averages over the batches that `on_batch_end` saw."""
        return Logs({name: total / max(1, count) for name, (total, count) in self._sums.items()})

    def _results(self, logs: Mapping[str, Any]) -> str:
        """The metrics among the logs as ' - name: value' pieces, in the training's order."""
        names = [name for name in self.params["metrics"] if name in logs]
        return "".join(f" - {name}: {format_value(logs[name], self.verbose)}" for name in names)


class progress:
    """Shows an evaluation or a prediction: ``with progress(total, verbose) as bar: ... bar.tick(seen)``.

    With `verbose` 1 (or 'auto') a bar moves and a line stays at the end, with the time for one `unit`; where
    the output is no terminal or notebook, the line alone. With any other `verbose` there is nothing to see.
    """

    def __init__(self, total: int | None, verbose: int | str = 0, unit: str = "step") -> None:
        self._shown = verbose == "auto" or verbose == 1
        self._unit = unit
        self._seen = 0
        self._meter = Meter(total, live=False)

    def __enter__(self) -> progress:
        spot = Spot(_bar_class) if self._shown and in_notebook() else None
        self._meter = Meter(self._meter.total, self._shown and can_redraw(), spot)
        return self

    def tick(self, seen: int) -> None:
        """`seen` of `total` are done. May be called as often as one likes: drawing is limited by a clock."""
        self._seen = seen
        if self._meter.due():
            self._meter.show(seen)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._meter.close()
        spot, text = self._meter.spot, self._meter.summary(self._seen, self._unit) if kind is None else ""
        if (spot is None or not spot.close(text)) and self._shown and kind is None:
            print(text, flush=True)
