"""Settings of a program: float type, fuzz factor, image layout, learning phase, unique names."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from ..device import precision, set_precision
from ..graph import Placeholder, forget, naming, scope
from ..ops import convert
from ..utils import identity
from ..utils.messages import warn

_FLOATS = ("float16", "float32", "float64")
_LAYOUTS = ("channels_last", "channels_first")

_epsilon = 1e-7
_image_data_format = "channels_last"
_uids: dict[str, int] = defaultdict(int)
_names: Counter[str] = Counter()
_scopes: list[str] = []
_weights: list[Counter[str]] = []  # the names of the weights made, for each layer at work
_phase: Placeholder | int | None = None


def set_matmul_precision(name: str) -> None:
    """How exactly a GPU (sm_80 or newer) multiplies float32 matrices and convolves, in programs made from now on:
    'float32' (the default, as in Keras 2), 'tf32' or 'float16', which round the factors to 11 significant bits and
    run on tensor cores. The CPU always uses float32."""
    set_precision(name)


def matmul_precision() -> str:
    """What `set_matmul_precision` has set; 'float32' by default."""
    return precision()


def backend() -> str:
    """The backend's name: 'gpukeras', or 'tensorflow' for programs that find this library under Keras's name."""
    return identity.backend


def floatx() -> str:
    """The default float dtype, e.g. 'float32'."""
    return convert.default_float


def set_floatx(floatx: str) -> None:
    """Sets the default float dtype: 'float16', 'float32' or 'float64'."""
    if floatx not in _FLOATS:
        raise ValueError(f"floatx must be one of {', '.join(_FLOATS)}, got {floatx!r}")
    convert.default_float = str(floatx)


def epsilon() -> float:
    """The small number that keeps logarithms and quotients finite; 1e-7 by default."""
    return _epsilon


def set_epsilon(e: float) -> None:
    """Sets the small number that `epsilon()` returns."""
    global _epsilon
    _epsilon = e


def image_data_format() -> str:
    """Where images have their channels: 'channels_last' (default) or 'channels_first'."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets where images have their channels."""
    global _image_data_format
    _image_data_format = normalize_data_format(data_format)


def normalize_data_format(value: str | None) -> str:
    """The layout, checked; None means `image_data_format()`."""
    layout = _image_data_format if value is None else str(value).lower()
    if layout not in _LAYOUTS:
        raise ValueError(f"data_format must be one of {', '.join(_LAYOUTS)}, got {value!r}")
    return layout


def image_dim_ordering() -> str:
    """Keras 1's name for the image layout: 'tf' or 'th'."""
    return "tf" if _image_data_format == "channels_last" else "th"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Keras 1's setter for the image layout: 'tf' or 'th'."""
    if dim_ordering not in ("tf", "th"):
        raise ValueError(f"dim_ordering must be 'tf' or 'th', got {dim_ordering!r}")
    set_image_data_format("channels_last" if dim_ordering == "tf" else "channels_first")


def cast_to_floatx(x: Any) -> np.ndarray:
    """A NumPy array of the default float dtype.

    >>> cast_to_floatx([1, 2]).dtype.name
    'float32'
    """
    return np.asarray(x, dtype=floatx())


def get_uid(prefix: str = "") -> int:
    """1, 2, 3, ... for each prefix: the numbers in automatic layer names."""
    _uids[prefix] += 1
    return _uids[prefix]


def reset_uids() -> None:
    """Starts the numbers over."""
    _uids.clear()
    _names.clear()
    forget()
    if isinstance(_phase, Placeholder):
        naming.remember(_phase)


def name_in_graph(name: str | None, kind: str) -> str:
    """The name that a variable or placeholder gets in Keras on TensorFlow 1: 'w:0', the next of that name 'w_1:0'; in a
    name scope, as that of a layer being built, 'layer_1/w:0'; without a name that of its kind. One that ends with ':0'
    is whole."""
    if name and name.endswith(":0"):
        return name
    whole = "/".join([*_scopes, name or kind])
    _names[whole] += 1
    number = _names[whole] - 1
    return f"{whole}_{number}:0" if number else f"{whole}:0"


def learning_phase() -> Any:
    """1 in training, 0 in inference: a placeholder to be fed (0 if it is not), or the number set by
    `set_learning_phase`."""
    global _phase
    if _phase is None:
        _phase = Placeholder((), "uint8", name="keras_learning_phase:0", default=0)
        _phase.is_learning_phase = True  # type: ignore[attr-defined]
        _phase._uses_learning_phase = True
    return _phase


def set_learning_phase(value: int) -> None:
    """Fixes the learning phase for what is built from now on."""
    global _phase
    if value not in (0, 1):
        raise ValueError(f"the learning phase must be 0 or 1, got {value!r}")
    _phase = int(value)


def set_phase(phase: Any) -> None:
    """Lets a number or a tensor be the learning phase of what is built from now on, or with None what is fed."""
    global _phase
    if phase is not None or isinstance(_phase, int):  # the placeholder stays: models that are alive are fed through it
        _phase = phase


def uids() -> dict[str, int]:
    """The last number of each prefix."""
    return _uids


def clear_session() -> None:
    """Forgets automatic names and a fixed learning phase; models that nobody refers to are freed by Python."""
    reset_uids()
    set_phase(None)


def manual_variable_initialization(value: bool) -> None:
    """Accepted for programs of TensorFlow's time; variables have their values as soon as they are made."""


@contextmanager
def layer_scope(name: str, calling: bool) -> Iterator[None]:
    """Around the building and the call of a layer: inside, names of variables and weights begin with this one, and with
    those of the layers around it. In calls the names of ops do so already."""
    _scopes.append(name)
    _weights.append(Counter())
    try:
        with nullcontext() if calling else scope("/".join([*_scopes, ""])):
            yield
    finally:
        _scopes.pop()
        _weights.pop()


def weight_name(scope: str, name: str) -> str:
    """The name of a weight: in the layers at work the next of that name, 'rnn_1/kernel:0' and 'rnn_1/kernel_1:0';
    outside of all layers it begins with `scope`."""
    if not _weights:
        return f"{scope}/{name}:0"
    whole = "/".join([*_scopes, name])
    _weights[-1][whole] += 1
    number = _weights[-1][whole] - 1
    return f"{whole}_{number}:0" if number else f"{whole}:0"


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Inside, names of variables, placeholders and tensors begin with this one. They carry no meaning here."""
    _scopes.append(name)
    try:
        with scope("/".join([*_scopes, ""])):
            yield name
    finally:
        _scopes.pop()


def read_settings() -> None:
    """Takes over what a file keras.json says in $KERAS_HOME, or else in ~/.keras: floatx, epsilon, image_data_format.

    ValueError if one of them can't be; a file that is no JSON is left aside with a warning, as the backend that it
    names is without one. Where there is no file none is written.
    """
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))
    path = os.path.join(home, "keras.json")
    if not os.path.exists(path):
        return
    import json  # late: few have a use for it
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        warn(f"{path} can't be read, so all settings are Keras's own: {error}")
        return
    for name, take in (("floatx", set_floatx), ("epsilon", _set_number), ("image_data_format", set_image_data_format)):
        if isinstance(found, dict) and name in found:
            try:
                take(found[name])
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error


def _set_number(e: Any) -> None:
    if not isinstance(e, (int, float)):
        raise ValueError(f"epsilon must be a number, got {e!r}")
    set_epsilon(e)



read_settings()
