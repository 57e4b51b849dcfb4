"""3x3 convolutions by Winograd's minimal filtering: the compiled tasks against NumPy's bodies in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpukeras.device import threads
from gpukeras.graph import Spec
from gpukeras.ops import winograd_tasks
from gpukeras.ops.convolution import Convolution, ConvolutionInputGradient, ConvolutionKernelGradient
from gpukeras.ops.windows import Window
from tests.kernels.convolutions import TOLERANCE, numbers
from tests.kernels.run_tasks import compiled, run_numpy, run_tasks

pytestmark = compiled
VALID, SAME = (Window((3, 3), (1, 1), padding, (1, 1)) for padding in ("valid", "same"))


def names(op, *inputs):
    """Of the tasks that the op consists of."""
    made = op.infer(*(Spec(x.shape, x.dtype.name) for x in inputs))
    rooms = op.tasks_room(inputs, [made])
    return [task.name for task in op.tasks(list(inputs), [np.empty(made.shape, np.float32)],
                                           [np.empty(s.shape, np.float32) for s in rooms])]


def by_winograd(op, *inputs):
    return names(op, *inputs)[-1] in ("winograd", "winograd_rows", "winograd_kernel_sum")


def exact(op, *inputs):
    return run_numpy(op, *(a.astype(np.float64) for a in inputs))[0]


def check(op, *inputs):
    """The result, if it is right up to a few roundings of what a tile's cells would add up to at most."""
    got = run_tasks(op, *inputs)[0]
    sums = exact(op, *map(np.abs, inputs))
    error = np.abs(got - exact(op, *inputs))
    assert (error <= sums.max() * TOLERANCE["float32"]).all(), f"off by {error.max()}, of sums of {sums.max()}"
    return got


def arrays(window, space, samples, channels, filters, seed=1):
    rng = np.random.default_rng(seed)
    x = numbers(rng, (samples, *space, channels), np.float32)
    kernel = numbers(rng, (3, 3, channels, filters), np.float32)
    return x, kernel, numbers(rng, (samples, *window.output_space(space), filters), np.float32)


@settings(max_examples=40)
@given(st.sampled_from((VALID, SAME)), st.integers(6, 14), st.integers(6, 14), st.integers(1, 5),
       st.sampled_from((16, 17, 20, 32, 33, 47, 64)), st.sampled_from((16, 18, 32, 40, 49, 64, 70)))
@example(VALID, 28, 26, 1, 32, 64)
@example(SAME, 7, 9, 20, 32, 32)  # several samples in one go, tiles that end beyond the outputs
@example(SAME, 12, 12, 2, 350, 48)  # more channels than are added up in one go
def test_all_three(window, height, width, samples, channels, filters):
    x, kernel, g = arrays(window, (height, width), samples, channels, filters)
    check(Convolution(window), x, kernel)
    check(ConvolutionInputGradient(window), g, kernel, x)
    check(ConvolutionKernelGradient(window), x, g, kernel)


def test_views():
    rng = np.random.default_rng(2)
    whole = rng.standard_normal((6, 22, 19, 40), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, 20, 24), dtype=np.float32)
    for x in (whole[::2, 1:-1, 2:, :20], whole[:, ::2, ::-1, 20:], whole[:1, :, :, 7:27], whole[..., ::2],
              np.moveaxis(whole, 1, -1)[..., :20], whole[:, 3:4].repeat(1, axis=1)[..., :20].repeat(8, axis=1)):
        assert by_winograd(Convolution(SAME), x, kernel)
        check(Convolution(SAME), x, kernel)
        check(ConvolutionKernelGradient(SAME), x, np.ones((*x.shape[:-1], 24), np.float32), kernel)


def test_what_is_done_so():
    """3x3, one step at a time, enough channels, and tiles that are not mostly empty: whatever the number of samples."""
    def taken(window=SAME, space=(8, 8), channels=16, filters=16, samples=1):
        x, kernel, g = arrays(window, space, samples, channels, filters)
        return by_winograd(Convolution(window), x, kernel), by_winograd(ConvolutionInputGradient(window), g, kernel, x)

    assert taken() == taken(samples=3) == taken(window=VALID) == taken(space=(4, 6)) == (True, True)
    assert taken(channels=8) == taken(filters=8) == taken(space=(3, 3)) == taken(space=(1, 20)) == (False, False)
    assert taken(space=(4, 4), channels=256, filters=256) == (False, False)  # the kernel's part would take too long
    for other in (Window((3, 3), (2, 1), "same", (1, 1)), Window((3, 3), (1, 1), "same", (1, 2)),
                  Window((3, 5), (1, 1), "same", (1, 1))):
        x = np.ones((1, 8, 8, 16), np.float32)
        assert not by_winograd(Convolution(other), x, np.ones((*other.size, 16, 16), np.float32))


def test_which_gradients_for_kernels_are_made_so():
    """Those of samples enough for threads to share."""
    def taken(samples, channels=32, space=(8, 8)):
        x, kernel, g = arrays(SAME, space, samples, channels, 32)
        return by_winograd(ConvolutionKernelGradient(SAME), x, g, kernel)

    assert taken(4) and taken(7) and taken(128) and taken(4, space=(16, 15))
    assert not taken(3) and not taken(8, channels=8) and not taken(8, space=(3, 3))


def test_numbers_do_not_depend_on_the_batch():
    """A sample's results are the same bits, whatever it is done with."""
    x, kernel, g = arrays(SAME, (13, 11), 9, 24, 40)
    for op, first, rest in ((Convolution(SAME), x, ()), (ConvolutionInputGradient(SAME), g, (x,))):
        whole = run_tasks(op, first, kernel, *rest)[0]
        for i in range(len(x)):
            one = run_tasks(op, first[i:i + 1], kernel, *(a[i:i + 1] for a in rest))[0]
            np.testing.assert_array_equal(one, whole[i:i + 1])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_comes_through(value):
    """Where a window sees it, and nowhere else: an output is made of the cells of its own window alone."""
    x, kernel, _ = arrays(SAME, (12, 13), 1, 16, 32)
    for row, column in itertools.product((0, 5, 6, 11), (0, 5, 6, 12)):  # each place within a tile, and borders
        spoilt = x.copy()
        spoilt[0, row, column, 3] = value
        lost, plain = (~np.isfinite(run(Convolution(SAME), spoilt, kernel)[0]) for run in (run_tasks, run_numpy))
        np.testing.assert_array_equal(lost, plain)


def test_a_window_of_zeros_gives_zero():
    """An activation may have its kink there: what rounding leaves of a neighbour must not come in."""
    x, kernel, _ = arrays(SAME, (12, 13), 1, 24, 40)
    for row, column in itertools.product((2, 3), (4, 5)):
        empty = x.copy()
        empty[0, row:row + 5, column:column + 6] = 0
        made = run_tasks(Convolution(SAME), empty, kernel)[0][0]
        assert not made[row + 1:row + 4, column + 1:column + 5].any() and made.all(-1).sum() == 12 * 13 - 3 * 4


def test_whole_numbers_are_exact():
    rng = np.random.default_rng(3)
    x = rng.integers(-9, 10, (2, 10, 10, 32)).astype(np.float32)
    kernel = rng.integers(-9, 10, (3, 3, 32, 32)).astype(np.float32)
    assert by_winograd(Convolution(VALID), x, kernel)
    np.testing.assert_array_equal(run_tasks(Convolution(VALID), x, kernel)[0], exact(Convolution(VALID), x, kernel))


@pytest.mark.parametrize("channels, filters", [(16, 16), (32, 64), (64, 64)])
def test_rounding_is_like_that_of_the_plain_way(channels, filters, monkeypatch):
    """No worse than by half, where the plain way adds up 144 products and more."""
    x, kernel, _ = arrays(VALID, (20, 20), 2, channels, filters)
    want = exact(Convolution(VALID), x, kernel)

    def error():
        return np.sqrt(np.mean((run_tasks(Convolution(VALID), x, kernel)[0] - want)**2))

    ours = error()
    monkeypatch.setattr(winograd_tasks, "enabled", lambda: False)
    assert not by_winograd(Convolution(VALID), x, kernel)
    assert ours < 1.5 * error()


def test_the_environment_turns_it_off(monkeypatch):
    monkeypatch.setattr(winograd_tasks, "enabled", winograd_tasks.enabled.__wrapped__)
    for value, expected in (("", True), ("on", True), (" OFF ", False)):
        monkeypatch.setenv("GPUKERAS_WINOGRAD", value)
        assert winograd_tasks.enabled() == expected
    monkeypatch.setenv("GPUKERAS_WINOGRAD", "no")
    with pytest.raises(ValueError, match="GPUKERAS_WINOGRAD must be 'on' or 'off', got 'no'"):
        winograd_tasks.enabled()


def trained():
    """A small network's weights and losses after some steps."""
    from gpukeras.layers import BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, MaxPooling2D
    from gpukeras.models import Sequential

    np.random.seed(5)
    x, classes = np.random.randn(64, 14, 14, 3), np.arange(64) % 3
    x[np.arange(64), :, classes * 4] += 2.0  # a line whose place is the class
    model = Sequential([Conv2D(16, 3, padding="same", activation="relu", input_shape=(14, 14, 3)),
                        Conv2D(32, 3, activation="relu"), MaxPooling2D(2), BatchNormalization(),
                        Conv2D(32, 3, padding="same", activation="relu"), GlobalAveragePooling2D(),
                        Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, classes, batch_size=16, epochs=6, verbose=0).history
    program = next(iter(model.train_function._programs.values())).describe()
    return model.get_weights(), history["loss"], history["acc"], program


def test_a_network_learns_as_it_does_plainly(monkeypatch):
    _, losses, accuracies, program = trained()
    assert "winograd_kernel_gradient" in program
    monkeypatch.setattr(winograd_tasks, "enabled", lambda: False)
    _, plain_losses, plain_accuracies, _ = trained()
    np.testing.assert_allclose(losses, plain_losses, rtol=0.01)
    np.testing.assert_allclose(accuracies, plain_accuracies, atol=0.05)
    assert accuracies[-1] > 0.8


def test_the_bits_of_a_training_do_not_depend_on_threads(monkeypatch):
    first, *others = [_trained_by(threads, monkeypatch) for threads in (1, 2, 3)]
    for other in others:
        for a, b in zip(first, other):
            np.testing.assert_array_equal(a, b)


def _trained_by(count, monkeypatch):
    monkeypatch.setattr(threads, "count", lambda: count)
    return trained()[0]
