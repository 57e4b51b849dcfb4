"""The list of callbacks: what is called, when it may be left out, and what is shared."""
from __future__ import annotations

import inspect
import time
import warnings
from types import SimpleNamespace

import pytest

from gpukeras import callbacks
from gpukeras.callbacks import (
    BaseLogger,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    ProgbarLogger,
    ReduceLROnPlateau,
    TerminateOnNaN,
    runner,
)

PARAMS = {"batch_size": 2, "epochs": 1, "steps": None, "samples": 4, "verbose": 0, "do_validation": False,
          "metrics": ["loss", "acc"]}
HOOKS = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]


class Recorder(Callback):
    """Notes the names of the hooks."""

    def __init__(self):
        super().__init__()
        self.calls = []


def record(name):
    def hook(self, *args):
        self.calls.append((name, *args[:-1]))
    return hook


for _name in HOOKS:
    setattr(Recorder, _name, record(_name))


def drive(batches):
    """One epoch of two batches, by hand."""
    batches.set_params(PARAMS)
    batches.set_model("the model")
    batches.on_train_begin()
    batches.on_epoch_begin(0)
    for batch, loss in enumerate((1.0, 3.0)):
        batches.on_batch_begin(batch, {"batch": batch, "size": 2})
        batches.on_batch_end(batch, {"batch": batch, "size": 2, "loss": loss, "acc": 0.5})
    logs = {}
    batches.on_epoch_end(0, logs)
    batches.on_train_end()
    return logs


def test_hooks_come_in_order():
    recorder = Recorder()
    drive(CallbackList([recorder]))
    assert recorder.calls == [("on_train_begin",), ("on_epoch_begin", 0),
                              ("on_batch_begin", 0), ("on_batch_end", 0), ("on_batch_begin", 1),
                              ("on_batch_end", 1), ("on_epoch_end", 0), ("on_train_end",)]
    assert recorder.model == "the model"
    assert recorder.params is PARAMS


def test_averages_reach_later_callbacks_and_the_caller():
    history = History()
    logs = drive(CallbackList([BaseLogger(), history]))
    assert logs == {"loss": 2.0, "acc": 0.5}
    assert history.history == {"loss": [2.0], "acc": [0.5]}
    assert history.history["accuracy"] == [0.5]
    assert history.epoch == [0]


def test_averages_are_weighted_by_size():
    base = BaseLogger()
    base.set_params(PARAMS)
    base.on_epoch_begin(0)
    base.on_batch_end(0, {"size": 3, "loss": 1.0})
    base.on_batch_end(1, {"size": 1, "loss": 5.0})
    logs = {"loss": -1.0}
    base.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0}


def test_of_metrics_with_a_state_the_last_value_counts():
    base = BaseLogger(stateful_metrics=["acc"])
    base.set_params(PARAMS)
    base.on_epoch_begin(0)
    base.on_batch_end(0, {"size": 3, "loss": 1.0, "acc": 0.25})
    base.on_batch_end(1, {"size": 1, "loss": 5.0, "acc": 0.5})
    logs = {"loss": -1.0, "acc": -1.0}
    base.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "acc": 0.5}


def test_averages_of_a_loop_without_batch_hooks_stay():
    base = BaseLogger()
    base.set_params(PARAMS)
    base.on_epoch_begin(0)
    logs = {"loss": 0.25}
    base.on_epoch_end(0, logs)
    base.on_epoch_end(0, None)
    assert logs == {"loss": 0.25}


class OldStyle(Callback):
    def on_batch_end(self, batch, logs=None):
        self.seen = logs


class NewStyle(Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.seen = logs["accuracy"]


class OwnBar(ProgbarLogger):
    def on_batch_end(self, batch, logs=None):
        self.own = True


class Duck:
    """No Callback at all, but it has the hooks."""

    def set_params(self, params):
        self.params = params

    set_model = set_params

    def on_train_begin(self, logs=None):
        self.begun = True

    on_train_end = on_train_begin

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    on_epoch_end = on_batch_begin = on_batch_end = on_epoch_begin


@pytest.mark.parametrize("make, needed", [
    (lambda: Callback(), False), (lambda: History(), False), (lambda: BaseLogger(), False),
    (lambda: ProgbarLogger(), False), (lambda: EarlyStopping(), False), (lambda: ReduceLROnPlateau(), False),
    (lambda: CSVLogger("never_written.csv"), False),
    (lambda: LambdaCallback(on_epoch_end=print), False), (lambda: LambdaCallback(on_batch_end=print), True),
    (lambda: LambdaCallback(on_train_batch_begin=print), True), (lambda: TerminateOnNaN(), True),
    (OldStyle, True), (NewStyle, True), (OwnBar, True), (Duck, True),
])
def test_needs_batches(make, needed):
    assert CallbackList([History(), make()]).needs_batches is needed


def test_newer_hook_names_are_called_too():
    new, old = NewStyle(), OldStyle()
    drive(CallbackList([new, old]))
    assert new.seen == 0.5
    assert old.seen["loss"] == 3.0


def test_a_callback_that_is_no_callback_works():
    duck = Duck()
    drive(CallbackList([duck]))
    CallbackList([duck]).on_test_begin()
    assert duck.begun
    assert duck.epoch == 0


@pytest.mark.parametrize("kind", ["test", "predict"])
def test_evaluation_hooks(kind):
    calls = []
    batches = CallbackList([History(), LambdaCallback(**{
        f"on_{kind}_begin": lambda logs: calls.append("begin"),
        f"on_{kind}_batch_begin": lambda batch, logs: calls.append(batch),
        f"on_{kind}_batch_end": lambda batch, logs: calls.append((batch, logs["loss"])),
        f"on_{kind}_end": lambda logs: calls.append("end")})])
    assert batches.needs(f"on_{kind}_batch_end")
    assert not batches.needs_batches
    getattr(batches, f"on_{kind}_begin")()
    getattr(batches, f"on_{kind}_batch_begin")(7)
    getattr(batches, f"on_{kind}_batch_end")(7, {"loss": 1})
    getattr(batches, f"on_{kind}_end")()
    assert calls == ["begin", 7, (7, 1), "end"]


def test_every_hook_of_a_callback_is_called_by_the_list():
    for name, _ in inspect.getmembers(Callback, inspect.isfunction):
        if name.startswith("on_"):
            assert hasattr(CallbackList, name)


def test_display_is_the_bar_of_the_list():
    bar = ProgbarLogger()
    assert CallbackList([History(), bar]).display is bar
    assert CallbackList([History()]).display is None


def test_append_and_iterate():
    first, second = Callback(), Callback()
    batches = CallbackList([first])
    batches.append(second)
    assert list(batches) == [first, second]


def test_what_a_callback_adds_reaches_the_next_and_the_caller():
    read = []
    batches = CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=1)),
                            LambdaCallback(on_epoch_end=lambda epoch, logs: read.append(logs["extra"]))])
    logs = {"loss": 0.5}
    batches.on_epoch_end(0, logs)
    assert read == [1]
    assert logs == {"loss": 0.5, "extra": 1}


def test_slow_callbacks_are_named(monkeypatch):
    monkeypatch.setattr(runner, "SLOW", 0.002)
    slow = CallbackList([LambdaCallback(on_batch_end=lambda batch, logs: time.sleep(0.01))])
    slow.on_epoch_begin(0)
    slow.on_batch_begin(0)
    with pytest.warns(UserWarning, match=r"Method on_batch_end\(\) is slow compared to the batch update \("):
        slow.on_batch_end(0)


def test_one_slow_call_of_many_is_not_named(monkeypatch):
    """The median over the last batches counts: of two calls, their mean."""
    now = 0.0
    taken = iter((0.01, 0.15, 0.2))

    def wait(batch, logs):
        nonlocal now
        now += next(taken)

    monkeypatch.setattr(runner, "time", SimpleNamespace(perf_counter=lambda: now))
    batches = CallbackList([LambdaCallback(on_batch_end=wait)])
    batches.on_epoch_begin(0)

    def step(batch):
        nonlocal now
        batches.on_batch_begin(batch)
        now += 0.02
        batches.on_batch_end(batch)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(0)
        step(1)
    with pytest.warns(UserWarning, match=r"\(0\.150 s against 0\.020 s\)"):
        step(2)


def test_quick_callbacks_are_not_named():
    quick = CallbackList([LambdaCallback(on_batch_end=lambda batch, logs: None)])
    quick.on_epoch_begin(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick.on_batch_end(0)
        quick.on_batch_begin(1)
        quick.on_batch_end(1)
    assert len(quick._hook_times["on_batch_end"]) == 2


def test_public_names():
    for name in callbacks.__all__:
        assert hasattr(callbacks, name)
