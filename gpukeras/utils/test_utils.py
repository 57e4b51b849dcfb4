"""What tests of layers use: data that can be learned, and a check of a layer against what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .. import backend as K
from ..layers import Input
from ..models import Model, Sequential
from .generic_utils import has_arg

F = TypeVar("F", bound=Callable[..., Any])


def get_test_data(num_train: int = 1000, num_test: int = 500, input_shape: tuple[int, ...] = (10,),
                  output_shape: tuple[int, ...] = (2,), classification: bool = True, num_classes: int = 2) -> Any:
    """Random data that a model can learn, ((x_train, y_train), (x_test, y_test)), from NumPy's global state.

    Samples scatter around their class (y: integers), or without `classification` around a number between 0 and 1,
    which y of `output_shape` scatters around too.

    >>> (x, y), _ = get_test_data(6, 2, (3,))
    >>> x.shape, y.shape
    ((6, 3), (6,))
    """
    count = num_train + num_test
    centres: np.ndarray = np.random.randint(0, num_classes, count) if classification else np.random.random(count)
    x, y = np.zeros((count, *input_shape)), np.zeros((count, *output_shape))
    for i, centre in enumerate(centres):  # one sample after the other: the numbers that Keras draws, in its order
        x[i] = np.random.normal(centre, 0.7, input_shape)
        if not classification:
            y[i] = np.random.normal(centre, 0.7, output_shape)
    if classification:
        y = centres
    return (x[:num_train], y[:num_train]), (x[num_train:], y[num_train:])


def layer_test(layer_cls: Any, kwargs: dict[str, Any] = {},  # noqa: B006 - never changed
               input_shape: Sequence[int | None] | None = None, input_dtype: str | None = None,
               input_data: Any = None, expected_output: Any = None, expected_output_dtype: str | None = None,
               fixed_batch_size: bool = False) -> np.ndarray:
    """Checks a layer of one input and one output, ``layer_cls(**kwargs)``, and returns what it makes of the data.

    The data, `input_data` or random ones of `input_shape` (batch axis first), go through it in a Model and in a
    Sequential; dtype and shape must be those it says, a copy made of its config and weights must agree, and a training
    step must run. Raises AssertionError otherwise.
    """
    kwargs = dict(kwargs)
    if input_data is None:
        if input_shape is None:
            raise ValueError("layer_test needs input_shape or input_data")
        shape = [np.random.randint(1, 4) if size is None else size for size in input_shape]
        input_data = (10 * np.random.random(shape)).astype(input_dtype or K.floatx())
    input_shape = tuple(input_data.shape if input_shape is None else input_shape)
    dtype = str(input_dtype or input_data.dtype)

    layer = layer_cls(**kwargs)
    weights = layer.get_weights()
    layer.set_weights(weights)
    if weights and has_arg(layer_cls.__init__, "weights"):
        layer = layer_cls(**{**kwargs, "weights": weights})

    images = Input(batch_shape=input_shape, dtype=dtype) if fixed_batch_size else Input(input_shape[1:], dtype=dtype)
    output = layer(images)
    assert K.dtype(output) == (expected_output_dtype or dtype), "dtype of the output"
    _check(Model(images, output), layer.compute_output_shape(input_shape), input_data, expected_output)
    again = layer_cls.from_config({**layer.get_config(), "batch_input_shape": input_shape})
    return _check(Sequential([again]), layer.compute_output_shape(input_shape), input_data, expected_output)


def _check(model: Any, shape: Any, data: Any, expected: Any) -> np.ndarray:
    output = model.predict(data)
    assert all(want in (None, have) for want, have in zip(shape, output.shape)), (
        f"compute_output_shape says {shape}, the output has {output.shape}")
    if expected is not None:
        np.testing.assert_allclose(output, expected, rtol=1e-3)
    copy = type(model).from_config(model.get_config())
    if model.weights:
        copy.set_weights(model.get_weights())
        np.testing.assert_allclose(copy.predict(data), output, rtol=1e-3)
    model.compile("rmsprop", "mse")
    model.train_on_batch(data, output)
    result: np.ndarray = output
    return result


def keras_test(func: F) -> F:
    """Decorates a test. With TensorFlow its session was cleared afterwards; here nothing has to be cleared."""
    return func
