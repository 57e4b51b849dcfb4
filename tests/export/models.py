"""Models that tests export: name, how to make it, and the data to compare predictions on."""

from __future__ import annotations

import numpy as np

from gpukeras import backend as K
from gpukeras import layers as k
from gpukeras.models import Model, Sequential
from gpukeras.ops.elementwise import arccos, arcsin, arctan
from gpukeras.ops.sorting import argsort

RNG = np.random.RandomState(3)


def floats(*shape):
    """Numbers between -1 and 1."""
    return RNG.uniform(-1, 1, shape).astype("float32")


def words(*shape, most=9):
    """Indices, of which 0 stands at the end of each row as padding does."""
    ids = RNG.randint(1, most, shape).astype("float32")
    for row, end in zip(ids, RNG.randint(1, shape[-1] + 1, shape[0])):
        row[end:] = 0
    return ids




def mlp():
    return Sequential([k.Dense(8, activation="relu", input_shape=(5,)), k.Dropout(0.5), k.BatchNormalization(),
                       k.GaussianNoise(0.3), k.Dense(3, activation="softmax")])


def every_activation():
    x = k.Input((6,))
    names = ["softmax", "elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear",
             "exponential", "swish", "gelu"]
    from gpukeras import activations
    return Model(x, [k.Dense(4, activation=n)(x) for n in names if hasattr(activations, n)])


def activation_layers():
    x = k.Input((4, 3))
    parts = [k.LeakyReLU(0.2), k.PReLU(), k.PReLU(shared_axes=[1]), k.ELU(0.5), k.ThresholdedReLU(0.3),
             k.Softmax(axis=1), k.ReLU(max_value=0.5)]
    return Model(x, [layer(x) for layer in parts])


def image_classifier(layout="channels_last"):
    shape = (12, 10, 2) if layout == "channels_last" else (2, 12, 10)
    axis = -1 if layout == "channels_last" else 1
    return Sequential([
        k.Conv2D(4, 3, padding="same", data_format=layout, input_shape=shape), k.BatchNormalization(axis=axis),
        k.Activation("relu"), k.MaxPooling2D(data_format=layout), k.SpatialDropout2D(0.3, data_format=layout),
        k.SeparableConv2D(5, 3, data_format=layout, activation="elu"), k.AveragePooling2D(2, padding="same",
                                                                                         data_format=layout),
        k.Flatten(), k.Dense(3, activation="softmax")])


def any_size():
    """Rows and columns unknown, so that all geometry is found when the model runs."""
    x = k.Input((None, None, 2))
    y = k.Conv2D(3, 3, strides=2, padding="same", activation="tanh")(x)
    y = k.Conv2D(3, 2, dilation_rate=2, padding="same")(y)
    y = k.MaxPooling2D(2, strides=1, padding="same")(y)
    y = k.UpSampling2D(2)(y)
    y = k.Conv2DTranspose(2, 3, strides=2, padding="same")(y)
    z = k.Conv2DTranspose(2, 2, strides=3, padding="valid")(x)
    w = k.Conv2DTranspose(2, 5, strides=2, padding="valid")(x)
    return Model(x, [y, z, w, k.GlobalAveragePooling2D()(y), k.GlobalMaxPooling2D()(z)])


def cropped():
    """One input cut and repeated to the length of another."""
    x, y = k.Input((None, 2)), k.Input((None, 2))
    short = k.Lambda(lambda t: t[0][:, :K.shape(t[1])[1]], output_shape=(None, 2))([x, y])
    late = k.Lambda(lambda t: t[0][:, K.shape(t[1])[1]::2, None, 1], output_shape=(None, 1))([x, y])
    last = k.Lambda(lambda t: t[:, K.shape(t)[1] - 1], output_shape=(2,))(x)
    wide = k.Lambda(lambda t: K.tile(K.expand_dims(t[0][:, 0], 1), [1, K.shape(t[1])[1], 1]),
                    output_shape=(None, 2))([x, y])
    return Model([x, y], [short, late, last, wide])


def residual():
    x = k.Input((8, 8, 3))
    y = k.ZeroPadding2D(((1, 0), (0, 1)))(x)
    y = k.Conv2D(3, 2, use_bias=False)(y)
    y = k.add([x, y])
    y = k.concatenate([y, k.Cropping2D(0)(x)])
    return Model(x, k.GlobalAveragePooling2D()(k.Activation("relu")(y)))


def autoencoder():
    x = k.Input((8, 8, 1))
    code = k.MaxPooling2D()(k.Conv2D(4, 3, activation="relu", padding="same")(x))
    y = k.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(code)
    return Model(x, k.Conv2D(1, 3, activation="sigmoid", padding="same")(y))


def volumes():
    return Sequential([k.Conv3D(3, 2, padding="same", input_shape=(4, 5, 6, 2)), k.MaxPooling3D((1, 2, 2)),
                       k.Conv3DTranspose(2, 2, strides=2), k.Cropping3D(1), k.AveragePooling3D(2), k.Flatten()])


def wavenet():
    """Causal, dilated, of any length."""
    x = y = k.Input((None, 2))
    for rate in (1, 2, 4):
        y = k.concatenate([y, k.Conv1D(3, 2, padding="causal", dilation_rate=rate, activation="tanh")(y)])
    return Model(x, k.Conv1D(1, 1)(y))


def text_cnn():
    x = k.Input((12,))
    e = k.SpatialDropout1D(0.2)(k.Embedding(9, 4)(x))
    parts = [k.GlobalMaxPooling1D()(k.Conv1D(3, n, activation="relu")(e)) for n in (2, 3)]
    return Model(x, k.Dense(1, activation="sigmoid")(k.concatenate(parts)))


def words_to_class(layer, **options):
    """Masked, with padding at the end and any number of steps."""
    def make():
        return Sequential([k.Embedding(9, 4, mask_zero=True, input_shape=(None,)), layer(3, **options),
                           k.Dense(2, activation="softmax")])
    return make


def recurrent(layer, **options):
    return lambda: Sequential([layer(3, input_shape=(None, 4), **options)])


def stacked():
    return Sequential([k.LSTM(3, return_sequences=True, dropout=0.3, recurrent_dropout=0.3, input_shape=(None, 4)),
                       k.GRU(3, return_sequences=True, recurrent_dropout=0.2, implementation=2),
                       k.SimpleRNN(2, recurrent_dropout=0.1)])


def tagger():
    return Sequential([k.Embedding(9, 4, mask_zero=True, input_shape=(None,)),
                       k.Bidirectional(k.LSTM(3, return_sequences=True), merge_mode="sum"),
                       k.TimeDistributed(k.Dense(2, activation="softmax"))])


def seq2seq():
    source, target = k.Input((None, 3)), k.Input((None, 2))
    _, h, c = k.LSTM(4, return_state=True)(source)
    y, h2, c2 = k.LSTM(4, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    return Model([source, target], [k.Dense(2, activation="softmax")(y), h2, c2])


def cells():
    return Sequential([k.RNN([k.GRUCell(3), k.LSTMCell(2)], return_sequences=True, input_shape=(None, 4)),
                       k.RNN(k.SimpleRNNCell(2, activation="softsign"), go_backwards=True)])


class MinimalCell(k.Layer):
    """A cell of a user's own."""

    state_size = 4

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 4), initializer="uniform")
        self.built = True

    def call(self, inputs, states):
        h = K.dot(inputs, self.kernel) + K.softplus(states[0]) * 0.5
        return h, [h]


def own_cell():
    return Sequential([k.RNN(MinimalCell(), return_sequences=True, input_shape=(None, 4))])


def frames():
    return Sequential([k.TimeDistributed(k.Conv2D(2, 2), input_shape=(3, 4, 4, 1)), k.TimeDistributed(k.Flatten()),
                       k.LSTM(3)])


def convolutional_lstm():
    return Sequential([k.ConvLSTM2D(2, 2, padding="same", return_sequences=True, input_shape=(3, 5, 4, 1)),
                       k.BatchNormalization(), k.ConvLSTM2D(2, 2)])


def merging():
    a, b = k.Input((4,)), k.Input((4,))
    parts = [k.add, k.subtract, k.multiply, k.average, k.maximum, k.minimum, k.concatenate]
    return Model([a, b], [f([a, b]) for f in parts if f is not None]
                 + [k.dot([a, b], 1), k.dot([a, b], 1, normalize=True)])


def dots():
    a, b = k.Input((4, 3)), k.Input((3, 5))
    return Model([a, b], [k.dot([a, b], (2, 1)), k.Permute((2, 1))(a), k.Reshape((-1, 2))(a), k.Reshape((6, 2))(a)])


def attention():
    q, v = k.Input((None, 4)), k.Input((None, 4))
    y = k.Attention(use_scale=True)([q, v])
    z = k.AdditiveAttention()([q, v])
    w = k.MultiHeadAttention(2, 3)(q, v)
    return Model([q, v], [y, z, k.LayerNormalization()(k.add([q, w]))])


def own_attention():
    """Attention as people write it of layers."""
    x = k.Input((5, 4))
    score = k.Activation("softmax")(k.Flatten()(k.Dense(1, activation="tanh")(x)))
    weighted = k.multiply([x, k.Permute((2, 1))(k.RepeatVector(4)(score))])
    return Model(x, k.Lambda(lambda t: K.sum(t, axis=1))(weighted))


def shared():
    tower = Sequential([k.Dense(4, activation="relu", input_shape=(3,)), k.Dense(2)])
    a, b = k.Input((3,)), k.Input((3,))
    apart = k.Lambda(lambda t: K.sqrt(K.sum(K.square(t[0] - t[1]), axis=1, keepdims=True)))([tower(a), tower(b)])
    return Model([a, b], [apart, tower(a)])


def nested():
    inner = Model((x := k.Input((4,))), [k.Dense(3, activation="tanh")(x), k.Dense(2)(x)])
    middle = Sequential([k.Dense(4, input_shape=(5,)), k.BatchNormalization()])
    y = k.Input((5,))
    first, second = inner(middle(y))
    return Model(y, [k.concatenate([first, second]), first])


def passed_through():
    """Outputs that are an input, a constant, and one tensor twice under two names."""
    x = k.Input((3,), name="x")
    y = k.Dense(2)(x)
    ones = k.Lambda(lambda t: K.ones_like(t) * 2)(x)
    return Model(x, [k.Dropout(0.5)(x), y, k.Activation("linear")(y), ones])


def lambdas():
    x = k.Input((4, 3))

    def several(t):
        top = K.max(t, axis=-1, keepdims=True)
        return K.stack([K.sum(K.exp(t - top), axis=-1), K.cast(K.argmax(t), "float32"), K.mean(t, axis=2),
                        K.cast(K.any(K.greater(t, 0.5), axis=2), "float32"), K.std(t, axis=-1),
                        K.logsumexp(t, axis=2), K.prod(t, axis=-1), K.min(t, -1)], axis=1)

    def shapes(t):
        n = K.shape(t)[0]
        return K.reshape(K.tile(t, [1, 2, 1]), K.stack([n, 8, 3])) + K.cast(n * 0, "float32")

    def parts(t):
        return K.concatenate([t[:, ::-1, 1:], t[:, 1:, :2], K.expand_dims(t[:, -1, 0:2], 1), t[:, 3:0:-2, ::2]], axis=1)

    def elements(t):
        return K.clip(t, -0.5, 0.5) + K.sign(t) * K.abs(t) ** 1.5 + K.round(t * 3) + K.sin(t) * K.cos(t) + K.pow(t, 2)

    def running(t):
        return K.cumsum(t, axis=1) + K.cumprod(t, axis=2) + K.reverse(t, 1) + K.l2_normalize(t, axis=2)

    def picked(t):
        return K.one_hot(K.argmax(t), 3) + K.cast(K.equal(K.argmin(t), 0), "float32")[..., None]

    def ordered(t):
        angles = arcsin(K.tanh(t)) + arccos(K.tanh(t)) * arctan(t)
        return angles + K.cast(argsort(K.round(t), descending=True) + argsort(t) * 3, "float32")

    def chosen(t):
        return K.switch(K.greater(K.sum(t), 1e6), t, t * 2) + K.map_fn(lambda row: K.softmax(row), t)

    def selected(t):
        width = K.cast(K.sum(K.cast(K.greater(t[0, 0], 0), "int32")), "int32") % 3 + 1
        return t + K.sum(t[t > 0.2]) + K.sum(t[:, :, :width], axis=(1, 2), keepdims=True)

    return Model(x, [k.Lambda(f)(x) for f in (several, shapes, parts, elements, running, picked, ordered,
                                                chosen, selected)])


def folds():
    x = k.Input((4, 2))
    steps = K.permute_dimensions
    return Model(x, [k.Lambda(lambda t: K.foldl(lambda a, b: a * 0.5 + b, steps(t, (1, 0, 2))))(x),
                     k.Lambda(lambda t: K.foldr(lambda a, b: K.maximum(a, b), steps(t, (1, 0, 2))))(x)])


def crossentropies():
    x, y = k.Input((4,)), k.Input((4,))
    return Model([x, y], [k.Lambda(lambda t: K.categorical_crossentropy(K.softmax(t[0]), K.softmax(t[1])))([x, y]),
                          k.Lambda(lambda t: K.binary_crossentropy(K.sigmoid(t[0]), K.sigmoid(t[1])))([x, y])])


def own_statistics():
    x = k.Input((5, 2))
    return Model(x, k.Lambda(lambda t: K.batch_normalization(t, *K.normalize_batch_in_training(
        t, K.ones((2,)), K.zeros((2,)), [0, 1])[1:], K.zeros((2,)), K.ones((2,))))(x))


def locally_connected():
    return Sequential([k.LocallyConnected2D(2, 3, input_shape=(6, 5, 2)), k.Reshape((-1, 2)),
                       k.LocallyConnected1D(2, 3, strides=2), k.Flatten()])


def integers():
    x = k.Input((3,), dtype="int32")
    return Model(x, [k.Lambda(lambda t: t // 2 + t % 3 - t)(x), k.Embedding(9, 2)(x)])


CASES = [
    ("mlp", mlp, lambda: [floats(4, 5)]),
    ("every_activation", every_activation, lambda: [floats(4, 6)]),
    ("activation_layers", activation_layers, lambda: [floats(4, 4, 3)]),
    ("image_classifier", image_classifier, lambda: [floats(3, 12, 10, 2)]),
    ("image_classifier_channels_first", lambda: image_classifier("channels_first"), lambda: [floats(3, 2, 12, 10)]),
    ("any_size", any_size, lambda: [floats(2, 7, 6, 2)]),
    ("any_size_other", any_size, lambda: [floats(3, 4, 9, 2)]),
    ("cropped", cropped, lambda: [floats(2, 7, 2), floats(2, 4, 2)]),
    ("residual", residual, lambda: [floats(2, 8, 8, 3)]),
    ("autoencoder", autoencoder, lambda: [floats(2, 8, 8, 1)]),
    ("volumes", volumes, lambda: [floats(2, 4, 5, 6, 2)]),
    ("wavenet", wavenet, lambda: [floats(2, 11, 2)]),
    ("text_cnn", text_cnn, lambda: [words(3, 12)]),
    ("lstm_masked", words_to_class(k.LSTM), lambda: [words(4, 7)]),
    ("gru_masked", words_to_class(k.GRU), lambda: [words(4, 7)]),
    ("gru_reset_after_masked", words_to_class(k.GRU, reset_after=True), lambda: [words(4, 7)]),
    ("simple_masked", words_to_class(k.SimpleRNN, go_backwards=True), lambda: [words(4, 7)]),
    ("lstm", recurrent(k.LSTM), lambda: [floats(3, 6, 4)]),
    ("lstm_one_step", recurrent(k.LSTM, return_sequences=True), lambda: [floats(1, 1, 4)]),
    ("lstm_backwards", recurrent(k.LSTM, go_backwards=True, return_sequences=True), lambda: [floats(3, 6, 4)]),
    ("lstm_sigmoid", recurrent(k.LSTM, recurrent_activation="sigmoid", activation="relu"), lambda: [floats(3, 6, 4)]),
    ("lstm_other", recurrent(k.LSTM, activation="softsign", use_bias=False), lambda: [floats(3, 6, 4)]),
    ("gru", recurrent(k.GRU, return_sequences=True), lambda: [floats(3, 6, 4)]),
    ("gru_reset_after", recurrent(k.GRU, reset_after=True, return_sequences=True), lambda: [floats(3, 6, 4)]),
    ("gru_no_bias", recurrent(k.GRU, reset_after=True, use_bias=False), lambda: [floats(3, 6, 4)]),
    ("simple", recurrent(k.SimpleRNN, return_sequences=True), lambda: [floats(3, 6, 4)]),
    ("stacked", stacked, lambda: [floats(3, 5, 4)]),
    ("tagger", tagger, lambda: [words(4, 6)]),
    ("seq2seq", seq2seq, lambda: [floats(3, 6, 3), floats(3, 4, 2)]),
    ("cells", cells, lambda: [floats(3, 6, 4)]),
    ("own_cell", own_cell, lambda: [floats(3, 6, 4)]),
    ("frames", frames, lambda: [floats(2, 3, 4, 4, 1)]),
    ("convolutional_lstm", convolutional_lstm, lambda: [floats(2, 3, 5, 4, 1)]),
    ("merging", merging, lambda: [floats(3, 4), floats(3, 4)]),
    ("dots", dots, lambda: [floats(3, 4, 3), floats(3, 3, 5)]),
    ("attention", attention, lambda: [floats(3, 5, 4), floats(3, 6, 4)]),
    ("own_attention", own_attention, lambda: [floats(3, 5, 4)]),
    ("shared", shared, lambda: [floats(3, 3), floats(3, 3)]),
    ("nested", nested, lambda: [floats(3, 5)]),
    ("passed_through", passed_through, lambda: [floats(3, 3)]),
    ("lambdas", lambdas, lambda: [floats(3, 4, 3)]),
    ("folds", folds, lambda: [floats(3, 4, 2)]),
    ("crossentropies", crossentropies, lambda: [floats(3, 4), floats(3, 4)]),
    ("own_statistics", own_statistics, lambda: [floats(6, 5, 2)]),
    ("locally_connected", locally_connected, lambda: [floats(2, 6, 5, 2)]),
    ("integers", integers, lambda: [RNG.randint(0, 9, (4, 3)).astype("int32")]),
]
