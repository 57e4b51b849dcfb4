"""Damage done to good model files: to their bytes, to what their attributes say, and to what HDF5 they are made of.

Every mutation takes a random generator and a path, changes the file there, and says in a few words what it did.
"""
from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CANARY = 31337.0
"""The numbers in the file that no load may ever open: `canary` of `canary.h5`, and the bytes of `canary.bin`."""
HUGE = (10 ** 9, 2 ** 31, 2 ** 31 - 1, 2 ** 63, 2 ** 64, 10 ** 30, 10 ** 6, 65536)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, *HUGE, -2 ** 31, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "a", "relu",
    "os.system", "../../x", "/etc/passwd", "\0", "x" * 5000, "é☃", [], {}, [None], [[]], [1, 2, 3], [10 ** 9] * 3,
    {"class_name": "Lambda", "config": {"function": ["4wAAAAA=", None, None], "function_type": "lambda"}},
    {"class_name": "system", "config": {"command": "touch harm"}, "module": "os"},
    {"class_name": "Dense", "config": {}}, {"class_name": "__tuple__", "items": [1, 2]}, "float16", "int8", "float64",
    "channels_first", "same", "valid")
ATTRIBUTES = ("model_config", "training_config")
SIGNATURES = (b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF",
              b"FSHD", b"FSSE", b"\x89HDF", b"layer_names", b"weight_names", b"model_config", b"keras_version")

Mutation = Callable[[random.Random, Path], str]


# ------------------------------------------------------------------------------------------------------- bytes


def _place(draw: random.Random, data: bytes) -> int:
    """A byte of the file, mostly where the structure is rather than the numbers."""
    if draw.random() < 0.65:
        for signature in draw.sample(SIGNATURES, len(SIGNATURES)):
            places = []
            at = data.find(signature)
            while at >= 0 and len(places) < 200:
                places.append(at)
                at = data.find(signature, at + 1)
            if places:
                return min(len(data) - 1, draw.choice(places) + draw.randrange(-24, 160)) % len(data)
    return draw.randrange(min(len(data), 4096)) if draw.random() < 0.3 else draw.randrange(len(data))


def flip_bytes(draw: random.Random, path: Path) -> str:
    """One to forty bytes changed in a bit or altogether."""
    data = bytearray(path.read_bytes())
    places = [_place(draw, data) for _ in range(draw.choice((1, 1, 2, 4, 12, 40)))]
    for at in places:
        data[at] = data[at] ^ (1 << draw.randrange(8)) if draw.random() < 0.5 else draw.randrange(256)
    path.write_bytes(data)
    return f"flipped {len(places)} bytes from {places[0]}"


def edit_numbers(draw: random.Random, path: Path) -> str:
    """Aligned integers replaced by extreme ones: sizes, addresses, counts."""
    data = bytearray(path.read_bytes())
    told = []
    for _ in range(draw.choice((1, 1, 2, 4))):
        width = draw.choice((1, 2, 4, 8))
        at = _place(draw, data) // width * width
        value = draw.choice((0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 2 ** 63 - 1, 2 ** 64 - 1, len(data), 8,
                             1 << 20, 1 << 40, draw.randrange(len(data)),
                             int.from_bytes(data[at:at + width], "little") * 2))
        data[at:at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
        told.append(f"{at}={value}")
    path.write_bytes(data)
    return "numbers " + ", ".join(told)


def cut_off(draw: random.Random, path: Path) -> str:
    """The end is missing."""
    data = path.read_bytes()
    end = draw.randrange(len(data)) if draw.random() < 0.8 else len(data) - draw.randrange(min(len(data), 64))
    path.write_bytes(data[:end])
    return f"cut to {end}"


def overwrite(draw: random.Random, path: Path) -> str:
    """A range of zeros, of noise, or of another part of the file."""
    data = bytearray(path.read_bytes())
    at, length = _place(draw, data), draw.choice((4, 16, 64, 512, 4096))
    length = min(length, len(data) - at)
    source = draw.randrange(len(data) - length + 1)
    kind = draw.choice(("zeros", "ones", "noise", "copy"))
    data[at:at + length] = {"zeros": bytes(length), "ones": b"\xff" * length, "noise": draw.randbytes(length),
                            "copy": bytes(data[source:source + length])}[kind]
    path.write_bytes(data)
    return f"{kind} over {length} bytes at {at}"


def shift(draw: random.Random, path: Path) -> str:
    """Bytes put in or taken away, so that all after them stand elsewhere."""
    data = bytearray(path.read_bytes())
    at, length = _place(draw, data), draw.choice((1, 4, 8, 512))
    if draw.random() < 0.5:
        data[at:at] = draw.randbytes(length)
        what = "put in"
    else:
        del data[at:at + length]
        what = "taken away"
    path.write_bytes(data)
    return f"{length} bytes {what} at {at}"


# ----------------------------------------------------------------------------------------------- configurations


def _nodes(value: Any, found: list[tuple[Any, Any]], depth: int = 0) -> list[tuple[Any, Any]]:
    """Every (container, key) inside, as far as recursion goes."""
    for key in value if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)) and depth < 300:
            _nodes(value[key], found, depth + 1)
    return found


def edit_tree(draw: random.Random, tree: Any) -> tuple[Any, str]:
    """A configuration with one to four things in it replaced, removed, doubled, exchanged or nested."""
    told = []
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        nodes = _nodes(tree, []) if isinstance(tree, (dict, list)) else []
        if not nodes:
            break
        container, key = draw.choice(nodes)
        kind = draw.choice(("replace", "replace", "replace", "scale", "remove", "double", "swap", "nest"))
        old = container[key]
        if kind == "remove":
            del container[key]
        elif kind == "double" and isinstance(container, list):
            container.extend([old] * draw.choice((1, 2, 50)))
        elif kind == "swap":
            other, place = draw.choice(nodes)
            container[key] = json.loads(json.dumps(other[place]))
        elif kind == "nest":
            for _ in range(draw.choice((1, 30, 150))):
                old = draw.choice(([old], {"class_name": "Sequential", "config": [old]}))
            container[key] = old
        elif kind == "scale" and type(old) in (int, float):
            container[key] = old * draw.choice((-1, 2, 1000, 10 ** 7)) + draw.choice((-1, 0, 1))
        else:
            container[key] = draw.choice(VALUES)
        told.append(f"{kind} {key}")
    return tree, ", ".join(told)


def edit_text(draw: random.Random, text: str) -> tuple[str, str]:
    """A text with letters changed, cut off, repeated, or wrapped in endless brackets."""
    kind = draw.choice(("letters", "cut", "repeat", "brackets", "unicode"))
    at = draw.randrange(len(text) + 1)
    if kind == "letters":
        for _ in range(draw.choice((1, 3, 10))):
            at = draw.randrange(len(text))
            text = text[:at] + draw.choice('{}[]",:0123456789eE.-nul\\ &*!|>#%@`') + text[at + 1:]
    elif kind == "cut":
        text = text[:at]
    elif kind == "repeat":
        text = text[:at] + text[at:at + 200] * draw.choice((2, 100)) + text[at:]
    elif kind == "brackets":
        depth = draw.choice((100, 5000, 100_000))
        text = text[:at] + "[" * depth + "]" * depth + text[at:]
    else:
        text = text[:at] + draw.choice(("\ud800", "\0", "é", "\u202e", "\ufeff")) + text[at:]
    return text, f"text: {kind} at {at}"


def edit_config(draw: random.Random, path: Path) -> str:
    """model_config or training_config with something else in it."""
    with h5py.File(path, "r+") as file:
        name = draw.choice([n for n in ATTRIBUTES if n in file.attrs] or ["model_config"])
        text = file.attrs.get(name, b"{}")
        text = text.decode() if isinstance(text, bytes) else text
        if draw.random() < 0.85:
            tree, told = edit_tree(draw, json.loads(text))
            text = json.dumps(tree)
        else:
            text, told = edit_text(draw, text)
        data = text.encode("utf-8", "surrogatepass").replace(b"\0", b"\\u0000")
        if draw.random() < 0.5 or len(data) > 60_000:
            file.attrs[name] = data
        else:
            file.attrs[name] = np.bytes_(data)
        return f"{name}: {told}"


# ----------------------------------------------------------------------------------------------------- attributes


def _weights(file: h5py.File) -> h5py.Group:
    return file["model_weights"] if "model_weights" in file else file


def _listed(file: h5py.File) -> list[tuple[h5py.Group, str]]:
    """Groups with a list of names in an attribute."""
    found: list[tuple[h5py.Group, str]] = []
    root = _weights(file)
    groups = [root, *(g for g in root.values() if isinstance(g, h5py.Group))]
    if "optimizer_weights" in file:
        groups.append(file["optimizer_weights"])
    for group in groups:
        found += [(group, name) for name in ("layer_names", "weight_names") if name in group.attrs]
    return found


NAMES = (b"", b".", b"..", b"../x", b"/model_weights", b"/", b"a/../b", b"\xff\xfe", b"x" * 1000, b"a/" * 100 + b"b",
         b"optimizer_weights", b"kernel:0", "☃".encode())


def edit_names(draw: random.Random, path: Path) -> str:
    """A list of names with others in it, in another order, of another type, or gone."""
    with h5py.File(path, "r+") as file:
        places = _listed(file)
        if not places:
            return "nothing to rename"
        group, name = draw.choice(places)
        names = [n if isinstance(n, bytes) else n.encode() for n in group.attrs[name].tolist()]
        kind = draw.choice(("name", "name", "shuffle", "remove", "double", "gone", "type", "spread", "empty"))
        if kind == "name" and names:
            names[draw.randrange(len(names))] = draw.choice(NAMES)
        elif kind == "shuffle":
            draw.shuffle(names)
        elif kind == "remove" and names:
            del names[draw.randrange(len(names))]
        elif kind == "double" and names:
            names += [draw.choice(names)] * draw.choice((1, 3, 500))
        elif kind == "empty":
            names = []
        del group.attrs[name]
        if kind == "type":
            value: Any = draw.choice((3, 1.5, np.zeros(3), np.zeros((2, 2), "S3"), h5py.Empty("f"), group.ref, "text",
                                      np.zeros(2, [("a", "i4")]), h5py.Empty("S4"), np.bytes_(b"\xff")))
            group.attrs[name] = value
        elif kind == "spread":
            for i, part in enumerate(names):
                group.attrs[f"{name}{i}"] = np.array([part], "S")
        elif kind != "gone":
            as_text = draw.random() < 0.3 and all(b"\0" not in n for n in names)
            try:
                group.attrs[name] = (np.array([n.decode("utf-8", "replace") for n in names], object)
                                     if as_text and names else np.array(names or [], "S" if names else "S1"))
            except (TypeError, ValueError, OSError):
                group.attrs[name] = np.array([b"x"], "S")
        return f"{group.name} {name}: {kind}"


def edit_versions(draw: random.Random, path: Path) -> str:
    """Another version of Keras, or another backend, is said to have written it."""
    with h5py.File(path, "r+") as file:
        group = draw.choice((file, _weights(file)))
        name = draw.choice(("keras_version", "backend"))
        value = draw.choice((b"1", b"1.2.2", b"2.15.0", b"3.4.1", b"", b"x", b"theano", b"cntk", b"\xff", 3,
                             np.zeros(4), "2.2.4", b"9" * 2000, h5py.Empty("S3")))
        group.attrs[name] = value
        return f"{group.name} {name}={value!r:.30}"


# ------------------------------------------------------------------------------------------------------ data sets


def _dataset(draw: random.Random, file: h5py.File) -> h5py.Dataset | None:
    found: list[h5py.Dataset] = []
    file.visititems(lambda name, one: found.append(one) if isinstance(one, h5py.Dataset) else None)
    return draw.choice(found) if found else None


DTYPES: tuple[Any, ...] = (
    "f2", "f8", ">f4", ">f8", "i1", "u1", "i8", ">u2", "?", "c8", "c16", "S4", "V8", h5py.string_dtype(),
    h5py.ref_dtype, h5py.regionref_dtype, h5py.vlen_dtype(np.dtype("f4")), h5py.enum_dtype({"a": 1, "b": 2}),
    np.dtype([("a", "f4"), ("b", "i8")]), np.dtype(("f4", (3,))), h5py.opaque_dtype(np.dtype("M8[s]")),
    np.dtype([(f"f{i}", "f8") for i in range(2000)]), "f4", "g")


def edit_data(draw: random.Random, path: Path) -> str:
    """An array of another shape or type, stored in another way, or with a filter."""
    with h5py.File(path, "r+") as file:
        old = _dataset(draw, file)
        if old is None:
            return "no data set"
        name, shape, dtype = old.name, old.shape or (), old.dtype
        parent = old.parent
        folder = str(path.parent)
        del file[name]
        last = name.rpartition("/")[2]
        kind = draw.choice(("dtype", "shape", "huge", "chunks", "filter", "external", "virtual", "empty", "group",
                            "scalar", "rank", "fill"))
        try:
            if kind == "dtype":
                parent.create_dataset(last, shape, draw.choice(DTYPES))
            elif kind == "shape":
                new = list(shape) or [1]
                new[draw.randrange(len(new))] = draw.choice((0, 1, 3, 1000, 2 ** 20))
                parent.create_dataset(last, tuple(draw.sample(new, len(new))), dtype)
            elif kind == "huge":
                parent.create_dataset(last, tuple(draw.choice((2 ** 20, 2 ** 31, 2 ** 40)) for _ in range(2)), dtype,
                                      chunks=draw.choice((None, (64, 64))))
            elif kind == "chunks":
                parent.create_dataset(last, shape or (1,), dtype, maxshape=(None,) * max(1, len(shape)),
                                      chunks=(draw.choice((1, 2 ** 10, 2 ** 14)),) * max(1, len(shape)),
                                      compression=draw.choice((None, "gzip", "lzf")))
            elif kind == "filter":
                _filtered(draw, parent, last, shape or (1,))
            elif kind == "external":
                parent.create_dataset(last, shape or (1,), "f4", external=[(f"{folder}/canary.bin", 0, 1 << 20)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout(shape or (1,), "f4")
                layout[...] = h5py.VirtualSource(f"{folder}/canary.h5", "canary", shape or (1,))
                parent.create_virtual_dataset(last, layout)
            elif kind == "empty":
                parent.create_dataset(last, data=h5py.Empty("f4"))
            elif kind == "group":
                parent.create_group(last)
            elif kind == "scalar":
                parent.create_dataset(last, data=np.float32(1))
            elif kind == "rank":
                parent.create_dataset(last, (1,) * draw.choice((5, 32)), dtype)
            else:
                parent.create_dataset(last, (2 ** 16, 2 ** 12), "f8", chunks=(256, 256), fillvalue=7.0,
                                      compression="gzip")
        except (TypeError, ValueError, OSError, RuntimeError):
            if last not in parent:
                parent.create_dataset(last, (2,), "f4")
        return f"{name}: {kind}"


def _filtered(draw: random.Random, parent: h5py.Group, name: str, shape: tuple[int, ...]) -> None:
    """A data set with a filter that is not there, or with one that is, wrongly set up."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(shape)
    number, values = draw.choice(((32015, ()), (4, (4, 8)), (6, (0,)), (5, ()), (1, (9,)), (2, (10 ** 6,)), (3, ()),
                                  (32000, (9, 9, 10 ** 9)), (65535, (1,))))
    plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, values)
    made = h5py.h5d.create(parent.id, name.encode(), h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple(shape), plist)
    if draw.random() < 0.7:
        offset = tuple(0 for _ in shape)
        made.write_direct_chunk(offset, draw.choice((b"", b"\0" * 50, b"x\x9c" + draw.randbytes(200))), 0)


def edit_links(draw: random.Random, path: Path) -> str:
    """Soft, external and hard links in places where data or groups were; groups without end."""
    with h5py.File(path, "r+") as file:
        places: list[str] = []
        file.visit(places.append)
        kind = draw.choice(("soft", "soft itself", "external", "hard", "cycle", "deep", "many", "gone"))
        if not places:
            return "no place"
        name = draw.choice(places)
        parent, last = file[name].parent, name.rpartition("/")[2]
        if kind == "cycle":
            group = file[name] if isinstance(file[name], h5py.Group) else parent
            group["again"] = file[draw.choice(("/", parent.name))]
        elif kind == "deep":
            group = parent
            for _ in range(draw.choice((70, 600))):
                group = group.create_group("g")
            attribute = next((a for a in ("weight_names", "layer_names") if a in parent.attrs), None)
            if attribute:
                parent.attrs[attribute] = np.array([b"g/" * 600 + b"x"])
        elif kind == "many":
            for i in range(500):
                parent.create_group(f"more{i}")
        else:
            target = file[draw.choice(places)]
            del file[name]
            if kind == "soft":
                parent[last] = h5py.SoftLink(draw.choice(("/", target.name, "/nowhere", "../" * 50)))
            elif kind == "soft itself":
                parent[last] = h5py.SoftLink("/" + name)
            elif kind == "external":
                parent[last] = h5py.ExternalLink(f"{path.parent}/canary.h5", draw.choice(("canary", "/", "nothing")))
            elif kind == "hard" and target.name != "/" + name:
                parent[last] = target
        return f"{kind} at {name}"


HDF5: tuple[tuple[Mutation, int], ...] = (
    (flip_bytes, 6), (edit_numbers, 6), (cut_off, 2), (overwrite, 4), (shift, 2), (edit_config, 7), (edit_names, 4),
    (edit_versions, 1), (edit_data, 4), (edit_links, 3))
RAW = (flip_bytes, edit_numbers, cut_off, overwrite, shift)


def mutate(draw: random.Random, path: Path) -> str:
    """One to three mutations of an HDF5 file, those that need a whole file first."""
    kinds, weights = zip(*HDF5)
    chosen = draw.choices(kinds, weights, k=draw.choice((1, 1, 1, 2, 3)))
    told = []
    for kind in sorted(chosen, key=lambda one: one in RAW):
        if not path.stat().st_size:
            break
        try:
            told.append(kind(draw, path))
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:  # some exclude others
            told.append(f"{kind.__name__} {error!s:.60}")
    return "; ".join(told)


def mutate_config(draw: random.Random, path: Path) -> str:
    """An architecture in JSON or YAML with something else in it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json" and draw.random() < 0.8:
        tree, told = edit_tree(draw, json.loads(text))
        text = json.dumps(tree)
    elif path.suffix == ".yaml" and draw.random() < 0.2:
        bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
        text, told = draw.choice((bomb, "config: &x [*x]\nclass_name: Sequential\n",
                                  "!!python/object/apply:os.system ['touch harm']\n", bomb + text)), "aliases or tags"
    else:
        text, told = edit_text(draw, text)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return told


def canaries(folder: Path) -> None:
    """The files that must stay closed."""
    with closing(h5py.File(folder / "canary.h5", "w")) as file:
        file["canary"] = np.full(64, CANARY, "f4")
    np.full(1 << 18, CANARY, "f4").tofile(folder / "canary.bin")
