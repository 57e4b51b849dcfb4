"""The names of TensorFlow 2.1 to 2.3: `set_policy`, and policies that say how the loss is scaled."""

from __future__ import annotations

from ..engine.policy import Policy, global_policy, set_global_policy
from ..optimizers.loss_scale import LossScaleOptimizer

__all__ = ["LossScaleOptimizer", "Policy", "global_policy", "set_policy"]


def set_policy(policy: str | Policy | None) -> None:
    """`set_global_policy`, by its first name.

    >>> set_policy('mixed_float16')
    >>> global_policy().name
    'mixed_float16'
    >>> set_policy(None)
    """
    set_global_policy(policy)
