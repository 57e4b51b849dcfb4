"""Jobs that take longer than a test: python -m tests.distribute [same] [kills] [overhead] [parts] [overlap].

same      1, 2 and 4 ranks: losses of 100 steps of three models; accuracy, evaluation and prediction equal; with
          batches in parts, all bits
kills     a rank is killed at 20 random moments: seconds until the job has ended, and whether it goes on to the same end
overhead  what the sum over 2 and 4 ranks costs of a step, for three models, and by itself
parts     what batches in four parts cost of a step, for three models on 1, 2 and 4 ranks
overlap   the sum at the end of the backward pass against slices of it under way meanwhile
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.distribute.jobs import LAUNCHER, Ended, run

PROGRAM = Path(__file__).with_name("models.py")
MODELS = ("mlp", "mnist_cnn", "lstm")
KILLS, PARTS = 20, "4"
ONE_THREAD = {"GPUKERAS_THREADS": "1"}  # NumPy's products are rounded otherwise where more threads share them


def answer(ended: Ended) -> dict:
    """What a job has printed."""
    assert ended.status == 0, ended.errors
    return json.loads(ended.output.strip().splitlines()[-1])


def same() -> bool:
    """1, 2 and 4 ranks against each other, in float32 and float64. In float32 the convolutional network is no measure:
    which element of a window is the largest, and whether a unit is on, is decided by the last bit here and there, and a
    loss differs by 1e-3 some fifty steps later. With batches in parts it is one: there all bits are the same."""
    good = same_bits()
    for name, bound in (("mlp", 1e-5), ("lstm", 1e-5), ("mnist_cnn", 1e-2), *((f"{m}:float64", 1e-10) for m in MODELS)):
        found = {ranks: answer(run(ranks, PROGRAM, "train", name, "-", -1, 0, timeout=900, **ONE_THREAD))
                 for ranks in (1, 2, 4)}
        for ranks in (2, 4):
            apart = float(np.abs(np.subtract(found[ranks]["losses"], found[1]["losses"])).max())
            accuracy = found[ranks]["accuracy"], found[1]["accuracy"]
            exact = found[ranks]["exact"] == found[1]["exact"]
            good &= apart < bound and exact and accuracy[0] == accuracy[1]
            losses = found[ranks]["losses"]
            print(f"{name}, {ranks} ranks: {len(losses)} losses, from {losses[0]:.3f} to {losses[-1]:.3g}, within "
                  f"{apart:.1e} of one process's; final accuracy {accuracy[0]:.4f}, one process's {accuracy[1]:.4f}; "
                  f"evaluate and predict {'equal' if exact else 'DIFFER'}", flush=True)
    return good


def same_bits() -> bool:
    """The same with batches in four parts, 3 ranks too, for whose number they are not made."""
    good = True
    for name in (*MODELS, *(f"{m}:float64" for m in MODELS)):
        found = {ranks: answer(run(ranks, PROGRAM, "train", name, "-", -1, 0, timeout=900, GPUKERAS_PARTS=PARTS,
                                   **ONE_THREAD)) for ranks in (1, 2, 3, 4)}
        for one in found.values():
            del one["seconds"]
        equal = [ranks for ranks in found if found[ranks] == found[1]]
        good &= len(equal) == len(found)
        losses = found[1]["losses"]
        print(f"{name}, batches in {PARTS} parts: {len(losses)} losses, from {losses[0]:.3f} to {losses[-1]:.3g}, "
              f"final accuracy {found[1]['accuracy']:.4f}, weights, evaluation, prediction: the same bits on "
              f"{', '.join(map(str, equal))} rank(s) of {', '.join(map(str, found))}", flush=True)
    return good


def kills() -> bool:
    """A rank killed at random moments; the job then goes on, as many ranks as before."""
    numbers, seconds, good, named = random.Random(4), [], True, 0
    with tempfile.TemporaryDirectory() as folder:
        whole = answer(run(2, PROGRAM, "train", "mlp", Path(folder, "whole"), -1, 0))
        while len(seconds) < KILLS:
            place, rank = Path(folder, str(len(seconds))), numbers.randrange(2)
            killed = run(2, PROGRAM, "train", "mlp", place, rank, round(numbers.uniform(0, whole["seconds"]), 3))
            if killed.status == 0:  # it was faster this time
                continue
            seconds.append(time.time() - float(killed.errors.split("killed at ")[1].split()[0]))
            named += f"rank {rank} of 2 " in killed.errors
            equal = answer(run(2, PROGRAM, "train", "mlp", place, -1, 0))["weights"] == whole["weights"]
            good &= seconds[-1] < 2 and equal
            print(f"kill {len(seconds)}: rank {rank}; the job ended {seconds[-1]:.2f} s later; resumed, it ended "
                  f"{'the same' if equal else 'DIFFERENTLY'}", flush=True)
            shutil.rmtree(place, ignore_errors=True)
    print(f"{len(seconds)} kills: ended after {np.median(seconds):.2f} s (median), {max(seconds):.2f} s (most); the "
          f"rank was named {named} times", flush=True)
    return good


def overhead() -> bool:
    """What the sum costs."""
    for ranks in (2, 4):
        print(f"sums over {ranks} ranks, microseconds (median, least): "
              + json.dumps(answer(run(ranks, PROGRAM, "sums", timeout=300))), flush=True)
    for name in MODELS:
        for ranks in (1, 2, 4):
            found = answer(run(ranks, PROGRAM, "time", name, 8, timeout=900))
            line = f"{name}, {ranks} rank(s): step {np.median(found['with']):.2f} ms"
            if ranks > 1:
                share = np.median(1 - np.divide(found["without"], found["with"]))
                inside = np.median(np.divide(found["inside"], found["with"]))
                line += (f", without the sum {np.median(found['without']):.2f} ms (least {min(found['with']):.2f}, "
                         f"{min(found['without']):.2f}); the sum of {found['bytes'] / 1e6:.2f} MB costs {share:.1%} "
                         f"of a step; {inside:.1%} are spent within the call, waiting included")
            print(line, flush=True)
    return True


def parts() -> bool:
    """What parts cost."""
    for name in MODELS:
        for ranks in (1, 2, 4):
            found = answer(run(ranks, PROGRAM, "parts", name, 12, timeout=900))
            print(f"{name}, {ranks} rank(s): step {np.median(found['1']):.2f} ms, in four parts "
                  f"{np.median(found['4']):.2f} ms (least {min(found['1']):.2f}, {min(found['4']):.2f}); ratio "
                  f"{np.median(np.divide(found['4'], found['1'])):.2f}", flush=True)
    return True


def overlap() -> bool:
    """Slices under way."""
    for ranks in (2, 4):
        print(f"{ranks} ranks, ms (median, least): {json.dumps(answer(run(ranks, PROGRAM, 'overlap', timeout=300)))}",
              flush=True)
    return True


def main(chosen: list[str]) -> int:
    """Runs what was chosen, or all; 1 if anything is not as it must be."""
    if LAUNCHER is None:
        print("mpi4py or mpiexec is missing: pip install 'gpukeras[distributed]'", file=sys.stderr)
        return 1
    checks = {"same": same, "kills": kills, "overhead": overhead, "parts": parts, "overlap": overlap}
    good = True
    for name in chosen or list(checks):
        print(f"{name}:", flush=True)
        good &= checks[name]()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
