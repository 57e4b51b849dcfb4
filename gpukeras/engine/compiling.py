"""What `compile` makes of a model: optimizer, loss and metrics, for each output."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from .. import optimizers
from ..graph import scope
from . import own_loss
from .adding import by_name, of_metric
from .advice import advise_on_compile
from .generators import refuse_unknown
from .objective import Head, Live, check_losses, loss_functions, metrics_by_output, per_output, plain
from .subclassed import Subclassed

_HARMLESS = ("run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss", "options", "run_metadata")
"""Arguments of other Keras versions that choose a way of running, not a result."""


class Compiled(Subclassed):
    """A network that was told how to train, before any data is there."""

    optimizer: Any
    metrics_names: list[str]
    metrics_tensors: list[Any]
    train_function: Any
    test_function: Any
    predict_function: Any

    def compile(self, optimizer: Any, loss: Any = None, metrics: Any = None, loss_weights: Any = None,
                sample_weight_mode: Any = None, weighted_metrics: Any = None, target_tensors: Any = None,
                distribute: Any = "auto", parts: int | None = None, **kwargs: Any) -> None:
        """Says how to train: optimizer, loss(es) and metrics, by name or as objects; lists or dicts by output name
        for several outputs.

        `loss_weights` multiply the losses in their sum; `sample_weight_mode='temporal'` takes weights for time
        steps; `target_tensors` are used instead of fed targets. Raises ValueError for unknown names, with the nearest.
        `distribute` says whether the processes that mpiexec has started train together: 'auto' (if there are several),
        True (an error if they can't), or False (each by itself). With `parts` each batch is computed in so many parts,
        one after the other in a process by itself, and the numbers are the same to the bit for any number of processes;
        None: as GPUKERAS_PARTS says, or as one.
        """
        if distribute not in ("auto", True, False):
            raise ValueError(f"distribute must be 'auto', True or False, got {distribute!r}")
        if parts is not None and (isinstance(parts, bool) or not isinstance(parts, int) or parts < 1):
            raise ValueError(f"parts must be a whole number, 1 or more, or None, got {parts!r}")
        self._distribute, self._parts = distribute, parts
        refuse_unknown("compile", [name for name in kwargs if name not in _HARMLESS], Compiled.compile)
        self._before_compile()
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss if loss is not None else []
        self.loss_weights = loss_weights
        self.sample_weight_mode = sample_weight_mode
        vars(self)["metrics"], self.weighted_metrics = metrics or [], weighted_metrics  # a subclass may have a property
        said = {"loss": loss, "metrics": metrics, "loss_weights": loss_weights,
                "sample_weight_mode": sample_weight_mode, "weighted_metrics": weighted_metrics,
                "target_tensors": target_tensors, "distribute": distribute, "parts": parts}
        if not self.outputs:  # the input shape isn't known yet
            check_losses(loss)
            self._compile_later = {"optimizer": self.optimizer, **said}
            return
        self.optimizer = optimizers.for_policies(self.optimizer, self._policies())
        if not self._is_graph_network:
            self._compiled_with, self._goes_on = {"optimizer": self.optimizer, **said}, False
        self.metrics_names, self.metrics_tensors = ["loss"], []
        self._live_metrics: dict[int, Live] = {}  # metrics with a state, by their place among the names
        with scope("loss/"):
            self._heads = self._make_heads(loss, loss_weights, sample_weight_mode, target_tensors)
            self.total_loss, own_metrics = self._total_loss()
            self._add_metrics(metrics, weighted_metrics, own_metrics)
        self._mirror_heads()
        advise_on_compile(self, self._heads)
        self.train_function = self.test_function = self.predict_function = None
        self._collected_trainable_weights = self.trainable_weights

    def _policies(self) -> list[Any]:
        """The policies of the layers that have one, those inside of others too."""
        found, layers = [], [self]
        while layers:
            layer = layers.pop()
            found += [] if layer._policy is None else [layer._policy]
            layers += [*(getattr(layer, "layers", None) or ()), *(layer._inside() if hasattr(layer, "_inside") else ()),
                       *layer._held()]
        return found

    _compile_later: dict[str, Any] | None = None
    """What `compile` said before the input shape was known."""

    def _compile_now(self) -> None:
        """Compiles a model that has just learned its input shape, if that was asked for."""
        later, self._compile_later = self._compile_later, None
        if later is not None:
            self.compile(**later)

    def _make_heads(self, loss: Any, loss_weights: Any, modes: Any, target_tensors: Any) -> list[Head]:
        names = self.output_names
        if isinstance(loss_weights, tuple):
            raise TypeError(f"loss_weights should be a list or a dict by output name, got the tuple {loss_weights}")
        masks = self.compute_mask(self.inputs, mask=None)
        masks = masks if isinstance(masks, list) else [masks] * len(names)
        weights = [1.0] * len(names)
        if loss_weights is not None:
            weights = per_output(loss_weights, names, "loss_weights", 1.0)
        functions = loss_functions(loss, names)
        heads = [Head(*parts) for parts in zip(names, self.outputs, self.internal_output_shapes, masks, functions,
                                               weights)]
        if target_tensors is not None and not isinstance(target_tensors, (list, tuple, dict)):
            target_tensors = [target_tensors]
        targets = [None] * len(names)
        if target_tensors is not None:
            targets = per_output(target_tensors, names, "target_tensors")
        if isinstance(modes, (dict, list, tuple)):
            missing = [h.name for h in heads if isinstance(modes, dict) and h.loss is not None and h.name not in modes]
            if missing:
                raise ValueError(f"sample_weight_mode as a dictionary needs every output; '{missing[0]}' is missing "
                                 "(None means one weight a sample)")
            modes = per_output(modes, names, "sample_weight_mode")
        else:
            modes = [modes] * len(names)
        for head, target, mode in zip(heads, targets, modes):
            if head.loss is not None:
                head.expect_target(target)
                if head.fed:
                    head.expect_weights(mode)
        if self._says_loss():
            own_loss.expect_targets(heads, modes)
        return heads

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
        """The loss of a batch, a scalar tensor, of tensors: that which `compile` was told, and what was added to it. A
        subclass may say another (newer Keras's way); it is asked once, when the model is compiled."""
        return own_loss.compiled_loss(self, y, y_pred, sample_weight)

    def _says_loss(self) -> bool:
        return type(self).compute_loss is not Compiled.compute_loss

    def _total_loss(self) -> tuple[Any, list[tuple[str, Any]]]:
        """The loss that is minimised, and metrics that came up on the way to it."""
        return own_loss.own_loss(self) if self._says_loss() else (self._sum_losses(), [])

    def _sum_losses(self) -> Any:
        total: Any = None
        for head in self._heads:
            if head.loss is None:
                continue
            with K.origin(head.name):
                value = head.weighted_loss()
            if len(self._heads) > 1:
                self.metrics_names.append(head.name + "_loss")
                self.metrics_tensors.append(value)
            value = value if head.loss_weight == 1 else value * head.loss_weight
            total = value if total is None else total + value
        total = own_loss.add_losses(self, total)
        if total is None:
            raise ValueError("The model cannot be compiled because it has no loss to optimize: give compile a loss "
                             "(loss='mse'), or call add_loss.")
        return total

    def _add_metrics(self, metrics: Any, weighted_metrics: Any, own: list[tuple[str, Any]]) -> None:
        chosen_by_output = (metrics_by_output(metrics, self.output_names),
                            metrics_by_output(weighted_metrics, self.output_names))
        for head, *chosen in zip(self._heads, *chosen_by_output):
            if head.target is None:
                continue
            for use_weights, group in enumerate(chosen):
                for metric in group:
                    name, value, live = head.metric(metric, bool(use_weights))
                    if live is not None:
                        self._live_metrics[len(self.metrics_names)] = live
                    self.metrics_names.append(name if len(self._heads) == 1 else f"{head.name}_{name}")
                    self.metrics_tensors.append(value)
        for name, value in by_name([*own, *self._added_metrics()]).items():
            of = of_metric(value)
            if of is not None:
                self._live_metrics[len(self.metrics_names)] = Live(of.metric.reset_states, of.updates)
            self.metrics_names.append(name)
            self.metrics_tensors.append(value)

    def _numbers(self) -> list[Any]:
        """What a step gives: the loss and metrics. One that a program has put among them with axes is its mean."""
        return [K.mean(v) if K.ndim(v) else v for v in (self.total_loss, *self.metrics_tensors)]

    def _mirror_heads(self) -> None:
        """The lists by output that Keras 2.0.9's own training code and programs look at."""
        fed = [h for h in self._heads if h.fed]
        self.loss_functions = [h.loss for h in self._heads]
        self.targets = [h.target for h in self._heads]
        self.sample_weights = [h.sample_weight for h in self._heads]
        self.sample_weight_modes = [h.mode for h in self._heads]
        self._feed_targets = [h.target for h in fed]
        self._feed_outputs = [h.tensor for h in fed]
        self._feed_output_names = [h.name for h in fed]
        self._feed_output_shapes = [h.shape for h in fed]
        self._feed_loss_fns = [plain(h.loss) for h in fed]
        self._feed_sample_weights = [h.sample_weight for h in fed]
        self._feed_sample_weight_modes = [h.mode for h in fed]
