"""fit, evaluate, predict and their one-batch kin against loops written out in NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import Callback, LambdaCallback, LearningRateScheduler
from gpukeras.layers import Dense, Dropout, Input, InputLayer
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD, Adam

STATE = np.random.RandomState(11)
X = STATE.normal(size=(23, 3))  # 23 rows in batches of 8: the last has 7
Y = STATE.randint(0, 2, size=23)
HOT = np.eye(2)[Y]


def softmax_model(lr=0.5, **options):
    np.random.seed(3)
    model = Sequential([Dense(2, activation="softmax", input_shape=(3,))])
    model.compile(SGD(lr=lr), "categorical_crossentropy", **{"metrics": ["acc"], **options})
    return model


class Softmax:
    """The same model by hand, in float64."""

    def __init__(self, model, lr=0.5):
        self.w, self.b = (np.asarray(a, "float64") for a in model.get_weights())
        self.lr = lr

    def predict(self, x):
        e = np.exp(x @ self.w + self.b)
        return e / e.sum(axis=1, keepdims=True)

    def values(self, x, t, weights=None):
        """Loss and accuracy of a batch."""
        p = self.predict(x)
        losses = -(t * np.log(p)).sum(axis=1)
        weights = np.ones(len(x)) if weights is None else weights
        hits = p.argmax(axis=1) == t.argmax(axis=1)
        return np.array([(losses * weights).mean() / (weights != 0).mean(), hits.mean()])

    def step(self, x, t, weights=None):
        values = self.values(x, t, weights)
        weights = np.ones(len(x)) if weights is None else weights
        g = (self.predict(x) - t) * weights[:, None] / (weights != 0).sum()
        self.w, self.b = self.w - self.lr * x.T @ g, self.b - self.lr * g.sum(axis=0)
        return values

    def epoch(self, x, t, order, batch=8, weights=None):
        """Averages over the samples of all batches."""
        total = np.zeros(2)
        for start in range(0, len(order), batch):
            rows = order[start:start + batch]
            total += self.step(x[rows], t[rows], None if weights is None else weights[rows]) * len(rows)
        return total / len(order)

    def agrees(self, model, tolerance=1e-5):
        for got, want in zip(model.get_weights(), (self.w, self.b), strict=True):
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------ whole epochs


def test_epochs_without_shuffling():
    model = softmax_model()
    hand = Softmax(model)
    history = model.fit(X, HOT, batch_size=8, epochs=3, shuffle=False, verbose=0).history
    want = np.array([hand.epoch(X, HOT, np.arange(23)) for _ in range(3)])
    close(history["loss"], want[:, 0])
    close(history["acc"], want[:, 1])
    hand.agrees(model)


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
    close(history["loss"], losses)
    hand.agrees(model)


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
    close(history["loss"], losses)
    assert order[-3:].tolist() == [20, 21, 22]
    hand.agrees(model)


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
    close(history["val_loss"], np.array(want)[:, 0])
    close(history["val_acc"], np.array(want)[:, 1])
    hand.agrees(model)


def test_validation_data_of_two_and_three_parts():
    weights = STATE.uniform(size=23) * (STATE.uniform(size=23) > 0.4)
    model = softmax_model()
    hand = Softmax(model)
    history = model.fit(X, HOT, batch_size=23, epochs=1, validation_data=(X, HOT), verbose=0).history
    hand.epoch(X, HOT, np.arange(23), batch=23)
    close([history["val_loss"][0], history["val_acc"][0]], hand.values(X, HOT))
    history = model.fit(X, HOT, batch_size=23, epochs=1, validation_data=[X, HOT, weights], verbose=0).history
    hand.epoch(X, HOT, np.arange(23), batch=23)
    close([history["val_loss"][0], history["val_acc"][0]], hand.values(X, HOT, weights))


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
    close(got, Softmax(model).values(X, HOT))


def test_evaluate_without_metrics_is_one_number():
    model = softmax_model(metrics=None)
    loss = model.evaluate(X, HOT, verbose=0)
    assert isinstance(loss, float)
    close(loss, Softmax(model).values(X, HOT)[0])
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
    close(got, Softmax(model).predict(X))
    close(model.predict_on_batch(X), got, 1e-6)
    close(model.predict_proba(X), got, 1e-6)
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
        close(model.train_on_batch(X[start:start + 8], HOT[start:start + 8]),
              hand.step(X[start:start + 8], HOT[start:start + 8]))
        close(model.test_on_batch(X, HOT), hand.values(X, HOT))
    hand.agrees(model)


def test_test_on_batch_trains_nothing():
    model = softmax_model()
    before = model.get_weights()
    close(model.test_on_batch(X, HOT), model.test_on_batch(X, HOT), 0)
    model.evaluate(X, HOT, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# -------------------------------------------------------------------------------------------------- what it prints


def test_verbose_2_is_keras_line_by_line(capsys):
    model = softmax_model()
    history = model.fit(X, HOT, batch_size=8, epochs=2, verbose=2).history
    want = "".join(f"Epoch {i + 1}/2\n - 0s - loss: {history['loss'][i]:.4f} - acc: {history['acc'][i]:.4f}\n"
                   for i in range(2))
    assert capsys.readouterr().out == want


def test_verbose_0_prints_nothing(capsys):
    softmax_model().fit(X, HOT, validation_split=0.3, epochs=2, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


# -------------------------------------------------------------------------------------------------- learning rate


@pytest.mark.parametrize("change", [
    lambda model: setattr(model.optimizer, "lr", 0.125),
    lambda model: setattr(model.optimizer, "learning_rate", 0.125),
    lambda model: K.set_value(model.optimizer.lr, 0.125),
    lambda model: K.set_value(model.optimizer.learning_rate, np.float32(0.125)),
], ids=["lr", "learning_rate", "set_value", "set_value of the newer name"])
def test_a_new_learning_rate_counts_from_the_next_batch(change):
    model = softmax_model()
    hand = Softmax(model)
    function = None
    for lr in (0.5, 0.125):
        hand.lr = lr
        model.train_on_batch(X, HOT)
        hand.step(X, HOT)
        hand.agrees(model)
        assert function is None or function is model.train_function  # nothing is compiled again
        function = model.train_function
        change(model)
    assert float(K.get_value(model.optimizer.lr)) == float(K.get_value(model.optimizer.learning_rate)) == 0.125


def test_a_rate_changed_by_callbacks():
    model = softmax_model()
    hand = Softmax(model)

    def halve(batch, logs):
        model.optimizer.lr = 0.25 if batch == 0 else 0.5

    model.fit(X, HOT, batch_size=8, epochs=1, shuffle=False, verbose=0, callbacks=[LambdaCallback(on_batch_end=halve)])
    for lr, start in ((0.5, 0), (0.25, 8), (0.5, 16)):
        hand.lr = lr
        hand.step(X[start:start + 8], HOT[start:start + 8])
    hand.agrees(model)
    model.fit(X, HOT, batch_size=23, epochs=2, shuffle=False, verbose=0,
              callbacks=[LearningRateScheduler(lambda epoch: [1.0, 0.1][epoch])])
    for hand.lr in (1.0, 0.1):
        hand.step(X, HOT)
    hand.agrees(model)


# ---------------------------------------------------------------------------------------- stopping, interruptions


def test_a_callback_stops_in_the_middle_of_an_epoch():
    model = softmax_model()
    hand = Softmax(model)

    def stop(batch, logs):
        model.stop_training = batch == 1

    history = model.fit(X, HOT, batch_size=8, epochs=3, shuffle=False, verbose=0, validation_split=0.0,
                        validation_data=(X, HOT), callbacks=[LambdaCallback(on_batch_end=stop)])
    want = hand.epoch(X, HOT, np.arange(16))
    hand.agrees(model)
    assert history.epoch == [0]
    close(history.history["loss"], want[:1])  # over the samples that were seen
    assert "val_loss" not in history.history  # half an epoch isn't validated


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end",
                                  "on_test_batch_end"])
@pytest.mark.parametrize("verbose", [0, 1])
def test_an_interrupted_model_is_usable(hook, verbose):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    model = softmax_model()
    weights = model.get_weights()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, HOT, batch_size=8, epochs=2, verbose=verbose, validation_split=0.3,
                  callbacks=[LambdaCallback(**{hook: interrupt})])
    model.set_weights(weights)
    hand = Softmax(model)
    close(model.evaluate(X, HOT, verbose=0), hand.values(X, HOT))
    model.fit(X, HOT, batch_size=8, epochs=1, shuffle=False, verbose=verbose)
    hand.epoch(X, HOT, np.arange(23))
    hand.agrees(model)
    close(model.predict(X), hand.predict(X))


# ------------------------------------------------------------------------------------------------ weights of layers


def test_a_change_of_trainable_waits_for_compile():
    model = softmax_model()
    layer = model.layers[0]
    layer.trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="Discrepancy"):
        model.train_on_batch(X, HOT)
    assert not np.array_equal(model.get_weights()[0], before[0])  # what compile saw is trained
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, HOT, verbose=0, epochs=1)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Discrepancy")
def test_two_models_in_a_contest_share_a_layer():
    """The pattern of generative adversarial networks, by hand too."""
    np.random.seed(4)
    critic = Sequential([Dense(1, use_bias=False, input_shape=(3,))], name="critic")
    critic.compile(SGD(0.1), "mse")
    critic.trainable = False
    z = Input((2,))
    generator = Model(z, Dense(3, use_bias=False)(z))
    both = Model(z, critic(generator(z)))
    both.compile(SGD(0.2), "mse")
    c, g = (np.asarray(m.get_weights()[0], "float64") for m in (critic, generator))
    noise, zeros, ones = STATE.normal(size=(6, 2)), np.zeros((6, 1)), np.ones((6, 1))
    for _ in range(3):
        fakes = generator.predict(noise)
        close(fakes, noise @ g)
        critic.train_on_batch(fakes, zeros)
        f = noise @ g
        c = c - 0.1 * f.T @ (2 * (f @ c - 0) / 6)
        loss = both.train_on_batch(noise, ones)
        error = noise @ g @ c - 1
        close(loss, (error ** 2).mean())
        g = g - 0.2 * noise.T @ (2 * error / 6 @ c.T)
        close(critic.get_weights()[0], c)
        close(generator.get_weights()[0], g)


def test_an_encoder_and_its_autoencoder_are_trained_apart_and_share_weights():
    np.random.seed(4)
    x = Input((3,))
    code = Dense(2, use_bias=False, name="code")(x)
    encoder, whole = Model(x, code), Model(x, Dense(3, use_bias=False)(code))
    whole.compile(SGD(0.1, momentum=0.5), "mse")
    whole.fit(X, X, verbose=0, epochs=2)
    encoder.compile(SGD(0.1, momentum=0.5), "mse")
    whole.fit(X, X, verbose=0, epochs=1)
    close(encoder.predict(X), X @ whole.get_layer("code").get_weights()[0])
    before, decoder = encoder.get_weights()[0], whole.layers[-1].get_weights()[0]
    encoder.train_on_batch(X, HOT)
    w = np.asarray(before, "float64")
    close(whole.get_weights()[0], w - 0.1 * X.T @ (X @ w - HOT) / 23)
    np.testing.assert_array_equal(whole.layers[-1].get_weights()[0], decoder)
    close(whole.predict(X), X @ whole.get_weights()[0] @ decoder)


# ----------------------------------------------------------------------------------------------- dropout, tensors


def test_dropout_is_for_training_only():
    a = Input((50,))
    model = Model(a, Dropout(0.5)(a))
    model.compile("sgd", "mse")
    ones = np.ones((4, 50))
    np.testing.assert_array_equal(model.predict(ones), ones)
    assert model.evaluate(ones, ones, verbose=0) == 0
    assert model.test_on_batch(ones, ones) == 0
    assert 0.5 < model.train_on_batch(ones, ones) < 1.5
    history = model.fit(ones, ones, validation_data=(ones, ones), verbose=0).history
    assert 0.5 < history["loss"][0] < 1.5
    assert history["val_loss"] == [0.0]


def test_training_after_clear_session_still_drops():
    a = Input((50,))
    model = Model(a, Dropout(0.5)(a))
    model.compile("sgd", "mse")
    K.clear_session()
    assert 0.5 < model.train_on_batch(np.ones((4, 50)), np.ones((4, 50))) < 1.5


def test_a_fixed_learning_phase():
    ones = np.ones((4, 50))
    try:
        K.set_learning_phase(1)
        model = Sequential([Dropout(0.5, input_shape=(50,))])
        model.compile("sgd", "mse")
        assert not np.array_equal(model.predict(ones), ones)
        assert model.evaluate(ones, ones, verbose=0) > 0.5
    finally:
        K.clear_session()


def test_a_phase_fixed_after_the_functions_were_made():
    ones = np.ones((4, 50))
    model = Sequential([Dropout(0.5, input_shape=(50,))])
    model.compile("sgd", "mse")
    model.train_on_batch(ones, ones)
    try:
        K.set_learning_phase(0)
        assert model.train_on_batch(ones, ones) > 0.5  # the function is the one made before
    finally:
        K.clear_session()


def tensor_model():
    """A model that reads constants, and knows its targets."""
    x = Input(tensor=K.constant(X))
    model = Model(x, Dense(2, use_bias=False, kernel_initializer="zeros")(x))
    model.compile(SGD(0.1), "mse", target_tensors=[K.constant(HOT)])
    return model


def test_steps_over_tensors():
    model, batches = tensor_model(), []
    history = model.fit(epochs=2, steps_per_epoch=3, verbose=0, callbacks=[
        LambdaCallback(on_batch_end=lambda batch, logs: batches.append((batch, logs["size"], logs["loss"])))])
    w, losses = np.zeros((3, 2)), []
    for _ in range(6):
        losses.append(((X @ w - HOT) ** 2).mean())
        w -= 0.1 * X.T @ (X @ w - HOT) / 23
    close(model.get_weights()[0], w)
    close([b[2] for b in batches], losses)
    assert [b[:2] for b in batches] == [(0, 1), (1, 1), (2, 1)] * 2
    close(history.history["loss"], np.reshape(losses, (2, 3)).mean(axis=1))
    assert history.params["steps"] == 3
    final = ((X @ w - HOT) ** 2).mean()
    close(model.evaluate(steps=2, verbose=0), final)
    close(model.train_on_batch(None, None), final)
    prediction = tensor_model().predict(None, steps=2)
    assert prediction.shape == (46, 2)
    assert not prediction.any()


def test_validation_steps_over_tensors():
    history = tensor_model().fit(None, None, steps_per_epoch=2, validation_steps=1, verbose=0, epochs=2).history
    assert len(history["val_loss"]) == 2
    assert history["val_loss"][0] > history["loss"][1] > history["val_loss"][1]


def test_sequential_reads_tensors_in_steps():
    model = Sequential([InputLayer(input_tensor=K.constant(X)), Dense(2, kernel_initializer="zeros")])
    model.compile(SGD(0.1), "mse", target_tensors=[K.constant(HOT)])
    losses = model.fit(epochs=2, steps_per_epoch=2, verbose=0).history["loss"]
    assert losses[0] > losses[1] > 0
    close(model.evaluate(steps=1, verbose=0), ((model.predict(None, steps=1) - HOT) ** 2).mean())
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit()


def test_target_placeholder_of_ones_own():
    x = Input((3,))
    target = K.placeholder((None, 2), name="mine")
    model = Model(x, Dense(2)(x))
    model.compile(SGD(0.1), "mse", target_tensors=target)
    assert model.targets == [target]
    before = model.evaluate(X, HOT, verbose=0)
    model.fit(X, HOT, epochs=5, verbose=0)
    assert model.evaluate(X, HOT, verbose=0) < before


# --------------------------------------------------------------------------------------------- names and statefulness


def test_nothing_is_stateful_here():
    model = softmax_model()
    assert model.stateful is False
    assert model.state_updates == []
    assert model.layers[0].stateful is False
    model.reset_states()


def test_nb_epoch_warns():
    with pytest.warns(UserWarning, match="`nb_epoch` is Keras 1 spelling; write `epochs`"):
        assert len(softmax_model().fit(X, HOT, nb_epoch=2, verbose=0).epoch) == 2


def test_verbose_auto_and_queue_arguments_of_newer_programs(capsys):
    softmax_model().fit(X, HOT, epochs=1, verbose="auto", workers=2, max_queue_size=3, use_multiprocessing=False)
    assert "loss" in capsys.readouterr().out
