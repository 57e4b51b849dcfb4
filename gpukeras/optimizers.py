"""Optimizers. Each rule is written once, for one flat vector of all weights: the program makes one elementwise pass
of it, whatever the number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import backend as K
from .backend.flat import Flat, flat_groups
from .utils.generic_utils import deserialize_keras_object, serialize_keras_object

Tensor = Any


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
            setattr(optimizer, self._slot, K.variable(value, name=self._slot[1:]))
        else:
            K.set_value(present, value)


class Optimizer:
    """Base of all optimizers. Subclasses give `get_updates` and `get_config`.

    `clipnorm` scales all gradients together so that their common Euclidean norm is at most this; `clipvalue` then
    keeps each element within [-clipvalue, clipvalue].
    """

    lr = Hyperparameter()
    decay = Hyperparameter()

    def __init__(self, **kwargs: Any):
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue", "name"):
                raise TypeError(f"{type(self).__name__} got an unexpected argument {name!r}; it takes lr (or "
                                "learning_rate), its own parameters, clipnorm and clipvalue")
        if kwargs.get("clipnorm") is not None:
            self.clipnorm = kwargs["clipnorm"]
        if kwargs.get("clipvalue") is not None:
            self.clipvalue = kwargs["clipvalue"]
        self.updates: list[Any] = []
        self.weights: list[Any] = []

    @property
    def learning_rate(self) -> Any:
        """The learning rate, a variable; assigning a number changes it at the next step."""
        return self.lr

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.lr = value

    def get_updates(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """The updates of one step, made of K.update and its kin."""
        raise NotImplementedError(f"{type(self).__name__} must define get_updates(loss, params)")

    def get_gradients(self, loss: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
        """The derivatives of the loss for each weight, clipped as the optimizer is told to."""
        return self._clip(self._raw_gradients(loss, params))

    def _raw_gradients(self, loss: Tensor, params: Sequence[Tensor]) -> list[Tensor]:
        grads = K.gradients(loss, list(params))
        for p, g in zip(params, grads):
            if g is None:
                raise ValueError(f"the loss does not depend on the weight '{p.name}' of shape {p.shape} (or only "
                                 "through an op without derivative, such as K.argmax or K.round): set "
                                 "trainable=False on its layer, or use the weight in the loss")
        return grads

    def _clip(self, grads: list[Tensor]) -> list[Tensor]:
        clipnorm = getattr(self, "clipnorm", 0)
        clipvalue = getattr(self, "clipvalue", 0)
        if clipnorm > 0:
            norm = K.sqrt(sum(K.sum(K.square(g)) for g in grads))
            scale = K.switch(norm >= clipnorm, clipnorm / K.maximum(norm, clipnorm), K.ones_like(norm))
            grads = [g * scale for g in grads]
        if clipvalue > 0:
            grads = [K.clip(g, -clipvalue, clipvalue) for g in grads]
        return grads

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
        return {name: getattr(self, name) for name in ("clipnorm", "clipvalue") if hasattr(self, name)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """An optimizer with these arguments."""
        return cls(**config)


class FlatOptimizer(Optimizer):
    """An optimizer whose rule is the same for every element: `step` is written for one vector.

    Subclasses name their state vectors in `slots` and give `prepare` (numbers common to all elements) and `step`.
    """

    slots: tuple[str, ...] = ()
    counts_in_state = True
    """Whether the number of updates is saved with the state, as Keras 2.0.9 does for some optimizers."""

    def __init__(self, lr: float, decay: float, **kwargs: Any):
        lr = kwargs.pop("learning_rate", lr)
        super().__init__(**kwargs)
        self.lr = lr
        self.decay = decay
        self.initial_decay = decay
        self.iterations = K.variable(0, dtype="int64", name="iterations")

    def get_updates(self, loss: Tensor, params: Sequence[Tensor]) -> list[Any]:
        """One step for all weights, at their values before the step."""
        if not params:
            self.updates, self.weights = [K.update_add(self.iterations, 1)], [self.iterations]
            return self.updates
        grads = self._raw_gradients(loss, params)
        groups = flat_groups(params)
        joined = self._clip([Flat.join([grads[i] for i in places]) for _, places in groups])
        self.updates = [K.update_add(self.iterations, 1)]
        self.common = self.prepare()
        state: dict[str, list[Any]] = {name: [None] * len(params) for name in self.slots}
        for (flat, places), g in zip(groups, joined):
            vectors = {name: flat.zeros() for name in self.slots}
            new_p, new_state = self.step(flat.value, g, *(v.value for v in vectors.values()))
            for vector, new in zip(vectors.values(), new_state):
                self.updates += vector.updates(new)
            self.updates += flat.updates(new_p)
            for name, vector in vectors.items():
                for i, v in zip(places, vector.variables):
                    state[name][i] = v
        self.weights = [self.iterations] if self.counts_in_state else []
        self.weights += [v for name in self.slots for v in state[name]]
        return self.updates

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

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal optimizer, with the present learning rate."""
        return {**super().get_config(), "lr": float(K.get_value(self.lr)), "decay": float(K.get_value(self.decay))}


def _root(x: Tensor) -> Tensor:
    """The square root of what is known not to be negative (K.sqrt would take the maximum with 0 first)."""
    return K.pow(x, 0.5)


class SGD(FlatOptimizer):
    """Stochastic gradient descent with momentum, also Nesterov's. Per step:
    v = momentum v - lr g; p = p + v, or p + momentum v - lr g with `nesterov`.

    >>> from gpukeras import backend as K
    >>> w = K.variable([1.])
    >>> f = K.function([], [], SGD(lr=0.1).get_updates(K.sum(w * w), [w]))
    >>> _ = f([])
    >>> round(float(K.get_value(w)[0]), 4)
    0.8
    """

    slots = ("moments",)
    momentum = Hyperparameter()

    def __init__(self, lr: float = 0.01, momentum: float = 0.0, decay: float = 0.0, nesterov: bool = False,
                 **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.momentum = momentum
        self.nesterov = nesterov

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        lr = self.common
        move = lr * g
        v = self.momentum * state[0] - move
        return (p + self.momentum * v - move if self.nesterov else p + v), [v]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "momentum": float(K.get_value(self.momentum)), "nesterov": self.nesterov}


class RMSprop(FlatOptimizer):
    """Gradients divided by a running average of their magnitude (Hinton, Coursera lecture 6e). Per step:
    a = rho a + (1 - rho) g^2; p = p - lr g / (sqrt(a) + epsilon)."""

    slots = ("accumulators",)
    counts_in_state = False
    rho = Hyperparameter()

    def __init__(self, lr: float = 0.001, rho: float = 0.9, epsilon: float | None = 1e-8, decay: float = 0.0,
                 **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.rho = rho
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = self.rho * state[0] + (1 - self.rho) * K.square(g)
        return p - self.common * g / (_root(a) + self.epsilon), [a]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "rho": float(K.get_value(self.rho)), "epsilon": self.epsilon}


class Adagrad(FlatOptimizer):
    """Gradients divided by the root of the sum of their squares (Duchi et al. 2011). Per step:
    a = a + g^2; p = p - lr g / (sqrt(a) + epsilon)."""

    slots = ("accumulators",)
    counts_in_state = False

    def __init__(self, lr: float = 0.01, epsilon: float | None = 1e-8, decay: float = 0.0, **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = state[0] + K.square(g)
        return p - self.common * g / (_root(a) + self.epsilon), [a]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "epsilon": self.epsilon}


class Adadelta(FlatOptimizer):
    """Steps in the proportion of past steps to past gradients (Zeiler 2012). Per step:
    a = rho a + (1 - rho) g^2; u = g sqrt(d + epsilon) / sqrt(a + epsilon); p = p - lr u;
    d = rho d + (1 - rho) u^2."""

    slots = ("accumulators", "delta_accumulators")
    counts_in_state = False

    def __init__(self, lr: float = 1.0, rho: float = 0.95, epsilon: float | None = 1e-8, decay: float = 0.0,
                 **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.rho = rho
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        a = self.rho * state[0] + (1 - self.rho) * K.square(g)
        u = g * _root(state[1] + self.epsilon) / _root(a + self.epsilon)
        d = self.rho * state[1] + (1 - self.rho) * K.square(u)
        return p - self.common * u, [a, d]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class _TwoMoments(FlatOptimizer):
    """What Adam and its relatives share: running averages of the gradient and of its square (or magnitude)."""

    beta_1 = Hyperparameter()
    beta_2 = Hyperparameter()

    def __init__(self, lr: float, beta_1: float, beta_2: float, epsilon: float | None, decay: float, **kwargs: Any):
        super().__init__(lr, decay, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = K.epsilon() if epsilon is None else epsilon

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {**super().get_config(), "beta_1": float(K.get_value(self.beta_1)),
                "beta_2": float(K.get_value(self.beta_2)), "epsilon": self.epsilon}


class Adam(_TwoMoments):
    """Running averages of gradient and squared gradient, corrected for their start at 0 (Kingma, Ba 2014);
    `amsgrad` divides by the largest average so far (Reddi et al. 2018). Per step t:
    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    p = p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)."""

    def __init__(self, lr: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 decay: float = 0.0, amsgrad: bool = False, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **kwargs)
        self.amsgrad = amsgrad
        self.slots = ("ms", "vs", "vhats") if amsgrad else ("ms", "vs")

    def prepare(self) -> Tensor:
        """The learning rate with the correction for time t."""
        t = self.time()
        return self.rate() * (_root(1 - K.pow(self.beta_2, t)) / (1 - K.pow(self.beta_1, t)))

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        v = self.beta_2 * state[1] + (1 - self.beta_2) * K.square(g)
        new = [m, v] if not self.amsgrad else [m, v, K.maximum(state[2], v)]
        return p - self.common * m / (_root(new[-1]) + self.epsilon), new

    def get_config(self) -> dict[str, Any]:
        """The arguments; `amsgrad`, which Keras 2.0.9 does not know, only if it is on."""
        return {**super().get_config(), **({"amsgrad": True} if self.amsgrad else {})}


class Adamax(_TwoMoments):
    """Adam with the largest magnitude in place of the second moment (Kingma, Ba 2014, section 7). Per step t:
    m = b1 m + (1 - b1) g; u = max(b2 u, |g|); p = p - lr / (1 - b1^t) m / (u + epsilon)."""

    slots = ("ms", "us")

    def __init__(self, lr: float = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 decay: float = 0.0, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **kwargs)

    def prepare(self) -> Tensor:
        """The learning rate with the correction for time t."""
        return self.rate() / (1 - K.pow(self.beta_1, self.time()))

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        u = K.maximum(self.beta_2 * state[1], K.abs(g))
        return p - self.common * m / (u + self.epsilon), [m, u]


class Nadam(_TwoMoments):
    """Adam with Nesterov momentum and a warming momentum schedule (Dozat 2015). With
    mu_t = b1 (1 - 0.96^(t schedule_decay) / 2) and M_t = mu_1 ... mu_t, per step t:
    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    n = (1 - mu_t) g / (1 - M_t) + mu_(t+1) m / (1 - M_(t+1)); p = p - lr n / (sqrt(v / (1 - b2^t)) + epsilon)."""

    slots = ("ms", "vs")

    def __init__(self, lr: float = 0.002, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float | None = 1e-8,
                 schedule_decay: float = 0.004, **kwargs: Any):
        super().__init__(lr, beta_1, beta_2, epsilon, kwargs.pop("decay", 0.0), **kwargs)
        self.schedule_decay = schedule_decay
        self.m_schedule = K.variable(1.0, name="m_schedule")

    def prepare(self) -> Any:
        """mu_t, mu_(t+1), 1 - M_t, 1 - M_(t+1), 1 - b2^t."""
        t = self.time()
        now, soon = (self.beta_1 * (1 - 0.5 * K.pow(0.96, (t + d) * self.schedule_decay)) for d in (0, 1))
        schedule = self.m_schedule * now
        self.updates.append(K.update(self.m_schedule, schedule))
        return now, soon, 1 - schedule, 1 - schedule * soon, 1 - K.pow(self.beta_2, t)

    def step(self, p: Tensor, g: Tensor, *state: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """See the class."""
        now, soon, rest, rest_soon, rest_2 = self.common
        m = self.beta_1 * state[0] + (1 - self.beta_1) * g
        v = self.beta_2 * state[1] + (1 - self.beta_2) * K.square(g)
        n = (1 - now) * (g / rest) + soon * (m / rest_soon)
        return p - self.lr * n / (_root(v / rest_2) + self.epsilon), [m, v]

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        config = {**super().get_config(), "schedule_decay": self.schedule_decay}
        del config["decay"]
        return config


sgd, rmsprop, adagrad, adadelta, adam, adamax, nadam = SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam

_CLASSES = {c.__name__.lower(): c for c in (SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam)}


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """{'class_name': ..., 'config': ...}."""
    return serialize_keras_object(optimizer)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """The optimizer that `serialize` described. The class name may have any case; as in Keras 2.0.9, it is in lower
    case in `config` afterwards."""
    if config["class_name"].lower() in _CLASSES:
        config["class_name"] = config["class_name"].lower()
    return deserialize_keras_object(config, module_objects=_CLASSES, custom_objects=custom_objects,
                                    printable_module_name="optimizer")


def get(identifier: Any) -> Optimizer:
    """An optimizer from its name ('adam', any case), its config, or itself.

    >>> type(get('rmsprop')).__name__
    'RMSprop'
    """
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        raise TypeError(f"got the class {identifier.__name__}; write {identifier.__name__}() to make an optimizer"
                        " of it")
    if isinstance(identifier, Optimizer) or hasattr(identifier, "get_updates"):
        return identifier
    raise ValueError(f"expected an optimizer, its name or its config, got {identifier!r}")
