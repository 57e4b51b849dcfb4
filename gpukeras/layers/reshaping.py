"""Layers that move elements around without computing: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer


class Flatten(Layer):
    """(batch, a, b, ...) to (batch, a * b * ...). Raises ValueError if a size other than the batch's is
    unknown.

    With ``data_format='channels_first'`` axis 1 is moved to the end before (newer Keras).

    >>> Flatten().compute_output_shape((None, 3, 4))
    (None, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = None if data_format is None else K.normalize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The batch axis and one other."""
        if None in input_shape[1:]:
            raise ValueError(f"Layer '{self.name}': Flatten needs to know every size of its input, got "
                             f"{tuple(input_shape)}. Give the first layer a complete input_shape.")
        return (input_shape[0], math.prod(input_shape[1:]))

    def call(self, inputs: Any) -> Any:
        """The inputs as a matrix."""
        rank = K.ndim(inputs)
        if self.data_format == "channels_first" and rank > 2:
            inputs = K.permute_dimensions(inputs, (0, *range(2, rank), 1))
        return K.batch_flatten(inputs) if rank > 1 else K.expand_dims(inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        said = {} if self.data_format is None else {"data_format": self.data_format}
        return {**super().get_config(), **said}


class Reshape(Layer):
    """Gives each sample `target_shape` (without the batch axis); one size may be -1 and is then worked out.

    Raises ValueError if the number of elements doesn't fit.

    >>> Reshape((-1, 2)).compute_output_shape((None, 3, 4))
    (None, 6, 2)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"Layer '{self.name}': target_shape {self.target_shape} has more than one -1.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """`target_shape` behind the batch axis."""
        if None in input_shape[1:]:
            return (input_shape[0], *(None if d == -1 else d for d in self.target_shape))
        have, fixed = math.prod(input_shape[1:]), math.prod(d for d in self.target_shape if d != -1)
        fits = fixed and have % fixed == 0 if -1 in self.target_shape else have == fixed
        if not fits:
            raise ValueError(f"Layer '{self.name}' can't reshape samples of shape {tuple(input_shape[1:])} "
                             f"({have} elements) to {self.target_shape}: the number of elements must stay.")
        return (input_shape[0], *(have // fixed if d == -1 else d for d in self.target_shape))

    def call(self, inputs: Any) -> Any:
        """The inputs with samples of the target shape."""
        target = self.compute_output_shape(K.int_shape(inputs))[1:]
        batch = K.shape(inputs)[0] if None in target else -1  # only one size may be left open
        return K.reshape(inputs, (batch, *(-1 if d is None else d for d in target)))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """Reorders the axes of a sample: `dims` are the input's axes, from 1, in the order the output has them.

    >>> Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Layer '{self.name}': dims must hold each of 1..{len(self.dims)} once, got "
                             f"{self.dims}.")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The sizes in their new order."""
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def call(self, inputs: Any) -> Any:
        """The inputs with their axes reordered."""
        return K.permute_dimensions(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dims": self.dims}


class RepeatVector(Layer):
    """(batch, features) to (batch, n, features): the vector n times.

    >>> RepeatVector(3).compute_output_shape((None, 32))
    (None, 3, 32)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(batch, n, features)."""
        return (input_shape[0], self.n, input_shape[1])

    def call(self, inputs: Any) -> Any:
        """The inputs repeated along a new axis 1."""
        return K.repeat(inputs, self.n)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "n": self.n}
