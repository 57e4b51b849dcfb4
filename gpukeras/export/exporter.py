"""From the symbolic graph to ONNX's: the ops between some inputs and outputs, each by the translation of its class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import backend as K
from ..graph import Apply, ComposedOp, Tensor, Variable, origin, topological
from ..ops.control import After, Branch, Identity, Print, StopGradient
from ..ops.random import Random
from .graph import Graph, Node, Port, element_type

Translation = Callable[["Exporter", Apply], Any]
TRANSLATIONS: dict[type, Translation] = {}
"""For each class of ops what makes its outputs' names: (exporter, its use) -> a name, or a list with one for each
output (None where ONNX can't say it)."""

_SMALL = 1024  # bytes of a constant up to which equal ones are kept once
_PASSED = (Identity, StopGradient, Print, After)


class ExportError(ValueError):
    """A model, or an op in it, that ONNX can't express."""


def translates(*ops: type) -> Callable[[Translation], Translation]:
    """Declares a function as the translation of some classes of ops."""
    def declare(function: Translation) -> Translation:
        TRANSLATIONS.update(dict.fromkeys(ops, function))
        return function
    return declare


class Exporter:
    """Makes nodes for tensors. What doesn't depend on `inputs` is computed now and becomes a constant; a branch on the
    learning phase is taken as in inference.

    Translations call `name` for an input's name, `value` for its value if it is constant, `add` for a node, `rewrite`
    for what is put better as other tensors.
    """

    def __init__(self, name: str, inputs: dict[str, Tensor], opset: int, reserved: Sequence[str] = ()):
        self.opset = opset
        self.graph = Graph(name)
        self.constants: dict[str, np.ndarray] = {}
        self.states: dict[str, tuple[str, str]] = {}  # name of all states -> those after each step, the last
        self.transposed: dict[str, tuple[str, tuple[int, ...]]] = {}  # name -> what it was, order of axes
        self._taken = {*inputs, *reserved}
        self._names: dict[Tensor, str] = {}
        self._varies: dict[Tensor, bool] = {}
        self._small: dict[Any, str] = {}
        self._made: dict[Any, Any] = {}
        self._conditions: dict[Tensor, bool] = {}
        self._layer: str | None = None
        for given, tensor in inputs.items():
            self._names[tensor], self._varies[tensor] = given, True

    # ------------------------------------------------------------------------------------------- for translations
    def name(self, tensor: Tensor) -> str:
        """The name of a tensor that has been walked."""
        return self._names[self.meant(tensor)]

    def value(self, tensor: Tensor) -> np.ndarray | None:
        """The value of a tensor, if it is a constant of the model."""
        return self.constants.get(self.name(tensor))

    def add(self, kind: str, *inputs: str, count: int = 1, body: Graph | None = None, states: int = 0,
            **attributes: Any) -> Any:
        """A node, or one that says the same and is there already; the name of its output, or the list of `count` names.
        """
        key = (kind, inputs, repr(attributes))
        if key in self._made:
            return self._made[key]
        outputs = [self.fresh(kind) for _ in range(count)]
        self.graph.nodes.append(Node(kind, list(inputs), outputs, attributes, body, states))
        made = outputs[0] if count == 1 else outputs
        if body is None and not kind.startswith("Random"):
            self._made[key] = made
        return made

    def constant(self, value: Any, dtype: str | None = None) -> str:
        """The name of a constant."""
        return self._keep(np.asarray(value, dtype), "constant")

    def ints(self, values: Sequence[int]) -> str:
        """The name of a constant vector of int64, as shapes and axes are given."""
        return self.constant(np.asarray(values, np.int64).reshape(-1))

    def cast(self, name: str, dtype: str) -> str:
        """The same numbers in another dtype."""
        return self.add("Cast", name, to=element_type(dtype))

    def transpose(self, name: str, order: Sequence[int]) -> str:
        """Axes in another order: at once for a constant, not at all where this undoes what was done before."""
        turned = tuple(order)
        if name in self.constants:
            return self._keep(np.ascontiguousarray(self.constants[name].transpose(turned)), name)
        if name in self.transposed:
            name, first = self.transposed[name]
            turned = tuple(first[a] for a in turned)
        if turned == tuple(range(len(turned))):
            return name
        made = self.add("Transpose", name, perm=list(turned))
        self.transposed[made] = name, turned
        return made

    def reshape(self, name: str, shape: Sequence[int]) -> str:
        """The same elements under a shape in which at most one -1 stands for what is left."""
        if name in self.constants:
            return self._keep(self.constants[name].reshape(shape), name)
        return self.add("Reshape", name, self.ints(shape))

    def reduce(self, kind: str, name: str, axes: Sequence[int], keepdims: bool) -> str:
        """ReduceSum and its kin, whose axes moved from an attribute to an input as opsets went on."""
        if kind == "ReduceSum" or self.opset >= 18:
            return self.add(kind, name, self.ints(axes), keepdims=int(keepdims))
        return self.add(kind, name, axes=list(axes), keepdims=int(keepdims))

    def rewrite(self, *tensors: Tensor) -> list[str]:
        """The names of tensors that stand for outputs of the op that is being translated."""
        self.walk(tensors)
        return [self.name(t) for t in tensors]

    def refuse(self, what: str) -> ExportError:
        """The error for something in the layer at work that ONNX can't express."""
        return ExportError((f"layer '{self._layer}': " if self._layer else "") + what)

    def fresh(self, kind: str) -> str:
        """A name that is not in use yet."""
        stem = f"{self._layer}/{kind}" if self._layer else kind
        name, number = stem, 1
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name

    # ---------------------------------------------------------------------------------------------------- the walk
    def walk(self, tensors: Sequence[Tensor]) -> None:
        """Makes the nodes for tensors and all that they depend on."""
        self._mark(tensors)
        stack = [self.meant(t) for t in reversed(tensors)]
        while stack:
            t = stack[-1]
            if t in self._names:
                stack.pop()
            elif not self._varies[t]:
                self._compute(t)
            elif t.producer is None:
                raise self.refuse(f"the model depends on {t!r}, which is not among its inputs")
            else:
                missing = [m for m in map(self.meant, t.producer.inputs) if m not in self._names]
                if missing:
                    stack.extend(reversed(missing))
                else:
                    self._translate(t.producer)

    @contextmanager
    def inner(self, name: str, leaves: Sequence[Tensor]) -> Iterator[Graph]:
        """A graph within the graph, with `leaves` as its inputs. It sees all names of the outer one."""
        outer, names, varies = self.graph, dict(self._names), dict(self._varies)
        transposed, states, made = dict(self.transposed), dict(self.states), dict(self._made)
        self.graph = Graph(name)
        for leaf in leaves:
            self._names[leaf], self._varies[leaf] = self.fresh("step"), True
            self.graph.inputs.append(Port(self._names[leaf], leaf.dtype, leaf.shape))
        try:
            yield self.graph
        finally:
            self.graph, self._names, self._varies = outer, names, varies
            self.transposed, self.states, self._made = transposed, states, made

    def alias(self, tensor: Tensor, name: str) -> None:
        """Lets a tensor that is made elsewhere go by a name."""
        self._names[tensor], self._varies[tensor] = name, True

    def result(self, tensor: Tensor, name: str, shape: Any = None) -> None:
        """Makes a tensor that was walked an output of the graph at work."""
        self.graph.nodes.append(Node("Identity", [self.name(tensor)], [name], {}))
        self.graph.outputs.append(Port(name, tensor.dtype, shape))

    def _mark(self, tensors: Sequence[Tensor]) -> None:
        """Finds out which tensors depend on inputs."""
        for node in topological(tensors, list(self._names)):
            given = list(map(self._is_varying, node.inputs))
            if isinstance(node.op, Branch) and not given[0]:
                varies = self._is_varying(self._taken_side(node))
            else:
                varies = isinstance(node.op, Random) or any(given)
            self._varies.update((t, varies and t.const is None) for t in node.outputs if t not in self._varies)
        for t in tensors:
            self._is_varying(t)

    def _is_varying(self, t: Tensor) -> bool:
        if t not in self._varies:  # no op makes it
            self._varies[t] = t.const is None and not isinstance(t, Variable) and getattr(t, "default", None) is None
        return self._varies[t]

    def meant(self, t: Tensor) -> Tensor:
        """The tensor whose value it is: beyond branches that are decided and ops that only pass a value on."""
        while t not in self._names and t.producer is not None:
            node = t.producer
            if isinstance(node.op, _PASSED):
                t = node.inputs[0]
            elif isinstance(node.op, Branch) and not self._varies[node.inputs[0]]:
                t = self._taken_side(node)
            else:
                break
        return t

    def _taken_side(self, node: Apply) -> Tensor:
        condition = node.inputs[0]
        if condition not in self._conditions:
            self._conditions[condition] = bool(_evaluated(condition))
        return node.inputs[1 if self._conditions[condition] else 2]

    def _compute(self, t: Tensor) -> None:
        stem = t.name.partition(":")[0] if isinstance(t, Variable) else "constant"
        self._names[t] = self._keep(_evaluated(t), stem)

    def _keep(self, array: np.ndarray, stem: str) -> str:
        key = (array.dtype.name, array.shape, array.tobytes()) if array.nbytes <= _SMALL else None
        if key in self._small:
            return self._small[key]
        name, number = stem, 1
        while name in self._taken:
            name, number = f"{stem}_{number}", number + 1
        self._taken.add(name)
        self.constants[name] = array
        if key is not None:
            self._small[key] = name
        return name

    def _translate(self, node: Apply) -> None:
        layer, self._layer = self._layer, node.origin or self._layer
        made = TRANSLATIONS.get(type(node.op))
        if made is not None:
            names = made(self, node)
        elif isinstance(node.op, ComposedOp):
            with origin(self._layer or ""):
                names = self.rewrite(node.op.compose(*node.inputs))
        else:
            raise self.refuse(f"op '{node.op.name}' has no translation to ONNX")
        for t, name in zip(node.outputs, [names] if isinstance(names, str) else names):
            if name is not None:
                self._names[t] = name
        self._layer = layer


def _evaluated(t: Tensor) -> np.ndarray:
    """The value of a tensor that depends on no input."""
    if t.const is not None:
        return np.asarray(t.const)
    return np.asarray(t.read() if isinstance(t, Variable) else K.function([], [t])([])[0])
