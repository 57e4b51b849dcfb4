"""This library and Keras, as the architectures see them."""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import Any


def library(name: str) -> Any:
    """The modules of a library, which of them it is, and this file's own layer and functions made with it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parts = ("layers", "models", "optimizers", "regularizers", "constraints", "initializers")
    k = SimpleNamespace(**{part: importlib.import_module(f"{name}.{part}") for part in parts})
    version = str(importlib.import_module(name).__version__) if name == "keras" else "gpukeras"
    k.version = "keras3" if version[0] == "3" else "keras2" if name == "keras" else "gpukeras"
    k.ops = importlib.import_module(f"{name}.ops" if k.version == "keras3" else f"{name}.backend")
    k.own = own(k)
    if k.version == "keras2":  # a few steps aren't worth it for TensorFlow to trace them
        importlib.import_module("tensorflow").config.run_functions_eagerly(True)
    return k


def own(k: Any) -> dict[str, Any]:
    """What a program would pass as `custom_objects`."""
    class Scale(k.layers.Layer):
        def __init__(self, power: float = 1.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.power = power

        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight(name="factor", shape=(input_shape[-1],), initializer="ones", trainable=True)
            super().build(input_shape)

        def call(self, inputs: Any) -> Any:
            return inputs * self.factor * self.power

        def compute_output_shape(self, input_shape: Any) -> Any:
            return tuple(input_shape)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "power": self.power}

    def moved(tensors: Any) -> Any:
        return tensors[0] + 0.5 * tensors[1] * tensors[1]

    def skewed(y_true: Any, y_pred: Any) -> Any:
        apart = y_pred - y_true
        return k.ops.mean(apart * apart + 0.1 * apart, axis=-1)

    def offset(y_true: Any, y_pred: Any) -> Any:
        return k.ops.mean(k.ops.abs(y_true) - k.ops.abs(y_pred), axis=-1)

    return {"Scale": Scale, "moved": moved, "skewed": skewed, "offset": offset}
