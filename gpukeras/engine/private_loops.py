"""The private methods of Keras 2.0.9's Model that programs call: the loops over data, by their names there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..compiler import Function
from ..utils.metric_names import unique_names
from . import loops
from .one_batch import single
from .replaced import Replaced


class PrivateLoops:
    """Mixed into Model. What is fed, `ins`, has the arrays and, where there is one, the learning phase as a float."""

    _function_kwargs: dict[str, Any] = {}
    """More arguments of K.function; there are none."""

    def _get_deduped_metrics_names(self: Any) -> list[str]:
        """The names of the loss and metrics, numbered where they are not unique."""
        return unique_names(self.metrics_names)

    def _check_num_samples(self, ins: Sequence[Any], batch_size: int | None = None, steps: int | None = None,
                           steps_name: str = "steps") -> int | None:
        """The number of samples fed; None where steps are counted. ValueError for both, or neither."""
        if steps is not None:
            if batch_size is not None:
                raise ValueError(f"give {steps_name} or batch_size, not both: got {steps} and {batch_size}")
            return None
        if not ins or not hasattr(ins[0], "shape"):
            raise ValueError(f"the number of samples can't be told: give arrays, or {steps_name}")
        count: int = ins[0].shape[0]
        return count

    def _fit_loop(self: Any, f: Any, ins: list[Any], out_labels: Any = None, batch_size: int | None = None,
                  epochs: int = 100, verbose: Any = 1, callbacks: Any = None, val_f: Any = None, val_ins: Any = None,
                  shuffle: Any = True, callback_metrics: Any = None, initial_epoch: int = 0,
                  steps_per_epoch: int | None = None, validation_steps: int | None = None) -> Any:
        """Trains with the function `f`, validates with `val_f`, and returns the History. Names are the model's."""
        validation = _split(val_ins)[0] if val_f is not None and val_ins else None
        with _in_place(self, train_function=f, test_function=val_f):
            return loops.fit(self, _split(ins)[0], validation, _size(batch_size, steps_per_epoch), epochs, verbose,
                             callbacks, shuffle, initial_epoch, steps_per_epoch, validation_steps)

    def _test_loop(self: Any, f: Any, ins: list[Any], batch_size: int | None = None, verbose: Any = 0,
                   steps: int | None = None) -> Any:
        """The averages of what the function `f` returns as loss and metrics."""
        with _in_place(self, test_function=f):
            return single(loops.evaluate(self, _split(ins)[0], _size(batch_size, steps), verbose, steps))

    def _predict_loop(self: Any, f: Any, ins: list[Any], batch_size: int | None = 32, verbose: Any = 0,
                      steps: int | None = None) -> Any:
        """What the function `f` returns for all rows: an array, or a list of them."""
        arrays, phase = _split(ins)
        function = f if isinstance(f, (Function, Replaced)) else Replaced(self, "predict_function", f)
        return single(loops.predict(self, arrays, None if steps else _size(batch_size, steps), verbose, steps,
                                    function=function, phase=phase))


def _split(ins: list[Any]) -> tuple[list[Any], list[float]]:
    """The arrays, and the learning phase in a list of its own."""
    return (list(ins[:-1]), [ins[-1]]) if ins and isinstance(ins[-1], float) else (list(ins), [])


def _size(batch_size: int | None, steps: int | None) -> int | None:
    return 32 if batch_size is None and steps is None else batch_size


@contextmanager
def _in_place(model: Any, **functions: Any) -> Iterator[None]:
    """Inside, the model has these functions, where they are not None."""
    own = {name: getattr(model, name) for name, function in functions.items() if function is not None}
    for name in own:
        setattr(model, name, functions[name])
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(model, name, function)
