"""What tells that a database hasn't changed: the exact check of what is kept in memory.

SQLite in WAL mode keeps an index of its log in memory that all processes share, the file `-shm`
(sqlite.org/walformat.html, section 2). It begins with a header, twice, that says where the log
ends; a commit is made by writing it, and who begins to read takes from it what was committed. So
as long as it is the same, nothing was committed::

    0   version, 3007000         16  frames in the log, valid ones     32  salts of the log
    8   transactions, counted    20  pages of the database             40  checksum of all this
    12  whether it is filled in  24  checksum of the last frame        48  the same once more

To look there takes 0.5 µs, no lock, and lets no other thread in between: under granian, whose
threads got into each other's way there, 16 clients get half as many answers again.

Where it can't be looked at (another version of it, or a writer died in its middle), SQLite is asked
(`PRAGMA data_version`, sqlite.org/pragma.html): it counts what other connections commit, so one
connection that never writes sees every commit of every process, this one's too. The count means
nothing to any other connection, so a process has one of these. That connection also keeps the file
of the index in place.
"""

import mmap
import os
import sqlite3
import sys
import threading
import weakref
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SIZE: Final = 48
_VERSION = (3_007_000).to_bytes(4, sys.byteorder)
_FILLED_IN: Final = 12
_TRIES: Final = 3


class _Forks:
    """Counts this process's forefathers, so that a child notices that it is one."""

    count = 0


def _count_fork() -> None:
    _Forks.count += 1


os.register_at_fork(after_in_child=_count_fork)


class _Header:
    """The header of a log's index, as all processes see it now.

    Its file stays open: to close any descriptor of it would take away the locks that this process's
    connections have there (fcntl(2)). Let go of it (`close`) when none of them is open.
    """

    def __init__(self, database: Path) -> None:
        descriptor = os.open(f"{database}-shm", os.O_RDONLY | os.O_CLOEXEC)
        self.close = weakref.finalize(self, os.close, descriptor)
        self.close.atexit = False
        self._memory = mmap.mmap(descriptor, 2 * _SIZE, access=mmap.ACCESS_READ)

    def read(self) -> bytes | None:
        """Return it; None where it is being written for longer than that takes, or isn't known."""
        for _ in range(_TRIES):
            both = self._memory[: 2 * _SIZE]
            header = both[:_SIZE]
            if header == both[_SIZE:]:
                is_known = both[:4] == _VERSION and both[_FILLED_IN]
                return header if is_known else None
        return None


@dataclass(frozen=True, slots=True)
class _Opened:
    """What one process opened: the number of that, to tell it from what it opens later."""

    forks: int
    number: int
    connection: sqlite3.Connection
    header: _Header | None


class SqliteStamp:
    """Reads the stamp of a SQLite file in WAL mode. Opens nothing before it is asked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._count = 0
        self._headers: list[_Header] = []

    def read(self) -> Hashable | None:
        """Return a value that stays the same in this process until something is committed.

        (Or until the log is begun anew, which is seldom, and looks like a commit.)

        None: the file isn't there, or can't be read.
        """
        try:
            opened = self._opened
            if opened is None or opened.forks != _Forks.count:  # not one of before a fork
                opened = self._open()
            header = None if opened.header is None else opened.header.read()
            return opened.number, self._ask(opened) if header is None else header
        except sqlite3.Error:
            self._forget()
            return None

    def _ask(self, opened: _Opened) -> int:
        with self._lock:  # two statements at once would see one state, the older one's
            [[version]] = opened.connection.execute("PRAGMA data_version").fetchall()
            return int(version)

    def close(self) -> None:
        """Let go of the file; what was read before means nothing afterwards.

        Only where no connection of this process to the file is open.
        """
        self._forget()
        with self._lock:
            for header in self._headers:
                header.close()
            self._headers.clear()

    def _forget(self) -> None:
        """Open the file anew, the next time. What it had of the index stays open: see `_Header`."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.connection.close()

    def _open(self) -> _Opened:
        with self._lock:
            opened = self._opened
            if opened is None or opened.forks != _Forks.count:  # else another thread was quicker
                opened = self._opened = self._open_anew()
            return opened

    def _open_anew(self) -> _Opened:
        # read only: whoever asks before the first start must not make the file
        uri = f"{self._file.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA data_version").fetchall()  # which has it open the index
        except sqlite3.Error:
            connection.close()
            raise
        header = None
        with suppress(OSError, ValueError):  # no index, or none yet: then SQLite is asked
            header = _Header(self._file)
            self._headers.append(header)
        self._count += 1  # the next one may count to the same number
        return _Opened(_Forks.count, self._count, connection, header)
