"""Kept connections that one thread of a process waits for, and answers one after another.

gunicorn takes a connection back to its poller after each request, through two queues and three
threads, which all want the interpreter's lock: more than half of the time of a small answer. So
what threads have answered is gathered by one of them, for as long as requests come at once, are
whole when they come, and are answered quickly. Everything else goes back to gunicorn's way.
"""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

from web.connections import Connection, PatientSocket

_LONGEST_HEAD = 4096
_SMALL = (b"HEAD /v2/", b"GET /v2/")


class Gathered:
    """Connections that wait for their next request; each is had by whoever takes it out."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[Connection, float]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, conn: Connection) -> None:
        """Wait for a connection, too; any thread may say so."""
        number = conn.sock.fileno()
        with self._lock:
            self._waiting[number] = conn, time.monotonic()
            self._epoll.register(number, select.EPOLLIN)

    def ready(self, milliseconds: int) -> Iterator[Connection]:
        """Take out what can be read (a request, its beginning, or the end) within so long."""
        for number, _ in self._epoll.poll(milliseconds / 1000):
            conn = self._take(number)
            if conn is not None:
                yield conn

    def idle(self, seconds: float) -> list[Connection]:
        """Take out what has been waiting for longer; with 0 it is all."""
        before = time.monotonic() - seconds
        with self._lock:
            old = [number for number, (_, since) in self._waiting.items() if since <= before]
        return [conn for conn in map(self._take, old) if conn is not None]

    def _take(self, number: int) -> Connection | None:
        with self._lock:
            found = self._waiting.pop(number, None)
            if found is None:
                return None
            with contextlib.suppress(OSError):
                self._epoll.unregister(number)
            return found[0]


def is_small(conn: Connection) -> bool:
    """Return whether a whole request has come whose answer is small: of a manifest, or a HEAD."""
    if type(conn.sock) is not PatientSocket:
        return False  # what TLS holds back can't be seen from here
    try:
        head = socket.socket.recv(conn.sock, _LONGEST_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return False
    line = head[: head.find(b"\r\n")]
    is_pull = line.startswith(_SMALL) and (line.startswith(b"H") or b"/manifests/" in line)
    return is_pull and head.endswith(b"\r\n\r\n")
