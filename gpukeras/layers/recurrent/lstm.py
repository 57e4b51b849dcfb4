"""LSTM: long short-term memory."""

from __future__ import annotations

from typing import Any

from ...legacy import interfaces
from .arguments import CellLayer, known_implementation, of_cell
from .cells import LSTMCell


class LSTM(CellLayer):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); `LSTMCell` says what it computes.

    (batch, steps, inputs) to (batch, units), or (batch, steps, units) with `return_sequences`. `kernel` is (inputs,
    4 units), `recurrent_kernel` (units, 4 units), `bias` (4 units,), in the order i, f, c, o; the states are output and
    carry. For the other arguments see `RNN` and, for dropout and `implementation`, `Cell`.

    >>> [tuple(s) for s in LSTM(8, return_state=True).compute_output_shape((None, 10, 4))]
    [(None, 8), (None, 8), (None, 8)]
    """

    cell: LSTMCell
    recurrent_activation = of_cell("recurrent_activation")
    implementation = of_cell("implementation")
    unit_forget_bias = of_cell("unit_forget_bias")

    @interfaces.legacy_recurrent_support
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, implementation: int = 1, return_sequences: bool = False,
                 return_state: bool = False, go_backwards: bool = False, stateful: bool = False,
                 unroll: bool = False, **kwargs: Any) -> None:
        cell = LSTMCell(units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
                        bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer,
                        bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
                        recurrent_dropout, known_implementation(implementation))
        super().__init__(cell, activity_regularizer, return_sequences, return_state, go_backwards, stateful, unroll,
                         **kwargs)
