"""Model files damaged at random, and loaded in processes that may die of it.

    python -m tests.saving.fuzz --files 20000 --seed 1 --corpus folder/with/h5/files --keep found

Files are .h5 and .keras: each is inspected, loaded as a model, and its weights into a model. Architectures in JSON and
YAML are built. Each of these may end in a model or in an error that says what is wrong, within 5 s and 1 GiB. It may
not run code, open another file, start a process, or fail with an error that speaks of anything but the file. A process
that the HDF5 library kills is replaced, and counted. The files of all that is not as it should be are kept.
"""
from __future__ import annotations

import argparse
import json
import os
import queue
import random
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.saving.fuzz_worker import BYTES

ROOT = Path(__file__).parents[2]
SECONDS = 5.0
PATIENCE = 30.0
"""Seconds on the clock after which a process that has not used SECONDS of them itself is given up too."""


def own_files(folder: Path, count: int | None = None) -> list[Path]:
    """Files that this library writes: models of many kinds, weights, architectures."""
    import numpy as np

    from tests.interop import architectures, libraries

    k = libraries.library("gpukeras")
    makers = {**architectures.ALL, **architectures.KERAS2_ONLY}
    np.random.seed(0)
    files = []
    for i, (name, make) in enumerate(list(makers.items())[:count]):
        model = make(k)[0]
        if i % 2 == 0:
            model.compile(("adam", "sgd", "rmsprop", "nadam")[i // 2 % 4], "mse", metrics=["mae"])
            model._make_train_function()
        model.save(folder / f"{name}.h5")
        (folder / f"{name}.json").write_text(model.to_json())
        files += [folder / f"{name}.h5", folder / f"{name}.json"]
        if i % 2 == 0 and name in architectures.ALL:
            with warnings.catch_warnings():  # of what Keras 3 would make of it
                warnings.simplefilter("ignore")
                model.save(folder / f"{name}.keras")
            files.append(folder / f"{name}.keras")
        if i % 4 == 1:
            model.save_weights(folder / f"{name}_weights.h5")
            (folder / f"{name}.yaml").write_text(model.to_yaml())
            files += [folder / f"{name}_weights.h5", folder / f"{name}.yaml"]
    return files


@dataclass
class Report:
    """The figures."""

    files: int = 0
    results: Counter[str] = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)
    over_memory: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    slowest: float = 0.0
    largest: int = 0
    memory_errors: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing happened that must not. A crash that was contained is not among that."""
        return not (self.hangs or self.over_memory or self.code or self.odd)

    def __str__(self) -> str:
        loaded = sum(n for what, n in self.results.items() if what.endswith(" loaded"))
        lines = [f"{self.files} files, {sum(self.results.values())} loads, {loaded} of them done"]
        lines += [f"  {what:40} {n}" for what, n in sorted(self.results.items())]
        lines += [f"slowest {self.slowest:.2f} s of its own time, largest {self.largest / 2 ** 20:.0f} MiB more than "
                  f"before, refused for want of memory {self.memory_errors}"]
        for name in ("hangs", "over_memory", "crashes", "code", "odd"):
            found = getattr(self, name)
            lines.append(f"{name}: {len(found)}")
            lines += [f"  {one}" for one in found[:40]]
        return "\n".join(lines)


class Process:
    """A worker, started again whenever it dies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._start()

    def _start(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "GPUKERAS_BACKEND": "numpy",
                       "PYTHONDONTWRITEBYTECODE": "1",  # a module that a load imports is no file that it writes
                       "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
        self.errors = open(self.folder / "stderr", "w")
        self.process = subprocess.Popen([sys.executable, "-m", "tests.saving.fuzz_worker", str(self.folder)], cwd=ROOT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env=environment)
        self._rest = b""
        first = self._line(120, float("inf"))
        assert first is not None and first.get("ready"), (self.folder / "stderr").read_text()

    def _line(self, wall: float, cpu: float) -> dict[str, Any] | None:
        """The next line; None at the end of the process. TimeoutError if it takes too long."""
        assert self.process.stdout is not None
        begun, used = time.monotonic(), self._cpu()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.25)
            if ready:
                more = os.read(self.process.stdout.fileno(), 1 << 20)
                if not more:
                    return None
                self._rest += more
            elif time.monotonic() - begun > wall or self._cpu() - used > cpu:
                raise TimeoutError
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def _cpu(self) -> float:
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def run(self, job: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """('done', answer), ('hang', ...) or ('crash', ...); after the latter two there is a new process."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        last: dict[str, Any] = {"starts": "preparation", "told": ""}
        while True:
            limit = SECONDS if last["starts"] != "preparation" else PATIENCE
            try:
                line = self._line(PATIENCE, limit)
            except TimeoutError:
                self.close()
                self._start()
                return "hang", last
            if line is None:
                code = self.process.wait()
                self.close()
                words = (self.folder / "stderr").read_text()[-1500:]
                self._start()
                return "crash", {**last, "code": code, "words": words}
            if "results" in line:
                return "done", line
            last = line

    def close(self) -> None:
        """The end of it."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        self.errors.close()


def fuzz(sources: list[Path], files: int, seed: int, workers: int = 2, keep: Path | None = None,
         first: int = 0) -> Report:
    """Damages `files` files made from `sources`, and says what came of it."""
    report, lock = Report(), threading.Lock()
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(first, first + files):
        jobs.put(i)
    draws = {i: random.Random(f"{seed}:{i}:source").choice(sources) for i in range(first, first + files)}

    def work(number: int, place: Path) -> None:
        process = Process(place / str(number))
        try:
            while True:
                try:
                    i = jobs.get_nowait()
                except queue.Empty:
                    return
                job = {"source": str(draws[i]), "seed": f"{seed}:{i}"}
                state, answer = process.run(job)
                with lock:
                    bad = _count(report, f"--seed {seed} --first {i} ({draws[i].name})", state, answer)
                    if bad and keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        left = process.folder / f"file{draws[i].suffix}"
                        if left.exists():
                            shutil.copyfile(left, keep / f"{seed}-{i}{left.suffix}")
                        (keep / f"{seed}-{i}.txt").write_text(json.dumps([job, state, answer], indent=1))
                    if report.files % 500 == 0:
                        counts = (len(one) for one in (report.hangs, report.over_memory, report.crashes, report.code,
                                                       report.odd))
                        print("{} files: {} hangs, {} over memory, {} crashes, {} code run, {} odd errors".format(
                            report.files, *counts), flush=True)
        finally:
            process.close()

    with tempfile.TemporaryDirectory() as place:
        threads = [threading.Thread(target=work, args=(n, Path(place)), daemon=True) for n in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return report


def _count(report: Report, where: str, state: str, answer: dict[str, Any]) -> bool:
    """Adds one file to the figures; whether it is one to keep."""
    report.files += 1
    if state == "hang":
        report.hangs.append(f"{where}: {answer['starts']}: {answer['told'][:150]}")
        return True
    if state == "crash":
        report.crashes.append(f"{where}: {answer['starts']}, status {answer['code']}: {answer['told'][:150]}")
        return True
    bad = False
    for one in answer["results"]:
        what = f"{where}: {one['action']}: {answer['told'][:150]}"
        report.results[f"{one['action']} {one['result']}"] += 1
        report.slowest, report.largest = max(report.slowest, one["cpu"]), max(report.largest, one["peak"])
        report.memory_errors += bool(one.get("memory_error"))
        if one["cpu"] > SECONDS:
            report.hangs.append(what)
        if one["peak"] > BYTES:
            report.over_memory.append(what)
        if one["events"]:
            report.code.append(f"{what}: {one['events']}")
        if one.get("odd"):
            report.odd.append(f"{what}: {one['result']}: {one['text'][:150]}")
        bad |= bool(one["cpu"] > SECONDS or one["peak"] > BYTES or one["events"] or one.get("odd"))
    return bad


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file: to see one again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--corpus", type=Path, action="append", default=[], help="a folder with more .h5 files")
    parser.add_argument("--only", help="the ending of the files to damage: .h5, .keras, .json or .yaml")
    parser.add_argument("--keep", type=Path, help="a folder for files that did harm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sources = own_files(Path(folder))
        for corpus in arguments.corpus:
            sources += sorted(corpus.rglob("*.h5"))
        sources = [source for source in sources if arguments.only in (None, source.suffix)]
        report = fuzz(sources, arguments.files, arguments.seed, arguments.workers, arguments.keep, arguments.first)
    print(report)
    return not report.good


if __name__ == "__main__":
    sys.exit(main())
