"""The rows of connectionist temporal classification. Lengths, infinities, other libraries' numbers: test_ctc.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpukeras.graph import Tensor, apply
from gpukeras.ops.ctc import CTCLoss, CTCLossGradient, ctc_loss
from gpukeras.ops.ctc_decode import CTCDecode
from tests.ops.table import MIX, In, Row, real, whole

T, C, WIDTH = 6, 4, 3
LOG_P = In(("n", T, C), real(-3, 0))
LABELS, TIMES, LENGTHS = In(("n", WIDTH), whole(C - 1)), In(("n",), whole(T + 1, T)), In(("n",), whole(WIDTH + 1, 1))


def derivative(g: Tensor, *ins: Tensor) -> Any:
    """The op for the derivative, of the loss and the alphas that fit."""
    return apply(CTCLossGradient(), g, *(apply(CTCLoss(), *ins)), *ins)


def logits(rng: np.random.RandomState, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of which no two are nearly equal."""
    return rng.permutation(np.arange(np.prod(shape, dtype=int))).reshape(shape) * 0.01


ROWS = [
    Row("CTCLoss", ctc_loss, (LOG_P, LABELS, TIMES, LENGTHS), MIX, orders=1, refuses="ctc_loss_gradient"),
    Row("CTCLossGradient", derivative, (In(("n",)), LOG_P, LABELS, TIMES, LENGTHS), MIX, orders=0,
        refuses="ctc_loss_gradient"),
    Row("CTCDecode", lambda *ins: apply(CTCDecode(0, 1), *ins), (In(("n", T, C), logits), TIMES), MIX, constant=True),
    Row("CTCDecode", lambda *ins: apply(CTCDecode(5, 2), *ins), (In(("n", T, C), logits), TIMES), MIX, constant=True,
        note="beam"),
]
