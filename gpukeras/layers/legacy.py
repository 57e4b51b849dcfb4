"""Layers of Keras 1 that Keras 2.0 still took, under their old arguments and with a warning: Highway, MaxoutDense."""

from __future__ import annotations

import warnings
from typing import Any

from .. import activations, initializers
from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from .parts import part_configs, set_parts, whole_number


class _Keras1(Layer):
    """What they share: Keras 1's names of arguments, and its weights W and b."""

    _advice = ""
    _parts = ("W_regularizer", "b_regularizer", "activity_regularizer", "W_constraint", "b_constraint")
    W_regularizer: Any
    b_regularizer: Any
    W_constraint: Any
    b_constraint: Any

    def __init__(self, init: Any, weights: Any, W_regularizer: Any, b_regularizer: Any, activity_regularizer: Any,
                 W_constraint: Any, b_constraint: Any, bias: bool, input_dim: int | None, **kwargs: Any) -> None:
        warnings.warn(f"`{type(self).__name__}` is a layer of Keras 1. {self._advice}", UserWarning, stacklevel=3)
        if input_dim:
            kwargs["input_shape"] = (input_dim,)
        super().__init__(weights=weights, **kwargs)
        self.init = initializers.get(init)
        set_parts(self, W_regularizer=W_regularizer, b_regularizer=b_regularizer, W_constraint=W_constraint,
                  b_constraint=b_constraint, activity_regularizer=activity_regularizer)
        self.bias = bias
        self.input_dim = input_dim
        self.input_spec = InputSpec(ndim=2)

    def _add_kernel(self, shape: tuple[Any, ...]) -> Any:
        self.input_spec = InputSpec(ndim=2, axes={-1: shape[-2]})
        return self.add_weight(name="W", shape=shape, initializer=self.init, regularizer=self.W_regularizer,
                               constraint=self.W_constraint)

    def _add_bias(self, shape: tuple[Any, ...]) -> Any:
        return self.add_weight(name="b", shape=shape, initializer="zeros", regularizer=self.b_regularizer,
                               constraint=self.b_constraint) if self.bias else None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "init": initializers.serialize(self.init),
                **part_configs(self, self._parts), "bias": self.bias,
                "input_dim": self.input_dim}


class MaxoutDense(_Keras1):
    """The largest of `nb_feature` dense outputs, unit by unit: (batch, n) to (batch, output_dim).

    Weights: W (nb_feature, n, output_dim), and with `bias` b (nb_feature, output_dim).
    Source: Goodfellow et al., 2013, arXiv:1302.4389.
    """

    _advice = "In Keras 2 write Dense layers and `maximum` of their outputs."

    def __init__(self, output_dim: int, nb_feature: int = 4, init: Any = "glorot_uniform", weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True, input_dim: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(init, weights, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint,
                         bias, input_dim, **kwargs)
        self.output_dim = whole_number(self, "output_dim", output_dim)
        self.nb_feature = whole_number(self, "nb_feature", nb_feature)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for so many inputs."""
        self.W = self._add_kernel((self.nb_feature, input_shape[1], self.output_dim))
        self.b = self._add_bias((self.nb_feature, self.output_dim))
        self.built = True

    def call(self, inputs: Any) -> Any:
        """(batch, n) to (batch, output_dim)."""
        output = K.dot(inputs, self.W)
        return K.max(output if self.b is None else output + self.b, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, output_dim)."""
        return (input_shape[0], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "output_dim": self.output_dim, "nb_feature": self.nb_feature}


class Highway(_Keras1):
    """A dense layer beside a way past it: ``t * activation(x W + b) + (1 - t) * x`` with the gate
    ``t = sigmoid(x W_carry + b_carry)``. Shape (batch, n) unchanged.

    Weights: W and W_carry (n, n), and with `bias` b (from 0) and b_carry (from 1), (n,).
    Source: Srivastava et al., 2015, arXiv:1505.00387.
    """

    _advice = "In Keras 2 write Dense layers, `multiply` and `add`."

    def __init__(self, init: Any = "glorot_uniform", activation: Any = None, weights: Any = None,
                 W_regularizer: Any = None, b_regularizer: Any = None, activity_regularizer: Any = None,
                 W_constraint: Any = None, b_constraint: Any = None, bias: bool = True, input_dim: int | None = None,
                 **kwargs: Any) -> None:
        if kwargs.pop("transform_bias", None) is not None:
            warnings.warn("`transform_bias=` of Highway is no longer there and is ignored.", UserWarning, stacklevel=2)
        super().__init__(init, weights, W_regularizer, b_regularizer, activity_regularizer, W_constraint, b_constraint,
                         bias, input_dim, **kwargs)
        self.activation = activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for so many inputs."""
        n = input_shape[1]
        self.W = self._add_kernel((n, n))
        self.W_carry = self.add_weight(name="W_carry", shape=(n, n), initializer=self.init)
        self.b = self._add_bias((n,))
        self.b_carry = self.add_weight(name="b_carry", shape=(n,), initializer="ones") if self.bias else None
        self.built = True

    def call(self, inputs: Any) -> Any:
        """The gated mixture."""
        gate, output = K.dot(inputs, self.W_carry), K.dot(inputs, self.W)
        if self.b is not None and self.b_carry is not None:
            gate, output = gate + self.b_carry, output + self.b
        gate = activations.sigmoid(gate)
        output = output if self.activation is None else self.activation(output)
        return gate * output + (1 - gate) * inputs

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "activation": activations.serialize(self.activation)}
