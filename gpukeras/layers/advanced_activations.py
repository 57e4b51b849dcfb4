"""Activations with parameters of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import activations
from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..legacy import interfaces
from .parts import part_configs, set_parts


class LeakyReLU(Layer):
    """x where x >= 0, else ``alpha * x``. Source: Maas et al., ICML 2013."""

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha = float(K.cast_to_floatx(alpha))

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return K.relu(inputs, alpha=self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(Layer):
    """x where x >= 0, else ``alpha * x`` with a learned alpha for every element of a sample.

    Along `shared_axes` (from 1) one alpha serves all: ``[1, 2]`` gives one per channel of (batch, rows,
    columns, channels). Source: He et al., 2015, arXiv:1502.01852.
    """

    alpha_initializer: Any
    alpha_regularizer: Any
    alpha_constraint: Any

    @interfaces.legacy_prelu_support
    def __init__(self, alpha_initializer: Any = "zeros", alpha_regularizer: Any = None,
                 alpha_constraint: Any = None,
                 shared_axes: int | Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        set_parts(self, alpha_initializer=alpha_initializer, alpha_regularizer=alpha_regularizer,
                  alpha_constraint=alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes,
                                                       int) else shared_axes and list(shared_axes)

    def build(self, input_shape: Any) -> None:
        """Makes alpha, of a sample's shape with 1 along the shared axes."""
        shared = self.shared_axes or []
        shape = tuple(1 if axis in shared else size for axis, size in enumerate(input_shape))[1:]
        self.alpha = self.add_weight(name="alpha", shape=shape, initializer=self.alpha_initializer,
                                     regularizer=self.alpha_regularizer, constraint=self.alpha_constraint)
        own = {axis: input_shape[axis] for axis in range(1, len(input_shape)) if axis not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=own if shared else {})
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The activation of the inputs."""
        return K.relu(inputs) - self.alpha * K.relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        parts = part_configs(self, ("alpha_initializer", "alpha_regularizer", "alpha_constraint"))
        return {**super().get_config(), **parts, "shared_axes": self.shared_axes}


class ELU(Layer):
    """x where x >= 0, else ``alpha * (exp(x) - 1)``. Source: Clevert et al., 2015, arXiv:1511.07289."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.alpha = float(K.cast_to_floatx(alpha))

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return K.elu(inputs, self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha}


class ThresholdedReLU(Layer):
    """x where x > theta, else 0. Source: Konda et al., 2014, arXiv:1402.3337."""

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.theta = float(K.cast_to_floatx(theta))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The activation of the inputs."""
        return inputs * K.cast(K.greater(inputs, self.theta), K.dtype(inputs))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "theta": self.theta}


class Softmax(Layer):
    """exp(x) over its sum along `axis`, so that the outputs there sum to 1 (newer than Keras 2.0.9)."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        return activations.softmax(inputs, axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "axis": self.axis}


class ReLU(Layer):
    """max(x, 0) up to `max_value`; below 0, ``negative_slope * x`` (newer than Keras 2.0.9).

    With `threshold` t: x from t on, and ``negative_slope * (x - t)`` below it.
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (max_value is not None and max_value < 0) or negative_slope < 0:
            raise ValueError(f"Layer '{self.name}': max_value and negative_slope of a ReLU must not be "
                             f"negative, got {max_value} and {negative_slope}.")
        self.supports_masking = True
        self.max_value = max_value
        self.negative_slope = float(negative_slope)
        self.threshold = float(threshold)

    def call(self, inputs: Any) -> Any:
        """The activation of the inputs."""
        if not self.threshold:
            return K.relu(inputs, alpha=self.negative_slope, max_value=self.max_value)
        above = K.cast(K.greater_equal(inputs, self.threshold), K.dtype(inputs))
        kept = inputs * above if self.max_value is None else K.clip(inputs * above, 0.0, self.max_value)
        return kept + self.negative_slope * (inputs - self.threshold) * (1.0 - above)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "max_value": self.max_value, "negative_slope": self.negative_slope,
                "threshold": self.threshold}
