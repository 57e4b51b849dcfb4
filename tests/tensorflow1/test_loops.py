"""`tf.while_loop`, `tf.TensorArray`, `tf.boolean_mask`, `tf.py_func` and what else data decides the size of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Input, Lambda
from gpukeras.models import Model, Sequential
from gpukeras.tensorflow1.names import named

X = np.arange(12, dtype="float32").reshape(3, 4)
while_loop, TensorArray, boolean_mask = (named(name) for name in ("while_loop", "TensorArray", "boolean_mask"))


def value(tensor: Any, **fed: Any) -> Any:
    return K.get_session().run(tensor, {PLACES[name]: array for name, array in fed.items()})


PLACES = {"x": K.placeholder((None, 4)), "n": K.placeholder((), dtype="int32"),
          "mask": K.placeholder((None,), dtype="bool")}
x, n, mask = PLACES.values()


# What data selects -----------------------------------------------------------------------------------------------
def test_a_mask_chooses_rows_elements_and_columns() -> None:
    truths = [True, False, True]
    rows = boolean_mask(x, mask)
    assert K.int_shape(rows) == (None, 4) and K.int_shape(x[mask]) == (None, 4)
    for chosen in (rows, x[mask], x[np.array(truths)], x[truths]):
        np.testing.assert_array_equal(value(chosen, x=X, mask=truths), X[truths])
    np.testing.assert_array_equal(value(boolean_mask(x, x > 4), x=X), X[X > 4])
    np.testing.assert_array_equal(value(boolean_mask(x, [True, False, True, True], axis=1), x=X), X[:, [0, 2, 3]])
    (slope,) = K.gradients(K.sum(K.square(rows)), [x])
    np.testing.assert_array_equal(value(slope, x=X, mask=truths), 2 * X * np.array(truths)[:, None])
    with pytest.raises(ValueError, match=r"a mask of shape \(3,\) does not fit axes \(4,\)"):
        boolean_mask(x, truths, axis=1)
    with pytest.raises(ValueError, match="a single truth"):
        boolean_mask(x, True)


def test_of_nothing_the_maximum_is_the_lowest_and_a_condition_finds_another_way() -> None:
    rows, none = boolean_mask(x, mask), [False] * 3
    highest, lowest, total, count = value([K.max(rows), K.min(rows), K.sum(rows), named("size")(rows)], x=X, mask=none)
    assert (highest, lowest, total, count) == (-np.inf, np.inf, 0, 0)
    mean = named("cond")(named("size")(rows) > 0, lambda: K.mean(rows), lambda: K.constant(5.0))
    assert value(mean, x=X, mask=none) == 5 and value(mean, x=X, mask=[True, False, False]) == 1.5
    longer = named("cond")(n > 0, lambda: rows[:, :2], lambda: rows[1:, :2])
    assert [value(longer, x=X, mask=[True] * 3, n=i).shape for i in (0, 1)] == [(2, 2), (3, 2)]


def test_places_of_truths_are_gathered_from() -> None:
    places = named("where")(x > 6)
    assert K.int_shape(places) == (None, 2) and places.dtype == "int64"
    np.testing.assert_array_equal(value(places, x=X), np.argwhere(X > 6))
    np.testing.assert_array_equal(value(named("gather_nd")(x, places), x=X), X[X > 6])
    assert value(named("where")(x), x=X[:1]).tolist() == [[0, 1], [0, 2], [0, 3]]
    with pytest.raises(ValueError, match="both be given"):
        named("where")(x > 1, x)
    assert value(named("sequence_mask")([1, 3])).tolist() == [[True, False, False], [True, True, True]]


def test_boxes_that_overlap_a_better_one_are_left_out() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [1, 0.9, 0, -0.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1],
                      [0, 100, 1, 101], [5, 5, 5, 6]])
    scores = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3, 0.2])
    suppress = named("image.non_max_suppression")
    most = K.variable(3, dtype="int32")
    for arguments, expected in (((most,), [3, 0, 5]), ((30, 0.5), [3, 0, 5, 6]), ((30, 0.5, 0.4), [3, 0]),
                                ((30, 0.95), [3, 0, 1, 2, 4, 5, 6]), ((0,), [])):
        kept = suppress(x, K.placeholder((None,)), *arguments)
        assert K.int_shape(kept) == (None,) and kept.dtype == "int32"
        given = {x: boxes, kept.producer.inputs[1]: scores}
        found, parts = K.get_session().run([kept, K.gather(x, kept)], given)
        assert found.tolist() == expected
        np.testing.assert_allclose(parts, boxes[expected])


# Loops -----------------------------------------------------------------------------------------------------------
def test_a_loop_ends_where_numbers_shapes_or_data_say() -> None:
    w = K.variable(1.5)

    def power(count: Any) -> Any:
        return while_loop(lambda i, t: i < count, lambda i, t: [i + 1, t * w], [0, K.constant(1.0)])[1]
    for count, fed, expected in ((4, {}, 4), (K.shape(x)[0], {"x": X}, 3), (n, {"n": 5}, 5), (n, {"n": 0}, 0),
                                 (n, {"n": 150}, 150)):
        made = power(count)
        found, slope = value([made, *K.gradients(made, [w])], **fed)
        assert found == pytest.approx(1.5 ** expected, rel=1e-4)
        assert slope == pytest.approx(expected * 1.5 ** (expected - 1), rel=1e-4)
    doubled = while_loop(lambda v: K.sum(v) < 100.0, lambda v: v * 2.0, [x])
    assert value([doubled, *K.gradients(K.sum(doubled), [x])], x=X[:2] / 10)[1].tolist() == [[64.0] * 4] * 2
    assert value(while_loop(lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=4)) == 4
    grown = while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, K.concatenate([t, t], 0)), (0, x),
                       shape_invariants=[named("TensorShape")([]), named("TensorShape")([None, 4])])
    assert isinstance(grown, tuple) and value(grown, x=X)[1].shape == (24, 4)
    with pytest.raises(ValueError, match=r"a state of shape \(\) becomes one of shape \(None, 4\)"):
        while_loop(lambda t: True, lambda t: t + x, [0.0])
    drawn = while_loop(lambda t: K.sum(t) < 1e6, lambda t: t * 2 + K.random_uniform((3, 4)), [x])
    assert value(drawn, x=X).sum() >= 1e6
    with pytest.raises(NotImplementedError, match="draw them outside"):
        K.gradients(drawn, [x])


@pytest.mark.parametrize("sized", [{"size": 1, "dynamic_size": True}, {"size": K.shape(x)[0]}, {"size": 3}])
@pytest.mark.parametrize("open_shape", [False, True])
def test_a_loop_writes_an_array(sized: dict[str, Any], open_shape: bool) -> None:
    w, source = K.variable(2.0), x
    if open_shape:
        source = K.placeholder((None, None))

    def one(i: Any, rows: Any) -> Any:
        return i + 1, rows.write(i, K.sum(boolean_mask(x[i], x[i] > 3.0)) * w * source[i])
    _, rows = while_loop(lambda i, *rest: i < K.shape(x)[0], one, [0, TensorArray("float32", **sized)])
    made = rows.stack()
    sums = (X * (X > 3)).sum(1, keepdims=True)
    outputs = [made, *K.gradients(K.sum(K.square(made)), [source, w]), rows.size(), rows.read(1), rows.concat()]
    found = K.get_session().run(outputs, {x: X, source: X})
    np.testing.assert_allclose(found[0], 2 * sums * X)
    if open_shape:
        np.testing.assert_allclose(found[1], 2 * (2 * sums) ** 2 * X)
    assert found[2] == pytest.approx(2 * (2 * (sums * X) ** 2).sum(), rel=1e-5)
    assert found[3] == 3 and found[4].tolist() == found[0][1].tolist() and found[5].shape == (12,)


def test_an_array_is_read_in_a_loop_and_arrays_stand_in_tuples() -> None:
    given = TensorArray("float32", size=3).unstack(x * 2)
    state = (0, (TensorArray("float32", size=3), K.zeros((4,))))
    _, (rows, total) = while_loop(
        lambda i, rest: i < 3,
        lambda i, rest: (i + 1, (rest[0].write(i, given.read(i) + rest[1]), rest[1] + given.read(i))), state)
    found = value([rows.stack(), total, rows.gather([2, 0])], x=X)
    np.testing.assert_allclose(found[0], (2 * X).cumsum(0))
    np.testing.assert_allclose(found[1], 2 * X.sum(0))
    np.testing.assert_allclose(found[2], (2 * X).cumsum(0)[[2, 0]])
    with pytest.raises(ValueError, match="nothing was written"):
        TensorArray("float32", size=3).stack()
    assert value(TensorArray("float32", size=2, element_shape=[2]).write(1, [1.0, 2.0]).stack()).tolist() == \
        [[0, 0], [1, 2]]


def test_a_loss_masks_what_overlaps_in_each_sample() -> None:
    """As YOLO's: for each picture the true boxes are chosen, and what is near one of them counts nothing."""
    targets, outputs = Input((None, 2)), Input((None, 2))

    def loss(tensors: list[Any]) -> Any:
        true, found = tensors
        there = K.cast(true[..., 1], "bool")

        def one(b: Any, ignored: Any) -> Any:
            distances = K.abs(K.expand_dims(found[b, :, 0], -1) - boolean_mask(true[b, :, 0], there[b]))
            return b + 1, ignored.write(b, K.cast(K.min(distances, axis=-1) > 0.5, K.dtype(true)))
        begin = [0, TensorArray(K.dtype(true), size=1, dynamic_size=True)]
        _, ignored = while_loop(lambda b, *rest: b < K.shape(true)[0], one, begin)
        return K.sum(K.square(found[..., 1]) * ignored.stack())
    scaled = Dense(2, use_bias=False, weights=[np.eye(2)])(outputs)
    model = Model([targets, outputs], Lambda(loss, output_shape=(1,))([targets, scaled]))
    model.compile("sgd", lambda t, p: p)
    true = np.array([[[0, 1], [1, 1]], [[3, 1], [0, 0]], [[0, 0], [0, 0]]], "float32")
    found = np.array([[[0.1, 1], [5, 2]], [[3.4, 4], [0, 3]], [[0, 1], [1, 1]]], "float32")
    assert model.train_on_batch([true, found], np.zeros(3)) == pytest.approx(4 + 9 + 1 + 1)
    assert model.get_weights()[0][1, 1] == pytest.approx(1 - 0.01 * 2 * 15, rel=1e-5)
    assert model.evaluate([true[1:], found[1:]], np.zeros(2), verbose=0) < 11


# Functions of Python ---------------------------------------------------------------------------------------------
def test_functions_of_arrays_as_metrics() -> None:
    """Whatever the number of axes of what they return, of which the mean is taken."""
    def spread(y: Any, p: Any) -> Any:
        return named("py_func")(lambda a, b: np.ptp(b), [y, p], named("float32"))

    def by_sample(y: Any, p: Any) -> Any:
        return 1.0 - named("py_func")(lambda a, b: abs(a - b).mean(1), [y, p], named("float32"))
    model = Sequential([Dense(2, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=[spread, by_sample])
    y, p = np.ones((3, 2), "float32"), model.predict(X)
    np.testing.assert_allclose(model.test_on_batch(X, y)[1:], [np.ptp(p), 1 - abs(y - p).mean()], rtol=1e-5)


def test_a_function_of_arrays_is_called_whenever_it_is_computed() -> None:
    calls = []

    def squared(array: np.ndarray) -> np.ndarray:
        calls.append(array.shape)
        return (array ** 2).astype("float32")

    def layer(t: Any) -> Any:
        made = named("py_func")(squared, [t], named("float32"))
        made.set_shape([None, 4])
        return made
    inputs = Input((4,))
    model = Model(inputs, Dense(1, weights=[np.ones((4, 1)), np.zeros(1)])(Lambda(layer, output_shape=(4,))(inputs)))
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X, batch_size=2)[:, 0], (X ** 2).sum(1))
    assert calls == [(2, 4), (1, 4)]
    before = model.get_weights()[0]
    model.train_on_batch(X, np.ones((3, 1)))
    assert not np.allclose(model.get_weights()[0], before)
    total, rows = named("py_func")(lambda a: (a.sum(), np.int64(len(a))), [x], [named("float32"), named("int64")])
    assert value([total, rows], x=X) == [66, 3]
    assert value(named("py_func")(lambda: np.float32(len(calls)), [], named("float32"))) == 3
    with pytest.raises(ValueError, match="the function returned float64, not float32"):
        value(named("py_func")(lambda a: a.astype("float64"), [x], named("float32")), x=X)
    wrong = named("py_func")(lambda a: a[:, :3], [x], named("float32"))
    wrong.set_shape(x.get_shape())
    with pytest.raises(ValueError, match=r"py_func: the result has shape \(3, 3\), not \(None, 4\)"):
        value(wrong * 2, x=X)
