"""What Keras 2.0.9's backend does beyond the formulas: values, sessions, phases, odd arguments, edges."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    yield
    K.set_floatx("float32")
    K.set_epsilon(1e-7)
    K.set_image_data_format("channels_last")
    K.clear_session()


# Settings ------------------------------------------------------------------------------------------------------
def test_floatx_decides_the_dtype_of_what_is_made() -> None:
    assert K.floatx() == "float32" and K.epsilon() == 1e-7 and K.backend() == K._BACKEND == "gpukeras"
    K.set_floatx("float64")
    assert K.variable(1).dtype == K.placeholder((2,)).dtype == K.zeros((2,)).dtype == K.constant(1).dtype == "float64"
    assert K.cast_to_floatx([1, 2]).dtype == np.float64 and K.eval(K.one_hot([1], 2)).dtype == np.float64
    with pytest.raises(ValueError, match="float16, float32, float64"):
        K.set_floatx("int32")


@pytest.mark.parametrize("make", [K.placeholder, K.ones, K.random_normal, lambda shape, dtype: K.cast(1, dtype),
                                  lambda shape, dtype: K.constant(1, dtype)], ids=range(5))
def test_dtypes(make: Any) -> None:
    for dtype in (np.float64, np.dtype("float64"), "double", "<f8", ">f8"):
        assert make((2,), dtype=dtype).dtype == "float64"
    with pytest.raises(ValueError, match="dtype must be that of numbers, such as 'float32'.*, got 'flaot32'"):
        make((2,), dtype="flaot32")


def test_image_data_format() -> None:
    assert K.image_data_format() == "channels_last" and K.image_dim_ordering() == "tf"
    K.set_image_dim_ordering("th")
    assert K.image_data_format() == "channels_first" == K.normalize_data_format(None)
    with pytest.raises(ValueError, match="channels_last, channels_first"):
        K.set_image_data_format("middle")


def test_uids() -> None:
    assert [K.get_uid("dense"), K.get_uid("dense"), K.get_uid("conv")] == [1, 2, 1]
    K.reset_uids()
    assert K.get_uid("dense") == 1


def test_learning_phase_is_a_placeholder_unless_it_is_set() -> None:
    p = K.learning_phase()
    assert K.learning_phase() is p and p.dtype == "uint8" and K.is_placeholder(p)
    K.set_learning_phase(1)
    assert K.learning_phase() == 1
    K.clear_session()
    assert K.is_placeholder(K.learning_phase())
    with pytest.raises(ValueError, match="0 or 1"):
        K.set_learning_phase(2)
    with K.name_scope("group"):
        assert K.eval(K.constant(1.0)) == 1


# Values --------------------------------------------------------------------------------------------------------
def test_variables_and_their_values() -> None:
    a, b = K.variable([[1, 2], [3, 4]], name="a"), K.variable(np.arange(3), dtype="int32")
    assert (
        a.dtype == "float32"
        and a.name == "a:0"
        and K.get_value(b).dtype == np.int32
        and K.int_shape(a) == K.get_variable_shape(a) == (2, 2)
    )
    K.batch_set_value([(a, np.zeros((2, 2))), (b, [7, 8, 9])])
    first, second = K.batch_get_value([a, b])
    assert first.tolist() == [[0, 0], [0, 0]] and second.tolist() == [7, 8, 9]
    assert K.batch_get_value([]) == [] and K.count_params(a) == 4 and K.ndim(a) == 2 and K.dtype(b) == "int32"
    assert a.trainable and a.constraint is None and K.variable(1, constraint=abs).constraint is abs


def test_variable_of_a_tensor_takes_its_value() -> None:
    np.random.seed(0)
    v = K.variable(K.random_normal((50, 40), 3, 0.1))
    assert abs(K.get_value(v).mean() - 3) < 0.02 and K.get_value(v).tolist() == K.get_value(v).tolist()


def test_eval_of_what_needs_feeding_says_what() -> None:
    with pytest.raises(ValueError, match="'lonely:0'"):
        K.eval(K.placeholder((2,), name="lonely") + 1)


def test_kinds_of_tensors() -> None:
    p, v = K.placeholder(ndim=2), K.variable(1)
    assert (
        K.is_placeholder(p)
        and not K.is_placeholder(v)
        and K.is_tensor(v)
        and not K.is_tensor(np.ones(1))
        and not K.is_sparse(p)
    )
    assert not K.is_keras_tensor(p) and K.to_dense(p) is p
    with pytest.raises(ValueError, match="symbolic tensor"):
        K.is_keras_tensor(np.ones(2))
    with pytest.raises(ValueError, match="shape or ndim"):
        K.placeholder()
    assert K.is_sparse(K.placeholder((2, 2), sparse=True))


def test_int_shape_prefers_what_the_layer_says() -> None:
    x = K.placeholder((None, 3))
    y = x + 1
    assert K.int_shape(y) == (None, 3)
    y._keras_shape = (None, 7)
    assert K.int_shape(y) == (None, 7)


def test_random_variables_are_those_of_keras_for_numpys_seed() -> None:
    np.random.seed(1)  # the numbers are those of Keras 2.0.9
    u, n = K.random_uniform_variable((2, 2), -1, 3), K.random_normal_variable((2, 2), 1, 2)
    np.testing.assert_allclose(K.get_value(u).ravel(), [0.597414, -0.953107, 1.4095, 0.957747], atol=1e-5)
    np.testing.assert_allclose(K.get_value(n).ravel(), [1.756337, 1.9841, 1.394017, 1.191092], atol=1e-5)
    assert np.random.rand() == 0.9325573593386588


def test_made_arrays() -> None:
    assert K.get_value(K.eye(2)).tolist() == [[1, 0], [0, 1]] and K.get_value(K.ones((2,), "int64")).dtype == np.int64
    assert K.eval(K.constant(2, shape=(2, 2))).tolist() == [[2, 2], [2, 2]] and K.eval(
        K.constant([1, 2, 3, 4], shape=(2, 2))
    ).tolist() == [[1, 2], [3, 4]]
    np.random.seed(0)
    u, n = K.random_uniform_variable((1000,), -3, -2), K.random_normal_variable((1000,), 5, 0.5, seed=3)
    assert -3 <= K.get_value(u).min() and K.get_value(u).max() <= -2 and abs(K.get_value(n).mean() - 5) < 0.1
    assert (
        K.get_value(K.random_normal_variable((4,), 0, 1, seed=3)).tolist()
        == K.get_value(K.random_normal_variable((4,), 0, 1, seed=3)).tolist()
    )


def test_whole_random_numbers() -> None:
    drawn = K.random_uniform((20, 50), minval=-2, maxval=3, dtype="int32", seed=1)
    assert drawn.dtype == "int32" and np.unique(K.eval(drawn)).tolist() == [-2, -1, 0, 1, 2]
    with pytest.raises(ValueError, match="whole numbers need maxval > minval, got 2 and 1.0"):
        K.random_uniform((2,), minval=2, dtype="int64")


def test_arange() -> None:
    for args, expected in (((5,), range(5)), ((-3,), []), ((2, 5), range(2, 5)), ((5, 0, -2), range(5, 0, -2))):
        made = K.arange(*args)
        assert made.dtype == "int32" and K.eval(made).tolist() == list(expected)
    assert K.arange(3, dtype="float32").dtype == "float32"


# Functions -----------------------------------------------------------------------------------------------------
def test_function_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unexpected arguments: optimizer"):
        K.function([], [], optimizer=1)
    x = K.placeholder((2,))
    for what, arguments in (("inputs", ("x", [x])), ("outputs", ([x], {x})), ("updates", ([x], [x], x))):
        with pytest.raises(TypeError, match=f"{what} must be a list or a tuple, got"):
            K.function(*arguments)
    assert K.function((x,), (x * 2,), name="twice")([[1.0, 2.0]])[0].tolist() == [2, 4]


def test_function_takes_updates_without_outputs_and_outputs_without_inputs() -> None:
    v = K.variable(1.0)
    assert K.function([], [], [K.update_add(v, 2)])([]) == []
    assert [float(x) for x in K.function([], [v, v * 2, 5.0])([])] == [3, 6, 5]


def test_gradients_of_one_tensor_or_several() -> None:
    x = K.variable([1.0, 2.0])
    assert len(K.gradients(K.sum(x), x)) == len(K.gradients(K.sum(x), [x])) == len(K.gradients(K.sum(x), (x,))) == 1
    stopped = K.stop_gradient([x, x * 2])
    assert [K.gradients(K.sum(s), [x]) for s in stopped] == [[None], [None]]


# Phases and switches -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("training, expected", [(None, 2), (0, 2), (1, 1), (False, 2), (True, 1)])
def test_in_train_phase(training: Any, expected: float) -> None:
    a, b = K.constant(1.0), K.constant(2.0)
    for x, y in ((a, b), (lambda: a, lambda: b), (lambda: a, b)):
        assert K.eval(K.in_train_phase(x, y, training)) == expected
        assert K.eval(K.in_test_phase(x, y, training)) == 3 - expected


def test_in_train_phase_takes_a_tensor_for_the_phase() -> None:
    t = K.placeholder((), dtype="bool")
    f = K.function([t], [K.in_train_phase(K.constant([1.0]), K.constant([2.0]), t)])
    assert f([True])[0] == 1 and f([False])[0] == 2


def test_switch_takes_functions_and_python_conditions() -> None:
    a, b = K.constant([1.0]), K.constant([2.0])
    assert (
        K.eval(K.switch(True, lambda: a, lambda: b)) == 1
        and K.eval(K.switch(K.constant(0.0), lambda: a, lambda: b)) == 2
    )
    assert K.eval(K.switch(K.constant(1) > 0, a, b)) == 1
    with pytest.raises(ValueError, match="more axes"):
        K.switch(K.constant([[True]]), a, b)


def test_switch_sends_gradients_to_the_side_taken() -> None:
    x, c = K.placeholder((2,)), K.placeholder((), dtype="bool")
    f = K.function([x, c], K.gradients(K.switch(c, x * 2, x * x), [x]))
    assert f([[3.0, 4.0], True])[0].tolist() == [2, 2] and f([[3.0, 4.0], False])[0].tolist() == [6, 8]


def test_no_nan_from_the_side_not_taken() -> None:
    """The usual trick: a safe number goes where the function is not defined."""
    x = K.placeholder((3,))
    safe = K.switch(x > 0, x, K.ones_like(x))
    f = K.function([x], K.gradients(K.sum(K.switch(x > 0, K.log(safe), K.zeros_like(x))), [x]))
    assert f([[2.0, 0.0, -1.0]])[0].tolist() == [0.5, 0, 0]


# Crossentropies ------------------------------------------------------------------------------------------------
def test_categorical_crossentropy_scales_and_clips() -> None:
    p = np.array([[0.2, 0.6], [0.0, 3.0]], "float32")
    t = np.array([[1.0, 0.0], [1.0, 0.0]], "float32")
    got = K.eval(K.categorical_crossentropy(K.constant(t), K.constant(p)))
    np.testing.assert_allclose(got, [-np.log(0.25), -np.log(np.float32(1e-7))], 1e-5)


def test_sparse_crossentropy_of_probabilities_that_do_not_sum_to_one() -> None:
    p, labels = np.array([[0.2, 0.6], [0.0, 0.5]], "float32"), np.array([[1], [0]])
    got = K.eval(K.sparse_categorical_crossentropy(K.constant(labels), K.constant(p)))
    np.testing.assert_allclose(got, [-np.log(0.75), -np.log(1e-7 / (0.5 + 1e-7))], 1e-5)
    z = np.array([[1.0, 3.0], [2.0, 0.0]], "float32")
    logits = K.eval(K.sparse_categorical_crossentropy(K.constant(labels[:, 0]), K.constant(z), from_logits=True))
    np.testing.assert_allclose(logits, np.log(np.exp(z).sum(1)) - [3, 2], 1e-5)


def test_sparse_crossentropy_of_sequences() -> None:
    p = np.random.RandomState(0).uniform(0.1, 1, (2, 3, 4)).astype("float32")
    labels = np.array([[0, 1, 2], [3, 2, 1]])
    expected = -np.log(np.take_along_axis(p, labels[..., None], -1)[..., 0] / p.sum(-1))
    for shape in (labels, labels[..., None]):
        np.testing.assert_allclose(
            K.eval(K.sparse_categorical_crossentropy(K.constant(shape), K.constant(p))), expected, 1e-5
        )


def test_binary_crossentropy_clips_in_single_precision() -> None:
    got = K.eval(K.binary_crossentropy(K.constant([0.0, 1.0, 1.0]), K.constant([1.0, 0.0, 0.5])))
    np.testing.assert_allclose(got, [15.942385, 16.118095, np.log(2)], 1e-5)


def test_labels_out_of_range_are_refused() -> None:
    z, t = K.placeholder((None, 3)), K.placeholder((None,), dtype="int32")
    f = K.function([z, t], [K.sparse_categorical_crossentropy(t, K.softmax(z))])
    with pytest.raises(IndexError, match=r"labels.*\[0, 3\)"):
        f([np.zeros((2, 3)), [0, 3]])
    with pytest.raises(IndexError, match=r"gather.*\[0, 2\)"):
        K.eval(K.gather(K.variable([1.0, 2.0]), [2]))


# Edges ---------------------------------------------------------------------------------------------------------
def test_overflow_stays_silent_and_right() -> None:
    x = K.placeholder((3,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = K.function(
            [x], [K.sigmoid(x), K.softplus(x), K.softmax(x), K.tanh(x), K.elu(x), K.hard_sigmoid(x), K.softsign(x)]
        )([[-1000.0, 0.0, 1000.0]])
    expected = [
        [0, 0.5, 1],
        [0, np.log(2), 1000],
        [0, 0, 1],
        [-1, 0, 1],
        [-1, 0, 1000],
        [0, 0.5, 1],
        [-1000 / 1001, 0, 1000 / 1001],
    ]
    np.testing.assert_allclose(got, expected, 1e-6)


def test_slopes_at_the_ends() -> None:
    x = K.placeholder((3,))
    made = [K.sum(f(x)) for f in (K.sigmoid, K.softplus, K.tanh, K.relu, K.elu, K.hard_sigmoid)]
    got = K.function([x], [g for m in made for g in K.gradients(m, [x])])([[-1000.0, 0.0, 1000.0]])
    expected = [[0, 0.25, 0], [0, 0.5, 1], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 0.2, 0]]
    np.testing.assert_allclose(got, expected, 1e-6, 1e-7)


@pytest.mark.parametrize("level", [-0.1, 1.0, 1.5])
def test_dropout_level(level: float) -> None:
    with pytest.raises(ValueError, match=r"level must lie in \[0, 1\)"):
        K.dropout(K.ones((2,)), level)


def test_dropout_scales_and_shares_noise() -> None:
    got = K.eval(K.dropout(K.ones((500, 20)), 0.25, noise_shape=(None, 1), seed=1))
    assert set(np.round(np.unique(got), 5)) == {0, np.round(np.float32(4 / 3), 5)}
    assert (got == got[:, :1]).all() and abs((got == 0).mean() - 0.25) < 0.08
    assert K.eval(K.dropout(K.ones((3,)), 0.0)).tolist() == [1, 1, 1]


def test_the_level_of_dropout_may_be_a_variable() -> None:
    level = K.variable(0.5)
    drop = K.function([], [K.dropout(K.ones((500, 20)), level), K.dropout(K.ones((9, 4)), level, noise_shape=(9, 1))])
    whole, rows = drop([])
    assert set(np.unique(whole)) == {0, 2} and abs(whole.mean() - 1) < 0.08 and (rows == rows[:, :1]).all()
    K.set_value(level, 0.75)
    assert set(np.unique(drop([])[0])) == {0, 4}
    K.set_value(level, 0.0)
    assert set(np.unique(drop([])[0])) == {1}


def test_in_top_k_counts_ties() -> None:
    p = K.constant([[0.1, 0.4, 0.4, 0.1], [0.5, 0.2, 0.2, 0.2]])
    assert K.eval(K.in_top_k(p, K.constant([2, 3], "int32"), 1)).tolist() == [True, False]
    assert K.eval(K.in_top_k(p, K.constant([2, 3], "int32"), 2)).tolist() == [True, True]
    with pytest.raises(ValueError, match="in_top_k needs"):
        K.in_top_k(p, p, 1)


def test_batch_dot_of_vectors_keeps_two_axes() -> None:
    assert K.int_shape(K.batch_dot(K.ones((32, 20)), K.ones((32, 20)), axes=1)) == (32, 1)
    assert K.int_shape(K.batch_dot(K.placeholder((None, 20, 5)), K.placeholder((None, 30, 20)), axes=(1, 2))) == (
        None,
        5,
        30,
    )
    with pytest.raises(ValueError, match="batch axis 0"):
        K.batch_dot(K.ones((3, 3)), K.ones((3, 3)), axes=0)
    with pytest.raises(ValueError, match="same length"):
        K.batch_dot(K.ones((3, 3, 2)), K.ones((3, 3, 4)), axes=2)


@pytest.mark.parametrize("a, b, axes, rule", [
    ((2, 3, 4, 5), (2, 3, 5, 6), None, "ncij,ncjk->ncik"), ((2, 3, 4, 5), (2, 3, 6, 5), (3, 3), "ncij,nckj->ncik"),
    ((2, 3, 4, 5), (2, 3, 4, 6), (2, 2), "ncji,ncjk->ncik"), ((2, 3, 4), (2, 3, 4, 6), (2, 2), "ncj,ncjk->nck"),
    ((2, 3, 4), (2, 3, 6, 4), (2, 3), "ncj,nckj->nck"), ((2, 3, 4), (2, 5, 4, 6), (2, 2), "nij,ncjk->nick"),
    ((2, 3, 4, 5), (2, 6, 5), (3, 2), "ncij,nkj->ncik"), ((2, 3, 4, 5), (2, 3, 6, 5), (1, 1), "njab,njcd->nabcd")])
def test_batch_dot_of_four_axes(a: Any, b: Any, axes: Any, rule: str) -> None:
    state = np.random.RandomState(0)
    x, y = state.randn(*a), state.randn(*b)
    got = K.eval(K.batch_dot(K.constant(x), K.constant(y), axes))
    np.testing.assert_allclose(got, np.einsum(rule, x, y), 1e-4, 1e-5)
    known = K.batch_dot(K.placeholder((None, *a[1:])), K.placeholder((None, *b[1:])), axes)
    assert K.int_shape(known)[1:] == got.shape[1:]


def test_relu_with_a_threshold() -> None:
    x = K.constant([-3.0, -1.0, 0.5, 2.0, 9.0])
    assert K.eval(K.relu(x, 0.5, 6.0, 1.0)).tolist() == [-2.0, -1.0, -0.25, 2.0, 6.0]
    assert K.eval(K.relu(x, threshold=-2.0)).tolist() == [0.0, -1.0, 0.5, 2.0, 9.0]


def test_crossentropy_over_another_axis() -> None:
    p = np.random.RandomState(0).dirichlet(np.ones(4), (2, 3)).astype("float32")
    labels = np.array([[0, 1, 3], [2, 2, 1]])
    first = K.constant(np.moveaxis(p, -1, 1))
    want = -np.log(np.take_along_axis(p, labels[..., None], -1))[..., 0]
    for target in (labels, labels[:, None]):
        got = K.eval(K.sparse_categorical_crossentropy(K.constant(target), first, axis=1))
        np.testing.assert_allclose(got, want, 1e-5)
    hot = K.constant(np.moveaxis(np.eye(4)[labels], -1, 1))
    np.testing.assert_allclose(K.eval(K.categorical_crossentropy(hot, first, axis=1)), want, 1e-5)
    with pytest.raises(ValueError, match="axis 5"):
        K.categorical_crossentropy(hot, first, axis=5)


def test_what_backend_functions_make_has_a_keras_shape() -> None:
    y = K.repeat_elements(K.placeholder((2, None)), 3, axis=0)
    assert y._keras_shape == K.int_shape(y) == (6, None)


def test_bias_add_for_channels_first() -> None:
    x, b = np.random.RandomState(0).randn(2, 3, 4, 5).astype("float32"), np.array([1.0, 2.0, 3.0], "float32")
    got = K.eval(K.bias_add(K.constant(x), K.constant(b), data_format="channels_first"))
    np.testing.assert_allclose(got, x + b[:, None, None], 1e-6)
    whole = np.arange(60.0, dtype="float32").reshape(4, 5, 3)
    got = K.eval(K.bias_add(K.constant(x), K.constant(whole), data_format="channels_first"))
    np.testing.assert_allclose(got, x + whole.reshape(3, 4, 5), 1e-6)
    with pytest.raises(ValueError, match="1 or 3 axes"):
        K.bias_add(K.constant(x), K.constant(x))


def test_numbers_of_reductions_are_scalars() -> None:
    got = K.eval(K.sum(K.constant([1.0, 2.0])))
    assert got.shape == () and float(got) == 3
    assert K.eval(K.mean(K.constant(2.0), axis=-1)) == 2 and K.eval(K.sum(K.constant(2.0))) == 2


def test_print_tensor_returns_the_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    assert K.eval(K.print_tensor(K.constant([1.0]), message="x = ")).tolist() == [1]
    assert "x = " in capsys.readouterr().out


def test_two_layers_of_vae_like_closure() -> None:
    """A loss that closes over another tensor, with a derivative inside."""
    x, w = K.placeholder((None, 3)), K.variable(np.ones((3, 2)))
    z = K.dot(x, w)
    kl = -0.5 * K.mean(1 + z - K.square(z) - K.exp(z), axis=-1)
    (inner,) = K.gradients(K.sum(K.square(z)), [x])
    loss = K.mean(kl + K.sum(K.square(inner), 1))
    (slope,) = K.gradients(loss, [w])
    f = K.function([x, K.learning_phase()], [loss, slope], [K.update_sub(w, 0.001 * slope)])
    a = np.random.RandomState(0).uniform(-1, 1, (4, 3))
    losses = [float(f([a, 1])[0]) for _ in range(50)]
    assert losses[-1] < losses[0] and all(np.isfinite(losses))


def test_sqrt_of_negative_numbers_is_0_with_derivative_0():
    x = K.variable([-4.0, 4.0])
    root = K.sqrt(x)
    gradient, = K.gradients(root, [x])
    assert K.eval(root).tolist() == [0, 2] and K.eval(gradient).tolist() == [0, 0.25]


def test_truth_values_are_counted():
    assert float(K.eval(K.sum(K.greater(K.constant([1.0, -1.0, 2.0]), 0)))) == 2


@pytest.mark.parametrize("reduce", ["min", "max"])
@pytest.mark.parametrize("n", [2, 5, 17, 33])
def test_extrema_of_reversed_rows(reduce, n):
    """NumPy 1.25 to 2.1 gets these wrong by itself."""
    x = np.random.RandomState(n).randn(3, n).astype("float32")
    found = K.eval(getattr(K, reduce)(K.reverse(K.variable(x), 1), axis=1))
    np.testing.assert_array_equal(found, getattr(x, reduce)(axis=1))


# Updates at once, and names of later Keras 2 -----------------------------------------------------------------------
def test_an_update_is_carried_out_by_eval_and_by_a_session() -> None:
    x, p = K.variable([1., 2.]), K.placeholder((2,))
    assert K.eval(K.update_add(x, 1.)).tolist() == K.get_value(x).tolist() == [2., 3.]
    old, new = K.get_session().run([x * 1, K.update_sub(x, p)], {p: [1., 1.]})
    assert (old.tolist(), new.tolist()) == ([2., 3.], [1., 2.])
    assert K.get_session().run(K.update(x, [0., 0.])).tolist() == K.get_value(x).tolist() == [0., 0.]
    grow = K.update_add(x, 1.)
    first, second = K.get_session().run([grow, grow])  # one update, listed twice
    assert first.tolist() == second.tolist() == K.get_value(x).tolist() == [1., 1.]


def test_slice_size_eye_and_is_variable() -> None:
    x = K.constant([[1, 2, 3], [4, 5, 6]])
    assert K.eval(K.slice(x, [1, 0], [-1, 2])).tolist() == [[4, 5]]
    assert int(K.eval(K.size(x))) == 6 and not K.is_variable(x) and K.is_variable(K.zeros((1,)))
    assert K.eval(K.eye((2, 3))).shape == (2, 3) and K.eval(K.eye(2)).shape == (2, 2)
    with pytest.raises(ValueError, match="a start and a size for each axis"):
        K.slice(x, [0], [1])


@pytest.mark.parametrize("axis", [1, -1])
def test_batch_normalization_along_an_axis(axis: int) -> None:
    x = np.random.RandomState(0).normal(size=(2, 3, 4))
    mean, var, beta, gamma = np.random.RandomState(1).rand(4, x.shape[axis])
    wide = [(-1, 1) if axis == 1 else (1, -1)] * 4
    m, v, b, g = (a.reshape(w) for a, w in zip((mean, var, beta, gamma), wide))
    found = K.batch_normalization(K.constant(x), *map(K.constant, (mean, var, beta, gamma)), axis=axis)
    np.testing.assert_allclose(K.eval(found), (x - m) / np.sqrt(v + 1e-3) * g + b, 1e-4, 1e-5)
