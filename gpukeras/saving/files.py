"""Whole models and weights to HDF5 files and back."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from ..device.files import write_file
from ..engine.own_functions import marked, with_functions
from ..engine.serialization import plain
from ..engine.subclassed import refuse_subclassed
from ..utils.messages import warn
from . import compiled, keras3_files
from .archive import is_archive
from .configs import built, readable, writable
from .errors import BrokenFileError
from .guarded import Group, opened
from .keras3_weights import has_layout
from .weights import (
    KERAS_VERSION,
    assign,
    by_name,
    by_name_or_order,
    by_order,
    hdf5_image,
    origin_of,
    own_pair,
    own_weights,
    read_layers,
    write_layers,
)


def may_write(path: Any, overwrite: bool) -> bool:
    """Whether to write to `path`; where a file is already there and `overwrite` is off, the user is asked.

    TypeError for what is neither a path nor a stream.
    """
    if not isinstance(path, (str, bytes, os.PathLike)) and not hasattr(path, "write"):
        raise TypeError("filepath must be the path of a file, a binary stream or an open h5py file, but got "
                        f"{path!r:.200}")
    if overwrite or hasattr(path, "write") or not os.path.isfile(path):
        return True
    from ..utils.io_utils import ask_to_proceed_with_overwrite

    return ask_to_proceed_with_overwrite(os.fsdecode(path))


def _format(path: Any, asked: str | None, formats: tuple[str, str], ending: str) -> str:
    """What is to be written: what is asked for, else the second of the formats if the path ends so, else the first."""
    is_path = isinstance(path, (str, bytes, os.PathLike))
    if asked is None:
        return formats[is_path and os.fsdecode(path).endswith(ending)]
    found = {"hdf5": "h5"}.get(str(asked).lower(), str(asked).lower())
    if found not in formats:
        raise ValueError(f"save_format={asked!r}: expected '{formats[0]}' or '{formats[1]}'. TensorFlow's own formats "
                         "are not written.")
    if found != "h5" and not is_path:
        raise ValueError(f"save_format={asked!r} needs a path, but got {type(path).__name__}.")
    return found


def write_hdf5(path: Any, fill: Any) -> None:
    """An HDF5 file whose content `fill(file)` writes, put in its place in one step.

    It is made in memory first: the HDF5 library does not recover from a disk that is full.
    """
    import h5py

    if isinstance(path, h5py.Group):
        fill(path)
        return
    data = hdf5_image(fill)
    if hasattr(path, "write"):
        path.write(data)
    else:
        write_file(path, [data])


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True,
               save_format: str | None = None) -> None:
    """Architecture, weights, and what `compile` said with the optimizer's state, as one HDF5 file, or as an archive of
    Keras 3 if the name ends in '.keras'.

    It is written beside `filepath` and then put in its place, so that a crash or a full disk leaves the old file. An
    open `h5py.File` or group, or a binary stream (`io.BytesIO`), is written to directly. With `overwrite=False` an
    existing file is kept unless the user agrees. `save_format`, which newer Keras has, may say 'h5' or 'keras' whatever
    the name. Raises OSError if the disk doesn't take it.
    """
    as_archive = _format(filepath, save_format, ("h5", "keras"), ".keras") == "keras"

    def fill(file: Any) -> None:
        file.attrs["keras_version"] = KERAS_VERSION.encode()
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(marked(writable(model), plain)).encode()
        write_layers(file.create_group("model_weights"), model._stored_layers(), own_weights(model))
        if include_optimizer and compiled.is_compiled(model):
            compiled.write(file, model)

    refuse_subclassed(model)
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights yet, since its input shape isn't known: build it, or "
                         "let it see data, before it is saved.")
    if not _is_group(filepath) and not may_write(filepath, overwrite):
        return
    if as_archive:
        keras3_files.save_archive(model, filepath, include_optimizer)
    else:
        write_hdf5(filepath, fill)


def _is_group(value: Any) -> bool:
    """Whether it is an open HDF5 file or group: only if h5py is loaded can it be one."""
    h5py = sys.modules.get("h5py")
    return h5py is not None and isinstance(value, h5py.Group)


def _reading(source: Any, isolated: bool | None = None) -> Any:
    """A context with the root group of a file, of an open `h5py.File`, or of what a binary stream still holds."""
    if _is_group(source):
        return nullcontext(Group(source.id, "/", source.file.filename, sys.maxsize))
    return _copied(source, isolated) if hasattr(source, "read") else opened(source, isolated)


@contextmanager
def _copied(stream: Any, isolated: bool | None) -> Iterator[Group]:
    """The root group of a copy of the stream: what is checked before the HDF5 library sees it is checked in files."""
    import shutil  # late: an import of the package has no use for these
    from tempfile import TemporaryDirectory
    with TemporaryDirectory() as folder:
        path = os.path.join(folder, "stream.h5")
        with open(path, "wb") as file:
            shutil.copyfileobj(stream, file)
        with opened(path, isolated) as root:
            yield root


def load_model(filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True,
               safe_mode: bool = True, isolated: bool | None = None) -> Any:
    """The model that an HDF5 file of Keras 1, 2 or 3, an archive ('.keras') of newer Keras, or either of this library
    describes.

    `custom_objects` maps names in the file to classes and functions of yours; nothing else is ever run, whatever
    `safe_mode` says, so a Lambda loads only if its function is named there, or if this very process wrote the file. If
    the file says how the model was compiled, it is compiled so and the optimizer goes on where it was; where a loss,
    metric or optimizer isn't known, the model is left uncompiled, with a warning.

    With `isolated=True` another process does the reading, in which the HDF5 library may crash or hang on a file that
    was made for that. Starting it takes time. The environment's GPUKERAS_ISOLATED=1 asks for it where a call doesn't.

    Raises FileNotFoundError; `saving.BrokenFileError`, a ValueError, for a file that is damaged or no model;
    `saving.UnsafeFileError`, a ValueError, for one that reaches outside of itself or claims more than it holds.
    """
    if is_archive(filepath):
        return keras3_files.load_archive(filepath, custom_objects, compile, isolated)
    with _reading(filepath, isolated) as root:
        config = root.json("model_config")
        if not isinstance(config, dict) or "class_name" not in config:
            only_weights = "layer_names" in root.attributes() or has_layout(root)
            hint = "; it holds weights only: build the model, then load_weights" if only_weights else ""
            raise BrokenFileError(f"'{root.path}' holds no model: it has no attribute model_config{hint}")
        group = root.group("model_weights")
        stored, origin = read_layers(group), origin_of(group)
        size = sum(one.size for one in stored)
        model = built(lambda: readable(with_functions(config), origin, custom_objects), size, custom_objects)
        assign(by_name_or_order(model._stored_layers(), stored, root.path), origin)
        if compile:
            compiled.restore(root, model, custom_objects or {}, origin)
    return model


def save_weights(model: Any, filepath: Any, overwrite: bool = True, save_format: str | None = None) -> None:
    """The weights of all layers as an HDF5 file, as safely as `save_model`: in the layout of Keras 2, or in that of
    Keras 3 if the name ends in '.weights.h5' and `save_format` does not say 'h5'."""
    as_keras3 = _format(filepath, save_format, ("h5", "keras3"), ".weights.h5") == "keras3" and model._is_graph_network
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights yet, since its input shape isn't known.")
    if not _is_group(filepath) and not may_write(filepath, overwrite):
        return
    if as_keras3:
        keras3_files.save_keras3_weights(model, filepath)
    else:
        write_hdf5(filepath, lambda file: write_layers(file, model._stored_layers(), own_weights(model)))


def read_group(group: Any, layers: Sequence[Any], by_name_only: bool = False, skip_mismatch: bool = False) -> None:
    """The weights of layers out of an open h5py group, in order or by name."""
    with _reading(group) as root:
        stored = read_layers(root)
        pairs = by_name(layers, stored) if by_name_only else by_order(layers, stored, root.path)
        assign(pairs, origin_of(root), skip_mismatch)


def load_weights(model: Any, filepath: Any, by_name_only: bool = False, skip_mismatch: bool = False,
                 isolated: bool | None = None, reshape: bool = False) -> None:
    """Weights from a file of any kind that `save_weights` or `save_model` wrote, here or in Keras.

    Layers are paired in order, or by their names; all are changed, or in case of an error none. With `reshape`, arrays
    in Keras 2's layout may have other shapes of the same size. `isolated` is that of `load_model`.
    """
    if not model.built:
        raise ValueError(f"Model '{model.name}' has no weights to load into, since its input shape isn't known: build "
                         "it, or give its first layer an input_shape.")
    if is_archive(filepath):
        keras3_files.load_archived_weights(model, filepath, by_name_only, skip_mismatch, isolated)
        return
    with _reading(filepath, isolated) as root:
        group = root
        if "layer_names" not in root.attributes() and "layer_names0" not in root.attributes() \
                and "model_weights" in root:
            group = root.group("model_weights")
        elif group.texts("layer_names") is None and has_layout(root):
            if not model._is_graph_network:
                raise ValueError(f"'{root.path}' has Keras 3's layout, which names weights of a subclass of Model "
                                 f"after its attributes. For '{model.name}' write them there in the other layout: "
                                 "Keras 2.15, model.save_weights('weights.h5')")
            keras3_files.load_keras3_weights(model, root, by_name_only, skip_mismatch)
            return
        stored = read_layers(group)
        layers = model._stored_layers()
        pairs = by_name(layers, stored) if by_name_only else by_order(layers, stored, root.path)
        if by_name_only and stored and not pairs:
            warn(f"'{root.path}': none of its layers has the name of one of the model's, so nothing was loaded. Leave "
                 f"by_name out, or give the layers their names, as in name='{stored[0].name}'")
        pairs = [*pairs, *([] if by_name_only else own_pair(model, group))]
        assign(pairs, origin_of(group), skip_mismatch, reshape=reshape)
