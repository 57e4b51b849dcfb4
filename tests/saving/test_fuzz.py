"""A sample of damaged files and of killed saves, and the harnesses themselves: they see what they are there to see.

`make fuzz` damages more files, `python -m tests.saving.killed --kills 200` kills more processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.saving import fuzz

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return fuzz.own_files(tmp_path_factory.mktemp("sources"), 6)


@pytest.mark.parametrize("ending, files", [(".h5", 100), (".keras", 20), (".json", 30), (".yaml", 10)])
def test_damaged_files(sources, ending, files):
    report = fuzz.fuzz([s for s in sources if s.suffix == ending], files, seed=3, workers=1)
    assert report.good and not report.crashes, str(report)
    assert report.files == files and sum(report.results.values()) >= files


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    process = fuzz.Process(tmp_path_factory.mktemp("worker"))
    yield process
    process.close()


def run(process, sources, **job):
    """What the harness says of one job."""
    source = next(s for s in sources if s.suffix == ".json")
    state, answer = process.run({"source": str(source), "seed": "0:0", **job})
    report = fuzz.Report()
    fuzz._count(report, "here", state, answer)
    return report


@pytest.mark.parametrize("instead, found", [
    ("exec('1')", "code"), ("open('/etc/hostname').close()", "code"),
    ("open(str(folder) + '/harm', 'w').close()", "code"),
    ("__import__('os').system('true')", "code"), ("__import__('socket').socket().close()", "code"),
    ("__import__('subprocess').run(['true'])", "code"), ("__import__('pickle').loads(b'cos\\ngetpid\\n.')", "code"),
    ("open(str(folder) + '/locked/canary.bin', 'rb').close()", "code"),
    ("__import__('numpy').ones(20 << 20)", "over_memory"), ("[None][1]", "odd"),
    ("[n for n in iter(int, 1)]", "hangs"), ("__import__('os').abort()", "crashes")])
def test_the_harness_notices(process, sources, instead, found, monkeypatch):
    monkeypatch.setattr(fuzz, "BYTES", 100 << 20)
    monkeypatch.setattr(fuzz, "SECONDS", 2.0)
    report = run(process, sources, instead=instead)
    bad = {name for name in ("hangs", "over_memory", "crashes", "code", "odd") if getattr(report, name)}
    assert bad == {found}, str(report)
    assert report.good == (found == "crashes")  # contained: there is a new process
    assert run(process, sources, instead="None").good


def test_a_job_is_the_same_each_time(process, sources):
    first, second = (process.run({"source": str(sources[0]), "seed": "1:2"})[1] for _ in range(2))
    assert first["told"] == second["told"]
    assert [one["result"] for one in first["results"]] == [one["result"] for one in second["results"]]


def test_saves_that_are_killed():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "tests.saving.killed", "--kills", "9"], cwd=ROOT, text=True,
                          capture_output=True, timeout=250, env=environment)
    assert done.returncode == 0, done.stderr
    assert "9 processes killed; the file was there each time, whole" in done.stdout
