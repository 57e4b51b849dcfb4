"""Wheels with compiled code: HATCH_BUILD_HOOK_ENABLE_CUSTOM=true python -m build --wheel

Without the variable the wheel is pure Python, and C sources are compiled where it is used, when they are needed. Where
nothing can be compiled, the wheel is pure as well, with a warning.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Prebuilt(BuildHookInterface):
    """Puts libraries for several levels of processors into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, and says which systems the wheel is for."""
        self.folder: Path | None = None
        if version == "editable":
            return
        self.folder = Path(tempfile.mkdtemp())
        paths = os.pathsep.join(filter(None, [self.root, os.environ.get("PYTHONPATH")]))
        done = subprocess.run([sys.executable, "-m", "gpukeras.commands.prebuild", str(self.folder)],
                              capture_output=True, text=True, cwd=self.root,
                              env={**os.environ, "PYTHONPATH": paths, "GPUKERAS_BACKEND": "numpy"})
        libraries = sorted(self.folder.rglob("*.library"))
        tag = system_tag(libraries)
        if done.returncode or done.stderr or tag is None:
            self.app.display_warning(f"some sources are not compiled ahead: {done.stderr or done.stdout}")
        if done.returncode or tag is None:
            return
        for path in libraries:
            build_data["force_include"][str(path)] = f"gpukeras/_prebuilt/{path.relative_to(self.folder).as_posix()}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tag}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Takes the scratch folder away."""
        if self.folder is not None:
            shutil.rmtree(self.folder)


def system_tag(libraries: list[Path]) -> str | None:
    """The platform tag of a wheel with these libraries; None where no such wheel is made. On Linux it names the oldest
    glibc that has all the functions that they ask for."""
    if sys.platform == "darwin":
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    asked = {int(minor) for path in libraries for minor in re.findall(rb"GLIBC_2\.(\d+)", path.read_bytes())}
    return f"manylinux_2_{max(asked | {17})}_{platform.machine()}"
