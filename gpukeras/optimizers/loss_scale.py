"""Training with derivatives of 16 bits: the loss is multiplied by a scale, so that small derivatives are not lost, and
steps whose derivatives overflow are left out. All of it is part of the program: nothing is read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backend as K
from .base import Optimizer, Tensor

INITIAL_SCALE = 2.0 ** 15
GROWTH_STEPS = 2000
MULTIPLIER = 2.0


class LossScaling:
    """What an optimizer's step asks for where its loss is scaled: the scaled loss, derivatives as they would be
    without, and whether all of them are finite."""

    def __init__(self, scale: Tensor) -> None:
        self.scale = scale
        self.finite: Any = None
        """Whether all derivatives are finite; None as long as nobody asked for derivatives."""
        self.guarded: set[Any] = set()

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss multiplied by the scale."""
        return K.cast(loss, "float32") * self.scale

    def unscaled(self, grads: Sequence[Tensor], tables: Sequence[Any] = ()) -> list[Tensor]:
        """The derivatives of the scaled loss made those of the loss, and zeros where the step isn't made; of tables in
        place. To be called once, with all of them."""
        checks = [_all_finite(g) for g in grads]
        checks += [K.cast(t.choose(*(K.cast(_all_finite(g), "float32") for g in (t.sums, t.whole))), "bool")
                   for t in tables]
        self.finite = checks[0]
        for one in checks[1:]:
            self.finite = self.finite & one
        for table in tables:
            table.sums, table.whole = self._unscale(table.sums), self._unscale(table.whole)
        return [self._unscale(g) for g in grads]

    def _unscale(self, g: Tensor) -> Tensor:
        # the switch makes all that follows depend on the check: it is then one pass, not two
        return K.switch(self.finite, g * K.cast(1.0 / self.scale, g.dtype), K.zeros_like(g))

    def kept(self, new: Tensor, old: Tensor) -> Tensor:
        """`new` if the step is made, else `old`."""
        return new if new is old else K.switch(self.finite, new, old)

    def guard(self, updates: Sequence[Any]) -> list[Any]:
        """The updates of a step, none of which changes anything if it isn't made."""
        if self.finite is None:
            return list(updates)
        return [u if u[0] in self.guarded else K.update(u[0], self.kept(u[1], u[0])) for u in updates]

    def next_scale(self, good_steps: Tensor, growth_steps: int) -> list[Any]:
        """The updates of a scale that doubles after so many good steps, and halves (down to 1) after a bad one."""
        if self.finite is None:
            return []
        count = good_steps + 1
        grows = self.finite & (count >= growth_steps)
        larger = self.scale * MULTIPLIER
        larger = K.switch(larger - larger < 1, larger, self.scale)  # infinity less itself is no number
        smaller = K.maximum(self.scale / MULTIPLIER, 1.0)
        scale = K.switch(self.finite, K.switch(grows, larger, self.scale), smaller)
        count = K.switch(self.finite & ~grows, count, K.zeros_like(count))
        return [K.update(self.scale, scale), K.update(good_steps, count)]


def _all_finite(x: Tensor) -> Tensor:
    """Whether no element is infinite or not a number."""
    return ~K.any(K.is_inf(x) | K.is_nan(x))


def _of_inner(name: str) -> Any:
    """An attribute that is the inner optimizer's."""
    return property(lambda self: getattr(self.inner_optimizer, name),
                    lambda self, value: setattr(self.inner_optimizer, name, value),
                    doc=f"The inner optimizer's `{name}`.")


class LossScaleOptimizer(Optimizer):
    """An optimizer that trains on a scaled loss, as float16 needs: `inner_optimizer` gets derivatives that were divided
    by the scale again, in float32. Where one is infinite or not a number the step is left out (weights, state and
    `iterations` stay) and the scale is halved; after `dynamic_growth_steps` good steps in a row it is doubled.

    With `dynamic=False` the scale stays `initial_scale`, which must be given then. By default it begins at 2**15, and
    there are 2000 steps. `compile` does this by itself for models that compute in 'mixed_float16'. What this object
    has not itself (`lr`, `beta_1` ...) is the inner optimizer's. TypeError and ValueError for arguments that don't fit.

    >>> from gpukeras.optimizers import SGD
    >>> optimizer = LossScaleOptimizer(SGD(lr=0.1))
    >>> float(optimizer.loss_scale), round(float(optimizer.lr), 2)
    (32768.0, 0.1)
    """

    def __init__(self, inner_optimizer: Any, dynamic: bool = True, initial_scale: float | None = None,
                 dynamic_growth_steps: int | None = None, **kwargs: Any) -> None:
        from . import get

        if isinstance(inner_optimizer, LossScaleOptimizer):
            raise TypeError("LossScaleOptimizer: the inner optimizer is a LossScaleOptimizer itself")
        loss_scale = kwargs.pop("loss_scale", None) if isinstance(dynamic, bool) else dynamic
        if loss_scale is not None:  # the second argument of TensorFlow 2.0 to 2.3
            dynamic, initial_scale = _dynamic_and_initial(loss_scale)
        if kwargs:
            raise TypeError(f"LossScaleOptimizer got an unexpected argument {next(iter(kwargs))!r}; it takes "
                            "inner_optimizer, dynamic, initial_scale and dynamic_growth_steps")
        if not dynamic and initial_scale is None:
            raise ValueError("LossScaleOptimizer: with dynamic=False, initial_scale must be given: the scale to keep")
        if not dynamic and dynamic_growth_steps is not None:
            raise ValueError("LossScaleOptimizer: dynamic_growth_steps must be None with dynamic=False, got "
                             f"{dynamic_growth_steps!r}")
        self.__dict__["inner_optimizer"] = get(inner_optimizer)
        super().__init__()
        self.dynamic = dynamic
        self.initial_scale = _positive("initial_scale", initial_scale, INITIAL_SCALE)
        self.dynamic_growth_steps = int(_positive("dynamic_growth_steps", dynamic_growth_steps, GROWTH_STEPS)) \
            if dynamic else None
        self.loss_scale = K.variable(self.initial_scale, "float32", name="current_loss_scale")
        self.dynamic_counter = K.variable(0, "int64", name="good_steps") if dynamic else None

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get("inner_optimizer")
        if inner is None or name.startswith("__"):
            raise AttributeError(name)
        return getattr(inner, name)

    lr = _of_inner("lr")
    learning_rate = _of_inner("learning_rate")
    decay = _of_inner("decay")
    iterations = _of_inner("iterations")
    _schedule = _of_inner("_schedule")

    @property
    def weights(self) -> list[Any]:
        """The inner optimizer's state, the scale, and the number of good steps."""
        inner = list(self.inner_optimizer.weights)
        return [*inner, *self.scale_state] if inner else []

    @weights.setter
    def weights(self, weights: list[Any]) -> None:
        """The base class begins with none."""

    @property
    def scale_state(self) -> list[Any]:
        """The scale, and if it is dynamic the number of good steps: variables."""
        return [self.loss_scale, *([] if self.dynamic_counter is None else [self.dynamic_counter])]

    def get_scaled_loss(self, loss: Any) -> Any:
        """The loss, or the function that makes it, multiplied by the scale: for training steps of one's own."""
        if callable(loss) and not K.is_tensor(loss):
            return lambda: self.get_scaled_loss(loss())
        return loss * K.cast(self.loss_scale, K.dtype(loss))

    def get_unscaled_gradients(self, grads: Sequence[Any]) -> list[Any]:
        """Derivatives of such a loss divided by the scale, in float32; None stays None."""
        return [None if g is None else K.cast(g, "float32") / self.loss_scale for g in grads]

    def get_gradients(self, loss: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
        """The derivatives of the loss, without a scale, clipped as the inner optimizer is told to."""
        result: list[Tensor] = self.inner_optimizer.get_gradients(loss, params)
        return result

    def get_updates(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """One step of the inner optimizer, made if all derivatives are finite; and the scale's."""
        inner = self.inner_optimizer
        scaling = LossScaling(self.loss_scale)
        inner.loss_scaling = scaling
        try:
            steps = inner.get_updates(loss=loss, params=params)
        finally:
            inner.loss_scaling = None
        self.updates = scaling.guard(steps)
        if self.dynamic_growth_steps is not None:
            self.updates += scaling.next_scale(self.dynamic_counter, self.dynamic_growth_steps)
        return self.updates

    def get_config(self) -> dict[str, Any]:
        """The arguments, the inner optimizer as class name and config."""
        from . import serialize

        return {"inner_optimizer": serialize(self.inner_optimizer), "dynamic": self.dynamic,
                "initial_scale": self.initial_scale, "dynamic_growth_steps": self.dynamic_growth_steps}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LossScaleOptimizer:
        """An optimizer with these arguments; also from configs of TensorFlow 2.0 to 2.3, with a `loss_scale`."""
        from . import deserialize

        config = dict(config)
        inner = config.pop("inner_optimizer", None) or config.pop("optimizer")
        if isinstance(inner, dict):
            inner = deserialize({k: v for k, v in inner.items() if k in ("class_name", "config")}, custom_objects)
        old = config.pop("loss_scale", None)
        if isinstance(old, dict):
            old = "dynamic" if old.get("class_name") == "DynamicLossScale" else old["config"]["loss_scale_value"]
        return cls(inner, **config) if old is None else cls(inner, loss_scale=old)


def _dynamic_and_initial(loss_scale: Any) -> tuple[bool, float | None]:
    """What 'dynamic' or a number means."""
    if loss_scale == "dynamic":
        return True, None
    if isinstance(loss_scale, (int, float)) and not isinstance(loss_scale, bool):
        return False, loss_scale
    raise TypeError(f"LossScaleOptimizer: dynamic must be True or False, got {loss_scale!r}")


def _positive(name: str, value: Any, default: float) -> float:
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"LossScaleOptimizer: {name} must be a positive number, got {value!r}")
    return float(value)
