"""The work of a training step, counted and held against a table of ceilings: no clock, so it means the same on a busy
machine as on an idle one. There is a row for compiled code and one for NumPy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .programs import CASES
from .rivals import LEFT_OUT, ROOT

CEILINGS = Path(__file__).with_name("ceilings.json")
THREADS = "2"  # parts of a step are made for so many

# Not the same in each run: threads may allocate at the same time or not, and an interpreter makes notes of its own.
ROOM: dict[str, Callable[[int], int]] = {"passing": lambda value: 2 * value + 1024, "growing": lambda value: 4096}

Counts = dict[str, dict[str, int]]


def counted(native: str, programs: list[str]) -> tuple[str, Counts]:
    """Which row of the table holds (`compiled`, or `numpy` where there is no compiler or it is not wanted), and the
    counts of each program, found in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks.quick", *programs], cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE, env={
                              **kept, "PYTHONPATH": paths, "GPUKERAS_NATIVE": native, "GPUKERAS_BACKEND": "numpy",
                              "GPUKERAS_THREADS": THREADS, "OPENBLAS_NUM_THREADS": "1"})
    row, counts = json.loads(done.stdout.splitlines()[-1])
    return row, counts


def complaints(counts: Counts, ceilings: Counts) -> list[str]:
    """What lies above its ceiling, in words; also what has none."""
    found = []
    for program, values in counts.items():
        if program not in ceilings:
            found.append(f"{program} has no ceilings in {CEILINGS.name}")
            continue
        for name, value in values.items():
            limit = ceilings.get(program, {}).get(name)
            if limit is None:
                found.append(f"{program}: {name} has no ceiling in {CEILINGS.name}")
            elif value > limit:
                found.append(f"{program}: {name} is {value:,}, and was {limit:,} at most")
    return found


def slack(counts: Counts, ceilings: Counts) -> list[str]:
    """What lies so far below its ceiling that the ceiling could come down."""
    return [f"{program}: {name} is {value:,}; its ceiling is {ceilings[program][name]:,}"
            for program, values in counts.items() for name, value in values.items()
            if name not in ROOM and value < 0.9 * ceilings.get(program, {}).get(name, 0)]


def load() -> dict[str, Counts]:
    """The table."""
    found: dict[str, Counts] = json.loads(CEILINGS.read_text(encoding="utf-8")) if CEILINGS.exists() else {}
    return found


def store(row: str, counts: Counts) -> None:
    """Makes these counts the ceilings of a row."""
    table = load()
    counts = {program: {name: ROOM[name](value) if name in ROOM else value for name, value in values.items()}
              for program, values in counts.items()}
    table[row] = {**table.get(row, {}), **counts}
    lines = []
    for name, programs in sorted(table.items()):
        inner = ",\n".join(f"    {json.dumps(program)}: {json.dumps(values)}" for program, values in programs.items())
        lines.append(f"  {json.dumps(name)}: {{\n{inner}\n  }}")
    CEILINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main(native: str, programs: list[str], update: bool) -> int:
    """Counts, prints, compares; the exit status. With `update` what is found becomes the table."""
    status = 0
    for value in {"on": ["on"], "off": ["off"], "both": ["on", "off"]}[native]:
        row, counts = counted(value, programs)
        print(f"{row}:")
        for program, values in counts.items():
            print(f"  {program:<12} " + "  ".join(f"{name} {number:,}" for name, number in values.items()))
        if update:
            store(row, counts)
            continue
        for text in complaints(counts, load().get(row, {})):
            print(f"  ABOVE: {text}")
            status = 1
        for text in slack(counts, load().get(row, {})):
            print(f"  below: {text}")
    return status


def _count(programs: list[str]) -> None:
    """In a process of its own: counts, and prints a line of JSON."""
    import gpukeras
    from gpukeras.device import tasks

    from .data import made_up
    from .work import count

    counts = {}
    for name in programs:
        case = CASES[name]
        x, y, _ = made_up(case.data, case.batch)
        counts[name] = count(name, case.build(gpukeras), x, y)
    print(json.dumps(["compiled" if tasks.library("tasks") is not None else "numpy", counts]))


if __name__ == "__main__":
    _count(sys.argv[1:] or list(CASES))
