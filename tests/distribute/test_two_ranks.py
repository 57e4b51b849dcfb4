"""Two ranks do what one process does, and a job ends when one of them fails."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.distribute.jobs import LAUNCHER, run

pytestmark = [pytest.mark.skipif(LAUNCHER is None, reason="needs mpi4py and mpiexec: gpukeras[distributed]"),
              pytest.mark.slow]
PROGRAM = Path(__file__).with_name("program.py")


def numbers(value) -> list[float]:
    """All numbers in nested lists and dicts."""
    if isinstance(value, (list, dict)):
        return [n for v in (value.values() if isinstance(value, dict) else value) for n in numbers(v)]
    return [float(value)]


def computed(ranks: int, folder: Path) -> dict:
    folder.mkdir()
    ended = run(ranks, PROGRAM, folder)
    assert ended.status == 0, ended.errors
    assert len((folder / "log.csv").read_text().splitlines()) == 3
    lines = ended.output.strip().splitlines()
    assert len(lines) == 1, lines  # rank 0 alone prints
    return json.loads(lines[0])


def test_what_two_ranks_compute_is_what_one_process_does(tmp_path):
    alone, together = computed(1, tmp_path / "1"), computed(2, tmp_path / "2")
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        if name.startswith("exact"):
            assert together[name] == value, name
        else:
            np.testing.assert_allclose(numbers(together[name]), numbers(value), rtol=1e-5, atol=1e-5, err_msg=name)
    assert alone["learning rate"] < 0.001  # it was lowered, by a callback of rank 0


FAILING = """
import os, sys, time
import numpy as np
import gpukeras as keras
from gpukeras import distribute
from gpukeras.layers import Dense
from gpukeras.models import Sequential
model = Sequential([Dense(5, input_shape=(4,))])
model.compile("sgd", "mse")
x, y = np.ones((64, 4)), np.ones((64, 5))
for step in range(100_000):
    model.train_on_batch(x, y)
    if step == 20 and distribute.rank() == 1:
        sys.stderr.write(f"now {time.time()}\\n")
        HERE
"""
FAULTS = {
    "killed": ("os.kill(os.getpid(), 9)", "rank 1 of 2 "),
    "raises": ("raise KeyError('no such thing')", "rank 1 of 2 (on"),
    "exits with an error": ("sys.exit('has had enough')", "rank 1 of 2 has ended its program with an error (has had"),
    "leaves": ("sys.exit()", "rank 1 of 2 has ended its program while rank 0 still waits for it"),
    "takes another batch": ("model.train_on_batch(x[:7], y[:7])", "batches of different lengths"),
    "takes other data": ("model.fit(x[:7], y[:7], verbose=0)", "different"),
}


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "takes other data"])
def test_a_rank_that_fails_ends_the_job_and_is_named(fault, tmp_path):
    statement, said = FAULTS[fault]
    program = tmp_path / "program.py"
    program.write_text(FAILING.replace("HERE", statement))
    ended = run(2, program, timeout=60)
    assert ended.status != 0
    assert said in ended.errors, ended.errors
    began = float(ended.errors.split("now ")[1].split()[0])
    assert time.time() - began < (12 if fault == "leaves" else 8)  # seconds, on a machine that is busy with other tests


def test_ranks_with_other_data_are_refused(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(FAILING.partition("for step")[0] + """
n = 64 - distribute.rank()
model.fit(x[:n], y[:n], verbose=0)
""")
    ended = run(2, program, timeout=60)
    assert ended.status != 0
    assert "the ranks differ in their fit: rank 0 has shapes of the data [((64, 4), 'float64')" in ended.errors
    assert "and rank 1 has [((63, 4)" in ended.errors


def test_a_training_goes_on_after_a_kill_as_if_there_had_been_none(tmp_path):
    program = Path(__file__).with_name("resumed.py")
    uninterrupted = run(2, program, tmp_path / "a", 0)
    assert uninterrupted.status == 0, uninterrupted.errors
    assert run(2, program, tmp_path / "b", 11).status != 0
    resumed = run(2, program, tmp_path / "b", 0)
    assert resumed.output == uninterrupted.output  # to the bit


def test_batches_that_cannot_be_dealt_are_computed_by_every_rank(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
import sys, warnings
import numpy as np
import gpukeras as keras
from gpukeras.layers import LSTM, Dense
from gpukeras.models import Sequential
np.random.seed(3)
model = Sequential([LSTM(4, stateful=True, batch_input_shape=(7, 3, 2)), Dense(1)])
model.compile("adam", "mse", distribute=True if sys.argv[1] == "True" else sys.argv[1])
print(model.fit(np.random.rand(14, 3, 2), np.random.rand(14, 1), batch_size=7, epochs=2, verbose=0).history["loss"])
""")
    alone, together, refused = run(1, program, "auto"), run(2, program, "auto"), run(2, program, "True")
    assert alone.output == together.output != ""
    assert "can't be dealt to the 2 ranks: the number of samples of its input" in together.errors
    assert refused.status != 0 and "compile(distribute=True)" in refused.errors


def test_ranks_with_gpus_add_up_within_recorded_steps(tmp_path):
    """On a stand-in for CuPy, whose NCCL is MPI."""
    program = tmp_path / "program.py"
    program.write_text("""
import json
import numpy as np
import gpukeras as keras
from gpukeras import distribute
from gpukeras.layers import Dense, Embedding, Flatten
from gpukeras.models import Sequential
np.random.seed(3)
x, y = np.random.randint(0, 1100, (20, 3)), np.random.rand(20, 2)
model = Sequential([Embedding(1100, 4, input_length=3), Flatten(), Dense(8, activation="relu"), Dense(2)])
model.compile("adam", "mse", ["mae"])
history = model.fit(x, y, batch_size=7, epochs=3, verbose=0, validation_split=.2)
found = [history.history["loss"], history.history["val_mean_absolute_error"], model.predict(x, batch_size=4).tolist()]
assert distribute.gather(found) == [found] * distribute.size()
print(json.dumps([keras.config()["backend"], *found]))
""")
    gpu = {"GPUKERAS_BACKEND": "cupy", "PATH_BEFORE": str(Path(__file__).parents[1] / "standin")}
    alone, together = run(1, program, **gpu), run(2, program, **gpu)
    assert together.status == 0, together.errors
    (name, *expected), (same_name, *found) = json.loads(alone.output), json.loads(together.output)
    assert name == same_name == "cupy"
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-5, atol=1e-5)
