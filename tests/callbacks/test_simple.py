"""A callback of plain functions."""
from __future__ import annotations

from gpukeras.callbacks import LambdaCallback


def test_each_function_is_called_with_its_arguments():
    calls = []
    numbered = ["on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end"]
    plain = ["on_train_begin", "on_train_end", "on_test_end"]
    callback = LambdaCallback(**{name: (lambda *args, name=name: calls.append((name, *args)))
                                 for name in numbered + plain})
    for name in numbered:
        getattr(callback, name)(4, {"loss": 1})
    for name in plain:
        getattr(callback, name)({})
    assert calls == [(name, 4, {"loss": 1}) for name in numbered] + [(name, {}) for name in plain]


def test_hooks_not_given_do_nothing_and_attributes_stay():
    callback = LambdaCallback(note="mine")
    assert callback.on_epoch_end(0, {}) is None
    assert callback.note == "mine"
