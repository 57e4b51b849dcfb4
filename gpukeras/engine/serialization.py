"""Model architectures as text: JSON and YAML."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from .. import backend as K
from .own_classes import own_names
from .own_functions import marked

KERAS_VERSION = "2.0.9"
"""The Keras whose layout the files have: readers decide by it how to take weights and configs."""


_PYTHON_TAGS = {"tuple": "construct_yaml_seq", "unicode": "construct_yaml_str", "str": "construct_yaml_str",
                "long": "construct_yaml_int"}
"""Plain data that PyYAML, by which Keras 2 wrote YAML, calls Python's, and PyYAML's functions that read them."""


def json_ready(value: Any) -> Any:
    """NumPy scalars, arrays and types as JSON can hold them; TypeError for anything else.

    Arrays become ``{'type': 'ndarray', 'value': [...]}``, as Keras writes the arguments of a Lambda layer.
    """
    if hasattr(value, "tolist") and hasattr(value, "ndim"):
        return {"type": "ndarray", "value": value.tolist()} if value.ndim else value.item()
    if isinstance(value, type):
        return value.__name__
    raise TypeError(f"{value!r} of type {type(value).__name__} can't be written to JSON; give it as plain "
                    "numbers, strings, lists and dictionaries in get_config().")


def plain(value: Any) -> Any:
    """As `json_ready`; also functions, by their names, and objects of classes, as class name and config."""
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if callable(value) and hasattr(value, "__name__") and not isinstance(value, type):
        return value.__name__
    return json_ready(value)


def explicit(config: Any, own: Collection[str]) -> Any:
    """A copy of a config in which a GRU says that it does not reset after the product: newer Keras takes silence for
    the contrary. Classes of the names `own` are the program's."""
    if isinstance(config, (list, tuple)):
        return [explicit(value, own) for value in config]
    if not isinstance(config, dict):
        return config
    made = {key: explicit(value, own) for key, value in config.items()}
    kind = made.get("class_name")
    if kind in ("GRU", "GRUCell") and kind not in own and isinstance(made.get("config"), dict):
        made["config"].setdefault("reset_after", False)
    return made


def described(model: Any) -> dict[str, Any]:
    """Class, config and the versions a reader asks for."""
    return {"class_name": type(model).__name__, "config": explicit(model.get_config(), own_names(model)),
            "keras_version": KERAS_VERSION, "backend": K.backend()}


def model_as_json(model: Any, **kwargs: Any) -> str:
    """The architecture as JSON text; keywords go to json.dumps."""
    return json.dumps(marked(described(model), json_ready), **kwargs)


def model_as_yaml(model: Any, **kwargs: Any) -> str:
    """The architecture as YAML text of plain data; keywords go to yaml.safe_dump."""
    return _yaml().safe_dump(json.loads(model_as_json(model)), **kwargs)


def read_json(text: str) -> Any:
    """Plain data from JSON; ValueError for anything else."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        what = f"the text is no JSON, it begins with {error.doc[:40]!r}: {error.msg}"
        raise json.JSONDecodeError(what, error.doc, error.pos) from error
    except RecursionError as error:
        raise ValueError("the JSON is nested without end") from error


def read_yaml(text: str) -> Any:
    """Plain data from YAML. Python's tuples and texts, as Keras 2 writes them, are lists and texts; other tags, which
    would make Python objects, are refused by the reader: ValueError for them, and for what is no YAML."""
    yaml = _yaml()
    loader: Any = type("PlainLoader", (yaml.SafeLoader,), {})
    for tag, construct in _PYTHON_TAGS.items():
        loader.add_constructor(f"tag:yaml.org,2002:python/{tag}", getattr(loader, construct))
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        kind = type("NoPlainYAML", (ValueError, yaml.YAMLError), {})  # PyYAML's own errors are no ValueErrors
        raise kind(f"the text is no YAML of plain data: {error}") from error
    except RecursionError as error:
        raise ValueError("the YAML is nested without end") from error


def described_error(error: BaseException) -> str:
    """Kind and message of an error that was not made for people to read."""
    return f"{type(error).__name__}: {error!s:.300}"


def _yaml() -> Any:
    from importlib import import_module

    try:
        return import_module("yaml")
    except ImportError as e:
        raise ImportError("YAML needs PyYAML: pip install pyyaml. Or use to_json and model_from_json.") from e
