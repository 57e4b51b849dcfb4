"""Static shapes as programs of TensorFlow 1's time read and set them, and as everything else takes them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.graph.static_shape import UNKNOWN, Dimension
from gpukeras.layers import Dense, Flatten, Input, Lambda
from gpukeras.models import Model, Sequential, model_from_json


def test_dimensions_have_values() -> None:
    x = K.placeholder((None, 4, 3))
    shape = x.get_shape()
    assert x.shape[1].value == x.shape[-2].value == shape[1].value == 4 and shape[0].value is None
    assert [d.value for d in shape] == [d.value for d in shape.dims] == [d.value for d in x.shape.dims] == [None, 4, 3]
    assert [d.value for d in x.shape[1:]] == [d.value for d in shape[1:]] == [4, 3]


def test_shapes_answer_as_those_of_tensorflow_1() -> None:
    x, v = K.placeholder((None, 4, 3)), K.variable(np.ones((2, 3)))
    for shape in (x.shape, x.get_shape()):
        assert shape.ndims == 3 and shape.as_list() == [None, 4, 3] and shape[1:].as_list() == [4, 3]
        assert not shape.is_fully_defined() and shape.num_elements() is None and shape[1:].num_elements() == 12
        assert shape.with_rank(3) == shape and shape.is_compatible_with((2, 4, None))
        assert shape.merge_with([2, None, 3]).as_list() == [2, 4, 3]
        assert shape[:1].concatenate(shape[2:]).as_list() == [None, 3]
        with pytest.raises(ValueError, match="must have rank 2"):
            shape.with_rank(2)
    assert v.shape.is_fully_defined() and v.get_shape().num_elements() == 6


def test_shapes_remain_tuples_of_ints_and_none() -> None:
    x = K.placeholder((None, 4, 3))
    assert x.shape == (None, 4, 3) and hash(x.shape) == hash((None, 4, 3)) and {(None, 4, 3): 1}[x.shape] == 1
    assert x.get_shape() == (None, 4, 3) and x.get_shape()[1:] == (4, 3) and x.get_shape()[0] == None  # noqa: E711
    assert x.shape[0] is None and x.shape[0] == None and not x.get_shape()[0]  # noqa: E711
    batch, *sizes = x.shape
    assert batch is None and sizes == [4, 3] and np.prod(x.shape[1:]) == np.prod(x.get_shape()[1:]) == 12
    assert json.dumps([x.shape, x.shape[1], x.get_shape()[1:]]) == "[[null, 4, 3], 4, [4, 3]]"
    assert repr(x.shape) == str(x.get_shape()) == "(None, 4, 3)" and f"{x.shape[1]}" == "4"
    assert x.get_shape()[1] * 2 == 8 and x.get_shape()[0] * 2 == None  # noqa: E711
    assert all(type(d) in (int, type(None)) for d in K.int_shape(x))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_of_dimensions_are_plain(copied: Any) -> None:
    assert type(copied(Dimension(3))) is int and copied(UNKNOWN) is UNKNOWN
    shape = K.placeholder((None, 3)).get_shape()
    assert copied(shape) == (None, 3) and copied(shape).as_list() == [None, 3]


def test_dimensions_serve_where_sizes_do() -> None:
    x = K.placeholder((None, 4, 3))
    assert K.int_shape(K.placeholder(x.get_shape())) == (None, 4, 3)
    assert K.int_shape(K.reshape(x, (x.get_shape()[0], x.shape[1].value * x.get_shape()[2].value))) == (None, 12)
    assert K.int_shape(K.ones(x.shape[1:])) == K.int_shape(K.zeros(x.get_shape()[1:])) == (4, 3)
    model = Sequential([Flatten(batch_input_shape=x.get_shape()), Dense(x.shape[-1])])
    text = model.to_json()
    assert json.loads(text)["config"][0]["config"]["batch_input_shape"] == [None, 4, 3]
    assert model_from_json(text).output_shape == (None, 3)
    inputs = Input((4, 3))
    doubled = Lambda(lambda t: t * 2, output_shape=lambda shape: inputs.get_shape())(inputs)
    assert Model(inputs, doubled).output_shape == (None, 4, 3)


@pytest.mark.parametrize("known, more, both", [((None, None), (None, 3), (None, 3)), ((None, 3), [5, None], (5, 3)),
                                               ((None, 3), None, (None, 3))])
def test_set_shape_adds_what_is_known(known: Any, more: Any, both: Any) -> None:
    x = K.placeholder(known)
    y = K.exp(x)
    y.set_shape(more)
    assert K.int_shape(y) == y.shape == K.int_shape(y + 1) == both and y.shape.as_list() == list(both)


def test_set_shape_refuses_what_contradicts() -> None:
    x = K.placeholder((None, 3))
    for other in ((None, 4), (None, 3, 1)):
        with pytest.raises(ValueError, match=r"Shapes \(None, 3\) and .* are not compatible"):
            x.set_shape(other)


def test_a_part_of_a_length_that_is_said_goes_into_a_dense_layer() -> None:
    def first_half(t: Any) -> Any:
        part = t[:, : K.shape(t)[1] // 2]
        part.set_shape((None, 2, 3))
        return part

    x = Input((4, 3))
    model = Model(x, Dense(2)(Flatten()(Lambda(first_half)(x))))
    assert model.output_shape == (None, 2) and model.predict(np.ones((5, 4, 3))).shape == (5, 2)


def test_what_a_layer_says_of_a_shape_may_be_deleted() -> None:
    x = Dense(2)(Input((3,)))
    x._keras_shape = (None, 2)
    del x._keras_shape
    assert K.int_shape(x) == x._keras_shape == (None, 2)
