"""All ops, one file a family; each op is declared once, with shape rule, body, derivative and batch behaviour."""

from ..graph import OPERATORS
from . import (
    control,
    convolution,
    crossentropy,
    ctc,
    ctc_decode,
    depthwise,
    distinct,
    elementwise,
    getitem,
    indexing,
    joining,
    linalg,
    normalization,
    patches,
    philox,
    pooling,
    random,
    ranks,
    reduce,
    scan,
    shape,
    softmax,
)

OPERATORS.update({name: getattr(elementwise, name) for name in (
    "add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "negative", "absolute", "less",
    "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
    "logical_not")})

__all__ = [
    "broadcasting", "control", "convolution", "crossentropy", "ctc", "ctc_decode",
    "depthwise", "distinct", "elementwise", "getitem", "indexing", "joining",
    "linalg", "normalization", "patches", "philox", "pooling", "random", "ranks", "reduce", "scan", "shape", "slicing",
    "softmax",
]
