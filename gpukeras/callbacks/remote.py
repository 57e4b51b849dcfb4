"""The logs of each epoch sent to a server."""
from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from gpukeras.callbacks.base import Callback

PATIENCE = 10.0  # seconds that a server has to answer


class RemoteMonitor(Callback):
    """Posts the number of each epoch and its logs, as JSON, to `root` + `path`.

    The JSON is the form field `field`, or, with newer Keras's `send_as_json`, the whole body. `headers` are further
    HTTP headers. A server that can't be reached is warned of, and training goes on.
    """

    def __init__(self, root: str = "http://localhost:9000", path: str = "/publish/epoch/end/", field: str = "data",
                 headers: dict[str, str] | None = None, send_as_json: bool = False) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Send one message."""
        from urllib.parse import urlencode
        from urllib.request import Request, urlopen

        text = json.dumps({"epoch": epoch, **{name: _as_number(value) for name, value in (logs or {}).items()}})
        body = text if self.send_as_json else urlencode({self.field: text})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        if not self.root.startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor sends to http:// or https:// addresses, and root is {self.root!r}")
        request = Request(self.root + self.path, body.encode(), {"Content-Type": kind, **(self.headers or {})})
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                answer.read(1 << 16)
        except OSError as error:  # refused, unknown, too slow, or an answer that tells of an error
            warnings.warn(f"could not reach RemoteMonitor root server at {self.root}: {error}", UserWarning,
                          stacklevel=2)
            if hasattr(error, "close"):
                error.close()


def _as_number(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
