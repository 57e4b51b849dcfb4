"""Functions of a program's own in the place of a model's train_function and its kin. Numbers are Keras 2.0.9's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gpukeras import backend as K
from gpukeras import callbacks
from gpukeras.layers import Dense, Dropout, Input
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD

X = np.linspace(-1, 1, 40).reshape(10, 4)
Y = X.sum(1, keepdims=True)


def linear(drop=False, metrics=("mae",)):
    x = Input((4,))
    model = Model(x, Dense(1)(Dropout(0.5)(x) if drop else x))
    model.set_weights([np.linspace(-1, 1, w.size).reshape(w.shape) for w in model.get_weights()])
    model.compile(SGD(0.05), "mse", metrics=list(metrics))
    return model


def look_ahead(model):
    """Every second step goes half of the way only; returns the shapes of what was fed."""
    model._make_train_function()
    step, fed = model.train_function, []
    slow = {w: K.get_value(w) for w in model.trainable_weights}

    def train(inputs):
        fed.append([np.shape(a) for a in inputs])
        found = step(inputs)
        for w in slow if len(fed) % 2 == 0 else ():
            slow[w] = slow[w] + 0.5 * (K.get_value(w) - slow[w])
            K.set_value(w, slow[w])
        return found
    model.train_function = train
    return fed


def batches():
    while True:
        yield X[:5], Y[:5]


def test_lookahead():
    model = linear()
    fed = look_ahead(model)
    found = model.fit(X, Y, 4, 2, verbose=0, shuffle=False, validation_split=0.2).history
    assert fed == [[(4, 4), (4, 1), (4,)]] * 4
    assert_allclose(found["loss"], [3.5491, 2.9617], atol=1e-4)
    assert_allclose(found["mean_absolute_error"], [1.6739, 1.5255], atol=1e-4)
    assert_allclose(found["val_loss"], [14.7284, 12.7279], atol=1e-4)
    seen = []
    model.fit(X, Y, 4, 1, verbose=0, shuffle=False, callbacks=[callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: seen.append(logs["loss"]))])
    assert_allclose(seen, [2.1188, 2.8544, 11.0149], atol=1e-4)
    assert_allclose(model.train_on_batch(X, Y), [1.5436, 1.0558], atol=1e-4)
    model.train_on_batch(X, Y)
    assert_allclose(model.train_on_batch(X, Y, sample_weight=np.arange(10.)), [12.9059, 1.1136], atol=1e-4)
    found = model.fit_generator(batches(), 3, 2, verbose=0).history
    assert_allclose(found["loss"], [0.2478, 0.1411], atol=1e-4)
    assert_allclose(model.get_weights()[0][:, 0], [-0.2884, 0.4035, 1.0954, 1.7873], atol=1e-4)
    np.random.seed(3)
    model.fit(X, Y, 4, 1, verbose=0)
    assert_allclose(model.get_weights()[0][:, 0], [-0.2284, 0.4674, 1.1632, 1.8589], atol=1e-4)
    assert_allclose(model.train_function([X, Y, np.ones(10)]), [0.2541, 0.4199], atol=1e-4)


def test_the_learning_phase_and_weights_of_steps_are_fed():
    model = linear(drop=True)
    fed = look_ahead(model)
    model.fit(X, Y, 5, 1, verbose=0)
    assert fed == [[(5, 4), (5, 1), (5,), ()]] * 2

    model = Sequential([Dense(1, input_shape=(3, 2))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    fed = look_ahead(model)
    model.train_on_batch(np.ones((4, 3, 2)), np.ones((4, 3, 1)))
    assert fed == [[(4, 3, 2), (4, 3, 1), (4, 3)]]


def test_evaluate_and_predict():
    model, fed = linear(), []
    model._make_test_function()
    model._make_predict_function()
    judge, answer = model.test_function, model.predict_function

    def doubled(inputs):
        fed.append([np.shape(a) for a in inputs])
        return [2 * v for v in judge(inputs)]

    expected = [2 * v for v in model.evaluate(X, Y, verbose=0)]
    model.test_function = doubled
    assert_allclose(model.evaluate(X, Y, 4, verbose=0), expected, rtol=1e-5)
    assert_allclose(model.test_on_batch(X, Y), expected, rtol=1e-5)
    assert fed == [[(n, 4), (n, 1), (n,)] for n in (4, 4, 2, 10)]
    assert_allclose(model.evaluate_generator(batches(), 2), model.test_on_batch(X[:5], Y[:5]), rtol=1e-5)
    assert_allclose(model.fit(X, Y, verbose=0, validation_data=(X, Y)).history["val_loss"][0],
                    model.test_on_batch(X, Y)[0], rtol=1e-5)

    plain = model.predict(X)
    model.predict_function = lambda inputs: answer(inputs)[0] + 1  # one output needs no list
    for found in (model.predict(X), model.predict(X, 4), model.predict(X, steps=1), model.predict_on_batch(X)):
        assert_allclose(found, plain + 1, rtol=1e-6)
    assert_allclose(model.predict_generator(batches(), 2)[5:], plain[:5] + 1, rtol=1e-6)
    model.predict_function = answer
    assert_allclose(model.predict(X), plain)


def test_functions_of_k_with_more_outputs():
    model = linear(metrics=())
    inputs = [*model.inputs, *model.targets, *model.sample_weights]
    outputs = [model.total_loss, K.sum(model.outputs[0])]
    updates = model.optimizer.get_updates(params=model.trainable_weights, loss=model.total_loss)
    model.train_function = K.function(inputs, outputs, updates=updates)
    found = model.fit(X, Y, 5, 2, verbose=0, shuffle=False).history
    assert list(found) == ["loss"]
    assert_allclose(found["loss"], [5.9083, 3.224], atol=1e-4)
    assert_allclose(model.train_on_batch(X, Y), [1.8607, -5.385], atol=1e-4)
    model.test_function = K.function(inputs, outputs)
    assert_allclose(model.test_on_batch(X, Y), [1.399, -4.8395], atol=1e-4)
    assert_allclose(model.evaluate(X, Y, verbose=0), 1.399, atol=1e-4)


def test_the_models_own_function_may_come_back():
    model = linear()
    model._make_train_function()
    own = model.train_function
    model.train_function = lambda inputs: [2 * v for v in own(inputs)]
    doubled = model.fit(X, 0 * Y, verbose=0).history["loss"][0]
    model.train_function = own
    assert model.train_function is own and model.fit(X, 0 * Y, verbose=0).history["loss"][0] < doubled / 1.5
    model.train_function = lambda inputs: own(inputs)
    model.compile("sgd", "mse")
    assert model.train_function is None
    model.fit(X, Y, verbose=0)


def test_what_can_not_be_one():
    model = linear()
    with pytest.raises(TypeError, match="train_function of 'model_.*' must be a function that takes a list.*7"):
        model.train_function = 7
    model.train_function = lambda inputs: 1.0
    with pytest.raises(ValueError, match=r"train_function .* returned 1 .*2: loss, mean_absolute_error"):
        model.fit(X, Y, verbose=0)
    with pytest.raises(RuntimeError, match="compile"):
        Sequential([Dense(1, input_shape=(2,))]).train_function = lambda inputs: 1.0
