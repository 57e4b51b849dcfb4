"""One check for every layer: what it says about itself must agree with what it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras.engine.serialization import json_ready
from gpukeras.layers import Input, Layer, deserialize, serialize
from gpukeras.models import Model, Sequential

BATCH = 5


def check_layer(make: Callable[[], Layer], shape: Sequence[int], custom_objects: dict[str, Any] | None = None,
                smooth: float = 0.0, gradient: bool = True) -> None:
    """Checks the layer that `make` makes on samples of `shape` (no batch axis).

    `smooth` keeps inputs that far away from 0, where many activations have a kink. Runs in float64.
    """
    rng = np.random.RandomState(0)
    x = rng.normal(size=(BATCH, *shape))
    x += np.sign(x) * smooth
    layer = make()
    inputs = Input(shape=tuple(shape))
    output = layer(inputs)
    _set_random_weights(layer, rng)
    y = _run(inputs, output, x)
    _check_shapes(layer, output, y, shape)
    again = _check_config(layer, custom_objects)
    _check_same_output(again, layer, shape, x, y)
    if gradient:
        _check_gradient(layer, inputs, output, x, rng)


def _set_random_weights(layer: Layer, rng: np.random.RandomState) -> None:
    """Normal ones; variances are positive."""
    layer.set_weights([np.abs(v) + 0.1 if "variance" in w.name else v
                       for w, v in ((w, rng.normal(size=K.int_shape(w))) for w in layer.weights)])


def _run(inputs: Any, output: Any, x: np.ndarray) -> np.ndarray:
    return K.function([inputs], [output])([x])[0]


def _check_shapes(layer: Layer, output: Any, y: np.ndarray, shape: Sequence[int]) -> None:
    """Shape inference equals the real shape, with and without a known batch size."""
    assert K.int_shape(output) == layer.output_shape == (None, *y.shape[1:])
    assert layer.compute_output_shape((BATCH, *shape)) == y.shape
    assert layer.compute_output_shape((None, *shape)) == (None, *y.shape[1:])
    assert layer.input_shape == (None, *shape)


def _check_config(layer: Layer, custom_objects: dict[str, Any] | None) -> Layer:
    """The config survives JSON and makes an equal layer."""
    stored = json.dumps(serialize(layer), default=json_ready)
    again = deserialize(json.loads(stored), custom_objects=custom_objects)
    assert type(again) is type(layer)
    assert json.dumps(serialize(again), default=json_ready) == stored
    return again


def _check_same_output(again: Layer, layer: Layer, shape: Sequence[int], x: np.ndarray,
                       y: np.ndarray) -> None:
    """The same weights give the same output, also as the only layer of a Sequential."""
    config = {**again.get_config(), "batch_input_shape": (None, *shape)}
    has_custom = type(again).__name__ == "Lambda"
    first = again if has_custom else type(again).from_config(config)
    model = Sequential([Input(shape=tuple(shape)), first] if has_custom else [first])
    model.set_weights(layer.get_weights())
    np.testing.assert_array_equal(_run(model.inputs[0], model.outputs[0], x), y)
    assert model.count_params() == sum(w.size for w in layer.get_weights())


def _check_gradient(layer: Layer, inputs: Any, output: Any, x: np.ndarray,
                    rng: np.random.RandomState) -> None:
    """Derivatives by all inputs and weights agree with central differences along a random direction."""
    cotangent = rng.normal(size=(BATCH, *K.int_shape(output)[1:]))
    loss = K.sum(output * K.constant(cotangent))
    wrt = [inputs, *layer.trainable_weights]
    f = K.function([inputs], [loss, *K.gradients(loss, wrt)])
    weights = layer.get_weights()
    grads = f([x])[1:]
    trained = len(layer.trainable_weights)  # the first ones; the others stay where they are
    steps = [rng.normal(size=x.shape), *(rng.normal(size=w.shape) * (i < trained) for i, w in enumerate(weights))]

    def value(h: float) -> float:
        layer.set_weights([w + h * s for w, s in zip(weights, steps[1:])])
        return float(f([x + h * steps[0]])[0])

    h = 1e-6
    expected = (value(h) - value(-h)) / (2 * h)
    layer.set_weights(weights)
    got = sum(float(np.sum(g * s)) for g, s in zip(grads, steps))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def check_training(make: Callable[[], Layer], shape: Sequence[int]) -> None:
    """A training step runs and moves every weight; prediction does not."""
    rng = np.random.RandomState(0)
    layer, inputs = make(), Input(shape=tuple(shape))
    model = Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    _set_random_weights(layer, rng)
    x, before = rng.normal(size=(BATCH, *shape)), layer.get_weights()
    y = model.predict(x)
    assert np.isfinite(model.train_on_batch(x, y + rng.normal(size=y.shape)))
    for old, new in zip(before, layer.get_weights()):
        assert not np.array_equal(old, new)
    layer.set_weights(before)
    np.testing.assert_array_equal(model.predict(x), y)
