"""Models whose class says what they compute: inside of other models, in files, and where something is wrong."""

import copy
import pickle

import numpy as np
import pytest

import gpukeras as keras
from gpukeras.callbacks import EarlyStopping, ModelCheckpoint
from gpukeras.layers import Dense, Input, add
from gpukeras.models import Model, Sequential, clone_model, load_model
from gpukeras.utils import plot_model
from tests.engine.test_subclassed import Mlp, Plain, X, Y

# ------------------------------------------------------------------------------------------------------ around it


def test_as_a_layer_in_models(tmp_path):
    x = Input((4,))
    model = Mlp(name="inner")
    outer = Model(x, Dense(1)(model(x)))
    outer.compile("adam", "mse")
    outer.fit(X, Y, verbose=0)
    assert outer.get_layer("inner") is model and outer.layers[1].count_params() == model.count_params()
    outer.save(tmp_path / "outer.h5")  # its class has a config
    again = load_model(tmp_path / "outer.h5", custom_objects={"Mlp": Mlp})
    np.testing.assert_array_equal(again.predict(X), outer.predict(X))
    assert [w.shape for w in clone_model(outer).get_weights()] == [w.shape for w in outer.get_weights()]
    for stack in (Sequential([Mlp(), Dense(1)]), Sequential([Dense(3, input_shape=(4,)), Mlp()]),
                  Sequential([model, Dense(1)])):
        stack.compile("sgd", "mse")
        stack.fit(X, Y, epochs=1, verbose=0)
    places = [Input((4,)), Input((4,))]
    twice = Model(places, add([model(p) for p in places]))
    np.testing.assert_allclose(twice.predict([X, X]), 2 * model.predict(X), rtol=1e-5)


def test_weights_in_files(tmp_path):
    h5py = pytest.importorskip("h5py")

    class Deep(keras.Model):
        def __init__(self):
            super().__init__(name="deep")
            self.inner, self.out = Mlp(name="inner"), Dense(2, name="out")
            self.scale = self.add_weight("scale", (2,), initializer="ones")

        def call(self, inputs, training=None):
            return self.out(self.inner(inputs)) * self.scale

    model, other = Deep(), Deep()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    path = tmp_path / "deep.h5"
    model.save_weights(path)
    with h5py.File(path) as file:
        assert [name.decode() for name in file.attrs["layer_names"]] == ["inner", "out"]
        assert [name.decode() for name in file["top_level_model_weights"].attrs["weight_names"]] == ["deep/scale:0"]
        assert len(file["inner"].attrs["weight_names"]) == 8 and list(file["out/out"]) == ["bias:0", "kernel:0"]
    with pytest.raises(ValueError, match="no weights to load into"):
        other.load_weights(path)
    other.build((None, 4))
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    another = Deep()
    another.build((None, 4))
    another.load_weights(path, by_name=True)
    np.testing.assert_array_equal(another.out.get_weights()[0], model.out.get_weights()[0])
    stack = Sequential([Dense(4, input_shape=(4,)), model])
    stack.save_weights(tmp_path / "stack.weights.h5")
    with pytest.raises(ValueError, match="Keras 3's layout"):
        model.load_weights(tmp_path / "stack.weights.h5")
    before = stack.get_weights()
    stack.set_weights([w + 1 for w in before])
    stack.load_weights(tmp_path / "stack.weights.h5")
    np.testing.assert_array_equal(stack.get_weights()[-1], before[-1])
    model.save_weights(tmp_path / "deep.weights.h5")  # Keras 2's layout here too
    another.load_weights(tmp_path / "deep.weights.h5")
    np.testing.assert_array_equal(another.predict(X), model.predict(X))


def test_whole_models_are_not_saved(tmp_path):
    model = Plain()
    model.predict(X)
    for wrong in (lambda: model.save(tmp_path / "m.h5"), lambda: model.save(tmp_path / "m.keras"), model.get_config,
                  model.to_json, lambda: clone_model(model), lambda: pickle.dumps(model), lambda: copy.deepcopy(model)):
        with pytest.raises(NotImplementedError, match="save_weights"):
            wrong()
    own = Mlp(units=3)
    assert Mlp.from_config(own.get_config()).units == clone_model(own).units == 3


def test_callbacks(tmp_path):
    model = Mlp()
    model.compile("adam", "mse")
    path = tmp_path / "best.h5"
    model.fit(X, Y, epochs=3, verbose=0, validation_split=0.5, callbacks=[
        ModelCheckpoint(path, save_weights_only=True, save_best_only=True), EarlyStopping(restore_best_weights=True)])
    model.load_weights(path)
    with pytest.raises(NotImplementedError, match="can't be saved"):
        model.fit(X, Y, verbose=0, callbacks=[ModelCheckpoint(tmp_path / "whole.h5")])


def test_summary_and_pictures(tmp_path):
    model = Mlp(name="mlp")
    model.unused = Dense(3, name="unused")
    with pytest.raises(ValueError, match="nothing to sum up"):
        model.summary()
    model.build((None, 4))
    lines = []
    model.summary(print_fn=lines.append)
    rows = [line.split() for line in lines]
    assert lines[0] == "_" * 65
    assert [r[-1] for r in rows if "(Dense)" in " ".join(r)] == ["30", "7", "(unused)"]
    assert "Total params: 61" in lines and "Trainable params: 49" in lines
    plot_model(model, str(tmp_path / "mlp.svg"))
    x = Input((4,))
    plot_model(Model(x, model(x)), str(tmp_path / "around.svg"), expand_nested=True)
    assert model._repr_html_()


def test_subclasses_that_give_inputs_and_outputs_are_as_before():
    class Functional(keras.Model):
        def __init__(self):
            x = Input((4,))
            self.dense = Dense(2)
            super().__init__(inputs=x, outputs=self.dense(x))

        def call(self, inputs, training=None, mask=None):
            return super().call(inputs)

    model = Functional()
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense"]
    assert model.predict(X).shape == (24, 2) and model(X).shape == (24, 2)


# --------------------------------------------------------------------------------------------------------- mistakes


def test_mistakes_are_named():
    class Forgetful(keras.Model):
        def __init__(self):
            self.dense = Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    for use in (lambda m: m(X), lambda m: m.compile("sgd", "mse"), lambda m: m.summary(), lambda m: m.predict(X),
                lambda m: m.weights, lambda m: m.build((None, 4))):
        with pytest.raises(RuntimeError, match=r"Forgetful did not call super\(\).__init__\(\)"):
            use(Forgetful())

    class Silent(keras.Model):
        pass

    with pytest.raises(NotImplementedError, match="Silent has no `call`"):
        Silent()

    class Other(keras.Model):
        def __init__(self, result):
            super().__init__()
            self.result = result

        def call(self, inputs, training=None):
            return self.result(inputs, training)

    for result, error, words in ((lambda x, t: None, TypeError, "is the `return` missing"),
                                 (lambda x, t: 3, TypeError, "must return tensors"),
                                 (lambda x, t: [x, x] if t else x, ValueError, "with training=True"),
                                 (lambda x, t: x if t else x[:, :1], ValueError, "of one shape in both")):
        with pytest.raises(error, match=words):
            Other(result).predict(X)

    class Stepping(Plain):
        def train_step(self, data):
            return {}

    with pytest.raises(NotImplementedError, match="Stepping defines train_step.*add_loss"):
        Stepping().compile("sgd", "mse")

    class Gan(keras.Model):
        def train_step(self, data):
            return {}

    with pytest.raises(NotImplementedError, match="Gan defines train_step"):
        Gan()
    with pytest.raises(ValueError, match="Did you mean 'mse'"):
        Plain().compile("sgd", "mce")
    with pytest.raises(RuntimeError, match="You must compile"):
        Plain().fit(X, X[:, :2])


def test_data_that_do_not_fit():
    model = Plain()
    for nothing in (None, 3, "x"):
        with pytest.raises(ValueError, match="no data to learn their shapes from"):
            model.predict(nothing)
    with pytest.raises(ValueError, match="one for each input"):
        model.predict([X, [X, X]])
    with pytest.raises(ValueError, match="its input shape isn't known"):
        model.build()
    model.predict(X)
    with pytest.raises(ValueError, match="to have shape .None, 4. but got.*Plain takes no such sizes: Input 0 is inc"):
        model.predict(X[:, :3])
    with pytest.raises(ValueError, match="Plain takes no such sizes"):
        model.predict(X[:, 0])
