"""Archives (`.keras`) that Keras wrote, or could have written, are read here."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpukeras import layers as L
from gpukeras import losses, metrics
from gpukeras import optimizers as O
from gpukeras.models import Model, Sequential, load_model
from gpukeras.saving import BrokenFileError, inspect
from tests.saving.archived import Scale, X, Y, described, loss, members, small

GOLDEN = Path(__file__).parent / "archives"


@pytest.mark.parametrize("name", ["keras3_normalized", "keras3_lstm", "keras2_shared", "keras213_dense"])
def test_archives_of_keras(name):
    """They predict as their writers, and training goes on with the same losses."""
    data = np.load(GOLDEN / f"{name}.npz")
    xs = [data[n] for n in sorted(data.files) if n.startswith("x")]
    x = xs[0] if len(xs) == 1 else xs
    model = load_model(GOLDEN / f"{name}.keras")
    np.testing.assert_allclose(model.predict(x), data["y"], atol=1e-6)
    found = [loss(model, x, data["t"]) for _ in range(3)]
    np.testing.assert_allclose(found, data["losses"], rtol=1e-5)
    assert model.metrics_names == ["loss", "mean_absolute_error"]


def edited(path, change, name="config.json"):
    """The archive with another text in one of its members."""
    found = members(path)
    content = json.loads(found[name])
    found[name] = json.dumps(change(content) or content).encode()
    with zipfile.ZipFile(path, "w") as file:
        for member, data in found.items():
            file.writestr(member, data)
    return path


def of_keras(path, **told):
    """An archive that Keras could have written: without this library's own notes."""
    edited(path, lambda metadata: {"keras_version": "3.9.2"}, "metadata.json")
    return edited(path, lambda config: config["compile_config"].update(told))


def test_an_optimizer_by_its_name_has_newer_keras_defaults(tmp_path):
    model = small()
    for name in ("adam", "adadelta", "nadam", "adamax"):
        model.compile("sgd", "mse")
        model.save(tmp_path / "m.keras")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the state is that of another optimizer
            optimizer = load_model(of_keras(tmp_path / "m.keras", optimizer=name)).optimizer
        assert optimizer.epsilon == 1e-7
        assert optimizer.get_config()["lr"] == pytest.approx(0.001)


def test_newer_optimizers_are_read_as_what_they_compute(tmp_path):
    small("rmsprop").save(tmp_path / "m.keras")
    of_keras(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").optimizer.epsilon_under_root
    small("nadam").save(tmp_path / "m.keras")
    of_keras(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").optimizer.schedule_decay == 1.0
    small("adam").save(tmp_path / "m.keras")
    entry = described(tmp_path / "m.keras")["compile_config"]["optimizer"]
    entry["config"]["weight_decay"] = 0.1
    assert isinstance(load_model(of_keras(tmp_path / "m.keras", optimizer=entry)).optimizer, O.AdamW)


def test_what_is_not_known_here_leaves_the_model_uncompiled(tmp_path):
    for told in ({"optimizer": {"class_name": "Lion", "config": {}}}, {"loss": "ctc"}, {"metrics": ["auc"]},
                 {"optimizer": {"class_name": "Adam", "config": {"use_ema": True}}}):
        small().save(tmp_path / "m.keras")
        with pytest.warns(UserWarning, match="loaded but not compiled, because"):
            model = load_model(of_keras(tmp_path / "m.keras", **told))
        assert not hasattr(model, "train_function")


def test_losses_and_metrics_as_objects(tmp_path):
    small().save(tmp_path / "m.keras")
    loss_entry = {"module": "keras.losses", "class_name": "MeanAbsoluteError", "registered_name": None,
                  "config": {"name": "mean_absolute_error", "reduction": "sum_over_batch_size", "dtype": {
                      "module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}}}
    metric = {"module": "keras.metrics", "class_name": "MeanSquaredError", "registered_name": None,
              "config": {"name": "mse", "dtype": "float32"}}
    model = load_model(of_keras(tmp_path / "m.keras", loss=loss_entry, metrics=[metric]))
    assert model.loss.__name__ == "mean_absolute_error"
    assert model.metrics_names == ["loss", "mse"]  # as the file calls it


def test_objects_of_keras2_hold_the_name_of_a_function_too(tmp_path):
    small().save(tmp_path / "m.keras")
    told = {"reduction": "auto", "name": "huber_loss", "delta": 0.4, "fn": "huber"}
    model = load_model(of_keras(tmp_path / "m.keras", loss={"class_name": "Huber", "config": told}))
    assert model.loss.get_config()["delta"] == 0.4
    told = {"reduction": "auto", "name": "b", "from_logits": True, "label_smoothing": 0.1, "axis": -1,
            "fn": "binary_crossentropy"}
    wrapped = {"class_name": "MeanMetricWrapper", "config": {"name": "mae", "fn": "mean_absolute_error"}}
    model = load_model(of_keras(tmp_path / "m.keras", loss={"class_name": "BinaryCrossentropy", "config": told},
                                metrics=[wrapped]))
    assert model.loss.get_config()["from_logits"] and model.metrics_names == ["loss", "mean_absolute_error"]
    told = {"reduction": "auto", "name": "m", "fn": "mean_squared_error"}
    model = load_model(of_keras(tmp_path / "m.keras", loss={"class_name": "LossFunctionWrapper", "config": told}))
    assert model.loss.__name__ == "mean_squared_error"


def test_losses_and_metrics_that_are_objects_are_written_for_keras(tmp_path):
    model = small()
    model.compile("sgd", losses.Huber(delta=0.3), [metrics.AUC(), metrics.MeanSquaredError(name="q")])
    for ending in ("keras", "h5"):
        model.save(tmp_path / f"m.{ending}")
        other = load_model(tmp_path / f"m.{ending}")
        assert other.metrics_names == model.metrics_names == ["loss", "auc", "q"]
        assert other.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    told = described(tmp_path / "m.keras")["compile_config"]
    assert (told["loss"]["module"], told["loss"]["registered_name"]) == ("keras.losses", None)
    assert told["loss"]["config"]["reduction"] == "sum_over_batch_size"  # Keras 3 doesn't know Keras 2's 'auto'
    assert [one["module"] for one in told["metrics"]] == ["keras.metrics"] * 2


def test_operations_between_tensors(tmp_path):
    """Keras 3 writes ``a + b`` as an operation, which has a class of that name but is no layer."""
    a, b = L.Input((3,), name="a"), L.Input((3,), name="b")
    model = Model([a, b], L.Dense(2)(L.add([a, b], name="sum")))
    model.save(tmp_path / "m.keras")

    def as_operation(*arguments):
        def change(config):
            entry = next(e for e in config["config"]["layers"] if e["name"] == "sum")
            entry.update(module="keras.src.ops.numpy", config={"name": "sum"})
            entry["inbound_nodes"] = [{"args": list(arguments), "kwargs": {}}]
        return change

    one, other = ({"class_name": "__keras_tensor__", "config": {"shape": [None, 3], "dtype": "float32",
                                                                "keras_history": [name, 0, 0]}} for name in "ab")
    again = load_model(edited(tmp_path / "m.keras", as_operation(one, other)), compile=False)
    x = [np.random.rand(2, 3), np.random.rand(2, 3)]
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    with pytest.raises(BrokenFileError, match="the operation 'sum' of class Add on tensors"):
        load_model(edited(tmp_path / "m.keras", as_operation(one, 2.0)))


def test_registered_names(tmp_path):
    Sequential([Scale(input_shape=(4,))]).save(tmp_path / "m.keras")

    def register(config):
        config["config"]["layers"][-1].update(module="elsewhere", registered_name="pack>Scale")

    edited(tmp_path / "m.keras", register)
    for name in ("pack>Scale", "Scale"):
        assert load_model(tmp_path / "m.keras", custom_objects={name: Scale}, compile=False).layers[0].built


def test_names_of_classes_in_early_keras_3(tmp_path):
    Sequential([L.SimpleRNN(2, input_shape=(3, 4))]).save(tmp_path / "m.keras")

    def rename(config):
        config["config"]["layers"][-1]["config"]["recurrent_initializer"]["class_name"] = "OrthogonalInitializer"

    model = load_model(edited(tmp_path / "m.keras", rename), compile=False)
    assert type(model.layers[0].recurrent_initializer).__name__ == "Orthogonal"


def test_names_that_are_no_texts(tmp_path):
    start = L.Input((3,), name="a")
    Model(start, L.Dense(2, name="b")(start)).save(tmp_path / "m.keras")
    edited(tmp_path / "m.keras", lambda config: config["config"]["layers"][1].update(name={"b": 1}))
    with pytest.raises(BrokenFileError, match="a layer whose name is no text: {'b': 1}"):
        load_model(tmp_path / "m.keras")
    assert "whose name is no text" in inspect(tmp_path / "m.keras").refused[0]
