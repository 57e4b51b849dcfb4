"""Looking at functions: what they take, and what a config says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from inspect import Parameter


def func_dump(func: Callable[..., Any]) -> tuple[str, tuple[Any, ...] | None, tuple[Any, ...] | None]:
    """Describe a function: ``(name, defaults, closure)``, the last with what the function knows from around it.

    Keras stored marshalled bytecode here. Reading such a thing back runs whatever the file's author wrote, so
    neither half exists in this library: a config holds the name, and the reader passes the function itself in
    `custom_objects`.
    """
    around = func.__closure__
    return func.__name__, func.__defaults__, tuple(cell.cell_contents for cell in around) if around else None


def func_load(code: Any, defaults: Any = None, closure: Any = None, globs: Any = None) -> NoReturn:
    """Always raises ValueError: functions are never made from what a file holds (see `func_dump`)."""
    raise ValueError("Refusing to build a function from the bytecode in a config: a file could run any "
                     "program that way. Define the function in your program and pass it by name instead: "
                     "custom_objects={'name': function}.")


_found: WeakKeyDictionary[FunctionType, dict[bool, tuple[Any, Any, Mapping[str, Parameter]]]] = WeakKeyDictionary()
"""Parameters of functions, and of methods (True), with the code and the defaults that they were read off."""


def parameters_of(fn: Callable[..., Any]) -> Mapping[str, Parameter]:
    """The parameters by name, as `inspect.signature` has them. Of a plain function, or method of a class, they are read
    once, and again if the function has got other code or defaults.

    >>> list(parameters_of(lambda x, y=1: x))
    ['x', 'y']
    """
    import inspect

    function: Any = fn.__func__ if type(fn) is MethodType else fn
    if type(function) is not FunctionType or function.__kwdefaults__ or not {"__wrapped__", "__signature__"}.isdisjoint(
            vars(function)):  # what others say of it, and they may say it anew
        return inspect.signature(fn).parameters
    known = _found.setdefault(function, {})
    code, defaults, parameters = known.get(function is not fn, (None, None, {}))
    if code is not function.__code__ or defaults is not function.__defaults__:
        parameters = inspect.signature(fn).parameters
        known[function is not fn] = function.__code__, function.__defaults__, parameters
    return parameters


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether `fn` can be called with the keyword argument `name`.

    `accept_all` is the answer for a function that takes ``**kwargs`` but has no parameter of that name.

    >>> has_arg(lambda x, y=1: x, "y"), has_arg(pow, "x"), has_arg(lambda **kw: kw, "y", accept_all=True)
    (True, False, True)
    """
    parameters = parameters_of(fn)
    if name in parameters:
        found = parameters[name]
        return found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)
    return accept_all and any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def needs_arguments(function: Any) -> bool:
    """Whether a function of the user's can't be called without any."""
    return isinstance(function, FunctionType) and any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in parameters_of(function).values())
