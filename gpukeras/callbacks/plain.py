"""Plain data: what a backup can hold. Numbers, texts, arrays, and containers of them, never code or objects of other
classes, so reading a backup runs nothing."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from gpukeras.callbacks.logs import Average

_Store = Callable[[np.ndarray], int]

KINDS = "biuf"
"""The kinds of dtypes that arrays may have: truth values, whole numbers and floats."""


class NotPlain(TypeError):
    """A value that a backup can't hold."""


def pack(value: Any, store: _Store) -> Any:
    """The value as what JSON can say, with the arrays handed to `store`, which returns the number it keeps them under.

    Raises NotPlain for anything but None, bool, int, float, str, bytes, arrays and scalars of NumPy, and lists, tuples,
    sets, deques and dicts of these.

    >>> kept = []
    >>> pack({"wait": 2, "rates": (0.1, np.ones(2))}, lambda a: kept.append(a) or len(kept) - 1)
    {'dict': [['wait', 2], ['rates', {'tuple': [0.1, {'array': 0}]}]]}
    """
    if value is None or type(value) in (bool, int, float, str, Average):
        return value
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in KINDS or value.dtype.itemsize > 8:
            raise NotPlain(f"an array of dtype {value.dtype}")
        name = "array" if isinstance(value, np.ndarray) else "scalar"
        return {name: store(np.asarray(value))}
    if isinstance(value, dict):
        return {"dict": [[pack(k, store), pack(v, store)] for k, v in value.items()]}
    if isinstance(value, list):
        return [pack(v, store) for v in value]
    for name, kinds in (("tuple", tuple), ("set", (set, frozenset)), ("deque", deque)):
        if isinstance(value, kinds) and not hasattr(value, "_fields"):
            members = sorted(value, key=repr) if name == "set" else value
            return {name: [pack(v, store) for v in members]}
    raise NotPlain(f"a {type(value).__name__}")


def unpack(packed: Any, fetch: Callable[[int], np.ndarray]) -> Any:
    """The value that `pack` was given; `fetch` returns the array of a number. ValueError for what `pack` can't have
    written."""
    if packed is None or isinstance(packed, (bool, int, float, str)):
        return packed
    if isinstance(packed, list):
        return [unpack(v, fetch) for v in packed]
    if isinstance(packed, dict) and len(packed) == 1:
        (name, content), = packed.items()
        if name == "bytes" and isinstance(content, str):
            return bytes.fromhex(content)
        if name in ("array", "scalar") and isinstance(content, int):
            return fetch(content) if name == "array" else fetch(content)[()]
        if name == "dict" and isinstance(content, list) and all(isinstance(p, list) and len(p) == 2 for p in content):
            return {unpack(k, fetch): unpack(v, fetch) for k, v in content}
        if name in ("tuple", "set", "deque") and isinstance(content, list):
            return {"tuple": tuple, "set": set, "deque": deque}[name](unpack(v, fetch) for v in content)
    raise ValueError(f"no plain data: {str(packed)[:80]}")


def is_plain(value: Any) -> bool:
    """Whether `pack` takes it."""
    try:
        pack(value, lambda array: 0)
    except (NotPlain, RecursionError):
        return False
    return True


def fingerprint(value: Any) -> bytes:
    """Equal for equal plain values only, to the last bit."""
    import hashlib  # late: every training knows of plain values, few need their fingerprints
    import json

    digest = hashlib.blake2b(digest_size=16)

    def add(array: np.ndarray) -> int:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return 0

    digest.update(json.dumps(pack(value, add)).encode())
    return digest.digest()


def refilled(present: Any, value: Any) -> Any:
    """`present`, a container of one's own class, with the contents of `value`; else `value`.

    >>> from collections import defaultdict
    >>> refilled(defaultdict(int), {"a": 1})["b"]
    0
    """
    if isinstance(present, dict) and isinstance(value, dict):
        present.clear()
        present.update(value)
        return present
    if isinstance(present, deque) and isinstance(value, deque):
        present.clear()
        present.extend(value)
        return present
    return frozenset(value) if isinstance(present, frozenset) and isinstance(value, set) else value
