"""Architectures that ask for files, or for more than any model needs: refused, in little time and memory."""

from __future__ import annotations

import json
import sys
import time

import h5py
import pytest

from gpukeras import models
from gpukeras.device import report
from gpukeras.layers import Dense
from gpukeras.models import Sequential, load_model, model_from_json, model_from_yaml
from gpukeras.saving import BrokenFileError

FIRST = {"class_name": "Dense", "config": {"units": 1, "batch_input_shape": [None, 1]}}


def stack(*layers):
    return {"class_name": "Sequential", "config": list(layers)}


@pytest.fixture
def quick():
    """The test takes little time, whatever its file says."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < 5


@pytest.fixture(params=["json", "yaml", "h5"])
def read(request, tmp_path):
    """Three ways to a model from an architecture."""
    def from_file(config):
        path = tmp_path / "m.h5"
        Sequential([Dense(1, input_shape=(1,), name="dense")]).save(path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return load_model(path, compile=False)

    return {"json": lambda config: model_from_json(json.dumps(config)),
            "yaml": lambda config: model_from_yaml(json.dumps(config)),  # JSON is YAML
            "h5": from_file}[request.param]


@pytest.mark.parametrize("layer", [
    {"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
    {"class_name": "TextVectorization", "config": {"vocabulary": "http://localhost/words"}},
    {"class_name": "TFSMLayer", "config": {"filepath": "/etc"}},
    {"class_name": "Embedding", "config": {"input_dim": 2, "output_dim": 2, "weights": "/etc/passwd"}},
    {"class_name": "Dense", "config": {"units": 1, "kernel_initializer": "/etc/passwd"}},
    {"class_name": "Dense", "config": {"units": 1, "activation": "file:///etc/passwd"}},
    {"class_name": "Lambda", "config": {"function": "/etc/passwd", "function_type": "function"}}])
def test_architectures_that_name_files(layer, read):
    opened = []
    armed = True

    def note(event, arguments):
        if armed and (event == "open" and "passwd" in str(arguments[0]) or event.startswith(("socket.", "urllib."))):
            opened.append(arguments)

    sys.addaudithook(note)
    with pytest.raises((ValueError, TypeError)):
        read(stack(FIRST, layer))
    armed = False
    assert not opened


@pytest.mark.parametrize("dtype", ["2.0.9", "3f4", "f4,i4", "(2,3)f4", "U5", "object", "no such dtype", 7, ["f4"],
                                   [["a", "f4"]]], ids=str)
def test_dtypes_that_numpy_would_evaluate_or_that_are_none_of_numbers(dtype, read):
    """NumPy reads '3f4' as three numbers and takes the 3 for an expression."""
    with pytest.raises(ValueError, match="dtype must be that of numbers|a dtype, such as 'float32'"):
        read(stack({"class_name": "Dense", "config": {**FIRST["config"], "dtype": dtype}}))
    with pytest.raises(ValueError, match="dtype must be that of numbers.*'float32'"):
        read(stack({"class_name": "InputLayer", "config": {"batch_input_shape": [None, 1], "dtype": dtype}}))


def test_models_in_models_without_end(quick):
    for depth in (150, 5_000, 100_000):
        text = '{"class_name": "Sequential", "config": [' * depth + json.dumps(FIRST) + "]}" * depth
        with pytest.raises(ValueError, match="nested more than 200 deep|the JSON is nested without end"):
            model_from_json(text)


def test_models_in_models(quick):
    model = FIRST
    for _ in range(20):
        model = stack(model)
    assert model_from_json(json.dumps(model)).count_params() == 2


def test_more_layers_than_can_be_made(read, quick):
    with pytest.raises(ValueError, match="more than 10,000 layers"):
        read(stack(FIRST, *[{"class_name": "A", "config": {}}] * 10_000))


def test_many_layers(quick):
    layers = [{"class_name": "Activation", "config": {"activation": "relu"}}] * 1000
    assert len(model_from_json(json.dumps(stack(FIRST, *layers))).layers) == 1001


def test_layers_in_the_worst_order(quick):
    names = [f"a{i}" for i in range(800)]
    layers = [{"class_name": "Activation", "name": name, "config": {"name": name, "activation": "relu"},
               "inbound_nodes": [[[before, 0, 0]]]} for name, before in zip(names, ["start", *names])]
    start = {"class_name": "InputLayer", "name": "start", "inbound_nodes": [],
             "config": {"name": "start", "batch_input_shape": [None, 2]}}
    config = {"name": "m", "layers": [*reversed(layers), start], "input_layers": [["start", 0, 0]],
              "output_layers": [[names[-1], 0, 0]]}
    model = model_from_json(json.dumps({"class_name": "Model", "config": config}))
    assert [layer.name for layer in model.layers] == ["start", *names]


@pytest.mark.parametrize("text, match", [
    ("a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
                                                     for a, b in zip("abcdefghij", "bcdefghijk")),
     "more than 5,000,000"),
    ("config: &x [*x]\nclass_name: Sequential\n", "nested more than"),
    ("[" * 100_000, "nested without end"),
    ("class_name: [", "no YAML of plain data"),
    ("!!python/object/apply:os.system ['touch harm']", "no YAML of plain data")], ids=range(5))
def test_yaml_that_is_more_than_it_seems(text, match, quick):
    with pytest.raises(ValueError, match=match):
        model_from_yaml(text)


@pytest.mark.parametrize("layer", [
    {"class_name": "Dense", "config": {"units": 10 ** 12}}, {"class_name": "Dense", "config": {"units": 10 ** 30}},
    {"class_name": "Embedding", "config": {"input_dim": 10 ** 9, "output_dim": 10 ** 6}}])
def test_weights_larger_than_the_memory(layer, read, quick):
    with pytest.raises(ValueError, match="than the file has values for|than there is memory for: with those before it"):
        read(stack(FIRST, layer))


def test_many_layers_that_are_larger_together(monkeypatch, quick):
    monkeypatch.setattr(report, "host_memory", lambda: (1 << 30, 1 << 16))
    layer = {"class_name": "Dense", "config": {"units": 50}}
    model_from_json(json.dumps(stack(FIRST, layer)))
    with pytest.raises(ValueError, match=r"of shape \(50, 50\) is more than there is memory for: with those before it "
                                         r"it would take more than half of the 0.0 GiB that are free"):
        model_from_json(json.dumps(stack(FIRST, *[layer] * 5)))


@pytest.mark.parametrize("layer, shape", [
    ({"class_name": "RepeatVector", "config": {"n": 10 ** 9}}, (None, 10 ** 9, 1)),
    ({"class_name": "Reshape", "config": {"target_shape": [1] * 20}}, (None, *[1] * 20))])
def test_outputs_of_any_size_cost_nothing_before_they_are_computed(layer, shape, read, quick):
    assert read(stack({**FIRST, "config": {**FIRST["config"], "name": "dense"}}, layer)).output_shape == shape


def test_steps_without_end(quick):
    layer = {"class_name": "LSTM", "config": {"units": 2, "unroll": True, "batch_input_shape": [None, 10 ** 9, 2]}}
    assert model_from_json(json.dumps(stack(layer))).output_shape == (None, 2)


@pytest.mark.parametrize("config", [
    None, 3, "Dense", {}, {"class_name": "Dense"}, {"class_name": "Sequential", "config": 3},
    {"class_name": "Sequential", "config": [3]}, {"class_name": "Sequential", "config": {}},
    {"class_name": "Model", "config": {"layers": [{"config": None}], "input_layers": [], "output_layers": []}},
    stack({"class_name": "Dense", "config": {"units": 1, "kernel_initializer": {"class_name": "Zeros", "config": 3}}}),
    stack({"class_name": "TimeDistributed", "config": {}})])
def test_nonsense_is_a_value_error(config, quick):
    with pytest.raises((ValueError, TypeError)):
        model_from_json(json.dumps(config))


@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_a_model_whose_training_step_cannot_be_made(name, tmp_path, monkeypatch):
    model = Sequential([Dense(1, input_shape=(1,), name="dense")])
    model.compile("adam", "mse")
    model._make_train_function()
    model.save(tmp_path / name)

    def too_large(self):
        raise OverflowError("too large for a C long")

    monkeypatch.setattr(models.Model, "_make_train_function", too_large)
    with pytest.raises(BrokenFileError, match="can't be trained .OverflowError: too large.*load it with compile=False"):
        load_model(tmp_path / name)
    load_model(tmp_path / name, compile=False)


def test_messages_stay_short(quick):
    with pytest.raises(ValueError) as caught:
        model_from_json(json.dumps({"class_name": "x" * 1_000_000, "config": {}}))
    assert len(str(caught.value)) < 1000
    with pytest.raises(ValueError) as caught:
        models.model_from_config({"layers": ["x" * 1000] * 10_000})
    assert len(str(caught.value)) < 1000
