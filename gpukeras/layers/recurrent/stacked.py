"""Several cells as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ... import backend as K
from ...engine.layer import Layer
from ...utils.generic_utils import has_arg
from ..by_name import deserialize
from ..holder import Holder


class StackedRNNCells(Holder):
    """Cells on top of each other: each reads the output of the one below. The states of the last cell come first.

    >>> from gpukeras.layers import GRUCell, LSTMCell
    >>> StackedRNNCells([GRUCell(8), LSTMCell(3)]).state_size
    (3, 3, 8)
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        for cell in cells:
            if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
                raise ValueError(f"All cells need a `call` and a `state_size`; {cell!r} lacks one.")
        self.cells = list(cells)
        super().__init__(**kwargs)

    def _inside(self) -> list[Layer]:
        return [cell for cell in self.cells if isinstance(cell, Layer)]

    @property
    def state_size(self) -> tuple[int, ...]:
        """The sizes of all states, those of the last cell first."""
        return tuple(size for cell in reversed(self.cells) for size in state_sizes(cell))

    def build(self, input_shape: Any) -> None:
        """Builds each cell for the output of the one below (and for the constants, if there are any)."""
        constants = list(input_shape[1:]) if isinstance(input_shape, list) else []
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell._scope = self._weight_scope()
                with K.origin(cell.name):
                    cell.build([shape, *constants] if constants and has_arg(cell.call, "constants") else shape)
                cell.built = True
            shape = (shape[0], state_sizes(cell)[0])
        _number_names(self.weights)
        self.built = True

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None, constants: Any = None) -> Any:
        """The last cell's output and the new states of all."""
        own: list[list[Any]] = []
        rest = list(states)
        for cell in reversed(self.cells):
            count = len(state_sizes(cell))
            own.insert(0, rest[:count])
            rest = rest[count:]
        new: list[Any] = []
        for cell, before in zip(self.cells, own):
            given = {"training": training, "constants": constants}
            kwargs = {k: v for k, v in given.items() if v is not None and has_arg(cell.call, k)}
            inputs, after = cell.call(inputs, before, **kwargs)
            new = [*after, *new]
        return inputs, new

    def get_config(self) -> dict[str, Any]:
        """The cells as class names and configs."""
        cells = [{"class_name": type(cell).__name__, "config": cell.get_config()} for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new stack from `get_config`'s result."""
        config = dict(config)
        return cls([deserialize(c, custom_objects=custom_objects) for c in config.pop("cells")], **config)


def state_sizes(cell: Any) -> list[int]:
    """The sizes of a cell's states."""
    sizes = cell.state_size
    return list(sizes) if hasattr(sizes, "__len__") else [sizes]


def _number_names(weights: Sequence[Any]) -> None:
    """Numbers those of one name, as TensorFlow 1 does: 'rnn_1/kernel:0', 'rnn_1/kernel_1:0'."""
    seen: Counter[str] = Counter()
    for weight in weights:
        name = weight.name
        if seen[name]:
            stem, _, output = name.rpartition(":")
            weight.name = f"{stem}_{seen[name]}:{output}"
        seen[name] += 1
