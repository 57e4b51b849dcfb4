"""Optimizers against loops in NumPy that follow the papers, weight by weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import optimizers

STEPS = 6
SHAPES = [(3, 4), (4,), (), (2, 1, 3)]
State = dict[str, list[Any]]


@pytest.fixture(params=["float64", "float32"])
def floatx(request: pytest.FixtureRequest) -> Iterator[str]:
    before = K.floatx()
    K.set_floatx(request.param)
    yield request.param
    K.set_floatx(before)


# The rules, for one weight array: (p, g, state, t, lr, **config) -> new p; t counts from 1 ----------------------
def sgd(p: Any, g: Any, s: dict[str, Any], t: int, lr: float, momentum: float = 0, nesterov: bool = False) -> Any:
    s["v"] = momentum * s.get("v", 0) - lr * g
    return p + momentum * s["v"] - lr * g if nesterov else p + s["v"]


def rmsprop(p: Any, g: Any, s: dict[str, Any], t: int, lr: float, rho: float = 0.9, epsilon: float = 1e-8) -> Any:
    s["a"] = rho * s.get("a", 0) + (1 - rho) * g**2
    return p - lr * g / (np.sqrt(s["a"]) + epsilon)


def adagrad(p: Any, g: Any, s: dict[str, Any], t: int, lr: float, epsilon: float = 1e-8) -> Any:
    s["a"] = s.get("a", 0) + g**2
    return p - lr * g / (np.sqrt(s["a"]) + epsilon)


def adadelta(p: Any, g: Any, s: dict[str, Any], t: int, lr: float, rho: float = 0.95, epsilon: float = 1e-8) -> Any:
    s["a"] = rho * s.get("a", 0) + (1 - rho) * g**2
    move = g * np.sqrt(s.get("d", 0) + epsilon) / np.sqrt(s["a"] + epsilon)
    s["d"] = rho * s.get("d", 0) + (1 - rho) * move**2
    return p - lr * move


def adam(
    p: Any,
    g: Any,
    s: dict[str, Any],
    t: int,
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    amsgrad: bool = False,
) -> Any:
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g**2
    v = s["v"]
    if amsgrad:
        v = s["top"] = np.maximum(s.get("top", 0), v)
    return p - lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * s["m"] / (np.sqrt(v) + epsilon)


def adamax(
    p: Any,
    g: Any,
    s: dict[str, Any],
    t: int,
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> Any:
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["u"] = np.maximum(beta_2 * s.get("u", 0), np.abs(g))
    return p - lr / (1 - beta_1**t) * s["m"] / (s["u"] + epsilon)


def nadam(
    p: Any,
    g: Any,
    s: dict[str, Any],
    t: int,
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
    schedule_decay: float = 0.004,
) -> Any:
    def mu(k: int) -> float:
        return beta_1 * (1 - 0.5 * 0.96 ** (k * schedule_decay))

    product = np.prod([mu(k) for k in range(1, t + 1)])
    s["m"] = beta_1 * s.get("m", 0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0) + (1 - beta_2) * g**2
    ahead = (1 - mu(t)) * g / (1 - product) + mu(t + 1) * s["m"] / (1 - product * mu(t + 1))
    return p - lr * ahead / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)


CASES: list[tuple[str, Callable[..., Any], dict[str, Any]]] = [
    ("SGD", sgd, {"lr": 0.1}),
    ("SGD", sgd, {"lr": 0.05, "momentum": 0.9}),
    ("SGD", sgd, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    ("RMSprop", rmsprop, {"lr": 0.01}),
    ("RMSprop", rmsprop, {"lr": 0.02, "rho": 0.5, "epsilon": 1e-3}),
    ("Adagrad", adagrad, {"lr": 0.1}),
    ("Adadelta", adadelta, {"lr": 1.0}),
    ("Adadelta", adadelta, {"lr": 0.5, "rho": 0.9, "epsilon": 1e-6}),
    ("Adam", adam, {"lr": 0.02}),
    ("Adam", adam, {"lr": 0.02, "beta_1": 0.5, "beta_2": 0.8}),
    ("Adam", adam, {"lr": 0.02, "amsgrad": True, "beta_2": 0.5}),
    ("Adamax", adamax, {"lr": 0.02}),
    ("Nadam", nadam, {"lr": 0.02}),
    ("Nadam", nadam, {"lr": 0.02, "schedule_decay": 0.5, "beta_1": 0.7}),
]


class Problem:
    """Some weights, and a loss whose gradient is easy to write down: sum(c (p - t)^4 / 4)."""

    def __init__(self, shapes: Any = SHAPES, dtypes: Any = None, constraints: Any = None):
        rng = np.random.RandomState(0)
        dtypes = dtypes or [K.floatx()] * len(shapes)
        self.start = [rng.uniform(-1, 1, s) for s in shapes]
        self.goals = [rng.uniform(-1, 1, s) for s in shapes]
        self.weights = [
            K.variable(p, d, constraint=c) for p, d, c in zip(self.start, dtypes, constraints or [None] * len(shapes))
        ]
        self.loss = sum(K.cast(K.sum(K.pow(w - g, 4)), "float64") for w, g in zip(self.weights, self.goals)) * 0.25 * 5

    def gradients(self, at: list[Any]) -> list[Any]:
        return [5 * (p - g) ** 3 for p, g in zip(at, self.goals)]

    def run(self, optimizer: Any, steps: int = STEPS) -> list[np.ndarray]:
        f = K.function([], [self.loss], optimizer.get_updates(self.loss, self.weights))
        for _ in range(steps):
            f([])
        return K.batch_get_value(self.weights)

    def expected(
        self,
        rule: Callable[..., Any],
        lr: float,
        steps: int = STEPS,
        decay: float = 0.0,
        clipnorm: float = 0.0,
        clipvalue: float = 0.0,
        constraints: Any = None,
        **config: Any,
    ) -> tuple[list[Any], list[dict[str, Any]]]:
        weights, states = list(self.start), [{} for _ in self.start]
        for step in range(steps):
            grads = self.gradients(weights)
            if clipnorm:
                norm = np.sqrt(sum((g**2).sum() for g in grads))
                grads = [g * min(1, clipnorm / norm) for g in grads]
            if clipvalue:
                grads = [np.clip(g, -clipvalue, clipvalue) for g in grads]
            rate = lr / (1 + decay * step)
            weights = [rule(p, g, s, step + 1, rate, **config) for p, g, s in zip(weights, grads, states)]
            weights = [p if c is None else c(p) for p, c in zip(weights, constraints or [None] * len(weights))]
        return weights, states


def close(got: list[Any], expected: list[Any], floatx: str) -> None:
    tolerance = 1e-9 if floatx == "float64" else 1e-4
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, tolerance, tolerance)


@pytest.mark.parametrize(
    "extra",
    [{}, {"decay": 0.3}, {"clipnorm": 0.5}, {"clipvalue": 0.1}, {"clipnorm": 2.0, "clipvalue": 0.2}, {"clipnorm": 1e6}],
    ids=str,
)
@pytest.mark.parametrize("name, rule, config", CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_rule(name: str, rule: Callable[..., Any], config: dict[str, Any], extra: dict[str, Any], floatx: str) -> None:
    problem = Problem()
    got = problem.run(getattr(optimizers, name)(**config, **extra))
    close(got, problem.expected(rule, **config, **({} if name == "Nadam" and "decay" in extra else extra))[0], floatx)


DEFAULTS = {
    "SGD": 0.01,
    "RMSprop": 0.001,
    "Adagrad": 0.01,
    "Adadelta": 1.0,
    "Adam": 0.001,
    "Adamax": 0.002,
    "Nadam": 0.002,
}
ORDER = {"SGD": "v", "RMSprop": "a", "Adagrad": "a", "Adadelta": "ad", "Adam": "mv", "Adamax": "mu", "Nadam": "mv"}
COUNTED = ("SGD", "Adam", "Adamax", "Nadam")


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_and_order_of_state(name: str, floatx: str) -> None:
    problem, optimizer = Problem(), getattr(optimizers, name)()
    got = problem.run(optimizer)
    expected, states = problem.expected(globals()[name.lower()], lr=DEFAULTS[name])
    close(got, expected, floatx)
    counts = [np.asarray(STEPS)] if name in COUNTED else []
    close(optimizer.get_weights(), counts + [s[k] for k in ORDER[name] for s in states], floatx)


@pytest.mark.parametrize("name", DEFAULTS)
def test_state_can_be_taken_to_another_optimizer(name: str, floatx: str) -> None:
    whole, first = Problem(), Problem()
    expected = whole.run(getattr(optimizers, name)(), 6)
    one = getattr(optimizers, name)()
    first.run(one, 3)
    two = getattr(optimizers, name)()
    f = K.function([], [], two.get_updates(first.loss, first.weights))
    two.set_weights(one.get_weights())
    if name == "Nadam":  # Keras saves neither this product
        K.set_value(two.m_schedule, K.get_value(one.m_schedule))
    for _ in range(3):
        f([])
    close(K.batch_get_value(first.weights), expected, floatx)


def test_state_that_does_not_fit_is_refused() -> None:
    optimizer, problem = optimizers.Adam(), Problem()
    with pytest.raises(ValueError, match="has 0 state arrays, got 1"):
        optimizer.set_weights([np.zeros(())])
    problem.run(optimizer)
    wrong = optimizer.get_weights()
    wrong[1] = np.zeros((5, 5))
    with pytest.raises(ValueError, match=r"has shape \(3, 4\), got \(5, 5\)"):
        optimizer.set_weights(wrong)


@pytest.mark.parametrize("attribute", ["lr", "learning_rate"])
def test_learning_rate_takes_effect_without_compiling(attribute: str) -> None:
    problem = Problem([(3,)])
    optimizer = optimizers.SGD(lr=0.1)
    f = K.function([], [], optimizer.get_updates(problem.loss, problem.weights))
    program = f.program([])
    for rate in (0.1, 0.5, 0.0):
        setattr(optimizer, attribute, rate)
        before = K.get_value(problem.weights[0])
        f([])
        np.testing.assert_allclose(
            K.get_value(problem.weights[0]), before - rate * 5 * (before - problem.goals[0]) ** 3, 1e-5, 1e-6
        )
    assert f.program([]) is program and float(K.get_value(optimizer.learning_rate)) == 0.0
    K.set_value(optimizer.lr, 0.25)
    assert optimizer.get_config()["lr"] == 0.25


@pytest.mark.parametrize("base", [optimizers.Optimizer, optimizers.Adam])
def test_an_lr_of_ones_own_may_be_a_name_for_learning_rate(base: Any) -> None:
    class Mine(base):  # type: ignore[misc]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.learning_rate = K.variable(0.1, name="learning_rate")

        @property
        def lr(self) -> Any:
            return self.learning_rate

        @lr.setter
        def lr(self, value: Any) -> None:
            self.learning_rate = value

    optimizer = Mine()
    assert optimizer.lr is optimizer.learning_rate
    np.testing.assert_allclose(K.get_value(optimizer.lr), 0.1)
    optimizer.lr = 0.25
    assert K.get_value(optimizer.learning_rate) == K.get_value(optimizer.lr) == 0.25


def test_both_spellings_of_the_learning_rate() -> None:
    for name in DEFAULTS:
        a, b = getattr(optimizers, name)(lr=0.5), getattr(optimizers, name)(learning_rate=0.5)
        assert a.get_config() == b.get_config() and a.get_config()["lr"] == 0.5


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_updates_are_made_by_what_a_program_puts_in_the_place_of_k_update(
        name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = Problem([(3,), (2, 2)]), Problem([(3,), (2, 2)])
    expected, own = (getattr(optimizers, name)() for _ in problems)
    usual = expected.get_updates(problems[0].loss, problems[0].weights)
    with monkeypatch.context() as patch:
        patch.setattr(K, "update", lambda x, new: ("update", x, new))
        patch.setattr(K, "update_add", lambda x, new: ("update_add", x, new))
        made = own.get_updates(problems[1].loss, problems[1].weights)
    assert {len(update) for update in made} == {3}
    assert {*problems[1].weights} < {x for _, x, _ in made}
    K.function([], [], usual)([])
    K.function([], [], [getattr(K, kind)(x, new) for kind, x, new in made])([])
    for a, b in zip(problems[0].weights, problems[1].weights):
        np.testing.assert_allclose(K.get_value(a), K.get_value(b), 1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_constraints(name: str, floatx: str) -> None:
    def positive(w: Any) -> Any:
        return w * K.cast(w >= 0, K.floatx()) if isinstance(w, K.Tensor) else np.maximum(w, 0)

    def short(w: Any) -> Any:
        return (
            w / K.sqrt(K.sum(K.square(w), 0, keepdims=True))
            if isinstance(w, K.Tensor)
            else w / np.sqrt((w**2).sum(0, keepdims=True))
        )

    constraints = [short, positive, None, None]
    problem = Problem(constraints=constraints)
    config = {"lr": 0.05}
    got = problem.run(getattr(optimizers, name)(**config))
    close(got, problem.expected(globals()[name.lower()], constraints=constraints, **config)[0], floatx)


def test_weights_of_two_dtypes() -> None:
    problem = Problem(dtypes=["float32", "float64", "float32", "float64"])
    got = problem.run(optimizers.Adam(lr=0.02, clipnorm=0.5))
    assert [a.dtype.name for a in got] == ["float32", "float64", "float32", "float64"]
    close(got, problem.expected(adam, lr=0.02, clipnorm=0.5)[0], "float32")


def test_two_optimizers_share_weights_in_another_order(floatx: str) -> None:
    """The second finds the weights packed by the first, and can't pack them again: the numbers are the same."""
    problem = Problem()
    one = K.function([], [], optimizers.SGD(lr=0.1).get_updates(problem.loss, problem.weights))
    other = [problem.weights[2], problem.weights[0], K.variable(np.zeros((2,))), problem.weights[1]]
    loss = problem.loss + K.cast(K.sum(other[2] * 3), "float64")
    two = K.function([], [], optimizers.Adam(lr=0.02).get_updates(loss, other))
    expected, states = list(problem.start), [{} for _ in problem.start]
    for step in range(4):
        one([])
        expected = [sgd(p, g, {}, 1, 0.1) for p, g in zip(expected, problem.gradients(expected))]
        two([])
        grads = problem.gradients(expected)
        expected = [
            adam(p, g, s, step + 1, 0.02) if i != 3 else p for i, (p, g, s) in enumerate(zip(expected, grads, states))
        ]
        close(K.batch_get_value(problem.weights), expected, floatx)
    np.testing.assert_allclose(K.get_value(other[2]), -0.02 * 4, 1e-4)


def test_compiling_again_keeps_the_weights_and_starts_the_state_anew(floatx: str) -> None:
    problem = Problem()
    first = problem.run(optimizers.Adam(lr=0.02), 3)
    problem.start = [a.astype("float64") for a in first]
    got = problem.run(optimizers.Adam(lr=0.02), 3)
    close(got, problem.expected(adam, lr=0.02, steps=3)[0], floatx)


def test_a_users_optimizer_updates_each_weight() -> None:
    class Signs(optimizers.Optimizer):
        def __init__(self, lr: float = 0.01, **kwargs: Any):
            super().__init__(**kwargs)
            self.lr = lr

        def get_updates(self, loss: Any, params: Any) -> Any:
            grads = self.get_gradients(loss, params)
            self.counts = [K.zeros(K.int_shape(p)) for p in params]
            self.weights = self.counts
            self.updates = []
            for p, g, n in zip(params, grads, self.counts):
                self.updates.append(K.update_add(n, 1))
                new = p - self.lr * K.sign(g)
                self.updates.append(K.update(p, p.constraint(new) if getattr(p, "constraint", None) else new))
            return self.updates

    problem, optimizer = Problem(), Signs(lr=0.125, clipvalue=0.5)
    got = problem.run(optimizer, 2)
    expected = list(problem.start)
    for _ in range(2):
        expected = [p - 0.125 * np.sign(g) for p, g in zip(expected, problem.gradients(expected))]
    close(got, expected, "float32")
    assert all((a == 2).all() for a in optimizer.get_weights())
    optimizer.lr = 0.25
    assert float(K.get_value(optimizer.lr)) == 0.25


def test_gradients_may_be_made_otherwise() -> None:
    """`get_gradients` of a subclass, an instance or all optimizers decides what the rule is applied to."""
    class Up(optimizers.SGD):
        def get_gradients(self, loss: Any, params: Any) -> Any:
            return [-g for g in super().get_gradients(loss, params)]

    still = optimizers.Adam(lr=0.5)
    plain = still.get_gradients
    still.get_gradients = lambda loss, params: [g * 0 for g in plain(loss, params)]  # type: ignore[method-assign]
    for optimizer, rate in ((Up(lr=0.125), -0.125), (still, 0.0)):
        problem = Problem()
        expected = [p - rate * g for p, g in zip(problem.start, problem.gradients(problem.start))]
        close(problem.run(optimizer, 1), expected, "float32")


def test_weights_without_gradient_are_named() -> None:
    used, unused = K.variable([1.0]), K.variable([1.0], name="forgotten")
    optimizer = optimizers.Adam()
    with pytest.warns(UserWarning, match="does not depend on the weight 'forgotten:0'.*trainable=False"):
        updates = optimizer.get_updates(K.sum(used), [used, unused])
    K.function([], [], updates)([])
    assert float(K.get_value(used)[0]) < 1 and float(K.get_value(unused)[0]) == 1
    with pytest.raises(ValueError, match="Nothing can be trained.*weight 'forgotten:0'"):
        optimizers.Adam().get_updates(K.sum(used), [unused])


def test_no_weights_at_all() -> None:
    optimizer = optimizers.Adam()
    f = K.function([], [], optimizer.get_updates(K.constant(1.0), []))
    f([])
    assert [int(w) for w in optimizer.get_weights()] == [1]


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="unexpected argument 'momentums'"):
        optimizers.SGD(momentums=0.9)
    with pytest.raises(NotImplementedError, match="get_updates"):
        optimizers.Optimizer().get_updates(K.constant(1.0), [])


@pytest.mark.parametrize("name", DEFAULTS)
def test_config_round_trip(name: str) -> None:
    a = getattr(optimizers, name)(lr=0.25, clipnorm=1.5, clipvalue=0.5)
    config = optimizers.serialize(a)
    assert config["class_name"] == name
    b = optimizers.deserialize(config)
    assert type(b) is type(a) and b.get_config() == a.get_config() and b.clipnorm == 1.5 and b.clipvalue == 0.5
    assert type(optimizers.get(name.lower())) is type(optimizers.get(name)) is type(a) and optimizers.get(a) is a


@pytest.mark.parametrize(("name", "keys"), [
    ("SGD", "lr momentum decay nesterov"), ("RMSprop", "lr rho decay epsilon"), ("Adagrad", "lr decay epsilon"),
    ("Adadelta", "lr rho decay epsilon"), ("Adam", "lr beta_1 beta_2 decay epsilon"),
    ("Adamax", "lr beta_1 beta_2 decay epsilon"), ("Nadam", "lr beta_1 beta_2 epsilon schedule_decay")])
def test_a_config_has_the_order_of_keras_209(name: str, keys: str) -> None:
    assert list(getattr(optimizers, name)().get_config()) == keys.split()
    assert list(getattr(optimizers, name)(clipvalue=1.0, clipnorm=0.5).get_config())[:2] == ["clipnorm", "clipvalue"]


def test_what_is_no_optimizer() -> None:
    with pytest.raises(ValueError, match="Adam|adam"):
        optimizers.get("adamm")
    with pytest.raises(ValueError, match="Adam()"):
        optimizers.get(optimizers.Adam)
    with pytest.raises(ValueError, match="expected an optimizer"):
        optimizers.get(3)


def test_a_step_is_one_pass_over_packed_weights() -> None:
    problem = Problem()
    optimizer = optimizers.Adam()
    f = K.function([], [], optimizer.get_updates(problem.loss, problem.weights))
    f([])
    program = f.program([])
    owner = problem.weights[0].storage
    assert all(w.storage is owner for w in problem.weights)
    assert all(v.shape == () for v, _ in program.plan.copies)  # new weights and state are written where they belong
