"""Updates of variables: what they are, and what several of one variable make together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any

from ..device import own_value
from ..graph import OPERATORS, Tensor, Variable, weights_read_as
from ..ops import control, convert


class Update(tuple[Variable, Tensor]):
    """A variable and what it becomes: for `function` and layers, or carried out at once by `eval` or a session.

    It may also be computed with, as TensorFlow's updates may: as the `tensor` of the new value, which the variable gets
    when a function computes it.

    `change` makes the new value from the one before. It is None where the new value is what it is, whatever was before.
    """

    change: Callable[[Tensor], Any] | None = None

    @cached_property
    def tensor(self) -> Tensor:
        """The new value."""
        variable, new = self
        return control.assigned(new, variable)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.tensor, name)

    def after(self, before: Tensor) -> Tensor:
        """The new value, if other updates gave the variable the value `before`."""
        if self.change is None:
            return self[1]
        with weights_read_as(None):
            return _of_variable(self[0], self.change(before))

    def run(self, feeds: Mapping[Any, Any] | None = None) -> Any:
        """Carries it out, with values for placeholders; the variable's new value."""
        from ..compiler import Function
        fed = dict(feeds or {})
        Function(list(fed), [], updates=[self], name="update")(list(fed.values()))
        return own_value(self[0].array)


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: Update, *others: Any) -> Any:
        return getattr(self.tensor, name)(*others)
    return operate


for _name in "add radd sub rsub mul rmul truediv rtruediv pow rpow neg lt le gt ge".split():
    setattr(Update, f"__{_name}__", _operator(f"__{_name}__"))


def together(updates: Iterable[Any]) -> list[tuple[Variable, Tensor]]:
    """One new value for each variable, after all updates in their order: each `update_add`, `update_sub` and
    `moving_average_update` begins with what those before it made, and any other forgets them. An update that is listed
    twice counts once. ValueError for what is no update.

    >>> from gpukeras import backend as K
    >>> v = K.variable(1.)
    >>> (_, new), = together([update_add(v, 2.), update_sub(v, 7.)])
    >>> float(K.eval(new))
    -4.0
    """
    made: dict[Variable, Tensor] = {}
    for u in {id(u): u for u in updates}.values():
        variable, new = _checked(u)
        before = made.pop(variable, None)  # what is written last stands last: variables may share memory
        made[variable] = new if before is None or not isinstance(u, Update) else u.after(before)
    return list(made.items())


def _checked(u: Any) -> tuple[Variable, Tensor]:
    if not (isinstance(u, (tuple, list)) and len(u) == 2 and isinstance(u[0], Variable)):
        raise ValueError(f"an update must be a pair (variable, new value), as K.update makes them; got {u!r}")
    new = _of_variable(u[0], u[1])
    if len(new.shape) != len(u[0].shape) or any(d not in (None, n) for d, n in zip(new.shape, u[0].shape)):
        raise ValueError(f"update of {u[0]!r}: the new value has shape {new.shape}")
    return u[0], new


def update(x: Variable, new_x: Any) -> Update:
    """An update for `function`: x becomes new_x."""
    return Update((x, _of_variable(x, new_x)))


def update_add(x: Variable, increment: Any) -> Update:
    """An update for `function`: x grows by an increment."""
    return _changing(x, partial(_grown, by=increment))


def update_sub(x: Variable, decrement: Any) -> Update:
    """An update for `function`: x shrinks by a decrement."""
    return _changing(x, partial(_shrunk, by=decrement))


def moving_average_update(x: Variable, value: Any, momentum: float) -> Update:
    """An update for `function`: x becomes momentum x + (1 - momentum) value."""
    return _changing(x, partial(_averaged, value=value, momentum=momentum))


def _changing(x: Variable, change: Callable[[Tensor], Any]) -> Update:
    with weights_read_as(None):
        found = update(x, change(x))
    found.change = change
    return found


def _of_variable(x: Variable, value: Any) -> Tensor:
    """A value as a tensor of the variable's dtype."""
    return convert.cast(convert.as_tensor(value, x.dtype), x.dtype)


def _grown(x: Tensor, by: Any) -> Any:
    return x + by


def _shrunk(x: Tensor, by: Any) -> Any:
    return x - by


def _averaged(x: Tensor, value: Any, momentum: float) -> Any:
    return x * momentum + value * (1.0 - momentum)


OPERATORS.update(update=update, update_add=update_add, update_sub=update_sub)
