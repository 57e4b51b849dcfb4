"""The house's own rules: who may import whom, where arrays live, and what a file may look like.

The floors, from the ground up; a module imports only from its own floor and those below.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FLOORS: dict[str, str] = {  # from the ground up, with the modules (or folders) that stand on each
    # tools that know nothing of the house; what else is in their folders stands at the top
    "tools": "saving.errors utils.archives utils.custom_objects utils.data_utils utils.enqueuers utils.enqueuing "
             "utils.extras utils.functions utils.generator_enqueuer utils.generic_utils utils.h5dict "
             "utils.identity utils.io_utils utils.keras1 utils.late utils.messages utils.metric_names utils.np_utils "
             "utils.pickles utils.progress",
    "device": "device",
    "graph": "graph",
    "ops": "ops",
    "compiler": "compiler",
    "backend": "backend",
    # what layers and models are made and trained with: it knows K, and takes layers and models as they come
    "parts": "activations constraints initializers regularizers losses loss_classes objectives metrics metric_classes "
             "paired_metrics stateful_metrics optimizers callbacks drawing",
    "engine": "engine",
    # layers, models, saving, utils, datasets, ...: what users write with
    "top": "",
}
TOP = list(FLOORS).index("top")
# Keras's own addresses in `engine`, for programs: they hand on names of all floors, and no module imports them.
ADDRESSES = {"engine.base_layer", "engine.functional", "engine.saving", "engine.topology", "engine.training_utils"}
# The imports from a floor above, all inside functions. The list may only become shorter.
UPWARD = {
    ("device.job", "gpukeras"): "ranks compare the package's version, which is told at its root",
    ("engine.portable", "layers.by_name"): "a model's config names layers: Model.from_config",
    ("engine.portable", "saving.files"): "a model has the methods save, save_weights and load_weights",
    ("engine.portable", "saving.pickled"): "a model can be pickled, as what `save` writes",
    ("engine.portable", "export.onnx_file"): "a model has the method export",
}
# Files that import each other in a circle, by imports inside functions or for hints. These may only become smaller.
CIRCLES = {
    "a model saves itself, and a file is read as a model":
        "engine.compiling engine.network engine.portable engine.sequential engine.subclassed engine.training "
        "export.onnx_file layers saving.compiled saving.configs saving.conversion saving.files saving.keras3_compiled "
        "saving.keras3_configs saving.keras3_files saving.keras3_weights saving.optimizer_state saving.pickled "
        "saving.weights",
    "a layer is made of calls, and a call's node says whose it is (a hint)":
        "engine.adding engine.at_once engine.both_phases engine.calls engine.computing engine.connections engine.held "
        "engine.hints engine.input_spec engine.layer engine.node engine.operations engine.tracing",
    "an op's gradient, or its expansion, is made of other families' ops":
        "ops.broadcasting ops.control ops.convert ops.elementwise ops.indexing ops.joining ops.reduce ops.shape "
        "ops.slicing",
    "the backend is chosen for a rank, and ranks talk by what the backend has":
        "device.choice device.job device.nccl device.select",
    "fused steps are bound by what takes them apart (hints)": "compiler.codegen compiler.fuse compiler.native",
    "loops are lowered with the bodies inside (hints)": "compiler.hoist compiler.lower compiler.scan",
    "an optimizer around another": "optimizers optimizers.legacy optimizers.loss_scale",
    "metrics, and their classes by the same address": "metrics metric_classes paired_metrics",
    "losses, and their classes by the same address": "losses loss_classes",
    "the backend by another address": "backend backend.tensorflow_backend",
    "a picture saves itself": "drawing.paint drawing.scene",
    "a file's reader, and the process that reads it instead": "saving.guarded saving.isolated",
    "arrays in files, and files as dictionaries": "utils.h5dict utils.io_utils",
}
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
TRAINING = {"advice", "data", "dealing", "epochs", "generators", "loops", "objective", "one_batch", "replaced",
            "sparse", "totals", "training"}
ON_THE_HOST = {"array", "asarray", "ndarray", "ndim", "shape"}
ARRAY_LIBRARIES = {"cupy", "scipy", "numba", "torch", "jax", "tensorflow"}
LONGEST = 500  # lines; rarely over 400


class Import(NamedTuple):
    """One import: the module named, what of it, the line, and when it runs: at the 'start', when a function is 'called'
    or, as a 'hint' for type checkers, never."""

    target: str
    name: str
    line: int
    when: str


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "gpukeras").rglob("*.py"))}


@functools.cache
def imports(path: Path) -> tuple[Import, ...]:
    """All imports of a file."""

    def visit(node: ast.AST, when: str) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_name(path).split(".")
                package = package if path.name == "__init__.py" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                # `from package import module` is an import of the module
                whole = f"{base}.{alias.name}"
                named = (whole, "") if whole in MODULES else (base, alias.name)
                yield Import(*named, node.lineno, when)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            when = "hint"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and when == "start":
            when = "called"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, when)

    return tuple(visit(ast.parse(path.read_text(encoding="utf-8")), "start"))


def floor(name: str) -> int:
    """The floor that a module stands on, as its place among FLOORS."""
    _, _, own = name.partition(".")
    rooms = (own, own.partition(".")[0])
    found = (number for number, modules in enumerate(FLOORS.values()) if set(rooms) & set(modules.split()))
    return TOP if own in ADDRESSES else next(found, TOP) if own else TOP + 1


def definer(target: str, name: str) -> str:
    """The module that defines what `from target import name` names: a package's face hands names on."""
    if name and MODULES[target].name == "__init__.py":
        for found in imports(MODULES[target]):
            if found.name == name and found.target in MODULES and found.target != target:
                return definer(found.target, name)
    return target


def test_every_floor_stands():
    for modules in FLOORS.values():
        assert not [room for room in modules.split() if f"gpukeras.{room}" not in MODULES]


def test_imports_go_downward():
    """From a floor above, only what the list has, and nothing stands there in vain."""
    upward = set()
    for name in [name for name in MODULES if floor(name) < TOP]:
        for target, _, line, when in imports(MODULES[name]):
            if target in MODULES and floor(target) > floor(name):
                arrow = (name.removeprefix("gpukeras."), target.removeprefix("gpukeras."))
                assert arrow in UPWARD and when != "start", f"{name}, line {line}, imports {target} from a floor above"
                upward.add(arrow)
    assert upward == set(UPWARD), "no longer there: strike it"


def test_no_module_imports_the_addresses_of_keras():
    found = {(name, target) for name in MODULES for target, *_ in imports(MODULES[name])
             if target.removeprefix("gpukeras.") in ADDRESSES and name.removeprefix("gpukeras.") not in ADDRESSES}
    assert not found


@functools.cache
def arrows(at_start_only: bool) -> dict[str, set[str]]:
    """Which modules each module imports, for a name the module that defines it. The root, which hands everything on,
    is left out."""
    return {name: {definer(found.target, found.name) for found in imports(path)
                   if found.target in MODULES and (found.when == "start" or not at_start_only)} - {name, "gpukeras"}
            for name, path in MODULES.items() if name != "gpukeras"}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The greatest sets of modules that import each other, straight or by others."""
    reached: dict[str, set[str]] = {}
    for name in graph:
        reached[name], ahead = set(), [name]
        while ahead:
            new = graph[ahead.pop()] - reached[name]
            reached[name] |= new
            ahead += new
    return [set(one) for one in {frozenset(other for other in reached[name] if name in reached[other])
                                 for name in graph} if one]


def test_no_circle_of_imports_at_the_start():
    assert not circles(arrows(at_start_only=True))


def test_circles_do_not_grow():
    for circle in circles(arrows(at_start_only=False)):
        own = {name.removeprefix("gpukeras.") for name in circle}
        assert any(own <= set(known.split()) for known in CIRCLES.values()), f"a circle of imports: {sorted(own)}"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_device_floor_knows_cupy(name):
    if not name.startswith("gpukeras.device"):
        for target, _, line, _ in imports(MODULES[name]):
            assert target.partition(".")[0] != "cupy", f"line {line}"


def is_symbolic(name: str) -> bool:
    room, file = name.split(".")[1], name.split(".")[-1]
    return room in SYMBOLIC or (room == "engine" and file not in TRAINING)


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".") and is_symbolic(name)])
def test_what_is_symbolic_computes_with_k(name):
    """NumPy may be named there for weights and configs on the host, never for tensor work."""
    for target, _, line, _ in imports(MODULES[name]):
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
    for target, _, line, when in imports(MODULES[name]):
        package = target.partition(".")[0]
        if package in sys.stdlib_module_names or package == "gpukeras" or when == "hint":
            continue
        assert package in DEPENDENCIES | OPTIONAL, f"line {line}: {package} is no dependency"
        assert when != "start" or package == "numpy", f"line {line}: import {package} inside the function that needs it"


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
