"""Models that every Keras from 2 on can make. `k` is a module with `layers` and `models`: gpukeras or keras.

Each function returns a model and the shapes of its inputs; ('int', n, shape) is a shape of integers below n. Arguments
that have other defaults in other versions are spelled out.
"""

from __future__ import annotations

from typing import Any

GATE = {"recurrent_activation": "sigmoid"}


def dense(k: Any) -> Any:
    layers = [k.layers.Dense(8, activation="relu", input_shape=(6,)), k.layers.Dense(3, activation="softmax")]
    return k.models.Sequential(layers), [(6,)]


def normalized(k: Any) -> Any:
    layers = [k.layers.Dense(8, activation="tanh", input_shape=(6,)),
              k.layers.BatchNormalization(momentum=0.9, epsilon=1e-3), k.layers.Dense(3)]
    return k.models.Sequential(layers), [(6,)]


def dropped(k: Any) -> Any:
    layers = [k.layers.Dense(8, activation="elu", input_shape=(6,)), k.layers.Dropout(0.3), k.layers.GaussianNoise(0.1),
              k.layers.GaussianDropout(0.1), k.layers.Dense(3, activation="sigmoid")]
    return k.models.Sequential(layers), [(6,)]


def regularized(k: Any) -> Any:
    layers = [k.layers.Dense(5, kernel_regularizer="l2", kernel_constraint="max_norm", input_shape=(6,),
                             kernel_initializer="he_normal"),
              k.layers.Dense(2, bias_initializer="ones", activation="selu")]
    return k.models.Sequential(layers), [(6,)]


def activations(k: Any) -> Any:
    layers = [k.layers.Dense(4, activation="softplus", input_shape=(6,)), k.layers.PReLU(), k.layers.ELU(0.5),
              k.layers.LeakyReLU(0.2), k.layers.Activation("softsign"), k.layers.Dense(2, activation="linear")]
    return k.models.Sequential(layers), [(6,)]


def images(k: Any) -> Any:
    layers = [k.layers.Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(8, 8, 2)),
              k.layers.MaxPooling2D((2, 2)), k.layers.Conv2D(3, (2, 2), strides=(2, 2)), k.layers.Flatten(),
              k.layers.Dense(2)]
    return k.models.Sequential(layers), [(8, 8, 2)]


def separable(k: Any) -> Any:
    layers = [k.layers.SeparableConv2D(5, (3, 3), depth_multiplier=2, input_shape=(8, 8, 2)),
              k.layers.DepthwiseConv2D((3, 3), padding="same"), k.layers.AveragePooling2D((2, 2), padding="same"),
              k.layers.GlobalMaxPooling2D(), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(8, 8, 2)]


def resized(k: Any) -> Any:
    layers = [k.layers.Conv2DTranspose(3, (3, 3), strides=(2, 2), padding="same", input_shape=(4, 4, 2)),
              k.layers.UpSampling2D((2, 2)), k.layers.Cropping2D(((1, 0), (2, 1))),
              k.layers.ZeroPadding2D(((1, 2), (0, 1))),
              k.layers.GlobalAveragePooling2D(), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(4, 4, 2)]


def residual(k: Any) -> Any:
    start = k.layers.Input(shape=(8, 8, 3))
    x = k.layers.Conv2D(4, (3, 3), padding="same")(start)
    x = k.layers.Activation("relu")(k.layers.BatchNormalization()(x))
    y = k.layers.Conv2D(4, (3, 3), padding="same")(x)
    z = k.layers.GlobalAveragePooling2D()(k.layers.add([x, y]))
    return k.models.Model(start, k.layers.Dense(5, activation="softmax")(z)), [(8, 8, 3)]


def inception(k: Any) -> Any:
    start = k.layers.Input(shape=(6, 6, 3))
    a = k.layers.Conv2D(2, (1, 1), activation="relu")(start)
    b = k.layers.Conv2D(3, (3, 3), padding="same", activation="relu")(k.layers.Conv2D(2, (1, 1))(start))
    c = k.layers.MaxPooling2D((3, 3), strides=(1, 1), padding="same")(start)
    x = k.layers.GlobalAveragePooling2D()(k.layers.concatenate([a, b, c]))
    return k.models.Model(start, k.layers.Dense(2)(x)), [(6, 6, 3)]


def signals(k: Any) -> Any:
    layers = [k.layers.Conv1D(4, 3, dilation_rate=2, padding="causal", activation="relu", input_shape=(12, 3)),
              k.layers.AveragePooling1D(2), k.layers.Conv1D(3, 2, strides=2), k.layers.GlobalMaxPooling1D(),
              k.layers.Dense(1, activation="sigmoid")]
    return k.models.Sequential(layers), [(12, 3)]


def volumes(k: Any) -> Any:
    layers = [k.layers.Conv3D(2, (2, 2, 2), input_shape=(4, 4, 4, 1)), k.layers.MaxPooling3D((2, 2, 2), padding="same"),
              k.layers.Flatten(), k.layers.Dense(1)]
    return k.models.Sequential(layers), [(4, 4, 4, 1)]


def simple_rnn(k: Any) -> Any:
    layers = [k.layers.SimpleRNN(4, return_sequences=True, input_shape=(7, 3)), k.layers.SimpleRNN(2)]
    return k.models.Sequential(layers), [(7, 3)]


def lstm(k: Any) -> Any:
    layers = [k.layers.LSTM(5, return_sequences=True, input_shape=(7, 3), **GATE), k.layers.LSTM(3, **GATE),
              k.layers.Dense(2)]
    return k.models.Sequential(layers), [(7, 3)]


def gru(k: Any) -> Any:
    layers = [k.layers.GRU(4, reset_after=False, return_sequences=True, input_shape=(7, 3), **GATE),
              k.layers.GRU(3, reset_after=False, use_bias=False, **GATE)]
    return k.models.Sequential(layers), [(7, 3)]


def gru_reset_after(k: Any) -> Any:
    layers = [k.layers.GRU(4, reset_after=True, input_shape=(7, 3), **GATE), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(7, 3)]


def bidirectional(k: Any) -> Any:
    layers = [k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True, **GATE), input_shape=(5, 2)),
              k.layers.Bidirectional(k.layers.GRU(2, reset_after=True, **GATE), merge_mode="sum")]
    return k.models.Sequential(layers), [(5, 2)]


def distributed(k: Any) -> Any:
    layers = [k.layers.TimeDistributed(k.layers.Conv2D(2, (3, 3)), input_shape=(3, 6, 6, 1)),
              k.layers.TimeDistributed(k.layers.Flatten()), k.layers.TimeDistributed(k.layers.Dense(3)),
              k.layers.GlobalAveragePooling1D(), k.layers.Dense(1)]
    return k.models.Sequential(layers), [(3, 6, 6, 1)]


def words(k: Any) -> Any:
    layers = [k.layers.Embedding(20, 4), k.layers.Conv1D(3, 3, activation="relu"), k.layers.GlobalMaxPooling1D(),
              k.layers.Dense(1, activation="sigmoid")]
    model = k.models.Sequential([k.layers.InputLayer(batch_input_shape=(None, 8)), *layers])
    return model, [("int", 20, (8,))]


def masked(k: Any) -> Any:
    layers = [k.layers.Masking(0.0, input_shape=(5, 3)), k.layers.LSTM(4, **GATE), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(5, 3)]


def conv_lstm(k: Any) -> Any:
    layers = [k.layers.ConvLSTM2D(2, (2, 2), input_shape=(3, 5, 5, 1), **GATE), k.layers.Flatten(), k.layers.Dense(1)]
    return k.models.Sequential(layers), [(3, 5, 5, 1)]


def shared(k: Any) -> Any:
    a, b = k.layers.Input(shape=(4,), name="a"), k.layers.Input(shape=(4,), name="b")
    layer = k.layers.Dense(3, activation="tanh", name="shared")
    x = k.layers.concatenate([layer(a), layer(b)])
    outputs = [k.layers.Dense(2, name="p")(x), k.layers.Dense(1, name="q")(k.layers.multiply([layer(a), layer(b)]))]
    return k.models.Model([a, b], outputs), [(4,), (4,)]


def merges(k: Any) -> Any:
    a, b = k.layers.Input(shape=(5,), name="a"), k.layers.Input(shape=(5,), name="b")
    parts = [k.layers.maximum([a, b]), k.layers.average([a, b]), k.layers.dot([a, b], axes=-1),
             k.layers.subtract([a, b]), k.layers.minimum([a, b])]
    return k.models.Model([a, b], k.layers.Dense(2)(k.layers.concatenate(parts))), [(5,), (5,)]


def shaped(k: Any) -> Any:
    start = k.layers.Input(shape=(6,))
    x = k.layers.Permute((2, 1))(k.layers.Reshape((2, 3))(start))
    y = k.layers.RepeatVector(3)(k.layers.Dense(2)(start))
    return k.models.Model(start, k.layers.Dense(2)(k.layers.Flatten()(k.layers.add([x, y])))), [(6,)]


def autoencoder(k: Any) -> Any:
    start = k.layers.Input(shape=(10,), name="start")
    code = k.layers.Dense(4, activation="relu", name="code")(start)
    outputs = [k.layers.Dense(10, activation="sigmoid", name="again")(code), k.layers.Dense(2, name="kind")(code)]
    return k.models.Model(start, outputs), [(10,)]


def layer_normalized(k: Any) -> Any:
    layers = [k.layers.Dense(6, input_shape=(4,)), k.layers.LayerNormalization(epsilon=1e-3), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(4,)]


ALL = {f.__name__: f for f in (
    dense, normalized, dropped, regularized, activations, images, separable, resized, residual, inception, signals,
    volumes, simple_rnn, lstm, gru, gru_reset_after, bidirectional, distributed, words, masked, conv_lstm, shared,
    merges, shaped, autoencoder, layer_normalized)}
RANDOM = ("dropped",)
"""Those whose training steps draw random numbers."""


def nested(k: Any) -> Any:
    encoder = k.models.Sequential([k.layers.Dense(6, activation="relu", input_shape=(7,)),
                                   k.layers.BatchNormalization(), k.layers.Dense(3)], name="encoder")
    middle = k.layers.Input(shape=(3,))
    inner = k.models.Model(middle, k.layers.Dense(4, activation="elu")(middle), name="inner")
    start = k.layers.Input(shape=(7,))
    return k.models.Model(start, k.layers.Dense(2)(inner(encoder(start)))), [(7,)]


def two_states(k: Any) -> Any:
    first, second = k.layers.Input(shape=(4, 2)), k.layers.Input(shape=(5, 2))
    _, h, c = k.layers.LSTM(3, return_state=True, **GATE)(first)
    x = k.layers.LSTM(3, **GATE)(second, initial_state=[h, c])
    return k.models.Model([first, second], k.layers.Dense(2)(x)), [(4, 2), (5, 2)]


def local(k: Any) -> Any:
    layers = [k.layers.LocallyConnected1D(3, 2, input_shape=(6, 2)), k.layers.ThresholdedReLU(0.1), k.layers.Flatten(),
              k.layers.Dense(2)]
    return k.models.Sequential(layers), [(6, 2)]


KERAS2_ONLY = {f.__name__: f for f in (nested, two_states, local)}
"""Keras 3 lacks their layers, or can't read them from an HDF5 file of Keras 2 either."""
