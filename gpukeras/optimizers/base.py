"""What all optimizers share. A rule is written once, for one flat vector of all weights: the program makes one
elementwise pass of it, whatever the number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import backend as K
from ..backend import ranks
from ..backend.flat import Flat, flat_groups, source_of_cast
from ..backend.rows import RowGradient
from ..utils import keras1
from ..utils.messages import warn
from . import schedules

Tensor = Any
Rate = float | schedules.LearningRateSchedule


class Hyperparameter:
    """An attribute that is a variable of the graph: assigning a number to it takes effect at the next step, without
    compiling again."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = "_" + name

    def __get__(self, optimizer: Any, owner: type) -> Any:
        return self if optimizer is None else getattr(optimizer, self._slot)

    def __set__(self, optimizer: Any, value: Any) -> None:
        present = optimizer.__dict__.get(self._slot)
        if isinstance(value, K.Tensor):
            setattr(optimizer, self._slot, value)
        elif present is None:
            setattr(optimizer, self._slot, K.variable(value, name=f"{type(optimizer).__name__}/{self._slot[1:]}"))
        else:
            K.set_value(present, value)


class LearningRate(Hyperparameter):
    """A hyperparameter that may also be a schedule, or a schedule's config: then a tensor, computed from the number of
    updates by the program itself."""

    def __get__(self, optimizer: Any, owner: type) -> Any:
        schedule = None if optimizer is None else optimizer._schedule
        return super().__get__(optimizer, owner) if schedule is None else optimizer.scheduled_rate()

    def __set__(self, optimizer: Any, value: Any) -> None:
        if isinstance(value, dict):
            value = schedules.deserialize(value)
        if optimizer._schedule is not None:
            raise TypeError(f"{type(optimizer).__name__} was made with the learning rate schedule "
                            f"{type(optimizer._schedule).__name__}, so its learning rate can't be set: make the "
                            "optimizer with a number, or leave the rate to the schedule")
        if not isinstance(value, schedules.LearningRateSchedule):
            super().__set__(optimizer, value)
        elif optimizer.__dict__.get(self._slot) is None:
            optimizer._schedule = value
        else:
            raise TypeError(f"{type(optimizer).__name__} was made with a number as its learning rate: give the "
                            f"schedule to a new optimizer, {type(optimizer).__name__}(lr=schedule)")


class OtherName(Hyperparameter):
    """`learning_rate`, newer Keras's name for `lr`. A class with an `lr` of its own, which may be a name for this one,
    has it as a hyperparameter of its own."""

    def __get__(self, optimizer: Any, owner: type) -> Any:
        return optimizer.lr if optimizer is not None and _keeps_rate(owner) else super().__get__(optimizer, owner)

    def __set__(self, optimizer: Any, value: Any) -> None:
        if _keeps_rate(type(optimizer)):
            optimizer.lr = value
        else:
            super().__set__(optimizer, value)


def _keeps_rate(owner: Any) -> bool:
    """Whether an optimizer of this class has its learning rate in the `lr` of the base class."""
    return owner.lr is Optimizer.lr


class Optimizer:
    """Base of all optimizers. Subclasses give `get_updates` and `get_config`.

    `clipnorm` scales all gradients together so that their common Euclidean norm is at most this; `clipvalue` then
    keeps each element within [-clipvalue, clipvalue]. With `lazy`, SGD, Adadelta, Adamax and Nadam leave the rows of an
    Embedding's table that a batch does not have as they are, as TensorFlow's older optimizers of these names do; files
    of those are loaded so.
    """

    lr = LearningRate()
    learning_rate = OtherName()
    decay = Hyperparameter()
    _schedule: schedules.LearningRateSchedule | None = None
    iterations: Any = None
    lazy = False
    _scheduled_rate: Any = None
    loss_scaling: Any = None
    """Where the loss is scaled (see `loss_scale.py`): what scales it, takes the scale out of derivatives, and knows
    whether they are finite."""

    def __init__(self, **kwargs: Any):
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue", "lazy", "name"):
                raise TypeError(f"{type(self).__name__} got an unexpected argument {name!r}; it takes lr (or "
                                "learning_rate), its own parameters, clipnorm and clipvalue")
        self.lazy = bool(kwargs.get("lazy", False))
        if kwargs.get("clipnorm") is not None:
            self.clipnorm = kwargs["clipnorm"]
        if kwargs.get("clipvalue") is not None:
            self.clipvalue = kwargs["clipvalue"]
        self.updates: list[Any] = []
        self.weights: list[Any] = []

    def scheduled_rate(self) -> Tensor:
        """The schedule's rate for the number of updates already made."""
        if self.iterations is None:
            raise TypeError(f"{type(self).__name__} does not count its updates, as a learning rate schedule needs: set "
                            "self.iterations = K.variable(0, dtype='int64'), and update it in get_updates")
        if self._scheduled_rate is None and self._schedule is not None:
            self._scheduled_rate = K.cast(self._schedule(K.cast(self.iterations, K.floatx())), K.floatx())
        return self._scheduled_rate

    @keras1.get_updates
    def get_updates(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """The updates of one step, made of K.update and its kin."""
        raise NotImplementedError(f"{type(self).__name__} must define get_updates(loss, params)")

    def get_gradients(self, loss: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
        """The derivatives of the loss for each weight, clipped as the optimizer is told to; zeros, with a warning, for
        weights that the loss does not depend on.
        """
        grads = [K.zeros_like(p) if g is None else g for p, g in zip(params, self._raw_gradients(loss, params))]
        return self._clip(self._unscaled(ranks.sum_each_over_ranks(grads)))

    def _unscaled(self, grads: list[Tensor], tables: Sequence[RowGradient] = ()) -> list[Tensor]:
        """The gradients without the scale of the loss, if it has one; those of tables are changed in place."""
        return grads if self.loss_scaling is None else self.loss_scaling.unscaled(grads, tables)

    def _raw_gradients(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """The derivatives; None, with a warning, where there is none. ValueError if there is none at all."""
        if self.loss_scaling is not None:
            loss = self.loss_scaling.scaled(loss)
        grads = K.gradients(loss, list(params))
        missing = [f"'{p.name}'" for p, g in zip(params, grads) if g is None]
        if not missing:
            return grads
        names = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        kind = "weight" if len(missing) == 1 else "weights"
        why = (f"the loss does not depend on the {kind} {names} (or only through an op without derivative, such as "
               "K.argmax or K.round)")
        if len(missing) == len(grads):
            raise ValueError(f"Nothing can be trained: {why}. Give the output that depends on it a loss, or use the "
                             "weight in the loss")
        warn(f"{why[0].upper()}{why[1:]}: not trained. If that is meant, set trainable=False on the layer; if not, an "
             "output may lack its loss in compile.")
        return grads

    def _clip(self, grads: Sequence[Tensor], tables: Sequence[RowGradient] = ()) -> list[Tensor]:
        """The gradients as the optimizer is told to clip them; those of tables are changed in place."""
        clipnorm = getattr(self, "clipnorm", 0)
        clipvalue = getattr(self, "clipvalue", 0)
        if clipnorm > 0:
            norm = K.sqrt(sum([K.sum(K.square(g)) for g in grads] + [t.sum_of_squares() for t in tables]))

        def clip(g: Tensor) -> Tensor:
            g = clip_norm(g, clipnorm, norm) if clipnorm > 0 else g
            return K.clip(g, -clipvalue, clipvalue) if clipvalue > 0 else g
        for table in tables:
            table.sums, table.whole = clip(table.sums), clip(table.whole)
        return [clip(g) for g in grads]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Sets the state from a list of arrays, as `get_weights` returns them."""
        if len(weights) != len(self.weights):
            raise ValueError(f"{type(self).__name__} has {len(self.weights)} state arrays, got {len(weights)}; build "
                             "the training function first (fit, or model._make_train_function())")
        for v, value in zip(self.weights, weights):
            if tuple(v.shape) != np.shape(value):
                raise ValueError(f"optimizer state '{v.name}' has shape {v.shape}, got {np.shape(value)}")
        K.batch_set_value(list(zip(self.weights, weights)))

    def get_weights(self) -> list[np.ndarray]:
        """The state as a list of arrays."""
        return K.batch_get_value(self.weights)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer."""
        config = {name: getattr(self, name) for name in ("clipnorm", "clipvalue") if hasattr(self, name)}
        return {**config, **({"lazy": True} if self.lazy else {})}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """An optimizer with these arguments."""
        return cls(**config)


_get_gradients = Optimizer.get_gradients


class FlatOptimizer(Optimizer):
    """An optimizer whose rule is the same for every element: `step` is written for one vector.

    Subclasses name their state vectors in `slots` and give `prepare` (numbers common to all elements) and `step`.
    """

    slots: tuple[str, ...] = ()
    counts_in_state = True
    """Whether the number of updates is saved with the state, as Keras 2.0.9 does for some optimizers; with a schedule
    it always is."""
    at_hand: Sequence[Tensor] = ()
    """The variables that the vector given to `step` is made of."""

    def __init__(self, lr: Rate, decay: float, **kwargs: Any):
        lr = kwargs.pop("learning_rate", lr)
        super().__init__(**kwargs)
        self.lr = lr
        self.counts_in_state = self.counts_in_state or self._schedule is not None
        self.decay = decay
        self.initial_decay = decay
        self.iterations = K.variable(0, dtype="int64", name=f"{type(self).__name__}/iterations")

    @keras1.get_updates
    def get_updates(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """One step for all weights, at their values before the step."""
        if not params:
            self.updates, self.weights = [K.update_add(self.iterations, 1)], [self.iterations]
            return self.updates
        theirs = getattr(self.get_gradients, "__func__", None) is not _get_gradients  # a program's own, made whole
        grads = self.get_gradients(loss, params) if theirs else self._raw_gradients(loss, params)
        params = [p for p, g in zip(params, grads) if g is not None]
        grads = [g for g in grads if g is not None]
        found = [] if theirs else [RowGradient.of(p, g, self.lazy) for p, g in zip(params, grads)]
        tables = {i: t for i, t in enumerate(found) if t is not None}
        groups = flat_groups(params, without=tables, apart={i for i, g in enumerate(grads)
                                                              if source_of_cast(g) is not None})
        joined = [Flat.join([grads[i] for i in places]) for _, places in groups]
        if not theirs:
            joined = self._unscaled([ranks.sum_over_ranks(g) for g in joined], list(tables.values()))
            joined = self._clip(joined, list(tables.values()))
        self.updates = [K.update_add(self.iterations, 1)]
        self.common = self.prepare()
        state: dict[str, list[Any]] = {name: [None] * len(params) for name in self.slots}
        for i, table in tables.items():  # first: their gradients come through the other weights, as they were
            for name in self.slots:
                state[name][i] = K.zeros(params[i].shape, params[i].dtype)
            self._step_table(table, [state[name][i] for name in self.slots])
        for (flat, places), g in zip(groups, joined):
            vectors = {name: flat.zeros() for name in self.slots}
            self.at_hand = flat.variables
            new_p, new_state = self.step(flat.value, g, *(v.value for v in vectors.values()))
            for vector, new in zip(vectors.values(), new_state):
                self.updates += vector.updates(new, K.update)
            self.updates += flat.updates(new_p, K.update)
            for name, vector in vectors.items():
                for i, v in zip(places, vector.variables):
                    state[name][i] = v
        self.weights = [self.iterations] if self.counts_in_state else []
        self.weights += [v for name in self.slots for v in state[name]]
        return self.updates

    def _step_table(self, table: RowGradient, state: Sequence[Tensor]) -> None:
        """One step for a table: the rows that were used by the rule, the others by `coast`."""
        p = table.variable
        self.at_hand = [p]
        whole, whole_state = self.step(p, table.whole, *state)
        used, used_state = self.step(table.taken(p), table.sums, *map(table.taken, state))
        rest, rest_state = self.coast(p, *state)
        for v, w, u, r in zip([p, *state], [whole, *whole_state], [used, *used_state], [rest, *rest_state]):
            if self.loss_scaling is not None:  # row by row: to keep the old table whole would cost a copy of it
                kept = self.loss_scaling.kept
                w, u, r = kept(w, v), kept(u, table.taken(v)), kept(r, v)
                self.loss_scaling.guarded.add(v)
            by_rows = table.put(u, r)
            self.updates.append(K.update(v, by_rows if self.lazy else table.choose(by_rows, w)))

    def rate(self) -> Tensor:
        """The learning rate, lowered by `decay` for each update already made."""
        if self.initial_decay == 0:
            return self.lr
        return self.lr * (1 / (1 + self.decay * K.cast(self.iterations, self.decay.dtype)))

    def time(self) -> Tensor:
        """The number of this update, from 1."""
        return K.cast(self.iterations, K.floatx()) + 1

    def prepare(self) -> Any:
        """What `step` needs of scalars, as `self.common`."""
        return self.rate()

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """New weights and new state vectors."""
        raise NotImplementedError(f"{type(self).__name__} must define step")

    def coast(self, p: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """`step` where the gradient is 0, as for the rows of a table that were not used. What it returns unchanged is
        not even read."""
        return self.step(p, K.zeros_like(p), *state)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer, with the present learning rate, or the schedule's config."""
        return self._config()

    def _config(self, **own: Any) -> dict[str, Any]:
        """The arguments with those of a rule's own where Keras 2.0.9 prints them, between the rate and its decay."""
        lr = float(K.get_value(self.lr)) if self._schedule is None else schedules.serialize(self._schedule)
        return {**super().get_config(), "lr": lr, **own, "decay": float(K.get_value(self.decay))}


class TFOptimizer(Optimizer):
    """TensorFlow's own optimizers, which need TensorFlow: the constructor always raises TypeError."""

    def __init__(self, optimizer: Any):
        raise TypeError(f"TFOptimizer({optimizer!r}): there is no TensorFlow here. Use the optimizer of that name of "
                        "keras.optimizers.")

    weights: list[Any] = []
    get_grads = Optimizer.get_gradients


def clip_norm(g: Tensor, c: float, n: Any) -> Tensor:
    """The gradient `g` scaled by c / n where its norm `n` is at least `c`; unchanged for c <= 0.

    >>> K.eval(clip_norm(K.constant([3., 4.]), 2.5, K.constant(5.))).tolist()
    [1.5, 2.0]
    """
    return g * K.switch(n >= c, c / K.maximum(n, c), K.ones_like(n)) if c > 0 else g


def root(x: Tensor) -> Tensor:
    """The square root of what is known not to be negative (K.sqrt would take the maximum with 0 first)."""
    return K.pow(x, 0.5)
