"""Every program in docs/examples runs, in a shortened form, and prints what it says it does."""

from __future__ import annotations

import os
import pickle
import re
import struct
import subprocess
import sys
import zlib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpukeras.utils.pickles import UnsafePickle

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"


def run(name: str, *arguments: str, cwd: Path, **environment: str) -> str:
    """What an example prints, started from another folder, with warnings as errors."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    single = {"OPENBLAS_NUM_THREADS": "1"}  # several threads crawl where other programs want the cores too
    done = subprocess.run([sys.executable, "-W", "error", str(EXAMPLES / name), *arguments], cwd=cwd, text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": paths, **single, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def test_every_example_has_a_test():
    here = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in here, path.name


def test_every_example_says_how_to_start_it():
    for path in EXAMPLES.glob("*.py"):
        assert f"    python docs/examples/{path.name}\n" in path.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_digits_reaches_97_percent(seed, tmp_path):
    printed = run("digits.py", "--seed", seed, "--verbose", "2", cwd=tmp_path)
    assert "Trainable params: 50,826" in printed and "Epoch 60/60" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.97
    assert len(re.findall(r"This is a \d; the network says \d and is [\d.]+% sure", printed)) == 3


def test_digits_with_a_bar(tmp_path):
    printed = run("digits.py", "--epochs", "2", cwd=tmp_path)
    assert "Epoch 2/2" in printed and "val_acc" in printed


def imitate_mnist(home: Path) -> None:
    """Puts 2,000 images like MNIST's in form where the data set is looked for: bright squares in ten places."""
    random = np.random.RandomState(0)
    labels = random.randint(0, 10, 2000).astype("uint8")
    images = random.randint(0, 60, (2000, 28, 28)).astype("uint8")
    for image, label in zip(images, labels):
        image[4 + 10 * (label // 5):12 + 10 * (label // 5), 5 * (label % 5):5 * (label % 5) + 6] += 150
    (home / "datasets").mkdir()
    np.savez(home / "datasets" / "mnist.npz", x_train=images, y_train=labels, x_test=images[:500], y_test=labels[:500])


def test_mnist_mlp(tmp_path):
    imitate_mnist(tmp_path)
    printed = run("mnist_mlp.py", "--epochs", "2", "--samples", "1500", "--verbose", "2", cwd=tmp_path,
                  KERAS_HOME=str(tmp_path))
    assert "1500 images to train on, 500 to test with" in printed and "Total params: 669,706" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.95


def test_mnist_cnn(tmp_path):
    imitate_mnist(tmp_path)
    printed = run("mnist_cnn.py", "--epochs", "1", "--samples", "1000", "--batch-size", "32", "--verbose", "2",
                  cwd=tmp_path, KERAS_HOME=str(tmp_path))
    assert "1000 images to train on, 500 to test with, of shape (28, 28, 1)" in printed
    assert "Total params: 1,199,882" in printed and "Epoch 1/1" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.95


@pytest.mark.parametrize("data", ["mnist", "fashion"])
def test_mnist_cnn_takes_the_shipped_digits_where_the_data_are_not_at_hand(data, tmp_path):
    """The cache folder is a file, so nothing can be there and nothing be put there."""
    home = tmp_path / "home"
    home.write_text("")
    printed = run("mnist_cnn.py", "--data", data, "--epochs", "15", "--verbose", "0", cwd=tmp_path,
                  KERAS_HOME=str(home))
    assert "The data are not at hand, so the 1,797 digits of 8x8 pixels that ship with the package are used." in printed
    assert "1437 images to train on, 360 to test with, of shape (8, 8, 1)" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.9


def example(name: str) -> Any:
    """An example as a module."""
    found = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert found is not None and found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_traffic_signs(seed, tmp_path):
    printed = run("traffic_signs.py", "--seed", seed, "--verbose", "2", cwd=tmp_path)
    assert "2000 images of shape (32, 32, 3), 5 kinds of signs" in printed and "Epoch 3/3" in printed
    assert number(r"Training accuracy: ([\d.]+)", printed) > 0.9
    assert number(r"Validation accuracy: ([\d.]+)", printed) > 0.9


def test_traffic_signs_of_a_file(tmp_path):
    images, labels = example("traffic_signs").draw_signs(200, np.random.RandomState(0))
    (tmp_path / "train.p").write_bytes(pickle.dumps({"features": images, "labels": labels}))
    printed = run("traffic_signs.py", "--file", "train.p", "--epochs", "1", "--verbose", "2", cwd=tmp_path)
    assert "200 images of shape (32, 32, 3), 5 kinds of signs" in printed and "Training accuracy" in printed


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_are_opened(protocol, tmp_path):
    """As any protocol writes them, under the names of NumPy 1 and of NumPy 2."""
    images = np.arange(24, dtype="uint8").reshape(2, 3, 4)
    held = {"features": images, "labels": [np.float32(1.5), (1, "a", b"b", None)]}
    content = pickle.dumps(held, protocol)
    if protocol < 4:  # names are lines of text there, and may have another length
        older = content.replace(b"numpy._core.", b"numpy.core.")
        assert b"numpy.core." in older
    for written in [content, older] if protocol < 4 else [content]:
        (tmp_path / "train.p").write_bytes(written)
        found = example("traffic_signs").load_arrays(tmp_path / "train.p")
        assert np.array_equal(found["features"], images) and found["features"].dtype == "uint8"
        assert found["labels"] == held["labels"]


class Calls:
    """What a pickle asks for that calls a function when it is opened."""

    def __init__(self, function: Any, *arguments: Any):
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_before_it_runs(protocol, tmp_path):
    traffic_signs, trace = example("traffic_signs"), tmp_path / "trace"
    for bad, name in ((Calls(os.mkdir, str(trace)), f"{os.mkdir.__module__}.mkdir"),
                      (Calls(eval, f"__import__('os').mkdir({str(trace)!r})"), "eval"),
                      (Calls(getattr, "a", "upper"), "getattr"), (Calls(np.load, str(trace)), "numpy.*load"),
                      (Calls(Path, str(trace)), "pathlib.*Path")):
        (tmp_path / "train.p").write_bytes(pickle.dumps({"features": np.zeros(3), "labels": [bad]}, protocol))
        with pytest.raises(UnsafePickle, match=rf"train.p asks for .*{name}, which is no plain data: not opened"):
            traffic_signs.load_arrays(tmp_path / "train.p")
    assert not trace.exists()
    (tmp_path / "train.p").write_bytes(pickle.dumps({"features": Calls(os.mkdir, str(trace))}, protocol))
    pickle.loads((tmp_path / "train.p").read_bytes())  # what would have happened
    assert trace.exists()


def read_png(path: Path) -> np.ndarray:
    """The pixels of a PNG file of bytes without filters, each chunk's checksum checked."""
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(content):
        length, = struct.unpack(">I", content[at:at + 4])
        kind, body = content[at + 4:at + 8], content[at + 8:at + 8 + length]
        assert struct.unpack(">I", content[at + 8 + length:at + 12 + length]) == (zlib.crc32(kind + body),)
        chunks.append((kind, body))
        at += 12 + length
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colours, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    assert depth == 8 and colours in (0, 2) and rest == [0, 0, 0]
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), "uint8").reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:] if colours == 0 else rows[:, 1:].reshape(height, width, 3)


def test_feature_maps(tmp_path):
    printed = run("feature_maps.py", "--folder", "pictures", "--images", "3", cwd=tmp_path)
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.9
    sizes = {"input": (1, 8), "strokes": (8, 8), "corners": (16, 8), "pooled": (16, 4)}
    for name, (maps, side) in sizes.items():
        path = Path("pictures") / f"{name}.png"
        assert f"{path}: 3 images, {maps} maps of {side}x{side}" in printed
        pixels = read_png(tmp_path / path)
        assert pixels.shape == (3 * (6 * side + 2), maps * (6 * side + 2))
        assert pixels.min() == 0 and pixels.max() == 255
    assert not np.array_equal(read_png(tmp_path / "pictures" / "strokes.png")[:50, :50],
                              read_png(tmp_path / "pictures" / "strokes.png")[:50, 50:100])


def test_png_files_hold_what_was_given(tmp_path):
    feature_maps = example("feature_maps")
    for shape in ((1, 1), (5, 3), (4, 6, 3)):
        pixels = np.random.RandomState(0).randint(0, 256, shape)
        feature_maps.write_png(tmp_path / "a.png", pixels)
        assert np.array_equal(read_png(tmp_path / "a.png"), pixels)
    maps = np.zeros((1, 2, 2, 2))
    maps[0, 0, 1, 0], maps[..., 1] = 4, 7  # one map with a bright corner, one that is the same everywhere
    assert feature_maps.grid(maps, scale=1, gap=1).tolist() == [[96] * 6, [96, 0, 255, 96, 0, 0], [96, 0, 0, 96, 0, 0]]


@pytest.mark.slow
@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_clinical_trial(last, seed, tmp_path):
    """First and last figures lie where the same program's lie in Keras (see docs/benchmarks.md)."""
    printed = run("clinical_trial.py", "--last", last, "--seed", seed, cwd=tmp_path)
    lines = re.findall(r"Epoch (\d+)/20\n - \d+s - loss: ([\d.]+) - acc: ([\d.]+)\n", printed)
    assert [int(epoch) for epoch, _, _ in lines] == list(range(1, 21))
    losses, accuracies = [float(line[1]) for line in lines], [float(line[2]) for line in lines]
    assert 0.6 < losses[0] < 0.75 and 0.25 < losses[-1] < 0.35
    assert 0.35 < accuracies[0] < 0.7 and 0.9 < accuracies[-1] < 0.96
    assert "At 20: side effects not expected" in printed and "At 90: side effects expected" in printed


def test_reuse_model(tmp_path):
    printed = run("reuse_model.py", cwd=tmp_path)
    assert number(r"The reader: ([\d.]+)%", printed) > 95
    assert re.search(r"A twin from \d+ characters and 6 arrays predicts the same: True", printed)
    assert "Features of the test images: (360, 32)" in printed
    assert number(r"Odd or even on the same features: ([\d.]+)%", printed) > 80
    assert "The reader has not changed: True" in printed
    assert number(r"began with its strokes: ([\d.]+)%", printed) > 80


def test_custom_layer_and_loss(tmp_path):
    """The loss that outliers pull less comes nearer to the curve."""
    printed = run("custom_layer_and_loss.py", cwd=tmp_path)
    away = [float(d) for d in re.findall(r"mean distance from the true curve ([\d.]+)", printed)]
    assert len(away) == 2 and away[1] < 0.03 < 0.08 < away[0]
    assert "share_close" in printed and "Made again from JSON, it predicts the same: True" in printed


def empty_home(folder: Path) -> dict[str, str]:
    """A cache folder that is a file, so that no data set can be there and none be put there."""
    (folder / "home").write_text("")
    return {"KERAS_HOME": str(folder / "home")}


def test_movie_reviews_makes_reviews_up_where_they_are_not_at_hand(tmp_path):
    printed = run("movie_reviews.py", "--network", "cnn", "--words", "300", "--length", "60", "--epochs", "4",
                  "--verbose", "2", cwd=tmp_path, **empty_home(tmp_path))
    assert "The reviews are not at hand, so made-up ones are used." in printed
    assert "4000 reviews to train on, 1000 to test with" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.7


def imitate_imdb(home: Path) -> None:
    """Puts 600 reviews where the data set is looked for, pickled as in Keras's file: word 5 is for good ones."""
    random = np.random.RandomState(0)
    labels = random.randint(0, 2, 600)
    rows = np.empty(600, object)
    for i, label in enumerate(labels):
        words = random.randint(7, 50, random.randint(5, 30))
        words[random.randint(len(words))] = 5 + label
        rows[i] = words.tolist()
    (home / "datasets").mkdir()
    np.savez(home / "datasets" / "imdb.npz", x_train=rows[:400], y_train=labels[:400], x_test=rows[400:],
             y_test=labels[400:])


@pytest.mark.parametrize("network", ["lstm", "bidirectional", "cnn"])
def test_movie_reviews_of_a_file(network, tmp_path):
    imitate_imdb(tmp_path)
    printed = run("movie_reviews.py", "--network", network, "--words", "60", "--length", "30", "--epochs", "15",
                  "--samples", "300", "--verbose", "2", cwd=tmp_path, KERAS_HOME=str(tmp_path))
    assert "300 reviews to train on, 200 to test with" in printed and "made-up" not in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.95
    each = re.search(r"Test accuracy after each epoch: (.*)", printed)
    assert each and len(each[1].split(", ")) == 15 and each[1].split(", ")[-1] in printed.splitlines()[-1]


def test_news_wires(tmp_path):
    printed = run("news_wires.py", "--epochs", "4", cwd=tmp_path, **empty_home(tmp_path))
    assert "The wires are not at hand, so made-up ones are used." in printed
    assert "4000 wires to train on, 1000 to test with, 46 topics" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.9


def test_house_prices(tmp_path):
    printed = run("house_prices.py", "--epochs", "40", cwd=tmp_path, **empty_home(tmp_path))
    assert "404 districts to train on, 102 to test with, 13 columns" in printed
    assert [int(fold) for fold in re.findall(r"Fold (\d): off by [\d.]+ thousand dollars", printed)] == [1, 2, 3, 4]
    assert number(r"by 4-fold validation: ([\d.]+) \(lowest: [\d.]+ after \d+ epochs\)", printed) < 2.5
    assert number(r"districts set aside: ([\d.]+)", printed) < 2.5


def test_text_generation(tmp_path):
    (tmp_path / "rhyme.txt").write_text("One, two, three,\nand round again. " * 60)
    printed = run("text_generation.py", "--text", "rhyme.txt", "--length", "20", "--units", "32", "--epochs", "12",
                  "--batch-size", "16", "--write", "35", cwd=tmp_path)
    assert "2039 characters, 15 different ones, 673 pieces" in printed
    written = re.findall(r"--- temperature (\S+): (.{20})\|(.{35})\n", printed)
    assert [temperature for temperature, _, _ in written] == ["0.2", "0.5", "1"] * 12
    assert written[-3][1] + written[-3][2] in "one, two, three, and round again. " * 3  # learned by heart


def test_text_generation_reads_the_documents(tmp_path):
    printed = run("text_generation.py", "--characters", "2000", "--epochs", "1", "--write", "5", "--units", "8",
                  cwd=tmp_path)
    assert "2000 characters" in printed and "654 pieces" in printed


def test_addition(tmp_path):
    """One digit a number: a tenth of the pairs is never seen before it is asked for."""
    printed = run("addition.py", "--digits", "1", "--epochs", "100", "--units", "32", "--batch-size", "16",
                  "--learning-rate", "0.02", cwd=tmp_path)
    assert "92 questions to train on, 8 for validation" in printed
    assert len(re.findall(r"^\d\+\d = ", printed, re.MULTILINE)) >= 5
    assert re.search(r"Validation accuracy: [\d.]+ of the characters, [\d.]+ of the sums", printed)
    learned = [float(accuracy) for accuracy in re.findall(r" acc: ([\d.]+)", printed)]
    assert learned[0] < 0.5 and learned[-1] > 0.95


def test_addition_asks_what_it_has_not_shown():
    addition = example("addition")
    pairs = addition.make_pairs(2, None, np.random.RandomState(0))
    assert len(pairs) == len({tuple(pair) for pair in pairs}) == 5050 and (pairs[:, 0] <= pairs[:, 1]).all()
    questions, answers, x, y = addition.make_questions(np.array([[7, 35], [4, 4]]), 2)
    assert list(zip(questions, answers)) == [("4+4", "8"), ("7+35", "42"), ("35+7", "42")]
    assert x.shape == (3, 5, 12) and addition.decode(x) == questions and addition.decode(y) == answers
    assert "".join(addition.CHARACTERS[i] for i in y[1].argmax(axis=-1)) == "24 "  # the last digit comes first
    many = addition.make_pairs(3, 1000, np.random.RandomState(0))
    assert 400 < len(many) <= 500 and many.max() < 1000 and (many < 10).any() and (many > 99).any()


def test_variational_autoencoder(tmp_path):
    printed = run("variational_autoencoder.py", "--epochs", "40", "--verbose", "2", cwd=tmp_path,
                  **empty_home(tmp_path))
    assert "1437 images to train on, 360 to test with, of 64 pixels" in printed
    losses = [float(loss) for loss in re.findall(r" - loss: ([\d.]+)", printed)]
    assert len(losses) == 40 and losses[0] > 40 and losses[-1] < 27
    assert number(r"Test loss: ([\d.]+)", printed) < 27
    assert len(re.findall(r"The \d lies around \([+-][\d.]+, [+-][\d.]+\)", printed)) == 10
    painted = printed.split("zeros:\n")[1].split("\n")
    assert any("#" in line or "+" in line for line in painted) and len(painted) == 9


def test_siamese_digits(tmp_path):
    printed = run("siamese_digits.py", "--epochs", "5", cwd=tmp_path, **empty_home(tmp_path))
    assert "2874 pairs to train on, 720 to test with" in printed and "Total params: 41,344" in printed
    same, different = map(float, re.findall(r"([\d.]+) for (?:the same digit|two digits)", printed))
    assert same < 0.4 < 0.6 < different
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.85


def test_confusion_matrix(tmp_path):
    printed = run("confusion_matrix.py", "--to-file", "confusion.svg", cwd=tmp_path)
    assert number(r"Right: (\d+) of 360", printed) > 320
    assert sum(map(int, re.findall(r"\d+", " ".join(line[3:] for line in printed.splitlines()[1:11])))) == 360
    assert re.search(r"Most often (\d) is taken for (?!\1)\d: \d+ times", printed)
    assert (tmp_path / "confusion.svg").read_text().count("<rect") == 101


def test_a_confusion_matrix_counts():
    shown = example("confusion_matrix")
    counts = shown.confusion_matrix([0, 0, 1, 2], [0, 2, 1, 2], classes=4)
    assert counts.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert shown.as_text(counts[:2, :2], ["no", "yes"]).splitlines() == ["      no yes", "  no   1   0", " yes   0   1"]
    picture = shown.draw_confusion(counts, ["a", "b", "<c>", "d"], shares=True)
    assert picture.svg().count(">50%<") == 2 and "&lt;c&gt;" in picture.svg()
    with pytest.raises(ValueError, match=r"vectors of one length, got \(2,\), \(2, 2\)"):
        shown.confusion_matrix([0, 1], [[1, 0], [0, 1]])


def test_two_branches(tmp_path):
    printed = run("two_branches.py", cwd=tmp_path)
    assert "Total params: 12,299" in printed
    assert number(r"\ndigit_acc: ([\d.]+)", printed) > 0.93 and number(r"\nodd_acc: ([\d.]+)", printed) > 0.85
