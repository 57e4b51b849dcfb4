"""Keras 1 spellings of arguments, which Keras 2 still took with a warning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def renamed_arguments(**new_name: str) -> Callable[[F], F]:
    """Decorates an `__init__` that also takes the given old keywords: ``renamed_arguments(p='rate')``.

    The caller gets a UserWarning with the new spelling; both spellings at once are a TypeError.
    """
    def decorate(init: F) -> F:
        @functools.wraps(init)
        def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
            used = [old for old in new_name if old in kwargs]
            for old in used:
                new = new_name[old]
                if new in kwargs:
                    raise TypeError(f"{type(self).__name__} got both `{new}=` and its Keras 1 spelling "
                                    f"`{old}=`; keep `{new}=`.")
                kwargs[new] = kwargs.pop(old)
            if used:
                now = ", ".join(f"{new_name[old]}=..." for old in used)
                warnings.warn(f"{', '.join(f'`{old}=`' for old in used)} is Keras 1 spelling. Write "
                              f"`{type(self).__name__}({now})`.", UserWarning, stacklevel=2)
            init(self, *args, **kwargs)
        return wrapper  # type: ignore[return-value]
    return decorate
