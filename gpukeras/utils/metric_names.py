"""The names of metrics: in Keras 2.0 and in later versions, and told apart."""

from __future__ import annotations

import functools
from collections.abc import Sequence

# Keras 2.0's name, and what later versions call the same thing. 'val_' or an output's name may precede it.
_NAMES = (
    ("acc", "accuracy"),
    ("mean_squared_error", "mse"),
    ("mean_absolute_error", "mae"),
    ("mean_absolute_percentage_error", "mape"),
    ("mean_squared_logarithmic_error", "msle"),
    ("lr", "learning_rate"),
)
_OTHER_NAME = {**dict(_NAMES), **{new: old for old, new in _NAMES}}


@functools.lru_cache(maxsize=1024)  # asked for every missing name of every batch
def other_name(key: object) -> str | None:
    """What the other generation of Keras calls `key`, or None.

    >>> other_name("val_accuracy"), other_name("main_acc"), other_name("mse"), other_name("loss")
    ('val_acc', 'main_accuracy', 'mean_squared_error', None)
    """
    if not isinstance(key, str):
        return None
    for name, other in _OTHER_NAME.items():
        if key == name or key.endswith("_" + name):
            return key[:len(key) - len(name)] + other
    return None


def unique_names(names: Sequence[str]) -> list[str]:
    """The names; those that are not unique are numbered.

    >>> unique_names(['loss', 'acc', 'acc'])
    ['loss', 'acc_1', 'acc_2']
    """
    names = list(names)
    return [n if names.count(n) == 1 else f"{n}_{names[:i].count(n) + 1}" for i, n in enumerate(names)]
