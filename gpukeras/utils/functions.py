"""Looking at functions: what they take, and what a config says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn


def func_dump(func: Callable[..., Any]) -> tuple[str, tuple[Any, ...] | None, None]:
    """Describe a function for a config: ``(name, defaults, None)``.

    Keras stored marshalled bytecode here. Reading such a thing back runs whatever the file's author wrote, so
    neither half exists in this library: a config holds the name, and the reader passes the function itself in
    `custom_objects`.
    """
    return func.__name__, func.__defaults__, None


def func_load(code: Any, defaults: Any = None, closure: Any = None, globs: Any = None) -> NoReturn:
    """Always raises ValueError: functions are never made from what a file holds (see `func_dump`)."""
    raise ValueError("Refusing to build a function from the bytecode in a config: a file could run any "
                     "program that way. Define the function in your program and pass it by name instead: "
                     "custom_objects={'name': function}.")


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether `fn` can be called with the keyword argument `name`.

    `accept_all` is the answer for a function that takes ``**kwargs`` but has no parameter of that name.

    >>> has_arg(lambda x, y=1: x, "y"), has_arg(pow, "x"), has_arg(lambda **kw: kw, "y", accept_all=True)
    (True, False, True)
    """
    import inspect

    parameters = inspect.signature(fn).parameters
    if name in parameters:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return parameters[name].kind in kinds
    return accept_all and any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def needs_arguments(function: Any) -> bool:
    """Whether a function of the user's can't be called without any."""
    import inspect

    return inspect.isfunction(function) and any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(function).parameters.values())
