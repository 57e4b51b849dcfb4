"""The model, saved while it trains."""
from __future__ import annotations

import os
import warnings
from typing import Any

from gpukeras.callbacks.base import Callback
from gpukeras.callbacks.logs import Logs
from gpukeras.callbacks.monitor import Monitor, Watching, validate


class ModelCheckpoint(Watching, Callback):
    """Saves the model at the end of every epoch, or of every `period` epochs, to the file `filepath`.

    `filepath` may have places to fill in: ``weights.{epoch:02d}-{val_loss:.2f}.h5``, with the number of the epoch (from
    1) and the names in the logs. `save_weights_only` leaves out architecture and optimizer. With `save_best_only`, only
    an epoch with a better `monitor` than all before is saved; `mode` says what is better: 'min', 'max', or 'auto' (by
    the name). `verbose` 1 tells what is done. Of newer Keras: `save_freq`, 'epoch' or a number of batches, after which
    `filepath` may also name {batch}; and `initial_value_threshold`, which `monitor` has to beat at first.

    A file is replaced in one step: an interruption leaves the old one or the new one. Raises ValueError for another
    `save_freq`, and KeyError for a place in `filepath` that the logs can't fill.
    """

    def __init__(self, filepath: str | os.PathLike[str], monitor: str = "val_loss", verbose: int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto", period: int = 1,
                 save_freq: str | int = "epoch", initial_value_threshold: float | None = None) -> None:
        super().__init__()
        if save_freq != "epoch" and (not isinstance(save_freq, int) or isinstance(save_freq, bool) or save_freq < 1):
            raise ValueError(f"Unrecognized save_freq: {save_freq!r}. Expected 'epoch' or a number of batches.")
        self.filepath = os.fspath(filepath)
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.period = period
        self.save_freq = save_freq
        self.epochs_since_last_save = 0
        self.batches_since_last_save = 0
        self._epoch = 0
        self._watch = Monitor("ModelCheckpoint", monitor, mode)
        self.best = self._watch.worst if initial_value_threshold is None else initial_value_threshold
        if save_freq != "epoch":
            # set here, not on the class: training is faster where no callback looks at single batches
            self.on_train_batch_end = self._count_batch  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the number."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save, if it is time to."""
        self.epochs_since_last_save += 1
        if self.save_freq == "epoch" and self.epochs_since_last_save >= self.period:
            self.epochs_since_last_save = 0
            self._consider(epoch, Logs(logs or {}))

    def _count_batch(self, batch: int, logs: Any = None) -> None:
        self.batches_since_last_save += 1
        if self.batches_since_last_save >= self.save_freq:  # type: ignore[operator]
            self.batches_since_last_save = 0
            self._consider(self._epoch, Logs(logs or {}, batch=batch + 1))

    def _consider(self, epoch: int, logs: Logs) -> None:
        """Save, unless only better models are asked for and this is none."""
        path = self._path(epoch, logs)
        if not self.save_best_only:
            self._save(path, f"Epoch {epoch + 1:05d}: saving model to {path}")
            return
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available, skipping. Available are: "
                          f"{','.join(logs)}{validate(self.monitor)}", RuntimeWarning, stacklevel=3)
        elif self._watch.improved(current, self.best):
            before, self.best = self.best, current
            self._save(path, f"Epoch {epoch + 1:05d}: {self.monitor} improved from {before:0.5f} to {current:0.5f}, "
                             f"saving model to {path}")
        elif self.verbose > 0:
            print(f"Epoch {epoch + 1:05d}: {self.monitor} did not improve")

    def _path(self, epoch: int, logs: Logs) -> str:
        """`filepath`, filled in. Names of any Keras 2 are found."""
        values = Logs({**logs, "epoch": epoch + 1})
        try:
            return self.filepath.format_map(values)
        except KeyError as error:
            raise KeyError(f"ModelCheckpoint can't fill in {error} in filepath {self.filepath!r}; there are: "
                           f"{', '.join(values)}") from None

    def _save(self, path: str, message: str) -> None:
        if self.verbose > 0:
            print(message)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
