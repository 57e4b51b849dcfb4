"""`python -m gpukeras`."""

from __future__ import annotations

import pytest

import gpukeras
from gpukeras.__main__ import main
from tests.device.machine import run


def test_info_prints_the_configuration(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"gpukeras {gpukeras.__version__}\nbackend")
    assert gpukeras.config()["why"] in printed


def test_info_on_a_machine_that_cannot_follow_is_one_line():
    done = run(
        "import gpukeras.__main__ as m; raise SystemExit(m.main(['info']))", backend="cupy", driver=False
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("GPUKERAS_BACKEND=cupy asks for a GPU") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, status", [
    ([], 2), (["-m"], 2), (["-c"], 2), (["--fly"], 2), (["info", "more"], 2), (["--version"], 0), (["--help"], 0),
])
def test_other_arguments(arguments, status, capsys):
    assert main(arguments) == status
    assert "gpukeras" in "".join(capsys.readouterr())
