"""Activation functions: a tensor in, a tensor of the same shape out.

Every layer argument `activation=` takes one of these, its name, or any function of a tensor.
"""
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from gpukeras import backend as K
from gpukeras.graph import known_as, named
from gpukeras.ops.gelu import gelu_by_tanh
from gpukeras.utils.generic_utils import Registry, deserialize_keras_object

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) over its sum along `axis`: positive numbers that add up to one.

    Raises ValueError for a tensor of fewer than two dimensions: its only axis is the batch.

    >>> from gpukeras import backend as K
    >>> K.eval(softmax(K.constant([[1.0, 1.0]]))).tolist()
    [[0.5, 0.5]]
    """
    ndim = K.ndim(x)
    if ndim is not None and ndim < 2:
        raise ValueError(f"softmax needs at least 2 dimensions (batch, classes), got a tensor of {ndim}.")
    if axis == -1 or axis == ndim - 1:
        return K.softmax(x) if ndim == 2 else named(K.softmax(x), "truediv")
    exp = K.exp(x - K.max(x, axis=axis, keepdims=True))
    return exp / K.sum(exp, axis=axis, keepdims=True)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else ``alpha * (exp(x) - 1)`` (Clevert et al. 2015, arXiv:1511.07289)."""
    return K.elu(x, alpha)


@known_as("mul_1")
def selu(x: Any) -> Any:
    """Scaled exponential linear unit: activations keep mean 0 and variance 1 (Klambauer et al. 2017,
    arXiv:1706.02515). Use with `lecun_normal` weights and `AlphaDropout`."""
    # Both halves are summed, not selected: one of them is always zero, and no exp can overflow.
    return K.relu(x) * SELU_SCALE + (K.exp(K.minimum(x, 0.0)) - 1.0) * SELU_SCALE * SELU_ALPHA


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``, a smooth relu."""
    return K.softplus(x)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``."""
    return K.softsign(x)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x where positive, else ``alpha * x``; not above `max_value` if one is given. With a `threshold` t, of newer
    Keras, x from t on, else ``alpha * (x - t)``.

    >>> from gpukeras import backend as K
    >>> K.eval(relu(K.constant([[-2.0, 3.0, 9.0]]), alpha=0.5, max_value=6.0)).tolist()
    [[-1.0, 3.0, 6.0]]
    """
    return K.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return K.tanh(x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return K.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """``0.2 * x + 0.5`` cut to 0...1: a cheap sigmoid."""
    return K.hard_sigmoid(x)


def keras3_hard_sigmoid(x: Any) -> Any:
    """Keras 3's `hard_sigmoid`: ``x / 6 + 0.5``, kept between 0 and 1. Models from its files have it."""
    return K.clip(x / 6 + 0.5, 0.0, 1.0)


def linear(x: Any) -> Any:
    """x itself."""
    return x


def exponential(x: Any) -> Any:
    """``exp(x)``."""
    return K.exp(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    `approximate` takes the tanh formula of the paper instead of the error function.
    """
    if approximate:
        return gelu_by_tanh(x)
    return 0.5 * x * (1.0 + K.erf(x * math.sqrt(0.5)))


def swish(x: Any) -> Any:
    """``x * sigmoid(x)``, also called silu (Ramachandran et al. 2017, arXiv:1710.05941)."""
    return x * K.sigmoid(x)


def leaky_relu(x: Any, alpha: float = 0.2) -> Any:
    """x where positive, else ``alpha * x``."""
    return K.relu(x, alpha=alpha)


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))`` (Misra 2019, arXiv:1908.08681)."""
    return x * K.tanh(K.softplus(x))


silu = swish

def serialize(activation: Callable[..., Any]) -> str:
    """The name under which a config stores `activation`."""
    return activation.__name__


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """The activation called `name`; ValueError with the nearest known name otherwise."""
    result: Callable[..., Any] = deserialize_keras_object(name, module_objects=_named, custom_objects=custom_objects,
                                                          printable_module_name="activation function")
    return result


def get(identifier: Any) -> Callable[..., Any]:
    """The activation that a layer argument means: None is `linear`, a string a name, a callable itself.

    >>> get("relu") is relu, get(None) is linear
    (True, True)
    >>> get("rleu")
    Traceback (most recent call last):
        ...
    ValueError: Unknown activation function: 'rleu'. Did you mean 'relu'?
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if not callable(identifier):
        raise ValueError(f"Could not interpret activation function identifier: {identifier!r}. Expected "
                         "None, a name such as 'relu', or a function of a tensor.")
    if hasattr(identifier, "weights") and not isinstance(identifier, type):
        warnings.warn(f"A layer instance ({type(identifier).__name__}) was passed as the activation of "
                      "another layer. Its weights would not belong to the model: add it to the model as a "
                      "layer of its own.",
                      stacklevel=3)
    result: Callable[..., Any] = identifier
    return result


# What configs and strings may name. Made last: what a program adds later is its own.
_named = Registry(globals(), (
    "softmax", "elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear",
    "exponential", "gelu", "keras3_hard_sigmoid", "swish", "silu", "leaky_relu", "mish"))
