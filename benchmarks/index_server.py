"""A sparse index over HTTP that is slow as a network is: for benchmarks/resolver.py.

`python benchmarks/index_server.py MILLISECONDS` serves the large index of
tests/unit/resolver/shapes.py on loopback, each answer so many milliseconds after its question,
and prints its port. `GET /asked` says how often each name was asked for since it was last asked.
"""

import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not benchmarks/, where a file would hide the package `resolver`

from artifacts.digest import Digest  # noqa: E402 - the path comes first
from resolver.source import encode_index  # noqa: E402
from tests.unit.resolver.builders import name  # noqa: E402
from tests.unit.resolver.shapes import large_index  # noqa: E402


class IndexServer(ThreadingHTTPServer):
    """Holds the answers; a thread for each connection."""

    daemon_threads = True

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.seconds = seconds
        self.asked: Counter[str] = Counter()
        self.turn = threading.Lock()
        source, _ = large_index()
        self._source = source
        self._bodies: dict[str, tuple[bytes, str]] = {}

    def find(self, path: str) -> tuple[bytes, str] | None:
        """Return the body and the ETag of a name's answer."""
        package = path.removeprefix("/index/").removesuffix(".json")
        with self.turn:
            self.asked[package] += 1
            if package not in self._bodies:
                index = self._source.find_index(name(package))
                if index is None:
                    return None
                body = encode_index(index)
                self._bodies[package] = body, f'"{Digest.of(body).hex}"'
            return self._bodies[package]


class Answers(BaseHTTPRequestHandler):
    """The three answers that a solve needs."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: IndexServer

    def do_GET(self) -> None:
        """Answer, after the network's time."""
        path = self.path.partition("?")[0]
        if path == "/asked":
            with self.server.turn:
                body = json.dumps(self.server.asked).encode()
                self.server.asked.clear()
            self._answer(200, body)
            return
        time.sleep(self.server.seconds)
        if path == "/index/revision.json":
            self._answer(200, b'{"revision":7}')
            return
        found = self.server.find(path)
        if found is None:
            self._answer(404, b"{}")
        elif self.headers.get("If-None-Match") == found[1]:
            self._answer(304, b"", found[1])
        else:
            self._answer(200, found[0], found[1])

    def _answer(self, status: int, body: bytes, etag: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if etag is not None:
            self.send_header("ETag", etag)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = IndexServer(float(sys.argv[1]) / 1000)
    for number in range(600, 800):  # drawn before anybody measures
        server.find(f"/index/t/p{number:05}.json")
    server.asked.clear()
    print(server.server_address[1], flush=True)
    server.serve_forever()
