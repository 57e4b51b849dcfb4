"""Learning rates that follow a schedule, from newer Keras: given to an optimizer in place of a number.

The rate is a tensor made from the optimizer's count of updates, so the program computes it at every step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import backend as K
from ..utils.generic_utils import Registry, deserialize_keras_object, serialize_keras_object

Tensor = Any


class LearningRateSchedule:
    """Base of all schedules. A schedule of your own defines ``__call__(step)``, which makes of the number of updates
    already made, a float tensor, the learning rate; and `get_config`, if it has arguments and shall be saved.

    >>> class Warmup(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 * K.minimum(step / 100, 1)
    >>> from gpukeras.optimizers import Adam
    >>> float(K.get_value(Adam(lr=Warmup()).lr))
    0.0
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate of an update, for a tensor as a tensor and for a number (or an array) as a number."""
        if K.is_tensor(step):
            return self.rate(K.cast(step, K.floatx()))
        return K.eval(self.rate(K.cast(K.constant(step), K.floatx())))[()]

    def rate(self, step: Tensor) -> Tensor:
        """The learning rate as a tensor, for a float tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """A schedule with these arguments."""
        return cls(**config)


class _FromInitial(LearningRateSchedule):
    """What most have: a rate to start from, and a number of steps, more than 0."""

    _arguments: tuple[str, ...] = ()

    def __init__(self, initial_learning_rate: float, steps: float, name: str | None) -> None:
        if not steps > 0:
            raise ValueError(f"{type(self).__name__}: the number of steps must be above 0, got {steps}")
        self.initial_learning_rate = initial_learning_rate
        self.name = name

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in ("initial_learning_rate", *self._arguments, "name")}


class ExponentialDecay(_FromInitial):
    """initial_learning_rate * decay_rate ** (step / decay_steps); with `staircase` the exponent is rounded down.

    >>> schedule = ExponentialDecay(0.5, decay_steps=10, decay_rate=0.25)
    >>> float(schedule(0)), float(schedule(5)), float(schedule(10))
    (0.5, 0.25, 0.125)
    """

    _arguments = ("decay_steps", "decay_rate", "staircase")

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str | None = None) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase

    def _periods(self, step: Tensor) -> Tensor:
        return K.floor(step / self.decay_steps) if self.staircase else step / self.decay_steps

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        return self.initial_learning_rate * K.pow(self.decay_rate, self._periods(step))


class InverseTimeDecay(ExponentialDecay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps); with `staircase` step / decay_steps is rounded
    down.

    >>> float(InverseTimeDecay(0.5, decay_steps=10, decay_rate=2)(5))
    0.25
    """

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[0] up to and with step boundaries[0], values[1] up to and with boundaries[1], ..., the last one from then
    on. ValueError unless there is one value more than boundaries, which must rise.

    >>> schedule = PiecewiseConstantDecay([2, 4], [0.5, 0.25, 0.125])
    >>> [float(schedule(step)) for step in range(6)]
    [0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str | None = None) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(f"PiecewiseConstantDecay: {len(boundaries)} boundaries need {len(boundaries) + 1} values, "
                             f"got {len(values)}")
        if list(boundaries) != sorted(boundaries):
            raise ValueError(f"PiecewiseConstantDecay: the boundaries must rise, got {list(boundaries)}")
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        rate = K.zeros_like(step) + self.values[-1]
        for boundary, value in reversed(list(zip(self.boundaries, self.values))):
            rate = K.switch(step <= boundary, K.zeros_like(step) + value, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class PolynomialDecay(_FromInitial):
    """(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate, and the
    latter after `decay_steps`; with `cycle` these are stretched to the next multiple of themselves instead.

    >>> schedule = PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.25)
    >>> float(schedule(0)), float(schedule(5)), float(schedule(20))
    (0.5, 0.375, 0.25)
    """

    _arguments = ("decay_steps", "end_learning_rate", "power", "cycle")

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False, name: str | None = None) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        passed = step / self.decay_steps
        passed = passed / K.maximum(K.ceil(passed), 1) if self.cycle else K.minimum(passed, 1)
        return (self.initial_learning_rate - self.end_learning_rate) * K.pow(1 - passed, self.power) + (
            self.end_learning_rate)


def _half_wave(passed: Tensor) -> Tensor:
    """From 1 to 0 as `passed` goes from 0 to 1."""
    return 0.5 * (1 + K.cos(math.pi * passed))


class CosineDecay(_FromInitial):
    """Half a cosine wave from initial_learning_rate down to `alpha` times it, in `decay_steps` (Loshchilov, Hutter
    2017, arXiv:1608.03983). With a `warmup_target` the rate first rises to it in a straight line for `warmup_steps`,
    and the wave starts from there.

    >>> schedule = CosineDecay(0.5, decay_steps=10)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 20)]
    [0.5, 0.25, 0.0]
    """

    _arguments = ("decay_steps", "alpha", "warmup_target", "warmup_steps")

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str | None = None,
                 warmup_target: float | None = None, warmup_steps: float = 0) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        first, target = self.initial_learning_rate, self.warmup_target
        warm = 0 if target is None else self.warmup_steps
        wave = _half_wave(K.clip((step - warm) / self.decay_steps, 0, 1))
        falling = (first if target is None else target) * ((1 - self.alpha) * wave + self.alpha)
        if target is None or not warm:
            return falling
        return K.switch(step < warm, first + (target - first) * (step / warm), falling)


class CosineDecayRestarts(_FromInitial):
    """Half cosine waves as in CosineDecay, one after the other: each takes `t_mul` times as many steps as the one
    before, the first `first_decay_steps`, and starts from `m_mul` times its rate (Loshchilov, Hutter 2017,
    arXiv:1608.03983). ValueError for a `t_mul` below 1.

    >>> schedule = CosineDecayRestarts(0.5, first_decay_steps=10)
    >>> [round(float(schedule(step)), 4) for step in (0, 5, 10, 20)]
    [0.5, 0.25, 0.5, 0.25]
    """

    _arguments = ("first_decay_steps", "t_mul", "m_mul", "alpha")

    def __init__(self, initial_learning_rate: float, first_decay_steps: float, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0, name: str | None = None) -> None:
        super().__init__(initial_learning_rate, first_decay_steps, name)
        if t_mul < 1:
            raise ValueError(f"CosineDecayRestarts: t_mul must be at least 1, got {t_mul}")
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha

    def rate(self, step: Tensor) -> Tensor:
        """See the class."""
        passed = step / self.first_decay_steps
        if self.t_mul == 1:
            restarts = K.floor(passed)
            within = passed - restarts
        else:  # wave i takes t_mul^i of the first one's steps; those before it (t_mul^i - 1) / (t_mul - 1) together
            restarts = K.floor(K.log(1 + passed * (self.t_mul - 1)) / math.log(self.t_mul))
            stretch = K.pow(self.t_mul, restarts)
            within = (passed - (stretch - 1) / (self.t_mul - 1)) / stretch
        height = K.pow(self.m_mul, restarts) * _half_wave(within)
        return self.initial_learning_rate * ((1 - self.alpha) * height + self.alpha)


_registry = Registry(globals(), ["CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
                                 "PiecewiseConstantDecay", "PolynomialDecay"])


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """{'class_name': ..., 'config': ...}."""
    result: dict[str, Any] = serialize_keras_object(learning_rate_schedule)
    return result


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LearningRateSchedule:
    """The schedule that `serialize` described; classes of your own are named in `custom_objects`."""
    result: LearningRateSchedule = deserialize_keras_object(config, _registry, custom_objects, "learning rate schedule")
    return result
