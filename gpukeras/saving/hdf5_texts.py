"""Texts of variable length, read from an HDF5 file without the HDF5 library.

Such a text is kept as a reference: a length, the address of a global heap, and the number of an object in it. The
library allocates what the length says, up to 4 GiB, before it looks whether that is there, and a heap whose chain of
objects does not add up sends it into a loop without end. Here every number is compared with the file first.

The layout is that of the HDF5 File Format Specification, version 3: object headers (IV.A), attribute messages
(IV.A.2.m), global heaps (III.E).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, NamedTuple

from .errors import BrokenFileError

_ATTRIBUTE, _CONTINUATION, _ATTRIBUTE_INFO = 0x0C, 0x10, 0x15
_MAX_BLOCKS = 10_000
_REFERENCE = 16
"""Bytes of a reference: length (4), address (8), index (4)."""
_UNDEFINED = (1 << 64) - 1


class _Message(NamedTuple):
    kind: int
    data: bytes


class Texts:
    """The texts of variable length in the attributes of a file."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}  # of each heap: place and size of its objects

    def of_attribute(self, header: int, name: bytes, count: int, where: str) -> list[bytes] | None:
        """The texts of an attribute of the object whose header is at that address. None if its attributes are not in
        the header; BrokenFileError if a number does not fit the file."""
        dense = False
        for message in self._messages(header, where):
            if message.kind == _ATTRIBUTE:
                data = _value(message.data, name)
                if data is not None:
                    return [self._text(data[i * _REFERENCE:(i + 1) * _REFERENCE], where) for i in range(count)]
            elif message.kind == _ATTRIBUTE_INFO:
                flags = message.data[1] if len(message.data) > 1 else 0
                at = 4 if flags & 1 else 2
                dense |= int.from_bytes(message.data[at:at + 8], "little") != _UNDEFINED
        if dense:
            return None
        raise _damaged(where, "its header does not have it")

    # ------------------------------------------------------------------------------------------------- headers

    def _messages(self, header: int, where: str) -> Iterator[_Message]:
        """The messages of an object header and of the blocks in which it goes on."""
        start = self._read(header, 16, where)
        newer = start[:4] == b"OHDR"
        if newer:
            flags = start[5]
            at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            blocks = [(at + width, int.from_bytes(self._read(at, width, where), "little"))]
            head = 6 if flags & 4 else 4
        else:
            if start[0] != 1:
                raise _damaged(where, f"the object header at byte {header} is of version {start[0]}")
            blocks, head = [(header + 16, int.from_bytes(start[8:12], "little"))], 8
        for number, (begin, length) in enumerate(blocks):
            if number >= _MAX_BLOCKS:
                raise _damaged(where, f"the object header at byte {header} has more than {_MAX_BLOCKS} blocks")
            block = self._read(begin, length, where)
            at, end = (4, length - 4) if newer and number else (0, length)  # a signature and a checksum
            while at + head <= end:
                if newer:
                    kind, size = block[at], int.from_bytes(block[at + 1:at + 3], "little")
                else:
                    kind, size = (int.from_bytes(block[at + i:at + i + 2], "little") for i in (0, 2))
                data = block[at + head:at + head + size]
                if len(data) < size:
                    raise _damaged(where, f"a message of {size} bytes reaches past its block")
                if kind == _CONTINUATION:
                    blocks.append((int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")))
                else:
                    yield _Message(kind, data)
                at += head + size

    def _read(self, at: int, length: int, where: str) -> bytes:
        if not 0 <= at <= self._size - length:
            raise _damaged(where, f"it claims {length} bytes at byte {at} of {self._size}")
        self._file.seek(at)
        found = self._file.read(length)
        if len(found) < length:
            raise _damaged(where, f"there are {len(found)} bytes in place of {length}")
        return found

    # --------------------------------------------------------------------------------------------------- heaps

    def _text(self, reference: bytes, where: str) -> bytes:
        if len(reference) < _REFERENCE:
            raise _damaged(where, "a reference to a text is cut off")
        length, address = int.from_bytes(reference[:4], "little"), int.from_bytes(reference[4:12], "little")
        if not length:
            return b""
        if length > self._size:
            raise _damaged(where, f"it claims a text of {length} bytes in a file of {self._size}")
        if address not in self._heaps:
            self._heaps[address] = self._heap(address, where)
        index = int.from_bytes(reference[12:], "little")
        at, size = self._heaps[address].get(index, (0, 0))
        if length > size:
            raise _damaged(where, f"it claims a text of {length} bytes where the heap at byte {address} has {size}")
        return self._read(at, length, where).partition(b"\0")[0]

    def _heap(self, start: int, where: str) -> dict[int, tuple[int, int]]:
        """Places and sizes of the objects in the heap at `start`, if their chain leads to its end."""
        head = self._read(start, 16, where)
        if head[:4] != b"GCOL":
            raise _damaged(where, f"there is no heap at byte {start}")
        total = int.from_bytes(head[8:], "little")
        if total < 16:
            raise _damaged(where, f"the heap at byte {start} claims {total} bytes")
        data = self._read(start, total, where)
        found: dict[int, tuple[int, int]] = {}
        at = 16
        while at + 16 <= total:
            index, size = int.from_bytes(data[at:at + 2], "little"), int.from_bytes(data[at + 8:at + 16], "little")
            if index == 0:  # what is left, with its own header
                if size != total - at:
                    raise _damaged(where, f"the heap at byte {start} has {size} bytes left over where there are "
                                          f"{total - at}")
                return found
            found[index] = start + at + 16, size
            at += 16 + (size + 7) // 8 * 8
        if at > total:
            raise _damaged(where, f"the heap at byte {start} has an object that reaches past its end")
        return found


def _value(message: bytes, name: bytes) -> bytes | None:
    """What stands in an attribute message behind name, type and shape, if it is the attribute of that name."""
    version = message[0] if message else 0
    sizes = [int.from_bytes(message[i:i + 2], "little") for i in (2, 4, 6)]
    at = 9 if version == 3 else 8
    if message[at:at + sizes[0]].partition(b"\0")[0] != name:
        return None
    return message[at + sum((size + 7) // 8 * 8 if version == 1 else size for size in sizes):]


def _damaged(where: str, what: str) -> BrokenFileError:
    return BrokenFileError(f"{where}: the file is damaged: {what}")
