"""Counts what the kernel tests did, for the line that tests/conftest.py prints at the end."""

from __future__ import annotations

from typing import Any


class Tally:
    """Numbers since the start of the process."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()  # (family, kernel) seen by NVRTC
        self.targets: set[int] = set()
        self.compiled = 0  # kernels built by NVRTC: functions x define sets x targets
        self.generated = 0  # builds of generated kernels
        self.launches = 0  # launches run on the CPU
        self.mutations = 0  # damaged kernels that the tests noticed

    def report(self) -> dict[str, Any]:
        """All numbers, as a worker of pytest-xdist can send them."""
        return {name: sorted(n) if isinstance(n, set) else n for name, n in vars(self).items()}

    def add(self, report: dict[str, Any]) -> None:
        """Counts in what another process did."""
        self.functions |= {(family, kernel) for family, kernel in report["functions"]}
        self.targets |= set(report["targets"])
        for name in ("compiled", "generated", "launches", "mutations"):
            setattr(self, name, getattr(self, name) + report[name])

    def line(self) -> str:
        """One sentence, empty if nothing was done."""
        parts = []
        if self.compiled:
            parts.append(
                f"{len(self.functions)} functions compiled for {len(self.targets)} targets, {self.compiled} builds"
                f", {self.generated} of generated kernels"
            )
        if self.launches:
            parts.append(f"{self.launches} launches on the CPU")
        if self.mutations:
            parts.append(f"{self.mutations} mutations caught")
        return "kernels: " + "; ".join(parts) if parts else ""


tally = Tally()
