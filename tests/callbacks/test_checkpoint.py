"""Models saved while they train."""
from __future__ import annotations

import os

import numpy as np
import pytest

from gpukeras.callbacks import LambdaCallback, ModelCheckpoint
from gpukeras.models import load_model
from tests.callbacks.trainings import X, Y, classifier


def fit(*callbacks, epochs=3, **options):
    model = classifier("adam")
    model.fit(X, Y, batch_size=10, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)
    return model


class Saves:
    """A model that only notes what it is asked to do."""

    def __init__(self):
        self.saved = []

    def save(self, path, overwrite):
        self.saved.append(("model", path, overwrite))

    def save_weights(self, path, overwrite):
        self.saved.append(("weights", path, overwrite))


def paths_after(callback, *epochs):
    """The files written for these logs, one epoch each."""
    callback.set_model(Saves())
    for epoch, logs in enumerate(epochs):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
    return [path for _, path, _ in callback.model.saved]


def test_the_file_holds_the_model_of_the_last_epoch(tmp_path):
    path = tmp_path / "model.h5"
    model = fit(ModelCheckpoint(path))
    loaded = load_model(str(path))
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(model.optimizer.get_weights(), loaded.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert os.listdir(tmp_path) == ["model.h5"]


def test_save_weights_only(tmp_path):
    path = tmp_path / "weights.h5"
    model = fit(ModelCheckpoint(path, save_weights_only=True))
    other = classifier()
    other.set_weights([w + 1 for w in other.get_weights()])
    other.load_weights(str(path))
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])
    with pytest.raises(ValueError):
        load_model(str(path))


def test_names_are_filled_in(tmp_path):
    fit(ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.2f}-{val_accuracy:.1f}.h5", save_weights_only=True),
        epochs=2, validation_split=0.2)
    first, second = sorted(os.listdir(tmp_path))
    assert first.startswith("01-") and second.startswith("02-")
    assert len(first.split("-")) == 3


def test_a_name_that_is_not_in_the_logs():
    with pytest.raises(KeyError, match="'val_loss' in filepath 'a{val_loss}'; there are: loss, epoch"):
        paths_after(ModelCheckpoint("a{val_loss}"), {"loss": 1.0})


def test_period_and_what_is_called():
    callback = ModelCheckpoint("{epoch}", period=2, save_weights_only=True)
    assert paths_after(callback, *[{"loss": 1.0}] * 5) == ["2", "4"]
    assert callback.model.saved[0] == ("weights", "2", True)
    callback = ModelCheckpoint("{epoch}")
    paths_after(callback, {})
    assert callback.model.saved == [("model", "1", True)]


@pytest.mark.parametrize("monitor, mode, values, saved", [
    ("val_loss", "auto", [3, 2, 2, 4, 1], "125"), ("val_acc", "auto", [3, 2, 3, 4, 1], "14"),
    ("val_loss", "max", [3, 2, 3, 4, 1], "14"), ("val_acc", "min", [3, 2, 3, 4, 1], "125"),
    ("val_loss", "auto", [np.nan, 2, np.nan, 1, 3], "24"), ("val_accuracy", "auto", [3, 2, 3, 4, 1], "14"),
])
def test_only_the_best(monitor, mode, values, saved):
    callback = ModelCheckpoint("{epoch}", monitor=monitor, mode=mode, save_best_only=True)
    names = {"val_accuracy": "val_acc"}
    assert paths_after(callback, *({names.get(monitor, monitor): v} for v in values)) == list(saved)


def test_threshold():
    callback = ModelCheckpoint("{epoch}", "loss", save_best_only=True, initial_value_threshold=2.5)
    assert paths_after(callback, {"loss": 3}, {"loss": 2}, {"loss": 2.2}) == ["2"]
    assert callback.best == 2


def test_messages(capsys):
    paths_after(ModelCheckpoint("{epoch}.h5", "loss", verbose=1, save_best_only=True), {"loss": 2.0}, {"loss": 3.0},
                {"loss": 1.5})
    paths_after(ModelCheckpoint("m.h5", verbose=1), {})
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 00001: loss improved from inf to 2.00000, saving model to 1.h5",
        "Epoch 00002: loss did not improve",
        "Epoch 00003: loss improved from 2.00000 to 1.50000, saving model to 3.h5",
        "Epoch 00001: saving model to m.h5"]


def test_nothing_to_monitor():
    with pytest.warns(RuntimeWarning, match="Can save best model only with val_loss available, skipping.*loss"):
        assert paths_after(ModelCheckpoint("m", save_best_only=True), {"loss": 1.0}) == []
    with pytest.warns(RuntimeWarning, match="ModelCheckpoint mode 'least' is unknown, fallback to auto"):
        ModelCheckpoint("m", mode="least")


@pytest.mark.filterwarnings("ignore:Method .* is slow")  # saving after every batch is, on a busy machine
def test_every_so_many_batches(tmp_path):
    fit(ModelCheckpoint(tmp_path / "{epoch}-{batch}.h5", save_freq=2, save_weights_only=True))  # 3 batches an epoch
    assert sorted(os.listdir(tmp_path)) == ["1-2.h5", "2-1.h5", "2-3.h5", "3-2.h5"]


def test_single_batches_are_looked_at_only_if_asked_for():
    from gpukeras.callbacks import CallbackList
    assert not CallbackList([ModelCheckpoint("m")]).needs_batches
    assert CallbackList([ModelCheckpoint("m", save_freq=5)]).needs_batches


@pytest.mark.parametrize("freq", [0, "batch", 1.5, True])
def test_other_frequencies_are_refused(freq):
    with pytest.raises(ValueError, match="Unrecognized save_freq"):
        ModelCheckpoint("m", save_freq=freq)


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    fit(ModelCheckpoint(path), epochs=1)
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        fit(ModelCheckpoint(path), epochs=1)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.h5"]


def test_it_may_be_the_best_of_an_interrupted_training(tmp_path):
    from gpukeras.callbacks import BackupAndRestore

    def train(folder, stops):
        folder.mkdir(exist_ok=True)

        def stop(epoch, logs):
            if epoch == stops:
                raise KeyboardInterrupt
        best = ModelCheckpoint(folder / "{epoch}.h5", "loss", save_best_only=True, save_weights_only=True)
        fit(best, BackupAndRestore(folder / "backup"), LambdaCallback(on_epoch_end=stop), epochs=6)
        return best.best, sorted(os.listdir(folder))

    straight = train(tmp_path / "straight", 99)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "interrupted", 3)
    assert train(tmp_path / "interrupted", 99) == straight
