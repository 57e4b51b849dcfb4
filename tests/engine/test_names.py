"""Names that programs see: those of Keras 2.0.9 on TensorFlow 1, whose own are in the tables below."""

from __future__ import annotations

import pytest

from gpukeras import backend as K
from gpukeras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
    Lambda,
    Layer,
    MaxPooling2D,
    Reshape,
    add,
    concatenate,
)
from gpukeras.models import Model, Sequential


@pytest.fixture(autouse=True)
def from_one():
    K.clear_session()


LAYERS = {
    "dense_1/Relu:0": (4, lambda x: Dense(3, activation="relu")(x)),
    "mine/MatMul:0": (4, lambda x: Dense(3, name="mine", use_bias=False)(x)),
    "dense_1/BiasAdd:0": (4, lambda x: Dense(3)(x)),
    "out/Softmax:0": (4, lambda x: Dense(3, activation="softmax", name="out")(x)),
    "activation_1/Tanh:0": (4, lambda x: Activation("tanh")(x)),
    "dropout_1/cond/Merge:0": (4, lambda x: Dropout(0.5)(x)),
    "add_1/add:0": (4, lambda x: add([x, Activation("relu")(x)])),
    "concatenate_1/concat:0": (4, lambda x: concatenate([x, x])),
    "lambda_1/mul:0": (4, lambda x: Lambda(lambda v: v * 2)(x)),
    "reshape_1/Reshape:0": (4, lambda x: Reshape((2, 2))(x)),
    "conv2d_1/BiasAdd:0": ((8, 8, 3), lambda x: Conv2D(4, 3)(x)),
    "max_pooling2d_1/MaxPool:0": ((8, 8, 3), lambda x: MaxPooling2D()(x)),
    "flatten_1/Reshape:0": ((8, 8, 3), lambda x: Flatten()(x)),
    "batch_normalization_1/cond/Merge:0": ((8, 8, 3), lambda x: BatchNormalization()(x)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_a_layer_makes_begins_with_its_name(name):
    shape, make = LAYERS[name]
    assert make(Input((shape,) if isinstance(shape, int) else shape)).name == name


def test_inputs_and_models():
    x, other = Input((4,), name="x"), Input((4,))
    assert (x.name, other.name) == ("x:0", "input_1:0")
    dense = Dense(3, activation="relu")
    model = Model(x, dense(x))
    assert [t.name for t in (*model.inputs, *model.outputs, dense.output)] == ["x:0", *["dense_1/Relu:0"] * 2]
    assert (model.input_names, model.output_names) == (["x"], ["dense_1"])
    assert dense(other).name == dense.get_output_at(1).name == "dense_1_1/Relu:0"
    assert model(other).name == "model_1/dense_1/Relu:0"
    assert "'x:0'" in repr(x)


def test_a_compiled_model():
    model = Sequential([Dense(2, input_shape=(3,), name="first"), Dense(1, name="second")])
    model.compile("adam", "mse")
    assert (model.input.name, model.output.name) == ("first_input:0", "second/BiasAdd:0")
    assert (model.targets[0].name, model.sample_weights[0].name) == ("second_target:0", "second_sample_weights:0")
    assert (model.optimizer.lr.name, model.optimizer.iterations.name) == ("Adam/lr:0", "Adam/iterations:0")
    assert [w.name for w in model.weights] == [f"{a}/{b}:0" for a in ("first", "second") for b in ("kernel", "bias")]


def test_variables_and_placeholders_of_one_name_are_numbered():
    names = [K.variable(1.0, name="v").name for _ in range(3)]
    assert names == ["v:0", "v_1:0", "v_2:0"]
    assert [K.variable(1.0).name for _ in range(2)] == ["Variable:0", "Variable_1:0"]
    assert [K.placeholder((2,)).name, K.placeholder((2,)).name] == ["Placeholder:0", "Placeholder_1:0"]
    assert (K.placeholder((2,), name="p").name, K.constant(1.0, name="c").name) == ("p:0", "c:0")
    K.clear_session()
    assert K.variable(1.0, name="v").name == "v:0"


def test_names_in_a_scope_and_in_a_layer_that_is_built(tmp_path):
    """As in files of Keras 2.0.9: a weight of a layer's own has the layer's name before it."""
    class Scale(Layer):
        def build(self, input_shape):
            self.scale = K.variable(1.0, name="scale")
            self.trainable_weights = [self.scale, K.variable(2.0)]
            super().build(input_shape)

        def call(self, x):
            return x * self.scale

    with K.name_scope("a"), K.name_scope("b"):
        assert K.variable(1.0, name="w").name == "a/b/w:0"
    model = Sequential([Scale(input_shape=(2,), name="mine")])
    assert [w.name for w in model.weights] == ["mine/scale:0", "mine/Variable:0"]
    h5py = pytest.importorskip("h5py")
    model.save_weights(tmp_path / "weights.h5")
    with h5py.File(tmp_path / "weights.h5") as file:
        assert list(file["mine"].attrs["weight_names"]) == [b"mine/scale:0", b"mine/Variable:0"]
    model.load_weights(tmp_path / "weights.h5")
