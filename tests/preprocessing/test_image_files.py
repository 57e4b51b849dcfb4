"""Pictures in files and folders."""

from __future__ import annotations

import os

import numpy as np
import pandas
import pytest
from PIL import Image

from gpukeras.preprocessing import image
from gpukeras.preprocessing.image import ImageDataGenerator


def noise(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype("uint8")


@pytest.fixture
def folder(tmp_path):
    """Classes a (4 pictures, one of them deeper and grey) and B (2), and a class without any."""
    for i, name in enumerate(["a/2.png", "a/1.PNG", "a/deep/0.bmp", "a/3.png", "B/x.png", "B/y.ppm"]):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(8, 6, seed=i) if i == 2 else noise(8, 6, 3, seed=i)).save(path)
    (tmp_path / "data" / "a" / "notes.txt").write_text("no picture")
    (tmp_path / "data" / "empty").mkdir()
    return tmp_path / "data"


def test_arrays_and_images_and_back():
    pixels = noise(5, 4, 3)
    img = image.array_to_img(pixels, scale=False)
    assert (img.size, img.mode) == ((4, 5), "RGB")
    assert (image.img_to_array(img) == pixels).all() and image.img_to_array(img).dtype == np.float32
    first = image.img_to_array(img, "channels_first")
    again = image.array_to_img(first, "channels_first", scale=False)
    assert first.shape == (3, 5, 4) and (image.img_to_array(again) == pixels).all()
    assert image.array_to_img(noise(5, 4, 1)).mode == "L" and image.array_to_img(noise(5, 4, 4)).mode == "RGBA"
    assert image.img_to_array(noise(5, 4), "channels_first").shape == (1, 5, 4)
    assert image.img_to_array(img, dtype="float64").dtype == np.float64


def test_scaling_fills_the_range():
    x = np.array([[[-1.0], [0.0], [1.0]]])
    assert np.asarray(image.array_to_img(x)).tolist() == [[0, 127, 255]]
    assert np.asarray(image.array_to_img(x + 1)).tolist() == [[0, 127, 255]]
    assert np.asarray(image.array_to_img(x * 0)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("call, complaint", [
    (lambda: image.array_to_img(np.zeros((4, 4))), "3 axes"),
    (lambda: image.array_to_img(np.zeros((4, 4, 5))), "1, 3 or 4 channels"),
    (lambda: image.array_to_img(np.zeros((4, 4, 3)), "channels"), "data_format must be"),
    (lambda: image.img_to_array(np.zeros((4, 4, 3)), "channels"), "data_format must be"),
    (lambda: image.img_to_array(np.zeros((4, 4, 5, 3))), "2 or 3 axes"),
])
def test_complaints(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()


def test_load_img(tmp_path):
    path, pixels = tmp_path / "a.png", noise(20, 10, 3)
    image.save_img(path, pixels, scale=False)
    assert (image.img_to_array(image.load_img(path)) == pixels).all()
    assert image.load_img(str(path), grayscale=True).mode == image.load_img(path, color_mode="grayscale").mode == "L"
    assert image.load_img(path, color_mode="rgba").mode == "RGBA"
    small = {name: np.asarray(image.load_img(path, target_size=(5, 6), interpolation=name)).tobytes()
             for name in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")}
    assert len(set(small.values())) == 6
    assert np.asarray(image.load_img(path, target_size=(5, 6))).tobytes() == small["bilinear"]
    whole = image.load_img(path, target_size=(20, 10), interpolation="unknown")  # nothing to do, as in Keras
    assert whole.size == (10, 20)
    middle = image.load_img(path, target_size=(10, 10), keep_aspect_ratio=True)
    assert (np.asarray(middle) == pixels[5:15]).all()
    with pytest.raises(ValueError, match="'nearest', .*'unknown'"):
        image.load_img(path, target_size=(5, 5), interpolation="unknown")
    with pytest.raises(ValueError, match="color_mode must be"):
        image.load_img(path, color_mode="cmyk")


def test_a_torn_file_is_named(tmp_path):
    path = tmp_path / "torn.png"
    image.save_img(path, noise(50, 50, 3))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(OSError, match="torn.png can't be read"):
        image.load_img(path)
    with pytest.raises(FileNotFoundError, match="none.png"):
        image.load_img(tmp_path / "none.png")


def test_save_img_and_list_pictures(tmp_path):
    image.save_img(tmp_path / "a.jpg", noise(4, 4, 4))
    image.save_img(tmp_path / "b.png", noise(4, 4, 4))
    assert image.load_img(tmp_path / "b.png", color_mode="rgba").mode == "RGBA"
    (tmp_path / "more").mkdir()
    image.save_img(tmp_path / "more" / "c.bmp", noise(4, 4, 1))
    (tmp_path / "d.txt").write_text("")
    names = [os.path.basename(path) for path in image.list_pictures(tmp_path)]
    assert sorted(names) == ["a.jpg", "b.png", "c.bmp"]
    assert [os.path.basename(path) for path in image.list_pictures(tmp_path, "png")] == ["b.png"]
    assert len(image.list_pictures(tmp_path, ("jpg", ".bmp"))) == 2


def test_folders_are_classes(folder, capsys):
    flow = ImageDataGenerator().flow_from_directory(folder, target_size=(4, 3), shuffle=False, batch_size=4)
    assert capsys.readouterr().out == "Found 6 images belonging to 3 classes.\n"
    assert flow.class_indices == {"B": 0, "a": 1, "empty": 2} and flow.num_classes == 3 and flow.samples == flow.n == 6
    deep = os.path.join("a", "deep", "0.bmp")
    assert [name.replace(os.sep, "/") for name in flow.filenames] == [
        "B/x.png", "B/y.ppm", "a/1.PNG", "a/2.png", "a/3.png", "a/deep/0.bmp"] and flow.filenames[-1] == deep
    assert flow.classes.tolist() == flow.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert all(os.path.isfile(path) for path in flow.filepaths)
    x, y = next(flow)
    assert x.shape == (4, 4, 3, 3) and y.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]
    assert (x[1] == image.img_to_array(image.load_img(folder / "B" / "y.ppm", target_size=(4, 3)))).all()
    assert len(next(flow)[0]) == 2 and len(flow) == 2


@pytest.mark.parametrize("mode, expected", [
    ("sparse", np.array([0, 0, 1], "int32")), ("binary", np.array([0, 0, 1], "float32")),
    ("categorical", np.array([[1, 0], [1, 0], [0, 1]], "float32"))])
def test_what_comes_with_pictures(folder, mode, expected):
    flow = ImageDataGenerator(data_format="channels_first").flow_from_directory(
        str(folder), (4, 3), "grayscale", ["B", "a"], mode, batch_size=3, shuffle=False)
    x, y = flow[0]
    assert x.shape == (3, 1, 4, 3) and y.dtype == expected.dtype and (y == expected).all()


def test_autoencoders_and_predictions(folder):
    generator = ImageDataGenerator(horizontal_flip=True)
    x, y = next(generator.flow_from_directory(folder, (4, 3), class_mode="input"))
    assert (x == y).all() and x is not y and not np.shares_memory(x, y)
    assert next(generator.flow_from_directory(folder, (4, 3), class_mode=None, color_mode="rgba")).shape == (6, 4, 3, 4)


def test_subsets_share_out_every_class(folder):
    generator = ImageDataGenerator(validation_split=.5)
    counts = {subset: generator.flow_from_directory(folder, subset=subset).classes.tolist()
              for subset in ("training", "validation")}
    assert counts == {"training": [0, 1, 1], "validation": [0, 1, 1]}


def table(**more):
    names = ["B/x.png", "a/2.png", "B/y.ppm", "a/3.png"]
    return pandas.DataFrame({"filename": names, "class": ["b", "a", "b", "a"], "size": [1., 2., 3., 4.],
                             "w": [9, 8, 7, 6], **more})


@pytest.mark.parametrize("mode, expected", [
    ("categorical", [[0, 1], [1, 0], [0, 1], [1, 0]]), ("binary", [1, 0, 1, 0]), ("sparse", [1, 0, 1, 0]),
    ("raw", [1, 2, 3, 4]), ("other", [1, 2, 3, 4])])
def test_tables_of_files(folder, mode, expected, capsys):
    flow = ImageDataGenerator().flow_from_dataframe(
        table(), folder, y_col="size" if mode in ("raw", "other") else "class", class_mode=mode, target_size=(4, 3),
        shuffle=False)
    x, y = next(flow)
    assert x.shape == (4, 4, 3, 3) and y.tolist() == expected
    told = "Found 4 validated image filenames" + ("." if "size" in flow._columns else " belonging to 2 classes.")
    assert capsys.readouterr().out == told + "\n"


def test_tables_with_more(folder):
    generator = ImageDataGenerator(validation_split=.5)
    x, y, weights = next(generator.flow_from_dataframe(table(), folder, class_mode="multi_output", weight_col="w",
                                                       y_col=["size", "w"], shuffle=False, subset="validation"))
    assert [part.tolist() for part in y] == [[1, 2], [9, 8]] and weights.tolist() == [9, 8]
    several = table(tags=[["p", "q"], ["q"], ("r",), "p"])
    flow = generator.flow_from_dataframe(several, folder, y_col="tags", shuffle=False)
    assert next(flow)[1].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert flow.labels == [[0, 1], [1], [2], [0]]
    flow = generator.flow_from_dataframe(several, folder, y_col="tags", classes=["q", "p"], shuffle=False)
    assert next(flow)[1].tolist() == [[1, 1], [1, 0], [0, 1]]
    assert next(generator.flow_from_dataframe(table(), str(folder), class_mode=None)).shape == (4, 256, 256, 3)
    whole = table(filename=[str(folder / name) for name in table()["filename"]])
    assert next(generator.flow_from_dataframe(whole, class_mode="input"))[1].shape == (4, 256, 256, 3)


def test_complaints_about_tables(folder):
    generator = ImageDataGenerator()
    with pytest.warns(UserWarning, match="2 of 4 names .* first is 'none.png'"):
        found = generator.flow_from_dataframe(table(filename=["B/x.png", "none.png", "a/notes.txt", "a/2.png"]), folder)
    assert found.filenames == ["B/x.png", "a/2.png"]
    with pytest.raises(ValueError, match="no column 'label', only"):
        generator.flow_from_dataframe(table(), folder, y_col="label")
    with pytest.raises(ValueError, match="needs two classes, but there are 3"):
        generator.flow_from_dataframe(table(**{"class": list("abca")}), folder, class_mode="binary")
    with pytest.raises(ValueError, match="need class_mode='categorical'"):
        generator.flow_from_dataframe(table(**{"class": [["a", "b"], "b", "a", "b"]}), folder, class_mode="sparse")
    with pytest.warns(UserWarning, match="4 of 4"), pytest.raises(ValueError, match="lists no picture that exists"):
        next(generator.flow_from_dataframe(table(), folder / "empty"))


def test_what_the_model_sees_can_be_saved(folder, tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    next(ImageDataGenerator().flow_from_directory(folder, (4, 3), save_to_dir=seen, save_prefix="p", save_format="png",
                                                  seed=1))
    assert len(list(seen.glob("p_?_*.png"))) == 6 and image.load_img(next(seen.iterdir())).size == (3, 4)
    x = noise(3, 5, 4, 1)
    next(ImageDataGenerator().flow(x, save_to_dir=str(seen), save_format="bmp"))
    assert len(list(seen.glob("*.bmp"))) == 3


def test_complaints_about_folders(folder, tmp_path):
    generator = ImageDataGenerator()
    for options, complaint in [({"color_mode": "cmyk"}, "color_mode"), ({"class_mode": "output"}, "class_mode")]:
        with pytest.raises(ValueError, match=complaint):
            generator.flow_from_directory(folder, **options)
    with pytest.raises(FileNotFoundError):
        generator.flow_from_directory(tmp_path / "none")
    with pytest.warns(UserWarning, match="'c' has no folder"):
        generator.flow_from_directory(folder, classes=["a", "c"])
    empty = generator.flow_from_directory(folder / "empty")
    for _ in range(2):
        with pytest.raises(ValueError, match="no samples: there are no pictures in the sub-folders of .*empty"):
            next(empty)
