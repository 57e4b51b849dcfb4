"""Batch and layer normalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..backend.ranks import mean_over_ranks
from ..engine.computing import in_single
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..graph import HALVES
from ..legacy import interfaces
from .parts import add_part_weight, part_configs, set_parts


def _single_weight(layer: Layer, name: str, shape: Sequence[int], trainable: bool = True) -> Any:
    """A weight that is kept and read in float32 by layers whose policy is one of 16 bits."""
    dtype = "float32" if layer._policy is not None and layer.variable_dtype in HALVES else None
    weight = add_part_weight(layer, name, shape, trainable=trainable, dtype=dtype)
    weight.adapts = False
    return weight


class BatchNormalization(Layer):
    """Normalizes each feature along `axis` to mean 0 and variance 1, then ``gamma * x + beta``. Shape unchanged.

    In training mean and variance are those of the batch, over all other axes, and `moving_mean` and
    `moving_variance` follow them: each step keeps a share `momentum` of the old value. In inference the moving values
    are used. As in Keras 2.0.9 the variance is the biased one (divided by n) in both places, and freezing the layer
    (``trainable=False``) freezes gamma and beta only; ``layer(x, training=False)`` uses the moving values always and
    leaves them alone. Raises ValueError if the number of features isn't known.

    Where several ranks train together, the batch is each one's part of it; with `synchronized` (newer Keras's) it is
    the whole, at the cost of two messages forward and two back.

    Weights: gamma (if `scale`), beta (if `center`), moving_mean, moving_variance; all (features,).
    Source: Ioffe and Szegedy, 2015, arXiv:1502.03167.

    >>> layer = BatchNormalization(axis=1)
    >>> layer.build((None, 3, 8, 8))
    >>> [w.shape for w in layer.get_weights()]
    [(3,), (3,), (3,), (3,)]
    """

    _parts = ("beta_initializer", "gamma_initializer", "moving_mean_initializer", "moving_variance_initializer",
              "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint")
    beta_initializer: Any
    gamma_initializer: Any
    moving_mean_initializer: Any
    moving_variance_initializer: Any
    beta_regularizer: Any
    gamma_regularizer: Any
    beta_constraint: Any
    gamma_constraint: Any

    @interfaces.legacy_batchnorm_support
    def __init__(self, axis: int = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 moving_mean_initializer: Any = "zeros", moving_variance_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, synchronized: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.synchronized = synchronized
        self.center, self.scale = center, scale
        set_parts(self, beta_initializer=beta_initializer, gamma_initializer=gamma_initializer,
                  moving_mean_initializer=moving_mean_initializer,
                  moving_variance_initializer=moving_variance_initializer, beta_regularizer=beta_regularizer,
                  gamma_regularizer=gamma_regularizer, beta_constraint=beta_constraint,
                  gamma_constraint=gamma_constraint)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for as many features as `input_shape` has along `axis`."""
        rank = len(input_shape)
        features = input_shape[self.axis] if -rank <= self.axis < rank else None
        if features is None:
            raise ValueError(f"Layer '{self.name}' normalizes axis {self.axis} and must know how many features it has, "
                             f"but the input has shape {tuple(input_shape)}. Give the first layer a complete "
                             "input_shape, or another axis.")
        shape = (features,)
        self.gamma = _single_weight(self, "gamma", shape) if self.scale else None
        self.beta = _single_weight(self, "beta", shape) if self.center else None
        self.moving_mean, self.moving_variance = (
            _single_weight(self, name, shape, trainable=False) for name in ("moving_mean", "moving_variance"))
        self.input_spec = InputSpec(ndim=rank, axes={self.axis: features})
        self.built = True

    def _output_word(self, x: Any, index: int, masked: bool) -> str | None:
        return None if x.producer.op.name == "switch" else "batchnorm/add_1"

    def call(self, inputs: Any, training: Any = None) -> Any:
        """The normalized inputs; `training` overrules the learning phase. Under a policy of 16 bits the arithmetic is
        float32."""
        always_moving = training is not None and not K.is_tensor(training) and not training
        if always_moving:
            return self._by_moving_values(inputs)
        axes = [axis for axis in range(K.ndim(inputs)) if axis != self.axis % K.ndim(inputs)]
        normalized, mean, variance = self._by_batch(inputs, axes)
        self.add_update([K.moving_average_update(self.moving_mean, mean, self.momentum),
                         K.moving_average_update(self.moving_variance, variance, self.momentum)], inputs)
        return K.in_train_phase(normalized, lambda: self._by_moving_values(inputs), training=training)

    def _by_batch(self, inputs: Any, axes: list[int]) -> tuple[Any, Any, Any]:
        """The inputs normalized by mean and variance of the batch, and these two."""
        in_16_bits = self._policy is not None and K.dtype(inputs) in HALVES
        if not self.synchronized:
            gamma = K.constant(1.0, dtype="float32") if in_16_bits and self.gamma is None else self.gamma
            return K.normalize_batch_in_training(inputs, gamma, self.beta, axes, epsilon=self.epsilon)
        x = in_single(inputs) if in_16_bits else inputs
        mean = mean_over_ranks(K.mean(x, axis=axes))
        variance = mean_over_ranks(K.mean(K.square(x - self._along(mean, x)), axis=axes))
        return self._normalized(inputs, mean, variance), mean, variance

    def _by_moving_values(self, inputs: Any) -> Any:
        return self._normalized(inputs, self.moving_mean, self.moving_variance)

    def _normalized(self, inputs: Any, mean: Any, variance: Any) -> Any:
        dtype = K.dtype(inputs)
        if self._policy is not None:
            inputs = in_single(inputs)
        mean, variance, beta, gamma = (None if weight is None else self._along(weight, inputs) for weight in (
            mean, variance, self.beta, self.gamma))
        normalized = K.batch_normalization(inputs, mean, variance, beta, gamma, epsilon=self.epsilon)
        return normalized if self._policy is None else K.cast(normalized, dtype)

    def _along(self, weight: Any, inputs: Any) -> Any:
        """One number for each feature, in a shape that goes with the inputs."""
        along = [1] * K.ndim(inputs)
        along[self.axis] = -1
        return K.reshape(weight, along)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis, "momentum": self.momentum, "epsilon": self.epsilon,
                "center": self.center, "scale": self.scale, **part_configs(self, self._parts),
                **({"synchronized": True} if self.synchronized else {})}  # newer Keras's: not said where it need not be


class LayerNormalization(Layer):
    """Normalizes each sample to mean 0 and variance 1 over `axis` (one or several), then ``gamma * x + beta``. Shape
    unchanged (newer than Keras 2.0.9).

    Training and inference are the same. The variance is the biased one. Raises ValueError if the length of an axis
    isn't known, or if it is the batch axis.

    Weights: gamma (if `scale`), beta (if `center`), of the lengths of the axes.
    Source: Ba, Kiros and Hinton, 2016, arXiv:1607.06450.

    >>> layer = LayerNormalization()
    >>> layer.build((None, 10, 8))
    >>> [w.shape for w in layer.get_weights()]
    [(8,), (8,)]
    """

    _parts = ("beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint",
              "gamma_constraint")

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: Any = "zeros", gamma_initializer: Any = "ones", beta_regularizer: Any = None,
                 gamma_regularizer: Any = None, beta_constraint: Any = None, gamma_constraint: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.epsilon = epsilon
        self.center, self.scale = center, scale
        set_parts(self, beta_initializer=beta_initializer, gamma_initializer=gamma_initializer,
                  beta_regularizer=beta_regularizer, gamma_regularizer=gamma_regularizer,
                  beta_constraint=beta_constraint, gamma_constraint=gamma_constraint)

    def _axes(self, rank: int) -> list[int]:
        """The axes, counted from 0 and in order."""
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        if not axes or any(not -rank <= axis < rank or axis % rank == 0 for axis in axes):
            raise ValueError(f"Layer '{self.name}': axis {self.axis} is not an axis of each sample of an input with "
                             f"{rank} axes.")
        return sorted({axis % rank for axis in axes})

    def build(self, input_shape: Any) -> None:
        """Makes the weights for the lengths of the axes."""
        axes = self._axes(len(input_shape))
        shape = tuple(input_shape[axis] for axis in axes)
        if None in shape:
            raise ValueError(f"Layer '{self.name}' normalizes axis {self.axis} and must know its length, but the input "
                             f"has shape {tuple(input_shape)}. Give the first layer a complete input_shape, or another "
                             "axis.")
        self.gamma = _single_weight(self, "gamma", shape) if self.scale else None
        self.beta = _single_weight(self, "beta", shape) if self.center else None
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(zip(axes, shape)))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The normalized inputs. Under a policy of 16 bits the arithmetic is float32."""
        if self._policy is not None:
            inputs = in_single(inputs)
        axes = self._axes(K.ndim(inputs))
        centered = inputs - K.mean(inputs, axis=axes, keepdims=True)
        variance = K.mean(K.square(centered), axis=axes, keepdims=True)
        output = centered / K.sqrt(variance + self.epsilon)
        shape = [K.int_shape(inputs)[axis] if axis in axes else 1 for axis in range(K.ndim(inputs))]
        if self.gamma is not None:
            output = output * K.reshape(self.gamma, shape)
        return output if self.beta is None else output + K.reshape(self.beta, shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon, "center": self.center,
                "scale": self.scale, **part_configs(self, self._parts)}
