"""Keras 1 spellings of arguments: which Keras 2 call they stand for, and a warning that gives it.

A `Spelling` decorates a constructor or method. The tables of the layers are in `gpukeras.legacy.interfaces`, those of
models and optimizers here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, TypeVar

from .messages import warn

F = TypeVar("F", bound=Callable[..., Any])


class Call:
    """A call being translated: what comes after `self`, and the old words that were found in it."""

    def __init__(self, name: str, args: list[Any], kwargs: dict[str, Any]):
        self.name, self.args, self.kwargs = name, args, kwargs
        self.old: list[str] = []
        self.notes: list[str] = []

    def drop(self, name: str) -> Any:
        """Takes the old keyword out and remembers that it was there."""
        self.old.append(name)
        return self.kwargs.pop(name)

    def put(self, name: str, value: Any, instead_of: str) -> None:
        """Sets the new keyword; TypeError if the caller gave that too."""
        if name in self.kwargs:
            raise TypeError(f"{self.name} got both `{name}=` and its Keras 1 spelling `{instead_of}=`; keep `{name}=`.")
        self.kwargs[name] = value

    def __str__(self) -> str:
        words = [*map(_brief, self.args), *(f"{name}={_brief(value)}" for name, value in self.kwargs.items())]
        return f"{self.name}({', '.join(words)})"


class Spelling:
    """Decorates a function that shall also take Keras 1's spellings.

    `renamed`: old keyword to new one; `values`: old keyword to what its old values are called now; `rewrite`: changes
    the `Call` before that, for what a table can't say. The caller gets one UserWarning with the new call; both
    spellings of one argument at once are a TypeError.

    >>> @Spelling({'nb_epoch': 'epochs'})
    ... def fit(self, x, epochs=1):
    ...     return epochs
    >>> fit(None, 'data', epochs=3)
    3
    """

    def __init__(self, renamed: Mapping[str, str] | None = None,
                 values: Mapping[str, Mapping[Any, Any]] | None = None,
                 rewrite: Callable[[Call], None] | None = None):
        self.renamed, self.values, self.rewrite = renamed or {}, values or {}, rewrite

    def __call__(self, function: F) -> F:
        is_constructor = function.__name__ == "__init__"

        @functools.wraps(function)
        def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
            call = Call(type(self_).__name__ if is_constructor else function.__name__, list(args), kwargs)
            self._translate(call)
            if call.old:
                warn(" ".join([f"{', '.join(f'`{old}`' for old in call.old)} is Keras 1 spelling. Write `{call}`.",
                               *call.notes]))
            return function(self_, *call.args, **call.kwargs)
        return wrapper  # type: ignore[return-value]

    def _translate(self, call: Call) -> None:
        if self.rewrite is not None:
            self.rewrite(call)
        for old, new in self.renamed.items():
            if old in call.kwargs:
                value = call.drop(old)
                table = self.values.get(old, {})
                call.put(new, table.get(value, value) if isinstance(value, (str, int)) else value, old)


def _brief(value: Any) -> str:
    """The value as a program writes it, or dots."""
    if isinstance(value, (str, bool, Integral, float, type(None))):
        text = repr(value)
    elif isinstance(value, (tuple, list)):
        inner = ", ".join(map(_brief, value))
        text = f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    else:
        text = getattr(value, "__name__", "...")
    return text if len(text) <= 30 else "..."


# ---------------------------------------------------------------------------------------------- models and optimizers


def _samples_to_batches(call: Call) -> None:
    """What counted samples counts batches now; a generator that knows its batch size tells how many they are."""
    counted = [name for name in ("samples_per_epoch", "nb_val_samples", "val_samples") if name in call.kwargs]
    if not counted:
        return
    call.notes.append(f"What was `{counted[0]}` counts batches now, not samples.")
    generator = call.args[0] if call.args else call.kwargs.get("generator")
    size = getattr(generator, "batch_size", None)
    if size and "samples_per_epoch" in counted:
        call.kwargs["samples_per_epoch"] //= size


generator_method = Spelling({
    "samples_per_epoch": "steps_per_epoch", "val_samples": "steps", "nb_epoch": "epochs",
    "nb_val_samples": "validation_steps", "nb_worker": "workers", "pickle_safe": "use_multiprocessing",
    "max_q_size": "max_queue_size"}, rewrite=_samples_to_batches)
fit_method = Spelling({"nb_epoch": "epochs"})
network = Spelling({"input": "inputs", "output": "outputs"})
input_layer = Spelling({"input_dtype": "dtype"})


def _params_first(call: Call) -> None:
    """(params, constraints, loss) is (loss, params) now: constraints belong to the weights."""
    if len(call.args) >= 2 and isinstance(call.args[0], (list, tuple)):
        params, _, *loss = call.args
        call.args = [*loss, *([] if loss else [call.kwargs.pop("loss")]), params]
        call.old.append("(params, constraints, loss)")


get_updates = Spelling(rewrite=_params_first)


def shape_first(function: F) -> F:
    """Lets `add_weight` take the shape first and the name by its keyword, as layers written for Keras 1 and for newer
    Keras have it."""
    @functools.wraps(function)
    def wrapper(self_: Any, *args: Any, **kwargs: Any) -> Any:
        if "name" in kwargs and args and isinstance(args[0], (tuple, list, int)):
            if len(args) > 1:
                kwargs["initializer"] = args[1]
            return function(self_, shape=args[0], **kwargs)
        return function(self_, *args, **kwargs)
    return wrapper  # type: ignore[return-value]
