"""gpukeras: Keras 2 programs on NumPy and, through CuPy, on NVIDIA GPUs.

`import gpukeras` alone loads nothing; every module loads when first used:

>>> import gpukeras
>>> gpukeras.config()["backend"] in ("numpy", "cupy")
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpukeras.device.report import Config
    from gpukeras.layers import Input as Input
    from gpukeras.models import Model as Model
    from gpukeras.models import Sequential as Sequential

    from . import activations as activations
    from . import applications as applications
    from . import backend as backend
    from . import callbacks as callbacks
    from . import commands as commands
    from . import compiler as compiler
    from . import constraints as constraints
    from . import datasets as datasets
    from . import device as device
    from . import distribute as distribute
    from . import drawing as drawing
    from . import drop_in as drop_in
    from . import engine as engine
    from . import export as export
    from . import former as former
    from . import graph as graph
    from . import initializers as initializers
    from . import launched as launched
    from . import layers as layers
    from . import legacy as legacy
    from . import loss_classes as loss_classes
    from . import losses as losses
    from . import metric_classes as metric_classes
    from . import metrics as metrics
    from . import mixed_precision as mixed_precision
    from . import models as models
    from . import objectives as objectives
    from . import ops as ops
    from . import optimizers as optimizers
    from . import paired_metrics as paired_metrics
    from . import preprocessing as preprocessing
    from . import program as program
    from . import regularizers as regularizers
    from . import saving as saving
    from . import stateful_metrics as stateful_metrics
    from . import tensorflow1 as tensorflow1
    from . import utils as utils
    from . import wrappers as wrappers

__version__ = "0.1.0"
_own_version = __version__  # for ranks to compare: programs written for Keras are told Keras's

# A module that changes what imports find is loaded only where a program says so.
_ASKED_FOR = "as_keras"
# Keras's three names at the root, and the module that defines each
_FROM = {"Input": "layers", "Model": "models", "Sequential": "models"}


def config() -> Config:
    """What this process computes with: backend and why, device, memory, versions. Prints as a table."""
    from gpukeras.device import config as device_config

    return device_config()


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext gpukeras` in a notebook: the Keras that it imports after that is gpukeras, and `%gpukeras info` tells
    what it computes with. Progress bars and pictures of models need no extension."""
    from gpukeras.commands import magic
    from gpukeras.drop_in import install

    install()
    magic.register(shell)


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext gpukeras`: imports of Keras find what is installed again."""
    from gpukeras.commands import magic
    from gpukeras.drop_in import uninstall

    uninstall()
    magic.unregister(shell)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        """Load a submodule, or one of Keras's names at the root, when it is first asked for."""
        from importlib import import_module

        if name in _FROM:
            value = getattr(import_module(f"gpukeras.{_FROM[name]}"), name)
            globals()[name] = value
            return value
        if not name.startswith("_") and name != _ASKED_FOR:
            try:
                return import_module(f"gpukeras.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"gpukeras.{name}":
                    raise  # the submodule exists and lacks something itself
        raise AttributeError(f"module 'gpukeras' has no attribute {name!r}{_nearest(name)}")


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, __dir__(), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def __dir__() -> list[str]:
    from pkgutil import iter_modules

    modules = (module.name for module in iter_modules(__path__)
               if not module.name.startswith("_") and module.name != _ASKED_FOR)
    return sorted({*modules, *_FROM, "config", "__version__"})
