"""Predictions keep what they make of weights (packed kernels, factors of normalizations): they must never be of old
ones. The oracle is a function of the same model that was made this moment and has kept nothing."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import callbacks, device, optimizers, regularizers
from gpukeras.device import tasks
from gpukeras.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    SimpleRNN,
    TimeDistributed,
)
from gpukeras.models import Model, Sequential, load_model

STATE = np.random.RandomState(0)
X = STATE.rand(12, 8, 8, 3).astype("float32")
Y = STATE.rand(12, 2).astype("float32")
SERIES = STATE.rand(6, 5, 3).astype("float32")


@pytest.fixture(autouse=True)
def same_weights():
    np.random.seed(0)


def images(optimizer="adam", **options):
    """Convolutions with normalizations between them, compiled."""
    made = Sequential([Conv2D(8, 3, input_shape=(8, 8, 3), **options), BatchNormalization(), Activation("relu"),
                       Dropout(0.3), Conv2DTranspose(8, 3), Conv2D(16, 1), BatchNormalization(scale=False),
                       GlobalAveragePooling2D(), Dense(2)])
    made.compile(optimizer, "mse")
    return made


def series(cell, **options):
    made = Sequential([cell(6, batch_input_shape=(6, 5, 3), **options), Dense(2)])
    made.compile("adam", "mse")
    return made


def anew(model, x):
    """The prediction by a function that has kept nothing."""
    phase = [K.learning_phase()] if model.uses_learning_phase else []
    return K.function([*model.inputs, *phase], model.outputs)([x, *[0.0] * len(phase)])[0]


def check(*models, x=X):
    """Asserts that several predictions, of a row and of all, are of the weights as they are."""
    for model in models:
        for rows in (x[:1], x):
            expected = anew(model, rows)
            for _ in range(2):
                np.testing.assert_array_equal(model.predict(rows), expected)
            np.testing.assert_array_equal(model.predict_on_batch(rows), expected)


def changes(model, act, x=X):
    """Asserts that predictions are right before and after `act`, and that it changes them."""
    check(model, x=x)
    before = model.predict(x)
    act()
    check(model, x=x)
    assert (model.predict(x) != before).any()


def test_something_is_kept():
    if device.NAME == "numpy" and tasks.ready("convolution"):
        model = images()
        model.predict(X[:1])
        (program,) = model.predict_function._programs.values()
        assert len(program.plan.keeping.values) >= 4 and len(program.calls) == 1


OPTIMIZERS = ["sgd", "adam", "rmsprop", "adadelta", optimizers.SGD(momentum=0.9, nesterov=True, lr=0.1)]


@pytest.mark.filterwarnings("ignore:Method on_batch_end")
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adam", "rmsprop", "adadelta", "nesterov"])
def test_training(optimizer):
    model = images(optimizer)
    changes(model, lambda: model.train_on_batch(X, Y))
    changes(model, lambda: model.train_on_batch(X, Y))
    changes(model, lambda: model.fit(X, Y, 4, 3, verbose=0))
    changes(model, lambda: model.fit(X, Y, 4, 1, verbose=0, callbacks=[callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: check(model))]))
    changes(model, lambda: model.fit_generator(iter([(X, Y)] * 3), 3, 1, verbose=0))


@pytest.mark.parametrize("cell", [LSTM, GRU, SimpleRNN])
@pytest.mark.parametrize("options", [{}, {"stateful": True}, {"recurrent_dropout": 0.2}, {"go_backwards": True}],
                         ids=["plain", "stateful", "dropout", "backwards"])
def test_recurrent_layers(cell, options):
    model = series(cell, **options)
    stateful = "stateful" in options

    def right():
        for _ in range(3):
            if stateful:
                variables = [variable for variable, _ in model.state_updates]
                states = K.batch_get_value(variables)
            expected = anew(model, SERIES)
            np.testing.assert_array_equal(model.predict(SERIES, batch_size=6), expected)
            if stateful:
                assert any((a != b).any() for a, b in zip(states, K.batch_get_value(variables)))

    right()
    model.reset_states()
    right()
    model.train_on_batch(SERIES, Y[:6])
    right()
    model.set_weights([w / 2 for w in model.get_weights()])
    right()
    model.fit(SERIES, Y[:6], 6, 2, verbose=0)
    model.reset_states()
    right()


def test_wrapped_recurrent_layers():
    model = Sequential([TimeDistributed(Dense(4), input_shape=(5, 3)), Bidirectional(GRU(4, return_sequences=True)),
                        Bidirectional(LSTM(3)), Dense(2)])
    model.compile("sgd", "mse")
    changes(model, lambda: model.fit(SERIES, Y[:6], 3, 2, verbose=0), SERIES)


def test_values_from_outside(tmp_path):
    model = images()
    other = images()
    layer = model.layers[0]
    changes(model, lambda: model.set_weights(other.get_weights()))
    changes(model, lambda: layer.set_weights([2 * w for w in layer.get_weights()]))
    changes(model, lambda: K.set_value(layer.kernel, K.get_value(layer.kernel) / 3))
    changes(model, lambda: layer.kernel.assign(np.ones((3, 3, 3, 8))))
    changes(model, lambda: K.set_value(model.layers[1].moving_variance, np.full(8, 3.0)))
    changes(model, lambda: K.set_value(model.layers[1].gamma, np.full(8, 3.0)))
    path = str(tmp_path / "w.h5")
    other.save_weights(path)
    changes(model, lambda: model.load_weights(path))
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    model.train_on_batch(X, Y)
    changes(model, lambda: model.load_weights(path, by_name=False))
    model.save(str(tmp_path / "m.h5"))
    loaded = load_model(str(tmp_path / "m.h5"))
    changes(loaded, lambda: loaded.train_on_batch(X, Y))
    check(model)


def test_views_that_are_handed_out_are_copies():
    """Nothing that K gives of a variable's value lets a program write into its memory unseen."""
    model = images()
    kernel = model.layers[0].kernel
    before = model.predict(X)
    for view in (K.get_value(kernel), kernel.read(), kernel.numpy(), np.asarray(kernel), kernel.eval(),
                 K.eval(kernel), model.get_weights()[0], K.batch_get_value([kernel])[0],
                 K.get_value(kernel, on_device=True), K.function([], [kernel])([])[0],
                 K.function([], [kernel])([], on_device=True)[0]):
        view[...] = 0
    np.testing.assert_array_equal(model.predict(X), before)
    assert not hasattr(kernel, "__dlpack__") and not hasattr(kernel, "__array_interface__")


def test_what_was_set_from_an_array_does_not_follow_it():
    model = images()
    value = np.ones((3, 3, 3, 8), "float32")
    K.set_value(model.layers[0].kernel, value)
    before = model.predict(X)
    value[...] = 0
    np.testing.assert_array_equal(model.predict(X), before)


def test_updates_of_a_functions_own():
    model = images()
    kernel = model.layers[4].kernel
    image = K.placeholder((None, 8, 8, 3))
    step = K.function([image], [K.mean(model(image))], [K.update(kernel, kernel * 0.9),
                                                         K.update_sub(model.layers[1].moving_mean, K.ones((8,)))])
    changes(model, lambda: step([X]))
    changes(model, lambda: step([X]))
    with K.debugging():
        step([X])
    check(model)


def test_a_layer_of_two_models():
    """One is trained, the other is predicted with, also if its optimizer has moved the weights."""
    image = Input((8, 8, 3))
    shared = Conv2D(8, 3)
    norm = BatchNormalization()
    y = norm(shared(image))
    one = Model(image, Dense(2)(Flatten()(y)))
    other = Model(image, GlobalAveragePooling2D()(Conv2D(2, 3)(y)))
    one.compile("adam", "mse")
    check(one, other)
    changes(other, lambda: one.train_on_batch(X, Y))
    other.compile("rmsprop", "mse")
    changes(one, lambda: other.train_on_batch(X, Y))
    changes(other, lambda: one.fit(X, Y, 6, 2, verbose=0))
    changes(one, lambda: other.fit(X, Y, 6, 2, verbose=0))
    inner = Model(image, y)
    nested = Sequential([inner, Conv2D(1, 1), Flatten(), Dense(2)])
    nested.compile("sgd", "mse")
    check(nested, inner)
    changes(other, lambda: nested.train_on_batch(X, Y))
    changes(inner, lambda: nested.fit(X, Y, 6, 2, verbose=0))
    check(one, other, nested, inner)


def test_layers_that_are_frozen_and_not():
    model = images("sgd")
    base = model.layers[0]
    base.trainable = model.layers[1].trainable = False
    model.compile("sgd", "mse")
    for _ in range(2):
        frozen = base.get_weights()
        changes(model, lambda: model.train_on_batch(X, Y))
        changes(model, lambda: model.fit(X, Y, 4, 1, verbose=0))
        for a, b in zip(base.get_weights(), frozen):
            np.testing.assert_array_equal(a, b)
        changes(model, lambda: K.set_value(base.kernel, -K.get_value(base.kernel)))
    base.trainable = True
    model.compile("sgd", "mse")
    changes(model, lambda: model.train_on_batch(X, Y))


def test_a_frozen_base_in_training_sees_what_is_written():
    """Steps of a train function after its frozen kernels were written, against a model that was made after that."""
    def transfer(weights=None):
        made = Sequential([Conv2D(8, 3, input_shape=(8, 8, 3), trainable=False), BatchNormalization(trainable=False),
                           Conv2D(8, 3, trainable=False), GlobalAveragePooling2D(), Dense(2)])
        made.compile(optimizers.SGD(lr=0.01), "mse")
        if weights is not None:
            made.set_weights(weights)
        return made

    model = transfer()
    for turn in range(3):
        twin = transfer(model.get_weights())
        assert model.train_on_batch(X, Y) == twin.train_on_batch(X, Y)
        assert model.fit(X, Y, 4, 1, shuffle=False, verbose=0).history == twin.fit(X, Y, 4, 1, shuffle=False,
                                                                                   verbose=0).history
        for a, b in zip(model.get_weights(), twin.get_weights()):
            np.testing.assert_array_equal(a, b)
        check(model)
        kernel = model.layers[2 * (turn % 2)].kernel
        K.set_value(kernel, K.get_value(kernel) * 1.25)


def test_evaluation_in_fit():
    """Validations between epochs are of the weights after each; penalties are kept and made anew."""
    model = images(kernel_regularizer=regularizers.l2(0.1))
    seen = []

    def note(epoch, logs):
        seen.append((logs["val_loss"], model.evaluate(X, Y, verbose=0, batch_size=5)))

    model.evaluate(X, Y, verbose=0, batch_size=5)
    model.fit(X, Y, 4, 4, validation_data=(X, Y), verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=note)])
    assert len({loss for loss, _ in seen}) == 4
    for loss, evaluated in seen:
        assert loss == pytest.approx(evaluated, 1e-5)
    twin = images(kernel_regularizer=regularizers.l2(0.1))
    twin.set_weights(model.get_weights())
    assert twin.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert twin.test_on_batch(X, Y) == model.test_on_batch(X, Y)


@pytest.mark.filterwarnings("ignore:Method on_batch_end")
def test_callbacks_that_write(tmp_path):
    model = images()
    best = callbacks.EarlyStopping("val_loss", patience=0, min_delta=1e9, restore_best_weights=True)
    check(model)
    model.fit(X, Y, 4, 5, validation_data=(X, Y), verbose=0, callbacks=[best])
    check(model)

    class Average(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            self.model.layers[0].set_weights([0.5 * w for w in self.model.layers[0].get_weights()])
            np.testing.assert_array_equal(self.model.predict(X), anew(self.model, X))

    changes(model, lambda: model.fit(X, Y, 4, 1, verbose=0, callbacks=[Average()]))
    path = str(tmp_path / "best.h5")
    model.fit(X, Y, 4, 2, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, "loss")])
    model.fit(X, Y, 4, 2, verbose=0)
    changes(model, lambda: model.load_weights(path))


def test_normalizations_follow_their_averages():
    """In training only averages change here, which predictions make factors of."""
    model = Sequential([BatchNormalization(input_shape=(8, 8, 3), center=False, scale=False), Flatten()])
    model.compile("sgd", "mse")
    targets = np.zeros((12, 192), "float32")
    for _ in range(3):
        changes(model, lambda: model.train_on_batch(X * 3, targets))
    with_phase = K.function([model.input, K.learning_phase()], model.outputs, model.updates)
    changes(model, lambda: with_phase([X * 5, 1.0]))


def test_a_copy_and_a_pickle_are_their_own():
    model = images()
    check(model)
    copy = pickle.loads(pickle.dumps(model))
    check(model, copy)
    changes(copy, lambda: copy.train_on_batch(X, Y))
    changes(model, lambda: model.train_on_batch(X, Y))
    check(copy)


def _in_a_child(model, queue):
    before = model.predict(X)
    model.set_weights([w / 2 for w in model.get_weights()])
    after = model.predict(X)
    queue.put((before, after, anew(model, X)))


@pytest.mark.skipif(not hasattr(os, "fork") or device.NAME != "numpy", reason="no fork here, or a GPU's context in it")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process():
    model = images()
    check(model)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_a_child, args=(model, queue))
    before = model.predict(X)
    child.start()
    seen, halved, expected = queue.get()
    child.join()
    np.testing.assert_array_equal(seen, before)
    np.testing.assert_array_equal(halved, expected)
    assert (halved != before).any()
    np.testing.assert_array_equal(model.predict(X), before)
    changes(model, lambda: model.train_on_batch(X, Y))


def test_threads_that_predict_while_another_trains():
    """What they see meanwhile is of some moment; what they see after it is of the last one."""
    model = images()
    check(model)
    done, errors = threading.Event(), []

    def predict(rows):
        try:
            while not done.is_set():
                assert np.isfinite(model.predict(X[:rows])).all()
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=predict, args=(rows,)) for rows in (1, 1, 12)]
    for thread in readers:
        thread.start()
    for i in range(15):
        if i % 3:
            model.train_on_batch(X, Y)
        else:
            model.fit(X, Y, 4, 5, verbose=0)
        check(model)
    done.set()
    for thread in readers:
        thread.join()
    assert not errors
    check(model)


def test_outputs_of_several_and_layers_within():
    image = Input((8, 8, 3))
    features = Conv2D(8, 3, activation="relu")(image)
    model = Model(image, [Flatten()(features), Dense(2)(Flatten()(features))])
    model.compile("sgd", "mse")
    inside = K.function([image], [features, model.outputs[1]])
    targets = [np.zeros((12, 288), "float32"), Y]
    for _ in range(3):
        for a, b in zip(model.predict(X), K.function([image], model.outputs)([X])):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(inside([X]), K.function([image], [features, model.outputs[1]])([X])):
            np.testing.assert_array_equal(a, b)
        model.train_on_batch(X, targets)


def test_parts_of_a_batch():
    """With parts, a step is several functions."""
    model = images()
    model.compile("adam", "mse", parts=3)
    changes(model, lambda: model.fit(X, Y, 6, 2, verbose=0))
    changes(model, lambda: model.train_on_batch(X, Y))


def test_a_cleared_session():
    model = images()
    check(model)
    K.clear_session()
    changes(model, lambda: model.fit(X, Y, 6, 2, verbose=0))
    fresh = images()
    changes(fresh, lambda: fresh.fit(X, Y, 6, 2, verbose=0))
    check(model)


def test_layers_called_on_arrays():
    """Each has a function of its own, made at its first call."""
    convolution, norm, cell = Conv2D(4, 3), BatchNormalization(), LSTM(3)
    for _ in range(2):
        for layer, x in ((convolution, X), (norm, X), (cell, SERIES)):
            layer(x)
            K.batch_set_value([(w, K.get_value(w) + 0.5) for w in layer.weights])
            place = K.placeholder(x.shape)
            np.testing.assert_array_equal(K.eval(layer(x)), K.function([place], [layer(place)])([x])[0])
