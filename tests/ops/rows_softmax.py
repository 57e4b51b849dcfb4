"""The rows of softmax and the crossentropies."""

from __future__ import annotations

from typing import Any

from gpukeras.graph import apply
from gpukeras.ops import crossentropy as ce
from gpukeras.ops import softmax as sm
from tests.ops.table import In, Row, distribution, real, whole

EPSILON = 1e-7
G, Z, P, T = In(("n",)), In(("n", 4)), In(("n", 4), distribution()), In(("n", 4), real(0, 1))
LABELS = In(("n",), whole(4))


def use(op: Any) -> Any:
    """The op itself."""
    return lambda *tensors: apply(op, *tensors)


ROWS = [
    Row("Softmax", use(sm.Softmax()), (Z,)),
    Row("Softmax", sm.softmax, (In(("n", 2, 3)),), note="rank-3"),
    Row("SoftmaxGradient", use(sm.SoftmaxGradient()), (Z, P)),
    Row("LogSoftmax", use(sm.LogSoftmax()), (Z,)),
    Row("LogSoftmaxGradient", use(sm.LogSoftmaxGradient()), (Z, Z)),
    Row("Crossentropy", use(ce.Crossentropy(EPSILON)), (P, T), None),
    Row("CrossentropyGradient", use(ce.CrossentropyGradient(EPSILON)), (G, P, T), None),
    Row("SparseCrossentropy", use(ce.SparseCrossentropy(EPSILON)), (P, LABELS), None),
    Row("SparseCrossentropyGradient", use(ce.SparseCrossentropyGradient(EPSILON)), (G, P, LABELS), None),
    Row("BinaryCrossentropy", use(ce.BinaryCrossentropy(EPSILON)), (P, T), None),
    Row("BinaryCrossentropyGradient", use(ce.BinaryCrossentropyGradient(EPSILON)), (T, P, T), None),
    Row("SoftmaxCrossentropy", use(ce.SoftmaxCrossentropy()), (Z, T)),
    Row("SparseSoftmaxCrossentropy", use(ce.SparseSoftmaxCrossentropy()), (Z, LABELS)),
    Row(
        "SoftmaxCrossentropyGradient",
        use(ce.SoftmaxCrossentropyGradient()),
        (G, P, T),
        orders=0,
        refuses="softmax_crossentropy_gradient",
    ),
    Row(
        "SparseSoftmaxCrossentropyGradient",
        use(ce.SparseSoftmaxCrossentropyGradient()),
        (G, P, LABELS),
        orders=0,
        refuses="sparse_softmax_crossentropy_gradient",
    ),
]
