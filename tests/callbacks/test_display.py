"""What a training shows, on a terminal and in a file."""
from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from gpukeras.callbacks import CallbackList, Logs, ProgbarLogger, display, progress
from gpukeras.callbacks.display import Meter


class Screen:
    """What was printed, as a terminal shows it."""

    def __init__(self, capsys):
        self.capsys = capsys
        self.printed = ""

    @property
    def text(self):
        """Each line after its last carriage return, if that drew anything."""
        self.printed += self.capsys.readouterr().out
        lines = (re.sub(r"\x1b\[\w", "", line) for line in self.printed.split("\n"))
        return "\n".join(([part for part in line.split("\r") if part.strip()] or [""])[-1] for line in lines)


@pytest.fixture
def screen(capsys, monkeypatch):
    monkeypatch.setattr(display, "can_redraw", lambda: True)
    monkeypatch.setattr(display, "INTERVAL", 0.0)
    return Screen(capsys)


def start(verbose, epochs=2, samples=100, count_mode="samples", steps=None):
    bar = ProgbarLogger(count_mode)
    bar.set_params({"batch_size": 10, "epochs": epochs, "steps": steps, "samples": samples,
                    "verbose": verbose, "do_validation": True,
                    "metrics": ["loss", "acc", "val_loss", "val_acc"]})
    bar.on_train_begin()
    return bar


RESULTS = {"loss": 0.64, "acc": 0.5576, "val_loss": 0.0005, "val_acc": -0.25, "lr": 0.1}
SHOWN = " - loss: 0.6400 - acc: 0.5576 - val_loss: 5.0000e-04 - val_acc: -0.2500"


def test_verbose_2_prints_the_lines_of_keras(capsys):
    bar = start(2)
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        bar.tick(50, lambda: pytest.fail("nothing is drawn, so nothing need be read"))
        bar.on_epoch_end(epoch, dict(RESULTS))
    bar.on_train_end()
    shown = SHOWN.replace("-0.2500", "-2.5000e-01")  # Keras 2 compares the number, not its size, in this line
    assert capsys.readouterr().out == f"Epoch 1/2\n - 0s{shown}\nEpoch 2/2\n - 0s{shown}\n"


def test_verbose_0_prints_nothing(capsys):
    bar = start(0)
    bar.on_epoch_begin(0)
    bar.tick(50, lambda: pytest.fail("nothing is drawn"))
    bar.on_epoch_end(0, dict(RESULTS))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [1, "auto", True])
def test_verbose_1_in_a_file_is_the_heading_and_the_full_bar(verbose, capsys):
    bar = start(verbose)
    bar.on_epoch_begin(0)
    for seen in range(100):
        bar.tick(seen, lambda: pytest.fail("nothing is drawn"))
    bar.on_epoch_end(0, dict(RESULTS))
    line = rf"100/100 \[={{30}}\] - 0s \d+(us|ms)/step{re.escape(SHOWN)}"
    assert re.fullmatch(rf"Epoch 1/2\n{line}\n", capsys.readouterr().out)


def test_verbose_1_on_a_terminal_draws_and_leaves_the_results(screen):
    bar = start(1)
    bar.on_epoch_begin(0)
    bar.tick(50, lambda: Logs(loss=0.75, acc=0.5))
    assert re.search(r"50/100 \[=+\.+\] - ETA: \d\d:\d\d - loss: 0\.7500 - acc: 0\.5000", screen.text)
    bar.tick(100, lambda: Logs(loss=0.65, acc=0.55))
    bar.on_epoch_end(0, dict(RESULTS))
    bar.on_train_end()
    head, line, rest = screen.text.split("\n")
    assert head == "Epoch 1/2"
    assert re.fullmatch(r"100/100 \[={30}\] - 0s \d+(us|ms)/step" + re.escape(SHOWN), line.rstrip())
    assert rest == ""


def test_drawing_is_limited_by_a_clock(screen, monkeypatch):
    monkeypatch.setattr(display, "INTERVAL", 60.0)
    reads = []
    bar = start(1)
    bar.on_epoch_begin(0)
    for seen in range(100):
        bar.tick(seen, lambda: reads.append(1) or Logs(loss=1.0))
    assert len(reads) == 1


def test_an_epoch_without_ticks_makes_no_bar(screen, monkeypatch):
    monkeypatch.setattr(display, "_bar_class", lambda: pytest.fail("no bar is wanted"))
    bar = start(1)
    bar.on_epoch_begin(0)
    bar.on_epoch_end(0, {"loss": 0.5})
    assert "100/100 [" in screen.text
    assert "loss: 0.5000" in screen.text


def test_an_interrupted_epoch_leaves_no_bar(screen):
    bar = start(1)
    bar.on_epoch_begin(0)
    bar.tick(10, lambda: Logs(loss=1.0))
    meter = bar._meter
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    assert meter._bar is None
    bar.close()
    bar.on_epoch_end(0, {"loss": 1.0})
    assert "loss: 1.0000" not in screen.text.split("\n")[-1]


def test_driven_by_batch_hooks_it_averages_itself(capsys):
    bar = start(2)
    batches = CallbackList([bar])
    batches.on_epoch_begin(0)
    for batch, (size, loss) in enumerate([(75, 1.0), (25, 3.0)]):
        batches.on_batch_begin(batch, {"batch": batch, "size": size})
        batches.on_batch_end(batch, {"batch": batch, "size": size, "loss": loss})
    batches.on_epoch_end(0, {"val_loss": 0.5})
    assert capsys.readouterr().out == "Epoch 1/2\n - 0s - loss: 1.5000 - val_loss: 0.5000\n"


def test_batch_hooks_draw_where_nobody_ticks(screen):
    bar = start(1, count_mode="steps", steps=4)
    bar.on_epoch_begin(0)
    bar.on_batch_end(0, {"size": 10, "loss": 2.0})
    assert re.search(r"1/4 \[=+.*loss: 2\.0000", screen.text)
    bar.on_batch_end(1, {"size": 10, "loss": 4.0})
    bar.on_epoch_end(0, None)
    assert re.search(r"2/4 \[=+>\.+\] - 0s \d+(us|ms)/step - loss: 3\.0000", screen.text)


def test_a_loop_may_tick_and_call_the_batch_hooks(screen):
    bar = start(1)
    bar.on_epoch_begin(0)
    for seen in (10, 20):
        bar.on_batch_end(0, {"size": 10, "loss": 1.0})
        bar.tick(seen, lambda: Logs(loss=2.0))
    assert "loss: 2.0000" in screen.text
    bar.on_batch_end(0, {"size": 10, "loss": 1.0})
    assert "loss: 2.0000" in screen.text.split("\n")[-1]
    bar.on_epoch_end(0, {"loss": 3.0})
    assert re.search(r" 30/100 \[=+>\.+\] - 0s \d+(us|ms)/step - loss: 3\.0000", screen.text)


def test_an_unknown_number_of_samples(screen):
    bar = start(1, samples=None)
    bar.on_epoch_begin(0)
    bar.tick(30, lambda: Logs(loss=1.0))
    bar.on_epoch_end(0, {"loss": 1.0})
    assert "     30/Unknown - 0s" in screen.text


def test_count_mode_is_checked():
    with pytest.raises(ValueError, match="count_mode.*'batches'"):
        ProgbarLogger("batches")


@pytest.mark.parametrize("verbose, shown", [(1, True), ("auto", True), (0, False), (2, False)])
def test_progress_of_an_evaluation_in_a_file(verbose, shown, capsys):
    with progress(20, verbose, unit="sample") as bar:
        for seen in range(0, 21, 5):
            bar.tick(seen)
    out = capsys.readouterr().out
    assert bool(re.fullmatch(r"20/20 \[={30}\] - 0s \d+(us|ms)/sample\n", out)) is shown
    assert bool(out) is shown


def test_progress_on_a_terminal(screen):
    with progress(20, 1) as bar:
        bar.tick(10)
        assert "10/20 [" in screen.text
        bar.tick(20)
    assert re.search(r"20/20 \[={30}\] - 0s \d+(us|ms)/step\n$", screen.text)


def test_progress_of_a_failure_is_silent(screen):
    with pytest.raises(KeyError), progress(20, 1) as bar:
        bar.tick(10)
        raise KeyError("inside")
    assert bar._meter._bar is None
    assert "/step" not in screen.text


def test_a_meter_that_is_not_live_is_never_due():
    assert not Meter(10, live=False).due()


def test_nothing_imports_tqdm_before_something_is_drawn():
    code = ("import sys, gpukeras.callbacks as c\n"
            "bar = c.ProgbarLogger()\n"
            "bar.set_params({'verbose': 1, 'epochs': 1, 'samples': 4, 'metrics': ['loss']})\n"
            "bar.on_train_begin(); bar.on_epoch_begin(0)\n"
            "bar.tick(2, dict); bar.on_epoch_end(0, {'loss': 1.0})\n"
            "print('tqdm' in sys.modules)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "False"


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_on_a_real_terminal():
    code = ("import gpukeras.callbacks as c\n"
            "bar = c.ProgbarLogger()\n"
            "bar.set_params({'verbose': 1, 'epochs': 1, 'samples': 40, 'metrics': ['loss', 'val_loss']})\n"
            "bar.on_train_begin(); bar.on_epoch_begin(0)\n"
            "bar.tick(20, lambda: {'loss': 0.75})\n"
            "bar.on_epoch_end(0, {'loss': 0.5, 'val_loss': 0.25}); bar.on_train_end()\n")
    near, far = os.openpty()
    subprocess.run([sys.executable, "-c", code], stdout=far, stderr=subprocess.PIPE, check=True)
    os.close(far)
    printed = os.read(near, 100_000).decode()
    os.close(near)
    assert printed.startswith("Epoch 1/1")
    assert re.search(r"\r20/40 \[={15}\.{15}\] - ETA: 00:0\d - loss: 0\.7500", printed)
    last = printed.rstrip().split("\r")[-1]
    assert re.fullmatch(r"40/40 \[={30}\] - \ds \d+(us|ms)/step - loss: 0\.5000 - val_loss: 0\.2500", last)
