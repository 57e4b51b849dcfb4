"""Classes of programs that have the name of one of this library's: configs name both alike, and mean the program's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..utils.identity import is_built_in
from .held import layers_in


def means_own(name: Any, known: Mapping[str, Any]) -> bool:
    """Whether a name in a config means a class of the program's, which `known` gives. One that is made from this
    library's class of that name takes what that takes, and counts as this library's."""
    if not isinstance(name, str) or name not in known:
        return False
    found = known[name]
    bases = found.__mro__ if isinstance(found, type) else (found,)
    return not any(is_built_in(base) and getattr(base, "__name__", name) == name for base in bases)


def own_names(model: Any) -> set[str]:
    """The names of the program's own classes of layers and cells in a model."""
    return {type(layer).__name__ for layer in _within(model) if not is_built_in(type(layer))}


def _within(model: Any) -> Iterator[Any]:
    """The layers in a model, in those layers, and so on, and the cells of recurrent ones."""
    seen: set[int] = set()
    rest = [model]
    while rest:
        layer = rest.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            rest += _inside(layer)


def _inside(layer: Any) -> list[Any]:
    attributes = {k: v for k, v in getattr(layer, "__dict__", {}).items() if not k.endswith("bound_nodes")}
    cells = [attributes.get("cell"), *(attributes.get("cells") or ())]  # which need not be layers
    return [*layers_in([getattr(layer, "layers", None), *attributes.values()]),
            *(cell for cell in cells if hasattr(cell, "call"))]
