"""A training in a process that is killed at random moments and started again, until it ends.

    python -m tests.callbacks.killed --kills 200

The process saves backups and checkpoints after every batch. At every start the checkpoint there must load; at the end,
weights, optimizer, History and random numbers must be those of a training that nobody killed.
"""
from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPAN = 0.25  # seconds from the first batch within which the process is killed
LIMIT = 120  # seconds that a life may last


def train(folder: Path) -> None:
    """What the process does: one training."""
    from gpukeras import callbacks as cb
    from gpukeras.models import load_model
    from tests.callbacks.trainings import dropout_and_schedules

    checkpoint = folder / "model.h5"
    if checkpoint.exists():
        load_model(str(checkpoint))
    say = cb.LambdaCallback(on_train_begin=lambda logs: print("training", flush=True))
    end = dropout_and_schedules(cb.ModelCheckpoint(checkpoint, save_freq=1), cb.BackupAndRestore(folder / "backup", 1),
                                say, epochs=int(os.environ["EPOCHS"]))
    print(f"end {sorted(end.items())}", flush=True)


def _start(folder: Path, epochs: int) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "EPOCHS": str(epochs)}
    process = subprocess.Popen([sys.executable, "-m", "tests.callbacks.killed", "--train", str(folder)],
                               stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    assert process.stdout is not None
    first = process.stdout.readline()
    if first != "training\n":
        process.wait()
        raise AssertionError(f"the process did not begin to train; it wrote {first!r}")
    return process


def _last_words(process: subprocess.Popen[str]) -> str:
    """What it says at its end: empty if it was killed before."""
    words, _ = process.communicate(timeout=LIMIT)
    if process.returncode not in (0, -9):
        raise AssertionError(f"the process failed with {process.returncode}: {words}")
    return words


def survive(folder: Path, kills: int, seed: int = 0, epochs: int = 40) -> int:
    """Kills trainings until so many deaths were survived, and returns their number. AssertionError if one ends
    otherwise than it should."""
    expected = _last_words(_start(folder / "straight", epochs))
    assert expected.startswith("end ")
    draws, deaths, trainings = random.Random(seed), 0, 0
    while deaths < kills:
        trainings += 1
        words = ""
        while not words:
            process = _start(folder / str(trainings), epochs)
            if deaths < kills:
                time.sleep(draws.uniform(0, SPAN))
                process.kill()
            words = _last_words(process)
            deaths += not words
        assert words == expected, f"training {trainings} ended with\n{words}\nin place of\n{expected}"
    print(f"{deaths} deaths in {trainings} trainings, all of which ended as they should")
    return deaths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path, help="only train, with this folder: what is killed")
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train)
    else:
        with tempfile.TemporaryDirectory() as place:
            survive(Path(place), arguments.kills, arguments.seed)
