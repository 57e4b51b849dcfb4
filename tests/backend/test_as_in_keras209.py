"""Values that Keras 2.0.9 on TensorFlow 1.15 gave for the same calls, where gpukeras once gave others."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import metrics


def test_random_variables_take_their_seed_from_numpy_as_in_keras():
    np.random.seed(0)
    uniform = K.get_value(K.random_uniform_variable((4,), -1, 2))
    np.random.seed(0)
    normal = K.get_value(K.random_normal_variable((4,), 1, 2))
    np.testing.assert_allclose(uniform, [1.4577832, 0.37247634, -0.85648143, -0.62022495], rtol=1e-6)
    np.testing.assert_allclose(normal, [1.3332956, -0.21808612, 4.5217624, 4.452016], rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_round_leaves_integers_what_they_are(dtype):
    rounded = K.round(K.constant([1, 2], dtype=dtype))
    assert K.dtype(rounded) == dtype and K.eval(rounded).tolist() == [1, 2]


def test_arange_of_floats():
    steps = K.arange(0.0, 1.0, 0.25)
    assert K.dtype(steps) == "float32" and K.eval(steps).tolist() == [0, 0.25, 0.5, 0.75]
    assert K.eval(K.arange(1, 2, 0.5)).tolist() == [1, 1.5]
    assert K.dtype(K.arange(3.0, dtype="int64")) == "int64"
    assert K.dtype(K.arange(3)) == "int32"


def test_the_last_value_of_a_constant_fills_its_shape():
    assert K.eval(K.constant([1, 2], shape=(2, 2))).tolist() == [[1, 2], [2, 2]]
    assert K.eval(K.constant([[1, 2], [3, 4]], shape=(5,))).tolist() == [1, 2, 3, 4, 4]
    assert K.eval(K.constant(3, shape=(2,))).tolist() == [3, 3]
    assert K.eval(K.constant(1, shape=(0, 2))).shape == (0, 2)
    with pytest.raises(ValueError, match="reshape"):
        K.constant([1, 2, 3], shape=(2,))


def test_truths_combine_with_truths_and_with_arrays():
    truths, others = K.constant([True, False], dtype="bool"), np.array([True, True])
    assert K.eval(truths ^ others).tolist() == [False, True]
    assert K.eval(others ^ truths).tolist() == [False, True]
    assert K.eval(others & truths).tolist() == [True, False]
    assert K.eval(np.array([False, False]) | truths).tolist() == [True, False]


def test_truths_are_no_row_numbers():
    """They were taken for the rows 0 and 1; TensorFlow picks rows by them."""
    x = K.constant([[1, 2], [3, 4]])
    for mask in (x[:, 0] < 2, np.array([True, False]), [True, False]):
        assert K.eval(x[mask]).tolist() == [[1, 2]]
    assert K.eval(x[x > 2]).tolist() == [3, 4]
    assert K.eval(x[[1, 0]]).tolist() == [[3, 4], [1, 2]]


def test_nothing_is_among_the_best_where_a_prediction_is_no_number():
    predictions = [[np.nan, 0.5, 0.5], [0.2, 0.5, 0.1], [np.inf, 1, 2], [-np.inf, 1, 2]]
    best = K.in_top_k(K.constant(predictions), K.constant([0, 1, 0, 2], dtype="int32"), 1)
    assert K.eval(best).tolist() == [False, True, False, False]
    truth, lost = K.constant([[0, 1, 0]]), K.constant([[np.nan] * 3])
    assert float(K.eval(metrics.top_k_categorical_accuracy(truth, lost, k=2))) == 0


@pytest.mark.parametrize("shape", [(None, 6, 5, 2), (None, None, None, 2), (None, 6, 5, None), (None, None, None, None),
                                   (2, None, 5, 2)])
@pytest.mark.parametrize("arguments", [{}, {"strides": (2, 2), "padding": "same"},
                                       {"dilation_rate": (2, 2), "padding": "same"}])
def test_separable_convolutions_of_unknown_sizes(shape, arguments):
    """Sizes may come with the data: values as those of the known shape."""
    random = np.random.RandomState(0)
    x = random.rand(2, 6, 5, 2)
    kernels = K.variable(random.rand(3, 3, 2, 2)), K.variable(random.rand(1, 1, 4, 3))
    whole = K.eval(K.separable_conv2d(K.constant(x), *kernels, **arguments))
    placeholder = K.placeholder(shape)
    made = K.separable_conv2d(placeholder, *kernels, **arguments)
    assert all(known in (None, real) for known, real in zip(K.int_shape(made), whole.shape))
    np.testing.assert_allclose(K.function([placeholder], [made])([x])[0], whole, rtol=1e-5)


@pytest.mark.parametrize("shape, steps", [((None, None, 2), 6), ((None, 6, None), 6), ((None, None, None), 6),
                                          ((2, None, 2), 6), ((None, None, 2), 10), ((None, 10, 2), 10)])
def test_local_convolutions_in_1d_of_unknown_sizes(shape, steps):
    """The kernel says how many positions there are; of more steps the first are taken, as in Keras 2.0.9."""
    random = np.random.RandomState(0)
    x, kernel = random.rand(2, steps, 2), random.rand(4, 6, 3)
    placeholder = K.placeholder(shape)
    made = K.local_conv1d(placeholder, K.variable(kernel), (3,), (1,))
    assert K.int_shape(made) == (shape[0], 4, 3)
    expected = np.stack([x[:, i:i + 3].reshape(2, -1) @ kernel[i] for i in range(4)], 1)
    np.testing.assert_allclose(K.function([placeholder], [made])([x])[0], expected, rtol=1e-5)


def test_local_convolutions_of_too_few_steps_are_refused():
    x = K.placeholder((None, None, 2))
    made = K.local_conv1d(x, K.variable(np.ones((4, 6, 3))), (3,), (1,))
    with pytest.raises(ValueError, match="can't reshape"):
        K.function([x], [made])([np.ones((2, 4, 2))])


@pytest.mark.parametrize("layout, shape", [("channels_last", (None, None, None, 2)), ("channels_last", (None,) * 4),
                                           ("channels_last", (None, 6, 5, None)),
                                           ("channels_first", (None, 2, None, None))])
def test_local_convolutions_in_2d_of_unknown_sizes(layout, shape):
    random = np.random.RandomState(0)
    x = random.rand(2, 6, 5, 2) if layout == "channels_last" else random.rand(2, 2, 6, 5)
    kernel = K.variable(random.rand(12, 18, 3))
    whole = K.eval(K.local_conv2d(K.constant(x), kernel, (3, 3), (1, 1), (4, 3), layout))
    placeholder = K.placeholder(shape)
    made = K.local_conv2d(placeholder, kernel, (3, 3), (1, 1), (4, 3), layout)
    assert K.int_shape(made) == (None, *whole.shape[1:])
    np.testing.assert_allclose(K.function([placeholder], [made])([x])[0], whole, rtol=1e-5)


def test_values_without_axes_are_numbers_of_numpy():
    """They can be rounded, be keys, and pass `np.isscalar`, which arrays of shape () can't."""
    x = K.placeholder((None,))
    given = [K.get_value(K.variable(0.5)), K.eval(K.constant(0.5)), K.eval(K.sum(K.constant([0.25, 0.25]))),
             *K.function([x], [K.mean(x)])([[0.5]]), *K.batch_get_value([K.variable(0.5)])]
    assert all(np.isscalar(v) and v.dtype == "float32" and round(v, 1) == 0.5 for v in given) and len(set(given)) == 1
    variable = K.variable(1.5)
    assert np.isscalar(K.eval(K.update(variable, 2.5))) and K.get_value(variable) == 2.5


def test_a_function_of_a_list_takes_no_array():
    x = K.placeholder((None, 2))
    f = K.function([x], [x * 2])
    with pytest.raises(TypeError, match=r"takes its inputs in a list.*got ndarray. Write f\(\[x\]\)"):
        f(np.ones((1, 2)))


def test_a_dtype_is_its_name_and_answers_as_tensorflows():
    """Losses that were copied out of Keras ask for `output.dtype.base_dtype`."""
    x = K.placeholder((2,))
    assert x.dtype == x.dtype.base_dtype == x.dtype.name == "float32" and x.dtype.as_numpy_dtype is np.float32
    assert np.dtype(x.dtype) == np.float32 and type(K.dtype(x)) is str
    assert K.cast(K.constant([1, 2], dtype="int32"), x.dtype.base_dtype).dtype == "float32"


def test_arrays_and_numbers_are_tensors_too():
    table = np.arange(6.0).reshape(3, 2)
    assert K.eval(K.gather(table, K.constant([2], dtype="int32"))).tolist() == [[4, 5]]
    assert K.eval(K.gather([1.0, 2.0], 1)) == 2
    assert K.eval(K.expand_dims(table)).shape == (3, 2, 1) and K.eval(K.expand_dims(2.5)).tolist() == [2.5]
    assert K.eval(K.squeeze(table[:1], 0)).shape == (2,)
    assert K.eval(K.in_top_k(table, [1, 0, 1], 1)).tolist() == [True, False, True]
    assert K.eval(K.print_tensor(table)).tolist() == table.tolist()


def test_variables_have_what_programs_ask_of_tensorflows():
    v = K.variable([[1.0, 2.0]])
    v.load(np.array([[3.0, 4.0]]), K.get_session())
    assert K.eval(v.read_value() * 2).tolist() == [[6, 8]] and K.eval(v.initialized_value()).tolist() == [[3, 4]]
    with pytest.raises(ValueError, match=r"shape \(1, 2\).*\(3,\)"):
        v.load(np.ones(3), K.get_session())
    assert K.function([K.placeholder(3)], [v])([np.ones(3)])[0].tolist() == [[3, 4]]


def test_a_value_may_be_fed_for_a_variable():
    x, v = K.placeholder((None, 2)), K.variable([[3.0], [4.0]])
    y = K.dot(x, v)
    slope, = K.gradients(K.sum(y ** 2), [x])
    f = K.function([x, v], [y, slope, v], name="f")
    found = f([np.ones((1, 2)), [[1.0], [2.0]]])
    assert [a.tolist() for a in found] == [[[3]], [[6, 12]], [[1], [2]]]
    assert K.get_value(v).tolist() == [[3], [4]] and K.eval(K.dot(K.ones((1, 2)), v)).tolist() == [[7]]
