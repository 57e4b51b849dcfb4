"""Products of an embedding's rows by distinct words, against the plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device, layers, optimizers
from gpukeras.compiler import by_words as words_pass
from gpukeras.compiler.word_ops import (
    CountedContract,
    Distinct,
    NumberedSequence,
    SpreadRows,
    SumNumbered,
)
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.layers import LSTM, Dense, Embedding, Input
from gpukeras.models import Model, Sequential
from gpukeras.ops.distinct import PutRows, SumDistinct
from gpukeras.ops.indexing import ScatterRows
from gpukeras.ops.recurrent_lstm import LSTMSequence

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("embedding"),
                                reason=f"no compiled code: {why_not()}")
SAMPLES, TIME, UNITS = 32, 20, 64
KINDS: dict[str, Any] = {
    "lstm": lambda: LSTM(UNITS),
    "lstm-sequences": lambda: LSTM(UNITS, return_sequences=True),
    "gru": lambda: layers.GRU(UNITS),
    "gru-after": lambda: layers.GRU(UNITS, reset_after=True),
    "simple": lambda: layers.SimpleRNN(4 * UNITS),
    "no-bias": lambda: LSTM(UNITS, use_bias=False),
    "backwards": lambda: LSTM(UNITS, go_backwards=True),
    "dropped-states": lambda: layers.GRU(UNITS, recurrent_dropout=0.3),
    "unrolled": lambda: LSTM(UNITS, unroll=True),
    "both-ways": lambda: layers.Bidirectional(LSTM(UNITS)),
    "dense": lambda: Dense(4 * UNITS, activation="relu"),
    "of-each-step": lambda: layers.TimeDistributed(Dense(4 * UNITS)),
}


def words(kind: str = "zipf", length: int = 1500, samples: int = SAMPLES, seed: int = 0) -> np.ndarray:
    rng = np.random.RandomState(seed)
    shape = (samples, TIME)
    if kind == "padded":
        return np.where(np.arange(TIME) < TIME // 2, 0, rng.randint(1, length, shape))
    made = {"zipf": rng.zipf(1.3, shape), "uniform": rng.randint(0, length, shape), "equal": np.full(shape, 3),
            "all": np.arange(samples * TIME).reshape(shape)}
    return made[kind] % length


def model_of(layer: Any, length: int = 1500, width: int = 64, dropout: float = 0.0, dtype: str = "int32",
             **config: Any) -> Model:
    np.random.seed(1)
    x = Input((TIME,), dtype=dtype)
    y = Embedding(length, width, **config)(x)
    y = layer()(layers.Dropout(dropout)(y) if dropout else y)
    return Model(x, Dense(1)(y if K.ndim(y) == 2 else layers.GlobalMaxPooling1D()(y)))


def trained(model: Model, batches: list[Any], optimizer: Any = "adam") -> list[np.ndarray]:
    """Losses, weights and the optimizer's state."""
    model.compile(optimizer() if callable(optimizer) else optimizer, "mse")
    losses = [model.train_on_batch(x, np.random.RandomState(7).randn(len(x[0] if isinstance(x, list) else x)))
              for x in batches]
    return [np.array(losses), *model.get_weights(), *model.optimizer.get_weights()]


def ops_of(model: Model, *kinds: type) -> list[Any]:
    """The ops of these kinds in the newest train program."""
    program = list(model.train_function._programs.values())[-1]
    return [s.op for s in program.plan.as_written if isinstance(s.op, kinds)]


def both_ways(monkeypatch: Any, make: Any, batches: list[Any], optimizer: Any = "adam", rtol: float = 2e-3,
              atol: float = 2e-5) -> Model:
    """Trains a model by words, and another without; returns the former."""
    by_words = make()
    got = trained(by_words, batches, optimizer)
    with monkeypatch.context() as patch:
        patch.setattr(words_pass, "by_words", lambda lowering, roots: roots)
        plain = make()
        want = trained(plain, batches, optimizer)
        assert not ops_of(plain, Distinct)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol, atol)
    np.testing.assert_array_equal(got[0][0], want[0][0])  # the way forward has the same bits
    return by_words


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_plain_one(kind, monkeypatch):
    model = both_ways(monkeypatch, lambda: model_of(KINDS[kind]), [words(seed=i) for i in range(3)], "sgd")
    assert len(ops_of(model, Distinct)) == 1
    assert len(ops_of(model, CountedContract)) >= 1
    assert not ops_of(model, SumDistinct, ScatterRows)
    recurrent = kind not in ("dense", "of-each-step")
    assert bool(ops_of(model, NumberedSequence)) is recurrent and not ops_of(model, LSTMSequence)


@pytest.mark.parametrize("batch", ["zipf", "uniform", "padded", "equal", "all"])
@pytest.mark.parametrize("length", [3000, 1500, 100, 4])
def test_whatever_the_words_are(batch, length, monkeypatch):
    made = words(batch, length) % length
    model = both_ways(monkeypatch, lambda: model_of(KINDS["lstm"], length), [made, made[::-1]], "sgd")
    assert bool(ops_of(model, SpreadRows)) is (length < 2 * made.size)


@pytest.mark.parametrize("masked", [False, True])
def test_masked_words(masked, monkeypatch):
    model = both_ways(monkeypatch, lambda: model_of(KINDS["lstm"], mask_zero=masked), [words("padded")] * 2, "sgd")
    assert ops_of(model, NumberedSequence)


CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {}), ("RMSprop", {}), ("Adagrad", {}), ("Adadelta", {}), ("Nadam", {}), ("SGD", {}),
    ("SGD", {"momentum": 0.9}), ("Adam", {"amsgrad": True}), ("Adam", {"clipnorm": 0.01}), ("SGD", {"clipvalue": 1e-4})]


@pytest.mark.parametrize("name, config", CONFIGS, ids=[f"{name}-{'-'.join(config)}" for name, config in CONFIGS])
def test_optimizers(name, config, monkeypatch):
    """Large epsilons, where there are any: a rule that divides by the root of a square makes much of rounding."""
    if name in ("Adam", "RMSprop", "Adagrad", "Adadelta", "Nadam"):
        config = {**config, "epsilon": 1e-2}
    model = both_ways(monkeypatch, lambda: model_of(KINDS["lstm"]), [words(seed=i) for i in range(3)],
                      lambda: getattr(optimizers, name)(**config))
    assert ops_of(model, PutRows) and ops_of(model, SumNumbered)


def test_only_the_rows_that_there_are_are_updated():
    model = model_of(KINDS["lstm"])
    trained(model, [words()])
    program = list(model.train_function._programs.values())[-1]
    counted = [s for s in program.plan.steps if s.counted is not None]
    assert {s.op.name.split("_")[0] for s in counted} >= {"gather", "put", "fused"}
    assert sum(isinstance(s.op, PutRows) for s in counted) == 3


def two_readers(**config: Any) -> Model:
    """A table that two inputs share, each with a layer of its own, the first with two."""
    np.random.seed(1)
    table = Embedding(3000, 64, **config)
    left, right = Input((TIME,), dtype="int32"), Input((TIME,), dtype="int32")
    rows = table(left)
    read = [LSTM(UNITS)(rows), layers.GRU(UNITS, reset_after=True)(rows), LSTM(UNITS)(table(right))]
    return Model([left, right], Dense(1)(layers.concatenate(read)))


@pytest.mark.parametrize("trainable", [True, False])
def test_shared_tables(trainable, monkeypatch):
    batches = [[words(seed=i), words("uniform", seed=i)] for i in range(2)]
    model = both_ways(monkeypatch, lambda: two_readers(trainable=trainable), batches, "sgd")
    assert len(ops_of(model, Distinct)) == 2 and len(ops_of(model, CountedContract)) == 6
    assert bool(ops_of(model, SumDistinct, ScatterRows)) is trainable  # rows of two inputs are summed as before


def test_words_that_are_not_trained(monkeypatch):
    model = both_ways(monkeypatch, lambda: model_of(KINDS["lstm"], trainable=False), [words()] * 2, "sgd")
    assert ops_of(model, CountedContract) and not ops_of(model, PutRows, SpreadRows)


def test_what_stands_between_keeps_the_plain_way():
    model = model_of(KINDS["lstm"], dropout=0.2)
    trained(model, [words()])
    assert not ops_of(model, Distinct)


@pytest.mark.parametrize("samples, width", [(8, 64), (32, 4)])
def test_few_words_and_little_work_keep_the_plain_way(samples, width):
    model = model_of(KINDS["lstm"], width=width)
    trained(model, [words(samples=samples)])
    assert not ops_of(model, Distinct)


def test_doubles_keep_the_plain_way():
    K.set_floatx("float64")
    try:
        model = model_of(KINDS["lstm"])
        trained(model, [words()])
        assert not ops_of(model, Distinct)
    finally:
        K.set_floatx("float32")


def test_batches_of_changing_size(monkeypatch):
    batches = [words(samples=n, seed=n) for n in (32, 48, 30, 32)]
    both_ways(monkeypatch, lambda: model_of(KINDS["lstm"]), batches, "sgd")


@pytest.mark.parametrize("shape", [(), (1,), (3, 8)])
def test_words_of_any_shape(shape, monkeypatch):
    """One a sample, and rows of rows."""
    def make() -> Model:
        np.random.seed(1)
        x = Input(shape or (1,), dtype="int32")
        y = Embedding(3000, 64)(x)
        y = Dense(128, activation="tanh")(layers.Reshape((64,))(y) if not shape else y)
        return Model(x, Dense(1)(layers.Flatten()(y)))

    batches = [np.random.RandomState(i).zipf(1.3, (700, *(shape or (1,)))) % 3000 for i in range(2)]
    model = both_ways(monkeypatch, make, batches, lambda: optimizers.Adam(epsilon=1e-2))
    assert ops_of(model, Distinct) and ops_of(model, PutRows, SpreadRows)


@pytest.mark.parametrize("wrong", [-1, 1500])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_an_index_out_of_range(wrong, dtype):
    model = model_of(KINDS["lstm"], dtype=dtype)
    x = words()
    trained(model, [x])
    before = model.get_weights()
    x[3, 4] = wrong
    match = rf"layer 'embedding_\d+': gather: indices must lie in \[0, 1500\), got values from {x.min()} to {x.max()}"
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(IndexError, match=match):
            call(x, np.zeros(SAMPLES))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    x[3, 4] = 7
    model.train_on_batch(x, np.zeros(SAMPLES))


def fitted(monkeypatch, threads):
    monkeypatch.setattr(tasks.threads, "count", lambda: threads)
    model = model_of(KINDS["both-ways"], 2000)
    x = np.concatenate([words(seed=i) for i in range(3)])[:80]
    model.compile("adam", "mse")
    history = model.fit(x, np.random.RandomState(0).randn(80), batch_size=SAMPLES, epochs=2, verbose=0)
    return [np.array(history.history["loss"]), *model.get_weights(), *model.optimizer.get_weights(), model.predict(x)]


def test_the_bits_are_the_same_with_any_number_of_threads_and_in_every_run(monkeypatch):
    first, *others = [fitted(monkeypatch, threads) for threads in (1, 2, 2, 3)]
    for other in others:
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_predictions_and_evaluation_have_the_bits_of_the_plain_way(monkeypatch):
    x, made = words(), []
    for patched in (False, True):
        with monkeypatch.context() as patch:
            if patched:
                patch.setattr(words_pass, "by_words", lambda lowering, roots: roots)
            model = model_of(KINDS["gru-after"])
            model.compile("sgd", "mse")
            made.append((model.predict(x), model.evaluate(x, np.zeros(SAMPLES), verbose=0)))
    np.testing.assert_array_equal(made[0][0], made[1][0])
    assert made[0][1] == made[1][1]


def test_learns_words():
    """A word that says which of two classes a text is of."""
    np.random.seed(0)
    x = words("uniform", 1000, 256) + 2
    y = np.arange(256) % 2
    x[:, 9] = y
    model = Sequential([Embedding(1002, 32, input_length=TIME), LSTM(UNITS), Dense(1, activation="sigmoid")])
    model.compile(optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=32, epochs=12, verbose=0)
    assert ops_of(model, NumberedSequence) and history.history["acc"][-1] > 0.95
