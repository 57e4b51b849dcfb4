"""What follows a product where cuBLASLt does not do it on the way out: kernels/epilogues.cu. Masks are as
`device.epilogues.bits_of` makes them."""

from __future__ import annotations

from typing import Any

from ..device import blocks, launch
from ..graph import Call


def relu_and_bits(y: Any, bias: Any, bits: Any) -> Call:
    """y (rows, columns) becomes ReLU(y + bias), and `bits` has one for each element that is above 0."""
    padded = 32 * bits.shape[1]
    return launch("epilogues", "relu_and_bits", y.dtype, blocks(len(y) * padded), y, bias, bits, *y.shape, padded)


def mask_by_bits(g: Any, bits: Any) -> Call:
    """g (rows, columns) becomes 0 where there is no bit."""
    return launch("epilogues", "mask_by_bits", g.dtype, blocks(g.size), g, bits, *g.shape, 32 * bits.shape[1])
