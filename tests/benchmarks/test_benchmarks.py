"""The benchmarks run, and a training step does no more work than it did. What they measure by the clock is for
docs/benchmarks.md: no test here depends on one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

import gpukeras
from tests.benchmarks import data, measure, quick, report
from tests.benchmarks.programs import CASES, flops
from tests.benchmarks.rivals import Lost, Rival, Worker, rivals

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tests.benchmarks", *arguments], cwd=ROOT, text=True,
                          capture_output=True, env={**os.environ, "KERAS_HOME": str(home)})


# ------------------------------------------------------------------------------------------------- counted work
@pytest.mark.parametrize("native", ["on", "off"])
def test_a_step_does_no_more_work_than_it_did(native):
    row, counts = quick.counted(native, list(CASES))
    assert row == ("compiled" if native == "on" and shutil.which("cc") else "numpy") or os.environ.get("CC")
    assert quick.complaints(counts, quick.load()[row]) == [], (
        "A step does more than it did. If that is meant: python -m tests.benchmarks --quick --update")


def test_what_grew_is_named():
    ceilings = {"tiny": {"calls": 10, "arena": 64}}
    assert quick.complaints({"tiny": {"calls": 10, "arena": 64}}, ceilings) == []
    assert quick.complaints({"tiny": {"calls": 12, "arena": 1}}, ceilings) == ["tiny: calls is 12, and was 10 at most"]
    assert quick.complaints({"mlp": {"calls": 1}}, ceilings) == ["mlp has no ceilings in ceilings.json"]
    assert quick.complaints({"tiny": {"steps": 1}}, ceilings) == ["tiny: steps has no ceiling in ceilings.json"]
    assert quick.slack({"tiny": {"calls": 8, "arena": 63}}, ceilings) == ["tiny: calls is 8; its ceiling is 10"]


def test_the_table_is_kept_by_row_and_program(tmp_path, monkeypatch):
    monkeypatch.setattr(quick, "CEILINGS", tmp_path / "ceilings.json")
    quick.store("numpy", {"tiny": {"calls": 3, "passing": 100}, "mlp": {"calls": 4, "growing": 0}})
    quick.store("compiled", {"tiny": {"calls": 1}})
    quick.store("numpy", {"tiny": {"calls": 2, "passing": 100}})
    assert quick.load() == {"compiled": {"tiny": {"calls": 1}},
                            "numpy": {"tiny": {"calls": 2, "passing": 1224}, "mlp": {"calls": 4, "growing": 4096}}}


def test_status_and_text_say_what_grew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(quick, "CEILINGS", tmp_path / "ceilings.json")
    monkeypatch.setattr(quick, "counted", lambda native, programs: ("numpy", {"tiny": {"calls": 5, "steps": 2}}))
    assert quick.main("off", ["tiny"], update=True) == 0
    assert quick.main("off", ["tiny"], update=False) == 0
    monkeypatch.setattr(quick, "counted", lambda native, programs: ("numpy", {"tiny": {"calls": 6, "steps": 1}}))
    assert quick.main("off", ["tiny"], update=False) == 1
    said = capsys.readouterr().out
    assert "ABOVE: tiny: calls is 6, and was 5 at most" in said and "below: tiny: steps is 1; its ceiling is 2" in said


# ------------------------------------------------------------------------------------------------- programs
@pytest.mark.parametrize("name", [name for name in CASES if name not in ("lstm", "gru")])
def test_flops_follow_from_kernels_and_places(name):
    layers = [layer for layer in CASES[name].build(gpukeras).layers if layer.get_weights()]
    total = 0
    for i, layer in enumerate(layers):
        kernel, shape = layer.get_weights()[0], layer.output_shape
        if kernel.ndim > 1:
            total += 2 * kernel.size * int(np.prod(shape[1:-1])) * (3 if i else 2)
    assert flops(name) == total * CASES[name].batch


def test_flops_of_recurrences():
    assert flops("lstm") == 32 * 6 * (80 * (128 + 128) * 4 * 128 + 128)
    assert flops("gru") == 32 * 6 * (80 * (128 + 128) * 3 * 128 + 128)


@pytest.mark.parametrize("kind", data.KINDS)
def test_made_up_data_fit_their_programs(kind):
    x, y, what = data.made_up(kind, 3)
    case = next(case for case in CASES.values() if case.data == kind)
    model = case.build(gpukeras)
    assert len(x) == len(y) == 3 and what in ("random", "made up")
    assert model.input_shape == (None, *x.shape[1:])
    assert np.isfinite(model.evaluate(x, y, verbose=0)).all()


# ------------------------------------------------------------------------------------------------- processes
def options(**changes):
    return Namespace(**{"native": "both", "device": "cpu", "keras2": None, "keras3": None, "keras209": None,
                        "rivals": None, "patience": 60.0, **changes})


def test_who_takes_part():
    assert [r.key for r in rivals(options())] == ["gpukeras", "numpy"]
    everybody = rivals(options(keras2="a", keras3="b", keras209="c", native="on"))
    assert [r.key for r in everybody] == ["gpukeras", "keras209", "keras2", "jax", "keras3-torch", "torch", "compile"]
    assert [r.key for r in everybody if r.apart] == ["compile"] and [r.key for r in everybody if r.ours] == ["gpukeras"]
    assert [r.key for r in rivals(options(rivals="numpy"))] == ["numpy"]
    assert rivals(options(device="gpu"))[0].environment["GPUKERAS_BACKEND"] == "cupy"
    on_gpu = rivals(options(device="gpu", keras3="b", native="on"))
    assert [r.key for r in on_gpu] == ["gpukeras", "tf32", "epilogues", "jax", "keras3-torch", "torch", "compile"]
    assert on_gpu[1].environment["GPUKERAS_PRECISION"] == "tf32" and on_gpu[1].ours
    assert on_gpu[2].environment["GPUKERAS_EPILOGUES"] == "on"
    assert on_gpu[3].environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    with pytest.raises(SystemExit, match="there is no torch here"):
        rivals(options(rivals="gpukeras,torch"))


def test_a_worker_that_dies_is_reported_with_its_last_words():
    with Worker(Rival("x", "no Keras", "no_such_library", sys.executable, {}), "cpu") as lost:
        with pytest.raises(Lost, match="(?s)no Keras stopped with status 1.*no_such_library"):
            lost.ask("who", side=8)


def test_a_worker_that_is_late_is_ended(tmp_path):
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    with Worker(Rival("x", "slow", "keras", str(slow), {}, patience=0.1), "cpu") as worker:
        with pytest.raises(Lost, match="slow gave no answer within 0 seconds"):
            worker.ask("who", side=8)


@pytest.mark.parametrize("arguments, what", [
    (["step"], "there is no benchmark 'step': choose from imports, start, steps"),
    (["--programs", "tiny,cnn"], "there is no program 'cnn': choose from tiny"),
    (["--rivals", "jax"], "there is no jax here; there are gpukeras, numpy")])
def test_unknown_names(arguments, what, tmp_path):
    done = bench(*arguments, home=tmp_path)
    assert done.returncode and what in done.stderr


def test_memory_on_gpus_is_what_nvidia_smi_says(tmp_path, monkeypatch):
    with Worker(Rival("x", "sleeper", "gpukeras", sys.executable, {}), "cpu") as worker:
        pid = worker._process.pid
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\necho '1, 500'\necho '{pid}, 300'\necho '{pid}, 12'\necho '{pid}, [N/A]'\n")
        tool.chmod(0o700)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert worker.gpu_memory() == 312 << 20
        tool.write_text("#!/bin/sh\necho No devices were found\n")
        assert worker.gpu_memory() is None
        monkeypatch.setenv("PATH", "")
        assert worker.gpu_memory() is None


@pytest.mark.slow
def test_a_short_run(tmp_path):
    kept = tmp_path / "found.json"
    done = bench("--short", "--json", str(kept), "--programs", "tiny", home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(kept.read_text())
    assert found["steps"]["data"] == {"points": "made up"}
    assert set(found["start"]) == set(found["steps"]["programs"]) == {"tiny"}
    for program in found["steps"]["programs"].values():
        for name in ("gpukeras", "NumPy alone"):
            row = program["rivals"][name]
            assert len(row["fit"]) == len(row["predict"]) == 1 and row["fit"][0] > 0
            assert sys.platform != "linux" or row["memory"]["whole"] > row["memory"]["imported"]
    assert {"NumPy", "import gpukeras", "gpukeras"} == set(found["imports"])
    shown = bench("--show", str(kept), home=tmp_path).stdout
    assert done.stdout.endswith(shown) and "| tiny" in shown


@pytest.mark.slow
def test_the_gpu_paths_on_the_stand_in(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "standin"))
    those = rivals(options(device="gpu", native="on"))
    found = measure.steps(those, ["tiny"], 1, "gpu", quick=True)
    rows = found["programs"]["tiny"]["rivals"]
    work, fewer = rows["gpukeras"]["work"], rows["gpukeras, epilogues"]["work"]
    assert work["calls"] < work["kernels"] < 2 * work["calls"] and work["uncompiled"] < work["steps"]
    assert fewer["kernels"] < work["kernels"] and work["device"] > 0
    assert set(found["products"]) == {"gpukeras", "gpukeras, tf32", "gpukeras, epilogues"} and found["bandwidth"] > 0
    said = report.steps(found, those)
    assert "on cupy, compiled: kernels" in said and "products of 4096x4096" in said and "GB/s" in said
    assert re.search(rf"\| tiny +\| gpukeras +\| {work['kernels']} +\| 1 +\| [\d.]+ +\| [\d.]+ +\| [\d.]+ ", said)


@pytest.mark.slow
@pytest.mark.parametrize("variable, keys", [("GPUKERAS_KERAS2", "keras2"),
                                            ("GPUKERAS_KERAS3", "jax,keras3-torch,torch")])
def test_rivals(variable, keys):
    """The rivals run all programs, where their interpreters are named (as for `make interop`)."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        pytest.skip(f"{variable} names no interpreter")
    those = rivals(options(rivals=keys, **{"keras2" if keys == "keras2" else "keras3": interpreter}))
    found = measure.steps(those, list(CASES), 1, "cpu", quick=True)
    assert [(p, n, row["lost"]) for p, rows in found["programs"].items() for n, row in rows["rivals"].items()
            if "lost" in row] == []


# ------------------------------------------------------------------------------------------------- tables
OURS = Rival("gpukeras", "gpukeras", "gpukeras", "", {})
FAST, SLOW = Rival("a", "Fast", "keras", "", {}), Rival("b", "Slow", "keras", "", {})
APART = Rival("c", "Apart", "torch.compile", "", {}, apart=True)


def test_the_best_rival_is_the_one_compared_with():
    times = {"gpukeras": [1.0, 2.0, 3.0], "Fast": [2.0, 6.0, 6.0], "Slow": [9.0, 9.0, 9.0], "Apart": [0.5, 1.0, 1.5]}
    found = {"p": {name: {"first": values, "imports": values} for name, values in times.items()}}
    said = report.first_steps(found, [OURS, SLOW, FAST, APART])
    assert "| p     | 2000     | 9000 | 6000 | 1000  | 2.00 (Fast)     | 0.50             |" in said


def test_tables_of_steps_say_what_was_lost():
    def row(fit, peak):
        return {"fit": [fit], "predict": [fit / 10], "memory": {"peak": peak << 20, "whole": 2 * peak << 20}}

    found = {"device": "cpu", "rounds": 1, "versions": {"gpukeras": "gpukeras 9"}, "products": {"gpukeras": 1e11},
             "bandwidth": None, "data": {"points": "made up"}, "programs": {"mlp": {
                 "flops": 10**9, "others": 0.25, "rivals": {
                     "gpukeras": row(0.02, 5), "Slow": row(0.04, 50), "Fast": {"lost": "Fast stopped:\nno memory"}}}}}
    said = report.steps(found, [OURS, SLOW, FAST])
    assert "| mlp | 20000    | 40000 | -    | 2.00 (Slow)     |" in said
    assert "| mlp     | 50.0%    | 25.0% | -    | 0.25   |" in said
    assert "| mlp    | 5 (10)   | 50 (100) | -    |" in said
    assert "- mlp, Fast: no memory" in said and "On the GPU" not in said


def test_a_floor_is_the_longer_of_arithmetic_and_memory():
    assert report.floor(10**12, 10**9, 1e13, 1e12) == pytest.approx(0.1)
    assert report.floor(10**9, 10**12, 1e13, 1e12) == pytest.approx(1.0)
    assert report.floor(1, 1, 0.0, 1e12) is None and report.floor(1, 1, 1e13, None) is None
