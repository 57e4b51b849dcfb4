"""A look at the parts of an HDF5 file that the HDF5 library is known to lose its way in, before it gets to see them.

Texts of variable length lie in global heaps, each a chain of objects. A chain that does not add up sends the library
into a loop without end. The layout is that of the HDF5 File Format Specification, version 3, section III.E.
"""

from __future__ import annotations

import mmap
import os

from .errors import BrokenFileError

_START = b"GCOL\x01\0\0\0"
_OBJECT = 16
"""Bytes before an object's data: index and count (2 each), 4 unused, size (8)."""


def check_heaps(path: str) -> None:
    """BrokenFileError if a global heap's chain of objects does not lead to its end."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.find(_START)
            while at >= 0:
                wrong = _wrong(data, at, size)
                if wrong:
                    raise BrokenFileError(f"'{path}': the file is damaged: the heap at byte {at} {wrong}")
                at = data.find(_START, at + 8)


def _wrong(data: mmap.mmap, start: int, file_size: int) -> str | None:
    """What is wrong with the heap at `start`."""
    total = int.from_bytes(data[start + 8:start + 16], "little")
    end = start + total
    if total < 4096 or end > file_size:
        return f"claims {total} bytes"
    at = start + _OBJECT
    while at + _OBJECT <= end:
        index = int.from_bytes(data[at:at + 2], "little")
        length = int.from_bytes(data[at + 8:at + 16], "little")
        if index == 0:  # what is left, with its own header
            return None if length == end - at else f"has {length} bytes left over where there are {end - at}"
        at += _OBJECT + (length + 7) // 8 * 8
    return None if at <= end else "has an object that reaches past its end"
