"""The layers most models are made of: Dense, Activation, Dropout, Masking, ActivityRegularization."""

from __future__ import annotations

from typing import Any

from .. import activations, regularizers
from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..legacy import interfaces
from .dropout import Dropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
from .lambda_layer import Lambda
from .parts import in_order, part_configs, set_parts, whole_number
from .reshaping import Flatten, Permute, RepeatVector, Reshape

# Here is where Keras 2.0.9 has all of these.
__all__ = ["Activation", "ActivityRegularization", "Dense", "Dropout", "Flatten", "Lambda", "Masking",
           "Permute", "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"]


class Dense(Layer):
    """Every output is connected to every input: ``activation(inputs @ kernel + bias)``.

    Works on the last axis: (batch, ..., n) gives (batch, ..., units); `kernel` is (n, units), `bias`
    (units,). The activity regularizer takes the output after the activation. Raises ValueError for `units`
    below 1.

    >>> Dense(3).compute_output_shape((None, 5, 4))
    (None, 5, 3)
    """

    _parts = ("activation", "kernel_initializer", "bias_initializer", "kernel_regularizer",
              "bias_regularizer",
              "activity_regularizer", "kernel_constraint", "bias_constraint")
    activation: Any
    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any

    @interfaces.legacy_dense_support
    def __init__(self, units: int, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = whole_number(self, "units", units)
        self.use_bias = use_bias
        set_parts(self, activation=activation, kernel_initializer=kernel_initializer,
                  bias_initializer=bias_initializer, kernel_regularizer=kernel_regularizer,
                  bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
                  kernel_constraint=kernel_constraint, bias_constraint=bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias for inputs whose last axis is as long as `input_shape`'s."""
        size = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(size, self.units),
                                      initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer,
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.built = True

    def call(self, inputs: Any) -> Any:
        """(batch, ..., n) to (batch, ..., units)."""
        output = K.dot(inputs, self.kernel)
        if self.bias is not None:
            output = K.bias_add(output, self.bias)
        return output if self.activation is None else self.activation(output)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The same with `units` for the last axis."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return in_order(self, {**super().get_config(), "units": self.units, "use_bias": self.use_bias,
                               **part_configs(self, self._parts)})


class Activation(Layer):
    """Applies an activation, given by name or as a function of a tensor. Output shape = input shape."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Masking(Layer):
    """Masks time steps in which every feature equals `mask_value`: later layers that know masks skip them.

    (batch, steps, ..., features) keeps its shape, with the masked steps set to 0; the mask is (batch, steps,
    ...).
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """True where a step counts."""
        return K.any(K.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:
        """Inputs with masked steps set to 0."""
        counts = K.any(K.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * K.cast(counts, K.dtype(inputs))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mask_value": self.mask_value}


class ActivityRegularization(Layer):
    """Passes its input on and adds ``l1 * sum(|x|) + l2 * sum(x**2)``, over the whole batch, to the loss."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.l1 = l1
        self.l2 = l2
        self.activity_regularizer = regularizers.L1L2(l1=l1, l2=l2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}
