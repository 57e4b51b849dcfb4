"""Making layers from configs. What a config may name, `gpukeras.layers` says once all layers are there."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from ..utils.custom_objects import deserialize_keras_object

_known: ChainMap[str, Any] = ChainMap()


def may_be_named(*tables: Mapping[str, Any]) -> None:
    """Lets configs name the classes in these tables."""
    _known.maps.extend(tables)  # type: ignore[arg-type]


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new layer or model from ``{'class_name', 'config'}``.

    Only this library's layers and models, those in `custom_objects`, and the global custom objects can be
    named.
    """
    return deserialize_keras_object(config, _known, custom_objects, "layer")
