"""Multi-head attention, the heart of the Transformer. Newer than Keras 2.0.9."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from .attention import Attends, Shape, all_of, causal_mask, hide, size, swapped
from .parts import add_part_weight, part_configs, set_parts, whole_number


class MultiHeadAttention(Attends):
    """Several dot-product attentions beside each other, each on a projection of its own (Vaswani et al. 2017,
    arXiv:1706.03762).

    Called as ``layer(query, value)``, ``layer(query, value, key)`` or on a list of these: (batch, steps, n), (batch,
    other steps, m) and (batch, other steps, l); the values are their own keys if none are given. For each of
    `num_heads` heads queries and keys are projected to `key_dim` features and values to `value_dim` (default: the
    same), the scores are ``query @ key.T / sqrt(key_dim)``, and what the heads find is projected together to
    `output_shape` (default: n). So the output is (batch, steps, n), with ``return_attention_scores=True`` beside it the
    weights (batch, num_heads, steps, other steps).

    A step sees those steps which the masks of query, value and key keep, and ``attention_mask``, which broadcasts to
    (batch, steps, other steps), and with ``use_causal_mask=True`` no later ones. `attention_axes` are the axes over
    which to attend where there are several between batch and features (default: all). `dropout` drops weights in
    training.

    Weights: for query, key and value a kernel (features, num_heads, dim) and a bias (num_heads, dim), then
    attention_output's (num_heads, value_dim, *output_shape) and (*output_shape,); no biases without `use_bias`.

    >>> from gpukeras.layers import Input
    >>> x = Input((10, 16))
    >>> MultiHeadAttention(num_heads=4, key_dim=8)(x, x, use_causal_mask=True).shape
    (None, 10, 16)
    """

    _parts = ("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer",
              "activity_regularizer", "kernel_constraint", "bias_constraint")
    _remembered: tuple[Any, Any, Any] = (None, None, None)

    def __init__(self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
                 use_bias: bool = True, output_shape: int | Sequence[int] | None = None,
                 attention_axes: int | Sequence[int] | None = None, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = whole_number(self, "num_heads", num_heads)
        self.key_dim = whole_number(self, "key_dim", key_dim)
        self.value_dim = whole_number(self, "value_dim", value_dim or key_dim)
        self.dropout = dropout
        self.use_bias = use_bias
        self.attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self._output_dims = output_shape
        set_parts(self, kernel_initializer=kernel_initializer, bias_initializer=bias_initializer,
                  kernel_regularizer=kernel_regularizer, bias_regularizer=bias_regularizer,
                  activity_regularizer=activity_regularizer, kernel_constraint=kernel_constraint,
                  bias_constraint=bias_constraint)

    def __call__(self, query: Any, value: Any = None, key: Any = None,  # type: ignore[override]
                 attention_mask: Any = None, **kwargs: Any) -> Any:
        """Applies the layer; tensors that come from layers become inputs of the call."""
        inputs = list(query) if isinstance(query, (list, tuple)) else [query]
        inputs += [x for x in (value, key) if x is not None]
        if not 2 <= len(inputs) <= 4:
            raise ValueError(f"Layer '{self.name}': MultiHeadAttention must be called on query, value and perhaps key, "
                             f"got {len(inputs)} inputs.")
        if K.is_tensor(attention_mask) and K.is_keras_tensor(attention_mask):
            inputs = [*inputs[:2], inputs[-1], attention_mask]
        elif attention_mask is not None:
            kwargs["attention_mask"] = attention_mask
        return super().__call__(inputs, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of these shapes."""
        query, value, key = self._shapes(input_shape)
        self._remembered = (query, value, key)
        heads = self.num_heads
        if self.attention_axes is None:
            self.attention_axes = tuple(range(1, len(query) - 1))
        self._projections = {name: self._add_projection(name, (shape[-1],), (heads, dim)) for name, shape, dim in (
            ("query", query, self.key_dim), ("key", key, self.key_dim), ("value", value, self.value_dim))}
        self._projections["attention_output"] = self._add_projection(
            "attention_output", (heads, self.value_dim), self._outputs(query))
        self.built = True

    def _shapes(self, input_shape: Any) -> tuple[Shape, Shape, Shape]:
        several = isinstance(input_shape, (list, tuple)) and input_shape and isinstance(input_shape[0], (list, tuple))
        if not several or not 2 <= len(input_shape) <= 4:
            raise ValueError(f"Layer '{self.name}': MultiHeadAttention is built for the shapes of query, value and "
                             f"perhaps key, got {input_shape}.")
        query, value, key = (tuple(shape) for shape in [*input_shape, input_shape[1]][:3])
        if len({len(query), len(value), len(key)}) > 1 or len(query) < 3 or any(
                None not in (a, b) and a != b for a, b in zip(value[:-1], key[:-1])):
            raise ValueError(f"Layer '{self.name}': queries (batch, steps, features), values and keys (batch, other "
                             f"steps, features) don't fit together: shapes {query}, {value} and {key}.")
        return query, value, key

    def _outputs(self, query: Shape) -> tuple[Any, ...]:
        """The features of the output."""
        asked = self._output_dims
        return (query[-1],) if not asked else (asked,) if isinstance(asked, int) else tuple(asked)

    def _add_projection(self, name: str, of: tuple[Any, ...], to: tuple[Any, ...]) -> tuple[Any, Any]:
        kernel = add_part_weight(self, f"{name}/kernel", (*of, *to), "kernel")
        return kernel, add_part_weight(self, f"{name}/bias", to, "bias") if self.use_bias else None

    def _projected(self, name: str, x: Any) -> Any:
        """(..., features in a row) to (..., all features of the projection in a row)."""
        kernel, bias = self._projections[name]
        features = K.int_shape(x)[-1]
        output = K.dot(x, K.reshape(kernel, (features, -1)))
        return output if bias is None else K.bias_add(output, K.reshape(bias, (-1,)), "channels_last")

    def _heads(self, name: str, x: Any, dim: int) -> Any:
        """(batch axes, attention axes, features) in any order to (batch * heads, steps, dim)."""
        order, _ = self._order(K.ndim(x))
        split = K.reshape(self._projected(name, x), [*(size(x, i) for i in range(K.ndim(x) - 1)), self.num_heads, dim])
        return K.reshape(K.permute_dimensions(split, order), (-1, self._steps(x), dim))

    def _order(self, rank: int) -> tuple[list[int], list[int]]:
        """What brings (..., heads, dim) to (batch axes, heads, attention axes, dim), and what brings it back."""
        attended = [axis % rank for axis in self.attention_axes]  # type: ignore[union-attr]
        others = [axis for axis in range(rank - 1) if axis not in attended]
        order = [*others, rank - 1, *attended, rank]
        return order, [order.index(axis) for axis in range(rank + 1)]

    def _steps(self, x: Any) -> Any:
        """How many steps there are to attend to."""
        return math.prod(size(x, axis) for axis in self.attention_axes)  # type: ignore[union-attr]

    def _sizes(self, query: Any, *axes_of: Any) -> list[Any]:
        """The sizes of (batch axes, heads, attention axes of each tensor in `axes_of`)."""
        rank = K.ndim(query)
        attended = [axis % rank for axis in self.attention_axes]  # type: ignore[union-attr]
        return [*(size(query, axis) for axis in range(rank - 1) if axis not in attended), self.num_heads,
                *(size(x, axis) for x in axes_of for axis in attended)]

    def call(self, inputs: Any, mask: Any = None, attention_mask: Any = None, return_attention_scores: bool = False,
             training: Any = None, use_causal_mask: bool = False) -> Any:
        """The attention's output, and the weights if asked for."""
        query, value, key = [*inputs, inputs[1]][:3]
        if len(inputs) == 4:
            attention_mask = inputs[3]
        q, k = self._heads("query", query, self.key_dim), self._heads("key", key, self.key_dim)
        v = self._heads("value", value, self.value_dim)
        scores = (q * (1 / math.sqrt(self.key_dim))) @ swapped(k)
        visible = self._visible(mask, attention_mask, causal_mask(query, value) if use_causal_mask else None)
        flat = (-1, self._steps(query), self._steps(value))
        if visible is not None:
            apart = hide(K.reshape(scores, self._sizes(query, query, value)), self._over_heads(visible, query))
            scores = K.reshape(apart, flat)
        weights = K.softmax(scores)
        found = self._dropped(weights, self.dropout, training) @ v
        found = K.permute_dimensions(K.reshape(found, [*self._sizes(query, query), self.value_dim]),
                                     self._order(K.ndim(query))[1])
        lengths = [size(query, axis) for axis in range(K.ndim(query) - 1)]
        output = self._projected("attention_output", K.reshape(found, [*lengths, self.num_heads * self.value_dim]))
        output = K.reshape(output, [*lengths, *self._outputs(K.int_shape(query))])
        if not return_attention_scores:
            return output
        return [output, K.reshape(weights, self._sizes(query, query, value))]

    def _visible(self, mask: Any, attention_mask: Any, causal: Any) -> Any:
        """What of the values each query sees, or None for everything."""
        query_mask, value_mask, key_mask = [*(mask or []), None, None, None][:3]
        rows = None if query_mask is None else K.expand_dims(query_mask, -1)
        columns = [None if m is None else K.expand_dims(m, 1) for m in (value_mask, key_mask)]
        if attention_mask is not None:
            given = attention_mask if K.is_tensor(attention_mask) else K.constant(attention_mask)
            attention_mask = K.cast(given, "bool")
        return all_of(attention_mask, rows, *columns, causal)

    def _over_heads(self, visible: Any, query: Any) -> Any:
        """The mask with new axes before the attention axes, one of them for the heads."""
        attended = 2 * len(self.attention_axes)  # type: ignore[arg-type]
        for _ in range(len(self._sizes(query)) + attended - K.ndim(visible)):
            visible = K.expand_dims(visible, -attended - 1)
        return visible

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The query's shape with the output's features."""
        query, _, _ = self._shapes(input_shape)
        return (*query[:-1], *self._outputs(query))

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the shapes of query, key and value, which newer Keras asks for."""
        query, value, key = self._remembered
        return {**super().get_config(), "num_heads": self.num_heads, "key_dim": self.key_dim,
                "value_dim": self.value_dim, "dropout": self.dropout, "use_bias": self.use_bias,
                "output_shape": self._output_dims, "attention_axes": self.attention_axes,
                **part_configs(self, self._parts), "query_shape": query, "key_shape": key, "value_shape": value}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from `get_config`'s result."""
        config = dict(config)
        shapes = [config.pop(f"{name}_shape", None) for name in ("query", "value", "key")]
        layer = cls(**config)
        layer._remembered = (shapes[0], shapes[1], shapes[2])
        return layer
