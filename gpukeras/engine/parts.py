"""Training whose bits do not depend on the number of ranks: a batch is computed as a number of parts, one after the
other, by one process or dealt to ranks, and what the parts make is put together in one order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import backend as K
from .. import device
from ..backend import ranks
from ..compiler import Feed, Function
from ..device.job import Job, Part, computing, part_of
from ..device.tree import Node, RowsInOrder, TreeSum
from ..graph import Apply, Placeholder, Tensor, Variable, topological
from ..ops.random import Random
from ..ops.ranks import Across, Average
from .dealing import PARTS
from .kinds import NotDealt

Compute = Callable[["Stage", Part, list[Any]], list[Any]]


class Stage(NamedTuple):
    """What is computed of each part, and what puts the results of the parts together, one by one."""

    number: int
    function: Function
    wholes: list[TreeSum | RowsInOrder]


class Stages:
    """A step cut at its ops across ranks. Each stage is a function of a part of the batch and of what the stages before
    have put together; `last` is one of that alone, and changes the variables.

    There is one stage as a rule, which makes the gradients. Masks, weights of samples and synchronized normalization
    need means over the whole batch before that, and each of these a stage of its own. `fed`: the inputs of the step for
    which there is data. NotDealt if the step depends on samples in other ways than by ops across ranks.
    """

    def __init__(self, step: Function, at: int, fed: Sequence[Tensor]):
        roots = [*step.outputs, *(new for _, new in step.updates)]
        parts, phases = step.inputs[at], step.inputs[at + 1:]
        done: list[Tensor] = []
        self.stages: list[Stage] = []
        for nodes in _crossings(roots, set(fed)):
            function = K.function([*step.inputs, *done], [_sent(node) for node in nodes])
            function.name = step.name
            wholes = [RowsInOrder() if node.op == Across("rows") else TreeSum() for node in nodes]
            self.stages.append(Stage(len(self.stages), function, wholes))
            done += [node.outputs[0] for node in nodes]
        for node in topological(roots, done):
            if not set(fed).isdisjoint(node.inputs):
                raise NotDealt(f"a step needs all samples at once, for '{node.origin or node.op.name}'")
        self.last = K.function([parts, *phases, *done], step.outputs, step.updates)
        self.last.name = step.name


def _crossings(roots: Sequence[Tensor], fed: set[Tensor]) -> list[list[Apply]]:
    """The uses of ops across ranks: first those that need no other, then those that need these, and so on. A mean of
    constants is none."""
    varies: dict[Tensor, bool] = {}
    depth: dict[Tensor, int] = {}
    found: list[list[Apply]] = []
    for node in topological(list(roots)):
        for t in node.inputs:
            varies.setdefault(t, t in fed or isinstance(t, Variable)
                              or isinstance(t, Placeholder) and t.default is None)
        changes = any(varies[t] for t in node.inputs) or isinstance(node.op, Random)
        level = max((depth.get(t, 0) for t in node.inputs), default=0)
        if isinstance(node.op, Across) or isinstance(node.op, Average) and varies[node.inputs[0]]:
            if level == len(found):
                found.append([])
            found[level].append(node)
            level += 1
        varies.update(dict.fromkeys(node.outputs, changes))
        depth.update(dict.fromkeys(node.outputs, level))
    return found


def _sent(node: Apply) -> Tensor:
    """What a part gives."""
    x = node.inputs[0]
    return x * ranks.share(x.dtype) if isinstance(node.op, Average) else x


class PartedFunction:
    """A training function that takes whole batches and computes them in parts, of which each rank of a job, if there is
    one, computes some: called like `Function`."""

    deals = True  # whole data are for its own feed

    def __init__(self, step: Function, at: int, parts: int, job: Job | None):
        if job is not None and parts < job.size:
            raise ValueError(f"batches are to be computed in {parts} parts, which is too few for the {job.size} ranks "
                             f"of this job: ask for as many parts or more, best a multiple ({PARTS} or "
                             "compile(parts=))")
        self.parts, self.job, self.name = parts, job, step.name
        self._step, self.at = step, at
        self.lock = threading.RLock()
        self.inputs = [p for i, p in enumerate(step.inputs) if i != at]
        self.outputs, self.updates = step.outputs[:-1], step.updates
        self._random = [node.op for node in topological([*step.outputs, *(new for _, new in step.updates)])
                        if isinstance(node.op, Random)]
        self._stages: dict[tuple[bool, ...], Stages] = {}
        self.stages([True] * at)  # or it is not dealt
        for op in self._random if device.NAME == "cupy" else ():
            op.deal_in_parts()

    def stages(self, fed: Sequence[Any]) -> Stages:
        """The stages of a step for whose inputs there is data, or None."""
        key = tuple(x is not None for x in fed)
        if key not in self._stages:
            given = [t for t, there in zip(self._step.inputs, key) if there]
            self._stages[key] = Stages(self._step, self.at, given)
        return self._stages[key]

    def __call__(self, inputs: Sequence[Any], on_device: bool = False) -> list[Any]:
        """The outputs, which are those of the whole batch, for all ranks."""
        arrays, phase = [array_of(x) for x in inputs[:self.at]], list(inputs[self.at:])
        count = samples_in(arrays)

        def compute(stage: Stage, part: Part, received: list[Any]) -> list[Any]:
            mine = rows_of(arrays, slice(part.start, part.start + part.length), count)
            return stage.function.run([*mine, (part.length, count), *phase, *received])
        with self.lock:
            found = self.step(self.stages(arrays), count, phase, compute)
            self.check(device.to_host(found[-1]))
            return [device.new_array(a, a.dtype.name) if on_device else np.array(device.to_host(a))
                    for a in found[:-1]]

    def step(self, stages: Stages, count: int, phase: list[Any], compute: Compute) -> list[Any]:
        """One step on a batch of so many samples; `compute` gives what a stage makes of a part. The outputs are valid
        until the next; the last is the sum of the parts' shares of the batch."""
        number = max(min(self.parts, count), 1)
        parts = [part_of(count, i, number) for i in range(number)]
        job = self.job if self.job is not None and self.job.together else None
        if self.job is not None and job is None:
            self.job.changed_alone = True
        stretches = [part_of(number, rank, job.size) for rank in range(job.size)] if job else [Part(0, number, number)]
        first, length, _ = stretches[job.rank if job else 0]
        mine = parts[first:first + length] or parts[:1]  # a rank without parts draws the same random numbers as others
        draws: dict[Any, Any] = {}
        received: list[Any] = []
        streams = [(op, op.state.copy()) for op in self._random] if device.NAME == "cupy" else []
        for stage in stages.stages:
            for whole in stage.wholes:
                whole.begin(parts)
            for i, part in enumerate(mine, first):
                _seek(streams, i)
                with computing(part, draws):
                    values = compute(stage, part, received)
                for whole, value in zip(stage.wholes, values):
                    whole.add(Node(i, 1, value))
            for whole in stage.wholes:
                if job is not None:
                    whole.exchange(job, stretches)
                received.append(whole.total())
        _seek(streams, number)
        return stages.last.run([(count, count), *phase, *received])

    def check(self, shares: Any) -> None:
        """Whether the ranks had parts of the same batch: their shares of it make 1."""
        check_shares(shares)

    def feed(self, arrays: Sequence[Any], phase: Sequence[float]) -> Feed:
        """A feed of whole data arrays."""
        return PartedFeed(self, arrays, phase)


class PartedFeed(Feed):
    """A feed that computes each batch in parts."""

    def __init__(self, function: PartedFunction, arrays: Sequence[Any], phase: Sequence[float]):
        super().__init__(function, [])  # type: ignore[arg-type]
        self._parted, self._phase, self._stages = function, list(phase), function.stages(arrays)
        at = function.at
        fixed = {at: (0, 0), **dict(enumerate(phase, at + 1))}
        self._feeds = [Feed(stage.function, [*arrays, *[None] * (len(stage.function.inputs) - at)], fixed)
                       for stage in self._stages.stages]

    def order(self, index: np.ndarray | None) -> None:
        """From now on, slices count along `index`, an array of row numbers; None: along the data."""
        for feed in self._feeds:
            feed.order(index)

    def run(self, rows: Any, count: int, times: int = 1) -> None:
        """One step on `count` rows, a slice of the order; with `times`, as many on the rows that follow."""
        for first in range(rows.start, rows.start + times * count, count):
            def compute(stage: Stage, part: Part, received: list[Any], first: int = first) -> list[Any]:
                feed = self._feeds[stage.number]
                feed.fix(self._parted.at, (part.length, count))
                for i, value in enumerate(received, len(self._parted.inputs) + 1):
                    feed.give(i, value)
                start = first + part.start
                feed.run(slice(start, start + part.length), part.length)
                return feed.arrays()
            self._values = self._parted.step(self._stages, count, self._phase, compute)

    def check(self) -> None:
        """Raises what was wrong in the last step."""
        for feed in self._feeds:
            feed.check()
        if self._values:
            self._parted.check(device.to_host(self._values[-1]))

    def outputs(self, on_device: bool = False) -> list[Any]:
        """The outputs of the last run."""
        return super().outputs(on_device)[:-1]


def _seek(streams: Sequence[tuple[Random, Any]], part: int) -> None:
    for op, state in streams:
        op.seek(state, part)


# Batches that are dealt, to parts or to ranks -----------------------------------------------------------------------

def array_of(x: Any) -> Any:
    """What is fed, as something with rows: sparse matrices and lists become arrays."""
    x = x.toarray() if hasattr(x, "toarray") else x
    return x if x is None or hasattr(x, "shape") else np.asarray(x)


def samples_in(arrays: Iterable[Any]) -> int:
    """The number of rows of a batch; 0 if nothing in it has rows."""
    return next((x.shape[0] for x in arrays if x is not None and x.shape), 0)


def rows_of(arrays: Iterable[Any], rows: slice, count: int) -> list[Any]:
    """These rows of all that has one for each of the `count` samples; the rest as it is."""
    return [x[rows] if x is not None and x.shape[:1] == (count,) else x for x in arrays]


def check_shares(shares: Any, who: str = "") -> None:
    """RuntimeError, after `who` said it, unless the shares of a batch that were computed make 1."""
    if abs(float(shares) - 1) > 1e-4:
        raise RuntimeError(f"{who}the ranks have trained on batches of different lengths. All ranks must be given the "
                           "same batches, of which each takes its part.")
