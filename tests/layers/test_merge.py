"""Merging layers: values, shapes, masks, configs, and what they refuse."""

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers as k
from gpukeras.models import Model, model_from_json

rng = np.random.RandomState(0)
A, B, C = (rng.normal(size=(4, 3, 2)).astype("float32") for _ in range(3))


def merged(layer, *arrays):
    inputs = [k.Input(a.shape[1:]) for a in arrays]
    output = layer(inputs)
    value = Model(inputs, output).predict(list(arrays))
    assert K.int_shape(output) == (None, *value.shape[1:])
    assert layer.compute_output_shape([a.shape for a in arrays]) == value.shape if isinstance(layer, k.Layer) else True
    return value


@pytest.mark.parametrize("name, expected", [
    ("Add", A + B + C), ("Multiply", A * B * C), ("Average", (A + B + C) / 3),
    ("Maximum", np.maximum(np.maximum(A, B), C)), ("Minimum", np.minimum(np.minimum(A, B), C)),
    ("Concatenate", np.concatenate([A, B, C], -1)),
])
def test_values_of_several_inputs(name, expected):
    np.testing.assert_allclose(merged(getattr(k, name)(), A, B, C), expected, rtol=1e-6)
    np.testing.assert_allclose(merged(getattr(k, name.lower()), A, B, C), expected, rtol=1e-6)


def test_subtract():
    np.testing.assert_allclose(merged(k.Subtract(), A, B), A - B)
    np.testing.assert_allclose(merged(k.subtract, A, B), A - B)


def test_inputs_broadcast_and_fewer_axes_are_filled_up():
    row = rng.normal(size=(4, 2)).astype("float32")
    np.testing.assert_allclose(merged(k.Add(), A, row), A + row[:, None])
    np.testing.assert_allclose(merged(k.Multiply(), A, A[:, :1]), A * A[:, :1], rtol=1e-6)


def test_concatenate_along_time():
    np.testing.assert_array_equal(merged(k.Concatenate(axis=1), A, B[:, :1]), np.concatenate([A, B[:, :1]], 1))


@pytest.mark.parametrize("axes, expected", [
    (1, np.einsum("nta,ntb->nab", A, B)), (2, np.einsum("nat,nbt->nab", A, B)), (-1, np.einsum("nat,nbt->nab", A, B)),
    ((1, 1), np.einsum("nta,ntb->nab", A, B)),
])
def test_dot(axes, expected):
    np.testing.assert_allclose(merged(k.Dot(axes), A, B), expected, rtol=1e-5, atol=1e-6)


def test_dot_of_vectors_and_cosine():
    a, b = A[:, 0], B[:, 0]
    np.testing.assert_allclose(merged(k.Dot(1), a, b), (a * b).sum(1, keepdims=True), rtol=1e-5)
    cosine = (a * b).sum(1, keepdims=True) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)[:, None]
    np.testing.assert_allclose(merged(k.Dot(1, normalize=True), a, b), cosine, rtol=1e-5)


def masks_of(layer, *arrays):
    inputs = [k.Input(a.shape[1:]) for a in arrays]
    mask = layer.compute_mask(inputs, [k.Masking().compute_mask(x) for x in inputs])
    return None if mask is None else K.function(inputs, [mask])(list(arrays))[0]


def test_masks_are_joined():
    a, b = A.copy(), B.copy()
    a[0, 1], b[1, 2] = 0, 0
    kept = masks_of(k.Add(), a, b)
    assert kept.shape == (4, 3) and not kept[0, 1] and not kept[1, 2] and kept.sum() == 10
    along_features, along_time = masks_of(k.Concatenate(), a, b), masks_of(k.Concatenate(axis=1), a, b)
    assert (along_features == kept).all()
    assert along_time.shape == (4, 6) and not along_time[0, 1] and not along_time[1, 5] and along_time.sum() == 22
    assert masks_of(k.Dot(1), a, b) is None


def test_an_input_without_a_mask_is_kept():
    x, y = k.Input((3, 2)), k.Input((3, 2))
    masked = k.Masking()(x)
    mask = k.Concatenate().compute_mask([masked, y], [k.Masking().compute_mask(x), None])
    a = A.copy()
    a[2, 0] = 0
    kept = K.function([x, y], [mask])([a, B])[0]
    assert not kept[2, 0] and kept.sum() == 11
    assert k.Add().compute_mask([x, y], [None, None]) is None


@pytest.mark.parametrize("layer", [k.Add(name="a"), k.Concatenate(axis=1), k.Dot((1, 2), normalize=True)])
def test_configs_survive_json(layer):
    config = json.loads(json.dumps(layer.get_config()))
    assert json.loads(json.dumps(type(layer).from_config(config).get_config())) == config


def test_a_model_of_two_branches_survives_json_and_trains():
    x, y = k.Input((3,)), k.Input((2,))
    out = k.Dense(1)(k.concatenate([k.Dense(4)(x), k.Dense(4)(y)]))
    model = Model([x, y], out)
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    data = [rng.normal(size=(8, 3)), rng.normal(size=(8, 2))]
    np.testing.assert_array_equal(model.predict(data), again.predict(data))
    model.compile("sgd", "mse")
    losses = model.fit(data, np.ones((8, 1)), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("make, words", [
    (lambda: k.Add()(k.Input((3,))), "list of inputs"),
    (lambda: k.Add()([k.Input((3,))]), "list of inputs, got one"),
    (lambda: k.Subtract()([k.Input((3,))] * 3), "exactly 2 inputs, got 3"),
    (lambda: k.Add()([k.Input((3,)), k.Input((4,))]), "one axis has lengths"),
    (lambda: k.Add()([k.Input(batch_shape=(2, 3)), k.Input(batch_shape=(5, 3))]), "different batch sizes"),
    (lambda: k.Concatenate()([k.Input((3, 2)), k.Input((4, 2))]), "matching shapes except for the concat axis"),
    (lambda: k.Concatenate(axis=5)([k.Input((3, 2)), k.Input((4, 2))]), "axis=5"),
    (lambda: k.Dot(1)([k.Input((3,)), k.Input((4,))]), "3 is not 4"),
    (lambda: k.Dot((1, 2, 3)), "pair of ints"),
])
def test_what_does_not_fit_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_axes_of_a_wrong_kind_are_a_type_error():
    with pytest.raises(TypeError, match="an int or a pair"):
        k.Dot("1")


@pytest.mark.parametrize("name", ["Add", "Subtract", "Concatenate"])
def test_masks_must_match_the_inputs(name):
    a, b, layer = k.Input((3, 2)), k.Input((3, 2)), getattr(k, name)()
    layer([a, b])
    mask = K.constant(np.ones((1, 3), bool))
    assert layer.compute_mask([a, b], [None, None]) is None and layer.compute_mask([a, b], [mask, None]) is not None
    for inputs, masks in (([a, b], mask), (a, [None, None]), ([a, b], [None])):
        with pytest.raises(ValueError, match="a list of inputs and a list of as many masks"):
            layer.compute_mask(inputs, masks)


@pytest.mark.parametrize("name", ["Add", "Subtract"])
def test_a_built_layer_refuses_one_input_too(name):
    a, b, layer = k.Input((3, 2)), k.Input((3, 2)), getattr(k, name)()
    layer([a, b])
    with pytest.raises(ValueError, match="must be called on a list of"):
        layer([a])
    with pytest.raises(ValueError, match="must be called on a list of inputs"):
        layer(a)
