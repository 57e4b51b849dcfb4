"""The cells of SimpleRNN, GRU and LSTM: one step for a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import activations, initializers
from ... import backend as K
from ...backend.recurrent import FUSED_ACTIVATIONS, gru_sequence, lstm_sequence, simple_rnn_sequence
from ...engine.layer import Layer
from ..parts import add_part_weight, in_order, part_configs, set_parts, share, whole_number

Masks = Sequence[Any] | None


class Cell(Layer):
    """What the cells share: a kernel (inputs, gates * units), a recurrent kernel (units, gates * units), a bias
    (gates * units,), and dropout.

    `dropout` and `recurrent_dropout` drop shares of the inputs and of the state on their way into the products. A layer
    draws the masks, once for all steps (Gal and Ghahramani, 2016, arXiv:1512.05287): with ``implementation=1`` one
    for each gate, with 2 one for all. A cell by itself drops nothing.
    """

    _gates: tuple[str, ...] = ("",)
    _parts: tuple[str, ...] = ("activation", "kernel_initializer", "recurrent_initializer", "bias_initializer",
                               "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "kernel_constraint",
                               "recurrent_constraint", "bias_constraint")
    _arguments: tuple[str, ...] = ("units", "use_bias", "dropout", "recurrent_dropout")
    implementation = 1
    state_size: Any
    bias: Any = None
    activation: Any
    recurrent_activation: Any
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    recurrent_constraint: Any
    bias_constraint: Any

    def __init__(self, units: int, use_bias: bool, dropout: float, recurrent_dropout: float, parts: dict[str, Any],
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = whole_number(self, "units", units)
        self.use_bias = use_bias
        set_parts(self, **parts)
        self.dropout = share(self, "dropout", dropout)
        self.recurrent_dropout = share(self, "recurrent_dropout", recurrent_dropout)
        self.state_size = self.units
        self._dropout_mask: Masks = None
        self._recurrent_dropout_mask: Masks = None

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs whose last axis is as long as `input_shape`'s."""
        count = len(self._gates)
        self.kernel = add_part_weight(self, "kernel", (input_shape[-1], count * self.units))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, count * self.units), initializer=self._make_recurrent,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint)
        if self.use_bias:
            self.bias = self._add_bias(count * self.units)
        self._name_parts()
        self.built = True

    def _make_recurrent(self, shape: Any, dtype: Any = None) -> Any:
        """The recurrent kernel's first values; an identity is one for each gate."""
        if not isinstance(self.recurrent_initializer, initializers.Identity):
            return self.recurrent_initializer(shape, dtype=dtype)
        return self.recurrent_initializer.side_by_side(self.units, len(self._gates), dtype)

    def _add_bias(self, size: int) -> Any:
        return add_part_weight(self, "bias", (size,))

    def _name_parts(self) -> None:
        """`kernel_i` and so on: each gate's part of the weights."""
        for i, gate in enumerate(self._gates):
            if gate:
                part = slice(i * self.units, (i + 1) * self.units)
                setattr(self, f"kernel_{gate}", self.kernel[:, part])
                setattr(self, f"recurrent_kernel_{gate}", self.recurrent_kernel[:, part])
                setattr(self, f"bias_{gate}", None if self.bias is None else self._input_bias()[part])

    # ------------------------------------------------------------------------------------------------------ dropout
    def _generate_dropout_mask(self, inputs: Any, training: Any = None) -> None:
        """Draws the masks of the inputs, for all steps to come."""
        self._dropout_mask = self._draw(inputs, K.int_shape(self.kernel)[0], self.dropout, training)

    def _generate_recurrent_dropout_mask(self, inputs: Any, training: Any = None) -> None:
        """Draws the masks of the state, for all steps to come."""
        self._recurrent_dropout_mask = self._draw(inputs, self.units, self.recurrent_dropout, training)

    def _draw(self, inputs: Any, size: Any, rate: float, training: Any) -> Masks:
        """A mask for each gate, or one for all. Seeds are drawn for each gate anyway, as in Keras: the layers that are
        made afterwards then begin with Keras's weights."""
        if not 0 < rate < 1:
            return None
        first = K.sum(K.zeros_like(inputs), axis=tuple(range(1, K.ndim(inputs))))
        ones = K.ones_like(K.tile(K.expand_dims(first), [1, size]))
        masks = [K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training) for _ in self._gates]
        return masks if self.implementation == 1 else masks[:1]

    def _product(self, x: Any, kernel: Any, masks: Masks) -> Any:
        """x @ kernel, with a mask on x for all columns, or for those of each gate."""
        if not masks:
            return K.dot(x, kernel)
        if len(masks) == 1:
            return K.dot(x * masks[0], kernel)
        units = self.units
        return K.concatenate([K.dot(x * m, kernel[:, i * units:(i + 1) * units]) for i, m in enumerate(masks)])

    def _input_product(self, inputs: Any) -> Any:
        """The part of all gates' sums that the state has nothing to do with."""
        z = self._product(inputs, self.kernel, self._dropout_mask)
        return z if self.bias is None else K.bias_add(z, self._input_bias())

    def _input_products(self, inputs: Any) -> Any:
        """The same for all steps. The bias is added to rows as the product makes them, which lets a compiler do both at
        once; where the inputs are dropped out, sample by sample, they keep their axes."""
        if self._dropout_mask or K.ndim(inputs) != 3:
            return self._input_product(inputs)
        *known, features = K.int_shape(inputs)
        lengths = [K.shape(inputs)[i] if n is None else n for i, n in enumerate(known)]
        z = self._input_product(K.reshape(inputs, [-1, features]))
        return K.reshape(z, [*lengths, K.int_shape(z)[-1]])

    def _input_bias(self) -> Any:
        return self.bias

    def _gate(self, z: Any, i: int) -> Any:
        return z[:, i * self.units:(i + 1) * self.units]

    # ------------------------------------------------------------------------------------------------------ sequences
    def walk(self, inputs: Any, states: list[Any], **options: Any) -> Any:
        """Last output, all outputs and last states for inputs (steps, batch, inputs), by an op that makes all steps;
        None if there is none for this cell. `options` are `mask` (steps, batch), `go_backwards` and `unroll`."""
        names = [_fused_name(getattr(self, part)) for part in ("activation", "recurrent_activation")
                 if hasattr(self, part)]
        own = next(c for c in type(self).__mro__ if "call" in vars(c))
        if None in names or own.__module__ not in _OWN_MODULES:  # a subclass may compute anything
            return None
        if self._recurrent_dropout_mask:
            options["recurrent_masks"] = self._recurrent_dropout_mask
        return self._fused(self._input_products(inputs), *states, *names, time_major=True, **options)

    def _fused(self, z: Any, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say which op makes all steps")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return in_order(self, {**super().get_config(), **{name: getattr(self, name) for name in self._arguments},
                               **part_configs(self, self._parts)})


_OWN_MODULES = (__name__, "gpukeras.layers.cudnn_recurrent")


def _fused_name(activation: Any) -> str | None:
    """The name by which fused ops know an activation; None if they don't."""
    return next((name for name in FUSED_ACTIVATIONS if activations.get(name) is activation),
                "linear" if activation is None else None)


def _activated(activation: Any, x: Any) -> Any:
    return x if activation is None else activation(x)


class SimpleRNNCell(Cell):
    """``activation(inputs @ kernel + state @ recurrent_kernel + bias)``, which is both output and state."""

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 **kwargs: Any) -> None:
        super().__init__(units, use_bias, dropout, recurrent_dropout, {
            "activation": activation, "kernel_initializer": kernel_initializer,
            "recurrent_initializer": recurrent_initializer, "bias_initializer": bias_initializer,
            "kernel_regularizer": kernel_regularizer, "recurrent_regularizer": recurrent_regularizer,
            "bias_regularizer": bias_regularizer, "kernel_constraint": kernel_constraint,
            "recurrent_constraint": recurrent_constraint, "bias_constraint": bias_constraint}, **kwargs)

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None) -> Any:
        """(batch, inputs) and one state (batch, units) to output and new state."""
        z = self._input_product(inputs) + self._product(states[0], self.recurrent_kernel, self._recurrent_dropout_mask)
        output = _activated(self.activation, z)
        return output, [output]

    def _fused(self, z: Any, *arguments: Any, **options: Any) -> Any:
        state, *activations = arguments
        return simple_rnn_sequence(z, state, self.recurrent_kernel, *activations, **options)


class _Gated(Cell):
    """A cell with gates: `recurrent_activation` is theirs."""

    _parts = ("activation", "recurrent_activation", *Cell._parts[1:])
    _arguments = (*Cell._arguments, "implementation")

    def __init__(self, units: int, use_bias: bool, dropout: float, recurrent_dropout: float, implementation: int,
                 parts: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(units, use_bias, dropout, recurrent_dropout, parts, **kwargs)
        if implementation not in (0, 1, 2):
            raise ValueError(f"{type(self).__name__}: implementation must be 1 or 2, got {implementation!r}.")
        self.implementation = implementation or 1


class GRUCell(_Gated):
    """A gated recurrent unit (Cho et al., 2014, arXiv:1406.1078): gates z, r and candidate h in the columns of the
    kernels; the new state is ``z * state + (1 - z) * h``, where the candidate sees ``r * state``.

    With `reset_after`, as in files of later Keras, r multiplies the product with the state instead, and the bias is
    (2, 3 units): the input's and the state's.
    """

    _gates = ("z", "r", "h")

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, implementation: int = 1,
                 reset_after: bool = False, **kwargs: Any) -> None:
        self.reset_after = reset_after
        super().__init__(units, use_bias, dropout, recurrent_dropout, implementation, {
            "activation": activation, "recurrent_activation": recurrent_activation,
            "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
            "bias_initializer": bias_initializer, "kernel_regularizer": kernel_regularizer,
            "recurrent_regularizer": recurrent_regularizer, "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint, "recurrent_constraint": recurrent_constraint,
            "bias_constraint": bias_constraint}, **kwargs)

    def _add_bias(self, size: int) -> Any:
        return add_part_weight(self, "bias", (2, size) if self.reset_after else (size,))

    def _input_bias(self) -> Any:
        return self.bias[0] if self.reset_after else self.bias

    def _recurrent_bias(self) -> Any:
        return None if self.bias is None else self.bias[1]

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None) -> Any:
        """(batch, inputs) and one state (batch, units) to output and new state."""
        state = states[0]
        masks = self._recurrent_dropout_mask
        if masks and len(masks) == 1:  # one mask for all: the state itself goes through it, as in Keras
            state, masks = state * masks[0], None
        z = self._input_product(inputs)
        seen = self.recurrent_kernel if self.reset_after else self.recurrent_kernel[:, :2 * self.units]
        gates = self._product(state, seen, masks if self.reset_after else masks and masks[:2])
        if self.reset_after and self.bias is not None:
            gates = K.bias_add(gates, self._recurrent_bias())
        update = _activated(self.recurrent_activation, self._gate(z, 0) + self._gate(gates, 0))
        reset = _activated(self.recurrent_activation, self._gate(z, 1) + self._gate(gates, 1))
        if self.reset_after:
            candidate = self._gate(z, 2) + reset * self._gate(gates, 2)
        else:
            passed = reset * (state * masks[2] if masks else state)
            candidate = self._gate(z, 2) + K.dot(passed, self.recurrent_kernel[:, 2 * self.units:])
        output = update * state + (1 - update) * _activated(self.activation, candidate)
        return output, [output]

    def _fused(self, z: Any, *arguments: Any, **options: Any) -> Any:
        state, *activations = arguments
        if self.reset_after:
            options |= {"reset_after": True, "recurrent_bias": self._recurrent_bias()}
        return gru_sequence(z, state, self.recurrent_kernel, *activations, **options)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `reset_after`, which Keras 2.0.9 did not know, only where it is set."""
        return {**super().get_config(), **({"reset_after": True} if self.reset_after else {})}


class LSTMCell(_Gated):
    """A long short-term memory cell (Hochreiter and Schmidhuber, 1997; with forget gates): gates i, f, candidate c and
    gate o in the columns of the kernels. The states are the output and the carry ``f * carry + i * candidate``.

    With `unit_forget_bias` the forget gate's bias begins at 1 (Jozefowicz et al., 2015).
    """

    _gates = ("i", "f", "c", "o")
    _arguments = (*_Gated._arguments, "unit_forget_bias")

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 1, **kwargs: Any) -> None:
        super().__init__(units, use_bias, dropout, recurrent_dropout, implementation, {
            "activation": activation, "recurrent_activation": recurrent_activation,
            "kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer,
            "bias_initializer": bias_initializer, "kernel_regularizer": kernel_regularizer,
            "recurrent_regularizer": recurrent_regularizer, "bias_regularizer": bias_regularizer,
            "kernel_constraint": kernel_constraint, "recurrent_constraint": recurrent_constraint,
            "bias_constraint": bias_constraint}, **kwargs)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = (self.units, self.units)

    def _add_bias(self, size: int) -> Any:
        if not self.unit_forget_bias:
            return super()._add_bias(size)
        return self.add_weight(name="bias", shape=(size,), initializer=forget_bias(self.bias_initializer, self.units),
                               regularizer=self.bias_regularizer, constraint=self.bias_constraint)

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None) -> Any:
        """(batch, inputs), output and carry (batch, units) to output and new states."""
        z = self._input_product(inputs) + self._product(states[0], self.recurrent_kernel, self._recurrent_dropout_mask)
        gate = self.recurrent_activation
        carry = (_activated(gate, self._gate(z, 1)) * states[1]
                 + _activated(gate, self._gate(z, 0)) * _activated(self.activation, self._gate(z, 2)))
        output = _activated(gate, self._gate(z, 3)) * _activated(self.activation, carry)
        return output, [output, carry]

    def _fused(self, z: Any, *arguments: Any, **options: Any) -> Any:
        state, carry, *activations = arguments
        return lstm_sequence(z, state, carry, self.recurrent_kernel, *activations, **options)


def forget_bias(initializer: Any, units: int) -> Any:
    """An initializer of the bias of an LSTM: ones for the forget gate, `initializer` for the others."""
    def initial(shape: Any, dtype: Any = None) -> list[Any]:
        first, rest = K.eval(initializer((units,))), K.eval(initializer((2 * units,)))
        return [*first, *[1.0] * units, *rest]
    return initial
