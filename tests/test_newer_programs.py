"""What programs for TensorFlow 2's Keras, and course notebooks, do beside Keras 2.0.9: layers called on arrays, layers
kept in layers, tensors with values, sessions."""

from __future__ import annotations

import copy
import pickle
import tempfile

import numpy as np
import pytest

import gpukeras
from gpukeras import backend as K
from gpukeras import layers, losses, regularizers
from gpukeras.callbacks import LearningRateScheduler, TensorBoard
from gpukeras.models import Model, Sequential, load_model, save_model
from gpukeras.tensorflow1.names import named

X = np.random.RandomState(0).rand(6, 4).astype("float32")


def test_tensors_have_values_where_nothing_is_fed():
    a = K.constant([1.0, 2.0])
    assert a.numpy().tolist() == [1.0, 2.0] and float(K.sum(a)) == 3.0 and int(K.sum(a)) == 3
    assert np.mean(a * 2) == 3.0 and np.asarray([K.sum(a), a[0]], "float32").tolist() == [3.0, 1.0]
    np.testing.assert_allclose(np.mean(losses.mean_squared_error(X, X + 1)), 1.0, rtol=1e-5)
    fed = K.placeholder((2,))
    assert not hasattr(fed + a, "__array__") and not (fed + a).is_known()
    with pytest.raises(ValueError, match="nothing is fed"):
        (fed + a).numpy()
    v = K.variable([1.0])
    v.assign([4.0]).assign_add([1.0]).assign_sub(K.constant([2.0]))
    assert v.eval().tolist() == [3.0]


def test_models_and_layers_called_on_arrays_compute_at_once():
    model = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dropout(0.5)])
    np.testing.assert_allclose(model(X), model.predict(X), rtol=1e-6)
    assert 0.0 in model(X, training=True).numpy() and model(X[:2]).shape == (2, 3)
    assert len(model.layers[0].inbound_nodes) == 1 and model.layers[0].output.shape == (None, 3)  # no trace is left
    dense = layers.Dense(2, kernel_regularizer="l2")
    np.testing.assert_allclose(dense(X), X @ dense.variables[0].numpy(), rtol=1e-5)
    assert len(dense.losses) == 1 and dense.trainable_variables == dense.variables
    assert layers.concatenate([X, X]).shape == (6, 8) and layers.Embedding(9, 3)(np.array([[1, 2]])).shape == (1, 2, 3)
    assert layers.Lambda(lambda x: x * 2)([1.0, 2.0]).numpy().tolist() == [2.0, 4.0]
    with pytest.raises(TypeError, match="numbers"):
        dense(np.array(["a"]))


class Residual(layers.Layer):
    """A layer that keeps others, in a list and a dict."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.main = [layers.Dense(units, kernel_regularizer=regularizers.l2(0.5)), layers.BatchNormalization()]
        self.skip = {"project": layers.Dense(units, use_bias=False)}

    def call(self, inputs):
        x = inputs
        for layer in self.main:
            x = layer(x)
        return K.relu(x + self.skip["project"](inputs))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_layers_kept_by_a_layer_are_part_of_it(tmp_path):
    model = Sequential([Residual(3, input_shape=(4,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    kept = model.layers[0]
    assert len(kept.trainable_weights) == 5 and len(kept.weights) == 7 and kept.count_params() == 4 * 3 * 2 + 3 + 12
    assert len(model.losses) == 1 and len(model.updates) == 2
    before = model.get_weights()
    model.fit(X, X[:, 0], epochs=1, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    model.save(str(tmp_path / "m.h5"))
    again = load_model(str(tmp_path / "m.h5"), custom_objects={"Residual": Residual})
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=1e-6)
    kept.trainable = False
    assert len(model.trainable_weights) == 2 and len(kept.non_trainable_weights) == 7
    kept.owner = model  # a reference back is no endless search
    assert len({id(w) for w in model.weights}) == 9


def test_a_cell_that_keeps_a_cell():
    class Normed(layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.state_size, self.cell, self.norm = units, layers.SimpleRNNCell(units), layers.LayerNormalization()

        def call(self, inputs, states):
            out, _ = self.cell(inputs, states)
            out = self.norm(out)
            return out, [out]

    model = Sequential([layers.RNN(Normed(3), input_shape=(None, 2))])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 5, 2)), np.zeros((4, 3)), verbose=0)
    assert len(model.trainable_weights) == 5


def test_shapes_have_as_list():
    seen = []

    class Shaped(layers.Layer):
        def build(self, input_shape):
            seen.append(input_shape.as_list())

        def compute_output_shape(self, input_shape):
            return named("TensorShape")(input_shape.as_list()[:-1] + [4])

    out = Shaped()(layers.Input((4,)))
    assert seen == [[None, 4]] and out.shape.as_list() == [None, 4]


def test_sessions_run_tensors():
    x = K.placeholder((2,))
    with named("Session")() as session:
        doubled, total = session.run([x * 2, K.sum(x)], feed_dict={x: [1.0, 2.0], 0: 1})
        assert doubled.tolist() == [2.0, 4.0] and float(total) == 3.0
        assert session.run({"v": K.variable(2.0)}) == {"v": 2.0}
    assert float((x[0] + 1).eval({x: [1.0, 2.0]}, session=K.get_session())) == 2.0
    with pytest.raises(TypeError, match="runs tensors"):
        K.get_session().run(object())


def test_functions_of_one_tensor_and_gradients_of_several():
    x = K.placeholder((None, 2))
    assert K.function(x, K.sum(x, 1))(np.ones((3, 2))).tolist() == [2.0] * 3
    assert K.function([x], K.sum(x))([np.ones((3, 2))]) == 6.0
    both = K.function([x], K.gradients([K.square(x), 3 * x], [x]))([[[1.0, 2.0]]])
    assert both[0].tolist() == [[5.0, 7.0]]


def test_zeros_in_the_shape_of_a_batch():
    x = K.placeholder((None, 3))
    for make, value in ((K.zeros, 0.0), (K.ones, 1.0)):
        found = K.function([x], [make((K.shape(x)[0], 2)), make([2, K.shape(x)[1], K.shape(x)[0]])])([X[:, :3]])
        np.testing.assert_array_equal(found[0], np.full((6, 2), value))
        np.testing.assert_array_equal(found[1], np.full((2, 3, 6), value))
    assert named("zeros")(shape=[K.shape(x)[0], 4]).shape == (None, 4)


@pytest.mark.parametrize(("loss", "shape"), [("sparse_categorical_crossentropy", (4, 5)), ("mse", (4, 5))])
def test_labels_for_each_step_without_a_last_axis(loss, shape):
    units = 3 if loss.startswith("sparse") else 1
    model = Sequential([layers.Dense(units, activation="softmax" if units > 1 else None, input_shape=(5, 2))])
    model.compile("sgd", loss)
    x, y = np.ones((*shape, 2)), np.arange(20).reshape(shape) % 3
    assert model.evaluate(x, y, verbose=0) == model.evaluate(x, y[..., None], verbose=0)


def test_an_output_of_one_number_for_each_sample():
    a = layers.Input((2,))
    model = Model(a, layers.Lambda(lambda x: K.sum(x, axis=-1))(a))
    model.compile("sgd", lambda y_true, y_pred: K.square(y_true - y_pred))
    assert model.train_on_batch(np.ones((3, 2)), np.zeros(3)) == 4.0


def test_predict_takes_as_many_rows_as_the_first_input_has():
    a, b = layers.Input((1,)), layers.Input((1,))
    model = Model([a, b], layers.add([a, b]))
    with pytest.warns(UserWarning, match="the first 2 of each are used"):
        assert model.predict([np.ones((2, 1)), np.arange(5.0)]).tolist() == [[1.0], [2.0]]
    with pytest.raises(ValueError, match="same number of samples"):
        model.predict([np.ones((2, 1)), np.ones((1, 1))])


class Twice(layers.Layer):
    """A layer of the program's own, found again by a pickle."""

    def call(self, inputs):
        return inputs * 2


def test_models_are_pickled_and_copied():
    model = Sequential([layers.Dense(3, input_shape=(4,)), Twice()])
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], verbose=0)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert again.evaluate(X, X[:, :3], verbose=0) == model.evaluate(X, X[:, :3], verbose=0)


def test_a_temporary_file_that_is_open_is_filled(tmp_path):
    model = Sequential([layers.Dense(3, input_shape=(4,))])
    with tempfile.NamedTemporaryFile(suffix=".hdf5", dir=tmp_path) as file:
        save_model(model, file.name, overwrite=True)
        content = file.read()
    (tmp_path / "again.h5").write_bytes(content)
    np.testing.assert_array_equal(load_model(str(tmp_path / "again.h5"), compile=False).predict(X), model.predict(X))


def test_rates_are_logged_and_outputs_projected(tmp_path):
    model = Sequential([layers.Dense(3, input_shape=(4,), name="features"), layers.Dense(1)])
    model.compile("sgd", "mse")
    board = TensorBoard(str(tmp_path), embeddings_freq=1, embeddings_layer_names=["features"], embeddings_data=X,
                        batch_size=4, profile_batch=0)
    history = model.fit(X, X[:, 0], epochs=2, verbose=0, callbacks=[LearningRateScheduler(lambda e: 0.5 ** e), board])
    assert history.history["lr"] == [1.0, 0.5]
    rows = np.loadtxt(tmp_path / "features.tsv")
    expected = Model(model.input, model.layers[0].output).predict(X)
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_names_that_need_no_import_of_their_own():
    assert gpukeras.wrappers.scikit_learn.KerasClassifier
    assert gpukeras.optimizers.adam_v2.Adam is gpukeras.optimizers.Adam
    assert gpukeras.optimizers.legacy.SGD and gpukeras.layers.experimental.preprocessing.Rescaling
    assert gpukeras.backend.tensorflow_backend.function and gpukeras.saving.register_keras_serializable
    for module in (gpukeras.wrappers, gpukeras.optimizers, gpukeras.layers, gpukeras.backend):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = module.nothing
