"""Ops that treat every element by itself, one table row each: NumPy body, CUDA expression, derivative.

A row is all that a new elementwise op needs. The bodies go through `device.xp`, whose ufuncs take `out` as their
last argument on both backends; the CUDA expression is what the compiler pastes into fused kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

from ..device import xp
from ..graph import MIX, ROW, Apply, Call, Op, Spec, Tensor, apply, broadcast_shapes, constant, frozen, is_float
from .convert import as_float, as_tensor, cast, unify
from .special import erf as erf_body


class Row(NamedTuple):
    """How one elementwise op is computed and differentiated."""

    body: Callable[..., list[Call]]
    cuda: str
    gradient: Callable[..., Sequence[Tensor | None]] | None
    result: str | None
    in_place: tuple[int, ...]


TABLE: dict[str, Row] = {}


@frozen
class Elementwise(Op):
    """An op of the table, by name."""

    name: str
    elementwise = True

    @property
    def in_place(self) -> tuple[int, ...]:  # type: ignore[override]
        """Inputs whose memory the output may take over."""
        return TABLE[self.name].in_place

    @property
    def cuda(self) -> str:
        """The CUDA expression, with {0}, {1}, ... for the inputs."""
        return TABLE[self.name].cuda

    def infer(self, *ins: Spec) -> Spec:
        """Broadcast shape; the dtype of the last input, or bool for comparisons."""
        return Spec(broadcast_shapes(*(s.shape for s in ins)), TABLE[self.name].result or ins[-1].dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """The row's body."""
        return TABLE[self.name].body(ins, outs[0])

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The row's derivative."""
        rule = TABLE[self.name].gradient
        return [None] * len(node.inputs) if rule is None else rule(grads[0], node.outputs[0], *node.inputs)

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise, unless an input without samples would be broadcast along their axis."""
        rank = max(len(s.shape) for s in ins)
        fits = all(len(s.shape) == rank if c else len(s.shape) < rank or s.shape[0] == 1
                   for c, s in zip(carries, ins))
        return ROW if fits else MIX


ADD, RELU = Elementwise("add"), Elementwise("relu")


@frozen
class Cast(Op):
    """The same numbers in another dtype."""

    dtype: str
    name = "cast"
    elementwise = True

    @property
    def cuda(self) -> str:
        """A C cast."""
        return f"({C_TYPES[self.dtype]})({{0}})" if self.dtype != "bool" else "({0} != 0)"

    def infer(self, *ins: Spec) -> Spec:
        """The input's shape."""
        return Spec(ins[0].shape, self.dtype)

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One converting copy."""
        return [(xp.copyto, (outs[0], ins[0], "unsafe"))]

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """The incoming derivative in the input's dtype, if both are floats."""
        source = node.inputs[0].dtype
        return [cast(grads[0], source) if is_float(source) and is_float(self.dtype) else None]

    def batch(self, carries: Sequence[bool], ins: Sequence[Spec]) -> str:
        """Row-wise."""
        return ROW


C_TYPES = {"float16": "float16", "bfloat16": "bfloat16", "float32": "float", "float64": "double", "int8": "signed char",
           "int16": "short", "int32": "int", "int64": "long long", "uint8": "unsigned char", "uint16": "unsigned short",
           "uint32": "unsigned int", "uint64": "unsigned long long", "bool": "bool"}


def row(name: str, function: Any, cuda: str, gradient: Any = None, *, result: str | None = None,
        in_place: tuple[int, ...] = (0, 1)) -> None:
    """Declares an op. `function` is a ufunc, or `body(inputs, out) -> calls` for a list of inputs."""
    if callable(getattr(function, "reduce", None)) or isinstance(function, UFUNC):
        ufunc = function
        TABLE[name] = Row(lambda ins, out: [(ufunc, (*ins, out))], cuda, gradient, result, in_place)
    else:
        TABLE[name] = Row(function, cuda, gradient, result, in_place)


UFUNC = type(xp.add)


def op(name: str, *inputs: Tensor) -> Tensor:
    """Applies a row of the table to tensors that already have fitting dtypes."""
    return apply(Elementwise(name), *inputs)


class Unary(Protocol):
    """A function of one tensor, element by element."""

    def __call__(self, x: Any) -> Tensor:
        """The function of each element."""
        ...


class Binary(Protocol):
    """A function of two tensors, element by element; they broadcast."""

    def __call__(self, x: Any, y: Any) -> Tensor:
        """The function of each pair of elements."""
        ...


def _unary(name: str, prepare: Callable[[Any], Tensor] = as_tensor) -> Unary:
    """The function that applies a row to what `prepare` makes of one value."""
    def build(x: Any) -> Tensor:
        return op(name, prepare(x))
    build.__name__ = name
    build.__doc__ = f"Elementwise {name} of a tensor."
    return build


def _binary(name: str, prepare: Callable[[Any, Any], Sequence[Tensor]] = unify) -> Binary:
    """The function that applies a row to what `prepare` makes of two values."""
    def build(x: Any, y: Any) -> Tensor:
        return op(name, *prepare(x, y))
    build.__name__ = name
    build.__doc__ = f"Elementwise {name} of two tensors, broadcasting."
    return build


def _truth(x: Any) -> Tensor:
    return cast(as_tensor(x), "bool")


def _truths(x: Any, y: Any) -> list[Tensor]:
    return [_truth(x), _truth(y)]


add, subtract, multiply = _binary("add"), _binary("subtract"), _binary("multiply")
floor_divide, mod = _binary("floor_divide"), _binary("mod")
maximum, minimum = _binary("maximum"), _binary("minimum")
equal, not_equal = _binary("equal"), _binary("not_equal")
less, less_equal = _binary("less"), _binary("less_equal")
greater, greater_equal = _binary("greater"), _binary("greater_equal")
negative, absolute, sign, square = _unary("negative"), _unary("absolute"), _unary("sign"), _unary("square")
relu = _unary("relu")
floor, ceil, rint = _unary("floor", as_float), _unary("ceil", as_float), _unary("round", as_float)
positive_sqrt = _unary("positive_sqrt", as_float)
sqrt, exp, expm1, log, log1p = (_unary(n, as_float) for n in ("sqrt", "exp", "expm1", "log", "log1p"))
sin, cos, tan, sinh, cosh, tanh = (_unary(n, as_float) for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh"))
arcsin, arccos, arctan = (_unary(n, as_float) for n in ("arcsin", "arccos", "arctan"))
erf, sigmoid, softplus, softsign = (_unary(n, as_float) for n in ("erf", "sigmoid", "softplus", "softsign"))
is_nan, is_inf = _unary("is_nan", as_float), _unary("is_inf", as_float)
logical_and, logical_or = _binary("logical_and", _truths), _binary("logical_or", _truths)
logical_not = _unary("logical_not", _truth)


def logical_xor(x: Any, y: Any) -> Tensor:
    """Whether just one of the two holds."""
    return not_equal(_truth(x), _truth(y))


def divide(a: Any, b: Any) -> Tensor:
    """True division; integers are taken as floats."""
    a, b = unify(a, b)
    return op("divide", as_float(a), as_float(b))


def arctan2(y: Any, x: Any) -> Tensor:
    """The angle of the point (x, y), from -pi to pi."""
    return op("arctan2", *map(as_float, unify(y, x)))


def power(x: Any, a: Any) -> Tensor:
    """x to the power a."""
    return op("power", *unify(x, a))


def mask(x: Tensor, keep: Tensor) -> Tensor:
    """x where `keep` is true, 0 elsewhere."""
    return op("mask", keep, x)


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where the condition holds, y elsewhere; all three broadcast."""
    x, y = unify(x, y)
    return op("where", cast(as_tensor(condition), "bool"), x, y)


def _keyword_out(ufunc: Any) -> Any:
    """The body of a ufunc that NumPy wants `out` by name for."""
    return lambda ins, out: [(partial(ufunc, out=out), tuple(ins))]


def _not_below_zero(ins: Sequence[Any], out: Any) -> list[Call]:
    return [(partial(xp.maximum, out=out), (ins[0], _number(0, out)))]


def _number(value: float, like: Any) -> Any:
    """A number as an array, which ufuncs need not make one of at each call."""
    return xp.asarray(value, like.dtype)


def _sigmoid(ins: Sequence[Any], out: Any) -> list[Call]:
    return [(xp.negative, (ins[0], out)), (xp.exp, (out, out)), (xp.add, (out, _number(1, out), out)),
            (xp.reciprocal, (out, out))]


def _where(ins: Sequence[Any], out: Any) -> list[Call]:
    return [(xp.copyto, (out, ins[2])), (xp.copyto, (out, ins[1], "same_kind", ins[0]))]


def _softsign(ins: Sequence[Any], out: Any) -> list[Call]:
    return [(xp.absolute, (ins[0], out)), (xp.add, (out, _number(1, out), out)), (xp.divide, (ins[0], out, out))]


def _sigmoid_crossentropy(z: Any, target: Any, out: Any) -> None:
    xp.absolute(z, out)
    for function in (xp.negative, xp.exp, xp.log1p):
        function(out, out)
    xp.add(out, xp.maximum(z, 0) - z * target, out)


def _sigmoid_gradient_calls(ins: Sequence[Any], out: Any) -> list[Call]:
    g, y = ins
    return [(xp.subtract, (_number(1, out), y, out)), (xp.multiply, (out, y, out)), (xp.multiply, (out, g, out))]


def _sigmoid_gradient(g: Tensor, y: Tensor, x: Tensor) -> Sequence[Tensor | None]:
    return [op("sigmoid_gradient", g, y)]


def _power_gradient(g: Tensor, y: Tensor, x: Tensor, a: Tensor) -> Sequence[Tensor | None]:
    if a.const is not None:
        return [g * a * power(x, constant(a.const - 1, a.dtype)), None]
    positive = greater(x, 0)
    return [g * a * power(x, a - 1), g * y * mask(log(where(positive, x, 1)), positive)]


_TWO_OVER_ROOT_PI = 1.1283791670955126

row("add", xp.add, "{0} + {1}", lambda g, y, a, b: (g, g))
row("subtract", xp.subtract, "{0} - {1}", lambda g, y, a, b: (g, -g))
row("multiply", xp.multiply, "{0} * {1}", lambda g, y, a, b: (g * b, g * a))
row("divide", xp.true_divide, "{0} / {1}", lambda g, y, a, b: (g / b, -(g * y) / b))
row("floor_divide", xp.floor_divide, "floor((double){0} / {1})")  # double: right for integers too
row("mod", xp.remainder, "({0} - {1} * floor((double){0} / {1}))",
    lambda g, y, a, b: (g, -(g * op("floor_divide", a, b))))
row("power", xp.power, "pow({0}, {1})", _power_gradient)
row("maximum", _keyword_out(xp.maximum), "({0} > {1} || {0} != {0} ? {0} : {1})",
    lambda g, y, a, b: (mask(g, greater_equal(a, b)), mask(g, less(a, b))))
row("minimum", _keyword_out(xp.minimum), "({0} < {1} || {0} != {0} ? {0} : {1})",
    lambda g, y, a, b: (mask(g, less_equal(a, b)), mask(g, greater(a, b))))
row("negative", xp.negative, "-{0}", lambda g, y, x: [-g])
row("absolute", xp.absolute, "abs({0})", lambda g, y, x: [g * sign(x)])
row("sign", xp.sign, "({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))")
row("square", xp.square, "{0} * {0}", lambda g, y, x: [g * (x * 2)])
row("sqrt", xp.sqrt, "sqrt({0})", lambda g, y, x: [g * 0.5 / y])
row("positive_sqrt", lambda ins, out: [*_not_below_zero(ins, out), (xp.sqrt, (out, out))],
    "sqrt({0} > 0 || {0} != {0} ? {0} : 0)", lambda g, y, x: [where(greater_equal(x, 0), g * 0.5 / y, 0)])
row("exp", xp.exp, "exp({0})", lambda g, y, x: [g * y])
row("expm1", xp.expm1, "expm1({0})", lambda g, y, x: [g * (y + 1)])
row("log", xp.log, "log({0})", lambda g, y, x: [g / x])
row("log1p", xp.log1p, "log1p({0})", lambda g, y, x: [g / (x + 1)])
row("sin", xp.sin, "sin({0})", lambda g, y, x: [g * cos(x)])
row("cos", xp.cos, "cos({0})", lambda g, y, x: [-(g * sin(x))])
row("tan", xp.tan, "tan({0})", lambda g, y, x: [g * (y * y + 1)])
row("arcsin", xp.arcsin, "asin({0})", lambda g, y, x: [g / sqrt(1 - x * x)], in_place=())
row("arccos", xp.arccos, "acos({0})", lambda g, y, x: [-(g / sqrt(1 - x * x))], in_place=())
row("arctan", xp.arctan, "atan({0})", lambda g, y, x: [g / (x * x + 1)])
row("arctan2", xp.arctan2, "atan2({0}, {1})",
    lambda g, y, a, b: (g * b / (a * a + b * b), -(g * a) / (a * a + b * b)))
row("sinh", xp.sinh, "sinh({0})", lambda g, y, x: [g * cosh(x)])
row("cosh", xp.cosh, "cosh({0})", lambda g, y, x: [g * sinh(x)])
row("tanh", xp.tanh, "tanh({0})", lambda g, y, x: [g * (1 - y * y)])
row("erf", lambda ins, out: [(erf_body, (ins[0], out))], "erf({0})",
    lambda g, y, x: [g * (exp(-(x * x)) * _TWO_OVER_ROOT_PI)])
row("sigmoid", _sigmoid, "1 / (1 + exp(-{0}))", _sigmoid_gradient)
row("sigmoid_gradient", _sigmoid_gradient_calls, "{0} * {1} * (1 - {1})",
    lambda g, y, dy, s: (op("sigmoid_gradient", g, s), g * dy * (1 - s * 2)), in_place=())
row("softplus", lambda ins, out: [(xp.logaddexp, (ins[0], _number(0, out), out))],
    "({0} > 0 ? {0} : 0) + log1p(exp(-abs({0})))",
    lambda g, y, x: [g * sigmoid(x)])
row("sigmoid_crossentropy", lambda ins, out: [(_sigmoid_crossentropy, (*ins, out))],
    "({0} > 0 || {0} != {0} ? {0} : 0) - {0} * {1} + log1p(exp(-abs({0})))",
    lambda g, y, z, target: (g * (sigmoid(z) - target), -(g * z)), in_place=())
row("softsign", _softsign, "{0} / (1 + abs({0}))", lambda g, y, x: [g / square(abs(x) + 1)], in_place=())
row("relu", _not_below_zero, "({0} > 0 || {0} != {0} ? {0} : 0)",
    lambda g, y, x: [mask(g, greater(y, 0))])
row("mask", lambda ins, out: [(xp.multiply, (ins[1], ins[0], out))], "({0} ? {1} : 0)",
    lambda g, y, keep, x: (None, mask(g, keep)), in_place=(1,))
row("where", _where, "({0} ? {1} : {2})", lambda g, y, c, a, b: (None, mask(g, c), mask(g, logical_not(c))),
    in_place=(2,))
row("floor", xp.floor, "floor({0})")
row("ceil", xp.ceil, "ceil({0})")
row("round", xp.rint, "rint({0})")
for _name, _ufunc, _cuda in (("equal", xp.equal, "=="), ("not_equal", xp.not_equal, "!="), ("less", xp.less, "<"),
                             ("less_equal", xp.less_equal, "<="), ("greater", xp.greater, ">"),
                             ("greater_equal", xp.greater_equal, ">=")):
    row(_name, _ufunc, "{0} " + _cuda + " {1}", result="bool", in_place=())
row("logical_and", xp.logical_and, "{0} && {1}", result="bool")
row("logical_or", xp.logical_or, "{0} || {1}", result="bool")
row("logical_not", xp.logical_not, "!{0}", result="bool")
row("is_nan", xp.isnan, "isnan({0})", result="bool", in_place=())
row("is_inf", xp.isinf, "isinf({0})", result="bool", in_place=())
