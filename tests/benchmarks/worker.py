"""One library under measurement, in a process of its own that lives through all rounds.

    python worker.py gpukeras|keras|torch|torch.compile cpu|gpu            answers requests
    python worker.py gpukeras|keras|torch|torch.compile cpu|gpu PROGRAM FOLDER    one step of a program, and ends

Reads one JSON request a line and answers each with one JSON line. It stands alone (the standard library, NumPy, the
files beside it and the library measured), so that any interpreter from Python 3.7 on can run it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

if __package__:
    from .programs import CASES
else:  # a script: this folder is where it imports from
    from programs import CASES  # type: ignore[no-redef]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


class Library:
    """The library measured, imported as its users do."""

    def __init__(self, name: str, device: str):
        self.name, self.device = name, device
        begin = time.perf_counter()
        if name.startswith("torch"):
            self.module = import_module("torch")
        else:
            self.module = import_module(name)
            for part in ("models", "layers", "optimizers", "losses", "backend"):
                getattr(self.module, part)  # gpukeras loads them when they are used
        self.took = time.perf_counter() - begin

    def build(self, program: str) -> Any:
        """The program's model, compiled."""
        if not self.name.startswith("torch"):
            return CASES[program].build(self.module)
        if __package__:
            from .torch_programs import Model
        else:
            from torch_programs import Model  # type: ignore[no-redef]
        return Model(program, "cuda" if self.device == "gpu" else "cpu", self.name == "torch.compile")

    def versions(self) -> str:
        """The library, what it computes with, and their versions."""
        import platform

        import numpy as np
        version = self.module.__version__
        parts = [f"{'PyTorch' if self.name.startswith('torch') else self.name.replace('keras', 'Keras')} {version}"]
        if self.name == "gpukeras":
            config = self.module.config()
            parts = [f"gpukeras {version} on {config['backend']}", f"compiled: {config.get('compiled')}"]
        elif self.name == "keras":
            backend = self.module.backend.backend()
            parts[0] += f" on {backend} {import_module(backend).__version__}"
        return ", ".join([*parts, f"NumPy {np.__version__}", f"Python {platform.python_version()}"])

    def product(self, side: int) -> float | None:
        """Operations a second of the best of five products of two square float32 matrices, as this library makes them;
        None where it has no function of its own for it."""
        import numpy as np
        a = np.random.RandomState(0).rand(side, side).astype("float32")
        if self.name == "gpukeras" and self.device == "cpu":
            def multiply() -> Any:
                return np.dot(a, a)
        elif self.name == "gpukeras":
            multiply = self._product_on_gpu(a)
        elif self.name == "torch":
            there = self.module.from_numpy(a).to("cuda" if self.device == "gpu" else "cpu")

            def multiply() -> Any:
                return (there @ there)[0, 0].item()
        else:
            return None
        times = []
        for _ in range(6):
            begin = time.perf_counter()
            multiply()
            times.append(time.perf_counter() - begin)
        return 2 * side ** 3 / min(times[1:])

    def _product_on_gpu(self, a: Any) -> Any:
        from gpukeras import device
        there = device.asarray(a)
        function, arguments = device.gemm(there, there, device.xp.empty(a.shape, a.dtype))

        def multiply() -> Any:
            function(*arguments)
            device.synchronize()
        return multiply

    def bandwidth(self, length: int) -> float | None:
        """Bytes a second of the best copy of so many numbers on the GPU, read and written; None elsewhere."""
        if self.device != "gpu" or self.name not in ("torch", "gpukeras"):
            return None
        if self.name == "torch":
            wait = self.module.cuda.synchronize
            a = self.module.zeros(length, device="cuda")
            b = self.module.empty_like(a)

            def copy() -> Any:
                b.copy_(a)
        else:
            from gpukeras import device
            wait = device.synchronize
            x, y = device.xp.zeros(length, "float32"), device.xp.empty(length, "float32")

            def copy() -> Any:
                device.xp.copyto(y, x)
        times = []
        for _ in range(6):
            wait()
            begin = time.perf_counter()
            copy()
            wait()
            times.append(time.perf_counter() - begin)
        return 2 * 4 * length / min(times[1:])


def memory() -> dict[str, int]:
    """Bytes of this process's memory: `now`, and the `peak` since the last `forget_peak`; empty where unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    words = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return {name: int(words[key].split()[0]) * 1024 for name, key in (("now", "VmRSS"), ("peak", "VmHWM"))}


def forget_peak() -> None:
    """Lets the peak begin anew, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # the peak then includes what importing took, which is never less than the value after it


def read(folder: str, program: str, steps: int) -> tuple[Any, Any]:
    """So many batches of a program's data, which the driver wrote (data.py)."""
    import numpy as np
    case = CASES[program]
    x, y = (np.load(Path(folder) / f"{case.data.replace(' ', '_')}_{part}.npy") for part in "xy")
    return x[:steps * case.batch].copy(), y[:steps * case.batch].copy()


class Session:
    """Answers requests: one program at a time is open."""

    def __init__(self, name: str, device: str):
        self.library = Library(name, device)
        self.imported = memory().get("now")
        self.program, self.model, self.x, self.y = "", None, None, None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        if request["do"] == "who":
            return {"versions": self.library.versions(), "product": self.library.product(request["side"]),
                    "bandwidth": self.library.bandwidth(request["length"])}
        return {"open": self.open, "fit": self.fit, "predict": self.predict, "work": self.work}[request["do"]](request)

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Builds a program and trains one sample's length. Memory counts from the import on, data not counted in."""
        self.program = request["program"]
        before = memory().get("now")
        self.x, self.y = read(request["folder"], self.program, request["steps"])
        data = memory().get("now")
        forget_peak()
        self.model = self.library.build(self.program)
        self.fit({"epochs": 1})
        self.model.predict(self.x[:1], verbose=0)
        found = memory()
        if not found or before is None or data is None or self.imported is None:
            return {}
        self.fit({"epochs": 1})
        above = found["peak"] - data + before - self.imported
        return {"imported": self.imported, "whole": found["peak"], "peak": above}

    def fit(self, request: dict[str, Any]) -> dict[str, Any]:
        """Seconds a step of training through fit."""
        batch, epochs = CASES[self.program].batch, request["epochs"]
        begin = time.perf_counter()
        self.model.fit(self.x, self.y, batch_size=batch, epochs=epochs, verbose=0)
        return {"seconds": (time.perf_counter() - begin) / (len(self.x) // batch * epochs)}

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """The median of the seconds that the prediction of one row takes."""
        times = []
        for i in range(request["calls"]):
            row = self.x[i % len(self.x):][:1]
            begin = time.perf_counter()
            self.model.predict(row, verbose=0)
            times.append(time.perf_counter() - begin)
        return {"seconds": sorted(times)[len(times) // 2]}

    def work(self, request: dict[str, Any]) -> dict[str, Any]:
        """What gpukeras's step consists of (work.py)."""
        if __package__:
            from .work import count
        else:
            from work import count  # type: ignore[no-redef]
        return count(self.program, self.model, self.x, self.y)


def first_step(name: str, device: str, program: str, folder: str) -> None:
    """Imports, builds, and trains one batch."""
    begin = time.perf_counter()
    library = Library(name, device)
    x, y = read(folder, program, 1)
    library.build(program).fit(x, y, batch_size=CASES[program].batch, epochs=1, verbose=0)
    print(json.dumps({"imports": library.took, "rest": time.perf_counter() - begin - library.took}), flush=True)


def main() -> None:
    """Keeps standard output for replies; what the library prints goes to standard error."""
    warnings.filterwarnings("ignore")
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if len(sys.argv) > 3:
        with_step = sys.argv[1:5]
        sys.stdout = replies
        first_step(*with_step)
        return
    session = Session(sys.argv[1], sys.argv[2])
    for line in sys.stdin:
        print(json.dumps(session.answer(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main()
