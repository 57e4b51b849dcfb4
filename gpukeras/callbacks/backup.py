"""Training that goes on after an interruption as if there had been none."""
from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Callable
from typing import Any

from gpukeras.callbacks import backup_file, training_state
from gpukeras.callbacks.base import Callback, plain_state, set_plain_state
from gpukeras.callbacks.history import BaseLogger
from gpukeras.callbacks.plain import fingerprint
from gpukeras.device.files import delete_parts

FILE = "training.safetensors"
VERSION = 1


class BackupAndRestore(Callback):
    """Saves a training in the folder `backup_dir` at the end of every epoch, or every `save_freq` batches. If `fit`
    finds a backup there, it goes on from it, and ends bit for bit as it would have ended without the interruption.

    A backup has the model's weights, the optimizer's state, states of recurrent layers, the random numbers (NumPy's and
    Python's global ones, those of dropout and noise), the place in the epoch and the order of the rows, the averages so
    far, the History, and the state of the other callbacks (`Callback.get_state`). The program has to be the same: its
    model, its data, its callbacks. Attributes of layers and variables of the program itself are not saved. A generator
    is run again from its start, without training, up to the place of the backup, and random numbers that it takes from
    NumPy or Python are the same again; of a Sequence, batches that were used are not fetched again.

    When `fit` is done the backup is deleted, unless `delete_checkpoint` is False: then the next `fit` goes on from
    there. Every call of `fit` needs a folder of its own. A backup is written beside the old one and then takes its
    place, so one of the two is always whole; newer Keras's `double_checkpoint` therefore changes nothing.

    Raises ValueError, when `fit` begins, for a backup of another model or data, and BrokenFileError for a damaged one.
    """

    keeps_training = True  # by which a training knows it

    def __init__(self, backup_dir: str | os.PathLike[str], save_freq: str | int = "epoch",
                 delete_checkpoint: bool = True, save_before_preemption: bool = False,
                 double_checkpoint: bool = False) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore needs the name of a folder as `backup_dir`; it got an empty one")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or isinstance(save_freq, bool) or save_freq < 1):
            raise ValueError(f"save_freq must be 'epoch' or a number of batches, got {save_freq!r}")
        if save_before_preemption:
            raise ValueError("save_before_preemption is for the machines of a cloud that announce their end, which is "
                             "not supported: give save_freq a number of batches")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self.double_checkpoint = double_checkpoint
        self._batches = 0  # since training began
        self._found: Any = None  # the backup to go on from, until that is done
        self._at_start: list[dict[str, bytes]] = []
        self._before: list[dict[str, Any]] = []  # the callbacks' state before `on_epoch_begin` of a resumed epoch

    # The training loop calls what follows, at moments that hooks of callbacks don't have: after all other callbacks.

    def find(self, run: Any) -> None:
        """Before `on_train_begin`: look for a backup. The callbacks' parameter 'resumed' says whether there is one."""
        if any(isinstance(callback, BackupAndRestore) for callback in self._others(run)):
            raise ValueError("a training has one BackupAndRestore, and was given several")
        os.makedirs(self.backup_dir, exist_ok=True)
        self._path = os.path.join(os.path.abspath(self.backup_dir), FILE)
        self._batches, self._found = 0, None
        if os.path.exists(self._path):
            self._found = backup_file.read(self._path)
            self._check(run.params)
        run.params["resumed"] = self._found is not None

    def _check(self, params: dict[str, Any]) -> None:
        """Whether this version reads it, and it is of this data."""
        version = self._found.get("version") if isinstance(self._found, dict) else None
        if version != VERSION:
            raise self._foreign(f"it is of version {version!r}, and this gpukeras reads version {VERSION}")
        for name, value in self._found["data"].items():
            if params.get(name) != value:
                raise self._foreign(f"it was made with {name}={value}, and this is a training with {name}="
                                    f"{params.get(name)}")

    def _foreign(self, why: str) -> ValueError:
        return ValueError(f"the backup {self._path} can't be gone on from: {why}. Delete it to train from the start, "
                          "or give this training a backup_dir of its own.")

    def begin(self, run: Any) -> None:
        """After `on_train_begin`: note the callbacks' state, to save only what training changes in it."""
        self._at_start = [{name: fingerprint(value) for name, value in _state(callback).items()}
                          for callback in self._others(run)]

    def rewind(self, run: Any, numbers: range, steps: int) -> int:
        """Before a generator is asked for its first batch: the random numbers of NumPy and Python are set to where they
        were when the interrupted training began. Returns how many batches that took."""
        if self._found is None:
            run.place.stream = training_state.random_numbers()
            return 0
        place = self._found["place"]
        if place["epoch"] >= numbers.stop or self._found["stop_training"]:
            return 0
        training_state.set_random_numbers(place["stream"])
        result: int = (place["epoch"] - numbers.start) * steps + place["done"]
        return result

    def resume(self, run: Any, numbers: range) -> range:
        """Before the first epoch: the epochs that are left. A backup from the end of an epoch is restored."""
        if self._found is None:
            return numbers
        place = self._found["place"]
        numbers = range(place["epoch"], numbers.stop)
        if not place["done"] or not numbers:
            self._restore(run)
        else:
            self._before = [copy.deepcopy(_state(callback)) for callback in self._others(run)]
        return range(0) if run.model.stop_training else numbers

    def resume_epoch(self, run: Any) -> None:
        """After `on_epoch_begin`: a backup from the midst of an epoch is restored."""
        if self._found is not None:
            self._restore(run)

    def _restore(self, run: Any) -> None:
        found, self._found = self._found, None
        try:
            training_state.restore(run.model, found["state"])
        except ValueError as error:
            raise self._foreign(str(error)) from None
        for name, value in found["place"].items():
            setattr(run.place, name, value)
        if run.place.stream is None:  # else running the generator again has brought them to where they belong
            training_state.set_random_numbers(found["random"])
        run.model.stop_training = found["stop_training"]
        self._batches = found["batches"]
        waiting: dict[str, list[Any]] = {}
        for kind, state in found["callbacks"]:
            waiting.setdefault(kind, []).append(state)
        others = self._others(run)
        before, self._before = self._before or [{} for _ in others], []
        for callback, unchanged in zip(others, before):
            states = waiting.get(type(callback).__name__)
            if states:
                state = {**unchanged, **states.pop(0)}
                set_state = getattr(callback, "set_state", None)
                set_state(state) if set_state else set_plain_state(callback, state)
        if found["place"]["done"] and found["watched"] != run.callbacks.needs_batches:
            for callback in run.callbacks:
                if isinstance(callback, BaseLogger):
                    callback.complete = False
        lost = [kind for kind, states in waiting.items() if any(states) and kind != "ProgbarLogger"]
        if lost:
            warnings.warn(f"the backup {self._path} has the state of callbacks that this training lacks: "
                          f"{', '.join(lost)}", RuntimeWarning, stacklevel=2)

    def batch_done(self, run: Any, check: Callable[[], None] | None = None) -> None:
        """After a batch and its hooks. `check` raises if something was wrong in it, which is not to be saved."""
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % self.save_freq == 0:  # type: ignore[operator]
            if check is not None:
                check()
            self._save(run)

    def epoch_done(self, run: Any) -> None:
        """After an epoch and its hooks."""
        if self.save_freq == "epoch":
            self._save(run)

    def _save(self, run: Any) -> None:
        states = []
        for callback, at_start in zip(self._others(run), self._at_start):
            changed = {name: value for name, value in _state(callback).items()
                       if at_start.get(name) != fingerprint(value)}
            states.append((type(callback).__name__, changed))
        backup_file.write(self._path, {
            "version": VERSION,
            "data": {name: run.params.get(name) for name in ("samples", "batch_size", "steps")},
            "place": dict(vars(run.place)),
            "stop_training": bool(run.model.stop_training),
            "watched": run.callbacks.needs_batches,
            "batches": self._batches,
            "state": training_state.snapshot(run.model),
            "random": training_state.random_numbers(),
            "callbacks": states,
        })

    def end(self) -> None:
        """After `on_train_end`: the backup is of no more use."""
        if not self.delete_checkpoint:
            return
        if os.path.exists(self._path):
            os.unlink(self._path)
        delete_parts(self._path)  # of processes that were killed while they wrote
        if not os.listdir(os.path.dirname(self._path)):
            os.rmdir(os.path.dirname(self._path))

    def _others(self, run: Any) -> list[Any]:
        return [callback for callback in run.callbacks if callback is not self]


def _state(callback: Any) -> dict[str, Any]:
    """The state of any callback, also of one that does not derive from Callback."""
    get_state = getattr(callback, "get_state", None)
    return get_state() if get_state else plain_state(callback)
