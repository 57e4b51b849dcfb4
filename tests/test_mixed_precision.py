"""Mixed precision: policies, what layers compute in, and numbers of Keras 2.15 under 'mixed_float16'."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import mixed_precision
from gpukeras.layers import (
    LSTM,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Lambda,
    Layer,
    LayerNormalization,
    MaxPooling2D,
    TimeDistributed,
    add,
)
from gpukeras.mixed_precision import Policy, experimental
from gpukeras.models import Model, Sequential
from gpukeras.optimizers import SGD
from tests.kernels.floats import needs_bfloat16


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    mixed_precision.set_global_policy("mixed_float16")
    yield
    mixed_precision.set_global_policy(None)


def numbers(*shape: int) -> Any:
    return np.sin(np.arange(1, 1 + np.prod(shape)) ** 2 * 0.37).reshape(shape).astype("float32")


NETS: dict[str, Any] = {
    "dense": (lambda: [Dense(8, activation="relu", input_shape=(6,)), Dense(4, activation="tanh"),
                       Dense(3, activation="softmax", dtype="float32")], (12, 6)),
    "convolution": (lambda: [Conv2D(4, 3, input_shape=(6, 6, 2)), BatchNormalization(), Activation("relu"),
                             MaxPooling2D(), Flatten(), Dense(3, activation="softmax", dtype="float32")],
                    (12, 6, 6, 2)),
    "lstm": (lambda: [LSTM(5, recurrent_activation="sigmoid", input_shape=(4, 3)),
                      Dense(3, activation="softmax", dtype="float32")], (12, 4, 3)),
}
KERAS: dict[str, Any] = {  # two predictions, and the losses of six steps, of Keras 2.15 on TensorFlow's CPU
    "dense": ([[0.31748, 0.40511, 0.27741], [0.31704, 0.40006, 0.2829]],
              [1.11175, 1.10976, 1.10791, 1.10609, 1.1043, 1.10256]),
    "convolution": ([[0.13716, 0.6816, 0.18125], [0.201, 0.57027, 0.22873]],
                    [1.23858, 1.03524, 0.92288, 0.83064, 0.7525, 0.68597]),
    "lstm": ([[0.30833, 0.41633, 0.27534], [0.29957, 0.42885, 0.27158]],
             [1.09111, 1.0891, 1.08716, 1.08533, 1.0836, 1.08191]),
}


@pytest.mark.parametrize("name", sorted(NETS))
def test_predictions_and_losses_are_those_of_keras(name: str) -> None:
    layers, shape = NETS[name]
    model = Sequential(layers())
    model.set_weights([(w if w.ndim == 1 else 0) + 0.4 * numbers(*w.shape) for w in model.get_weights()])
    x, y = numbers(*shape), np.eye(3)[np.arange(shape[0]) % 3]
    model.compile(SGD(0.1), "categorical_crossentropy")
    predictions, losses = KERAS[name]
    np.testing.assert_allclose(model.predict(x)[:2], predictions, atol=1e-3)
    np.testing.assert_allclose([model.train_on_batch(x, y) for _ in losses], losses, atol=1e-3)
    assert {w.dtype.name for w in model.get_weights()} == {"float32"}
    assert float(model.optimizer.loss_scale) == 2 ** 15


# Policies -----------------------------------------------------------------------------------------------------
def test_a_policy_says_two_dtypes() -> None:
    for name, compute, variable in (("mixed_float16", "float16", "float32"), ("mixed_bfloat16", "bfloat16", "float32"),
                                    ("float64", "float64", "float64"), ("int32", "int32", "int32")):
        policy = Policy(name)
        assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (name, compute, variable)
        assert Policy.from_config(policy.get_config()) == policy != Policy("float32")
        assert mixed_precision.deserialize(mixed_precision.serialize(policy)) == policy
        assert repr(policy) == f'<Policy "{name}">' and len({policy, Policy(name)}) == 1
    with pytest.raises(ValueError, match="'mixed_float16', 'mixed_bfloat16' or that of a dtype.*got 'mixed_float32'"):
        Policy("mixed_float32")
    with pytest.raises(TypeError, match="must be a string, such as 'mixed_float16', got 16"):
        Policy(16)  # type: ignore[arg-type]


def test_the_global_policy() -> None:
    assert mixed_precision.global_policy() == Policy("mixed_float16")
    mixed_precision.set_global_policy(Policy("float64"))
    assert Dense(2).variable_dtype == "float64"
    with pytest.raises(ValueError, match="one of floats, such as 'mixed_float16', got 'int32'"):
        mixed_precision.set_global_policy("int32")
    assert mixed_precision.global_policy().name == "float64"
    mixed_precision.set_global_policy(None)
    assert mixed_precision.global_policy().name == K.floatx()
    experimental.set_policy("mixed_float16")
    assert experimental.global_policy().name == "mixed_float16"


@pytest.mark.parametrize("value, said", [("Mixed_Float16", "mixed_float16"), ("", "float32"), ("half", "ValueError")])
def test_an_environment_variable_chooses_it(value: str, said: str) -> None:
    code = "from gpukeras import mixed_precision as m; print(m.global_policy().name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "GPUKERAS_POLICY": value})
    assert said in done.stdout + done.stderr


def test_tensorflow_finds_it() -> None:
    code = ("import gpukeras.as_keras\nimport tensorflow as tf\nfrom tensorflow.keras import mixed_precision\n"
            "from tensorflow.keras.mixed_precision import experimental\n"
            "tf.keras.mixed_precision.set_global_policy('mixed_float16')\n"
            "tf.config.experimental.enable_tensor_float_32_execution(True)\n"
            "print(mixed_precision.global_policy().name, experimental.Policy('mixed_float16').loss_scale,\n"
            "      tf.config.experimental.tensor_float_32_execution_enabled())\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["mixed_float16", "dynamic", "True"], done.stderr


# Layers -------------------------------------------------------------------------------------------------------
def test_a_layer_says_its_dtypes() -> None:
    layer = Dense(3, input_shape=(2,))
    assert layer.dtype_policy == Policy("mixed_float16")
    assert (layer.dtype, layer.compute_dtype, layer.variable_dtype) == ("float32", "float16", "float32")
    assert layer.get_config()["dtype"]["config"] == {"name": "mixed_float16"}
    assert Dense.from_config(layer.get_config()).dtype_policy == layer.dtype_policy
    single = Dense(3, dtype="float32")
    assert single.get_config()["dtype"] == "float32" and single.compute_dtype == "float32"
    mixed_precision.set_global_policy(None)
    plain = Dense(3)
    assert plain.dtype_policy.name == plain.compute_dtype == "float32" and "dtype" not in plain.get_config()
    assert Dense(3, dtype=Policy("mixed_float16")).compute_dtype == "float16"
    assert Dense(3, dtype="mixed_float16").compute_dtype == "float16"


def test_a_recurrent_layer_and_its_cell_have_one_policy() -> None:
    single = LSTM(3, dtype="float32")
    assert single(Input((5, 2))).dtype == single.get_config()["dtype"] == single.cell.compute_dtype == "float32"
    assert LSTM.from_config(single.get_config()).dtype_policy == Policy("float32")
    mixed_precision.set_global_policy(None)
    half = LSTM(3, dtype="mixed_float16", return_state=True, stateful=True, batch_input_shape=(2, 5, 2))
    assert [t.dtype for t in half(Input(batch_shape=(2, 5, 2)))] == ["float16"] * 3
    assert [v.dtype for v in half.states] == ["float32"] * 2


def test_whole_numbers_stay_whole() -> None:
    words = Embedding(9, 2, input_shape=(3,), dtype="int32")
    model = Sequential([words])
    assert (model.inputs[0].dtype, model.outputs[0].dtype) == ("int32", "float16")


def test_what_layers_put_out() -> None:
    x, images, words = Input((4,)), Input((6, 6, 1)), Input((5,))
    half = [Dense(3)(x), add([Dense(2)(x), Dense(2)(x)]), Conv2D(2, 3)(images), BatchNormalization()(images),
            LayerNormalization()(x), GlobalAveragePooling2D()(images), Embedding(9, 2)(words), Activation("softmax")(x),
            Bidirectional(LSTM(2))(Embedding(9, 3)(words)), Lambda(lambda t: t * 2)(x)]
    assert [t.dtype for t in half] == ["float16"] * len(half)
    assert x.dtype == "float32"
    single = [Lambda(lambda t: K.cast(t, "float32"))(half[0]), Dense(2, dtype="float32")(half[0]),
              TimeDistributed(Dense(2, dtype="float32"))(Embedding(9, 3)(words))]
    assert [t.dtype for t in single] == ["float32"] * len(single)


def test_weights_are_kept_in_float32_and_read_in_float16() -> None:
    seen = []

    class Scale(Layer):
        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(4,), initializer="ones", regularizer="l2")
            self.exact = self.add_weight(name="exact", shape=(4,), initializer="ones", experimental_autocast=False)
            self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)
            self.built = True

        def call(self, inputs: Any) -> Any:
            self.add_update(K.update_add(self.calls, 1.0), inputs)
            seen.extend([inputs.dtype, (inputs * self.scale).dtype, (inputs * self.exact).dtype, self.scale.dtype])
            return inputs * self.scale + K.cast(self.exact, "float16")

    layer = Scale(input_shape=(4,))
    model = Sequential([layer])
    assert seen == ["float16", "float16", "float32", "float32"]
    assert (layer.scale * 1).dtype == "float32"  # outside of `call`
    assert [t.dtype for t in layer.losses] == ["float32"]
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 4)))
    assert float(K.get_value(layer.calls)) == 1


def test_a_layer_can_leave_its_inputs_alone() -> None:
    class Whole(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    assert Whole(autocast=False)(Input((3,))).dtype == "float32"
    assert Whole()(Input((3,), dtype="int32")).dtype == "int32"
    assert Embedding(70000, 1, weights=[np.arange(70000.0)[:, None] / 70000])(np.array([[65537.0]])).numpy().item() \
        == np.float16(65537 / 70000)


def test_mixed_precision_ends_at_a_layer_without_a_policy() -> None:
    mixed_precision.set_global_policy(None)
    x = Input((4,))
    half = Dense(3, dtype="mixed_float16")(x)
    flat, last = Flatten(), Dense(2)
    assert half.dtype == "float16" and flat(half).dtype == last(flat(half)).dtype == "float32"
    assert last.get_config()["dtype"] == "float32"  # so that it stays so under another global policy
    inner = Model(x, half)
    assert Flatten()(inner(Input((4,)))).dtype == "float32"


def test_without_a_policy_nothing_is_cast() -> None:
    mixed_precision.set_global_policy(None)
    assert Flatten()(Input((2, 2), dtype="float16")).dtype == "float16"
    assert Dense(2, input_shape=(3,), dtype="float64").get_config()["dtype"] == "float64"
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    assert type(model.optimizer) is SGD


# What must be safe ----------------------------------------------------------------------------------------------
def test_statistics_do_not_overflow() -> None:
    """The square of 300, and the sum of 3,000 numbers near 50, are more than float16 holds."""
    x = np.where(np.arange(3000) % 2, 300.0, -200.0).reshape(10, 300).astype("float32")
    for layer in (BatchNormalization(), LayerNormalization()):
        model = Sequential([layer])
        y = model(x, training=True).numpy() if isinstance(layer, BatchNormalization) else model(x).numpy()
        assert y.dtype == "float16" and np.isfinite(y).all()
    np.testing.assert_allclose(K.eval(K.mean(K.cast(K.constant(x), "float16"))), 50, rtol=1e-3)
    np.testing.assert_allclose(K.eval(K.std(K.cast(K.constant(x), "float16"))), 250, rtol=1e-3)
    many = K.constant(np.full((3000, 2), 3.3), "float16")
    np.testing.assert_allclose(K.eval(K.sum(many, axis=0)), 3000 * 3.301, rtol=1e-3)  # added up in float32


@pytest.mark.parametrize("loss, activation", [("categorical_crossentropy", "softmax"),
                                              ("sparse_categorical_crossentropy", "softmax"),
                                              ("binary_crossentropy", "sigmoid"), ("mse", "linear")])
def test_losses_and_metrics_are_float32(loss: str, activation: str) -> None:
    """With a last layer of float16 too; crossentropies find the logits behind it."""
    model = Sequential([Dense(3, input_shape=(4,)), Activation(activation)])
    model.compile("sgd", loss, metrics=["accuracy", "mae"] if loss == "mse" else ["accuracy"])
    assert {t.dtype for t in [model.total_loss, *model.metrics_tensors]} == {"float32"}
    assert model.predict(np.ones((2, 4))).dtype == "float16"
    x = np.array([[20.0] * 4, [-20.0] * 4])
    model.set_weights([np.tile([1.0, -1.0, 0.0], (4, 1)), np.zeros(3)])
    y = np.array([[1], [0]]) if loss.startswith("sparse") else np.array([[0, 1, 0], [1, 0, 0]])
    value = model.train_on_batch(x, y)[0]
    crossentropy = 160.0  # of the logits 80, -80, 0 for a target where it is -80
    expected = {"mse": (80 ** 2 + 81 ** 2) / 3, "binary_crossentropy": (80 + 80 + np.log(2)) / 3}
    np.testing.assert_allclose(value, expected.get(loss, crossentropy), rtol=1e-3)


def test_one_cast_for_all_weights_and_one_pass_for_all_updates() -> None:
    model = Sequential([Dense(8, activation="relu", input_shape=(4,)), Dense(8, activation="relu"), Dense(2)])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    (program,) = model.train_function._programs.values()
    count = model.count_params()
    steps = [s.partition("  [")[0] for s in program.describe().splitlines()]
    assert [s for s in steps if s.startswith("cast(float32")] == [
        "cast(float32[2, 4]) -> float16[2, 4]", f"cast(float32[{count}]) -> float16[{count}]"]
    assert sum(f"float32[{count}], float32[{count}], float32[{count}]" in s.partition("->")[2] for s in steps) == 1


# bfloat16 -----------------------------------------------------------------------------------------------------
@needs_bfloat16
@pytest.mark.parametrize("name", sorted(NETS))
def test_bfloat16_where_there_is_one(name: str) -> None:
    mixed_precision.set_global_policy("mixed_bfloat16")
    layers, shape = NETS[name]
    model = Sequential(layers())
    model.set_weights([(w if w.ndim == 1 else 0) + 0.4 * numbers(*w.shape) for w in model.get_weights()])
    model.compile(SGD(0.1), "categorical_crossentropy")
    assert type(model.optimizer) is SGD and model.layers[0].output.dtype == "bfloat16"
    predictions, losses = KERAS[name]
    x, y = numbers(*shape), np.eye(3)[np.arange(shape[0]) % 3]
    np.testing.assert_allclose(model.predict(x)[:2], predictions, atol=1e-2)
    np.testing.assert_allclose([model.train_on_batch(x, y) for _ in losses], losses, atol=5e-3)


def test_bfloat16_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ValueError, match="Install ml_dtypes"):
        mixed_precision.set_global_policy("mixed_bfloat16")
    with pytest.raises(ValueError, match="Install ml_dtypes"):
        Dense(3, dtype="mixed_bfloat16")
    assert mixed_precision.global_policy().name == "mixed_float16"
