"""Embedding: rows of a table in place of whole numbers."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..engine.layer import Layer
from ..legacy import interfaces
from .parts import add_part_weight, part_configs, set_parts, whole_number


class Embedding(Layer):
    """Whole numbers in [0, input_dim), shape (batch, ...), become rows of `embeddings` (input_dim, output_dim): shape
    (batch, ..., output_dim).

    With `mask_zero`, 0 is padding and masked. `input_length` (or one for each axis) says the length of the rows, where
    a Flatten and Dense shall follow. A number out of range raises IndexError when it comes.

    >>> Embedding(1000, 8, input_length=5).compute_output_shape((None, 5))
    (None, 5, 8)
    """

    _parts = ("embeddings_initializer", "embeddings_regularizer", "activity_regularizer", "embeddings_constraint")

    _autocast = False  # 16 bits would not hold all whole numbers

    @interfaces.legacy_embedding_support
    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: Any = "uniform",
                 embeddings_regularizer: Any = None, activity_regularizer: Any = None,
                 embeddings_constraint: Any = None, mask_zero: bool = False, input_length: Any = None,
                 **kwargs: Any) -> None:
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            lengths = input_length if isinstance(input_length, (list, tuple)) else (input_length,)
            kwargs["input_shape"] = tuple(lengths)
        super().__init__(**kwargs)
        self.input_dim = whole_number(self, "input_dim", input_dim)
        self.output_dim = whole_number(self, "output_dim", output_dim)
        set_parts(self, embeddings_initializer=embeddings_initializer, embeddings_regularizer=embeddings_regularizer,
                  activity_regularizer=activity_regularizer, embeddings_constraint=embeddings_constraint)
        self.mask_zero = mask_zero
        self.input_length = input_length

    def build(self, input_shape: Any) -> None:
        """Makes the table."""
        self.embeddings = add_part_weight(self, "embeddings", (self.input_dim, self.output_dim))
        self.embeddings.adapts = False  # the rows are cast, which are fewer than the table has
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """False where the number is 0, if that is asked for."""
        return K.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """One more axis; lengths from `input_length` where the input's are unknown."""
        lengths = self.input_length
        if lengths is None:
            return (*input_shape, self.output_dim)
        lengths = tuple(lengths) if isinstance(lengths, (list, tuple)) else (lengths,)
        if len(lengths) != len(input_shape) - 1 or any(
                None not in (a, b) and a != b for a, b in zip(lengths, input_shape[1:])):
            raise ValueError(f"Layer '{self.name}': input_length is {self.input_length}, but the input has shape "
                             f"{tuple(input_shape)}.")
        return (input_shape[0], *(b if a is None else a for a, b in zip(lengths, input_shape[1:])), self.output_dim)

    def call(self, inputs: Any) -> Any:
        """The rows."""
        return K.gather(self.embeddings, K.cast(inputs, "int32"))

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "input_dim": self.input_dim, "output_dim": self.output_dim,
                **part_configs(self, self._parts), "mask_zero": self.mask_zero, "input_length": self.input_length}
