"""Programs written for Keras, as they stand: `import keras` and `from tensorflow import keras` find gpukeras.

The modules found are gpukeras's own, under a second name, so that classes are the same ones and what a program changes
in a module is changed everywhere. Installed packages are not touched, but find names that they lost (`former`), and a
process without `install` finds what is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import gpukeras
from gpukeras import _star_imports, former
from gpukeras.utils import identity

OWN_VERSION, OWN_BACKEND = gpukeras.__version__, identity.backend
KERAS = ("tensorflow.python.keras", "tensorflow.compat.v1.keras", "tensorflow.keras", "keras")
"""Names that gpukeras goes by."""
AROUND = ("tensorflow", "tensorflow.python", "tensorflow.python.client", "tensorflow.python.framework",
          "tensorflow.python.framework.ops", "tensorflow.python.ops", "tensorflow.python.training", "tensorflow.compat",
          "tensorflow.compat.v1")
"""Packages of which Keras is here, and what `tensorflow1` has."""
KERAS_VERSION = "2.0.9"
"""The Keras that a program finds, which is `__version__` for it: programs compare that with Keras's versions."""


def install() -> None:
    """From now on, imports of `keras` and `tensorflow.keras` give gpukeras, of version 2.0.9, its backend called
    'tensorflow'. Again changes nothing.

    Raises ImportError if another Keras or TensorFlow is loaded already: some of the program would use that one.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    for name in ("keras", "tensorflow"):
        other = sys.modules.get(name)
        if other is not None:
            raise ImportError(f"{name} {getattr(other, '__version__', '')} was imported before gpukeras could take its "
                              f"name, from {getattr(other, '__file__', 'an unknown place')}. Write `import "
                              "gpukeras.as_keras` above all other imports, or run `python -m gpukeras program.py`; in "
                              "a notebook, restart the kernel and run `%load_ext gpukeras` first.")
    sys.meta_path.insert(0, Finder())
    former.install()
    gpukeras.__version__ = KERAS_VERSION
    identity.backend = "tensorflow"


def uninstall() -> None:
    """Imports of `keras` and `tensorflow` find what is installed again. Modules that a program holds stay."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    for name, module in list(sys.modules.items()):
        if _own_name(name) is not None and (isinstance(module, Around) or module.__name__.startswith("gpukeras")):
            del sys.modules[name]
    _star_imports.undo()
    former.undo()
    gpukeras.__version__ = OWN_VERSION
    identity.backend = OWN_BACKEND


def _own_name(name: str) -> str | None:
    """The module of gpukeras that `name` stands for ('' for a package around Keras), or None."""
    if name in AROUND:
        return ""
    for keras in KERAS:
        if name == keras or name.startswith(keras + "."):
            return "gpukeras" + name[len(keras):]
    return None


class Around(ModuleType):
    """`tensorflow`, as far as it is here: Keras, functions of tensors, and the seed."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Only Keras is here, by gpukeras.")
        self.__path__: list[str] = []
        self.__version__ = "2.0.0"  # of the Keras API that is here; programs compare numbers

    def __getattr__(self, name: str) -> Any:
        if name == "keras":
            return import_module("gpukeras")
        if name == "newaxis":
            return None
        if name.startswith("__"):
            raise AttributeError(name)
        from .tensorflow1.names import named, refusal

        whole = f"{self.__name__}.{name}".removeprefix("tensorflow.")
        found = named(whole)
        if found is None:
            raise AttributeError(refusal(whole))
        return found


@cache
def _around() -> Around:
    return Around("tensorflow")


def tensorflow() -> ModuleType:
    """`tensorflow`: the module that a program finds under this name, where it finds gpukeras as Keras."""
    installed = any(isinstance(finder, Finder) for finder in sys.meta_path)
    return import_module("tensorflow") if installed else _around()


class Finder(MetaPathFinder):
    """Finds gpukeras's modules under Keras's names."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Where the module comes from; None for names that aren't ours, or that gpukeras lacks."""
        if _star_imports.has_more(fullname) or former.has_more(fullname):
            return _completed(fullname, path, target)
        own = _own_name(fullname)
        if own is None:
            return None
        found = find_spec(own) if own else None
        if own and found is None:
            return None
        is_package = found is None or found.submodule_search_locations is not None
        return ModuleSpec(fullname, _SameModule(own), is_package=is_package)


class _Keeping(ModuleType):
    """A package that has something else by the name of a module in it, as keras.layers the function `merge`. The import
    of that module under another name would put the module in its place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, ModuleType) or isinstance(vars(self).get(name, value), ModuleType):
            super().__setattr__(name, value)


def _completed(fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    """Where a module comes from, by the other finders; once loaded, it has what it had for Keras 2.0.9."""
    for finder in sys.meta_path:
        if not isinstance(finder, Finder) and (found := finder.find_spec(fullname, path, target)) is not None:
            if found.loader is not None:
                found.loader = _Completing(found.loader)
            return found
    return None


class _Completing(Loader):
    """Loads a module as its own loader does, and completes it."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._own
        if module.__spec__ is not None:
            module.__spec__.loader = self._own
        self._own.exec_module(module)
        (former if former.has_more(module.__name__) else _star_imports).complete(module)


class _SameModule(Loader):
    def __init__(self, own: str) -> None:
        self._own = own
        self._spec: Any = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if not self._own:
            return Around(spec.name)
        module = import_module(self._own)
        parent, _, child = self._own.rpartition(".")
        if vars(sys.modules.get(parent, module)).get(child, module) is not module:
            sys.modules[parent].__class__ = _Keeping
        self._spec = module.__spec__
        _star_imports.complete(module)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module ran when it was made; importing it under another name must not change what it says of itself."""
        if self._spec is not None:
            module.__spec__ = self._spec
