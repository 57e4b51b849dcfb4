"""fit, evaluate, predict and their one-batch kin against loops written out in NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import Callback, LambdaCallback
from gpukeras.layers import Dense, Dropout, Input
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD, Adam
from tests.engine.softmax_by_hand import HOT, STATE, Softmax, X, assert_close, softmax_model

# ------------------------------------------------------------------------------------------------ whole epochs


def test_epochs_without_shuffling():
    model = softmax_model()
    hand = Softmax(model)
    history = model.fit(X, HOT, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    want = np.array([hand.epoch(X, HOT, np.arange(23)) for _ in range(3)])
    assert_close(history["loss"], want[:, 0])
    assert_close(history["acc"], want[:, 1])
    assert hand.agrees(model)


def test_shuffling_takes_one_permutation_an_epoch_from_numpy():
    model = softmax_model()
    hand = Softmax(model)
    np.random.seed(5)
    history = model.fit(X, HOT, batch_size=8, epochs=3, verbose=0).history
    after = np.random.random()
    np.random.seed(5)
    order = np.arange(23)
    losses = []
    for _ in range(3):
        np.random.shuffle(order)  # shuffled further in every epoch
        losses.append(hand.epoch(X, HOT, order)[0])
    assert np.random.random() == after
    assert_close(history["loss"], losses)
    assert hand.agrees(model)


def test_shuffling_whole_batches():
    model = softmax_model()
    hand = Softmax(model)
    np.random.seed(5)
    history = model.fit(X, HOT, batch_size=4, epochs=2, shuffle="batch", verbose=0).history
    np.random.seed(5)
    order, losses = np.arange(23), []
    for _ in range(2):
        full = order[:20].reshape(5, 4)
        np.random.shuffle(full)
        order = np.append(full.reshape(-1), order[20:])
        losses.append(hand.epoch(X, HOT, order, batch=4)[0])
    assert_close(history["loss"], losses)
    assert order[-3:].tolist() == [20, 21, 22]
    assert hand.agrees(model)


def test_the_same_seed_gives_the_same_bits():
    def run():
        np.random.seed(9)
        layers = [Dense(8, activation="relu", input_shape=(3,)), Dropout(0.5), Dense(2, activation="softmax")]
        model = Sequential(layers)
        model.compile("adam", "categorical_crossentropy")
        return model.fit(X, HOT, batch_size=8, epochs=2, verbose=0).history["loss"], model.get_weights()

    (losses, weights), (again, weights_again) = run(), run()
    assert losses == again
    for a, b in zip(weights, weights_again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_defaults_of_batch_size_and_epochs():
    seen = []
    watch = LambdaCallback(on_batch_end=lambda batch, logs: seen.append(logs["size"]))
    x, t = np.repeat(X, 3, axis=0), np.repeat(HOT, 3, axis=0)
    assert len(softmax_model().fit(x, t, verbose=0, callbacks=[watch]).epoch) == 10
    assert seen[:3] == [32, 32, 5]
    a = Input((3,))
    model = Model(a, Dense(2)(a))
    model.compile("sgd", "mse")
    assert len(model.fit(X, HOT, verbose=0).epoch) == 1


def test_initial_epoch():
    model, epochs = softmax_model(), []
    history = model.fit(X, HOT, epochs=5, initial_epoch=3, verbose=0,
                        callbacks=[LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))])
    assert epochs == history.epoch == [3, 4]
    assert len(history.history["loss"]) == 2


def test_fit_again_goes_on():
    twice, once = softmax_model(), softmax_model()
    for model in (twice, once):
        model.compile(SGD(lr=0.1, momentum=0.9), "categorical_crossentropy")
    twice.fit(X, HOT, batch_size=8, epochs=2, shuffle=False, verbose=0)
    twice.fit(X, HOT, batch_size=8, epochs=2, shuffle=False, verbose=0)
    once.fit(X, HOT, batch_size=8, epochs=4, shuffle=False, verbose=0)
    for a, b in zip(twice.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiling_again_by_name_starts_the_optimizer_over():
    def trained(*compiled_before):
        np.random.seed(3)
        model = Sequential([Dense(2, input_shape=(3,))])
        for epochs in compiled_before:
            weights = model.get_weights()
            model.compile("adam", "mse")
            model.fit(X, HOT, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
            model.set_weights(weights)
        model.compile("adam", "mse")
        model.fit(X, HOT, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return model

    for a, b in zip(trained().get_weights(), trained(3).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_optimizer_object_keeps_its_count_of_updates():
    model, adam = softmax_model(), Adam()
    for steps in (3, 6):
        model.compile(adam, "mse")
        model.fit(X, HOT, batch_size=8, epochs=1, verbose=0)
        assert K.get_value(adam.iterations) == steps


# ---------------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize("epochs", [1, 3])
def test_validation_split_takes_the_last_rows_before_shuffling(epochs, capsys):
    model = softmax_model()
    hand = Softmax(model)
    np.random.seed(5)
    history = model.fit(X, HOT, batch_size=8, epochs=epochs, validation_split=0.3, verbose=2).history
    assert capsys.readouterr().out.startswith("Train on 16 samples, validate on 7 samples\nEpoch 1/")
    np.random.seed(5)
    order, want = np.arange(16), []
    for _ in range(epochs):
        np.random.shuffle(order)
        hand.epoch(X[:16], HOT[:16], order)
        want.append(hand.values(X[16:], HOT[16:]))
    assert_close(history["val_loss"], np.array(want)[:, 0])
    assert_close(history["val_acc"], np.array(want)[:, 1])
    assert hand.agrees(model)


def test_validation_data_of_two_and_three_parts():
    weights = STATE.uniform(size=23) * (STATE.uniform(size=23) > 0.4)
    model = softmax_model()
    hand = Softmax(model)
    history = model.fit(X, HOT, batch_size=23, epochs=1, validation_data=(X, HOT), verbose=0).history
    hand.epoch(X, HOT, np.arange(23), batch=23)
    assert_close([history["val_loss"][0], history["val_acc"][0]], hand.values(X, HOT))
    history = model.fit(X, HOT, batch_size=23, epochs=1, validation_data=[X, HOT, weights], verbose=0).history
    hand.epoch(X, HOT, np.arange(23), batch=23)
    assert_close([history["val_loss"][0], history["val_acc"][0]], hand.values(X, HOT, weights))


def test_validation_data_wins_over_the_split():
    history = softmax_model().fit(X, HOT, validation_split=0.5, validation_data=(X[:5], HOT[:5]), verbose=0)
    assert history.params["samples"] == 23


def test_callbacks_get_the_validation_arrays():
    seen = []
    model = softmax_model()
    model.fit(X, HOT, epochs=1, validation_split=0.3, verbose=0, callbacks=[watch := Callback()])
    seen = watch.validation_data
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[0], X[16:])
    np.testing.assert_array_equal(seen[1], HOT[16:])
    np.testing.assert_array_equal(seen[2], np.ones(7))


# --------------------------------------------------------------------------------------- evaluate and predict


@pytest.mark.parametrize("batch_size", [None, 8, 23, 100])
def test_evaluate(batch_size):
    model = softmax_model()
    got = model.evaluate(X, HOT, batch_size=batch_size or 32, verbose=0)
    assert model.metrics_names == ["loss", "acc"]
    assert all(isinstance(v, float) for v in got)
    assert_close(got, Softmax(model).values(X, HOT))


def test_evaluate_without_metrics_is_one_number():
    model = softmax_model(metrics=None)
    loss = model.evaluate(X, HOT, verbose=0)
    assert isinstance(loss, float)
    assert_close(loss, Softmax(model).values(X, HOT)[0])
    assert np.ndim(model.train_on_batch(X, HOT)) == np.ndim(model.test_on_batch(X, HOT)) == 0


def test_evaluate_as_a_dict():
    model = softmax_model()
    assert model.evaluate(X, HOT, verbose=0, return_dict=True) == dict(
        zip(["loss", "acc"], model.evaluate(X, HOT, verbose=0)))


@pytest.mark.parametrize("batch_size", [1, 8, 100])
def test_predict(batch_size):
    model = softmax_model()
    got = model.predict(X, batch_size=batch_size)
    assert got.dtype == np.float32
    assert_close(got, Softmax(model).predict(X))
    assert_close(model.predict_on_batch(X), got, 1e-6)
    assert_close(model.predict_proba(X), got, 1e-6)
    np.testing.assert_array_equal(model.predict_classes(X), got.argmax(axis=1))


def test_predict_classes_of_one_output():
    model = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    classes = model.predict_classes(X)  # no compile needed
    assert classes.shape == (23, 1)
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, model.predict(X) > 0.5)
    assert 0 < classes.mean() < 1


def test_predict_proba_warns_of_what_is_no_probability():
    model = Sequential([Dense(1, kernel_initializer="ones", input_shape=(3,))])
    with pytest.warns(UserWarning, match="no probabilities"):
        model.predict_proba(X)


def test_what_predict_returns_is_the_callers():
    model = softmax_model()
    first, batch = model.predict(X), model.predict_on_batch(X)
    kept = first.copy(), batch.copy()
    model.predict(X + 1)
    model.predict_on_batch(X + 1)
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(batch, kept[1])
    first[:] = 0  # and may be written to


@pytest.mark.parametrize("verbose", [0, 1])
def test_what_evaluate_and_predict_print(verbose, capsys):
    model = softmax_model()
    model.evaluate(X, HOT, verbose=verbose)
    model.predict(X, verbose=verbose)
    out = capsys.readouterr().out
    assert len(re.findall(r"23/23 \[=+\] - \d", out)) == 2 * verbose
    assert bool(out) == bool(verbose)


# ------------------------------------------------------------------------------------------------------ one batch


def test_train_on_batch_returns_the_values_before_its_step():
    model = softmax_model()
    hand = Softmax(model)
    for start in (0, 8, 16):
        assert_close(model.train_on_batch(X[start:start + 8], HOT[start:start + 8]),
                     hand.step(X[start:start + 8], HOT[start:start + 8]))
        assert_close(model.test_on_batch(X, HOT), hand.values(X, HOT))
    assert hand.agrees(model)


def test_test_on_batch_trains_nothing():
    model = softmax_model()
    before = model.get_weights()
    assert_close(model.test_on_batch(X, HOT), model.test_on_batch(X, HOT), 0)
    model.evaluate(X, HOT, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# -------------------------------------------------------------------------------------------------- what it prints


def test_verbose_2_is_keras_line_by_line(capsys):
    model = softmax_model()
    history = model.fit(X, HOT, batch_size=8, epochs=2, verbose=2).history
    want = "".join(rf"Epoch {i + 1}/2\n - \d+s - loss: {history['loss'][i]:.4f} - acc: {history['acc'][i]:.4f}\n"
                   for i in range(2))
    assert re.fullmatch(want, capsys.readouterr().out)


def test_verbose_0_prints_nothing(capsys):
    softmax_model().fit(X, HOT, validation_split=0.3, epochs=2, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("by", ["arrays", "generator"])
@pytest.mark.parametrize(("freq", "count"), [(1, 5), (2, 2), ([1, 4], 2), (9, 0)])
def test_validation_freq(by, freq, count):
    def batches():
        while True:
            yield X, HOT
    model = softmax_model()
    data = (X, HOT) if by == "arrays" else (batches(),)
    more = {} if by == "arrays" else {"steps_per_epoch": 1}
    history = model.fit(*data, epochs=5, verbose=0, validation_data=(X, HOT), validation_freq=freq, **more).history
    assert len(history["loss"]) == 5 and len(history.get("val_loss", [])) == count


def test_what_validation_freq_refuses():
    with pytest.raises(ValueError, match="validation_freq must be a number of epochs"):
        softmax_model().fit(X, HOT, verbose=0, validation_split=0.5, validation_freq=0)


def test_history_has_the_order_of_keras_2():
    history = softmax_model().fit(X, HOT, epochs=1, verbose=0, validation_split=0.5).history
    assert list(history) == ["val_loss", "val_acc", "loss", "acc"]
