"""Gradient descent, with momentum and with rates of each weight's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..ops.control import is_zero
from .base import FlatOptimizer, Hyperparameter, Rate, Tensor, root


def divisor(a: Tensor, epsilon: float, under_root: bool) -> Tensor:
    """The root of `a`, kept from 0 by `epsilon` added to it, or to `a`."""
    return root(a + epsilon) if under_root else root(a) + epsilon


class SGD(FlatOptimizer):
    """Stochastic gradient descent with momentum, also Nesterov's. Per step:
    v = momentum v - lr g; p = p + v, or p + momentum v - lr g with `nesterov`.

    >>> from gpukeras import backend as K
    >>> w = K.variable([1.])
    >>> f = K.function([], [], SGD(lr=0.1).get_updates(K.sum(w * w), [w]))
    >>> _ = f([])
    >>> round(float(K.get_value(w)[0]), 4)
    0.8
    """

    slots = ("moments",)
    momentum = Hyperparameter()

    def __init__(self, lr: Rate = 0.01, momentum: float = 0.0, decay: float = 0.0, nesterov: bool = False,
                 **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        move = self.common * g
        v = K.switch(is_zero(self.momentum), -move, self.momentum * state[0] - move)
        return (p + self.momentum * v - move if self.nesterov else p + v), [v]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The momentum goes on; without one the weights stay."""
        if self.lazy:
            return p, state
        v = self.momentum * state[0]
        at_rest = is_zero(self.momentum)
        moved = p + (self.momentum * v if self.nesterov else v)
        return K.switch(at_rest, p, moved), [K.switch(at_rest, K.zeros_like(v), v)]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**self._config(momentum=float(K.get_value(self.momentum))), "nesterov": self.nesterov}


class RMSprop(FlatOptimizer):
    """Gradients divided by a running average of their magnitude (Hinton, Coursera lecture 6e). Per step:
    a = rho a + (1 - rho) g^2; p = p - lr g / (sqrt(a) + epsilon). With `epsilon_under_root` the
    divisor is sqrt(a + epsilon), as in newer Keras; files of it are loaded so."""

    slots = ("accumulators",)
    counts_in_state = False
    rho = Hyperparameter()

    def __init__(self, lr: Rate = 0.001, rho: float = 0.9, epsilon: float | None = 1e-8, decay: float = 0.0,
                 epsilon_under_root: bool = False, **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.rho = rho
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self.epsilon_under_root = epsilon_under_root

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = self.rho * state[0] + (1 - self.rho) * K.square(g)
        return p - self.common * g / divisor(a, self.epsilon, self.epsilon_under_root), [a]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The average decays; the weights stay."""
        return p, [self.rho * state[0]]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = {**self._config(rho=float(K.get_value(self.rho))), "epsilon": self.epsilon}
        return {**config, **({"epsilon_under_root": True} if self.epsilon_under_root else {})}


class Adagrad(FlatOptimizer):
    """Gradients divided by the root of the sum of their squares (Duchi et al. 2011). Per step:
    a = a + g^2; p = p - lr g / (sqrt(a) + epsilon). With `epsilon_under_root` the
    divisor is sqrt(a + epsilon), as in newer Keras; files of it are loaded so."""

    slots = ("accumulators",)
    counts_in_state = False

    def __init__(self, lr: Rate = 0.01, epsilon: float | None = 1e-8, decay: float = 0.0,
                 epsilon_under_root: bool = False, **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.epsilon = K.epsilon() if epsilon is None else epsilon
        self.epsilon_under_root = epsilon_under_root

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = state[0] + K.square(g)
        return p - self.common * g / divisor(a, self.epsilon, self.epsilon_under_root), [a]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Nothing changes."""
        return p, state

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = {**super().get_config(), "epsilon": self.epsilon}
        return {**config, **({"epsilon_under_root": True} if self.epsilon_under_root else {})}


class Adadelta(FlatOptimizer):
    """Steps in the proportion of past steps to past gradients (Zeiler 2012). Per step:
    a = rho a + (1 - rho) g^2; u = g sqrt(d + epsilon) / sqrt(a + epsilon); p = p - lr u;
    d = rho d + (1 - rho) u^2."""

    slots = ("accumulators", "delta_accumulators")
    counts_in_state = False

    def __init__(self, lr: Rate = 1.0, rho: float = 0.95, epsilon: float | None = 1e-8, decay: float = 0.0,
                 **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.rho = rho
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = self.rho * state[0] + (1 - self.rho) * K.square(g)
        u = g * root(state[1] + self.epsilon) / root(a + self.epsilon)
        d = self.rho * state[1] + (1 - self.rho) * K.square(u)
        return p - self.common * u, [a, d]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The averages decay; the weights stay."""
        return p, state if self.lazy else [self.rho * s for s in state]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**self._config(rho=self.rho), "epsilon": self.epsilon}
