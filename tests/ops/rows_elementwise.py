"""The elementwise ops' rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.graph import apply
from gpukeras.ops.elementwise import Cast, op, power
from tests.ops.table import MIX, In, Row, real, truth, whole


def use(name: str) -> Any:
    """The row of ops.elementwise.TABLE by name."""
    return lambda *tensors: op(name, *tensors)


def one(name: str, low: float = -2.0, high: float = 2.0, **more: Any) -> Row:
    """A function of one number."""
    return Row(name, use(name), (In(("n", 3), real(low, high)),), **more)


def two(name: str, a: tuple[float, float] = (-2, 2), b: tuple[float, float] = (-2, 2), **more: Any) -> Row:
    """A function of two numbers, the second broadcast along the samples."""
    return Row(name, use(name), (In(("n", 3), real(*a)), In((3,), real(*b))), **more)


def logical(name: str, inputs: int) -> Row:
    """A function of truth values."""
    return Row(name, use(name), (In(("n", 3), truth()),) * inputs, constant=True)


def itself(x: Any) -> Any:
    """The kink of functions that have theirs at 0."""
    return x


def difference(a: Any, b: Any) -> Any:
    """The kink of functions that compare."""
    return a - b


ROWS = [
    two("add"),
    two("subtract"),
    two("multiply"),
    two("divide", b=(0.5, 2)),
    Row("add", use("add"), (In(("n", 1, 3)), In((4, 1))), note="both-broadcast"),
    Row("multiply", use("multiply"), (In(("n", 3)), In((6, 3))), batch=MIX, note="constant-for-each-sample"),
    Row("multiply", use("multiply"), (In((3,)), In(())), batch=None, note="scalar"),
    two("floor_divide", b=(0.5, 2), constant=True),
    Row(
        "floor_divide",
        use("floor_divide"),
        (In(("n", 3), whole(9, -9)), In((3,), whole(5, 1))),
        constant=True,
        note="ints",
    ),
    Row("mod", use("mod"), (In(("n", 3), whole(9, -9)), In((3,), whole(5, 1))), constant=True, note="ints"),
    two("mod", a=(-4, 4), b=(0.6, 2), kinks=lambda a, b: a / b - np.round(a / b)),
    two("power", a=(0.5, 2)),
    Row("power", lambda x: power(x, 3), (In(("n", 3)),), note="cube"),
    Row("power", lambda x: power(x, -1.5), (In(("n", 3), real(0.5, 2)),), note="negative-exponent"),
    Row("power", lambda x: power(2.5, x), (In(("n", 3)),), note="constant-base"),
    two("maximum", kinks=difference),
    two("minimum", kinks=difference),
    one("negative"),
    one("absolute", kinks=itself),
    one("sign", constant=True),
    one("square"),
    one("sqrt", 0.3, 3),
    one("positive_sqrt", 0.3, 3),
    one("exp"),
    one("expm1"),
    one("log", 0.3, 3),
    one("log1p", -0.6, 3),
    one("sin"),
    one("cos"),
    one("tan", -1, 1),
    one("arcsin", -0.9, 0.9),
    one("arccos", -0.9, 0.9),
    one("arctan"),
    two("arctan2", b=(0.5, 2)),
    one("sinh"),
    one("cosh"),
    one("tanh"),
    one("erf"),
    one("sigmoid", -4, 4),
    Row("sigmoid_gradient", use("sigmoid_gradient"), (In(("n", 3)), In(("n", 3), real(0.1, 0.9)))),
    one("softplus", -4, 4),
    two("sigmoid_crossentropy", (-4, 4), (0, 1)),
    one("softsign", kinks=itself),
    one("relu", kinks=itself),
    Row("mask", use("mask"), (In(("n", 3), truth()), In(("n", 3)))),
    Row("mask", use("mask"), (In((3,), truth()), In(("n", 3))), note="broadcast"),
    Row("where", use("where"), (In(("n", 3), truth()), In(("n", 3)), In((3,)))),
    Row("where", use("where"), (In(("n", 1), truth()), In(("n", 3)), In(("n", 3))), note="narrow-condition"),
    one("floor", constant=True),
    one("ceil", constant=True),
    one("round", constant=True),
    *(two(name, constant=True) for name in ("less", "less_equal", "greater", "greater_equal")),
    *(
        Row(name, use(name), (In(("n", 3), whole(3)), In((3,), whole(3))), constant=True)
        for name in ("equal", "not_equal")
    ),
    logical("logical_and", 2),
    logical("logical_or", 2),
    logical("logical_not", 1),
    one("is_nan", constant=True),
    one("is_inf", constant=True),
    Row("Cast", lambda x: apply(Cast("float64"), x), (In(("n", 3)),)),
    Row("Cast", lambda x: apply(Cast("int32"), x), (In(("n", 3)),), constant=True, note="to-int"),
    Row("Cast", lambda x: apply(Cast("bool"), x), (In(("n", 3), whole(2)),), constant=True, note="to-bool"),
]
