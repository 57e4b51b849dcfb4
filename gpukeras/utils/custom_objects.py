"""Naming objects in configs: what a name may mean, and the custom objects that a program adds.

Nothing is ever found by importing a name or by running text or bytecode out of a config: an object can be named only if
its module registered it or the caller passed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .functions import has_arg, needs_arguments
from .messages import shortened, unknown_name


class Registry(Mapping[str, Any]):
    """The objects of one module that a config or a string may name.

    `namespace` is the module's ``globals()`` and `names` what of it is open to naming. Imports and helpers
    of the module stay closed, since a config is untrusted input. A name that a program adds to the module
    afterwards (``keras.losses.mine = mine``, common in programs of that time) is open: the program itself
    put it there. Of the names `late`, which load later, `find` gives the objects.
    """

    def __init__(self, namespace: dict[str, Any], names: Iterable[str], find: Callable[[str], Any] | None = None,
                 late: Iterable[str] = ()) -> None:
        self._namespace, self._find = namespace, find
        self._open = frozenset(names)
        self._at_import = frozenset([*namespace, *late])
        missing = self._open - self._at_import
        if missing:
            raise ValueError(f"Registered but not defined: {sorted(missing)}.")

    def __getitem__(self, name: str) -> Any:
        if name in self._open:
            return self._namespace[name] if name in self._namespace or self._find is None else self._find(name)
        if name not in self._at_import and not name.startswith("_") and callable(self._namespace.get(name)):
            return self._namespace[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in {**self._namespace, **dict.fromkeys(self._open)} if name in self)

    def __contains__(self, name: object) -> bool:
        if name in self._open:
            return True
        try:
            self[name]  # type: ignore[index]
        except (KeyError, AttributeError):
            return False
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


def known(name: Any, functions: Mapping[str, Any], classes: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What `name` may mean, of a module's functions and classes: the functions, if it is one's, so that no class has to
    load."""
    return functions if isinstance(name, str) and name in functions else {**functions, **classes()}


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
            return found if not config and needs_arguments(found) else found(**config)
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
