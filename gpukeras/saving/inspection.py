"""What a model file holds, without building anything from it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

from . import configs, keras3_configs
from .archive import CONFIG, METADATA, WEIGHTS, Archive, is_archive, opened_archive
from .conversion import Origin
from .errors import BrokenFileError, CrashedReaderError, UnsafeFileError
from .guarded import Group, opened, opened_image, parsed
from .keras3_weights import all_arrays, has_layout
from .safetensors_files import claims_of, is_safetensors
from .weights import TOP_LEVEL


@dataclass
class Contents:
    """What `inspect` found; prints as a table.

    `layers` are (name, class, [(array, shape, dtype), ...]); `refused` says what would not be read, and why.
    """

    path: str
    size: int
    versions: dict[str, str] = field(default_factory=dict)
    model: str | None = None
    layers: list[tuple[str, str, list[tuple[str, tuple[int, ...], str]]]] = field(default_factory=list)
    optimizer: str | None = None
    optimizer_arrays: int = 0
    loss: Any = None
    refused: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """The number of elements of all weights."""
        return sum(math.prod(shape) for _, _, arrays in self.layers for _, shape, _ in arrays)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.size:,} bytes, " + (f"model {self.model}" if self.model else "weights only")]
        lines += [f"  {name}: {value}" for name, value in self.versions.items()]
        for name, kind, arrays in self.layers:
            lines.append(f"  {name}{f' ({kind})' if kind else ''}")
            lines += [f"    {array}  {shape}  {dtype}" for array, shape, dtype in arrays]
        lines.append(f"  {self.parameters:,} parameters in {len(self.layers)} layers")
        if self.optimizer:
            lines.append(f"  compiled: {self.optimizer}, loss {self.loss!r}, {self.optimizer_arrays} arrays of state")
        lines += [f"  refused: {why}" for why in self.refused]
        return "\n".join(_printable(line) for line in lines)


def _printable(text: str) -> str:
    """Without characters that would steer a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def inspect(path: Any, isolated: bool | None = None) -> Contents:
    """What the HDF5 file, archive (`.keras`) or safetensors file at `path` holds: versions, layers with the shapes of
    their arrays, optimizer, loss.

    Nothing is built and no array is read. What loading would refuse stands in `refused`. Raises FileNotFoundError, and
    BrokenFileError or UnsafeFileError for a file that is none of these, or whose list of members is refused. With
    `isolated=True`, as on the command line, another process does the reading: see `load_model`.
    """
    if is_archive(path):
        return _inspect_archive(path, isolated)
    if is_safetensors(path):
        return _inspect_safetensors(os.fsdecode(path))
    with opened(path, isolated) as root:
        found = Contents(root.path, root.file_size)
        config = _tried(found, lambda: root.json("model_config"))
        kinds: dict[str, str] = {}
        if isinstance(config, dict):
            found.model = str(config.get("class_name"))
            kinds = _classes(config.get("config"))
        group = _tried(found, lambda: root.group("model_weights")) if found.model else root
        if group is not None:
            _versions(found, group)
            if group is root and "layer_names" not in group.attributes() and has_layout(root):
                _places(found, root, {})
            else:
                _layers(found, group, kinds)
        training = _tried(found, lambda: root.json("training_config"))
        if isinstance(training, dict):
            optimizer = training.get("optimizer_config")
            found.optimizer = str(optimizer.get("class_name")) if isinstance(optimizer, dict) else "unknown"
            found.loss = training.get("loss")
        if _tried(found, lambda: "optimizer_weights" in root):
            state = _tried(found, lambda: root.group("optimizer_weights"))
            if state is not None:
                found.optimizer_arrays = len(_arrays(found, state))
    return found


def _inspect_archive(path: Any, isolated: bool | None) -> Contents:
    with opened_archive(path) as archive:
        found = Contents(archive.path, archive.file_size)
        found.refused += [f"'{archive.path}', {name}: is not asked for, and not read" for name in archive.ignored]
        metadata = _tried(found, lambda: _json(archive, METADATA))
        if isinstance(metadata, dict):
            found.versions = {k: str(v) for k, v in metadata.items() if k in ("keras_version", "date_saved")}
        config = _tried(found, lambda: _json(archive, CONFIG))
        kinds: dict[str, str] = {}
        if isinstance(config, dict):
            found.model = str(config.get("class_name"))
            kinds = _classes(config.get("config"))
            _tried(found, lambda: configs.readable(config, Origin("3")))
            found.refused += keras3_configs.refused(config)
            told = config.get("compile_config")
            told = told if isinstance(told, dict) else {}
            optimizer = told.get("optimizer")
            if optimizer is not None:
                found.optimizer = str(optimizer.get("class_name") if isinstance(optimizer, dict) else optimizer)
                found.loss = told.get("loss")
        data = _tried(found, lambda: archive.read(WEIGHTS))
        if data is not None:
            _tried(found, lambda: _inspect_image(found, data, kinds, isolated))
    return found


def _inspect_safetensors(path: str) -> Contents:
    texts, tensors = claims_of(path)
    found = Contents(path, os.path.getsize(path), {k: str(v) for k, v in texts.items() if k.endswith("_version")})
    layers: dict[str, list[tuple[str, tuple[int, ...], str]]] = {}
    for name, claim in tensors.items():
        shape = claim.get("shape")
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            found.refused.append(f"'{path}', {name}: has no shape")
            continue
        layer, _, rest = name.partition("/")
        layers.setdefault(layer, []).append((rest or layer, tuple(shape), str(claim.get("dtype"))))
    found.layers = [(layer, "", arrays) for layer, arrays in layers.items()]
    return found


def _json(archive: Archive, name: str) -> Any:
    return parsed(archive.text(name), f"'{archive.path}', {name}")


def _inspect_image(found: Contents, data: bytes, kinds: dict[str, str], isolated: bool | None) -> None:
    with opened_image(data, f"{found.path}, {WEIGHTS}", isolated) as root:
        _places(found, root, kinds)


def _places(found: Contents, root: Group, kinds: dict[str, str]) -> None:
    """The arrays of a file in Keras 3's layout, by layer."""
    layers: dict[str, list[tuple[str, tuple[int, ...], str]]] = {}
    for path, array in sorted(_tried(found, lambda: list(all_arrays(root))) or [], key=lambda pair: pair[0]):
        first, *rest = path.split("/")
        if first == "optimizer":
            found.optimizer_arrays += 1
        elif len(rest) > 1:
            layers.setdefault(f"{first}/{rest[0]}", []).append(("/".join(rest[1:]), array.shape, str(array.dtype)))
    for place, own in layers.items():
        name = _tried(found, lambda place=place: _stored_name(root, place)) or place.split("/")[1]
        if not place.startswith("metrics/"):
            found.layers.append((name, kinds.get(name, ""), own))
    order = {name: i for i, name in enumerate(kinds)}
    found.layers.sort(key=lambda layer: order.get(layer[0], len(order)))


def _stored_name(root: Group, place: str) -> str | None:
    """The name of a layer, where the file says it."""
    group = root.group(place)
    return group.group("vars").text("name") if "vars" in group else None


def _tried(found: Contents, look: Any) -> Any:
    """What `look` returns; None, and a line in `refused`, if the file doesn't let it."""
    try:
        return look()
    except CrashedReaderError:
        raise
    except (UnsafeFileError, BrokenFileError) as error:
        found.refused.append(str(error))
        return None


def _versions(found: Contents, group: Group) -> None:
    for name in ("keras_version", "backend"):
        value = _tried(found, lambda name=name: group.text(name))
        if value is not None:
            found.versions[name] = value


def _layers(found: Contents, group: Group, kinds: dict[str, str]) -> None:
    names = _tried(found, lambda: group.texts("layer_names"))
    if names is None:
        found.refused.append(f"'{found.path}', {group.name}: no list of layer_names")
        return
    for name in names:
        layer = _tried(found, lambda name=name: group.group(name))
        if layer is not None:
            found.layers.append((name, kinds.get(name, ""), _arrays(found, layer)))
    listed = {name.split("/")[0] for name in [*names, TOP_LEVEL]}
    for name in _tried(found, group.members) or ():
        if group.name != "/" and name not in listed:
            found.refused.append(f"'{found.path}', {group.name}/{name}: is not asked for, and not read")


def _arrays(found: Contents, group: Group) -> list[tuple[str, tuple[int, ...], str]]:
    arrays = []
    for name in _tried(found, lambda: group.texts("weight_names")) or ():
        array = _tried(found, lambda name=name: group.array(name))
        if array is not None:
            arrays.append((name, array.shape, str(array.dtype)))
    return arrays


def _classes(config: Any) -> dict[str, str]:
    """Class names by layer name, as far as the architecture says them."""
    layers = config.get("layers", []) if isinstance(config, dict) else config
    found: dict[str, str] = {}
    for entry in layers if isinstance(layers, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("config"), (dict, list)):
            inner = entry["config"]
            name = entry.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
            found[str(name)] = str(entry.get("class_name"))
    return found
