"""Drawings of models, as SVG and as PNG."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ET

import pytest

from gpukeras.drawing.models import draw_model
from gpukeras.layers import (
    LSTM,
    Activation,
    Conv2D,
    Dense,
    Dropout,
    Input,
    Lambda,
    RepeatVector,
    TimeDistributed,
    add,
    concatenate,
    multiply,
)
from gpukeras.models import Model, Sequential

SVG = "{http://www.w3.org/2000/svg}"


def parts(picture):
    """Texts by what they say, boxes and arrow heads of the drawing."""
    root = ET.fromstring(picture.svg())
    texts = {}
    for text in root.iter(f"{SVG}text"):
        texts.setdefault(text.text, []).append((float(text.get("x")), float(text.get("y"))))
    boxes = [tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
             for rect in root.iter(f"{SVG}rect") if rect.get("x")]
    heads = [path for path in root.iter(f"{SVG}path") if path.get("fill") != "none"]
    return texts, boxes, heads


def box_of(picture, name):
    """The smallest box around a text."""
    texts, boxes, _ = parts(picture)
    (x, y), = texts[name]
    return min((b for b in boxes if b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3]),
               key=lambda b: b[2] * b[3])


def inception():
    x = Input((8, 8, 3), name="image")
    a = Conv2D(2, 1, name="a")(x)
    b = Conv2D(2, 3, padding="same", name="b2")(Conv2D(2, 1, activation="relu", name="b1")(x))
    c = Conv2D(2, 5, padding="same", name="c")(x)
    return Model(x, concatenate([a, b, c], name="joined"), name="block")


def nested():
    x = Input((4,), name="x")
    inner = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(4, name="two")], name="inner")
    p, q = Input((4,), name="p"), Input((4,), name="q")
    pair = Model([p, q], [add([p, q], name="sum"), multiply([p, q], name="product")], name="pair")
    total, product = pair([inner(x), Dense(4, name="side")(x)])
    many = TimeDistributed(Sequential([Dense(2, input_shape=(4,), name="each")], name="small"), name="many")
    return Model(x, [inner(product), many(RepeatVector(3, name="again")(total))], name="outer")


def test_every_layer_has_a_box_and_every_edge_an_arrow():
    texts, boxes, heads = parts(draw_model(inception()))
    assert {"image", "a", "b1", "b2", "c", "joined", "InputLayer", "Conv2D", "Concatenate"} == set(texts)
    assert len(texts["Conv2D"]) == 4 and len(boxes) == 6 and len(heads) == 7


def test_the_block_stands_in_the_order_of_its_branches():
    picture = draw_model(inception())
    image, a, b1, b2, c, joined = (box_of(picture, name) for name in ("image", "a", "b1", "b2", "c", "joined"))
    assert a[0] < b1[0] < c[0] and image[1] < b1[1] < b2[1] < joined[1] and a[1] == b1[1] == c[1]


@pytest.mark.parametrize("rankdir, axis, sign", [("TB", 1, 1), ("BT", 1, -1), ("LR", 0, 1), ("RL", 0, -1)])
@pytest.mark.parametrize("expand", [False, True])
def test_directions(rankdir, axis, sign, expand):
    picture = draw_model(nested(), rankdir=rankdir, expand_nested=expand)
    first, last = box_of(picture, "x"), box_of(picture, "again")
    assert (last[axis] - first[axis]) * sign > 0
    _, boxes, _ = parts(picture)
    assert all(b[0] >= 0 and b[1] >= 0 and b[0] + b[2] <= picture.width + 0.1 and b[1] + b[3] <= picture.height + 0.1
               for b in boxes)


def test_direction_is_checked():
    with pytest.raises(ValueError, match="rankdir must be one of TB, LR, BT, RL, got 'up'"):
        draw_model(inception(), rankdir="up")


def test_labels():
    model = Sequential([LSTM(6, return_sequences=True, input_shape=(2, 3), name="lstm"),
                        TimeDistributed(Dense(5, name="inside"), name="every"), Activation("relu", name="last")])
    model.layers[0].trainable = False
    texts, _, _ = parts(draw_model(model, True, True, "TB", False, True, True, True))
    assert {"lstm", "every(inside)", "TimeDistributed(Dense)", "input: (None, 2, 6)", "output: (None, 2, 5)",
            " · tanh · float32 · frozen", " · relu · float32 · trainable"} <= set(texts)
    plain, _, _ = parts(draw_model(model, show_layer_names=False))
    assert set(plain) == {"InputLayer", "LSTM", "TimeDistributed(Dense)", "Activation"}
    several, _, _ = parts(draw_model(inception(), show_shapes=True))
    assert len(several["(None, 8, 8, 2)"]) == 2 and "output: (None, 8, 8, 6)" in several


def test_shared_layers_have_one_box_and_say_multiple_shapes():
    shared = Dense(4, name="shared")
    a, b = Input((4,), name="a"), Input((3, 4), name="b")
    model = Model([a, b], [shared(shared(a)), shared(b)])
    texts, boxes, heads = parts(draw_model(model, show_shapes=True))
    assert len(boxes) == 3 and len(heads) == 3, "one of them from the layer to itself"
    assert "output: multiple" in texts


def test_models_within_are_boxes_or_frames():
    closed = draw_model(nested())
    texts, boxes, heads = parts(closed)
    assert {"inner", "pair", "Model", "many(small)"} <= set(texts) and "one" not in texts and len(boxes) == 6
    assert len(heads) == 7
    opened = draw_model(nested(), expand_nested=True)
    texts, boxes, _ = parts(opened)
    frames = {name: box_of(opened, name) for name in ("inner", "pair", "many")}
    for frame, names in {"inner": ("one", "two"), "pair": ("sum", "product", "p", "q"), "many": ("each",)}.items():
        x, y, w, h = frames[frame]
        for name in names:
            a, b, c, d = box_of(opened, name)
            assert x < a and y < b and a + c < x + w and b + d < y + h
    x, y, w, h = frames["pair"]
    a, b, _, _ = box_of(opened, "side")
    assert not (x < a < x + w and y < b < y + h)


def test_names_are_text_whatever_they_are():
    name = "</text><script>alert('&')</script>\x00\x1b\ud800"
    layer = Dense(2, input_shape=(3,))
    layer._name = layer.name = name
    model = Sequential([layer], name='"><b>')
    text = draw_model(model, expand_nested=True).svg()
    root = ET.fromstring(text)
    assert "<script" not in text and "<b>" not in text.replace("<title>", "")
    assert any("alert('&')</script>\ufffd\ufffd\ufffd" in (t.text or "") for t in root.iter(f"{SVG}text"))
    assert draw_model(model).png()[:4] == b"\x89PNG"


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="input shape"):
        draw_model(Sequential([Dense(2)]))
    with pytest.raises(TypeError, match="Only a model can be drawn"):
        draw_model(Dense(2))
    with pytest.raises(ValueError, match=r"to_file must end in .svg or .png, got 'm.pdf'"):
        draw_model(inception()).save("m.pdf")
    with pytest.raises(ValueError, match="scale"):
        draw_model(inception()).png(0)


def test_a_large_model_is_drawn_in_full():
    """Shortcuts past many layers; the main line stays apart from them."""
    given = x = start = Input((4,))
    for _ in range(20):
        for _ in range(10):
            x = Dropout(0.1)(Dense(4)(x))
        x = start = add([x, start])
    _, boxes, heads = parts(draw_model(Model(given, x)))
    assert len(boxes) == 1 + 20 * 21 and len(heads) == 20 * 22


def test_png_shows_what_svg_does(tmp_path):
    image = pytest.importorskip("PIL.Image")
    picture = draw_model(inception())
    picture.save(tmp_path / "m.png", 2.0)
    pixels = image.open(tmp_path / "m.png")
    assert pixels.size == (-(-picture.width * 2 // 1), -(-picture.height * 2 // 1))
    x, y, w, h = box_of(picture, "a")
    assert pixels.getpixel((int(2 * x + 12), int(2 * y + 12))) == (0xdb, 0xe8, 0xf9), "a convolution's blue"
    assert pixels.getpixel((2, 2)) == (255, 255, 255)
    inside = pixels.crop((int(2 * x), int(2 * y), int(2 * (x + w)), int(2 * (y + h)))).convert("L")
    assert inside.getextrema()[0] < 60, "dark text"


def test_a_tall_png_is_painted_in_bands_without_seams():
    image = pytest.importorskip("PIL.Image")
    picture = draw_model(Sequential([Dense(3, input_shape=(3,))] + [Dense(3) for _ in range(40)]))
    whole = image.open(io.BytesIO(picture.png()))
    column = [whole.getpixel((int(picture.width / 2) - 30, y)) for y in range(whole.height)]
    assert whole.height > 2048 and sum(c == (0xdb, 0xe8, 0xf9) for c in column) > 41 * 20


def test_a_huge_png_gets_coarser(monkeypatch):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr("gpukeras.drawing.paint._MOST_PIXELS", 10_000)
    small = image.open(io.BytesIO(draw_model(inception()).png(3)))
    assert small.width * small.height < 11_000


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"Painting a PNG needs Pillow: pip install 'gpukeras\[plot\]'"):
        draw_model(inception()).png()


def test_lambda_and_colours_of_unknown_layers():
    texts, boxes, _ = parts(draw_model(Sequential([Lambda(lambda x: x, input_shape=(2,), name="mine")])))
    assert "mine" in texts and len(boxes) == 2
