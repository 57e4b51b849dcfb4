"""Places in a block of memory, as offsets."""

from __future__ import annotations

ALIGNMENT = 64  # bytes, a cache line


class Arena:
    """A first-fit allocator over an address range that grows as needed; only offsets, no memory."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []  # (offset, size), sorted, never adjacent

    def take(self, size: int) -> int:
        """The offset of `size` free bytes: the tightest gap that fits, else new room at the end."""
        fitting = [(s, o) for o, s in self._free if s >= size]
        if fitting:
            room, offset = min(fitting)
            self._free.remove((offset, room))
            if room > size:
                self._insert(offset + size, room - size)
            return offset
        if self._free and sum(self._free[-1]) == self.size:
            offset, _ = self._free.pop()
        else:
            offset = self.size
        self.size = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        """Frees a range taken before."""
        self._insert(offset, size)

    def _insert(self, offset: int, size: int) -> None:
        merged: list[tuple[int, int]] = []
        for o, s in sorted([*self._free, (offset, size)]):
            if merged and sum(merged[-1]) == o:
                merged[-1] = (merged[-1][0], merged[-1][1] + s)
            else:
                merged.append((o, s))
        self._free = merged
