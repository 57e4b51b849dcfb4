"""What counts how much: sample weights, class weights, loss weights, masks; and several outputs."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.callbacks import LambdaCallback
from gpukeras.layers import Dense, Input, Lambda, Masking
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD

STATE = np.random.RandomState(2)
X = STATE.normal(size=(10, 3))
Y = STATE.normal(size=(10, 2))
CLASSES = np.array([0, 1, 2, 2, 1, 0, 1, 2, 2, 2])
WEIGHTS = np.array([0.0, 1.0, 2.0, 0.5, 0.0, 3.0, 1.0, 1.0, 0.25, 0.0])


def assert_close(got, want, tolerance=2e-6):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def linear(lr=0.1, units=2, **options):
    np.random.seed(1)
    model = Sequential([Dense(units, use_bias=False, input_shape=(3,))])
    model.compile(SGD(lr), options.pop("loss", "mse"), **options)
    return model


def kernel(model):
    return np.asarray(model.get_weights()[0], "float64")


def weighted_mean(losses, weights):
    return (losses * weights).mean() / (weights != 0).mean()


# -------------------------------------------------------------------------------------------------- sample weights


@pytest.mark.parametrize("given", [WEIGHTS, WEIGHTS.tolist(), [WEIGHTS], {"out": WEIGHTS}, WEIGHTS.astype("float32")],
                         ids=["array", "list of numbers", "list of arrays", "dict", "float32"])
def test_sample_weights(given):
    np.random.seed(1)
    model = Sequential([Dense(2, use_bias=False, input_shape=(3,), name="out")])
    model.compile(SGD(0.1), "mse", metrics=["mae"], weighted_metrics=["mae"])
    w = kernel(model)
    losses, errors = ((X @ w - Y) ** 2).mean(axis=1), np.abs(X @ w - Y)
    want = [weighted_mean(losses, WEIGHTS), errors.mean(), weighted_mean(errors.mean(axis=1), WEIGHTS)]
    assert model.metrics_names == ["loss", "mean_absolute_error", "weighted_mean_absolute_error"]
    assert_close(model.test_on_batch(X, Y, sample_weight=given), want)
    assert_close(model.evaluate(X, Y, batch_size=10, sample_weight=given, verbose=0), want)
    assert_close(model.train_on_batch(X, Y, sample_weight=given), want)
    stepped = w - 0.1 * X.T @ ((X @ w - Y) * WEIGHTS[:, None]) / (WEIGHTS != 0).sum()
    assert_close(model.get_weights()[0], stepped)


def test_sample_weights_follow_their_rows_when_shuffled():
    model = linear()
    w = kernel(model)
    np.random.seed(6)
    model.fit(X, Y, batch_size=4, epochs=1, sample_weight=WEIGHTS, verbose=0)
    np.random.seed(6)
    order = np.arange(10)
    np.random.shuffle(order)
    for start in (0, 4, 8):
        rows = order[start:start + 4]
        g = (X[rows] @ w - Y[rows]) * WEIGHTS[rows][:, None] / (WEIGHTS[rows] != 0).sum()
        w = w - 0.1 * X[rows].T @ g
    assert_close(kernel(model), w)


def test_evaluate_averages_batches_by_their_samples_not_their_weights():
    model = linear()
    losses = ((X @ kernel(model) - Y) ** 2).mean(axis=1)
    parts = [weighted_mean(losses[s], WEIGHTS[s]) * len(losses[s]) for s in (slice(0, 4), slice(4, 8), slice(8, 10))]
    assert_close(model.evaluate(X, Y, batch_size=4, sample_weight=WEIGHTS, verbose=0), sum(parts) / 10)


def test_validation_split_takes_the_weights_too():
    model = linear(lr=0.0)
    losses = ((X @ kernel(model) - Y) ** 2).mean(axis=1)
    history = model.fit(X, Y, validation_split=0.5, sample_weight=WEIGHTS, epochs=1, verbose=0).history
    assert_close(history["loss"][0], weighted_mean(losses[:5], WEIGHTS[:5]))
    assert_close(history["val_loss"][0], weighted_mean(losses[5:], WEIGHTS[5:]))


# --------------------------------------------------------------------------------------------------- class weights


@pytest.mark.parametrize("hot", [True, False], ids=["one-hot", "integers"])
def test_class_weights(hot):
    model = linear(units=3)
    model.pop()
    model.add(Dense(3, activation="softmax", input_shape=(3,)))
    model.compile(SGD(0.1), "categorical_crossentropy" if hot else "sparse_categorical_crossentropy")
    table = {0: 1.0, 1: 5.0, 2: 0.5}
    target = np.eye(3)[CLASSES] if hot else CLASSES
    want = (-np.log(model.predict(X)[np.arange(10), CLASSES]) * [table[c] for c in CLASSES]).mean()
    assert_close(model.train_on_batch(X, target, class_weight=table), want, 1e-5)
    losses = -np.log(model.predict(X)[np.arange(10), CLASSES])
    history = model.fit(X, target, batch_size=10, epochs=1, class_weight=table, validation_data=(X, target), verbose=0)
    assert_close(history.history["loss"][0], (losses * [table[c] for c in CLASSES]).mean(), 1e-5)
    losses = -np.log(model.predict(X)[np.arange(10), CLASSES])
    assert_close(history.history["val_loss"][0], losses.mean(), 1e-5)  # validation isn't weighted


def test_sample_weight_wins_over_class_weight():
    model = linear(units=1)
    y = (CLASSES > 0).astype(float)
    both = model.test_on_batch(X, y, sample_weight=WEIGHTS)
    assert_close(model.train_on_batch(X, y, sample_weight=WEIGHTS, class_weight={0: 100.0, 1: 100.0}), both)


def test_class_weight_that_is_no_dict_is_left_out_with_a_warning():
    model = linear(units=1)
    plain = model.test_on_batch(X, CLASSES)
    with pytest.warns(UserWarning, match="class_weight must be a dict"):
        assert_close(model.train_on_batch(X, CLASSES, class_weight="auto"), plain)


# ------------------------------------------------------------------------------------------------------ time steps


def sequences(mode=None, mask=False):
    np.random.seed(1)
    x = Input((4, 3))
    y = Masking(0.0)(x) if mask else x
    model = Model(x, Dense(2, use_bias=False, name="out")(y))
    model.compile(SGD(0.1), "mse", metrics=["mae"], weighted_metrics=["mae"], sample_weight_mode=mode)
    return model


SEQUENCES, TARGETS = STATE.normal(size=(5, 4, 3)), STATE.normal(size=(5, 4, 2))
TEMPORAL = STATE.uniform(size=(5, 4)) * (STATE.uniform(size=(5, 4)) > 0.3)


@pytest.mark.parametrize("mode", ["temporal", ["temporal"], {"out": "temporal"}], ids=["one", "list", "dict"])
def test_weights_for_time_steps(mode):
    model = sequences(mode)
    w = kernel(model)
    losses, errors = (f(SEQUENCES @ w - TARGETS) for f in (np.square, np.abs))
    want = [weighted_mean(losses.mean(axis=2), TEMPORAL), errors.mean(), weighted_mean(errors.mean(axis=2), TEMPORAL)]
    assert_close(model.evaluate(SEQUENCES, TARGETS, sample_weight=TEMPORAL, verbose=0), want)
    unweighted = [losses.mean(), errors.mean(), errors.mean()]
    assert_close(model.test_on_batch(SEQUENCES, TARGETS), unweighted)
    history = model.fit(SEQUENCES, TARGETS, sample_weight=TEMPORAL, epochs=1, verbose=0).history
    assert_close([v[0] for v in history.values()], want)
    step = np.einsum("bti,bto->io", SEQUENCES, (SEQUENCES @ w - TARGETS) * TEMPORAL[..., None]) / (TEMPORAL != 0).sum()
    assert_close(model.get_weights()[0], w - 0.1 * step)


def test_weights_for_whole_sequences():
    model = sequences()
    weights = WEIGHTS[1:6]
    losses = ((SEQUENCES @ kernel(model) - TARGETS) ** 2).mean(axis=(1, 2))
    assert_close(model.test_on_batch(SEQUENCES, TARGETS, sample_weight=weights)[0], weighted_mean(losses, weights))


# ------------------------------------------------------------------------------------------------------------ masks


def test_masks_leave_steps_out_of_losses_and_metrics():
    model = sequences("temporal", mask=True)
    x = SEQUENCES.copy()
    kept = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 1]])
    x[kept == 0] = 0
    w = kernel(model)
    losses, errors = ((f(x @ w - TARGETS)).mean(axis=2) for f in (np.square, np.abs))
    mean = kept.mean()

    def masked(values, weights=None):
        values = values * kept / mean
        return values.mean() if weights is None else weighted_mean(values, weights)

    assert_close(model.test_on_batch(x, TARGETS), [masked(losses), masked(errors), masked(errors)])
    assert_close(masked(losses), losses[kept == 1].mean())  # that is: the mean over what isn't masked
    assert_close(model.evaluate(x, TARGETS, sample_weight=TEMPORAL, verbose=0),
                 [masked(losses, TEMPORAL), masked(errors), masked(errors, TEMPORAL)])
    model.train_on_batch(x, TARGETS)
    step = 2 * np.einsum("bti,bto->io", x, (x @ w - TARGETS) * kept[..., None]) / (kept.sum() * 2)
    assert_close(model.get_weights()[0], w - 0.1 * step)


# ------------------------------------------------------------------------------------------------- several of each


def two_outputs(loss="mse", **options):
    np.random.seed(1)
    a, b = Input((3,), name="a"), Input((2,), name="b")
    joint = Lambda(lambda t: K.concatenate(t))([a, b])
    model = Model([a, b], [Dense(2, use_bias=False, name="left")(joint), Dense(1, use_bias=False, name="right")(joint)])
    model.compile(options.pop("optimizer", SGD(0.1)), loss, **options)
    return model


A, B = STATE.normal(size=(10, 3)), STATE.normal(size=(10, 2))
LEFT, RIGHT = STATE.normal(size=(10, 2)), STATE.normal(size=(10, 1))
AB = np.concatenate([A, B], axis=1)


def parts(model):
    left, right = (np.asarray(model.get_layer(n).get_weights()[0], "float64") for n in ("left", "right"))
    return AB @ left - LEFT, AB @ right - RIGHT


@pytest.mark.parametrize(("x", "y"), [
    ([A, B], [LEFT, RIGHT]),
    ((A, B), (LEFT, RIGHT)),
    ({"b": B, "a": A}, {"right": RIGHT, "left": LEFT}),
    ([A.tolist(), B], [LEFT, RIGHT[:, 0]]),
    ([A.astype("float32"), np.asfortranarray(B)], [LEFT, RIGHT]),
], ids=["lists", "tuples", "dicts", "rows and numbers", "other layouts"])
def test_inputs_and_outputs_in_every_form(x, y):
    model = two_outputs()
    p, q = parts(model)
    want = [(p ** 2).mean() + (q ** 2).mean(), (p ** 2).mean(), (q ** 2).mean()]
    assert model.metrics_names == ["loss", "left_loss", "right_loss"]
    assert_close(model.evaluate(x, y, batch_size=4, verbose=0), want)
    assert_close(model.test_on_batch(x, y), want)
    for got, error, target in zip(model.predict(x, batch_size=4), (p, q), (LEFT, RIGHT), strict=True):
        assert_close(got, error + target)
    for got, error, target in zip(model.predict_on_batch(x), (p, q), (LEFT, RIGHT), strict=True):
        assert_close(got, error + target)
    history = model.fit(x, y, batch_size=10, epochs=1, validation_data=(x, y), verbose=0).history
    assert_close([history[n][0] for n in model.metrics_names], want)
    assert_close(model.train_on_batch(x, y)[0], history["val_loss"][0])


@pytest.mark.parametrize("weights", [[0.5, 2.0], {"left": 0.5, "right": 2.0}, {"right": 2.0}], ids=str)
def test_loss_weights(weights):
    model = two_outputs(["mse", "mae"], loss_weights=weights)
    p, q = parts(model)
    factor = 1.0 if weights == {"right": 2.0} else 0.5
    assert_close(model.test_on_batch([A, B], [LEFT, RIGHT]),
                 [factor * (p ** 2).mean() + 2 * np.abs(q).mean(), (p ** 2).mean(), np.abs(q).mean()])
    before = model.get_layer("left").get_weights()[0]
    model.train_on_batch([A, B], [LEFT, RIGHT])
    assert_close(model.get_layer("left").get_weights()[0], before - 0.1 * factor * AB.T @ p / 10)


def test_loss_weights_that_are_variables_may_change():
    share = K.variable(1.0)
    model = two_outputs(loss_weights=[share, 1.0])
    p, q = parts(model)
    for value in (1.0, 0.0, 3.0):
        K.set_value(share, value)
        assert_close(model.test_on_batch([A, B], [LEFT, RIGHT])[0], value * (p ** 2).mean() + (q ** 2).mean())


def test_losses_by_name_of_output():
    model = two_outputs({"right": "mae", "left": "mse"})
    p, q = parts(model)
    assert_close(model.test_on_batch([A, B], [LEFT, RIGHT])[1:], [(p ** 2).mean(), np.abs(q).mean()])


def test_an_output_without_a_loss_takes_no_target():
    with pytest.warns(UserWarning, match='Output "left" missing from loss dictionary'):
        model = two_outputs({"right": "mae"}, metrics=["mse"])
    _, q = parts(model)
    assert model.metrics_names == ["loss", "right_loss", "right_mean_squared_error"]
    assert_close(model.test_on_batch([A, B], RIGHT), [np.abs(q).mean()] * 2 + [(q ** 2).mean()])
    assert_close(model.test_on_batch([A, B], {"right": RIGHT})[0], np.abs(q).mean())
    assert len(model.predict([A, B])) == 2


@pytest.mark.parametrize(("metrics", "names"), [
    (["mse", "mae"], ["left_mean_squared_error", "left_mean_absolute_error", "right_mean_squared_error",
                      "right_mean_absolute_error"]),
    ({"right": "mae"}, ["right_mean_absolute_error"]),
    ({"left": ["mse", "mae"], "right": []}, ["left_mean_squared_error", "left_mean_absolute_error"]),
    ([], []),
], ids=["list", "dict", "dict of lists", "empty"])
def test_metrics_of_several_outputs(metrics, names):
    model = two_outputs(metrics=metrics)
    p, q = parts(model)
    assert model.metrics_names == ["loss", "left_loss", "right_loss", *names]
    values = {"left_mean_squared_error": (p ** 2).mean(), "left_mean_absolute_error": np.abs(p).mean(),
              "right_mean_squared_error": (q ** 2).mean(), "right_mean_absolute_error": np.abs(q).mean()}
    assert_close(model.test_on_batch([A, B], [LEFT, RIGHT])[3:], [values[n] for n in names])


@pytest.mark.parametrize("weights", [[None, WEIGHTS], {"right": WEIGHTS}], ids=["list", "dict"])
def test_sample_weights_of_one_output(weights):
    model = two_outputs()
    p, q = parts(model)
    want = [(p ** 2).mean(), weighted_mean((q ** 2)[:, 0], WEIGHTS)]
    assert_close(model.test_on_batch([A, B], [LEFT, RIGHT], sample_weight=weights)[1:], want)
    assert_close(model.train_on_batch([A, B], [LEFT, RIGHT], sample_weight=weights)[1:], want)


@pytest.mark.parametrize("weights", [[{0: 1.0, 1: 2.0}, None], {"left": {0: 1.0, 1: 2.0}}], ids=["list", "dict"])
def test_class_weights_of_one_output(weights):
    model = two_outputs()
    p, q = parts(model)
    factors = 1.0 + LEFT.argmax(axis=1)
    assert_close(model.train_on_batch([A, B], [LEFT, RIGHT], class_weight=weights)[1:],
                 [((p ** 2).mean(axis=1) * factors).mean(), (q ** 2).mean()])


def test_one_layer_that_makes_both_outputs_numbers_its_metrics():
    a, b = Input((3,)), Input((3,))
    shared = Dense(1, name="out")
    model = Model([a, b], [shared(a), shared(b)])
    model.compile("sgd", "mse")
    assert model.metrics_names == ["loss", "out_loss", "out_loss"]
    history = model.fit([A, A + 1], [RIGHT, RIGHT], verbose=0).history
    assert list(history) == ["loss", "out_loss_1", "out_loss_2"]
    assert_close(history["loss"][0], history["out_loss_1"][0] + history["out_loss_2"][0])


# --------------------------------------------------------------------------------- functions of the user's own


def test_losses_and_metrics_of_ones_own():
    def fourth(y_true, y_pred):
        return K.mean(K.pow(y_true - y_pred, 4), axis=-1)

    def bias(y_true, y_pred):
        return K.mean(y_pred - y_true)  # a scalar, not one value a sample

    model = linear(loss=fourth, metrics=[fourth, bias])
    w = kernel(model)
    assert model.metrics_names == ["loss", "fourth", "bias"]
    error = X @ w - Y
    fourths = (error ** 4).mean()
    assert_close(model.evaluate(X, Y, batch_size=4, verbose=0), [fourths, fourths, error.mean()], 1e-5)
    model.train_on_batch(X, Y)
    assert_close(kernel(model), w - 0.1 * X.T @ (4 * error ** 3) / 20, 1e-5)


def test_a_loss_of_ones_own_takes_targets_of_another_shape():
    model = linear(loss=lambda y_true, y_pred: K.square(K.sum(y_pred, axis=-1) - y_true[:, 0]), units=2)
    assert_close(model.test_on_batch(X, CLASSES), (((X @ kernel(model)).sum(axis=1) - CLASSES) ** 2).mean(), 1e-5)


@pytest.mark.parametrize("names", [["accuracy"], ["acc"]])
@pytest.mark.parametrize(("units", "loss", "target", "hits"), [
    (1, "mse", (CLASSES > 0) * 1.0, lambda p: np.round(p[:, 0]) == (CLASSES > 0)),
    (3, "mse", np.eye(3)[CLASSES], lambda p: p.argmax(axis=1) == CLASSES),
    (3, "sparse_categorical_crossentropy", CLASSES, lambda p: p.argmax(axis=1) == CLASSES),
    (3, "binary_crossentropy", np.eye(3)[CLASSES], lambda p: np.round(p) == np.eye(3)[CLASSES]),
], ids=["one unit", "one-hot", "integers", "binary"])
def test_accuracy_means_what_fits_loss_and_shape(units, loss, target, hits, names):
    np.random.seed(1)
    model = Sequential([Dense(units, activation="sigmoid", input_shape=(3,))])
    model.compile("sgd", loss, metrics=names)
    assert model.metrics_names == ["loss", "acc"]
    assert_close(model.test_on_batch(X, target)[1], hits(model.predict(X)).mean())
    assert list(model.fit(X, target, verbose=0, epochs=1, validation_split=0.5).history) == [
        "val_loss", "val_acc", "loss", "acc"]  # the order of Keras 2


def test_no_loss_but_add_loss():
    x = Input((3,))
    dense = Dense(2, use_bias=False)
    y = dense(x)
    model = Model(x, y)
    model.add_loss(K.mean(K.square(y), axis=-1), inputs=[x])
    model.add_loss(K.sum(K.abs(dense.kernel)))
    model.compile(SGD(0.1), loss=None)
    w = kernel(model)
    want = ((X @ w) ** 2).mean() + np.abs(w).sum()
    assert_close(model.evaluate(X, None, verbose=0), want)
    assert_close(model.fit(X, batch_size=10, epochs=1, verbose=0).history["loss"], [want])
    assert_close(kernel(model), w - 0.1 * (2 * X.T @ (X @ w) / 20 + np.sign(w)))
    assert isinstance(model.train_on_batch(X, None), np.floating)


def test_batches_of_several_outputs_are_logged():
    seen = []
    model = two_outputs(metrics={"right": "mae"})
    model.fit([A, B], [LEFT, RIGHT], batch_size=4, epochs=1, verbose=0,
              callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: seen.append(dict(logs)))])
    assert [list(s) for s in seen] == [["batch", "size", *model.metrics_names]] * 3
    assert [s["size"] for s in seen] == [4, 4, 2]
    for s in seen:
        assert_close(s["loss"], s["left_loss"] + s["right_loss"])
