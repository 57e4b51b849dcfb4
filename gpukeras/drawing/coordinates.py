"""Places within the rows of a layered graph: long edges straight, nodes in the middle of their neighbours.

The method is that of Brandes and Koepf, "Fast and simple horizontal coordinate assignment" (2001): nodes are strung
with a median neighbour into vertical blocks, in four ways (upward or downward, leftmost or rightmost), and a node gets
the mean of the two middle ones of its four places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Edge = tuple[int, int]
Rows = Sequence[Sequence[int]]


def across(rows: Rows, above: Sequence[Sequence[int]], below: Sequence[Sequence[int]], width: Sequence[float],
           bend: Sequence[bool], gap: Callable[[int, int], float]) -> list[float]:
    """The middle of each node across the rows; the least left end is 0.

    `bend` marks the nodes that only pass a long edge on. Neighbours in a row stand `gap` apart at least.
    """
    barred = _conflicts(rows, above, bend)
    found = []
    for down in (True, False):
        for left in (True, False):
            ordered = [list(row) if left else list(reversed(row)) for row in (rows if down else reversed(rows))]
            roots = _blocks(ordered, above if down else below, barred)
            places = _compact(ordered, roots, lambda a, b: (width[a] + width[b]) / 2 + gap(a, b))
            found.append([place if left else -place for place in places])
    ends = [(min(x - w / 2 for x, w in zip(places, width)), max(x + w / 2 for x, w in zip(places, width)))
            for places in found]
    narrow = min(ends, key=lambda end: end[1] - end[0])
    for i, places in enumerate(found):
        move = narrow[0] - ends[i][0] if i % 2 == 0 else narrow[1] - ends[i][1]
        found[i] = [x + move for x in places]
    middle = [sum(sorted(four)[1:3]) / 2 for four in zip(*found)]
    start = min(x - w / 2 for x, w in zip(middle, width))
    return [x - start for x in middle]


def _conflicts(rows: Rows, above: Sequence[Sequence[int]], bend: Sequence[bool]) -> set[Edge]:
    """Edges (both ways round) that cross the inner part of a long edge: those give way."""
    barred: set[Edge] = set()
    for row, following in zip(rows, rows[1:]):
        place = {node: k for k, node in enumerate(row)}
        inner = [(place[above[node][0]], k) for k, node in enumerate(following)
                 if bend[node] and above[node] and bend[above[node][0]]]
        if not inner:
            continue
        for k, node in enumerate(following):
            for other in above[node]:
                at = place[other]
                if not (bend[node] and bend[other]) and any((at - p) * (k - q) < 0 for p, q in inner):
                    barred |= {(other, node), (node, other)}
    return barred


def _blocks(rows: list[list[int]], near: Sequence[Sequence[int]], barred: set[Edge]) -> list[int]:
    """For each node the first node of its block."""
    count = sum(map(len, rows))
    root, taken = list(range(count)), [False] * count
    for previous, row in zip([[], *rows], rows):
        place = {node: k for k, node in enumerate(previous)}
        last = -1
        for node in row:
            others = sorted(near[node], key=place.__getitem__)
            for k in sorted({(len(others) - 1) // 2, len(others) // 2}) if others else ():
                other = others[k]
                if last < place[other] and (other, node) not in barred and not taken[other]:
                    root[node], taken[other], last = root[other], True, place[other]
                    break
    return root


def _compact(rows: list[list[int]], root: list[int], distance: Callable[[int, int], float]) -> list[float]:
    """Places that leave the distances and keep blocks straight: as far left as can be, then right to close gaps."""
    after: dict[int, dict[int, float]] = {node: {} for node in set(root)}
    before: dict[int, dict[int, float]] = {node: {} for node in after}
    for row in rows:
        for a, b in zip(row, row[1:]):
            far = max(distance(a, b), after[root[a]].get(root[b], 0.0))
            after[root[a]][root[b]] = before[root[b]][root[a]] = far
    missing = {node: len(some) for node, some in before.items()}
    order = [node for node in sorted(missing) if not missing[node]]
    x: dict[int, float] = {}
    for node in order:
        x[node] = max((x[other] + far for other, far in before[node].items()), default=0.0)
        for other in after[node]:
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    for node in reversed(order):
        if after[node]:
            x[node] = max(x[node], min(x[other] - far for other, far in after[node].items()))
    return [x[node] for node in root]
