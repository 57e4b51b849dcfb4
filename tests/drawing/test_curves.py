"""The record of a training as curves, with matplotlib and without, and what notebooks show."""

from __future__ import annotations

import math
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from gpukeras.callbacks import History
from gpukeras.drawing.curves import draw_curves, panels, ticks
from gpukeras.layers import Dense, Input, add
from gpukeras.models import Model, Sequential

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def record():
    history = History()
    history.on_train_begin()
    for epoch, loss in enumerate((2.0, 1.0, 0.5)):
        history.on_epoch_end(epoch, {"loss": loss, "val_loss": np.float32(loss + 1), "acc": epoch / 4})
    return history


@pytest.fixture
def no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)


def drawn(svg):
    """The texts of a drawing, and the points of its curves by colour."""
    root = ET.fromstring(svg)
    lines = {}
    for path in root.iter(f"{SVG}path"):
        if path.get("stroke-width") == "2":
            points = [tuple(map(float, p.split(","))) for p in path.get("d").replace("M", "").replace("L", " ").split()]
            lines.setdefault(path.get("stroke"), []).append(points)
    return [text.text for text in root.iter(f"{SVG}text")], lines


def test_one_panel_for_each_quantity(record):
    found = panels(record.epoch, record.history)
    assert {name: [c.kind for c in curves] for name, curves in found.items()} == {
        "loss": ["training", "validation"], "acc": ["training"]}
    assert found["loss"][1].values == [3.0, 2.0, 1.5] and found["loss"][1].epochs == [1, 2, 3]
    assert list(panels(record.epoch, record.history, ["accuracy"])) == ["accuracy"], "the later name finds it too"
    assert list(panels(record.epoch, record.history, "loss")) == ["loss"]
    with pytest.raises(ValueError, match="The record has no 'mse'; it has 'loss', 'acc'"):
        panels(record.epoch, record.history, ["mse"])


def test_validation_of_every_second_epoch():
    found = panels([0, 1, 2, 3, 4], {"loss": [5, 4, 3, 2, 1], "val_loss": [4, 2]})
    assert found["loss"][1].epochs == [2, 4]


def test_curves_fall_where_values_fall(record, no_matplotlib):
    texts, lines = drawn(record.plot().svg())
    assert {"loss", "acc", "training", "validation", "epoch", "1", "2", "3"} <= set(texts)
    training = next(line for line in lines["#2f6fb7"] if len(line) == 3)
    validation = next(line for line in lines["#d9742b"] if len(line) == 3)
    assert training[0][1] < training[1][1] < training[2][1], "y grows downward"
    assert [a[0] for a in training] == [a[0] for a in validation]
    assert all(a[1] > b[1] for a, b in zip(training, validation))


def test_what_is_no_number_leaves_a_gap():
    values = [1.0, math.nan, 2.0, 3.0, math.inf, 4.0, 5.0]
    _, lines = drawn(draw_curves(panels(range(7), {"loss": values})).svg())
    assert sorted(map(len, lines["#2f6fb7"])) == [2, 2, 2], "two stretches and the legend; 1.0 is a dot"
    assert "<svg" in draw_curves(panels([0], {"loss": [math.nan]})).svg()
    assert "<svg" in draw_curves({}).svg()


def test_ticks_cover_their_range():
    for low, high in ((0.0, 1.0), (-3.0, 17.0), (1e-9, 3e-9), (5.0, 5.0), (0.0, 0.0), (-2.0, -2.0), (1e8, 1.0001e8)):
        found = ticks(low, high)
        steps = np.diff(found)
        assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8 and np.allclose(steps, steps[0])


def test_matplotlib_draws_where_it_is(record, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    from matplotlib import pyplot

    axes = record.plot()
    assert [ax.get_title() for ax in axes] == ["loss", "acc"]
    assert [line.get_label() for line in axes[0].lines] == ["training", "validation"]
    assert list(axes[0].lines[0].get_ydata()) == [2.0, 1.0, 0.5]
    axes[0].figure.canvas.draw()
    pyplot.close(axes[0].figure)


def test_a_history_in_a_notebook(record):
    html = record._repr_html_()
    assert html.count("<svg") == 1 and "after epoch 3" in html and "<td" in html and "1.5" in html
    assert record._repr_svg_().startswith("<svg")
    empty = History()
    assert empty._repr_html_() is None and empty._repr_svg_() is None


def test_a_fit_shows_itself(no_matplotlib):
    model = Sequential([Dense(1, input_shape=(2,))])
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.ones((8, 2))
    history = model.fit(x, x[:, :1], epochs=2, validation_split=0.5, verbose=0)
    texts, _ = drawn(history._repr_svg_())
    assert {"loss", "mean_absolute_error"} <= set(texts)
    assert history.plot(["mae"])._repr_svg_().count("<svg") == 1


def test_a_small_model_in_a_notebook():
    hostile = "<img src=x onerror=alert(1)>"
    x = Input((3,), name="x")
    layer = Dense(3, name="first")
    model = Model(x, add([layer(x), x], name="both"), name="small")
    layer.name = hostile
    html = model._repr_html_()
    assert html.count("<svg") == 1 and "<table" in html and "Total params: 12" in html and "(None, 3)" in html
    assert hostile not in html and "&lt;img" in html
    assert "x[0][0]" in html and "Connected to" in html


def test_other_models_keep_their_plain_text():
    assert Sequential([Dense(2)])._repr_html_() is None, "no shapes yet"
    assert Sequential([Dense(2, input_shape=(2,))] + [Dense(2) for _ in range(60)])._repr_html_() is None


def test_html_is_of_the_subset_that_every_notebook_shows(record):
    """No script, style sheet, class, link or handler: JupyterLab, the classic notebook and VS Code clean or frame them
    in ways of their own."""
    from html.parser import HTMLParser

    tags: set[str] = set()
    attributes: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    reader = Reader()
    reader.feed(record._repr_html_() + Sequential([Dense(3, input_shape=(2,)), Dense(1)])._repr_html_())
    assert {"table", "svg"} <= tags <= {"div", "b", "table", "thead", "tbody", "tr", "th", "td", "br", "svg", "title",
                                        "rect", "text", "path", "polyline", "line", "circle", "g"}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"class", "id", "href", "src"}
