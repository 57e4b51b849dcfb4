"""What goes wrong is said before any arithmetic, with the layer's name, what it expected and what came."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers
from gpukeras.layers import Add, Dense, Flatten, Input, InputLayer, Lambda, Layer, Reshape
from gpukeras.models import Model, Sequential, model_from_config, model_from_json


def images():
    return Layer(name="images")(Input(shape=(4, 4, 3)))


def vectors(name="vectors", size=3):
    return Layer(name=name)(Input(shape=(size,)))


def two_layers_of_one_name():
    x = Input(shape=(3,))
    return Model(x, Dense(2, name="twin")(Dense(3, name="twin")(x)))


def half_a_model():
    a, b = Input(shape=(3,), name="left"), Input(shape=(3,), name="right")
    return Model(a, Lambda(lambda t: t[0] + t[1], name="sum")([a, b]))


def raw_operation():
    x = Input(shape=(3,), name="x")
    return Model(x, Dense(2, name="head")(x * K.placeholder((None, 3))))


def wrong_weights():
    layer = Dense(2, name="fc")
    layer(vectors())
    layer.set_weights([np.zeros((3, 2)), np.zeros(3)])


def too_few_weights():
    layer = Dense(2, name="fc")
    layer(vectors())
    layer.set_weights([np.zeros((3, 2))])


def no_return():
    class Forgetful(Layer):
        def call(self, inputs):
            K.sum(inputs)

    return Forgetful(name="f")(vectors())


def no_init():
    class Hasty(Layer):
        def __init__(self):
            pass

    return Hasty()(vectors())


def sum_of(name="sum"):
    return Lambda(lambda t: t[0] + t[1], name=name)


def called_twice():
    layer = Dense(3)
    layer(vectors())
    layer(vectors())
    return Sequential([layer])


def one_input(x):
    model = Model(i := Input(shape=(3,)), Dense(2)(i), name="one")
    return model(x)


TABLE = [
    ("rank too small", lambda: layers.SpatialDropout1D(0.5, name="drop")(vectors()), ValueError,
     ["layer 'drop'", "expected ndim=3, found ndim=2", "(None, 3)", "from layer 'vectors'"]),
    ("rank too great", lambda: layers.RepeatVector(2, name="rep")(images()), ValueError,
     ["layer 'rep'", "expected ndim=2, found ndim=4", "from layer 'images'"]),
    ("last axis", lambda: (d := Dense(2, name="fc"), d(vectors()), d(vectors("longer", 5))), ValueError,
     ["layer 'fc'", "axis -1", "size 3, found 5", "from layer 'longer'"]),
    ("array beside a tensor", lambda: Add()([vectors(), np.zeros((2, 3))]), ValueError,
     ["'add", "ndarray", "model.predict"]),
    ("number of inputs", lambda: Dense(2, name="fc")([vectors(), vectors("b")]), ValueError,
     ["'fc' expects 1 inputs, but it received 2", "from layer 'b'"]),
    ("inputs of a network", lambda: one_input([vectors(), vectors("b")]), ValueError, ["'one' has 1 inputs"]),
    ("inside a network", lambda: one_input(vectors("longer", 5)), ValueError,
     ["dense", "size 3, found 5", "'longer'"]),
    ("arithmetic inside", lambda: sum_of()([vectors(), vectors("b", 5)]), ValueError,
     ["layer 'sum'", "(None, 3) and (None, 5)", "'b'"]),
    ("unknown sizes", lambda: Dense(2, name="fc")(Input(shape=(None,))), ValueError,
     ["'fc'", "'kernel'", "(None, 2)", "input_shape"]),
    ("flatten unknown", lambda: Flatten(name="flat")(Input(shape=(None, 3))), ValueError,
     ["'flat'", "(None, None, 3)"]),
    ("reshape", lambda: Reshape((2, 2), name="r")(vectors()), ValueError, ["'r'", "(3,)", "(2, 2)"]),
    ("two free sizes", lambda: Reshape((-1, -1), name="r"), ValueError, ["'r'", "more than one -1"]),
    ("permutation", lambda: layers.Permute((0, 1), name="p"), ValueError, ["'p'", "1..2"]),
    ("units", lambda: Dense(0, name="fc"), ValueError, ["'fc'", "units must be a positive integer, got 0"]),
    ("units of text", lambda: Dense("relu"), ValueError, ["units must be a positive integer, got 'relu'"]),
    ("misspelt argument", lambda: Dense(2, activaton="relu"), TypeError,
     ["Dense", "`activaton`", "`activation`"]),
    ("unknown activation", lambda: Dense(2, activation="relv"), ValueError, ["'relv'", "'relu'"]),
    ("unknown initializer", lambda: Dense(2, kernel_initializer="glorot_unifrm"), ValueError,
     ["'glorot_uniform'"]),
    ("number for a shape", lambda: Dense(2, input_shape=3), TypeError, ["input_shape", "(3,)"]),
    ("number for Input", lambda: Input(shape=3), TypeError, ["(3,)"]),
    ("no shape", lambda: Input(), ValueError, ["shape=(32,)"]),
    ("two shapes", lambda: InputLayer(input_shape=(3,), batch_input_shape=(1, 3)), ValueError, ["not both"]),
    ("wrong weights", wrong_weights, ValueError, ["'fc'", "fc/bias:0", "(2,)", "(3,)"]),
    ("too few weights", too_few_weights, ValueError, ["'fc' has 2 weights", "1 arrays"]),
    ("count before build", lambda: Dense(2, name="fc").count_params(), RuntimeError, ["'fc'", "fc.build("]),
    ("never called", lambda: Dense(2, name="fc").get_input_at(0), RuntimeError,
     ["'fc' has never been called"]),
    ("no such node", lambda: vectors()._keras_history[0].get_output_at(4), ValueError,
     ["node 4", "1 inbound"]),
    ("no output yet", lambda: Dense(2, name="fc").output, AttributeError, ["'fc' is not connected"]),
    ("no return", no_return, TypeError, ["'f'", "Forgetful", "NoneType", "return"]),
    ("no super().__init__", no_init, RuntimeError, ["Hasty", "super().__init__()"]),
    ("output_shape of a Lambda", lambda: Lambda(lambda x: x, output_shape=3), TypeError,
     ["output_shape", "3"]),
    ("name twice", two_layers_of_one_name, RuntimeError, ["'twin'", "2 times", "unique"]),
    ("disconnected", half_a_model, RuntimeError, ["Graph disconnected", "'right:0'", "layer 'sum'"]),
    ("operation on what nobody feeds", raw_operation, ValueError, ["'head'", "Lambda"]),
    ("input from a layer", lambda: Model(v := vectors(), Dense(2)(v)), TypeError, ["Input", "'vectors'"]),
    ("input twice", lambda: Model([v := Input(shape=(3,), name="v"), v], Dense(2)(v)), ValueError,
     ["twice", "v"]),
    ("output no tensor", lambda: Model(Input(shape=(3,)), 0), TypeError, ["Output", "0"]),
    ("output from nowhere", lambda: Model(Input(shape=(3,)), K.variable([1.])), TypeError,
     ["Output", "Lambda"]),
    ("unknown layer", lambda: Model(i := Input(shape=(3,)), Dense(2, name="encoder")(i)).get_layer("encodr"),
     ValueError, ["'encodr'", "'encoder'"]),
    ("index too great", lambda: Model(i := Input(shape=(3,)), Dense(2)(i)).get_layer(index=2), ValueError,
     ["index 2", "2 layers"]),
    ("neither name nor index", lambda: Model(i := Input(shape=(3,)), Dense(2)(i)).get_layer(), ValueError,
     ["name"]),
    ("a class for a layer", lambda: Sequential([Flatten]), TypeError, ["Flatten(...)"]),
    ("no layer", lambda: Sequential(["relu"]), TypeError, ["'relu'"]),
    ("pop of nothing", lambda: Sequential().pop(), TypeError, ["no layers"]),
    ("empty", lambda: Sequential().build(), TypeError, ["empty"]),
    ("no input shape", lambda: Sequential([Dense(2)]).build(), ValueError, ["input_shape"]),
    ("connected layer", called_twice, ValueError, ["called 2 times"]),
    ("two outputs", lambda: Sequential([Lambda(lambda x: [x, x], name="fork", input_shape=(3,))]), ValueError,
     ["'fork' has 2", "single output"]),
    ("unknown class", lambda: model_from_config({"class_name": "Dens", "config": {}}), ValueError,
     ["'Dens'", "'Dense'"]),
    ("list for a model", lambda: model_from_config([]), TypeError, ["Sequential.from_config"]),
    ("half a config", lambda: Model.from_config({"layers": []}), ValueError, ["'input_layers'"]),
    ("helper for a class", lambda: model_from_json('{"class_name": "deserialize", "config": {}}'), ValueError,
     ["'deserialize'"]),
    ("old and new spelling", lambda: Dense(units=2, output_dim=2), TypeError, ["units", "output_dim"]),
]


@pytest.mark.parametrize(("make", "error", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_error(make, error, said):
    K.reset_uids()
    with pytest.raises(error) as caught:
        make()
    for words in said:
        assert words in str(caught.value)


def test_config_of_calls_that_never_come():
    layer = {"class_name": "Dense", "config": {"units": 2, "name": "d"}, "name": "d",
             "inbound_nodes": [[["d", 0, 0, {}]]]}
    with pytest.raises(ValueError, match=r"\['d'\] never come"):
        Model.from_config({"layers": [layer], "input_layers": [], "output_layers": []})


def test_keras_1_spelling_warns_with_the_new_one():
    x = Input(shape=(3,))
    with pytest.warns(UserWarning, match=r"Write `Dense\(units=2, kernel_initializer='zeros'\)`"):
        y = Dense(output_dim=2, init="zeros")(x)
    with pytest.warns(UserWarning, match=r"Model\(inputs=..., outputs=...\)"):
        model = Model(input=x, output=y)
    assert model.output_shape == (None, 2)


def test_redundant_outputs_warn():
    x = Input(shape=(3,))
    with pytest.warns(UserWarning, match="twice among the outputs"):
        assert len(Model(x, [x, x]).outputs) == 2


def test_wrong_compute_output_shape_warns_and_the_tensor_wins():
    class Wrong(Layer):
        def call(self, inputs):
            return K.sum(inputs, axis=1, keepdims=True)

        def compute_output_shape(self, input_shape):
            return input_shape

    with pytest.warns(UserWarning, match=r"'w'.*says \(None, 3\), but call\(\) returns \(None, 1\)"):
        assert K.int_shape(Wrong(name="w")(vectors())) == (None, 1)


def test_arguments_that_cannot_be_stored_warn():
    x = Input(shape=(3,))

    class Shift(Layer):
        def call(self, inputs, by=None):
            return inputs + by

    model = Model(x, Shift(name="shift")(x, by=K.constant(1.0)))
    with pytest.warns(UserWarning, match="'shift' was called with keyword arguments that can't be stored"):
        config = model.get_config()
    assert config["layers"][1]["inbound_nodes"] == [[[x._keras_history[0].name, 0, 0, {}]]]
