"""What Keras 2.0.9 does with models and layers, where gpukeras once did otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import Callback
from gpukeras.engine import InputSpec
from gpukeras.layers import Dense, Input, Layer, Recurrent, merge
from gpukeras.models import Model, Sequential, load_model

X = np.random.RandomState(0).normal(size=(6, 3)).astype("float32")
Y = X[:, :1] + X[:, 1:2]


@pytest.mark.filterwarnings("ignore:`merge` is from Keras 1")
def test_a_model_with_keras1s_merge_trains():
    inputs = [Input((3,)), Input((3,))]
    model = Model(inputs, Dense(1)(merge(inputs, mode="concat")))
    model.compile("sgd", "mse")
    losses = model.fit([X, X], Y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_weights_may_be_appended_to_those_that_are_not_trained():
    layer, x = Dense(2), Input((3,))
    made = layer(x)
    layer.non_trainable_weights.append(K.variable(1.0))
    assert [w.shape for w in layer.weights] == [(3, 2), (2,), ()]
    assert len(Model(x, made).get_weights()) == 3
    layer.trainable = False
    assert len(layer.non_trainable_weights) == 3 and len(layer.weights) == 3


def test_initializers_are_run_again():
    model = Sequential([Dense(4, input_dim=3, bias_initializer="ones"), Dense(2)])
    before, session = model.get_weights(), K.get_session()
    for layer in model.layers:
        layer.kernel.initializer.run(session=session)
    after = model.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after)] == [False, True, False, True]
    model.layers[0].set_weights([np.zeros((3, 4)), np.zeros(4)])
    assert session.run([w.initializer for w in model.layers[0].weights]) == [None, None]
    kernel, bias = model.layers[0].get_weights()
    assert kernel.any() and (bias == 1).all()
    assert session.run(K.variable(1.0).initializer) is None


def test_losses_of_a_model_that_reads_its_input_from_a_tensor():
    x = Input(tensor=K.variable(X))
    model = Model(x, Dense(1)(x))
    model.compile("sgd", "mse")
    kernel, bias = model.get_weights()
    loss = pytest.approx(((X @ kernel + bias - Y)**2).mean(), 1e-5)
    assert model.evaluate(None, Y, batch_size=6, verbose=0) == loss
    assert model.fit(None, Y, batch_size=6, epochs=1, shuffle=False, verbose=0).history["loss"] == [loss]


def test_validation_data_of_callbacks():
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(self.validation_data)

    model = Sequential([Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[Look()])
    model.fit_generator(iter([(X, Y)]), 1, 1, verbose=0, callbacks=[Look()])
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[Look()], validation_data=(X, Y))
    assert seen[:2] == [[], None] and [a.shape for a in seen[2]] == [(6, 3), (6, 1), (6,)]


def test_a_recurrent_layer_with_one_state_spec():
    class Running(Recurrent):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.units, self.state_spec = 3, InputSpec(shape=(None, 3))

        def build(self, input_shape):
            self.states, self.built = [None], True

        def step(self, x, states):
            return x + states[0], [x + states[0]]

    steps, state = Input((4, 3)), Input((3,))
    for initial in (state, [state]):
        model = Model([steps, state], Running()(steps, initial_state=initial))
        data = np.arange(24.0).reshape(2, 4, 3)
        np.testing.assert_allclose(model.predict([data, np.ones((2, 3))]), data.sum(1) + 1)
    with pytest.raises(ValueError, match="Initial state 0"):
        Running()(steps, initial_state=[Input((4,))])


def test_a_loaded_model_has_the_words_that_compile_was_told(tmp_path):
    model = Sequential([Dense(1, input_dim=3)])
    model.compile("sgd", "mean_squared_error", metrics=["mae"])
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert again.loss == "mean_squared_error" and again.metrics == ["mae"]
    assert again.metrics_names == model.metrics_names


def test_layers_ask_for_variables_and_for_types_of_shapes():
    """`if self.bias:` is true of any variable, and several inputs are told by their shapes' type."""
    class Last(Layer):
        def build(self, input_shape):
            self.bias = self.add_weight("bias", (1,), initializer="ones")
            super().build(input_shape)

        def call(self, inputs):
            x = inputs[-1] if isinstance(inputs, list) else inputs
            return x + self.bias if self.bias else x

        def compute_output_shape(self, input_shape):
            return input_shape[-1] if type(input_shape[0]) is tuple else input_shape

    x, y = Input((3,)), Input((2,))
    assert K.int_shape(Last()([x, y])) == (None, 2) and K.int_shape(Last()(x)) == (None, 3)
    np.testing.assert_array_equal(Model(x, Last()(x)).predict(X), X + 1)


def test_metrics_that_a_program_adds_may_have_axes():
    x = Input((3,))
    model = Model(x, Dense(1)(x))
    model.compile("sgd", "mse")
    for name, axes in (("matrix", (1, 1)), ("vector", (1,)), ("number", ())):
        model.metrics_names.append(name)
        model.metrics_tensors.append(K.reshape(K.mean(model.output), axes))
    means = [float(model.predict(X).mean())] * 3
    assert [float(v) for v in model.test_on_batch(X, Y)[1:]] == pytest.approx(means)
    assert model.evaluate(X, Y, verbose=0)[1:] == pytest.approx(means)
    logs = model.fit(X, Y, batch_size=2, verbose=0, validation_data=(X, Y)).history
    assert logs["matrix"] == logs["vector"] == logs["number"] and isinstance(logs["val_matrix"][0], float)
    batches = iter([(X, Y)] * 20)
    assert model.fit_generator(batches, 1, verbose=0).history["matrix"] == pytest.approx(logs["val_number"])
