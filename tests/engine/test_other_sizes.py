"""Models with a `call` of their own, given data of other sizes than the first."""

from __future__ import annotations

import numpy as np
import pytest

import gpukeras as keras
from gpukeras import backend as K
from gpukeras.callbacks import LambdaCallback
from gpukeras.layers import LSTM, Dense, Embedding, Flatten, Input
from gpukeras.models import Model, Sequential
from gpukeras.utils import Sequence

WORDS = np.random.RandomState(0).randint(0, 9, (12, 8))


class Reader(keras.Model):
    def __init__(self):
        super().__init__()
        self.words, self.cells, self.out = Embedding(9, 3), LSTM(4), Dense(1)

    def call(self, inputs):
        return self.out(self.cells(self.words(inputs)))


class Counting(keras.Model):
    """Needs to know how many steps there are."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(2)

    def call(self, inputs, training=None):
        return sum(self.dense(inputs[:, t]) for t in range(inputs.shape[1]))


def stack():
    return Sequential([Embedding(9, 3, input_shape=(None,)), LSTM(4), Dense(1)])


def ran(make, lengths=(8, 5, 3, 8, 6)):
    np.random.seed(1)
    model = make()
    model.compile("adam", "mse", metrics=["mae"])
    losses = [model.train_on_batch(WORDS[:, :n], np.ones((12, 1)))[0] for n in lengths]
    return [*losses, *model.evaluate(WORDS[:, :4], np.zeros((12, 1)), verbose=0)], model


def test_every_length_trains_as_in_a_stack_that_leaves_it_open():
    (found, own), (expected, _) = ran(Reader), ran(stack)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # Adam went on from its state, too
    assert own.inputs[0].shape == (None, None) and int(K.get_value(own.optimizer.iterations)) == 5


def test_predictions_leave_a_training_alone():
    model = Reader()
    model.compile("adam", "mse")
    seen = []
    history = model.fit(WORDS, np.ones((12, 1)), epochs=3, verbose=0, validation_split=0.25, callbacks=[LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((model.predict(WORDS[:2, :3 + epoch]).shape, model.evaluate(
            WORDS[:4, :4], np.ones((4, 1)), verbose=0)) if epoch == 1 else model.predict(WORDS[:5, :3]).shape))])
    assert len(history.history["val_loss"]) == 3 and seen[0] == (5, 1) and seen[1][0] == (2, 1)
    np.testing.assert_allclose(model.predict(WORDS[:, :5]), model(WORDS[:, :5]).numpy(), rtol=1e-5)
    short = WORDS[:, :4]
    np.testing.assert_allclose(model.predict_on_batch(short), model.predict(short, batch_size=5), rtol=1e-5)


def test_batches_of_a_sequence_have_lengths_of_their_own():
    class Batches(Sequence):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return WORDS[:, :8 - i], np.ones((12, 1))

    found = []
    for make in (Reader, stack):
        np.random.seed(3)
        model = make()
        model.compile("sgd", "mse")
        found.append(model.fit(Batches(), epochs=2, shuffle=False, verbose=0).history["loss"])
        assert model.evaluate(Batches(), verbose=0) > 0 and model.predict(Batches()).shape == (48, 1)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_call_may_need_to_know_the_size():
    model = Counting()
    model.compile("sgd", "mse")
    x, y = np.ones((2, 4, 3)), np.zeros((2, 2))
    for n in (4, 3, 4):
        expected = np.sum((n * model(x[:, :1]).numpy()) ** 2) / 4
        assert model.train_on_batch(x[:, :n], y) == pytest.approx(expected, rel=1e-4)
    assert model.inputs[0].shape == (None, 4, 3)
    np.testing.assert_allclose(model.predict(x[:, :2]), 2 * model.predict(x[:, :1]), rtol=1e-5)
    with pytest.raises(ValueError, match="to have shape .None, 3, 3.*validation data have other sizes.*Counting"):
        model.fit(x, y, validation_data=(x[:, :3], y), verbose=0)


def test_what_cannot_be_taken_says_why():
    class Pictures(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.out = Flatten(), Dense(2)

        def call(self, inputs):
            return self.out(self.flat(inputs))

    model = Pictures()
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 4, 3)), np.zeros((2, 2)), verbose=0)
    for use in (lambda x: model.fit(x, np.zeros((2, 2)), verbose=0), model.predict):
        with pytest.raises(ValueError, match=r"shape \(None, 4, 3\) but got.*Pictures takes no such sizes: .*dense"):
            use(np.ones((2, 5, 3)))
    assert model.predict(np.ones((2, 3, 4))).shape == (2, 2)  # as many numbers


def test_dicts_and_lists():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = LSTM(2), LSTM(2)

        def call(self, inputs):
            p, q = (inputs["p"], inputs["q"]) if isinstance(inputs, dict) else inputs
            return self.a(p) + self.b(q)

    x = np.random.RandomState(2).rand(6, 5, 3)
    for given in (lambda m, n: {"p": x[:, :m], "q": x[:, :n]}, lambda m, n: [x[:, :m], x[:, :n]]):
        model = Two()
        model.compile("sgd", "mse")
        for sizes in ((5, 5), (4, 5), (5, 2)):
            model.train_on_batch(given(*sizes), np.ones((6, 2)))
            np.testing.assert_allclose(model.predict(given(3, 1)), model(given(3, 1)).numpy(), rtol=1e-5)
        assert [i.shape for i in model.inputs] == [(None, None, 3), (None, None, 3)]
    places = [Input((None, 3)), Input((None, 3))]
    assert Model(places, Two()(places)).predict(given(2, 3)).shape == (6, 2)


def test_metrics_and_losses_of_call_go_along():
    class Noted(Reader):
        def call(self, inputs):
            found = super().call(inputs)
            self.add_loss(K.cast(K.shape(inputs)[1], "float32"))
            self.add_metric(K.cast(K.shape(inputs)[1], "float32"), name="length")
            return found

    model = Noted()
    model.compile("sgd", "mse")
    for n in (8, 4, 6):
        loss, length = model.test_on_batch(WORDS[:, :n], np.ones((12, 1)))
        assert length == n and n < loss < n + 4
