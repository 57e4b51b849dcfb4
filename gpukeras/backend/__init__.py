"""K, the backend: Keras 2.0.9's backend functions, thin names over ops.

>>> from gpukeras import backend as K
>>> x = K.placeholder((None, 2))
>>> K.function([x], [K.softmax(x)])([[[0., 0.]]])[0].tolist()
[[0.5, 0.5]]
"""

from builtins import all as py_all  # Keras has Python's own here, under names that no function of K hides
from builtins import sum as py_sum
from typing import TYPE_CHECKING, Any

from ..compiler import Function, debugging
from ..graph import Tensor, Variable
from ..graph import origin as origin
from . import settings
from .ctc import ctc_batch_cost, ctc_decode, ctc_label_dense_to_sparse
from .functions import function, gradients, print_tensor, stop_gradient
from .images import *  # noqa: F403
from .images import __all__ as _images
from .loops import foldl, foldr, map_fn, rnn
from .math import *  # noqa: F403 - the module lists its names
from .math import __all__ as _math
from .nn import *  # noqa: F403
from .nn import __all__ as _nn
from .session import Session as Session
from .session import get_session, set_session
from .settings import (
    backend,
    cast_to_floatx,
    clear_session,
    epsilon,
    floatx,
    get_uid,
    image_data_format,
    image_dim_ordering,
    learning_phase,
    manual_variable_initialization,
    matmul_precision,
    name_scope,
    normalize_data_format,
    reset_uids,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_image_dim_ordering,
    set_learning_phase,
    set_matmul_precision,
)
from .shapes import *  # noqa: F403
from .shapes import __all__ as _shapes
from .tensors import (
    batch_get_value,
    batch_set_value,
    constant,
    count_params,
    dtype,
    eval,
    eye,
    get_value,
    get_variable_shape,
    identity,
    int_shape,
    is_keras_tensor,
    is_placeholder,
    is_sparse,
    is_tensor,
    is_variable,
    ndim,
    ones,
    ones_like,
    placeholder,
    random_binomial,
    random_normal,
    random_normal_variable,
    random_uniform,
    random_uniform_variable,
    set_value,
    shape,
    to_dense,
    truncated_normal,
    variable,
    zeros,
    zeros_like,
)
from .updates import moving_average_update, update, update_add, update_sub

if TYPE_CHECKING:
    from . import common as common
    from . import tensorflow_backend as tensorflow_backend

__all__ = [
    *_images, *_math, *_nn, *_shapes, "Function", "Tensor", "Variable", "backend", "batch_get_value",
    "batch_set_value", "cast_to_floatx", "clear_session", "constant", "count_params", "ctc_batch_cost",
    "ctc_decode", "ctc_label_dense_to_sparse", "debugging", "dtype", "epsilon", "eval", "eye", "floatx", "foldl",
    "foldr", "function", "get_session", "get_uid", "get_value", "get_variable_shape", "gradients", "identity",
    "image_data_format", "image_dim_ordering", "int_shape", "is_keras_tensor", "is_placeholder", "is_sparse",
    "is_tensor", "is_variable", "learning_phase", "manual_variable_initialization", "map_fn", "matmul_precision",
    "moving_average_update", "name_scope", "ndim", "normalize_data_format", "ones", "ones_like", "origin",
    "placeholder", "print_tensor", "py_all", "py_sum", "random_binomial", "random_normal", "random_normal_variable",
    "random_uniform", "random_uniform_variable", "reset_uids", "rnn", "set_epsilon", "set_floatx",
    "set_image_data_format", "set_image_dim_ordering", "set_learning_phase", "set_matmul_precision", "set_session",
    "set_value", "settings",
    "shape", "stop_gradient", "to_dense", "truncated_normal", "update", "update_add", "update_sub", "variable",
    "zeros", "zeros_like",
]
__all__.remove("slice")  # Keras 2.0.9 has none: after its star Python's own is there


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    def __getattr__(name: str) -> Any:
        """`tensorflow_backend`, imported when it is asked for, and what Keras's backend had by the way."""
        from importlib import import_module

        if name in ("tensorflow_backend", "common"):
            return import_module(f"{__name__}.{name}")
        if name == "tf":  # stands above K: the package knows where
            return import_module(__name__.partition(".")[0]).drop_in.tensorflow()
        if name == "_BACKEND":
            return backend()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
