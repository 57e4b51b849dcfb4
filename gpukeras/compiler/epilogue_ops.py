"""The steps that `epilogues.py` puts into a program: products by cuBLASLt that do what comes next on their way out, and
where it has no algorithm for one, a plain product and kernels after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import device
from ..graph import Call, Op, Spec, frozen
from ..ops.elementwise import Elementwise
from ..ops.epilogues import mask_by_bits, relu_and_bits
from ..ops.reduce import Reduce

ADD, RELU = Elementwise("add"), Elementwise("relu")
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


@frozen
class MaskedReluProduct(Op):
    """The ReLU of x w + bias, and a bit for each element that is above 0: all that the derivative needs of it."""

    name = "matmul_bias_relu_mask"
    contiguous = (2,)

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """(rows of x, columns of w), and the mask as `device.product_with_epilogue` has it."""
        rows, columns = ins[0].shape[0], ins[1].shape[1]
        assert columns is not None
        return Spec((rows, columns), ins[0].dtype), Spec((rows, device.words_for(columns)), "uint32")

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, or its mask is not ours, a plain one and a kernel."""
        (x, w, bias), (y, bits) = ins, outs
        if device.serves_epilogue("relu and mask", y.dtype.name):
            call = device.product_with_epilogue(x, w, y, "relu and mask", bias, bits)
            if call is not None:
                return [call]
        return [*device.products(x, w, y), relu_and_bits(y, bias, bits)]


@frozen
class MaskedProduct(Op):
    """g w where a mask has bits, elsewhere 0, and the sums of its columns: what a dense layer with a ReLU hands on of
    its derivative, and its bias's gradient."""

    name = "matmul_mask_and_sum_samples"

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """(rows of g, columns of w) and (columns of w)."""
        columns = ins[1].shape[1]
        return Spec((ins[0].shape[0], columns), ins[0].dtype), Spec((columns,), ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What the sum needs if it is made apart."""
        return SUM_OF_ROWS.workspace(outs[:1], outs[1:])

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one, a kernel and the sum."""
        (g, w, bits), (out, sums) = ins, outs
        call = device.product_with_epilogue(g, w, out, "masked", sums, bits)
        if call is not None:
            return [call]
        return [*device.products(g, w, out), mask_by_bits(out, bits), *SUM_OF_ROWS.launches([out], [sums], scratch)]
