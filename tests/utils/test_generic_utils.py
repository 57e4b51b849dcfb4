"""Naming, custom objects, argument inspection and the plain text bar."""
from __future__ import annotations

import functools
import inspect
import io
import marshal
import sys

import numpy as np
import pytest

from gpukeras import activations, constraints, initializers, losses, metrics, regularizers
from gpukeras.utils import generic_utils, progress
from gpukeras.utils.generic_utils import (
    CustomObjectScope,
    Progbar,
    Registry,
    custom_object_scope,
    deserialize_keras_object,
    draw_bar,
    format_value,
    func_dump,
    func_load,
    get_custom_objects,
    has_arg,
    object_list_uid,
    parameters_of,
    serialize_keras_object,
    to_list,
    to_snake_case,
    unknown_name,
    unpack_singleton,
)


class Scale:
    """An object with a config."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def get_config(self):
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Nest(Scale):
    """An object whose from_config wants to know the custom objects."""

    @classmethod
    def from_config(cls, config, custom_objects=None):
        made = cls(config["factor"])
        made.known = custom_objects
        return made


# ---------------------------------------------------------------------------------------------- unknown names

def test_unknown_name_suggests_the_nearest_whatever_the_case():
    assert "Did you mean 'relu'?" in str(unknown_name("activation", "ReLu6", ["relu", "softmax"]))


def test_unknown_name_lists_few_and_spares_many():
    assert "Known names: alpha, beta." in str(unknown_name("thing", "zzz", ["beta", "alpha"]))
    many = [f"name_{i}" for i in range(100)]
    assert "name_1" not in str(unknown_name("thing", "zzz", many))


# --------------------------------------------------------------------------------------------- custom objects

def test_scope_adds_and_restores():
    before = dict(get_custom_objects())
    with custom_object_scope({"Scale": Scale}, {"two": 2}) as scope:
        assert get_custom_objects()["Scale"] is Scale
        assert get_custom_objects()["two"] == 2
        get_custom_objects()["stray"] = 1
        with scope:
            assert "stray" in get_custom_objects()
        assert "stray" in get_custom_objects()
    assert get_custom_objects() == before


def test_scope_restores_after_an_error():
    with pytest.raises(KeyError), CustomObjectScope({"Scale": Scale}):
        raise KeyError("inside")
    assert "Scale" not in get_custom_objects()


def test_a_registered_object_is_found_by_every_module():
    def custom(x):
        return x

    with custom_object_scope({"custom": custom, "Scale": Scale}):
        for module in (activations, losses, metrics):
            assert module.get("custom") is custom
        for module in (regularizers, constraints, initializers):
            assert isinstance(module.get("Scale"), Scale)


# ----------------------------------------------------------------------------------------- configs of objects

def test_serialize_object_function_and_none():
    assert serialize_keras_object(Scale(3.0)) == {"class_name": "Scale", "config": {"factor": 3.0}}
    assert serialize_keras_object(to_list) == "to_list"
    assert serialize_keras_object(None) is None
    with pytest.raises(ValueError, match="get_config"):
        serialize_keras_object(5)


def test_deserialize_class_function_and_name():
    def double(factor):
        return 2 * factor

    objects = {"Scale": Scale, "double": double}
    made = deserialize_keras_object({"class_name": "Scale", "config": {"factor": 4.0}}, objects)
    assert made.factor == 4.0
    assert deserialize_keras_object({"class_name": "double", "config": {"factor": 4.0}}, objects) == 8.0
    assert deserialize_keras_object("double", objects) is double


def test_the_callers_object_wins_over_the_modules():
    class Other(Scale):
        pass

    made = deserialize_keras_object({"class_name": "Scale", "config": {}}, module_objects={"Scale": Scale},
                                    custom_objects={"Scale": Other})
    assert type(made) is Other


def test_from_config_gets_all_custom_objects_if_it_takes_them():
    with custom_object_scope({"globally": 1}):
        made = deserialize_keras_object({"class_name": "Nest", "config": {"factor": 1}},
                                        custom_objects={"Nest": Nest, "mine": 2})
    assert made.known["globally"] == 1
    assert made.known["mine"] == 2


@pytest.mark.parametrize("identifier, words", [
    ("Scael", "Unknown gadget: 'Scael'. Did you mean 'Scale'"),
    ({"class_name": "Scael", "config": {}}, "Did you mean 'Scale'"),
    ({"class_name": "Scale"}, "Improper config format"),
    ({"class_name": ["Scale"], "config": {}}, "must be a string"),
    (5, "Could not interpret serialized gadget: 5"),
])
def test_deserialize_errors(identifier, words):
    with pytest.raises(ValueError, match=words):
        deserialize_keras_object(identifier, {"Scale": Scale}, printable_module_name="gadget")


# ------------------------------------------------------------------------------- what a config may not get at

@pytest.mark.parametrize("module", [activations, losses, metrics, initializers, regularizers, constraints])
def test_a_config_names_only_what_a_module_registered(module):
    closed = ["K", "np", "Registry", "get", "serialize", "deserialize", "deserialize_keras_object", "_named",
              "__builtins__", "os.system", "builtins.eval", "eval", "math", "warnings"]
    for name in closed:
        assert name not in module._named
        with pytest.raises(ValueError, match="Unknown"):
            module.deserialize({"class_name": name, "config": {}})
    assert all(callable(module._named[name]) for name in module._named)


def test_what_a_program_adds_to_a_module_can_be_named(monkeypatch):
    def mine(y_true, y_pred):
        return y_pred

    monkeypatch.setattr(losses, "mine", mine, raising=False)
    assert losses.get("mine") is mine
    monkeypatch.setattr(losses, "_hidden", mine, raising=False)
    with pytest.raises(ValueError, match="_hidden"):
        losses.get("_hidden")


def test_registry_is_a_mapping_and_checks_its_names():
    namespace = {"a": len, "b": 3}
    registry = Registry(namespace, ["a"])
    namespace["later"] = max
    namespace["number"] = 5
    assert list(registry) == ["a", "later"]
    assert len(registry) == 2
    assert 7 not in registry
    with pytest.raises(ValueError, match="missing"):
        Registry({}, ["missing"])


def test_bytecode_is_never_run(tmp_path):
    target = tmp_path / "ran"
    code = compile(f"open({str(target)!r}, 'w')", "evil", "exec")
    for dump in (marshal.dumps(code).decode("raw_unicode_escape"), [marshal.dumps(code), None, None]):
        with pytest.raises(ValueError, match="custom_objects"):
            func_load(dump)
    assert not target.exists()


def test_func_dump_describes_without_code():
    def scaled(x, factor=2):
        return x * factor

    assert func_dump(scaled) == ("scaled", (2,), None)
    assert func_dump(lambda: scaled) == ("<lambda>", None, (scaled,))


# -------------------------------------------------------------------------------------------- small helpers

@pytest.mark.parametrize("function, name, accept_all, expected", [
    (lambda x: x, "x", False, True),
    (lambda x: x, "y", False, False),
    (lambda x: x, "y", True, False),
    (lambda x, y=1: x, "y", False, True),
    (lambda x, *, y: x, "y", False, True),
    (lambda *args: args, "args", True, False),
    (lambda **kw: kw, "y", False, False),
    (lambda **kw: kw, "y", True, True),
    (lambda x, /: x, "x", False, False),
    (pow, "x", False, False),
    (Scale, "factor", False, True),
])
def test_has_arg(function, name, accept_all, expected):
    assert has_arg(function, name, accept_all) is expected


def test_lists():
    items = [1]
    assert to_list(items) is items
    assert to_list((1, 2)) == [1, 2]
    assert to_list("ab") == ["ab"]
    assert unpack_singleton((3,)) == 3
    assert unpack_singleton([]) == []
    assert object_list_uid(items) == object_list_uid([items[0]])
    assert object_list_uid(Scale()) != object_list_uid([Scale(), Scale()])


@pytest.mark.parametrize("name, expected", [
    ("Dense", "dense"), ("Conv2D", "conv2d"), ("MaxPooling2D", "max_pooling2d"), ("LSTM", "lstm"),
    ("ConvLSTM2D", "conv_lst_m2d"), ("Conv2DTranspose", "conv2d_transpose"), ("_Merge", "private__merge"),
])
def test_layer_names_are_those_of_keras(name, expected):
    assert to_snake_case(name) == expected


@pytest.mark.parametrize("value, text", [
    (0.64, "0.6400"), (1e-3, "1.0000e-03"), (1.1e-3, "0.0011"), (-0.9, "-0.9000"), (0, "0.0000e+00"),
    (np.float32(0.5), "0.5000"), (np.array([1.0, 2.0]), "1.5000"), (float("nan"), "nan"),
    (1e6, "1000000.0000"),
])
def test_format_value(value, text):
    assert format_value(value) == text


def test_draw_bar_at_the_ends():
    assert draw_bar(0, 10, 5) == " 0/10 [.....]"
    assert draw_bar(10, 10, 5) == "10/10 [=====]"
    assert draw_bar(12, 10, 5) == "12/10 [=====]"
    assert draw_bar(0, 0, 5) == "0/0 [=====]"


# ----------------------------------------------------------------------------------------------- progress bar

class Screen(io.StringIO):
    """A standard output that says it is a terminal."""

    def isatty(self):
        return True


def test_progbar_averages_over_steps(capsys):
    bar = Progbar(100, verbose=2)
    bar.update(10, [("loss", 1.0)])
    assert capsys.readouterr().out == ""
    bar.add(90, [("loss", 2.0), ("acc", 0.0005)])
    assert capsys.readouterr().out == " - 0s - loss: 1.9000 - acc: 5.0000e-04\n"


def test_progbar_redraws_in_place_and_ends_the_line(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    bar = Progbar(4, width=4, interval=0)
    bar.update(2, [("loss", 0.5)])
    bar.update(4, [("loss", 1.5)])
    first, second = screen.getvalue().split("\r")[1:]
    assert first.startswith("2/4 [=>..] - ETA: ")
    assert " - loss: 0.5000" in first
    assert second.startswith("4/4 [====] - 0s ")
    assert "s/step - loss: 1.0000" in second
    assert second.endswith("\n")


def test_progbar_draws_no_more_often_than_asked(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    bar = Progbar(1000, interval=60)
    for step in range(999):
        bar.update(step)
    assert screen.getvalue().count("\r") == 1
    bar.update(999, force=True)
    assert screen.getvalue().count("\r") == 2
    bar.update(1000)
    assert screen.getvalue().count("\r") == 3


def test_progbar_without_a_target_and_without_a_terminal(capsys):
    bar = Progbar(None, interval=0)
    bar.update(3, [("loss", 0.25)])
    out = capsys.readouterr().out
    assert out.startswith("\n      3/Unknown - ")
    assert out.endswith("loss: 0.2500")


def test_progbar_takes_any_names_and_clears_longer_lines(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    bar = Progbar(2, interval=0)
    bar.update(1, [(0.75, np.float64(1e-4))])
    long = bar.total_width
    bar.sum_values.clear()
    bar.update(1, force=True)
    assert bar.total_width < long
    assert len(screen.getvalue().split("\r")[-1]) == long


def test_time_per_and_duration():
    assert generic_utils.time_per(0.5, "sample") == "500ms/sample"
    assert [progress._duration(seconds) for seconds in (5, 65, 3725)] == ["5s", "1:05", "1:02:05"]


def test_a_progbar_shows_the_last_value_of_a_stateful_metric(capsys):
    bar = generic_utils.Progbar(2, verbose=2, stateful_metrics=["auc"])
    for step, value in ((1, 1.0), (2, 3.0)):
        bar.update(step, [("loss", value), ("auc", value)])
    assert capsys.readouterr().out == " - 0s - loss: 2.0000 - auc: 3.0000\n"


def test_a_tuple_may_be_one_thing():
    assert generic_utils.to_list((1, 2), allow_tuple=False) == [(1, 2)] and generic_utils.to_list([1]) == [1]


class Takes:
    def call(self, x, training=None):
        return x


def _signatures(fn):
    return list(parameters_of(fn).values()), list(inspect.signature(fn).parameters.values())


LOOKED_AT = {"method": Takes().call, "function": Takes.call, "class": Takes, "lambda": lambda x, *a, y=1, **k: x,
             "builtin": len, "partial": functools.partial(pow, 2), "wrapped": functools.wraps(Takes.call)(lambda *a: a),
             "none": max}


@pytest.mark.parametrize("fn", LOOKED_AT.values(), ids=list(LOOKED_AT))
def test_parameters_are_those_of_the_signature(fn):
    try:
        inspect.signature(fn)
    except ValueError:
        with pytest.raises(ValueError):
            parameters_of(fn)
        return
    for _ in range(2):
        found, expected = _signatures(fn)
        assert found == expected


def test_parameters_of_a_function_are_read_once_and_again_when_it_changes(monkeypatch):
    def call(self, x, training=None):
        return x

    def other(self, x, mask=None, phase=1):
        return x

    class Layer:
        pass

    Layer.call = call
    asked = []
    monkeypatch.setattr(inspect, "signature", lambda fn, real=inspect.signature: asked.append(fn) or real(fn))
    layer = Layer()
    for _ in range(3):
        assert list(parameters_of(layer.call)) == ["x", "training"] and has_arg(Layer().call, "training")
        assert list(parameters_of(Layer.call)) == ["self", "x", "training"]
    assert len(asked) == 2  # once as a method, once as a function
    call.__defaults__ = (1, 2)
    assert parameters_of(layer.call)["x"].default == 1
    call.__code__, call.__defaults__ = other.__code__, other.__defaults__
    assert list(parameters_of(layer.call)) == ["x", "mask", "phase"] and not has_arg(layer.call, "training")
    call.__signature__ = inspect.Signature([inspect.Parameter("z", inspect.Parameter.KEYWORD_ONLY)])
    assert list(parameters_of(call)) == ["z"]
    Layer.call = lambda self, y: y
    assert list(parameters_of(layer.call)) == ["y"]
    layer.call = lambda w: w
    assert list(parameters_of(layer.call)) == ["w"]
