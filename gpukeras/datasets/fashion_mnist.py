"""Fashion-MNIST: images of clothes in MNIST's form (Zalando Research; Xiao, Rasul, Vollgraf 2017; MIT
licence).
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from gpukeras.datasets._files import KERAS_FILES, fetch

_Split = tuple[np.ndarray, np.ndarray]
_FOLDER = os.path.join("datasets", "fashion-mnist")
_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}


def load_data() -> tuple[_Split, _Split]:
    """`(x_train, y_train), (x_test, y_test)`: 60,000 and 10,000 images, uint8 (n, 28, 28), labels 0-9 as
    uint8 (n,).

    The four original files are kept in the cache's `datasets/fashion-mnist`. Offline and without them,
    DownloadError says where to put them.
    """
    return _split("train"), _split("t10k")


def _split(part: str) -> _Split:
    images, labels = (_read(f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    if len(images) != len(labels):
        raise ValueError(
            f"Fashion-MNIST's {part} files disagree: {len(images)} images and {len(labels)} labels."
        )
    return images, labels


def _read(name: str) -> np.ndarray:
    path = fetch(name, KERAS_FILES + name, _SHA256[name], _FOLDER)
    try:
        return parse_idx(gzip.decompress(path.read_bytes()), path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}). Delete it to fetch it anew.") from error


def parse_idx(content: bytes, path: Path) -> np.ndarray:
    """The uint8 array in an idx file: 0, 0, type 8, number of axes, each axis as big-endian int32, then the
    values.
    """
    axes = content[3] if content[:3] == b"\x00\x00\x08" else 0
    start = 4 + 4 * axes
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4")) if len(content) >= start else ()
    if not shape or len(content) - start != math.prod(shape):
        raise ValueError(f"{path} is not a whole idx file of bytes. Delete it to fetch it anew.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
