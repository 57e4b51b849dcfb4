"""SimpleRNN: the plain recurrent layer."""

from __future__ import annotations

import warnings
from typing import Any

from ...legacy import interfaces
from .arguments import CellLayer
from .cells import SimpleRNNCell
from .rnn import known_arguments


class SimpleRNN(CellLayer):
    """A fully connected recurrent layer: ``h = activation(x @ kernel + h @ recurrent_kernel + bias)`` at each step.

    (batch, steps, inputs) to (batch, units), or (batch, steps, units) with `return_sequences`. For the other arguments
    see `RNN` and, for dropout, `Cell`.

    >>> SimpleRNN(8).compute_output_shape((None, 10, 4))
    (None, 8)
    """

    cell: SimpleRNNCell

    @interfaces.legacy_recurrent_support
    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any) -> None:
        if "implementation" in kwargs:
            del kwargs["implementation"]
            warnings.warn("SimpleRNN has no `implementation` any more: leave the argument out.", UserWarning,
                          stacklevel=4)
        cell = SimpleRNNCell(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                             kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                             recurrent_constraint, bias_constraint, dropout, recurrent_dropout)
        super().__init__(cell, activity_regularizer, return_sequences, return_state, go_backwards, stateful, unroll,
                         **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result."""
        return cls(**{k: v for k, v in known_arguments(config).items() if k != "implementation"})
