"""Models in mixed precision as files: policies, the optimizer around another, the loss scale; and files of Keras."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gpukeras import mixed_precision
from gpukeras.layers import Activation, BatchNormalization, Dense, Input
from gpukeras.models import Model, Sequential, clone_model, load_model, model_from_json
from gpukeras.optimizers import Adam
from gpukeras.saving import configs
from gpukeras.saving.conversion import Origin
from tests.kernels.floats import HALVES

X = np.random.RandomState(0).standard_normal((16, 4)).astype("float32")
Y = np.eye(3)[np.arange(16) % 3]
NAMES = ["mixed_float16"] * 3 + ["float32"]


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    mixed_precision.set_global_policy("mixed_float16")
    yield
    mixed_precision.set_global_policy(None)


def trained() -> Sequential:
    model = Sequential([Dense(8, activation="relu", input_shape=(4,)), BatchNormalization(), Dense(3),
                        Activation("softmax", dtype="float32")])
    model.compile(Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, epochs=3, verbose=0)
    model.optimizer.loss_scale.assign(1024.0)
    return model


def policies(model: Any) -> list[str]:
    return [layer.dtype_policy.name for layer in model.layers if not type(layer).__name__ == "InputLayer"]


@pytest.mark.parametrize("kind", ["h5", "keras"])
@pytest.mark.parametrize("at_loading", [None, "mixed_float16", "float32"])
def test_a_file_says_all_of_it(kind: str, at_loading: str | None, tmp_path: Path) -> None:
    """Whatever the policy of the process that loads it."""
    model, path = trained(), tmp_path / f"model.{kind}"
    model.save(path)
    expected = model.predict(X), model.train_on_batch(X, Y)
    mixed_precision.set_global_policy(at_loading)
    again = load_model(path)
    assert policies(again) == NAMES
    optimizer = again.optimizer
    assert (float(optimizer.loss_scale), int(optimizer.dynamic_counter), int(optimizer.iterations)) == (1024, 3, 3)
    np.testing.assert_array_equal(again.predict(X), expected[0])
    assert again.train_on_batch(X, Y) == expected[1]
    for a, b in zip(model.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)
    again.save(tmp_path / f"second.{kind}")
    assert policies(load_model(tmp_path / f"second.{kind}")) == NAMES


def test_configs_in_memory_and_as_text() -> None:
    model = trained()
    mixed_precision.set_global_policy(None)
    assert policies(Sequential.from_config(model.get_config())) == NAMES
    assert policies(clone_model(model)) == policies(model_from_json(model.to_json())) == NAMES
    x = Input((4,))
    functional = Model(x, Dense(2)(Dense(3, dtype="mixed_float16")(x)))
    assert policies(Model.from_config(functional.get_config())) == ["mixed_float16", "float32"]


def test_weights_go_to_a_model_of_another_policy(tmp_path: Path) -> None:
    model = trained()
    model.save_weights(tmp_path / "weights.h5")
    mixed_precision.set_global_policy(None)
    single = Sequential([Dense(8, activation="relu", input_shape=(4,)), BatchNormalization(), Dense(3),
                         Activation("softmax")])
    single.load_weights(tmp_path / "weights.h5")
    np.testing.assert_allclose(single.predict(X), model.predict(X), atol=2e-3)


@pytest.mark.parametrize("wrapper", ["LossScaleOptimizer", "LossScaleOptimizerV3"])
@pytest.mark.parametrize("dtype", [
    {"module": "keras.mixed_precision", "class_name": "Policy", "config": {"name": "mixed_float16"},
     "registered_name": None},
    {"class_name": "Policy", "config": {"name": "mixed_float16"}},
    {"class_name": "PolicyV1", "config": {"name": "mixed_float16", "loss_scale": None}},
    {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}, "registered_name": None},
    "mixed_float16"], ids=["2.15", "2.4", "2.1", "3", "name"])
def test_policies_in_the_words_of_any_keras(dtype: Any, wrapper: str, tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "model.h5"
    model.save(path)
    mixed_precision.set_global_policy(None)
    with h5py.File(path, "r+") as file:
        told = json.loads(file.attrs["model_config"])
        for layer in told["config"]["layers"]:
            if layer["config"].get("dtype") == "mixed_float16":
                layer["config"]["dtype"] = dtype
        file.attrs["model_config"] = json.dumps(told).encode()
        training = json.loads(file.attrs["training_config"])
        assert training["optimizer_config"]["class_name"] == "LossScaleOptimizer"
        training["optimizer_config"]["class_name"] = wrapper
        del training["loss_scale"]  # Keras does not write it
        file.attrs["training_config"] = json.dumps(training).encode()
    again = load_model(path)
    assert policies(again) == NAMES and float(again.optimizer.loss_scale) == 2 ** 15
    assert int(again.optimizer.iterations) == 3


def test_what_keras_finds_in_the_files(tmp_path: Path) -> None:
    """Keras 2.15 and Keras 3 take a policy by its name, and an input's dtype must be one of arrays."""
    model = trained()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    layers = config["config"]["layers"]
    assert [layer["config"].get("dtype") for layer in layers] == ["float32", *NAMES]
    assert config["compile_config"]["optimizer"]["class_name"] == "Adam"  # Keras wraps it by itself
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        inner = json.loads(file.attrs["training_config"])["optimizer_config"]["config"]["inner_optimizer"]
    assert (inner["module"], inner["class_name"]) == ("keras.optimizers", "Adam")


@pytest.mark.parametrize("state", ["x", [], [0, 1], [-1.0, 0], [1e300, 0], [float("nan"), 0], [True, 1], [8.0]])
def test_a_scale_that_makes_no_sense_is_left_out(state: Any, tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "model.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        training = json.loads(file.attrs["training_config"])
        file.attrs["training_config"] = json.dumps({**training, "loss_scale": state}).encode()
    assert float(load_model(path).optimizer.loss_scale) == 2 ** 15


def test_a_wrapper_without_an_inner_optimizer(tmp_path: Path) -> None:
    model, path = trained(), tmp_path / "model.h5"
    model.save(path)
    with h5py.File(path, "r+") as file:
        training = json.loads(file.attrs["training_config"])
        training["optimizer_config"]["config"]["inner_optimizer"] = {"class_name": "Thief", "config": {}}
        file.attrs["training_config"] = json.dumps(training).encode()
    with pytest.warns(UserWarning, match="loaded but not compiled.*Thief"):
        load_model(path)


def test_bfloat16_where_there_is_none_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    config = {"class_name": "Dense", "config": {"units": 2, "dtype": {"class_name": "Policy", "config": {
        "name": "mixed_bfloat16"}}}}
    with pytest.warns(UserWarning, match="computes in mixed_bfloat16, and here in float32"):
        read = configs.readable(config, Origin("2.15.0"))
    assert read["config"]["dtype"] == "float32"
    monkeypatch.undo()
    if "bfloat16" in HALVES:
        assert configs.readable(config, Origin("2.15.0"))["config"]["dtype"] == "mixed_bfloat16"
