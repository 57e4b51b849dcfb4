"""On a GPU, where `GPUKERAS_EPILOGUES=on`: products of matrices that add a bias, a ReLU, apply the mask of its
derivative, or sum a bias's gradient on their way out (`device/epilogues.py`), in place of a kernel of their own each.

A step takes an epilogue only where that saves a kernel: what other elementwise steps follow is one kernel with them
anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .. import device
from ..graph import Op
from ..ops.elementwise import Elementwise
from ..ops.linalg import Contract, MatMul
from .epilogue_ops import (
    ADD,
    RELU,
    SUM_OF_ROWS,
    BiasedProduct,
    MaskedProduct,
    MaskedReluProduct,
    SummedContraction,
)
from .ir import Step, Value, needed, replace

GREATER, MASK = Elementwise("greater"), Elementwise("mask")
MOST_BITS = 1 << 30  # of a mask, with those that fill its rows up: the kernels count them with 32 bits


def take_epilogues(roots: Sequence[Value]) -> list[Value]:
    """Rewrites the steps that `roots` depend on; returns the values that take the roots' places."""
    if device.NAME != "cupy":
        return list(roots)
    steps = needed(roots)
    if not any(device.serves_epilogue(kind, dtype) for kind in ("bias", "relu", "gradient", "masked")
               for dtype in {s.outs[0].dtype for s in steps if isinstance(s.op, (MatMul, Contract))}):
        return list(roots)
    new = _Rewriting(steps, roots).done()
    replace([*steps, *{v.step for v in new.values() if v.step}], new)
    return [new.get(v, v) for v in roots]


class _Backward(NamedTuple):
    """What a ReLU is to the backward pass: a product's result is masked, and summed over the samples."""

    masked: Step
    sums: Step


class _Rewriting:
    """One pass over the steps, in their order. What it asks of `readers` is how the program was before."""

    def __init__(self, steps: Sequence[Step], roots: Sequence[Value]):
        self._steps, self._roots = steps, roots
        self._readers: dict[Value, list[Step]] = {}
        for step in steps:
            for v in dict.fromkeys(step.reads()):
                self._readers.setdefault(v, []).append(step)
        self._masks: dict[Step, tuple[Value, Step]] = {}  # of steps that mask: the bits, and the sum of what is left

    def done(self) -> dict[Value, Value]:
        """What takes which values' places."""
        new: dict[Value, Value] = {}
        for step in self._steps:
            replace([step], new)
            if isinstance(step.op, Contract):
                new.update(self._summed(step))
            elif isinstance(step.op, MatMul):
                new.update(self._biased(step))
            elif step in self._masks:
                new.update(self._masked(step))
        return new

    def _biased(self, product: Step) -> dict[Value, Value]:
        """What a product, the bias added to it, and perhaps a ReLU become: {the last of them: its value now}."""
        out, dtype = product.outs[0], product.outs[0].dtype
        added = self._only_reader(out, ADD)
        if added is None or len(out.shape) != 2:
            return {}
        bias = added.ins[1] if added.ins[0] is out else added.ins[0]
        if bias.shape != out.shape[1:] or bias.dtype != dtype or 0 in out.shape:
            return {}
        last, kind, backward = added.outs[0], "bias", None
        rectified = self._only_reader(last, RELU)
        if rectified is not None:
            backward = self._backward(rectified.outs[0])
            if backward is not None or device.serves_epilogue("relu", dtype):
                last, kind = rectified.outs[0], "relu"
        if any(_is_fused_with(r, last) for r in self._readers.get(last, ())):
            return {}
        if backward is None and not device.serves_epilogue(kind, dtype):
            return {}
        ins = [*product.ins, bias]
        if backward is None:
            made = Step(BiasedProduct(kind == "relu"), ins, [last.spec], product.origin)
        else:
            op = MaskedReluProduct()
            made = Step(op, ins, op.infer(*(v.spec for v in ins)), product.origin)
            self._masks[backward.masked] = made.outs[1], backward.sums
        return {last: made.outs[0]}

    def _backward(self, y: Value) -> _Backward | None:
        """How the derivative of a ReLU with this result is made, where one product can do it."""
        if not device.serves_epilogue("masked", y.dtype) or y.shape[0] * 32 * device.words_for(y.shape[1]) > MOST_BITS:
            return None
        keeps = [r for r in self._readers.get(y, ()) if r.op == GREATER]
        if len(keeps) != 1 or keeps[0].ins[0] is not y or not _is_zero(keeps[0].ins[1]):
            return None
        masked = self._only_reader(keeps[0].outs[0], MASK)
        if masked is None or masked.ins[1].shape != y.shape or masked.ins[1].dtype != y.dtype:
            return None
        handed, left = masked.ins[1], masked.outs[0]
        if handed.step is None or not isinstance(handed.step.op, MatMul) or not self._only_reader(handed, MASK):
            return None
        sums = [r for r in self._readers.get(left, ()) if r.op == SUM_OF_ROWS and r.outs[0].dtype == y.dtype]
        if len(sums) != 1 or any(_is_fused_with(r, left) for r in self._readers[left]):
            return None
        return _Backward(masked, sums[0])

    def _masked(self, masked: Step) -> dict[Value, Value]:
        """What such a product, its mask and the sum become."""
        bits, sums = self._masks[masked]
        product, left = masked.ins[1].step, masked.outs[0]
        assert product is not None
        made = Step(MaskedProduct(), [*product.ins, bits], [left.spec, sums.outs[0].spec], product.origin)
        return {left: made.outs[0], sums.outs[0]: made.outs[1]}

    def _summed(self, contraction: Step) -> dict[Value, Value]:
        """What the gradients of a kernel and its bias become, if they are made of the same values."""
        x, g = contraction.ins
        dtype, sums = g.dtype, [r for r in self._readers.get(g, ()) if r.op == SUM_OF_ROWS]
        if not sums or 0 in (*x.shape, *g.shape) or not device.serves_epilogue("gradient", dtype):
            return {}
        if sums[0].outs[0].dtype != dtype or sums[0] in needed([x]):
            return {}
        made = Step(SummedContraction(), contraction.ins, [contraction.outs[0].spec, sums[0].outs[0].spec],
                    contraction.origin)
        return {contraction.outs[0]: made.outs[0], sums[0].outs[0]: made.outs[1]}

    def _only_reader(self, v: Value, op: Op) -> Step | None:
        """The step of this op that alone reads a value; None if there is none, or others need the value too."""
        found = self._readers.get(v, [])
        return found[0] if len(found) == 1 and found[0].op == op and v not in self._roots else None


def _is_zero(v: Value) -> bool:
    return v.const is not None and v.size == 1 and not v.const.any()


def _is_fused_with(reader: Step, v: Value) -> bool:
    """Whether a reader would be one kernel with what makes the value. The mask of a ReLU's derivative is made where it
    is used as well."""
    return reader.op.elementwise and reader.op != GREATER and reader.outs[0].shape == v.shape
