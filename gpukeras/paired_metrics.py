"""Metrics that give one side of a confusion matrix where the other side reaches a value."""

from __future__ import annotations

from typing import Any

from gpukeras import backend as K
from gpukeras.metric_classes import _Counts, _quotient


class _Paired(_Counts):
    """Counts at `num_thresholds` thresholds between 0 and 1."""

    def __init__(self, value: float, num_thresholds: int, name: str | None, dtype: Any) -> None:
        kind = type(self).__name__
        if not 0 <= value <= 1:
            raise ValueError(f"{kind}: the value that is asked for must lie between 0 and 1, got {value!r}")
        if not num_thresholds > 0:
            raise ValueError(f"{kind}: num_thresholds must be at least 1, got {num_thresholds!r}")
        self.value, self.num_thresholds = value, num_thresholds
        between = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        super().__init__([0.0, *between, 1.0] if num_thresholds > 1 else [0.5], name=name, dtype=dtype)

    def _rates(self) -> tuple[Any, Any]:
        """Sensitivity and specificity at each threshold."""
        tp, fp, tn, fn = (self._counts[key] for key in self._kept)
        return _quotient(tp, tp + fn), _quotient(tn, tn + fp)

    def _where_closest(self, reached: Any, asked: Any) -> Any:
        """The value of the one where the other is closest to what is asked for."""
        return K.gather(reached, K.argmin(K.abs(asked - self.value), axis=0))

    def _own(self, key: str) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, key: self.value, "num_thresholds": self.num_thresholds}


class SensitivityAtSpecificity(_Paired):
    """Of the targets that are 1, the part that is found at the threshold where `specificity`, the part of the targets
    0 that is recognized, is met most closely.

    >>> metric = SensitivityAtSpecificity(0.4, num_thresholds=3)
    >>> metric([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    1.0
    """

    def __init__(self, specificity: float, num_thresholds: int = 200, name: str | None = None,
                 dtype: Any = None) -> None:
        super().__init__(specificity, num_thresholds, name, dtype)

    def _value(self) -> Any:
        sensitivity, specificity = self._rates()
        return self._where_closest(sensitivity, specificity)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return self._own("specificity")


class SpecificityAtSensitivity(_Paired):
    """The other way round: the specificity where `sensitivity` is met most closely.

    >>> metric = SpecificityAtSensitivity(0.8, num_thresholds=3)
    >>> metric([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.5
    """

    def __init__(self, sensitivity: float, num_thresholds: int = 200, name: str | None = None,
                 dtype: Any = None) -> None:
        super().__init__(sensitivity, num_thresholds, name, dtype)

    def _value(self) -> Any:
        sensitivity, specificity = self._rates()
        return self._where_closest(specificity, sensitivity)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return self._own("sensitivity")


__all__ = ["SensitivityAtSpecificity", "SpecificityAtSensitivity"]
