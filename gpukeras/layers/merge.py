"""Layers that make one tensor of several, and the functions of the same names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from .. import backend as K
from ..engine.layer import Layer

Shape = tuple["int | None", ...]


class _Merge(Layer):
    """Base of the elementwise merges: inputs of one shape, or of shapes that broadcast.

    An input with fewer axes gets new ones after the batch axis. Masks of the inputs are joined: a position is kept if
    every mask keeps it.
    """

    most_inputs: int | None = None
    _counts_ops = True

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks number and shapes of the inputs."""
        shapes = self._shapes(input_shape)
        self.compute_output_shape(shapes)
        super().build(input_shape)

    def _shapes(self, input_shape: Any) -> list[Shape]:
        kind = type(self).__name__
        if not isinstance(input_shape, list):
            raise ValueError(f"Layer '{self.name}': {kind} must be called on a list of inputs, got one of shape "
                             f"{input_shape}. Write {kind}()([a, b]).")
        if len(input_shape) < 2 or self.most_inputs and len(input_shape) > self.most_inputs:
            count = f"exactly {self.most_inputs}" if self.most_inputs else "at least 2"
            raise ValueError(f"Layer '{self.name}': {kind} must be called on a list of {count} inputs, got "
                             f"{len(input_shape)}.")
        return [tuple(s) for s in input_shape]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The broadcast shape; the batch size is known if all inputs that know it agree."""
        shapes = self._shapes(input_shape)
        if not any(shapes):
            return ()  # numbers, such as losses
        sizes = {s[0] for s in shapes} - {None}
        if len(sizes) > 1:
            raise ValueError(f"Layer '{self.name}': can't merge inputs with different batch sizes, got "
                             f"shapes {shapes}.")
        rank = max(map(len, shapes))
        wide = [(1,) * (rank - len(s)) + s[1:] for s in shapes]
        rest: list[int | None] = []
        for dims in zip(*wide):
            known = {d for d in dims if d not in (1, None)}
            if len(known) > 1:
                raise ValueError(f"Layer '{self.name}': inputs of shapes {shapes} can't be merged: one axis has "
                                 f"lengths {' and '.join(map(str, known))}.")
            rest.append(known.pop() if known else None if None in dims else 1)
        return (sizes.pop() if sizes and all(s[0] is not None for s in shapes) else None, *rest)

    def call(self, inputs: Any) -> Any:
        """The merged tensor."""
        self._shapes([K.int_shape(x) for x in inputs] if isinstance(inputs, list) else K.int_shape(inputs))
        rank = max(K.ndim(x) for x in inputs)
        wide = []
        for x in inputs:
            for _ in range(rank - K.ndim(x)):
                x = K.expand_dims(x, 1)
            wide.append(x)
        return self._merge_function(wide)

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define _merge_function(inputs)")

    def _masks(self, inputs: Any, mask: Any) -> list[Any]:
        """The masks of the inputs, or a ValueError unless there is a list of both, of one length."""
        if mask is None:
            return []
        if not isinstance(inputs, list) or not isinstance(mask, (list, tuple)) or len(inputs) != len(mask):
            raise ValueError(f"Layer '{self.name}': compute_mask needs a list of inputs and a list of as many masks, "
                             f"got {inputs!r} and {mask!r}.")
        return list(mask)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Kept where all masks keep. ValueError unless inputs and masks are lists of one length."""
        masks = [m for m in self._masks(inputs, mask) if m is not None]
        return reduce(K.logical_and, masks) if masks else None


def _folding(name: str, function: Callable[[Any, Any], Any], doc: str) -> type[_Merge]:
    """A merge that takes one input after the other into a running result."""
    def merge_function(self: _Merge, inputs: Sequence[Any]) -> Any:
        return reduce(function, inputs)
    return type(name, (_Merge,), {"__doc__": doc, "_merge_function": merge_function, "__module__": __name__})


Add = _folding("Add", lambda a, b: a + b, "The sum of the inputs.")
Multiply = _folding("Multiply", lambda a, b: a * b, "The product of the inputs.")
Maximum = _folding("Maximum", K.maximum, "The elementwise largest of the inputs.")
Minimum = _folding("Minimum", K.minimum, "The elementwise smallest of the inputs.")


class Subtract(_Merge):
    """The first input less the second.

    >>> from gpukeras.layers import Input
    >>> Subtract()([Input((3,)), Input((3,))]).shape
    (None, 3)
    """

    most_inputs = 2

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        return inputs[0] - inputs[1]


class Average(_Merge):
    """The mean of the inputs."""

    def _merge_function(self, inputs: Sequence[Any]) -> Any:
        return reduce(lambda a, b: a + b, inputs) / len(inputs)


class Concatenate(_Merge):
    """The inputs one after the other along `axis`; their other axes must agree.

    >>> from gpukeras.layers import Input
    >>> Concatenate()([Input((3,)), Input((4,))]).shape
    (None, 7)
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The common shape, added up along the axis."""
        shapes = self._shapes(input_shape)
        rank = len(shapes[0])
        if any(len(s) != rank for s in shapes) or not -rank <= self.axis < rank:
            raise ValueError(f"Layer '{self.name}': Concatenate(axis={self.axis}) needs inputs with the same number of "
                             f"axes, got shapes {shapes}.")
        axis = self.axis % rank
        out: list[int | None] = []
        for a, dims in enumerate(zip(*shapes)):
            known = {d for d in dims if d is not None}
            if a == axis:
                out.append(None if None in dims else sum(dims))
            elif len(known) > 1:
                differ = [i for i, sizes in enumerate(zip(*shapes)) if len({n for n in sizes if n is not None}) > 1]
                hint = f" Write concatenate([...], axis={differ[0]})" if len(differ) == 1 else ""
                raise ValueError(f"Layer '{self.name}': Concatenate needs inputs with matching shapes except for the "
                                 f"concat axis {self.axis}, got shapes {shapes}.{hint}")
            else:
                out.append(None if None in dims else known.pop())
        return tuple(out)

    def call(self, inputs: Any) -> Any:
        """The concatenation."""
        self._shapes([K.int_shape(x) for x in inputs] if isinstance(inputs, list) else K.int_shape(inputs))
        return K.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks concatenated like the inputs; an input without one is kept. ValueError unless inputs and masks are
        lists of one length."""
        masks = self._masks(inputs, mask)
        if all(m is None for m in masks):
            return None
        wide = []
        for x, m in zip(inputs, masks):
            m = K.ones_like(x, dtype="bool") if m is None else m
            wide.append(K.expand_dims(m) if K.ndim(m) < K.ndim(x) else m)
        if self.axis % K.ndim(inputs[0]) != K.ndim(inputs[0]) - 1:
            wide = [K.all(m, axis=-1, keepdims=True) for m in wide]
        return K.all(K.concatenate(wide, axis=self.axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "axis": self.axis}


class Dot(_Merge):
    """For each sample, the sum of products of two inputs over one axis of each; with `normalize` of their unit
    vectors, which is the cosine.

    >>> from gpukeras.layers import Input
    >>> Dot(axes=1)([Input((3,)), Input((3,))]).shape
    (None, 1)
    """

    most_inputs = 2

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        pair = isinstance(axes, (list, tuple)) and len(axes) == 2 and all(isinstance(a, int) for a in axes)
        if not isinstance(axes, int) and not pair:
            kind = ValueError if isinstance(axes, (list, tuple)) else TypeError
            raise kind(f"Dot: axes must be an int or a pair of ints, got {axes!r}.")
        self.axes = axes
        self.normalize = normalize

    def _axes(self, ranks: Sequence[int]) -> tuple[int, int]:
        first, second = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return first % ranks[0], second % ranks[1]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Both shapes without the summed axes (and one batch axis); at least (batch, 1)."""
        a, b = self._shapes(input_shape)
        p, q = self._axes((len(a), len(b)))
        if None not in (a[p], b[q]) and a[p] != b[q]:
            raise ValueError(f"Layer '{self.name}': Dot can't sum over axis {p} of shape {a} and axis {q} of shape {b}"
                             f": {a[p]} is not {b[q]}.")
        out = [d for i, d in enumerate(a) if i != p] + [d for i, d in enumerate(b) if i not in (0, q)]
        return tuple(out) if len(out) > 1 else (*out, 1)

    def call(self, inputs: Any) -> Any:
        """The products."""
        self._shapes([K.int_shape(x) for x in inputs] if isinstance(inputs, list) else K.int_shape(inputs))
        a, b = inputs
        p, q = self._axes((K.ndim(a), K.ndim(b)))
        if self.normalize:
            a, b = K.l2_normalize(a, axis=p), K.l2_normalize(b, axis=q)
        return K.dot_of_samples(a, b, (p, q))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def add(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The sum of a list of tensors, as by Add."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The first of two tensors less the second, as by Subtract."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The product of a list of tensors, as by Multiply."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The mean of a list of tensors, as by Average."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The elementwise largest of a list of tensors, as by Maximum."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Any) -> Any:
    """The elementwise smallest of a list of tensors, as by Minimum."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """A list of tensors one after the other along an axis, as by Concatenate."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Any, normalize: bool = False, **kwargs: Any) -> Any:
    """The product of two tensors over one axis of each, as by Dot."""
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
