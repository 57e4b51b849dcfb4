"""Classes of values, such as ops: what `dataclass(frozen=True)` gives, without its compiling text for every class. For
the ops alone that took a seventh of the time of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:
    def dataclass_transform(**kwargs: Any) -> Any:
        """What type checkers are told; nothing when the program runs."""
        return lambda decorator: decorator

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """A class whose objects are made of the annotated attributes (but for ClassVar), in their order, with the values
    given in the class as defaults. Equal attributes make equal objects of one class; none can be assigned anew
    (AttributeError).

    >>> @frozen
    ... class Point:
    ...     x: float
    ...     y: float = 0.0
    >>> Point(1.0) == Point(x=1.0, y=0.0), Point(2.0)
    (True, Point(x=2.0, y=0.0))
    """
    inherited = [name for base in reversed(cls.__mro__[1:]) for name in vars(base).get("_frozen", ())]
    own = [name for name, kind in cls.__annotations__.items() if not str(kind).startswith("ClassVar")]
    names = dict.fromkeys([*inherited, *own])
    cls._frozen = tuple(names)  # type: ignore[attr-defined]
    for method in (_init, _equal, _hash, _text, _refuse, _refuse_to_delete):
        if method.__name__ not in vars(cls):
            setattr(cls, method.__name__, method)
    return cls


def _init(self: Any, *values: Any, **named: Any) -> None:
    names = self._frozen
    own = vars(self)
    own.update(zip(names, values))
    if named or len(values) != len(names):
        _complete(self, values, named)
    check = getattr(self, "__post_init__", None)
    if check is not None:
        check()


def _complete(self: Any, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    names, own, what = self._frozen, vars(self), type(self).__name__
    if len(values) > len(names):
        raise TypeError(f"{what} takes {len(names)} arguments ({', '.join(names)}), got {len(values)}")
    for name, value in named.items():
        if name not in names or name in own:
            raise TypeError(f"{what} takes {', '.join(names)}; got '{name}'" + " twice" * (name in own))
        own[name] = value
    for name in names:
        if name not in own:
            if not hasattr(type(self), name):
                raise TypeError(f"{what} needs '{name}'")
            own[name] = getattr(type(self), name)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple([getattr(self, name) for name in self._frozen])


def _equal(self: Any, other: Any) -> Any:
    return _values(self) == _values(other) if type(self) is type(other) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), _values(self)))


def _text(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._frozen)})"


def _refuse(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} can't be assigned: equal ones are used in its place")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} can't be deleted")


for _function, _name in ((_init, "__init__"), (_equal, "__eq__"), (_hash, "__hash__"), (_text, "__repr__"),
                         (_refuse, "__setattr__"), (_refuse_to_delete, "__delattr__")):
    _function.__name__ = _name
