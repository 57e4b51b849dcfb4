"""Functions applied along an axis: recurrences over time, maps and folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph import Tensor, dtype_name
from ..ops import broadcasting, convert
from ..ops import elementwise as e
from ..ops import shape as s
from ..ops.scan import scan
from ..ops.slicing import reverse

Step = Callable[[Tensor, list[Any]], tuple[Any, Sequence[Any]]]


def rnn(step_function: Step, inputs: Any, initial_states: Sequence[Any], go_backwards: bool = False, mask: Any = None,
        constants: Sequence[Any] | None = None, unroll: bool = False,
        input_length: int | None = None) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Walks along axis 1 of the inputs (samples, steps, ...). ``step_function(x, states + constants)`` takes one
    step's inputs (samples, ...) and returns its output and the new states.

    Returns the last output (samples, ...), all outputs (samples, steps, ...) and the last states. `go_backwards` walks
    from the last step, and the outputs are in the order walked. Where the mask (samples, steps) is false, a sample
    keeps its states, and its output is its first state; with `unroll`, and where the first state has another shape
    than the output, the output before, zeros at first. That is all that `unroll` changes. `input_length` is not
    needed. ValueError for inputs of fewer than 3 axes, an unrolled loop over an unknown number of steps, or a mask
    without states.

    >>> x = convert.as_tensor([[[1.], [2.], [3.]]])
    >>> last, outputs, states = rnn(lambda x, h: (x + h[0], [x + h[0]]), x, [convert.as_tensor([[0.]])])
    >>> from gpukeras.backend import eval
    >>> eval(outputs).ravel().tolist(), eval(last).ravel().tolist()
    ([1.0, 3.0, 6.0], [6.0])
    """
    inputs = convert.as_tensor(inputs)
    if inputs.ndim < 3:
        raise ValueError(f"rnn: the inputs need at least 3 axes (samples, steps, ...), got shape {inputs.shape}")
    if unroll and inputs.shape[1] is None:
        raise ValueError("rnn: an unrolled loop needs a known number of steps")
    initial = [convert.as_tensor(h) for h in initial_states]
    fixed = list(constants or [])
    sequences = [_steps_first(inputs)]
    if mask is not None:
        if not initial and not unroll:
            raise ValueError("rnn: with a mask there must be a state, which is the output of masked steps")
        sequences.append(_mask_steps(convert.as_tensor(mask), inputs))
    if go_backwards:
        sequences = [reverse(x, (0,)) for x in sequences]
    flags: list[bool] = []
    before: list[Tensor] = []  # what unrolled masked steps repeat

    def step(xs: list[Tensor], states: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        kept = states[len(before):]
        output, new = step_function(xs[0], [*kept, *fixed])
        flags.append(getattr(output, "_uses_learning_phase", False))
        output, new = convert.as_tensor(output), list(new)
        if mask is None:
            return ([] if new and output is new[0] else [output]), new
        count = xs[1]
        masked = [_choose(count, convert.as_tensor(a), b) for a, b in zip(new, kept)]
        if before:
            repeated = _choose(count, output, states[0])
            return [], [repeated, *masked]
        if not _fit(output, kept[0]):
            raise _OtherShape
        same = bool(new) and output is new[0]
        return ([] if same else [_choose(count, output, kept[0])]), masked

    if mask is not None and unroll:
        before.append(_zero_output(step_function, inputs, initial, fixed))
    try:
        outputs, states = scan(step, sequences, [*before, *initial])
    except _OtherShape:
        before.append(_zero_output(step_function, inputs, initial, fixed))
        outputs, states = scan(step, sequences, [*before, *initial])
    # Where the output is the first state (or the one that masked steps repeat), it is kept once.
    walked = outputs[0] if outputs else states[0][1:]
    last = outputs[0][-1] if outputs else states[0][-1]
    ends = [h[-1] for h in states[len(before):]]
    result = s.transpose(walked, (1, 0, *range(2, walked.ndim)))
    for t in (last, result):
        t._uses_learning_phase = t._uses_learning_phase or any(flags)
    return last, result, ends


class _OtherShape(Exception):
    """The first state can't be the output of masked steps."""


def _fit(output: Tensor, state: Tensor) -> bool:
    """Whether the one can stand for the other in a sample."""
    return output.ndim == state.ndim and all(None in sizes or sizes[0] == sizes[1]
                                             for sizes in zip(output.shape[1:], state.shape[1:]))


def _steps_first(x: Tensor) -> Tensor:
    return s.transpose(x, (1, 0, *range(2, x.ndim)))


def _mask_steps(mask: Tensor, inputs: Tensor) -> Tensor:
    """The mask as truth values with the steps first, (steps, samples, ...)."""
    if mask.ndim == inputs.ndim and mask.ndim > 2:
        mask = s.squeeze(mask, mask.ndim - 1)
    return _steps_first(convert.cast(mask, "bool"))


def _choose(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """The new value for samples that count, the old one for others."""
    if mask.ndim > new.ndim:
        raise ValueError(f"rnn: the mask of a step has shape {mask.shape}, which has more axes than {new.shape}")
    for _ in range(new.ndim - mask.ndim):
        mask = s.expand_dims(mask, -1)
    return e.where(mask, new, old)


def _zero_output(step_function: Step, inputs: Tensor, initial: list[Tensor], constants: list[Any]) -> Tensor:
    """Zeros of the shape of a step's output: only the shape of this step is ever looked at."""
    output, _ = step_function(inputs[:, 0], [*initial, *constants])
    return broadcasting.zeros_like(convert.as_tensor(output))


def map_fn(fn: Callable[..., Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """`fn` of each element of a tensor along axis 0, stacked. With a list or tuple of tensors `fn` takes one of their
    elements; it may return several tensors, and then several are returned. `dtype` is what the results are cast to,
    one for all or one for each; a tuple of them makes the results a tuple.

    >>> from gpukeras.backend import eval
    >>> eval(map_fn(lambda x: x * x, convert.as_tensor([1., 2., 3.]))).tolist()
    [1.0, 4.0, 9.0]
    """
    several = isinstance(elems, (list, tuple)) and any(isinstance(x, Tensor) for x in elems)
    sequences = [convert.as_tensor(x) for x in (elems if several else [elems])]
    many: list[bool] = []

    def step(xs: list[Tensor], states: list[Tensor]) -> tuple[list[Any], list[Tensor]]:
        made = fn((tuple(xs) if isinstance(elems, tuple) else xs) if several else xs[0])
        many.append(isinstance(made, (list, tuple)))
        return _cast_each([convert.as_tensor(t) for t in (made if many[0] else [made])], dtype), []

    outputs, _ = scan(step, sequences, [])
    if not many[0]:
        return outputs[0]
    like = dtype if isinstance(dtype, (list, tuple)) else elems if several else None
    return tuple(outputs) if isinstance(like, tuple) else outputs


def _cast_each(tensors: list[Tensor], dtype: Any) -> list[Tensor]:
    """The tensors in a dtype, or each in its own, or as they are (None)."""
    if dtype is None:
        return tensors
    dtypes = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(tensors)
    if len(dtypes) != len(tensors):
        raise ValueError(f"map_fn: the function returns {len(tensors)} tensors, but dtype is {dtype}")
    return [convert.cast(t, dtype_name(d)) for t, d in zip(tensors, dtypes)]


def foldl(fn: Callable[[Tensor, Tensor], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """fn(... fn(fn(initializer, elems[0]), elems[1]) ...): elements along axis 0 combined from the first to the
    last. Without an initializer, the first element is where it begins.

    >>> from gpukeras.backend import eval
    >>> float(eval(foldl(lambda total, x: total * 10 + x, convert.as_tensor([1., 2., 3.]))))
    123.0
    """
    return _fold(fn, convert.as_tensor(elems), initializer)


def foldr(fn: Callable[[Tensor, Tensor], Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """As `foldl`, from the last element to the first.

    >>> from gpukeras.backend import eval
    >>> float(eval(foldr(lambda total, x: total * 10 + x, convert.as_tensor([1., 2., 3.]))))
    321.0
    """
    return _fold(fn, reverse(convert.as_tensor(elems), (0,)), initializer)


def _fold(fn: Callable[[Tensor, Tensor], Any], elems: Tensor, initializer: Any) -> Tensor:
    begin = elems[0] if initializer is None else convert.as_tensor(initializer, elems.dtype)
    rest = elems[1:] if initializer is None else elems
    _, states = scan(lambda xs, hs: ([], [fn(hs[0], xs[0])]), [rest], [begin])
    return states[0][-1]
