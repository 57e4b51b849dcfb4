"""The rows of all other ops: shapes, reductions, products, gathering, control."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.backend.ranks import parts
from gpukeras.graph import Variable, apply, constant
from gpukeras.ops import (
    broadcasting,
    control,
    distinct,
    indexing,
    joining,
    linalg,
    normalization,
    random,
    ranks,
    reduce,
    shape,
    slicing,
    sorting,
)
from tests.ops.table import MIX, REDUCE, ROW, In, Row, real, truth, whole

X, Y = In(("n", 3)), In(("n", 3, 4))
ALL = (None, None, None)


def red(kind: str, axes: Any, batch: str | None = ROW, keepdims: bool = False, source: In = Y, **more: Any) -> Row:
    """A reduction."""
    name = f"{kind}-{axes}{'-keep' if keepdims else ''}".replace(" ", "")
    return Row("Reduce", lambda x: reduce.reduce(kind, x, axes, keepdims), (source,), batch, note=name, **more)


def spread(x: Any) -> Any:
    """The distances between elements: where two are equal, a maximum has a kink."""
    flat = np.sort(x.reshape(-1))
    return np.diff(flat) * 10


def scan(kind: str, axis: int, exclusive: bool, batch: str = ROW) -> Row:
    """A running sum or product."""
    return Row(
        "Scan",
        lambda x: apply(reduce.Scan(kind, axis, exclusive), x),
        (In(("n", 4), real(0.5, 2)),),
        batch,
        note=f"{kind}-{axis}{'-exclusive' if exclusive else ''}",
    )


def cut(note: str, batch: str, *index: Any) -> Row:
    """Basic indexing."""
    return Row("Slice", lambda x: apply(slicing.Slice(index), x), (Y,), batch, note=note)


def put(note: str, batch: str, part: In, *index: Any) -> Row:
    """The derivative of basic indexing."""
    return Row("PlaceSlice", lambda p, x: apply(slicing.PlaceSlice(index), p, x), (part, Y), batch, note=note)


def product(note: str, batch: str | None, *ins: In) -> Row:
    """A matrix product."""
    return Row("MatMul", linalg.matmul, ins, batch, note=note)


SHAPES = [
    Row("ShapeOf", shape.shape_of, (Y,), None, constant=True),
    Row("Count", lambda x: shape.count(x, (0, 2), "float64"), (Y,), None, constant=True),
    Row(
        "Range",
        lambda x: apply(shape.Range(), constant(0, "int32"), shape.shape_of(x)[1], constant(2, "int32")),
        (In((7, 5)),),
        None,
        constant=True,
    ),
    Row("Reshape", lambda x: shape.reshape(x, [-1, 12]), (Y,)),
    Row("Reshape", lambda x: shape.reshape(x, [-1]), (Y,), MIX, note="flat"),
    Row("Reshape", lambda x: shape.reshape(x, [shape.shape_of(x)[0], 2, -1]), (Y,), note="dynamic"),
    Row("ReshapeLike", lambda x, y: apply(shape.ReshapeLike(), x, y), (In(("n", 12)), Y), None),
    Row("Transpose", lambda x: shape.transpose(x, (0, 2, 1)), (Y,)),
    Row("Transpose", lambda x: shape.transpose(x, (1, 2, 0)), (Y,), MIX, note="cycle"),
    Row("InsertAxes", lambda x: shape.expand_dims(x, 1), (Y,)),
    Row("InsertAxes", lambda x: apply(shape.InsertAxes((0, 2)), x), (X,), MIX, note="two"),
    Row("DropAxes", lambda x: shape.squeeze(x, 1), (In(("n", 1, 3)),)),
    Row("DropAxes", lambda x: shape.squeeze(x, 0), (In((1, 3)),), MIX, note="first"),
    Row("BroadcastTo", lambda x: broadcasting.broadcast_to(x, [shape.shape_of(x)[0], 5, 4]), (In(("n", 1, 4)),)),
    Row("BroadcastTo", lambda x: broadcasting.broadcast_to(x, [2, 5, 4]), (In((5, 1)),), MIX, note="new-axis"),
    Row("BroadcastTo", lambda x: broadcasting.broadcast_to(x, []), (In(()),), None, note="scalar"),
    Row("BroadcastLike", lambda x, y: apply(broadcasting.BroadcastLike(), x, y), (In((3, 1)), Y), None),
    Row("SumLike", lambda x, y: apply(broadcasting.SumLike(), x, y), (Y, In((3, 1))), None),
    Row("SumLike", lambda x, y: apply(broadcasting.SumLike(), x, y), (Y, In(("n", 1, 4))), None, note="samples-kept"),
    cut("whole-samples", ROW, ALL, (1, None, None)),
    cut("reversed", ROW, ALL, (None, None, -2), 1),
    cut("negative", ROW, ALL, -1, (-3, -1, None)),
    cut("new-axis", ROW, ALL, "new", 0),
    cut("one-sample", MIX, 2, ALL, 3),
    cut("some-samples", MIX, (1, 4, None)),
    cut("samples-backwards", MIX, (None, None, -1)),
    cut("nothing", ROW),
    put("whole-samples", ROW, In(("n", 2, 4)), ALL, (1, None, None)),
    put("one-column", ROW, In(("n", 4)), ALL, -1),
    put("reversed", ROW, In(("n", 2)), ALL, (None, None, -2), 1),
    put("one-sample", MIX, In((3,)), 2, ALL, 3),
    Row("SliceBetween", lambda x: x[:, : shape.shape_of(x)[1] // 2 + 1, 1:], (In(("n", 3, 4)),), None),
    Row("SliceBetween", lambda x: x[shape.shape_of(x)[0] - 2 :: -1, None, 1], (Y,), None, note="samples-backwards"),
    Row(
        "PlaceSliceBetween",
        lambda p, x: apply(slicing.PlaceSliceBetween((ALL, (None, "given", None))), p, x, shape.shape_of(p)[1]),
        (In(("n", 2, 4)), Y),
        None,
    ),
    Row("Reverse", lambda x: slicing.reverse(x, (1, 2)), (Y,)),
    Row("Reverse", lambda x: slicing.reverse(x, (0,)), (Y,), MIX, note="samples"),
    Row("Concatenate", lambda *t: joining.concatenate(t, 1), (Y, In(("n", 2, 4)), Y)),
    Row("Concatenate", lambda *t: joining.concatenate(t, 0), (X, In((2, 3))), MIX, note="samples"),
    Row(
        "ConcatenatePart",
        lambda w, a, b: apply(joining.ConcatenatePart(1, 1), w, a, b),
        (In(("n", 5)), In(("n", 2)), In(("n", 3))),
        None,
    ),
]

REDUCTIONS = [
    red("sum", 1),
    red("sum", 0, REDUCE),
    red("sum", (0, 2), REDUCE, True),
    red("sum", None, REDUCE),
    red("sum", (1, 2), keepdims=True),
    red("prod", 1),
    red("prod", (1, 2), keepdims=True),
    red("prod", 0, MIX),
    red("max", 1, kinks=spread, source=X),
    red("max", None, MIX, kinks=spread, source=X),
    red("max", -1, keepdims=True, kinks=spread, source=X),
    red("min", 1, kinks=spread, source=X),
    red("min", 0, MIX, kinks=spread, source=X),
    red("any", 1, source=In(("n", 3), truth()), constant=True),
    red("all", 1, source=In(("n", 3), truth()), constant=True),
    red("all", 0, MIX, source=In(("n", 3), truth()), constant=True),
    red("sum", 1, source=In(("n", 3), whole(9)), constant=True),
    *(scan(kind, 1, exclusive) for kind in ("sum", "prod") for exclusive in (False, True)),
    scan("sum", 0, False, MIX),
    Row("ArgExtreme", lambda x: reduce.arg_extreme("max", x, 1), (Y,), constant=True, note="max"),
    Row("ArgExtreme", lambda x: reduce.arg_extreme("min", x, 0), (Y,), MIX, constant=True, note="min-samples"),
    Row("ArgSort", sorting.argsort, (Y,), constant=True),
    Row("ArgSort", lambda x: sorting.argsort(x, True), (In(("n", 5), whole(3)),), constant=True, note="descending"),
    Row("ArgSort", sorting.argsort, (In(("n",)),), MIX, constant=True, note="samples"),
]

PRODUCTS = [
    product("dense", ROW, X, In((3, 5))),
    product("samples-summed", MIX, In((4, "n")), X),
    product("stack", ROW, Y, In(("n", 4, 2))),
    product("broadcast", ROW, Y, In((4, 2))),
    product("broadcast-left", ROW, In((2, 3)), Y),
    product("constant-stack", MIX, Y, In((6, 4, 2))),
    product("one-stack", ROW, Y, In((1, 4, 2))),
    Row("Contract", lambda a, b: apply(linalg.Contract(), a, b), (X, In(("n", 5))), REDUCE),
]

OTHERS = [
    Row("Gather", indexing.gather, (In((5, 3)), In(("n", 2), whole(5)))),
    Row("Gather", indexing.gather, (Y, In((4,), whole(6))), MIX, note="from-samples"),
    Row(
        "ScatterRows",
        lambda r, i, t: apply(indexing.ScatterRows(), r, i, t),
        (In(("n", 2, 3)), In(("n", 2), whole(5)), In((5, 3))),
        REDUCE,
    ),
    Row("Gather", lambda x, i: x[:, 1, i], (Y, In((), whole(4, -4))), MIX, note="one-place"),
    Row(
        "SumDistinct",
        lambda r, i: distinct.sum_distinct(r, i, 5)[::-1],
        (In(("n", 2, 3)), In(("n", 2), whole(5))),
        MIX,
        orders=0,
        refuses="sum_distinct",
    ),
    Row(
        "PutRows",
        distinct.put_rows,
        (In((4, 3)), In((4,), lambda rng, shape: np.array([0, 2, 2, 4], "int32")), In((5, 3))),
        MIX,
        orders=0,
        refuses="put_rows",
    ),
    Row("Cheaper", distinct.cheaper, (X, X, In((4,)), In((8, 2))), None, orders=0, refuses="cheaper"),
    Row("OneHot", lambda i: indexing.one_hot(i, 4, "float64"), (In(("n", 2), whole(6, -1)),), constant=True),
    Row("Branch", control.branch, (In((), truth()), X, X), None, note="true"),
    Row("IsZero", lambda x: control.is_zero(Variable(0.0, "float64")), (X,), None, constant=True),
    Row("StopGradient", control.stop_gradient, (X,), constant=True),
    Row("Across", lambda x: ranks.sum_over_ranks(x, parts()), (X,), None),
    Row("Average", lambda x: ranks.mean_over_ranks(x, parts()), (X,), None),
    Row("Ratio", lambda x: ranks.ratio("share", parts(), "float64"), (X,), None, constant=True),
    Row("Identity", control.identity, (X,)),
    Row("After", lambda x, y: control.after(x, [y]), (X, In((2,))), None),
    Row("Assigned", lambda x: control.assigned(x, Variable(np.zeros((2, 3)), "float64")), (In((2, 3)),), None),
    Row("Print", lambda x: control.print_tensor(x, "shown"), (X,), MIX),
    Row("Print", lambda x, y: apply(control.Print("shown"), x, y), (X, In((2,))), MIX, note="another"),
]


def normalize(axis: int) -> Any:
    """Batch normalization along an axis."""
    return lambda *ins: apply(normalization.BatchNormalize(axis, 0.1), *ins)


def normalize_gradient(axis: int) -> Any:
    """Its derivative."""
    return lambda *ins: apply(normalization.BatchNormalizeGradient(axis, 0.1), *ins)


V3, V4 = In((3,)), In((4,))
NORMALIZATION = [
    Row("BatchNormalize", normalize(2), (Y, V4, V4), MIX, note="last"),
    Row("BatchNormalize", normalize(1), (Y, V3, V3), MIX, note="middle"),
    Row("BatchNormalize", normalize(1), (X, In(()), In(())), MIX, note="numbers"),
    Row(
        "BatchNormalizeGradient",
        normalize_gradient(2),
        (Y, Y, V4, V4, In((4,), real(0.5, 2)), V4, V4),
        MIX,
        note="last",
    ),
    Row(
        "BatchNormalizeGradient",
        normalize_gradient(1),
        (Y, Y, V3, V3, In((3,), real(0.5, 2)), V3, V3),
        MIX,
        note="middle",
    ),
]

RANDOM = [
    Row(
        "Random",
        lambda x, kind=kind: random.draw(kind, [shape.shape_of(x)[0], 3], "float64", 5),
        (X,),
        constant=True,
        note=kind,
    )
    for kind in ("uniform", "normal", "truncated")
]

ROWS = [*SHAPES, *REDUCTIONS, *PRODUCTS, *OTHERS, *NORMALIZATION]
