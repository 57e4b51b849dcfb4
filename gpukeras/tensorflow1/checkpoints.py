"""`tf.train.Saver`: values of variables in files. A checkpoint is two files: `.index`, which says in JSON where each
variable stands, and `.data-00000-of-00001`, plain numbers. They have TensorFlow's names, and not its format."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import backend as K
from ..device.files import write_file
from ..graph import Variable, naming

DATA = ".data-00000-of-00001"


class GraphKeys:
    """Names of collections."""

    GLOBAL_VARIABLES, TRAINABLE_VARIABLES, UPDATE_OPS = "variables", "trainable_variables", "update_ops"
    LOCAL_VARIABLES, LOSSES, REGULARIZATION_LOSSES = "local_variables", "losses", "regularization_losses"


def global_variables(scope: str | None = None) -> list[Any]:
    """The variables that layers, optimizers and programs made since the last `K.clear_session`, and that somebody
    holds; with a scope those whose names begin with it."""
    made = [t for t in naming.living() if isinstance(t, Variable) and t.is_listed]
    return [v for v in made if v.name.startswith(scope or "")]


def get_collection(key: str, scope: str | None = None) -> list[Any]:
    """The variables for the name of a collection of variables, else nothing."""
    known = (GraphKeys.GLOBAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES)
    return global_variables(scope) if key in known else []


class Saver:
    """Saves and restores variables: all by default, those of a list by their names, those of a dict by its keys. What
    optimizers keep for each weight is not among them: `model.save` has it."""

    def __init__(self, var_list: Any = None, reshape: bool = False, sharded: bool = False, max_to_keep: int | None = 5,
                 **kwargs: Any) -> None:
        self._given, self._most = var_list, max_to_keep
        self.last_checkpoints: list[str] = []

    def _variables(self) -> dict[str, Any]:
        if isinstance(self._given, Mapping):
            return dict(self._given)
        listed = global_variables() if self._given is None else list(self._given)
        return {v.name.partition(":")[0]: v for v in listed}

    def save(self, sess: Any, save_path: str, global_step: Any = None, latest_filename: str | None = None,
             **kwargs: Any) -> str:
        """Writes all variables, and the path to `checkpoint` beside them; of more than `max_to_keep` the first are
        deleted. Returns the path, with the number of the step at its end. ValueError where there is no variable."""
        variables = self._variables()
        if not variables:
            raise ValueError("tf.train.Saver: no variables to save")
        path = os.fspath(save_path)
        if global_step is not None:
            path = f"{path}-{int(K.get_value(global_step) if K.is_tensor(global_step) else global_step)}"
        arrays = {name: np.asarray(K.get_value(v), order="C") for name, v in variables.items()}
        places, start = {}, 0
        for name, a in arrays.items():
            places[name] = {"dtype": a.dtype.name, "shape": list(a.shape), "start": start}
            start += a.nbytes
        write_file(path + DATA, (a.tobytes() for a in arrays.values()))
        write_file(path + ".index", [json.dumps({"gpukeras": places}).encode()])
        self._note(path, latest_filename or "checkpoint")
        return path

    def _note(self, path: str, latest: str) -> None:
        self.last_checkpoints = [p for p in self.last_checkpoints if p != path] + [path]
        while self._most and len(self.last_checkpoints) > self._most:
            old = self.last_checkpoints.pop(0)
            for end in (DATA, ".index"):
                if os.path.exists(old + end):
                    os.remove(old + end)
        lines = [f"model_checkpoint_path: {json.dumps(os.path.basename(path))}"]
        lines += [f"all_model_checkpoint_paths: {json.dumps(os.path.basename(p))}" for p in self.last_checkpoints]
        write_file(os.path.join(os.path.dirname(path), latest), ["\n".join([*lines, ""]).encode()])

    def restore(self, sess: Any, save_path: str) -> None:
        """Gives all variables their values from files, or none of them. ValueError where there are no such files, where
        another program wrote them, or where they lack a variable or have it in another shape."""
        path = os.fspath(save_path)
        if not checkpoint_exists(path):
            raise ValueError(f"The passed save_path is not a valid checkpoint: {path}")
        places = _index(path)
        found = {}
        with open(path + DATA, "rb") as file:
            for name, variable in self._variables().items():
                claim = places.get(name)
                if claim is None or claim.get("shape") != list(variable.shape):
                    there = "is not there" if claim is None else f"has shape {claim.get('shape')}"
                    raise ValueError(f"{path}: variable '{name}' of shape {tuple(variable.shape)} {there}")
                dtype = np.dtype(str(claim["dtype"]))
                file.seek(int(claim["start"]))
                found[variable] = np.frombuffer(file.read(variable.spec.size * dtype.itemsize), dtype)
                if found[variable].size != variable.spec.size:
                    raise ValueError(f"{path}: the values of '{name}' end too soon")
        for variable, values in found.items():
            variable.write(values.reshape(variable.shape))


def _index(path: str) -> dict[str, Any]:
    with open(path + ".index", "rb") as file:
        text = file.read()
    try:
        places: dict[str, Any] = json.loads(text)["gpukeras"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}.index was not written by this library, and TensorFlow's are not read") from None
    return places


def checkpoint_exists(checkpoint_prefix: str) -> bool:
    """Whether there is a checkpoint of this path."""
    return all(os.path.isfile(f"{os.fspath(checkpoint_prefix)}{end}") for end in (".index", DATA))


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> Any:
    """The `model_checkpoint_path` and `all_model_checkpoint_paths` that a folder's `checkpoint` names; None without."""
    file = os.path.join(checkpoint_dir, latest_filename or "checkpoint")
    if not os.path.isfile(file):
        return None
    with open(file, encoding="utf-8") as lines:
        pairs = [line.partition(": ")[::2] for line in lines if ": " in line]
    paths = [(key, os.path.join(checkpoint_dir, json.loads(name))) for key, name in pairs]
    return SimpleNamespace(model_checkpoint_path=next((p for key, p in paths if key == "model_checkpoint_path"), ""),
                           all_model_checkpoint_paths=[p for key, p in paths if key != "model_checkpoint_path"])


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """The path of the last checkpoint in a folder; None where there is none."""
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    return state.model_checkpoint_path if state and checkpoint_exists(state.model_checkpoint_path) else None


NAMES: dict[str, Any] = {
    "GraphKeys": GraphKeys, "get_collection": get_collection, "train.Saver": Saver,
    "train.checkpoint_exists": checkpoint_exists, "train.get_checkpoint_state": get_checkpoint_state,
    "train.latest_checkpoint": latest_checkpoint,
    **dict.fromkeys(("global_variables", "all_variables", "trainable_variables"), global_variables)}
