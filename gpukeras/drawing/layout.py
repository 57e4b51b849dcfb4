"""From boxes and arrows to places and curves. The flow runs downward; for another direction the result is turned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .coordinates import across
from .layering import downward, ordered, ranks

Point = tuple[float, float]


class Link(NamedTuple):
    """An arrow from node `start` to node `end`, attached so far right of their middles."""

    start: int
    end: int
    start_at: float = 0.0
    end_at: float = 0.0


class Layout(NamedTuple):
    """Where everything is: the size, the middle of each node, and Bezier curves for each link (see `scene.Path`)."""

    width: float
    height: float
    middles: list[Point]
    curves: list[tuple[Point, ...]]


def lay_out(sizes: Sequence[tuple[float, float]], links: Sequence[Link], top: Collection[int] = (),
            bottom: Collection[int] = (), ends: Sequence[int] = (), gap: float = 26.0, rise: float = 30.0) -> Layout:
    """Places nodes of the given (width, height).

    Nodes of `top` get a first row for themselves, those of `bottom` a last one. Where nothing else decides, what leads
    to a node stands in the order of its links, and what nothing follows in the order of `ends`. `gap` is left between
    neighbours in a row, `rise` at least between rows.
    """
    count = len(sizes)
    kept = downward(count, [(link.start, link.end) for link in links])
    pairs = [(link.start, link.end) if keep else (link.end, link.start) for link, keep in zip(links, kept)]
    edges = [pair for pair in pairs if pair[0] != pair[1]]
    rank = ranks(count, edges, top, bottom)
    chains: dict[tuple[int, int], list[int]] = {}  # the nodes that an edge passes, with bends between its ends
    width, height = [w for w, _ in sizes], [h for _, h in sizes]
    for a, b in dict.fromkeys(edges):
        bends = list(range(len(rank), len(rank) + rank[b] - rank[a] - 1))
        rank += range(rank[a] + 1, rank[b])
        chains[a, b] = [a, *bends, b]
    width += [0.0] * (len(rank) - count)
    height += [0.0] * (len(rank) - count)
    above: list[list[int]] = [[] for _ in rank]
    below: list[list[int]] = [[] for _ in rank]
    for chain in chains.values():
        for a, b in zip(chain, chain[1:]):
            below[a].append(b)
            above[b].append(a)
    rows = ordered(_first_order(rank, above, below, [*bottom, *ends]), above, below)
    loops = {a for a, b in pairs if a == b}
    spread = [w + (2 * _LOOP if node in loops else 0) for node, w in enumerate(width)]
    bend = [node >= count for node in range(len(rank))]
    x = across(rows, above, below, spread, bend, lambda a, b: gap * (1 - 0.25 * (bend[a] + bend[b])))
    y, floors, ceilings = _down(rows, chains.values(), x, height, rise)
    curves = []
    for link, keep, pair in zip(links, kept, pairs):
        if link.start == link.end:
            curves.append(_loop(x[link.start], y[link.start], width[link.start], height[link.start]))
            continue
        at = (link.start_at, link.end_at) if keep else (link.end_at + _ASIDE, link.start_at + _ASIDE)
        curve = _curve(chains[pair], x, y, height, rank, floors, ceilings, at)
        curves.append(tuple(curve if keep else reversed(curve)))
    whole = max((a + w / 2 for a, w in zip(x, spread)), default=0.0)
    return Layout(whole, ceilings[-1] if ceilings else 0.0, list(zip(x, y))[:count], curves)


_LOOP = 24.0  # how far the arrow from a node to itself goes out
_ASIDE = 14.0  # how far right of the middle an arrow against the flow is attached


def _first_order(rank: list[int], above: list[list[int]], below: list[list[int]], ends: Sequence[int]
                 ) -> list[list[int]]:
    """Rows in the order in which a walk up the graph meets the nodes: branches stay together, in the order in which
    the node that joins them takes them."""
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    seen: set[int] = set()
    for start in [*ends, *sorted(range(len(rank)), key=lambda node: (bool(below[node]), node))]:
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                rows[rank[node]].append(node)
                waiting += reversed(above[node])
    return rows


def _down(rows: list[list[int]], chains: Collection[list[int]], x: list[float], height: list[float], rise: float
          ) -> tuple[list[float], list[float], list[float]]:
    """The middle of each node down the page; where each row begins, and where it ends. Where edges go far aside,
    rows stand further apart."""
    place = {node: i for i, row in enumerate(rows) for node in row}
    aside = [0.0] * len(rows)
    for chain in chains:
        for a, b in zip(chain, chain[1:]):
            aside[place[a]] = max(aside[place[a]], abs(x[a] - x[b]))
    y = [0.0] * len(x)
    starts, ends, at = [], [], 0.0
    for i, row in enumerate(rows):
        tall = max((height[node] for node in row), default=0.0)
        for node in row:
            y[node] = at + tall / 2
        starts.append(at)
        ends.append(at + tall)
        at += tall + max(rise, min(0.12 * aside[i] + 0.5 * rise, 2.5 * rise))
    return y, starts, ends


def _curve(chain: list[int], x: list[float], y: list[float], height: list[float], rank: list[int],
           starts: list[float], ends: list[float], at: tuple[float, float]) -> list[Point]:
    """A curve down a chain: straight along the rows' boxes, an S from row to row."""
    xs = [x[node] for node in chain]
    xs[0] += at[0]
    xs[-1] += at[1]
    points = [(xs[0], y[chain[0]] + height[chain[0]] / 2)]
    for i in range(len(chain) - 1):
        leaves, arrives = ends[rank[chain[i]]], starts[rank[chain[i + 1]]]
        _straight(points, (xs[i], leaves))
        half = (leaves + arrives) / 2
        points += [(xs[i], half), (xs[i + 1], half), (xs[i + 1], arrives)]
    _straight(points, (xs[-1], y[chain[-1]] - height[chain[-1]] / 2))
    return points


def _straight(points: list[Point], to: Point) -> None:
    (x, y), (_, end) = points[-1], to
    if abs(y - end) > 0.01:
        points += [(x, (2 * y + end) / 3), (x, (y + 2 * end) / 3), to]


def _loop(x: float, y: float, width: float, height: float) -> tuple[Point, ...]:
    right, up = x + width / 2, min(height / 4, 10.0)
    return (right, y + up), (right + 1.4 * _LOOP, y + up), (right + 1.4 * _LOOP, y - up), (right, y - up)
