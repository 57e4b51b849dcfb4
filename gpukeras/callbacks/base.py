"""The class that callbacks inherit from."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gpukeras.callbacks.plain import is_plain, refilled

_Hook = TypeVar("_Hook", bound=Callable[..., Any])


def skippable(hook: _Hook) -> _Hook:
    """Mark a hook that a training loop need not call: it does nothing, or the loop does its work already."""
    hook.skippable = True  # type: ignore[attr-defined]
    return hook


def wants(callback: Any, hook: str) -> bool:
    """Whether the callback has something of its own to do at `hook`: an override, or a function set on the
    object."""
    method = getattr(callback, hook, None)
    function = getattr(method, "__func__", method)
    return function is not None and getattr(function, "skippable", False) is not True


_DESCRIBED = ("model", "params", "validation_data")  # what a training tells its callbacks when it begins


def plain_state(callback: Any) -> dict[str, Any]:
    """The attributes of a callback that are plain data (see `plain.pack`)."""
    return {name: value for name, value in vars(callback).items() if name not in _DESCRIBED and is_plain(value)}


def set_plain_state(callback: Any, state: dict[str, Any]) -> None:
    """Sets attributes from what `plain_state` returned; dicts of a class of their own keep it."""
    for name, value in state.items():
        setattr(callback, name, refilled(getattr(callback, name, None), value))


class Callback:
    """Base of all callbacks: override the hooks you need.

    `model` is the model in training, and `params` says how: 'batch_size', 'epochs', 'steps', 'samples',
    'verbose', 'do_validation' and 'metrics' (the names in the logs); with a generator 'batch_size' and 'samples' are
    not there, and 'metrics' has those of a validation even without one. `validation_data` holds the validation
    arrays (inputs, targets, sample weights) if `fit` got some.

    Logs have `loss` and metrics: of the batch in `on_batch_end`, of the epoch, with 'val_' ones, in
    `on_epoch_end`. `on_batch_begin` gets 'batch' and 'size'. Setting ``self.model.stop_training = True``
    ends the training. Overriding a hook of single batches makes `fit` read the loss after each one, which
    costs some speed.

    >>> class Say(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, logs["loss"])
    >>> Say().on_epoch_end(0, {"loss": 0.5})
    0 0.5
    """

    validation_data: Any = None
    model: Any = None
    params: dict[str, Any] = {}

    def __init__(self) -> None:
        self.validation_data = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before training with a description of it."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called before training with the model."""
        self.model = model

    def get_state(self) -> dict[str, Any]:
        """What `BackupAndRestore` keeps for `set_state` after an interruption: unless overridden, all attributes that
        are numbers, texts, arrays, or containers of these. It saves those that changed since training began."""
        return plain_state(self)

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a state: called after `on_train_begin`, and after `on_epoch_begin` in the midst of an epoch."""
        set_plain_state(self, state)

    @skippable
    def on_train_begin(self, logs: Any = None) -> None:
        """Training starts."""

    @skippable
    def on_train_end(self, logs: Any = None) -> None:
        """Training ended."""

    @skippable
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Epoch `epoch` (from 0) starts."""

    @skippable
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Epoch `epoch` ended, its validation too."""

    @skippable
    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Batch `batch` (from 0) of this epoch starts."""

    @skippable
    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Batch `batch` of this epoch is done."""

    # The hooks that later versions of Keras added. The list calls the on_train_batch ones right after those
    # above, so a callback may override either.

    @skippable
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A training batch starts."""

    @skippable
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A training batch is done."""

    @skippable
    def on_test_begin(self, logs: Any = None) -> None:
        """Evaluation or validation starts."""

    @skippable
    def on_test_end(self, logs: Any = None) -> None:
        """Evaluation or validation ended."""

    @skippable
    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of an evaluation starts."""

    @skippable
    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of an evaluation is done."""

    @skippable
    def on_predict_begin(self, logs: Any = None) -> None:
        """Prediction starts."""

    @skippable
    def on_predict_end(self, logs: Any = None) -> None:
        """Prediction ended."""

    @skippable
    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """A batch of a prediction starts."""

    @skippable
    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """A batch of a prediction is done."""
