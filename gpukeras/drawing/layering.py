"""A graph in layers: edges turned so that none runs upward, ranks, and an order within each rank with few crossings.

The method is that of Sugiyama, Tagawa and Toda (1981). Nodes are numbers from 0. Everything is done in a fixed order,
so that a graph is always drawn alike.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence

Edge = tuple[int, int]
_SWEEPS = 12


def downward(count: int, edges: Sequence[Edge]) -> list[bool]:
    """For each edge whether it may stay as it is; turning the others leaves no cycle. Loops at a node count as turned.

    >>> downward(3, [(0, 1), (1, 2), (2, 0)])
    [True, True, False]
    """
    leaving: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    entered = [0] * count
    for i, (a, b) in enumerate(edges):
        leaving[a].append((i, b))
        entered[b] += a != b
    kept = [True] * len(edges)
    state = [0] * count  # 1: on the path now, 2: left for good
    for start in sorted(range(count), key=lambda node: (entered[node] > 0, node)):
        if state[start]:
            continue
        state[start] = 1
        path = [(start, iter(leaving[start]))]
        while path:
            node, rest = path[-1]
            for i, after in rest:
                if state[after] == 1:
                    kept[i] = False
                elif not state[after]:
                    state[after] = 1
                    path.append((after, iter(leaving[after])))
                    break
            else:
                state[node] = 2
                path.pop()
    return kept


def ranks(count: int, edges: Sequence[Edge], top: Collection[int] = (), bottom: Collection[int] = ()) -> list[int]:
    """The rank of each node, such that edges (without cycles) lead from lower numbers to higher, and are short.

    Nodes of `top` keep the first rank, which no other node has then; those of `bottom` get the last.
    """
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        above[b].append(a)
        below[a].append(b)
    order = _topological(above, below)
    least = 1 if top else 0
    rank = [0] * count
    for node in order:
        rank[node] = max((rank[other] + 1 for other in above[node]), default=0 if node in top else least)
    for node in reversed(order):  # down to its readers, where that makes no edge longer: an input that is needed late
        if below[node] and node not in top and len(below[node]) >= len(above[node]):
            rank[node] = min(rank[other] for other in below[node]) - 1
    for node in order:  # and up again, where nothing above it moved
        if above[node] and len(above[node]) >= len(below[node]):
            rank[node] = max(rank[other] for other in above[node]) + 1
    last = max((rank[node] + (node not in bottom) for node in range(count)), default=0)
    for node in bottom:
        rank[node] = max(last, rank[node])
    return rank


def _topological(above: list[list[int]], below: list[list[int]]) -> list[int]:
    missing = [len(set(some)) for some in above]
    ready = [node for node in range(len(above)) if not missing[node]]
    for node in ready:
        for other in dict.fromkeys(below[node]):
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    return ready


def ordered(rows: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> list[list[int]]:
    """The rows, each in an order that makes edges between neighbouring rows cross little: nodes go to the mean place
    of their neighbours, row by row, down and up again, and neighbours are exchanged where that helps."""
    best = rows = [list(row) for row in rows]
    fewest = crossings(rows, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        near = above if down else below
        for i in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            place = {node: k for k, node in enumerate(rows[i - 1 if down else i + 1])}
            rows[i] = _by_means(rows[i], near, place)
        _exchange(rows, above, below)
        now = crossings(rows, below)
        if now < fewest:
            best, fewest = [list(row) for row in rows], now
    return best


def crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges cross."""
    total = 0
    for row, following in zip(rows, rows[1:]):
        place = {node: k for k, node in enumerate(following)}
        ends: list[int] = []
        for node in row:
            mine = [place[other] for other in below[node]]
            total += sum(len(ends) - bisect_right(ends, end) for end in mine)
            for end in mine:
                insort(ends, end)
    return total


def _by_means(row: list[int], near: Sequence[Sequence[int]], place: dict[int, int]) -> list[int]:
    """The row sorted by the mean place of the neighbours; nodes without any keep theirs."""
    mean = {node: sum(place[other] for other in near[node]) / len(near[node]) for node in row if near[node]}
    moving = iter(sorted(mean, key=lambda node: mean[node]))
    return [next(moving) if node in mean else node for node in row]


def _exchange(rows: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> None:
    for i, row in enumerate(rows):
        sides = [({node: k for k, node in enumerate(rows[j])}, near)
                 for j, near in ((i - 1, above), (i + 1, below)) if 0 <= j < len(rows)]
        for k in range(len(row) - 1):
            if _cost(row[k], row[k + 1], sides) > _cost(row[k + 1], row[k], sides):
                row[k], row[k + 1] = row[k + 1], row[k]


def _cost(a: int, b: int, sides: list[tuple[dict[int, int], Sequence[Sequence[int]]]]) -> int:
    """How many edges of a cross edges of b, if a stands left of b."""
    return sum(place[p] > place[q] for place, near in sides for p in near[a] for q in near[b])
