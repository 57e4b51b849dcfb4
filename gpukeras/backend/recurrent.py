"""Whole sequences through LSTM, GRU and the simple recurrence, each as one op: what the recurrent layers use where
their activations are among FUSED_ACTIVATIONS."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import Tensor, apply
from ..ops import convert, joining
from ..ops import elementwise as e
from ..ops import shape as s
from ..ops.recurrent import ACTIVATIONS as FUSED_ACTIVATIONS
from ..ops.recurrent_gru import GRUSequence
from ..ops.recurrent_gru_after import GRUSequenceResetAfter
from ..ops.recurrent_lstm import LSTMSequence
from ..ops.recurrent_simple import SimpleRNNSequence
from ..ops.reduce import reduce, scan
from ..ops.slicing import reverse

__all__ = ["FUSED_ACTIVATIONS", "gru_sequence", "lstm_sequence", "simple_rnn_sequence"]

Result = tuple[Tensor, Tensor, list[Tensor]]  # as K.rnn: the last output, all outputs, the last states


def lstm_sequence(z: Tensor, h: Tensor, c: Tensor, recurrent_kernel: Tensor, activation: str = "tanh",
                  recurrent_activation: str = "hard_sigmoid", go_backwards: bool = False, mask: Tensor | None = None,
                  recurrent_masks: Sequence[Tensor] | None = None, unroll: bool = False,
                  time_major: bool = False) -> Result:
    """An LSTM over z, what its input gives for the gates i, f, c, o: (samples, time, 4 * units), bias included.

    h and c are the initial states (samples, units), `recurrent_kernel` is (units, 4 * units). Where `mask` (samples,
    time) is false, the states stay; the output there is the state, or with `unroll` the output before, zeros at first:
    Keras's two conventions. `recurrent_masks`, one for all gates or one for each, (samples, units), multiply the state
    on its way into the product. Outputs are (samples, time, units); with `time_major` z, mask and outputs have time
    first, which saves copies. With `go_backwards` outputs stand in the order in which they were made.

    Returns the last output, all outputs, and [h, c]. ValueError for an activation that is not in FUSED_ACTIVATIONS.
    The derivative is an op too, which has no derivative of its own.
    """
    _check(activation, recurrent_activation)
    z, mask, extras = _arguments(z, mask, recurrent_masks, time_major)
    op = LSTMSequence(activation, go_backwards, mask is not None, _drops(recurrent_masks), recurrent_activation)
    _, states, _, last_h, last_c = apply(op, z, recurrent_kernel, h, c, *extras)
    return _result(states, [last_h, last_c], mask, go_backwards, unroll, time_major)


def gru_sequence(z: Tensor, h: Tensor, recurrent_kernel: Tensor, activation: str = "tanh",
                 recurrent_activation: str = "hard_sigmoid", go_backwards: bool = False, mask: Tensor | None = None,
                 recurrent_masks: Sequence[Tensor] | None = None, unroll: bool = False, time_major: bool = False,
                 reset_after: bool = False, recurrent_bias: Tensor | None = None) -> Result:
    """A GRU over z, what its input gives for the gates z, r, h: (samples, time, 3 * units), bias included; see
    `lstm_sequence`.

    With `reset_after` the reset gate multiplies the product with the state instead of the state; `recurrent_bias`
    (3 * units,), which only that form has, is added to that product. One recurrent mask for all gates also multiplies
    the state that is carried over, as in Keras's implementation 2.
    """
    _check(activation, recurrent_activation)
    z, mask, extras = _arguments(z, mask, recurrent_masks, time_major)
    attributes = activation, go_backwards, mask is not None, _drops(recurrent_masks), recurrent_activation
    if reset_after:
        if recurrent_bias is None:
            recurrent_bias = s.reshape(recurrent_kernel[:1] * 0, [-1])
        _, states, _, last = apply(GRUSequenceResetAfter(*attributes), z, recurrent_kernel, h, recurrent_bias, *extras)
    elif recurrent_bias is not None:
        raise ValueError("a recurrent bias needs reset_after; add it to z instead")
    else:
        _, states, last = apply(GRUSequence(*attributes), z, recurrent_kernel, h, *extras)
    return _result(states, [last], mask, go_backwards, unroll, time_major)


def simple_rnn_sequence(z: Tensor, h: Tensor, recurrent_kernel: Tensor, activation: str = "tanh",
                        go_backwards: bool = False, mask: Tensor | None = None,
                        recurrent_masks: Sequence[Tensor] | None = None, unroll: bool = False,
                        time_major: bool = False) -> Result:
    """h = activation(z + h recurrent_kernel) over z (samples, time, units), bias included; see `lstm_sequence`."""
    _check(activation)
    z, mask, extras = _arguments(z, mask, recurrent_masks, time_major)
    op = SimpleRNNSequence(activation, go_backwards, mask is not None, _drops(recurrent_masks))
    states, last = apply(op, z, recurrent_kernel, h, *extras)
    return _result(states, [last], mask, go_backwards, unroll, time_major)


def _check(*activations: str) -> None:
    for name in activations:
        if name not in FUSED_ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(FUSED_ACTIVATIONS)}, got {name!r}")


def _drops(recurrent_masks: Sequence[Tensor] | None) -> int:
    return len(recurrent_masks or ())


def _arguments(z: Tensor, mask: Tensor | None, recurrent_masks: Sequence[Tensor] | None,
               time_major: bool) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Input and mask with time first, and the op's last inputs."""
    extras = []
    if mask is not None:
        if mask.ndim == 3:
            mask = s.squeeze(mask, 2)
        mask = convert.cast(mask, "bool")
        mask = mask if time_major else s.transpose(mask, (1, 0))
        extras.append(mask)
    if recurrent_masks:
        extras.append(joining.stack(list(recurrent_masks), 0))
    return z if time_major else s.transpose(z, (1, 0, 2)), mask, extras


def _result(states: Tensor, last: list[Tensor], mask: Tensor | None, go_backwards: bool, unroll: bool,
            time_major: bool) -> Result:
    outputs, output = states[1:], last[0]
    if unroll and mask is not None:
        made = convert.cast(reverse(mask, (0,)) if go_backwards else mask, "float32")
        outputs = e.mask(outputs, e.greater(s.expand_dims(scan("sum", made, 0)), 0))
        output = e.mask(output, s.expand_dims(reduce("any", mask, 0)))
    return output, outputs if time_major else s.transpose(outputs, (1, 0, 2)), last


