"""Models drawn as graphs. The program `dot` is not needed: a script stands in for it."""

from __future__ import annotations

import os
import re
import stat
import sys

import pytest

from gpukeras.layers import LSTM, Dense, Input, TimeDistributed, concatenate
from gpukeras.models import Model, Sequential
from gpukeras.utils import model_to_dot, plot_model


@pytest.fixture
def network():
    x = Input((4,), name="in{}|<>")
    inner = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(2, name="two")], name="inner")
    left, right = inner(x), Dense(4, name="side")(x)
    return Model(x, concatenate([left, inner(right)], name="both"))


def edges(text):
    """(from, to), by the first words of the labels."""
    names = {key: label for key, label in re.findall(r'^"([\d.]+)" \[label="([^\n"]+)', text, re.MULTILINE)}
    return sorted((names[a], names[b]) for a, b in re.findall(r'"([\d.]+)" -> "([\d.]+)"', text))


def test_layers_and_edges(network):
    text = model_to_dot(network).to_string()
    given = "in\\{\\}\\|\\<\\>: InputLayer"
    assert edges(text) == sorted([(given, "inner: Sequential"), (given, "side: Dense"),
                                  ("inner: Sequential", "both: Concatenate"), ("side: Dense", "inner: Sequential")])
    assert "rankdir=TB" in text and "rankdir=LR" in model_to_dot(network, rankdir="LR").to_string()
    assert "dpi=70" in model_to_dot(network, dpi=70).to_string()


def test_models_within(network):
    text = model_to_dot(network, expand_nested=True).to_string()
    assert ("one: Dense", "two: Dense") in edges(text) and ("two: Dense", "both: Concatenate") in edges(text)
    assert ("side: Dense", "one_input: InputLayer") in edges(text) and "label=inner" in text
    assert "subgraph cluster" in text
    assert model_to_dot(network, subgraph=True).to_string().startswith("subgraph cluster")


def test_labels():
    model = Sequential([LSTM(6, return_sequences=True, input_shape=(2, 3), name="lstm"),
                        TimeDistributed(Dense(5, name="inside"), name="every")])
    text = model_to_dot(model, show_shapes=True, show_dtype=True).to_string()
    assert "every(inside): TimeDistributed(Dense)\\nfloat32" in text
    assert "|{input:|output:}|{{(None, 2, 6)}|{(None, 2, 5)}}" in text
    assert "every" not in model_to_dot(model, show_layer_names=False).to_string()
    shared = Dense(2, name="shared")
    a, b = Input((3,)), Input((3,))
    two = Model([a, b], concatenate([shared(a), shared(b)]))
    assert len(edges(model_to_dot(two, show_shapes=True).to_string())) == 3


def test_a_stack_without_input_shape():
    model = Sequential([Dense(2)])
    with pytest.raises(ValueError, match="input shape"):
        model_to_dot(model)
    model.build((None, 3))
    assert len(edges(model_to_dot(model).to_string())) == 1


@pytest.fixture
def dot(tmp_path, monkeypatch):
    """A program `dot` that says how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "dot"
    script.write_text(f"#!{sys.executable}\nimport sys\nprint('drawn', *[a for a in sys.argv[1:] if a[0] == '-'])\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


@pytest.mark.parametrize("file, kind", [("m.png", "png"), ("m.SVG", "svg"), ("m.pdf", "pdf"), ("m", "png")])
def test_pictures(network, dot, tmp_path, file, kind):
    assert plot_model(network, tmp_path / file) is None
    assert (tmp_path / file).read_text().split() == ["drawn", f"-T{kind}"]


def test_without_graphviz(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="install Graphviz"):
        plot_model(network, tmp_path / "m.png")
    plot_model(network, str(tmp_path / "m.dot"))
    assert (tmp_path / "m.dot").read_text().startswith("digraph") and os.listdir(tmp_path) == ["m.dot"]
    with pytest.raises(FileNotFoundError):
        plot_model(network, tmp_path / "none" / "m.dot")


def test_without_pydot(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"Drawing a model needs pydot: pip install 'gpukeras\[plot\]'"):
        plot_model(network)
