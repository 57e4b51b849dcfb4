"""The benchmarks run; what they measure is for docs/benchmarks.md, and no test depends on a clock."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import worker
from tests.benchmarks.steps import STEPS, Worker

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tests.benchmarks", *arguments], cwd=ROOT, text=True,
                          capture_output=True, env={**os.environ, "KERAS_HOME": str(home), "OPENBLAS_NUM_THREADS": "1"})


@pytest.mark.slow
def test_a_quick_run(tmp_path):
    done = bench("--quick", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"gpukeras: gpukeras \d\S* on (numpy|cupy), NumPy \d", done.stdout)
    assert "data of mlp and cnn: random images" in done.stdout
    figures = re.findall(r"gpukeras +([\d.]+) us a step", done.stdout)
    assert len(figures) == len(STEPS) and all(float(f) > 0 for f in figures)
    assert len(re.findall(r"[\d.]+ ms +[\d.]+ x numpy", done.stdout)) == 3


def test_an_unknown_benchmark(tmp_path):
    done = bench("step", home=tmp_path)
    assert done.returncode == 2 and "there is no benchmark 'step': choose imports or steps" in done.stderr


def test_every_case_has_a_length():
    assert STEPS.keys() == worker.CASES.keys()


def test_a_worker_that_dies_is_reported_with_its_last_words():
    with Worker("no Keras", "no_such_library", sys.executable) as lost:
        with pytest.raises(RuntimeError, match="(?s)no Keras stopped with status 1.*no_such_library"):
            lost.ask("versions")
