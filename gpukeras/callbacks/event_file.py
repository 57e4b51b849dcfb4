"""Files of events, as TensorBoard reads them: records of TensorFlow's (TFRecord), each a protocol buffer, an Event.

Numbers of fields are those of TensorBoard's event.proto, summary.proto, tensor.proto and graph.proto; how a message is
written down is in https://protobuf.dev/programming-guides/encoding/.
"""
from __future__ import annotations

import itertools
import math
import os
import struct
import time
import weakref
from collections.abc import Iterable
from typing import Any

_LARGEST = 3.4028234663852886e38
_files = itertools.count()  # two trainings may begin in the same second


class EventFile:
    """A new file of events in `folder`, which is made if it is not there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = EventFile(folder)
    ...     file.add(0, [scalar('loss', 0.5)])
    ...     file.close()
    """

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        import socket  # late: it takes longer to load than all callbacks

        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_files)}"
        self._file = open(os.path.join(folder, name), "wb")
        weakref.finalize(self, self._file.close)  # a training that was interrupted doesn't close it
        self._write(_text(3, "brain.Event:2"))
        self.flush()

    def add(self, step: int, values: Iterable[bytes]) -> None:
        """Values (`scalar`, `histogram`, `image`, `note`) at one step."""
        self._write(_integer(2, step) + _block(5, b"".join(_block(1, value) for value in values)))

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """The values of a `tf.Summary` that a program made, at one step: a method of TensorFlow's writer."""
        self.add(0 if global_step is None else int(global_step), [value.encoded() for value in summary.value])

    def add_graph(self, nodes: Iterable[tuple[str, str, Iterable[str]]]) -> None:
        """A graph of nodes: name, kind, and the names of those that it reads from."""
        made = [_text(1, name) + _text(2, kind) + b"".join(_text(3, giver) for giver in givers)
                for name, kind, givers in nodes]
        self._write(_block(4, b"".join(_block(1, node) for node in made) + _block(4, _integer(1, 22))))

    def _write(self, fields: bytes) -> None:
        event = _double(1, time.time()) + fields
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))

    def flush(self) -> None:
        """Let readers see what there is."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; nothing happens if it is closed."""
        self._file.close()


def scalar(tag: str, value: float) -> bytes:
    """A number, as float32; one that is too large for it is infinite."""
    if _LARGEST < abs(value):
        value = math.copysign(math.inf, value)
    return _text(1, tag) + struct.pack("<Bf", 2 << 3 | 5, value)


def histogram(tag: str, fields: dict[str, float | list[float]]) -> bytes:
    """A histogram: min, max, num, sum and sum_squares, and for each bucket its upper limit and how many it holds."""
    made = b"".join(_double(i, fields[name])  # type: ignore[arg-type]
                    for i, name in enumerate(("min", "max", "num", "sum", "sum_squares"), start=1))
    for i, name in ((6, "bucket_limit"), (7, "bucket")):
        numbers: list[float] = fields[name]  # type: ignore[assignment]
        made += _block(i, struct.pack(f"<{len(numbers)}d", *numbers))
    return _text(1, tag) + _block(5, made)


def image(tag: str, height: int, width: int, png: bytes, channels: int = 1) -> bytes:
    """A picture, grey unless it has more channels."""
    return _text(1, tag) + _block(4, _integer(1, height) + _integer(2, width) + _integer(3, channels) + _block(4, png))


def note(tag: str, text: str) -> bytes:
    """Text, in Markdown: a tensor of one string (type 7), for the plugin 'text'."""
    shape = _block(2, _integer(1, 1))
    tensor = _integer(1, 7) + _block(2, shape) + _text(8, text)
    return _text(1, tag) + _block(8, tensor) + _block(9, _block(1, _text(1, "text")))


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth set."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value & (1 << 64) - 1)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _block(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _text(number: int, text: str) -> bytes:
    return _block(number, text.encode())


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C of bytes (RFC 3720, appendix B.4).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _checksum(data: bytes) -> bytes:
    """The CRC as TFRecord has it: turned by 15 bits, with a constant added, lest data hold CRCs of data."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
