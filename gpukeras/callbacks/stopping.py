"""Callbacks that end a training early."""
from __future__ import annotations

import math
from typing import Any

from gpukeras.callbacks.base import Callback
from gpukeras.callbacks.monitor import Monitor, Watching


class TerminateOnNaN(Callback):
    """Ends the training at the first batch whose loss is not finite."""

    tells_of_nan = True  # so that nothing else need

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss of the batch."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class EarlyStopping(Watching, Callback):
    """Ends the training when `monitor` has not improved, by more than `min_delta`, for `patience` epochs. With a
    `min_delta` below 0 it may even get worse by as much.

    `mode` is 'min', 'max' or 'auto' (by the name: accuracies shall grow, all else shall fall). With a
    `baseline`, epochs that do not beat it count as no improvement. `start_from_epoch` epochs are let pass at
    first. With `restore_best_weights` the model ends with the weights of its best epoch, whether or not it
    was stopped.
    """

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False,
                 start_from_epoch: int = 0) -> None:
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._watch = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.min_delta = min_delta if self._watch.worst < 0 else -min_delta  # as in Keras: what to subtract
        self.on_train_begin()

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget an earlier training."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = self._watch.worst
        self.best_epoch: int | None = None
        self.best_weights: list[Any] | None = None
        self._restored = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compare with the best epoch so far."""
        current = self._watch.read(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._watch.improved(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._watch.improved(current, self.baseline):
                self.wait = 0
                return
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            self._restore()

    def on_train_end(self, logs: Any = None) -> None:
        """Say that it stopped, and go back to the best weights if asked to."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")
        self._restore()

    def _restore(self) -> None:
        """Set the best weights, once: after the epoch that is the last, so that callbacks after this one see them."""
        if not self._restored and self.best_weights is not None and self.best_epoch is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)
            self._restored = True
