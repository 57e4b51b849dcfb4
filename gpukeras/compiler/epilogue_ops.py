"""The steps that `epilogues.py` puts into a program: products by cuBLASLt that do what comes next on their way out, and
where it has no algorithm for one, a plain product and kernels after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import device
from ..graph import Call, Op, Spec, frozen
from ..ops.elementwise import ADD, RELU
from ..ops.epilogues import mask_by_bits, relu_and_bits
from ..ops.reduce import Reduce
from .fuse import Fused

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


class _SummedProduct(Op):
    """A product g w that something is done to, and the sums of its columns."""

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """(rows of g, columns of w) and (columns of w)."""
        columns = ins[1].shape[1]
        return Spec((ins[0].shape[0], columns), ins[0].dtype), Spec((columns,), ins[0].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """What the sum needs if it is made apart."""
        return SUM_OF_ROWS.workspace(outs[:1], outs[1:])


@frozen
class MaskedProduct(_SummedProduct):
    """g w where a mask has bits, elsewhere 0, and the sums of its columns: what a dense layer with a ReLU hands on of
    its derivative, and its bias's gradient."""

    name = "matmul_mask_and_sum_samples"

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one, a kernel and the sum."""
        (g, w, bits), (out, sums) = ins, outs
        call = device.product_with_epilogue(g, w, out, "masked", sums, bits)
        if call is not None:
            return [call]
        return [*device.products(g, w, out), mask_by_bits(out, bits), *SUM_OF_ROWS.launches([out], [sums], scratch)]


class After(NamedTuple):
    """What is made of a product where cuBLASLt does not: one elementwise step. Its inputs are given, in its order, by
    their places among the operands that an op says."""

    step: Fused
    places: tuple[int, ...]

    def calls(self, operands: Sequence[Any], out: Any) -> list[Call]:
        """A kernel."""
        return self.step.calls([operands[i] for i in self.places], [out], [])


class GeluProduct(Op):
    """x w + bias, and the GELU of it by tanh. Further inputs are constants of `after`. Made for one place."""

    name = "matmul_bias_gelu"
    contiguous = (2,)

    def __init__(self, after: After):
        self._after = after

    def infer(self, *ins: Spec) -> tuple[Spec, Spec]:
        """Twice (rows of x, columns of w)."""
        made = Spec((ins[0].shape[0], ins[1].shape[1]), ins[0].dtype)
        return made, made

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one and two kernels."""
        (x, w, bias, *constants), (y, z) = ins, outs
        call = device.product_with_epilogue(x, w, y, "gelu", bias, z)
        if call is not None:
            return [call]
        return [*device.products(x, w, z), *ADD.calls([z, bias], [z], []), *self._after.calls([z, *constants], y)]


class GeluGradientProduct(_SummedProduct):
    """g w times the derivative of GELU by tanh at z, and the sums of its columns. Further inputs are constants of
    `after`, whose operands are the product, z and these. Made for one place."""

    name = "matmul_gelu_gradient_and_sum_samples"
    contiguous = (2,)

    def __init__(self, after: After):
        self._after = after

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One product; where cuBLASLt has none, a plain one, a kernel and the sum."""
        (g, w, z, *constants), (out, sums) = ins, outs
        call = device.product_with_epilogue(g, w, out, "gelu gradient", sums, z)
        if call is not None:
            return [call]
        return [*device.products(g, w, out), *self._after.calls([out, z, *constants], out),
                *SUM_OF_ROWS.launches([out], [sums], scratch)]
