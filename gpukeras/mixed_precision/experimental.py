"""The names of TensorFlow 2.1 to 2.3: `set_policy`, and policies that say how the loss is scaled."""

from __future__ import annotations

from typing import Any

from ..engine import policy as policies
from ..engine.policy import global_policy, set_global_policy
from ..optimizers.loss_scale import LossScaleOptimizer

__all__ = ["LossScaleOptimizer", "Policy", "global_policy", "set_policy"]


class Policy(policies.Policy):
    """A policy that also says how `compile` scales the loss: 'dynamic', a number, or None for not at all. 'auto', the
    default, is 'dynamic' for 'mixed_float16' and None for others.

    >>> Policy('mixed_float16').loss_scale, Policy('mixed_float16', loss_scale=128).loss_scale
    ('dynamic', 128)
    """

    def __init__(self, name: str, loss_scale: Any = "auto") -> None:
        super().__init__(name)
        self.loss_scale = loss_scale if loss_scale != "auto" else "dynamic" if name == "mixed_float16" else None


def set_policy(policy: str | policies.Policy | None) -> None:
    """`set_global_policy`, by its first name.

    >>> set_policy('mixed_float16')
    >>> global_policy().name
    'mixed_float16'
    >>> set_policy(None)
    """
    set_global_policy(policy)
