"""A look at the parts of an HDF5 file that the HDF5 library is known to lose its way in, before it gets to see them.

Texts of variable length lie in global heaps, each a chain of objects. A chain that does not add up sends the library
into a loop without end; a reference (length, address of the heap, index) with a false length has it allocate that
length, up to 4 GiB, before it compares. The layout is that of the HDF5 File Format Specification, version 3, section
III.E.
"""

from __future__ import annotations

import mmap
import os

from .errors import BrokenFileError

_START = b"GCOL\x01\0\0\0"
_SEARCH = 1 << 32
"""Bytes to look through, over all heaps, before only the two ends of a file are."""
_PART = 1 << 24
_OBJECT = 16
"""Bytes before an object's data: index and count (2 each), 4 unused, size (8)."""


def check_heaps(path: str) -> None:
    """BrokenFileError if a global heap's chain of objects does not lead to its end."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            check_heaps_of(data, path)


def check_heaps_of(data: mmap.mmap | bytes, path: str) -> None:
    """The same for the bytes of a file, which `path` names in an error."""
    size = len(data)
    heaps: list[tuple[int, set[int]]] = []
    at = data.find(_START)
    while at >= 0:
        indices: set[int] = set()
        wrong = _wrong(data, at, size, indices)
        if wrong:
            raise BrokenFileError(f"'{path}': the file is damaged: the heap at byte {at} {wrong}")
        heaps.append((at, indices))
        at = data.find(_START, at + 8)
    # References stand where the names are, mostly at the begin and the end of a file too long to search.
    parts = [(0, size)] if size * len(heaps) <= _SEARCH else [(0, _PART), (max(0, size - _PART), size)]
    for heap, indices in heaps:
        for begin, end in parts:
            _check_references(data, path, heap, indices, begin, end)


def _check_references(data: mmap.mmap | bytes, path: str, heap: int, indices: set[int], begin: int, end: int) -> None:
    """BrokenFileError for a reference to the heap with a length greater than the file."""
    address = heap.to_bytes(8, "little")
    at = data.find(address, begin, end)
    while at >= 0:
        length = int.from_bytes(data[at - 4:at], "little")
        index = int.from_bytes(data[at + 8:at + 12], "little")
        # In the object headers that h5py writes, and Keras had it write, references begin at multiples of 8.
        if at % 8 == 4 and length > len(data) and index in indices:
            raise BrokenFileError(f"'{path}': the file is damaged: byte {at - 4} claims a text of {length} bytes in a "
                                  f"file of {len(data)}")
        at = data.find(address, at + 1, end)


def _wrong(data: mmap.mmap | bytes, start: int, file_size: int, indices: set[int]) -> str | None:
    """What is wrong with the heap at `start`; the numbers of its objects are added to `indices`."""
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
        indices.add(index)
        at += _OBJECT + (length + 7) // 8 * 8
    return None if at <= end else "has an object that reaches past its end"
