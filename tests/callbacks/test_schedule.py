"""Callbacks that change the learning rate."""
from __future__ import annotations

import types

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import LearningRateScheduler, ReduceLROnPlateau


def model_with_rate(rate):
    return types.SimpleNamespace(optimizer=types.SimpleNamespace(lr=K.variable(rate)))


def rate_of(model):
    return float(K.get_value(model.optimizer.lr))


@pytest.mark.parametrize("schedule, expected", [
    (lambda epoch: 1.0 / (1.0 + epoch), 0.25),
    (lambda epoch, lr: lr * 0.5, 0.5),
    (lambda epoch, drop=0.125: drop, 0.125),
    (lambda epoch: np.float32(0.5), 0.5),
])
def test_scheduler(schedule, expected):
    scheduler = LearningRateScheduler(schedule)
    scheduler.set_model(model_with_rate(1.0))
    scheduler.on_epoch_begin(3)
    assert rate_of(scheduler.model) == expected


def test_scheduler_says_so(capsys):
    scheduler = LearningRateScheduler(lambda epoch: 0.5, verbose=1)
    scheduler.set_model(model_with_rate(1.0))
    scheduler.on_epoch_begin(0)
    assert "Epoch 00001: LearningRateScheduler setting learning rate to 0.5." in capsys.readouterr().out


@pytest.mark.parametrize("value", [1, None, "0.1"])
def test_scheduler_must_return_a_float(value):
    scheduler = LearningRateScheduler(lambda epoch: value)
    scheduler.set_model(model_with_rate(1.0))
    with pytest.raises(ValueError, match="should be float"):
        scheduler.on_epoch_begin(0)


def test_an_optimizer_without_a_rate():
    scheduler = LearningRateScheduler(lambda epoch: 0.1)
    scheduler.set_model(types.SimpleNamespace(optimizer=object()))
    with pytest.raises(ValueError, match="must have a 'lr' attribute; object has none"):
        scheduler.on_epoch_begin(0)


def reduce(values, rate=1.0, **options):
    """The rates after each epoch."""
    callback = ReduceLROnPlateau(factor=0.5, **options)
    callback.set_model(model_with_rate(rate))
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        logs = {"val_loss": value}
        before = rate_of(callback.model)
        callback.on_epoch_end(epoch, logs)
        assert np.float32(logs["lr"]) == np.float32(before)
        rates.append(rate_of(callback.model))
    return rates


@pytest.mark.parametrize("options, values, rates", [
    # an improvement, then `patience` epochs of waiting, then the reduction, with the count going on from 1
    ({"patience": 1}, [1, 1, 1, 1, 1], [1, 1, 0.5, 0.25, 0.125]),
    ({"patience": 1}, [5, 4, 3, 2, 1], [1, 1, 1, 1, 1]),
    ({"patience": 1, "epsilon": 10}, [5, 4, 3], [1, 1, 0.5]),
    ({"patience": 1, "min_delta": 10}, [5, 4, 3], [1, 1, 0.5]),
    ({"patience": 1, "cooldown": 2}, [1, 1, 1, 1, 1, 1, 1], [1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ({"patience": 0, "min_lr": 0.3}, [1, 1, 1, 1], [1, 0.5, 0.3, 0.3]),
    ({"patience": 1, "mode": "max"}, [1, 2, 3, 3, 3], [1, 1, 1, 1, 0.5]),
])
def test_reduce_on_plateau(options, values, rates):
    assert reduce(values, **options) == pytest.approx(rates)


def test_reduce_says_so(capsys):
    reduce([1, 1], patience=0, verbose=1)
    assert capsys.readouterr().out == "\nEpoch 00002: reducing learning rate to 0.5.\n"


def test_reduce_needs_a_factor_below_one():
    with pytest.raises(ValueError, match="factor >= 1.0"):
        ReduceLROnPlateau(factor=1.0)


def test_reduce_warns_of_a_missing_quantity():
    callback = ReduceLROnPlateau("val_acc")
    callback.set_model(model_with_rate(0.5))
    logs = {"loss": 1}
    with pytest.warns(RuntimeWarning, match="ReduceLROnPlateau conditioned on metric `val_acc`"):
        callback.on_epoch_end(0, logs)
    assert logs["lr"] == 0.5


def test_the_logged_rate_has_the_digits_it_prints_with():
    callback, logs = ReduceLROnPlateau("loss", min_lr=0.1), {"loss": 1.0}
    callback.set_model(model_with_rate(0.001))
    callback.on_epoch_end(0, logs)
    assert repr(logs["lr"]) == "0.001"
    assert callback.mode == "auto" and callback.lr_epsilon == pytest.approx(1e-5)


def test_a_subclass_may_reset_otherwise():
    class Own(ReduceLROnPlateau):
        def _reset(self):
            super()._reset()
            self.monitor_op = lambda a, b: a == 7

    own = Own("loss")
    own.on_train_begin()
    assert own.monitor_op(7, 0) and not own.monitor_op(8, 0)
