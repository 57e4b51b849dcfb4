"""The callbacks of a fit, an evaluation or a prediction as one list to drive, and the hooks around the latter two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import callbacks as cb
from ..utils.metric_names import unique_names
from . import dealing


class Hooks:
    """The hooks around an evaluation ('test') or a prediction ('predict'), which newer Keras has. Where no callback
    listens, nothing is called and no value is read.

    Logs of a batch hold its values by name, or, in a prediction, the 'outputs'.
    """

    def __init__(self, callbacks: Any, kind: str, names: Sequence[str]):
        self._callbacks, self._kind = callbacks, kind
        self._names = unique_names(names)
        self._whole = callbacks is not None and callbacks.needs(f"on_{kind}_begin", f"on_{kind}_end")
        self.batches = callbacks is not None and callbacks.needs(f"on_{kind}_batch_begin", f"on_{kind}_batch_end")

    def begin(self) -> None:
        """The evaluation or prediction starts."""
        if self._whole:
            self._call("begin", cb.Logs())

    def batch_begin(self, batch: int, size: int) -> None:
        """A batch starts."""
        if self.batches:
            self._call("batch_begin", batch, cb.Logs(batch=batch, size=size))

    def batch_end(self, batch: int, size: int, values: Sequence[Any]) -> None:
        """A batch is done, with these values."""
        if self.batches:
            named = dict(zip(self._names, values)) if self._kind == "test" else {"outputs": list(values)}
            self._call("batch_end", batch, cb.Logs(**named, batch=batch, size=size))

    def end(self, values: Any) -> Any:
        """The evaluation or prediction is done, with these values, which are returned."""
        if self._whole:
            self._call("end", cb.Logs(zip(self._names, values)))
        return values

    def _call(self, moment: str, *args: Any) -> None:
        getattr(self._callbacks, f"on_{self._kind}_{moment}")(*args)


def listeners(model: Any, callbacks: Any, **params: Any) -> Any:
    """The callbacks of an evaluation or a prediction as one list to drive; None if there are none."""
    if not callbacks or isinstance(callbacks, cb.CallbackList):
        return callbacks or None
    found = listing(objects(callbacks), model)
    found.set_model(model)
    found.set_params({"epochs": 1, "do_validation": False, "metrics": unique_names(getattr(model, "metrics_names", ())),
                      **params})
    return found


def listing(callbacks: list[Any], model: Any) -> Any:
    """The callbacks as one list to drive: on rank 0 only, if several train the model together."""
    job = dealing.job_of(model)
    if job is None:
        return cb.CallbackList(callbacks)
    from ..callbacks.ranked import RankedCallbackList  # late: only ranks have a use for it

    return RankedCallbackList(callbacks, job, model)


def objects(callbacks: Any) -> list[Any]:
    """The callbacks that were given, one or several; TypeError for what is none."""
    if callbacks is None:
        return []
    found = list(callbacks) if isinstance(callbacks, (list, tuple, cb.CallbackList)) else [callbacks]
    for callback in found:
        if isinstance(callback, type) or not hasattr(callback, "set_model"):
            hint = f"; write {callback.__name__}()" if isinstance(callback, type) else ""
            raise TypeError(f"callbacks should be a list of Callback objects, but one of them is {callback!r}{hint}")
    return found
