"""The function of a training step of which each rank computes its part: the step, and what is summed over the ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from .. import device
from ..backend import ranks
from ..backend.updates import together
from ..compiler import Feed, Function
from ..device.job import Job, computing, part_of
from ..graph.substitute import substitute
from ..utils.messages import warn
from .dealing import is_first, job_of, parts_of
from .kinds import SAME, Kinds, NotDealt
from .parts import PartedFunction, array_of, check_shares, rows_of, samples_in
from .totals import Totals


def make_train_function(model: Any) -> Any:
    """The function of a step that the ranks take together, or that is taken in parts; None where each process has to
    compute whole batches, after a warning that says why (or, with distribute=True, NotDealt)."""
    found, parts = job_of(model), parts_of(model)
    try:
        if parts > 1:
            return PartedFunction(*_train_function(model, in_parts=True), parts, found)
        return None if found is None else DealtFunction(model, found)
    except NotDealt as why:
        refused = f"computed in {parts} parts" if found is None or parts > 1 else f"dealt to the {found.size} ranks"
        message = f"batches of this model can't be {refused}: {why}"
        if found is not None and model._distribute is True:
            raise NotDealt(f"compile(distribute=True): {message}") from None
        if is_first():
            who = "Every rank computes" if found else "It computes"
            warn(f"{message[0].upper()}{message[1:]}. {who} whole batches, which is right but no faster.")
        return None


class DealtFunction:
    """A training function that takes whole batches, of which this rank computes its part: called like `Function`. The
    sums over the ranks are inside; by itself (`Job.alone`) a rank computes whole batches without them."""

    def __init__(self, model: Any, found: Job):
        self.job = found
        self._function, self._at = _train_function(model)
        self.name = "train_function"

    deals = property(lambda self: self.job.together)
    inputs = property(lambda self: [p for i, p in enumerate(self._function.inputs) if i != self._at])
    outputs = property(lambda self: self._function.outputs[:-1])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_function"], name)

    def __call__(self, inputs: Sequence[Any], on_device: bool = False) -> list[Any]:
        """The outputs, which are those of the whole batch, for all ranks."""
        given = list(inputs)
        count = samples_in(map(array_of, given))
        if not self.job.together or not count:
            self.job.changed_alone = True
            return self._function([*given[:self._at], None, *given[self._at:]], on_device)[:-1]
        part = part_of(count, self.job.rank, self.job.size)
        mine = rows_of(map(array_of, given), _rows(part), count)
        with computing(part):
            found = self._function([*mine[:self._at], (part.length, count), *mine[self._at:]], on_device)
        self.check(found[-1])
        return found[:-1]

    def check(self, shares: Any) -> None:
        """Whether the ranks had parts of the same batch: their shares of it make 1."""
        check_shares(shares, f"rank {self.job.rank}: ")

    def feed(self, arrays: Sequence[Any], phase: Sequence[float]) -> Feed:
        """A feed of whole data arrays."""
        return DealtFeed(self, arrays, phase)


class DealtFeed(Feed):
    """A feed that runs this rank's part of each batch."""

    def __init__(self, function: DealtFunction, arrays: Sequence[Any], phase: Sequence[float]):
        at = function._at
        data = [*arrays, *([None] * len(phase))]
        fixed = {(i if i < at else i + 1): v for i, v in enumerate(phase, len(arrays))}
        super().__init__(function._function, [*data[:at], None, *data[at:]], {**fixed, at: (0, 0)})
        self._dealt, self._at = function, at

    def run(self, rows: Any, count: int, times: int = 1) -> None:
        """One step on `count` rows, a slice of the order; with `times`, as many on the rows that follow."""
        part = part_of(count, self._dealt.job.rank, self._dealt.job.size)
        self.fix(self._at, (part.length, count))
        mine = _rows(part)
        with computing(part):
            for first in range(rows.start, rows.start + times * count, count):
                super().run(slice(first + mine.start, first + mine.stop), mine.stop - mine.start)

    def check(self) -> None:
        """Raises what was wrong in the last step."""
        super().check()
        if self._values:
            self._dealt.check(device.to_host(self._values[-1]))

    def outputs(self, on_device: bool = False) -> list[Any]:
        """The outputs of the last run."""
        return super().outputs(on_device)[:-1]


def _rows(part: Any) -> slice:
    """A rank's rows of a batch; one that has none computes a row all the same, which counts nothing."""
    start = min(part.start, part.whole - 1)
    return slice(start, start + max(part.length, 1))


def _train_function(model: Any, in_parts: bool = False) -> tuple[Function, int]:
    """The function with its sums over ranks, or over parts, and the place of the input that says which rows are
    whose."""
    fed = [*model._feed_inputs, *model._feed_targets, *model._feed_sample_weights]
    if not model._feed_inputs:
        raise NotDealt("it reads tensors of its own")
    fixed = [p.name for p in model._feed_inputs if p.shape[0] is not None]
    if fixed:
        raise NotDealt(f"the number of samples of its input '{fixed[0]}' is fixed (batch_shape)")
    if model.stateful:
        raise NotDealt("its layers keep a state for each sample of a batch (stateful=True)")
    live = model._live_metrics
    metrics = model._numbers()
    layer_updates = together(model.updates)
    changes = [(v, new) for one in live.values() for v, new in one.updates]
    kinds = Kinds([*metrics, *(new for _, new in layer_updates), *(new for _, new in changes)], fed,
                  model._feed_sample_weights)
    loss = kinds.dealt(model.total_loss)
    if kinds.mixed and is_first():
        names = ", ".join(f"'{name}'" for name in list(kinds.mixed)[:4])
        who = "part" if in_parts else "rank"
        warn(f"{names} uses a mean or a sum over the samples of a batch: each {who} has that of its own samples, as in "
             "batch normalization.")
    share = ranks.share(loss.dtype)
    values = [_averaged(kinds, m, i) for i, m in enumerate(metrics) if i not in live]
    moving = [(v, new) for v, new in layer_updates if kinds.of(new) != SAME and v.dtype.startswith("float")]
    added = [_added(v, new, kinds) for v, new in changes]
    with ranks.summing([*values, *(new * ranks.share(new.dtype) for _, new in moving), *added, share],
                       in_parts) as sums:
        steps = model.optimizer.get_updates(params=model._collected_trainable_weights, loss=loss * share)
        reduced = sums.rest()
    parts_of = iter(reduced)
    whole_values = {i: next(parts_of) for i in range(len(metrics)) if i not in live}
    whole_moving = {v: next(parts_of) for v, _ in moving}
    whole_changes = {new: K.update_add(v, next(parts_of)) for v, new in changes}
    for i in live:
        whole_values[i] = substitute(metrics[i], {new: whole for new, (_, whole) in whole_changes.items()})
    model._train_totals = Totals(len(metrics), {
        i: one._replace(updates=[whole_changes[new] for _, new in one.updates]) for i, one in live.items()})
    outputs = [whole_values[i] for i in range(len(metrics))]
    inputs = [*fed, ranks.parts(), *model._phase_inputs()]
    size = ranks.rows_of_batch()
    if not in_parts:  # a rank may compute a batch alone
        size = K.maximum(size, K.cast(K.shape(fed[0])[0], "float64"))
    totals = model._train_totals.updates(outputs, (), size)
    updates = [(v, whole_moving.get(v, new)) for v, new in layer_updates]
    function = K.function(inputs, [*outputs, next(parts_of)], updates=[*updates, *steps, *totals])
    function.name = "train_function"
    return function, len(fed)


def _averaged(kinds: Kinds, metric: Any, place: int) -> Any:
    """This rank's addend of a loss or metric."""
    try:
        metric = kinds.dealt(metric)
    except NotDealt:  # the loss was asked for before: this is a metric, and trains nothing
        if is_first():
            warn(f"metric {place} ('{metric.origin or metric.name}') is neither a mean nor a sum over the samples of a "
                 "batch: what is shown is the mean of its values on the parts of it.")
    return metric * ranks.share(metric.dtype)


def _added(variable: Any, new: Any, kinds: Kinds) -> Any:
    """What a batch adds to the state of a metric; NotDealt if it does anything else."""
    node = new.producer
    if node is not None and node.op.name == "add" and variable in node.inputs:
        return node.inputs[1] if node.inputs[0] is variable else node.inputs[0]
    raise NotDealt(f"the state '{variable.name}' of a metric is not a sum over batches")
