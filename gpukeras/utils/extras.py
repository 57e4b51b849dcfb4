"""Libraries that only some programs need: imported when they are, with an error that says how to get them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def need(module: str, extra: str, what: str) -> Any:
    """Imports `module`, which `what` needs. ImportError naming gpukeras's `extra` that brings it.

    >>> need("json", "image", "This").dumps(1)
    '1'
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = {"PIL": "Pillow", "scipy": "SciPy", "sklearn": "scikit-learn"}
        name = package.get(module.partition(".")[0], module)
        raise ImportError(f"{what} needs {name}: pip install 'gpukeras[{extra}]'") from error
