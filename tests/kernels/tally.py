"""Counts what the kernel tests did, for the line that conftest.py prints at the end."""

from __future__ import annotations


class Tally:
    """Numbers since the start of the process."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()  # (family, kernel) seen by NVRTC
        self.targets: set[int] = set()
        self.compiled = 0  # kernels built by NVRTC: functions x define sets x targets
        self.generated = 0  # builds of generated kernels
        self.launches = 0  # launches run on the CPU
        self.mutations = 0  # damaged kernels that the tests noticed

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
