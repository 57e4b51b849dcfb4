"""Names of tensors, as programs of Keras 2.0.9 on TensorFlow 1 see them: the scope in which an op stands, what
TensorFlow calls it, and a number from the second of its kind on, as in 'dense_1/MatMul:0' and 'add_1:0'.

An op gets its label when it is applied; the name is put together when somebody asks for it. Functions that are one op
in TensorFlow and several here say so: what they are made of does not count.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

_Maker = TypeVar("_Maker", bound=Callable[..., Any])


class _Made(Protocol):
    producer: Any


_Tensor = TypeVar("_Tensor", bound=_Made)

_WORDS = {
    "absolute": "Abs", "all": "All", "any": "Any", "argmax": "ArgMax", "argmin": "ArgMin", "average_pool": "AvgPool",
    "cast": "Cast", "ceil": "Ceil", "concatenate": "concat", "convolution_input_gradient": "conv2d_transpose",
    "cos": "Cos", "cumprod": "Cumprod", "cumsum": "Cumsum", "divide": "truediv", "elu": "Elu", "equal": "Equal",
    "exp": "Exp", "expand_dims": "ExpandDims", "floor": "Floor", "floor_divide": "floordiv", "gather": "GatherV2",
    "greater": "Greater", "greater_equal": "GreaterEqual", "identity": "Identity", "less": "Less",
    "less_equal": "LessEqual", "log": "Log", "logical_and": "LogicalAnd", "logical_not": "LogicalNot",
    "logical_or": "LogicalOr", "matmul": "MatMul", "max": "Max", "max_pool": "MaxPool", "maximum": "Maximum",
    "min": "Min", "minimum": "Minimum", "multiply": "mul", "negative": "Neg", "not_equal": "NotEqual", "pad": "Pad",
    "positive_sqrt": "Sqrt", "power": "pow", "prod": "Prod", "relu": "Relu", "reshape": "Reshape",
    "reverse": "ReverseV2", "rint": "Round", "round": "Round", "shape": "Shape", "sigmoid": "Sigmoid", "sign": "Sign",
    "sin": "Sin", "slice": "strided_slice", "softmax": "Softmax", "softplus": "Softplus", "softsign": "Softsign",
    "sqrt": "Sqrt", "square": "Square", "squeeze": "Squeeze", "stop_gradient": "StopGradient", "subtract": "sub",
    "sum": "Sum", "switch": "cond/Merge", "tanh": "Tanh", "where": "Select",
}
"""What TensorFlow calls ops, where it is not what they are called here."""


Label = tuple[str, str, int]
"""What the name of an op's outputs is made of: the scope, TensorFlow's word and the number."""


def name_of(label: Label, index: int) -> str:
    """The name of one output of an op."""
    scope, word, number = label
    return f"{scope}{word}_{number}:{index}" if number else f"{scope}{word}:{index}"


class _Scope:
    __slots__ = ("prefix", "counts")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.counts: dict[str, int] = {}

    def label(self, word: str) -> Label:
        number = self.counts.get(word, 0)
        self.counts[word] = number + 1
        return self.prefix, word, number


_scopes = [_Scope("")]


def label_for(kind: str) -> Label:
    """The label of the next op of this kind."""
    return _scopes[-1].label(_WORDS.get(kind, kind))


@contextmanager
def scope(prefix: str | None = None) -> Iterator[None]:
    """Inside, names begin with `prefix` (None: as outside) and numbers start anew; those outside go on as if nothing
    had been made."""
    _scopes.append(_Scope(_scopes[-1].prefix if prefix is None else prefix))
    try:
        yield
    finally:
        _scopes.pop()


def forget() -> None:
    """Numbers outside of all scopes start anew, and what was made before is found by its name no more."""
    _scopes[0].counts.clear()
    _living.clear()
    _called.clear()


_numbers = itertools.count()
_living: WeakValueDictionary[int, Any] = WeakValueDictionary()
_called: list[Any] = []


def remember(tensor: Any) -> None:
    """Lets a tensor be found as long as somebody holds it."""
    _living[next(_numbers)] = tensor


def living() -> list[Any]:
    """The tensors that are held, in the order in which they were made."""
    return list(_living.values())


def call(tensor: Any, name: str) -> Any:
    """The tensor, which has just been made, under a name that a program gives it, and by which it asks for it: until
    `forget` it need not be held."""
    _called.append(tensor)
    tensor.name = name_of(_scopes[-1].label(name), 0)
    return tensor


def find(name: str) -> Any:
    """The tensor of this name, 'dense_1/Relu:0': of several the last; None where there is none."""
    return next((t for t in reversed(living()) if t.name == name), None)


def named(tensor: _Tensor, word: str) -> _Tensor:
    """The tensor, which has just been made, under the name that TensorFlow's op would give it."""
    if tensor.producer is not None:
        tensor.producer.label = _scopes[-1].label(word)
    return tensor


def known_as(word: str) -> Callable[[_Maker], _Maker]:
    """Decorates a function that is one op in TensorFlow, so that what it returns has that op's name."""
    def decorate(make: _Maker) -> _Maker:
        @wraps(make)
        def make_named(*args: Any, **kwargs: Any) -> Any:
            _scopes.append(_Scope(_scopes[-1].prefix))
            try:
                made = make(*args, **kwargs)
            finally:
                _scopes.pop()
            return made if any(made is x for x in args) else named(made, word)

        return make_named  # type: ignore[return-value]

    return decorate


class Operation:
    """A tensor's `op`, as TensorFlow 1 has it: its `name` (without the tensor's ':0'), its `type`, what went in and
    what came out."""

    def __init__(self, tensor: Any) -> None:
        node = tensor.producer
        self.name: str = tensor.name.rpartition(":")[0]
        self.type: str = type(tensor).__name__ if node is None else node.label[1]
        self.inputs: tuple[Any, ...] = () if node is None else node.inputs
        self.outputs: tuple[Any, ...] = (tensor,) if node is None else node.outputs

    def __repr__(self) -> str:
        return f"<Operation '{self.name}' type={self.type}>"
