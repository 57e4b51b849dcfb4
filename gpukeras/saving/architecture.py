"""A model from its architecture."""

from __future__ import annotations

from typing import Any

from ..engine.budget import check_architecture, memory_budget
from ..engine.serialization import described_error
from ..utils.messages import shortened


def model_from_config(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new, uncompiled model from ``{'class_name', 'config'}``; TypeError for a Sequential's bare list.

    ValueError for a config that can't be built, or that asks for more memory than the machine has, more than 10,000
    layers, or models nested without end.
    """
    from ..layers.by_name import deserialize  # late: the layers take a while to load

    if isinstance(config, list):
        raise TypeError("model_from_config needs a dictionary with 'class_name' and 'config', but got a "
                        "list. For the config of a Sequential use Sequential.from_config(config).")
    if not isinstance(config, dict):
        raise ValueError(f"A model's config is a dictionary with 'class_name' and 'config', got {shortened(config)}.")
    check_architecture(config)
    try:
        with memory_budget():
            return deserialize(config, custom_objects=custom_objects)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError) as error:
        raise ValueError("the architecture can't be built: " + described_error(error)) from error
