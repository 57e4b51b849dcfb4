"""`python -m gpukeras.commands.prebuild FOLDER`: compiles the C sources ahead, for every level of processors that this
system's wheels serve. Making a wheel does this on request (`hatch_build.py`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the libraries into the folder; 1 if there are none: no compiler, or a system without levels."""
    parser = argparse.ArgumentParser("python -m gpukeras.commands.prebuild", description=__doc__)
    parser.add_argument("folder", type=Path)
    made, failures = build(parser.parse_args(arguments).folder)
    for line in failures:
        print(line, file=sys.stderr)
    print(f"{len(made)} libraries, {sum(path.stat().st_size for path in made) / 2**20:.1f} MiB")
    return 0 if made else 1


def sources() -> dict[str, str]:
    """The C source of every family: files of `kernels/`, and those that the compiler's modules make."""
    import gpukeras.layers  # noqa: F401  all families that make their source are known after this
    from gpukeras.device import tasks
    from gpukeras.device.kernels import kernel_folder, kernel_source

    files = {entry.name[:-2] for entry in kernel_folder().iterdir() if entry.name.endswith(".c")}
    return {name: tasks.sources[name]() if name in tasks.sources else kernel_source(f"{name}.c")
            for name in sorted(files | set(tasks.sources))}


def build(folder: Path, families: Sequence[str] | None = None) -> tuple[list[Path], list[str]]:
    """The libraries that were made, of these families or all, and what is to be told of those that could not be."""
    from gpukeras.device import native, prebuilt

    compiler = native.compiler()
    if compiler is None or not prebuilt.levels():
        return [], ["there is no C compiler" if prebuilt.levels() else "nothing is built ahead for this system"]
    made, failures = [], []
    flags = native.portable_flags()
    for family, source in sources().items():
        if families is not None and family not in families:
            continue
        before = b""
        for level in reversed(prebuilt.levels()):
            path = folder / prebuilt.place(source, flags, level)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                native._compile(compiler, source, str(path), (*flags, *level.flags))
            except (OSError, native.NotCompiled) as error:
                failures.append(f"{family} for {level.name}: {error}")
                continue
            if path.read_bytes() == before:
                path.unlink()  # the same as for lesser processors, which is what is found without it
                continue
            before = path.read_bytes()
            path.chmod(0o755)
            made.append(path)
    return made, failures


if __name__ == "__main__":
    raise SystemExit(main())
