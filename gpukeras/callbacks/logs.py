"""The dictionary of losses and metrics that a training loop hands to callbacks."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpukeras.utils.metric_names import other_name


class Average(float):
    """A float that prints as one under any NumPy, and has the methods of np.float64, which averages are in Keras 2.0.9.

    >>> Average(0.25), Average(0.25).item(), Average(0.25).shape
    (0.25, 0.25, ())
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(np.float64(self), name)


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
