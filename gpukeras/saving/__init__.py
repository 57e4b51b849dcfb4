"""Model files: HDF5 in Keras's layout, Keras 3's archives, and weights as safetensors; read as what they are, untrusted
input, and written so that nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpukeras.utils.late import late

if TYPE_CHECKING:
    from gpukeras.saving.conversion import preprocess_weights_for_loading as preprocess_weights_for_loading
    from gpukeras.saving.errors import BrokenFileError as BrokenFileError
    from gpukeras.saving.errors import UnsafeFileError as UnsafeFileError
    from gpukeras.saving.files import load_model as load_model
    from gpukeras.saving.files import load_weights as load_weights
    from gpukeras.saving.files import save_model as save_model
    from gpukeras.saving.files import save_weights as save_weights
    from gpukeras.saving.inspection import inspect as inspect
    from gpukeras.saving.safetensors_files import load_safetensors as load_safetensors
    from gpukeras.saving.safetensors_files import save_safetensors as save_safetensors
    from gpukeras.utils.generic_utils import CustomObjectScope as CustomObjectScope
    from gpukeras.utils.generic_utils import custom_object_scope as custom_object_scope
    from gpukeras.utils.generic_utils import deserialize_keras_object as deserialize_keras_object
    from gpukeras.utils.generic_utils import get_custom_objects as get_custom_objects
    from gpukeras.utils.generic_utils import register_keras_serializable as register_keras_serializable
    from gpukeras.utils.generic_utils import serialize_keras_object as serialize_keras_object

_FROM = {"BrokenFileError": "saving.errors", "UnsafeFileError": "saving.errors", "inspect": "saving.inspection",
         "load_model": "saving.files", "load_safetensors": "saving.safetensors_files", "load_weights": "saving.files",
         "preprocess_weights_for_loading": "saving.conversion", "save_model": "saving.files",
         "save_safetensors": "saving.safetensors_files", "save_weights": "saving.files"}

__all__ = sorted(_FROM)


_CUSTOM = ("CustomObjectScope", "custom_object_scope", "deserialize_keras_object", "get_custom_objects",
           "register_keras_serializable", "serialize_keras_object")
"""Names of `utils` that newer Keras has here too."""


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, {**_FROM, **dict.fromkeys(_CUSTOM, "utils.generic_utils")})


def __dir__() -> list[str]:
    return __all__
