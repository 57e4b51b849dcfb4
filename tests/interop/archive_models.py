"""Models beyond those of architectures.py for archives of newer Keras, and the optimizers to train with.

`k` has the modules of a library: gpukeras or keras. Each function returns a model and the shapes of its inputs.
"""

from __future__ import annotations

from typing import Any

GATE = {"recurrent_activation": "sigmoid"}
"""What the gates of all libraries have if they are told."""


def attention(k: Any) -> Any:
    query, value = k.layers.Input(shape=(4, 6), name="query"), k.layers.Input(shape=(5, 6), name="value")
    x = k.layers.Attention()([query, value])
    x = k.layers.LayerNormalization(epsilon=1e-3)(k.layers.Add()([x, query]))
    x = k.layers.AdditiveAttention()([x, value])
    return k.models.Model([query, value], k.layers.Dense(2)(k.layers.GlobalAveragePooling1D()(x))), [(4, 6), (5, 6)]


def transformer(k: Any) -> Any:
    start, other = k.layers.Input(shape=(4, 6)), k.layers.Input(shape=(3, 5))
    x = k.layers.MultiHeadAttention(2, 3)(start, start)
    x = k.layers.LayerNormalization(epsilon=1e-3)(k.layers.Add()([start, x]))
    x = k.layers.MultiHeadAttention(2, 3, value_dim=4)(x, other)
    x = k.layers.Dense(4, activation="relu")(x)
    return k.models.Model([start, other], k.layers.GlobalMaxPooling1D()(x)), [(4, 6), (3, 5)]


def stacked_cells(k: Any) -> Any:
    stack = [k.layers.GRUCell(3, reset_after=True, **GATE), k.layers.SimpleRNNCell(2)]
    layers = [k.layers.InputLayer(batch_input_shape=(None, 5, 3)),
              k.layers.RNN(k.layers.LSTMCell(4, **GATE), return_sequences=True), k.layers.RNN(stack)]
    return k.models.Sequential(layers), [(5, 3)]


def deep_bidirectional(k: Any) -> Any:
    start = k.layers.Input(shape=(5, 3))
    x = k.layers.Bidirectional(k.layers.SimpleRNN(2, return_sequences=True), merge_mode="mul")(start)
    x = k.layers.Bidirectional(k.layers.GRU(2, reset_after=True, **GATE), merge_mode="ave")(x)
    return k.models.Model(start, k.layers.Dense(1)(x)), [(5, 3)]


def nested_often(k: Any) -> Any:
    encoder = k.models.Sequential([k.layers.Dense(5, activation="relu", input_shape=(4,)), k.layers.Dense(3)],
                                  name="encoder")
    middle = k.layers.Input(shape=(3,))
    inner = k.models.Model(middle, k.layers.BatchNormalization()(k.layers.Dense(3)(middle)), name="inner")
    a, b = k.layers.Input(shape=(4,), name="a"), k.layers.Input(shape=(4,), name="b")
    x = k.layers.concatenate([inner(encoder(a)), inner(inner(encoder(b)))])
    return k.models.Model([a, b], [k.layers.Dense(2, name="p")(x), encoder(b), inner(encoder(a))]), [(4,), (4,)]


def stack_of_models(k: Any) -> Any:
    start = k.layers.Input(shape=(6,))
    first = k.models.Model(start, k.layers.Dense(4, activation="tanh")(start), name="first")
    last = k.models.Sequential([k.layers.Dense(3, input_shape=(4,)), k.layers.Dense(2)], name="last")
    return k.models.Sequential([first, last]), [(6,)]


def steps_of_models(k: Any) -> Any:
    inner = k.models.Sequential([k.layers.Dense(4, activation="relu", input_shape=(3,)), k.layers.Dense(2)])
    layers = [k.layers.TimeDistributed(inner, input_shape=(5, 3)), k.layers.GlobalMaxPooling1D()]
    return k.models.Sequential(layers), [(5, 3)]


def frozen_between(k: Any) -> Any:
    layers = [k.layers.Dense(5, activation="relu", input_shape=(4,), trainable=False), k.layers.Dense(4),
              k.layers.Dense(3, trainable=False), k.layers.Dense(2)]
    return k.models.Sequential(layers), [(4,)]


def scaled(k: Any) -> Any:
    layers = [k.layers.InputLayer(batch_input_shape=(None, 4)), k.layers.Rescaling(0.5, 1.0),
              k.layers.Dense(4), k.layers.ReLU(2.0), k.layers.Dense(3), k.layers.Softmax()]
    return k.models.Sequential(layers), [(4,)]


def crossing(k: Any) -> Any:
    """Branches of different lengths, whose layers a library may sort in different ways."""
    a, b, c = (k.layers.Input(shape=(3,), name=name) for name in "abc")
    long = k.layers.Dense(3, name="l3")(k.layers.Dense(3, name="l2")(k.layers.Dense(3, name="l1")(a)))
    short = k.layers.Dense(3, name="s1")(b)
    late = k.layers.Dense(3, name="t2")(k.layers.Dense(3, name="t1")(c))
    x = k.layers.add([late, short])
    y = k.layers.Dense(2, name="end")(k.layers.concatenate([x, long]))
    return k.models.Model([c, a, b], [k.layers.Dense(1, name="side")(short), y]), [(3,), (3,), (3,)]


ALL = {f.__name__: f for f in (attention, transformer, stacked_cells, deep_bidirectional, nested_often,
                               stack_of_models, steps_of_models, frozen_between, scaled, crossing)}
NOT_IN_KERAS2 = ("transformer", "nested_often", "two_states", "variational")
"""Those whose calls an archive can't say to Keras 2.15 and Keras 3 at once."""

OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "epsilon": 1e-6}),
    "adam": ("Adam", {"learning_rate": 0.02, "beta_1": 0.8, "epsilon": 1e-6}),
    "amsgrad": ("Adam", {"learning_rate": 0.02, "beta_2": 0.7, "epsilon": 1e-6, "amsgrad": True}),
    "adamw": ("AdamW", {"learning_rate": 0.02, "weight_decay": 0.1, "epsilon": 1e-6}),
    "adagrad": ("Adagrad", {"learning_rate": 0.1, "epsilon": 1e-6}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6}),
    "adamax": ("Adamax", {"learning_rate": 0.02, "epsilon": 1e-6}),
    "nadam": ("Nadam", {"learning_rate": 0.02, "epsilon": 1e-6}),
}
AS_NEWER = {"RMSprop": {"epsilon_under_root": True}, "Adagrad": {"epsilon_under_root": True},
            "Nadam": {"schedule_decay": 1.0}}
"""What makes this library's optimizers compute as newer Keras's do."""


def compiled_with(k: Any, model: Any, name: str) -> None:
    """Compiles a model with the optimizer of that name."""
    kind, arguments = OPTIMIZERS[name]
    arguments = {**arguments, **(AS_NEWER.get(kind, {}) if k.version == "gpukeras" else {})}
    model.compile(getattr(k.optimizers, kind)(**arguments), loss="mean_squared_error")
