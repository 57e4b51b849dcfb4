"""Weights of other versions of Keras, other backends and cuDNN."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from gpukeras import layers
from gpukeras.engine.topology import preprocess_weights_for_loading
from gpukeras.layers import (
    GRU,
    LSTM,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    ConvLSTM2D,
    CuDNNGRU,
    CuDNNLSTM,
    Dense,
    TimeDistributed,
)
from gpukeras.models import Sequential, load_model
from gpukeras.saving.conversion import to_cudnn

random = np.random.RandomState(5)


def first(layer, shape):
    model = Sequential([layer])
    model.build((None, *shape))
    return model


def numbered(layer):
    """Arrays like the layer's weights, with numbers that tell all elements apart."""
    return [np.arange(i * 1000, i * 1000 + np.prod(w.shape), dtype="float32").reshape(w.shape)
            for i, w in enumerate(layer.weights)]


def check(layer, stored, expected, version="1", backend=None):
    found = preprocess_weights_for_loading(layer, stored, version, backend)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        np.testing.assert_array_equal(a, b)


def gates(arrays, order):
    """Kernel, recurrent kernel and bias taken apart into those of each gate, in an order."""
    parts = [np.split(a, len(order), axis=-1) for a in arrays]
    return [part[i] for i in order for part in parts]


@pytest.mark.parametrize("layer, order", [(LSTM(2), (0, 2, 1, 3)), (GRU(2), (0, 1, 2))])
def test_keras_1_kept_recurrent_weights_gate_by_gate(layer, order):
    first(layer, (3, 4))
    want = numbered(layer)
    check(layer, gates(want, order), want)
    check(layer, want, want)  # as consume_less='gpu' had them


def test_keras_1_kept_conv_lstm_gate_by_gate():
    layer = ConvLSTM2D(2, 3)
    first(layer, (3, 5, 5, 1))
    want = numbered(layer)
    check(layer, gates(want, (0, 2, 1, 3)), want)


@pytest.mark.parametrize("channels_last", [True, False])
def test_keras_1_kept_conv_lstm_with_channels_first(channels_last):
    layer = ConvLSTM2D(5, (3, 2), data_format="channels_first")
    first(layer, (3, 6, 7, 7))
    want = numbered(layer)
    parts = gates(want, (0, 2, 1, 3))
    stored = parts if channels_last else [a.transpose(3, 2, 0, 1) if a.ndim == 4 else a for a in parts]
    check(layer, stored, want)


def test_keras_1_one_dimensional_convolutions():
    layer = Conv1D(5, 3)
    first(layer, (7, 4))
    kernel, bias = numbered(layer)
    check(layer, [kernel[:, None], bias], [kernel, bias])
    check(layer, [kernel[:, None].transpose(3, 2, 0, 1), bias], [kernel, bias])


@pytest.mark.parametrize("layer, shape, axes", [
    (Conv2D(4, (2, 3), data_format="channels_first"), (3, 5, 6), (3, 2, 0, 1)),
    (Conv3D(4, (2, 3, 2), data_format="channels_first"), (3, 5, 6, 4), (4, 3, 0, 1, 2)),
    (Conv2DTranspose(4, (2, 3), data_format="channels_first"), (3, 5, 6), (2, 3, 0, 1)),
    (Conv2DTranspose(4, (2, 3), data_format="channels_last"), (5, 6, 3), (0, 1, 3, 2))])
def test_keras_1_kernels_with_other_axes(layer, shape, axes):
    first(layer, shape)
    kernel, bias = numbered(layer)
    stored = kernel.transpose(np.argsort(axes) if layer.__class__ is Conv2DTranspose else axes)
    check(layer, [stored, bias], [kernel, bias])


def test_theano_kernels_are_mirrored():
    layer = Conv2D(4, (2, 3))
    first(layer, (5, 6, 3))
    kernel, bias = numbered(layer)
    check(layer, [kernel[::-1, ::-1], bias], [kernel, bias], "2.0.6", "theano")
    for backend in ("tensorflow", "cntk", None):
        check(layer, [kernel, bias], [kernel, bias], "2.0.6", backend)


def test_inside_wrappers_and_models():
    lstm = LSTM(2, return_sequences=True)
    around = Bidirectional(lstm)
    first(around, (3, 4))
    want = numbered(around)
    check(around, gates(want[:3], (0, 2, 1, 3)) + gates(want[3:], (0, 2, 1, 3)), want)
    conv = TimeDistributed(Conv2D(4, 2))
    first(conv, (2, 5, 6, 3))
    kernel, bias = numbered(conv)
    check(conv, [kernel[::-1, ::-1], bias], [kernel, bias], "2.0.6", "theano")
    model = Sequential([Dense(3, input_shape=(2, 4)), LSTM(2, return_sequences=True), BatchNormalization(), GRU(2)])
    outer = Sequential([model])
    want = numbered(outer.layers[0])
    places = {w.name: i for i, w in enumerate(outer.layers[0].weights)}
    assert len(places) == 12
    dense, lstm_part, norm, gru_part, rest = want[:2], want[2:5], want[5:7], want[7:10], want[10:]
    stored = [*dense, *gates(lstm_part, (0, 2, 1, 3)), *norm, *gates(gru_part, (0, 1, 2)), *rest]
    check(outer.layers[0], stored, want)


@pytest.mark.parametrize("plain, fast, count", [
    (lambda: LSTM(3, recurrent_activation="sigmoid"), CuDNNLSTM, 4),
    (lambda: GRU(3, recurrent_activation="sigmoid", reset_after=True), CuDNNGRU, 3)])
def test_cudnn_weights_both_ways(plain, fast, count, tmp_path):
    cudnn = first(fast(3, name="r"), (4, 2))
    cudnn.set_weights([random.rand(*w.shape) for w in cudnn.get_weights()])
    cudnn.save_weights(tmp_path / "cudnn.h5")
    with h5py.File(tmp_path / "cudnn.h5") as file:
        stored = [file["r"][n.decode()][()] for n in file["r"].attrs["weight_names"]]
    np.testing.assert_array_equal(stored[0], to_cudnn(cudnn.get_weights()[0], count))
    # As Keras's layer does it: a gate's kernel lies in memory as a matrix (units, inputs).
    np.testing.assert_array_equal(np.hsplit(stored[0], count)[0].reshape(3, 2).T,
                                  np.hsplit(cudnn.get_weights()[0], count)[0])
    x = random.rand(5, 4, 2)
    usual = first(plain(), (4, 2))
    usual.load_weights(tmp_path / "cudnn.h5")
    np.testing.assert_allclose(usual.predict(x), cudnn.predict(x), rtol=1e-5, atol=1e-6)
    again = first(fast(3), (4, 2))
    again.load_weights(tmp_path / "cudnn.h5")
    for a, b in zip(again.get_weights(), cudnn.get_weights()):
        np.testing.assert_array_equal(a, b)
    usual.save_weights(tmp_path / "usual.h5")
    again.load_weights(tmp_path / "usual.h5")
    np.testing.assert_allclose(again.predict(x), cudnn.predict(x), rtol=1e-5, atol=1e-6)


def test_a_gru_that_resets_before_the_product_takes_no_cudnn_weights(tmp_path):
    first(CuDNNGRU(3), (4, 2)).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match=r"layer 'g' has 3 weights .*|weight '.*bias:0' has shape \(9,\)"):
        first(GRU(3, name="g"), (4, 2)).load_weights(tmp_path / "w.h5")


KERAS1 = {"class_name": "Sequential", "config": [
    {"class_name": "Convolution2D", "config": {
        "name": "c", "trainable": True, "batch_input_shape": [None, 6, 6, 1], "input_dtype": "float32", "nb_filter": 2,
        "nb_row": 3, "nb_col": 3, "init": "glorot_uniform", "activation": "relu", "border_mode": "valid",
        "subsample": [1, 1], "dim_ordering": "tf", "W_regularizer": None, "b_regularizer": None,
        "activity_regularizer": None, "W_constraint": None, "b_constraint": None, "bias": True}},
    {"class_name": "MaxPooling2D", "config": {"name": "m", "trainable": True, "pool_size": [2, 2], "strides": [2, 2],
                                              "border_mode": "valid", "dim_ordering": "tf"}},
    {"class_name": "Flatten", "config": {"name": "f", "trainable": True}},
    {"class_name": "Dropout", "config": {"name": "dr", "trainable": True, "p": 0.5}},
    {"class_name": "Dense", "config": {
        "name": "d", "trainable": True, "output_dim": 3, "init": "glorot_uniform", "activation": "softmax",
        "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}, "b_regularizer": None,
        "activity_regularizer": None, "W_constraint": None, "b_constraint": None, "bias": True, "input_dim": 8}}]}


def test_a_model_of_keras_1(tmp_path):
    kernel, dense = random.rand(3, 3, 1, 2).astype("float32"), random.rand(8, 3).astype("float32")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(KERAS1).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"c", b"m", b"f", b"dr", b"d"]
        for name, arrays in {"c": {"c_W": kernel, "c_b": np.zeros(2, "float32")}, "m": {}, "f": {}, "dr": {},
                             "d": {"d_W": dense, "d_b": np.zeros(3, "float32")}}.items():
            part = group.create_group(name)
            part.attrs["weight_names"] = np.array([n.encode() for n in arrays], "S") if arrays else np.zeros(0, "S1")
            for key, value in arrays.items():
                part[key] = value
    model = load_model(tmp_path / "m.h5", compile=False)
    assert [type(one).__name__ for one in model.layers] == ["Conv2D", "MaxPooling2D", "Flatten", "Dropout", "Dense"]
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    assert model.get_layer("dr").rate == 0.5 and isinstance(model.layers[0], layers.Conv2D)
    assert abs(float(model.get_layer("d").kernel_regularizer.l2) - 0.01) < 1e-8
