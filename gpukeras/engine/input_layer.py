"""Where a graph begins: InputLayer, and Input, which makes one and returns its tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..graph.static_shape import plain_shape
from ..utils import keras1
from .layer import Layer
from .node import Node, TensorHistory


class InputLayer(Layer):
    """A layer without inputs whose output is fed from outside, or is `input_tensor`.

    Give `input_shape` (without the batch axis, whose size is `batch_size`) or `batch_input_shape` (with it).
    `batch_shape` is a newer spelling of the latter. Sparse matrices of SciPy may be fed to any input, and become dense
    batch by batch; `sparse` only says that they will be. `dtype` defaults to floatx, or to that of `input_tensor`.

    >>> InputLayer(input_shape=(3,)).output_shape
    (None, 3)
    """

    @keras1.input_layer
    def __init__(self, input_shape: Sequence[int | None] | None = None, batch_size: int | None = None,
                 batch_input_shape: Sequence[int | None] | None = None, dtype: str | None = None,
                 input_tensor: Any = None, sparse: bool = False, name: str | None = None,
                 batch_shape: Sequence[int | None] | None = None, ragged: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(name=name or f"input_{K.get_uid('input')}", **kwargs)
        self._policy = None  # what is fed is cast by the layers that read it
        if ragged:
            raise ValueError(f"InputLayer '{self.name}': ragged inputs do not exist here; pad the rows to one length.")
        if batch_input_shape is None:
            batch_input_shape = batch_shape
        if input_shape is not None and batch_input_shape is not None:
            raise ValueError(f"InputLayer '{self.name}' takes input_shape or batch_input_shape, not both.")
        if input_shape is not None:
            batch_input_shape = (batch_size, *_as_tuple("input_shape", input_shape))
        elif batch_input_shape is not None:
            batch_input_shape = _as_tuple("batch_input_shape", batch_input_shape)
        elif input_tensor is not None:
            batch_input_shape = K.int_shape(input_tensor)
        else:
            raise ValueError(f"InputLayer '{self.name}' needs an input_shape or a batch_input_shape.")
        self.batch_input_shape = tuple(batch_input_shape)
        self.dtype = dtype or (K.floatx() if input_tensor is None else K.dtype(input_tensor))
        self.sparse = sparse
        self.trainable = False
        self.built = True
        self.is_placeholder = input_tensor is None
        if input_tensor is None:
            input_tensor = K.placeholder(shape=self.batch_input_shape, dtype=self.dtype, sparse=sparse, name=self.name)
        input_tensor._keras_shape = self.batch_input_shape
        input_tensor._uses_learning_phase = False
        input_tensor._keras_history = TensorHistory(self, 0, 0)
        Node.of_source(self, [input_tensor], [input_tensor])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {"batch_input_shape": self.batch_input_shape, "dtype": self.dtype, "sparse": self.sparse,
                "name": self.name}


def Input(shape: Sequence[int | None] | None = None, batch_shape: Sequence[int | None] | None = None,
          name: str | None = None, dtype: str | None = None, sparse: bool = False, tensor: Any = None,
          batch_size: int | None = None) -> Any:
    """A tensor to build a functional model from.

    `shape` leaves the batch axis out, `batch_shape` has it. With `tensor` the model reads that tensor and is
    not fed. Raises ValueError without any of the three.

    >>> x = Input(shape=(32,))
    >>> K.int_shape(x)
    (None, 32)
    """
    if shape is None and batch_shape is None and tensor is None:
        raise ValueError("Input needs `shape` (without the batch axis) or `batch_shape`: for example "
                         "Input(shape=(32,)).")
    if batch_shape is not None:
        shape = None
    layer = InputLayer(input_shape=shape, batch_input_shape=batch_shape, batch_size=batch_size, name=name,
                       dtype=dtype, sparse=sparse, input_tensor=tensor)
    return layer.inbound_nodes[0].output_tensors[0]


def _as_tuple(argument: str, shape: Any) -> tuple[int | None, ...]:
    """`shape` as a tuple, or a TypeError that says how to write it."""
    if isinstance(shape, int):
        raise TypeError(f"{argument} must be a tuple of integers such as ({shape},), got the number {shape}.")
    return plain_shape(shape)
