"""A sample of damaged files and of killed saves, and the harnesses themselves: they see what they are there to see.

`make fuzz` damages more files, `python -m tests.saving.killed --kills 200` kills more processes.
"""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("ending, files", [(".h5", 120), (".keras", 30), (".json", 30), (".yaml", 20)])
def test_damaged_files(sources, ending, files):
    report = fuzz.fuzz([s for s in sources if s.suffix == ending], files, seed=3, workers=1)
    assert report.good and not report.crashes, str(report)
    assert report.files == files and sum(report.results.values()) >= files


def run_in_worker(tmp_path, sources, what):
    """What the harness says of a load that does something else."""
    source = next(s for s in sources if s.suffix == ".json")
    process = fuzz.Process(tmp_path, f"models.model_from_json = lambda text: {what}")
    try:
        state, answer = process.run({"source": str(source), "seed": "0:0"})
        report = fuzz.Report()
        fuzz._count(report, "here", state, answer)
        assert report.files == 1
        return report
    finally:
        process.close()


@pytest.mark.parametrize("what, found", [
    ("exec('1')", "code"), ("open('/etc/hostname').close()", "code"), ("open('harm', 'w').close()", "code"),
    ("__import__('os').system('true')", "code"), ("__import__('socket').socket().close()", "code"),
    ("__import__('subprocess').run(['true'])", "code"), ("__import__('pickle').loads(b'cos\\ngetpid\\n.')", "code"),
    ("open(str(folder) + '/locked/canary.bin', 'rb').close()", "code"),
    ("bytearray(b'x') * (3 << 29)", "over_memory"), ("[None][1]", "odd"), ("[n for n in iter(int, 1)]", "hangs"),
    ("__import__('os').abort()", "crashes")])
def test_the_harness_notices(tmp_path, sources, what, found, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1.0)
    report = run_in_worker(tmp_path, sources, what)
    bad = {name for name in ("hangs", "over_memory", "crashes", "code", "odd") if getattr(report, name)}
    assert bad == {found}, str(report)
    assert report.good == (found == "crashes")  # contained: there is a new process


def test_a_file_that_is_as_it_should_be_is_no_finding(tmp_path, sources):
    assert run_in_worker(tmp_path, sources, "None").good


def test_saves_that_are_killed():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "tests.saving.killed", "--kills", "9"], cwd=ROOT, text=True,
                          capture_output=True, timeout=250, env=environment)
    assert done.returncode == 0, done.stderr
    assert "9 processes killed; the file was there each time, whole" in done.stdout


def test_a_job_is_the_same_each_time(tmp_path, sources):
    found = []
    for folder in ("one", "two"):
        process = fuzz.Process(tmp_path / folder)
        try:
            _, answer = process.run({"source": str(sources[0]), "seed": "1:2"})
        finally:
            process.close()
        found.append(json.dumps([answer["told"], [one["result"] for one in answer["results"]]]))
    assert found[0] == found[1]
