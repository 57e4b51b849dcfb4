"""The tests of the kernels can fail: each family's file lists MUTATIONS = [(description, text in the source, other
text), ...], and each of them makes one of its tests fail.

The first of each family is tried always; `make mutations` (GPUKERAS_MUTATIONS=all) tries them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gpukeras import device
from gpukeras.device import kernel_families, kernel_source
from tests.kernels.mutate import mutations
from tests.kernels.on_cpu import MUTATION
from tests.kernels.tally import tally

ROOT = Path(__file__).parents[2]
ALL = os.environ.get("GPUKERAS_MUTATIONS") == "all"
pytestmark = [
    pytest.mark.skipif(MUTATION in os.environ, reason="a damaged kernel is being tested"),
    pytest.mark.skipif(device.NAME != "numpy", reason="damaged kernels are only run on the CPU"),
]


@pytest.mark.parametrize("family", kernel_families())
def test_every_family_lists_damages_that_fit_its_source(family):
    listed = mutations(family)
    assert len(listed) >= 2
    for text, old, new in listed:
        assert old != new and old in kernel_source(family), text


@pytest.mark.slow
def test_damaged_kernels_are_noticed():
    jobs = [(family, range(len(mutations(family)) if ALL else 1)) for family in kernel_families()]
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        results = [r for found in threads.map(lambda job: tried(*job), jobs) for r in found]
    unnoticed = [f"{family}: {text}: {problem}" for family, text, problem in results if problem]
    tally.mutations += len(results) - len(unnoticed)
    assert not unnoticed, "\n".join(["", *unnoticed])
    assert len(results) == sum(len(numbers) for _, numbers in jobs)


def tried(family, numbers):
    """(family, description, "" or why nobody noticed) for some of a family's mutations, in a process of its own."""
    command = [sys.executable, "-m", "tests.kernels.mutate", family, *map(str, numbers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GPUKERAS_BACKEND": "numpy"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[") and line.endswith("]")]
    return [(family, text, problem) for _, text, problem in map(json.loads, lines)]
