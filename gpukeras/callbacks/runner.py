"""The list of callbacks as a training loop sees it."""
from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from gpukeras.callbacks.base import wants
from gpukeras.callbacks.display import ProgbarLogger
from gpukeras.callbacks.logs import as_logs

SLOW = 0.1  # seconds: below this nobody is warned of slow callbacks


class CallbackList:
    """Calls every hook on each of its callbacks, in order, all with the same logs.

    A loop that finds `needs_batches` False may leave out the hooks of single batches, and only calls
    ``display.tick(seen, read_logs)`` now and then to keep the bar moving. `queue_length` is the number of
    batches over which the callbacks' own time is watched.
    """

    def __init__(self, callbacks: Iterable[Any] | None = None, queue_length: int = 10) -> None:
        self.callbacks = list(callbacks or ())
        self.queue_length = queue_length
        self._hook_times: dict[str, deque[float]] = {}
        self._wanted: dict[str, list[Any]] = {}
        self._batch_time = 0.0  # seconds between the hooks at the start and the end of the last batch
        self._batch_started: float | None = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._wanted = {}

    def needs(self, *hooks: str) -> bool:
        """Whether any callback does something of its own at any of these hooks."""
        return any(wants(callback, hook) for callback in self.callbacks for hook in hooks)

    @property
    def needs_batches(self) -> bool:
        """Whether any callback looks at single training batches."""
        return self.needs("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")

    @property
    def display(self) -> ProgbarLogger | None:
        """The callback that draws progress, if there is one."""
        return next((callback for callback in self.callbacks if isinstance(callback, ProgbarLogger)), None)

    def set_params(self, params: dict[str, Any]) -> None:
        """Describe the training to every callback."""
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Give every callback the model."""
        for callback in self.callbacks:
            callback.set_model(model)

    def _call(self, hook: str, *args: Any, logs: Any, always: bool = True) -> None:
        """One hook of all callbacks. What they add to the logs reaches the next ones, and the caller's own
        dict.

        A hook that Keras 2.0 did not have is only called (`always` False) where a callback defines it.
        """
        shared = as_logs(logs)
        for callback in self.callbacks if always else self._wanting(hook):
            getattr(callback, hook)(*args, shared)
        if isinstance(logs, dict) and logs is not shared:
            logs.update(shared)

    def _wanting(self, hook: str) -> list[Any]:
        """The callbacks that do something of their own at a hook, looked up once an epoch."""
        if hook not in self._wanted:
            self._wanted[hook] = [callback for callback in self.callbacks if wants(callback, hook)]
        return self._wanted[hook]

    def share(self) -> None:
        """After training: nothing, where one process trains."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Training starts."""
        self._wanted = {}
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Training ended."""
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Epoch `epoch` starts."""
        self._call("on_epoch_begin", epoch, logs=logs)
        self._hook_times = {}
        self._wanted = {}
        self._batch_time = 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Epoch `epoch` ended."""
        self._call("on_epoch_end", epoch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A training batch starts."""
        self._timed("on_batch_begin", "on_train_batch_begin", batch, logs)
        self._batch_started = time.perf_counter()

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """A training batch is done."""
        now = time.perf_counter()
        self._batch_time = now - (now if self._batch_started is None else self._batch_started)
        self._timed("on_batch_end", "on_train_batch_end", batch, logs)

    on_train_batch_begin = on_batch_begin
    on_train_batch_end = on_batch_end

    def _timed(self, hook: str, newer_hook: str, batch: int, logs: Any) -> None:
        """Call a batch hook by both its names, and warn if callbacks take longer than the training itself."""
        start = time.perf_counter()
        shared = as_logs(logs)
        self._call(hook, batch, logs=shared)
        self._call(newer_hook, batch, logs=shared, always=False)
        if isinstance(logs, dict) and logs is not shared:
            logs.update(shared)
        taken = time.perf_counter() - start
        times = self._hook_times.setdefault(hook, deque(maxlen=self.queue_length))
        times.append(taken)
        if taken > SLOW and 0 < self._batch_time:
            usual = np.median(times)
            if usual > max(SLOW, 0.95 * self._batch_time):
                warnings.warn(f"Method {hook}() is slow compared to the batch update ({usual:.3f} s against "
                              f"{self._batch_time:.3f} s). Check your callbacks.", stacklevel=3)

    def on_test_begin(self, logs: Any = None) -> None:
        """Evaluation or validation starts."""
        self._call("on_test_begin", logs=logs, always=False)

    def on_test_end(self, logs: Any = None) -> None:
        """Evaluation or validation ended."""
        self._call("on_test_end", logs=logs, always=False)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of an evaluation starts."""
        self._call("on_test_batch_begin", batch, logs=logs, always=False)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of an evaluation is done."""
        self._call("on_test_batch_end", batch, logs=logs, always=False)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Prediction starts."""
        self._call("on_predict_begin", logs=logs, always=False)

    def on_predict_end(self, logs: Any = None) -> None:
        """Prediction ended."""
        self._call("on_predict_end", logs=logs, always=False)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of a prediction starts."""
        self._call("on_predict_batch_begin", batch, logs=logs, always=False)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of a prediction is done."""
        self._call("on_predict_batch_end", batch, logs=logs, always=False)
