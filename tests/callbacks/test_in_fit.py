"""The callbacks in a real training."""
from __future__ import annotations

import csv
import re

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from gpukeras.layers import Dense
from gpukeras.models import Sequential

STATE = np.random.RandomState(5)
X = STATE.normal(size=(40, 3))
Y = (X.sum(axis=1) > 0).astype(int)


@pytest.fixture
def model():
    np.random.seed(7)
    model = Sequential([Dense(4, activation="tanh", input_shape=(3,)), Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model, *callbacks, **options):
    defaults = {"batch_size": 10, "epochs": 3, "verbose": 0, "callbacks": list(callbacks)}
    return model.fit(X, Y, **{**defaults, **options})


def test_history_has_both_generations_of_names(model):
    history = fit(model, validation_split=0.25)
    assert sorted(history.history) == ["acc", "loss", "val_acc", "val_loss"]
    assert history.history["val_accuracy"] is history.history["val_acc"]
    assert history.epoch == [0, 1, 2]
    assert all(len(values) == 3 for values in history.history.values())
    assert history.params["metrics"] == ["loss", "acc", "val_loss", "val_acc"]


def test_verbose_2_prints_the_lines_of_keras(model, capsys):
    history = fit(model, verbose=2, epochs=2).history
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    for line, loss, acc in zip(lines[1::2], history["loss"], history["acc"], strict=True):
        assert re.fullmatch(rf" - \d+s - loss: {loss:.4f} - acc: {acc:.4f}", line)


def test_verbose_1_in_a_file_leaves_the_full_bars(model, capsys):
    fit(model, verbose=1, validation_split=0.25)
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("Epoch")][1:]
    assert len(lines) == 3
    assert re.fullmatch(r"(\d+)/\1 \[={30}\] - 0s \d+(us|ms)/step - loss: [\d.]+ - acc: [\d.]+ - val_loss: [\d.]+"
                        r" - val_acc: [\d.]+", lines[2])


@pytest.mark.parametrize("hook", ["on_batch_end", "on_train_batch_end"])
def test_batches_have_real_values_that_average_to_the_epochs(model, hook):
    batches, epochs = [], []
    history = fit(model, LambdaCallback(**{hook: lambda batch, logs: batches.append((batch, dict(logs)))}),
                  LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs["loss"])))
    assert [batch for batch, _ in batches] == [0, 1, 2, 3] * 3
    assert all(logs["size"] == 10 for _, logs in batches)
    means = np.reshape([logs["loss"] for _, logs in batches], (3, 4)).mean(axis=1)
    np.testing.assert_allclose(epochs, means, rtol=1e-5)
    np.testing.assert_allclose(history.history["loss"], means, rtol=1e-5)


def test_looking_at_batches_does_not_change_the_training(model):
    weights = model.get_weights()
    np.random.seed(1)
    plain = fit(model).history
    model.set_weights(weights)
    np.random.seed(1)
    watched = fit(model, LambdaCallback(on_batch_end=lambda batch, logs: None)).history
    np.testing.assert_allclose(watched["loss"], plain["loss"], rtol=1e-5)


def test_hooks_of_a_whole_training(model):
    calls = []

    class Watch(Callback):
        def on_train_begin(self, logs=None):
            calls.append("train")
            assert self.params["epochs"] == 1
            assert self.params["samples"] == 30
            assert self.params["do_validation"]
            assert self.model is not None

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(("epoch", epoch))

        def on_batch_begin(self, batch, logs=None):
            calls.append((logs["batch"], logs["size"]))

        def on_epoch_end(self, epoch, logs=None):
            calls.append(sorted(logs))

        def on_train_end(self, logs=None):
            calls.append("end")

    fit(model, Watch(), epochs=1, batch_size=20, validation_split=0.25)
    assert calls == ["train", ("epoch", 0), (0, 20), (1, 10), ["acc", "loss", "val_acc", "val_loss"], "end"]


@pytest.mark.parametrize("monitor", ["val_acc", "val_accuracy"])
def test_early_stopping_restores_the_best_weights(model, monitor):
    seen = []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()))
    stop = EarlyStopping(monitor, patience=2, restore_best_weights=True, min_delta=10)
    history = fit(model, keep, stop, epochs=20, validation_split=0.25)
    assert len(history.epoch) == 3
    for got, best in zip(model.get_weights(), seen[0], strict=True):
        np.testing.assert_array_equal(got, best)


def test_terminate_on_nan_stops_within_the_epoch(model):
    batches = []
    model.layers[0].set_weights([np.full((3, 4), np.nan), np.zeros(4)])
    watch = LambdaCallback(on_batch_end=lambda batch, logs: batches.append(batch))
    history = fit(model, TerminateOnNaN(), watch)
    assert batches == [0]
    assert len(history.epoch) == 1
    assert np.isnan(history.history["loss"][0])


def test_the_scheduled_rate_is_the_one_trained_with(model):
    weights = model.get_weights()
    fit(model, LearningRateScheduler(lambda epoch: 0.0))
    for got, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, before)
    fit(model, LearningRateScheduler(lambda epoch, lr: lr + 0.125))
    assert float(K.get_value(model.optimizer.lr)) == 0.375


def test_reduced_rates_are_recorded(model):
    history = fit(model, ReduceLROnPlateau("loss", factor=0.5, patience=0, epsilon=100), epochs=4)
    assert history.history["lr"] == pytest.approx([0.01, 0.01, 0.005, 0.0025])
    assert history.history["learning_rate"] is history.history["lr"]


def test_csv_of_a_training(model, tmp_path):
    history = fit(model, CSVLogger(tmp_path / "log.csv")).history
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["acc"]) for row in rows] == pytest.approx(history["acc"])


def test_a_callback_can_stop_the_training(model):
    def stop(epoch, logs):
        model.stop_training = True

    assert fit(model, LambdaCallback(on_epoch_end=stop)).epoch == [0]
    assert fit(model).epoch == [0, 1, 2]


def test_parameters_come_in_the_order_of_keras_209(model):
    history = fit(model)
    assert list(history.params) == ["batch_size", "epochs", "steps", "samples", "verbose", "do_validation", "metrics"]
