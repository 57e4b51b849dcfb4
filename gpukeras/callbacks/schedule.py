"""Callbacks that change the learning rate."""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras.callbacks.base import Callback
from gpukeras.callbacks.monitor import Monitor


def _learning_rate(model: Any) -> Any:
    """The optimizer's variable, or a clear error."""
    variable = getattr(model.optimizer, "lr", None)
    if variable is None:
        raise ValueError(f"Optimizer must have a 'lr' attribute; {type(model.optimizer).__name__} has none.")
    return variable


def _logged(model: Any) -> float:
    """The optimizer's learning rate, with no more digits than tell it from others of its dtype: 0.001, as it prints."""
    return float(str(K.get_value(_learning_rate(model))[()]))


def _set_learning_rate(model: Any, rate: float) -> None:
    """TypeError if the rate follows a schedule of the optimizer's own."""
    variable = _learning_rate(model)
    if not isinstance(variable, K.Variable):
        raise TypeError(f"The learning rate of {type(model.optimizer).__name__} follows a schedule of its own, so a "
                        "callback can't set it. Keep the one or the other.")
    K.set_value(variable, rate)


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of every epoch to ``schedule(epoch)``, or ``schedule(epoch, lr)``
    for a function of two required arguments, which gets the present rate too. `verbose` 1 prints it.

    Raises ValueError if the schedule returns anything but a float.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the rate of this epoch."""
        variable = _learning_rate(self.model)
        if _required_arguments(self.schedule) >= 2:
            rate = self.schedule(epoch, float(K.get_value(variable)))
        else:
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(f"The output of the 'schedule' function should be float, got {rate!r} for epoch "
                             f"{epoch}.")
        _set_learning_rate(self.model, rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the rate as 'lr', as newer Keras does."""
        if logs is not None:
            logs["lr"] = _logged(self.model)


def _required_arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a function cannot do without."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in positional and parameter.default is inspect.Parameter.empty
               for parameter in inspect.signature(function).parameters.values())


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` when `monitor` has not improved for `patience` epochs.

    An improvement is a change by more than `epsilon` (`min_delta` in newer Keras). After a reduction,
    `cooldown` epochs pass before waiting starts again. The rate never goes below `min_lr`. Epoch logs get
    the rate as 'lr'. As in Keras 2.0, the reduction comes at the epoch after `patience` epochs without
    improvement.

    Raises ValueError for a factor of 1 or more.
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", epsilon: float = 1e-4, cooldown: int = 0, min_lr: float = 0,
                 min_delta: float | None = None) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0, got {factor}.")
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.epsilon = self.min_delta = epsilon if min_delta is None else min_delta
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.mode = mode
        self._reset()

    def _reset(self) -> None:
        """Forget an earlier training. A subclass may set other bounds here."""
        self._watch = Monitor("ReduceLROnPlateau", self.monitor, self.mode, self.epsilon)
        self.best = self._watch.worst
        self.wait = 0
        self.cooldown_counter = 0
        self.lr_epsilon = self.min_lr * 1e-4

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget an earlier training."""
        self._reset()

    @property
    def monitor_op(self) -> Callable[[float, float], bool]:
        """Whether one value is better than another, by more than `epsilon`."""
        return self._watch.improved

    @monitor_op.setter
    def monitor_op(self, better: Callable[[float, float], Any]) -> None:
        self._watch.better, self._watch.min_delta = better, 0.0

    def in_cooldown(self) -> bool:
        """Whether a reduction was made less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare with the best epoch so far, and reduce the rate after too long a wait."""
        logs = {} if logs is None else logs
        logs["lr"] = _logged(self.model)
        current = self._watch.read(logs)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._watch.improved(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            if self.wait >= self.patience:
                self._reduce(epoch, float(K.get_value(_learning_rate(self.model))))
            self.wait += 1

    def _reduce(self, epoch: int, rate: float) -> None:
        """Lower the rate, unless it is at its bound already (give or take rounding)."""
        if rate <= self.min_lr + self.lr_epsilon:
            return
        rate = max(rate * self.factor, self.min_lr)
        _set_learning_rate(self.model, rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: reducing learning rate to {rate}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0
