"""Damage done to good archives (`.keras`): to their bytes, to the lists of their members, and inside of the members.

As in mutations.py, a mutation takes a random generator and a path, changes the file, and says what it did.
"""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

from tests.saving.mutations import RAW, mutate, mutate_config

# Where the numbers of a record stand behind its signature, and their widths (APPNOTE.TXT 6.3, 4.3.7, 4.3.12, 4.3.16).
RECORDS: dict[bytes, tuple[tuple[int, int], ...]] = {
    b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x01\x02": ((4, 2), (6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2),
                    (38, 4), (42, 4)),
    b"PK\x05\x06": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2))}


def edit_records(draw: random.Random, path: Path) -> str:
    """Numbers in the records of a zip file replaced: sizes, offsets, checksums, methods, flags, lengths of names."""
    data = bytearray(path.read_bytes())
    told = []
    for _ in range(draw.choice((1, 1, 2, 4))):
        signature = draw.choice(list(RECORDS))
        places = [at for at in range(len(data) - 46) if data[at:at + 4] == signature]
        if signature == b"PK\x05\x06":
            places = [len(data) - 22]
        if not places:
            continue
        field, width = draw.choice(RECORDS[signature])
        at = draw.choice(places) + field
        old = int.from_bytes(data[at:at + width], "little")
        value = draw.choice((0, 1, old + 1, old - 1, old * 2, old ^ 1 << draw.randrange(8 * width), 0xffff, 0x7fffffff,
                             0xffffffff, 0xfffffffe, len(data), draw.randrange(len(data)), 8, 12, 14, 93))
        data[at:at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
        told.append(f"{signature[2:].hex()}+{field}: {old} -> {value}")
    path.write_bytes(data)
    return "records " + ", ".join(told)


def edit_frame(draw: random.Random, path: Path) -> str:
    """Members doubled, in another place, behind other bytes; comments; a longer list of members than there is."""
    data = path.read_bytes()
    kind = draw.choice(("before", "behind", "twice", "comment", "zip64", "cut", "names"))
    if kind == "before":
        data = draw.randbytes(draw.choice((1, 30, 5000))) + data
    elif kind == "behind":
        data += draw.randbytes(draw.choice((1, 30, 70_000)))
    elif kind == "twice":
        data += data
    elif kind == "comment":
        length = draw.choice((1, 500, 65535))
        data = data[:-2] + struct.pack("<H", length) + draw.randbytes(draw.choice((0, length)))
    elif kind == "zip64":
        huge = [draw.choice((0, 3, 1 << 31, (1 << 63) - 1, (1 << 64) - 1, len(data))) for _ in range(4)]
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *huge)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, draw.choice((len(data) - 22, huge[0])), 1)
        data = data[:-22] + record + locator + data[-22:-14] + b"\xff" * 12 + b"\0\0"
    elif kind == "cut":
        data = data[:-draw.choice((1, 22, 46, 100, 300))]
    else:
        old, new = b"config.json", draw.choice((b"config.jsoN", b"../evil.txt", b"\0onfig.json", b"\xffonfig.json"))
        data = data.replace(old, new, draw.choice((1, 2)))
    path.write_bytes(data)
    return f"frame: {kind}"


def edit_members(draw: random.Random, path: Path) -> str:
    """A whole zip file again, with a member damaged, renamed, added, removed, linked, or far larger than stored."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    told, name = "", draw.choice(sorted(members))
    kind = draw.choice(("inside", "inside", "inside", "rename", "add", "remove", "bomb", "link"))
    if kind == "inside":
        inner = path.with_suffix(".inner.h5" if name.endswith(".h5") else ".inner.json")
        inner.write_bytes(members[name])
        told = (mutate if name.endswith(".h5") else mutate_config)(draw, inner)
        members[name] = inner.read_bytes()
        inner.unlink()
    elif kind == "rename":
        other = draw.choice(("../x", "/x", "a\\b", "C:x", name.upper(), name + "/", "assets/../../x"))
        members[other] = members.pop(name)
    elif kind == "add":
        members[draw.choice(("evil.py", "assets/x", "assets/../../x", "model.weights.h5/x"))] = b"x" * 1000
    elif kind == "remove":
        del members[name]
    elif kind == "bomb":
        members[name] = bytes(40 << 20)
    with zipfile.ZipFile(path, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
                         if kind != "bomb" else zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            info = zipfile.ZipInfo(member)
            info.compress_type = archive.compression
            if kind == "link" and member == name:
                info.external_attr, data = 0o120777 << 16, b"/etc/passwd"
            archive.writestr(info, data)
    return f"{kind} {name}: {told}"


_KINDS = ((edit_members, 9), (edit_records, 4), (edit_frame, 2), *((one, 1) for one in RAW))


def mutate_archive(draw: random.Random, path: Path) -> str:
    """One mutation of an archive, or two different ones: members first, which need a whole file."""
    kinds, weights = zip(*_KINDS)
    told = []
    chosen = set(draw.choices(kinds, weights, k=draw.choice((1, 1, 1, 2))))
    for kind in sorted(chosen, key=lambda one: (one is not edit_members, one.__name__)):
        try:
            told.append(kind(draw, path))
        except (ValueError, KeyError, zipfile.BadZipFile) as error:  # some exclude each other
            told.append(f"{kind.__name__} {error!s:.60}")
    return "; ".join(told)
