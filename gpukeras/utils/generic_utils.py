"""Lists of one item, names, and the tools beside this file, as programs import them from ``keras.utils.generic_utils``.
"""

from __future__ import annotations

import re
from typing import Any

from .custom_objects import CustomObjectScope as CustomObjectScope
from .custom_objects import Registry as Registry
from .custom_objects import custom_object_scope as custom_object_scope
from .custom_objects import deserialize_keras_object as deserialize_keras_object
from .custom_objects import get_custom_objects as get_custom_objects
from .custom_objects import interpreted as interpreted
from .custom_objects import register_keras_serializable as register_keras_serializable
from .custom_objects import serialize_keras_object as serialize_keras_object
from .functions import func_dump as func_dump
from .functions import func_load as func_load
from .functions import has_arg as has_arg
from .functions import parameters_of as parameters_of
from .messages import shortened as shortened
from .messages import unknown_name as unknown_name
from .np_utils import slice_arrays as slice_arrays
from .progress import Progbar as Progbar
from .progress import can_redraw as can_redraw
from .progress import draw_bar as draw_bar
from .progress import format_value as format_value
from .progress import in_notebook as in_notebook
from .progress import time_per as time_per

_GLOBAL_CUSTOM_OBJECTS = get_custom_objects()


def to_list(x: Any, allow_tuple: bool = True) -> list[Any]:
    """`x` itself if it is a list, its items if it is a tuple (and `allow_tuple`), else a list of it alone.

    >>> to_list(3), to_list((1, 2)), to_list(None)
    ([3], [1, 2], [None])
    """
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The item of a list or tuple of one; anything else unchanged.

    >>> unpack_singleton([3]), unpack_singleton([1, 2])
    (3, [1, 2])
    """
    return x[0] if isinstance(x, (list, tuple)) and len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A string that tells lists of (living) objects apart by the identity of their members."""
    return ", ".join(str(id(x)) for x in to_list(object_list))


def to_snake_case(name: str) -> str:
    """``'MaxPooling2D'`` to ``'max_pooling2d'``: how layers are named after their class.

    A leading underscore is not a legal start of a scope name, so ``'_Merge'`` gives ``'private__merge'``.

    >>> to_snake_case("MaxPooling2D"), to_snake_case("LSTM"), to_snake_case("SeparableConv2D")
    ('max_pooling2d', 'lstm', 'separable_conv2d')
    """
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return "private" + snake if snake.startswith("_") else snake
