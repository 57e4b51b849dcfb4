"""A callback made of plain functions."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpukeras.callbacks.base import Callback


class LambdaCallback(Callback):
    """Calls the given functions at the hooks of their names.

    Those of epochs and batches get (number, logs), those of training get (logs). Hooks of later Keras
    versions, such as `on_test_end`, and attributes of your own may be given as further keyword arguments.

    >>> say = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    >>> say.on_epoch_end(3, {"loss": 0.25})
    3 0.25
    """

    def __init__(self, on_epoch_begin: Callable[..., Any] | None = None,
                 on_epoch_end: Callable[..., Any] | None = None,
                 on_batch_begin: Callable[..., Any] | None = None,
                 on_batch_end: Callable[..., Any] | None = None,
                 on_train_begin: Callable[..., Any] | None = None,
                 on_train_end: Callable[..., Any] | None = None, **kwargs: Any) -> None:
        super().__init__()
        hooks = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end,
                 "on_batch_begin": on_batch_begin, "on_batch_end": on_batch_end,
                 "on_train_begin": on_train_begin, "on_train_end": on_train_end}
        for name, value in {**hooks, **kwargs}.items():
            if value is not None:
                setattr(self, name, value)
