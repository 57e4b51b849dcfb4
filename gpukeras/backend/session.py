"""TensorFlow 1's session, as far as programs for Keras use it: values of tensors, with arrays fed for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..compiler import Function
from ..graph import OPERATORS, Tensor, Variable
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


class Graph(_Default):
    """What tensors belong to in TensorFlow 1, for programs that make one the default while they load a model or predict
    in a thread. Here all tensors are in one."""

    def finalize(self) -> None:
        """Nothing is to be done."""


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
        """The value of a tensor, or those of a list, a tuple or a dict of tensors. An update is carried out once, after
        all tensors are computed, and gives the new value. A weight's `initializer` gives None, as does
        None, which the initializer of all variables is here: they have their values already. TypeError for anything
        else."""
        if isinstance(fetches, Update):
            return self._values([fetches], feed_dict)[0]
        if isinstance(fetches, (list, tuple)):
            return type(fetches)(self._values(list(fetches), feed_dict))
        if isinstance(fetches, Mapping):
            return dict(zip(fetches, self._values(list(fetches.values()), feed_dict)))
        return self._values([fetches], feed_dict)[0]

    @staticmethod
    def _values(fetches: list[Any], feed_dict: Mapping[Any, Any] | None) -> list[Any]:
        for item in fetches:
            if isinstance(item, Initialization):
                item.run()
            elif item is not None and not isinstance(item, (Tensor, Update)):
                raise TypeError(f"Session.run runs tensors, got {item!r:.200}. Training steps of TensorFlow's "
                                "optimizers are not here: compile a model, or use an optimizer's get_updates")
        fed = {k: v for k, v in (feed_dict or {}).items() if isinstance(k, Tensor)}  # a fixed phase is a number
        wanted = [item for item in fetches if isinstance(item, Tensor)]
        found = iter(Function(list(fed), wanted, name="Session.run")(list(fed.values())) if wanted else [])
        values = [next(found) if isinstance(item, Tensor) else None for item in fetches]
        ran = {id(u): u.run(fed) for u in {id(item): item for item in fetches if isinstance(item, Update)}.values()}
        return [ran[id(item)] if isinstance(item, Update) else value for item, value in zip(fetches, values)]

    def close(self) -> None:
        """Nothing is open."""


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


OPERATORS.update(evaluate_fed=_evaluate_fed)
