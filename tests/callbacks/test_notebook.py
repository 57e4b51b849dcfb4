"""Progress in a notebook: what a cell shows while a model trains, and what a saved notebook keeps of it."""
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gpukeras.callbacks import Logs, ProgbarLogger, display, notebook, progress
from gpukeras.utils import generic_utils

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"Epoch (\d+)/(\d+) - \d+s \d+(us|ms|s)/step - loss: [\d.e-]+.*")


@pytest.fixture
def cell(monkeypatch):
    """A notebook without ipywidgets, which draws whenever it is asked to."""
    monkeypatch.setattr(display, "can_redraw", lambda: True)
    monkeypatch.setattr(display, "in_notebook", lambda: True)
    monkeypatch.setattr(notebook, "INTERVAL", 0.0)


def start(epochs=2, verbose=1):
    bar = ProgbarLogger()
    bar.set_params({"epochs": epochs, "steps": None, "samples": 100, "verbose": verbose, "metrics": ["loss"]})
    bar.on_train_begin()
    return bar


def shown(printed: str) -> list[str]:
    """The lines that a page shows: each after its last carriage return, if that drew anything."""
    lines = (re.sub(r"\x1b\[\w", "", line) for line in printed.split("\n"))
    return ["".join([part for part in line.split("\r") if part.strip()][-1:]) for line in lines]


def test_a_line_an_epoch_drawn_over_a_bar_with_live_metrics(cell, capsys):
    bar = start()
    for epoch in range(2):
        bar.on_epoch_begin(epoch)
        bar.tick(50, lambda: Logs(loss=0.75))
        drawn = capsys.readouterr().out
        assert re.search(rf"Epoch {epoch + 1}/2 - 50/100 \[=+\.+\] - ETA: \d\d:\d\d - loss: 0\.7500", drawn)
        assert "\n" not in drawn
        bar.on_epoch_end(epoch, {"loss": 0.5})
        last, rest = shown(drawn + capsys.readouterr().out)
        assert LINE.fullmatch(last) and rest == ""
    bar.close()
    assert capsys.readouterr().out == ""


def test_short_epochs_draw_nothing_but_their_lines(cell, capsys, monkeypatch):
    monkeypatch.setattr(notebook, "INTERVAL", 60.0)
    monkeypatch.setattr(display, "_bar_class", lambda: pytest.fail("no bar is wanted"))
    bar = start(epochs=200)
    for epoch in range(200):
        bar.on_epoch_begin(epoch)
        bar.tick(50, lambda: pytest.fail("nothing is drawn, so nothing need be read"))
        bar.on_epoch_end(epoch, {"loss": 0.5})
    bar.on_train_end()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 200 and all(LINE.fullmatch(line) for line in lines)


def test_interrupted_and_run_again(cell, capsys):
    for _ in range(2):
        bar = start()
        bar.on_epoch_begin(0)
        bar.tick(50, lambda: Logs(loss=0.75))
        bar.close()  # as `fit` does when it is interrupted
        bar.tick(60, lambda: pytest.fail("nothing is drawn any more"))
        printed = capsys.readouterr().out
        assert printed.rpartition("\r")[2] == "" and shown(printed) == [shown(printed)[0]]


def test_an_evaluation_is_one_line(cell, capsys):
    with progress(20, 1) as bar:
        bar.tick(10)
    line, rest = shown(capsys.readouterr().out)
    assert re.fullmatch(r"10/20 \[=+>?\.+\] - 0s \d+(us|ms)/step", line) and rest == ""


def test_verbose_2_is_the_same_everywhere(cell, capsys):
    bar = start(verbose=2)
    bar.on_epoch_begin(0)
    bar.on_epoch_end(0, {"loss": 0.5})
    assert capsys.readouterr().out == "Epoch 1/2\n - 0s - loss: 0.5000\n"


def test_here_is_no_notebook():
    assert not generic_utils.in_notebook()


TRAIN = """
import numpy as np, time
from gpukeras.callbacks import LambdaCallback, runner
from gpukeras.layers import Dense
from gpukeras.models import Sequential
np.random.seed(0)
x, y = np.random.rand(64, 4), np.random.rand(64, 1)
model = Sequential([Dense(1, input_shape=(4,))])
model.compile('sgd', 'mse')
runner.SLOW = 60  # on a busy machine the callback below may take long enough for a warning

def stop(batch, logs):
    time.sleep(0.06)
    if interrupt and (epoch := len(model.history.epoch)) == 1 and batch == 6:
        raise KeyboardInterrupt

slow = LambdaCallback(on_batch_end=stop)
"""
FIT = "interrupt = {}\nhistory = model.fit(x, y, batch_size=8, epochs=3, callbacks=[slow])"


def executed(*cells: str) -> list[list[dict]]:
    """The outputs of each cell, as a saved notebook has them."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    client = nbclient.NotebookClient(page, timeout=100, allow_errors=True, kernel_name="python3")
    client.execute(env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"})
    return [cell.outputs for cell in page.cells]


def stream(outputs: list[dict], name: str = "stdout") -> str:
    return "".join(one["text"] for one in outputs if one["output_type"] == "stream" and one["name"] == name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own
def test_in_a_kernel_with_widgets():
    pytest.importorskip("ipywidgets")
    ask = "%load_ext gpukeras\nimport keras; print(keras.__name__)\n%gpukeras info"
    _, stopped, again, picture, told = executed(TRAIN, FIT.format(True), FIT.format(False), "history", ask)
    for outputs, lines, left in ((stopped, 1, r"Epoch 2/3: interrupted after \ds"), (again, 3, r"3 epochs in \ds")):
        displays = [one["data"] for one in outputs if one["output_type"] == "display_data"]
        assert [list(data) for data in displays] == [["text/plain"]], "one place, and no widget left in it"
        assert re.fullmatch(left, displays[0]["text/plain"])
        printed = stream(outputs).splitlines()
        assert len(printed) == lines and all(LINE.fullmatch(line) for line in printed)
    assert stopped[-1]["ename"] == "KeyboardInterrupt" and stream(again, "stderr") == ""
    data, = (one["data"] for one in picture)
    assert "<svg" in data["text/html"] and data["image/svg+xml"].startswith("<svg")
    assert stream(told).startswith("gpukeras\ngpukeras ") and "backend" in stream(told)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_kernel_without_widgets():
    _, outputs = executed("import sys\nsys.modules['ipywidgets'] = None\n" + TRAIN, FIT.format(False))
    assert {one["output_type"] for one in outputs} == {"stream"} and stream(outputs, "stderr") == ""
    assert "ETA" in stream(outputs)
    *lines, rest = shown(stream(outputs))
    assert len(lines) == 3 and all(LINE.fullmatch(line) for line in lines) and rest == ""
