"""Layers that add noise in training, and do nothing otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.layer import Layer
from ..legacy import interfaces

# The saturation of SELU: -scale * alpha (Klambauer et al., 2017, arXiv:1706.02515, eq. 14).
_SELU_FLOOR = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


class GaussianNoise(Layer):
    """Adds normal noise of mean 0 and standard deviation `stddev`, in training."""

    @interfaces.legacy_gaussiannoise_support
    def __init__(self, stddev: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.stddev = stddev

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Noisy inputs, in training."""
        return K.in_train_phase(lambda: inputs + K.random_normal(K.shape(inputs), 0.0, self.stddev), inputs,
                                training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "stddev": self.stddev}


class GaussianDropout(Layer):
    """Multiplies by normal noise of mean 1 and standard deviation ``sqrt(rate / (1 - rate))``, in training.

    Source: Srivastava et al., JMLR 15 (2014), section 10.
    """

    @interfaces.legacy_dropout_support
    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.rate = rate

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Noisy inputs, in training."""
        if not 0 < self.rate < 1:
            return inputs
        stddev = math.sqrt(self.rate / (1 - self.rate))
        return K.in_train_phase(lambda: inputs * K.random_normal(K.shape(inputs), 1.0, stddev), inputs,
                                training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate}


class AlphaDropout(Layer):
    """Dropout for SELU networks: sets a share `rate` to SELU's floor and rescales, so mean and variance stay.

    Source: Klambauer et al., 2017, arXiv:1706.02515, section 3.
    """

    def __init__(self, rate: float, noise_shape: Sequence[int] | None = None, seed: int | None = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.rate = rate
        self.noise_shape = noise_shape
        self.seed = seed

    def _get_noise_shape(self, inputs: Any) -> Any:
        """The shape of the random mask."""
        return self.noise_shape or K.shape(inputs)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Inputs with some at the floor, in training."""
        if not 0.0 < self.rate < 1.0:
            return inputs

        def dropped() -> Any:
            kept = K.random_binomial(self._get_noise_shape(inputs), 1 - self.rate, K.dtype(inputs), self.seed)
            scale = ((1 - self.rate) * (1 + self.rate * _SELU_FLOOR ** 2)) ** -0.5
            return scale * (inputs * kept + _SELU_FLOOR * (1 - kept)) - scale * _SELU_FLOOR * self.rate

        return K.in_train_phase(dropped, inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
