"""The house's own rules: who may import whom, where arrays live, and what a file may look like.

The floors, from the ground up; a module imports only from its own floor and those below.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("device", "graph", "ops", "compiler", "backend", "engine")
TOP = len(FLOORS)  # layers, models, losses, callbacks, utils, datasets, ...: what users write with
# Helpers without a floor: they know nothing of the house, so that everybody may know them.
FLOORLESS = {"gpukeras.utils.generic_utils", "gpukeras.utils.np_utils"}
# These describe mathematics to K and never touch an array themselves.
SYMBOLIC = {
    "activations",
    "constraints",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
}
# The training loop feeds and collects arrays on the host; the rest of the engine is the graph of layers.
TRAINING = {"advice", "data", "dealing", "generators", "loops", "objective", "one_batch", "sparse", "totals",
            "training"}
ON_THE_HOST = {"array", "asarray", "ndarray", "ndim", "shape"}
ARRAY_LIBRARIES = {"cupy", "scipy", "numba", "torch", "jax", "tensorflow"}
LONGEST = 600  # lines; rarely over 400


class Import(NamedTuple):
    """One import: the module named, the line, and whether it runs only when a function is called."""

    target: str
    line: int
    lazy: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "gpukeras").rglob("*.py"))}


def imports(path: Path) -> Iterator[Import]:
    """All imports of a file except those for type checkers only."""

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children: list[ast.AST] = list(node.orelse)
        else:
            children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_name(path).split(".")
                package = package if path.name == "__init__.py" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                # `from package import module` is an import of the module
                whole = f"{base}.{alias.name}"
                yield Import(whole if whole in MODULES else base, node.lineno, lazy)
        deeper = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in children:
            yield from visit(child, deeper)

    return visit(ast.parse(path.read_text(encoding="utf-8")), False)


def floor(name: str) -> int:
    room = name.split(".")[1]
    return FLOORS.index(room) if room in FLOORS else TOP


def test_the_ground_floors_stand():
    for room in FLOORS:
        assert (ROOT / "gpukeras" / room / "__init__.py").is_file(), room


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".")])
def test_imports_go_downward(name):
    """Engine may reach for what users write with inside a function, where configs are turned into objects."""
    for target, line, lazy in imports(MODULES[name]):
        if not target.startswith("gpukeras.") or target in FLOORLESS:
            continue
        allowed = TOP if lazy and floor(name) == FLOORS.index("engine") else floor(name)
        assert floor(target) <= allowed, f"{name}, line {line}, imports {target} from a floor above"


@pytest.mark.parametrize("name", sorted(FLOORLESS))
def test_helpers_without_a_floor_import_nothing_of_the_house_at_start(name):
    assert not [
        found for found in imports(MODULES[name]) if found.target.startswith("gpukeras") and not found.lazy
    ]


@pytest.mark.parametrize("name", MODULES)
def test_only_the_device_floor_knows_cupy(name):
    if not name.startswith("gpukeras.device"):
        for target, line, _ in imports(MODULES[name]):
            assert target.partition(".")[0] != "cupy", f"line {line}"


def is_symbolic(name: str) -> bool:
    room, file = name.split(".")[1], name.split(".")[-1]
    return room in SYMBOLIC or (room == "engine" and file not in TRAINING)


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".") and is_symbolic(name)])
def test_what_is_symbolic_computes_with_k(name):
    """NumPy may be named there for weights and configs on the host, never for tensor work."""
    for target, line, _ in imports(MODULES[name]):
        library = target.partition(".")[0]
        assert library not in ARRAY_LIBRARIES, f"{name}, line {line}, imports {target}: use K"
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("np", "numpy")
        ):
            assert node.attr in ON_THE_HOST, f"{name}, line {node.lineno}, uses np.{node.attr}: use K"


DEPENDENCIES = {"numpy", "cupy", "h5py", "tqdm"}
OPTIONAL = {"pandas", "scipy", "PIL", "yaml", "matplotlib", "pydot", "IPython", "mpi4py", "nvmath", "onnx",
"safetensors", "ml_dtypes"}


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_declared_and_heavy_ones_lazy(name):
    for target, line, lazy in imports(MODULES[name]):
        package = target.partition(".")[0]
        if package in sys.stdlib_module_names or package == "gpukeras":
            continue
        assert package in DEPENDENCIES | OPTIONAL, f"line {line}: {package} is no dependency"
        assert lazy or package == "numpy", f"line {line}: import {package} inside the function that needs it"


@pytest.mark.parametrize("name", MODULES)
def test_files_stay_readable(name):
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{lines} lines: would a newcomer find the way?"


TEXT = {".py", ".cu", ".cuh", ".c", ".h", ".md", ".toml", ".yml", ".yaml", ".ipynb", ".txt", ".sh", ""}
FOLDERS = ("gpukeras", "kernels", "tests", "docs", ".ci")
MACHINE_PATH = re.compile(r"/(?:work|root|farm|tmp|home)/\w|[A-Z]:\\\\?Users|\.\./shared")


def test_no_file_names_a_path_of_one_machine():
    files = [
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in TEXT and path.is_file()
    ]
    files += [
        path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT and path.name != ".git"
    ]
    assert len(files) > 50
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files
        if path != Path(__file__) and "__pycache__" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, "\n".join(found)


def test_kernels_serve_an_op_family():
    """A CUDA file is named like the op file that it serves."""
    families = {path.stem for path in (ROOT / "kernels").glob("*.cu")}
    ops = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "gpukeras" / "ops").glob("*.py"))
    assert families
    assert not [family for family in families if not re.search(rf"\b{family}\b", ops)], (
        "no op uses this family"
    )


def test_the_test_folders_mirror_the_package():
    packages = {path.parent.name for path in (ROOT / "gpukeras").glob("*/__init__.py")}
    packages |= {path.stem for path in (ROOT / "gpukeras").glob("*.py")} | {
        "kernels",
        "interop",
        "benchmarks",
        "conformance",
        "examples",
        "docs",
    }
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= packages, folders - packages
