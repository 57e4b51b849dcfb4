"""Translations of what treats every element, every row or every sum by itself, and of matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Apply, is_float
from ..ops import reduce as r
from ..ops.elementwise import Cast, Elementwise, softplus
from ..ops.linalg import Contract, MatMul
from ..ops.normalization import BatchNormalize
from ..ops.random import Random
from ..ops.scan import scan
from ..ops.shape import reshape, transpose
from ..ops.softmax import LogSoftmax, Softmax
from .exporter import Exporter, translates
from .graph import element_type
from .shapes import shape_vector

SAME = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow", "maximum": "Max",
        "minimum": "Min", "negative": "Neg", "absolute": "Abs", "sign": "Sign", "sqrt": "Sqrt", "exp": "Exp",
        "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan",
        "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "erf": "Erf", "sigmoid": "Sigmoid", "softplus": "Softplus",
        "softsign": "Softsign", "relu": "Relu", "where": "Where", "floor": "Floor", "ceil": "Ceil", "round": "Round",
        "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
        "greater_equal": "GreaterOrEqual", "logical_and": "And", "logical_or": "Or", "logical_not": "Not",
        "is_nan": "IsNaN", "is_inf": "IsInf"}
"""Ops of the table of ops/elementwise.py that ONNX has under another name."""


@translates(Elementwise)
def elementwise(e: Exporter, node: Apply) -> str:
    """By name, or as a few others."""
    name, kind = node.op.name, node.inputs[-1].dtype
    ins = [e.name(t) for t in node.inputs]
    one, zero = (lambda: e.constant(1, kind)), (lambda: e.constant(0, kind))
    if kind == "float64" and name in ("softplus", "softsign"):
        size = e.add("Abs", ins[0])  # onnxruntime knows these in float32 only
        if name == "softsign":
            return e.add("Div", ins[0], e.add("Add", size, one()))
        rest = e.add("Log", e.add("Add", e.add("Exp", e.add("Neg", size)), one()))
        return e.add("Add", e.add("Relu", ins[0]), rest)
    if name in SAME:
        return e.add(SAME[name], *ins)
    if name == "square":
        return e.add("Mul", ins[0], ins[0])
    if name == "positive_sqrt":
        return e.add("Sqrt", e.add("Max", ins[0], zero()))
    if name == "expm1":
        return e.add("Sub", e.add("Exp", ins[0]), one())
    if name == "log1p":
        return e.add("Log", e.add("Add", ins[0], one()))
    if name == "mask":
        return e.add("Where", ins[0], ins[1], zero())
    if name == "not_equal":
        return e.add("Not", e.add("Equal", *ins))
    if name == "sigmoid_gradient":
        return e.add("Mul", ins[0], e.add("Mul", ins[1], e.add("Sub", one(), ins[1])))
    if name == "sigmoid_crossentropy":
        z, target = node.inputs
        return e.rewrite(softplus(z) - z * target)[0]
    if name in ("floor_divide", "mod"):
        return _floor_divide(e, ins, kind, name == "mod")
    raise e.refuse(f"op '{name}' has no translation to ONNX")


def _floor_divide(e: Exporter, ins: list[str], kind: str, rest: bool) -> str:
    """The quotient rounded down, or what is left of it, which has the divisor's sign."""
    if not is_float(kind):
        if rest:
            return e.add("Mod", *ins)
        wide = [e.cast(x, "float64") for x in ins]
        return e.cast(e.add("Floor", e.add("Div", *wide)), kind)
    whole = e.add("Floor", e.add("Div", *ins))
    return e.add("Sub", ins[0], e.add("Mul", ins[1], whole)) if rest else whole


@translates(Cast)
def cast(e: Exporter, node: Apply) -> str:
    """Cast."""
    return e.cast(e.name(node.inputs[0]), node.op.dtype)


@translates(Softmax, LogSoftmax)
def softmax(e: Exporter, node: Apply) -> str:
    """Softmax over the last axis."""
    return e.add("Softmax" if isinstance(node.op, Softmax) else "LogSoftmax", e.name(node.inputs[0]), axis=-1)


@translates(MatMul)
def matmul(e: Exporter, node: Apply) -> str:
    """MatMul, which broadcasts leading axes too."""
    return e.add("MatMul", *map(e.name, node.inputs))


@translates(Contract)
def contract(e: Exporter, node: Apply) -> str:
    """A product with the first factor transposed."""
    a, b = map(e.name, node.inputs)
    return e.add("MatMul", e.transpose(a, (1, 0)), b)


@translates(r.Reduce)
def reduce(e: Exporter, node: Apply) -> str:
    """ReduceSum and its kin; truth values as numbers."""
    op, x = node.op, e.name(node.inputs[0])
    kinds = {"sum": "Sum", "prod": "Prod", "max": "Max", "min": "Min", "any": "Max", "all": "Min"}
    kind = "Reduce" + kinds[op.kind]
    if node.inputs[0].dtype != "bool":
        return e.reduce(kind, x, op.axes, op.keepdims)
    return e.cast(e.reduce(kind, e.cast(x, "int32"), op.axes, op.keepdims), "bool")


@translates(r.ArgExtreme)
def arg_extreme(e: Exporter, node: Apply) -> str:
    """ArgMax or ArgMin: the first of equals."""
    kind = "ArgMax" if node.op.kind == "max" else "ArgMin"
    return e.add(kind, e.name(node.inputs[0]), axis=node.op.axis, keepdims=0)


@translates(r.Scan)
def running(e: Exporter, node: Apply) -> str:
    """CumSum; running products, which ONNX has not, as a recurrence."""
    op, x = node.op, node.inputs[0]
    if op.kind == "sum":
        return e.add("CumSum", e.name(x), e.constant(op.axis, "int64"), exclusive=int(op.exclusive))
    order = (op.axis, *(a for a in range(x.ndim) if a != op.axis))
    front = transpose(x, order)
    _, states = scan(lambda xs, hs: ([], [hs[0] * xs[0]]), [front], [front[0] * 0 + 1])
    products = states[0][:-1] if op.exclusive else states[0][1:]
    return e.rewrite(transpose(products, tuple(int(a) for a in np.argsort(order))))[0]


@translates(Random)
def random(e: Exporter, node: Apply) -> str:
    """RandomNormalLike or RandomUniformLike: other numbers of the same distribution."""
    op, out = node.op, node.outputs[0]
    if op.kind == "truncated":
        raise e.refuse("random numbers of a truncated normal distribution have no translation to ONNX")
    drawn = "float32" if op.kind == "keep" else op.dtype
    shape = shape_vector(e, out, op.dims, node.inputs)
    like = e.add("Expand", e.constant(0, drawn), shape)
    name = e.add("RandomNormalLike" if op.kind == "normal" else "RandomUniformLike", like, dtype=element_type(drawn),
                 seed=float(op.seed))
    return e.add("GreaterOrEqual", name, e.constant(op.level, drawn)) if op.kind == "keep" else name


@translates(BatchNormalize)
def batch_normalize(e: Exporter, node: Apply) -> list[str]:
    """With the batch's own statistics, as a formula."""
    op, (x, gamma, beta) = node.op, node.inputs
    axes = [a for a in range(x.ndim) if a != op.axis]
    wide = [x.shape[op.axis] if a == op.axis else 1 for a in range(x.ndim)]

    def spread(t: Any) -> Any:
        return reshape(t, wide) if t.ndim else t

    mean, variance = r.mean(x, axes, True), r.var(x, axes, True)
    y = (x - mean) / r.sqrt(variance + op.epsilon) * spread(gamma) + spread(beta)
    flat = [r.cast(reshape(t, [-1]), out.dtype) for t, out in zip((mean, variance), node.outputs[1:])]
    return e.rewrite(y, *flat)
