"""Warnings about what trains but can't be meant, and above all what is not warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import loss_classes
from gpukeras.callbacks import TerminateOnNaN
from gpukeras.layers import (
    LSTM,
    Activation,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    Lambda,
    Permute,
    Reshape,
    Softmax,
    TimeDistributed,
    concatenate,
)
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD

X = np.random.RandomState(0).rand(12, 3)
ROWS = np.eye(3)[np.arange(12) % 3]


def model(*layers, loss="mse", **options):
    made = Sequential(list(layers))
    made.compile("sgd", loss, **options)
    return made


def dense(units, activation=None, **options):
    return Dense(units, activation=activation, input_shape=(3,), **options)


def own(x):
    return K.sigmoid(x)


def two():
    x = Input((3,))
    made = Model(x, [Dense(1, name="value")(x), Dense(3, activation="softmax", name="kind")(x)])
    made.compile("sgd", {"value": "mse", "kind": "categorical_crossentropy"}, metrics={"kind": ["accuracy"]})
    made.fit(X, [X[:, 0], ROWS], epochs=1, verbose=0)


def not_fed():
    given, words = Input(tensor=K.constant(np.full((12, 3), 9.5))), Input((2,))
    made = Model([given, words], Dense(1)(concatenate([Flatten()(Embedding(5, 2)(words)), given])))
    made.compile("sgd", "mse")
    made.train_on_batch(np.ones((12, 2)), X[:, :1])
    made.fit(np.ones((12, 2)), X[:, 0], batch_size=12, epochs=1, verbose=0)


def two_inputs():
    words, features = Input((2,)), Input((3,))
    both = concatenate([Flatten()(Embedding(5, 2)(words)), features])
    made = Model([words, features], Dense(1)(both))
    made.compile("sgd", "mse")
    made.fit([np.ones((12, 2)), X], X[:, 0], epochs=1, verbose=0)


QUIET = {
    "activation of a layer of its own": lambda: model(dense(3), Activation("softmax"), loss="categorical_crossentropy"),
    "softmax as a layer": lambda: model(dense(3), Softmax(), loss="categorical_crossentropy"),
    "an activation of one's own": lambda: model(dense(1, own), loss="binary_crossentropy"),
    "a Lambda at the end": lambda: model(dense(1), Lambda(own), loss="binary_crossentropy"),
    "logits": lambda: model(dense(1), loss=loss_classes.BinaryCrossentropy(from_logits=True)),
    "logits of classes": lambda: model(dense(3), loss=loss_classes.CategoricalCrossentropy(from_logits=True)),
    "a softmax of two with yes or no": lambda: model(dense(2, "softmax"), loss="binary_crossentropy"),
    "many labels": lambda: model(dense(9, "sigmoid"), loss="binary_crossentropy"),
    "sigmoids as classes": lambda: model(dense(3, "sigmoid"), loss="categorical_crossentropy"),
    "hard sigmoid": lambda: model(dense(1, "hard_sigmoid"), loss="binary_crossentropy"),
    "time steps": lambda: model(LSTM(2, input_shape=(4, 3), return_sequences=True),
                                TimeDistributed(Dense(3, activation="softmax")), loss="categorical_crossentropy"),
    "attention over steps": lambda: model(Dense(1, input_shape=(4, 3)), Softmax(axis=1), Flatten(), Dense(1)),
    "attention the old way": lambda: model(Dense(1, input_shape=(4, 3)), Permute((2, 1)), Activation("softmax")),
    "reshaped at the end": lambda: model(dense(4), Reshape((2, 2)), Activation("softmax"), loss="kld"),
    "no linear output of a regression": lambda: model(dense(1, "relu"), loss="poisson"),
    "a loss of one's own by the name of one": lambda: model(dense(1), loss=crossentropy()),
    "half labels": lambda: model(dense(1, "sigmoid"), loss="binary_crossentropy").fit(X, X[:, 0], epochs=1, verbose=0),
    "whole numbers as floats": lambda: model(dense(3, "softmax"), loss="sparse_categorical_crossentropy").fit(
        X, np.arange(12.0) % 3, epochs=1, verbose=0),
    "classes with mse": lambda: model(dense(1, "sigmoid"), metrics=["accuracy"]).fit(
        X, np.arange(12) % 2, epochs=1, verbose=0),
    "soft classes with mse": lambda: model(dense(3, "softmax"), metrics=["accuracy"]).fit(
        X, 0.9 * ROWS + 0.1 / 3, epochs=1, verbose=0),
    "an accuracy of another output": two,
    "features beside words": two_inputs,
    "labels of truth": lambda: model(dense(1, "sigmoid"), loss="binary_crossentropy").fit(
        X, X[:, 0] > 0.5, epochs=1, verbose=0),
    "noisy labels, batch by batch": lambda: model(dense(1, "sigmoid"), loss="binary_crossentropy").train_on_batch(
        X, X[:, :1] + 0.3),
    "words beside an input that is not fed": not_fed,
    "words as floats": lambda: model(Embedding(5, 2, input_length=3), Flatten(), Dense(1)).fit(
        np.ones((12, 3)), X[:, 0], epochs=1, verbose=0),
    "shares": lambda: [Dropout(rate) for rate in (0, 0.5, 1)],
    "NaN that a callback looks for": lambda: _explode([TerminateOnNaN()]),
}


def crossentropy():
    def binary_crossentropy(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred), axis=-1)
    return binary_crossentropy


def _explode(callbacks=()):
    made = Sequential([dense(1)])
    made.compile(SGD(1e6), "mse")
    return made.fit(X, X[:, 0], epochs=20, verbose=0, callbacks=list(callbacks))


@pytest.mark.parametrize("case", QUIET)
def test_what_may_be_meant_is_not_warned_of(case):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        QUIET[case]()
    assert not [str(w.message) for w in heard]


LOUD = {
    "softmax inside": (lambda: model(Dense(1, activation="softmax", input_shape=(4, 3)), Flatten(), Dense(1)),
                       "softmax over one unit.*Softmax"),
    "softmax as a layer": (lambda: model(dense(1), Softmax()), "softmax over one unit"),
    "an object for a loss": (lambda: model(dense(1), loss=loss_classes.BinaryCrossentropy()), "'linear'.*'sigmoid'"),
    "steps of a series": (lambda: model(TimeDistributed(Dense(3), input_shape=(4, 3)), loss="categorical_crossentropy"),
                          "activation='linear'.*'softmax'"),
    "tanh": (lambda: model(dense(3, "tanh"), loss="sparse_categorical_crossentropy"), "'tanh'.*'softmax'"),
    "pixels": (lambda: model(dense(3, "sigmoid"), loss="binary_crossentropy").fit(X, 255 * X, epochs=1, verbose=0),
               r"go from .* to 2\d\d.*takes 0 to 1"),
    "recurrent_dropout": (lambda: LSTM(2, recurrent_dropout=20), "recurrent_dropout.*Write recurrent_dropout=0.2"),
}


@pytest.mark.parametrize("case", LOUD)
def test_what_can_not_be_meant_is_warned_of(case):
    make, said = LOUD[case]
    with pytest.warns(UserWarning, match=said) as heard:
        make()
    assert [w.filename for w in heard] == [__file__]


@pytest.mark.parametrize(("words", "said"), [([[0, 5]], r"0 to 4.*from 0 to 5. Write Embedding\(6, ...\)"),
                                            ([[-1, 2]], "from -1 to 2. Number what it embeds from 0"),
                                            ([[True, True]], r"from 1 to 1. Write Embedding\(2, ...\)")])
def test_words_without_a_row_are_found_before_training(words, said):
    made = model(Embedding(1 if words == [[True, True]] else 5, 2, input_length=2, name="e"), Flatten(), Dense(1))
    before = made.get_weights()
    with pytest.raises(IndexError, match=f"Embedding 'e' has input_dim.*{said}"):
        made.fit(np.array(words), [1], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, made.get_weights()))


def test_what_is_no_generator():
    made = model(dense(1))
    for given, said in ((X, r"got ndarray. For arrays write model.fit\(x, y\)"),
                        (two, r"function 'two'. Call it: two\(\)")):
        with pytest.raises(TypeError, match=said):
            made.fit_generator(given, 1)
        with pytest.raises(TypeError, match=said):
            made.predict_generator(given, 1)


def test_a_program_is_warned_once():
    made = model(dense(1), metrics=["accuracy"])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("default")
        for _ in range(3):
            made.fit(X, X[:, 0], epochs=2, verbose=0)
    assert len(heard) == 1


def test_nan_from_the_steps_is_said_once_and_not_when_it_is_in_the_data():
    with pytest.warns(UserWarning) as heard:
        _explode()
    assert [str(w.message).startswith("The loss is NaN since epoch") for w in heard] == [True]
    x = X.copy()
    x[0] = np.nan
    with pytest.warns(UserWarning) as heard:
        model(dense(1)).fit(x, X[:, 0], epochs=2, verbose=0)
    assert ["contains NaN in 1 of 12" in str(w.message) for w in heard] == [True]
