"""Models whose class says in `call` what they compute: `class Mine(keras.Model)`, as in Keras 2.2 and later.

Such a model is a layer that holds layers. Called on tensors, it runs `call`; where that asks for `training`, it runs it
once for each learning phase, so that `if training:` is right in both. To be trained, it is called on inputs whose
shapes the first data, or `build`, say; from there on it is a Model like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from .. import backend as K
from ..utils.generic_utils import has_arg
from .adding import _file, _key, of_either_phase
from .at_once import shelves_kept
from .both_phases import either
from .first_data import first_of, shape_of
from .held import Holding, layers_in
from .input_layer import Input
from .layer import Layer
from .network import Network
from .node import as_shape_list, masks_of, one_or_list, shapes_of, to_list
from .tracing import Trace, at_work, working

_NO_GRAPH = ("what it computes is the Python code of its `call`, which no file holds. Keep the program, and its "
             "weights: save_weights('weights.h5'); or build the model from Input(...): Model(inputs, outputs)")
_STEPS = ("train_step", "test_step", "predict_step", "make_train_function")


class Subclassed(Network):
    """What Model does otherwise where a subclass has a `call` of its own (`_is_graph_network` is False then)."""

    _keys: list[str] | None = None  # of the dict that `call` takes
    _output_keys: list[str] | None = None  # of the dict that it returns
    _keys_of_data: list[str] | None = None  # of the dict that the data are
    _takes_list = False  # whether `call` takes a list (or a dict), be it of one tensor
    _masks_of_call: Any = None
    _builds_itself = False

    # ---------------------------------------------------------------------------------------------------- the parts

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model. Of a subclass with a `call`: those in its attributes, in the order of setting."""
        self._check_begun()
        if self._is_graph_network:
            return self._layers
        found: list[Layer] | None = self.__dict__.get("_layers_of_call")
        if found is None:
            found = self._held()
            if self.outputs and not self._listing:
                self.__dict__["_layers_of_call"] = found  # to look for them at every batch takes time
        return found

    @layers.setter
    def layers(self, layers: list[Layer]) -> None:
        self._layers = layers

    def _held(self) -> list[Any]:
        return [] if self._is_graph_network else Holding._held(self)

    def _check_begun(self) -> None:
        if "_per_input_losses" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__} did not call super().__init__() in its constructor. Begin it "
                               "with that line.")

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._is_graph_network and (_holds(value) or _holds(self.__dict__.get(name))):
            self.__dict__.pop(name, None)  # a new layer under an old name comes last
            self._forget_call()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if not self._is_graph_network and _holds(self.__dict__.get(name)):
            self._forget_call()
        super().__delattr__(name)

    def _forget_call(self) -> None:
        """The layers are others now: what `call` made of them, and what was compiled, is no more."""
        if self.outputs:
            built = self.built
            self._disconnect()
            self.built = built
        for name in ("train_function", "test_function", "predict_function", "_collected_trainable_weights", "_at_once",
                     "_layers_of_call", "_predictors"):
            self.__dict__.pop(name, None)

    # --------------------------------------------------------------------------------------------------- as a layer

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The outputs for tensors (one, a list, or for a `call` that takes it a dict), or at once for arrays."""
        if self._is_graph_network:
            return super().__call__(inputs, *args, **kwargs)
        self._check_begun()
        self._keys = sorted(inputs) if isinstance(inputs, Mapping) else None
        result = super().__call__([inputs[key] for key in self._keys] if self._keys else inputs, *args, **kwargs)
        return dict(zip(self._output_keys, to_list(result))) if self._output_keys else result

    def _build_for(self, inputs: Any) -> None:
        if self._is_graph_network or self.built:
            super()._build_for(inputs)
            return
        self._builds_itself = True  # `call`, which is about to run, builds the layers
        try:
            super()._build_for(inputs)
        finally:
            self._builds_itself = False

    def _call_and_adopt(self, inputs: Any, kwargs: dict[str, Any]) -> Any:
        if self._is_graph_network:
            return super()._call_and_adopt(inputs, kwargs)
        self._states: dict[Any, list[Any]] = self.__dict__.get("_states", {})
        phase = self._phase_of(kwargs)
        if phase is None and has_arg(self.call, "training"):
            outputs, masks, trace = self._of_both_phases(inputs, kwargs)
        else:
            outputs, masks, trace = self._traced(inputs, kwargs, phase)
        at: Any = self._inputs_at_work
        self.add_loss(trace.losses, at)
        self.add_update(trace.updates, at)
        self._states.setdefault(_key(at), []).extend(trace.states)
        self._metric_values += _file(self._per_input_metrics, trace.metrics, at)
        self._masks_of_call = one_or_list(masks)
        return one_or_list(outputs)

    def _phase_of(self, kwargs: dict[str, Any]) -> Any:
        """The phase that a call is for: what it was told, else what the model around it was, else a fixed one. None if
        it is for both."""
        told, around, phase = kwargs.get("training"), at_work(), K.learning_phase()
        if told is not None and told is not phase:
            return told
        if around is not None and around.phase is not None:
            return around.phase
        return bool(phase) if isinstance(phase, int) else None

    def _traced(self, inputs: Any, kwargs: dict[str, Any], phase: Any) -> tuple[list[Any], list[Any], Trace]:
        """Outputs, masks, and all else that a run of `call` brings."""
        if has_arg(self.call, "training"):
            kwargs = {**kwargs, "training": phase}  # else the layers inside have it from the trace
        given = dict(zip(self._keys, to_list(inputs))) if self._keys else inputs
        with shelves_kept(self), working(Trace(phase, in_model=True)) as trace:
            losses, updates, metrics = len(self._losses), len(self._updates), len(self._metric_values)
            result = self._compute(given, **kwargs)
            trace.losses += self._losses[losses:]
            trace.updates += self._updates[updates:]
            trace.metrics += self._metric_values[metrics:]
        self._output_keys = sorted(result) if isinstance(result, dict) else None
        outputs = self._checked_outputs([result[key] for key in self._output_keys] if self._output_keys else result)
        return outputs, to_list(masks_of(outputs)), trace

    def _of_both_phases(self, inputs: Any, kwargs: dict[str, Any]) -> tuple[list[Any], list[Any], Trace]:
        """As `_traced`, with outputs and losses that depend on the learning phase."""
        trains, masks, in_training = self._traced(inputs, kwargs, True)
        tests, other_masks, in_test = self._traced(inputs, kwargs, False)
        if len(trains) != len(tests) or any(map(_differ, trains, tests)):
            raise ValueError(f"Model '{self.name}': call() of {type(self).__name__} returns tensors of shapes "
                             f"{shapes_of(trains)} with training=True and {shapes_of(tests)} with training=False. They "
                             "must be as many and of one shape in both.")
        both = Trace()
        both.updates, both.states = in_training.updates, in_test.states
        both.losses = [either(_scalar(a), _scalar(b)) for a, b in
                       zip_longest(in_training.losses, in_test.losses, fillvalue=0.0)]
        both.metrics = of_either_phase(in_training.metrics, in_test.metrics, either)
        return (list(map(either, trains, tests)),
                [b if a is None else a if b is None else either(a, b) for a, b in zip(masks, other_masks)], both)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs: those that the layers which made them gave them."""
        if self._is_graph_network:
            return super().compute_mask(inputs, mask)
        ends = bool(self.outputs) and _key(inputs) == _key(self.inputs)
        return masks_of(self.outputs) if ends else self._masks_of_call

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output shape(s) for input shape(s): of a subclass, found by a call."""
        if self._is_graph_network:
            return super().compute_output_shape(input_shape)
        places = [K.placeholder(shape) for shape in as_shape_list(input_shape)]
        with shelves_kept(self), K.origin(self.name):
            self._build_for(one_or_list(places))
            return one_or_list(self._run(one_or_list(places), None, {})[2])

    def _states_for(self, inputs: Any) -> list[Any]:
        if self._is_graph_network:
            kept = {id(item) for item in self.state_updates}
            return [item for item in self.get_updates_for(inputs) if id(item) in kept]
        return self.__dict__.get("_states", {}).get(_key(inputs), [])

    @property
    def state_updates(self) -> list[Any]:
        """Updates of stateful layers, which prediction makes too."""
        if self._is_graph_network:
            return super().state_updates
        if self.outputs:
            return self._states_for(self.inputs)
        return [item for items in self.__dict__.get("_states", {}).values() for item in items]

    # -------------------------------------------------------------------------------------------- inputs and outputs

    def build(self, input_shape: Any = None) -> None:
        """Builds a subclass for inputs of `input_shape`, batch axis included: a shape, or a list or dict of shapes.

        The number of samples in it counts for stateful layers only, as in newer Keras.
        """
        self._check_begun()
        if not self._is_graph_network and not self._builds_itself:
            if input_shape is None:
                raise ValueError(f"Model '{self.name}' of class {type(self).__name__} can't be built: its input shape "
                                 "isn't known. Call build((None, ...)), with the batch axis, or let it see data.")
            self.built = True  # a `build` of the subclass has come here
            several = isinstance(input_shape, (list, Mapping)) and not _is_shape(input_shape)
            self._connect_inputs(_each(lambda shape: self._for_batches(shape, shape[0]),
                                       input_shape if several else tuple(input_shape)))
        self.built = True

    def _for_batches(self, shape: Any, rows: int | None) -> tuple[int | None, ...]:
        """The batch shape for arrays of a shape: of any number of samples, unless states are kept for each."""
        return (rows if any(layer.stateful for layer in self.layers) else None, *tuple(shape)[1:])

    def _build_from(self, data: Any, batch_size: int | None = None) -> None:
        """Makes inputs and outputs for the shapes of the first data."""
        self._check_begun()
        data = first_of(data)
        several = isinstance(data, Mapping) or (isinstance(data, (list, tuple)) and len(data) > 0
                                                and all(hasattr(value, "shape") for value in data))
        shapes: Any = _each(shape_of, data if isinstance(data, Mapping) else list(data)) if several else shape_of(data)
        found = list(shapes.values()) if isinstance(shapes, dict) else shapes if several else [shapes]
        if not found or None in found:
            raise ValueError(f"Model '{self.name}' of class {type(self).__name__} has no inputs yet, and there is no "
                             "data to learn their shapes from. Call build((None, ...)) first.")
        rows = min(found[0][0], batch_size or 32)
        self._connect_inputs(_each(lambda shape: self._for_batches(shape, rows), shapes))

    def _connect_inputs(self, shapes: Any) -> None:
        """Calls the model on inputs of these batch shapes (one, a list, or a dict), which become its own."""
        if self.outputs:
            self._forget_call()
        keys = sorted(shapes) if isinstance(shapes, Mapping) else None
        several = [shapes[key] for key in keys] if keys else shapes if isinstance(shapes, list) else [shapes]
        names = keys or [f"input_{i + 1}" for i in range(len(several))]
        self._keys_of_data, self._takes_list = keys, isinstance(shapes, (list, Mapping))
        inputs = [Input(batch_shape=tuple(shape), name=name) for shape, name in zip(several, names)]
        result = self(dict(zip(keys, inputs)) if keys else inputs if isinstance(shapes, list) else inputs[0])
        outputs = list(result.values()) if isinstance(result, dict) else to_list(result)
        self.inputs, self.outputs = inputs, outputs
        self.input_names = list(names)
        self.output_names = self._output_keys or [f"output_{i + 1}" for i in range(len(outputs))]
        self.internal_input_shapes, self.internal_output_shapes = shapes_of(inputs), shapes_of(outputs)
        self._feed_input_names, self._feed_inputs = self.input_names, inputs
        self._feed_input_shapes = self.internal_input_shapes
        self.built = True
        self._compile_now()  # type: ignore[attr-defined]

    def _connect_again(self, shapes: list[Any]) -> None:
        """Connects the model to inputs of other shapes, and compiles it as it was; the optimizer keeps its state."""
        compiled = self.__dict__.get("_compiled_with")
        self._compile_later = compiled
        keys = self._keys_of_data
        self._connect_inputs(dict(zip(keys, shapes)) if keys else shapes if self._takes_list else shapes[0])
        self._goes_on = compiled is not None

    # -------------------------------------------------------------------------------------------------- descriptions

    def summary(self, line_length: int | None = None, positions: Sequence[float] | None = None,
                print_fn: Callable[[str], Any] = print) -> None:
        """Prints the layers, their output shapes and numbers of parameters, line by line with `print_fn`."""
        self._check_begun()
        if not self._is_graph_network and not self.built:
            raise ValueError(f"Model '{self.name}' of class {type(self).__name__} has no weights yet, so there is "
                             "nothing to sum up. Call build((None, ...)), with the batch axis, or let it see data.")
        super().summary(line_length, positions, print_fn)

    def get_config(self) -> dict[str, Any]:
        """Layers and connections as plain data; a subclass with a `call` writes a get_config of its own."""
        if self._is_graph_network:
            return super().get_config()
        if type(self).get_config is not Subclassed.get_config:
            return {}  # that of the subclass asks what there is already
        raise NotImplementedError(f"Model '{self.name}' of class {type(self).__name__} has no config: {_NO_GRAPH}.")

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new model, with new weights, from `get_config`'s result."""
        if cls.call is Network.call or "input_layers" in config:
            return super().from_config(config, custom_objects)
        return cls(**config)

    def _before_compile(self) -> None:
        """Errors of the class that `compile` tells, and a new look at the layers: lists of them may have grown."""
        self._check_begun()
        self._check_steps()
        if not self._is_graph_network and self.outputs and self.layers != self._held():
            self._forget_call()

    def _says_call(self) -> bool:
        if type(self).call is Network.call:
            self._check_steps()
        return super()._says_call()

    def _check_steps(self) -> None:
        """NotImplementedError for a subclass that says in TensorFlow's way what a training step is."""
        own = [name for name in _STEPS if hasattr(type(self), name)]
        if own:
            raise NotImplementedError(
                f"{type(self).__name__} defines {own[0]}: training steps of your own, with a GradientTape, don't exist "
                "here. Say the loss with compile(optimizer, loss) or, in call, with self.add_loss(...); for steps that "
                "train several models in turn, call their train_on_batch in a loop.")


def refuse_subclassed(model: Any) -> None:
    """NotImplementedError if the model can't be put into a file."""
    if not getattr(model, "_is_graph_network", True):
        raise NotImplementedError(f"Model '{model.name}' of class {type(model).__name__} can't be saved as a whole: "
                                  f"{_NO_GRAPH}.")


def _each(change: Callable[[Any], Any], values: Any) -> Any:
    """What becomes of a value, or of each value in a list or dict."""
    if isinstance(values, Mapping):
        return {key: change(value) for key, value in values.items()}
    return [change(value) for value in values] if isinstance(values, list) else change(values)


def _holds(value: Any) -> bool:
    """Whether there is a layer in the value of an attribute."""
    return next(layers_in(value), None) is not None


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(n is None or isinstance(n, int) for n in value)


def _differ(a: Any, b: Any) -> bool:
    """Whether two tensors can't be one and the other side of a branch."""
    one, other = K.int_shape(a), K.int_shape(b)
    return len(one) != len(other) or any(n != m and None not in (n, m) for n, m in zip(one, other))


def _scalar(loss: Any) -> Any:
    return K.mean(loss) if K.is_tensor(loss) and K.ndim(loss) else loss
