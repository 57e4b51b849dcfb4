"""Runs one of Keras's examples, small: few samples, two epochs, a loop's first rounds, and no training after a minute.

`python -m tests.conformance.one_example PATH`; exit status 0 if it ran to its end, or to that limit.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

from . import corpora

SAMPLES, EPOCHS, STEPS, ROUNDS, SECONDS = 256, 2, 3, 12, 60
LARGER = {"reuters_mlp_relu_vs_selu.py": {"epochs": 40, "samples": 64},  # plots a point for each epoch
          "conv_lstm.py": {"epochs": 1, "samples": 10},
          "image_ocr.py": {"epochs": 1, "samples": 32, "last": True},  # reads the weights that epoch 19 wrote
          "lstm_stateful.py": {"samples": 200}}


class Enough(BaseException):
    """The example has shown that it runs."""


def few(value: Any, count: int) -> Any:
    """The first samples of an array, of each array of several, or of a list of sequences."""
    if isinstance(value, dict):
        return {name: few(one, count) for name, one in value.items()}
    if isinstance(value, (list, tuple)) and len(value) < 20 and all(hasattr(v, "shape") or v is None for v in value):
        return type(value)(few(one, count) for one in value)
    return value[:count] if hasattr(value, "__getitem__") and hasattr(value, "__len__") else value


class Limits:
    """Makes the methods of Model that train and test smaller."""

    def __init__(self, samples: int = SAMPLES, epochs: int = EPOCHS, last: bool = False) -> None:
        self.samples, self.epochs, self.last = samples, epochs, last
        self.calls: Counter[Any] = Counter()
        self.began, self.inside = time.monotonic(), False
        self.results: dict[Any, Any] = {}

    def install(self, *classes: type) -> None:
        """Around the methods that the classes define."""
        for cls in classes:
            for name in ("fit", "fit_generator", "evaluate", "train_on_batch"):
                if name in vars(cls):
                    setattr(cls, name, self._around(vars(cls)[name], name))

    def _around(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        signature = inspect.signature(method)

        @functools.wraps(method)  # wrappers for scikit-learn look up the arguments
        def smaller(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return method(model, *args, **kwargs)
            if self.results and time.monotonic() - self.began > SECONDS:
                raise Enough
            place = name, id(model), sys._getframe(1).f_lineno
            self.calls[place] += 1
            if name != "evaluate" and self.calls[place] > (ROUNDS if name == "train_on_batch" else 2):
                if self.calls[place] > 10 * ROUNDS:
                    raise Enough
                return self.results[place]
            bound = signature.bind(model, *args, **kwargs)
            bound.apply_defaults()
            self._shrink(bound.arguments)
            self.inside = True
            try:
                self.results[place] = method(*bound.args, **bound.kwargs)
            finally:
                self.inside = False
            return self.results[place]
        return smaller

    def _shrink(self, arguments: dict[str, Any]) -> None:
        batch = arguments.get("batch_size") or 32
        rows = max(batch, self.samples // batch * batch)
        for name in ("x", "y", "sample_weight"):
            if arguments.get(name) is not None and "batch_size" in arguments:
                arguments[name] = few(arguments[name], rows)
        given = arguments.get("validation_data")
        if isinstance(given, (list, tuple)):
            arguments["validation_data"] = tuple(few(part, rows) for part in given)
        for name in ("steps_per_epoch", "validation_steps"):
            if arguments.get(name):
                arguments[name] = min(arguments[name], STEPS)
        if "epochs" in arguments:
            first, end = arguments.get("initial_epoch", 0), arguments["epochs"]
            if self.last and not first:
                arguments["initial_epoch"] = max(0, end - self.epochs)
            else:
                arguments["epochs"] = min(end, first + self.epochs)


def main(path: str) -> None:
    """Runs the example at `path`."""
    from .plugin import mend

    mend()
    from gpukeras import drop_in

    drop_in.install()
    with open(path, encoding="utf-8") as file:
        source = file.read()
    if "sklearn.grid_search" in source:  # its name until 2017
        import sklearn.model_selection

        sys.modules["sklearn.grid_search"] = sklearn.model_selection
    corpora.patch_datasets(source)
    from gpukeras.models import Model, Sequential

    Limits(**LARGER.get(path.replace("\\", "/").rsplit("/", 1)[-1], {})).install(Model, Sequential)
    program = types.ModuleType("__main__")
    program.__file__ = path
    sys.modules["__main__"], sys.argv = program, [path]
    try:
        exec(compile(source, path, "exec"), program.__dict__)
    except Enough:
        print("enough")


if __name__ == "__main__":
    main(sys.argv[1])
