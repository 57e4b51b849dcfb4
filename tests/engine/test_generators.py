"""Training on batches from generators and Sequences: the same numbers as from arrays, and errors that come through."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from gpukeras.callbacks import LambdaCallback
from gpukeras.layers import Dense, Input
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD
from gpukeras.utils import Sequence

STATE = np.random.RandomState(8)
X, Y = STATE.normal(size=(22, 3)), STATE.normal(size=(22, 1))
WEIGHTS = STATE.uniform(0.5, 2, size=22)
BATCHES = [slice(0, 8), slice(8, 16), slice(16, 22)]


def linear():
    np.random.seed(1)
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(SGD(0.1), "mse", metrics=["mae"])
    return model


def generate(weights=False, form=tuple):
    while True:
        for rows in BATCHES:
            yield form((X[rows], Y[rows], WEIGHTS[rows]) if weights else (X[rows], Y[rows]))


class Data(Sequence):
    def __init__(self):
        self.asked, self.epochs = [], 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.asked.append(index)
        return X[BATCHES[index]], Y[BATCHES[index]]

    def on_epoch_end(self):
        self.epochs += 1


def same(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def assert_close(got, want, tolerance=1e-6):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


# -------------------------------------------------------------------------------------------- the same as arrays


@pytest.mark.parametrize("data", [generate, lambda: generate(form=list), lambda: iter(generate()), Data],
                         ids=["generator", "lists", "iterator", "Sequence"])
@pytest.mark.parametrize("method", ["fit_generator", "fit"])
def test_batches_train_as_arrays_do(data, method):
    model, plain = linear(), linear()
    history = getattr(model, method)(data(), steps_per_epoch=3, epochs=2, shuffle=False, verbose=0).history
    want = plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
    same(model, plain)
    assert list(history) == ["loss", "mean_absolute_error"]
    for name, values in history.items():
        assert_close(values, want[name])


@pytest.mark.parametrize("method", ["fit_generator", "fit"])
def test_a_sequence_knows_its_length(method):
    model, plain, data = linear(), linear(), Data()
    getattr(model, method)(data, epochs=2, shuffle=False, verbose=0)
    plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    same(model, plain)
    assert data.asked[:6] == [0, 1, 2, 0, 1, 2]
    assert data.epochs >= 1


def test_sample_weights_and_class_weights_of_batches():
    model, plain = linear(), linear()
    model.fit_generator(generate(weights=True), 3, verbose=0)
    plain.fit(X, Y, sample_weight=WEIGHTS, batch_size=8, epochs=1, shuffle=False, verbose=0)
    same(model, plain)
    y = (Y > 0) * 1

    def classes():
        while True:
            for rows in BATCHES:
                yield X[rows], y[rows]

    model.fit_generator(classes(), 3, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    plain.fit(X, y, class_weight={0: 1.0, 1: 3.0}, batch_size=8, epochs=1, shuffle=False, verbose=0)
    same(model, plain)


def test_evaluate_and_predict():
    model = linear()
    for data in (generate(), Data()):
        assert_close(model.evaluate_generator(data, 3), model.evaluate(X, Y, verbose=0))
    assert_close(model.evaluate_generator(generate(weights=True), 3),
                 model.evaluate(X, Y, sample_weight=WEIGHTS, batch_size=8, verbose=0))
    assert_close(model.evaluate(Data()), model.evaluate(X, Y, verbose=0))
    assert model.evaluate(Data(), return_dict=True).keys() == {"loss", "mean_absolute_error"}
    assert_close(model.predict_generator(generate(), 3), model.predict(X))
    assert_close(model.predict_generator((X[rows] for rows in BATCHES), 3), model.predict(X))  # inputs alone
    assert_close(model.predict_generator(Data()), model.predict(X))
    assert_close(model.predict(Data()), model.predict(X))
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate_generator(generate(), 3), float)


def test_several_inputs_and_outputs_in_dicts_and_lists():
    a, b = Input((3,), name="a"), Input((1,), name="b")
    model = Model([a, b], [Dense(1, name="up")(a), Dense(1, name="down")(b)])
    model.compile("sgd", "mse")

    def dicts():
        while True:
            for rows in BATCHES:
                yield {"b": Y[rows], "a": X[rows]}, {"down": Y[rows], "up": Y[rows]}

    def lists():
        while True:
            for rows in BATCHES:
                yield [X[rows], Y[rows]], [Y[rows], Y[rows]]

    want = model.evaluate([X, Y], [Y, Y], verbose=0)
    assert_close(model.evaluate_generator(dicts(), 3), want)
    assert_close(model.evaluate_generator(lists(), 3), want)
    predicted = model.predict_generator(lists(), 3)
    assert_close(predicted[1], model.predict([X, Y])[1])
    assert [p.shape for p in predicted] == [(22, 1), (22, 1)]
    history = model.fit_generator(dicts(), 3, epochs=2, validation_data=lists(), validation_steps=3, verbose=0).history
    assert len(history["val_down_loss"]) == 2


@pytest.mark.parametrize("validation", [
    lambda: {"validation_data": (X, Y)},
    lambda: {"validation_data": (X, Y, np.ones(22))},
    lambda: {"validation_data": generate(), "validation_steps": 3},
    lambda: {"validation_data": Data()},
], ids=["arrays", "weighted arrays", "generator", "Sequence"])
def test_validation(validation):
    model, plain = linear(), linear()
    history = model.fit_generator(generate(), 3, epochs=2, verbose=0, **validation()).history
    want = plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0).history
    assert sorted(history) == ["loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"]
    for name, values in history.items():
        assert_close(values, want[name])


# ------------------------------------------------------------------------------------------------ how it goes on


def test_a_sequence_is_shuffled_batch_by_batch():
    def asked(seed):
        np.random.seed(seed)
        data, seen = Data(), []
        model = linear()
        data.__class__ = type("Watched", (Data,), {"__len__": lambda self: 3})
        model.fit_generator(data, epochs=4, verbose=0, callbacks=[
            LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))])
        return [sorted(data.asked[i:i + 3]) for i in range(0, 12, 3)], data.asked[:12]

    epochs, order = asked(3)
    assert epochs == [[0, 1, 2]] * 4
    assert order != [0, 1, 2] * 4
    assert asked(3)[1] == order


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("data", [generate, Data], ids=["generator", "Sequence"])
def test_workers(workers, data):
    threads = set(threading.enumerate())
    model = linear()
    history = model.fit_generator(data(), 3, epochs=2, workers=workers, max_queue_size=2, verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 2
    if data is Data or workers == 1:  # the order of batches is kept
        plain = linear()
        plain.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        same(model, plain)
    assert set(threading.enumerate()) <= threads  # none is left behind


def test_worker_processes():
    model, plain = linear(), linear()
    model.fit_generator(Data(), 3, workers=2, use_multiprocessing=True, shuffle=False, verbose=0)
    plain.fit(X, Y, batch_size=8, epochs=1, shuffle=False, verbose=0)
    same(model, plain)


def test_a_generator_goes_on_where_it_was():
    stream, asked = generate(), []

    def watched():
        for x, y in stream:
            asked.append(len(x))
            yield x, y

    linear().fit_generator(watched(), 2, epochs=3, verbose=0)
    assert asked[:6] == [8, 8, 6, 8, 8, 6]


def test_steps_that_are_a_fraction_are_rounded_up():
    batches = []
    linear().fit_generator(generate(), 22 / 8, verbose=0, callbacks=[
        LambdaCallback(on_batch_end=lambda batch, logs: batches.append(logs["size"]))])
    assert batches == [8, 8, 6]
    assert len(linear().predict_generator(generate(), 2.5)) == 22


def test_batch_hooks_and_epochs():
    model, batches, epochs = linear(), [], []
    history = model.fit_generator(generate(), 3, epochs=3, initial_epoch=1, verbose=0, callbacks=[
        LambdaCallback(on_batch_end=lambda batch, logs: batches.append((batch, logs["size"], logs["loss"])),
                       on_epoch_begin=lambda epoch, logs: epochs.append(epoch))])
    assert epochs == history.epoch == [1, 2]
    assert [b[:2] for b in batches] == [(0, 8), (1, 8), (2, 6)] * 2
    losses = np.array([b[2] for b in batches]).reshape(2, 3)
    assert_close(history.history["loss"], losses @ [8, 8, 6] / 22)


def test_a_callback_stops_within_an_epoch():
    model = linear()

    def stop(batch, logs):
        model.stop_training = batch == 1

    history = model.fit_generator(generate(), 3, epochs=3, verbose=0, validation_data=(X, Y),
                                  callbacks=[LambdaCallback(on_batch_end=stop)])
    assert history.epoch == [0]
    assert list(history.history) == ["loss", "mean_absolute_error"]


def test_verbose_2(capsys):
    history = linear().fit_generator(generate(), 3, epochs=2, verbose=2).history
    want = "".join(rf"Epoch {i + 1}/2\n - \d+s - loss: {history['loss'][i]:.4f} - mean_absolute_error: "
                   f"{history['mean_absolute_error'][i]:.4f}\n" for i in range(2))
    assert re.fullmatch(want, capsys.readouterr().out)


# ------------------------------------------------------------------------------------------------------------- errors


def broken():
    yield X, Y
    raise OSError("the disk is gone")


class Broken(Data):
    def __getitem__(self, index):
        if index:
            raise OSError("the disk is gone")
        return super().__getitem__(index)


@pytest.mark.parametrize("data", [broken, Broken], ids=["generator", "Sequence"])
@pytest.mark.parametrize("run", [
    lambda model, data: model.fit_generator(data, 3, verbose=0, shuffle=False),
    lambda model, data: model.fit(data, steps_per_epoch=3, verbose=0, shuffle=False),
    lambda model, data: model.evaluate_generator(data, 3),
    lambda model, data: model.predict_generator(data, 3),
    lambda model, data: model.fit_generator(generate(), 3, validation_data=data, validation_steps=3, verbose=0),
], ids=["fit_generator", "fit", "evaluate", "predict", "validation"])
def test_what_a_generator_raises_is_the_cause(data, run, caplog):
    threads = set(threading.enumerate())
    model = linear()
    with pytest.raises(StopIteration, match="OSError: the disk is gone") as caught:  # Keras 2.0.9's kind
        run(model, data())
    assert isinstance(caught.value.__cause__, OSError)
    assert "the disk is gone" in caplog.text
    assert set(threading.enumerate()) <= threads
    model.fit_generator(generate(), 3, verbose=0)  # the model lives on


def test_an_interrupted_training_leaves_no_workers():
    def interrupt(batch, logs):
        raise KeyboardInterrupt

    threads = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        linear().fit_generator(Data(), 3, verbose=0, workers=2, callbacks=[LambdaCallback(on_batch_end=interrupt)])
    assert set(threading.enumerate()) <= threads


def test_processes_that_would_double_the_data_are_warned_of():
    with pytest.warns(UserWarning, match=r"duplicate your data.*Sequence"):
        linear().fit_generator(generate(), 3, workers=2, use_multiprocessing=True, verbose=0)


# ------------------------------------------------------------------------------------------------ Keras 1 spellings


@pytest.mark.parametrize(("run", "said"), [
    (lambda m: m.fit_generator(generate(), samples_per_epoch=3, nb_epoch=2, verbose=0),
     ["`samples_per_epoch`, `nb_epoch` is Keras 1 spelling. Write `fit_generator(", "steps_per_epoch=3, epochs=2",
      "`samples_per_epoch` counts batches now"]),
    (lambda m: m.fit_generator(generate(), 3, nb_worker=1, max_q_size=4, pickle_safe=False, verbose=0),
     ["workers=1", "max_queue_size=4", "use_multiprocessing=False"]),
    (lambda m: m.fit_generator(generate(), 3, validation_data=generate(), nb_val_samples=2, verbose=0),
     ["validation_steps=2"]),
    (lambda m: m.evaluate_generator(generate(), val_samples=3), ["evaluate_generator(generate, steps=3)"]),
    (lambda m: m.predict_generator(generate(), val_samples=3, nb_worker=1), ["steps=3, workers=1"]),
], ids=["samples and epochs", "workers", "validation", "evaluate", "predict"])
def test_keras_1_spellings_warn(run, said):
    with pytest.warns(UserWarning) as caught:
        run(linear())
    messages = " ".join(str(w.message) for w in caught)
    for words in said:
        assert words in messages
    assert all(w.filename == __file__ for w in caught)  # at the caller's line


def test_callbacks_tell_generators_from_arrays_by_their_params():
    model, seen = linear(), []
    note = LambdaCallback(on_train_begin=lambda logs: seen.append(set(note.params)))
    model.fit(X, Y, verbose=0, callbacks=[note])
    model.fit_generator(((X, Y) for _ in range(9)), 2, verbose=0, callbacks=[note])
    both = {"epochs", "steps", "verbose", "do_validation", "metrics"}  # as in Keras 2.0.9
    assert seen == [both | {"batch_size", "samples"}, both]
