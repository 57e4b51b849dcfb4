"""Histograms and images in the form in which files of events have them."""
from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import numpy as np

# The upper bounds of TensorFlow's own buckets: 1e-12 and up by a tenth each time, the same below 0, and 0 between.
_GROWING = 1e-12 * 1.1 ** np.arange(775)
LIMITS = np.concatenate([-_GROWING[::-1], [0.0], _GROWING, [sys.float_info.max]])


class Histogram:
    """Counts values in fixed buckets, so that batch after batch may be added. Values that are not finite are left out.

    >>> Histogram().add(np.array([1.0, 2.0, np.nan])).fields["num"]
    2.0
    """

    def __init__(self) -> None:
        self._counts = np.zeros(len(LIMITS), np.int64)
        self._low, self._high, self._sum, self._squares = np.inf, -np.inf, 0.0, 0.0

    def add(self, values: Any) -> Histogram:
        """Count these too."""
        x = np.asarray(values, np.float64).reshape(-1)
        x = x[np.isfinite(x)]
        if x.size:
            self._counts += np.bincount(np.searchsorted(LIMITS, x), minlength=len(LIMITS))
            self._low, self._high = min(self._low, float(x.min())), max(self._high, float(x.max()))
            self._sum += float(x.sum())
            self._squares += float(np.square(x).sum())
        return self

    @property
    def fields(self) -> dict[str, Any] | None:
        """The fields of a HistogramProto, without the empty buckets at both ends; None if nothing was counted."""
        full = np.flatnonzero(self._counts)
        if not full.size:
            return None
        shown = slice(max(full[0] - 1, 0), full[-1] + 1)
        return {"min": self._low, "max": self._high, "num": float(self._counts.sum()), "sum": self._sum,
                "sum_squares": self._squares, "bucket_limit": LIMITS[shown].tolist(),
                "bucket": self._counts[shown].astype(float).tolist()}


def as_images(weight: np.ndarray, channels_last: bool) -> list[np.ndarray]:
    """A weight as grey images: axes of length 1 are left out; a vector is a line, a matrix lies on its long side, and
    of three axes the channels make one image each. More axes make none.

    >>> [image.shape for image in as_images(np.zeros((3, 3, 1, 8)), True)][:2]
    [(3, 3), (3, 3)]
    """
    w = np.squeeze(weight)
    if w.ndim == 1:
        return [w[:, None]]
    if w.ndim == 2:
        return [w.T if w.shape[0] > w.shape[1] else w]
    if w.ndim == 3:
        return list(np.moveaxis(w, -1, 0) if channels_last else w)
    return []


def png(image: np.ndarray) -> bytes:
    """A matrix as an 8-bit grey PNG (ISO 15948), from black at its least to white at its greatest value."""
    x = np.nan_to_num(np.asarray(image, np.float64), posinf=0.0, neginf=0.0)
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
    grey = np.round((x - low) * (255 / (high - low)) if high > low else np.full(x.shape, 128.0)).astype(np.uint8)
    height, width = grey.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1)  # each begins with its filter: none
    return b"\x89PNG\r\n\x1a\n" + b"".join([
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(rows.tobytes())),
        _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
