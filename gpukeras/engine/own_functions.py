"""Functions inside of architectures: in memory the function, in text its name, and a mark of the process that wrote it.

No code is ever stored, so a text cannot bring a function along. But what this very process has written it may read
again with the functions that the text stood for then, as Keras's programs expect. The text carries a random mark, and
counts only if nothing in it was changed: nobody else can write one, and no older file is taken for a newer one.
"""

from __future__ import annotations

import os
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MARK = "functions"
KEPT = 256
Path = tuple[Any, ...]


class FunctionName(str):
    """A function's name, as configs hold it; within this process it remembers the function.

    So models with Lambdas can be cloned in memory, while text (JSON, YAML, a file) holds the name and nothing
    else.
    """

    function: Callable[..., Any] | None = None

    @classmethod
    def of(cls, function: Callable[..., Any], name: str | None = None) -> FunctionName:
        """The name of `function`, or another one for it."""
        made = cls(name if name is not None else getattr(function, "__name__", type(function).__name__))
        made.function = function
        return made

    def __deepcopy__(self, memo: Any) -> FunctionName:
        return self

    def __reduce__(self) -> Any:
        return str, (str(self),)  # pickled, it is a name


class _Text(NamedTuple):
    """A text that this process has written: its digest, and the functions in it."""

    digest: str
    functions: dict[Path, Callable[[], Any]]


_written: dict[str, _Text] = {}


def marked(architecture: dict[str, Any], default: Callable[[Any], Any]) -> dict[str, Any]:
    """An architecture as plain data, with a mark by which this process finds its functions again.

    `default` says for json.dumps what plain data some object is. One without functions of its own gets no mark.
    """
    import json  # late: few programs store an architecture

    plain = json.loads(json.dumps(architecture, default=default))
    found = {path: name.function for path, name in _names(architecture, ()) if name.function is not None}
    if not found:
        return plain
    digest = _digest(plain)
    for mark, text in _written.items():
        if text.digest == digest and {path: ref() for path, ref in text.functions.items()} == found:
            return {**plain, MARK: mark}
    mark = os.urandom(16).hex()
    _written[mark] = _Text(digest, {path: _reference(function) for path, function in found.items()})
    if len(_written) > KEPT:
        del _written[next(iter(_written))]
    return {**plain, MARK: mark}


def with_functions(architecture: Any) -> Any:
    """Plain data that was read, with the functions in their places if this process wrote it, and without its mark."""
    if not isinstance(architecture, dict) or MARK not in architecture:
        return architecture
    plain = {key: value for key, value in architecture.items() if key != MARK}
    mark = architecture[MARK]
    text = _written.get(mark) if isinstance(mark, str) else None
    if text is None or text.digest != _digest(plain):
        return plain
    for path, reference in text.functions.items():
        function = reference()
        if function is not None:
            place: Any = plain
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = FunctionName.of(function, place[path[-1]])
    return plain


def _names(value: Any, path: Path) -> Iterator[tuple[Path, FunctionName]]:
    if isinstance(value, FunctionName):
        yield path, value
    elif isinstance(value, (dict, list, tuple)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, int) is not isinstance(value, dict):  # other keys than strings are others in JSON
                yield from _names(inner, (*path, key))


def _digest(plain: dict[str, Any]) -> str:
    import hashlib
    import json
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _reference(function: Any) -> Callable[[], Any]:
    """What gives the function back: for good, or, if it holds anything large, as long as somebody else has it."""
    if isinstance(function, types.FunctionType) and _is_light(function, 3):
        return lambda: function
    try:
        return weakref.ref(function)
    except TypeError:
        return lambda: None


def _is_light(value: Any, depth: int) -> bool:
    """Whether a value is small, and so is all that it holds."""
    if value is None or isinstance(value, (bool, int, float, complex, type)):
        return True
    if isinstance(value, (str, bytes)):
        return len(value) < 10000
    if depth and isinstance(value, tuple):
        return len(value) < 100 and all(_is_light(v, depth - 1) for v in value)
    if depth and isinstance(value, types.FunctionType) and not value.__dict__:
        held = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        try:
            held += [cell.cell_contents for cell in value.__closure__ or ()]
        except ValueError:  # a variable that has no value yet
            return False
        return all(_is_light(v, depth - 1) for v in held if v is not value)
    return False
