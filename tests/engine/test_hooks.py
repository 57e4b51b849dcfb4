"""The hooks that newer Keras calls around evaluations, validations and predictions, and what they cost: nothing."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.callbacks import Callback, History, LambdaCallback
from gpukeras.compiler import Feed
from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.utils import Sequence

STATE = np.random.RandomState(3)
X, Y = STATE.normal(size=(10, 3)), STATE.normal(size=(10, 1))


@pytest.fixture
def model():
    np.random.seed(2)
    made = Sequential([Dense(1, input_shape=(3,))])
    made.compile("sgd", "mse", metrics=["mae"])
    return made


class Batches(Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], Y[rows]


class Log(Callback):
    """Writes down every hook but those of training, with what it was told."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def names(self):
        return [name for name, *_ in self.calls]


for hook in ("test_begin", "test_end", "predict_begin", "predict_end"):
    setattr(Log, f"on_{hook}", lambda self, logs=None, hook=hook: self.calls.append((hook, dict(logs))))
for hook in ("test_batch_begin", "test_batch_end", "predict_batch_begin", "predict_batch_end"):
    setattr(Log, f"on_{hook}", lambda self, batch, logs=None, hook=hook: self.calls.append((hook, batch, dict(logs))))


@pytest.mark.parametrize("data", [lambda: (X, Y, 4), lambda: (Batches(),)], ids=["arrays", "Sequence"])
def test_evaluation(model, data):
    log = Log()
    loss, mae = model.evaluate(*data(), verbose=0, callbacks=[log])
    assert log.names() == ["test_begin", *["test_batch_begin", "test_batch_end"] * 3, "test_end"]
    assert log.calls[1] == ("test_batch_begin", 0, {"batch": 0, "size": 4})
    ends = [call for call in log.calls if call[0] == "test_batch_end"]
    assert [(batch, logs["size"]) for _, batch, logs in ends] == [(0, 4), (1, 4), (2, 2)]
    for i, (_, _, logs) in enumerate(ends):
        error = model.predict(X[4 * i:4 * i + 4]) - Y[4 * i:4 * i + 4]
        np.testing.assert_allclose([logs["loss"], logs["mean_absolute_error"]], [(error ** 2).mean(),
                                                                                np.abs(error).mean()], rtol=1e-5)
    assert log.calls[-1] == ("test_end", {"loss": loss, "mean_absolute_error": mae})
    assert log.model is model
    assert log.params["metrics"] == ["loss", "mean_absolute_error"]


@pytest.mark.parametrize("data", [lambda: (X, 4), lambda: (Batches(),)], ids=["arrays", "Sequence"])
def test_prediction(model, data):
    log = Log()
    found = model.predict(*data(), callbacks=[log])
    assert log.names() == ["predict_begin", *["predict_batch_begin", "predict_batch_end"] * 3, "predict_end"]
    outputs = [logs["outputs"] for name, _, *rest in log.calls for logs in rest if name == "predict_batch_end"]
    assert [len(o) for o in outputs] == [1, 1, 1]
    np.testing.assert_array_equal(np.concatenate([o[0] for o in outputs]), found)


@pytest.mark.parametrize("fit", [
    lambda model, log: model.fit(X, Y, batch_size=4, epochs=2, validation_data=(X, Y), verbose=0, callbacks=[log]),
    lambda model, log: model.fit_generator(Batches(), epochs=2, validation_data=Batches(), verbose=0, callbacks=[log]),
    lambda model, log: model.fit_generator(Batches(), epochs=2, validation_data=(X, Y), verbose=0, callbacks=[log]),
], ids=["arrays", "Sequences", "Sequence and arrays"])
def test_validation_within_a_training(model, fit):
    log = Log()
    history = fit(model, log).history
    names = log.names()
    assert names.count("test_begin") == names.count("test_end") == 2
    assert names.count("test_batch_end") >= 4
    ends = [logs["loss"] for name, logs in (c for c in log.calls if len(c) == 2) if name == "test_end"]
    assert ends == history["val_loss"]
    assert log.params["do_validation"]


def test_steps(model):
    log = Log()
    model.evaluate(Batches(), steps=2, verbose=0, callbacks=log)
    assert log.names().count("test_batch_end") == 2


def test_one_callback_needs_no_list(model):
    seen = []
    model.predict(X, callbacks=LambdaCallback(on_predict_end=lambda logs: seen.append("end")))
    model.fit(X, Y, verbose=0, epochs=1, callbacks=LambdaCallback(on_train_end=lambda logs: seen.append("trained")))
    assert seen == ["end", "trained"]


def test_nothing_is_read_where_nobody_listens(model, monkeypatch):
    def forbidden(self):
        raise AssertionError("values were read in the middle of a loop")

    monkeypatch.setattr(Feed, "values", forbidden)
    model.fit(X, Y, batch_size=4, epochs=2, validation_split=0.3, verbose=0, callbacks=[History(), Callback()])
    model.evaluate(X, Y, verbose=0, callbacks=[Callback(), LambdaCallback(on_test_end=lambda logs: None)])
    with pytest.raises(AssertionError, match="were read"):
        model.evaluate(X, Y, verbose=0, callbacks=[LambdaCallback(on_test_batch_end=lambda batch, logs: None)])


@pytest.mark.filterwarnings("ignore:Method on_batch_end")  # they take their time, on a busy machine above all
def test_callbacks_may_use_the_model_they_watch(model):
    """What is trained and evaluated within a hook counts in no average of the loop around it."""
    plain = model.evaluate(X, Y, batch_size=4, verbose=0)

    def elsewhere(batch, logs):
        if batch == 1:
            model.evaluate(X[:3] * 5, Y[:3], verbose=0)
            model.predict(X[:3])

    assert model.evaluate(X, Y, 4, 0, callbacks=[LambdaCallback(on_test_batch_end=elsewhere)]) == plain
    model.optimizer.lr = 0.0

    def train(batch, logs):
        if batch == 1:
            model.train_on_batch(X[:3] * 5, Y[:3])

    history = model.fit(X, Y, batch_size=4, epochs=1, verbose=0, shuffle=False,
                        callbacks=[LambdaCallback(on_batch_end=train)]).history
    np.testing.assert_allclose([v[0] for v in history.values()], plain, rtol=1e-6)
    assert all(repr(v) == repr([float(v[0])]) and v[0].item() == v[0] for v in history.values())


def test_params_of_a_generator_are_those_of_keras_209():
    """Bars of other libraries look whether 'samples' is there; the names of a validation are there without one."""
    class Rows(Callback):
        def on_train_begin(self, logs=None):
            seen.append(dict(self.params))

    def batches():
        while True:
            yield np.ones((4, 2)), np.ones((4, 1))

    seen = []
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    model.fit_generator(batches(), 3, epochs=2, verbose=0, callbacks=[Rows()])
    assert seen == [{"epochs": 2, "steps": 3, "verbose": 0, "do_validation": False, "metrics": ["loss", "val_loss"]}]
