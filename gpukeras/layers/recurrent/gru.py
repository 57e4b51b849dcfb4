"""GRU: the gated recurrent unit."""

from __future__ import annotations

from typing import Any

from ...legacy import interfaces
from .arguments import CellLayer, known_implementation, of_cell
from .cells import GRUCell


class GRU(CellLayer):
    """Gated recurrent units (Cho et al., 2014, arXiv:1406.1078); `GRUCell` says what they compute.

    (batch, steps, inputs) to (batch, units), or (batch, steps, units) with `return_sequences`. `kernel` is (inputs,
    3 units), `recurrent_kernel` (units, 3 units), `bias` (3 units,), in the order z, r, h; with `reset_after` the bias
    is (2, 3 units). For the other arguments see `RNN` and, for dropout and `implementation`, `Cell`.

    >>> GRU(8, return_sequences=True).compute_output_shape((None, 10, 4))
    (None, 10, 8)
    """

    cell: GRUCell
    recurrent_activation = of_cell("recurrent_activation")
    implementation = of_cell("implementation")
    reset_after = of_cell("reset_after")

    @interfaces.legacy_recurrent_support
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 1, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, *,
                 reset_after: bool = False, **kwargs: Any) -> None:
        cell = GRUCell(units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
                       bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
                       kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout,
                       known_implementation(implementation), reset_after)
        super().__init__(cell, activity_regularizer, return_sequences, return_state, go_backwards, stateful, unroll,
                         **kwargs)
