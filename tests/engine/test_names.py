"""Names that programs see: those of Keras 2.0.9 on TensorFlow 1, whose own are in the tables below."""

from __future__ import annotations

import pytest

from gpukeras import backend as K
from gpukeras.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Conv2D,
    Cropping1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling2D,
    Input,
    Lambda,
    Layer,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    RepeatVector,
    Reshape,
    SimpleRNN,
    SimpleRNNCell,
    TimeDistributed,
    UpSampling1D,
    UpSampling2D,
    Wrapper,
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
    "batch_normalization_1/batchnorm/add_1:0": (4, lambda x: BatchNormalization()(x, training=False)),
    "add_1/add_1:0": (4, lambda x: add([x, Activation("relu")(x), Activation("tanh")(x)])),
    "lambda_1/add_1:0": (4, lambda x: Lambda(lambda v: v + 1 + 2)(x)),
    "lambda_1/Mean:0": (4, lambda x: Lambda(lambda v: K.mean(K.square(v - 1), axis=-1))(x)),
    "lambda_1/Identity:0": (4, lambda x: Lambda(lambda v: v)(x)),
    "repeat_vector_1/Tile:0": (4, lambda x: RepeatVector(3)(x)),
    "embedding_1/GatherV2:0": (4, lambda x: Embedding(10, 3)(x)),
    "dense_1/add:0": ((6, 4), lambda x: Dense(3)(x)),
    "dense_1/truediv:0": ((6, 4), lambda x: Dense(3, activation="softmax")(x)),
    "conv1d_1/convolution/Squeeze:0": ((6, 4), lambda x: Conv1D(3, 2, use_bias=False)(x)),
    "max_pooling1d_1/Squeeze:0": ((6, 4), lambda x: MaxPooling1D()(x)),
    "global_average_pooling1d_1/Mean:0": ((6, 4), lambda x: GlobalAveragePooling1D()(x)),
    "global_max_pooling2d_1/Max:0": ((8, 8, 3), lambda x: GlobalMaxPooling2D()(x)),
    "up_sampling1d_1/concat:0": ((6, 4), lambda x: UpSampling1D()(x)),
    "up_sampling2d_1/ResizeNearestNeighbor:0": ((8, 8, 3), lambda x: UpSampling2D()(x)),
    "cropping1d_1/strided_slice:0": ((6, 4), lambda x: Cropping1D()(x)),
    "time_distributed_1/Reshape_1:0": ((6, 4), lambda x: TimeDistributed(Dense(3))(x)),
    "lstm_1/TensorArrayReadV3:0": ((6, 4), lambda x: LSTM(3)(x)),
    "gru_1/transpose_1:0": ((6, 4), lambda x: GRU(3, return_sequences=True)(x)),
    "gru_1/transpose_2:0": ((6, 4), lambda x: GRU(3, return_sequences=True)(Masking()(x))),
    "lstm_1/while/Exit_3:0": ((6, 4), lambda x: LSTM(3, return_state=True)(x)[2]),
    "simple_rnn_1/transpose_1:0": ((6, 4), lambda x: SimpleRNN(3, unroll=True, return_sequences=True)(x)),
    "bidirectional_1/concat:0": ((6, 4), lambda x: Bidirectional(LSTM(3))(x)),
    "sequential_1/lstm_1/TensorArrayReadV3:0": ((6, 4), lambda x: Sequential([LSTM(3, input_shape=(6, 4))])(x)),
}

EXPRESSIONS = {
    "add_1": lambda x: x + 1 + 2, "mul": lambda x: x * x, "truediv": lambda x: K.sum(x * x, 1) / 2, "Neg": lambda x: -x,
    "pow": lambda x: x ** 2, "Pow": lambda x: K.pow(x, 2), "Mean": lambda x: K.mean(x), "Mean_1": lambda x: K.var(x),
    "Sqrt": lambda x: K.std(x), "Max": lambda x: K.max(x, 1), "ArgMax": lambda x: K.argmax(x),
    "clip_by_value": lambda x: K.clip(x, 0, 1), "l2_normalize": lambda x: K.l2_normalize(x, 1),
    "Elu": lambda x: K.elu(x), "strided_slice": lambda x: x[:, 0], "Cast": lambda x: K.cast(x > 0, "float32"),
    "Greater": lambda x: x > 0,
    "MatMul": lambda x: K.dot(x, K.ones((4, 2))), "BiasAdd": lambda x: K.bias_add(x, K.ones((4,))),
    "stack": lambda x: K.stack([x, x]), "Tile": lambda x: K.tile(x, 2), "zeros_like": lambda x: K.zeros_like(x),
    "random_normal": lambda x: K.random_normal(K.shape(x)), "dropout/mul_1": lambda x: K.dropout(x, 0.5),
}


@pytest.mark.parametrize("name", LAYERS)
def test_what_a_layer_makes_begins_with_its_name(name):
    shape, make = LAYERS[name]
    assert make(Input((shape,) if isinstance(shape, int) else shape)).name == name


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_a_function_of_k_makes_has_the_name_of_its_op(name):
    made = EXPRESSIONS[name](K.placeholder((None, 4)))
    assert (made.name, made.op.name) == (f"{name}:0", name)


def test_ops_of_one_kind_are_numbered_and_those_that_nobody_wrote_do_not_count():
    x = K.placeholder((None, 4))
    assert [K.exp(x).name for _ in range(2)] == ["Exp:0", "Exp_1:0"]
    y = K.sum(K.square(x))
    derivative, = K.gradients(y, x)
    assert derivative.name.startswith("gradients/")
    Sequential([Dense(2, input_dim=4)]).compile("sgd", "mse")
    assert K.mean(K.square(x)).op.name == "Mean" and K.square(x).op.name == "Square_2"
    with K.name_scope("mine"):
        assert (x * 2).name == "mine/mul:0"
    K.clear_session()
    assert K.exp(x).op.name == "Exp"


def test_what_a_call_says_of_a_tensor_is_not_yet_its_outputs_name():
    seen = []

    def halved(x):
        y = x / 2
        seen.append(y.name)
        return y

    assert Lambda(halved, name="half")(Input((3,))).name == "half/truediv:0" and seen[0] == "half/truediv:0"


def test_an_operation_says_what_it_is_made_of():
    x = K.placeholder((2,), name="x")
    y = x + 1
    assert (y.op.type, x.op.name, x.op.inputs) == ("add", "x", ()) and y.op.inputs[0] is x and y.op.outputs == (y,)
    assert repr(y.op) == "<Operation 'add' type=add>"


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


class Around(Wrapper):
    """Builds the layer in it, and calls another."""

    def build(self, input_shape):
        self.layer.build(input_shape)
        with K.name_scope("second"):
            self.more = Dense(2)
            self.more.build(input_shape)
        self.scale = self.add_weight("kernel", (2,))
        self.called = Dense(2, name="called")
        super().build()

    def call(self, inputs):
        return self.layer.call(inputs) + self.more.call(inputs) + self.called(inputs) * self.scale


class Steps(RNN):
    def __init__(self, units, **kwargs):
        super().__init__(SimpleRNNCell(units), **kwargs)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name, "return_sequences": self.return_sequences}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def build(self, input_shape):
        self.cell.build((input_shape[0], input_shape[-1]))
        self.cell.built = True
        super().build(input_shape)


def test_weights_begin_with_the_names_of_the_layers_at_work():
    layer = Around(Dense(2), name="outer")
    layer(Input((2,)))
    assert [w.name for w in layer.layer.weights + layer.more.weights] == [
        "outer/kernel:0", "outer/bias:0", "outer/second/kernel:0", "outer/second/bias:0"]
    assert [layer.scale.name, layer.called.kernel.name] == ["outer/kernel_1:0", "outer/called/kernel:0"]
    inside = Around(Dense(2), name="inner")
    TimeDistributed(inside, name="each")(Input((3, 2)))
    assert inside.layer.kernel.name == "each/kernel:0"
    steps = Steps(2, name="steps")
    steps(Input((3, 2)))
    assert [w.name for w in steps.weights] == ["steps/kernel:0", "steps/recurrent_kernel:0", "steps/bias:0"]
    both = Bidirectional(Steps(2, name="steps"), name="both")
    both(Input((3, 2)))
    assert both.weights[0].name == "both/forward_steps/kernel:0"
    assert both.weights[-1].name == "both/backward_steps/bias:0"


def test_weights_of_layers_that_are_built_alone_or_in_a_model():
    layer = Dense(2, name="alone")
    layer.build((None, 3))
    assert layer.kernel.name == "alone/kernel:0"
    model = Sequential([Dense(2, name="first")], name="stack")
    model(Input((3,)))
    assert model.weights[0].name == "first/kernel:0"
    function = Lambda(lambda x: Dense(2, name="made")(x), name="function")
    with K.name_scope("mine"):
        dense = Dense(2, name="dense")
        dense(function(Input((3,))))
    assert dense.kernel.name == "mine/dense/kernel:0"
