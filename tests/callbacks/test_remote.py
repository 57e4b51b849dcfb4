"""Logs sent to a server, here one of this process."""
from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest

from gpukeras.callbacks import RemoteMonitor


@pytest.fixture
def server():
    """Its address, and the messages that came: (path, headers, body)."""
    messages = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            messages.append((self.path, self.headers, body))
            self.send_response(500 if "fail" in self.path else 200)
            self.end_headers()

        def log_message(self, *args):
            return

    found = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}", messages
    found.shutdown()
    thread.join()
    found.server_close()


def test_the_message_is_keras_own(server):
    root, messages = server
    monitor = RemoteMonitor(root, headers={"X-Run": "seven"})
    monitor.on_epoch_end(3, {"loss": np.float32(0.5), "lr": 0.1, "per_class": np.array([1, 2])})
    (path, headers, body), = messages
    assert path == "/publish/epoch/end/"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded" and headers["X-Run"] == "seven"
    fields = parse_qs(body, strict_parsing=True)
    assert list(fields) == ["data"]
    assert json.loads(fields["data"][0]) == {"epoch": 3, "loss": 0.5, "lr": 0.1, "per_class": [1, 2]}


def test_other_places_and_plain_json(server):
    root, messages = server
    RemoteMonitor(root, path="/log", field="event").on_epoch_end(0, None)
    RemoteMonitor(root, path="/log", send_as_json=True).on_epoch_end(1, {"loss": 1.0})
    (path, _, form), (_, headers, body) = messages
    assert path == "/log" and json.loads(parse_qs(form)["event"][0]) == {"epoch": 0}
    assert headers["Content-Type"] == "application/json" and json.loads(body) == {"epoch": 1, "loss": 1.0}


def test_a_server_that_is_not_there_or_fails(server):
    root, _ = server
    with pytest.warns(UserWarning, match="could not reach RemoteMonitor root server at http://127.0.0.1:9: "):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {})
    with pytest.warns(UserWarning, match="HTTP Error 500"):
        RemoteMonitor(root, path="/fail").on_epoch_end(0, {})


def test_only_web_addresses():
    with pytest.raises(ValueError, match="sends to http:// or https:// addresses, and root is 'file:///etc'"):
        RemoteMonitor("file:///etc", path="/hosts").on_epoch_end(0, {})
