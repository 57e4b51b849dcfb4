"""`python -m gpukeras info`: what this process would compute with, as text for a bug report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("h5py", "tqdm", "pillow", "scipy", "pandas", "safetensors", "scikit-learn", "onnx", "pydot", "matplotlib",
            "ipykernel", "ipywidgets", "keras", "tensorflow", "torch", "jax")
"""Packages that gpukeras uses where they are, and those whose place it may take."""


def main(arguments: Sequence[str]) -> int:
    """Prints the report; 1 where the backend that was asked for can't be had."""
    parser = argparse.ArgumentParser("python -m gpukeras info", description="Prints what gpukeras computes with here, "
                                     "and the versions around it: paste it into a bug report.")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    wanted = parser.parse_args(arguments)
    try:
        found = collect()
    except (ImportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if wanted.json else text(found))
    return 0


def collect() -> dict[str, Any]:
    """`gpukeras.config()` with the system, installed packages, and variables that change what gpukeras does.

    Raises ImportError (with what to install) or ValueError where GPUKERAS_BACKEND can't be followed.
    """
    import gpukeras
    from gpukeras.drop_in import OWN_VERSION

    packages = {name: version for name in PACKAGES if (version := _version(name))}
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith("GPUKERAS_")}
    return {"gpukeras": OWN_VERSION, **gpukeras.config(), "system": platform.platform(), "packages": packages,
            "variables": variables}


def text(found: dict[str, Any]) -> str:
    """The report as lines. The user's folder is written `~`, as people paste this where others read it."""
    from gpukeras.device.report import Config

    rows = {name: value for name, value in found.items() if name != "gpukeras"}
    for name in ("packages", "variables"):
        rows[name] = ", ".join(f"{key} {value}" for key, value in found[name].items()) or "none"
    lines = f"gpukeras {found['gpukeras']}\n{Config(rows)}"
    home = os.path.expanduser("~")
    return lines.replace(home + os.sep, "~" + os.sep) if len(Path(home).parts) > 1 else lines


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
