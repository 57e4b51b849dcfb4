"""What changes while a model is trained: its learning rate, the end of an epoch, an interruption, what is trainable,
who shares its layers; and models on tensors of their own."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import LambdaCallback, LearningRateScheduler
from gpukeras.layers import Dense, Dropout, Input, InputLayer
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD, Optimizer
from tests.engine.softmax_by_hand import HOT, STATE, Softmax, X, assert_close, softmax_model

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
        assert hand.agrees(model)
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
    assert hand.agrees(model)
    model.fit(X, HOT, batch_size=23, epochs=2, shuffle=False, verbose=0,
              callbacks=[LearningRateScheduler(lambda epoch: [1.0, 0.1][epoch])])
    for hand.lr in (1.0, 0.1):
        hand.step(X, HOT)
    assert hand.agrees(model)


# ---------------------------------------------------------------------------------------- stopping, interruptions


def test_a_callback_stops_in_the_middle_of_an_epoch():
    model = softmax_model()
    hand = Softmax(model)

    def stop(batch, logs):
        model.stop_training = batch == 1

    history = model.fit(X, HOT, batch_size=8, epochs=3, shuffle=False, verbose=0, validation_split=0.0,
                        validation_data=(X, HOT), callbacks=[LambdaCallback(on_batch_end=stop)])
    want = hand.epoch(X, HOT, np.arange(16))
    assert hand.agrees(model)
    assert history.epoch == [0]
    assert_close(history.history["loss"], want[:1])  # over the samples that were seen
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
    assert_close(model.evaluate(X, HOT, verbose=0), hand.values(X, HOT))
    model.fit(X, HOT, batch_size=8, epochs=1, shuffle=False, verbose=verbose)
    hand.epoch(X, HOT, np.arange(23))
    assert hand.agrees(model)
    assert_close(model.predict(X), hand.predict(X))


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
        assert_close(fakes, noise @ g)
        critic.train_on_batch(fakes, zeros)
        f = noise @ g
        c = c - 0.1 * f.T @ (2 * (f @ c - 0) / 6)
        loss = both.train_on_batch(noise, ones)
        error = noise @ g @ c - 1
        assert_close(loss, (error ** 2).mean())
        g = g - 0.2 * noise.T @ (2 * error / 6 @ c.T)
        assert_close(critic.get_weights()[0], c)
        assert_close(generator.get_weights()[0], g)


def test_an_encoder_and_its_autoencoder_are_trained_apart_and_share_weights():
    np.random.seed(4)
    x = Input((3,))
    code = Dense(2, use_bias=False, name="code")(x)
    encoder, whole = Model(x, code), Model(x, Dense(3, use_bias=False)(code))
    whole.compile(SGD(0.1, momentum=0.5), "mse")
    whole.fit(X, X, verbose=0, epochs=2)
    encoder.compile(SGD(0.1, momentum=0.5), "mse")
    whole.fit(X, X, verbose=0, epochs=1)
    assert_close(encoder.predict(X), X @ whole.get_layer("code").get_weights()[0])
    before, decoder = encoder.get_weights()[0], whole.layers[-1].get_weights()[0]
    encoder.train_on_batch(X, HOT)
    w = np.asarray(before, "float64")
    assert_close(whole.get_weights()[0], w - 0.1 * X.T @ (X @ w - HOT) / 23)
    np.testing.assert_array_equal(whole.layers[-1].get_weights()[0], decoder)
    assert_close(whole.predict(X), X @ whole.get_weights()[0] @ decoder)


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
    assert_close(model.get_weights()[0], w)
    assert_close([b[2] for b in batches], losses)
    assert [b[:2] for b in batches] == [(0, 1), (1, 1), (2, 1)] * 2
    assert_close(history.history["loss"], np.reshape(losses, (2, 3)).mean(axis=1))
    assert history.params["steps"] == 3
    final = ((X @ w - HOT) ** 2).mean()
    assert_close(model.evaluate(steps=2, verbose=0), final)
    assert_close(model.train_on_batch(None, None), final)
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
    assert_close(model.evaluate(steps=1, verbose=0), ((model.predict(None, steps=1) - HOT) ** 2).mean())
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
    with pytest.warns(UserWarning, match="`nb_epoch` is Keras 1 spelling. Write `fit\\(.*epochs=2"):
        assert len(softmax_model().fit(X, HOT, nb_epoch=2, verbose=0).epoch) == 2


def test_verbose_auto_and_queue_arguments_of_newer_programs(capsys):
    softmax_model().fit(X, HOT, epochs=1, verbose="auto", workers=2, max_queue_size=3, use_multiprocessing=False)
    assert "loss" in capsys.readouterr().out


# ------------------------------------------------------------------------------------- optimizers of the user's own


class Descent(Optimizer):
    """Written as for Keras 2.0.9."""

    def __init__(self, lr, **kwargs):
        super().__init__(**kwargs)
        self.lr = K.variable(lr, name="lr")
        self.iterations = K.variable(0, dtype="int64", name="iterations")

    def get_updates(self, loss, params):
        self.updates = [K.update_add(self.iterations, 1)]
        self.weights = [self.iterations]
        for p, g in zip(params, self.get_gradients(loss, params), strict=True):
            new = p - self.lr * g
            self.updates.append(K.update(p, new if p.constraint is None else p.constraint(new)))
        return self.updates

    def get_config(self):
        return {"lr": float(K.get_value(self.lr))}


def test_an_optimizer_of_ones_own():
    model = softmax_model()
    hand = Softmax(model)
    model.compile(Descent(0.5), "categorical_crossentropy")
    model.fit(X, HOT, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        hand.epoch(X, HOT, np.arange(23))
    assert hand.agrees(model)
    assert model.optimizer.get_weights() == [6]
    model.optimizer.lr = 0.25
    hand.lr = 0.25
    model.train_on_batch(X, HOT)
    hand.step(X, HOT)
    assert hand.agrees(model)


def test_gradients_of_a_compiled_model_by_hand():
    model = softmax_model()
    kernel_gradient, _ = model.optimizer.get_gradients(model.total_loss, model.trainable_weights)
    read = K.function([*model.inputs, *model.targets, *model.sample_weights, K.learning_phase()], [kernel_gradient])
    assert_close(read([X, HOT, np.ones(23), 1])[0], X.T @ (Softmax(model).predict(X) - HOT) / 23)
