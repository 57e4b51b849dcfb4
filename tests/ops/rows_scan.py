"""The rows of recurrences."""

from __future__ import annotations

from typing import Any

from gpukeras import backend as K
from gpukeras.ops.scan import scan
from tests.ops.table import In, Row

T, U = 3, 2


def recurrence(x: Any, h: Any, kernel: Any, shift: Any) -> Any:
    """Two states, one of which is also an output; a constant read once by a product and once by a sum."""

    def step(xs: Any, hs: Any) -> Any:
        new = K.tanh(K.dot(xs[0], kernel) + hs[0] * shift + shift)
        return [new * hs[1], xs[0] * 2], [new, hs[1] + new]

    outputs, states = scan(step, [x], [h, h * 2])
    return [*outputs, *states]


ROWS = [
    Row("Recurrence", recurrence, (In((T, 4, U)), In((4, U)), In((U, U)), In((U,))), None),
    Row("Recurrence", lambda x: scan(lambda xs, hs: ([xs[0] ** 2], []), [x], [])[0], (In((T,)),), None, note="map"),
]
