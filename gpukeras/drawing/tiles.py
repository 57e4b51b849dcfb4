"""Numbers as pictures: the kernels of a layer, and what a layer makes of an input, as grids of small images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backend as K
from .models import describe
from .scene import Item, Picture, Raster, Text, text_width

_MARGIN, _HEAD = 12.0, 34.0
_GAP = 4  # between tiles
_SMALLEST, _LARGEST, _SIDE = 16, 48, 640  # the least tile, the greatest square; about how wide a grid gets
_LONGEST = 1024  # rows or columns of a tile: of longer ones, every second number is shown, every third ...
_MOST = 1024  # tiles
_BELOW, _MIDDLE, _ABOVE = (np.array(c, float) for c in ((33, 90, 165), (247, 247, 247), (178, 32, 46)))
_DARK, _BRIGHT = np.array((20, 24, 60), float), np.array((253, 231, 120), float)
_HALFWAY = np.array((55, 140, 140), float)


def plot_weights(layer: Any, to_file: Any = None, channel: int | None = None, weight: int = 0) -> Picture:
    """The kernel of a layer as a grid of images, which a notebook shows; with `to_file` (.svg or .png) written too.

    A convolution over three channels shows each filter in colour; over more, each row of the grid is an input channel
    and each column a filter, or `channel` picks one input channel. Blue is negative, white 0, red positive, on one
    scale for all. Other weights are one image, (rows, columns) as in the array. `weight` is the place in
    `get_weights()`. ValueError for a layer without weights, IndexError for a channel or a weight that is not there.

    >>> from gpukeras.layers import Conv2D
    >>> from gpukeras.models import Sequential
    >>> plot_weights(Sequential([Conv2D(8, 3, input_shape=(8, 8, 1), name="first")]).layers[0])
    <Picture of kernels of first, 652 x 121>
    """
    arrays = layer.get_weights()
    kind, name = describe(layer)
    if not arrays:
        raise ValueError(f"Layer '{name}' ({kind}) has no weights to draw"
                         + ("" if getattr(layer, "built", True) else ": it is not built yet"))
    if not -len(arrays) <= weight < len(arrays):
        raise IndexError(f"weight must be a place among the {len(arrays)} weights of layer '{name}', got {weight}")
    grid, colour, part = _kernel_grid(np.asarray(arrays[weight], float), kind, channel, name)
    scale = _scale(grid)
    tiles = [[_rgb(tile) if colour else _signed(tile, scale) for tile in row] for row in grid]
    extent = ("colours stretched to the range of each filter" if colour else f"±{scale:.3g}") + part
    picture = _sheet(tiles, f"{name}: {kind}, {_text(arrays[weight].shape)}", extent, f"kernels of {name}")
    return picture if to_file is None else picture.save(to_file)


def plot_feature_maps(model: Any, x: Any, layer: Any = None, to_file: Any = None, sample: int = 0) -> Picture:
    """What a layer of the model makes of sample number `sample` of `x`, channel by channel, each from dark (least) to
    bright (most); of more than 1024 channels the first.

    `layer` is a layer of the model, its name, or its place in `model.layers`; None takes the first convolution. Layers
    whose output has no rows and columns are drawn as one image. Written too, if `to_file` (.svg, .png) is given.
    ValueError if there is no such layer.
    """
    chosen = _layer_of(model, layer)
    inputs = [np.asarray(one)[sample:sample + 1] for one in (x if isinstance(x, (list, tuple)) else [x])]
    if not all(len(one) for one in inputs):
        raise IndexError(f"sample must be a place in x, got {sample}")
    made = next((node.output_tensors[0] for node in model._graph.nodes if node.outbound_layer is chosen), None)
    if made is None:
        raise ValueError(f"Layer '{getattr(chosen, 'name', chosen)}' is none of the layers of model '{model.name}': "
                         f"{[one.name for one in model.layers]}")
    run = K.function([*model.inputs, K.learning_phase()], [made])
    value = np.asarray(run([*inputs, 0])[0], float)[0]
    if value.ndim == 3:
        first = getattr(chosen, "data_format", K.image_data_format()) == "channels_first"
        maps = list(value if first else np.moveaxis(value, -1, 0))
    else:
        maps = [value.reshape(len(value), -1) if value.ndim > 1 else value.reshape(1, -1)]
    kind, name = describe(chosen)
    columns = math.ceil(math.sqrt(len(maps[:_MOST]) * 1.6))
    tiles = [_heat(one) for one in maps[:_MOST]]
    picture = _sheet(_in_rows(tiles, columns), f"{name}: {kind}, {_text(value.shape)}",
                     f"{value.min():.3g} to {value.max():.3g}", f"feature maps of {name}")
    return picture if to_file is None else picture.save(to_file)


def _layer_of(model: Any, layer: Any) -> Any:
    if isinstance(layer, str):
        return model.get_layer(layer)
    if isinstance(layer, (int, np.integer)):
        return model.get_layer(index=int(layer))
    if layer is not None:
        return layer
    found = next((one for one in model.layers if "Conv" in type(one).__name__), None)
    if found is None:
        raise ValueError(f"Model '{model.name}' has no convolution: say which layer, one of "
                         f"{[one.name for one in model.layers]}")
    return found


def _kernel_grid(array: Any, kind: str, channel: int | None, name: str) -> tuple[list[list[Any]], bool, str]:
    """Rows of tiles (height, width), or (height, width, 3) where the second value, colour, is true; and which part of
    the kernel they show, if it has too many."""
    if array.ndim == 5:  # a kernel in space: its slices, one below the other
        array = np.concatenate([*np.asarray(array)], axis=0)
    if array.ndim != 4:
        flat = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(1, -1)
        return [[flat]], False, ""
    if "Transpose" in kind:  # (rows, columns, filters, channels)
        array = array.swapaxes(2, 3)
    channels, filters = array.shape[2:]
    if channel is not None and not -channels <= channel < channels:
        raise IndexError(f"channel must be below {channels}, the input channels of layer '{name}', got {channel}")
    if channel is None and channels == 3 and "Depthwise" not in kind and "Separable" not in kind:
        tiles = [array[..., i] for i in range(filters)]
        return _in_rows(tiles[:_MOST], _columns(len(tiles))), True, _part(len(tiles), _MOST, "filters")
    if channel is not None or channels == 1 or filters == 1:
        flat = array[:, :, slice(None) if channel is None else [channel]].reshape(*array.shape[:2], -1)
        tiles = [flat[..., i] for i in range(flat.shape[-1])]
        return _in_rows(tiles[:_MOST], _columns(len(tiles))), False, _part(len(tiles), _MOST, "filters")
    across = min(filters, 64)
    down = min(channels, max(1, _MOST // across))
    return [[array[:, :, i, j] for j in range(across)] for i in range(down)], False, (
        _part(filters, across, "filters") + _part(channels, down, "input channels"))


def _part(count: int, shown: int, what: str) -> str:
    return f", the first {shown} of {count} {what}" if shown < count else ""


def _columns(count: int) -> int:
    return max(1, min(count, math.ceil(math.sqrt(count * 1.6)) if count > 8 else 8))


def _in_rows(tiles: Sequence[Any], columns: int) -> list[list[Any]]:
    return [list(tiles[i:i + columns]) for i in range(0, len(tiles), columns)]


def _scale(grid: list[list[Any]]) -> float:
    """The greatest absolute value that is a finite number."""
    return max((float(np.abs(tile[np.isfinite(tile)]).max(initial=0.0)) for row in grid for tile in row), default=0.0)


def _signed(tile: Any, scale: float) -> Any:
    """Pixels from blue through white to red; what is not a number is grey."""
    part = np.clip(np.nan_to_num(tile) / (scale or 1.0), -1, 1)[..., None]
    ends = np.where(part < 0, _BELOW, _ABOVE)
    return _pixels(_MIDDLE + np.abs(part) * (ends - _MIDDLE), tile)


def _heat(tile: Any) -> Any:
    """Pixels from dark through green to yellow, over the tile's own range."""
    finite = tile[np.isfinite(tile)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    part = np.clip((np.nan_to_num(tile) - low) / (high - low or 1.0), 0, 1)[..., None]
    return _pixels(np.where(part < 0.5, _DARK + 2 * part * (_HALFWAY - _DARK),
                            _HALFWAY + (2 * part - 1) * (_BRIGHT - _HALFWAY)), tile)


def _pixels(colours: Any, tile: Any) -> Any:
    return np.where(np.isnan(tile)[..., None], 128.0, colours).round().astype("uint8")


def _rgb(tile: Any) -> Any:
    """A filter over red, green and blue, stretched to its range."""
    clean = np.nan_to_num(tile)
    low, high = clean.min(), clean.max()
    return (255 * (clean - low) / (high - low or 1.0)).round().astype("uint8")


def _sheet(rows: list[list[Any]], head: str, extent: str, title: str) -> Picture:
    """The tiles in a grid, magnified by a whole number, as one image on white."""
    step = math.ceil(max(max(tile.shape[:2]) for row in rows for tile in row) / _LONGEST)
    if step > 1:
        rows = [[tile[::step, ::step] for tile in row] for row in rows]
        extent += f", one number of {step} each way"
    tall = max(tile.shape[0] for row in rows for tile in row)
    wide = max(tile.shape[1] for row in rows for tile in row)
    columns = max(map(len, rows))
    zoom = min(_LARGEST, (_SIDE / columns - _GAP) / wide, _SIDE / (tall * len(rows)))
    zoom = max(1, math.floor(max(_SMALLEST / max(tall, wide), zoom)))
    down, across = tall * zoom + _GAP, wide * zoom + _GAP
    canvas = np.full((len(rows) * down - _GAP, columns * across - _GAP, 3), 255, "uint8")
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            large = tile.repeat(zoom, axis=0).repeat(zoom, axis=1)
            canvas[i * down:i * down + large.shape[0], j * across:j * across + large.shape[1]] = large
    note = _MARGIN + text_width(head, 13, True) + 10
    items: list[Item] = [Text(_MARGIN, 23, head, 13, bold=True), Text(note, 23, extent, 11, "#5b6372"),
                         Raster(_MARGIN, _HEAD, canvas.shape[1], canvas.shape[0], canvas)]
    width = max(canvas.shape[1], note + text_width(extent, 11) - _MARGIN)
    return Picture(width + 2 * _MARGIN, _HEAD + canvas.shape[0] + _MARGIN, items, title)


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
