"""Results with fewer axes than their layer declares: the declared shape is that of K.int_shape, and of targets."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Activation, Dense, Flatten, Input, Lambda, Layer, add
from gpukeras.models import Model, Sequential

X = np.ones((4, 3), "float32")
PICTURES = np.random.RandomState(0).normal(size=(2, 4, 4, 3)).astype("float32")
FEWER = pytest.mark.filterwarnings("ignore:Layer .* says .* but call")


def own_value(y_true, y_pred):
    return y_pred


def mean_square(x):
    return K.mean(K.square(x))


class Number(Layer):
    def call(self, x):
        return mean_square(x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)


def batches(y):
    while True:
        yield [X], y


@pytest.mark.parametrize("y", [np.zeros(4), np.zeros((4, 1)), np.zeros((4, 3))])
@pytest.mark.parametrize("layer", [lambda: Lambda(mean_square, output_shape=(1,)), Number])
def test_a_loss_that_a_layer_computes_trains(layer, y):
    x = Input((3,))
    loss = layer()(Dense(2, kernel_initializer="ones")(x))
    model = Model(x, loss)
    assert K.int_shape(loss) == model.output_shape == model.layers[-1].output_shape == (None, 1) and loss.shape == ()
    model.compile("sgd", own_value, metrics=["acc"])
    assert float(model.train_on_batch(X, y)[0]) == 9.0
    trained = model.fit(X, y, validation_split=0.25, verbose=0).history
    assert trained["val_loss"][0] < trained["loss"][0] < 9.0
    assert model.fit_generator(batches(y), 2, 1, validation_data=batches(y), validation_steps=1, verbose=0)
    assert model.evaluate(X, y, verbose=0)[0] == pytest.approx(float(model.test_on_batch(X, y)[0]))


def test_a_number_is_predicted_for_all_rows():
    model = Sequential([Dense(2, input_shape=(3,), kernel_initializer="ones"), Lambda(mean_square, output_shape=(1,))])
    for size in (None, 4, 2):
        assert model.predict(X, batch_size=size).tolist() == [9.0] * 4
    assert model.predict_on_batch(X).shape == ()
    assert model.predict(X).tolist() == [9.0] * 4  # after a call that could be made again


def test_numbers_made_of_numbers_have_their_shape():
    x = Input((3,))
    made = Dense(2, kernel_initializer="ones")(x)
    one, other = Number()(made), Number()(made)
    for total in (add([one, other]), Lambda(lambda parts: parts[0] + parts[1])([one, other]),
                  Activation("relu")(add([one, other])), Lambda(lambda n: n * 2, output_shape=lambda s: s)(one)):
        model = Model(x, total)
        assert K.int_shape(total) == model.output_shape == (None, 1)
        model.compile("sgd", "mae")
        assert float(model.test_on_batch(X, np.zeros(4))) == 18.0
    again = Input((3,))
    nested = Model(x, one)(again)
    assert K.int_shape(nested) == (None, 1)
    assert Model(x, one).compute_output_shape((None, 3)) == (None, 1)


def test_axes_of_length_1_at_the_end_may_be_declared_only():
    x = Input((4, 4, 3))
    with pytest.warns(UserWarning, match=r"says \(None, 4, 4, 1\), but call\(\) returns \(None, 4, 4\). That is"):
        gray = Lambda(lambda t: K.sum(t, -1), output_shape=(4, 4, 1))(x)
    assert K.int_shape(gray) == gray._keras_shape == (None, 4, 4, 1)
    model = Model(x, gray)
    model.compile("sgd", "mse", metrics=["mae"])
    want = PICTURES.sum(-1)
    for y in (np.zeros((2, 4, 4, 1)), np.zeros((2, 4, 4))):
        np.testing.assert_allclose(model.evaluate(PICTURES, y, verbose=0), [np.mean(want ** 2), np.mean(np.abs(want))],
                                   rtol=1e-5)
    assert K.int_shape(Lambda(lambda t: t[:, 0])(gray)) == (None, 4)
    assert K.int_shape(Flatten()(gray)) == (None, 16) and K.int_shape(Dense(2)(gray)) == (None, 4, 2)


@FEWER
def test_a_vector_is_compared_with_a_column_sample_by_sample():
    x = Input((4, 4, 3))
    model = Model(x, Lambda(lambda t: K.sum(t, [1, 2, 3]), output_shape=(1,))(x))
    assert model.output_shape == (None, 1)
    sums = PICTURES.sum((1, 2, 3))
    for loss in ("mse", lambda y_true, y_pred: K.square(y_true - y_pred)):
        model.compile("sgd", loss)
        for y in (sums, sums[:, None]):
            assert model.evaluate(PICTURES, y, verbose=0) == pytest.approx(0.0, abs=1e-6)


@FEWER
def test_a_layer_of_a_programs_own_sees_what_was_declared():
    seen = []

    class Sees(Layer):
        def build(self, input_shape):
            seen.append(tuple(input_shape))
            super().build(input_shape)

        def call(self, x):
            seen.append(K.int_shape(x))
            return x

    gray = Lambda(lambda t: K.sum(t, -1), output_shape=(4, 4, 1))(Input((4, 4, 3)))
    assert K.int_shape(Sees()(gray)) == (None, 4, 4, 1)
    assert seen == [(None, 4, 4, 1)] * 2


@pytest.mark.parametrize("said", [(None, 4), (None, 5, 3), (None, 4, 3, 2), (3,)])
def test_other_declarations_lose_against_the_result(said):
    class Says(Layer):
        def call(self, x):
            return x * 2

        def compute_output_shape(self, input_shape):
            return said

    with pytest.warns(UserWarning, match="The latter is used"):
        assert K.int_shape(Says()(Input((4, 3)))) == (None, 4, 3)
