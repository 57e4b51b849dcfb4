"""The record of a training as curves: one panel for each quantity, its validation values beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..utils.metric_names import other_name
from .scene import Box, Item, Path, Picture, Point, Text, text_width

_WIDTH, _HEIGHT = 300.0, 190.0  # of the area between the axes
_LEFT, _TOP, _RIGHT, _BOTTOM = 58.0, 34.0, 18.0, 44.0
_IN_A_ROW = 3
_COLOURS = {"training": "#2f6fb7", "validation": "#d9742b"}
_AXIS, _GRID, _GREY, _INK = "#8b93a1", "#e4e7ec", "#5b6372", "#1f2430"


class Curve(NamedTuple):
    """Values of one quantity, each with the number of its epoch, from 1."""

    kind: str
    epochs: list[int]
    values: list[float]


def panels(epochs: Sequence[int], history: Mapping[str, Sequence[Any]], names: Iterable[str] | None = None
           ) -> dict[str, list[Curve]]:
    """What belongs together: of each name its training curve and, from 'val_' + name, its validation curve.

    `names` picks some, in that order. ValueError for a name that is not in the record.
    """
    found: dict[str, list[Curve]] = {}
    for name, values in history.items():
        validation = name.startswith("val_")
        curve = _curve("validation" if validation else "training", epochs, values)
        found.setdefault(name[4:] if validation else name, []).append(curve)
    if names is None:
        return found
    wanted = [names] if isinstance(names, str) else list(names)
    chosen = {}
    for name in wanted:
        key = name if name in found else other_name(name)
        if key not in found:
            raise ValueError(f"The record has no {name!r}; it has {', '.join(map(repr, found)) or 'nothing'}")
        chosen[name] = found[key]
    return chosen


def _curve(kind: str, epochs: Sequence[int], values: Sequence[Any]) -> Curve:
    """A curve. With fewer values than epochs, they are taken to come from every second epoch, every third ..."""
    every = max(1, len(epochs) // max(1, len(values)))
    at = [number + 1 for number in epochs[every - 1::every]][:len(values)]
    return Curve(kind, at, [float(value) for value in values][:len(at)])


def draw_curves(chosen: Mapping[str, Sequence[Curve]]) -> Picture:
    """The panels in rows of three. What is not a finite number leaves a gap in its curve."""
    columns = min(_IN_A_ROW, max(1, len(chosen)))
    wide, tall = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    items: list[Item] = []
    for i, (name, curves) in enumerate(chosen.items()):
        items += _panel(name, curves, (i % columns) * wide + _LEFT, (i // columns) * tall + _TOP)
    return Picture(columns * wide, math.ceil(len(chosen) / columns) * tall, items,
                   f"training: {', '.join(chosen)}" if chosen else "training")


def _panel(name: str, curves: Sequence[Curve], left: float, top: float) -> list[Item]:
    finite = [value for curve in curves for value in curve.values if math.isfinite(value)]
    epochs = [epoch for curve in curves for epoch in curve.epochs]
    heights = ticks(min(finite), max(finite)) if finite else [0.0, 1.0]
    numbers = [t for t in ticks(min(epochs, default=1), max(epochs, default=1), 6) if t == int(t)]
    first, last = min(epochs, default=1), max(epochs, default=1)
    low, high = heights[0], heights[-1]

    def place(epoch: float, value: float) -> Point:
        part = (epoch - first) / (last - first) if last > first else 0.5
        return left + 8 + part * (_WIDTH - 16), top + _HEIGHT * (1 - (value - low) / (high - low))

    items: list[Item] = [Text(left, top - 12, name, 13, _INK, True)]
    for tick, label in zip(heights, tick_texts(heights)):
        _, y = place(first, tick)
        items.append(Path(((left, y), (left + _WIDTH, y)), _GRID, 1.0))
        items.append(Text(left - 8, y + 4, label, 11, _GREY, anchor="end"))
    items.append(Path(((left, top + _HEIGHT), (left + _WIDTH, top + _HEIGHT)), _AXIS, 1.0))
    for tick in numbers:
        if first <= tick <= last:
            x, _ = place(tick, low)
            items.append(Text(x, top + _HEIGHT + 16, str(int(tick)), 11, _GREY, anchor="middle"))
    items.append(Text(left + _WIDTH / 2, top + _HEIGHT + 33, "epoch", 11, _GREY, anchor="middle"))
    for curve in curves:
        items += _drawn(curve, place)
    return items + _legend(curves, left + _WIDTH, top - 12)


def _drawn(curve: Curve, place: Any) -> list[Item]:
    """The lines between neighbouring finite values; a value without a neighbour is a dot."""
    runs: list[list[Point]] = [[]]
    for epoch, value in zip(curve.epochs, curve.values):
        if math.isfinite(value):
            runs[-1].append(place(epoch, value))
        elif runs[-1]:
            runs.append([])
    colour = _COLOURS[curve.kind]
    return [Path(tuple(run), colour, 2.0) if len(run) > 1 else Box(run[0][0] - 3, run[0][1] - 3, 6, 6, colour, radius=3)
            for run in runs if run]


def _legend(curves: Sequence[Curve], right: float, y: float) -> list[Item]:
    items: list[Item] = []
    for curve in reversed(curves):
        x = right - text_width(curve.kind, 11)
        items += [Text(x, y, curve.kind, 11, _GREY), Path(((x - 20, y - 4), (x - 5, y - 4)), _COLOURS[curve.kind], 2.0)]
        right = x - 30
    return items


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` or less to `high` or more, at equal steps of 1, 2 or 5 times a power of ten.

    >>> ticks(0.13, 0.94)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        low, high = (low - 0.5 * abs(low), high + 0.5 * abs(high)) if low else (-1.0, 1.0)
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(step * k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= most)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(k * step, digits) for k in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def tick_texts(numbers: Sequence[float]) -> list[str]:
    """The labels of an axis, all of one form.

    >>> tick_texts([0.0, 0.2, 0.4]), tick_texts([0.0, 5e-6, 1e-5]), tick_texts([0.0, 500000.0, 1000000.0])
    (['0.0', '0.2', '0.4'], ['0', '5e-06', '1e-05'], ['0', '5e+05', '1e+06'])
    """
    step = numbers[1] - numbers[0]
    if step < 1e-4 or max(map(abs, numbers)) >= 1e5:
        return [f"{number:.3g}" for number in numbers]
    return [f"{number:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}" for number in numbers]


def plot_with(pyplot: Any, chosen: Mapping[str, Sequence[Curve]]) -> list[Any]:
    """The panels by matplotlib, in a new figure; its axes."""
    columns = min(_IN_A_ROW, max(1, len(chosen)))
    rows = max(1, math.ceil(len(chosen) / columns))
    _, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 3.4 * rows), squeeze=False,
                              layout="constrained")
    flat = [ax for row in axes for ax in row]
    for ax, (name, curves) in zip(flat, chosen.items()):
        for curve in curves:
            ax.plot(curve.epochs, curve.values, color=_COLOURS[curve.kind], label=curve.kind,
                    marker="o" if len(curve.values) == 1 else None)
        ax.set(title=name, xlabel="epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        ax.legend()
    for ax in flat[len(chosen):]:
        ax.set_axis_off()
    return flat[:len(chosen)]
