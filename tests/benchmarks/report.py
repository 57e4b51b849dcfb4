"""What was found, as tables: for people on a terminal, and in Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from .rivals import Rival

Found = dict[str, Any]
Rows = list[list[str]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown whose columns stand under each other."""
    lines = [list(head), ["-" * max(len(word), 3) for word in head], *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    made = ["| " + " | ".join(word.ljust(width) for word, width in zip(line, widths)) + " |" for line in lines]
    made[1] = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join(made)


def best(results: Found, rivals: Sequence[Rival], value: Callable[[Found], float | None]) -> str | None:
    """The rival with the least of a value; gpukeras and those that stand apart do not count."""
    values = {r.name: value(results[r.name]) for r in rivals if not r.ours and not r.apart and r.name in results}
    known = {name: v for name, v in values.items() if v is not None}
    return min(known, key=lambda name: known[name]) if known else None


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as long they take: the median of the ratios within the rounds."""
    return median(their / our for our, their in zip(ours, theirs))


def _middle(key: str) -> Callable[[Found], float | None]:
    return lambda result: median(result[key]) if result.get(key) else None


def _compared(found: Found, rivals: Sequence[Rival], key: str, scale: float, digits: int) -> Rows:
    """One row for each program: times of all, then how far gpukeras is ahead of the best and of who stands apart."""
    rows = []
    for program, results in found.items():
        line = [program]
        for rival in rivals:
            values = results.get(rival.name, {}).get(key)
            line.append(f"{median(values) * scale:.{digits}f}" if values else "-")
        first = best(results, rivals, _middle(key))
        for rival in (r for r in rivals if r.ours):
            ours = results.get(rival.name, {}).get(key)
            line.append(f"{ratio(ours, results[first][key]):.2f} ({first})" if ours and first else "-")
        for rival in (r for r in rivals if r.apart):
            ours, theirs = (results.get(name, {}).get(key) for name in (rivals[0].name, rival.name))
            line.append(f"{ratio(ours, theirs):.2f}" if rivals[0].ours and ours and theirs else "-")
        rows.append(line)
    return rows


def _head(rivals: Sequence[Rival], first: str) -> list[str]:
    """The heads of `_compared`; 'a / b' is how many times as fast a is as b."""
    return [first, *(r.name for r in rivals), *(f"{r.name} / best" for r in rivals if r.ours),
            *(f"{rivals[0].name} / {r.name}" for r in rivals if r.apart)]


def steps(found: Found, rivals: Sequence[Rival]) -> str:
    """Fit, share of the peak, prediction, memory; on a GPU also kernels and floors."""
    said = [f"{name}: {version}" for name, version in found["versions"].items()]
    said += [f"data: {', '.join(f'{kind}: {what}' for kind, what in found['data'].items())}"]
    peak = max(found["products"].values(), default=0.0)
    if peak:
        side = {"cpu": 2048, "gpu": 4096}[found["device"]]
        said.append(f"float32 products of {side}x{side}, GFLOP/s: " + ", ".join(
            f"{name} {value / 1e9:.0f}" for name, value in found["products"].items()))
    if found.get("bandwidth"):
        said.append(f"a copy on the GPU, read and written: {found['bandwidth'] / 1e9:.0f} GB/s")
    said.append(f"{found['rounds']} rounds; times are medians, ratios medians of the ratios within the rounds (above "
                "1: gpukeras is faster)")
    parts = ["\n".join(f"- {line}" for line in said)]
    results = {program: row["rivals"] for program, row in found["programs"].items()}
    parts += ["Microseconds a step of training, through fit:",
              table(_head(rivals, "fit"), _compared(results, rivals, "fit", 1e6, 0))]
    if peak:
        rows = [[program, *(_share(row["rivals"].get(r.name, {}), row["flops"], peak) for r in rivals),
                 f"{row['others']:.2f}"] for program, row in found["programs"].items()]
        parts += ["Share of the peak that the step's products reach (the fastest product above), and cores that other "
                  "work took meanwhile:", table(["program", *(r.name for r in rivals), "others"], rows)]
    parts += ["Microseconds a prediction of one row:",
              table(_head(rivals, "predict"), _compared(results, rivals, "predict", 1e6, 0))]
    if memory := _memory(results, rivals):
        parts += ["Peak memory of building, training and predicting, MiB: above what importing took, data not counted; "
                  "in brackets the whole process:", memory]
    if found["device"] == "gpu":
        rows = [[program, *(_mebibytes(row.get(r.name, {}).get("gpu memory")) for r in rivals)]
                for program, row in results.items()]
        parts += ["Memory held on the GPU after the first epoch, MiB:",
                  table(["GPU memory", *(r.name for r in rivals)], rows), *_on_gpu(found, rivals, peak)]
    lost = [f"- {program}, {name}: {row['lost'].strip().splitlines()[-1]}" for program, rows in results.items()
            for name, row in rows.items() if "lost" in row]
    return "\n\n".join([*parts, *(["Left out:\n" + "\n".join(lost)] if lost else [])])


def _share(result: Found, flops: int, peak: float) -> str:
    return f"{flops / median(result['fit']) / peak:.1%}" if result.get("fit") else "-"


def _mebibytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 2**20:.0f}"


def _memory(results: Found, rivals: Sequence[Rival]) -> str | None:
    rows = []
    for program, row in results.items():
        line = [program]
        for rival in rivals:
            memory = row.get(rival.name, {}).get("memory") or {}
            line.append(f"{memory['peak'] / 2**20:.0f} ({memory['whole'] / 2**20:.0f})" if memory else "-")
        rows.append(line)
    return table(["memory", *(r.name for r in rivals)], rows) if any(set(r[1:]) != {"-"} for r in rows) else None


def _on_gpu(found: Found, rivals: Sequence[Rival], peak: float) -> list[str]:
    """Kernels a step, and its time over its floor: the longer of its products at the speed of this form's own largest
    product and its bytes at the speed of a copy. What fit takes beyond the device's own time is gaps between steps."""
    rows = []
    for program, row in found["programs"].items():
        for rival in (r for r in rivals if r.ours):
            result = row["rivals"].get(rival.name, {})
            if work := result.get("work"):
                own = found["products"].get(rival.name, peak)
                least = floor(row["flops"], work["traffic"], own, found["bandwidth"])
                fit = median(result["fit"])
                rows.append([program, rival.name, str(work["kernels"]), str(work["together"]),
                             f"{work['traffic'] / 2**20:.1f}", f"{least * 1e6:.1f}" if least else "-",
                             f"{work['device'] * 1e6:.1f}", f"{fit * 1e6:.1f}", f"{fit / least:.2f}" if least else "-",
                             f"{max(1 - work['device'] / fit, 0):.0%}"])
    head = ["program", "by", "kernels", "steps a launch", "MiB read and written", "floor, us", "on the device, us",
            "fit, us", "fit over floor", "gaps"]
    return ["On the GPU, gpukeras's step:", table(head, rows)]


def floor(flops: int, traffic: int, peak: float, bandwidth: float | None) -> float | None:
    """The least seconds that a step can take; None where peaks were not measured."""
    return max(flops / peak, traffic / bandwidth) if peak and bandwidth else None


def first_steps(found: Found, rivals: Sequence[Rival]) -> str:
    """From the start of the process to the end of the first step."""
    parts = []
    for key, what in (("first", "From process start to the end of the first step, milliseconds:"),
                      ("imports", "of which importing the library took:")):
        parts += [what, table(_head(rivals, key), _compared(found, rivals, key, 1e3, 0))]
    return "\n\n".join(parts)
