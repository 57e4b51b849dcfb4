"""In the process that runs one file of Keras's tests: `keras` is gpukeras, and what its age has broken is mended.

A plugin of pytest, `-p tests.conformance.plugin`; CONFORMANCE names the file and Keras's own test_utils.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import sys
import warnings
from collections import namedtuple
from types import ModuleType
from typing import Any

from .scope import FOR_TENSORFLOW, LEFT_OUT


def pytest_configure(config: Any) -> None:
    """Before any test is imported."""
    task = json.loads(os.environ["CONFORMANCE"])
    config.conformance = task["file"]
    mend()
    from gpukeras import drop_in

    drop_in.install()
    helpers = importlib.util.spec_from_file_location("keras.utils.test_utils", task["test_utils"])
    assert helpers is not None and helpers.loader is not None
    import keras.utils

    module = importlib.util.module_from_spec(helpers)
    sys.modules[helpers.name] = keras.utils.test_utils = module
    helpers.loader.exec_module(module)


def mend() -> None:
    """Names that Python, NumPy and pytest had when the tests were written."""
    import numpy as np
    import pytest

    for name, value in (("bool", bool), ("int", int), ("float", float), ("object", object)):
        if name not in np.__dict__:
            setattr(np, name, value)
    if not hasattr(inspect, "getargspec"):
        spec = namedtuple("spec", "args varargs keywords defaults")
        inspect.getargspec = lambda function: spec(*inspect.getfullargspec(function)[:4])  # type: ignore[attr-defined]
    warns = pytest.warns
    pytest.warns = lambda expected=Warning, *rest, **more: (  # type: ignore[assignment]
        warnings.catch_warnings(record=True) if expected is None else warns(expected, *rest, **more))
    pytest.ExceptionInfo.__str__ = lambda self: str(self.value)  # type: ignore[method-assign]


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out what is out of scope, and run what Keras runs on TensorFlow alone."""
    from gpukeras import backend as K

    kept = []
    for item in items:
        item.conformance = f"{config.conformance}::{item.originalname or item.name}"
        if item.conformance in LEFT_OUT:
            continue
        kept.append(item)
        item.own_markers[:] = [mark for mark in item.own_markers if not (
            mark.name == "skipif" and re.search(r"tensorflow|\btf\b", str(mark.kwargs.get("reason")), re.IGNORECASE))]
        precision = getattr(item.module, "decimal_precision", None)
        if isinstance(precision, dict):  # by the backend's name
            precision.setdefault(K.backend(), 6)
    items[:] = kept


def pytest_runtest_setup(item: Any) -> None:
    """The name that some tests lay out their data by."""
    _name_backend("tensorflow" if item.conformance in FOR_TENSORFLOW else "gpukeras")


def pytest_runtest_teardown(item: Any) -> None:
    """The backend's own name again."""
    _name_backend("gpukeras")


def _name_backend(name: str) -> None:
    backend: ModuleType = sys.modules["gpukeras.backend"]
    backend.backend = lambda: name  # type: ignore[attr-defined]
