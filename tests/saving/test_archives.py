"""Archives (`.keras`) and weights in Keras 3's layout (`.weights.h5`): what is written here is read here, whole."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers as L
from gpukeras import optimizers as O
from gpukeras.callbacks import ModelCheckpoint
from gpukeras.models import Model, Sequential, load_model, save_model
from gpukeras.saving import inspect
from tests.saving.archived import Scale, X, Y, described, loss, members, small, stored


def same_weights(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# --------------------------------------------------------------------------------------------- round trips


OPTIMIZERS = {
    "sgd": lambda: O.SGD(0.1, decay=0.2), "momentum": lambda: O.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: O.RMSprop(0.01, rho=0.8), "newer_rmsprop": lambda: O.RMSprop(0.01, epsilon_under_root=True),
    "adagrad": lambda: O.Adagrad(0.1), "newer_adagrad": lambda: O.Adagrad(0.1, epsilon_under_root=True),
    "adadelta": lambda: O.Adadelta(rho=0.9), "adam": lambda: O.Adam(0.01, decay=0.1, clipnorm=0.5),
    "amsgrad": lambda: O.Adam(0.01, amsgrad=True), "adamax": lambda: O.Adamax(0.01, clipvalue=0.2),
    "adamw": lambda: O.AdamW(0.01, weight_decay=0.1), "nadam": lambda: O.Nadam(0.01, schedule_decay=0.01),
    "schedule": lambda: O.Adam(O.schedules.ExponentialDecay(0.1, 2, 0.5))}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_the_same_after_an_archive(name, tmp_path):
    model = small(OPTIMIZERS[name](), metrics=["mae"], sample_weight_mode=None)
    for _ in range(3):
        loss(model)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    same_weights(model, again)
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.metrics_names == model.metrics_names
    assert [loss(again) for _ in range(3)] == [loss(model) for _ in range(3)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_that_has_not_begun_begins_the_same(name, tmp_path):
    model = small(OPTIMIZERS[name]())
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert [loss(again) for _ in range(3)] == [loss(model) for _ in range(3)]


def test_several_outputs_with_losses_and_weights_of_their_own(tmp_path):
    a, b = L.Input((3,), name="a"), L.Input((3,), name="b")
    shared = L.Dense(3, activation="tanh", name="shared")
    x = L.concatenate([shared(a), shared(b)])
    model = Model([a, b], [L.Dense(2, name="p", activation="softmax")(x), L.Dense(1, name="q")(x)])
    model.compile("nadam", {"p": "kullback_leibler_divergence", "q": "logcosh"}, metrics={"p": ["acc", "mae"]},
                  loss_weights={"p": 1.0, "q": 0.5})
    xs, ys = [X[:, :3], X[:, 1:]], [Y / Y.sum(1, keepdims=True), Y[:, :1]]
    loss(model, xs, ys)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert again.metrics_names == model.metrics_names
    assert again.train_on_batch(xs, ys) == model.train_on_batch(xs, ys)
    told = described(tmp_path / "m.keras")["compile_config"]
    assert told["loss"] == {"p": "kl_divergence", "q": "log_cosh"}  # as Keras 3 calls them


def test_a_model_that_is_not_compiled_warns_when_loaded(tmp_path):
    model = Sequential([L.Dense(2, input_shape=(3,))])
    save_model(model, tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="does not say how the model was compiled"):
        same_weights(model, load_model(tmp_path / "m.keras"))
    same_weights(model, load_model(tmp_path / "m.keras", compile=False))


def test_without_the_optimizer(tmp_path):
    model = small()
    loss(model)
    model.save(tmp_path / "m.keras", include_optimizer=False)
    assert not any(path.startswith("optimizer") for path in stored(tmp_path / "m.keras"))
    assert "compile_config" not in described(tmp_path / "m.keras")


def test_networks_inside_of_networks_and_layers_in_layers(tmp_path):
    encoder = Sequential([L.Dense(5, activation="relu", input_shape=(4,)), L.Dense(3)], name="encoder")
    middle = L.Input((3,))
    inner = Model(middle, L.BatchNormalization()(L.Dense(3)(middle)), name="inner")
    a, steps = L.Input((4,), name="a"), L.Input((5, 2), name="steps")
    x = L.Bidirectional(L.GRU(2, reset_after=True, recurrent_activation="sigmoid"))(steps)
    y = L.TimeDistributed(Sequential([L.Dense(3, input_shape=(2,))]))(steps)
    ends = [inner(inner(encoder(a))), L.Dense(2)(L.concatenate([x, L.GlobalMaxPooling1D()(y)])), encoder(a)]
    model = Model([a, steps], ends)
    xs = [np.random.rand(3, 4), np.random.rand(3, 5, 2)]
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", compile=False)
    for one, other in zip(model.predict(xs), again.predict(xs)):
        np.testing.assert_array_equal(one, other)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_states_and_masks_given_to_a_layer(tmp_path):
    first, second = L.Input((4, 2)), L.Input((5, 6))
    _, h, c = L.LSTM(3, return_state=True, recurrent_activation="sigmoid")(first)
    x = L.LSTM(3, recurrent_activation="sigmoid", return_sequences=True)(second, initial_state=[h, c])
    mask = L.Input((5, 5))
    y = L.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)
    model = Model([first, second, mask], y)
    xs = [np.random.rand(2, 4, 2), np.random.rand(2, 5, 6), np.tril(np.ones((2, 5, 5)))]
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", compile=False)
    np.testing.assert_array_equal(model.predict(xs), again.predict(xs))


def test_a_layer_in_several_networks_becomes_several(tmp_path):
    start, shared = L.Input((3,)), L.Dense(3, name="shared")
    inner = Sequential([L.Dense(3, input_shape=(3,)), shared], name="inner")
    model = Model(start, L.add([inner(start), shared(start)]))
    with pytest.warns(UserWarning, match="'shared' is part of several models"):
        model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", compile=False)
    x = np.random.rand(2, 3)
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    with pytest.warns(UserWarning, match="part of several models"):
        model.save_weights(tmp_path / "m.weights.h5")
    before = model.predict(x)
    model.set_weights([w * 0 for w in model.get_weights()])
    model.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(model.predict(x), before)


def own_loss(y_true, y_pred):
    return K.mean(K.square(y_pred - y_true), axis=-1)


def own_function(x):
    return x * 2


def test_objects_of_the_users(tmp_path):
    model = Sequential([L.Dense(2, input_shape=(4,), activation=own_function), Scale(0.5), L.Lambda(own_function)])
    model.compile("sgd", own_loss, metrics=[own_loss])
    model.save(tmp_path / "m.keras")
    known = {"Scale": Scale, "own_loss": own_loss, "own_function": own_function}
    again = load_model(tmp_path / "m.keras", custom_objects=known)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    assert loss(again) == loss(model)
    with pytest.raises(ValueError, match="Scale"):
        load_model(tmp_path / "m.keras", custom_objects={"own_function": own_function})
    with pytest.warns(UserWarning, match="not compiled, because the loss 'own_loss' isn't known"):
        load_model(tmp_path / "m.keras", custom_objects={"Scale": Scale, "own_function": own_function})


def test_a_lambda_comes_back_by_its_name_or_its_layers(tmp_path):
    model = Sequential([L.Lambda(lambda x: x * 3, name="triple", input_shape=(4,))])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="is a lambda, of which no code is ever loaded"):
        load_model(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", custom_objects={"triple": lambda x: x * 3}, compile=False)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


def test_both_hard_sigmoids_come_back(tmp_path):
    for name, warned in (("hard_sigmoid", True), ("keras3_hard_sigmoid", False)):
        model = Sequential([L.Dense(4, activation=name, input_shape=(4,))])
        model.set_weights([np.eye(4) * 5, np.zeros(4)])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.save(tmp_path / "m.keras")
        assert any("hard_sigmoid" in str(w.message) for w in said) == warned
        assert described(tmp_path / "m.keras")["config"]["layers"][1]["config"]["activation"] == "hard_sigmoid"
        again = load_model(tmp_path / "m.keras", compile=False)
        np.testing.assert_array_equal(model.predict(X), again.predict(X))


def test_float64(tmp_path):
    K.set_floatx("float64")
    try:
        model = Sequential([L.Dense(2, input_shape=(4,))])
        model.save(tmp_path / "m.keras")
        assert load_model(tmp_path / "m.keras", compile=False).get_weights()[0].dtype == np.float64
        same_weights(model, load_model(tmp_path / "m.keras", compile=False))
    finally:
        K.set_floatx("float32")


# -------------------------------------------------------------------------------------------------- layout


def test_the_layout_is_keras_3s(tmp_path):
    model = small(O.Adam())
    loss(model)
    model.save(tmp_path / "m.keras")
    assert list(members(tmp_path / "m.keras")) == ["metadata.json", "config.json", "model.weights.h5"]
    config = described(tmp_path / "m.keras")
    assert (config["module"], config["class_name"], config["registered_name"]) == ("keras", "Sequential", None)
    assert [(e["module"], e["class_name"]) for e in config["config"]["layers"]] == [
        ("keras.layers", name) for name in ("InputLayer", "Dense", "BatchNormalization", "Dense")]
    found = stored(tmp_path / "m.keras")
    assert {k: v for k, v in found.items() if k.startswith("layers")} == {
        "layers/dense/vars/0": (4, 3), "layers/dense/vars/1": (3,), "layers/dense_1/vars/0": (3, 2),
        "layers/dense_1/vars/1": (2,), **{f"layers/batch_normalization/vars/{i}": (3,) for i in range(4)}}
    # updates made, learning rate, then both moments of one weight after the other
    assert [found[f"optimizer/vars/{i}"] for i in range(6)] == [(), (), (4, 3), (4, 3), (3,), (3,)]
    assert len([name for name in found if name.startswith("optimizer")]) == 2 + 2 * 6


def test_class_names_as_groups(tmp_path):
    layers = [L.ConvLSTM2D(2, 2, input_shape=(3, 5, 5, 1), recurrent_activation="sigmoid"), L.Conv2D(2, 2), L.PReLU(),
              L.MaxPooling2D(2)]
    Sequential(layers).save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert set(file["layers"]) == {"conv_lstm2d", "conv2d", "p_re_lu", "max_pooling2d"}
        assert set(file["layers/conv_lstm2d/cell/vars"]) == {"0", "1", "2"}


def test_attention_is_found_by_both_of_its_names(tmp_path):
    start = L.Input((4, 6))
    Model(start, L.MultiHeadAttention(2, 3)(start, start)).save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        layer = file["layers/multi_head_attention"]
        assert layer["_query_dense/vars/0"] == layer["query_dense/vars/0"]  # one data set


# ------------------------------------------------------------------------------------------------- weights


def test_weights_of_all_kinds_of_files(tmp_path):
    model = small()
    loss(model)
    for name in ("m.weights.h5", "m.keras", "m.h5"):
        (model.save_weights if "weights" in name else model.save)(tmp_path / name)
        other = small()
        other.load_weights(tmp_path / name)
        same_weights(model, other)


def test_weights_by_name(tmp_path):
    stored_model = Sequential([L.Dense(3, input_shape=(4,), name="one"), L.Dense(2, name="two")])
    stored_model.save_weights(tmp_path / "m.weights.h5")
    model = Sequential([L.Dense(5, input_shape=(4,), name="new"), L.Dense(3, name="other"), L.Dense(2, name="two")])
    before = model.get_weights()
    model.load_weights(tmp_path / "m.weights.h5", by_name=True)
    for i, (one, other) in enumerate(zip(before, model.get_weights())):
        assert np.array_equal(one, other) == (i != 4), i  # the kernel of 'two'
    with h5py.File(tmp_path / "m.weights.h5", "r+") as file:
        for group in file["layers"].values():
            del group["vars"].attrs["name"]
    with pytest.raises(ValueError, match="does not name its layers"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


def test_weights_that_do_not_fit(tmp_path):
    Sequential([L.Dense(3, input_shape=(4,)), L.Dense(2)]).save_weights(tmp_path / "m.weights.h5")
    model = Sequential([L.Dense(3, input_shape=(4,)), L.Dense(7, name="wide")])
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"layer 'wide' has weights of shapes \[\(3, 7\), \(7,\)\], but the file has "
                                         r"\[\(3, 2\), \(2,\)\] for it at 'layers/dense_1'"):
        model.load_weights(tmp_path / "m.weights.h5")
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)
    with pytest.warns(UserWarning, match="Skipping the weights of layer 'wide'"):
        model.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    assert not np.array_equal(before[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="but the file has none for it"):
        Sequential([L.Dense(3, input_shape=(4,)), L.LayerNormalization()]).load_weights(tmp_path / "m.weights.h5")


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_checkpoints(ending, tmp_path):
    model = small()
    path = str(tmp_path / ("best-{epoch}" + ending))
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[ModelCheckpoint(path, save_weights_only="weights" in ending)])
    other = small()
    other.load_weights(tmp_path / f"best-2{ending}")
    same_weights(model, other)
    if ending == ".keras":
        assert loss(load_model(tmp_path / "best-2.keras")) == loss(model)


def test_overwriting_is_asked_for(tmp_path, monkeypatch):
    small().save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()
    monkeypatch.setattr("builtins.input", lambda _: "n")
    small("sgd").save(tmp_path / "m.keras", overwrite=False)
    assert (tmp_path / "m.keras").read_bytes() == before


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, monkeypatch):
    small().save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space left"):
        small().save(tmp_path / "m.keras")
    assert (tmp_path / "m.keras").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


def test_layers_without_a_place_are_refused_before_anything_is_written(tmp_path):
    with pytest.warns(UserWarning, match="from Keras 1"):
        merge = L.Merge([Sequential([L.Dense(2, input_shape=(3,))]), Sequential([L.Dense(2, input_shape=(3,))])], "sum")
    with pytest.raises(ValueError, match="Use a path that ends in .h5"):
        Sequential([merge]).save(tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def test_inspect(tmp_path):
    model = small()
    loss(model)
    model.save(tmp_path / "m.keras")
    found = inspect(tmp_path / "m.keras")
    assert (found.model, found.optimizer, found.loss) == ("Sequential", "Adam", "mean_squared_error")
    assert [(name, kind, len(arrays)) for name, kind, arrays in found.layers] == [
        (layer.name, type(layer).__name__, len(layer.weights)) for layer in model.layers]
    assert found.parameters == model.count_params() and not found.refused
    assert found.optimizer_arrays == 2 + 2 * 6
    assert "keras_version: 3" in str(found) and "(4, 3)  float32" in str(found)
    model.save_weights(tmp_path / "m.weights.h5")
    assert inspect(tmp_path / "m.weights.h5").parameters == model.count_params()
