"""What SimpleRNN, GRU and LSTM have in common: their arguments are the cell's."""

from __future__ import annotations

from typing import Any

from ... import backend as K
from ... import regularizers
from ...utils.messages import warn
from ..parts import in_order
from .cells import Cell
from .rnn import RNN, known_arguments


def of_cell(name: str) -> Any:
    """An attribute that is the cell's."""
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class CellArguments:
    """The arguments that every cell of this package has, as attributes of the layer that holds it."""

    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")


class CellLayer(CellArguments, RNN):
    """An RNN with a cell of its own, whose arguments it takes and names in its config.

    Where the activations allow it, one op makes all steps (`fused`). It has no second derivatives: set ``layer.fused =
    False`` before the layer is called, and the cell is walked step by step, as it is in ``RNN(cell)``.
    """

    fused = True
    cell: Cell
    units = of_cell("units")

    def __init__(self, cell: Cell, activity_regularizer: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(cell, *args, **kwargs)
        cell._policy = self._policy
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def _walk(self, inputs: Any, initial_state: list[Any], mask: Any, training: Any,
              constants: Any) -> tuple[Any, Any, list[Any]]:
        if self.fused and not constants and (mask is None or K.ndim(mask) == 2) and K.ndim(inputs) == 3:
            # Time first: every step then reads and writes memory without gaps.
            steps = None if mask is None else K.permute_dimensions(mask, (1, 0))
            walked = self.cell.walk(K.permute_dimensions(inputs, (1, 0, 2)), initial_state, mask=steps,
                                    go_backwards=self.go_backwards, unroll=self.unroll)
            if walked is not None:
                last, outputs, states = walked
                return last, K.permute_dimensions(outputs, (1, 0, 2)), list(states)
        return super()._walk(inputs, initial_state, mask, training, constants)

    def _cell_config(self) -> dict[str, Any]:
        own = {k: v for k, v in self.cell.get_config().items() if k not in ("name", "trainable", "dtype")}
        return in_order(self, {**own, "activity_regularizer": regularizers.serialize(self.activity_regularizer)})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result."""
        config = known_arguments(config)
        if config.get("implementation") == 0:
            config["implementation"] = 1
        return cls(**config)


def known_implementation(implementation: Any) -> int:
    """1 or 2; Keras 1's 0 counts as 1, with a warning."""
    if implementation == 0:
        warn("`implementation=0` is no longer there; `implementation=1` is used, which computes the same.")
        return 1
    result: int = implementation
    return result
