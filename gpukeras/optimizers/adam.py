"""Adam and its relatives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..backend.flat import Flat
from .base import FlatOptimizer, Hyperparameter, Rate, Tensor, root


class _TwoMoments(FlatOptimizer):
    """What Adam and its relatives share: running averages of the gradient and of its square (or magnitude)."""

    beta_1 = Hyperparameter()
    beta_2 = Hyperparameter()

    def __init__(self, lr: Rate, beta_1: float, beta_2: float, epsilon: float | None, decay: float, **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        betas = {"beta_1": float(K.get_value(self.beta_1)), "beta_2": float(K.get_value(self.beta_2))}
        return {**self._config(**betas), "epsilon": self.epsilon}


class Adam(_TwoMoments):
    """Running averages of gradient and squared gradient, corrected for their start at 0 (Kingma, Ba 2014);
    `amsgrad` divides by the largest average so far (Reddi et al. 2018). Per step t:
    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    p = p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)."""

    def __init__(self, lr: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 decay: float = 0.0, amsgrad: bool = False, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **kwargs)
        self.amsgrad = amsgrad
        self.slots = ("ms", "vs", "vhats") if amsgrad else ("ms", "vs")

    def prepare(self) -> Tensor:
        """The learning rate with the correction for time t."""
        t = self.time()
        return self.rate() * (root(1 - K.pow(self.beta_2, t)) / (1 - K.pow(self.beta_1, t)))

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        v = self.beta_2 * state[1] + (1 - self.beta_2) * K.square(g)
        new = [m, v] if not self.amsgrad else [m, v, K.maximum(state[2], v)]
        return p - self.common * m / (root(new[-1]) + self.epsilon), new

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The averages decay; the weights go on by what is left of them. The largest average is the old one."""
        new = [self.beta_1 * state[0], self.beta_2 * state[1], *state[2:]]
        return p - self.common * new[0] / (root(new[-1]) + self.epsilon), new

    def get_config(self) -> dict[str, Any]:
        """The arguments; `amsgrad`, which Keras 2.0.9 does not know, only if it is on."""
        return {**super().get_config(), **({"amsgrad": True} if self.amsgrad else {})}


class AdamW(Adam):
    """Adam, and beside it every weight shrinks by the share `weight_decay` of the learning rate (Loshchilov, Hutter
    2019, arXiv:1711.05101), as in newer Keras: p = p - lr weight_decay p - Adam's step. The decay takes no part in
    clipping and in the averages.

    >>> AdamW(weight_decay=0.01).get_config()['weight_decay']
    0.01
    """

    def __init__(self, learning_rate: Rate = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float | None = 1e-7, amsgrad: bool = False, **kwargs: Any):
        lr = kwargs.pop("lr", learning_rate)
        super().__init__(lr, beta_1, beta_2, epsilon, amsgrad=amsgrad, **kwargs)
        self.weight_decay = weight_decay
        self._spared: tuple[Sequence[Tensor], Sequence[str]] = (), ()

    def exclude_from_weight_decay(self, var_list: Sequence[Tensor] | None = None,
                                  var_names: Sequence[str] | None = None) -> None:
        """Spares these variables, and those in whose names one of `var_names` (regular expressions) occurs, such as
        'bias'. To be called before training; ValueError afterwards."""
        if self.updates:
            raise ValueError("AdamW: exclude_from_weight_decay must be called before the training function is made")
        self._spared = tuple(var_list or ()), tuple(var_names or ())

    def _shrinks(self, variable: Tensor) -> bool:
        variables, names = self._spared
        return not any(v is variable for v in variables) and not any(re.search(n, variable.name) for n in names)

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        new, moments = super().step(p, g, *state)
        return new - self._shrinkage(p), moments

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """Adam's, and the decay."""
        new, moments = super().coast(p, *state)
        return new - self._shrinkage(p), moments

    def _shrinkage(self, p: Tensor) -> Tensor:
        shrink = self.rate() * self.weight_decay
        shrinks = [self._shrinks(v) for v in self.at_hand]
        if all(shrinks):
            return p * shrink
        if not any(shrinks):
            return K.zeros_like(p)
        return p * (shrink * Flat.join([K.constant(s, v.dtype, v.shape) for s, v in zip(shrinks, self.at_hand)]))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "weight_decay": self.weight_decay}


class Adamax(_TwoMoments):
    """Adam with the largest magnitude in place of the second moment (Kingma, Ba 2014, section 7). Per step t:
    m = b1 m + (1 - b1) g; u = max(b2 u, |g|); p = p - lr / (1 - b1^t) m / (u + epsilon)."""

    slots = ("ms", "us")

    def __init__(self, lr: Rate = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 decay: float = 0.0, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **kwargs)

    def prepare(self) -> Tensor:
        """The learning rate with the correction for time t."""
        return self.rate() / (1 - K.pow(self.beta_1, self.time()))

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        u = K.maximum(self.beta_2 * state[1], K.abs(g))
        return p - self.common * m / (u + self.epsilon), [m, u]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """As Adam's."""
        if self.lazy:
            return p, state
        m, u = self.beta_1 * state[0], self.beta_2 * state[1]
        return p - self.common * m / (u + self.epsilon), [m, u]


class Nadam(_TwoMoments):
    """Adam with Nesterov momentum and a warming momentum schedule (Dozat 2015). With
    mu_t = b1 (1 - 0.96^(t schedule_decay) / 2) and M_t = mu_1 ... mu_t, per step t:
    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    n = (1 - mu_t) g / (1 - M_t) + mu_(t+1) m / (1 - M_(t+1)); p = p - lr n / (sqrt(v / (1 - b2^t)) + epsilon)."""

    slots = ("ms", "vs")

    def __init__(self, lr: Rate = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 schedule_decay: float = 0.004, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, kwargs.pop("decay", 0.0), **kwargs)
        self.schedule_decay = schedule_decay
        self.m_schedule = K.variable(1.0, name="m_schedule")

    def prepare(self) -> Any:
        """mu_t, mu_(t+1), 1 - M_t, 1 - M_(t+1), 1 - b2^t."""
        t = self.time()
        now, soon = (self.beta_1 * (1 - 0.5 * K.pow(0.96, (t + d) * self.schedule_decay)) for d in (0, 1))
        schedule = self.m_schedule * now
        self.updates.append(K.update(self.m_schedule, schedule))
        return now, soon, 1 - schedule, 1 - schedule * soon, 1 - K.pow(self.beta_2, t)

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        now, soon, rest, rest_soon, rest_2 = self.common
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        v = self.beta_2 * state[1] + (1 - self.beta_2) * K.square(g)
        n = (1 - now) * (g / rest) + soon * (m / rest_soon)
        return p - self.lr * n / (root(v / rest_2) + self.epsilon), [m, v]

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """As Adam's."""
        _, soon, _, rest_soon, rest_2 = self.common
        m, v = self.beta_1 * state[0], self.beta_2 * state[1]
        if self.lazy:
            return p, [m, v]
        return p - self.lr * (soon * (m / rest_soon)) / (root(v / rest_2) + self.epsilon), [m, v]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = {**super().get_config(), "schedule_decay": self.schedule_decay}
        del config["decay"]
        return config
