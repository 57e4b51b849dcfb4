"""Pictures as pixels: painted with Pillow at twice the resolution, then halved. And PNG files of arrays, without it."""

from __future__ import annotations

import io
import math
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.extras import need
from .scene import Box, Path, Raster, Text

if TYPE_CHECKING:
    from .scene import Item, Picture

_MOST_PIXELS = 60_000_000  # larger pictures get a coarser resolution: Pillow warns of files above 89 million
_BAND = 1024  # rows that are painted at a time, so that a tall picture never stands in memory at twice its size


def png_of(pixels: Any) -> bytes:
    """A PNG file of an array (rows, columns, 3) of uint8.

    >>> png_of(np.zeros((2, 3, 3), "uint8"))[:4]
    b'\\x89PNG'
    """
    rows, columns, _ = pixels.shape
    lines = np.zeros((rows, 1 + 3 * columns), "uint8")  # each line begins with its filter: 0, none
    lines[:, 1:] = pixels.reshape(rows, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b""))


def paint(picture: Picture, scale: float) -> bytes:
    """A PNG file of the picture, `scale` pixels a unit. ImportError without Pillow 10.1 or newer."""
    image_module = need("PIL.Image", "plot", "Painting a PNG")
    draw_module = need("PIL.ImageDraw", "plot", "Painting a PNG")
    if not scale > 0:
        raise ValueError(f"The scale of a picture must be a positive number, got {scale!r}")
    scale = min(scale, math.sqrt(_MOST_PIXELS / (picture.width * picture.height)))
    width, height = max(1, math.ceil(picture.width * scale)), max(1, math.ceil(picture.height * scale))
    whole = image_module.new("RGB", (width, height), "#ffffff")
    extents = [item.extent() for item in picture.items]
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        band = image_module.new("RGB", (2 * width, 2 * rows), "#ffffff")
        brush = _Brush(band, draw_module.Draw(band), 2 * scale, 2 * top)
        for item, (first, last) in zip(picture.items, extents):
            if last * scale >= top and first * scale <= top + rows:
                brush.paint(item)
        whole.paste(band.reduce(2), (0, top))
    file = io.BytesIO()
    whole.save(file, "PNG", compress_level=2)  # drawings are flat: more effort gains little
    return file.getvalue()


@cache
def _font(pixels: int) -> Any:
    """The font that comes with Pillow."""
    fonts = need("PIL.ImageFont", "plot", "Painting a PNG")
    try:
        return fonts.load_default(size=pixels)
    except TypeError as error:
        raise ImportError("Painting a PNG needs Pillow 10.1 or newer: pip install 'gpukeras[plot]'") from error


class _Brush:
    """Paints items on one band of rows, which begins `top` pixels down."""

    def __init__(self, image: Any, draw: Any, scale: float, top: int) -> None:
        self.image, self.draw, self.scale, self.top = image, draw, scale, top

    def at(self, x: float, y: float) -> tuple[float, float]:
        return x * self.scale, y * self.scale - self.top

    def paint(self, item: Item) -> None:
        if isinstance(item, Box):
            corners = (*self.at(item.x, item.y), *self.at(item.x + item.width, item.y + item.height))
            outline = None if item.stroke == "none" else item.stroke
            self.draw.rounded_rectangle(corners, item.radius * self.scale, item.fill, outline, self.pixels(1))
        elif isinstance(item, Path):
            points = [self.at(x, y) for x, y in (_flattened(item.points) if item.curved else item.points)]
            if item.fill != "none":
                self.draw.polygon(points, item.fill)
            else:
                self.draw.line(points, item.stroke, self.pixels(item.width), joint="curve")
        elif isinstance(item, Text):
            font = _font(self.pixels(item.size))
            x, y = self.at(item.x, item.y)
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[item.anchor]
            self.draw.text((x, y), item.text, item.fill, font, anchor)
            if item.bold:  # Pillow's font has one weight: painted twice, half a pixel apart
                self.draw.text((x + 1, y), item.text, item.fill, font, anchor)
        elif isinstance(item, Raster):
            image_module = need("PIL.Image", "plot", "Painting a PNG")
            size = self.pixels(item.width), self.pixels(item.height)
            tile = image_module.fromarray(np.ascontiguousarray(item.pixels)).resize(size, 0)  # 0: squares
            x, y = self.at(item.x, item.y)
            self.image.paste(tile, (round(x), round(y)))

    def pixels(self, length: float) -> int:
        return max(1, round(length * self.scale))


def _flattened(points: Any) -> list[tuple[float, float]]:
    """Points on Bezier curves, 16 for each."""
    found = [points[0]]
    for i in range(1, len(points), 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[i - 1:i + 3]
        for step in range(1, 17):
            t = step / 16
            s = 1 - t
            p, q, r, w = s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t
            found.append((p * ax + q * bx + r * cx + w * dx, p * ay + q * by + r * cy + w * dy))
    return found
