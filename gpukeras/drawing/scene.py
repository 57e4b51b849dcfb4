"""What a picture is made of, and its text as SVG. Units are CSS pixels, y grows downward."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

Point = tuple[float, float]
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"

# Widths of Helvetica's characters in thousandths of the size (Adobe's font metrics); anything else is 556, or 1000 for
# the wide scripts.
_WIDTHS = {c: width for width, characters in {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[\\]ft", 333: "()-`r", 334: "{}", 355: '"', 389: "*", 469: "^",
    500: "Jcksvxyz", 584: "+<=>~", 611: "FTZ", 667: "&ABEKPSVXY", 722: "CDHNRUw", 778: "GOQ", 833: "Mm", 889: "%",
    944: "W", 1015: "@"}.items() for c in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is, in Helvetica or a font of its width, with a little to spare.

    >>> 60 < text_width("conv2d_1", 14) < 66
    True
    """
    units = sum(_WIDTHS.get(c, 556 if ord(c) < 0x1100 else 1000) for c in text)
    return units / 1000 * size * (1.1 if bold else 1.03)


@dataclass(frozen=True)
class Box:
    """A rectangle, filled, with round corners if `radius` is not 0."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = "none"
    radius: float = 0.0

    def extent(self) -> tuple[float, float]:
        """The first and last y."""
        return self.y - 1, self.y + self.height + 1

    def svg(self) -> str:
        """The element."""
        corners = f' rx="{number(self.radius)}"' if self.radius else ""
        line = f' stroke="{self.stroke}"' if self.stroke != "none" else ""
        return (f'<rect x="{number(self.x)}" y="{number(self.y)}" width="{number(self.width)}" '
                f'height="{number(self.height)}"{corners} fill="{self.fill}"{line}/>')


@dataclass(frozen=True)
class Path:
    """A line: through `points`, or, if `curved`, along Bezier curves (a point, then threes of two handles and a point).
    Filled instead, as a polygon, if `fill` is a colour."""

    points: tuple[Point, ...]
    stroke: str = "none"
    width: float = 1.3
    fill: str = "none"
    curved: bool = False

    def extent(self) -> tuple[float, float]:
        """The first and last y."""
        ys = [y for _, y in self.points]
        return min(ys) - self.width, max(ys) + self.width

    def svg(self) -> str:
        """The element."""
        steps = [f"{number(x)},{number(y)}" for x, y in self.points]
        if self.fill != "none":
            return f'<path d="M{" ".join(steps)}Z" fill="{self.fill}"/>'
        joined = f"M{steps[0]}{'C' if self.curved else 'L'}{' '.join(steps[1:])}"
        return (f'<path d="{joined}" fill="none" stroke="{self.stroke}" stroke-width="{number(self.width)}" '
                'stroke-linejoin="round"/>')


@dataclass(frozen=True)
class Text:
    """One line of text; (x, y) is on the baseline, at the 'start', 'middle' or 'end'."""

    x: float
    y: float
    text: str
    size: float = 13.0
    fill: str = "#1f2430"
    bold: bool = False
    anchor: str = "start"

    def extent(self) -> tuple[float, float]:
        """The first and last y."""
        return self.y - 1.5 * self.size, self.y + self.size

    def svg(self) -> str:
        """The element."""
        more = (' font-weight="bold"' if self.bold else "") + (
            f' text-anchor="{self.anchor}"' if self.anchor != "start" else "")
        return (f'<text x="{number(self.x)}" y="{number(self.y)}" font-size="{number(self.size)}"{more} '
                f'fill="{self.fill}">{escape(printable(self.text))}</text>')


@dataclass(frozen=True)
class Raster:
    """Pixels (rows, columns, 3) of uint8, shown as squares on a rectangle."""

    x: float
    y: float
    width: float
    height: float
    pixels: Any = field(compare=False)

    def extent(self) -> tuple[float, float]:
        """The first and last y."""
        return self.y, self.y + self.height

    def svg(self) -> str:
        """The element, the pixels in it as a PNG."""
        from .paint import png_of

        data = base64.b64encode(png_of(self.pixels)).decode()
        return (f'<image x="{number(self.x)}" y="{number(self.y)}" width="{number(self.width)}" '
                f'height="{number(self.height)}" preserveAspectRatio="none" style="image-rendering:pixelated" '
                f'href="data:image/png;base64,{data}"/>')


Item = Box | Path | Text | Raster


class Picture:
    """A drawing: shows itself in a notebook, and is saved as SVG or PNG.

    >>> Picture(40, 20, [Box(0, 0, 40, 20, "#ffffff")], "nothing").svg()[:44]
    '<svg xmlns="http://www.w3.org/2000/svg" widt'
    """

    def __init__(self, width: float, height: float, items: Iterable[Item], title: str) -> None:
        self.width, self.height = width, height
        self.items: Sequence[Item] = list(items)
        self.title = title

    def svg(self, scale: float = 1.0) -> str:
        """The picture as SVG text, `scale` times as large. It refers to nothing outside itself."""
        title = printable(self.title)
        w, h = number(self.width), number(self.height)
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{number(self.width * scale)}" '
                f'height="{number(self.height * scale)}" viewBox="0 0 {w} {h}" font-family="{FONT}" role="img" '
                f"aria-label={quoteattr(title)}>")
        body = [f"<title>{escape(title)}</title>", f'<rect width="{w}" height="{h}" fill="#ffffff"/>']
        return "\n".join([head, *body, *(item.svg() for item in self.items), "</svg>"]) + "\n"

    def png(self, scale: float = 1.0) -> bytes:
        """The picture as a PNG file's bytes, `scale` pixels a unit. ImportError without Pillow."""
        from .paint import paint

        return paint(self, scale)

    def save(self, to_file: Any, scale: float = 1.0) -> Any:
        """Writes the file, in the format that its name ends with: .svg, or .png (which needs Pillow; also if there is
        no ending). ValueError for any other. The picture itself is returned."""
        path = os.fspath(to_file)
        kind = os.path.splitext(path)[1][1:].lower() or "png"
        if kind not in ("svg", "png"):
            raise ValueError(f"to_file must end in .svg or .png, got {path!r}")
        data = self.svg(scale).encode() if kind == "svg" else self.png(scale)
        with open(path, "wb") as file:
            file.write(data)
        return self

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Picture of {self.title}, {round(self.width)} x {round(self.height)}>"


def number(value: float) -> str:
    """A coordinate to a tenth of a pixel.

    >>> number(3.04), number(-0.01), number(2.25)
    ('3', '0', '2.2')
    """
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def printable(text: str) -> str:
    """Text without the characters that XML forbids; they become U+FFFD."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
