"""Files of events, taken apart by hand: records with their checksums, and the fields of the messages in them."""
from __future__ import annotations

import math
import struct
import time

import pytest

from gpukeras.callbacks.event_file import EventFile, crc32c, histogram, image, note, scalar


def unmasked(stored):
    """The CRC in a record, from the masked one."""
    turned = (struct.unpack("<I", stored)[0] - 0xA282EAD8) % 2**32
    return (turned << 15 | turned >> 17) % 2**32


def records(data):
    while data:
        length = struct.unpack("<Q", data[:8])[0]
        event = data[12:12 + length]
        assert crc32c(data[:8]) == unmasked(data[8:12]) and crc32c(event) == unmasked(data[12 + length:16 + length])
        yield event
        data = data[16 + length:]


def fields(message):
    """The fields of a message: pairs of number and value, which is an int, a float, or bytes."""
    found, i = [], 0

    def varint():
        nonlocal i
        value = shift = 0
        while True:
            byte = message[i]
            i, value, shift = i + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while i < len(message):
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 == 2:
            length = varint()
            value, i = message[i:i + length], i + length
        else:
            size, form = {1: (8, "<d"), 5: (4, "<f")}[key & 7]
            value, i = struct.unpack(form, message[i:i + size])[0], i + size
        found.append((key >> 3, value))
    return found


@pytest.fixture
def written(tmp_path):
    """A function that writes to a file of events and returns the fields of its records after the first."""
    def write(fill):
        file = EventFile(str(tmp_path / "new" / "folder"))
        fill(file)
        file.close()
        path, = (tmp_path / "new" / "folder").iterdir()
        assert path.name.startswith("events.out.tfevents.")
        first, *rest = map(fields, records(path.read_bytes()))
        assert first[0][0] == 1 and abs(first[0][1] - time.time()) < 60 and first[1:] == [(3, b"brain.Event:2")]
        return [event[1:] for event in rest]  # without the time
    return write


def test_crc_of_what_the_standard_lists():
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E and crc32c(b"") == 0


def test_scalars(written):
    event, = written(lambda file: file.add(300, [scalar("a", 0.5), scalar("ä" * 100, -2.0)]))
    assert event[0] == (2, 300) and event[1][0] == 5
    a, b = fields(event[1][1])
    assert fields(a[1]) == [(1, b"a"), (2, 0.5)]
    assert fields(b[1]) == [(1, ("ä" * 100).encode()), (2, -2.0)]


@pytest.mark.parametrize("value, kept", [(1e300, math.inf), (-1e300, -math.inf), (math.inf, math.inf), (0.0, 0.0)])
def test_scalars_at_the_ends(value, kept):
    assert fields(scalar("x", value))[1] == (2, kept)
    assert math.isnan(fields(scalar("x", math.nan))[1][1])


def test_histograms():
    given = {"min": -1.0, "max": 2.0, "num": 3.0, "sum": 1.5, "sum_squares": 5.0, "bucket_limit": [0.0, 2.5],
             "bucket": [1.0, 2.0]}
    tag, block = fields(histogram("h", given))
    assert tag == (1, b"h") and block[0] == 5
    assert fields(block[1]) == [(1, -1.0), (2, 2.0), (3, 3.0), (4, 1.5), (5, 5.0), (6, struct.pack("<2d", 0.0, 2.5)),
                                (7, struct.pack("<2d", 1.0, 2.0))]


def test_images_and_notes():
    assert fields(fields(image("i", 200, 3, b"png"))[1][1]) == [(1, 200), (2, 3), (3, 1), (4, b"png")]
    tag, tensor, about = fields(note("t", "text"))
    assert tag == (1, b"t") and tensor[0] == 8 and about[0] == 9
    kind, shape, text = fields(tensor[1])
    assert (kind, text) == ((1, 7), (8, b"text")) and fields(fields(shape[1])[0][1]) == [(1, 1)]
    assert fields(fields(about[1])[0][1]) == [(1, b"text")]


def test_graphs(written):
    event, = written(lambda file: file.add_graph([("a", "Dense", []), ("b", "Add", ["a", "c"])]))
    a, b, versions = fields(event[0][1])
    assert event[0][0] == 4 and fields(versions[1]) == [(1, 22)]
    assert fields(a[1]) == [(1, b"a"), (2, b"Dense")]
    assert fields(b[1]) == [(1, b"b"), (2, b"Add"), (3, b"a"), (3, b"c")]


def test_two_files_of_one_second_have_two_names(tmp_path):
    EventFile(str(tmp_path)).close()
    EventFile(str(tmp_path)).close()
    assert len(list(tmp_path.iterdir())) == 2
