"""Mistakes in compile, fit, evaluate and predict: each is named with the argument, output or layer, what was expected
and what came, before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import Callback
from gpukeras.layers import Dense, Input, Lambda
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD
from gpukeras.utils import Sequence

X, Y = np.ones((6, 3)), np.ones((6, 1))


def model(loss="mse", units=1, activation=None, **options):
    made = Sequential([Dense(units, activation=activation, name="out", input_shape=(3,))])
    made.compile("sgd", loss, **options)
    return made


def many(loss="mse", **options):
    a, b = Input((3,), name="left"), Input((2,), name="right")
    made = Model([a, b], [Dense(1, name="up")(a), Dense(2, name="down")(b)])
    made.compile("sgd", loss, **options)
    return made


def series(**options):
    x = Input((4, 3))
    made = Model(x, Dense(2, name="out")(x))
    made.compile("sgd", "mse", **options)
    return made


def uncompiled():
    return Sequential([Dense(1, input_shape=(3,))])


def classes(**options):
    return model("categorical_crossentropy", 4, "softmax", **options)


AB, UPDOWN = [X, np.ones((6, 2))], [Y, np.ones((6, 2))]


def without_derivative():
    x = Input((3,))
    made = Model(x, Lambda(lambda t: K.round(t))(Dense(1, name="before")(x)))
    made.compile("sgd", "mse")
    made.fit(X, Y, verbose=0)


def fixed():
    x = Input(batch_shape=(2, 3), name="fed")
    made = Model(x, Dense(1)(x))
    made.compile("sgd", "mse")
    made.fit(X[:4], Y[:4], batch_size=2, verbose=0)
    return made


class Empty(Sequence):
    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError


def batches(*batch):
    while True:
        yield batch


TABLE = [
    # shapes of data
    ("width of the input", lambda: model().fit(np.ones((6, 5)), Y), ValueError,
     ["input", "out_input", "(None, 3)", "(6, 5)"]),
    ("width in predict", lambda: model().predict(np.ones((6, 5))), ValueError, ["out_input", "(None, 3)", "(6, 5)"]),
    ("one sample without batch axis", lambda: model().predict(np.ones(3)), ValueError,
     ["out_input", "(None, 3)", "(3, 1)", "x[None]"]),
    ("rank of the input", lambda: model().fit(np.ones((6, 3, 2)), Y), ValueError,
     ["out_input", "2 dimensions", "(6, 3, 2)"]),
    ("missing axis", lambda: series().predict(np.ones((4, 3))), ValueError,
     ["3 dimensions", "(None, 4, 3)", "(4, 3)", "x[None]"]),
    ("width of the target", lambda: model().fit(X, np.ones((6, 2))), ValueError,
     ["target", "out", "(None, 1)", "(6, 2)"]),
    ("rank of the target", lambda: model().fit(X, np.ones((6, 1, 1))), ValueError, ["target", "out", "(6, 1, 1)"]),
    ("integers for one-hot", lambda: classes().fit(X, np.zeros(6)), ValueError,
     ["target", "out", "(None, 4)", "sparse_categorical_crossentropy", "to_categorical"]),
    ("one-hot for integers", lambda: model("sparse_categorical_crossentropy", 4, "softmax").fit(X, np.eye(6)[:, :4]),
     ValueError, ["target", "out", "(None, 1)", "(6, 4)", "loss='categorical_crossentropy'"]),
    ("one-hot for one unit", lambda: model("binary_crossentropy", activation="sigmoid").fit(X, np.ones((6, 2))),
     ValueError, ["target", "out", "(6, 2)"]),
    ("class beyond the units", lambda: model("sparse_categorical_crossentropy", 4, "softmax").fit(X, np.full(6, 4)),
     ValueError, ["target", "out", "0 to 3", "4"]),
    ("negative class", lambda: model("sparse_categorical_crossentropy", 4, "softmax").fit(X, np.full(6, -1)),
     ValueError, ["target", "out", "0 to 3", "-1"]),
    ("rows of different lengths", lambda: model().fit([[1, 2, 3], [4, 5]], [0, 1]), ValueError,
     ["out_input", "differ in length", "pad_sequences"]),
    ("object rows of different lengths", lambda: model().fit(np.array([[1], [2, 3]], dtype=object), [0, 1]), ValueError,
     ["out_input", "rows of different lengths"]),
    # what data is
    ("text", lambda: model().fit(np.array([["a", "b", "c"]]), [1]), ValueError,
     ["out_input", "must be numbers", "<U1"]),
    ("text in objects", lambda: model().fit(np.array([["a", 1, 2]], dtype=object), [1]), ValueError,
     ["out_input", "Encode text"]),
    ("text as targets", lambda: model().fit(X, np.array(["yes"] * 6)), ValueError,
     ["target", "'out'", "must be numbers"]),
    ("dates", lambda: model().fit(np.zeros((6, 3), "datetime64[D]"), Y), ValueError, ["must be numbers", "datetime64"]),
    ("complex numbers", lambda: model().fit(X * 1j, Y), ValueError, ["must be numbers", "complex128"]),
    ("a sparse matrix", lambda: model().fit(pytest.importorskip("scipy.sparse").eye(4).tocsr(), Y[:4]), ValueError,
     ["out_input", "(None, 3)", "(4, 4)"]),
    ("a number for an array", lambda: model().fit(3, Y), TypeError, ["out_input", "Numpy array", "3"]),
    ("a name for an array", lambda: model().predict("data.csv"), TypeError, ["out_input", "'data.csv'"]),
    ("None in a list", lambda: model().predict([None]), ValueError, ["out_input", "None"]),
    # how much data
    ("no rows", lambda: model().fit(np.ones((0, 3)), np.ones((0, 1))), ValueError, ["0 samples", "(0, 3)"]),
    ("no rows to predict", lambda: model().predict(np.ones((0, 3))), ValueError, ["0 samples", "(0, 3)"]),
    ("no data", lambda: model().fit(), ValueError, ["x and y"]),
    ("no data to evaluate", lambda: model().evaluate(), ValueError, ["x and y"]),
    ("no data to predict", lambda: model().predict(None), ValueError, ["x"]),
    ("no targets", lambda: model().fit(X), ValueError, ["missing", "['out']"]),
    ("lengths of x and y", lambda: model().fit(X, Y[:4]), ValueError, ["6 input samples", "4 target samples"]),
    ("lengths of inputs", lambda: many().fit([X, np.ones((4, 2))], UPDOWN), ValueError,
     ["input arrays (x)", "same number of samples", "(6, 3)", "(4, 2)"]),
    ("lengths of targets", lambda: many().fit(AB, [Y, np.ones((5, 2))]), ValueError, ["target arrays (y)", "(5, 2)"]),
    ("lengths in predict", lambda: many().predict([X, np.ones((4, 2))]), ValueError, ["input arrays (x)", "(4, 2)"]),
    ("one array for two inputs", lambda: many().fit(X, UPDOWN), ValueError,
     ["input", "expects 2 arrays (left, right)", "one array"]),
    ("too many arrays", lambda: model().fit([X, X], Y), ValueError, ["Expected to see 1 array", "list of 2", "(6, 3)"]),
    ("list of samples", lambda: model().fit(list(X), Y), ValueError, ["list of 6", "np.array(the_list)"]),
    ("a key that is missing", lambda: many().fit({"left": X, "rigth": AB[1]}, UPDOWN), ValueError,
     ['"right"', "['left', 'right']", "['left', 'rigth']"]),
    # weights
    ("length of sample weights", lambda: model().fit(X, Y, sample_weight=np.ones(4)), ValueError,
     ["sample_weight", "(4,)", "(6, 1)"]),
    ("rank of sample weights", lambda: model().fit(X, Y, sample_weight=np.ones((6, 2))), ValueError,
     ["sample_weight", "(6, 2)", "sample_weight_mode='temporal'"]),
    ("one weight for each of several outputs", lambda: many().fit(AB, UPDOWN, sample_weight=np.ones(6)), TypeError,
     ["sample_weight", "list or a dict by output name"]),
    ("too few weights", lambda: many().fit(AB, UPDOWN, sample_weight=[np.ones(6)]), ValueError,
     ["sample_weight", "1 elements", "2 outputs"]),
    ("class without weight", lambda: model("mse").fit(X, [0, 1, 0, 1, 2, 2], class_weight={0: 1, 1: 2}), ValueError,
     ["class_weight", "[2]"]),
    ("class weights of sequences", lambda: series().fit(np.ones((6, 4, 3)), np.ones((6, 4, 2)), class_weight={0: 1}),
     ValueError, ["class_weight", "(6, 4, 2)", "sample_weight"]),
    ("temporal weights", lambda: model(sample_weight_mode="temporal").fit(X, Y, sample_weight=Y), ValueError,
     ["temporal", "(6, 1)"]),
    ("unknown sample_weight_mode", lambda: model(sample_weight_mode="tempral"), ValueError,
     ["sample_weight_mode", "'tempral'", "'temporal'"]),
    # compile
    ("unknown optimizer", lambda: uncompiled().compile("rmsprp", "mse"), ValueError,
     ["optimizer", "'rmsprp'", "'rmsprop'"]),
    ("optimizer of another kind", lambda: uncompiled().compile(0.01, "mse"), ValueError, ["optimizer", "0.01"]),
    ("optimizer's class", lambda: uncompiled().compile(SGD, "mse"), ValueError, ["SGD()"]),
    ("unknown argument of an optimizer", lambda: SGD(learning_rat=0.1), TypeError,
     ["SGD", "'learning_rat'", "learning_rate"]),
    ("unknown loss", lambda: model("mean_square_error"), ValueError,
     ["loss", "'mean_square_error'", "'mean_squared_error'"]),
    ("loss of another kind", lambda: model(3), ValueError, ["loss", "3"]),
    ("no loss", lambda: model(None), ValueError, ["no loss", "add_loss"]),
    ("unknown metric", lambda: model(metrics=["acuracy"]), ValueError, ["metric", "'acuracy'", "'accuracy'"]),
    ("metric outside of a list", lambda: model(metrics="accuracy"), TypeError, ["metrics", "['accuracy']"]),
    ("unknown argument of compile", lambda: model(metric=["acc"]), TypeError, ["compile", "'metric'", "'metrics'"]),
    ("too many losses", lambda: many(["mse", "mae", "mse"]), ValueError, ["loss", "2 outputs (up, down)"]),
    ("unknown output in losses", lambda: many({"up": "mse", "dwn": "mse"}), ValueError, ["loss", "'dwn'", "'down'"]),
    ("unknown output in metrics", lambda: many(metrics={"dwn": "mse"}), ValueError, ["metrics", "'dwn'", "'down'"]),
    ("unknown output in loss_weights", lambda: many(loss_weights={"upp": 1.0}), ValueError, ["loss_weights", "'up'"]),
    ("too few loss_weights", lambda: many(loss_weights=[1.0]), ValueError, ["loss_weights", "2 outputs"]),
    ("number for loss_weights", lambda: many(loss_weights=0.5), TypeError, ["loss_weights", "0.5"]),
    ("tuple for loss_weights", lambda: many(loss_weights=(0.5, 1.0)), TypeError, ["loss_weights", "list"]),
    ("half a sample_weight_mode", lambda: many(sample_weight_mode={"up": None}), ValueError,
     ["sample_weight_mode", "'down'"]),
    ("loss that doesn't fit", lambda: model(lambda t, p: p @ K.zeros((2, 2))), ValueError,
     ["(None, 1)", "(2, 2)", "out"]),
    # the order of things
    ("fit before compile", lambda: uncompiled().fit(X, Y), RuntimeError, ["compile"]),
    ("evaluate before compile", lambda: uncompiled().evaluate(X, Y), RuntimeError, ["compile"]),
    ("one batch before compile", lambda: uncompiled().train_on_batch(X, Y), RuntimeError, ["compile"]),
    ("no derivative", without_derivative, ValueError, ["before/kernel", "K.round"]),
    # how to train
    ("batch_size 0", lambda: model().fit(X, Y, batch_size=0), ValueError, ["batch_size", "0"]),
    ("another batch size than the input's", lambda: fixed().fit(X[:4], Y[:4], verbose=0), ValueError,
     ["batch shape (2, 3)", "batch_size=2", "4 samples"]),
    ("prediction in other batches", lambda: fixed().predict(X[:3], batch_size=2), ValueError,
     ["'fed'", "multiple of 2"]),
    ("half a batch", lambda: model().fit(X, Y, batch_size=2.5), ValueError, ["batch_size", "2.5"]),
    ("batch_size as text", lambda: model().fit(X, Y, batch_size="all"), TypeError, ["batch_size", "'all'"]),
    ("epochs as text", lambda: model().fit(X, Y, epochs="3"), TypeError, ["epochs", "'3'"]),
    ("a class for a callback", lambda: model().fit(X, Y, callbacks=[Callback], verbose=0), TypeError,
     ["callbacks", "write Callback()"]),
    ("a function for a callback", lambda: model().predict(X, callbacks=print), TypeError, ["callbacks", "print"]),
    ("misspelt argument", lambda: model().fit(X, Y, epoch=3), TypeError, ["fit", "'epoch'", "'epochs'"]),
    ("validation_split of all", lambda: model().fit(X, Y, validation_split=1.0), ValueError,
     ["validation_split", "1.0"]),
    ("validation_split of none", lambda: model().fit(X, Y, validation_split=0.9), ValueError,
     ["validation_split=0.9", "6 samples"]),
    ("validation_data of one part", lambda: model().fit(X, Y, validation_data=(X,)), ValueError,
     ["validation_data", "(x_val, y_val)", "1 items"]),
    ("validation_data of an array", lambda: model().fit(X, Y, validation_data=X), ValueError,
     ["validation_data", "(x_val, y_val)", "ndarray"]),
    ("width of validation_data", lambda: model().fit(X, Y, validation_data=(X[:, :2], Y)), ValueError,
     ["out_input", "(6, 2)"]),
    ("validation_steps alone", lambda: model().fit(X, Y, validation_steps=2), ValueError,
     ["validation_steps", "steps_per_epoch"]),
    ("steps with batch_size", lambda: model().fit(X, Y, batch_size=4, steps_per_epoch=2), ValueError,
     ["steps", "batch_size"]),
    # generators
    ("a generator without steps", lambda: model().fit_generator(batches(X, Y)), ValueError,
     ["steps_per_epoch", "Sequence"]),
    ("no steps", lambda: model().fit_generator(batches(X, Y), 0), ValueError, ["steps_per_epoch", "0"]),
    ("batches of x alone", lambda: model().fit_generator(batches(X), 1), ValueError, ["(x, y, sample_weight)"]),
    ("batches of the wrong width", lambda: model().fit_generator(batches(X[:, :2], Y), 1, verbose=0), ValueError,
     ["out_input", "(6, 2)"]),
    ("an empty batch", lambda: model().evaluate_generator(batches(X[:0], Y[:0]), 1), ValueError, ["0 samples"]),
    ("an empty Sequence", lambda: model().fit_generator(Empty()), ValueError, ["Empty", "0"]),
    ("a generator that ends", lambda: model().fit_generator(iter([(X, Y)]), 2, verbose=0), ValueError,
     ["ended after 1"]),
    ("generator and y", lambda: model().fit(batches(X, Y), Y), ValueError, ["generator", "y"]),
    ("generator and validation_split", lambda: model().fit(batches(X, Y), steps_per_epoch=1, validation_split=0.5),
     ValueError, ["validation_split", "validation_data"]),
    ("misspelt argument of fit_generator", lambda: model().fit_generator(batches(X, Y), 1, worker=2), TypeError,
     ["fit_generator", "'worker'", "'workers'"]),
]


@pytest.mark.parametrize(("make", "error", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_error(make, error, said):
    K.reset_uids()
    with pytest.raises(error) as caught:
        make()
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize("where", ["x", "y"])
def test_nan_in_data_warns_with_the_count(where):
    made = model()
    x, y = X.copy(), Y.copy()
    {"x": x, "y": y}[where][[1, 4], 0] = np.nan
    name = {"x": "out_input", "y": "out"}[where]
    with pytest.warns(UserWarning, match=f"'{name}' contains NaN in 2 of 6 samples"):
        history = made.fit(x, y, epochs=1, verbose=0)
    assert np.isnan(history.history["loss"][0])


def test_infinities_do_not_warn_of_nan():
    x = X.copy()
    x[0, 0], x[1, 0] = np.inf, -np.inf
    assert model().fit(x, Y, epochs=1, verbose=0).epoch == [0]  # a warning would be an error here


def test_nothing_was_trained_when_an_error_comes():
    made = model()
    before = made.get_weights()
    for call in (lambda: made.fit(X, Y, validation_data=(X, Y[:2]), verbose=0),
                 lambda: made.fit(X, Y, epochs=1, sample_weight=np.ones(2), verbose=0)):
        with pytest.raises(ValueError, match="samples|sample_weight"):
            call()
    for a, b in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("run", [
    lambda m, x, y: m.fit(x, y, verbose=0), lambda m, x, y: m.fit(np.ones((4, 3)), y, verbose=0),
    lambda m, x, y: m.predict(x), lambda m, x, y: m.train_on_batch(x, y), lambda m, x, y: m.evaluate(m.input, y)])
def test_tensors_without_values(run):
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"a tensor that has no values yet.*Input\(tensor=\.\.\.\)"):
        run(model, K.placeholder((4, 3)), K.placeholder((4, 2)))
