"""The loss of connectionist temporal classification (Graves et al. 2006), and its derivative by hand.

A network gives for each step a distribution over classes, of which the last is the blank. A path, one class a step,
stands for the labels that are left when repetitions, then blanks, are taken out of it. The loss is -log of the
probability of all paths that stand for the wanted labels. They are summed step by step over the symbols blank, label 1,
blank, label 2, ..., blank, in logarithms: `alphas` has all ways to a symbol, the derivative also needs all ways on from
it. The bodies pass over (samples, symbols) at once, one step after the other; on a GPU a block does that for a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import REDUCTIONS, Complaint, launch, scatter_add, take, xp
from ..graph import Apply, Call, Op, Spec, Tensor, apply, frozen
from .convert import cast
from .indexing import out_of_range, range_check

NEVER = -1e30
"""Stands for log(0): far below the logarithm of any path, so that all arithmetic is finite."""
MOST_THREADS = 512  # of a block, on a GPU


class _CTC(Op):
    """What the loss and its derivative share: (log_p, labels, times, lengths) as their last inputs."""

    kernel_types = ("float32", "float64")
    contiguous: tuple[int, ...] = (0,)

    def takes_kernel(self, ins: Sequence[Spec]) -> bool:
        """For whole numbers of 32 bits."""
        return super().takes_kernel(ins) and all(s.dtype == "int32" for s in ins[-3:])

    def _room(self, log_p: Spec, labels: Spec) -> list[Spec]:
        """For `_prepare`, and three ways to each symbol with their maximum."""
        (samples, steps, _), width, dtype = log_p.shape, labels.shape[1], log_p.dtype
        assert width is not None
        symbols = 2 * width + 1
        return [Spec((samples, width), "bool"), Spec((samples, width), "int64"), Spec((steps, samples, width), "int64"),
                Spec((steps, samples, symbols), dtype), Spec((3, samples, symbols), dtype),
                Spec((3, samples, symbols), dtype), Spec((samples, symbols), dtype)]

    def _prepare(self, ins: Sequence[Any], room: Sequence[Any], checked: bool) -> list[Call]:
        """Fills the first five of `_room`: which labels count (then: to which one may not skip), the labels, with 0
        for those that do not count, their places among `log_p`, the symbols' log-probabilities at each step, and what
        the ways add: log(0) where one may not go, of two symbols, one, and none ahead."""
        (log_p, labels, times, lengths), (flags, clean, places, emitted, bars) = ins, room[:5]
        samples, steps, classes = log_p.shape
        width = labels.shape[1]
        numbers = xp.arange(samples * steps, dtype="int64").reshape(samples, steps).T[..., None] * classes
        calls: list[Call] = [(xp.less, (xp.arange(width), lengths[:, None], flags)),
                             (xp.multiply, (labels, flags, clean))]
        if checked:
            calls += [range_check(values, length, f"{self.name}: {what}")
                      for values, length, what in self._limits(clean, times, lengths, log_p)]
        calls += [(xp.add, (numbers, clean, places)), (take, (log_p.reshape(-1), places, None, emitted[:, :, 1::2])),
                  (xp.copyto, (emitted[:, :, ::2], log_p[:, :, -1].T[..., None])),
                  (_at_least, (emitted, NEVER)), (bars.fill, (0,)), (bars[0, :, ::2].fill, (NEVER,))]
        if width > 1:
            same = flags[:, 1:]
            calls += [(xp.equal, (clean[:, 1:], clean[:, :-1], same)),
                      (xp.copyto, (bars[0, :, 3::2], NEVER, "same_kind", same)),
                      (xp.equal, (clean[:, 1:], classes - 1, same)),
                      (xp.copyto, (bars[0, :, 3::2], NEVER, "same_kind", same))]
        return calls

    @staticmethod
    def _limits(labels: Any, times: Any, lengths: Any, log_p: Any) -> list[tuple[Any, int, str]]:
        """What must lie in [0, limit), and how it is called."""
        return [(labels, log_p.shape[2], "labels"), (times, log_p.shape[1] + 1, "input lengths"),
                (lengths, labels.shape[1] + 1, "label lengths")]

    def _launch(self, name: str, log_p: Any, labels: Any, *arguments: Any) -> list[Call]:
        (samples, steps, classes), width = log_p.shape, labels.shape[1]
        if not samples:
            return []
        threads = min(max(32, 1 << (2 * width).bit_length()), MOST_THREADS)
        return [launch("ctc", name, log_p.dtype, samples, *arguments, samples, steps, classes, width, block=threads)]


def _sum_ways(ways: Any, largest: Any, out: Any) -> list[Call]:
    """out = log(sum(exp(ways))) over axis 0."""
    return [(REDUCTIONS["max"], (ways, 0, None, largest)), (xp.subtract, (ways, largest, ways)), (xp.exp, (ways, ways)),
            (REDUCTIONS["sum"], (ways, 0, None, out)), (xp.log, (out, out)), (xp.add, (out, largest, out))]


def _at_least(x: Any, bound: float) -> None:
    xp.maximum(x, bound, out=x)


def _neighbours(row: Any) -> Any:
    """For each symbol s of the (samples, symbols) that a padded row holds, columns s, s + 1 and s + 2 of the row."""
    samples, width = row.shape
    return xp.lib.stride_tricks.as_strided(row, (3, samples, width - 2), (row.strides[1], *row.strides))


@frozen
class CTCLoss(_CTC):
    """(log_p, labels, times, lengths) -> (loss, alphas). log_p is (samples, steps, classes), labels (samples, width);
    the first times[i] steps and lengths[i] labels of sample i count. The loss is infinite where no path is possible.

    alphas, (steps + 1, samples, 2 width + 3), is for the derivative: see kernels/ctc.cu.
    """

    name = "ctc_loss"

    def infer(self, *ins: Spec) -> tuple[Spec, ...]:
        """One number a sample; the alphas."""
        log_p, labels, times, lengths = ins
        if [len(s.shape) for s in ins] != [3, 2, 1, 1]:
            raise ValueError("log-probabilities (samples, steps, classes), labels (samples, width) and two lengths "
                             f"(samples,) are needed, got shapes {', '.join(str(s.shape) for s in ins)}")
        counts = {s.shape[0] for s in ins} - {None}
        if len(counts) > 1:
            raise ValueError(f"different numbers of samples: {', '.join(str(s.shape[0]) for s in ins)}")
        if log_p.dtype not in self.kernel_types:
            raise ValueError(f"log-probabilities must be float32 or float64, got {log_p.dtype}")
        (samples, steps, _), width = log_p.shape, labels.shape[1]
        return Spec((samples,), log_p.dtype), Spec((None if steps is None else steps + 1, samples,
                                                    None if width is None else 2 * width + 3), log_p.dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_room`; the places of the last two symbols and their values, and whether there is no path."""
        ends = (2, ins[0].shape[0])
        return [*self._room(*ins[:2]), Spec(ends, "int64"), Spec(ends, ins[0].dtype), Spec(ends[1:], "bool")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Step by step: the sum of the ways, times the symbol's probability."""
        (_, _, times, lengths), (loss, alphas) = ins, outs
        emitted, bars, ways, largest, ends, last, lost = scratch[3:]
        rows, samples, width = alphas.shape
        starts = xp.arange(samples, dtype="int64") * width + 2
        calls = [*self._prepare(ins, scratch, True), (alphas[0].fill, (NEVER,)), (alphas[0, :, 1].fill, (0,)),
                 (alphas[1:, :, :2].fill, (NEVER,))]
        for before, after, e in zip(alphas[:-1], alphas[1:], emitted):
            now = after[:, 2:]
            calls += [(xp.add, (_neighbours(before), bars, ways)), *_sum_ways(ways, largest, now),
                      (xp.add, (now, e, now))]
        return [*calls, (xp.multiply, (times, samples * width, ends[0])), (xp.add, (ends[0], starts, ends[0])),
                (xp.add, (ends[0], lengths, ends[0])), (xp.add, (ends[0], lengths, ends[0])),
                (xp.subtract, (ends[0], 1, ends[1])), (take, (alphas.reshape(-1), ends, None, last)),
                (xp.logaddexp, (last[0], last[1], loss)), (xp.negative, (loss, loss)),
                (xp.greater, (loss, -NEVER / 10, lost)), (xp.copyto, (loss, np.inf, "same_kind", lost))]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, a block a sample."""
        log_p, labels, times, lengths = ins
        faults = [Complaint(out_of_range(f"{self.name}: {what}", limit))
                  for _, limit, what in self._limits(labels, times, lengths, log_p)]
        return self._launch("ctc_forward", log_p, labels, *ins, *outs, *faults)

    def gradient(self, node: Apply, *grads: Tensor) -> Sequence[Tensor | None]:
        """By CTCLossGradient."""
        return [apply(CTCLossGradient(), grads[0], *node.outputs, *node.inputs), None, None, None]


@frozen
class CTCLossGradient(_CTC):
    """(g, loss, alphas, log_p, labels, times, lengths) -> the derivative with respect to log_p: -g times the share of
    all paths that emit a class at a step; 0 where no path is possible."""

    name = "ctc_loss_gradient"
    contiguous = (3,)

    def infer(self, *ins: Spec) -> Spec:
        """The log-probabilities' shape."""
        return Spec(ins[3].shape, ins[3].dtype)

    def scratch(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See `_room`; ways on from each symbol, with padding and of all steps, the symbols at which paths end, when
        they do and both, the labels' shares and the blank's, one number a sample and whether it is infinite."""
        log_p, labels = ins[3:5]
        room = self._room(log_p, labels)
        steps, samples, symbols = room[3].shape
        dtype = log_p.dtype
        assert symbols is not None
        return [*room, Spec((samples, symbols + 2), dtype), room[3], Spec((samples, symbols), "bool"),
                Spec((steps, samples, 1), "bool"), Spec((steps, samples, symbols), "bool"),
                room[2]._replace(dtype=dtype), Spec((steps, samples), dtype), Spec((samples,), dtype),
                Spec((samples,), "bool")]

    def calls(self, ins: Sequence[Any], outs: Sequence[Any], scratch: Sequence[Any]) -> list[Call]:
        """Back from the last step: the sum of the ways on from each symbol; then all shares at once."""
        (g, loss, alphas, _, _, times, lengths), out = ins, outs[0]
        _, _, places, emitted, bars, ways, largest, padded, rest = scratch[:9]
        final, ending, ends, own, blanks, number, lost = scratch[9:]
        steps, _, symbols = rest.shape
        halves = (xp.arange(symbols) + 1) // 2  # the length for which a path may end at a symbol
        calls = [*self._prepare(ins[3:], scratch, False), (xp.copyto, (bars[2, :, :-2], bars[0, :, 2:])),
                 (bars[0].fill, (0,)), (xp.equal, (halves, lengths[:, None], final)),
                 (xp.equal, (times[:, None], xp.arange(1, steps + 1)[:, None, None], ending)),
                 (xp.logical_and, (ending, final, ends)), (padded.fill, (NEVER,))]
        for t in reversed(range(steps)):
            if t < steps - 1:
                calls.append((xp.add, (rest[t + 1], emitted[t + 1], padded[:, :symbols])))
            calls += [(xp.add, (_neighbours(padded), bars, ways)), *_sum_ways(ways, largest, rest[t]),
                      (xp.copyto, (rest[t], 0, "same_kind", ends[t]))]
        return [*calls, (xp.copyto, (number, loss)), (xp.isinf, (loss, lost)),
                (xp.copyto, (number, -np.inf, "same_kind", lost)), (xp.add, (rest, alphas[1:, :, 2:], rest)),
                (xp.add, (rest, number[:, None], rest)), (xp.exp, (rest, rest)), (xp.negative, (g, number)),
                (xp.multiply, (rest, number[:, None], rest)), (out.fill, (0,)),
                (REDUCTIONS["sum"], (rest[:, :, ::2], -1, None, blanks)), (xp.copyto, (out[:, :, -1], blanks.T)),
                (xp.copyto, (own, rest[:, :, 1::2])),
                (scatter_add, (out.reshape(-1), places.reshape(-1), own.reshape(-1)))]

    def workspace(self, ins: Sequence[Spec], outs: Sequence[Spec]) -> list[Spec]:
        """See ctc_backward."""
        samples, width, dtype = ins[4].shape[0], ins[4].shape[1], ins[3].dtype
        assert width is not None
        return [Spec((samples, 2, 2 * width + 2), dtype), Spec((samples, 2 * width + 1), dtype),
                Spec((samples, 2, width), "int32")]

    def launches(self, ins: Sequence[Any], outs: Sequence[Any], room: Sequence[Any]) -> list[Call]:
        """One kernel, a block a sample."""
        return self._launch("ctc_backward", ins[3], ins[4], *ins, *outs, *room)


def ctc_loss(log_p: Tensor, labels: Tensor, times: Tensor, lengths: Tensor) -> Tensor:
    """The loss of each sample, from log-probabilities."""
    return apply(CTCLoss(), log_p, *(cast(t, "int32") for t in (labels, times, lengths)))[0]
