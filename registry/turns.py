"""Writers of one SQLite file take turns, in this process and among all.

SQLite has no queue: who finds the file locked sleeps, up to 100 ms, and tries again, while the file
may long be free (sqlite3_busy_timeout). So a writer first waits for its turn: for the other threads
at a lock, which wakes the next at once, and then, one thread a process, for the other processes at
a file's lock, which is tried again soon.

It is a queue and nothing more: what keeps writers apart is SQLite's own lock.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AGAIN = 0.0005
"""Seconds until another process is asked again: a transaction takes some two thousandths."""


class Turns:
    """Turns at what `file` stands for; each is waited for at most `patience` seconds."""

    def __init__(self, file: Path, patience: float) -> None:
        self._file = file
        self._patience = patience
        self._lock = threading.Lock()
        self._process = 0
        self._descriptor: int | None = None

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Wait for a turn and keep it; False: others had theirs for too long."""
        deadline = time.monotonic() + self._patience
        if not self._lock.acquire(timeout=self._patience):
            yield False
            return
        try:
            descriptor = self._open()
            if descriptor is None:
                yield True
            elif not _lock(descriptor, deadline):
                yield False
            else:
                try:
                    yield True
                finally:
                    # not by closing: a child that is just starting has a copy until it execs
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._descriptor is not None and self._process == os.getpid():
                os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int | None:
        """Return the file's descriptor; None where the folder is away, which SQLite will tell."""
        process = os.getpid()
        if self._descriptor is None or self._process != process:  # a parent's has its lock
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            with suppress(OSError):
                self._descriptor = os.open(self._file, flags, 0o600)
                self._process = process
        return self._descriptor if self._process == process else None


def _lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_AGAIN)
        else:
            return True
