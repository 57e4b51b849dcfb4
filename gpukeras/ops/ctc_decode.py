"""From a network's distributions over classes back to labels, by best path or by beam search. Both run on the host."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappush, heapreplace
from typing import Any

import numpy as np

from ..device import to_host, upload
from ..graph import Call, Op, Spec, Tensor, frozen
from .indexing import check_range

Decoded = tuple[list[np.ndarray], np.ndarray]


@frozen
class CTCDecode(Op):
    """(logits, times) -> the `paths` best sequences of labels, each (samples, steps) with -1 behind its end, and a
    number for each, (samples, paths): see `best_path` (for beam_width 0) and `beam_search`."""

    beam_width: int
    paths: int
    name = "ctc_decode"

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """As many labels as steps, at most."""
        logits, times = ins
        if len(logits.shape) != 3 or len(times.shape) != 1:
            raise ValueError("logits (samples, steps, classes) and lengths (samples,) are needed, got shapes "
                             f"{logits.shape} and {times.shape}")
        return (*[Spec(logits.shape[:2], "int64")] * self.paths, Spec((logits.shape[0], self.paths), logits.dtype))

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """One function on the host."""
        return [(self._decode, (*ins, *outs))]

    def _decode(self, logits: Any, times: Any, *outs: Any) -> None:
        found, numbers = decode(to_host(logits), to_host(times), self.beam_width, self.paths)
        for out, value in zip(outs, [*found, numbers], strict=True):
            upload(out, value)

    def gradient(self, node: Any, *grads: Tensor) -> Sequence[Tensor | None]:
        """None: labels do not vary smoothly."""
        return [None, None]


def decode(logits: np.ndarray, times: np.ndarray, beam_width: int, paths: int) -> Decoded:
    """What CTCDecode gives, on host arrays. IndexError for a number of steps that is not there."""
    check_range(times, logits.shape[1] + 1, f"{CTCDecode.name}: input lengths")
    return beam_search(logits, times, beam_width, paths) if beam_width else best_path(logits, times)


def best_path(logits: np.ndarray, times: np.ndarray) -> Decoded:
    """The likeliest class of each step, repetitions and then blanks left out, and minus the sum of these logits.

    >>> logits = np.log([[[.8, .1, .1], [.7, .1, .2], [.1, .1, .8], [.5, .4, .1]]])
    >>> best_path(logits, np.array([4]))[0][0].tolist()
    [[0, 0, -1, -1]]
    """
    samples, steps, classes = logits.shape
    inside = np.arange(steps) < times[:, None]
    best = logits.argmax(-1) if steps else np.zeros((samples, 0), np.int64)
    kept = inside & (best != classes - 1)
    kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    labels = np.full((samples, steps), -1, np.int64)
    labels[np.nonzero(kept)[0], (kept.cumsum(1) - 1)[kept]] = best[kept]
    likeliest = np.take_along_axis(logits, best[..., None], -1)[..., 0]
    return [labels], -np.where(inside, likeliest, 0).sum(1, keepdims=True)


def beam_search(logits: np.ndarray, times: np.ndarray, beam_width: int, paths: int) -> Decoded:
    """Prefix beam search (Graves 2012): the likeliest label sequences among the `beam_width` best after each step, and
    the logarithms of their probabilities, best first. As TensorFlow's op does by default, repeated labels in a result
    are then merged, also those with a blank between them."""
    samples, steps, _ = logits.shape
    labels = [np.full((samples, steps), -1, np.int64) for _ in range(paths)]
    numbers = np.zeros((samples, paths), logits.dtype)
    exact = logits.astype("float64")
    top = exact.max(-1, keepdims=True, initial=np.finfo("float64").min)
    log_p = exact - top - np.log(np.exp(exact - top).sum(-1, keepdims=True))
    for i, time in enumerate(times):
        beam = _Beam(beam_width)
        for p in log_p[i, :time]:
            beam.step(p)
        if len(beam.total) < paths:
            raise ValueError(f"ctc_decode: top_paths is {paths}, but {time} steps of sample {i} lead to "
                             f"{len(beam.total)} sequences only")
        numbers[i] = beam.total[:paths]
        for k in range(paths):
            found = beam.sequence(k)
            labels[k][i, :len(found)] = found
    return labels, numbers


class _Beam:
    """The best prefixes after some steps, best first. `blank` and `label` have the log-probability of those paths to a
    prefix that end with a blank and with its last label, `total` of both. Prefixes are nodes of a tree."""

    def __init__(self, width: int):
        self._width = width
        self._above, self._labels = [-1], [-1]  # of each node; node 0 is the empty prefix
        self._below: dict[tuple[int, int], int] = {}
        self._nodes = [0]
        self.total, self.blank, self.label = np.zeros(1), np.zeros(1), np.full(1, -np.inf)

    def step(self, p: np.ndarray) -> None:
        """Takes one more step, with these log-probabilities of the classes."""
        slots = {node: slot for slot, node in enumerate(self._nodes)}
        last = np.array([self._labels[n] for n in self._nodes])
        above = np.array([slots.get(self._above[n], -1) for n in self._nodes])
        came = np.where(last == last[above], self.blank[above], self.total[above])
        label = np.logaddexp(self.label, np.where(above >= 0, came, -np.inf)) + p[last]
        blank = self.total + p[-1]
        grown = self.total[:, None] + p[:-1]
        own = np.nonzero(last >= 0)[0]
        grown[own, last[own]] = self.blank[own] + p[last[own]]  # the same label again needs a blank between
        below: list[dict[int, int]] = [{} for _ in last]
        for slot, (parent, number) in enumerate(zip(above.tolist(), last.tolist())):
            if parent >= 0:
                below[parent][number] = slot
        chosen = self._choose(np.logaddexp(label, blank).tolist(), grown, below)
        count = len(last)
        self.total = np.array([total for total, _ in chosen])
        self.blank = np.array([blank[i] if i < count else -np.inf for _, i in chosen])
        self.label = np.array([label[i] if i < count else total for total, i in chosen])
        self._nodes = [self._nodes[i] if i < count else self._child(*divmod(i - count, len(p) - 1)) for _, i in chosen]

    def _choose(self, stay: list[float], grown: np.ndarray, below: list[dict[int, int]]) -> list[tuple[float, int]]:
        """The best of the prefixes that there are, numbered from 0, and of those one label longer, which follow, best
        first. `below` has the prefixes that are another's with one label more, by that label.

        These are not quite the best of all: the order of events is that of TensorFlow's op, in which a prefix that has
        lost its place before its own parent was looked at does not grow any more.
        """
        heap = [(total, i) for i, total in enumerate(stay)]
        heapify(heap)
        lost: set[int] = set()
        stuck: set[int] = set()
        for slot, before in enumerate(self.total.tolist()):
            least = heap[0][0] if len(heap) == self._width else -np.inf
            if before <= least or slot in stuck:
                continue
            totals = grown[slot]
            for label in sorted({*np.nonzero(totals > least)[0].tolist(), *below[slot]}):
                if label in below[slot]:
                    stuck |= lost & {below[slot][label]}
                    continue
                new = float(totals[label]), len(stay) + slot * len(totals) + label
                if len(heap) < self._width:
                    heappush(heap, new)
                elif new[0] > heap[0][0]:
                    lost.add(heapreplace(heap, new)[1])
        return sorted(heap, key=lambda entry: (-entry[0], entry[1]))

    def _child(self, slot: int, label: int) -> int:
        key = self._nodes[slot], label
        if key not in self._below:
            self._below[key] = len(self._above)
            self._above.append(key[0])
            self._labels.append(label)
        return self._below[key]

    def sequence(self, slot: int) -> list[int]:
        """The labels of a prefix, of equal neighbours one."""
        node = self._nodes[slot]
        found: list[int] = []
        while node:
            if not found or found[-1] != self._labels[node]:
                found.append(self._labels[node])
            node = self._above[node]
        return found[::-1]
