"""What the modules of Keras 2.0.9 have beside their own names, for programs that run on gpukeras as Keras.

Those modules have no lists of their names, so `from keras.layers import *` brings what they import themselves, and
programs came to use it: `K`, `regularizers`, `inception_v3`. A star loads no package that Keras can do without; what
one brings there, such as `h5py`, is found here by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_MODULES = ("activations applications backend callbacks constraints datasets engine initializers layers legacy losses "
            "metrics models objectives optimizers preprocessing regularizers utils wrappers")
_CONFIGS = "deserialize_keras_object serialize_keras_object"
_FILES = "h5py json np os warnings yaml"
_WEIGHTS = "constraints initializers regularizers"
_LAYER = f"InputSpec K Layer interfaces {_WEIGHTS}"
_NETWORK = ("Activation BatchNormalization Conv2D Dense GlobalAveragePooling2D GlobalMaxPooling2D Input K MaxPooling2D "
            "Model _obtain_input_shape get_file get_source_inputs warnings")
_TENSORFLOW = "control_flow_ops ctc device_lib functional_ops moving_averages tensor_array_ops tf_variables"
_BESIDE = {
    "": f"{_MODULES} Input Model Sequential",
    "activations": "K Layer deserialize_keras_object six warnings",
    "applications": "imagenet_utils inception_resnet_v2 inception_v3 mobilenet resnet50 vgg16 vgg19 xception",
    "applications.imagenet_utils": "K get_file json warnings",
    "applications.inception_resnet_v2": f"{_NETWORK} AveragePooling2D Concatenate Lambda imagenet_utils",
    "applications.inception_v3": f"{_NETWORK} AveragePooling2D imagenet_utils layers",
    "applications.mobilenet": f"{_NETWORK} {_WEIGHTS} Dropout InputSpec Reshape conv_utils imagenet_utils",
    "applications.resnet50": f"{_NETWORK} AveragePooling2D Flatten layer_utils layers",
    "applications.vgg16": f"{_NETWORK} Flatten layer_utils",
    "applications.vgg19": f"{_NETWORK} Flatten layer_utils",
    "applications.xception": f"{_NETWORK} SeparableConv2D imagenet_utils layers",
    "backend": f"{_TENSORFLOW} common defaultdict has_arg json np os sys tensorflow_backend",
    "backend.common": "np",
    "backend.tensorflow_backend": f"{_TENSORFLOW} defaultdict has_arg np os",
    "callbacks": "Iterable K OrderedDict Progbar csv deque json np os requests six time warnings",
    "constraints": f"{_CONFIGS} K six",
    "datasets.cifar10": "K get_file load_batch np os",
    "datasets.imdb": "get_file json np warnings",
    "datasets.mnist": "get_file np",
    "engine": "topology training",
    "engine.topology": f"{_FILES} K ask_to_proceed_with_overwrite conv_utils copy count_params has_arg initializers "
                       "interfaces print_layer_summary re",
    "engine.training": "Container GeneratorEnqueuer K Layer OrderedEnqueuer Progbar Sequence cbks copy count_params "
                       "interfaces losses metrics_module np optimizers queue six warnings",
    "initializers": f"{_CONFIGS} K np six",
    "layers": f"{_LAYER} Recurrent activations conv_utils copy deserialize_keras_object func_dump func_load has_arg "
              "namedtuple np python_types warnings "
              "advanced_activations convolutional convolutional_recurrent core cudnn_recurrent embeddings local noise "
              "normalization pooling recurrent wrappers",
    "layers.advanced_activations": _LAYER,
    "layers.convolutional": f"{_LAYER} activations conv_utils",
    "layers.convolutional_recurrent": f"{_LAYER} Recurrent activations conv_utils np",
    "layers.core": f"{_LAYER} activations copy deserialize_keras_object func_dump func_load has_arg np python_types "
                   "warnings",
    "layers.cudnn_recurrent": f"{_LAYER} RNN namedtuple",
    "layers.embeddings": _LAYER,
    "layers.local": f"{_LAYER} activations conv_utils",
    "layers.merge": "K Layer",
    "layers.noise": "InputSpec K Layer interfaces np",
    "layers.normalization": _LAYER,
    "layers.pooling": "InputSpec K Layer conv_utils interfaces",
    "layers.recurrent": f"{_LAYER} activations has_arg np warnings",
    "layers.wrappers": "InputSpec K Layer _object_list_uid copy has_arg",
    "legacy": "interfaces layers models",
    "legacy.layers": f"{_LAYER} activations func_dump func_load has_arg np python_types warnings",
    "losses": "K deserialize_keras_object six",
    "metrics": "K deserialize_keras_object six",
    "models": f"{_FILES} Input K Layer ask_to_proceed_with_overwrite copy has_arg interfaces layer_module "
              "legacy_layers legacy_models optimizers topology",
    "objectives": "K deserialize_keras_object six",
    "optimizers": f"{_CONFIGS} K copy interfaces six tf",
    "preprocessing.image": "K Sequence linalg multiprocessing ndi np os partial pil_image re threading warnings",
    "preprocessing.sequence": "np random",
    "preprocessing.text": "OrderedDict md5 np string sys warnings",
    "regularizers": f"{_CONFIGS} K six",
    "utils": "CustomObjectScope GeneratorEnqueuer HDF5Matrix OrderedEnqueuer Progbar Sequence conv_utils "
             "convert_all_kernels_in_model custom_object_scope data_utils deserialize_keras_object generic_utils "
             "get_custom_objects get_file io_utils layer_utils multi_gpu_model normalize np_utils plot_model "
             "print_summary serialize_keras_object to_categorical training_utils vis_utils",
    "utils.conv_utils": "K np",
    "utils.data_utils": "HTTPError Progbar ThreadPool URLError abstractmethod hashlib multiprocessing np os queue "
                        "random shutil six sys tarfile threading time urlopen urlretrieve zipfile",
    "utils.generic_utils": "inspect marshal np python_types six sys time",
    "utils.io_utils": "defaultdict h5py np sys",
    "utils.layer_utils": "K convert_kernel np",
    "utils.np_utils": "np",
    "utils.test_utils": "Input K Model Sequential has_arg model_from_json np six",
    "utils.training_utils": "K Lambda Model concatenate",
    "utils.vis_utils": "os pydot",
    "wrappers.scikit_learn": "Sequential copy has_arg np to_categorical types",
}
_OPTIONAL = "h5py linalg ndi pil_image pydot requests yaml".split()
"""None where the package is not installed, as in Keras."""
_BY_NAME_ONLY = {*_OPTIONAL, *_TENSORFLOW.split(), "HTTPError", "ThreadPool", "URLError", "legacy_layers",
                 "legacy_models", "multiprocessing", "six", "tarfile", "tf", "urlopen", "urlretrieve"}
"""Names that a star leaves out: what they load is heavy, or need not be installed."""
_PLACES = {
    "abc": "abstractmethod",
    "collections": "OrderedDict defaultdict deque namedtuple",
    "collections.abc": "Iterable",
    "functools": "partial",
    "hashlib": "md5",
    "multiprocessing.pool": "ThreadPool",
    "scipy": "linalg",
    "urllib.error": "HTTPError URLError",
    "urllib.request": "urlopen urlretrieve",
    "gpukeras.applications.imagenet_utils": "_obtain_input_shape",
    "gpukeras.backend": "tf",
    "gpukeras.tensorflow1.names": _TENSORFLOW,
    "gpukeras.datasets.cifar": "load_batch",
    "gpukeras.engine.topology": "Container InputSpec Layer _object_list_uid get_source_inputs",
    "gpukeras.layers": "Activation AveragePooling2D BatchNormalization Concatenate Conv2D Dense Dropout Flatten "
                       "GlobalAveragePooling2D GlobalMaxPooling2D Input Lambda MaxPooling2D RNN Recurrent Reshape "
                       "SeparableConv2D concatenate",
    "gpukeras.models": "Model Sequential model_from_json",
    "gpukeras.utils": "GeneratorEnqueuer OrderedEnqueuer Sequence get_file to_categorical",
    "gpukeras.utils.conv_utils": "convert_kernel",
    "gpukeras.utils.generic_utils": f"{_CONFIGS} Progbar func_dump func_load has_arg",
    "gpukeras.utils.io_utils": "ask_to_proceed_with_overwrite",
    "gpukeras.utils.layer_utils": "count_params",
}
"""Where names are found that the module itself does not have."""
_OTHERWISE = {
    "K": "gpukeras.backend", "cbks": "gpukeras.callbacks", "interfaces": "gpukeras.legacy.interfaces",
    "layer_module": "gpukeras.layers", "legacy_layers": "gpukeras.legacy.layers",
    "legacy_models": "gpukeras.legacy.models", "metrics_module": "gpukeras.metrics", "ndi": "scipy.ndimage",
    "np": "numpy", "pil_image": "PIL.Image", "print_layer_summary": "gpukeras.utils.layer_utils:print_summary",
    "python_types": "types", "topology": "gpukeras.engine.topology",
    "conv_utils": "gpukeras.utils.conv_utils", "imagenet_utils": "gpukeras.applications.imagenet_utils",
    "layer_utils": "gpukeras.utils.layer_utils",
    **{name: f"gpukeras.{name}" for name in _MODULES.split()},
    **{name: f"{place}:{name}" for place, names in _PLACES.items() for name in names.split()},
}
"""The same for names that stand for a module, or are not the ones it has there. All others are modules themselves."""
_before: dict[ModuleType, dict[str, Any]] = {}


def has_more(module: str) -> bool:
    """Whether the module of gpukeras has names in Keras that are not its own."""
    return module.partition(".")[2] in _BESIDE and module.partition(".")[0] == "gpukeras"


def complete(module: ModuleType) -> None:
    """Lets a star import of this module of gpukeras bring what it brings in Keras. Nothing loads before."""
    if module in _before:
        return
    names = vars(module)
    _before[module] = {name: names[name] for name in ("__all__", "__getattr__") if name in names}
    beside = _BESIDE.get(module.__name__.partition(".")[2], "").split()
    stars = [name for name in beside if name not in _BY_NAME_ONLY and name[0] != "_"]
    module.__all__ = list(dict.fromkeys([*_own(module), *stars]))  # type: ignore[attr-defined]
    if beside:
        module.__getattr__ = _finding(module.__name__, names.get("__getattr__"), set(beside))  # type: ignore


def undo() -> None:
    """Makes the modules what they were."""
    for module, before in _before.items():
        for name in ("__all__", "__getattr__"):
            vars(module).pop(name, None)
        vars(module).update(before)
    _before.clear()


def _own(module: ModuleType) -> list[str]:
    """The names that the module lists, or else what gpukeras defines of what it has: `Sequence` is Keras's, for those
    who have it from Keras, and a type's in a module. A package without a list hands on what others have."""
    names = vars(module)
    if "__all__" in names or "__path__" in names:
        return list(names.get("__all__", ()))
    return [name for name, value in names.items()
            if name[0] != "_" and name != "TYPE_CHECKING" and not isinstance(value, ModuleType)
            and getattr(value, "__module__", "gpukeras").partition(".")[0] == "gpukeras"]


def _finding(module: str, others: Callable[[str], Any] | None, beside: set[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a module that finds what `others` found, and the names that Keras has `beside` them."""
    def find(name: str) -> Any:
        if others is not None:
            try:
                return others(name)
            except AttributeError:
                if name not in beside:
                    raise
        if name in beside:
            return _elsewhere(name)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find


def _elsewhere(name: str) -> Any:
    place, _, own = _OTHERWISE.get(name, name).partition(":")
    if name in _OPTIONAL and find_spec(place.partition(".")[0]) is None:
        return None
    found = import_module(place)
    return getattr(found, own) if own else found
