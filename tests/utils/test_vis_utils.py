"""Models drawn as graphs, with Graphviz and without. The program `dot` is not needed: a script stands in for it."""

from __future__ import annotations

import math
import os
import re
import stat
import struct
import sys
import types

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


@pytest.mark.parametrize("file, kind", [("m.png", "png"), ("m.GIF", "gif"), ("m.pdf", "pdf"), ("m", "png")])
def test_pictures(network, dot, tmp_path, file, kind):
    assert plot_model(network, tmp_path / file) is None
    assert (tmp_path / file).read_text().split() == ["drawn", f"-T{kind}"]


def test_graphviz_gets_the_options(network, tmp_path):
    plot_model(network, tmp_path / "m.dot", True, True, "LR", True, 70, True, True, True)
    text = (tmp_path / "m.dot").read_text()
    assert all(part in text for part in ("rankdir=LR", "dpi=70", "one: Dense\\nlinear\\nfloat32\\ntrainable", "input:"))


def test_without_graphviz(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="install Graphviz"):
        plot_model(network, tmp_path / "m.pdf")
    plot_model(network, str(tmp_path / "m.dot"))
    assert (tmp_path / "m.dot").read_text().startswith("digraph") and os.listdir(tmp_path) == ["m.dot"]
    with pytest.raises(FileNotFoundError):
        plot_model(network, tmp_path / "none" / "m.dot")


def test_without_pydot(network, monkeypatch, tmp_path, dot):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"Drawing a model needs pydot: pip install 'gpukeras\[plot\]'"):
        plot_model(network, "m.pdf")
    plot_model(network, tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("file", ["m.svg", "m.SVG", "m.png", "m"])
def test_pictures_of_our_own(network, tmp_path, monkeypatch, file):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    shown = plot_model(network, tmp_path / file, show_shapes=True)
    data = (tmp_path / file).read_bytes()
    assert shown._repr_svg_().startswith("<svg") and "(None, 4)" in shown._repr_svg_()
    assert data == shown.svg().encode() if "." in file and file[-3:].lower() == "svg" else data[:4] == b"\x89PNG"
    with pytest.raises(FileNotFoundError):
        plot_model(network, tmp_path / "none" / file)


def test_dpi(network, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    sizes = {}
    for dpi in (None, 96, 192):
        shown = plot_model(network, tmp_path / "m.png", dpi=dpi)
        sizes[dpi] = struct.unpack(">II", (tmp_path / "m.png").read_bytes()[16:24])
    assert sizes[96] == (math.ceil(shown.width), math.ceil(shown.height))
    assert sizes[192][0] == math.ceil(2 * shown.width) and sizes[None][0] == math.ceil(1.5 * shown.width)
    with pytest.raises(ValueError, match="dpi must be a positive number, got 0"):
        plot_model(network, tmp_path / "m.svg", dpi=0)


class _Shown:
    def __init__(self, filename):
        self.filename = filename


def test_in_a_notebook(network, tmp_path, monkeypatch):
    """IPython's own objects are returned, as in Keras."""
    monkeypatch.setenv("PATH", str(tmp_path))
    display = types.ModuleType("IPython.display")
    display.SVG, display.Image = type("SVG", (_Shown,), {}), type("Image", (_Shown,), {})
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for file, kind in ("m.svg", display.SVG), ("m.png", display.Image):
        shown = plot_model(network, tmp_path / file)
        assert type(shown) is kind and shown.filename == str(tmp_path / file)
