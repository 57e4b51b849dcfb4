"""Policies of dtypes: in which dtype a layer computes, and in which it keeps its weights."""

from __future__ import annotations

import os
from typing import Any

from .. import backend as K
from ..device import require_bfloat16
from ..graph import is_float

VARIABLE = "GPUKERAS_POLICY"
MODULE = "keras.mixed_precision"
_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_DTYPES = ("bfloat16", "bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16",
           "uint32", "uint64")


class Policy:
    """The dtypes of a layer, by name: 'mixed_float16' and 'mixed_bfloat16' compute in 16 bits and keep weights in
    float32; a dtype's name, such as 'float32', does both in that dtype.

    TypeError for a name that is no text, ValueError for one that isn't known.

    >>> policy = Policy('mixed_float16')
    >>> policy.compute_dtype, policy.variable_dtype
    ('float16', 'float32')
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"'name' of a Policy must be a string, such as 'mixed_float16', got {name!r}")
        if name not in _MIXED and name not in _DTYPES:
            raise ValueError(f"Policy: the name must be 'mixed_float16', 'mixed_bfloat16' or that of a dtype, such as "
                             f"'float32', got {name!r}")
        self._name = name

    @property
    def name(self) -> str:
        """The name given."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """What inputs and weights are cast to when the layer computes."""
        return _MIXED.get(self._name, self._name)

    @property
    def variable_dtype(self) -> str:
        """What the weights are kept in."""
        return "float32" if self._name in _MIXED else self._name

    def __repr__(self) -> str:
        return f'<Policy "{self._name}">'

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Policy) and other._name == self._name

    def __hash__(self) -> int:
        return hash(self._name)

    def get_config(self) -> dict[str, Any]:
        """The name."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Policy:
        """The policy of that name. What TensorFlow 2.1 to 2.3 had beside it, a loss scale, is the optimizer's."""
        return cls(config["name"])


_set: list[Policy | None] = []


def chosen_policy() -> Policy | None:
    """The policy that `set_global_policy`, or GPUKERAS_POLICY, chose for the process; None if nobody did."""
    if not _set:
        name = os.environ.get(VARIABLE, "").strip().lower()
        set_global_policy(name or None)
    return _set[0]


def global_policy() -> Policy:
    """The policy of layers that are given none: what `set_global_policy` has set, else that of `K.floatx()`."""
    return chosen_policy() or Policy(K.floatx())


def set_global_policy(policy: str | Policy | None) -> None:
    """The policy of layers that are made from now on without one of their own; None for the beginning again. The
    environment variable GPUKERAS_POLICY does it for a whole process.

    ValueError for an unknown name, and for one that needs what is not there (bfloat16).

    >>> set_global_policy('mixed_float16')
    >>> global_policy()
    <Policy "mixed_float16">
    >>> set_global_policy(None)
    """
    if policy is not None:
        policy = usable(policy)
        if not is_float(policy.compute_dtype):
            raise ValueError(f"the global policy must be one of floats, such as 'mixed_float16', got '{policy.name}'")
    _set[:] = [policy]


def policy_of(value: Any) -> Policy:
    """A policy from itself, its name or its config."""
    if isinstance(value, dict) and isinstance(value.get("config"), dict):
        value = value["config"].get("name")
    return value if isinstance(value, Policy) else Policy(value)


def usable(value: Any) -> Policy:
    """The same; ValueError if it needs bfloat16 and there is none."""
    policy = policy_of(value)
    if policy.compute_dtype == "bfloat16":
        require_bfloat16()
    return policy


def own_policy(dtype: Any) -> Policy | None:
    """The policy of a layer made with this `dtype`. None for a layer that no policy was chosen for: as in Keras 2.0.9,
    its dtype then is that of what is fed to it, and nothing is cast."""
    if isinstance(dtype, (Policy, dict)) or (isinstance(dtype, str) and dtype.startswith("mixed_")):
        return usable(dtype)
    chosen = chosen_policy()
    if chosen is None or dtype is None or not is_float(str(dtype)):
        return chosen
    return usable(str(dtype))


def described(policy: Policy) -> Any:
    """What a layer's config says: a dtype's name, or class and config, in newer Keras's words."""
    if policy.name not in _MIXED:
        return policy.name
    return {"module": MODULE, "class_name": "Policy", "config": policy.get_config(), "registered_name": None}
