"""What `from keras.layers import *` brings beside the module's own names, for programs that run on gpukeras as Keras.

Keras 2.0.9's modules have no lists of their names, so a star brings what they import themselves, and programs came to
use it: `K`, `regularizers`, `inception_v3`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

_MODULES = ("activations applications backend callbacks constraints datasets engine initializers layers losses metrics "
            "models optimizers preprocessing regularizers utils wrappers")
_BESIDE = {
    "": f"{_MODULES} Input Model Sequential",
    "applications": "imagenet_utils inception_resnet_v2 inception_v3 mobilenet resnet50 vgg16 vgg19 xception",
    "callbacks": "K Progbar json np os time warnings",
    "engine": "topology training",
    "layers": "K activations constraints initializers np regularizers warnings",
    "losses": "K",
    "metrics": "K",
    "models": "Input K Layer json np optimizers os warnings",
    "optimizers": "K",
    "preprocessing.image": "K np os re warnings",
    "utils": "CustomObjectScope GeneratorEnqueuer HDF5Matrix OrderedEnqueuer Progbar Sequence conv_utils "
             "convert_all_kernels_in_model custom_object_scope data_utils deserialize_keras_object generic_utils "
             "get_custom_objects get_file io_utils layer_utils multi_gpu_model normalize np_utils plot_model "
             "print_summary serialize_keras_object to_categorical vis_utils",
}
_ELSEWHERE = {
    "Input": "gpukeras.layers:Input", "K": "gpukeras.backend", "Layer": "gpukeras.layers:Layer",
    "Progbar": "gpukeras.utils.generic_utils:Progbar", "activations": "gpukeras.activations",
    "constraints": "gpukeras.constraints", "initializers": "gpukeras.initializers", "json": "json", "np": "numpy",
    "optimizers": "gpukeras.optimizers", "os": "os", "re": "re", "regularizers": "gpukeras.regularizers",
    "time": "time", "warnings": "warnings",
}
"""Where names are found that the module itself does not have."""
_before: dict[ModuleType, dict[str, Any]] = {}


def complete(module: ModuleType) -> None:
    """Lets a star import of this module of gpukeras bring what it brings in Keras. Nothing loads before."""
    beside = _BESIDE.get(module.__name__.partition(".")[2], "").split()
    own = vars(module).get("__all__", ())
    if not beside or module in _before:
        return
    _before[module] = {name: vars(module)[name] for name in ("__all__", "__getattr__") if name in vars(module)}
    module.__all__ = [*own, *(name for name in beside if name not in own)]  # type: ignore[attr-defined]
    elsewhere = {name: _ELSEWHERE[name] for name in beside if name in _ELSEWHERE}
    module.__getattr__ = _finding(module.__name__, vars(module).get("__getattr__"), elsewhere)  # type: ignore


def undo() -> None:
    """Makes the modules what they were."""
    for module, before in _before.items():
        for name in ("__all__", "__getattr__"):
            delattr(module, name)
        vars(module).update(before)
    _before.clear()


def _finding(module: str, others: Callable[[str], Any] | None, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module that finds names at these places, and `others` as it did."""
    def find(name: str) -> Any:
        if name in places:
            place, _, own = places[name].partition(":")
            found = import_module(place)
            return getattr(found, own) if own else found
        if others is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return others(name)

    return find
