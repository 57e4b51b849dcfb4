"""TensorFlow 1's session, as far as programs for Keras use it: values of tensors, with arrays fed for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from ..graph import OPERATORS, Apply, Tensor, Variable, naming, ruled
from .functions import function
from .updates import Update


class Initialization:
    """What `initializer` of a layer's weight is: when it is run, the weight gets a value of `draw()`, which is another
    each time if it is random.

    >>> from gpukeras import backend as K
    >>> w = K.variable([1., 2.])
    >>> K.get_session().run(Initialization(w, lambda: [0., 0.]))
    >>> K.get_value(w).tolist()
    [0.0, 0.0]
    """

    def __init__(self, variable: Variable, draw: Callable[[], Any]) -> None:
        self.variable, self._draw = variable, draw

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Gives the weight its value at once; the arguments are TensorFlow's, and have no effect."""
        value = self._draw()
        self.variable.write(value.numpy() if isinstance(value, Tensor) else value)


_Kind = TypeVar("_Kind", bound="_Default")


class _Default:
    """What programs of TensorFlow 1 make the default for a while, which changes nothing here."""

    def as_default(self: _Kind) -> _Kind:
        """Itself, for `with`."""
        return self

    def __enter__(self: _Kind) -> _Kind:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None


class Group:
    """Several updates and tensors as one operation, which a session runs for their effect."""

    def __init__(self, parts: Sequence[Any]) -> None:
        self.parts = list(parts)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Carries all of it out."""
        _session.run(self, feed_dict)


class Graph(_Default):
    """What tensors belong to in TensorFlow 1, for programs that make one the default while they load a model or predict
    in a thread. Here all tensors are in one."""

    def finalize(self) -> None:
        """Nothing is to be done."""

    def get_tensor_by_name(self, name: str) -> Any:
        """The tensor of a name, as long as it is held, or was called so by the program. ValueError for the name of an
        operation, KeyError where there is none.

        >>> from gpukeras import backend as K
        >>> x = K.placeholder((2,), name='doc_x')
        >>> GRAPH.get_tensor_by_name('doc_x:0') is x
        True
        """
        if ":" not in name:
            raise ValueError(f"The name {name!r} is that of an operation; a tensor's is '<operation>:<number>'.")
        found = naming.find(name)
        if found is None:
            raise KeyError(f"There is no tensor of the name {name!r}.")
        return found

    def get_operation_by_name(self, name: str) -> Any:
        """The operation of a name. KeyError where there is none."""
        found = naming.find(f"{name}:0")
        if found is None:
            raise KeyError(f"There is no operation of the name {name!r}.")
        return found.op

    def get_operations(self) -> list[Any]:
        """All operations of which a tensor is held."""
        return list({t.name.rpartition(":")[0]: t.op for t in naming.living()}.values())

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """What stands for a tensor or a name: a tensor, or where the name has no number an operation."""
        if not isinstance(obj, str):
            return obj
        return self.get_tensor_by_name(obj) if ":" in obj else self.get_operation_by_name(obj)

    def gradient_override_map(self, op_type_map: Mapping[str, str]) -> AbstractContextManager[None]:
        """Inside, ops of these types have the derivatives that were registered under these names: {'Relu': 'Guided'}.
        LookupError for a name that was not."""
        return ruled({kind: _rule(name) for kind, name in op_type_map.items()})


class RegisterGradient:
    """Decorates a function of an op and the derivatives of its outputs, which makes those of its inputs; ops take it by
    its name within `gradient_override_map`. KeyError for a name that has one.

    >>> from gpukeras import backend as K
    >>> @RegisterGradient('Doubled')
    ... def doubled(op, grad):
    ...     return grad * 2.0
    >>> x = K.variable(3.0)
    >>> with GRAPH.gradient_override_map({'Square': 'Doubled'}):
    ...     y = K.square(x)
    >>> float(K.eval(K.gradients(y, [x])[0]))
    2.0
    """

    def __init__(self, op_type: str) -> None:
        self._name = op_type

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if self._name in REGISTERED:
            raise KeyError(f"a gradient of the name {self._name!r} is registered already")
        REGISTERED[self._name] = fn
        return fn


REGISTERED: dict[str, Callable[..., Any]] = {}


def _rule(name: str) -> Callable[..., list[Any]]:
    if name not in REGISTERED:
        raise LookupError(f"gradient_override_map: no gradient is registered as {name!r}; write "
                          f"@tf.RegisterGradient({name!r}) above a function of (op, grad)")

    def derivatives(node: Apply, *grads: Tensor) -> list[Any]:
        found = REGISTERED[name](naming.Operation(node.outputs[0]), *grads)
        return list(found) if isinstance(found, (list, tuple)) else [found]
    return derivatives


GRAPH = Graph()


class Session(_Default):
    """Runs tensors. What it is configured with has no effect: memory on a GPU is taken as it is needed.

    >>> from gpukeras import backend as K
    >>> x = K.placeholder((2,))
    >>> Session().run([x * 2, x + 1], feed_dict={x: [1., 2.]})
    [array([2., 4.], dtype=float32), array([2., 3.], dtype=float32)]
    """

    graph = GRAPH

    def __init__(self, target: str = "", graph: Any = None, config: Any = None) -> None:
        self.config = config

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, options: Any = None,
            run_metadata: Any = None) -> Any:
        """The value of a tensor, or those of lists, tuples and dicts of tensors, which may hold others. A tensor may be
        given by its name, here and as a key of `feed_dict`. An update is carried out once, after all tensors are
        computed, and gives the new value. An operation or a weight's `initializer` gives None, as does None, which the
        initializer of all variables is here: they have their values already. ValueError for a name that there is not,
        TypeError for anything else."""
        leaves: list[Any] = []
        filled = _taken_apart(fetches, leaves)
        return filled(self._values(leaves, feed_dict))

    @staticmethod
    def _values(fetches: list[Any], feed_dict: Mapping[Any, Any] | None) -> list[Any]:
        fetches = [_element(item) for item in fetches]
        hidden = [part for item in fetches for part in _parts(item)]
        if hidden:
            return Session._values([None if _parts(f) else f for f in fetches] + hidden, feed_dict)[:len(fetches)]
        for item in fetches:
            if isinstance(item, Initialization):
                item.run()
            elif item is not None and not isinstance(item, (Tensor, Update, Group)):
                raise TypeError(f"Session.run runs tensors, got {item!r:.200}. Training steps of TensorFlow's "
                                "optimizers are not here: compile a model, or use an optimizer's get_updates")
        given = {_element(k): v for k, v in (feed_dict or {}).items()}
        fed = {k: v for k, v in given.items() if isinstance(k, Tensor)}  # a fixed phase is a number
        wanted = [item for item in fetches if isinstance(item, Tensor)]
        found = iter(function(list(fed), wanted)(list(fed.values())) if wanted else [])
        values = [next(found) if isinstance(item, Tensor) else None for item in fetches]
        ran = {id(u): u.run(fed) for u in {id(item): item for item in fetches if isinstance(item, Update)}.values()}
        return [ran[id(item)] if isinstance(item, Update) else value for item, value in zip(fetches, values)]

    def close(self) -> None:
        """Nothing is open."""


Rebuild = Callable[[list[Any]], Any]


def _taken_apart(nested: Any, leaves: list[Any]) -> Rebuild:
    """Puts what a structure holds into `leaves`; returns what makes the same structure of other leaves."""
    if isinstance(nested, Mapping):
        parts = {key: _taken_apart(part, leaves) for key, part in nested.items()}
        kind: Any = type(nested) if isinstance(nested, dict) else dict
        return lambda values: kind((key, part(values)) for key, part in parts.items())
    if isinstance(nested, (list, tuple)) and not isinstance(nested, Update):
        several = [_taken_apart(part, leaves) for part in nested]
        make: Any = type(nested)._make if hasattr(nested, "_make") else type(nested)
        return lambda values: make([part(values) for part in several])
    place = len(leaves)
    leaves.append(nested)
    return lambda values: values[place]


def _parts(item: Any) -> Sequence[Any]:
    """What is computed for an operation, which gives nothing itself."""
    return item.parts if isinstance(item, Group) else item.outputs if isinstance(item, naming.Operation) else ()


def _element(item: Any) -> Any:
    """A tensor or an operation for its name."""
    if not isinstance(item, str):
        return item
    try:
        return GRAPH.as_graph_element(item)
    except KeyError as error:
        raise ValueError(f"Session.run: {error.args[0]}") from None


_session = Session()


def get_session(op_input_list: Any = ()) -> Session:
    """A session that gives the values of tensors and variables."""
    return _session


def set_session(session: Any) -> None:
    """Takes a session, of which there is need for none: it has no effect. TypeError for anything else."""
    if not isinstance(session, Session):
        raise TypeError(f"set_session takes a session as tf.Session() makes it, got {session!r:.200}")


def _evaluate_fed(x: Tensor, feed_dict: Mapping[Any, Any]) -> Any:
    return x.read() if isinstance(x, Variable) else _session.run(x, feed_dict)


OPERATORS.update(evaluate_fed=_evaluate_fed, graph=lambda: GRAPH)
