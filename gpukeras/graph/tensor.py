"""Tensors, variables and placeholders: the nodes of a define-then-run graph. Nothing here computes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import device
from ..device.changes import Changes
from . import naming
from .spec import Spec, dtype_named, is_float
from .static_shape import AllDimensions, TensorShape, plain_shape

OPERATORS: dict[str, Callable[..., Any]] = {"in_call": lambda: False}
"""What `+`, `@`, `x[...]` and gradients build; the floor above (ops) fills it in."""


def _apply(name: str, *operands: Any) -> Tensor:
    result: Tensor = OPERATORS[name](*operands)
    return result

_names = itertools.count(1)
_origins: list[str] = []
_watchers: list[list[Apply]] = []
_reading: list[str | None] = [None]


@contextmanager
def origin(layer: str) -> Iterator[None]:
    """Marks the tensors made inside with the layer that makes them, for error messages."""
    _origins.append(layer)
    try:
        with naming.scope(f"{layer}/"):
            yield
    finally:
        _origins.pop()


def current_origin() -> str | None:
    """The innermost layer at work, or None outside of every layer."""
    return _origins[-1] if _origins else None


@contextmanager
def made_inside() -> Iterator[list[Apply]]:
    """Fills a list with every op application made inside, in order."""
    made: list[Apply] = []
    _watchers.append(made)
    try:
        yield made
    finally:
        _watchers.pop()


class _Ruled(list["Apply"]):
    """Gives op applications the rules for derivatives that are said of their kinds; none is kept."""

    def __init__(self, rules: Mapping[str, Callable[..., Sequence[Tensor | None]]]) -> None:
        super().__init__()
        self._rules = rules

    def append(self, node: Apply) -> None:
        node.rule = self._rules.get(node.label[1])


@contextmanager
def ruled(rules: Mapping[str, Callable[..., Sequence[Tensor | None]]]) -> Iterator[None]:
    """Ops made inside have other derivatives: `rules` says, by what TensorFlow calls a kind of ops, which function of
    the op's application and the derivatives of its outputs makes those of its inputs."""
    _watchers.append(_Ruled(rules))
    try:
        yield
    finally:
        _watchers.pop()


@contextmanager
def weights_read_as(dtype: str | None) -> Iterator[None]:
    """Inside, ops read weights that adapt (`Variable.adapts`) in this dtype; with None as they are."""
    _reading.append(dtype)
    try:
        yield
    finally:
        _reading.pop()


def as_read(t: Tensor) -> Tensor:
    """A tensor as an op reads it: a weight that adapts in the dtype of `weights_read_as`, all else as it is."""
    dtype = _reading[-1]
    if dtype is None or t.dtype == dtype or not (isinstance(t, Variable) and t.adapts):
        return t
    with weights_read_as(None):
        return _apply("cast", t, dtype)


class Tensor:
    """A value that will be computed. Its shape may have unknown (None) dimensions.

    Programs may put attributes of their own on a tensor, as Keras itself does (`_keras_history`).
    """

    _uses_learning_phase = False
    __array_ufunc__ = None  # numpy_array * tensor must call Tensor.__rmul__
    __hash__ = object.__hash__

    def __init__(self, spec: Spec, producer: Apply | None = None, index: int = 0, name: str | None = None):
        self.shape = TensorShape(spec.shape)
        self.dtype = dtype_named(spec.dtype)
        self.const = spec.value
        self.producer = producer
        self.index = index
        self.origin = current_origin()
        self._name = name
        naming.remember(self)

    @property
    def name(self) -> str:
        """As TensorFlow 1 names it: 'dense_1/Relu:0'."""
        if self._name is None and self.producer is not None:
            return naming.name_of(self.producer.label, self.index)
        self._name = self._name or f"tensor_{next(_names)}:0"
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    def is_named(self) -> bool:
        """Whether it was given a name."""
        return self._name is not None

    @property
    def op(self) -> naming.Operation:
        """What makes it, for programs that read `t.op.name`."""
        return naming.Operation(self)

    @property
    def graph(self) -> Any:
        """What TensorFlow 1 calls the graph, of which there is one."""
        return OPERATORS["graph"]()

    def consumers(self) -> list[naming.Operation]:
        """The operations that read it, of those that somebody holds."""
        found = {t.producer: t for t in naming.living() if t.producer is not None and self in t.producer.inputs}
        return [t.op for t in found.values()]

    @property
    def _keras_shape(self) -> Any:
        """The shape as Keras's programs read and set it: the layer that made the tensor may know more of it."""
        return self.__dict__.get("_said_shape", self.shape)

    @_keras_shape.setter
    def _keras_shape(self, shape: Any) -> None:
        self.__dict__["_said_shape"] = shape

    @_keras_shape.deleter
    def _keras_shape(self) -> None:
        self.__dict__.pop("_said_shape", None)

    @property
    def spec(self) -> Spec:
        """Shape, dtype and, if constant, value."""
        return Spec(self.shape, self.dtype, self.const)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def get_shape(self) -> AllDimensions:
        """The static shape, with `.as_list()`, of which each dimension has `.value`."""
        return AllDimensions(self.shape)

    def set_shape(self, shape: Sequence[int | None] | None) -> None:
        """Adds what is known of the static shape: None where nothing is. ValueError where it contradicts."""
        if shape is not None and self.producer is not None and self.producer.op.unknown:
            self.shape = TensorShape(plain_shape(shape))
        elif shape is not None:
            self.shape = TensorShape(self.shape.merge_with(shape))

    def __repr__(self) -> str:
        made = f", from layer '{self.origin}'" if self.origin else ""
        return f"<{type(self).__name__} '{self.name}' shape={self.shape} dtype={self.dtype}{made}>"

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no value yet, so it can't decide an `if`; use K.switch, or K.eval first")

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"{self!r} can't be iterated: the length of its first axis is unknown")
        return (self[i] for i in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"{self!r} has no length: its first axis is unknown")
        result: int = self.shape[0]
        return result

    def numpy(self) -> Any:
        """The value, of a tensor that depends on nothing that is fed: TensorFlow 2's name for `K.eval`."""
        return OPERATORS["evaluate"](self)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, with arrays fed for the tensors that are keys of `feed_dict`: TensorFlow 1's way."""
        return OPERATORS["evaluate_fed"](self, feed_dict) if feed_dict else self.numpy()

    @property
    def __array__(self) -> Callable[..., np.ndarray]:
        """The value for NumPy. AttributeError, which NumPy takes for "no array", where something must be fed first."""
        if not self.is_known():
            raise AttributeError(f"{self!r} has no value yet: something must be fed first")
        return lambda dtype=None, copy=None: np.asarray(self.numpy(), dtype)

    def is_known(self) -> bool:
        """Whether the tensor has a value already: whether it depends on nothing that must be fed."""
        pending, seen = [self] if self.const is None else [], {self}
        while pending:
            t = pending.pop()
            if isinstance(t, Placeholder) and t.default is None:
                return False
            new = set(t.producer.inputs) - seen if t.producer is not None else set()
            seen |= new
            pending += new
        return True

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __getitem__(self, index: Any) -> Tensor:
        return _apply("getitem", self, index)

    def __add__(self, other: Any) -> Tensor:
        return _apply("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _apply("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _apply("subtract", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _apply("divide", other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return _apply("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return _apply("floor_divide", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return _apply("mod", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return _apply("mod", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _apply("power", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _apply("power", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _apply("matmul", other, self)

    def __neg__(self) -> Tensor:
        return _apply("negative", self)

    def __abs__(self) -> Tensor:
        return _apply("absolute", self)

    def __lt__(self, other: Any) -> Tensor:
        return _apply("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return _apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _apply("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _apply("greater_equal", self, other)

    def __and__(self, other: Any) -> Tensor:
        return _apply("logical_and", self, other)

    def __or__(self, other: Any) -> Tensor:
        return _apply("logical_or", self, other)

    def __xor__(self, other: Any) -> Tensor:
        return _apply("logical_xor", self, other)

    def __rand__(self, other: Any) -> Tensor:
        return _apply("logical_and", other, self)

    def __ror__(self, other: Any) -> Tensor:
        return _apply("logical_or", other, self)

    def __rxor__(self, other: Any) -> Tensor:
        return _apply("logical_xor", other, self)

    def __invert__(self) -> Tensor:
        return _apply("logical_not", self)


class Placeholder(Tensor):
    """A tensor whose value is fed at each call; `default` is used when nothing is fed."""

    def __init__(self, shape: Sequence[int | None], dtype: str, name: str | None = None, default: Any = None):
        super().__init__(Spec(plain_shape(shape), dtype), name=name or f"placeholder_{next(_names)}:0")
        self.default = default


class Variable(Tensor):
    """A tensor that keeps its value between calls, in a device array of its own or in a slice of a flat one.

    `array` is the storage that programs are bound to: it is written in place, and replaced only by `move_to`,
    which makes every program bound before out of date (`Variable.layout` counts these moves, and other changes that
    programs were not made for).
    """

    layout = 0
    journal: list[Variable] | None = None
    """Where somebody has put a list, the variables that are given a value from outside of programs."""

    def __init__(self, value: Any, dtype: str, name: str | None = None, constraint: Any = None):
        array = device.new_array(value, dtype)
        super().__init__(Spec(array.shape, dtype), name=name or f"Variable_{next(_names)}:0")
        self.array = array
        self.changes = Changes()  # of the memory, if it is the variable's own
        self.storage: Variable = self  # the variable that owns the memory
        self.offset = 0  # of the first element in the owner's memory
        self.holds_others = False
        self.constraint = constraint
        self.trainable = True
        self.adapts = False  # whether layers that compute in another float dtype read it in that
        self.is_listed = False  # among the variables of the graph, as those of `K.variable`
        self.updated = False  # by a program
        self.initializer: Any = None  # of a layer's weight: to be run by a session, which gives it a first value again
        self.is_zero: bool | None = None  # kept up where programs are made for it: see ops.control.is_zero

    def __bool__(self) -> bool:
        """True, whatever the value: programs ask so whether a layer has a bias."""
        return True

    def read(self) -> np.ndarray:
        """A copy of the value as a host array."""
        return np.array(device.to_host(self.array))

    def write(self, value: Any) -> None:
        """Sets the value in place: programs see it at their next step."""
        value = device.adopt(value)
        new = value if device.is_device_array(value) else np.asarray(value)
        if new.shape != self.shape:
            raise ValueError(f"variable '{self.name}' has shape {self.shape}, but got a value of shape {new.shape}")
        self.put(device.asarray(new.astype(self.dtype, copy=False)))
        if Variable.journal is not None:
            Variable.journal.append(self)
        if self.is_zero is not None:
            self._know_zero(not self.updated and not new.any())

    def put(self, array: Any) -> None:
        """Writes a device array of the variable's shape and dtype into its memory."""
        with self.storage.changes:
            self.array[...] = array

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets the value at once, as TensorFlow 2 does outside of its functions. A tensor makes an update, as on
        TensorFlow 1, if it has no value yet, or in the `call` of a layer."""
        if _is_to_come(value):
            return OPERATORS["update"](self, value)
        self.write(value.numpy() if isinstance(value, Tensor) else value)
        return self

    def load(self, value: Any, session: Any = None) -> None:
        """Sets the value at once, by TensorFlow 1's name; the session has no effect."""
        self.assign(value)

    def value(self) -> Variable:
        """The variable itself, which is read whenever it is computed with."""
        return self

    def read_value(self) -> Variable:
        """The variable itself, which is read whenever it is computed with."""
        return self

    def initialized_value(self) -> Variable:
        """The variable itself, which always has a value."""
        return self

    def assign_add(self, value: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Adds to the value, at once or as an update, as `assign` does."""
        if _is_to_come(value):
            return OPERATORS["update_add"](self, value)
        return self.assign(self.read() + np.asarray(value, self.dtype))

    def assign_sub(self, value: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Subtracts from the value, at once or as an update, as `assign` does."""
        if _is_to_come(value):
            return OPERATORS["update_sub"](self, value)
        return self.assign(self.read() - np.asarray(value, self.dtype))

    def will_be_updated(self) -> None:
        """Notes that a program gives the variable its values."""
        self.updated = True
        if self.is_zero is not None:
            self._know_zero(False)

    def _know_zero(self, is_zero: bool) -> None:
        if self.is_zero != is_zero:
            self.is_zero = is_zero
            Variable.layout += 1

    def move_to(self, owner: Variable, start: int, stop: int) -> None:
        """Lets the variable live in elements start to stop of a vector, taking its value along."""
        array = owner.array[start:stop].reshape(self.shape)
        array[...] = self.array
        self.array, self.storage, self.offset = array, owner, start
        owner.holds_others = True
        Variable.layout += 1


def _is_to_come(value: Any) -> bool:
    """Whether a variable can only get this value by an update."""
    return isinstance(value, Tensor) and (OPERATORS["in_call"]() or not value.is_known())


class Apply:
    """One use of an op: its inputs and the tensors that come out, and a rule for derivatives if it is not the op's."""

    __slots__ = ("op", "inputs", "outputs", "origin", "label", "rule")

    def __init__(self, op: Any, inputs: Sequence[Tensor]):
        self.op = op
        self.inputs = tuple(inputs)
        self.origin = current_origin()
        self.outputs: tuple[Tensor, ...] = ()
        self.label = naming.label_for(op.name)
        self.rule: Callable[..., Sequence[Tensor | None]] | None = None


def apply(op: Any, *inputs: Tensor) -> Any:
    """The tensor (or tuple of tensors) that `op` makes of `inputs`; shapes are checked here, before any run."""
    if _reading[-1] is not None:
        inputs = tuple(map(as_read, inputs))
    node = Apply(op, inputs)
    try:
        specs = op.infer(*(t.spec for t in inputs))
    except ValueError as e:
        where = f"layer '{node.origin}': " if node.origin else ""
        came = ", ".join(f"{t.shape}" + (f" from layer '{t.origin}'" if t.origin else "") for t in inputs)
        raise ValueError(f"{where}{op.name}: {e} (inputs: {came})") from None
    many = not isinstance(specs, Spec)
    outputs = tuple(Tensor(s, node, i) for i, s in enumerate(specs if many else (specs,)))
    if any(t._uses_learning_phase for t in inputs):
        for t in outputs:
            t._uses_learning_phase = True
    node.outputs = outputs
    for made in _watchers:
        made.append(node)
    return outputs if many else outputs[0]


def constant(value: Any, dtype: str) -> Tensor:
    """A tensor with a fixed value."""
    host = np.array(value, dtype=dtype)
    host.setflags(write=False)
    return Tensor(Spec(host.shape, dtype, host), name=f"Const_{next(_names)}:0")


def has_gradient(t: Tensor) -> bool:
    """True if a derivative may flow through the tensor."""
    return is_float(t.dtype)
