"""Connectionist temporal classification: the loss of unsegmented label sequences, and decoding."""

from __future__ import annotations

from typing import Any

from ..graph import HALVES, Placeholder, Tensor, apply, constant, topological
from ..ops import convert
from ..ops import elementwise as e
from ..ops import shape as s
from ..ops.ctc import ctc_loss
from ..ops.ctc_decode import CTCDecode, decode
from ..ops.softmax import log_softmax
from .functions import function
from .shapes import arange

__all__ = ["ctc_batch_cost", "ctc_decode", "ctc_label_dense_to_sparse"]

SMALLEST = 1e-8
"""What Keras 2.0.9 adds to probabilities before it takes their logarithms."""


def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Tensor:
    """The CTC loss of each sample (Graves et al. 2006), shape (samples, 1): -log of the probability that `y_pred`
    gives to the labels `y_true`, blanks and repetitions left out.

    y_pred (samples, steps, classes) are probabilities, the last class is the blank; 1e-8 is added to them, then they
    are scaled to sum to 1. y_true (samples, longest) are class numbers. input_length and label_length, (samples, 1) or
    (samples,), say how many steps and how many labels of a sample count. Infinity, with a derivative of 0, where the
    steps are too few for the labels; IndexError for lengths and labels out of range.

    >>> from gpukeras import backend as K
    >>> import numpy as np
    >>> even = K.constant([[[0.5, 0.5], [0.5, 0.5]]])
    >>> round(float(np.exp(-K.eval(ctc_batch_cost([[0]], even, [[2]], [[1]]))[0, 0])), 4)  # 00, 0-, -0; not --
    0.75
    """
    y_pred = convert.as_float(y_pred)
    log_p = log_softmax(_logits(y_pred))
    loss = ctc_loss(log_p, convert.as_tensor(y_true), _lengths(input_length), _lengths(label_length))
    return convert.cast(s.expand_dims(loss, 1), y_pred.dtype)


def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> Tensor:
    """The labels (samples, longest) that count. There are no sparse tensors here: it is the dense form of Keras's
    result, with -1 where the sparse one would have nothing, as in the results of `ctc_decode`.

    >>> from gpukeras import backend as K
    >>> K.eval(ctc_label_dense_to_sparse([[3, 1, 7], [4, 0, 0]], [2, 1])).tolist()
    [[3, 1, -1], [4, -1, -1]]
    """
    labels = convert.as_tensor(labels)
    places = arange(s.shape_of(labels)[1])
    return e.where(e.less(places, s.expand_dims(_lengths(label_lengths), 1)), labels, -1)


def ctc_decode(y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100,
               top_paths: int = 1) -> tuple[list[Tensor], Tensor]:
    """The labels that a network means: a list of tensors (samples, longest) of class numbers, -1 behind the end, and
    a number for each, (samples, paths).

    y_pred (samples, steps, classes) are probabilities, as for `ctc_batch_cost`; input_length (samples,) says how many
    steps count. `greedy` takes the likeliest class at each step; the number is minus the sum of their logarithms.
    Otherwise a beam search finds the `top_paths` likeliest sequences among `beam_width`; the numbers are logarithms of
    probabilities. As in TensorFlow, equal neighbours in what a beam search finds are merged.

    Decoding runs on the host. What depends on no placeholder is decoded at once, and has as many columns as the longest
    sequence needs, as in Keras 2.0.9. In a graph there are as many as there are steps, as in newer Keras.

    >>> from gpukeras import backend as K
    >>> paths, cost = ctc_decode(K.constant([[[.8, .1, .1], [.7, .1, .2], [.1, .1, .8], [.1, .8, .1]]]), [4])
    >>> K.get_value(paths[0]).tolist()
    [[0, 1]]
    """
    if not greedy and not 1 <= top_paths <= beam_width:
        raise ValueError(f"ctc_decode: top_paths must lie in [1, beam_width], got {top_paths} of {beam_width}")
    ins = [_logits(convert.as_float(y_pred)), _lengths(input_length)]
    op = CTCDecode(0, 1) if greedy else CTCDecode(beam_width, top_paths)
    if any(isinstance(t, Placeholder) for t in [*ins, *(t for node in topological(ins) for t in node.inputs)]):
        *found, numbers = apply(op, *ins)
        return found, numbers
    op.infer(*(t.spec for t in ins))
    logits, times = function([], ins)([])
    labels, values = decode(logits, times, op.beam_width, op.paths)
    used = [int((a >= 0).sum(1).max(initial=0)) for a in labels]
    return [constant(a[:, :n], "int64") for a, n in zip(labels, used)], constant(values, ins[0].dtype)


def _logits(y_pred: Tensor) -> Tensor:
    """The logarithms of probabilities; half precision could not hold what is added to them."""
    return e.log(convert.cast(y_pred, "float32" if y_pred.dtype in HALVES else y_pred.dtype) + SMALLEST)


def _lengths(lengths: Any) -> Tensor:
    return convert.cast(s.reshape(convert.as_tensor(lengths), [-1]), "int32")
