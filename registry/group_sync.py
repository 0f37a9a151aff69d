"""One wait for the disk for all who committed meanwhile (a group commit).

SQLite in WAL mode syncs its log at the end of each commit, while it keeps all other writers out.
Here a commit ends without that (`PRAGMA synchronous = NORMAL`: the log is still synced before
anything of it is copied into the database), the next writer begins, and then the log is synced from
outside, before anybody is told that the write is done:

::

    commit A ── turn to B ──┐
    commit B ── turn to C ──┼── one fdatasync of registry.sqlite3-wal ── A, B and C are answered
    commit C ───────────────┘

What is in the log before a sync begins is on the disk when it ends. A log that isn't there any
more, or began anew, was copied into the database, which SQLite syncs first (sqlite.org/wal.html).
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path


class GroupSync:
    """Syncs the log `file`; `sync` is what syncs a descriptor."""

    def __init__(self, file: Path, sync: Callable[[int], None] = os.fdatasync) -> None:
        self._file = file
        self._sync = sync
        self._counting = threading.Lock()
        self._syncing = threading.Lock()
        self._asked = 0
        self._done = 0

    def wait(self) -> None:
        """Return once everything is on the disk that was committed before this was called.

        Raises:
            OSError: it can't be known to be.
        """
        with self._counting:
            self._asked += 1
            mine = self._asked
        with self._syncing:
            if self._done >= mine:
                return  # a sync that began after our commit has ended
            with self._counting:
                covered = self._asked
            self._sync_log()
            self._done = covered

    def _sync_log(self) -> None:
        try:
            # no lock of SQLite's is on this file, which closing it would drop
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)
