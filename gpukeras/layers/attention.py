"""Attention: every step of one sequence becomes a weighted mean of the steps of another. Newer than Keras 2.0.9."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..engine.layer import Layer

Shape = tuple["int | None", ...]


def hide(scores: Any, mask: Any) -> Any:
    """Scores lowered so far where the mask (bool, or 0 and 1) is false that their softmax is 0."""
    far = 65504.0 if K.dtype(scores) == "float16" else 1e9
    return scores - far * (1 - K.cast(mask, K.dtype(scores)))


def all_of(*masks: Any) -> Any:
    """The conjunction of those masks that are not None."""
    found = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else K.logical_and(found, mask)
    return found


def size(x: Any, axis: int) -> Any:
    """The length of an axis, as a tensor if it isn't known yet."""
    known = K.int_shape(x)[axis]
    return K.shape(x)[axis] if known is None else known


def causal_mask(queries: Any, values: Any) -> Any:
    """(1, steps of the queries, steps of the values): each step sees itself and earlier ones."""
    rows, columns = K.arange(size(queries, 1)), K.arange(size(values, 1))
    return K.greater_equal(K.reshape(rows, (1, -1, 1)), K.reshape(columns, (1, 1, -1)))


class Attends(Layer):
    """What attention layers share: inputs [query, value] or [query, value, key], the query's mask passed on, and the
    scores as a second output if `return_attention_scores` is asked of the call."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def _declared_shapes(self, input_shape: Any) -> None:
        return None  # the number of outputs depends on the call

    def _run(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> Any:
        outputs, out_masks, shapes = super()._run(inputs, masks, kwargs)
        return outputs, out_masks[:1] + [None] * (len(outputs) - 1), shapes

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the query."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask

    def _dropped(self, weights: Any, rate: float, training: Any) -> Any:
        if not rate:
            return weights
        return K.in_train_phase(lambda: K.dropout(weights, rate), weights, training=training)


class _SequenceAttention(Attends):
    """Attention whose scores are made of queries and keys directly, without projections."""

    _most_inputs = 3

    def __init__(self, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dropout = dropout

    def _shapes(self, input_shape: Any) -> list[Shape]:
        several = isinstance(input_shape, (list, tuple)) and input_shape and isinstance(input_shape[0], (list, tuple))
        if not several or not 2 <= len(input_shape) <= 3:
            raise ValueError(f"Layer '{self.name}': {type(self).__name__} must be called on a list [query, value] or "
                             f"[query, value, key], got inputs of shape {input_shape}.")
        return [tuple(shape) for shape in input_shape]

    def build(self, input_shape: Any) -> None:
        """Checks the inputs' shapes and makes the weights."""
        shapes = self._shapes(input_shape)
        query, value, key = shapes[0], shapes[1], shapes[-1]
        if min(map(len, shapes)) < 3 or None not in (query[-1], key[-1]) and query[-1] != key[-1]:
            raise ValueError(f"Layer '{self.name}': queries (batch, steps, n) and keys (batch, other steps, n) must "
                             f"have the same number n of features, got shapes {query} and {key}.")
        if None not in (value[-2], key[-2]) and value[-2] != key[-2]:
            raise ValueError(f"Layer '{self.name}': values and keys must have the same number of steps, got shapes "
                             f"{value} and {key}.")
        self._add_weights(query[-1])
        self.built = True

    def _add_weights(self, features: int | None) -> None:
        """Makes the weights for so many features."""
        raise NotImplementedError(f"{type(self).__name__} must define _add_weights and _scores")

    def _scores(self, query: Any, key: Any) -> Any:
        """(batch, steps, features) and (batch, other steps, features) to (batch, steps, other steps)."""
        raise NotImplementedError(f"{type(self).__name__} must define _add_weights and _scores")

    def call(self, inputs: Any, mask: Any = None, training: Any = None, return_attention_scores: bool = False,
             use_causal_mask: bool = False) -> Any:
        """For each query, the mean of the values weighted by the softmax of its scores; zeros for a masked query."""
        query, value, key = inputs[0], inputs[1], inputs[-1]
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        scores = self._scores(query, key)
        hidden = all_of(None if value_mask is None else K.expand_dims(value_mask, -2),
                        causal_mask(query, key) if use_causal_mask else None)
        weights = K.softmax(scores if hidden is None else hide(scores, hidden))
        weights = self._dropped(weights, self.dropout, training)
        output = weights @ value
        if query_mask is not None:
            output = output * K.cast(K.expand_dims(query_mask), K.dtype(output))
        return [output, weights] if return_attention_scores else output

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """(batch, steps of the query, features of the value)."""
        shapes = self._shapes(input_shape)
        return (*shapes[0][:-1], shapes[1][-1])

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "dropout": self.dropout}


class Attention(_SequenceAttention):
    """Dot-product attention (Luong et al. 2015, arXiv:1508.04025): the scores are ``query @ key.T``.

    Called on [query, value] or [query, value, key] of shapes (batch, steps, n), (batch, other steps, m) and (batch,
    other steps, n); the values are their own keys if none are given. The output is (batch, steps, m), with
    ``return_attention_scores=True`` beside it the weights (batch, steps, other steps). Masked values get no weight,
    masked queries zeros; ``use_causal_mask=True`` hides later steps. `use_scale` multiplies the scores by a weight.
    `score_mode` 'concat' scores by ``weight * sum(tanh(query + key))`` instead. `dropout` drops weights in training.

    >>> from gpukeras.layers import Input
    >>> Attention()([Input((4, 8)), Input((6, 8))]).shape
    (None, 4, 8)
    """

    def __init__(self, use_scale: bool = False, score_mode: str = "dot", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"Layer '{self.name}': score_mode must be 'dot' or 'concat', got {score_mode!r}.")
        self.use_scale = use_scale
        self.score_mode = score_mode

    def _add_weights(self, features: int | None) -> None:
        self.scale = self.concat_score_weight = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _scores(self, query: Any, key: Any) -> Any:
        if self.score_mode == "dot":
            scores = query @ swapped(key)
            return scores if self.scale is None else scores * self.scale
        sums = K.expand_dims(query, -2) + K.expand_dims(key, -3)
        return self.concat_score_weight * K.sum(K.tanh(sums if self.scale is None else sums * self.scale), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "use_scale": self.use_scale, "score_mode": self.score_mode}


class AdditiveAttention(_SequenceAttention):
    """Bahdanau's attention (2015, arXiv:1409.0473): the scores are ``sum(scale * tanh(query + key))`` over the
    features, with weights `scale` (n,) unless `use_scale` is off. The rest is as in Attention.

    >>> from gpukeras.layers import Input
    >>> AdditiveAttention()([Input((4, 8)), Input((6, 8))]).shape
    (None, 4, 8)
    """

    def __init__(self, use_scale: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale

    def _add_weights(self, features: int | None) -> None:
        self.scale = None
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(features,), initializer="glorot_uniform")

    def _scores(self, query: Any, key: Any) -> Any:
        bent = K.tanh(K.expand_dims(query, -2) + K.expand_dims(key, -3))
        return K.sum(bent if self.scale is None else bent * self.scale, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "use_scale": self.use_scale}


def swapped(x: Any) -> Any:
    """The last two axes exchanged."""
    axes = list(range(K.ndim(x)))
    return K.permute_dimensions(x, [*axes[:-2], axes[-1], axes[-2]])
