"""`python -m gpukeras`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpukeras
from gpukeras.__main__ import COMMANDS, main
from gpukeras.commands import bench, info
from tests.device.machine import run

ROOT = Path(__file__).parents[1]


def gpukeras_command(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GPUKERAS_BACKEND": "numpy", **variables}
    return subprocess.run([sys.executable, "-m", "gpukeras", *arguments], capture_output=True, text=True, cwd=cwd,
                          env=environment, timeout=120)


def test_info_prints_the_configuration(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"gpukeras {gpukeras.__version__}\nbackend")
    assert gpukeras.config()["why"] in printed


@pytest.mark.parametrize("command", [["info"], ["bench"], ["run", "-c", "print(1)"]], ids=lambda words: words[0])
def test_on_a_machine_that_cannot_follow_it_is_one_line(command):
    done = run(f"import gpukeras.__main__ as m; raise SystemExit(m.main({command}))", backend="cupy", driver=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("GPUKERAS_BACKEND=cupy asks for a GPU") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, status", [
    ([], 2), (["-m"], 2), (["-c"], 2), (["--fly"], 2), (["info", "more"], 2), (["--version"], 0), (["--help"], 0),
])
def test_other_arguments(arguments, status, capsys):
    assert main(arguments) == status
    assert "gpukeras" in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_listed(command, capsys):
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m gpukeras {command}")
    assert main(["--help"]) == 0
    assert f"\n  {command} " in capsys.readouterr().out


@pytest.mark.parametrize("arguments, said", [
    (["inof"], "there is no file 'inof'; did you mean the command 'info'?"),
    (["nothing.py"], "can't open file 'nothing.py': No such file or directory"),
    (["run"], "name a program, -m module, -c code, or - for standard input"),
    (["run", "nothing.py"], "can't open file 'nothing.py'"),
    (["run", "--bakend=numpy", "x.py"], "there is no option --bakend; did you mean --backend?"),
    (["run", "--backend"], "--backend needs a value"),
    (["run", "--backend", "torch", "x.py"], "--backend must be numpy or cupy, not 'torch'"),
    (["run", "--threads", "0", "x.py"], "--threads must be a whole number, at least 1, not '0'"),
    (["run", "-m"], "-m needs the name of a module"),
    (["run", "-x", "x.py"], "there is no option -x; a program's own arguments stand after it"),
    (["info", "--yaml"], "unrecognized arguments: --yaml"),
    (["inspect"], "the following arguments are required: file"),
    (["bench", "vgg"], "there is no model 'vgg'; there are dense, images, sequences"),
    (["bench", "--seconds", "soon"], "'soon' is no number between 0 and 3600"),
])
def test_what_is_wrong_with_a_command_line(arguments, said):
    """In a process of its own: `run` changes what imports find."""
    done = gpukeras_command(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and "Traceback" not in done.stderr


def test_run_gives_the_program_its_arguments_and_takes_its_status(tmp_path):
    program = tmp_path / "info"  # a file with a command's name
    program.write_text("import os, sys, keras\n"
                       "print(sys.argv, os.environ['GPUKERAS_BACKEND'], keras.backend.backend(), flush=True)\n"
                       "raise SystemExit(7)\n")
    done = gpukeras_command("run", "--backend", "numpy", "info", "--backend", "x", cwd=tmp_path,
                            GPUKERAS_BACKEND="cupy")
    assert done.returncode == 7 and done.stderr == ""
    assert done.stdout.startswith("['info', '--backend', 'x'] numpy ")
    limited = gpukeras_command("run", "--threads=1", "-c", "import gpukeras; print(gpukeras.config()['threads'])")
    assert (limited.returncode, limited.stdout) == (0, "1\n"), limited.stderr


def test_info_names_packages_and_variables_and_no_home(capsys, monkeypatch):
    monkeypatch.setenv("GPUKERAS_EXAMPLE", "here")
    monkeypatch.setenv("HOME", str(ROOT.parent))
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert "GPUKERAS_EXAMPLE here" in printed and f"tqdm {info.collect()['packages']['tqdm']}" in printed
    assert len(ROOT.parts) < 3 or f"~/{ROOT.name}/kernels" in printed


def test_info_for_programs(capsys):
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gpukeras"] == gpukeras.__version__ and found["packages"]["tqdm"]
    assert {"backend", "why", "device", "system", "packages", "variables"} <= set(found)


def test_inspect_says_what_is_there(tmp_path, capsys):
    from gpukeras.layers import Dense
    from gpukeras.models import Sequential

    Sequential([Dense(2, input_shape=(3,), name="only")]).save(str(tmp_path / "model.h5"))
    assert main(["inspect", str(tmp_path / "model.h5")]) == 0
    assert "only" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "nothing.h5")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "nothing.h5" in said.err


def test_bench_prints_a_row_for_each_model(capsys):
    assert main(["bench", "--seconds", "0.01"]) == 0
    head, titles, *rows = capsys.readouterr().out.splitlines()
    assert gpukeras.config()["backend"] in head and "samples/s" in titles
    assert [row.split()[0] for row in rows] == list(bench.CASES)


def test_bench_for_programs(capsys):
    assert main(["bench", "dense", "--seconds", "0.01", "--json"]) == 0
    row, = json.loads(capsys.readouterr().out)["rows"]
    assert row["name"] == "dense" and min(row[key] for key in ("first", "step", "training", "prediction")) > 0
