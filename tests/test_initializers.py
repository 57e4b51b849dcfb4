"""Initial values: exact ones, distributions, seeds and configs."""
from __future__ import annotations

import math

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import initializers
from gpukeras.utils.generic_utils import custom_object_scope

SHAPE = (200, 100)
CONV = (5, 5, 20, 40)
CUT = 0.87962566103423978  # standard deviation of a normal distribution cut at two


def check(values, shape, mean, std, low=-math.inf, high=math.inf):
    """The values lie within the bounds, fill them, and have this mean and standard deviation."""
    assert values.shape == shape
    assert values.dtype == K.floatx()
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(values.size)
    assert values.std() == pytest.approx(std, rel=0.03)
    if math.isfinite(low):
        slack = 1e-6 * (high - low)
        assert low - slack <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high + slack


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(1337)


def test_constant_values():
    assert (initializers.Zeros()((2, 3)) == np.zeros((2, 3))).all()
    assert (initializers.Ones()((2, 3)) == np.ones((2, 3))).all()
    assert (initializers.Constant(0.5)((2, 3)) == np.full((2, 3), 0.5)).all()
    assert initializers.Constant(np.arange(3))((2, 3)).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert (initializers.Identity(2.0)((3, 3)) == 2 * np.eye(3)).all()
    assert (initializers.Identity()((3, 2)) == np.eye(3, 2)).all()


def test_uniform_and_normal():
    check(initializers.RandomUniform(-1, 3)(SHAPE), SHAPE, 1.0, 4 / math.sqrt(12), -1, 3)
    check(initializers.RandomNormal(2, 0.5)(SHAPE), SHAPE, 2.0, 0.5)


def test_truncated_normal():
    check(initializers.TruncatedNormal(-1, 0.3)(SHAPE), SHAPE, -1.0, 0.3 * CUT, -1.6, -0.4)


@pytest.mark.parametrize("shape, fan_in, fan_out", [(SHAPE, 200, 100), (CONV, 500, 1000)])
@pytest.mark.parametrize("name, scale, mode", [
    ("lecun_{}", 1, "in"), ("glorot_{}", 1, "avg"), ("he_{}", 2, "in"),
])
def test_variance_scaling_family(name, scale, mode, shape, fan_in, fan_out):
    variance = scale / {"in": fan_in, "avg": (fan_in + fan_out) / 2}[mode]
    limit, std = math.sqrt(3 * variance), math.sqrt(variance)
    check(initializers.get(name.format("uniform"))(shape), shape, 0, limit / math.sqrt(3), -limit, limit)
    check(initializers.get(name.format("normal"))(shape), shape, 0, std * CUT, -2 * std, 2 * std)


def test_variance_scaling_modes_and_distributions():
    std = math.sqrt(3 / 100)
    scaling = initializers.VarianceScaling
    limit = std * math.sqrt(3)
    check(scaling(3.0, "FAN_OUT", "Uniform")(SHAPE), SHAPE, 0, std, -limit, limit)
    check(scaling(3.0, "fan_out", "untruncated_normal")(SHAPE), SHAPE, 0, std)
    check(scaling(3.0, "fan_out", "truncated_normal")(SHAPE), SHAPE, 0, std, -2 * std / CUT, 2 * std / CUT)


@pytest.mark.parametrize("shape, gain", [
    ((20, 20), 1.0), ((30, 12), 1.0), ((8, 25), 1.5), ((3, 2, 5, 7), 1.0)])
def test_orthogonal(shape, gain):
    values = initializers.Orthogonal(gain)(shape)
    assert values.shape == shape
    matrix = values.reshape(-1, shape[-1]).astype("float64")
    square = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(square, gain ** 2 * np.eye(len(square)), atol=1e-5)


@pytest.mark.parametrize("shape, data_format, fans", [
    ((7, 9), "channels_last", (7, 9)),
    ((3, 4, 5), "channels_last", (12, 15)),
    ((3, 3, 4, 5), "channels_last", (36, 45)),
    ((2, 3, 3, 4, 5), "channels_last", (72, 90)),
    ((5, 4, 3, 3), "channels_first", (36, 45)),
    ((16,), "channels_last", (4, 4)),
    ((), "channels_last", (1, 1)),
])
def test_fans(shape, data_format, fans):
    assert initializers._compute_fans(shape, data_format) == fans


def test_the_global_state_of_numpy_repeats_the_values():
    for name in ("glorot_uniform", "he_normal", "orthogonal", "random_normal", "uniform"):
        np.random.seed(7)
        first = initializers.get(name)((4, 5))
        second = initializers.get(name)((4, 5))
        np.random.seed(7)
        assert (initializers.get(name)((4, 5)) == first).all()
        assert (first != second).any()


def test_a_seed_repeats_the_values_and_leaves_the_global_state():
    before = np.random.get_state()[1].copy()
    for make in (initializers.RandomNormal, initializers.RandomUniform, initializers.TruncatedNormal,
                 initializers.VarianceScaling, initializers.Orthogonal, initializers.glorot_uniform):
        one = make(seed=3)
        assert (one((4, 5)) == one((4, 5))).all()
        assert (make(seed=4)((4, 5)) != one((4, 5))).any()
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize("name", sorted(initializers._named))
def test_every_name_makes_an_array_of_the_type_asked_for(name):
    initializer = initializers.get(name)
    assert initializer((4, 4)).dtype == K.floatx()
    values = initializer((4, 4), dtype="float64")
    assert isinstance(values, np.ndarray)
    assert values.dtype == "float64"
    assert K.get_value(K.variable(values)).shape == (4, 4)


@pytest.mark.parametrize("name", sorted(initializers._named))
def test_config_round_trip(name):
    initializer = initializers.get(name)
    config = initializers.serialize(initializer)
    again = initializers.deserialize(config)
    assert type(again) is type(initializer)
    assert initializers.serialize(again) == config


def test_configs_of_other_versions():
    made = initializers.get({"class_name": "GlorotUniform", "config": {"seed": 3, "dtype": "float32"}})
    assert (made.scale, made.mode, made.distribution, made.seed) == (1.0, "fan_avg", "uniform", 3)
    with_dtype = {"minval": 0.0, "maxval": 1.0, "seed": None, "dtype": "float32"}
    assert initializers.get({"class_name": "RandomUniform", "config": with_dtype}).maxval == 1.0
    assert with_dtype["dtype"] == "float32"
    assert initializers.get({"class_name": "Constant", "config": {"value": 2}})((1, 1)) == 2


def test_get_takes_callables_classes_and_own_classes():
    def mine(shape, dtype=None):
        return np.full(shape, 7.0, dtype)

    class Mine(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 8.0)

    assert initializers.get(mine) is mine
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    with custom_object_scope({"Mine": Mine}):
        assert initializers.get("Mine")((1,)) == 8
    assert initializers.get(initializers.Zeros()).get_config() == {}


@pytest.mark.parametrize("make, words", [
    (lambda: initializers.get("gloro_uniform"), "Unknown.*Did you mean 'glorot_uniform'"),
    (lambda: initializers.get(None), "Could not interpret initializer identifier: None"),
    (lambda: initializers.VarianceScaling(scale=0), "scale must be positive, got 0"),
    (lambda: initializers.VarianceScaling(mode="fan"), "mode must be one of .*'fan_avg'.*, got 'fan'"),
    (lambda: initializers.VarianceScaling(distribution="cauchy"), "distribution must be .*got 'cauchy'"),
    (lambda: initializers.Identity()((2, 2, 2)), r"matrices only, got the shape \(2, 2, 2\)"),
    (lambda: initializers.Orthogonal()((5,)), r"at least 2 dimensions, got \(5,\)"),
    (lambda: initializers._compute_fans((2, 3, 4), "channels"), "Invalid data_format: 'channels'"),
])
def test_errors(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_the_base_class_makes_nothing():
    with pytest.raises(NotImplementedError, match="Initializer does not say how"):
        initializers.Initializer()((2,))
