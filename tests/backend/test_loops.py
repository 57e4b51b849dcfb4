"""K.rnn, map_fn and folds, against loops of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K

N, STEPS, SIZE = 3, 5, 2
RNG = np.random.RandomState(0)
X = RNG.normal(size=(N, STEPS, SIZE)).astype("float32")
H = RNG.normal(size=(N, SIZE)).astype("float32")
MASK = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)


def step(x, states):
    h = K.tanh(x + states[0] * 0.5)
    return h * 3, [h]


def by_hand(go_backwards=False, mask=None, unroll=False):
    """Outputs and the last state."""
    state, before, outputs = H.copy(), np.zeros_like(H), []
    order = range(STEPS)[::-1] if go_backwards else range(STEPS)
    for t in order:
        new = np.tanh(X[:, t] + state * 0.5)
        out = new * 3
        if mask is not None:
            m = mask[:, t:t + 1]
            out = np.where(m, out, before if unroll else state)
            new = np.where(m, new, state)
        state, before = new, out
        outputs.append(out)
    return np.stack(outputs, 1), state


def run(**arguments):
    x, h = K.placeholder((None, None, SIZE)), K.placeholder((None, SIZE))
    if arguments.get("unroll"):
        x = K.placeholder((None, STEPS, SIZE))
    last, outputs, states = K.rnn(step, x, [h], **arguments)
    return K.function([x, h], [last, outputs, *states])([X, H])


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
def test_rnn(go_backwards, masked, unroll):
    mask = K.constant(MASK, "float32") if masked else None
    last, outputs, state = run(go_backwards=go_backwards, mask=mask, unroll=unroll)
    expected, end = by_hand(go_backwards, MASK if masked else None, unroll)
    np.testing.assert_allclose(outputs, expected, 1e-5, 1e-6)
    np.testing.assert_allclose(last, expected[:, -1], 1e-5, 1e-6)
    np.testing.assert_allclose(state, end, 1e-5, 1e-6)


def test_a_mask_with_an_axis_for_features():
    for a, b in zip(run(mask=K.constant(MASK[..., None])), run(mask=K.constant(MASK))):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("unroll", [False, True])
def test_the_output_that_is_the_state_is_kept_once(unroll):
    x = K.placeholder((None, STEPS, SIZE))

    def same(x, states):
        h = states[0] + x
        return h, [h]
    last, outputs, states = K.rnn(same, x, [K.constant(H)], mask=K.constant(MASK), unroll=unroll)
    last, outputs, state = K.function([x], [last, outputs, *states])([X])
    masked = np.cumsum(X * MASK[..., None], 1) + H[:, None]
    begun = np.cumsum(MASK, 1) > 0
    np.testing.assert_allclose(outputs, masked * begun[..., None] if unroll else masked, 1e-5, 1e-5)
    np.testing.assert_allclose(last, outputs[:, -1])
    np.testing.assert_allclose(state, masked[:, -1], 1e-5, 1e-5)


def test_constants_follow_the_states():
    seen = []

    def step(x, states):
        seen.append(len(states))
        return x * states[1], [states[0]]
    _, outputs, _ = K.rnn(step, K.constant(X), [K.constant(H)], constants=[K.constant(2.0), 3.0])
    assert set(seen) == {3}
    np.testing.assert_allclose(K.eval(outputs), X * 2, 1e-6)


def test_images_with_a_mask():
    x = RNG.normal(size=(N, STEPS, 2, 2, 1)).astype("float32")

    def step(x, states):
        return x, [states[0] + x]
    _, outputs, states = K.rnn(step, K.constant(x), [K.constant(np.zeros((N, 2, 2, 1)))], mask=K.constant(MASK))
    kept = x * MASK[:, :, None, None, None]
    np.testing.assert_allclose(K.eval(states[0]), kept.sum(1), 1e-5, 1e-5)


def test_static_shapes():
    x = K.placeholder((4, None, 3))
    last, outputs, states = K.rnn(lambda x, h: (x[:, :2], []), x, [])
    assert K.int_shape(last) == (4, 2) and K.int_shape(outputs) == (4, None, 2) and states == []


def test_the_learning_phase_is_passed_on():
    def step(x, states):
        out = x * 2
        out._uses_learning_phase = True
        return out, []
    last, outputs, _ = K.rnn(step, K.constant(X), [])
    assert last._uses_learning_phase and outputs._uses_learning_phase


def test_what_rnn_refuses():
    with pytest.raises(ValueError, match="at least 3 axes"):
        K.rnn(step, K.constant(H), [K.constant(H)])
    with pytest.raises(ValueError, match="known number of steps"):
        K.rnn(step, K.placeholder((None, None, 2)), [K.constant(H)], unroll=True)
    with pytest.raises(ValueError, match="there must be a state"):
        K.rnn(lambda x, h: (x, []), K.constant(X), [], mask=K.constant(MASK))
    with pytest.raises(ValueError, match="more axes"):
        K.rnn(lambda x, h: (K.sum(x), [h[0]]), K.constant(X), [K.constant(H)], mask=K.constant(MASK))


def test_map_and_folds_have_derivatives():
    x = K.variable([1.0, 2.0, 3.0])
    assert K.eval(K.gradients(K.map_fn(lambda v: v * v, x), [x])[0]).tolist() == [2, 4, 6]
    product = K.foldl(lambda total, v: total * v, x)
    assert float(K.eval(product)) == 6 and K.eval(K.gradients(product, [x])[0]).tolist() == [6, 3, 2]
    assert float(K.eval(K.foldr(lambda total, v: total * 2 + v, x, 10.0))) == 10 * 8 + 3 * 4 + 2 * 2 + 1


def test_map_over_several_tensors():
    a, b = K.constant([1.0, 2.0]), K.constant([3.0, 4.0])
    total, product = K.map_fn(lambda v: [v[0] + v[1], v[0] * v[1]], [a, b])
    assert K.eval(total).tolist() == [4, 6] and K.eval(product).tolist() == [3, 8]
    assert K.dtype(K.map_fn(lambda v: v > 1, a, dtype="int32")) == "int32"


@pytest.mark.parametrize("unroll", [False, True])
def test_masked_steps_whose_output_is_no_state(unroll):
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)
    _, outputs, (end,) = K.rnn(lambda x, h: (K.concatenate([x, x, h[0]]), [h[0] + 1]), K.constant(X),
                               [K.zeros((N, 1))], mask=K.constant(mask), unroll=unroll)
    before, count, expected = np.zeros((N, 2 * SIZE + 1)), np.zeros((N, 1)), []
    for t in range(STEPS):
        now = mask[:, t, None]
        before = np.where(now, np.concatenate([X[:, t], X[:, t], count], axis=1), before)
        count = count + now
        expected.append(before)
    np.testing.assert_allclose(K.eval(outputs), np.stack(expected, axis=1), 1e-6)
    assert K.eval(end).tolist() == count.tolist()
