"""A training that was interrupted ends as if it had not been."""
from __future__ import annotations

import os
import re

import numpy as np
import pytest

from gpukeras import callbacks as cb
from gpukeras.callbacks import BackupAndRestore, Callback
from gpukeras.callbacks.backup import FILE
from gpukeras.saving.errors import BrokenFileError
from gpukeras.utils import Sequence
from tests.callbacks import trainings
from tests.callbacks.killed import survive
from tests.callbacks.trainings import X, Y, classifier, dropout_and_schedules

NEVER = 10_000


class Interrupt(Callback):
    """Raises after so many batches of this process."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def get_state(self):
        return {}

    def on_batch_end(self, batch, logs=None):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def interrupted(training, folder, freq, after, *more):
    """The end of a training that is interrupted each time after so many batches, and the number of interruptions."""
    for lives in range(100):
        np.random.seed(lives + 1000)  # what a program has drawn before must not matter
        try:
            return training(*more, BackupAndRestore(folder, freq), Interrupt(after)), lives
        except KeyboardInterrupt:
            pass
    raise AssertionError("no progress")


@pytest.fixture(scope="module")
def expected():
    found = {}

    def end(training):
        if training not in found:
            found[training] = training(Interrupt(NEVER))
        return found[training]
    return end


@pytest.mark.parametrize("training", trainings.ALL, ids=lambda training: training.__name__)
@pytest.mark.parametrize("freq, after", [(2, 4), (3, 5), ("epoch", 7)])
def test_the_end_is_the_same_to_the_last_bit(training, freq, after, expected, tmp_path):
    end, lives = interrupted(training, tmp_path / "backup", freq, after)
    assert end == expected(training)
    assert lives > 0
    assert os.listdir(tmp_path) == []  # the backup and its folder are gone


@pytest.mark.parametrize("after", range(1, 17))
def test_an_interruption_at_any_batch(after, expected, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        dropout_and_schedules(BackupAndRestore(tmp_path, 1), Interrupt(after))
    assert dropout_and_schedules(BackupAndRestore(tmp_path, 3), Interrupt(NEVER)) == expected(dropout_and_schedules)


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_test_batch_end", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize("freq", [1, "epoch"])
def test_an_interruption_between_batches(hook, freq, expected, tmp_path):
    backup = BackupAndRestore(tmp_path / "backup", freq)
    for count in (1, 2):
        calls = []

        def stop(*args, count=count, calls=calls):
            calls.append(args)
            if len(calls) == count:
                raise KeyboardInterrupt
        if hook == "on_train_end" and count == 2:
            continue
        with pytest.raises(KeyboardInterrupt):
            dropout_and_schedules(backup, Interrupt(NEVER), cb.LambdaCallback(**{hook: stop}))
    assert dropout_and_schedules(backup, Interrupt(NEVER)) == expected(dropout_and_schedules)


def test_without_batch_hooks_too(tmp_path):
    """The loop then makes the averages itself."""
    straight = dropout_and_schedules()

    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    for freq in (1, 2, "epoch"):
        with pytest.raises(KeyboardInterrupt):
            dropout_and_schedules(BackupAndRestore(tmp_path, freq), cb.LambdaCallback(on_epoch_end=stop))
        assert dropout_and_schedules(BackupAndRestore(tmp_path, freq)) == straight


def test_a_callback_more_or_less_leaves_the_averages_right(tmp_path):
    def losses(text):
        return np.array(eval(text, {"__builtins__": {}})["loss"])

    straight = losses(dropout_and_schedules()["history"])
    with pytest.raises(KeyboardInterrupt):
        dropout_and_schedules(BackupAndRestore(tmp_path, 1), Interrupt(2))
    np.testing.assert_allclose(losses(dropout_and_schedules(BackupAndRestore(tmp_path, 1))["history"]), straight,
                               rtol=1e-6)


def test_a_stopped_training_stays_stopped(tmp_path):
    """Killed after the last backup and before it was deleted, it must not train on."""
    class Late(cb.EarlyStopping):
        def on_train_end(self, logs=None):
            if Late.dies:
                raise KeyboardInterrupt

    def train():
        stopping, model = Late("loss", patience=0, baseline=-1.0), classifier()
        history = model.fit(X, Y, epochs=9, verbose=0, callbacks=[BackupAndRestore(tmp_path), stopping])
        return history.epoch

    Late.dies = True
    with pytest.raises(KeyboardInterrupt):
        train()
    Late.dies = False
    assert train() == [0]


def test_a_kept_backup_is_where_the_next_training_goes_on(tmp_path):
    def train(epochs):
        model = classifier("adam")
        history = model.fit(X, Y, epochs=epochs, verbose=0,
                            callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)])
        return trainings.ending(model, history)

    first = train(2)
    assert os.listdir(tmp_path) == [FILE]
    assert train(2)["weights"] == first["weights"]
    longer = train(4)
    assert longer["epochs"] == [0, 1, 2, 3]
    os.unlink(tmp_path / FILE)
    assert train(4) == longer


def test_csv_log_has_every_epoch_once(tmp_path):
    def text(name, *more):
        path = tmp_path / name
        dropout_and_schedules(cb.CSVLogger(path), *more)
        return path.read_text()

    straight = text("straight.csv", Interrupt(NEVER))
    with pytest.raises(KeyboardInterrupt):
        text("log.csv", BackupAndRestore(tmp_path, 3), Interrupt(9))  # epoch 1 is logged after the last backup
    assert text("log.csv", BackupAndRestore(tmp_path, 3), Interrupt(NEVER)) == straight


def test_states_keep_their_kind_and_settings_may_change(tmp_path):
    from collections import OrderedDict, defaultdict, deque

    class Own(Callback):
        def __init__(self, patience):
            super().__init__()
            self.patience = patience
            self.seen = defaultdict(list)
            self.last = deque(maxlen=2)
            self.names = {"a"}
            self.model_of_mine = object()  # nothing that a backup can hold

        def on_epoch_end(self, epoch, logs=None):
            self.seen[epoch].append((epoch, np.float32(epoch)))
            self.last.append(epoch)
            self.names.add(f"epoch {epoch}")
            if epoch == 2 and self.patience == 1:
                raise KeyboardInterrupt

    class Foreign:
        """Knows nothing of Callback."""
        count = 0

        def __getattr__(self, name):
            if name.startswith(("on_", "set_model", "set_params")):
                return lambda *args: setattr(self, "count", self.count + 1) if name == "on_epoch_end" else None
            raise AttributeError(name)

    def train(patience):
        own, foreign, model = Own(patience), Foreign(), classifier()
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(tmp_path), own, foreign])
        return own, foreign

    with pytest.raises(KeyboardInterrupt):
        train(1)
    own, foreign = train(2)
    assert own.patience == 2  # the program's, not the backup's
    assert own.seen == {e: [(e, e)] for e in range(4)} and type(own.seen) is defaultdict
    assert isinstance(own.seen[0][0][1], np.float32)
    assert list(own.last) == [2, 3] and own.last.maxlen == 2
    assert own.names == {"a", *(f"epoch {e}" for e in range(4))}
    assert foreign.count == 4
    assert OrderedDict(own.seen)


def test_backups_of_other_trainings_are_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        dropout_and_schedules(BackupAndRestore(tmp_path, 1), Interrupt(3))
    backup = BackupAndRestore(tmp_path, 1)
    with pytest.raises(ValueError, match=r"made with samples=24, and this is a training with samples=30"):
        classifier().fit(X, Y, batch_size=7, epochs=2, verbose=0, callbacks=[backup])
    with pytest.raises(ValueError, match=r"made with batch_size=7, and this .* batch_size=6.*backup_dir of its own"):
        classifier().fit(X[:24], Y[:24], batch_size=6, epochs=2, verbose=0, callbacks=[backup])
    with pytest.raises(ValueError, match=r"it holds \d+ variables, and this training has \d+"):
        classifier("sgd").fit(X[:24], Y[:24], batch_size=7, epochs=2, verbose=0, callbacks=[backup])
    assert (tmp_path / FILE).exists()


def test_a_training_by_a_programs_own_function_is_refused(tmp_path):
    model = classifier()
    model._make_train_function()
    own = model.train_function
    model.train_function = lambda inputs: own(inputs)
    with pytest.raises(TypeError, match="does not say what it keeps"):
        model.fit(X, Y, callbacks=[BackupAndRestore(tmp_path)], verbose=0)


def test_what_an_epoch_begins_with_is_not_done_twice(tmp_path):
    """`on_epoch_begin` of the resumed epoch runs again, on callbacks whose state is then put back."""
    class Flips(Callback):
        on, epochs = False, 0

        def on_epoch_begin(self, epoch, logs=None):
            self.on = not self.on
            self.epochs += 1

    def train(*more):
        flips, model = Flips(), classifier()
        flips.on = False
        model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[flips, BackupAndRestore(tmp_path, 1), *more])
        return flips.on, flips.epochs

    for after in range(2, 9):
        with pytest.raises(KeyboardInterrupt):
            train(Interrupt(after))
        assert train() == (True, 3)


@pytest.mark.parametrize("verbose", [1, 2])
def test_what_is_shown(verbose, tmp_path, capsys):
    def train(*more):
        classifier().fit(X, Y, batch_size=10, epochs=3, verbose=verbose,
                         callbacks=[*more, BackupAndRestore(tmp_path, 1)])
        return [re.sub(r"[\d.]+(s|ms|us)\b", "", line) for line in capsys.readouterr().out.splitlines()]

    straight = train(Interrupt(NEVER))
    with pytest.raises(KeyboardInterrupt):
        train(Interrupt(6))
    capsys.readouterr()
    assert train(Interrupt(NEVER)) == straight[-len(straight) // 3 * 2:]  # the last two of three epochs


def test_used_batches_of_a_sequence_are_not_fetched_again(tmp_path):
    class Rows(Sequence):
        def __init__(self):
            self.fetched = []

        def __len__(self):
            return 5

        def __getitem__(self, index):
            self.fetched.append(index)
            return X[6 * index:6 * index + 6], Y[6 * index:6 * index + 6]

    def train(after):
        rows = Rows()
        classifier().fit_generator(rows, epochs=3, verbose=0, shuffle=False,
                                   callbacks=[BackupAndRestore(tmp_path, 1), Interrupt(after)])
        return rows.fetched

    with pytest.raises(KeyboardInterrupt):
        train(9)  # the first epoch and three batches are in the backup
    assert train(NEVER)[:7] == [3, 4, 0, 1, 2, 3, 4]


def test_a_generator_draws_the_same_again_whatever_was_drawn_before(tmp_path):
    def batches():
        while True:
            rows = np.random.randint(0, 30, 5)
            yield X[rows], Y[rows]

    def train(seed, after):
        model = classifier()
        np.random.seed(seed)
        model.fit_generator(batches(), 5, epochs=2, verbose=0,
                            callbacks=[BackupAndRestore(tmp_path, 1), Interrupt(after)])
        return [w.tobytes() for w in model.get_weights()]

    straight = train(7, NEVER)
    with pytest.raises(KeyboardInterrupt):
        train(7, 8)
    assert train(8, NEVER) == straight


def test_a_full_disk_leaves_the_old_backup(expected, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        dropout_and_schedules(BackupAndRestore(tmp_path, 1), Interrupt(4))
    before = (tmp_path / FILE).read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device"):
        dropout_and_schedules(BackupAndRestore(tmp_path, 1), Interrupt(NEVER))
    monkeypatch.undo()
    assert os.listdir(tmp_path) == [FILE] and (tmp_path / FILE).read_bytes() == before
    assert dropout_and_schedules(BackupAndRestore(tmp_path), Interrupt(NEVER)) == expected(dropout_and_schedules)


def test_one_is_enough(tmp_path):
    with pytest.raises(ValueError, match="was given several"):
        dropout_and_schedules(BackupAndRestore(tmp_path / "a"), BackupAndRestore(tmp_path / "b"))


def test_lost_callbacks_are_told(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        dropout_and_schedules(cb.EarlyStopping(patience=5), BackupAndRestore(tmp_path), Interrupt(6))
    with pytest.warns(RuntimeWarning, match="state of callbacks that this training lacks: EarlyStopping"):
        dropout_and_schedules(BackupAndRestore(tmp_path), Interrupt(NEVER))


def test_a_damaged_backup_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"nothing of this kind")
    with pytest.raises(BrokenFileError, match="is no backup of gpukeras, or a damaged one.*Delete it"):
        dropout_and_schedules(BackupAndRestore(tmp_path))


@pytest.mark.parametrize("arguments, message", [
    ({"backup_dir": ""}, "name of a folder"), ({"backup_dir": "b", "save_freq": 0}, "save_freq must be 'epoch'"),
    ({"backup_dir": "b", "save_freq": "batch"}, "got 'batch'"), ({"backup_dir": "b", "save_freq": True}, "got True"),
    ({"backup_dir": "b", "save_before_preemption": True}, "give save_freq a number of batches"),
])
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        BackupAndRestore(**arguments)


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    """tests/callbacks/killed.py does the same as often as one likes."""
    assert survive(tmp_path, kills=4, seed=1) == 4
