"""The benchmarks: `python -m tests.benchmarks`, or `make bench`. docs/benchmarks.md tells what they say."""

from __future__ import annotations

import argparse
import os
import platform

from . import imports, steps

CORE = "OPENBLAS_CORETYPE"


def main() -> None:
    """Runs the benchmarks asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("what", nargs="*", help="imports, steps; all of them by default")
    parser.add_argument("--keras2", metavar="PATH", help="a Python interpreter that has Keras 2, to compare with")
    parser.add_argument("--keras3", metavar="PATH", help="a Python interpreter that has Keras 3")
    parser.add_argument("--keras3-backend", metavar="NAMES", default="jax", help="jax, torch, tensorflow; or several, "
                        "with commas between")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="two short rounds: only to see that it works")
    options = parser.parse_args()
    what = options.what or ["imports", "steps"]
    for name in what:
        if name not in ("imports", "steps"):
            parser.error(f"there is no benchmark {name!r}: choose imports or steps")
    if core := os.environ.pop(CORE, None):
        print(f"{CORE}={core} is left out: OpenBLAS chooses its code for this processor by itself.")
    rounds = 2 if options.quick else options.rounds
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors\n")
    if "imports" in what:
        imports.main(rounds)
    if "steps" in what:
        print()
        steps.main(options.keras2, options.keras3, options.keras3_backend.split(","), rounds, options.quick)


if __name__ == "__main__":
    main()
