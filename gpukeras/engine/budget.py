"""Limits for models whose description comes from a file: a few bytes can ask for layers of any size and number.

Inside `weight_budget` every weight that a layer makes is counted. `check_architecture` looks at a description before
anything is made of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

MAX_LAYERS = 10_000
"""Layers that a description may have; the deepest networks of the literature have some thousands."""
MAX_NESTING = 200
"""Lists and dictionaries within each other. A model in a model takes four."""
MAX_ENTRIES = 5_000_000
"""Entries of all lists and dictionaries. YAML can refer to one list many times; each counts."""


class _Budget:
    """So many weights may be made. The values come from a file that holds as many, or the limit is the machine's
    memory."""

    def __init__(self, total: int, from_file: bool):
        self.left, self.total, self.from_file = total, total, from_file


_budget: ContextVar[_Budget | None] = ContextVar("weights left to make", default=None)


@contextmanager
def weight_budget(elements: int) -> Iterator[None]:
    """Lets layers make weights of this many elements in all, in this thread, and has them begin as zeros: their values
    are about to come from a file."""
    token = _budget.set(_Budget(elements, True))
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def memory_budget() -> Iterator[None]:
    """Lets layers make weights that take half of the memory there is left, unless another budget is in force already.
    """
    from ..device.report import host_memory  # late: only configs ask for it

    total, free = host_memory()
    if total is None or _budget.get() is not None:
        yield
        return
    elements = (free or total) // 2 // 4
    token = _budget.set(_Budget(elements, False))
    try:
        yield
    finally:
        _budget.reset(token)


def charge(layer: str, weight: str, shape: Sequence[int]) -> bool:
    """Counts a weight; whether its values come from a file. ValueError, naming layer and shape, if the budget is used
    up."""
    budget = _budget.get()
    if budget is None:
        return False
    budget.left -= math.prod(shape)
    if budget.left < 0:
        what = f"Layer '{layer}': weight '{weight}' of shape {tuple(shape)} is more than"
        if budget.from_file:
            raise ValueError(f"{what} the file has values for: it brings {budget.total // 2} numbers or fewer.")
        raise ValueError(f"{what} there is memory for: with those before it it would take more than half of the "
                         f"{budget.total * 8 / 2 ** 30:.1f} GiB that are free.")
    return budget.from_file


def check_architecture(config: Any) -> None:
    """ValueError if a description is larger than any model's, nested without end, or has more layers than can be made
    in reasonable time."""
    sizes = _measured(config, 0, {})
    if sizes.layers > MAX_LAYERS:
        raise ValueError(f"the architecture has more than {MAX_LAYERS:,} layers")


class _Sizes(NamedTuple):
    entries: int
    layers: int
    height: int


def _measured(value: Any, depth: int, known: dict[int, _Sizes]) -> _Sizes:
    """How much there is inside. What is referred to many times is looked at once, and counted each time."""
    if not isinstance(value, (dict, list, tuple)):
        return _Sizes(0, 0, 0)
    if depth >= MAX_NESTING:
        raise _too_deep()
    found = known.get(id(value))
    if found is None:
        in_list = not isinstance(value, dict)  # where layers stand
        entries, layers, height = len(value), 0, 0
        for part in value if in_list else value.values():  # type: ignore[union-attr]
            if isinstance(part, (dict, list, tuple)):
                inside = _measured(part, depth + 1, known)
                entries, layers = entries + inside.entries, layers + inside.layers
                height = max(height, inside.height)
                layers += in_list and _is_layer(part)
        if entries > MAX_ENTRIES:
            raise ValueError(f"the architecture has more than {MAX_ENTRIES:,} entries")
        found = known[id(value)] = _Sizes(entries, layers, height + 1)
    if depth + found.height > MAX_NESTING:
        raise _too_deep()
    return found


def _is_layer(value: Any) -> bool:
    return (isinstance(value, dict) and isinstance(value.get("config"), (dict, list))
            and value.get("class_name") != "__keras_tensor__")


def _too_deep() -> ValueError:
    return ValueError(f"the architecture is nested more than {MAX_NESTING} deep")
