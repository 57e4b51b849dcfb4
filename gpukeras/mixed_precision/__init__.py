"""Mixed precision: layers compute in 16 bits and keep their weights in float32, as in newer Keras.

    from gpukeras import mixed_precision
    mixed_precision.set_global_policy('mixed_float16')

makes all layers that come after it such layers, and `compile` then wraps the optimizer into a LossScaleOptimizer. End a
model with a layer of `dtype='float32'`, so that what it predicts is float32. Not in Keras 2.0.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.policy import Policy, global_policy, set_global_policy
from ..optimizers.loss_scale import LossScaleOptimizer
from ..utils.late import late

if TYPE_CHECKING:
    from . import experimental as experimental

__all__ = ["LossScaleOptimizer", "Policy", "deserialize", "global_policy", "serialize", "set_global_policy"]


def serialize(policy: Policy) -> Any:
    """What a layer's config says of a policy: a dtype's name, or class and config.

    >>> serialize(Policy('float32')), serialize(Policy('mixed_float16'))['config']
    ('float32', {'name': 'mixed_float16'})
    """
    from ..engine.policy import described

    return described(policy)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Policy:
    """The policy that `serialize` described. A policy has no class but Policy, so `custom_objects` change nothing."""
    from ..engine.policy import policy_of

    return policy_of(config)


if not TYPE_CHECKING:  # which sees the name that is imported for it above, and no others
    __getattr__ = late(__name__, {})
