"""Programs as CUDA graphs: recorded at their second run, launched from then on; and what can't be recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import program as programs
from gpukeras.layers import BatchNormalization, Conv2D, Dense, Dropout, Embedding, Flatten, GaussianNoise, MaxPooling2D
from gpukeras.models import Sequential
from gpukeras.optimizers import SGD

pytestmark = pytest.mark.skipif(device.NAME != "cupy", reason="CUDA graphs")
RNG = np.random.RandomState(2)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_noted", set())


def recorded(function: Any) -> list[bool]:
    """For each program of a function that ran twice or more, whether it is a graph."""
    return [p.recordings > 0 for p in function._programs.values() if p._runs > 1 or p.recordings > 0]


def test_the_second_run_records() -> None:
    x, v = K.placeholder((2, 3)), K.variable(np.ones((2, 3)))
    f = K.function([x], [K.sum(K.dot(x, K.transpose(v)))], [K.update_add(v, x)])
    a = np.arange(6.0).reshape(2, 3)
    expected, now = [], np.ones((2, 3))
    for _ in range(5):
        expected.append((a @ now.T).sum())
        now = now + a
    found = []
    for i in range(5):
        found.append(float(f([a])[0]))
        assert recorded(f) == ([] if i == 0 else [True])
    assert found == expected
    np.testing.assert_array_equal(K.get_value(v), now)
    K.set_value(v, np.zeros((2, 3)))  # a graph sees new values of a variable
    assert float(f([a])[0]) == 0


def nets() -> dict[str, list[Any]]:
    return {
        "dense": [Dense(8, activation="relu", input_shape=(6, 6, 2)), Flatten(), Dropout(0.3),
                  Dense(3, activation="softmax")],
        "convolution": [Conv2D(4, 3, activation="relu", input_shape=(6, 6, 2)), MaxPooling2D(), BatchNormalization(),
                        GaussianNoise(0.1), Flatten(), Dense(3, activation="softmax")],
    }


@pytest.mark.parametrize("name", ["dense", "convolution"])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy", "mse"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adadelta"])
def test_a_training_step_is_one_graph(name: str, loss: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph and plain launches give the same bits."""
    labels = RNG.randint(0, 3, 20)
    x, y = RNG.rand(20, 6, 6, 2), labels[:, None] if loss.startswith("sparse") else np.eye(3)[labels]

    def losses(warm_ups: int) -> Any:
        monkeypatch.setattr(programs, "WARM_UPS", warm_ups)
        np.random.seed(4)
        model = Sequential(nets()[name])
        model.compile(optimizer, loss, metrics=["acc"])
        history = model.fit(x, y, batch_size=8, epochs=3, validation_split=0.2, verbose=0).history
        return history, recorded(model.train_function) + recorded(model.test_function)

    plain, none = losses(10**9)
    replayed, all_ = losses(1)
    assert not any(none) and all(all_) and all_
    assert plain == replayed


def test_masks_of_dropout_are_not_stored() -> None:
    model = Sequential([Dense(50, input_shape=(7,)), Dropout(0.5), Dense(50), Dropout(0.5), Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((4, 7)), np.ones((4, 1)))
    (program,) = model.train_function._programs.values()
    assert "bool" not in program.describe()
    assert program.describe().count("random_keep") == 4


def test_what_looks_at_values_is_run_plainly_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    x = K.placeholder((2,))
    f = K.function([x], [K.print_tensor(x + 1, "here:") * 2])
    assert f([[1.0, 2.0]])[0].tolist() == [4, 6]
    with pytest.warns(RuntimeWarning, match=r"print.* can't be part of a CUDA graph"):
        f([[1.0, 2.0]])
    assert f([[2.0, 2.0]])[0].tolist() == [6, 6]
    assert recorded(f) == [False]
    assert capsys.readouterr().out.count("here:") == 3
    g = K.function([x], [K.print_tensor(x, "there:")])
    for _ in range(3):
        g([[1.0, 2.0]])  # no second warning
    assert capsys.readouterr().out.count("there:") == 3


def test_indices_out_of_range_are_found_in_a_graph() -> None:
    model = Sequential([Embedding(5, 3, input_length=2, name="words"), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    good, bad = np.ones((4, 2), int), np.array([[1, 2], [3, 5], [0, 0], [1, 1]])
    for _ in range(3):
        model.predict(good)
    with pytest.raises(IndexError, match=r"layer 'words': .*\[0, 5\), got 5"):
        model.predict(bad)
    with pytest.raises(IndexError, match=r"layer 'words': .*\[0, 5\), got -1"):
        model.predict(-good)
    assert model.predict(good).shape == (4, 1)
    with pytest.raises(IndexError, match="words"):
        model.fit(bad, np.ones(4), epochs=2, verbose=0)


def test_labels_out_of_range_are_found_in_a_graph() -> None:
    x, labels = K.placeholder((4, 3)), K.placeholder((4,), dtype="int32")
    loss = K.sparse_categorical_crossentropy(labels, K.softmax(x))
    f = K.function([x, labels], [loss, K.gradients(K.sum(loss), [x])[0]])
    for _ in range(3):
        f([np.ones((4, 3)), [0, 1, 2, 2]])
    assert recorded(f) == [True]
    with pytest.raises(IndexError, match=r"\[0, 3\), got 3"):
        f([np.ones((4, 3)), [0, 1, 2, 3]])


@pytest.fixture
def limit() -> Any:
    """Sets how many bytes the stand-in's device has."""
    if not device.xp.__version__.endswith("standin"):
        pytest.skip("a real GPU's memory is not filled on purpose")
    yield device.xp.cuda.memory.set_limit
    device.xp.cuda.memory.set_limit(None)


def test_out_of_memory_names_the_batch_and_a_smaller_one_works(limit: Any) -> None:
    model = Sequential([Dense(64, input_shape=(64,)), Dense(64), Dense(1)])
    model.compile(SGD(1e-5), "mse")
    x, y = np.ones((4096, 64), "float32"), np.ones((4096, 1), "float32")
    model.fit(x[:8], y[:8], batch_size=8, verbose=0)
    limit(3_000_000)
    with pytest.raises(MemoryError, match=r"batch of 4096 does not fit.*batch_size"):
        model.fit(x, y, batch_size=4096, verbose=0)
    model.fit(x, y, batch_size=64, verbose=0)
    model.fit(x[:8], y[:8], batch_size=8, verbose=0)
