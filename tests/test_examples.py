"""Every program in docs/examples runs, in a shortened form, and prints what it says it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


def test_mnist_mlp(tmp_path):
    """On 2,000 images like MNIST's in form: bright squares in ten places."""
    random = np.random.RandomState(0)
    labels = random.randint(0, 10, 2000).astype("uint8")
    images = random.randint(0, 60, (2000, 28, 28)).astype("uint8")
    for image, label in zip(images, labels):
        image[4 + 10 * (label // 5):12 + 10 * (label // 5), 5 * (label % 5):5 * (label % 5) + 6] += 150
    (tmp_path / "datasets").mkdir()
    np.savez(tmp_path / "datasets" / "mnist.npz", x_train=images, y_train=labels, x_test=images[:500],
             y_test=labels[:500])
    printed = run("mnist_mlp.py", "--epochs", "2", "--samples", "1500", "--verbose", "2", cwd=tmp_path,
                  KERAS_HOME=str(tmp_path))
    assert "1500 images to train on, 500 to test with" in printed and "Total params: 669,706" in printed
    assert number(r"Test accuracy: ([\d.]+)", printed) > 0.95


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
