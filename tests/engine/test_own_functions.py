"""Lambdas in texts and files that this very process has written, and that no other text is taken for one of them."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine import own_functions
from gpukeras.layers import Dense, Input, Lambda, TimeDistributed
from gpukeras.models import Model, Sequential, load_model, model_from_json, model_from_yaml

X = np.arange(6.0).reshape(2, 3)
REFUSED = "Pass the function when loading"


def halves(x):
    return x / 2


def scaled(by):
    """A model whose function holds a number."""
    return Sequential([Lambda(lambda x: x * by, input_shape=(3,), name="scale")])


def nested():
    inner = Sequential([Lambda(lambda x: x + 1, output_shape=lambda shape: shape, input_shape=(3,))])
    x = Input((3,))
    y = Input((2, 3))
    return Model([x, y], [inner(Lambda(halves)(x)), TimeDistributed(Lambda(lambda t: t - 1))(y)])


def through_yaml(model):
    pytest.importorskip("yaml")
    return model_from_yaml(model.to_yaml())


def through_file(model, path):
    model.save(path)
    return load_model(path, compile=False)


@pytest.mark.parametrize("way", ["json", "yaml", "hdf5"])
def test_what_this_process_wrote_it_reads(way, tmp_path):
    model = nested()
    data = [X, np.stack([X, X], axis=1)]
    want = model.predict(data)
    again = {"json": lambda: model_from_json(model.to_json()), "yaml": lambda: through_yaml(model),
             "hdf5": lambda: through_file(model, tmp_path / "m.h5")}[way]()
    for a, b in zip(again.predict(data), want):
        np.testing.assert_array_equal(a, b)


def test_after_the_model_is_gone(tmp_path):
    model = scaled(3)
    want = model.predict(X)
    model.save(tmp_path / "m.h5")
    del model
    K.clear_session()
    gc.collect()
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5", compile=False).predict(X), want)


def test_like_texts_have_each_its_own_functions(tmp_path):
    texts = [scaled(by).to_json() for by in (2, 5)]
    assert len({json.dumps({**json.loads(text), own_functions.MARK: None}) for text in texts}) == 1
    for text, by in zip(texts, (2, 5)):
        np.testing.assert_array_equal(model_from_json(text).predict(X), X * by)


def test_one_text_is_kept_once():
    model = nested()
    assert model.to_json() == model.to_json()
    before = len(own_functions._written)
    for _ in range(3):
        model.to_json()
    assert len(own_functions._written) == before
    for i in range(own_functions.KEPT + 3):
        scaled(i).to_json()
    assert len(own_functions._written) == own_functions.KEPT
    with pytest.raises(ValueError, match=REFUSED):
        model_from_json(json.dumps({**json.loads(model.to_json()), own_functions.MARK: "0" * 32}))


def test_custom_objects_come_first():
    text = scaled(2).to_json()
    np.testing.assert_array_equal(model_from_json(text, {"scale": halves}).predict(X), X / 2)


def test_a_function_that_holds_much_is_not_held():
    large = np.ones(3)
    model = Sequential([Lambda(lambda x: x * large, input_shape=(3,))])
    text = model.to_json()
    np.testing.assert_array_equal(model_from_json(text).predict(X), X)
    del model
    K.clear_session()
    gc.collect()
    with pytest.raises(ValueError, match=REFUSED):
        model_from_json(text)


def change_an_argument(stored):
    stored["config"][0]["config"]["arguments"] = {"more": 1}


def add_a_layer(stored):
    stored["config"].append(stored["config"][0])


def forget_the_mark(stored):
    del stored[own_functions.MARK]


def another_mark(stored):
    stored[own_functions.MARK] = ["x"]


@pytest.mark.parametrize("change", [change_an_argument, add_a_layer, forget_the_mark, another_mark],
                         ids=lambda change: change.__name__)
def test_a_text_that_was_changed_is_nobodys(change):
    stored = json.loads(scaled(2).to_json())
    change(stored)
    with pytest.raises(ValueError, match=REFUSED):
        model_from_json(json.dumps(stored))


def test_a_mark_moved_to_another_file_is_none(tmp_path):
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    scaled(2).save(one)
    Sequential([Dense(2, input_shape=(3,)), Lambda(halves)]).save(other)
    with h5py.File(one) as a, h5py.File(other, "r+") as b:
        mark = json.loads(a.attrs["model_config"])[own_functions.MARK]
        b.attrs["model_config"] = json.dumps({**json.loads(b.attrs["model_config"]), own_functions.MARK: mark})
    with pytest.raises(ValueError, match=REFUSED):
        load_model(other)


def test_another_process_has_no_functions(tmp_path):
    scaled(2).save(tmp_path / "m.h5")
    program = ("import sys\nfrom gpukeras.models import load_model\n"
               "try:\n    load_model(sys.argv[1])\nexcept ValueError as error:\n    print(error)\n")
    said = subprocess.run([sys.executable, "-c", program, str(tmp_path / "m.h5")], capture_output=True, text=True,
                          check=True).stdout
    assert REFUSED in said


def test_without_functions_there_is_no_mark():
    assert own_functions.MARK not in json.loads(Sequential([Dense(2, input_shape=(3,))]).to_json())
