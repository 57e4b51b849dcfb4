"""On a GPU no value is read batch by batch unless somebody asks for it: evaluations of generators, what validates a
training, and steps on the same arrays give what reading every batch gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.callbacks import Callback
from gpukeras.layers import Dense, Dropout, Embedding, Flatten
from gpukeras.metrics import MeanSquaredError
from gpukeras.models import Sequential

on_gpu_only = pytest.mark.skipif(device.NAME != "cupy", reason="a GPU runs ahead")
on_the_stand_in = pytest.mark.skipif(device.NAME != "cupy" or not device.xp.__version__.endswith("standin"),
                                     reason="only the stand-in counts what is read")
pytestmark = pytest.mark.filterwarnings("ignore:steps_per_epoch=")
X = np.random.RandomState(0).normal(size=(60, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Watch(Callback):
    """Asks for every batch's values."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(logs["loss"])

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(logs["loss"])


def net(*metrics: Any) -> Any:
    np.random.seed(3)
    model = Sequential([Dense(4, activation="relu", input_shape=(3,)), Dropout(0.3), Dense(1)])
    model.compile("adam", "mse", metrics=["mae", *metrics])
    return model


def batches(sizes: tuple[int, ...] = (4, 7, 3)) -> Iterator[tuple[Any, Any]]:
    """Batches of several sizes, for ever."""
    while True:
        start = 0
        for size in sizes:
            yield X[start:start + size], Y[start:start + size]
            start += size


Run = Callable[[Any, int, list[Callback]], Any]
RUNS: dict[str, Run] = {
    "evaluate_generator": lambda model, count, heard: model.evaluate_generator(batches(), count, callbacks=heard),
    "evaluate, steps": lambda model, count, heard: model.evaluate(X, Y, steps=count, verbose=0, callbacks=heard),
    "fit, steps": lambda model, count, heard: model.fit(
        X, Y, epochs=2, steps_per_epoch=count, verbose=0, callbacks=heard).history,
    "fit, validation_steps": lambda model, count, heard: model.fit(
        X, Y, epochs=2, steps_per_epoch=2, validation_data=(X[:9], Y[:9]), validation_steps=count, verbose=0,
        callbacks=heard).history,
    "validation by a generator": lambda model, count, heard: model.fit_generator(
        batches(), 3, epochs=1, validation_data=batches(), validation_steps=count, verbose=0, callbacks=heard).history,
    "validation by arrays": lambda model, count, heard: model.fit_generator(
        batches((2,)), 3, epochs=2, validation_data=(X[:2 * count], Y[:2 * count]), verbose=0,
        callbacks=heard).history,
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("metrics", [(), ("running",)], ids=["means", "with a state"])
def test_the_same_comes_out_as_where_every_batch_is_looked_at(run: str, metrics: tuple[str, ...]) -> None:
    def result(*heard: Callback) -> tuple[Any, list[bytes]]:
        model = net(*(MeanSquaredError(name=name) for name in metrics))
        found = RUNS[run](model, 5, list(heard))
        return (found if isinstance(found, dict) else dict(zip(model.metrics_names, found))), [
            w.tobytes() for w in model.get_weights()]

    watch = Watch()
    (found, weights), (expected, same) = result(), result(watch)
    assert weights == same and watch.seen and list(found) == list(expected)
    for name in found:
        if name == "running" and not run.startswith("evaluate"):
            continue  # BaseLogger, which then hears of batches, averages what on_batch_end was told of a state too
        np.testing.assert_allclose(found[name], expected[name], 1e-12)


@on_the_stand_in
@pytest.mark.parametrize("run", RUNS)
def test_reads_do_not_grow_with_the_batches(run: str) -> None:
    model, traffic = net(), device.xp.cuda.traffic
    RUNS[run](model, 3, [])
    read: list[int] = []
    for count in (5, 25):
        before = traffic["to_host"]
        RUNS[run](model, count, [])
        read.append(traffic["to_host"] - before)
    assert read[0] == read[1]
    before = traffic["to_host"]
    RUNS[run](model, 25, [Watch()])
    assert traffic["to_host"] - before > read[1]


@on_the_stand_in
@pytest.mark.parametrize("run", ["evaluate, steps", "fit, steps", "validation by arrays"])
def test_data_of_all_steps_goes_to_the_gpu_once(run: str) -> None:
    model, traffic = net(), device.xp.cuda.traffic
    more = {"verbose": 0}
    runs: dict[str, Callable[[int], Any]] = {
        "evaluate, steps": lambda n: model.evaluate(X, Y, steps=n, **more),
        "fit, steps": lambda n: model.fit(X, Y, steps_per_epoch=n, **more),
        "validation by arrays": lambda n: model.fit_generator(batches((1,)), 1, epochs=n, validation_data=(X, Y),
                                                              **more)}
    runs[run](2)
    sent: list[int] = []
    for count in (2, 22):
        before = traffic["to_device"]
        runs[run](count)
        sent.append(traffic["to_device"] - before)
    assert sent[1] - sent[0] < 20 * X.nbytes / 2


@on_gpu_only
def test_where_there_is_no_room_data_comes_with_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = net().fit(X, Y, steps_per_epoch=4, verbose=0).history
    monkeypatch.setattr(device, "has_room_for", lambda nbytes: False)
    assert net().fit(X, Y, steps_per_epoch=4, verbose=0).history == expected


def test_a_test_on_batch_of_ones_own_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = net(), []

    def own(x: Any, y: Any, **more: Any) -> Any:
        seen.append(len(x))
        return type(model).test_on_batch(model, x, y, **more)

    monkeypatch.setattr(model, "test_on_batch", own)
    model.evaluate_generator(batches(), 4)
    assert seen == [4, 7, 3, 4]


def test_a_model_on_tensors_of_its_own_weighs_every_step_alike() -> None:
    from gpukeras.layers import Input
    from gpukeras.models import Model

    def model() -> Any:
        np.random.seed(3)
        x = Input(tensor=K.constant(X))
        made = Model(x, Dense(1)(x))
        made.compile("sgd", "mse", target_tensors=K.constant(Y))
        return made

    found = model().fit(epochs=2, steps_per_epoch=3, verbose=0).history["loss"]
    np.testing.assert_allclose(found, model().fit(epochs=2, steps_per_epoch=3, verbose=0,
                                                  callbacks=[Watch()]).history["loss"], 1e-12)
    assert model().evaluate(steps=2, verbose=0) == model().evaluate(steps=3, verbose=0)


@pytest.mark.parametrize("evaluate", [
    lambda model, x, y: model.evaluate_generator(((x, y) for _ in range(9)), 4),
    lambda model, x, y: model.evaluate(x, y, steps=4, verbose=0),
    lambda model, x, y: model.fit(x, y, steps_per_epoch=4, verbose=0)], ids=["generator", "steps", "fit"])
def test_what_kernels_complain_of_is_raised(evaluate: Any) -> None:
    model = Sequential([Embedding(5, 2, input_length=2, name="words"), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(IndexError, match="words"):
        evaluate(model, np.full((2, 2), 7), np.ones((2, 1)))


def test_the_bar_shows_what_was_summed_so_far(capsys: pytest.CaptureFixture[str]) -> None:
    net().fit(X, Y, steps_per_epoch=3, verbose=1)
    assert "3/3" in capsys.readouterr().out
