"""Models that every Keras from 2 on can make, and how they are compiled.

`k` holds the modules of a library, gpukeras or keras (`exchange.library`). Each function returns a model and the shapes
of its inputs; ('int', n, shape) is a shape of integers below n. Arguments that have other defaults in other versions
are spelled out.
"""

from __future__ import annotations

from typing import Any

SAMPLES = 4
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
    r, c, i = k.regularizers, k.constraints, k.initializers
    layers = [k.layers.Dense(5, kernel_regularizer="l2", kernel_constraint="max_norm", input_shape=(6,),
                             kernel_initializer="he_normal"),
              k.layers.Dense(4, kernel_regularizer=r.l1_l2(0.01, 0.02), bias_regularizer=r.l1(0.03),
                             kernel_constraint=c.MinMaxNorm(0.2, 0.9, rate=0.5, axis=0), bias_constraint=c.NonNeg(),
                             kernel_initializer=i.VarianceScaling(2.0, "fan_out", "uniform", seed=3),
                             bias_initializer=i.Constant(0.1)),
              k.layers.Dense(3, kernel_constraint=c.UnitNorm(axis=1), kernel_initializer=i.Orthogonal(0.5, seed=1),
                             bias_initializer=i.RandomNormal(0.1, 0.2, seed=2), activation="tanh"),
              k.layers.Dense(2, kernel_constraint=c.MaxNorm(1.5, axis=0), bias_initializer="ones", activation="selu",
                             kernel_initializer=i.TruncatedNormal(0.0, 0.3, seed=4))]
    return k.models.Sequential(layers), [(6,)]


def activations(k: Any) -> Any:
    layers = [k.layers.Dense(4, activation="softplus", input_shape=(6,)), k.layers.PReLU(), k.layers.ELU(0.5),
              k.layers.LeakyReLU(0.2), k.layers.ReLU(6.0), k.layers.Softmax(), k.layers.Activation("softsign"),
              k.layers.Dense(2, activation="linear")]
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


def transposed_volumes(k: Any) -> Any:
    layers = [k.layers.Conv3DTranspose(2, (2, 2, 2), strides=(2, 2, 2), input_shape=(2, 2, 2, 2)),
              k.layers.ZeroPadding3D((1, 0, 1)), k.layers.UpSampling3D((1, 2, 1)), k.layers.AveragePooling3D((2, 2, 2)),
              k.layers.Flatten(), k.layers.Dense(1)]
    return k.models.Sequential(layers), [(2, 2, 2, 2)]


def separable_signals(k: Any) -> Any:
    layers = [k.layers.SeparableConv1D(4, 3, padding="same", input_shape=(9, 3)), k.layers.ZeroPadding1D(1),
              k.layers.Cropping1D((1, 2)), k.layers.UpSampling1D(2), k.layers.MaxPooling1D(2),
              k.layers.BatchNormalization(axis=-1, scale=False), k.layers.GlobalAveragePooling1D(), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(9, 3)]


def images_first_axis(k: Any) -> Any:
    layers = [k.layers.ZeroPadding2D((1, 1), data_format="channels_first", input_shape=(2, 4, 4)),
              k.layers.BatchNormalization(axis=1), k.layers.Permute((2, 3, 1)), k.layers.Conv2D(2, 3, dilation_rate=2),
              k.layers.SpatialDropout2D(0.0), k.layers.Flatten(), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(2, 4, 4)]


def embedded_lstm(k: Any) -> Any:
    layers = [k.layers.Embedding(12, 4, mask_zero=True), k.layers.LSTM(4, return_sequences=True, **GATE),
              k.layers.LSTM(3, **GATE), k.layers.Dense(1, activation="sigmoid")]
    model = k.models.Sequential([k.layers.InputLayer(batch_input_shape=(None, 6)), *layers])
    return model, [("int", 12, (6,))]


def stateful(k: Any) -> Any:
    start = k.layers.Input(batch_shape=(SAMPLES, 5, 3))
    x = k.layers.LSTM(4, stateful=True, return_sequences=True, **GATE)(start)
    x = k.layers.GRU(3, stateful=True, reset_after=True, **GATE)(x)
    return k.models.Model(start, k.layers.Dense(2)(k.layers.Dense(2)(x))), [(5, 3)]


def backwards(k: Any) -> Any:
    layers = [k.layers.SimpleRNN(4, go_backwards=True, return_sequences=True, activation="relu", input_shape=(5, 3)),
              k.layers.LSTM(3, unroll=True, use_bias=False, unit_forget_bias=False, **GATE),
              k.layers.Dense(2)]
    return k.models.Sequential(layers), [(5, 3)]


def both_ways(k: Any) -> Any:
    start = k.layers.Input(shape=(4, 3))
    ends = [k.layers.Bidirectional(k.layers.SimpleRNN(3, return_sequences=True), merge_mode=mode)(start)
            for mode in ("sum", "mul", "ave", "concat")]
    two = k.layers.Bidirectional(k.layers.GRU(2, reset_after=False, **GATE), merge_mode=None)(start)
    x = k.layers.GlobalMaxPooling1D()(k.layers.concatenate(ends))
    return k.models.Model(start, k.layers.Dense(2)(k.layers.concatenate([x, *two]))), [(4, 3)]


def tagged(k: Any) -> Any:
    layers = [k.layers.GRU(4, return_sequences=True, reset_after=True, input_shape=(5, 3), **GATE),
              k.layers.TimeDistributed(k.layers.Dense(3, activation="softmax"))]
    return k.models.Sequential(layers), [(5, 3)]


def two_branches(k: Any) -> Any:
    image, facts = k.layers.Input(shape=(6, 6, 1), name="image"), k.layers.Input(shape=(4,), name="facts")
    x = k.layers.Flatten()(k.layers.Conv2D(2, 3, activation="relu")(image))
    y = k.layers.Dense(4, activation="relu")(facts)
    z = k.layers.Dense(5, activation="relu")(k.layers.concatenate([x, y]))
    return k.models.Model([image, facts], k.layers.Dense(4, activation="softmax", name="kind")(z)), [(6, 6, 1), (4,)]


def called_twice(k: Any) -> Any:
    start = k.layers.Input(shape=(4,), name="start")
    again = k.layers.Dense(4, activation="tanh", name="again")
    norm = k.layers.BatchNormalization(name="norm")
    x = norm(again(start))
    return k.models.Model(start, k.layers.Dense(1, name="end")(norm(again(again(x))))), [(4,)]


def own_layer(k: Any) -> Any:
    layers = [k.layers.Dense(4, input_shape=(3,)), k.own["Scale"](0.5), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(3,)]


def variational(k: Any) -> Any:
    start = k.layers.Input(shape=(6,), name="start")
    h = k.layers.Dense(5, activation="relu", name="h")(start)
    mean, log = k.layers.Dense(2, name="mean")(h), k.layers.Dense(2, name="log")(h)
    z = k.layers.Lambda(k.own["moved"], output_shape=(2,), name="moved")([mean, log])
    return k.models.Model(start, k.layers.Dense(6, activation="sigmoid", name="end")(z)), [(6,)]


def cells(k: Any) -> Any:
    parts = [k.layers.LSTMCell(3, **GATE), k.layers.GRUCell(2, reset_after=True, **GATE), k.layers.SimpleRNNCell(3)]
    layers = [k.layers.RNN(parts, return_sequences=True, input_shape=(4, 2)),
              k.layers.Bidirectional(k.layers.RNN(k.layers.GRUCell(2, reset_after=False, **GATE))), k.layers.Dense(1)]
    return k.models.Sequential(layers), [(4, 2)]


def attending(k: Any) -> Any:
    a, b = k.layers.Input(shape=(4, 3), name="a"), k.layers.Input(shape=(5, 3), name="b")
    x = k.layers.Attention()([k.layers.Dense(3, name="query")(a), k.layers.Dense(3, name="value")(b)])
    return k.models.Model([a, b], k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(x))), [(4, 3), (5, 3)]


def frozen(k: Any) -> Any:
    layers = [k.layers.Dense(5, activation="relu", input_shape=(4,), trainable=False, name="kept"),
              k.layers.BatchNormalization(momentum=0.8, center=False), k.layers.Dense(3, name="learnt")]
    return k.models.Sequential(layers), [(4,)]


ALL = {f.__name__: f for f in (
    dense, normalized, dropped, regularized, activations, images, separable, resized, residual, inception, signals,
    volumes, transposed_volumes, separable_signals, images_first_axis, simple_rnn, backwards, lstm, gru,
    gru_reset_after, stateful, bidirectional, both_ways, distributed, tagged, words, embedded_lstm, masked, conv_lstm,
    shared, two_branches, called_twice, merges, shaped, autoencoder, layer_normalized, own_layer, variational, frozen,
    cells, attending)}
RANDOM = ("dropped",)
"""Those whose training steps draw random numbers."""


def nested(k: Any) -> Any:
    encoder = k.models.Sequential([k.layers.Dense(6, activation="relu", input_shape=(7,)),
                                   k.layers.BatchNormalization(), k.layers.Dense(3)], name="encoder")
    middle = k.layers.Input(shape=(3,))
    inner = k.models.Model(middle, k.layers.Dense(4, activation="elu")(middle), name="inner")
    start = k.layers.Input(shape=(7,))
    return k.models.Model(start, k.layers.Dense(2)(inner(encoder(start)))), [(7,)]


def nested_in_sequential(k: Any) -> Any:
    start = k.layers.Input(shape=(5,))
    inner = k.models.Model(start, k.layers.add([k.layers.Dense(5, name="step")(start), start]), name="step_model")
    return k.models.Sequential([inner, k.layers.Dense(3, activation="tanh"), k.layers.Dense(1)]), [(5,)]


def distributed_model(k: Any) -> Any:
    each = k.models.Sequential([k.layers.Conv1D(2, 2, input_shape=(4, 2)), k.layers.Flatten()], name="each")
    start = k.layers.Input(shape=(3, 4, 2))
    x = k.layers.TimeDistributed(each, name="per_step")(start)
    return k.models.Model(start, k.layers.Dense(2)(k.layers.LSTM(3, **GATE)(x))), [(3, 4, 2)]


def siamese(k: Any) -> Any:
    tower = k.models.Sequential([k.layers.Dense(4, activation="relu", input_shape=(5,)), k.layers.Dense(3)],
                                name="tower")
    a, b = k.layers.Input(shape=(5,), name="a"), k.layers.Input(shape=(5,), name="b")
    x = k.layers.subtract([tower(a), tower(b)])
    return k.models.Model([a, b], k.layers.Dense(1, activation="sigmoid")(x)), [(5,), (5,)]


def two_states(k: Any) -> Any:
    first, second = k.layers.Input(shape=(4, 2)), k.layers.Input(shape=(5, 2))
    _, h, c = k.layers.LSTM(3, return_state=True, **GATE)(first)
    x = k.layers.LSTM(3, **GATE)(second, initial_state=[h, c])
    return k.models.Model([first, second], k.layers.Dense(2)(x)), [(4, 2), (5, 2)]


def local(k: Any) -> Any:
    layers = [k.layers.LocallyConnected1D(3, 2, input_shape=(6, 2)), k.layers.ThresholdedReLU(0.1), k.layers.Flatten(),
              k.layers.Dense(2)]
    return k.models.Sequential(layers), [(6, 2)]


def local_images(k: Any) -> Any:
    layers = [k.layers.LocallyConnected2D(2, (2, 2), strides=(2, 2), activation="relu", input_shape=(5, 5, 2)),
              k.layers.Flatten(), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(5, 5, 2)]


def hard_gates(k: Any) -> Any:
    gates = {"recurrent_activation": "hard_sigmoid"}
    layers = [k.layers.GRU(4, reset_after=False, return_sequences=True, input_shape=(5, 3), **gates),
              k.layers.LSTM(3, **gates), k.layers.Dense(2, activation="hard_sigmoid")]
    return k.models.Sequential(layers), [(5, 3)]


KERAS2_ONLY = {f.__name__: f for f in (
    nested, nested_in_sequential, distributed_model, siamese, two_states, local, local_images, hard_gates)}
"""Keras 3 lacks their layers, computes otherwise, or can't read them from an HDF5 file of Keras 2 either."""


# -------------------------------------------------------------------------------------------------------- compiling

# The epsilons are small, for newer Keras adds some of them inside of a root and not outside.
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-8}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"learning_rate": 0.005, "rho": 0.8, "epsilon": 1e-12}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": False}),
    ("Adagrad", {"learning_rate": 0.05, "epsilon": 1e-12}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-4}),
    ("Adamax", {"learning_rate": 0.01, "beta_1": 0.85, "beta_2": 0.95, "epsilon": 1e-8}),
    ("SGD", {"learning_rate": 0.1}),
    ("Nadam", {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-8}),
    ("Adam", {"learning_rate": 0.003, "epsilon": 1e-7, "amsgrad": True}),
]


def optimizer_of(name: str) -> tuple[str, dict[str, Any]]:
    """The optimizer of an architecture: class and settings.

    TensorFlow's older SGD with momentum, Adadelta, Adamax and Nadam change only those rows of an embedding that a batch
    has, where Keras 2.0.9 changes all, so the models with embeddings have others.
    """
    if name in ("words", "embedded_lstm"):
        return OPTIMIZERS[0 if name == "words" else 2]
    return OPTIMIZERS[[*ALL, *KERAS2_ONLY].index(name) % len(OPTIMIZERS)]


def compiling(name: str, k: Any) -> dict[str, Any]:
    """What else `compile` is told."""
    special: dict[str, dict[str, Any]] = {
        "dense": {"loss": "categorical_crossentropy", "metrics": ["accuracy"]},
        "normalized": {"loss": "mean_absolute_error", "metrics": ["mean_squared_error"]},
        "words": {"loss": "binary_crossentropy", "metrics": ["accuracy"]},
        "embedded_lstm": {"loss": "binary_crossentropy", "weighted_metrics": ["accuracy"]},
        "residual": {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        "two_branches": {"loss": {"kind": "categorical_crossentropy"}, "metrics": {"kind": ["accuracy"]}},
        "shared": {"loss": {"p": "mean_squared_error", "q": "mean_absolute_error"},
                   "loss_weights": {"p": 1.0, "q": 0.5}, "metrics": {"p": ["mean_absolute_error"]}},
        "autoencoder": {"loss": ["binary_crossentropy", "mean_squared_error"], "loss_weights": [1.0, 0.3]},
        "signals": {"loss": "binary_crossentropy"}, "resized": {"loss": "log_cosh"}, "shaped": {"loss": "hinge"},
        "merges": {"loss": "squared_hinge"}, "images": {"loss": "mean_squared_logarithmic_error"},
        "own_layer": {"loss": k.own["skewed"], "metrics": [k.own["offset"]]},
        "variational": {"loss": "binary_crossentropy", "metrics": [k.own["offset"]]},
        "siamese": {"loss": "binary_crossentropy", "metrics": ["accuracy"]},
        "tagged": {"loss": "categorical_crossentropy", "sample_weight_mode": "temporal"},
    }
    return {"loss": "mean_squared_error", **special.get(name, {})}


WEIGHTED = ("dense", "lstm", "words", "embedded_lstm", "tagged", "images")
"""Those trained with `sample_weight`."""
