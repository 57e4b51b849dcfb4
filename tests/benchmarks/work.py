"""Work counted, not timed: what a training step of gpukeras consists of. The counts are the same on every machine that
takes the same paths, so a table of ceilings can hold them (ceilings.json, quick.py)."""

from __future__ import annotations

import tracemalloc
from array import array
from typing import Any

if __package__:
    from .programs import CASES
else:
    from programs import CASES  # type: ignore[no-redef]

WARM_UPS, RUNS = 2, 3


def count(program: str, model: Any, x: Any, y: Any) -> dict[str, int]:
    """Of a step of the model's train function on a batch:

    - `calls`: calls that Python makes
    - `steps`: ops with work to do, after fusion (views have none); `uncompiled`: those that run neither compiled nor as
      a kernel
    - `arena`: bytes of memory planned for; `traffic`: bytes that the steps read and write, each input and output once
    - `passing`: bytes that a step allocates and frees again; `growing`: bytes that it does not, over three steps
    - on a GPU also what `_on_device` finds
    """
    from gpukeras import device
    from gpukeras.compiler.bodies import uses_kernel, uses_tasks
    from gpukeras.graph import ViewOp

    batch = CASES[program].batch
    model._make_train_function()
    feed, rows = _feed(model, x[:batch], y[:batch])
    feed.run(rows, batch)
    made = feed._program
    steps = [step for step in made.plan.steps if not isinstance(step.op, ViewOp)]
    found = {
        "calls": len(made.calls),
        "steps": len(steps),
        "uncompiled": sum(not (uses_tasks(step) or uses_kernel(step)) for step in steps),
        "arena": made.plan.size,
        "traffic": sum(_bytes(v) for step in steps for v in {*step.reads(), *step.outs}),
        **_allocated(feed, rows, batch),
    }
    return found | _on_device(model, x, y, batch) if device.NAME == "cupy" else found


def _on_device(model: Any, x: Any, y: Any, batch: int) -> dict[str, Any]:
    """Of an epoch as `fit` makes it, when nobody looks at it meanwhile: the `kernels` of a step, batch gathered and all
    (nodes of the recorded graph, which the driver counts), how many steps are `together` in a graph, and the seconds of
    a step on the `device`, between two events."""
    from gpukeras.device import xp

    feed, _ = _feed(model, x, y)
    steps, first = len(x) // batch, slice(0, batch)
    for times in (1, 1, steps, steps):
        feed.run(first, batch, times)
    begin, end = xp.cuda.Event(), xp.cuda.Event()
    begin.record()
    feed.run(first, batch, steps)
    end.record()
    end.synchronize()
    graphs = feed._bound[batch].loop._graphs
    return {"kernels": graphs[1].nodes() if graphs else len(feed._program.calls), "together": max(graphs, default=1),
            "device": xp.cuda.get_elapsed_time(begin, end) / 1e3 / steps}


def _feed(model: Any, x: Any, y: Any) -> tuple[Any, slice]:
    """What `fit` runs its batches with, and the rows of the first, in an order of its own as after shuffling."""
    import numpy as np

    from gpukeras.engine import loops

    arrays = [array for part in model._standardize_user_data(x, y, None) for array in part]
    feed = loops._feed(model.train_function, arrays, model._phase_value(model.train_function, True))
    feed.order(np.arange(len(x))[::-1].copy())
    return feed, slice(0, len(x))


def _bytes(value: Any) -> int:
    import numpy as np
    return int(value.size * np.dtype(value.dtype).itemsize)


def _allocated(feed: Any, rows: slice, batch: int) -> dict[str, int]:
    """Bytes that Python and NumPy allocate in a step, by tracemalloc."""
    import numpy as np
    with np.errstate(all="ignore"):
        tracemalloc.start()
        try:
            for _ in range(WARM_UPS):
                feed.run(rows, batch)
            seen = array("q", [0] * (2 * RUNS + 2))  # numbers in it are no objects that would count themselves
            for i in range(RUNS):
                seen[2 * i] = tracemalloc.get_traced_memory()[0]
                tracemalloc.reset_peak()
                feed.run(rows, batch)
                seen[2 * i + 1] = tracemalloc.get_traced_memory()[1]
            seen[2 * RUNS] = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    return {"passing": max(seen[2 * i + 1] - seen[2 * i] for i in range(RUNS)), "growing": seen[2 * RUNS] - seen[0]}
