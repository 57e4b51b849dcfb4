"""Sums whose order does not depend on who computes what: numbered addends are added up as a tree over their numbers,
((0 + 1) + (2 + 3)) + ..., whichever ranks of a job have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpukeras.device.choice import xp
from gpukeras.device.job import Part


class Node(NamedTuple):
    """The sum of `number` addends from number `first` on."""

    first: int
    number: int
    vector: Any


class TreeSum:
    """Adds up vectors of one shape and dtype that come in the order of their numbers, from any number on.

    >>> from gpukeras.device import to_host
    >>> tree = TreeSum()
    >>> for i in range(3):
    ...     tree.add(Node(i, 1, xp.asarray([10.0 ** i, 1.0])))
    >>> to_host(tree.total()).tolist()
    [111.0, 3.0]
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._spare: list[Any] = []

    def begin(self, parts: Sequence[Part] = ()) -> None:
        """Forgets what was added before, and keeps its memory."""
        self._spare += [node.vector for node in self._nodes]
        self._nodes = []

    def add(self, node: Node) -> None:
        """Adds what comes next. Its vector stays the caller's, who may change it afterwards."""
        lent = True
        while self._nodes and _are_siblings(self._nodes[-1], node):
            node, lent = self._merged(self._nodes.pop(), node, lent), False
        if lent:
            own = self._spare.pop() if self._spare else xp.empty(node.vector.shape, node.vector.dtype)
            own[...] = node.vector
            node = node._replace(vector=own)
        self._nodes.append(node)

    def _merged(self, left: Node, right: Node, lent: bool) -> Node:
        xp.add(left.vector, right.vector, left.vector)
        if not lent:
            self._spare.append(right.vector)
        return Node(left.first, left.number + right.number, left.vector)

    def exchange(self, job: Any, stretches: Sequence[Part]) -> None:
        """Makes every rank's addends everyone's, of which rank r of the job has added those of `stretches[r]`."""
        if not stretches[job.rank].length:  # it has computed one all the same, for the shape
            self.begin()
        shapes = [shape_of(stretch) for stretch in stretches]
        vector = self._nodes[0].vector if self._nodes else self._spare[-1]
        if isinstance(vector, np.ndarray) and _are_pairs(shapes):
            room = self._spare.pop() if self._spare else np.empty_like(vector)
            job.sum_in_pairs(vector, room)
            self._spare.append(room)
            self._nodes = [Node(0, stretches[0].whole, vector)]
            return
        most = max(map(len, shapes))
        mine = xp.zeros((most, *vector.shape), vector.dtype)
        everyone = xp.empty((job.size, *mine.shape), vector.dtype)
        for i, node in enumerate(self._nodes):
            mine[i] = node.vector
        job.gather_alike(mine, everyone)
        self.begin()
        for rank, shape in enumerate(shapes):
            for i, (first, number) in enumerate(shape):
                self.add(Node(first, number, everyone[rank, i]))

    def total(self) -> Any:
        """The sum of all, valid until more is added; the next addend begins another."""
        while len(self._nodes) > 1:
            right, left = self._nodes.pop(), self._nodes.pop()
            self._nodes.append(self._merged(left, right, False))
        whole = self._nodes.pop().vector
        self._spare.append(whole)
        return whole


class RowsInOrder:
    """The rows of all parts of a batch in the order of the parts, on the host: a TreeSum's counterpart for tensors with
    as many rows for each sample."""

    def __init__(self) -> None:
        self._parts: Sequence[Part] = ()
        self._rows: list[Any] = []

    def begin(self, parts: Sequence[Part]) -> None:
        """Forgets what was added before; what comes now is of a batch in these parts."""
        self._parts, self._rows = parts, []

    def add(self, node: Node) -> None:
        """The rows of the next part."""
        self._rows.append(node.vector.copy())

    def exchange(self, job: Any, stretches: Sequence[Part]) -> None:
        """Makes every rank's rows everyone's, of which rank r of the job has those of the parts `stretches[r]`."""
        mine = np.concatenate(self._rows)
        samples = [sum(p.length for p in self._parts[s.start:s.start + s.length]) for s in stretches]
        each = len(mine) // (samples[job.rank] or self._parts[0].length)
        everyone = np.empty((sum(samples) * each, *mine.shape[1:]), mine.dtype)
        width = everyone[:each].size
        job.gather(mine.reshape(-1)[:samples[job.rank] * width], [n * width for n in samples], everyone.reshape(-1))
        self._rows = [everyone]

    def total(self) -> Any:
        """The rows of all."""
        return self._rows[0] if len(self._rows) == 1 else np.concatenate(self._rows)


def _are_siblings(left: Any, right: Any) -> bool:
    return bool(left[1] == right[1] and left[0] % (2 * left[1]) == 0)


def shape_of(stretch: Part) -> list[tuple[int, int]]:
    """The nodes (first, count) that a stretch of addends makes by itself.

    >>> shape_of(Part(3, 5, 8))
    [(3, 1), (4, 4)]
    """
    nodes: list[tuple[int, int]] = []
    for i in range(stretch.start, stretch.start + stretch.length):
        node = (i, 1)
        while nodes and _are_siblings(nodes[-1], node):
            first, count = nodes.pop()
            node = (first, 2 * count)
        nodes.append(node)
    return nodes


def _are_pairs(shapes: Sequence[Sequence[tuple[int, int]]]) -> bool:
    """Whether each rank has one node, all of a size, and their number is a power of two: then neighbours add theirs,
    then pairs of neighbours, and so on."""
    size, alike = len(shapes), shapes[0][0][1] if shapes[0] else 0
    return size & (size - 1) == 0 and all(list(shape) == [(rank * alike, alike)] for rank, shape in enumerate(shapes))
