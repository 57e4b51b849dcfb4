"""Watching one number in the logs: which way is better, and is this better?"""
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpukeras.callbacks.logs import as_logs


class Watching:
    """Mixed into callbacks that watch: what subclasses in programs of Keras 2 read of them."""

    _watch: Monitor

    @property
    def monitor_op(self) -> Callable[[Any, Any], Any]:
        """np.greater or np.less, or a function that was set: whether one value is better than another."""
        return self._watch.better

    @monitor_op.setter
    def monitor_op(self, better: Callable[[Any, Any], Any]) -> None:
        self._watch.better = better


class Monitor:
    """The quantity `name`, watched for `owner` (the callback's name, for messages).

    `mode` says what is better: 'min', 'max', or 'auto' for what the name suggests. An improvement is a
    change by more than `min_delta`.

    >>> watch = Monitor("EarlyStopping", "val_acc")
    >>> watch.improved(0.9, watch.worst), watch.improved(0.8, 0.9)
    (True, False)
    """

    def __init__(self, owner: str, name: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        self.owner = owner
        self.name = name
        self.min_delta = min_delta
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{owner} mode {mode!r} is unknown, fallback to auto mode.", RuntimeWarning,
                          stacklevel=3)
            mode = "auto"
        grows = "acc" in name or name.endswith("auc") or "fmeasure" in name
        self.better: Callable[[Any, Any], Any] = np.greater if mode == "max" or (mode == "auto" and grows) else np.less

    @property
    def worst(self) -> float:
        """What any value is better than."""
        return math.inf if self.better is np.less else -math.inf

    def improved(self, current: float, best: float) -> bool:
        """Whether `current` is better than `best`; never true of NaN."""
        return bool(self.better(current, best - self.min_delta if self.better is np.less else best + self.min_delta))

    def read(self, logs: Mapping[str, Any] | None) -> float | None:
        """The value in the logs, by its name of any Keras 2; None, and a warning, if there is none."""
        logs = as_logs(logs)
        if self.name not in logs:
            warnings.warn(f"{self.owner} conditioned on metric `{self.name}` which is not available. "
                          f"Available metrics are: {','.join(logs)}{validate(self.name)}", RuntimeWarning, stacklevel=3)
            return None
        result: float | None = logs[self.name]
        return result


def validate(name: str) -> str:
    """What makes a value of the validation available, as the end of a sentence."""
    if not name.startswith("val_"):
        return ""
    return ". Write fit(..., validation_split=0.2), or validation_data=(x_val, y_val)"
