"""Models with a `call` of their own, given data of other sizes than the first: sequences of another length, say.

`call` makes tensors, so what it makes of other sizes can only be tried. If it takes inputs whose size is left open
where the data differ, the model is connected to such inputs, once for all; if it takes the new sizes but no open ones
(it counts `for t in range(x.shape[1])`), to inputs of the new sizes, each time they change. Predictions leave the
model's own inputs alone, since a callback may ask for them in the midst of a training: they have functions of their
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import backend as K
from ..graph import origin
from .at_once import MOST_FUNCTIONS, shelves_kept
from .data import standardize_data
from .node import as_shape_list, one_or_list

Shapes = list[tuple[int | None, ...]]


def to_train(model: Any, x: Any, check: Callable[[], Any]) -> Any:
    """What `check` makes of the data x; if their sizes don't fit, after the model was connected to inputs for them."""
    try:
        return check()
    except ValueError as wrong:
        shapes = _wider(model, x, wrong)
    model._connect_again(shapes)
    return check()


def to_predict(model: Any, x: Any, check: Callable[[], Any]) -> tuple[Any, Any]:
    """What `check` makes of the data x, and None; or the arrays, and a function of their sizes."""
    try:
        return check(), None
    except ValueError as wrong:
        arrays = _arrays(model, x, wrong)
        known: dict[Any, Any] = model.__dict__.setdefault("_predictors", {})
        for shapes, function in known.items():
            if all(map(_fits, arrays, shapes)):
                return arrays, function
        found = _wider(model, x, wrong)
    places, outputs = _outputs(model, found)
    known[tuple(found)] = function = K.function(places, outputs, updates=model._states_for(places))
    if len(known) > MOST_FUNCTIONS:
        del known[next(iter(known))]
    return arrays, function


def check_both(model: Any, xs: Sequence[Any], check: Callable[[Any], Any]) -> None:
    """ValueError if the validation data, which were looked at after `xs`, have left the model with inputs that these
    don't fit."""
    try:
        check(list(xs))
    except ValueError as error:
        raise ValueError(f"{str(error).rstrip('.')}. The validation data have other sizes, and call() of "
                         f"{type(model).__name__} takes sizes only if they are known, such as those in "
                         "range(x.shape[1]). Bring both to one size, or call evaluate after fit") from error


@contextmanager
def going_on(model: Any) -> Iterator[None]:
    """Around the making of a train function: one that is made anew for other sizes goes on from the optimizer's state,
    and from what was added up in this epoch."""
    goes_on = model.train_function is None and model.__dict__.pop("_goes_on", False)
    state = model.optimizer.get_weights() if goes_on else []
    totals = getattr(model, "_train_totals", None)
    yield
    if goes_on and totals is not None:
        K.set_value(model._train_totals.sums, K.get_value(totals.sums))
    if state:
        model.optimizer.set_weights(state)


def _wider(model: Any, x: Any, wrong: ValueError) -> Shapes:
    """Shapes for the model's inputs that x fits: open where sizes differ, if `call` takes that. Raises what is wrong
    with x if it can't be taken at all."""
    now: Shapes = as_shape_list(list(model._feed_input_shapes))
    arrays = _arrays(model, x, wrong)
    exact = [(shape[0], *a.shape[1:]) if a is not None else shape for a, shape in zip(arrays, now)]
    if exact == now:
        raise wrong
    try:
        _outputs(model, exact)
    except Exception as error:  # whatever `call` raises of sizes that it doesn't take
        raise ValueError(f"{str(wrong).rstrip('.')}. call() of {type(model).__name__} takes no such sizes: "
                         f"{error}") from error
    free = [tuple(n if n == m else None for n, m in zip(a, b)) if len(a) == len(b) else b for a, b in zip(now, exact)]
    try:
        _outputs(model, free)
    except Exception:  # it needs to know them
        return exact
    return free


def _arrays(model: Any, x: Any, wrong: ValueError) -> list[Any]:
    """The data as arrays of whatever sizes, for each input."""
    try:
        return standardize_data(x, model._feed_input_names)
    except ValueError:
        raise wrong from None


def _fits(array: Any, shape: Sequence[int | None]) -> bool:
    return len(array.shape) == len(shape) and all(n in (None, m) for n, m in zip(shape[1:], array.shape[1:]))


def _outputs(model: Any, shapes: Shapes) -> tuple[list[Any], list[Any]]:
    """Placeholders of these shapes, and what the model makes of them in inference. Leaves no trace in the model."""
    places = [K.placeholder(shape) for shape in shapes]
    keys, model._keys = model._keys, model._keys_of_data
    try:
        with origin(model.name), shelves_kept(model):
            given = places if model._takes_list else places[0]
            return places, model._run(given, one_or_list([None] * len(places)), {})[0]
    finally:
        model._keys = keys
