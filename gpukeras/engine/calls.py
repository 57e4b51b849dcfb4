"""What happens when a layer is applied to tensors: masks in, `call`, masks and shapes out, a node made."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from itertools import zip_longest
from typing import Any

from .. import backend as K
from ..backend.settings import layer_scope
from ..graph import Variable, name_of
from ..utils.generic_utils import has_arg, parameters_of
from ..utils.identity import is_built_in
from .computing import in_single
from .node import Node, TensorHistory, all_none, history_of, masks_of, one_or_list, shapes_of, to_list
from .tracing import LAYER, called

Run = tuple[list[Any], list[Any], list[Any]]
"""Outputs, their masks and their shapes."""


class Called:
    """The machinery of applying a layer; mixed into `Layer`, whose methods it uses."""

    _inputs_at_work: list[Any] | None
    _keeps_lists = False
    """Whether a list of one tensor means something else to `call` than the tensor."""

    def _unpacked(self: Any, inputs: Any) -> Any:
        """What a list of one tensor means to a layer of this package: the tensor, as it does wherever a model runs its
        layers again. Layers with a `call` of their own get the list."""
        if not isinstance(inputs, list) or len(inputs) != 1 or self._keeps_lists:
            return inputs
        return inputs[0] if self._is_of_package() else inputs

    def _is_of_package(self: Any) -> bool:
        """Whether `call` is none of a program's own."""
        return is_built_in(self.call)

    def _named(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments given by position after the inputs, as keywords of `call`."""
        if not args:
            return kwargs
        names = [p.name for p in parameters_of(self.call).values() if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        if len(args) > len(names):
            raise TypeError(f"Layer '{self.name}': call() takes {len(names)} arguments after its inputs, got "
                            f"{len(args)}.")
        return {**dict(zip(names, args)), **kwargs}

    def _record_call(self: Any, inputs: Any, kwargs: dict[str, Any]) -> Any:
        """Applies the (built) layer, makes the node of the call, and returns the output(s)."""
        masks_in = masks_of(inputs)
        with called(self, inputs, kwargs) as kwargs:
            outputs, masks_out, shapes_out = self._run(inputs, masks_in, kwargs)
        outputs = [_own(x, to_list(inputs)) for x in outputs]
        calls = sum(1 for node in self.inbound_nodes if node.inbound_layers)  # a model is no call of itself
        self._name_outputs(outputs, masks_in, f"{self.name}_{calls}" if calls else self.name)
        flagged = self._forces_phase() or any(x._uses_learning_phase for x in to_list(inputs))
        self._add_inbound_node(inputs, outputs, masks_in, masks_out, shapes_of(to_list(inputs)), shapes_out,
                               kwargs)
        for x in outputs:
            x._uses_learning_phase = x._uses_learning_phase or flagged
        return one_or_list(outputs)

    def _name_outputs(self: Any, outputs: list[Any], masks: Any, scope: str) -> None:
        masked = not all_none(masks)
        for i, x in enumerate(outputs):
            if x.producer is not None:
                x.name = self._output_name(x, i, masked, scope)

    _counts_ops = False
    """Whether the numbers in names of its outputs count its ops, as they do in a program's own `call`. Most layers of
    this package are made of other ops than Keras's."""

    def _output_word(self, x: Any, index: int, masked: bool) -> str | None:
        """What TensorFlow calls the op that makes an output, where it is not that which makes it here."""
        return None

    def _output_name(self: Any, x: Any, index: int, masked: bool, scope: str) -> str:
        """As a program on TensorFlow 1 sees it, nearly: 'dense_1/Relu:0', 'model_1/dense_1/Relu:0'."""
        if x.is_named():
            return f"{scope}/{x.name}"  # by a layer of this network
        said = self._output_word(x, index, masked)
        if said is not None:
            return f"{scope}/{said}:0"
        inner = f"{x.origin}/" if x.origin not in (None, self.name) else ""
        _, word, number = x.producer.label
        if self._counts_ops or not self._is_of_package():
            return name_of((f"{scope}/{inner}", word, number), x.index)
        return name_of((f"{scope}/{inner}", word, index), 0)

    def _naming(self: Any, calling: bool = False) -> AbstractContextManager[None]:
        """Around building and calling: names of weights begin with this layer's, and with those of layers around it."""
        return layer_scope(self.name, calling)

    def _forces_phase(self: Any) -> bool:
        """Whether outputs count as depending on the learning phase whatever they are made of."""
        return self._forced_learning_phase

    def _run(self: Any, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> Run:
        """Outputs, their masks and their shapes, as lists of equal length. Leaves no node."""
        if not all_none(masks) and "mask" not in kwargs and has_arg(self.call, "mask"):
            kwargs = {**kwargs, "mask": masks}
        before, self._inputs_at_work = self._inputs_at_work, to_list(inputs)
        around = LAYER.set(self)
        try:
            with self._naming(calling=True):
                outputs = self._checked_outputs(self._call_and_adopt(inputs, kwargs))
        finally:
            LAYER.reset(around)
            self._inputs_at_work = before
        shapes = self._output_shapes(to_list(inputs), outputs)
        mask = self.compute_mask(inputs, masks)
        out_masks = [mask] * len(outputs)
        if isinstance(mask, (list, tuple)):  # of all inputs, if the layer passes masks on
            out_masks = [*mask, *[None] * len(outputs)][:len(outputs)]
        if self.activity_regularizer is not None:
            self.add_loss([self.activity_regularizer(in_single(x) if self._uses_policy() else x) for x in outputs],
                          to_list(inputs))
        return outputs, out_masks, shapes

    def _checked_outputs(self: Any, result: Any) -> list[Any]:
        """The result of `call` as a list, or a TypeError if it isn't made of tensors."""
        outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        for x in outputs:
            if not K.is_tensor(x):
                hint = " (is the `return` missing?)" if x is None else ""
                raise TypeError(f"Layer '{self.name}': call() of {type(self).__name__} must return tensors, "
                                f"but returned {type(x).__name__}{hint}.")
        return outputs

    def _output_shapes(self: Any, inputs: list[Any], outputs: list[Any]) -> list[tuple[int | None, ...]]:
        """The outputs' shapes. A number made of numbers has the shape that was declared of those, if they had any."""
        shapes = self._merged_shapes(one_or_list(self._shapes_read(inputs)), outputs)
        if all(shapes) or any(map(K.ndim, inputs)):
            return shapes
        of_inputs = next((s for s in shapes_of(inputs) if s), ())
        return [s or of_inputs for s in shapes]

    def _merged_shapes(self: Any, input_shape: Any, outputs: list[Any]) -> list[tuple[int | None, ...]]:
        """The outputs' shapes: as they are, with unknown sizes taken from `compute_output_shape`, and axes of length 1
        at the end that only it has. A single number has whatever shape it says.

        Where else the two disagree the tensors are right; the author of the layer is told.
        """
        real = shapes_of(outputs)
        declared = self._declared_shapes(input_shape)
        if declared is None:
            return real
        fit = len(declared) == len(real) and all(map(_fit, declared, real))
        if not fit or any(r and len(d) > len(r) for d, r in zip(declared, real)):
            used = ("That is the shape that targets have and K.int_shape gives; layers compute with the other."
                    if fit else "The latter is used.")
            warnings.warn(f"Layer '{self.name}': compute_output_shape of {type(self).__name__} says "
                          f"{one_or_list(declared)}, but call() returns {one_or_list(real)}. {used}", UserWarning,
                          stacklevel=6)
        return list(map(_merged, declared, real)) if fit else real

    def _add_inbound_node(self: Any, input_tensors: Any, output_tensors: Any, input_masks: Any,
                          output_masks: Any, input_shapes: Any, output_shapes: Any,
                          arguments: dict[str, Any] | None = None) -> None:
        """Hangs the call into the graph, and marks the outputs with where they come from."""
        tensors, outputs = to_list(input_tensors), to_list(output_tensors)
        from .operations import history_for

        made = [history_for(x) for x in tensors]
        Node(self, [m.layer if m else None for m in made], [m.node_index if m else None for m in made],
             [m.tensor_index if m else None for m in made], tensors, outputs, to_list(input_masks),
             to_list(output_masks), input_shapes, output_shapes, arguments)
        for i, (x, shape) in enumerate(zip(outputs, output_shapes)):
            x._keras_shape = shape
            x._keras_history = TensorHistory(self, len(self.inbound_nodes) - 1, i)


def _own(x: Any, inputs: list[Any]) -> Any:
    """A tensor that the layer may mark as its own: a copy, if it is an input or another layer's output."""
    taken = any(x is i for i in inputs) or history_of(x) is not None or isinstance(x, Variable)
    return K.identity(x) if taken else x


def _fit(declared: tuple[int | None, ...], real: tuple[int | None, ...]) -> bool:
    """Whether two shapes can be the same, but for axes of length 1 that the second lacks at its end; () fits all."""
    if not real:
        return True
    return all(a == b for a, b in zip(declared, real) if None not in (a, b)) and len(declared) >= len(real) and all(
        n == 1 for n in declared[len(real):])


def _merged(declared: tuple[int | None, ...], real: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The declared shape, with what the other knows better."""
    return tuple(r if d is None else d for d, r in zip_longest(declared, real))
