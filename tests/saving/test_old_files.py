"""Files as versions of Keras wrote them, written here by hand from what is known of the format."""

from __future__ import annotations

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import GRU, Dense, Input, Lambda, Layer, Merge
from gpukeras.models import Model, Sequential, load_model, model_from_json
from gpukeras.optimizers import Nadam

random = np.random.RandomState(3)
X, Y = random.rand(6, 4).astype("float32"), random.rand(6, 3).astype("float32")


def some(*shape):
    return random.rand(*shape).astype("float32") - np.float32(0.5)


def write(path, config, weights, training=None, optimizer=None, **versions):
    """A model file: `weights` maps layers to their arrays by name, `optimizer` the names to arrays of its state."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        groups = [(file.create_group("model_weights"), weights)]
        for name, value in versions.items():
            file.attrs[name] = groups[0][0].attrs[name] = value
        groups[0][0].attrs["layer_names"] = [name.encode() for name in weights]
        groups = [(groups[0][0].create_group(name), arrays) for name, arrays in weights.items()]
        if optimizer is not None:
            groups.append((file.create_group("optimizer_weights"), optimizer))
        for group, arrays in groups:
            group.attrs["weight_names"] = np.array([n.encode() for n in arrays]) if arrays else np.zeros(0, "S1")
            for name, value in arrays.items():
                group[name] = value
    return path


# ---------------------------------------------------------------------------------------------------------- Keras 1


def old_dense(name, units, inputs, class_name="Dense", **more):
    return {"class_name": class_name, "config": {
        "name": name, "trainable": True, "output_dim": units, "init": "glorot_uniform", "activation": "linear",
        "W_regularizer": None, "b_regularizer": None, "activity_regularizer": None, "W_constraint": None,
        "b_constraint": None, "bias": True, "input_dim": inputs, **more}}


def test_a_sequential_of_keras_1_that_begins_with_branches(tmp_path):
    branches = [{"class_name": "Sequential", "config": [
        old_dense(name, 3, n, batch_input_shape=[None, n], input_dtype="float32")]} for name, n in (("a", 4), ("b", 5))]
    merge = {"class_name": "Merge", "config": {
        "name": "merge_1", "mode": "concat", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "layers": branches,
        "output_shape": None, "output_shape_type": "raw", "output_mask": None, "output_mask_type": "raw",
        "arguments": {}}}
    weights = {"a": {"a_W": some(4, 3), "a_b": some(3)}, "b": {"b_W": some(5, 3), "b_b": some(3)},
               "c": {"c_W": some(6, 2), "c_b": some(2)}}
    path = write(tmp_path / "m.h5", {"class_name": "Sequential", "config": [merge, old_dense("c", 2, None)]}, weights,
                 keras_version="1.2.2")
    with pytest.warns(UserWarning, match="Keras 1"):
        model = load_model(path, compile=False)
    x, y = some(2, 4), some(2, 5)
    a, b, c = ([*arrays.values()] for arrays in weights.values())
    expected = np.concatenate([x @ a[0] + a[1], y @ b[0] + b[1]], axis=1) @ c[0] + c[1]
    np.testing.assert_allclose(model.predict([x, y]), expected, atol=1e-5)


def test_a_merge_keeps_the_weights_of_its_branches(tmp_path):
    with pytest.warns(UserWarning, match="Keras 1"):
        model = Sequential([Merge([Sequential([Dense(3, input_shape=(4,))]), Sequential([Dense(3, input_shape=(5,))])],
                                  mode="sum"), Dense(2)])
    model.compile("adam", "mse")
    xs, y = [some(6, 4), some(6, 5)], some(6, 2)
    model.train_on_batch(xs, y)
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match="Keras 1"):
        again = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again.predict(xs), model.predict(xs))
    assert [again.train_on_batch(xs, y) for _ in range(3)] == [model.train_on_batch(xs, y) for _ in range(3)]


def test_json_of_keras_1():
    layers = [old_dense("t", 3, 4, "TimeDistributedDense", batch_input_shape=[None, 5, 4], input_dtype="float32"),
              {"class_name": "Dropout", "config": {"name": "d", "trainable": True, "p": 0.25}}]
    model = model_from_json(json.dumps({"class_name": "Sequential", "config": layers, "keras_version": "1.0.5"}))
    assert model.output_shape == (None, 5, 3) and model.layers[1].rate == 0.25


# -------------------------------------------------------------------------------------------------------- Keras 2, 3


def dense(**more):
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": {
        "name": "d", "trainable": True, "batch_input_shape": [None, 4], "dtype": "float32", "units": 3,
        "activation": "linear", "use_bias": True, **more}}]}}


def compiled(optimizer, config, **more):
    return {"optimizer_config": {"class_name": optimizer, "config": config}, "loss": "mse", "metrics": [],
            "sample_weight_mode": None, "loss_weights": None, **more}


def weights():
    return {"d": {"d/kernel:0": some(4, 3), "d/bias:0": some(3)}}


NEWER = {"name": "Nadam", "weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None,
         "use_ema": False, "ema_momentum": 0.99, "ema_overwrite_frequency": None, "jit_compile": False,
         "is_legacy_optimizer": False}


@pytest.mark.parametrize("version, product", [("2.15.0", None), ("3.4.1", "variable_1")])
def test_nadam_of_newer_keras_goes_on(version, product, tmp_path):
    """Its momentum schedule has no `schedule_decay`; Keras 2.15 does not store how far the product has come."""
    start, slots = weights(), [some(4, 3) ** 2, some(4, 3) ** 2, some(3) ** 2, some(3) ** 2]
    so_far = np.prod([0.9 * (1 - 0.5 * 0.96 ** t) for t in (1, 2, 3)])
    state = {"iteration": np.int64(3), **{f"Nadam/{i}": slot for i, slot in enumerate(slots)}}
    if product:
        state[product] = np.float32(so_far)
    path = write(tmp_path / "m.h5", dense(), start, keras_version=version, backend="tensorflow", optimizer=state,
                 training=compiled("Nadam", {**NEWER, "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999,
                                             "epsilon": 1e-7}))
    model = load_model(path)
    assert isinstance(model.optimizer, Nadam) and model.optimizer.schedule_decay == 1.0
    assert float(K.get_value(model.optimizer.m_schedule)) == pytest.approx(so_far, rel=1e-6)
    other = Sequential([Dense(3, input_shape=(4,), weights=[*start["d"].values()])])
    other.compile(Nadam(0.01, epsilon=1e-7, schedule_decay=1.0), "mse")
    other._make_train_function()
    K.batch_set_value(list(zip(other.optimizer.weights[1:], [slots[0], slots[2], slots[1], slots[3]])))
    K.set_value(other.optimizer.iterations, 3)
    K.set_value(other.optimizer.m_schedule, so_far)
    assert [model.train_on_batch(X, Y) for _ in range(3)] == pytest.approx(
        [other.train_on_batch(X, Y) for _ in range(3)], rel=1e-6)


@pytest.mark.parametrize("name, config, lazy", [
    ("SGD", {"name": "SGD", "decay": 0.0}, True), ("Nadam", {"name": "Nadam", "decay": 0.01}, True),
    ("SGD", {"decay": 0.0}, False), ("SGD", {**NEWER, "name": "SGD"}, False)])
def test_what_tensorflows_older_optimizers_leave_alone_is_left_alone(name, config, lazy, tmp_path):
    """They alone have both a name and a decay. Written again they are as they came."""
    path = write(tmp_path / "m.h5", dense(), weights(), compiled(name, {**config, "learning_rate": 0.1}),
                 keras_version="2.6.0")
    for _ in range(2):
        model = load_model(path)
        assert model.optimizer.lazy is lazy
        assert getattr(model.optimizer, "schedule_decay", 0.01) == 0.01
        model.save(path)


def test_nadam_of_keras_2_0_begins_its_product_anew(tmp_path):
    state = {"iterations": np.float32(3), **{f"v_{i}": some(*s) ** 2 for i, s in enumerate([(4, 3), (3,)] * 2)}}
    path = write(tmp_path / "m.h5", dense(), weights(), compiled("Nadam", {"lr": 0.1}), state, keras_version="2.0.9")
    optimizer = load_model(path).optimizer
    assert float(K.get_value(optimizer.iterations)) == 3 and float(K.get_value(optimizer.m_schedule)) == 1


@pytest.mark.parametrize("loss, name", [("log_cosh", "logcosh"), ("kl_divergence", "kullback_leibler_divergence"),
                                        ("cosine_similarity", "cosine_proximity")])
def test_losses_by_their_newer_names(loss, name, tmp_path):
    path = write(tmp_path / "m.h5", dense(), weights(), compiled("sgd", {"lr": 0.1}, loss=loss), keras_version="2.9.0")
    model = load_model(path)
    model.save(tmp_path / "again.h5")
    with h5py.File(tmp_path / "again.h5") as file:
        assert json.loads(file.attrs["training_config"])["loss"] == loss
    other = Sequential([Dense(3, input_shape=(4,), weights=model.get_weights())])
    other.compile("sgd", name)
    assert model.test_on_batch(X, Y) == other.test_on_batch(X, Y)


def test_metrics_of_outputs_of_which_some_have_none(tmp_path):
    a = Input((4,), name="a")
    model = Model(a, [Dense(3, name="p")(a), Dense(3, name="q")(a)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        training = json.loads(file.attrs["training_config"])
        mae = {"class_name": "MeanMetricWrapper", "config": {"name": "mae", "dtype": "float32",
                                                             "fn": "mean_absolute_error"}}
        file.attrs["training_config"] = json.dumps({**training, "metrics": [[None, mae], [None]]})
    again = load_model(tmp_path / "m.h5")
    assert again.metrics_names == ["loss", "p_loss", "q_loss", "p_mean_absolute_error"]


def test_json_of_keras_3_and_its_tensors_by_keyword():
    def place(name, shape):
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, *shape], "dtype": "float32",
                                                             "keras_history": [name, 0, 0]}}

    def layer(kind, name, config, args=(), kwargs=None):
        nodes = [{"args": list(args), "kwargs": kwargs or {}}] if args else []
        return {"module": "keras.layers", "class_name": kind, "registered_name": None, "name": name,
                "config": {"name": name, "trainable": True, "dtype": {
                    "module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
                    "registered_name": None}, **config}, "inbound_nodes": nodes}

    inputs = [layer("InputLayer", name, {"batch_shape": [None, *shape], "sparse": False, "ragged": False,
                                         "optional": False}) for name, shape in (("x", (5, 2)), ("h", (3,)))]
    for one in inputs:
        del one["config"]["trainable"]
    gru = layer("GRU", "gru", {"units": 3, "reset_after": True, "recurrent_activation": "sigmoid", "seed": None},
                [place("x", (5, 2))], {"initial_state": place("h", (3,)), "mask": None, "training": False})
    moved = layer("Lambda", "moved", {"function": {"module": "builtins", "class_name": "function", "config": "plus_one",
                                                   "registered_name": "plus_one"}, "arguments": {}},
                  [place("gru", (3,))])
    text = json.dumps({"module": "keras", "class_name": "Functional", "registered_name": "Functional", "config": {
        "name": "f", "trainable": True, "layers": [*inputs, gru, moved],
        "input_layers": [["x", 0, 0], ["h", 0, 0]], "output_layers": [["moved", 0, 0]]}})
    model = model_from_json(text, custom_objects={"plus_one": lambda x: x + 1})
    own = [Input((5, 2)), Input((3,))]
    state = GRU(3, reset_after=True, recurrent_activation="sigmoid")(own[0], initial_state=own[1])
    other = Model(own, Lambda(lambda x: x + 1)(state))
    other.set_weights(model.get_weights())
    data = [some(2, 5, 2), some(2, 3)]
    np.testing.assert_array_equal(model.predict(data), other.predict(data))


def test_a_gru_says_in_json_and_files_how_it_resets(tmp_path):
    model = Sequential([GRU(2, input_shape=(3, 4))])
    assert json.loads(model.to_json())["config"][0]["config"]["reset_after"] is False
    assert "reset_after" not in model.get_config()[0]["config"]  # as in Keras 2.0.9
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert json.loads(file.attrs["model_config"])["config"]["layers"][-1]["config"]["reset_after"] is False


class Grouped(Layer):
    """A layer whose argument has the name of one that newer Keras's layers have."""

    def __init__(self, groups=4, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


def test_arguments_of_layers_of_ones_own_are_left_alone(tmp_path):
    Sequential([Grouped(1, input_shape=(4,))]).save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5", custom_objects={"Grouped": Grouped}, compile=False).layers[0].groups == 1


def test_functions_of_ones_own_instead_of_initializer_and_regularizer(tmp_path):
    def thirds(shape, dtype=None):
        return np.full(shape, 1 / 3)

    def squares(weights):
        return K.sum(K.square(weights))

    own = {"thirds": thirds, "squares": squares}
    model = Sequential([Dense(3, kernel_initializer=thirds, kernel_regularizer=squares, input_shape=(4,))])
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5", custom_objects=own)
    assert again.layers[0].kernel_initializer is thirds
    assert again.train_on_batch(X, Y) == model.train_on_batch(X, Y)


# ------------------------------------------------------------------------------------------------------ other places


def trained():
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile("adam", "mse")
    model.train_on_batch(X, Y)
    return model


def test_streams_and_paths_of_bytes(tmp_path):
    model, stream = trained(), io.BytesIO()
    model.save(stream)
    stream.seek(0)
    assert load_model(stream).train_on_batch(X, Y) == model.train_on_batch(X, Y)
    model.save_weights(bytes(tmp_path / "w.h5"))
    other = trained()
    other.load_weights(bytes(tmp_path / "w.h5"))
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_several_models_in_one_file(tmp_path):
    model = trained()
    with h5py.File(tmp_path / "all.h5", "w") as file:
        model.save(file.create_group("models/first"))
        model.save_weights(file.create_group("weights"))
    with h5py.File(tmp_path / "all.h5") as file:
        again = load_model(file["models/first"])
        again.load_weights(file["weights"])
    assert again.train_on_batch(X, Y) == model.train_on_batch(X, Y)


def test_names_with_slashes(tmp_path):
    start = Input((4,))
    x = Dense(3, name="a")(start)
    for name in ("a/a", "a/b", "a/a/a"):
        x = Dense(3, name=name)(x)
    model = Model(start, x)
    model.save(tmp_path / "m.h5")
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5", compile=False).predict(X), model.predict(X))
    with pytest.raises(ValueError, match="'a/a/kernel:0' of a layer is the place of another layer's weight"):
        Model(start, Dense(3, name="a/a/kernel:0")(x)).save(tmp_path / "n.h5")


@pytest.mark.parametrize("name", ["h5", "hdf5", None])
def test_the_format_may_be_named(name, tmp_path):
    trained().save(tmp_path / "m", save_format=name)
    load_model(tmp_path / "m")
    with pytest.raises(ValueError, match="save_format='tf': expected 'h5'"):
        trained().save(tmp_path / "m", save_format="tf")


def test_networks_in_networks_as_keras3_says_it(tmp_path):
    """It counts the calls of a network inside of another from 0: in HDF5 files and JSON too, not in archives only."""
    tower = Sequential([Dense(4, activation="tanh", input_shape=(5,)), Dense(3)], name="tower")
    middle = Input((3,))
    inner = Model(middle, Dense(3)(middle), name="inner")
    a, b = Input((5,), name="a"), Input((5,), name="b")
    model = Model([a, b], [Dense(2)(inner(inner(tower(a)))), tower(b)])
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        config = json.loads(file.read("config.json"))
    calls = {one["name"]: one["inbound_nodes"] for one in config["config"]["layers"]}
    assert calls["tower"][0]["args"][0]["config"]["keras_history"] == ["a", 0, 0]
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["model_config"] = json.dumps(config)
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"] = "3.5.0"
    x = [np.random.RandomState(i).rand(4, 5) for i in range(2)]
    read = model_from_json(json.dumps(config))
    read.set_weights(model.get_weights())
    for other in (load_model(tmp_path / "m.h5", compile=False), read):
        for expected, found in zip(model.predict(x), other.predict(x)):
            np.testing.assert_array_equal(found, expected)
