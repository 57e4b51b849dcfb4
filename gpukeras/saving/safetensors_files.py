"""Weights as safetensors files (https://huggingface.co/docs/safetensors), which other libraries and languages read:
a list of names, shapes and types, then plain numbers. Needs the package safetensors (the extra of that name).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import backend as K
from ..device.files import write_file
from ..utils.extras import need
from ..utils.messages import warn
from . import kinds
from .errors import BrokenFileError
from .guarded import parsed
from .weights import KERAS_VERSION, weight_names

MAX_HEADER = 100_000_000
"""Bytes that the list of tensors may have: safetensors's own limit."""
_DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8", "I16": "int16", "I32": "int32",
           "I64": "int64", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool"}


def tensor_names(model: Any) -> dict[str, Any]:
    """The model's weights by the names of their tensors: ``layer/weight``, such as 'dense_1/kernel'.

    >>> from gpukeras.layers import Dense
    >>> from gpukeras.models import Sequential
    >>> list(tensor_names(Sequential([Dense(2, input_shape=(3,), name='out')])))
    ['out/kernel', 'out/bias']
    """
    found: dict[str, Any] = {}
    for layer in model.layers:
        for name, weight in zip(weight_names(layer), layer.weights):
            name = name.partition(":")[0]
            name = base = name if name.startswith(f"{layer.name}/") else f"{layer.name}/{name}"
            number = 1
            while name in found:
                name, number = f"{base}_{number}", number + 1
            found[name] = weight
    return found


def save_safetensors(model: Any, filepath: Any, metadata: Mapping[str, str] | None = None,
                     overwrite: bool = True) -> None:
    """The weights of a model as a safetensors file, put in its place in one step: no architecture, no optimizer.

    Tensors are named ``layer/weight`` (`tensor_names`) and have the weights' shapes and types. The file's metadata
    says which version of which library wrote it; `metadata` adds texts to that. Raises ValueError for a model
    without weights yet or metadata that is no text, OSError if the disk doesn't take it, ImportError without the
    package safetensors.
    """
    from .. import __version__
    from .files import may_write

    numpy_format = need("safetensors.numpy", "safetensors", "save_safetensors")
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights yet, since its input shape isn't known.")
    texts = {"format": "gpukeras", "gpukeras_version": __version__, "keras_version": KERAS_VERSION,
             "model": str(model.name), **(metadata or {})}
    wrong = [k for k, v in texts.items() if not isinstance(k, str) or not isinstance(v, str)]
    if wrong:
        raise ValueError(f"metadata must be texts by name, but that of {wrong[0]!r} is {texts[wrong[0]]!r}.")
    if may_write(filepath, overwrite):
        weights = tensor_names(model)
        values = (np.asarray(value) for value in K.batch_get_value(list(weights.values())))
        tensors = {name: np.ascontiguousarray(value).reshape(value.shape) for name, value in zip(weights, values)}
        write_file(filepath, [numpy_format.save(tensors, texts)])


def load_safetensors(model: Any, filepath: Any, skip_mismatch: bool = False) -> dict[str, str]:
    """Gives a model the weights of a safetensors file, by the names of the tensors, and returns the file's metadata.

    All weights are changed, or in case of an error none. ValueError if tensors are missing, are too many, or have
    another shape or kind of numbers; with `skip_mismatch` those weights are left as they are, with a warning. Raises
    FileNotFoundError; `saving.BrokenFileError`, a ValueError, for a file that is none or is damaged; ImportError
    without the package safetensors.
    """
    safetensors = need("safetensors", "safetensors", "load_safetensors")
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights to load into, since its input shape isn't known.")
    path = os.fsdecode(filepath)
    check_header(path)
    weights = tensor_names(model)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            texts = dict(file.metadata() or {})
            claims = {name: _claim(file.get_slice(name)) for name in file.keys()}
            wrong = _wrong(path, weights, claims)
            if wrong and not skip_mismatch:
                raise ValueError(next(iter(wrong.values())) + (f" ({len(wrong)} in all)" if len(wrong) > 1 else ""))
            for what in wrong.values():
                warn(f"Skipped: {what}.")
            values = [(w, file.get_tensor(name)) for name, w in weights.items() if name in claims and name not in wrong]
    except (safetensors.SafetensorError, OSError, MemoryError) as error:
        raise BrokenFileError(f"'{path}' can't be read as safetensors: {error}") from error
    K.batch_set_value(values)
    return texts


def is_safetensors(path: Any) -> bool:
    """Whether it is a path, and the file there begins as safetensors do. FileNotFoundError, BrokenFileError."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        return False
    with kinds.open_file(path) as file:
        return file.read(9)[8:] == b"{"


def claims_of(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The texts that the header holds, and what it says of the tensors, by name. BrokenFileError."""
    length = check_header(path)
    with open(path, "rb") as file:
        data = file.read(8 + length)[8:]
    found = parsed(data.decode("utf-8", "replace"), f"'{path}', its header")
    texts = found.pop("__metadata__", {}) if isinstance(found, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise BrokenFileError(f"'{path}': its header is no list of tensors")
    return texts, found


def check_header(path: Any) -> int:
    """The length of the header; BrokenFileError for one that can't be, and for folders. FileNotFoundError."""
    with kinds.open_file(path) as file:
        head, size = file.read(512), os.fstat(file.fileno()).st_size
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= min(MAX_HEADER, size - 8):
        what = "it is an HDF5 file or an archive, for load_model or load_weights" \
            if head.startswith((b"\x89HDF", b"PK\3\4")) else kinds.of_bytes(head)
        raise BrokenFileError(f"'{path}' is no safetensors file: {what} (it claims a header of {length} bytes, and has "
                              f"{size})")
    return length


def _claim(part: Any) -> tuple[tuple[int, ...], str]:
    return tuple(part.get_shape()), part.get_dtype()


def _wrong(path: str, weights: Mapping[str, Any], claims: Mapping[str, tuple[tuple[int, ...], str]]) -> dict[str, str]:
    """What is wrong, by the name of the tensor."""
    found = {}
    for name, weight in weights.items():
        shape, dtype = claims.get(name, (None, None))
        if shape is None or dtype is None:
            found[name] = f"'{path}' has no tensor {name!r}, which the model needs; it has {_some(claims)}"
        elif shape != tuple(weight.shape):
            found[name] = f"'{path}': tensor {name!r} has shape {shape}, the model needs {tuple(weight.shape)}"
        elif dtype not in _DTYPES or np.dtype(_DTYPES[dtype]).kind != np.dtype(weight.dtype).kind:
            found[name] = f"'{path}': tensor {name!r} holds {dtype}, the model needs {weight.dtype}"
    for name in claims:
        if name not in weights:
            found[name] = f"'{path}' has a tensor {name!r} of shape {claims[name][0]}, which the model has no " \
                          f"weight for; it has {_some(weights)}"
    return found


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "") if names else "none"
