"""Tables of which a batch uses some rows: an Embedding's steps by rows against those of the whole table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import optimizers
from gpukeras.backend import rows
from gpukeras.layers import Dense, Embedding, Flatten, Input, add
from gpukeras.models import Model, Sequential

LENGTH, BATCH, STEPS = 2000, 8, 5
CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Adam", {"clipnorm": 0.01}),
    ("SGD", {"clipvalue": 0.001}),
]
each = pytest.mark.parametrize("name, config", CASES, ids=[f"{name}-{'-'.join(config)}" for name, config in CASES])


def two_readers() -> Model:
    """One table that two inputs share, so that its gradient has two parts."""
    table, flat = Embedding(LENGTH, 6), Flatten()
    left, right = Input((5,)), Input((5,))
    return Model([left, right], Dense(1)(add([flat(table(left)), flat(table(right))])))


def trained(optimizer: Any, steps: int = STEPS, model: Model | None = None) -> tuple[Model, list[float]]:
    np.random.seed(0)
    model = model or two_readers()
    model.compile(optimizer, "mse")
    rng = np.random.RandomState(1)
    losses = [
        model.train_on_batch([rng.zipf(1.3, (BATCH, 5)) % LENGTH, rng.randint(0, LENGTH, (BATCH, 5))], rng.randn(BATCH))
        for _ in range(steps)
    ]
    return model, losses


def state(model: Model) -> list[np.ndarray]:
    return model.get_weights() + model.optimizer.get_weights()


def sizes(model: Model, shapes: Any = ((BATCH, 5), (BATCH, 5), (BATCH, 1), None)) -> list[str]:
    """The steps that write something of the table's size, by name."""
    steps = model.train_function.program(list(shapes)).plan.steps
    return [s.op.name for s in steps if any(v.size == LENGTH * 6 for v in s.outs) and s.op.name != "transpose"]


@each
def test_rows_and_whole_table_train_alike(name, config, monkeypatch):
    by_rows, losses = trained(getattr(optimizers, name)(**config))
    monkeypatch.setattr(rows, "FEWEST", LENGTH + 1)
    whole, expected = trained(getattr(optimizers, name)(**config))
    assert "put_rows" in sizes(by_rows) and "put_rows" not in sizes(whole)
    np.testing.assert_allclose(losses, expected, 1e-6)
    for got, want in zip(state(by_rows), state(whole), strict=True):
        np.testing.assert_allclose(got, want, 1e-5, 1e-7)


@each
def test_coasting_is_a_step_without_gradient(name, config):
    """Also for the numbers of a state in the midst of a training."""
    optimizer = getattr(optimizers, name)(**config)
    rng = np.random.RandomState(0)
    p, *slots = (K.variable(rng.rand(3, 4)) for _ in range(1 + len(optimizer.slots)))
    if config.get("amsgrad"):  # the largest average so far is never below the present one
        K.set_value(slots[2], K.get_value(slots[1]) + 0.1)
    if name == "SGD" and not config.get("momentum"):
        slots = [K.zeros((3, 4))]
    optimizer.common, optimizer.at_hand = optimizer.prepare(), [p]
    (a, more), (b, others) = optimizer.step(p, K.zeros_like(p), *slots), optimizer.coast(p, *slots)
    got = K.function([], [a, *more, b, *others])([])
    for x, y in zip(got[: len(got) // 2], got[len(got) // 2 :], strict=True):
        np.testing.assert_allclose(x, y, 1e-6)


def test_nothing_of_the_tables_size_is_computed_where_the_rule_allows_it():
    model, _ = trained("adagrad", 1)
    assert sizes(model) == ["put_rows", "put_rows"]
    assert not model.train_function.program([(BATCH, 5), (BATCH, 5), (BATCH, 1), None]).plan.copies
    model, _ = trained("rmsprop", 1)
    assert sorted(sizes(model)) == ["multiply", "put_rows", "put_rows"]
    model, _ = trained(optimizers.SGD(), 1)
    assert not any("add" in name for name in sizes(model))  # zeros for the momentum's state are all


def test_rows_that_were_not_used_stay_as_they_are():
    model = two_readers()
    before = model.get_weights()[0]
    model.compile("adagrad", "mse")
    model.train_on_batch([np.full((BATCH, 5), 7), np.full((BATCH, 5), 1999)], np.ones(BATCH))
    changed = (model.get_weights()[0] != before).any(1)
    assert np.flatnonzero(changed).tolist() == [7, 1999]


def test_many_indices_are_left_to_the_whole_table():
    """A batch that uses as many rows as the table has."""
    model = Sequential([Embedding(LENGTH, 6, input_length=50), Flatten(), Dense(1)])
    model.compile("adagrad", "mse")
    for batch, by_rows in ((20, True), (21, False)):
        x = np.random.RandomState(0).randint(0, LENGTH, (batch, 50))
        model.train_on_batch(x, np.ones(batch))
        assert ("put_rows" in sizes(model, [x.shape, (batch, 1), None])) is by_rows


def test_a_table_with_other_uses_or_parts_is_stepped_as_a_whole():
    for options in ({"embeddings_regularizer": "l2"}, {"embeddings_constraint": "non_neg"}):
        model = Sequential([Embedding(LENGTH, 6, input_length=5, **options), Flatten(), Dense(1)])
        model.compile("adagrad", "mse")
        model.train_on_batch(np.zeros((BATCH, 5)), np.ones(BATCH))
        assert "put_rows" not in sizes(model, [(BATCH, 5), (BATCH, 1), None])


@pytest.mark.parametrize("length, batch", [(15, 2), (15, 40), (LENGTH, 2), (LENGTH, 1500)])
@pytest.mark.parametrize("name, stays", [("SGD", "all"), ("Adadelta", "all"), ("Adamax", "all"), ("Nadam", "weights"),
                                         ("Adam", "none"), ("RMSprop", "unused")])
def test_a_lazy_optimizer_leaves_rows_that_a_batch_has_not(name, stays, length, batch):
    """Rows seen once and then no more, whatever the table's size, and as many others as there may be."""
    def table_and_state() -> list[np.ndarray]:
        return [model.get_weights()[0], *(s for s in model.optimizer.get_weights() if s.shape == (length, 3))]

    model = Sequential([Embedding(length, 3, input_length=1), Flatten(), Dense(1)])
    options = {"momentum": 0.9} if name == "SGD" else {}
    model.compile(getattr(optimizers, name)(lr=0.1, lazy=True, **options), "mse")
    model.train_on_batch(np.full((4, 1), 7), np.ones(4))
    before = table_and_state()
    others = np.random.RandomState(0).permutation([i for i in range(length) if i != 7])
    model.train_on_batch(np.resize(others, (batch, 1)), np.ones(batch))
    after = table_and_state()
    same = [bool((a[7] == b[7]).all()) for a, b in zip(after, before, strict=True)]
    assert same == {"all": [True] * len(same), "weights": [True] + [False] * (len(same) - 1),
                    "none": [False] * len(same), "unused": [True, False]}[stays]
    assert (after[0][others[0]] != before[0][others[0]]).any()


@pytest.mark.parametrize("way", ["attribute", "set_value"])
def test_momentum_that_comes_later(way, monkeypatch):
    """With momentum 0 the rows that were not used are not touched; from when it is set they move on."""
    def run() -> list[np.ndarray]:
        model, _ = trained(optimizers.SGD(lr=0.1), 3)
        for momentum in (0.9, 0.0):
            if way == "attribute":
                model.optimizer.momentum = momentum
            else:
                K.set_value(model.optimizer.momentum, momentum)
            for seed in range(2):
                rng = np.random.RandomState(seed)
                model.train_on_batch(list(rng.randint(0, LENGTH, (2, BATCH, 5))), rng.randn(BATCH))
        return state(model)
    got = run()
    monkeypatch.setattr(rows, "FEWEST", LENGTH + 1)
    for a, b in zip(got, run(), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-7)


def test_momentum_that_a_program_changes():
    optimizer = optimizers.SGD(lr=1.0)
    w = K.variable([1.0])
    step = K.function([], [], optimizer.get_updates(K.sum(w), [w]))
    raise_it = K.function([], [], [K.update_add(optimizer.momentum, 1.0)])
    got = []
    for f in (step, step, raise_it, step, step):
        f([])
        got.append(float(K.get_value(w)[0]))
    assert got == [0.0, -1.0, -1.0, -3.0, -6.0]


def test_unused_rows_are_found_while_debugging():
    model, _ = trained("adam", 1)
    with K.debugging():
        rng = np.random.RandomState(3)
        model.train_on_batch(list(rng.randint(0, LENGTH, (2, BATCH, 5))), rng.randn(BATCH))
    other, _ = trained("adam", 1)
    rng = np.random.RandomState(3)
    other.train_on_batch(list(rng.randint(0, LENGTH, (2, BATCH, 5))), rng.randn(BATCH))
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-7)
