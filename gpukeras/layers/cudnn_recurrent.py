"""GRU and LSTM under the names, and with the weights, that Keras 2 gave to cuDNN's versions of them."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from .parts import add_part_weight
from .recurrent.arguments import CellLayer, of_cell
from .recurrent.cells import GRUCell, LSTMCell

_WEIGHT_PARTS = ("kernel_initializer", "recurrent_initializer", "bias_initializer", "kernel_regularizer",
                 "recurrent_regularizer", "bias_regularizer", "kernel_constraint", "recurrent_constraint",
                 "bias_constraint")


class CuDNNGRUCell(GRUCell):
    """A GRU cell as cuDNN has it: sigmoid gates, two biases (6 units,), and the reset gate after the product."""

    _parts = _WEIGHT_PARTS
    _arguments = ("units",)

    def _add_bias(self, size: int) -> Any:
        return add_part_weight(self, "bias", (2 * size,))

    def _name_parts(self) -> None:
        """`kernel_z` and so on, `bias_z_i` of the input and `bias_z` of the state."""
        _name_both_biases(self)

    def _input_bias(self) -> Any:
        return self.bias[:3 * self.units]

    def _recurrent_bias(self) -> Any:
        return self.bias[3 * self.units:]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {k: v for k, v in super().get_config().items() if k != "reset_after"}


class CuDNNLSTMCell(LSTMCell):
    """An LSTM cell as cuDNN has it: sigmoid gates, and two biases (8 units,), which add up."""

    _parts = _WEIGHT_PARTS
    _arguments = ("units", "unit_forget_bias")

    def _add_bias(self, size: int) -> Any:
        initial = self.bias_initializer
        if self.unit_forget_bias:
            units, given = self.units, self.bias_initializer

            def initial(shape: Any, dtype: Any = None) -> list[Any]:
                return [*K.eval(given((5 * units,))), *[1.0] * units, *K.eval(given((2 * units,)))]

        return self.add_weight(name="bias", shape=(2 * size,), initializer=initial,
                               regularizer=self.bias_regularizer, constraint=self.bias_constraint)

    def _name_parts(self) -> None:
        """`kernel_i` and so on, `bias_i_i` of the input and `bias_i` of the state."""
        _name_both_biases(self)

    def _input_bias(self) -> Any:
        return self.bias[:4 * self.units] + self.bias[4 * self.units:]


def _name_both_biases(cell: Any) -> None:
    count = len(cell._gates)
    for i, gate in enumerate(cell._gates):
        part = slice(i * cell.units, (i + 1) * cell.units)
        setattr(cell, f"kernel_{gate}", cell.kernel[:, part])
        setattr(cell, f"recurrent_kernel_{gate}", cell.recurrent_kernel[:, part])
        setattr(cell, f"bias_{gate}_i", cell.bias[part])
        setattr(cell, f"bias_{gate}", cell.bias[(count + i) * cell.units:(count + i + 1) * cell.units])


class _CuDNNRNN(CellLayer):
    """What CuDNNGRU and CuDNNLSTM share: they neither mask, drop out nor unroll. `go_backwards` is newer than 2.0.9."""

    kernel = of_cell("kernel")
    recurrent_kernel = of_cell("recurrent_kernel")
    bias = of_cell("bias")

    def __init__(self, cell: Any, activity_regularizer: Any, return_sequences: bool, return_state: bool,
                 stateful: bool, **kwargs: Any) -> None:
        super().__init__(cell, activity_regularizer, return_sequences, return_state, stateful=stateful, **kwargs)
        self.supports_masking = False

    def call(self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None,
             constants: Any = None) -> Any:
        """The output(s); ValueError for a mask."""
        masks = mask if isinstance(mask, (list, tuple)) else [mask]
        if any(m is not None for m in masks[:1]):
            raise ValueError(f"Layer '{self.name}': Masking is not supported by {type(self).__name__}. Use "
                             f"{type(self).__name__.removeprefix('CuDNN')}, which knows masks.")
        return super().call(inputs, None, training, initial_state, constants)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `go_backwards`, which Keras 2.0.9 does not know, only if it is on."""
        left_out = ("unroll",) if self.go_backwards else ("unroll", "go_backwards")
        return {k: v for k, v in super().get_config().items() if k not in left_out}


class CuDNNGRU(_CuDNNRNN):
    """A GRU with the formulas and weights of cuDNN's: sigmoid gates, the reset gate applied after the recurrent product
    and its bias. Runs on both devices.

    `bias` is (6 units,): z, r, h for the input, then for the state. ValueError for a mask.
    """

    cell: Any = None

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, return_sequences: bool = False, return_state: bool = False,
                 stateful: bool = False, **kwargs: Any) -> None:
        cell = CuDNNGRUCell(units, "tanh", "sigmoid", True, kernel_initializer, recurrent_initializer, bias_initializer,
                            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                            recurrent_constraint, bias_constraint, reset_after=True)
        super().__init__(cell, activity_regularizer, return_sequences, return_state, stateful, **kwargs)


class CuDNNLSTM(_CuDNNRNN):
    """An LSTM with the formulas and weights of cuDNN's: sigmoid gates. Runs on both devices.

    `bias` is (8 units,): i, f, c, o for the input, then for the state; they add up. ValueError for a mask.
    """

    cell: Any = None
    unit_forget_bias = of_cell("unit_forget_bias")

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, return_sequences: bool = False,
                 return_state: bool = False, stateful: bool = False, **kwargs: Any) -> None:
        cell = CuDNNLSTMCell(units, "tanh", "sigmoid", True, kernel_initializer, recurrent_initializer,
                             bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer,
                             bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint)
        super().__init__(cell, activity_regularizer, return_sequences, return_state, stateful, **kwargs)
