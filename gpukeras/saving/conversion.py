"""Weights as other versions of Keras, other backends and cuDNN arranged them, brought into this library's arrangement.

A file holds for each layer of a model a list of arrays. For most layers it is what `layer.weights` says. Where it is
not, the layer is told by its class, and the arrangement by the numbers and shapes of the arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.network import Network
from ..utils.identity import is_built_in

Arrays = list[np.ndarray]


class Origin(NamedTuple):
    """Who wrote a file: the version of Keras ('1' where the file says nothing) and its backend, if known."""

    version: str = "1"
    backend: str | None = None

    @property
    def is_keras1(self) -> bool:
        """Whether the arrangement of Keras 1 is to be expected."""
        return self.version.split(".")[0] in ("0", "1")

    @property
    def flips(self) -> bool:
        """Whether the kernels are those of a true convolution, mirrored against a correlation's."""
        return self.backend == "theano"


def converted(layer: Any, arrays: Sequence[np.ndarray], origin: Origin) -> Arrays:
    """The arrays of a layer, or of a model or wrapper with its layers, in the order and shapes of `layer.weights`.

    Arrays that need no change, or of which nothing is known, are returned as they are.
    """
    arrays = list(arrays)
    leaves = _leaves(layer)
    if leaves == [layer]:
        return _leaf(layer, arrays, origin)
    places = {id(w): i for i, w in enumerate(layer.weights)}
    if sum(len(leaf.weights) for leaf in leaves) != len(places):
        return arrays  # it has weights of its own besides those of the layers in it
    if len(arrays) == len(places):
        for leaf in leaves:
            at = [places[id(w)] for w in leaf.weights]
            new = _leaf(leaf, [arrays[i] for i in at], origin)
            if len(new) != len(at):
                return arrays
            for i, value in zip(at, new):
                arrays[i] = value
        return arrays
    return _regrouped(leaves, arrays, origin)


def _regrouped(leaves: list[Any], arrays: Arrays, origin: Origin) -> Arrays:
    """As `converted`, for layers that were stored gate by gate: trainable weights of all layers, then the others."""
    rest = iter(arrays)
    trainable: list[Arrays] = []
    for leaf in leaves:
        count = len(leaf.trainable_weights)
        trainable.append([a for _, a in zip(range(_KERAS1_COUNTS.get(_kind(leaf), count) if count else 0), rest)])
    fixed: list[Arrays] = [[a for _, a in zip(range(len(leaf.non_trainable_weights)), rest)] for leaf in leaves]
    if list(rest):
        return arrays
    new = [_leaf(leaf, t + f, origin) for leaf, t, f in zip(leaves, trainable, fixed)]
    counts = [len(leaf.trainable_weights) for leaf in leaves]
    return [*(a for one, n in zip(new, counts) for a in one[:n]), *(a for one, n in zip(new, counts) for a in one[n:])]


def _leaves(layer: Any) -> list[Any]:
    """The layers that own the weights of a model or a wrapper, each once; the layer itself if it is neither."""
    from ..layers.wrappers import Wrapper

    if isinstance(layer, Network):
        inside = layer.layers
    elif type(layer).__name__ == "Bidirectional" and hasattr(layer, "forward_layer"):  # perhaps a program's own
        inside = [layer.forward_layer, layer.backward_layer]
    elif type(layer).__name__ == "TimeDistributed" and hasattr(layer, "layer"):
        inside = [layer.layer]
    elif isinstance(layer, Wrapper):
        inside = layer._inside()
    else:
        return [layer]
    return list({id(leaf): leaf for one in inside for leaf in _leaves(one)}.values())


_KERAS1_COUNTS = {"LSTM": 12, "GRU": 9, "ConvLSTM2D": 12}


_BY_NAME = ("Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "ConvLSTM2D", "GRU", "LSTM")
"""Names of classes by which Keras 2.0.9 converts weights, whose ever the class is."""


def _kind(layer: Any) -> str:
    """The class by which a layer's arrangement is known: its own or the nearest base class of this library's. Of a
    program's own class it is the name, where Keras 2.0.9 goes by that, else ''."""
    name = type(layer).__name__
    return _built_in_kind(layer) or (name if name in _BY_NAME else "")


def _built_in_kind(layer: Any) -> str | None:
    return next((c.__name__ for c in type(layer).__mro__ if c.__name__ in _KINDS and is_built_in(c)), None)


def _leaf(layer: Any, arrays: Arrays, origin: Origin) -> Arrays:
    if not arrays:
        return arrays
    kind = _kind(layer)
    if origin.is_keras1 and kind in _FROM_KERAS1:
        arrays = _FROM_KERAS1[kind](layer, arrays)
    if kind in _CONVOLUTIONS:
        arrays = _kernels(layer, kind, arrays, origin)
    if len(arrays) != 3 or kind not in _RECURRENT or kind == "GRU" and _built_in_kind(layer) is None:
        return arrays
    return _RECURRENT[kind](layer, arrays)


# ------------------------------------------------------------------------------------------------ convolutions

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM2D")


def _kernels(layer: Any, kind: str, arrays: Arrays, origin: Origin) -> Arrays:
    """Kernels mirrored, or with their channels first, put right."""
    for i in range(2 if kind == "ConvLSTM2D" else 1):
        expected = tuple(layer.weights[i].shape)
        if arrays[i].shape != expected and arrays[i].ndim == len(expected) == 4:
            for axes in ((2, 3, 1, 0), (3, 2, 0, 1)):
                if tuple(arrays[i].shape[a] for a in axes) == expected:
                    arrays[i] = arrays[i].transpose(axes)
                    break
        if origin.flips and arrays[i].ndim == len(expected):
            spatial = arrays[i].ndim - 2
            arrays[i] = arrays[i][(slice(None, None, -1),) * spatial]
    return arrays


def _keras1_conv1d(layer: Any, arrays: Arrays) -> Arrays:
    """(length, 1, inputs, filters), before 1.2 (filters, inputs, length, 1), to (length, inputs, filters)."""
    kernel = arrays[0]
    if kernel.ndim == 4:
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        arrays[0] = kernel[:, 0]
    return arrays


def _channels_last_kernel(layer: Any, arrays: Arrays) -> Arrays:
    """Keras 1's (filters, inputs, ...) for channels_first to (..., inputs, filters)."""
    if layer.data_format == "channels_first" and arrays[0].ndim > 3:
        arrays[0] = arrays[0].transpose(*range(2, arrays[0].ndim), 1, 0)
    return arrays


def _keras1_transposed(layer: Any, arrays: Arrays) -> Arrays:
    """The two channel axes of a transposed convolution change places."""
    if arrays[0].ndim == 4:
        arrays[0] = arrays[0].transpose((0, 1, 3, 2) if layer.data_format == "channels_last" else (2, 3, 0, 1))
    return arrays


def _gates_joined(order: Sequence[int]) -> Callable[[Any, Arrays], Arrays]:
    """A conversion of kernel, recurrent kernel and bias of each gate to the three of all gates, in another order."""
    def join(layer: Any, arrays: Arrays) -> Arrays:
        if len(arrays) != 3 * len(order):
            return arrays
        return [np.concatenate([arrays[3 * gate + part] for gate in order], axis=-1) for part in range(3)]
    return join


_lstm_joined = _gates_joined((0, 2, 1, 3))  # Keras 1 has i, c, f, o


def _keras1_conv_lstm(layer: Any, arrays: Arrays) -> Arrays:
    """Twelve arrays, kernels as (filters, inputs, rows, columns) for channels_first, to the three of all gates."""
    if len(arrays) == 12 and layer.data_format == "channels_first":
        *window, inputs, channels = layer.weights[0].shape
        filters = channels // 4
        kernels = [(filters, inputs, *window), (filters, filters, *window)]
        arrays = [a.transpose(2, 3, 1, 0) if i % 3 < 2 and a.shape == kernels[i % 3] else a
                  for i, a in enumerate(arrays)]
    return _lstm_joined(layer, arrays)


_FROM_KERAS1: dict[str, Callable[[Any, Arrays], Arrays]] = {
    "Conv1D": _keras1_conv1d, "Conv2D": _channels_last_kernel, "Conv3D": _channels_last_kernel,
    "Conv2DTranspose": _keras1_transposed, "LSTM": _lstm_joined, "GRU": _gates_joined((0, 1, 2)),
    "ConvLSTM2D": _keras1_conv_lstm}


# ------------------------------------------------------------------------------------------------------- cuDNN


def _from_cudnn(matrix: np.ndarray, gates: int) -> np.ndarray:
    """A kernel whose gates lie in memory as cuDNN wants them, (units, inputs), as products want it."""
    return np.hstack([part.reshape(-1).reshape(part.shape[::-1]).T for part in np.hsplit(matrix, gates)])


def to_cudnn(matrix: np.ndarray, gates: int) -> np.ndarray:
    """The reverse of `_from_cudnn`: how Keras stores the kernels of CuDNNLSTM and CuDNNGRU."""
    return np.hstack([part.T.reshape(-1).reshape(part.shape) for part in np.hsplit(matrix, gates)])


def _lstm(layer: Any, arrays: Arrays) -> Arrays:
    """LSTM and CuDNNLSTM from either; the latter has a second bias, and its kernels lie otherwise in a file."""
    kernel, recurrent, bias = arrays
    units = recurrent.shape[0]
    stored_by_cudnn, wanted = bias.shape == (8 * units,), _kind(layer) == "CuDNNLSTM"
    if stored_by_cudnn:
        kernel, recurrent = _from_cudnn(kernel, 4), _from_cudnn(recurrent, 4)
        bias = bias if wanted else bias[:4 * units] + bias[4 * units:]
    elif wanted and bias.shape == (4 * units,):
        bias = np.tile(bias * bias.dtype.type(0.5), 2)
    return [kernel, recurrent, bias]


def _gru(layer: Any, arrays: Arrays) -> Arrays:
    """GRU and CuDNNGRU from either; only a GRU with `reset_after` computes what cuDNN's does."""
    kernel, recurrent, bias = arrays
    units = recurrent.shape[0]
    stored_by_cudnn, wanted = bias.shape == (6 * units,), _kind(layer) == "CuDNNGRU"
    if stored_by_cudnn:
        if not wanted and not layer.reset_after:
            raise ValueError(f"Layer '{layer.name}': the file holds the weights of a CuDNNGRU, which applies the reset "
                             "gate after the product. Make the layer with GRU(..., reset_after=True, "
                             "recurrent_activation='sigmoid')")
        kernel, recurrent = _from_cudnn(kernel, 3), _from_cudnn(recurrent, 3)
        bias = bias if wanted else bias.reshape(2, -1)
    elif wanted and bias.shape == (2, 3 * units):
        bias = bias.reshape(-1)
    return [kernel, recurrent, bias]


_RECURRENT: dict[str, Callable[[Any, Arrays], Arrays]] = {"LSTM": _lstm, "CuDNNLSTM": _lstm, "GRU": _gru,
                                                         "CuDNNGRU": _gru}
_KINDS = frozenset({*_CONVOLUTIONS, *_FROM_KERAS1, *_RECURRENT})
_GATES = {"CuDNNLSTM": 4, "CuDNNGRU": 3}


def for_file(layer: Any, values: Arrays) -> Arrays:
    """The values of `layer.weights` as Keras 2 stores them: only the kernels of cuDNN's layers are arranged anew."""
    values = list(values)
    places = {id(w): i for i, w in enumerate(layer.weights)}
    for leaf in _leaves(layer):
        gates = _GATES.get(_kind(leaf))
        if gates:
            for weight in leaf.weights[:2]:
                at = places[id(weight)]
                values[at] = to_cudnn(values[at], gates)
    return values


def preprocess_weights_for_loading(layer: Any, weights: Sequence[Any], original_keras_version: str | None = None,
                                   original_backend: str | None = None) -> Arrays:
    """Keras's name for `converted`: weights of another Keras or backend as `layer` has them."""
    origin = Origin(original_keras_version or "2", original_backend)
    return converted(layer, [np.asarray(w) for w in weights], origin)
