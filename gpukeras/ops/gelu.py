"""GELU by tanh (Hendrycks and Gimpel 2016, arXiv:1606.08415), as the compiler knows it again in a program."""

from __future__ import annotations

import math
from typing import Any

from ..graph import gradients
from .elementwise import tanh


def gelu_by_tanh(x: Any) -> Any:
    """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


def gelu_by_tanh_gradient(g: Any, x: Any) -> Any:
    """Its derivative times g, as any program has it."""
    return gradients(gelu_by_tanh(x), [x], seed=g)[0]
