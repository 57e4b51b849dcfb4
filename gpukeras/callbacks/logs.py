"""The dictionary of losses and metrics that a training loop hands to callbacks."""
from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

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


class Logs(dict[str, Any]):
    """A dict with Keras 2.0's keys that also finds its values by the names of later versions, and the
    reverse.

    Only the keys that were set are listed, counted and saved.

    >>> logs = Logs(loss=0.3, val_acc=0.9)
    >>> logs["val_accuracy"], "val_accuracy" in logs, list(logs)
    (0.9, True, ['loss', 'val_acc'])
    """

    def __missing__(self, key: str) -> Any:
        other = other_name(key)
        if other is not None and dict.__contains__(self, other):
            return dict.__getitem__(self, other)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or dict.__contains__(self, other_name(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of `key` by either name, else `default`."""
        return self[key] if key in self else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key` by either name; set to `default` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> Logs:
        """A shallow copy of the same kind."""
        return Logs(self)


def as_logs(logs: Mapping[str, Any] | None) -> Logs:
    """`logs` itself if it already answers to both names, else a copy that does."""
    return logs if isinstance(logs, Logs) else Logs(logs or {})
