"""Keras 1's Merge and merge: they warn, and do what they did."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine.own_functions import MARK
from gpukeras.layers import Dense, Input, Masking, Merge, merge
from gpukeras.models import Model, Sequential, model_from_json

pytestmark = pytest.mark.filterwarnings("ignore:`[Mm]erge` is from Keras 1")
RANDOM = np.random.RandomState(0)
A, B = RANDOM.normal(size=(2, 5, 3)).astype("float32")
EXPECTED = {
    "sum": A + B, "mul": A * B, "ave": (A + B) / 2, "max": np.maximum(A, B), "concat": np.concatenate([A, B], axis=1),
    "dot": (A * B).sum(1, keepdims=True),
    "cos": (A * B).sum(1, keepdims=True) / np.linalg.norm(A, axis=1)[:, None] / np.linalg.norm(B, axis=1)[:, None],
}


def two_inputs(shape=(3,)):
    return [Input(shape), Input(shape)]


@pytest.mark.parametrize("mode", EXPECTED)
def test_modes(mode):
    inputs = two_inputs()
    for made in (merge(inputs, mode=mode), Merge(mode=mode)(inputs)):
        assert K.int_shape(made) == (None, *EXPECTED[mode].shape[1:])
        model = Model(inputs, made)
        np.testing.assert_allclose(model.predict([A, B]), EXPECTED[mode], rtol=1e-5, atol=1e-6)
        twin = model_from_json(model.to_json())
        np.testing.assert_array_equal(twin.predict([A, B]), model.predict([A, B]))


def test_axes():
    x, y = RANDOM.normal(size=(2, 4, 2, 3)).astype("float32")
    inputs = two_inputs((2, 3))
    model = Model(inputs, [merge(inputs, "concat", concat_axis=1), merge(inputs, "dot", dot_axes=2),
                           merge(inputs, "dot", dot_axes=[1, 1])])
    side, over_2, over_1 = model.predict([x, y])
    np.testing.assert_array_equal(side, np.concatenate([x, y], axis=1))
    np.testing.assert_allclose(over_2, np.einsum("nia,nja->nij", x, y), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(over_1, np.einsum("nai,naj->nij", x, y), rtol=1e-5, atol=1e-6)


def test_both_warn_where_they_are_used():
    with pytest.warns(UserWarning, match="`Merge` is from Keras 1. In Keras 2 write `add`") as caught:
        Merge(mode="sum")
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(UserWarning, match="`merge` is from Keras 1") as caught:
        merge(two_inputs())
    assert len(caught) == 1 and caught[0].filename == __file__


def test_where_keras_2_has_them():
    from gpukeras.layers.merge import Add
    from gpukeras.legacy import layers as legacy

    assert legacy.Merge is Merge and legacy.merge is merge and Add.__name__ == "Add"


def weighted(pair, a, b=1):
    return pair[0] * a + pair[1] * b


def from_another_process(model):
    """The model's text as if another process had written it."""
    return json.dumps({**json.loads(model.to_json()), MARK: "of another one"})


def test_a_function_with_arguments():
    inputs = two_inputs()
    model = Model(inputs, merge(inputs, weighted, output_shape=lambda shapes: shapes[0], arguments={"a": 0.5}))
    np.testing.assert_allclose(model.predict([A, B]), A * 0.5 + B, rtol=1e-6)
    twin = Model.from_config(model.get_config())  # in this process the function is still known
    np.testing.assert_array_equal(twin.predict([A, B]), model.predict([A, B]))
    with pytest.raises(ValueError, match=r"Merge 'merge_\d+': its mode is a function.*custom_objects=\{'weighted'"):
        model_from_json(from_another_process(model))
    twin = model_from_json(model.to_json(), custom_objects={"weighted": weighted})
    np.testing.assert_array_equal(twin.predict([A, B]), model.predict([A, B]))


def test_a_lambda_is_stored_without_its_code():
    inputs = two_inputs()
    model = Model(inputs, merge(inputs, lambda pair: pair[0] - pair[1], output_shape=(3,), name="less"))
    stored = json.loads(model.to_json())["config"]["layers"][-1]["config"]
    assert (stored["mode"], stored["mode_type"], stored["output_shape"]) == ("<lambda>", "lambda", [3])
    with pytest.raises(ValueError, match=r"custom_objects=\{'less': function\}"):
        model_from_json(from_another_process(model))
    twin = model_from_json(model.to_json(), custom_objects={"less": lambda pair: pair[0] - pair[1]})
    np.testing.assert_array_equal(twin.predict([A, B]), A - B)


def test_shapes_of_functions():
    inputs = two_inputs()
    assert K.int_shape(merge(inputs, lambda pair: K.concatenate(pair))) == (None, 6)  # read off the result
    layer = Merge(mode=lambda pair: K.concatenate(pair))
    assert layer.compute_output_shape([(None, 3), (None, 4)]) == (None, 7)
    assert Merge(mode=weighted, output_shape=(8,)).compute_output_shape([(2, 3), (2, 3)]) == (2, 8)
    with pytest.warns(UserWarning, match=r"says \(None, 9\), but call\(\) returns \(None, 6\)"):
        merge(inputs, lambda pair: K.concatenate(pair), output_shape=(9,))


def masks_of(layer, *masks):
    tensors = [K.variable(m, dtype="bool") for m in masks]
    made = layer.compute_mask([K.zeros((*m.shape, 2)) for m in masks], tensors)
    return made if made is None else K.eval(made).tolist()


def test_masks():
    first, second = np.array([[1, 1, 0]]), np.array([[1, 0, 0]])
    assert masks_of(Merge(mode="sum"), first, second) == [[True, False, False]]
    assert masks_of(Merge(mode="concat", concat_axis=1), first, second) == [[True, True, False, True, False, False]]
    assert masks_of(Merge(mode="dot", dot_axes=1), first, second) is None
    join = lambda masks: K.concatenate(masks, axis=1)  # noqa: E731
    assert masks_of(Merge(mode=weighted, output_mask=join), first, second) == [[True, True, False, True, False, False]]
    assert masks_of(Merge(mode=weighted), first, second) is None
    assert Merge(mode="sum").compute_mask([K.zeros((1, 3)), K.zeros((1, 3))], [None, None]) is None


def masked_sum(pair, mask=None):
    return pair[0] * K.expand_dims(K.cast(mask[0], "float32")) + pair[1]


def test_a_function_is_given_the_masks():
    x, y = np.array([[[1.], [-1.]]]), np.array([[[2.], [3.]]])
    inputs = two_inputs((2, 1))
    made = merge([Masking(-1)(inputs[0]), inputs[1]], masked_sum, output_mask=lambda masks: masks[0])
    assert made._keras_history[0].get_output_mask_at(0) is not None
    assert Model(inputs, made).predict([x, y]).tolist() == [[[3], [3]]]


def branches():
    return [Sequential([Dense(4, input_shape=(2,), activation="tanh")]), Sequential([Dense(3, input_shape=(3,))])]


X = [RANDOM.normal(size=(6, 2)), RANDOM.normal(size=(6, 3))]


def test_a_stack_on_two_models():
    """As Keras 1 programs made models of two branches: their weights are the stack's too, and are trained."""
    left, right = branches()
    model = Sequential([Merge([left, right], mode="concat"), Dense(1)])
    assert model.output_shape == (None, 1) and len(model.inputs) == 2 and len(model.layers) == 2
    assert model.count_params() == 2 * 4 + 4 + 3 * 3 + 3 + 7 + 1
    assert len(model.trainable_weights) == len(model.get_weights()) == 6
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, np.ones((6, 1)), epochs=1, verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    merged = np.concatenate([left.predict(X[0]), right.predict(X[1])], axis=1)
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(model.predict(X), merged @ kernel + bias, rtol=1e-4, atol=1e-5)

    twin = model_from_json(model.to_json())
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    outer = [Input((2,)), Input((3,))]
    np.testing.assert_allclose(Model(outer, model(outer)).predict(X), model.predict(X), rtol=1e-5)


def test_a_frozen_branch_stays():
    left, right = branches()
    left.trainable = False
    model = Sequential([Merge([left, right], mode="concat"), Dense(1)])
    model.compile("sgd", "mse")
    before = left.get_weights()
    model.fit(X, np.ones((6, 1)), epochs=1, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, left.get_weights()))
    assert len(model.trainable_weights) == 4 and len(model.non_trainable_weights) == 2


def test_layers_called_several_times():
    x, y = two_inputs()
    layer = Dense(2)
    layer(x), layer(y)
    merged = Merge([layer, layer], mode="concat", node_indices=[1, 0])
    of_x, of_y = Model(x, layer.get_output_at(0)).predict(A), Model(y, layer.get_output_at(1)).predict(B)
    found = Model([x, y], merged.output).predict([A, B])
    np.testing.assert_array_equal(found, np.concatenate([of_y, of_x], axis=1))


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: Merge(mode="concatt"), ValueError, "Unknown merge mode: 'concatt'. Did you mean 'concat'"),
    (lambda: Merge([Dense(2)]), TypeError, "a list of at least 2 layers"),
    (lambda: Merge([Dense(2), Dense(2)]), ValueError, "has no output yet"),
    (lambda: Merge()(Input((3,))), TypeError, "at least 2 tensors"),
    (lambda: merge([Input((3,)), Input((1,))]), ValueError, "mode 'sum' needs inputs of one shape"),
    (lambda: merge([Input((3,)), Input((3, 3))], "max"), ValueError, "mode 'max' needs inputs of one shape"),
    (lambda: merge([Input((3, 2)), Input((4, 3))], "concat"), ValueError, "matching shapes except for the concat axis"),
    (lambda: merge([Input((3,)), Input((4,))], "dot"), ValueError, "3 is not 4"),
    (lambda: merge([Input((3,))] * 3, "cos"), ValueError, "exactly 2 inputs"),
])
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make()


def stack(names, shared=False):
    """A Sequential that begins with a Merge of two, or of one twice."""
    def branch(name):
        return Sequential([Dense(4, input_shape=(3,), name=name), Dense(4, activation="relu", name=f"{name}_too")])

    first = branch(names[0])
    pair = [first, first] if shared else [first, branch(names[1])]
    return Sequential([Merge(pair, mode="sum", name="merged"), Dense(2, name="last")])


@pytest.mark.parametrize("way", ["weights", "by name", "model"])
@pytest.mark.parametrize("shared", [False, True])
def test_files_hold_the_layers_of_the_branches(way, shared, tmp_path):
    from gpukeras.models import load_model

    model = stack("ab", shared)
    data = A if shared else [A, B]
    want = model.predict(data)
    if way == "model":
        model.save(tmp_path / "m.h5")
        again = load_model(tmp_path / "m.h5", compile=False)
    else:
        model.save_weights(tmp_path / "m.h5")
        again = stack("ab" if way == "by name" else "cd", shared)
        assert not np.array_equal(again.predict(data), want)
        again.load_weights(tmp_path / "m.h5", by_name=way == "by name")
    np.testing.assert_array_equal(again.predict(data), want)
    assert len(again.inputs) == (1 if shared else 2)
