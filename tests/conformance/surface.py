"""Keras 2.0.9's public names and signatures, read from its source, and how gpukeras has them."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

OTHER_BACKENDS = ("theano_backend", "cntk_backend", "common")
"""Modules that are other backends, or part of one."""
REQUIRED = object()


class Argument(NamedTuple):
    """An argument's name, and its default as text, or REQUIRED."""

    name: str
    default: Any


@dataclass
class Surface:
    """Names by dotted path, with their arguments (None for what cannot be called)."""

    names: dict[str, list[Argument] | None] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)


def read(package: Path) -> Surface:
    """The surface of the Keras in a folder."""
    found = Surface()
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if "legacy" in parts or parts[-1] in OTHER_BACKENDS:
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if parts[-1] == "tensorflow_backend":
            module = "keras.backend"
        else:
            found.modules.append(module)
        for name, arguments in _definitions(ast.parse(path.read_text(encoding="utf-8"))):
            found.names[f"{module}.{name}"] = arguments
    return found


def _definitions(tree: ast.Module) -> Iterator[tuple[str, list[Argument] | None]]:
    """Public functions, classes and their public methods, and other names given to them."""
    known = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and _public(node.name):
            known.add(node.name)
            yield node.name, _arguments(node, 0)
        elif isinstance(node, ast.ClassDef) and _public(node.name):
            known.add(node.name)
            methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
            made = [one for one in methods if one.name == "__init__"]
            yield node.name, _arguments(made[0], 1) if made else None
            for one in methods:
                kinds = {ast.unparse(decorator) for decorator in one.decorator_list}
                if _public(one.name):
                    is_property = "property" in kinds or any(kind.endswith(".setter") for kind in kinds)
                    own = 0 if "staticmethod" in kinds else 1
                    yield f"{node.name}.{one.name}", None if is_property else _arguments(one, own)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in known:
            yield from ((target.id, None) for target in node.targets if isinstance(target, ast.Name))


def _public(name: str) -> bool:
    return not name.startswith("_")


def _arguments(node: ast.FunctionDef, skipped: int) -> list[Argument]:
    """A function's arguments by name, without the first `skipped`."""
    names = [argument.arg for argument in node.args.args]
    defaults = [REQUIRED] * (len(names) - len(node.args.defaults)) + [ast.unparse(one) for one in node.args.defaults]
    return [Argument(*pair) for pair in zip(names, defaults)][skipped:]


@dataclass
class Report:
    """What was found: how many names and signatures are equal, and which are not."""

    names: int = 0
    missing: list[str] = field(default_factory=list)
    equal: int = 0
    longer: int = 0
    different: list[str] = field(default_factory=list)

    @property
    def signatures(self) -> int:
        """All signatures that could be compared."""
        return self.equal + self.longer + len(self.different)


def compare(surface: Surface, library: str = "gpukeras") -> Report:
    """How a library has these names."""
    report = Report()
    for path, arguments in surface.names.items():
        report.names += 1
        try:
            found = lookup(library + path[len("keras"):])
        except (ImportError, AttributeError):
            report.missing.append(path)
            continue
        if arguments is None:
            continue
        have = _signature(found)
        differs = _difference(arguments, have)
        if differs:
            report.different.append(f"{path}: {differs}")
        elif len(have) > len(arguments):
            report.longer += 1
        else:
            report.equal += 1
    return report


def lookup(path: str) -> Any:
    """What a dotted path leads to: the longest part that is a module, and attributes of it."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(path)


def _signature(found: Any) -> list[Argument]:
    parameters = list(inspect.signature(found.__init__ if inspect.isclass(found) else found).parameters.values())
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return [Argument(p.name, REQUIRED if p.default is p.empty else p.default) for p in parameters
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _difference(want: list[Argument], have: list[Argument]) -> str:
    """What is different in the arguments that Keras has; '' for nothing."""
    names = [argument.name for argument in want], [argument.name for argument in have[:len(want)]]
    if names[0] != names[1]:
        return f"({', '.join(names[0])}) is here ({', '.join(argument.name for argument in have)})"
    others = [f"{a.name}={_text(a.default)} is here {_text(b.default)}" for a, b in zip(want, have)
              if not _same(a.default, b.default)]
    return "; ".join(others)


def _same(stored: Any, value: Any) -> bool:
    if stored is REQUIRED or value is REQUIRED:
        return stored is value
    try:
        return bool(ast.literal_eval(stored) == value)
    except ValueError:  # a name
        return getattr(value, "__name__", None) == stored


def _text(default: Any) -> str:
    return "required" if default is REQUIRED else default if isinstance(default, str) else repr(default)


def run(source: Path) -> Report:
    """Compares gpukeras with the Keras in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        surface = read(source / "keras")
        report = compare(surface)
        report.missing += [module for module in surface.modules if not _importable("gpukeras" + module[len("keras"):])]
    return report


def _importable(module: str) -> bool:
    try:
        import_module(module)
    except ModuleNotFoundError:
        return False
    return True
