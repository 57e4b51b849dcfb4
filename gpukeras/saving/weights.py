"""The part of an HDF5 file that holds weights: a group for each layer, with the arrays that its `weight_names` list."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import backend as K
from ..utils.messages import warn
from .conversion import Origin, converted, for_file
from .errors import BrokenFileError
from .guarded import Array, Group

TOP_LEVEL = "top_level_model_weights"
"""Newer Keras's group for the weights that a model has besides those of its layers."""
KERAS_VERSION = "2.15.0"
"""The Keras whose layout the files have."""
MAX_ATTRIBUTE = 64512
"""Bytes that HDF5 takes in one attribute of fixed size; longer lists are spread over several."""


class StoredLayer(NamedTuple):
    """A layer's name in a file and its arrays, not yet read."""

    name: str
    arrays: list[Array]

    @property
    def size(self) -> int:
        """The number of elements of all arrays."""
        return sum(a.size for a in self.arrays)


# ----------------------------------------------------------------------------------------------------- writing


def write_texts(group: Any, name: str, texts: Iterable[str]) -> None:
    """A list of texts as an attribute, or as several numbered ones if it is too long for one."""
    encoded = np.array([text.encode("utf-8") for text in texts])
    if encoded.size == 0:
        group.attrs[name] = np.zeros((0,), "S1")
        return
    if encoded.itemsize > MAX_ATTRIBUTE:
        raise ValueError(f"A name of {encoded.itemsize} bytes among '{name}' can't be stored in HDF5.")
    pieces = max(1, math.ceil(encoded.size / (MAX_ATTRIBUTE // encoded.itemsize)))
    if pieces == 1:
        group.attrs[name] = encoded
        return
    for i, piece in enumerate(np.array_split(encoded, pieces)):
        group.attrs[f"{name}{i}"] = piece


def hdf5_image(fill: Callable[[Any], None]) -> memoryview:
    """An HDF5 file in memory, whose content `fill(file)` writes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getbuffer()


def write_arrays(group: Any, names: Sequence[str], values: Sequence[np.ndarray]) -> None:
    """Arrays as data sets, and the list of their names."""
    write_texts(group, "weight_names", names)
    for name, value in zip(names, values):
        group.create_dataset(name, data=np.ascontiguousarray(value) if np.ndim(value) else value)


class OwnWeights(NamedTuple):
    """The weights that a model has besides those of its layers, as if they were another layer's."""

    name: str
    weights: list[Any]


def own_weights(model: Any) -> OwnWeights:
    """What a model has made itself with `add_weight`."""
    return OwnWeights(model.name, [*model._trainable_weights, *model._non_trainable_weights])


def write_layers(group: Any, layers: Sequence[Any], own: OwnWeights | None = None) -> None:
    """The weights of the layers, as `load_weights` of Keras 2 and 3 reads them, and a model's own."""
    write_texts(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"] = b"tensorflow"  # readers flip the kernels of others
    group.attrs["keras_version"] = KERAS_VERSION.encode()
    for layer in sorted(layers, key=lambda one: one.name):
        if layer.name in group and not hasattr(group[layer.name], "create_group"):
            raise ValueError(f"The name '{layer.name}' of a layer is the place of another layer's weight in the file: "
                             "rename the layer.")
        write_arrays(group.require_group(_checked(layer.name)), weight_names(layer),
                     for_file(layer, K.batch_get_value(layer.weights)))
    own = own or OwnWeights("", [])
    write_arrays(group.create_group(TOP_LEVEL), weight_names(own), K.batch_get_value(own.weights))


def weight_names(layer: Any) -> list[str]:
    """A path for each weight of the layer, unlike the others, as Keras has it: the weight's own name."""
    taken: set[str] = set()
    names = []
    for i, weight in enumerate(layer.weights):
        name = weight.name or f"param_{i}"
        name = name if "/" in name else f"{layer.name}/{name}"
        base, number = name, 1
        while name in taken:
            stem, colon, rest = base.rpartition(":")
            name = f"{stem}_{number}:{rest}" if colon else f"{base}_{number}"
            number += 1
        taken.add(name)
        names.append(_checked(name))
    return names


def _checked(name: str) -> str:
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise ValueError(f"The name {name!r} of a layer or weight can't be a path in an HDF5 file: rename the layer.")
    return name


# ----------------------------------------------------------------------------------------------------- reading


def read_arrays(group: Group) -> list[Array]:
    """The arrays that a group lists, not yet read."""
    names = group.texts("weight_names")
    if names is None:
        raise BrokenFileError(f"'{group.path}', {group.name}: has no list of weight_names")
    return [group.array(name) for name in names]


def read_layers(group: Group) -> list[StoredLayer]:
    """The layers of a file that have weights, in its order."""
    names = group.texts("layer_names")
    if names is None:
        raise BrokenFileError(f"'{group.path}', {group.name}: has no list of layer_names, so it holds no weights in "
                              "Keras's layout")
    if len(set(names)) != len(names):
        raise BrokenFileError(f"'{group.path}', {group.name}: names a layer twice")
    stored = [StoredLayer(name, read_arrays(group.group(name))) for name in names]
    return [one for one in stored if one.arrays]


def origin_of(group: Group) -> Origin:
    """Who wrote the weights."""
    return Origin(group.text("keras_version") or "1", group.text("backend"))


def check_shapes(layer: Any, found: Sequence[tuple[int, ...]], name: str) -> str | None:
    """What is wrong with arrays of these shapes for a layer, or None."""
    expected = [tuple(w.shape) for w in layer.weights]
    if len(found) != len(expected):
        return (f"layer '{layer.name}' has {len(expected)} weights of shapes {expected}, but '{name}' in the file has "
                f"{len(found)} of shapes {list(found)}")
    for weight, shape in zip(layer.weights, found):
        if tuple(weight.shape) != tuple(shape):
            return (f"layer '{layer.name}': weight '{weight.name}' has shape {tuple(weight.shape)}, but '{name}' in "
                    f"the file has {tuple(shape)} there")
    return None


def values_for(layer: Any, stored: StoredLayer, origin: Origin, reshape: bool = False) -> list[np.ndarray]:
    """The arrays for `layer.weights`; ValueError, before anything is read, if their shapes don't fit. With `reshape`
    it is enough that they have as many elements."""
    def made(arrays: list[np.ndarray]) -> list[np.ndarray]:
        found = converted(layer, arrays, origin)
        return [a.reshape(w.shape) if reshape and w is not None and a.size == math.prod(w.shape) else a
                for a, w in itertools.zip_longest(found, layer.weights[:len(found)])]

    expected = sum(math.prod(w.shape) for w in layer.weights)
    shapes = [a.shape for a in stored.arrays]
    if stored.size > 2 * expected:  # cuDNN's second bias is the most that a conversion takes away
        raise ValueError(check_shapes(layer, shapes, stored.name))
    # What becomes of the shapes is found out on arrays that have no memory, so that nothing is read in vain.
    blanks = [np.broadcast_to(np.zeros((), a.dtype), a.shape) for a in stored.arrays]
    try:
        wrong = check_shapes(layer, [a.shape for a in made(blanks)], stored.name)
    except (IndexError, ValueError) as error:
        raise ValueError(check_shapes(layer, shapes, stored.name) or str(error)) from error
    if wrong:
        raise ValueError(check_shapes(layer, shapes, stored.name) or wrong)
    return made([a.read() for a in stored.arrays])


Pairs = list[tuple[Any, StoredLayer]]


def by_order(layers: Sequence[Any], stored: Sequence[StoredLayer], path: str) -> Pairs:
    """The first layer with weights and the first in the file, and so on; ValueError if their numbers differ."""
    here = [layer for layer in layers if layer.weights]
    if len(here) != len(stored):
        raise ValueError(f"'{path}' holds the weights of {len(stored)} layers ({_some(s.name for s in stored)}), but "
                         f"the model has {len(here)} layers with weights ({_some(one.name for one in here)}). To load "
                         "those of the same name, use by_name=True.")
    return list(zip(here, stored))


def by_name(layers: Sequence[Any], stored: Sequence[StoredLayer]) -> Pairs:
    """Layers of the model and of the file with the same name."""
    found = {one.name: one for one in stored}
    return [(layer, found[layer.name]) for layer in layers if layer.weights and layer.name in found]


def own_pair(model: Any, group: Group) -> Pairs:
    """A model's own weights and those in the file, if it has any."""
    own = own_weights(model)
    if not own.weights or TOP_LEVEL not in group:
        return []
    return [(own, StoredLayer(TOP_LEVEL, read_arrays(group.group(TOP_LEVEL))))]


def by_name_or_order(layers: Sequence[Any], stored: Sequence[StoredLayer], path: str) -> Pairs:
    """By name if the names are the same on both sides, as they are for the layers of a whole model; else by order."""
    pairs = by_name(layers, stored)
    count = sum(bool(layer.weights) for layer in layers)
    return pairs if len(pairs) == count == len(stored) else by_order(layers, stored, path)


def assign(pairs: Pairs, origin: Origin, skip_mismatch: bool = False, say: Callable[[str], None] = warn,
           reshape: bool = False) -> None:
    """Reads the arrays and gives them to the layers: to all, or in case of an error to none.

    With `skip_mismatch`, layers whose arrays don't fit are left as they are, with a warning.
    """
    values: list[tuple[Any, np.ndarray]] = []
    for layer, stored in pairs:
        try:
            values += zip(layer.weights, values_for(layer, stored, origin, reshape))
        except BrokenFileError:
            raise
        except ValueError as error:
            if not skip_mismatch:
                raise ValueError(f"{error}. Build the model as it was when it was saved, or take what fits: "
                                 "load_weights(path, by_name=True, skip_mismatch=True)") from error
            say(f"Skipping the weights of layer '{layer.name}': {error}.")
    K.batch_set_value(values)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
