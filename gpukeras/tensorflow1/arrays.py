"""Functions of TensorFlow that pick, order and arrange elements: shapes, slices, gathering, sorting, matrices."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import backend as K
from ..graph import apply
from ..ops import broadcasting, indexing, selection, sorting
from .functions import alike, as_tensor, lengths, sizes


class TopK(NamedTuple):
    """The largest values along the last axis, and where they stand."""

    values: Any
    indices: Any


# Shapes and slices -----------------------------------------------------------------------------------------------
def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Any:
    """Without the axes of length 1, or without those that are named.

    >>> squeeze(K.zeros((1, 3, 1))).shape, squeeze(K.zeros((1, 3, 1)), [-1]).shape
    ((3,), (1, 3))
    """
    x = as_tensor(input)
    axis = squeeze_dims if axis is None else axis
    if axis is None or axis == []:
        if None in K.int_shape(x):
            raise ValueError(f"tf.squeeze: give axis, since lengths of shape {K.int_shape(x)} are not known")
        axis = [a for a, n in enumerate(K.int_shape(x)) if n == 1]
    axes = {a % K.ndim(x) for a in ([axis] if isinstance(axis, int) else axis)}
    for a in sorted(axes, reverse=True):
        x = K.squeeze(x, a)
    return x


def part(input_: Any, begin: Any, size: Any, name: str | None = None) -> Any:
    """`size` elements from `begin` on, along each axis; -1 is all that is left. Both may be tensors made of shapes."""
    ends = [None if isinstance(n, int) and n == -1 else a + n for a, n in zip(lengths(begin), lengths(size))]
    return as_tensor(input_)[tuple(slice(a, b) for a, b in zip(lengths(begin), ends))]


def strided_slice(input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
                  ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
                  name: str | None = None) -> Any:
    """Every `strides`-th element from `begin` to before `end`. Bit i of a mask leaves a bound of axis i out, or makes
    it an index."""
    if ellipsis_mask or new_axis_mask:
        raise NotImplementedError("tf.strided_slice: ellipsis_mask and new_axis_mask are not available here; use x[:]")
    starts, ends = lengths(begin), lengths(end)
    steps = [1] * len(starts) if strides is None else lengths(strides)
    return as_tensor(input_)[tuple(
        a if shrink_axis_mask >> i & 1 else
        slice(None if begin_mask >> i & 1 else a, None if end_mask >> i & 1 else b, step)
        for i, (a, b, step) in enumerate(zip(starts, ends, steps)))]


def fill(dims: Any, value: Any, name: str | None = None) -> Any:
    """A number everywhere in a shape, of which sizes may be tensors."""
    return broadcasting.broadcast_to(as_tensor(value), dims)


def linspace(start: Any, stop: Any, num: int, name: str | None = None) -> Any:
    """`num` numbers at equal distances, from `start` to `stop`.

    >>> K.eval(linspace(0., 1., 3)).tolist()
    [0.0, 0.5, 1.0]
    """
    start, stop = as_tensor(start), as_tensor(stop)
    return start + (stop - start) * K.constant(np.linspace(0.0, 1.0, num), K.dtype(start))


def meshgrid(*args: Any, indexing: str = "xy", name: str | None = None) -> list[Any]:
    """Each vector's numbers along an axis of its own, in tensors of one shape; with 'xy' the first two axes are
    swapped."""
    vectors = [as_tensor(v) for v in args]
    order = [1, 0, *range(2, len(vectors))] if indexing == "xy" and len(vectors) > 1 else list(range(len(vectors)))
    whole = [sizes(vectors[i])[0] for i in order]
    places = [[-1 if a == i else 1 for a in order] for i in range(len(vectors))]
    return [broadcasting.broadcast_to(K.reshape(v, place), whole) for v, place in zip(vectors, places)]


# Gathering and order ---------------------------------------------------------------------------------------------
def gather(params: Any, indices: Any, validate_indices: Any = None, name: str | None = None, axis: Any = None,
           batch_dims: int = 0) -> Any:
    """The parts of `params` at `indices` along an axis, the first one by default. With `batch_dims`, the first axes of
    both number samples, and each is looked up in its own.

    >>> K.eval(gather([[1., 2., 3.], [4., 5., 6.]], [2, 0], axis=1)).tolist()
    [[3.0, 1.0], [6.0, 4.0]]
    """
    x, at = as_tensor(params), as_tensor(indices)
    batch = batch_dims % K.ndim(at) if batch_dims else 0
    axis = batch if axis is None else int(axis) % K.ndim(x)
    if axis < batch:
        raise ValueError(f"tf.gather: axis {axis} is among the {batch} axes of samples")
    rest = [a for a in range(batch, K.ndim(x)) if a != axis]
    found = _gather_each(K.permute_dimensions(x, (*range(batch), axis, *rest)), at, batch)
    own, before = K.ndim(at) - batch, axis - batch  # axes of a sample's indices, and of what stands before the axis
    ahead = range(batch + own, batch + own + before)
    return K.permute_dimensions(found, (*range(batch), *ahead, *range(batch, batch + own),
                                        *range(batch + own + before, K.ndim(found))))


def _gather_each(x: Any, at: Any, batch: int) -> Any:
    """Rows of x, after the first `batch` axes, which it has in common with the indices."""
    if not batch:
        return K.gather(x, at)
    whole = sizes(x)
    samples, length = _product(whole[:batch]), whole[batch]
    first = K.reshape(K.arange(samples) * length, [*sizes(at)[:batch], *[1] * (K.ndim(at) - batch)])
    rows = K.reshape(x, [_product([samples, length]), *whole[batch + 1:]])
    return K.gather(rows, _within(K.cast(at, "int32"), length) + first)


def _product(factors: list[Any]) -> Any:
    return prod(factors[1:], start=factors[0]) if factors else 1


def _within(at: Any, length: Any) -> Any:
    """Indices, with a number that no table has in the place of those that are not in [0, length)."""
    wrong = K.logical_or(K.less(at, 0), K.greater_equal(at, length))
    return K.where(wrong, np.int32(-2 ** 30), at)


def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Any:
    """The parts of `params` at the places in the last axis of `indices`, each of which numbers its first axes; all of
    its axes, if the size of that last axis is not known.

    >>> K.eval(gather_nd([[1., 2.], [3., 4.]], [[0, 1], [1, 0]])).tolist()
    [2.0, 3.0]
    """
    if batch_dims:
        raise NotImplementedError("tf.gather_nd: batch_dims is not available here; use tf.gather")
    x, at = as_tensor(params), K.cast(as_tensor(indices), "int32")
    depth, whole = K.int_shape(at)[-1], sizes(x)
    if depth is None:
        depth = K.ndim(x)
    if depth > K.ndim(x):
        raise ValueError(f"tf.gather_nd: the last axis of indices of shape {K.int_shape(at)} must number axes of shape "
                         f"{K.int_shape(x)}")
    place = K.zeros_like(at[..., 0], "int32") if not depth else _within(at[..., 0], whole[0])
    for axis in range(1, depth):
        inside = _within(at[..., axis], whole[axis])
        place = K.where(K.less(K.minimum(place, inside), 0), np.int32(-1), place * whole[axis] + inside)
    return K.gather(K.reshape(x, [_product(whole[:depth]), *whole[depth:]]), place)


def boolean_mask(tensor: Any, mask: Any, name: str | None = None, axis: Any = None) -> Any:
    """The parts of a tensor where a mask is true, whose axes are those of the tensor from `axis` on: how many there are
    is known when they are computed."""
    return selection.chosen(tensor, mask, int(axis or 0))


def confusion_matrix(labels: Any, predictions: Any, num_classes: int | None = None, dtype: Any = "int32",
                     name: str | None = None, weights: Any = None) -> Any:
    """How often (or with which weights) each class of the labels, in rows, meets each one of the predictions.

    >>> K.eval(confusion_matrix([0, 1, 1], [0, 1, 0], 2)).tolist()
    [[1, 0], [1, 1]]
    """
    if num_classes is None:
        raise NotImplementedError("tf.confusion_matrix: the number of classes must be known here; give num_classes")
    y, p = (K.one_hot(K.cast(K.flatten(as_tensor(t)), "int32"), num_classes) for t in (labels, predictions))
    if weights is not None:
        y = y * K.reshape(K.cast(as_tensor(weights), K.dtype(y)), (-1, 1))
    return K.cast(K.dot(K.transpose(y), p), dtype)


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: int, name: str | None = None) -> Any:
    """The sums of the rows with the same number, for all numbers below `num_segments`.

    >>> K.eval(unsorted_segment_sum([[1.], [2.], [4.]], [0, 2, 0], 3)).tolist()
    [[5.0], [0.0], [2.0]]
    """
    rows, (count,) = as_tensor(data), lengths([num_segments])
    return apply(indexing.ScatterRows(), rows, K.cast(as_tensor(segment_ids), "int32"),
                 K.constant(0.0, K.dtype(rows), [count, *sizes(rows)[1:]]))


def argsort(values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False,
            name: str | None = None) -> Any:
    """The places of the elements in their order along an axis."""
    x, turned = _axis_last(as_tensor(values), axis)
    return K.permute_dimensions(sorting.argsort(x, _is_descending(direction)), turned)


def sort(values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None) -> Any:
    """The elements in their order along an axis.

    >>> K.eval(sort([2., 3., 1.], direction='DESCENDING')).tolist()
    [3.0, 2.0, 1.0]
    """
    x, turned = _axis_last(as_tensor(values), axis)
    return K.permute_dimensions(_taken(x, sorting.argsort(x, _is_descending(direction))), turned)


def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> TopK:
    """The k largest values along the last axis, the largest first, and their places."""
    x, (k,) = as_tensor(input), lengths([k])
    length = K.int_shape(x)[-1]
    if isinstance(k, int) and length is not None and length < k:
        raise ValueError(f"tf.nn.top_k: the last axis of shape {K.int_shape(x)} has fewer than {k} elements")
    places = sorting.argsort(x, descending=True)[..., :k]
    places.set_shape((*K.int_shape(places)[:-1], k if isinstance(k, int) else None))
    return TopK(_taken(x, places), places)


def _taken(x: Any, places: Any) -> Any:
    """The elements at places along the last axis."""
    return gather(x, places, batch_dims=K.ndim(x) - 1)


def _axis_last(x: Any, axis: int) -> tuple[Any, tuple[int, ...]]:
    """The tensor with an axis as its last, and the order of axes that brings it back."""
    order = [*(a for a in range(K.ndim(x)) if a != axis % K.ndim(x)), axis % K.ndim(x)]
    return K.permute_dimensions(x, order), tuple(np.argsort(order).tolist())


def _is_descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"direction must be 'ASCENDING' or 'DESCENDING', got {direction!r}")
    return direction == "DESCENDING"


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool", name: str | None = None) -> Any:
    """Truths at the first places of each row, as many as `lengths` say. Rows are as long as the longest length, or
    `maxlen`."""
    counts = K.cast(K.expand_dims(as_tensor(lengths), -1), "int32")
    maxlen = K.max(counts) if maxlen is None else maxlen
    return K.cast(K.less(K.arange(maxlen), counts), dtype)


# Matrices --------------------------------------------------------------------------------------------------------
def matrix_band_part(input: Any, num_lower: int, num_upper: int, name: str | None = None) -> Any:
    """Matrices with zeros beyond so many diagonals below and above the main one; -1 keeps all on that side."""
    x = as_tensor(input)
    below = _below_diagonal(*sizes(x)[-2:])
    kept = [K.less_equal(side, n) for side, n in ((below, num_lower), (-below, num_upper))
            if K.is_tensor(n) or n >= 0]
    for keep in kept:
        x = K.where(keep, x, K.zeros_like(x))
    return x


def _below_diagonal(rows: Any, columns: Any) -> Any:
    """For each element of a matrix, how far it stands below the main diagonal."""
    return K.expand_dims(K.arange(rows), 1) - K.expand_dims(K.arange(columns), 0)


def eye(num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = "float32",
        name: str | None = None) -> Any:
    """The identity matrix, or one for each place of `batch_shape`."""
    columns = num_rows if num_columns is None else num_columns
    one = K.cast(K.equal(_below_diagonal(num_rows, columns), 0), dtype)
    return one if batch_shape is None else broadcasting.broadcast_to(one, [*lengths(batch_shape), num_rows, columns])


def matrix_diag(diagonal: Any, name: str | None = None) -> Any:
    """Vectors as the diagonals of square matrices."""
    x = as_tensor(diagonal)
    length = sizes(x)[-1]
    wide = K.expand_dims(x, -1)
    return K.where(K.equal(_below_diagonal(length, length), 0), wide, K.zeros_like(wide))


def diag(diagonal: Any, name: str | None = None) -> Any:
    """A vector as the diagonal of a matrix."""
    return matrix_diag(_of_rank(diagonal, 1, "diag"))


def matrix_diag_part(input: Any, name: str | None = None) -> Any:
    """The diagonals of matrices.

    >>> K.eval(matrix_diag_part([[1., 2., 3.], [4., 5., 6.]])).tolist()
    [1.0, 5.0]
    """
    x = as_tensor(input)
    rows, columns = sizes(x)[-2:]
    on = K.equal(_below_diagonal(rows, columns), 0)
    found = K.sum(K.where(on, x, K.zeros_like(x)), -1)
    if isinstance(rows, int) and isinstance(columns, int):
        return found[..., :min(rows, columns)]
    return found[..., :K.minimum(rows, columns)]


def diag_part(input: Any, name: str | None = None) -> Any:
    """The diagonal of a square matrix."""
    x = _of_rank(input, 2, "diag_part")
    found = matrix_diag_part(x)
    found.set_shape([n for n in K.int_shape(x) if n is not None][:1] or None)
    return found


def matrix_set_diag(input: Any, diagonal: Any, name: str | None = None) -> Any:
    """Square matrices with other diagonals."""
    x, new = alike(input, diagonal)
    return K.where(K.equal(_below_diagonal(*sizes(x)[-2:]), 0), K.expand_dims(new, -1), x)


def trace(x: Any, name: str | None = None) -> Any:
    """The sums of the diagonals of matrices."""
    return K.sum(matrix_diag_part(x), -1)


def _of_rank(value: Any, rank: int, function: str) -> Any:
    x = as_tensor(value)
    if K.ndim(x) != rank:
        raise NotImplementedError(f"tf.{function} takes a tensor with {rank} axes here, got shape {K.int_shape(x)}; "
                                  f"use tf.matrix_{function}")
    return x


def einsum(equation: str, *inputs: Any, name: str | None = None) -> Any:
    """Products of tensors, summed over the axes whose letters do not come behind the arrow.

    >>> K.eval(einsum('ij,j->i', [[1., 2.], [3., 4.]], [1., 10.])).tolist()
    [21.0, 43.0]
    """
    given, arrow, kept = equation.replace(" ", "").partition("->")
    words, tensors = given.split(","), alike(*inputs)
    if "." in given or any(len(set(word)) < len(word) for word in (*words, kept)):
        raise NotImplementedError(f"tf.einsum: {equation!r} has an ellipsis, or a letter twice in one tensor, which is "
                                  "not available here")
    if [len(word) for word in words] != [K.ndim(x) for x in tensors]:
        raise ValueError(f"tf.einsum: {equation!r} does not fit tensors of shapes {[K.int_shape(x) for x in tensors]}")
    if not arrow:
        kept = "".join(letter for letter in np.unique(list(given.replace(",", ""))) if given.count(letter) == 1)
    word, x = words[0], tensors[0]
    for i, (other, y) in enumerate(zip(words[1:], tensors[1:]), 2):
        word, x = _product_of(word, x, other, y, set(kept).union(*words[i:]))
    word, x = _summed(word, x, set(kept))
    return K.permute_dimensions(x, [word.index(letter) for letter in kept]) if kept else x


def _summed(word: str, x: Any, kept: set[str]) -> tuple[str, Any]:
    """Summed over the axes whose letters nobody needs."""
    axes = [a for a, letter in enumerate(word) if letter not in kept]
    return "".join(letter for letter in word if letter in kept), K.sum(x, axes) if axes else x


def _product_of(word: str, x: Any, other: str, y: Any, kept: set[str]) -> tuple[str, Any]:
    """Two tensors as stacks of matrices, and their product."""
    word, x = _summed(word, x, kept | set(other))
    other, y = _summed(other, y, kept | set(word))
    common = [letter for letter in word if letter in other]
    stack, inner = ([a for a in common if (a in kept) is wanted] for wanted in (True, False))
    left, right = ([a for a in own if a not in common] for own in (word, other))
    length = {letter: n for letter, n in [*zip(other, sizes(y)), *zip(word, sizes(x))]}
    for letter, n in zip(other, K.int_shape(y)):
        length[letter] = n if n is not None else length[letter]

    def matrices(t: Any, own: str, *groups: list[str]) -> Any:
        turned = K.permute_dimensions(t, [own.index(letter) for group in groups for letter in group])
        return K.reshape(turned, [*(length[a] for a in stack), *(_product([length[a] for a in g]) for g in groups[1:])])
    found = matrices(x, word, stack, left, inner) @ matrices(y, other, stack, inner, right)
    letters = [*stack, *left, *right]
    return "".join(letters), K.reshape(found, [length[a] for a in letters])


NAMES: dict[str, Any] = {function.__name__: function for function in (
    argsort, boolean_mask, confusion_matrix, diag, diag_part, einsum, eye, fill, gather, gather_nd, linspace,
    matrix_band_part, matrix_diag, matrix_diag_part, matrix_set_diag, meshgrid, sequence_mask, sort, squeeze,
    strided_slice, trace, unsorted_segment_sum)} | {
    "math.confusion_matrix": confusion_matrix, "math.unsorted_segment_sum": unsorted_segment_sum,
    "slice": part, "nn.top_k": top_k, "math.top_k": top_k, "lin_space": linspace,
    "batch_gather": lambda params, indices, name=None: gather(
        params, indices, batch_dims=K.ndim(as_tensor(indices)) - 1),
    "linalg.band_part": matrix_band_part, "linalg.diag": matrix_diag, "linalg.diag_part": matrix_diag_part,
    "linalg.set_diag": matrix_set_diag, "linalg.trace": trace, "linalg.eye": eye, "linalg.einsum": einsum,
    "linalg.tensor_diag": diag, "linalg.tensor_diag_part": diag_part}
