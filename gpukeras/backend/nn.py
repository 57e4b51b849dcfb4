"""Activations, crossentropies, dropout, and what depends on the learning phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph import HALVES, Tensor, ViewOp, apply, known_as, named
from ..ops import control, convert, indexing, random
from ..ops import crossentropy as ce
from ..ops import elementwise as e
from ..ops import shape as s
from ..ops import softmax as sm
from ..ops.elementwise import sigmoid, softplus, softsign, tanh
from ..ops.reduce import reduce
from .settings import epsilon, learning_phase, normalize_data_format

__all__ = ["bias_add", "binary_crossentropy", "categorical_crossentropy", "dropout", "elu", "hard_sigmoid",
           "in_full_precision", "in_test_phase", "in_top_k", "in_train_phase", "l2_normalize", "relu",
           "sigmoid", "softmax", "softplus", "softsign", "sparse_categorical_crossentropy", "switch", "tanh"]

Lazy = Any  # a tensor, or a function without arguments that makes one


def switch(condition: Any, then_expression: Lazy, else_expression: Lazy) -> Tensor:
    """`then_expression` where the condition holds, else the other; either may be a function that makes it.

    The condition is a scalar, or has the leading axes of the expressions: it then chooses element by element.
    """
    a, b = _made(then_expression), _made(else_expression)
    if not isinstance(condition, Tensor):
        return a if condition else b
    if condition.ndim == 0:
        return control.branch(condition, a, b)
    rank = max(a.ndim, b.ndim)
    if condition.ndim > rank:
        raise ValueError(f"switch: the condition has shape {condition.shape}, which has more axes than the "
                         f"expressions' {a.shape}")
    for _ in range(rank - condition.ndim):
        condition = s.expand_dims(condition, -1)
    return e.where(condition, a, b)


def _made(x: Lazy) -> Tensor:
    return convert.as_tensor(x() if callable(x) else x)


def in_train_phase(x: Lazy, alt: Lazy, training: Any = None) -> Tensor:
    """`x` in training, `alt` in inference; `training` (a number or tensor) overrules the learning phase.

    Only the side in use is computed: training and inference are two programs.
    """
    phase = learning_phase() if training is None else training
    if not isinstance(phase, Tensor):
        result: Tensor = x() if phase and callable(x) else x if phase else alt() if callable(alt) else alt
        return result
    chosen = control.branch(phase, _made(x), _made(alt))
    if training is None:
        chosen._uses_learning_phase = True
    return chosen


def in_test_phase(x: Lazy, alt: Lazy, training: Any = None) -> Tensor:
    """`x` in inference, `alt` in training."""
    return in_train_phase(alt, x, training)


def relu(x: Any, alpha: Any = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0), with slope `alpha` below 0, not above `max_value`; with a `threshold` (newer Keras) x from there on,
    and alpha (x - threshold) below it."""
    x = convert.as_tensor(x)
    if threshold != 0:
        kept = x if max_value is None else e.minimum(e.maximum(x, 0), max_value)
        return e.where(e.greater_equal(x, threshold), kept, (x - threshold) * alpha)
    y = e.relu(x)
    if max_value is not None:
        y = named(e.minimum(y, max_value), "clip_by_value")
    if isinstance(alpha, Tensor) or alpha != 0:
        y = y - e.relu(-x) * alpha
    return y


@known_as("Elu")
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha (exp(x) - 1) below (Clevert et al. 2015)."""
    x = convert.as_float(x)
    return e.where(e.greater(x, 0), x, (e.exp(e.minimum(x, 0)) - 1) * alpha)


@known_as("clip_by_value")
def hard_sigmoid(x: Any) -> Tensor:
    """0.2 x + 0.5, kept within [0, 1]."""
    return e.minimum(e.maximum(convert.as_float(x) * 0.2 + 0.5, 0), 1)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over an axis, the last by default."""
    return sm.softmax(x, axis)


def in_full_precision(x: Tensor) -> Tensor:
    """A tensor of 16-bit floats in float32; others as they are. What was made of another one by a softmax, a sigmoid, a
    cast or a change of shape is made anew of that one in float32, so that a crossentropy still finds the logits.

    >>> from gpukeras import backend as K
    >>> in_full_precision(K.cast(K.constant([0.1]), 'float16')).dtype
    'float32'
    """
    if x.dtype not in HALVES:
        return x
    made = x.producer
    if made is not None and isinstance(made.op, e.Cast) and made.inputs[0].dtype == "float32":
        return made.inputs[0]
    if made is not None and (isinstance(made.op, (ViewOp, control.Identity, sm.Softmax, s.Reshape))
                             or made.op == e.Elementwise("sigmoid")):
        result: Tensor = apply(made.op, in_full_precision(made.inputs[0]), *made.inputs[1:])
        return result
    return convert.cast(x, "float32")


def _last(x: Tensor, axis: int) -> Tensor:
    """The tensor with an axis moved to the end."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of range for shape {x.shape}")
    axis %= x.ndim
    return x if axis == x.ndim - 1 else s.transpose(x, (*(a for a in range(x.ndim) if a != axis), axis))


@known_as("Neg")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-sum(target log output) over the last axis, or newer Keras's `axis`. `output` are probabilities, scaled to sum to
    1 and kept within epsilon of 0 and 1, or logits. Shapes (..., classes) both; the result has shape (...).

    If `output` comes straight from a softmax, the program works on its logits and nothing is clipped.
    """
    output = convert.as_float(output)
    target = _last(convert.as_tensor(target, output.dtype), axis)
    return ce.crossentropy(target, _last(output, axis), epsilon(), from_logits)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """The crossentropy for integer labels: `target` has the shape of `output` without its last axis (or newer Keras's
    `axis`), or with 1 there."""
    output = convert.as_float(output)
    labels = convert.as_tensor(target)
    if labels.ndim == output.ndim:
        labels = _last(labels, axis)
    output = _last(output, axis)
    if labels.ndim == output.ndim:
        labels = s.squeeze(labels, -1)
    elif labels.ndim != output.ndim - 1:
        labels = s.reshape(labels, [-1])
        output = s.reshape(output, [-1, output.shape[-1]])
    return ce.sparse_crossentropy(labels, output, epsilon(), from_logits)


@known_as("logistic_loss")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """-target log output - (1 - target) log(1 - output), elementwise. `output` are probabilities, kept within epsilon
    of 0 and 1, or logits. If it comes straight from a sigmoid, the program works on its logits."""
    output = convert.as_float(output)
    return ce.binary_crossentropy(convert.as_tensor(target, output.dtype), output, epsilon(), from_logits)


@known_as("dropout/mul_1")
def dropout(x: Any, level: Any, noise_shape: Sequence[int | None] | None = None, seed: int | None = None) -> Tensor:
    """Sets a fraction `level` of the elements to 0 and scales the others by 1 / (1 - level). `noise_shape` has 1
    where an axis shares its fate, None for the axis' own length. A level that changes may be a variable."""
    if not isinstance(level, Tensor) and not 0 <= level < 1:
        raise ValueError(f"dropout: level must lie in [0, 1), got {level}")
    x = convert.as_float(x)
    lengths = s.shape_of(x)
    asked = tuple(noise_shape) if noise_shape is not None else (None,) * x.ndim
    dims = [(lengths[i] if x.shape[i] is None else x.shape[i]) if d is None else d for i, d in enumerate(asked)]
    if isinstance(level, Tensor):
        level = convert.cast(level, x.dtype)
        keep = e.greater_equal(random.draw("uniform", dims, x.dtype, seed), level)
    else:
        keep = random.keep(dims, level, seed)
    return e.mask(x * (1 / (1 - level)), keep)


@known_as("l2_normalize")
def l2_normalize(x: Any, axis: Any = None) -> Tensor:
    """x divided by its Euclidean norm over an axis; norms below 1e-6 count as 1e-6."""
    x = convert.as_float(x)
    result: Tensor = x / e.sqrt(e.maximum(reduce("sum", e.square(x), axis, keepdims=True), 1e-12))
    return result


def in_top_k(predictions: Any, targets: Any, k: int) -> Tensor:
    """Whether the target is among the k largest predictions (ties at the boundary count); bool, shape (samples,)."""
    return indexing.in_top_k(predictions, targets, k)


def bias_add(x: Tensor, bias: Tensor, data_format: str | None = None) -> Tensor:
    """Adds a bias: one number a channel, or one array for all samples. Of images with channels first the array's shape
    is (rows, columns, channels) all the same, and its numbers are taken, in their order, as (channels, rows, columns):
    every Keras does so.
    """
    layout = normalize_data_format(data_format)
    if bias.ndim not in (1, x.ndim - 1):
        raise ValueError(f"bias_add: the bias must have 1 or {x.ndim - 1} axes, got shape {bias.shape}")
    if layout == "channels_last" or x.ndim < 3:
        return named(x + bias, "BiasAdd" if x.ndim in (2, 4) and bias.ndim == 1 else "add")
    if bias.ndim == 1:
        return x + s.reshape(bias, [bias.shape[0], *[1] * (x.ndim - 2)])
    return x + s.reshape(bias, [bias.shape[-1], *bias.shape[:-1]])


