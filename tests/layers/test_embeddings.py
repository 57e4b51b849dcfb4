"""Embedding: rows, gradients, masks, lengths, and numbers out of range."""

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Embedding, Flatten, Input, deserialize, serialize
from gpukeras.models import Model, Sequential

NUMBERS = np.array([[1, 2, 0], [2, 2, 4]])


def test_rows_of_the_table():
    model = Sequential([Embedding(5, 3, input_length=3)])
    table = model.get_weights()[0]
    assert table.shape == (5, 3) and np.abs(table).max() <= 0.05
    np.testing.assert_array_equal(model.predict(NUMBERS), table[NUMBERS])
    assert model.output_shape == (None, 3, 3)


def test_the_gradient_adds_up_where_a_row_is_used_twice():
    layer = Embedding(5, 2)
    x = Input((3,))
    weight = K.placeholder((2, 3, 2))
    gradient, = K.gradients(K.sum(layer(x) * weight), layer.trainable_weights)
    given = np.random.RandomState(0).normal(size=(2, 3, 2))
    expected = np.zeros((5, 2))
    np.add.at(expected, NUMBERS, given)
    np.testing.assert_allclose(K.function([x, weight], [gradient])([NUMBERS, given])[0], expected, rtol=1e-5)


def test_zero_is_padding_if_asked_for():
    x = Input((3,))
    assert Embedding(5, 2).compute_mask(x) is None
    mask = Embedding(5, 2, mask_zero=True).compute_mask(x)
    assert K.function([x], [mask])([NUMBERS])[0].tolist() == [[True, True, False], [True, True, True]]


def test_lengths():
    assert Embedding(5, 2).batch_input_shape == (None, None)
    assert Embedding(5, 2, input_length=(3, 4)).compute_output_shape((None, 3, 4)) == (None, 3, 4, 2)
    assert Embedding(5, 2, input_length=(3, None)).compute_output_shape((None, 3, 7)) == (None, 3, 7, 2)
    with pytest.raises(ValueError, match="input_length is 4, but the input has shape"):
        Embedding(5, 2, input_length=4).compute_output_shape((None, 3))


def test_config_survives_json():
    layer = Embedding(5, 2, mask_zero=True, input_length=3, embeddings_regularizer="l2",
                      embeddings_constraint="unit_norm")
    stored = json.loads(json.dumps(serialize(layer), default=float))
    assert deserialize(stored).get_config() == layer.get_config()


def test_training_learns_which_number_matters():
    rng = np.random.RandomState(0)
    x = rng.randint(0, 10, (256, 4))
    y = (x[:, 0] > 4).astype("float32")
    np.random.seed(0)
    model = Sequential([Embedding(10, 4, input_length=4), Flatten(), Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    assert model.fit(x, y, epochs=40, batch_size=16, verbose=0).history["acc"][-1] > 0.95


def test_a_number_out_of_range_names_the_layer():
    x = Input((3,))
    model = Model(x, Embedding(3, 2, name="words")(x))
    with pytest.raises(IndexError, match=r"layer 'words'.*\[0, 3\), got (values from 0 to )?4"):
        model.predict(NUMBERS)
