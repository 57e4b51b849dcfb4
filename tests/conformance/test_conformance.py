"""The runner itself, without Keras: what it reads of a source, of results, and how it makes programs smaller."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tests.conformance import keras209, one_example, scope, suite, surface

SOURCE = '''
import numpy as np
BASE = 3

def made(a, b=BASE, *rest, c=1):
    pass

class Thing(object):
    def __init__(self, units, activation='relu', **kwargs):
        pass
    @property
    def size(self):
        return 1
    @classmethod
    def of(cls, units):
        return cls(units)
    @staticmethod
    def free(x, y=None):
        pass
    def _inner(self):
        pass

Other = Thing

def _hidden():
    pass
'''


@pytest.fixture
def keras(tmp_path):
    """A package that looks like Keras's source."""
    package = tmp_path / "keras"
    for name in ("backend", "legacy", "layers"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("__version__ = '0'")
    (package / "layers" / "core.py").write_text(SOURCE)
    (package / "backend" / "theano_backend.py").write_text("def theirs(x):\n    pass")
    (package / "backend" / "tensorflow_backend.py").write_text("def dot(x, y):\n    pass")
    (package / "legacy" / "old.py").write_text("def old(x):\n    pass")
    return package


def test_the_names_and_arguments_of_a_source(keras):
    found = surface.read(keras)
    assert found.modules == ["keras", "keras.backend", "keras.layers", "keras.layers.core"]
    core = {name.removeprefix("keras.layers.core."): arguments for name, arguments in found.names.items()
            if "core" in name}
    required = surface.REQUIRED
    assert core == {"made": [("a", required), ("b", "BASE")], "Thing": [("units", required), ("activation", "'relu'")],
                    "Thing.size": None, "Thing.of": [("units", required)],
                    "Thing.free": [("x", required), ("y", "None")], "Other": None}
    assert found.names["keras.backend.dot"] == [("x", required), ("y", required)]
    assert not any("theirs" in name or "old" in name for name in found.names)


def test_what_a_library_lacks_or_has_otherwise(keras, monkeypatch):
    class Thing:
        def __init__(self, units, activation="relu", more=1, **kwargs):
            pass

        def of(self, units=None):
            pass

        def free(self, y, x=None):
            pass

    monkeypatch.setitem(sys.modules, "imitation", types.ModuleType("imitation"))
    monkeypatch.setitem(sys.modules, "imitation.layers", types.ModuleType("imitation.layers"))
    core = types.ModuleType("imitation.layers.core")
    core.Thing, core.made = Thing, lambda a, b=3: None
    monkeypatch.setitem(sys.modules, "imitation.layers.core", core)
    report = surface.compare(surface.read(keras), "imitation")
    assert report.missing == ["keras.backend.dot", "keras.layers.core.Thing.size", "keras.layers.core.Other"]
    assert (report.names, report.equal, report.longer) == (7, 0, 1)
    assert sorted(report.different) == [
        "keras.layers.core.Thing.free: (x, y) is here (y, x)",
        "keras.layers.core.Thing.of: units=required is here None", "keras.layers.core.made: b=BASE is here 3"]


def test_results_of_a_file(tmp_path):
    results = tmp_path / "results.xml"
    results.write_text('<testsuites><testsuite><testcase name="a"/>'
                       '<testcase name="b[1]"><failure message="as&#10;sert"/></testcase>'
                       '<testcase name="c"><skipped type="pytest.skip" message="no"/></testcase>'
                       '<testcase name="d"><skipped type="pytest.xfail" message=""/></testcase>'
                       '</testsuite></testsuites>')
    count = suite.read("x_test.py", results)
    assert (count.passed, count.total) == (2, 4)
    assert count.others == [("x_test.py::b[1]", "failure: as sert"), ("x_test.py::c", "skipped: no")]


def test_mended_lines_must_be_there(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("a / b")
    suite.mended(path, [("a / b", "a // b")])
    assert path.read_text() == "a // b"
    with pytest.raises(ValueError, match="has no 'a / b'"):
        suite.mended(path, [("a / b", "a // b")])


def test_another_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras209, "FOLDER", tmp_path)
    (tmp_path / "keras-2.0.9.tar.gz").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="is not the Keras 2.0.9 that was pinned"):
        keras209.source()


class Model:
    """Notes with what its methods were called."""

    def __init__(self):
        self.called = []

    def fit(self, x=None, y=None, batch_size=None, epochs=1, validation_data=None, initial_epoch=0, **kwargs):
        self.called.append((len(x), len(y), epochs, validation_data and len(validation_data[0]), kwargs))
        return self.train_on_batch(x, y)

    def train_on_batch(self, x, y):
        return len(self.called)


@pytest.fixture
def limited(monkeypatch):
    for name in ("fit", "train_on_batch"):
        monkeypatch.setattr(Model, name, vars(Model)[name])
    limits = one_example.Limits(samples=50)
    limits.install(Model)
    return limits


def test_examples_train_on_few_samples(limited):
    model = Model()
    data = np.zeros((1000, 3))
    model.fit(data, data, 20, epochs=30, validation_data=(data, data), shuffle=False)
    model.fit([data, data], data, 32, epochs=1)
    assert model.called == [(40, 40, 2, 40, {"shuffle": False}), (2, 32, 1, None, {})]


def test_examples_in_a_loop_come_to_an_end(limited):
    model, rounds = Model(), 0
    with pytest.raises(one_example.Enough):
        while True:
            model.train_on_batch([1], [1])
            rounds += 1
    assert rounds == 10 * one_example.ROUNDS


def test_few():
    rows = np.arange(10)
    assert one_example.few([1, 2, 3, 4], 2) == [1, 2]
    assert [len(one) for one in one_example.few([rows, rows], 3)] == [3, 3]
    assert len(one_example.few({"a": rows}, 4)["a"]) == 4


def test_what_is_left_out_has_a_reason():
    for reasons in (scope.LEFT_OUT, scope.EXAMPLES_LEFT_OUT):
        assert all(reasons.values())
    assert not set(scope.STANDIN) & set(scope.LEFT_OUT) and not set(scope.KERAS1) & set(scope.LEFT_OUT)
