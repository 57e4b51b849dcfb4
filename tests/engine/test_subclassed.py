"""Models whose class says in `call` what they compute."""


import numpy as np
import pytest

import gpukeras as keras
from gpukeras import backend as K
from gpukeras.layers import LSTM, BatchNormalization, Dense, Dropout, Embedding, Input, Layer, TimeDistributed
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD
from gpukeras.utils import Sequence

X = np.random.RandomState(0).rand(24, 4).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Mlp(keras.Model):
    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = Dense(units, activation="relu", kernel_regularizer="l2")
        self.norm = BatchNormalization()
        self.drop = Dropout(0.5)
        self.out = Dense(1)

    def call(self, inputs, training=None):
        return self.out(self.drop(self.norm(self.hidden(inputs)), training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "name": self.name}


class Plain(keras.Model):
    """Without a config, and without an interest in the phase."""

    def __init__(self, units=2):
        super().__init__()
        self.dense = Dense(units)

    def call(self, inputs):
        return self.dense(inputs)


def twin():
    return Sequential([Dense(6, activation="relu", kernel_regularizer="l2", input_shape=(4,)), BatchNormalization(),
                       Dropout(0.5), Dense(1)])


def trained(make):
    np.random.seed(5)
    model = make()
    model.compile(SGD(0.1), "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=3, batch_size=8, verbose=0, validation_split=0.25).history
    return model, history


def test_it_trains_as_the_same_layers_in_a_stack_do():
    (own, history), (stack, expected) = trained(Mlp), trained(twin)
    assert history == expected
    for a, b in zip(own.get_weights(), stack.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(own.predict(X), stack.predict(X))
    assert own.evaluate(X, Y, verbose=0) == stack.evaluate(X, Y, verbose=0)
    assert own.train_on_batch(X, Y)[0] > 0 and own.test_on_batch(X, Y)[0] > 0
    assert own.metrics_names == stack.metrics_names


def test_a_step_computes_one_phase_only():
    def steps(model):
        (program,) = model.train_function._programs.values()
        return len(program.plan.steps)

    models = [Mlp(), twin()]
    for model in models:
        model.compile("sgd", "mse")
        model.fit(X, Y, batch_size=24, epochs=1, verbose=0)
    assert steps(models[0]) == steps(models[1])


def test_python_sees_the_phase():
    seen = []

    class Phases(keras.Model):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs * 2.0 if training else inputs * 3.0

    model = Phases()
    model.compile("sgd", "mae")
    ones, zeros = np.ones((2, 3)), np.zeros((2, 3))
    assert model.test_on_batch(ones, zeros) == 3.0 and seen == [True, False]
    run = K.function([*model.inputs, K.learning_phase()], model.outputs)
    assert run([ones, 1.0])[0][0, 0] == 2.0 and run([ones, 0.0])[0][0, 0] == 3.0
    assert model(ones).numpy()[0, 0] == 3.0 and model(ones, training=True).numpy()[0, 0] == 2.0
    x = Input((3,))
    assert Model(x, model(x, training=True)).predict(ones)[0, 0] == 2.0


def test_the_phase_reaches_layers_that_are_not_told():
    class Inner(keras.Model):
        def call(self, inputs, training=None):
            return inputs + 1.0 if training else inputs

    class Between(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Inner()

        def call(self, inputs):
            return self.inner(inputs)

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.between, self.inner = Between(), Inner()

        def call(self, inputs, training=None):
            return self.inner(self.between(inputs))

    model = Outer()
    ones = np.ones((1, 2))
    assert model(ones, training=True).numpy()[0, 0] == 3.0 and model(ones, training=False).numpy()[0, 0] == 1.0
    model.predict(ones)
    run = K.function([*model.inputs, K.learning_phase()], model.outputs)
    assert run([ones, 1.0])[0][0, 0] == 3.0 and run([ones, 0.0])[0][0, 0] == 1.0


def test_a_fixed_phase_is_the_only_one():
    K.set_learning_phase(0)
    try:
        model = Mlp()
        model.predict(X)
        assert not model.uses_learning_phase
    finally:
        K.clear_session()


def test_the_phase_of_a_model_that_time_repeats():
    class Phases(keras.Model):
        def call(self, inputs, training=None):
            return inputs * 2.0 if training else inputs * 3.0

    x = Input((5, 3))
    model = Model(x, TimeDistributed(Phases())(x))
    run = K.function([x, K.learning_phase()], [model.output])
    ones = np.ones((1, 5, 3))
    assert run([ones, 1.0])[0][0, 0, 0] == 2.0 and run([ones, 0.0])[0][0, 0, 0] == 3.0


# ------------------------------------------------------------------------------------------------------- the parts


def test_layers_come_in_the_order_of_setting():
    class Parts(keras.Model):
        def __init__(self):
            super().__init__()
            self.by_key = {"b": Dense(1, name="b"), "a": Dense(1, name="a")}  # in the order of keys, as newer Keras
            self.first = Dense(1, name="gone")
            self.second = Dense(1, name="second")
            self.blocks = []
            self.same = self.second
            self.stack = Sequential([Dense(1)], name="stack")
            self.blocks.append(Dense(1, name="block"))
            self.first = Dense(1, name="first")

        def call(self, inputs):
            return inputs

    model = Parts()
    assert [layer.name for layer in model.layers] == ["a", "b", "second", "block", "stack", "first"]
    del model.second, model.same
    assert [layer.name for layer in model.layers] == ["a", "b", "block", "stack", "first"]
    assert model.get_layer("stack") is model.stack and model.get_layer(index=0).name == "a"
    with pytest.raises(ValueError, match="secnd"):
        model.get_layer("secnd")


def test_a_new_layer_needs_a_new_compile():
    model = Plain()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.dense = Dense(3)
    assert model.predict(X).shape == (24, 3)
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(X, X[:, :3], verbose=0)
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], verbose=0)


def test_a_list_that_grew_counts_from_the_next_compile_on():
    class Chain(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [Dense(2)]

        def call(self, inputs):
            for block in self.blocks:
                inputs = block(inputs)
            return inputs

    model = Chain()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.blocks.append(Dense(3))
    assert model.predict(X).shape == (24, 2) and len(model.layers) == 1
    model.compile("sgd", "mse")
    model.fit(X, X[:, :3], verbose=0)
    assert model.predict(X).shape == (24, 3) and len(model.layers) == 2


def test_weights_of_the_model_itself():
    class Affine(keras.Model):
        def build(self, input_shape):
            self.kernel = self.add_weight("kernel", (int(input_shape[-1]), 2))
            self.count = self.add_weight("count", (), initializer="zeros", trainable=False)
            self.dense = Dense(2)
            super().build(input_shape)

        def call(self, inputs):
            return self.dense(K.dot(inputs, self.kernel))

    model = Affine()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0)
    assert [w.shape for w in model.get_weights()] == [(2, 2), (2,), (4, 2), ()]
    assert len(model.trainable_weights) == 3 and len(model.non_trainable_weights) == 1 and model.count_params() == 15
    model.trainable = False
    assert not model.trainable_weights and len(model.non_trainable_weights) == 4


def test_frozen_layers_stay():
    model = Plain()
    model.dense.trainable = False
    model.out = Dense(2)
    model.call = lambda x: model.out(model.dense(x))  # an object's own `call` serves too
    model.compile("sgd", "mse")
    model.predict(X)
    before = model.dense.get_weights()
    model.fit(X, X[:, :2], verbose=0)
    for a, b in zip(before, model.dense.get_weights()):
        np.testing.assert_array_equal(a, b)


# --------------------------------------------------------------------------------------------- inputs and outputs


def test_lists_and_dicts_of_inputs():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(2), Dense(2)

        def call(self, inputs):
            p, q = (inputs["p"], inputs["q"]) if isinstance(inputs, dict) else inputs
            return self.a(p) * self.b(q)

    for given, names in (([X, X[:, :3]], ["input_1", "input_2"]), ({"q": X[:, :3], "p": X}, ["p", "q"])):
        model = Two()
        model.compile("sgd", "mse")
        model.fit(given, X[:, :2], verbose=0, validation_data=(given, X[:, :2]))
        assert model.input_names == names
        places = [Input((4,)), Input((3,))]
        outer = Model(places, model(places if isinstance(given, list) else dict(zip("pq", places))))
        np.testing.assert_array_equal(outer.predict([X, X[:, :3]]), model.predict(given))
        np.testing.assert_allclose(model(given).numpy(), model.predict(given), rtol=1e-6)
        again = Model(places, outer(places))
        np.testing.assert_array_equal(again.predict([X, X[:, :3]]), model.predict(given))
    model = Two()
    model.build({"p": (None, 4), "q": (None, 3)})
    assert model.predict({"q": X[:, :3], "p": X}).shape == (24, 2)
    model = Two()
    model.build([(7, 4), (7, 3)])
    assert model.predict([X, X[:, :3]]).shape == (24, 2) and model.output_names == ["output_1"]
    assert model.compute_output_shape([(5, 4), (5, 3)]) == (5, 2)


def test_a_list_of_one_array_stays_a_list():
    class One(keras.Model):
        def call(self, inputs):
            return inputs[0] * 2.0

    np.testing.assert_array_equal(One().predict([X]), X * 2)
    assert One().predict([X[0].tolist()]).shape == (4,)  # of rows of numbers it is the first row


def test_several_outputs():
    class Heads(keras.Model):
        def __init__(self, named):
            super().__init__()
            self.named, self.a, self.b = named, Dense(2), Dense(1)

        def call(self, inputs):
            return {"b": self.b(inputs), "a": self.a(inputs)} if self.named else (self.a(inputs), self.b(inputs))

    model = Heads(False)
    model.compile("sgd", ["mse", "mae"], loss_weights=[1, 0.5], metrics=["mae"])
    model.fit(X, (X[:, :2], Y), verbose=0)
    assert model.metrics_names == ["loss", "output_1_loss", "output_2_loss", "output_1_mean_absolute_error",
                                   "output_2_mean_absolute_error"]
    assert [p.shape for p in model.predict(X)] == [(24, 2), (24, 1)]
    model = Heads(True)
    model.compile("sgd", {"a": "mse", "b": "mae"})
    model.fit(X, {"a": X[:, :2], "b": Y}, verbose=0)
    assert model.metrics_names == ["loss", "a_loss", "b_loss"]
    for found in (model.predict(X), model.predict_on_batch(X), model(X)):
        assert {key: tuple(value.shape) for key, value in found.items()} == {"a": (24, 2), "b": (24, 1)}


def test_generators_and_sequences_say_the_shape():
    class Batches(Sequence):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return X[8 * i:8 * i + 8], Y[8 * i:8 * i + 8]

    def batches():
        for i in range(1000):
            yield X[8 * (i % 3):][:8], Y[8 * (i % 3):][:8]

    found = []
    for data in (Batches(), batches(), X):
        np.random.seed(1)
        model = Mlp()
        model.compile("sgd", "mse")
        more = {"batch_size": 8, "y": Y} if data is X else {"steps_per_epoch": 3}
        found.append(model.fit(data, shuffle=False, epochs=2, verbose=0, **more).history["loss"])
    np.testing.assert_allclose(found[0], found[2], rtol=1e-6)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-6)
    assert Plain().predict_generator(Batches(), 2).shape == (16, 2)


def test_a_stack_learns_its_shape_from_a_generator_too():
    model = Sequential([Dense(1)])
    model.compile("sgd", "mse")
    model.fit_generator(((X[:8], Y[:8]) for _ in range(9)), steps_per_epoch=2, verbose=0)
    assert model.input_shape == (None, 4)


def test_states_are_kept():
    class States(keras.Model):
        def __init__(self):
            super().__init__()
            self.cells, self.out = LSTM(3, stateful=True), Dense(1)

        def call(self, inputs, training=None):
            return self.out(self.cells(inputs))

    x = np.random.RandomState(1).rand(8, 5, 2)
    own, stack = States(), Sequential([LSTM(3, stateful=True, batch_input_shape=(4, 5, 2)), Dense(1)])
    own.compile("sgd", "mse")
    stack.compile("sgd", "mse")
    own.predict(x, batch_size=4)
    own.reset_states()
    stack.set_weights(own.get_weights())
    found, expected = (model.fit(x, x[:, 0, :1], batch_size=4, shuffle=False, epochs=3, verbose=0).history["loss"]
                       for model in (own, stack))
    assert found == expected
    for _ in range(2):
        np.testing.assert_array_equal(own.predict(x, batch_size=4), stack.predict(x, batch_size=4))


def test_masks_come_in_and_go_out():
    seen = []

    class Steps(keras.Model):
        def __init__(self):
            super().__init__()
            self.words, self.cells = Embedding(9, 3, mask_zero=True), LSTM(2, return_sequences=True)

        def call(self, inputs, training=None):
            return self.cells(self.words(inputs))

    class Taking(keras.Model):
        def call(self, inputs, mask=None):
            seen.append(mask)
            return inputs * K.expand_dims(K.cast(mask, "float32"))

    model = Steps()
    model.compile("sgd", "mse")
    words = np.array([[1, 2, 0, 0], [3, 4, 5, 0]])
    model.fit(words, np.ones((2, 4, 2)), verbose=0)
    (mask,) = K.function(model.inputs, [model._heads[0].mask])([words])
    np.testing.assert_array_equal(mask, words != 0)
    x = Input((4,))
    found = Model(x, Taking()(model(x))).predict(words)
    assert (found[words == 0] == 0).all() and (found[words != 0] != 0).any() and seen[0] is not None


# -------------------------------------------------------------------------------------------------- losses, metrics


class Noted(Layer):
    """Adds a loss of its weights whenever it is called."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(2)

    def call(self, inputs):
        result = self.dense(inputs)
        self.add_loss(K.sum(K.abs(self.dense.kernel)))
        return result


class Losses(keras.Model):
    def __init__(self):
        super().__init__()
        self.noted, self.stack = Noted(), Sequential([Dense(2, activity_regularizer="l1"), BatchNormalization()])

    def call(self, inputs, training=None):
        result = self.stack(self.noted(inputs))
        if training:
            self.add_loss(K.mean(result) * 0.0 + 100.0)
        self.add_loss(K.mean(result, axis=-1) * 0.0 + 1.0)
        self.add_metric(K.sum(result, axis=-1), name="total")
        return result


def test_losses_count_once_each():
    model = Losses()
    model.compile("sgd", "mse", metrics=["mae"])
    targets = np.zeros((24, 2))
    loss, mae, total = model.test_on_batch(X, targets)
    found = model.predict(X)
    kernel = model.noted.dense.get_weights()[0]
    inside = np.abs(Model(model.stack.inputs, model.stack.layers[0].output).predict(model.noted(X).numpy()))
    assert loss == pytest.approx((found ** 2).mean() + np.abs(kernel).sum() + 0.01 * inside.sum() + 1.0, rel=1e-5)
    assert total == pytest.approx(found.sum(axis=-1).mean(), rel=1e-4) and mae > 0
    assert model.train_on_batch(X, targets)[0] > 100
    assert len(model.updates) == 2  # the moving averages, as training changes them
    history = model.fit(X, targets, verbose=0, validation_split=0.5).history
    assert sorted(history) == ["loss", "mean_absolute_error", "total", "val_loss", "val_mean_absolute_error",
                               "val_total"]


def test_losses_and_updates_go_on_into_a_model_around():
    model = Losses()
    x = Input((4,))
    outer = Model(x, Dense(1)(model(x)))
    outer.compile("sgd", "mse")
    before = model.stack.layers[1].get_weights()[2]
    assert outer.train_on_batch(X, Y)[0] > 100 and outer.test_on_batch(X, Y)[0] < 100
    assert outer.metrics_names == ["loss", "total"]
    assert (before != model.stack.layers[1].get_weights()[2]).all()


def test_a_layer_adopts_what_a_model_inside_of_it_brings():
    class Around(Layer):
        def __init__(self):
            super().__init__()
            self.inner = Sequential([Dense(3, input_shape=(4,), activity_regularizer="l2"), BatchNormalization()])

        def call(self, inputs):
            return self.inner(inputs)

    x = Input((4,))
    model = Model(x, Around()(x))
    assert len(model.losses) == 1 and len(model.updates) == 2


def test_metrics_of_a_functional_model():
    x = Input((4,))
    y = Dense(1)(x)
    model = Model(x, y)
    model.add_metric(y, name="mean_output")
    model.compile("sgd", "mse")
    assert model.test_on_batch(X, Y)[1] == pytest.approx(model.predict(X).mean(), rel=1e-5)
    with pytest.raises(ValueError, match="aggregation='mean'"):
        model.add_metric(y, name="other", aggregation="sum")
