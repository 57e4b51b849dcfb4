"""LossScaleOptimizer: the course of the scale, steps that are left out, and any optimizer inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device, mixed_precision, optimizers
from gpukeras.callbacks import BackupAndRestore, LearningRateScheduler, ReduceLROnPlateau
from gpukeras.layers import Activation, Dense, Embedding, Flatten
from gpukeras.mixed_precision import LossScaleOptimizer, experimental
from gpukeras.models import Sequential
from gpukeras.optimizers import SGD, Adam, Nadam, Optimizer

X = np.random.RandomState(0).standard_normal((16, 4)).astype("float32")
Y = np.eye(3)[np.arange(16) % 3]
TOO_LARGE = np.where(np.arange(16)[:, None] == 0, 3e4, X)  # its derivatives overflow under a scale of 32


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    mixed_precision.set_global_policy("mixed_float16")
    yield
    mixed_precision.set_global_policy(None)


def net(optimizer: Any) -> Sequential:
    model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(3),
                        Activation("softmax", dtype="float32")])
    rng = np.random.RandomState(5)
    model.set_weights([rng.standard_normal(w.shape) * 0.5 for w in model.get_weights()])
    model.compile(optimizer, "categorical_crossentropy")
    return model


@pytest.mark.parametrize("first, growth, course", [
    # of Keras 2.15 on TensorFlow's CPU: (scale, good steps) after each of 16 steps
    (2.0 ** 24, 3, [(2 ** 23, 0), (2 ** 22, 0), (2 ** 21, 0), (2 ** 20, 0), (2 ** 19, 0), (2 ** 18, 0), (2 ** 17, 0),
                    (2 ** 17, 1), (2 ** 17, 2), (2 ** 16, 0), (2 ** 16, 1), (2 ** 16, 2), (2 ** 17, 0), (2 ** 17, 1),
                    (2 ** 17, 2), (2 ** 18, 0)]),
    (2, 2, [(2, 1), (4, 0), (4, 1), (8, 0), (8, 1), (16, 0), (16, 1), (32, 0), (32, 1), (16, 0), (16, 1), (32, 0),
            (32, 1), (64, 0), (64, 1), (128, 0)])])
def test_the_course_of_the_scale_is_that_of_keras(first: float, growth: int, course: list[Any]) -> None:
    optimizer = LossScaleOptimizer(SGD(0.05), initial_scale=first, dynamic_growth_steps=growth)
    model = net(optimizer)
    found, good = [], 0
    for i in range(16):
        before = model.get_weights()
        model.train_on_batch(TOO_LARGE if i == 9 else X, Y)
        found.append((float(optimizer.loss_scale), int(optimizer.dynamic_counter)))
        shrunk = found[-1][0] < (found[-2][0] if i else first)
        good += not shrunk
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights())) == shrunk
        assert int(optimizer.iterations) == good
    assert found == course


@pytest.mark.parametrize("kind", sorted(optimizers._CLASSES))
def test_a_step_that_overflows_changes_nothing(kind: str) -> None:
    """Weights, slots, iterations and what else an optimizer keeps; the next good step goes on."""
    optimizer = LossScaleOptimizer(optimizers.get(kind), dynamic_growth_steps=1000)
    model = net(optimizer)
    for _ in range(2):
        model.train_on_batch(X, Y)
    optimizer.loss_scale.assign(64.0)
    kept = [*optimizer.inner_optimizer.weights, optimizer.iterations, getattr(optimizer, "m_schedule", K.variable(0))]
    before = [*model.get_weights(), *K.batch_get_value(kept)]
    model.train_on_batch(TOO_LARGE, Y)
    for a, b in zip(before, [*model.get_weights(), *K.batch_get_value(kept)], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (float(optimizer.loss_scale), int(optimizer.dynamic_counter), int(optimizer.iterations)) == (32, 0, 2)
    model.train_on_batch(X, Y)
    assert int(optimizer.iterations) == 3 and not np.array_equal(before[0], model.get_weights()[0])


@pytest.mark.parametrize("kind", ["sgd", "adam", "adagrad"])
def test_scaled_and_unscaled_training_are_the_same(kind: str) -> None:
    """In float32, where a scale of a power of two costs no digit."""
    mixed_precision.set_global_policy(None)

    def weights(optimizer: Any) -> list[Any]:
        model = net(optimizer)
        model.fit(X, Y, epochs=3, batch_size=4, shuffle=False, verbose=0)
        assert model.optimizer is optimizer
        return model.get_weights()

    plain = weights(optimizers.get(kind))
    scaled = weights(LossScaleOptimizer(optimizers.get({"class_name": kind, "config": {}}), initial_scale=2.0 ** 10))
    for a, b in zip(plain, scaled):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_clipping_sees_derivatives_without_the_scale() -> None:
    model = net(SGD(1.0, clipnorm=0.01))
    before = np.concatenate([w.ravel() for w in model.get_weights()])
    model.train_on_batch(X, Y)
    moved = np.concatenate([w.ravel() for w in model.get_weights()]) - before
    np.testing.assert_allclose(np.linalg.norm(moved), 0.01, rtol=1e-3)


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "adam"])
def test_tables_of_which_few_rows_are_used(kind: str) -> None:
    model = Sequential([Embedding(3000, 4, input_length=2), Flatten(), Dense(1)])
    model.compile(LossScaleOptimizer(kind, initial_scale=2.0 ** 9), "mse")
    x, y = np.array([[5, 7], [5, 2000]]), np.ones((2, 1))
    first = model.get_weights()[0]
    model.train_on_batch(x, y)
    second = model.get_weights()[0]
    used = np.isin(np.arange(3000), x)
    assert (first != second).any(1)[used].all() and np.array_equal(first[~used], second[~used])
    model.optimizer.loss_scale.assign(2.0 ** 40)
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(second, model.get_weights()[0])
    assert float(model.optimizer.loss_scale) == 2.0 ** 39


def test_a_fixed_scale_stays() -> None:
    model = net(LossScaleOptimizer(SGD(), dynamic=False, initial_scale=4.0))
    for x in (X, TOO_LARGE, X):
        model.train_on_batch(x, Y)
    assert float(model.optimizer.loss_scale) == 4 and model.optimizer.dynamic_counter is None


def test_an_optimizer_of_the_users_own() -> None:
    class Plain(Optimizer):
        def get_updates(self, loss: Any, params: Any) -> list[Any]:
            return [K.update_sub(p, 0.1 * g) for p, g in zip(params, self.get_gradients(loss, params))]

    ours, sgd = net(Plain()), net(SGD(0.1))
    for model in (ours, sgd):
        model.train_on_batch(X, Y)
    assert type(ours.optimizer) is LossScaleOptimizer
    for a, b in zip(ours.get_weights(), sgd.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    before = ours.get_weights()
    ours.optimizer.loss_scale.assign(2.0 ** 30)
    ours.train_on_batch(X, Y)
    assert all(map(np.array_equal, before, ours.get_weights()))


def test_compile_wraps_where_it_must() -> None:
    assert type(net("adam").optimizer) is LossScaleOptimizer
    given = LossScaleOptimizer(Adam(), initial_scale=8)
    assert net(given).optimizer is given
    mixed_precision.set_global_policy(None)
    inside = Sequential([Sequential([Dense(2, input_shape=(3,), dtype="mixed_float16")]), Dense(2)])
    inside.compile("sgd", "mse")
    assert type(inside.optimizer) is LossScaleOptimizer
    fixed = Sequential([Dense(2, input_shape=(3,), dtype=experimental.Policy("mixed_float16", loss_scale=16))])
    fixed.compile("sgd", "mse")
    assert float(fixed.optimizer.loss_scale) == 16 and not fixed.optimizer.dynamic
    none = Sequential([Dense(2, input_shape=(3,), dtype=experimental.Policy("mixed_float16", loss_scale=None))])
    none.compile("sgd", "mse")
    assert type(none.optimizer) is SGD


def test_settings_are_the_inner_optimizers() -> None:
    optimizer = LossScaleOptimizer(Nadam(lr=0.25))
    optimizer.lr = 0.5
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.5
    assert float(optimizer.beta_1) == np.float32(0.9) and not hasattr(optimizer, "momentum")
    model = net("sgd")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)),
                                                    ReduceLROnPlateau("loss", patience=50)])
    assert float(model.optimizer.lr) == 0.25
    assert [int(w) if w.ndim == 0 else w.shape for w in model.optimizer.get_weights()][-2:] == [2 ** 15, 2]
    losses = optimizer.get_scaled_loss(K.constant(2.0)), optimizer.get_scaled_loss(lambda: K.constant(2.0))()
    assert [float(K.eval(t)) for t in losses] == [2.0 ** 16] * 2
    assert float(K.eval(optimizer.get_unscaled_gradients([losses[0], None])[0])) == 2


def test_configs() -> None:
    optimizer = LossScaleOptimizer(Adam(0.5), initial_scale=64, dynamic_growth_steps=7)
    config = optimizers.serialize(optimizer)
    assert config["class_name"] == "LossScaleOptimizer"
    again: Any = optimizers.deserialize(config)
    assert again.get_config() == optimizer.get_config()
    assert (again.initial_scale, again.dynamic_growth_steps, float(again.lr)) == (64, 7, 0.5)
    old = LossScaleOptimizer.from_config({"optimizer": optimizers.serialize(SGD()), "loss_scale": {
        "class_name": "FixedLossScale", "config": {"loss_scale_value": 8.0}}})
    assert not old.dynamic and old.initial_scale == 8
    assert LossScaleOptimizer(SGD(), "dynamic").dynamic and LossScaleOptimizer(SGD(), loss_scale=4).initial_scale == 4


@pytest.mark.parametrize("arguments, error, said", [
    ({"dynamic": False}, ValueError, "initial_scale must be given"),
    ({"dynamic": False, "initial_scale": 8, "dynamic_growth_steps": 3}, ValueError, "must be None with dynamic=False"),
    ({"initial_scale": -1}, ValueError, "initial_scale must be a positive number, got -1"),
    ({"dynamic_growth_steps": 0}, ValueError, "dynamic_growth_steps must be a positive number, got 0"),
    ({"dynamic": "a"}, TypeError, "dynamic must be True or False, got 'a'"),
    ({"growth": 2}, TypeError, "unexpected argument 'growth'"),
    ({"inner_optimizer": LossScaleOptimizer(SGD())}, TypeError, "is a LossScaleOptimizer itself")])
def test_arguments_that_do_not_fit(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        LossScaleOptimizer(**{"inner_optimizer": SGD(), **arguments})


def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path: Any) -> None:
    def trained(epochs: int, path: str, optimizer: Any) -> Sequential:
        model = net(optimizer)
        np.random.seed(3)
        model.fit(X, Y, epochs=epochs, batch_size=8, verbose=0,
                  callbacks=[BackupAndRestore(str(tmp_path / path), delete_checkpoint=False)])
        return model

    def optimizer() -> Any:
        return LossScaleOptimizer(Adam(0.01), dynamic_growth_steps=3)
    whole = trained(4, "whole", optimizer())
    trained(2, "parts", optimizer())
    parts = trained(4, "parts", optimizer())
    assert all(map(np.array_equal, whole.get_weights(), parts.get_weights()))
    assert whole.optimizer.get_weights()[-2:] == parts.optimizer.get_weights()[-2:]
    assert float(parts.optimizer.loss_scale) > 2.0 ** 15


@pytest.mark.skipif(device.NAME != "cupy", reason="CUDA graphs")
def test_a_step_is_recorded_as_one_graph() -> None:
    """Nothing is read back: a graph could not be recorded otherwise."""
    model = net("adam")
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    (program,) = model.train_function._programs.values()
    assert program._recording is not None
