"""On a GPU, where `GPUKERAS_EPILOGUES=on`: products of matrices that add a bias, a ReLU, or sum a bias's gradient on
their way out (`device/epilogues.py`), in place of a kernel of their own each.

A step takes an epilogue only where that saves a kernel: what other elementwise steps follow is one kernel with them
anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import device
from ..graph import Call, Op, Spec, frozen
from ..ops.elementwise import Elementwise
from ..ops.linalg import Contract, MatMul
from ..ops.reduce import Reduce
from .ir import Step, Value, needed, replace

ADD, RELU, GREATER = Elementwise("add"), Elementwise("relu"), Elementwise("greater")
SUM_OF_ROWS = Reduce("sum", (0,), False)


@frozen
class BiasedProduct(Op):
    """x w + bias, or the ReLU of it, for matrices and a vector."""

    relu: bool
    contiguous = (2,)

    @property
    def name(self) -> str:  # type: ignore[override]
        """For listings."""
        return "matmul_bias_relu" if self.relu else "matmul_bias"

    def infer(self, *ins: Spec) -> Spec:
        """(rows of x, columns of w)."""
        return Spec((ins[0].shape[0], ins[1].shape[1]), ins[0].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one and what follows it."""
        (x, w, bias), out = ins, outs[0]
        call = device.product_with_epilogue(x, w, out, "relu" if self.relu else "bias", bias)
        if call is not None:
            return [call]
        after = [(ADD, [out, bias]), *([(RELU, [out])] if self.relu else [])]
        return device.products(x, w, out) + [call for op, given in after for call in op.calls(given, [out], [])]


@frozen
class SummedContraction(Op):
    """x' g and the sums of g's columns: a dense layer's gradients for kernel and bias."""

    name = "contract_and_sum_samples"
    contiguous = (1,)

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """(columns of x, columns of g) and (columns of g)."""
        columns = ins[1].shape[1]
        return Spec((ins[0].shape[1], columns), ins[0].dtype), Spec((columns,), ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What the sum needs if it is made apart."""
        return SUM_OF_ROWS.workspace(ins[1:], outs[1:])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one and the sum."""
        (x, g), (kernel, bias) = ins, outs
        call = device.product_with_epilogue(x.T, g, kernel, "gradient", bias)
        if call is not None:
            return [call]
        return device.products(x.T, g, kernel) + SUM_OF_ROWS.launches([g], [bias], scratch)


def take_epilogues(roots: Sequence[Value]) -> list[Value]:
    """Rewrites the steps that `roots` depend on; returns the values that take the roots' places."""
    if device.NAME != "cupy":
        return list(roots)
    steps = needed(roots)
    if not any(device.serves_epilogue(kind, dtype) for kind in ("bias", "relu", "gradient")
               for dtype in {s.outs[0].dtype for s in steps if isinstance(s.op, (MatMul, Contract))}):
        return list(roots)
    readers: dict[Value, list[Step]] = {}
    for step in steps:
        for v in dict.fromkeys(step.reads()):
            readers.setdefault(v, []).append(step)
    new: dict[Value, Value] = {}
    for step in steps:
        replace([step], new)
        new.update(_summed(step, readers) if isinstance(step.op, Contract) else
                   _biased(step, readers, roots) if isinstance(step.op, MatMul) else {})
    replace([*steps, *{v.step for v in new.values() if v.step}], new)
    return [new.get(v, v) for v in roots]


def _biased(product: Step, readers: dict[Value, list[Step]], roots: Sequence[Value]) -> dict[Value, Value]:
    """What a product, the bias added to it, and perhaps a ReLU become: {the last of them: its value now}."""
    out, dtype = product.outs[0], product.outs[0].dtype
    added = _only_reader(out, ADD, readers, roots)
    if added is None or len(out.shape) != 2:
        return {}
    bias = added.ins[1] if added.ins[0] is out else added.ins[0]
    if bias.shape != out.shape[1:] or bias.dtype != dtype or 0 in out.shape:
        return {}
    last, relu = added.outs[0], False
    rectified = _only_reader(last, RELU, readers, roots)
    if rectified is not None and device.serves_epilogue("relu", dtype):
        last, relu = rectified.outs[0], True
    if any(_is_fused_with(r, last) for r in readers.get(last, ())) or not relu and not device.serves_epilogue(
            "bias", dtype):
        return {}
    made = Step(BiasedProduct(relu), [*product.ins, bias], [last.spec], product.origin)
    return {last: made.outs[0]}


def _only_reader(v: Value, op: Op, readers: dict[Value, list[Step]], roots: Sequence[Value]) -> Step | None:
    """The step of this op that alone reads a value; None if there is none, or others need the value too."""
    found = readers.get(v, [])
    return found[0] if len(found) == 1 and found[0].op == op and v not in roots else None


def _is_fused_with(reader: Step, v: Value) -> bool:
    """Whether a reader would be one kernel with what makes the value. The mask of a ReLU's derivative is made where it
    is used as well."""
    return reader.op.elementwise and reader.op != GREATER and reader.outs[0].shape == v.shape


def _summed(contraction: Step, readers: dict[Value, list[Step]]) -> dict[Value, Value]:
    """What the gradients of a kernel and its bias become, if they are made of the same values."""
    x, g = contraction.ins
    dtype, sums = g.dtype, [r for r in readers.get(g, ()) if r.op == SUM_OF_ROWS]
    if not sums or 0 in (*x.shape, *g.shape) or not device.serves_epilogue("gradient", dtype):
        return {}
    if sums[0].outs[0].dtype != dtype or _depends(x, sums[0]):
        return {}
    made = Step(SummedContraction(), contraction.ins, [contraction.outs[0].spec, sums[0].outs[0].spec],
                contraction.origin)
    return {contraction.outs[0]: made.outs[0], sums[0].outs[0]: made.outs[1]}


def _depends(v: Value, step: Step) -> bool:
    return step in needed([v])
