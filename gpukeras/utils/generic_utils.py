"""Small tools that every floor may use: naming objects in configs, custom objects, argument lists, a text
bar.

Nothing here imports another floor of the library, and nothing is ever found by importing a name or by
running text or bytecode out of a config: an object can be named only if its module registered it or the
caller passed it.
"""
from __future__ import annotations

import itertools
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

# ---------------------------------------------------------------------------------------------- unknown names


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


class Registry(Mapping[str, Any]):
    """The objects of one module that a config or a string may name.

    `namespace` is the module's ``globals()`` and `names` what of it is open to naming. Imports and helpers
    of the module stay closed, since a config is untrusted input. A name that a program adds to the module
    afterwards (``keras.losses.mine = mine``, common in programs of that time) is open: the program itself
    put it there.
    """

    def __init__(self, namespace: dict[str, Any], names: Iterable[str]) -> None:
        self._namespace = namespace
        self._open = frozenset(names)
        self._at_import = frozenset(namespace)
        missing = self._open - self._at_import
        if missing:
            raise ValueError(f"Registered but not defined: {sorted(missing)}.")

    def __getitem__(self, name: str) -> Any:
        if name in self._open:
            return self._namespace[name]
        if name not in self._at_import and not name.startswith("_") and callable(self._namespace.get(name)):
            return self._namespace[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in list(self._namespace) if name in self)

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]
        except (KeyError, AttributeError):
            return False
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


# --------------------------------------------------------------------------------------------- custom objects

_custom_objects: dict[str, Any] = {}


def get_custom_objects() -> dict[str, Any]:
    """The live dictionary of names that configs may use anywhere in this process: change it to register
    objects.

    >>> get_custom_objects()["my_relu"] = abs
    >>> get_custom_objects().pop("my_relu")
    <built-in function abs>
    """
    return _custom_objects


class CustomObjectScope:
    """Context manager: the given dictionaries of name to object are known inside the block, and forgotten
    after.

    On leaving, the global dictionary is put back as it was on entering, whatever the block did to it.

    >>> with CustomObjectScope({"twice": lambda x: 2 * x}):
    ...     "twice" in get_custom_objects()
    True
    >>> "twice" in get_custom_objects()
    False
    """

    def __init__(self, *custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = custom_objects
        self._saved: list[dict[str, Any]] = []  # a stack, so that one scope may be entered twice

    def __enter__(self) -> CustomObjectScope:
        self._saved.append(dict(_custom_objects))
        for objects in self.custom_objects:
            _custom_objects.update(objects or {})
        return self

    def __exit__(self, *exc_info: object) -> None:
        before = self._saved.pop()
        _custom_objects.clear()
        _custom_objects.update(before)


def custom_object_scope(*args: Mapping[str, Any] | None) -> CustomObjectScope:
    """`CustomObjectScope` under its function name: ``with custom_object_scope({'MyLayer': MyLayer}): ...``"""
    return CustomObjectScope(*args)


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[Any], Any]:
    """Newer Keras's decorator that lets configs name a class or function, as `custom_objects` does.

    It is known by its own name and as ``package>name``, which newer Keras writes into files.

    >>> @register_keras_serializable("Mine")
    ... def thrice(x):
    ...     return 3 * x
    >>> get_custom_objects().pop("Mine>thrice") is get_custom_objects().pop("thrice")
    True
    """
    def register(found: Any) -> Any:
        own = name or found.__name__
        _custom_objects[own] = _custom_objects[f"{package}>{own}"] = found
        return found
    return register


def serialize_keras_object(instance: Any) -> Any:
    """What a config says about `instance`: ``{'class_name', 'config'}``, a function's name, or None.

    Raises ValueError for an object that has neither `get_config` nor `__name__`.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise ValueError(f"Cannot serialize {instance!r}: it has neither get_config() nor a __name__.")


def _find(name: Any, module_objects: Mapping[str, Any] | None, custom_objects: Mapping[str, Any] | None,
          kind: str) -> Any:
    """The object called `name`: the caller's own first, then the global custom objects, then the module's."""
    places = [custom_objects or {}, _custom_objects, module_objects or {}]
    if not isinstance(name, str):
        raise ValueError(f"The name of a {kind} must be a string, got {shortened(name)}.")
    for place in places:
        found = place.get(name)
        if found is not None:
            return found
    raise unknown_name(kind, name, [known for place in places for known in place])


def deserialize_keras_object(identifier: Any, module_objects: Mapping[str, Any] | None = None,
                             custom_objects: Mapping[str, Any] | None = None,
                             printable_module_name: str = "object") -> Any:
    """The inverse of `serialize_keras_object`.

    A dictionary ``{'class_name', 'config'}`` makes a new object by `from_config` (or, for a function, by
    calling it with the config as keyword arguments); a string gives the function or class of that name.
    Names are looked up in `custom_objects`, then in the global custom objects, then in `module_objects`, and
    nowhere else: pass a `Registry`, not a module's ``globals()``, where the config comes from a file.

    Raises ValueError for an unknown name (with the nearest known one) and for a malformed config.
    """
    kind = printable_module_name
    if isinstance(identifier, str):
        return _find(identifier, module_objects, custom_objects, kind)
    if not isinstance(identifier, Mapping):
        raise ValueError(f"Could not interpret serialized {kind}: {shortened(identifier)}. Expected a name or a "
                         "dictionary with 'class_name' and 'config'.")
    if "class_name" not in identifier or "config" not in identifier:
        raise ValueError(f"Improper config format of a {kind}: {shortened(dict(identifier))}. Expected the keys "
                         "'class_name' and 'config'.")
    found = _find(identifier["class_name"], module_objects, custom_objects, kind)
    config = identifier["config"]
    own = dict(custom_objects or {})
    with CustomObjectScope(own):
        if not hasattr(found, "from_config"):
            # a function that makes such a thing, or one that is it: an initializer needs a shape, a regularizer weights
            return found if not config and _needs_arguments(found) else found(**config)
        if has_arg(found.from_config, "custom_objects"):
            return found.from_config(config, custom_objects=dict(_custom_objects))
        return found.from_config(config)


def interpreted(identifier: Any, base: type, deserialize: Callable[..., Any], expected: str) -> Any:
    """What an argument stands for: a config, a name, a class below `base`, or a callable, which is taken as it is.
    ValueError, which says what is `expected`, for anything else."""
    if isinstance(identifier, str):
        identifier = {"class_name": identifier, "config": {}}
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret {base.__name__.lower()} identifier: {identifier!r}. Expected {expected}.")


def _needs_arguments(function: Any) -> bool:
    """Whether a function of the user's can't be called without any."""
    import inspect

    return inspect.isfunction(function) and any(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(function).parameters.values())


# -------------------------------------------------------------------------------------------------- functions


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


# ------------------------------------------------------------------------------------------------------ lists


def to_list(x: Any, allow_tuple: bool = True) -> list[Any]:
    """`x` itself if it is a list, its items if it is a tuple (and `allow_tuple`), else a list of it alone.

    >>> to_list(3), to_list((1, 2)), to_list(None)
    ([3], [1, 2], [None])
    """
    if isinstance(x, list):
        return x
    return list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x: Any) -> Any:
    """The item of a list or tuple of one; anything else unchanged.

    >>> unpack_singleton([3]), unpack_singleton([1, 2])
    (3, [1, 2])
    """
    return x[0] if isinstance(x, (list, tuple)) and len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A string that tells lists of (living) objects apart by the identity of their members."""
    return ", ".join(str(id(x)) for x in to_list(object_list))


def to_snake_case(name: str) -> str:
    """``'MaxPooling2D'`` to ``'max_pooling2d'``: how layers are named after their class.

    A leading underscore is not a legal start of a scope name, so ``'_Merge'`` gives ``'private__merge'``.

    >>> to_snake_case("MaxPooling2D"), to_snake_case("LSTM"), to_snake_case("SeparableConv2D")
    ('max_pooling2d', 'lstm', 'separable_conv2d')
    """
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    return "private" + snake if snake.startswith("_") else snake


# ----------------------------------------------------------------------------------------------- progress bar


def format_value(value: Any, verbose: int = 1) -> str:
    """A metric as Keras prints it: four decimals, in scientific notation when the size is 0.001 or less. In the line
    of `verbose` 2, all negative numbers are in scientific notation, as Keras 2 has it.

    >>> format_value(0.64), format_value(0.0001), format_value(-0.25), format_value(-0.25, verbose=2)
    ('0.6400', '1.0000e-04', '-0.2500', '-2.5000e-01')
    """
    mean = float(np.mean(value))
    return f"{mean:.4f}" if (mean if verbose == 2 else abs(mean)) > 1e-3 else f"{mean:.4e}"


def _duration(seconds: float) -> str:
    """Time left as a bar shows it: 5s, 2:05, 1:02:05."""
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}" if seconds > 60 else f"{int(seconds)}s"


def time_per(seconds: float, what: str = "step") -> str:
    """The time of one step in the unit that leaves a readable number.

    >>> time_per(2.0), time_per(0.0125), time_per(42e-6, "sample")
    ('2s/step', '12ms/step', '42us/sample')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}/{what}"
    return f"{seconds / 1e-6:.0f}us/{what}"


def draw_bar(current: int, target: int | None, width: int = 30) -> str:
    """A counter and a bar of characters.

    >>> draw_bar(50, 100, 10), draw_bar(7, 7, 10), draw_bar(3, None)
    (' 50/100 [====>.....]', '7/7 [==========]', '      3/Unknown')
    """
    if target is None:
        return f"{current:7d}/Unknown"
    filled = int(width * min(1.0, current / target)) if target else width
    head = ("=" if current >= target else ">") if filled else ""
    bar = ("=" * (filled - 1) + head).ljust(width, ".")
    return f"{current:{len(str(target))}d}/{target} [{bar}]"


def can_redraw() -> bool:
    """Whether the standard output can draw over what it showed: a terminal or a notebook, not a file or a
    pipe."""
    return sys.stdout.isatty() or in_notebook()


def in_notebook() -> bool:
    """Whether what is printed goes to a cell of a notebook (or a console with a Jupyter kernel)."""
    IPython = sys.modules.get("IPython")
    shell = IPython.get_ipython() if IPython is not None else None
    return hasattr(shell, "kernel") and type(sys.stdout).__module__.startswith("ipykernel")


class Progbar:
    """A progress bar in plain text, for programs that run their own loops (`fit` draws with tqdm).

    `target` is the number of steps expected (None if unknown), `width` the bar's characters, `verbose` 1 for
    a bar, 2 for one line at the end, 0 for silence, `interval` the least number of seconds between two
    drawings. Of the `stateful_metrics` the last values are shown, not averages.

    >>> bar = Progbar(2, verbose=2)
    >>> bar.update(1, [("loss", 0.5)])
    >>> bar.update(2, [("loss", 1.5)])
     - 0s - loss: 1.0000
    """

    def __init__(self, target: int | None, width: int = 30, verbose: int = 1, interval: float = 0.05,
                 stateful_metrics: Iterable[str] | None = None) -> None:
        self.stateful_metrics = set(stateful_metrics or ())
        self.target = target
        self.width = width
        self.verbose = verbose
        self.interval = interval
        self.sum_values: dict[Any, list[Any]] = {}  # name -> [sum of value * steps, steps]
        self.unique_values: list[Any] = []
        self.seen_so_far = 0
        self.total_width = 0
        self.start = time.time()
        self.last_update = 0.0
        self._redraws = can_redraw()

    def update(self, current: int, values: Iterable[tuple[Any, Any]] | None = None,
               force: bool = False) -> None:
        """Go to step `current`; `values` are (name, value since the last update), shown as averages over
        steps.

        `force` draws even if the last drawing is younger than `interval`.
        """
        steps = current - self.seen_so_far
        for name, value in values or ():
            if name not in self.sum_values:
                self.sum_values[name] = [0.0, 0]
                self.unique_values.append(name)
            if name in self.stateful_metrics:
                self.sum_values[name] = [value, 1]
                continue
            entry = self.sum_values[name]
            entry[0] = entry[0] + value * steps
            entry[1] += steps
        self.seen_so_far = current

        now = time.time()
        finished = self.target is not None and current >= self.target
        if self.verbose == 1:
            if not (force or finished) and now - self.last_update < self.interval:
                return
            self._draw(current, now, finished)
        elif self.verbose == 2 and (finished or self.target is None):
            self._write(f" - {now - self.start:.0f}s{self._averages()}\n")
        self.last_update = now

    def add(self, n: int, values: Iterable[tuple[Any, Any]] | None = None) -> None:
        """Go `n` steps further."""
        self.update(self.seen_so_far + n, values)

    def _averages(self) -> str:
        """The running averages as ' - name: value' pieces."""
        return "".join(f" - {name}: {format_value(total / max(1, steps), self.verbose)}"
                       for name, (total, steps) in self.sum_values.items())

    def _draw(self, current: int, now: float, finished: bool) -> None:
        """Redraw the line in place, or start a new one where the output cannot go back."""
        elapsed = now - self.start
        each = elapsed / current if current else 0.0
        if self.target is not None and not finished:
            timing = f"ETA: {_duration(each * (self.target - current))}"
        else:
            timing = f"{elapsed:.0f}s {time_per(each)}"
        line = f"{draw_bar(current, self.target, self.width)} - {timing}{self._averages()}"
        before, self.total_width = self.total_width, len(line)
        start = "\b" * before + "\r" if self._redraws else "\n"
        self._write(start + line.ljust(before) + ("\n" if finished else ""))

    @staticmethod
    def _write(text: str) -> None:
        """To the standard output of this moment, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows of an array or of each array of a list, under Keras 2.2's address: see `np_utils`."""
    from .np_utils import slice_arrays as sliced

    return sliced(arrays, start, stop)
