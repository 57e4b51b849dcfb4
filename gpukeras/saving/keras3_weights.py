"""Where Keras 3 (and Keras 2.12 to 2.15) keep weights in the files `model.weights.h5`.

A network keeps its layers in the group `layers`, named after their classes and counted: `dense`, `dense_1`. A layer
that holds others has a group for each attribute that is one: `forward_layer`, `cell`. The weights of a layer itself are
numbered in its group `vars`. What can be reached on two ways stands at the first of them. (In files of this library at
both: no Keras makes one layer of the two when it loads a model, so that both need values.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import backend as K
from ..engine.input_layer import InputLayer
from ..engine.layer import Layer
from ..engine.network import Network
from ..engine.sequential import Sequential
from ..engine.training import Model
from ..utils.identity import is_built_in
from ..utils.messages import warn
from .errors import BrokenFileError, UnsafeFileError
from .guarded import MAX_DEPTH, Array, Group

_FORMERLY = "_layer_checkpoint_dependencies"
"""What `layers` was called from Keras 2.12 to 2.14."""
MAX_ARRAYS = 1 << 20
_DENSE_STORAGE = 1 << 26
"""Bytes up to which a compressed array may have any size; above, no more than deflate can make of what is stored."""
_DEFLATE = 1100
_PROJECTIONS = {"query": "query_dense", "key": "key_dense", "value": "value_dense", "attention_output": "output_dense"}


class Place(NamedTuple):
    """A group of a file, the name to store there, and the weights whose values are numbered in its `vars`."""

    path: str
    name: str
    weights: list[Any]
    top: str
    """The model's own layer that it belongs to."""


def places(model: Any, config: dict[str, Any] | None = None) -> list[Place]:
    """All places of a model's weights, each weight's first only.

    `config`, as it stands in a file, says in which order and by which class names the file's writer had the layers.
    ValueError if some weights have no place.
    """
    seen: set[int] = set()
    found = []
    for place in _walk(model, "", "", config):
        own = [w for w in place.weights if id(w) not in seen]
        seen.update(map(id, own))
        if len(own) == len(place.weights):
            found.append(place)
    _check_complete(model, found)
    return found


def places_to_write(model: Any) -> list[Place]:
    """All places of a model's weights. ValueError if some weights have none; a warning if some have several."""
    found = list(_walk(model, "", "", None))
    first: dict[int, str] = {}
    for place in found:
        for weight in place.weights:
            if first.setdefault(id(weight), place.path) != place.path:
                warn(f"Layer '{place.name}' is part of several models inside '{model.name}'. When the file is loaded, "
                     "it will be a layer of its own in each.")
                break
    _check_complete(model, found)
    return found


def _check_complete(model: Any, found: Sequence[Place]) -> None:
    """ValueError if some weights have no place."""
    known = {id(w) for place in found for w in place.weights}
    for layer in model._members():
        if any(id(w) not in known for w in layer.weights):
            raise ValueError(f"Layer '{layer.name}' of class {type(layer).__name__} keeps its weights where Keras 3's "
                             "files have no place for them. Use a path that ends in .h5.")


def _walk(layer: Any, path: str, top: str, config: Any) -> Iterator[Place]:
    projections = _projections(layer)
    yield Place(path, layer.name, [*layer._trainable_weights, *layer._non_trainable_weights]
                if not projections else [], top)
    for name, (kernel, bias) in projections.items():
        yield Place(f"{path}/{_PROJECTIONS[name]}", name, [kernel] if bias is None else [kernel, bias], top)
    for part, child, entry in _children(layer, config):
        yield from _walk(child, f"{path}/{part}".lstrip("/"), top or child.name, entry)


def _projections(layer: Any) -> dict[str, Any]:
    """The parts of a MultiHeadAttention, which are layers in Keras 3."""
    built_in = any(c.__name__ == "MultiHeadAttention" and is_built_in(c) for c in type(layer).__mro__)
    return getattr(layer, "_projections", {}) if built_in else {}


def _is_network(layer: Any) -> bool:
    return isinstance(layer, Network)


def _children(layer: Any, config: Any) -> Iterator[tuple[str, Any, Any]]:
    """The layers inside a layer: the path to each from it, and what the file says of it."""
    from ..layers.wrappers import Bidirectional, Wrapper

    if _is_network(layer):
        yield from (("layers/" + name, child, entry) for name, child, entry in _members(layer, config))
    elif isinstance(layer, Bidirectional):
        yield from (("backward_layer", layer.backward_layer, None), ("forward_layer", layer.forward_layer, None))
    elif isinstance(layer, Wrapper):
        inside = config.get("layer") if isinstance(config, dict) else None
        yield "layer", layer.layer, inside.get("config") if isinstance(inside, dict) else None
    elif isinstance(getattr(layer, "cell", None), Layer):
        yield "cell", layer.cell, None
    elif isinstance(getattr(layer, "cells", None), (list, tuple)):
        used: dict[str, int] = {}
        yield from ((f"cells/{_counted(type(cell).__name__, used)}", cell, None)
                    for cell in layer.cells if isinstance(cell, Layer))


def _members(network: Any, config: Any) -> Iterator[tuple[str, Any, Any]]:
    """The layers of a network with their names in a file."""
    stack = isinstance(network, Sequential)
    layers = [one for one in network.layers if not (stack and isinstance(one, InputLayer))]
    entries = config.get("layers") if isinstance(config, dict) else None
    used: dict[str, int] = {}
    if not isinstance(entries, list):
        yield from ((_counted(_class_name(one), used), one, None) for one in layers)
        return
    if stack:
        entries = [entry for entry in entries if entry.get("class_name") != "InputLayer"]
        pairs = list(zip(layers, entries))
    else:
        by_name = {one.name: one for one in layers}
        pairs = [(by_name[entry["name"]], entry) for entry in entries if entry.get("name") in by_name]
    if len(pairs) != len(layers):
        raise BrokenFileError(f"the architecture in the file names {len(entries)} layers of '{network.name}', which "
                              f"has {len(layers)}")
    yield from ((_counted(entry["class_name"], used), one, entry.get("config")) for one, entry in pairs)


def _class_name(layer: Any) -> str:
    """The name of the class in Keras 3."""
    return "Functional" if type(layer) is Model else type(layer).__name__


def _counted(class_name: str, used: dict[str, int]) -> str:
    """``dense``, ``dense_1``, ...: a class's name and the number of those before."""
    name = _in_snake_case("Functional" if class_name == "Model" else class_name)
    number = used[name] = used.get(name, -1) + 1
    return f"{name}_{number}" if number else name


def _in_snake_case(class_name: str) -> str:
    """``ConvLSTM2D`` as ``conv_lstm2d``: unlike in the names of layers, a digit ends a word."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", class_name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


def trainable_weights(network: Any, config: Any) -> list[Any]:
    """The weights that are trained, in the order of the layers in the file."""
    found: list[Any] = []
    for _, layer, entry in _members(network, config) if network.trainable else ():
        found += trainable_weights(layer, entry) if _is_network(layer) else layer.trainable_weights
    return list({id(w): w for w in found}.values())


# ----------------------------------------------------------------------------------------------------- writing


def write_places(file: Any, found: Sequence[Place]) -> None:
    """A group for each place, with the weights and the name of the layer."""
    for place in found:
        values = K.batch_get_value(place.weights)
        group = write_vars(file, place.path, place.name, values)
        parent, _, last = place.path.rpartition("/")
        if last in _PROJECTIONS.values() and values:  # Keras 2.15's name for the same group
            file[f"{parent}/_{last}"] = group.parent


def write_vars(file: Any, path: str, name: str, values: Sequence[Any]) -> Any:
    """Numbered arrays in the group `vars` at `path`."""
    group = file.create_group(f"{path}/vars" if path else "vars")
    group.attrs["name"] = name
    for i, value in enumerate(values):
        group.create_dataset(str(i), data=np.asarray(value))
    return group


# ----------------------------------------------------------------------------------------------------- reading


def has_layout(root: Group) -> bool:
    """Whether a file has this layout."""
    return any(name in root for name in ("layers", _FORMERLY, "vars"))


def read_vars(root: Group, path: str) -> list[Array]:
    """The numbered arrays at a path, not yet read; none if there are none."""
    group = _descend(root, path)
    if group is None or "vars" not in group:
        return []
    group = group.group("vars")
    names = group.members()
    if sorted(names) != sorted(str(i) for i in range(len(names))):
        raise BrokenFileError(f"'{root.path}', {group.name}: expected arrays named 0, 1, ..., found {names[:8]}")
    return [_plausible(group.array(str(i))) for i in range(len(names))]


def _descend(group: Group, path: str) -> Group | None:
    """The group at a path in whichever Keras's words it is there."""
    for part in path.split("/") if path else ():
        name = next((n for n in _spellings(group, part) if n in group), None)
        if name is None:
            return None
        group = group.group(name)
    return group


def _spellings(group: Group, part: str) -> Iterator[str]:
    """What Keras versions call a part of a path."""
    if part == "layers":
        yield from (part, _FORMERLY)
        return
    name, _, number = part.rpartition("_")
    if group.name.endswith(_FORMERLY) and number.isdigit() and f"{name}_1" not in group and f"{name}_2" in group:
        yield f"{name}_{2 * int(number)}"  # Keras 2.12 and 2.13 counted by twos
    yield from (part, f"_{part}" if part in _PROJECTIONS.values() else part)


def _plausible(array: Array) -> Array:
    """The array; UnsafeFileError if it claims more than can be stored in the bytes that it has."""
    if array.bytes > max(_DENSE_STORAGE, _DEFLATE * array.stored):
        raise UnsafeFileError(f"{array.where}: claims shape {array.shape}, {array.bytes} bytes, of which "
                              f"{array.stored} are stored")
    return array


def count_numbers(root: Group) -> int:
    """The number of elements of all arrays in the file."""
    return sum(_plausible(array).size for _, array in all_arrays(root))


def all_arrays(root: Group) -> Iterator[tuple[str, Array]]:
    """Every array below a group with its path, each once. UnsafeFileError for links, and for more than any model has.
    """
    seen: set[int] = set()
    waiting = [("", root)]
    while waiting:
        path, group = waiting.pop()
        for name in sorted(group.members()):
            place = f"{path}/{name}".lstrip("/")
            is_group, address = group.member(name)
            if address in seen:  # a second name for it, or a way back
                continue
            seen.add(address)
            if len(seen) > MAX_ARRAYS or place.count("/") > MAX_DEPTH:
                raise UnsafeFileError(f"'{root.path}': {place[:80]!r} is one group too many for a model")
            if is_group:
                waiting.append((place, group.group(name)))
            else:
                yield place, group.array(name)


def assign_places(root: Group, found: Sequence[Place], skip_mismatch: bool = False,
                  say: Callable[[str], None] = warn) -> None:
    """Reads the values of all places and gives them to the weights: to all, or in case of an error to none.

    ValueError if they are others than the model has; with `skip_mismatch` those layers are left as they are, with a
    warning.
    """
    pairs: list[tuple[Any, Array]] = []
    for place in found:
        arrays = read_vars(root, place.path)
        wrong = _wrong(place, arrays)
        if wrong and not skip_mismatch:
            raise ValueError(f"'{root.path}': {wrong}")
        if wrong:
            say(f"Skipping the weights of layer '{place.top}': {wrong}.")
        else:
            pairs += zip(place.weights, arrays)
    K.batch_set_value([(weight, array.read()) for weight, array in pairs])


def _wrong(place: Place, arrays: Sequence[Array]) -> str | None:
    """What is wrong with the arrays of a place, or None."""
    expected, shapes = [tuple(w.shape) for w in place.weights], [a.shape for a in arrays]
    if shapes == expected:
        return None
    inside = f" has in it '{place.name}', which" if place.top not in ("", place.name) else ""
    return (f"layer '{place.top or place.name}'{inside} has weights of shapes {expected}, but the file has "
            f"{shapes or 'none'} for it at '{place.path}'")


def named_places(root: Group, model: Any) -> list[Place]:
    """The places of the model's layers at which the file has layers of the same name.

    ValueError if the file does not say their names, as those of Keras 2 don't.
    """
    layers = _descend(root, "layers")
    stored: dict[str, str] = {}
    for member in layers.members() if layers is not None else ():
        group = layers.group(member)  # type: ignore[union-attr]
        name = group.group("vars").text("name") if "vars" in group else None
        if name is not None:
            stored[name] = member
    if not stored:
        raise ValueError(f"'{root.path}' does not name its layers, so by_name=True finds none. Load it in order.")
    found = []
    for place in places(model):
        parts = place.path.split("/")
        if place.top in stored:
            found.append(place._replace(path="/".join(["layers", stored[place.top], *parts[2:]])))
    return found
