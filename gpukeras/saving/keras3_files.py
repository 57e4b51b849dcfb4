"""Whole models to Keras 3's archives (`.keras`) and back, and weights to files of its layout (`.weights.h5`)."""

from __future__ import annotations

import json
from typing import Any

from ..device.files import write_file
from ..engine.own_classes import own_names
from ..engine.serialization import plain
from ..utils.messages import warn
from . import compiled, configs, keras3_compiled, keras3_configs
from .archive import CONFIG, METADATA, WEIGHTS, Archive, opened_archive, write_archive
from .conversion import Origin
from .errors import BrokenFileError
from .guarded import Group, opened_image, parsed
from .keras3_weights import (
    assign_places,
    count_numbers,
    named_places,
    places,
    places_to_write,
    trainable_weights,
    write_places,
)
from .weights import hdf5_image

KERAS_VERSION = "3.0.0"
"""The Keras whose layout the archives have."""
OWN = "gpukeras"
"""The entry of `metadata.json` by which this library knows its own archives; Keras does not look at it."""


def save_archive(model: Any, path: Any, include_optimizer: bool) -> None:
    """The model as an archive."""
    found = places_to_write(model)
    described = json.loads(json.dumps(configs.writable(model, by_keyword=False), default=plain))
    sigmoids = keras3_configs.hard_sigmoids(described)
    if "hard_sigmoid" in sigmoids:
        keras3_configs.warn_of_hard_sigmoid(model.name, str(path))
    config = keras3_configs.writable(described, sigmoids, own_names(model))
    metadata: dict[str, Any] = {"keras_version": KERAS_VERSION, OWN: {"hard_sigmoid": sorted(sigmoids)}}
    with_training = include_optimizer and compiled.is_compiled(model)
    if with_training:
        config["compile_config"] = keras3_compiled.compile_config(model)
        metadata[OWN]["training_config"] = keras3_compiled.own_config(model)

    def fill(file: Any) -> None:
        write_places(file, found)
        if with_training:
            keras3_compiled.write_state(file, model)

    write_archive(path, {METADATA: json.dumps(metadata).encode(), CONFIG: json.dumps(config).encode(),
                         WEIGHTS: hdf5_image(fill)})


def load_archive(path: Any, custom_objects: dict[str, Any] | None, compile: bool,
                 isolated: bool | None = None) -> Any:
    """The model of an archive; see `files.load_model`."""
    with opened_archive(path) as archive:
        config = parsed(archive.text(CONFIG), f"'{archive.path}', {CONFIG}")
        if not isinstance(config, dict) or "class_name" not in config:
            raise BrokenFileError(f"'{archive.path}', {CONFIG}: describes no model")
        metadata = _metadata(archive)
        own = metadata.get(OWN)
        origin = Origin(_version(metadata, own if isinstance(own, dict) else None), "tensorflow")
        with opened_image(archive.read(WEIGHTS), f"{archive.path}, {WEIGHTS}", isolated) as root:
            model = configs.built(lambda: configs.readable(config, origin, custom_objects, archived=True),
                                  count_numbers(root), custom_objects)
            assign_places(root, places(model, config.get("config")))
            if compile:
                training = own.get("training_config") if isinstance(own, dict) else None
                order = trainable_weights(model, config.get("config"))
                keras3_compiled.restore(archive.path, root, model, custom_objects or {}, training,
                                        config.get("compile_config"), str(metadata.get("keras_version") or ""), order)
    return model


def _metadata(archive: Archive) -> dict[str, Any]:
    """What stands in metadata.json, if there is one."""
    if METADATA not in archive:
        return {}
    found = parsed(archive.text(METADATA), f"'{archive.path}', {METADATA}")
    return found if isinstance(found, dict) else {}


def _version(metadata: dict[str, Any], own: dict[str, Any] | None) -> str:
    """The Keras whose words the architecture has. Keras 3's hard sigmoid is told by the version."""
    version = str(metadata.get("keras_version") or "3")
    if own is None:
        return version
    return version if own.get("hard_sigmoid") == ["keras3_hard_sigmoid"] else "2.15.0"


def save_keras3_weights(model: Any, path: Any) -> None:
    """The weights as a file of Keras 3's layout."""
    found = places_to_write(model)
    write_file(path, [hdf5_image(lambda file: write_places(file, found))])


def load_keras3_weights(model: Any, root: Group, by_name: bool, skip_mismatch: bool) -> None:
    """Weights from a file of Keras 3's layout."""
    found = named_places(root, model) if by_name else places(model)
    if by_name and not found:
        warn(f"'{root.path}': none of its layers has the name of one of the model's, so nothing was loaded.")
    assign_places(root, found, skip_mismatch)


def load_archived_weights(model: Any, path: Any, by_name: bool, skip_mismatch: bool,
                          isolated: bool | None = None) -> None:
    """Weights from an archive."""
    with opened_archive(path) as archive, \
            opened_image(archive.read(WEIGHTS), f"{archive.path}, {WEIGHTS}", isolated) as root:
        load_keras3_weights(model, root, by_name, skip_mismatch)
