"""The rows of the recurrences over whole sequences. Masks, dropout, sizes and activations: test_recurrent.py."""

from __future__ import annotations

from typing import Any

from gpukeras.graph import apply
from gpukeras.ops import recurrent_gru, recurrent_gru_after, recurrent_lstm, recurrent_simple
from tests.ops.table import MIX, In, Row, real, truth

T, U = 4, 3
STATES, STATE = In((T + 1, "n", U)), In(("n", U))
SMOOTH = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": True}


def wide(gates: int) -> In:
    """Of the shape of the gates."""
    return In((T, "n", gates * U))


def kernel(gates: int) -> In:
    """A recurrent kernel."""
    return In((U, gates * U), real(-0.7, 0.7))


def rows(op: Any, gradient: Any, options: dict[str, Any], ins: tuple[In, ...], saved: tuple[In, ...], first: int,
         grads: int) -> list[Row]:
    """Forward and derivative, without and with a mask. Of the outputs, number `first` (all states) and the last `grads`
    (the states after the last step) have derivatives."""
    mask = In((T, "n"), truth())
    name = gradient.name
    made = []
    for note, more in (("", ()), ("masked", (mask,))):
        forward, back = (cls(**options, masked=bool(more)) for cls in (op, gradient))
        outputs = (first, *range(-grads, 0))
        made += [
            Row(op.__name__, lambda *t, f=forward, o=outputs: [apply(f, *t)[i] for i in o], (*ins, *more), MIX,
                orders=1, refuses=name, note=note),
            Row(gradient.__name__, lambda *t, f=back: list(apply(f, *t)), (STATES, *[STATE] * grads, *saved, *more),
                MIX, orders=0, refuses=name, note=note),
        ]
    return made


ROWS = [
    *rows(recurrent_simple.SimpleRNNSequence, recurrent_simple.SimpleRNNSequenceGradient,
          {"activation": "tanh", "go_backwards": True}, (wide(1), kernel(1), STATE), (STATES, kernel(1)), 0, 1),
    *rows(recurrent_lstm.LSTMSequence, recurrent_lstm.LSTMSequenceGradient, SMOOTH, (wide(4), kernel(4), STATE, STATE),
          (wide(4), STATES, STATES, kernel(4)), 1, 2),
    *rows(recurrent_gru.GRUSequence, recurrent_gru.GRUSequenceGradient, SMOOTH, (wide(3), kernel(3), STATE),
          (wide(3), STATES, kernel(3)), 1, 1),
    *rows(recurrent_gru_after.GRUSequenceResetAfter, recurrent_gru_after.GRUSequenceResetAfterGradient, SMOOTH,
          (wide(3), kernel(3), STATE, In((3 * U,))), (wide(3), STATES, wide(1), kernel(3)), 1, 1),
]
