"""A line at the end of a run that counts what the kernel tests did, whether in one process or in several."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.tally import tally


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist sends its numbers."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["kernels"] = tally.report()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """They are added up."""
    if "kernels" in getattr(node, "workeroutput", {}):
        tally.add(node.workeroutput["kernels"])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much was compiled, launched, damaged."""
    line = tally.line()
    if line:
        terminalreporter.write_line(line)
