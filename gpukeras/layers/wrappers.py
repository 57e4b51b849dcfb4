"""Layers around layers: TimeDistributed applies one at every step, Bidirectional walks a recurrent one both ways."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..engine.node import object_list_uid
from ..utils.generic_utils import CustomObjectScope, has_arg
from .by_name import deserialize
from .holder import Holder


class Wrapper(Holder):
    """Base of layers that hold one layer, `layer`. Not a layer to use by itself."""

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if isinstance(layer, type) or K.is_tensor(layer) or not hasattr(layer, "call"):
            name = type(self).__name__
            hint = f": write {name}({layer.__name__}(...))" if isinstance(layer, type) else \
                f": write {name}(layer)(tensor)" if K.is_tensor(layer) else ""
            raise ValueError(f"{name} needs a layer to hold, got {layer!r:.200}{hint}.")
        self.layer = layer
        self._input_map: dict[str, Any] = {}  # by the wrapper's inputs, those of the layer inside
        super().__init__(**kwargs)

    def _inside(self) -> list[Layer]:
        return [self.layer]

    def build(self, input_shape: Any = None) -> None:
        """Nothing to make: the weights are the layer's."""
        self.built = True

    @property
    def activity_regularizer(self) -> Any:
        """The layer's; it is applied to what the wrapper puts out."""
        return getattr(self.layer, "activity_regularizer", None)

    def get_updates_for(self, inputs: Any = None) -> list[Any]:
        """Updates of the call on `inputs`, also those that the layer makes of its own inputs."""
        return [*self._of_inner("get_updates_for", inputs), *super().get_updates_for(inputs)]

    def get_losses_for(self, inputs: Any = None) -> list[Any]:
        """Losses of the call on `inputs`, also those that the layer makes of its own inputs."""
        return [*self._of_inner("get_losses_for", inputs), *super().get_losses_for(inputs)]

    def get_metrics_for(self, inputs: Any = None) -> list[Any]:
        """Metrics that the call on `inputs` added, also those that the layer makes of its own inputs."""
        return [*self._of_inner("get_metrics_for", inputs), *super().get_metrics_for(inputs)]

    def _of_inner(self, what: str, inputs: Any) -> list[Any]:
        inner = None if inputs is None else self._input_map.get(object_list_uid(inputs))
        found: list[Any] = [] if inner is None else getattr(self.layer, what)(inner)
        return found

    def get_config(self) -> dict[str, Any]:
        """The layer as class name and config."""
        layer = {"class_name": type(self.layer).__name__, "config": self.layer.get_config()}
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new wrapper from `get_config`'s result; the layer's class is looked up among layers and custom objects."""
        config = dict(config)
        return cls(deserialize(config.pop("layer"), custom_objects=custom_objects), **config)


class TimeDistributed(Wrapper):
    """Applies a layer to every step of sequences: (batch, steps, ...) to (batch, steps, *what the layer makes of ...).

    The layer sees the steps of all samples as one batch. If the batch size is known, it may matter to the layer, which
    then sees batches of that size, one for each step.

    >>> from gpukeras.layers import Dense
    >>> TimeDistributed(Dense(8), input_shape=(10, 16)).compute_output_shape((None, 10, 16))
    (None, 10, 8)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:  # type: ignore[override]
        """Builds the layer for one step; ValueError for an input without steps."""
        shape = tuple(input_shape)
        if len(shape) < 3:
            raise ValueError(f"Layer '{self.name}' needs an input of at least 3 axes (batch, steps, ...), got shape "
                             f"{shape}.")
        self.input_spec = InputSpec(shape=(None, None, *shape[2:]))
        if not self.layer.built:
            self.layer._scope = self._weight_scope()
            with K.origin(self.layer.name):
                self.layer.build((shape[0], *shape[2:]))
            self.layer.built = True
        super().build()

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's shape for one step, with the steps after the batch axis."""
        step = self.layer.compute_output_shape((input_shape[0], *input_shape[2:]))
        return (step[0], input_shape[1], *step[1:])

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The layer's outputs for all steps."""
        kwargs = {"training": training} if has_arg(self.layer.call, "training") else {}
        if K.int_shape(inputs)[0] is not None:
            output = self._step_by_step(inputs, kwargs)
            if output is not None:
                return output
        inner = self._inner_mask(mask)
        return self._all_at_once(inputs, kwargs if inner is None else {**kwargs, "mask": inner})

    def _output_word(self, x: Any, index: int, masked: bool) -> str | None:
        return f"{x.producer.label[1]}_1"

    def _inner_mask(self, mask: Any) -> Any:
        """The mask of the steps as the layer's own, if it reaches into them and the layer takes one."""
        taken = mask is not None and K.ndim(mask) > 2 and has_arg(self.layer.call, "mask")
        return _joined(mask) if taken else None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """What the layer makes of a step's mask, for all steps; of a layer that makes none, the steps in which anything
        is left (newer than Keras 2.0.9, which hands the mask on). With a known batch size the mask is handed on."""
        shape = K.int_shape(inputs)
        if shape[0] is not None:
            return mask
        together = self._input_map.get(object_list_uid(inputs))
        made = self.layer.compute_mask(_joined(inputs) if together is None else together, self._inner_mask(mask))
        if made is not None:
            lengths, each = K.shape(inputs), K.shape(made)
            rest = [each[a] if d is None else d for a, d in enumerate(K.int_shape(made)) if a > 0]
            samples = lengths[0] if 0 in K.int_shape(made) else -1
            return K.reshape(made, (samples, lengths[1] if shape[1] is None else shape[1], *rest))
        while mask is not None and K.ndim(mask) > 2:
            mask = K.any(mask, axis=-1)
        return mask

    def _step_by_step(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        """The outputs by a walk along the steps; None if the layer makes updates or losses of a step's batch, which
        mean nothing outside of the walk."""
        layer = self.layer
        before = [(shelf, copy.copy(shelf)) for one in _all_layers(layer) for shelf in _shelves(one)]

        def step(x: Any, states: Any) -> Any:
            return self._call_on(x, kwargs), []

        outputs = K.rnn(step, inputs, [], input_length=K.int_shape(inputs)[1])[1]
        if all(shelf == old for shelf, old in before):
            return outputs
        for shelf, old in before:
            shelf.clear()
            shelf.update(old) if isinstance(shelf, dict) else shelf.extend(old)
        return None

    def _call_on(self, x: Any, kwargs: dict[str, Any]) -> Any:
        """What the layer makes of steps; what it adds meanwhile belongs to these."""
        before, self.layer._inputs_at_work = self.layer._inputs_at_work, [x]
        try:
            with K.origin(self.layer.name):
                return self.layer._call_and_adopt(x, kwargs)
        finally:
            self.layer._inputs_at_work = before

    def _all_at_once(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        shape = K.int_shape(inputs)
        lengths = K.shape(inputs)
        together = _joined(inputs)
        self._input_map[object_list_uid(self._inputs_at_work or inputs)] = together
        output = self._call_on(together, kwargs)
        made, known = K.int_shape(output), self.compute_output_shape(shape)
        sizes = K.shape(output)
        rest = [sizes[a] if None in (d, known[a + 1]) and made[a] is None else (d if d is not None else known[a + 1])
                for a, d in enumerate(made) if a > 0]
        steps = lengths[1] if shape[1] is None else shape[1]
        samples = shape[0] if shape[0] is not None else lengths[0] if 0 in (shape[1], *made) else -1
        return K.reshape(output, (samples, steps, *rest))


def _joined(x: Any) -> Any:
    """The steps of all samples as one batch."""
    lengths = K.shape(x)
    rest = [lengths[a] if d is None else d for a, d in enumerate(K.int_shape(x)) if a > 1]
    # of no elements at all it can't be told how many steps they are
    return K.reshape(x, (lengths[0] * lengths[1] if 0 in K.int_shape(x) else -1, *rest))


def _all_layers(layer: Any) -> list[Any]:
    """A layer and those inside of it, at any depth."""
    inside = layer._inside() if isinstance(layer, Holder) else getattr(layer, "layers", [])
    return [layer, *(x for one in inside for x in _all_layers(one))]


def _shelves(layer: Any) -> list[Any]:
    """Where a layer keeps its losses, updates and metrics."""
    keyed = [layer._per_input_losses, layer._per_input_updates, layer._per_input_metrics]
    return [layer._losses, layer._updates, layer._metric_values, *keyed,
            *(items for shelf in keyed for items in shelf.values())]


MERGE_MODES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Wrapper):
    """Walks a recurrent layer and a copy of it along sequences, one forwards and one backwards, and merges the outputs
    by `merge_mode`: 'concat' (of the last axis), 'sum', 'mul', 'ave', or None for a list of both.

    With `return_state` the states follow, first those of the layer forwards. `initial_state` is a list: the first half
    is the layer's that walks forwards. Weights come in the same order. Masked outputs are left as they are.
    `constants` (from newer Keras) are for the cells of both.
    `backward_layer` (from newer Keras) walks backwards instead of the copy: a recurrent layer with `go_backwards`, and
    `return_sequences`, `return_state` and `stateful` as the other has them.

    >>> from gpukeras.layers import LSTM
    >>> Bidirectional(LSTM(10, return_sequences=True)).compute_output_shape((None, 5, 3))
    (None, 5, 20)
    """

    def __init__(self, layer: Any, merge_mode: str | None = "concat", weights: Sequence[Any] | None = None,
                 backward_layer: Any = None, **kwargs: Any) -> None:
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"merge_mode must be one of {', '.join(map(repr, MERGE_MODES))}, got {merge_mode!r}.")
        super().__init__(layer, **kwargs)
        for given in (layer, backward_layer):
            if given is not None and not hasattr(given, "go_backwards"):
                raise ValueError("Bidirectional takes a recurrent layer, one with `go_backwards`, such as LSTM(10); "
                                 f"got {given!r:.100}.")
        self.forward_layer = _copy(layer)
        self._given_backward = backward_layer is not None
        self.backward_layer = _mirrored(layer) if backward_layer is None else _copy(backward_layer)
        _check_pair(self.forward_layer, self.backward_layer)
        self.forward_layer.name = "forward_" + layer.name
        self.backward_layer.name = "backward_" + (layer if backward_layer is None else backward_layer).name
        self.merge_mode = merge_mode
        if weights:
            half = len(weights) // 2
            self.forward_layer._initial_weights = list(weights[:half])
            self.backward_layer._initial_weights = list(weights[half:])
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = getattr(layer, "return_state", False)
        self.supports_masking = True
        self._num_constants = 0

    def _inside(self) -> list[Any]:
        return [self.forward_layer, self.backward_layer]

    def build(self, input_shape: Any) -> None:  # type: ignore[override]
        """Builds both layers, for the constants too if there are any."""
        shapes = [tuple(s) for s in input_shape] if isinstance(input_shape, list) else [tuple(input_shape)]
        constants = shapes[len(shapes) - self._num_constants:]
        for layer in self._inside():
            if not layer.built:
                layer._scope = f"{self._weight_scope()}/{layer.name}"
                with K.name_scope(layer.name), K.origin(layer.name):
                    layer.build([shapes[0], *constants] if constants else shapes[0])
                layer.built = True
                if layer._initial_weights is not None:
                    layer.set_weights(layer._initial_weights)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the merged output(s), and of the states if they are returned."""
        shapes = [layer.compute_output_shape(input_shape) for layer in self._inside()]
        (output, *states), (other, *more) = shapes if self.return_state else ([shape] for shape in shapes)
        merged: list[Any] = [output]
        if self.merge_mode == "concat":
            merged = [(*output[:-1], output[-1] + other[-1])]
        elif self.merge_mode is None:
            merged = [output, other]
        found = [*merged, *states, *more]
        return found[0] if len(found) == 1 else found

    def compute_mask(self, inputs: Any, mask: Any) -> Any:  # type: ignore[override]
        """The input's mask if all outputs are returned."""
        mask = mask[0] if isinstance(mask, list) else mask
        outputs = [mask if self.return_sequences else None] * (2 if self.merge_mode is None else 1)
        states = [None for layer in self._inside() for _ in layer.states] if self.return_state else []
        return [*outputs, *states] if len(outputs) + len(states) > 1 else outputs[0]

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        """Applies the layer; initial states and constants that come from layers become inputs of the call."""
        states, constants = _as_list(initial_state), _as_list(constants)
        if isinstance(inputs, (list, tuple)) and not states and not constants:
            inputs, states, constants = self._split(inputs)
        if len(states) % 2 and not self._given_backward:
            raise ValueError(f"Layer '{self.name}' takes initial states for both directions: an even number, got "
                             f"{len(states)}.")
        if not states and not constants:
            return super().__call__(inputs, **kwargs)
        if constants:
            for layer in self._inside():
                if not has_arg(layer.call, "constants") or not has_arg(layer.cell.call, "constants"):
                    raise ValueError(f"Layer '{self.name}' was called with constants, but nothing in '{layer.name}' "
                                     "takes them.")
                layer._num_constants = len(constants)
            self._num_constants = len(constants)
        more = [*states, *constants]
        from_layers = [K.is_keras_tensor(x) for x in more]
        if any(from_layers) != all(from_layers):
            raise ValueError(f"Layer '{self.name}': Keras tensors can't be mixed with others in its initial state and "
                             "its constants.")
        if all(from_layers):
            return super().__call__([inputs, *more], **kwargs)
        given = {name: value for name, value in (("initial_state", states), ("constants", constants)) if value}
        if constants:
            self._build_for([inputs, *constants])
        return super().__call__(inputs, **given, **kwargs)

    def _split(self, inputs: Any) -> tuple[Any, list[Any], list[Any]]:
        """The input, initial states and constants of one list."""
        end = len(inputs) - self._num_constants
        return inputs[0], list(inputs[1:end]), list(inputs[end:])

    def call(self, inputs: Any, training: Any = None, mask: Any = None, initial_state: Any = None,
             constants: Any = None) -> Any:
        """The merged outputs, and the states if they are returned."""
        initial_state = _as_list(initial_state)
        if isinstance(inputs, (list, tuple)):
            inputs, initial_state, constants = self._split(inputs)
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        half = len(self.forward_layer.states) if self._given_backward else len(initial_state) // 2
        outputs, states = [], []
        for layer, part in zip(self._inside(), (slice(half), slice(half, None))):
            kwargs = {k: v for k, v in (("training", training), ("mask", mask)) if has_arg(layer.call, k)}
            if initial_state:
                kwargs["initial_state"] = initial_state[part]
            if constants:
                kwargs["constants"] = constants
            made = self._call_inside(layer, inputs, **kwargs)
            made = list(made) if isinstance(made, (list, tuple)) else [made]
            outputs.append(made[0])
            states += made[1:]
        merged = self._merged(outputs[0], K.reverse(outputs[1], 1) if self.return_sequences else outputs[1])
        found = [*merged, *states]
        return found[0] if len(found) == 1 else found

    def _merged(self, forward: Any, backward: Any) -> list[Any]:
        if self.merge_mode == "concat":
            return [K.concatenate([forward, backward])]
        if self.merge_mode == "sum":
            return [forward + backward]
        if self.merge_mode == "ave":
            return [(forward + backward) / 2]
        return [forward * backward] if self.merge_mode == "mul" else [forward, backward]

    def reset_states(self) -> None:
        """Resets the states of both layers."""
        for layer in self._inside():
            layer.reset_states()

    @property
    def constraints(self) -> dict[Any, Any]:
        """The constraints of the weights that have one."""
        return {w: w.constraint for w in self.weights if w.constraint is not None}

    def get_config(self) -> dict[str, Any]:
        """The layer and the merge mode, and the layer that walks backwards if one was given."""
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if self._given_backward:
            own = self.backward_layer.get_config()
            own["name"] = own["name"].removeprefix("backward_")
            config["backward_layer"] = {"class_name": type(self.backward_layer).__name__, "config": own}
        if self._num_constants:
            config["num_constants"] = self._num_constants
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new layer from `get_config`'s result."""
        config = dict(config)
        backward, constants = config.pop("backward_layer", None), config.pop("num_constants", None)
        if backward is not None:
            config["backward_layer"] = deserialize(backward, custom_objects=custom_objects)
        layer = super().from_config(config, custom_objects)
        layer._num_constants = constants or 0
        return layer


def _as_list(x: Any) -> list[Any]:
    return list(x) if isinstance(x, (list, tuple)) else [] if x is None else [x]


def _mirrored(layer: Any) -> Any:
    """A new recurrent layer that walks the other way."""
    config = layer.get_config()
    config["go_backwards"] = not config.get("go_backwards", False)
    with CustomObjectScope(_own_classes(layer)):
        return type(layer).from_config(config)


def _check_pair(forward: Any, backward: Any) -> None:
    """ValueError unless the two layers walk opposite ways and put out the same kind of thing."""
    if backward.go_backwards == forward.go_backwards:
        raise ValueError("Bidirectional: the layer and its backward_layer must walk in opposite directions, but both "
                         f"have go_backwards={forward.go_backwards}.")
    for name in ("return_sequences", "return_state", "stateful"):
        here, there = getattr(forward, name, False), getattr(backward, name, False)
        if here != there:
            raise ValueError(f"Bidirectional: the layer has {name}={here}, its backward_layer {name}={there}; they "
                             "must agree.")


def _copy(layer: Any) -> Any:
    """The same layer (with the same cell and weights) under another name, with calls of its own."""
    other = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, (list, dict)):
            setattr(other, name, copy.copy(value))
    other.inbound_nodes, other.outbound_nodes = [], []
    return other


def _own_classes(layer: Any) -> dict[str, Any]:
    """The classes of a layer's cells by name: they may be the user's own, registered nowhere."""
    cell = getattr(layer, "cell", None)
    cells = [cell, *getattr(cell, "cells", [])] if cell is not None else []
    return {type(c).__name__: type(c) for c in cells}
