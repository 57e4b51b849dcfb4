"""On a GPU: many steps in one graph do what single ones do, and the host runs ahead no further than it may."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.callbacks import Callback
from gpukeras.compiler import Feed, graph_loop
from gpukeras.compiler import program as programs
from gpukeras.engine import epochs
from gpukeras.layers import Dense, Dropout, Embedding, Flatten, Lambda
from gpukeras.models import Sequential

pytestmark = pytest.mark.skipif(device.NAME != "cupy", reason="CUDA graphs")
X = np.random.RandomState(0).normal(size=(203, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "STRIDE", 10.0)
    monkeypatch.setattr(graph_loop, "REPAID", 0)
    monkeypatch.setattr(programs, "_noted", set())


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The graphs that were launched, by how often they run the program's calls."""
    made: dict[int, int] = {}
    found: list[int] = []
    real = programs.Program.record

    def record(self: Any, before: Any = (programs._nothing,), after: Any = programs._nothing) -> Any:
        graph = real(self, before, after)
        made[id(graph)] = len(before)
        kept.append(graph)  # lest another one gets its id
        return graph

    kept: list[Any] = []
    launch = device.Recording.__call__
    monkeypatch.setattr(programs.Program, "record", record)
    monkeypatch.setattr(device.Recording, "__call__", lambda self: found.append(made[id(self)]) or launch(self))
    return found


def net(*more: Any) -> Any:
    np.random.seed(3)
    model = Sequential([Dense(4, activation="relu", input_shape=(3,)), Dropout(0.3), *more, Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained(model: Any, **more: Any) -> Any:
    options = {"batch_size": 4, "epochs": 3, "verbose": 0, **more}
    return model.fit(X, Y, **options).history, [w.tobytes() for w in model.get_weights()]


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_many_steps_in_one_launch_are_the_same_steps(shuffle: Any, launched: list[int],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """50 batches of 4 and one of 3: one, two, four ... at a time, as far as they go."""
    many = trained(net(), shuffle=shuffle)
    assert {1, 4, 16} <= set(launched) and sum(launched) >= 3 * 51 - 2  # the first of each size compiles
    before = len(launched)
    monkeypatch.setattr(epochs, "STRIDE", 0.0)
    assert trained(net(), shuffle=shuffle) == many
    assert set(launched[before:]) == {1}
    monkeypatch.setattr(programs, "WARM_UPS", 10**9)
    before = len(launched)
    assert trained(net(), shuffle=shuffle) == many
    assert launched[before:] == []


def test_nothing_is_read_between_the_steps(launched: list[int]) -> None:
    if not device.xp.__version__.endswith("standin"):
        pytest.skip("only the stand-in counts what is read")
    model, traffic = net(), device.xp.cuda.traffic
    trained(model, epochs=1)
    read: list[int] = []
    for count in (40, 200):  # as much for five times as many steps
        before = traffic["to_host"]
        model.fit(X[:count], Y[:count], batch_size=4, epochs=1, verbose=0)
        read.append(traffic["to_host"] - before)
    assert read[0] == read[1]


def batches(count: int) -> Any:
    while True:
        for start in range(0, count, 4):
            yield X[start:start + 4], Y[start:start + 4]


def test_batches_of_a_generator_are_not_read_one_by_one() -> None:
    class Watch(Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            assert logs["loss"] > 0

    def generated(*callbacks: Any) -> Any:
        model = net()
        found = model.fit_generator(batches(203), 51, epochs=2, verbose=0, callbacks=list(callbacks)).history
        return found, [w.tobytes() for w in model.get_weights()]

    (history, weights), (watched, same) = generated(), generated(Watch())
    assert weights == same
    for name in history:
        np.testing.assert_allclose(history[name], watched[name], 1e-12)
    if device.xp.__version__.endswith("standin"):
        model, traffic = net(), device.xp.cuda.traffic
        model.fit_generator(batches(203), 1, verbose=0)
        read = []
        for count in (10, 50):
            before = traffic["to_host"]
            model.fit_generator(batches(203), count, verbose=0)
            read.append(traffic["to_host"] - before)
        assert read[0] == read[1]


def test_what_kernels_complain_of_in_a_generators_batches_is_raised() -> None:
    model = Sequential([Embedding(5, 2, input_length=2, name="words"), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(IndexError, match="words"):
        model.fit_generator(((np.full((2, 2), 7), np.ones((2, 1))) for _ in range(9)), 4, verbose=0)


def test_a_train_on_batch_of_ones_own_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = net(), []

    def own(x: Any, y: Any, **more: Any) -> Any:
        seen.append(len(x))
        return type(model).train_on_batch(model, x, y, **more)

    monkeypatch.setattr(model, "train_on_batch", own)
    model.fit_generator(batches(203), 5, verbose=0)
    assert seen == [4] * 5


def test_callbacks_that_look_at_batches_see_every_one(launched: list[int]) -> None:
    seen = []

    class Watch(Callback):
        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append((batch, logs["size"]))

    watched = trained(net(), callbacks=[Watch()])
    assert seen == 3 * [*((i, 4) for i in range(50)), (50, 3)] and set(launched) == {1}
    assert trained(net()) == watched


def test_evaluation_too(launched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    many = [model.evaluate(X, Y, batch_size=4, verbose=0) for _ in range(3)]
    assert 16 in launched and many[0] == many[1] == many[2]
    monkeypatch.setattr(epochs, "STRIDE", 0.0)
    assert model.evaluate(X, Y, batch_size=4, verbose=0) == many[0]


def summing() -> tuple[Any, Any]:
    """A feed whose steps can be told apart by their sum: total * 3 + x."""
    x, total = K.placeholder((None, 1), dtype="float64"), K.variable(np.zeros((1, 1)), dtype="float64")
    return Feed(K.function([x], [], [K.update(total, total * 3.0 + x)]), [np.arange(40.0)[:, None]]), total


def expected(*rows: int) -> float:
    value = 0.0
    for row in rows:
        value = value * 3 + row
    return value


def test_a_feed_goes_where_it_is_told() -> None:
    feed, total = summing()
    order = np.arange(40)[::-1].copy()
    feed.order(order)
    feed.run(slice(0, 1), 1)  # compiles
    feed.run(slice(1, 2), 1, 6)
    feed.run(slice(30, 31), 1, 5)  # elsewhere
    assert K.get_value(total).item() == expected(*order[:7], *order[30:35])
    order[:] = np.arange(40)  # another epoch, in the same memory
    feed.order(order)
    feed.run(slice(0, 1), 1, 4)
    feed.order(None)
    feed.run(slice(4, 5), 1, 4)
    feed.order(np.arange(20)[::-1])  # fewer rows
    feed.run(slice(0, 1), 1, 4)
    assert K.get_value(total).item() == expected(*range(39, 32, -1), *range(9, 4, -1), *range(8), *range(19, 15, -1))


def test_an_interruption_leaves_the_feed_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between a launch and what Python notes of it: the next step is none the less on the right rows."""
    feed, total = summing()
    feed.run(slice(0, 1), 1, 6)
    launch = device.Recording.__call__

    def interrupted(self: Any) -> None:
        launch(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(device.Recording, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        feed.run(slice(6, 7), 1, 4)
    monkeypatch.setattr(device.Recording, "__call__", launch)
    feed.run(slice(6, 7), 1, 4)
    assert K.get_value(total).item() == expected(*range(6), *range(6, 10), *range(6, 10))


def test_an_interrupted_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    trained(model, epochs=1)
    launch, left = device.Recording.__call__, [3]

    def third(self: Any) -> None:
        launch(self)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(device.Recording, "__call__", third)
    with pytest.raises(KeyboardInterrupt):
        trained(model)
    monkeypatch.setattr(device.Recording, "__call__", launch)
    history, _ = trained(model, epochs=2)
    assert np.isfinite(history["loss"]).all()


def test_what_refuses_to_be_recorded_steps_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(RuntimeWarning, match=r"print.* can't be part of a CUDA graph"):
        trained(net(Lambda(lambda x: K.print_tensor(x, "here:"))), epochs=1)
    assert capsys.readouterr().out.count("here:") >= 51


def test_steps_that_do_not_fit_into_one_graph_are_launched_apart(launched: list[int],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = device.Recording.__init__, programs.Program._make_calls
    room = [0]

    def begin(self: Any, function: Any) -> None:
        room[0] = 4
        real(self, function)

    def step(self: Any) -> None:
        if device.xp.cuda.get_current_stream().is_capturing():
            room[0] -= 1
            if room[0] < 0:
                raise MemoryError("no room")
        calls(self)

    monkeypatch.setattr(device.Recording, "__init__", begin)
    monkeypatch.setattr(programs.Program, "_make_calls", step)
    with pytest.warns(RuntimeWarning, match=r"16 steps can't be one CUDA graph \(no room\)"):
        found = trained(net())
    assert set(launched) == {1, 4}
    monkeypatch.setattr(programs.Program, "_make_calls", calls)
    assert trained(net()) == found


def test_a_longer_graph_is_recorded_when_there_were_many_steps(launched: list[int],
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_loop, "REPAID", 8)
    trained(net())
    at = launched.index(4)
    assert set(launched[:at]) == {1} and 8 * 4 <= at + 1 < 51
    assert 16 in launched and sum(launched[:launched.index(16)]) >= 8 * 16 - 2


def test_the_driver_counts_what_a_launch_makes(launched: list[int]) -> None:
    feed, _ = summing()
    feed.run(slice(0, 1), 1)
    feed.run(slice(1, 2), 1, 5)
    bound = feed._bound[1]
    calls = len(bound.program.calls)
    assert {n: graph.nodes() for n, graph in bound.loop._graphs.items()} == {1: calls + 2, 4: 4 * (calls + 1) + 1}


def test_long_programs_make_no_long_graphs(monkeypatch: pytest.MonkeyPatch, launched: list[int]) -> None:
    monkeypatch.setattr(graph_loop, "CALLS", 200)
    trained(net())
    assert set(launched) == {1, 4}


def test_the_host_runs_ahead_of_the_device_no_further_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Event:
        def __init__(self, disable_timing: bool):
            self.mark = ""

        def record(self) -> None:
            self.mark = f"launch {len(done)}"
            done.append(self.mark)

        def synchronize(self) -> None:
            waited.append(self.mark)

    waited: list[str] = []
    monkeypatch.setattr(device.xp.cuda, "Event", Event)
    flight = device.Flight(3)
    for _ in range(5):
        flight.launched()
    assert waited == ["", "", "launch 0", "launch 1", "launch 2"]
