"""Time of a training step through fit, round by round beside other Kerases where their interpreters are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

from .worker import mnist

ROOT = Path(__file__).parents[2]
STEPS = {"dense1": 2000, "tiny": 1000, "mlp": 128, "cnn": 10}
WHAT = {
    "dense1": "Dense(1) on one feature, SGD, batch 1",
    "tiny": "1-16-32-2, Adam, batch 10",
    "mlp": "784-512-512-10, dropout, RMSprop, batch 128",
    "cnn": "28x28 images, convolutions 3x3 to 32 and 64, pooling, dropout, 128-10, Adadelta, batch 128",
}


class Worker:
    """A process that measures one library when asked to, and sleeps in between."""

    def __init__(self, name: str, library: str, interpreter: str, **environment: str):
        self.name = name
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")] if library == "gpukeras" else []
        surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
        if paths:
            surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._process = subprocess.Popen(
            [interpreter, str(Path(__file__).with_name("worker.py")), library], env=surroundings, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE if library != "gpukeras" else None)
        self._drain()

    def _drain(self) -> None:
        """Reads what the library says on its error channel, so that it never blocks; kept for when it fails."""
        import threading

        self.said: list[str] = []
        if self._process.stderr is not None:
            threading.Thread(target=lambda: self.said.extend(self._process.stderr), daemon=True).start()  # type: ignore

    def ask(self, case: str, steps: int = 0) -> Any:
        """The worker's answer; RuntimeError with its last words if it died."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"case": case, "steps": steps}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.name} stopped with status {self._process.wait()}:\n{''.join(self.said[-20:])}")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._process.communicate()


def measure(workers: Sequence[Worker], rounds: int, shorter: int = 1) -> dict[str, dict[str, list[float]]]:
    """Microseconds a step by case and worker, one figure for each round. The first round of all is not counted."""
    found: dict[str, dict[str, list[float]]] = {case: {w.name: [] for w in workers} for case in STEPS}
    for turn in range(rounds + 1):
        for case, steps in STEPS.items():
            for w in workers if turn % 2 else reversed(workers):
                took = w.ask(case, max(steps // shorter, 1))["microseconds"]
                if turn:
                    found[case][w.name].append(took)
    return found


def report(found: dict[str, dict[str, list[float]]]) -> None:
    """Prints medians, and medians of the ratios to gpukeras in the same round."""
    for case, times in found.items():
        print(f"\n{case}: {WHAT[case]}")
        ours = times["gpukeras"]
        for name, values in times.items():
            ratio = median(v / o for v, o in zip(values, ours))
            times_ours = f"   {ratio:6.2f} x gpukeras" if name != "gpukeras" else ""
            print(f"  {name:<20} {median(values):9.1f} us a step  (from {min(values):.1f} to {max(values):.1f})"
                  f"{times_ours}")


def main(keras2: str | None, keras3: str | None, keras3_backends: Sequence[str], rounds: int, quick: bool) -> None:
    """Measures and prints."""
    workers = [Worker("gpukeras", "gpukeras", sys.executable)]
    if keras2:
        workers.append(Worker("Keras 2", "keras", keras2))
    if keras3:
        workers += [Worker(f"Keras 3 on {b}", "keras", keras3, KERAS_BACKEND=b) for b in keras3_backends]
    print(f"A training step through fit: median of {rounds} rounds, one library after the other in each")
    try:
        for w in workers:
            print(f"  {w.name}: {w.ask('versions')['versions']}")
        print(f"  data of mlp and cnn: {mnist()[2]}")
        report(measure(workers, rounds, 20 if quick else 1))
    finally:
        for w in workers:
            w.__exit__(None, None, None)
