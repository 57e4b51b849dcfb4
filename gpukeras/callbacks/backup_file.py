"""The file of a backup: plain data and arrays, in the layout of safetensors (https://huggingface.co/docs/safetensors),
so that other tools can look into it: the length of a header, the header as JSON, the arrays end to end."""
from __future__ import annotations

import json
import os
import zlib
from typing import Any

import numpy as np

from gpukeras.callbacks.plain import pack, unpack
from gpukeras.device.files import write_file
from gpukeras.saving.errors import BrokenFileError

_DTYPES = {"BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
           "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8"}
_NAMES = {text: name for name, text in _DTYPES.items()}
_HEADER_LIMIT = 100_000_000  # bytes, safetensors's own limit


def write(path: str, content: Any) -> None:
    """Writes plain data to a file, whole or not at all. NotPlain, before anything is written, for other data."""
    arrays: list[np.ndarray] = []

    def store(array: np.ndarray) -> int:
        # the shape of a 0-dimensional array would become (1,)
        arrays.append(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape))
        return len(arrays) - 1

    tree = json.dumps(pack(content, store))
    header: dict[str, Any] = {}
    end, checksum = 0, 0
    for number, array in enumerate(arrays):
        header[str(number)] = {"dtype": _NAMES[array.dtype.str], "shape": list(array.shape),
                               "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
        checksum = zlib.crc32(_bytes(array), checksum)
    header["__metadata__"] = {"format": "gpukeras backup", "content": tree,
                              "checksum": str(zlib.crc32(tree.encode(), checksum))}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_file(path, [len(text).to_bytes(8, "little"), text, *(_bytes(array) for array in arrays if array.size)])


def read(path: str) -> Any:
    """The content of a backup; BrokenFileError, which says what was found, for any other file or a damaged one."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_HEADER_LIMIT, size - 8):
            raise _damaged(path, f"a header of {length} bytes in a file of {size}")
        text = file.read(length)
        data = np.fromfile(file, np.uint8)
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__")
        tree = metadata["content"]
        if metadata["format"] != "gpukeras backup":
            raise ValueError(f"the format {str(metadata['format'])[:40]!r}")
        arrays = [_array(header[str(number)], data) for number in range(len(header))]
        if sum(a.nbytes for a in arrays) != len(data):
            raise ValueError(f"{len(data)} bytes of arrays where {sum(a.nbytes for a in arrays)} were announced")
        checksum = 0
        for array in arrays:
            checksum = zlib.crc32(_bytes(array), checksum)
        if str(zlib.crc32(tree.encode(), checksum)) != metadata["checksum"]:
            raise ValueError("a wrong checksum")
        return unpack(json.loads(tree), lambda number: arrays[number].copy())
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}" if not isinstance(error, ValueError)
                       else str(error)) from None


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _array(entry: dict[str, Any], data: np.ndarray) -> np.ndarray:
    start, stop = entry["data_offsets"]
    dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
    if not all(isinstance(d, int) and d >= 0 for d in (start, stop, *shape)) or not start <= stop <= len(data):
        raise ValueError(f"an array {entry}")
    count = 1
    for d in shape:
        count *= d
    if count * dtype.itemsize != stop - start:
        raise ValueError(f"an array of shape {shape} in {stop - start} bytes")
    return data[start:stop].view(dtype).reshape(shape)


def _damaged(path: str, found: str) -> BrokenFileError:
    return BrokenFileError(f"{path} is no backup of gpukeras, or a damaged one: it has {found}. Delete it to train "
                           "from the start.")
