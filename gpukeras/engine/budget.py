"""A limit to the weights that layers may make, for models whose description comes from a file.

A description of a few bytes can ask for layers of any size. Inside `weight_budget` every weight that a layer makes is
counted, and none is filled with random numbers: its values are about to come from the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_left: ContextVar[list[int] | None] = ContextVar("weights left to make", default=None)


@contextmanager
def weight_budget(elements: int) -> Iterator[None]:
    """Lets layers make weights of this many elements in all, in this thread, and has them begin as zeros."""
    token = _left.set([elements, elements])
    try:
        yield
    finally:
        _left.reset(token)


def charge(layer: str, weight: str, shape: Sequence[int]) -> bool:
    """Counts a weight; whether a budget is in force. ValueError, naming layer and shape, if it is used up."""
    left = _left.get()
    if left is None:
        return False
    left[0] -= math.prod(shape)
    if left[0] < 0:
        raise ValueError(f"Layer '{layer}': weight '{weight}' of shape {tuple(shape)} is more than the file has values "
                         f"for: it brings {left[1] // 2} numbers or fewer.")
    return True
