"""Run by multiprocessing in processes that a program spawned which `python -m gpukeras` runs; see `program.py`."""

from gpukeras.program import run_again

if __name__ == "__mp_main__":
    globals().update(run_again())
