"""What is said to users: warnings at their own line, and errors with the nearest name."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterable


def warn(message: str) -> None:
    """A UserWarning at the line of the program that called into this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def shortened(value: object, length: int = 200) -> str:
    """`repr(value)` for an error message, without its middle if it is long. Values of any size take little time."""
    import reprlib

    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 3, length, length
    short.maxdict = short.maxlist = short.maxtuple = short.maxset = 8
    text = short.repr(value)
    return text if len(text) <= 2 * length else f"{text[:length]} ... {text[-length // 2:]}"


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name nobody registered, with the nearest known name if there is one.

    The error is returned, so that the caller's line reads ``raise unknown_name(...)``.

    >>> str(unknown_name("loss function", "mean_square_error", ["mean_squared_error", "hinge"]))
    "Unknown loss function: 'mean_square_error'. Did you mean 'mean_squared_error'?"
    """
    import difflib

    # Comparing takes the product of the lengths, and the names may come from a file.
    names = sorted(k for k in (str(k) for k in itertools.islice(known, 1000)) if len(k) <= 100)
    message = f"Unknown {kind}: {shortened(name)}."
    by_lower = {n.lower(): n for n in names if n.islower()} if str(name).islower() else {}
    by_lower = by_lower or {n.lower(): n for n in names}
    near = difflib.get_close_matches(str(name)[:200].lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return ValueError(f"{message} Did you mean {by_lower[near[0]]!r}?")
    if 0 < len(names) <= 40:
        return ValueError(f"{message} Known names: {', '.join(names)}.")
    return ValueError(f"{message} An object of your own has to be given itself, or named in custom_objects.")
