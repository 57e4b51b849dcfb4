"""What steps add up to: loss and metrics, kept by the program itself, so that no step has to be waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import backend as K
from .. import device
from ..callbacks.logs import Average
from ..compiler import Function
from ..compiler.function import is_debugging


def runs_ahead(function: Any, watched: bool) -> bool:
    """Whether calls of a function may be launched, and the next prepared while a GPU is at work on them: nobody has
    `watched` single values, so what the program adds up will do."""
    return device.NAME == "cupy" and isinstance(function, Function) and not watched and not is_debugging()


def resident(arrays: Sequence[Any]) -> list[Any]:
    """Arrays that many steps take as they are: on the GPU, if they may stay there."""
    moves = [isinstance(a, np.ndarray) for a in arrays]
    if not device.has_room_for(sum(a.nbytes for a, moved in zip(arrays, moves) if moved)):
        return list(arrays)
    return [device.asarray(a) if moved else a for a, moved in zip(arrays, moves)]


class Totals:
    """Running sums of a function's values, each batch weighted by its number of samples, kept by the program."""

    def __init__(self, count: int, live: Mapping[int, Any] | None = None):
        self.sums = K.variable(np.zeros(count), dtype="float64", name="totals")
        self.sums.is_listed = False
        self.live = live or {}  # metrics with a state, by place: their last value counts, and not the mean
        self.averaged = np.array([i not in self.live for i in range(count)], "float64")
        self.by_samples = True  # a batch counts as many times as it has samples

    def updates(self, values: Sequence[Any], inputs: Sequence[Any], size: Any = None) -> list[Any]:
        """The update that a step makes; `size` is the number of samples, if it is not that of the inputs."""
        self.by_samples = size is not None or bool(inputs)
        if size is None:
            size = K.cast(K.shape(inputs[0])[0], "float64") if inputs else 1.0
        now = K.stack([K.cast(v, "float64") for v in values])
        if not self.live:
            return [K.update_add(self.sums, now * size)]
        mean = K.constant(self.averaged, dtype="float64")
        return [K.update(self.sums, self.sums * mean + now * (mean * size + (1.0 - mean))),
                *(update for live in self.live.values() for update in live.updates)]

    def reset(self) -> None:
        """Starts from 0."""
        K.set_value(self.sums, np.zeros(self.sums.shape))
        for live in self.live.values():
            live.reset()

    def means(self, seen: int) -> list[float]:
        """The averages over `seen` samples."""
        return self.averages(K.get_value(self.sums), seen)

    def of_launched(self, function: Function, seen: int) -> list[float]:
        """The same, of calls that were only launched; raises what was wrong in one of them."""
        function.check()
        return self.means(seen)

    def of_steps(self, function: Function, arrays: Sequence[Any], steps: int) -> list[float]:
        """The averages over `steps` calls that were launched on the same arrays."""
        samples = arrays[0].shape[0] if self.by_samples else 1
        return self.of_launched(function, steps * samples)

    def add(self, sums: np.ndarray, values: Sequence[Any], size: int = 1) -> None:
        """Adds a batch to sums that a loop keeps itself; values beyond these are of a program's own function."""
        sums *= self.averaged
        sums += np.asarray([float(v) for v in values[:len(sums)]]) * np.where(self.averaged, size, 1)

    def averages(self, sums: np.ndarray, seen: int) -> list[float]:
        """The averages over `seen` samples of such sums."""
        return [*map(Average, (sums / np.where(self.averaged, max(seen, 1), 1)).tolist())]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, the function may be used for something else; afterwards the sums are as they were."""
        kept = [self.sums, *(variable for live in self.live.values() for variable, _ in live.updates)]
        before = [K.get_value(variable) for variable in kept]
        yield
        for variable, value in zip(kept, before):
            K.set_value(variable, value)
