"""The rows of convolution, pooling and patches."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.graph import apply
from gpukeras.ops import convolution, depthwise, patches, pooling
from gpukeras.ops.windows import Window
from tests.ops.table import MIX, REDUCE, In, Row

VALID = Window((2, 3), (1, 2), "valid", (1, 1))
SAME = Window((3, 2), (2, 1), "same", (1, 1))
DILATED = Window((2,), (1,), "same", (2,))
IMAGE, SIGNAL = In(("n", 4, 5, 2)), In(("n", 5, 2))


def both(op: Any, ins: Any, batch: str, **more: Any) -> list[Row]:
    """Rows for both paddings: `ins(window, output space)` gives the inputs."""
    rows = []
    for note, window in (("valid", VALID), ("same", SAME)):
        space = window.output_space((4, 5))
        rows.append(
            Row(
                op.__name__,
                lambda *t, window=window: apply(op(window), *t),
                ins(window, space),
                batch,
                note=note,
                **more,
            )
        )
    return rows


def kernel(window: Window, filters: int = 3) -> In:
    """Two channels in."""
    return In((*window.size, 2, filters))


def distances(x: Any) -> Any:
    """Between all elements: where two are equal, a maximum has a kink."""
    return np.diff(np.sort(x.reshape(-1))) * 100


def picked(op: Any, window: Window, source: int) -> Any:
    """The op on (values, x, maximum of x)."""
    return lambda *t: apply(op(window), t[0], t[source], apply(pooling.MaxPool(window), t[source]))


POOLS = [
    row
    for note, window in (("valid", VALID), ("same", SAME))
    for row in (
        Row("MaxPool", lambda x, w=window: apply(pooling.MaxPool(w), x), (IMAGE,), kinks=distances, note=note),
        Row(
            "MaxPoolGradient",
            picked(pooling.MaxPoolGradient, window, 1),
            (In(("n", *window.output_space((4, 5)), 2)), IMAGE),
            kinks=lambda g, x: distances(x),
            note=note,
        ),
        Row(
            "MaxPoolPick",
            picked(pooling.MaxPoolPick, window, 1),
            (IMAGE, IMAGE),
            kinks=lambda h, x: distances(x),
            note=note,
        ),
        Row("AveragePool", lambda x, w=window: apply(pooling.AveragePool(w), x), (IMAGE,), note=note),
    )
]

ROWS = [
    *both(convolution.Convolution, lambda w, s: (IMAGE, kernel(w)), "row-wise"),
    *both(convolution.ConvolutionInputGradient, lambda w, s: (In(("n", *s, 3)), kernel(w), IMAGE), "row-wise"),
    *both(convolution.ConvolutionKernelGradient, lambda w, s: (IMAGE, In(("n", *s, 3)), kernel(w)), REDUCE),
    Row(
        "Convolution",
        lambda x, k: apply(convolution.Convolution(DILATED), x, k),
        (SIGNAL, In((2, 2, 3))),
        note="dilated",
    ),
    *both(depthwise.Depthwise, lambda w, s: (IMAGE, kernel(w)), "row-wise"),
    *both(depthwise.DepthwiseInputGradient, lambda w, s: (In(("n", *s, 6)), kernel(w), IMAGE), "row-wise"),
    *both(depthwise.DepthwiseKernelGradient, lambda w, s: (IMAGE, In(("n", *s, 6)), kernel(w)), REDUCE),
    *POOLS,
    *both(pooling.AveragePoolGradient, lambda w, s: (In(("n", *s, 2)), IMAGE), "row-wise"),
    Row("Patches", lambda x: apply(patches.Patches(VALID), x), (IMAGE,)),
    Row(
        "FoldPatches",
        lambda p, x: apply(patches.FoldPatches(VALID), p, x),
        (In(("n", *VALID.output_space((4, 5)), *VALID.size, 2)), IMAGE),
    ),
    Row("Pad", lambda x: patches.pad(x, [(0, 0), (1, 2), (0, 1)]), (SIGNAL,)),
    Row("Pad", lambda x: patches.pad(x, [(1, 0), (0, 0), (0, 0)]), (SIGNAL,), MIX, note="samples"),
]
