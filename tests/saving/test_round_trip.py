"""Models and weights to files and back, in one process."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import optimizers
from gpukeras.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Dense,
    Dropout,
    Input,
    Lambda,
    Layer,
    TimeDistributed,
    concatenate,
)
from gpukeras.models import Model, Sequential, load_model, model_from_json, save_model


def classifier(optimizer="adam", **kwargs):
    model = Sequential([Dense(5, activation="relu", input_shape=(4,)), BatchNormalization(), Dropout(0.2),
                        Dense(2, activation="softmax")])
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], **kwargs)
    return model


X = np.random.RandomState(0).rand(12, 4).astype("float32")
Y = np.eye(2, dtype="float32")[np.arange(12) % 2]


def same(a, b):
    assert len(a) == len(b)
    for one, other in zip(a, b):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("optimizer", [
    optimizers.SGD(0.1), optimizers.SGD(0.1, momentum=0.9, nesterov=True, decay=0.01), optimizers.RMSprop(),
    optimizers.Adagrad(), optimizers.Adadelta(), optimizers.Adam(clipnorm=1.0), optimizers.Adam(amsgrad=True),
    optimizers.AdamW(), optimizers.Adamax(clipvalue=0.5), optimizers.Nadam(),
    optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 3, 0.5))],
    ids=lambda o: type(o).__name__)
def test_training_goes_on_as_if_it_had_never_stopped(optimizer, tmp_path):
    model = Sequential([Dense(5, activation="tanh", input_shape=(4,)), Dense(2, activation="softmax")])
    model.compile(optimizer, "categorical_crossentropy")
    for _ in range(3):
        model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    for _ in range(3):
        assert model.train_on_batch(X, Y) == again.train_on_batch(X, Y)
    same(model.get_weights(), again.get_weights())
    same(model.optimizer.get_weights(), again.optimizer.get_weights())
    assert model.optimizer.get_config() == again.optimizer.get_config()


def test_a_compiled_model_that_has_not_trained(tmp_path):
    model = classifier(loss_weights=[0.5])
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert again.loss_weights == [0.5] and again.metrics == ["accuracy"]
    assert model.test_on_batch(X, Y) == again.test_on_batch(X, Y)


def test_an_uncompiled_model_says_so(tmp_path):
    model = Sequential([Dense(2, input_shape=(4,))])
    save_model(model, str(tmp_path / "m.h5"))
    with pytest.warns(UserWarning, match="does not say how the model was compiled"):
        again = load_model(str(tmp_path / "m.h5"))
    same(model.get_weights(), again.get_weights())
    load_model(tmp_path / "m.h5", compile=False)


def test_without_the_optimizer(tmp_path):
    model = classifier()
    model.save(tmp_path / "m.h5", include_optimizer=False)
    with h5py.File(tmp_path / "m.h5") as file:
        assert "training_config" not in file.attrs and "optimizer_weights" not in file


def test_several_outputs_and_shared_and_nested_layers(tmp_path):
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(3, name="shared", activation="tanh")
    inner = Sequential([Dense(3, input_shape=(6,), name="in_1"), BatchNormalization(name="in_2")], name="inner")
    both = inner(concatenate([shared(a), shared(b)]))
    model = Model([a, b], [Dense(2, name="p")(both), Dense(1, name="q")(both)], name="outer")
    model.compile("rmsprop", {"p": "mse", "q": "mae"}, metrics={"p": ["mae", "mse"]}, loss_weights={"p": 1.0, "q": 2.0})
    targets = [np.ones((12, 2)), np.ones((12, 1))]
    model.train_on_batch([X, X], targets)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert again.name == "outer" and again.metrics_names == model.metrics_names
    assert again.get_layer("inner").name == "inner"
    for got, expected in zip(again.predict([X, X]), model.predict([X, X])):
        np.testing.assert_array_equal(got, expected)
    assert model.train_on_batch([X, X], targets) == again.train_on_batch([X, X], targets)


def test_recurrent_wrappers_keep_the_names_of_their_weights_apart(tmp_path):
    model = Sequential([Bidirectional(LSTM(2, return_sequences=True), input_shape=(3, 4)), TimeDistributed(Dense(2)),
                        GRU(2, reset_after=True)])
    model.save_weights(tmp_path / "w.h5")
    before = model.get_weights()
    model.set_weights([w + 1 for w in before])
    model.load_weights(tmp_path / "w.h5")
    same(model.get_weights(), before)


def test_metrics_and_losses_of_ones_own(tmp_path):
    def shifted(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred + 1), axis=-1)

    model = Sequential([Dense(2, input_shape=(4,))])
    model.compile("sgd", shifted, metrics=[shifted])
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match="loaded but not compiled, because the loss 'shifted' isn't known"):
        again = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    with pytest.raises(RuntimeError, match="must compile"):
        again.train_on_batch(X, Y)
    again = load_model(tmp_path / "m.h5", custom_objects={"shifted": shifted})
    assert model.train_on_batch(X, Y) == again.train_on_batch(X, Y)


class Scale(Layer):
    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(input_shape[-1],), initializer="uniform")

    def call(self, inputs):
        return inputs * self.factor


def test_layers_and_functions_of_ones_own(tmp_path):
    def double(x):
        return 2 * x

    model = Sequential([Scale(input_shape=(4,)), Lambda(double), Activation(double)])
    model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="Unknown layer: 'Scale'"):
        load_model(tmp_path / "m.h5", compile=False)
    with pytest.raises(ValueError, match="activation.*'double'"):
        load_model(tmp_path / "m.h5", custom_objects={"Scale": Scale}, compile=False)
    again = load_model(tmp_path / "m.h5", custom_objects={"Scale": Scale, "double": double}, compile=False)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_loading_draws_no_initial_values(tmp_path):
    Sequential([Dense(3, input_shape=(4,)), Dense(2)]).save(tmp_path / "m.h5")
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    load_model(tmp_path / "m.h5", compile=False)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


# ------------------------------------------------------------------------------------------------- weights only


def test_groups_of_an_open_file(tmp_path):
    from gpukeras.engine import topology

    first = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(2, name="two")])
    other = Sequential([Dense(3, input_shape=(4,), name="new"), Dense(2, name="two")])
    before = other.get_weights()
    with h5py.File(tmp_path / "w.h5", "w") as file:
        group = file.create_group("inside")
        topology.save_weights_to_hdf5_group(group, first.layers)
        topology.load_weights_from_hdf5_group_by_name(group, other.layers)
        same(other.get_weights(), [*before[:2], *first.get_weights()[2:]])
        topology.load_weights_from_hdf5_group(group, other.layers)
        same(other.get_weights(), first.get_weights())
        with pytest.raises(ValueError, match="weights of 2 layers .* but the model has 1 layers"):
            topology.load_weights_from_hdf5_group(group, other.layers[:1])


def test_weights_by_name_and_skipping(tmp_path):
    first = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(2, name="two")])
    first.save_weights(tmp_path / "w.h5")
    other = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(5, name="new"), Dense(2, name="two")])
    before = other.get_weights()
    with pytest.raises(ValueError, match="weights of 2 layers .* but the model has 3 layers"):
        other.load_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match=r"layer 'two': weight 'two/kernel:0' has shape \(5, 2\), but .* \(3, 2\)"):
        other.load_weights(tmp_path / "w.h5", by_name=True)
    same(other.get_weights(), before)  # nothing has changed
    with pytest.warns(UserWarning, match="Skipping the weights of layer 'two'"):
        other.load_weights(tmp_path / "w.h5", by_name=True, skip_mismatch=True)
    same(other.get_weights()[:2], first.get_weights()[:2])
    same(other.get_weights()[2:], before[2:])


def test_weights_out_of_a_whole_model(tmp_path):
    model = classifier()
    model.save(tmp_path / "m.h5")
    other = classifier()
    other.load_weights(tmp_path / "m.h5")
    same(other.get_weights(), model.get_weights())


def test_a_weights_file_is_no_model(tmp_path):
    classifier().save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="holds no model: .* it holds weights only"):
        load_model(tmp_path / "w.h5")


def test_many_layers_have_their_names_in_several_attributes(tmp_path):
    names = [f"layer_{i:03d}_" + "x" * 300 for i in range(250)]
    model = Sequential([Dense(1, name=n, **({"input_shape": (1,)} if not i else {})) for i, n in enumerate(names)])
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs and "layer_names1" in file.attrs
    before = model.get_weights()
    model.set_weights([w * 0 for w in before])
    model.load_weights(tmp_path / "w.h5")
    same(model.get_weights(), before)


def test_attributes_as_bytes_or_as_text(tmp_path):
    model = classifier()
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        for name in ("model_config", "training_config", "keras_version"):
            value = file.attrs[name]
            file.attrs[name] = value if isinstance(value, bytes) else np.bytes_(value)
        names = [n.decode() for n in file["model_weights"].attrs["layer_names"]]
        file["model_weights"].attrs["layer_names"] = np.array(names, h5py.string_dtype())
    same(load_model(tmp_path / "m.h5").get_weights(), model.get_weights())


def test_an_open_file_takes_a_model_and_gives_it_back(tmp_path):
    model = classifier()
    with h5py.File(tmp_path / "m.h5", "w") as file:
        model.save(file)
    with h5py.File(tmp_path / "m.h5") as file:
        same(load_model(file).get_weights(), model.get_weights())


def test_the_same_model_makes_the_same_bytes(tmp_path):
    model = classifier()
    model.save(tmp_path / "a.h5")
    model.save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_sequential_is_written_as_newer_keras_reads_it(tmp_path):
    classifier().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        config = json.loads(file.attrs["model_config"])
    assert config["class_name"] == "Sequential"
    assert config["config"]["layers"][0]["class_name"] == "InputLayer"


def test_overwriting_is_asked_for(tmp_path, monkeypatch):
    model = classifier()
    model.save(tmp_path / "m.h5")
    before = (tmp_path / "m.h5").read_bytes()
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or ("what?", "n", "y")[len(asked) - 1])
    model.train_on_batch(X, Y)
    model.save(tmp_path / "m.h5", overwrite=False)
    assert len(asked) == 2 and (tmp_path / "m.h5").read_bytes() == before
    model.save(tmp_path / "m.h5", overwrite=False)
    assert (tmp_path / "m.h5").read_bytes() != before
    assert os.listdir(tmp_path) == ["m.h5"]


def test_a_model_without_weights_yet_is_not_written(tmp_path):
    model = Sequential([Dense(2)])
    for write in (model.save, model.save_weights, model.load_weights):
        with pytest.raises(ValueError, match="its input shape isn't known"):
            write(tmp_path / "m.h5")
    assert not os.listdir(tmp_path)


def test_weights_of_other_shapes_of_the_same_size(tmp_path):
    one = Sequential([Dense(6, name="d", input_shape=(4,), use_bias=False)])
    two = Sequential([Dense(4, name="d", input_shape=(6,), use_bias=False)])
    one.save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="shape"):
        two.load_weights(tmp_path / "w.h5", by_name=True)
    two.load_weights(tmp_path / "w.h5", by_name=True, reshape=True)
    np.testing.assert_array_equal(two.get_weights()[0].ravel(), one.get_weights()[0].ravel())
    other = Sequential([Dense(5, name="d", input_shape=(4,), use_bias=False)])
    with pytest.raises(ValueError, match="shape"):
        other.load_weights(tmp_path / "w.h5", by_name=True, reshape=True)


def test_sequentials_in_a_sequential_keep_their_names(tmp_path):
    model = Sequential([Sequential([Dense(2, input_shape=(3,))], name="a"),
                        Sequential([Dense(4, input_shape=(2,))], name="b")])
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5")
    model.save_weights(tmp_path / "w.h5")
    loaded.set_weights([w * 0 for w in loaded.get_weights()])
    loaded.load_weights(tmp_path / "w.h5", by_name=True)
    np.testing.assert_array_equal(loaded.predict(X[:, :3]), model.predict(X[:, :3]))
    for made in (loaded, Sequential.from_config(model.get_config()), model_from_json(model.to_json())):
        assert [layer.name for layer in made.layers] == ["a", "b"]


def test_weights_of_nested_models_have_keras_names(tmp_path):
    inner = Sequential([Dense(2, input_shape=(3,), name="deep")], name="inner")
    inputs = Input((3,))
    Model(inputs, Dense(1, name="out")(inner(inputs))).save_weights(str(tmp_path / "w.h5"))
    with h5py.File(tmp_path / "w.h5", "r") as file:
        names = {name: [n.decode() for n in file[name].attrs["weight_names"]] for name in ("inner", "out")}
        assert file["inner/deep/kernel:0"].shape == (3, 2)
    assert names == {"inner": ["deep/kernel:0", "deep/bias:0"], "out": ["out/kernel:0", "out/bias:0"]}  # Keras 2.0.9's
