"""Shapes of models that papers and courses draw, small: each is stored, cloned, interpreted, trained, and used again.
"""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import (
    LSTM,
    Activation,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Conv2D,
    Dense,
    Dot,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    Input,
    Lambda,
    Layer,
    MaxPooling2D,
    Multiply,
    Permute,
    RepeatVector,
    Reshape,
    TimeDistributed,
    UpSampling2D,
    ZeroPadding2D,
    add,
    average,
    concatenate,
    dot,
    maximum,
    multiply,
)
from gpukeras.models import Model, Sequential, clone_model, model_from_json

RANDOM = np.random.RandomState(0)
IMAGE = (8, 8, 2)


def normalized(filters, size=3, strides=1):
    """Convolution, batch normalization, ReLU, as one function of a tensor."""
    def apply(x):
        x = Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return Activation("relu")(BatchNormalization()(x))
    return apply


def resnet():
    def block(x, filters, strides=1):
        y = Conv2D(filters, 3, padding="same")(normalized(filters, strides=strides)(x))
        y = BatchNormalization()(y)
        if strides > 1:
            x = Conv2D(filters, 1, strides=strides)(x)
        return Activation("relu")(add([x, y]))

    image = Input(IMAGE)
    x = block(block(normalized(4)(ZeroPadding2D(1)(image)), 4), 6, strides=2)
    return Model(image, Dense(3, activation="softmax")(GlobalAveragePooling2D()(x)))


def densenet():
    image = Input(IMAGE)
    x = Conv2D(3, 3, padding="same")(image)
    for _ in range(2):
        for _ in range(3):
            x = concatenate([x, normalized(2)(x)])
        x = AveragePooling2D()(normalized(4, 1)(x))
    return Model(image, Dense(3, activation="softmax")(Flatten()(x)))


def inception():
    def block(x):
        towers = [normalized(3, 1)(x), normalized(3)(normalized(2, 1)(x)),
                  normalized(2, (3, 1))(normalized(2, (1, 3))(x)),
                  normalized(2, 1)(MaxPooling2D(3, strides=1, padding="same")(x))]
        return concatenate(towers, axis=3)

    image = Input(IMAGE)
    x = block(MaxPooling2D(2)(block(image)))
    return Model(image, Dense(3, activation="softmax")(GlobalAveragePooling2D()(x)))


def squeeze_and_excite():
    """A branch that says how much each map counts, multiplied onto the maps."""
    image = Input(IMAGE)
    x = Conv2D(6, 3, padding="same", activation="relu")(image)
    how_much = Dense(6, activation="sigmoid")(Dense(2, activation="relu")(GlobalAveragePooling2D()(x)))
    x = Multiply()([x, Reshape((1, 1, 6))(how_much)])
    return Model(image, Dense(3, activation="softmax")(Flatten()(x)))


def u_net():
    image = Input(IMAGE)
    high = Conv2D(4, 3, padding="same", activation="relu")(image)
    low = Conv2D(6, 3, padding="same", activation="relu")(MaxPooling2D()(high))
    x = concatenate([UpSampling2D()(low), high])
    return Model(image, Conv2D(1, 1, activation="sigmoid")(x))


def several_heads():
    """Heads that look at one text with attention of their own; two kinds of answers."""
    words = Input((6,), dtype="int32", name="words")
    x = Embedding(12, 5)(words)
    heads = []
    for _ in range(2):
        query, key, value = (Dense(3)(x) for _ in range(3))
        weights = Activation("softmax")(dot([query, key], axes=2))
        heads.append(dot([weights, value], axes=(2, 1)))
    x = Lambda(lambda a: K.mean(a, axis=1), output_shape=(6,))(concatenate(heads))
    return Model(words, [Dense(3, activation="softmax", name="kind")(x), Dense(1, name="length")(x)])


def text_and_image():
    """A question about an image: two kinds of inputs, one a whole model used as a layer."""
    looking = Sequential([Conv2D(3, 3, activation="relu", input_shape=IMAGE), MaxPooling2D(), Flatten()])
    image, question = Input(IMAGE, name="image"), Input((5,), dtype="int32", name="question")
    asked = LSTM(4)(Embedding(12, 3, mask_zero=True)(question))
    return Model([image, question], Dense(3, activation="softmax")(concatenate([looking(image), asked])))


def question_about_a_video():
    looking = Sequential([Conv2D(2, 3, activation="relu", input_shape=IMAGE), Flatten(), Dense(3)])
    video = Input((4, *IMAGE))
    return Model(video, Dense(3, activation="softmax")(LSTM(3)(TimeDistributed(looking)(video))))


def two_texts_one_reader():
    """One reader, itself made of two convolutions of different widths, for both texts."""
    words = Input((6,), dtype="int32")
    x = Embedding(12, 4)(words)
    reader = Model(words, concatenate([GlobalMaxPooling1D()(Conv1D(3, width)(x)) for width in (2, 3)]), name="reader")
    first, second = Input((6,), dtype="int32"), Input((6,), dtype="int32")
    alike = Dot(axes=1, normalize=True)([reader(first), reader(second)])
    return Model([first, second], Dense(1, activation="sigmoid")(alike))


def attention_over_steps():
    series = Input((5, 3))
    x = Bidirectional(LSTM(2, return_sequences=True))(series)
    weights = Flatten()(Dense(1, activation="tanh")(x))
    weights = Permute((2, 1))(RepeatVector(4)(Activation("softmax")(weights)))
    x = Lambda(lambda a: K.sum(a, axis=1), output_shape=(4,))(multiply([x, weights]))
    return Model(series, Dense(1)(x))


def encoder_and_decoder():
    heard, said = Input((5, 3), name="heard"), Input((4, 3), name="said")
    _, hidden, cell = LSTM(4, return_state=True)(heard)
    x = LSTM(4, return_sequences=True)(said, initial_state=[hidden, cell])
    return Model([heard, said], TimeDistributed(Dense(3, activation="softmax"))(x))


def models_within_models():
    """Three deep, the middle one called twice, the second time on what it said the first time."""
    core = Sequential([Dense(4, activation="tanh", input_shape=(4,))], name="core")
    x = Input((4,))
    middle = Model(x, add([core(x), Dense(4)(x)]), name="middle")
    y = Input((4,))
    outer = Model(y, [middle(middle(y)), Dense(2)(y)], name="outer")
    z = Input((4,))
    return Model(z, Dense(1)(Concatenate()(outer(Dropout(0.)(z)))))


def one_layer_at_three_depths():
    x = Input((4,))
    step = Dense(4, activation="tanh")
    once = step(x)
    twice = step(once)
    return Model(x, [Dense(1, name="of_all")(average([x, once, step(twice)])), maximum([once, twice])])


SHAPES = [resnet, densenet, inception, squeeze_and_excite, u_net, several_heads, text_and_image, question_about_a_video,
          two_texts_one_reader, attention_over_steps, encoder_and_decoder, models_within_models,
          one_layer_at_three_depths]


def data(model, count=6):
    """Inputs and targets that fit."""
    x = [RANDOM.randint(0, 12, (count, *K.int_shape(i)[1:])) if K.dtype(i) == "int32"
         else RANDOM.normal(size=(count, *K.int_shape(i)[1:])).astype("float32") for i in model.inputs]
    y = [RANDOM.uniform(size=(count, *K.int_shape(o)[1:])).astype("float32") for o in model.outputs]
    return x, y


def as_list(values):
    return values if isinstance(values, list) else [values]


def assert_same(found, expected, rtol=1e-5, atol=1e-6):
    assert len(as_list(found)) == len(as_list(expected))
    for a, b in zip(as_list(found), as_list(expected)):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def functions_of(model):
    """The functions of Lambda layers, which are not stored: by the names of their layers."""
    return {layer.name: layer.function for layer in model.layers if isinstance(layer, Lambda)}


@pytest.mark.parametrize("make", SHAPES)
def test_stored_cloned_and_called_again(make):
    np.random.seed(1)
    model = make()
    x, _ = data(model)
    expected = model.predict(x)
    twin = model_from_json(model.to_json(), custom_objects=functions_of(model))
    assert twin.to_json() == model.to_json()
    again = [Input(batch_shape=K.int_shape(i), dtype=K.dtype(i)) for i in model.inputs]
    twin.set_weights(model.get_weights())
    nested = Model(again, model(again if len(again) > 1 else again[0]))
    for other in (twin, clone_with_weights(model), nested):
        assert_same(other.predict(x), expected)
        assert other.count_params() == model.count_params()
    with K.debugging():
        assert_same(clone_with_weights(model).predict(x), expected)


def clone_with_weights(model):
    clone = clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


@pytest.mark.parametrize("make", SHAPES)
def test_trained_as_the_interpreter_trains_it(make):
    """Two steps, compiled and op by op, end at the same weights, and the loss falls from there."""
    np.random.seed(2)
    model = make()
    twin = clone_with_weights(model)
    x, y = data(model)
    for one in (model, twin):
        one.compile("sgd", "mse")
    losses = [model.train_on_batch(x, y) for _ in range(2)]
    with K.debugging():
        assert_same([twin.train_on_batch(x, y) for _ in range(2)], losses, rtol=1e-4)
    assert_same(twin.get_weights(), model.get_weights(), rtol=1e-3, atol=1e-5)
    model.fit(x, y, epochs=30, verbose=0)
    assert np.sum(model.train_on_batch(x, y)) < np.sum(losses[0])


@pytest.mark.parametrize("make", SHAPES)
def test_every_layer_in_between_can_be_looked_at(make):
    """A model from the same inputs to each layer's output, and the rest of the way computed from there."""
    model = make()
    x, _ = data(model)
    seen = [layer.get_output_at(i) for layer in model.layers if not layer.name.startswith("input")
            for i in range(len(layer.inbound_nodes)) if model._node_key(layer, i) in model.container_nodes]
    seen = [tensor for found in seen for tensor in as_list(found)]
    values = as_list(Model(model.inputs, seen).predict(x))
    assert [v.shape[1:] for v in values] == [K.int_shape(s)[1:] for s in seen]
    outputs = as_list(model.predict(x))
    for output, expected in zip(model.outputs, outputs):
        if any(output is s for s in seen):
            np.testing.assert_allclose(values[[s is output for s in seen].index(True)], expected, rtol=1e-5, atol=1e-6)


def test_the_parts_of_a_translator_are_models_again():
    """Trained as one, an encoder and a step-by-step decoder made of the same layers say the same."""
    heard, said = Input((5, 3)), Input((None, 3))
    encode, decode = LSTM(4, return_state=True), LSTM(4, return_sequences=True, return_state=True)
    answer = Dense(3, activation="softmax")
    states = encode(heard)[1:]
    model = Model([heard, said], answer(decode(said, initial_state=states)[0]))
    encoder = Model(heard, states)
    given = [Input((4,)), Input((4,))]
    steps, *after = decode(said, initial_state=given)
    decoder = Model([said, *given], [answer(steps), *after])

    x, y = RANDOM.normal(size=(2, 5, 3)), RANDOM.normal(size=(2, 4, 3))
    model.compile("sgd", "mse")
    model.train_on_batch([x, y], np.zeros((2, 4, 3)))
    state, found = encoder.predict(x), []
    for i in range(4):
        out, *state = decoder.predict([y[:, i:i + 1], *state])
        found.append(out)
    np.testing.assert_allclose(np.concatenate(found, axis=1), model.predict([x, y]), rtol=1e-4, atol=1e-6)


def test_layers_added_by_hand_equal_the_layers_of_one_name():
    a, b = Input((4,)), Input((4,))
    x = RANDOM.normal(size=(2, 3, 4))
    assert_same(Model([a, b], [add([a, b]), Add()([a, b])]).predict(list(x)), [x[0] + x[1]] * 2)


def test_freezing_between_compiles():
    """First the new head alone, then all of it: each compile sees what is trainable at its time."""
    base = Sequential([Dense(4, activation="tanh", input_shape=(3,)), BatchNormalization()], name="base")
    x = Input((3,))
    model = Model(x, Dense(1, name="head")(base(x)))
    data_x, data_y = RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(8, 1))

    def moved():
        before = {layer.name: layer.get_weights()[0] for layer in (base, model.get_layer("head"))}
        model.fit(data_x, data_y, epochs=1, verbose=0)
        return [name for name, w in before.items() if not np.array_equal(w, model.get_layer(name).get_weights()[0])]

    base.trainable = False
    model.compile("sgd", "mse")
    assert moved() == ["head"] and len(model._collected_trainable_weights) == 2
    base.trainable = True
    with pytest.warns(UserWarning, match="trainable"):
        assert moved() == ["head"]  # until it is compiled again
    model.compile("sgd", "mse")
    assert moved() == ["base", "head"]
    base.layers[0].trainable = False
    model.compile("sgd", "mse")
    assert moved() == ["head"] and len(model.trainable_weights) == 4


def test_losses_on_some_outputs_only():
    """By name and with weights; an output without a loss takes no target, and its layers may still be trained."""
    x = Input((3,), name="x")
    hidden = Dense(4, name="hidden")(x)
    first, third = Dense(1, name="first")(hidden), Dense(1, name="third")(hidden)
    model = Model(x, [first, hidden, third])
    with pytest.warns(UserWarning, match='Output "hidden" missing from loss dictionary'):
        model.compile("sgd", {"first": "mse", "third": "mae"}, loss_weights={"third": 0.5}, metrics={"third": "mse"})
    assert model.metrics_names == ["loss", "first_loss", "third_loss", "third_mean_squared_error"]
    data_x, y = RANDOM.normal(size=(8, 3)), RANDOM.normal(size=(8, 1))
    of_first, _, of_third = model.predict(data_x)
    found = model.train_on_batch({"x": data_x}, {"first": y, "third": y})
    squared, absolute = np.mean((of_first - y) ** 2), np.mean(np.abs(of_third - y))
    assert found == pytest.approx([squared + 0.5 * absolute, squared, absolute, np.mean((of_third - y) ** 2)], rel=1e-5)
    assert len(model.predict(data_x)) == 3


def test_where_a_layer_was_called():
    a, b = Input((3,), name="a"), Input((5, 3), name="b")
    layer = Dense(2)
    once, again = layer(a), layer(b)
    assert layer.get_input_at(0) is a and layer.get_output_at(1) is again and layer.get_input_at(1) is b
    assert layer.get_input_shape_at(1) == (None, 5, 3) and layer.get_output_shape_at(0) == (None, 2)
    for what in ("input", "output", "input_shape", "output_shape"):
        with pytest.raises(AttributeError, match="multiple inbound nodes|called"):
            getattr(layer, what)
    with pytest.raises(ValueError, match="at node 2 of layer .* only 2 inbound nodes"):
        layer.get_output_at(2)
    assert [node.input_tensors for node in layer.inbound_nodes] == [[a], [b]]
    assert once._keras_history[:2] == (layer, 0)


def test_a_model_that_reads_a_tensor():
    """Input(tensor=...) makes no input that is fed; beside it there may be one that is."""
    table = K.variable(np.arange(6.).reshape(3, 2))
    read, fed = Input(tensor=table), Input((2,))
    model = Model([read, fed], add([read, fed]))
    assert_same(model.predict(np.ones((3, 2))), np.arange(6.).reshape(3, 2) + 1)
    K.set_value(table, np.zeros((3, 2)))
    assert_same(model.predict(np.ones((3, 2))), np.ones((3, 2)))


def test_a_list_of_one_tensor_is_the_tensor_to_a_layer_of_the_package():
    class First(Layer):
        def call(self, inputs):
            assert isinstance(inputs, list)
            return inputs[0] * 2

    x = Input(shape=(5, 4))
    for layer, shape in ((Dense(2), (None, 5, 2)), (Activation("relu"), (None, 5, 4)), (LSTM(3), (None, 3)),
                         (Dropout(0.5), (None, 5, 4)), (TimeDistributed(Dense(2)), (None, 5, 2)),
                         (Lambda(lambda given: given[0] * 2), (None, 5, 4)), (First(), (None, 5, 4))):
        y = layer([x])
        assert K.int_shape(y) == shape and layer.input is x
        assert Model(x, y).predict(np.ones((2, 5, 4))).shape == (2, *shape[1:])
