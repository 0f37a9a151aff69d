"""SQLite: a file in the data folder, and one writer at a time."""

import contextlib
import fcntl
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import peewee

from registry.config import RegistryConfig
from registry.connections import KeptConnections
from registry.engine import CopyRefused, cause_of
from registry.errors import DatabaseAway, DatabaseBusy, DatabaseUnusable, RegistryError
from registry.group_sync import GroupSync
from registry.stamp import SqliteStamp
from registry.turns import Turns

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_AWAY = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
_STEPS = 100
_PRIMARY = 0xFF  # of an extended code (sqlite.org/rescode.html), this is the primary one


class _Cursors(threading.local):
    """The cursors of a thread that somebody still holds."""

    def __init__(self) -> None:
        self.held: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()


class KeptSqlite(KeptConnections, peewee.SqliteDatabase):
    """peewee's SQLite, whose connections are kept."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._cursors = _Cursors()
        super().__init__(*args, **options)

    def cursor(self, named_cursor: Any = None) -> Any:
        """Return a cursor, and note it: one that isn't read to its end keeps an old state open."""
        made = super().cursor(named_cursor)
        self._cursors.held.add(made)
        return made

    def forget(self) -> None:
        """Close this thread's connection, and its cursors with it."""
        self._cursors.held.clear()
        super().forget()

    def rollback(self) -> None:
        """Take a transaction back, unless SQLite did: it does when the disk is full."""
        if self.raw.in_transaction:
            super().rollback()

    def _is_alive(self, raw: Any) -> bool:  # noqa: ARG002 - a file doesn't go away
        return True

    def _settle(self, raw: Any) -> bool:
        for cursor in list(self._cursors.held):
            cursor.close()
        self._cursors.held.clear()
        return not raw.in_transaction


class Sqlite:
    """SQLite as an engine: WAL, foreign keys, every commit on the disk."""

    errors = (peewee.PeeweeException, sqlite3.Error)
    stamps_apart = True

    def __init__(self, config: RegistryConfig) -> None:
        self.place = str(config.database)
        self._config = config
        self._stamp = SqliteStamp(config.database)
        self._turns = Turns(config.write_turns, config.busy_timeout)
        self._log = GroupSync(config.database.with_name(f"{config.database.name}-wal"))
        # IMMEDIATE: a write waits for others at its beginning; a deferred one that finds out in
        # its middle that it should have waited can only fail.
        self.connection: KeptConnections = KeptSqlite(
            self.place,
            pragmas={"journal_mode": "wal", "foreign_keys": 1, "synchronous": "normal"},
            timeout=config.busy_timeout,
            check_same_thread=False,  # at the end, one thread closes those of all
        )

    def opening(
        self,
        namespace: str | None,  # noqa: ARG002
        *,
        writes: bool,
        is_durable: bool = True,  # noqa: ARG002 - see turn
    ) -> str:
        """Return the kind of transaction; the file has one writer, whatever it writes."""
        return "IMMEDIATE" if writes else "DEFERRED"

    @contextmanager
    def turn(self, *, writes: bool, is_durable: bool = True) -> Iterator[None]:
        """Let writers take turns, and afterwards wait for the disk together.

        SQLite itself would have them sleep and try again, and sync one after another.
        """
        if not writes:
            yield
            return
        with self._turns.take() as is_ours:
            if not is_ours:
                reason = f"others have been writing for {self._config.busy_timeout} seconds"
                raise DatabaseBusy(self.place, reason)
            yield
        if is_durable:
            try:
                self._log.wait()
            except OSError as error:
                raise DatabaseAway(self.place, str(error)) from error

    @contextmanager
    def easing(self, breathe: Callable[[], None]) -> Iterator[None]:
        """Call `breathe` after each hundred steps of SQLite's machine, some microseconds."""

        def go_on() -> int:
            breathe()
            return 0  # else SQLite would end the statement

        raw = self.connection.raw
        raw.set_progress_handler(go_on, _STEPS)
        try:
            yield
        finally:
            raw.set_progress_handler(None, 0)

    def count(self, namespace: str | None) -> None:
        """Nothing to do: SQLite counts commits itself."""

    def stamp(self, namespace: str | None) -> Hashable | None:  # noqa: ARG002 - any changes it
        """Return the count of all commits, or None where the file can't be read."""
        return self._stamp.read()

    def failure(self, error: Exception) -> RegistryError | None:
        """Return what a primary code says of the file."""
        cause = cause_of(error)
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            return None
        if code & _PRIMARY in _BUSY:
            return DatabaseBusy(self.place, str(error))
        if code & _PRIMARY in _AWAY:
            return DatabaseAway(self.place, str(error))
        if code & _PRIMARY in _BROKEN:
            return DatabaseUnusable(self.place, str(error))
        return None

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Hold the lock of migrations; the file and what SQLite puts beside it are private."""
        with _open_private(self._config.migration_lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_private(self._config.database)  # -wal and -shm get its mode
            yield
            self._log.wait()

    def copy(self, folder: Path, name: str) -> Path:
        """Copy the file as one state of it, which is on the disk when this returns.

        Raises:
            CopyRefused: SQLite can't read it, or can't write the copy.
        """
        target = folder / f"{name}.sqlite3"
        part = folder / f".{target.name}.{os.getpid()}"
        try:
            _open_private(part).close()
            with (
                closing(sqlite3.connect(self.place)) as source,
                closing(sqlite3.connect(part)) as copy,
            ):
                source.backup(copy)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except sqlite3.Error as error:
            raise CopyRefused(str(error)) from error
        finally:
            part.unlink(missing_ok=True)
        return target

    def close(self) -> None:
        """Close the connections of every thread, and the stamp's."""
        self.connection.close_all()
        self._stamp.close()
        self._turns.close()


def _make_private(path: Path) -> None:
    """Have a file that nobody but its owner reads.

    One that is there isn't opened: its end, in a process that has a connection to it, would take
    the connection's locks away (fcntl(2)), and the next process that closes its own would remove
    the log that is still written to (sqlite.org/howtocorrupt.html, section 2.2).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.chmod(0o600)


def _open_private(path: Path) -> BinaryIO:
    """Open a file to write to its end; whoever may enter the folder, its owner only reads it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")
