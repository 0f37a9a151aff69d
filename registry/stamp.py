"""What tells that a database hasn't changed: the exact check of what is kept in memory.

SQLite counts what other connections commit (`PRAGMA data_version`, sqlite.org/pragma.html): so one
connection that never writes sees every commit of every process, this one's too, as soon as it is
made. The count means nothing to any other connection, so a process has one of these.
"""

import os
import sqlite3
import threading
from pathlib import Path


class SqliteStamp:
    """Reads the stamp of a SQLite file in WAL mode. Opens nothing before it is asked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._opened = 0

    def read(self) -> tuple[int, ...] | None:
        """Return a value that stays the same in this process until something is committed.

        None: the file isn't there, or can't be read.
        """
        try:
            return self._read()
        except sqlite3.Error:
            self.close()
            return None

    def _read(self) -> tuple[int, ...]:
        with self._lock:  # two statements at once would see one state, the older one's
            process = os.getpid()
            connection = self._connection
            if connection is None or self._process != process:  # not one of before a fork
                connection = self._open()
                self._connection, self._process = connection, process
                self._opened += 1  # the next one may count to the same number
            [[version]] = connection.execute("PRAGMA data_version").fetchall()
            return process, self._opened, version

    def close(self) -> None:
        """Let go of the file; what was read before means nothing afterwards."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        # read only: whoever asks before the first start must not make the file
        uri = f"{self._file.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
