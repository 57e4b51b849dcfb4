"""The rounds: in each, the libraries take one sample after the other. What is found is plain data, for JSON."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from . import data
from .programs import CASES, flops
from .rivals import Lost, Rival, Worker, busy

PREDICTIONS = 30  # of one row, a sample
SIDE = {"cpu": 2048, "gpu": 4096}  # of the matrices whose product is timed
LENGTH = 1 << 28  # of the array whose copy is timed on a GPU
PAUSE = 0.1  # seconds before a sample: threads of the one before stop spinning

Found = dict[str, Any]


def steps(rivals: Sequence[Rival], programs: Sequence[str], rounds: int, device: str, quick: bool = False,
          keep: Callable[[Found], None] | None = None) -> Found:
    """For each program and rival: `fit` and `predict`, a list of seconds, one a round; `memory`. A rival that fails has
    `lost` instead. `others`: cores that others took during the samples. `keep` is given what there is after each
    program."""
    found: Found = {"device": device, "rounds": rounds, "versions": {}, "products": {}, "bandwidth": None,
                    "programs": {}}
    with tempfile.TemporaryDirectory() as folder:
        found["data"] = data.write(Path(folder), sorted({CASES[p].data for p in programs}))
        for rival in rivals:
            _who(rival, device, found, quick)
        for program in programs:
            for rival in rivals:
                if rival.name in found["products"]:  # again, lest other work was at its worst the first time
                    _who(rival, device, found, quick)
            found["programs"][program] = _program(rivals, program, rounds, device, folder, quick)
            say(f"{program}: done")
            if keep is not None:
                keep(found)
    return found


def _who(rival: Rival, device: str, found: Found, quick: bool) -> None:
    """Its versions, and how fast it makes a large product; in a process of its own, since that takes memory."""
    try:
        with Worker(rival, device) as worker:
            who = worker.ask("who", side=128 if quick else SIDE[device], length=1 << 10 if quick else LENGTH)
    except Lost as error:
        say(str(error))
        return
    found["versions"][rival.name] = who["versions"]
    if who["product"]:
        found["products"][rival.name] = max(who["product"], found["products"].get(rival.name, 0.0))
    if who["bandwidth"]:
        found["bandwidth"] = max(who["bandwidth"], found["bandwidth"] or 0.0)


def say(text: str) -> None:
    """Progress, for those who watch."""
    import sys
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _program(rivals: Sequence[Rival], program: str, rounds: int, device: str, folder: str,
             quick: bool) -> Found:
    case = CASES[program]
    length = {"steps": 2, "epochs": 1} if quick else {"steps": case.steps, "epochs": case.epochs}
    results: Found = {}
    others: list[float] = []
    with ExitStack() as stack:
        workers: list[Worker] = []
        for rival in rivals:
            worker = stack.enter_context(Worker(rival, device))
            try:
                memory = worker.ask("open", program=program, folder=folder, steps=length["steps"])
                results[rival.name] = {"memory": memory, "fit": [], "predict": []}
                if device == "gpu":
                    results[rival.name]["gpu memory"] = worker.gpu_memory()
                    if rival.ours:
                        results[rival.name]["work"] = worker.ask("work")
                workers.append(worker)
            except Lost as error:
                say(f"{program}: {error}")
                results[rival.name] = {"lost": str(error)}
        for turn in range(rounds):
            for worker in workers if turn % 2 else reversed(workers):
                result = results[worker.rival.name]
                time.sleep(PAUSE)
                before, own, clock = busy(), worker.processor_seconds(), time.perf_counter()
                result["fit"].append(worker.ask("fit", epochs=length["epochs"])["seconds"])
                passed = time.perf_counter() - clock
                foreign = busy() - before - (worker.processor_seconds() - own)
                others.append(max(foreign, 0.0) / passed)
                result["predict"].append(worker.ask("predict", calls=2 if quick else PREDICTIONS)["seconds"])
    return {"what": case.what, "batch": case.batch, "flops": flops(program),
            "others": median(others) if others else 0.0, "rivals": results}


def first_steps(rivals: Sequence[Rival], programs: Sequence[str], rounds: int, device: str) -> Found:
    """Seconds from the start of a process to the end of its first step, for each program and rival; `imports`, seconds
    of them that importing took. The first round of all, which fills caches, is not counted."""
    found: Found = {}
    with tempfile.TemporaryDirectory() as folder:
        data.write(Path(folder), sorted({CASES[p].data for p in programs}))
        lost: set[tuple[str, str]] = set()
        for turn in range(rounds + 1):
            for program in programs:
                for rival in rivals if turn % 2 else list(reversed(rivals)):
                    row = found.setdefault(program, {}).setdefault(rival.name, {"first": [], "imports": []})
                    if (program, rival.name) in lost:
                        continue
                    try:
                        with Worker(rival, device, (program, folder), f"{folder}/bytecode") as worker:
                            at, answer = worker.answer()
                    except Lost as error:
                        say(f"{program}: {error}")
                        lost.add((program, rival.name))
                        found[program][rival.name] = {"lost": str(error)}
                        continue
                    if turn:
                        row["first"].append(at - worker.started)
                        row["imports"].append(answer["imports"])
            say(f"first steps: round {turn} of {rounds}")
    return found
