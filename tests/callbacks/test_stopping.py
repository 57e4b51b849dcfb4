"""Callbacks that end a training."""
from __future__ import annotations

import math

import numpy as np
import pytest

from gpukeras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, TerminateOnNaN
from gpukeras.callbacks.monitor import Monitor


class Model:
    """What the callbacks use of a model."""

    def __init__(self):
        self.stop_training = False
        self.weights = [np.zeros(1)]

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = weights


def train(stopper, values, name="val_loss"):
    """Epochs until it stops; the weight counts them. Returns how many were run."""
    stopper.set_model(Model())
    stopper.on_train_begin()
    epochs = 0
    for epoch, value in enumerate(values):
        stopper.model.weights = [np.array([float(epoch)])]
        stopper.on_epoch_end(epoch, {name: value})
        epochs += 1
        if stopper.model.stop_training:
            break
    stopper.on_train_end()
    return epochs


@pytest.mark.parametrize("options, values, epochs", [
    ({"patience": 2}, [0.0860, 0.1096, 0.1040, 0.1019], 3),
    ({"patience": 0}, [1, 0.9, 0.9, 0.8], 3),
    ({"patience": 1, "min_delta": 0.1}, [1, 0.95, 0.9, 0.8], 2),
    ({"patience": 1, "min_delta": -0.1}, [1, 0.95, 0.8, 0.75], 4),
    ({"patience": 1, "mode": "max"}, [1, 2, 3, 2], 4),
    ({"patience": 2, "baseline": 0.5}, [0.9, 0.8, 0.7], 2),
    ({"patience": 2, "baseline": 0.85}, [0.9, 0.8, 0.9, 0.9, 0.9], 4),
    ({"patience": 1, "start_from_epoch": 2}, [1, 2, 3, 4, 5], 4),
    ({"patience": 2}, [1, math.nan, math.nan, 0.5], 3),
])
def test_when_it_stops(options, values, epochs):
    assert train(EarlyStopping(**options), values) == epochs


@pytest.mark.parametrize("monitor", ["val_acc", "val_accuracy"])
@pytest.mark.parametrize("logged", ["val_acc", "val_accuracy"])
def test_accuracy_shall_grow_under_both_names(monitor, logged):
    assert train(EarlyStopping(monitor, patience=1), [0.5, 0.6, 0.6, 0.7], logged) == 3


def test_it_can_be_used_again():
    stopper = EarlyStopping(patience=1)
    assert train(stopper, [1, 2, 3]) == 2
    assert train(stopper, [9, 8, 7]) == 3


def test_best_weights_come_back_whether_stopped_or_not():
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    assert train(stopper, [3, 1, 2, 2, 2]) == 4
    assert stopper.model.weights[0] == 1
    assert train(stopper, [3, 1, 2]) == 3
    assert stopper.model.weights[0] == 1
    plain = EarlyStopping(patience=2)
    train(plain, [3, 1, 2])
    assert plain.model.weights[0] == 2


def test_it_says_so(capsys):
    train(EarlyStopping(patience=1, verbose=1, restore_best_weights=True), [1, 2, 3])
    assert capsys.readouterr().out == ("Restoring the weights of the best epoch: 1\n"
                                       "Epoch 00002: early stopping\n")


def test_the_epoch_that_stops_ends_with_the_best_weights():
    stopper = EarlyStopping(patience=1, restore_best_weights=True)
    stopper.set_model(Model())
    for epoch, loss in enumerate([2, 1, 3]):
        stopper.model.weights = [np.array(epoch)]
        stopper.on_epoch_end(epoch, {"val_loss": loss})
    assert stopper.model.stop_training and stopper.model.weights[0] == 1  # callbacks after this one see them


def test_a_missing_quantity_is_warned_of():
    stopper = EarlyStopping()
    stopper.set_model(Model())
    with pytest.warns(RuntimeWarning, match="`val_loss` which is not available.*are: loss,acc"):
        stopper.on_epoch_end(0, {"loss": 1, "acc": 1})
    assert not stopper.model.stop_training


def test_an_unknown_mode_is_warned_of():
    with pytest.warns(RuntimeWarning, match="EarlyStopping mode 'upwards' is unknown, fallback to auto mode"):
        stopper = EarlyStopping("acc", mode="upwards", patience=1)
    assert train(stopper, [1, 2, 2], "acc") == 3


def test_monitor_needs_more_than_min_delta():
    falls = Monitor("x", "loss", min_delta=0.5)
    assert falls.improved(0.4, 1.0)
    assert not falls.improved(0.5, 1.0)
    assert not falls.improved(math.nan, math.inf)
    assert not Monitor("x", "acc").improved(1.0, 1.0)


@pytest.mark.parametrize("loss, stops", [
    (math.nan, True), (math.inf, True), (-math.inf, True), (1e30, False)])
def test_terminate_on_nan(loss, stops, capsys):
    callback = TerminateOnNaN()
    callback.set_model(Model())
    callback.on_batch_end(3, {"loss": np.float32(loss)})
    assert callback.model.stop_training is stops
    assert capsys.readouterr().out == ("Batch 3: Invalid loss, terminating training\n" if stops else "")


def test_terminate_on_nan_needs_a_loss():
    callback = TerminateOnNaN()
    callback.set_model(Model())
    callback.on_batch_end(0)
    callback.on_batch_end(0, {"acc": math.nan})
    assert not callback.model.stop_training


def test_a_negative_min_delta_allows_for_a_little_worse():
    """What Keras 2.0.9 does: with -0.2 losses of up to 0.2 above the best go on."""
    assert train(EarlyStopping(min_delta=-0.2), [1.0, 1.1, 1.2, 1.3, 1.4]) == 5
    assert train(EarlyStopping(min_delta=-0.2), [1.0, 1.3, 1.2]) == 2


def test_subclasses_compare_as_in_keras():
    """Programs override on_epoch_end with Keras's own comparison: `monitor_op(current - min_delta, best)`."""
    falls, grows = EarlyStopping("val_loss", min_delta=0.5), EarlyStopping("val_acc", min_delta=0.5)
    assert (falls.monitor_op, falls.min_delta, grows.monitor_op, grows.min_delta) == (np.less, -0.5, np.greater, 0.5)
    assert falls.monitor_op(0.4 - falls.min_delta, 1.0) and not falls.monitor_op(0.6 - falls.min_delta, 1.0)
    assert ModelCheckpoint("x.h5", "val_acc").monitor_op is np.greater
    assert ReduceLROnPlateau("loss", epsilon=0.5).monitor_op(0.4, 1.0) is True


@pytest.mark.parametrize("better", [np.greater, lambda a, b: a > b])
def test_what_is_better_may_be_set(better):
    stopper = EarlyStopping("val_f1", patience=1)
    assert stopper.monitor_op is np.less
    stopper.monitor_op = better
    assert stopper.monitor_op is better
    assert train(stopper, [0.5, 0.6, 0.55, 0.7], "val_f1") == 3 and stopper.best == 0.6
