"""On a GPU, where `GPUKERAS_EPILOGUES=on`: products of matrices that add a bias, a ReLU, apply the mask of its
derivative, or sum a bias's gradient on their way out (`device/epilogues.py`), in place of a kernel of their own each.

A step takes an epilogue only where that saves a kernel: what other elementwise steps follow is one kernel with them
anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import device
from ..graph import Op
from ..ops.elementwise import ADD, RELU, Elementwise
from ..ops.gelu import gelu_by_tanh, gelu_by_tanh_gradient
from ..ops.linalg import Contract, MatMul
from .epilogue_ops import (
    SUM_OF_ROWS,
    After,
    BiasedProduct,
    GeluGradientProduct,
    GeluProduct,
    MaskedProduct,
    MaskedReluProduct,
    SummedContraction,
)
from .fuse import Fused, merge
from .ir import Step, Value, needed, readers, replace, rewrite
from .lower import Lowering

GREATER, MASK = Elementwise("greater"), Elementwise("mask")
MOST_BITS = 1 << 30  # of a mask, with those that fill its rows up: the kernels count them with 32 bits


def take_epilogues(lowering: Lowering, roots: Sequence[Value]) -> list[Value]:
    """Rewrites the steps that `roots` depend on; returns the values that take the roots' places. `lowering` made them,
    and finds compositions among them."""
    if device.NAME != "cupy":
        return list(roots)
    steps = needed(roots)
    if not any(device.serves_epilogue(kind, dtype) for kind in ("bias", "relu", "gradient", "masked")
               for dtype in {s.outs[0].dtype for s in steps if isinstance(s.op, (MatMul, Contract))}):
        return list(roots)
    new = rewrite(steps, _Rewriting(lowering, steps, roots).changes)
    replace([*steps, *{v.step for v in new.values() if v.step}], new)
    return [new.get(v, v) for v in roots]


class _Backward(NamedTuple):
    """What a ReLU is to the backward pass: a product's result is masked, and summed over the samples."""

    masked: Step
    sums: Step


class _Gelu(NamedTuple):
    """y, the GELU of z; `left`, the derivative of that times what a product has `handed`; the steps of both, and the
    sum of `left` over the samples."""

    z: Value
    y: Value
    handed: Value
    left: Value
    forward: list[Step]
    backward: list[Step]
    sums: Step


class _Rewriting:
    """What becomes of the steps, asked for in their order. What it asks of `readers` is how the program was before."""

    def __init__(self, lowering: Lowering, steps: Sequence[Step], roots: Sequence[Value]):
        self._lowering, self._steps, self._roots = lowering, steps, roots
        self._readers = readers(steps)
        self._masks: dict[Step, tuple[Value, Step]] = {}  # of steps that mask: the bits, and the sum of what is left
        self._gelus: dict[Step, tuple[_Gelu, Value]] = {}  # of steps that end the derivative of one: its input

    def changes(self, step: Step) -> dict[Value, Value]:
        """What takes the places of which values."""
        if isinstance(step.op, Contract):
            return self._summed(step)
        if isinstance(step.op, MatMul):
            return self._biased(step)
        if step in self._masks:
            return self._masked(step)
        return self._gelu_gradient(step) if step in self._gelus else {}

    def _biased(self, product: Step) -> dict[Value, Value]:
        """What a product, the bias added to it, and perhaps a ReLU become: {the last of them: its value now}."""
        out, dtype = product.outs[0], product.outs[0].dtype
        added = self._only_reader(out, ADD)
        if added is None or len(out.shape) != 2:
            return {}
        bias = added.ins[1] if added.ins[0] is out else added.ins[0]
        if bias.shape != out.shape[1:] or bias.dtype != dtype or 0 in out.shape:
            return {}
        gelu = self._find_gelu(added.outs[0])
        if gelu is not None:
            return self._gelu(product, bias, gelu)
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
        if y.shape[0] * 32 * device.words_for(y.shape[1]) > MOST_BITS or not device.serves_epilogue("masked", y.dtype):
            return None
        return _Backward(masked, sums[0])

    def _masked(self, masked: Step) -> dict[Value, Value]:
        """What such a product, its mask and the sum become."""
        bits, sums = self._masks[masked]
        product, left = masked.ins[1].step, masked.outs[0]
        assert product is not None
        made = Step(MaskedProduct(), [*product.ins, bits], [left.spec, sums.outs[0].spec], product.origin)
        return {left: made.outs[0], sums.outs[0]: made.outs[1]}

    def _find_gelu(self, z: Value) -> _Gelu | None:
        """The GELU by tanh of this value and its derivative, if nothing else is made of it, and one product can do
        each."""
        y = self._own(gelu_by_tanh, [z])
        if y is None or z.shape[1] % device.GELU_COLUMNS:
            return None
        if not all(device.serves_epilogue(kind, z.dtype) for kind in ("gelu", "gelu gradient")):
            return None
        for handed in self._products(z):
            left = self._own(gelu_by_tanh_gradient, [handed, z])
            if left is None:
                continue
            forward, backward = self._between([z], y), self._between([handed, z], left)
            sums = [r for r in self._readers.get(left, ()) if r.op == SUM_OF_ROWS and r.outs[0].dtype == z.dtype]
            inside = {*forward, *backward}
            kept = [v for v in (z, handed, *(s.outs[0] for s in inside)) if v not in (y, left)]
            alone = all(v not in self._roots and inside.issuperset(self._readers.get(v, ())) for v in kept)
            whole = all(s.op.elementwise and s.outs[0].shape == z.shape for s in inside)
            more = any(_is_fused_with(r, v) for v in (y, left) for r in self._readers.get(v, ()))
            if alone and whole and len(sums) == 1 and not more:
                return _Gelu(z, y, handed, left, forward, backward, sums[0])
        return None

    def _own(self, compose: Callable[..., Any], ins: Sequence[Value]) -> Value | None:
        """What is composed of these values, if the program makes it."""
        found = self._lowering.composed(compose, ins)
        return found if found in self._readers or found in self._roots else None

    def _products(self, z: Value) -> Iterator[Value]:
        """The products that may be multiplied by a derivative at z: of the first layers they come last."""
        taken = {found.handed for found, _ in self._gelus.values()}
        for step in reversed(self._steps):
            v = step.outs[0]
            if isinstance(step.op, MatMul) and v.shape == z.shape and v.dtype == z.dtype and v not in taken \
                    and all(r.op.elementwise and r.op != ADD for r in self._readers.get(v, ())):
                yield v

    def _between(self, given: Sequence[Value], made: Value) -> list[Step]:
        """The steps from some values to another, which is made of nothing else."""
        found: set[Step] = set()
        todo = [made]
        while todo:
            v = todo.pop()
            if v not in given and v.step is not None and v.step not in found:
                found.add(v.step)
                todo += v.step.reads()
        return [step for step in self._steps if step in found]

    def _gelu(self, product: Step, bias: Value, found: _Gelu) -> dict[Value, Value]:
        """What a product, the bias and the GELU become."""
        after, constants = _one_step(found.forward, found.y, [found.z])
        made = Step(GeluProduct(after), [*product.ins, bias, *constants], [found.y.spec, found.z.spec], product.origin)
        assert found.left.step is not None
        self._gelus[found.left.step] = found, made.outs[1]
        return {found.y: made.outs[0]}

    def _gelu_gradient(self, last: Step) -> dict[Value, Value]:
        """What a product, the derivative of a GELU and the sum become."""
        found, z = self._gelus[last]
        product = found.handed.step
        assert product is not None
        after, constants = _one_step(found.backward, found.left, [found.handed, found.z])
        made = Step(GeluGradientProduct(after), [*product.ins, z, *constants],
                    [found.left.spec, found.sums.outs[0].spec], product.origin)
        return {found.left: made.outs[0], found.sums.outs[0]: made.outs[1]}

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


def _one_step(members: Sequence[Step], last: Value, given: Sequence[Value]) -> tuple[After, list[Value]]:
    """Elementwise steps as one, for what an op calls, and the inputs beside those that are `given`."""
    assert last.step is not None
    step = merge(members, [last.step])[last].step
    assert step is not None and isinstance(step.op, Fused)
    constants = [v for v in step.ins if v not in given]
    operands = [*given, *constants]
    return After(step.op, tuple(operands.index(v) for v in step.ins)), constants


def _is_zero(v: Value) -> bool:
    return v.const is not None and v.size == 1 and not v.const.any()


def _is_fused_with(reader: Step, v: Value) -> bool:
    """Whether a reader would be one kernel with what makes the value. The mask of a ReLU's derivative is made where it
    is used as well."""
    return reader.op.elementwise and reader.op != GREATER and reader.outs[0].shape == v.shape
