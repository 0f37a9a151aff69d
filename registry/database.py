"""The database: one connection a thread, one transaction a write (peewee; SQLite now)."""

import fcntl
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import peewee
from playhouse.migrations import Runner

from registry.config import RegistryConfig
from registry.errors import DatabaseUnusable, SchemaTooNew
from registry.schema import CURRENT
from registry.stamp import SqliteStamp

MIGRATIONS = Path(__file__).parent / "migrations"
"""The folder of the schema's steps."""


class Database:
    """Hands out sessions. Nothing is opened before the first, so a server may fork before it."""

    def __init__(self, config: RegistryConfig, migrations: Path = MIGRATIONS) -> None:
        self._config = config
        self._migrations = migrations
        # IMMEDIATE: a write waits for others at its beginning; a deferred one that finds out in
        # its middle that it should have waited can only fail.
        self._connection = peewee.SqliteDatabase(
            str(config.database),
            pragmas={"journal_mode": "wal", "foreign_keys": 1, "synchronous": "full"},
            lock_type="IMMEDIATE",
            timeout=config.busy_timeout,
            autoconnect=False,
        )
        self._stamp = SqliteStamp(config.database)

    def stamp(self, namespace: str) -> Hashable | None:  # noqa: ARG002 - SQLite counts as a whole
        """Return what stays the same until something that concerns `namespace` is committed.

        Exact, for every process that writes; it means nothing to another one. None: it can't be
        told just now.
        """
        return self._stamp.read()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep this thread's connection open: a request is one. May be nested."""
        with self._connection.connection_context():
            CURRENT.push(self._connection)
            try:
                yield
            finally:
                CURRENT.pop()

    @contextmanager
    def read(self) -> Iterator[None]:
        """A session whose reads all see one state of the database. May be nested."""
        with self.session():
            if self._connection.in_transaction():
                yield
            else:
                with self._connection.transaction("DEFERRED"):
                    yield

    @contextmanager
    def write(self, namespace: str | None = None) -> Iterator[None]:  # noqa: ARG002
        """One transaction that writes: all of it, or nothing. May be nested in another.

        Name the namespace where nothing is written but its own repositories, manifests, tags,
        uploads, links and audit entries; one that asks about more, or writes more, names none.
        SQLite has one writer whatever is named.
        """
        with self.session(), self._connection.atomic():
            yield

    def migrate(self) -> list[str]:
        """Move the schema forward, alone (under a lock); return the migrations that ran.

        Raises:
            SchemaTooNew: a later version made it.
            DatabaseUnusable: the file isn't a database, or can't be read or written.
        """
        with _open_private(self._config.migration_lock) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _open_private(self._config.database).close()  # -wal and -shm get its mode
            try:
                with self.session():
                    self._refuse_newer(self._runner())
                    ran: list[str] = self._runner().up()
                    return ran
            except peewee.DatabaseError as error:
                raise DatabaseUnusable(str(self._config.database), str(error)) from error

    def missing_migrations(self) -> list[str]:
        """Return the migrations that are still to run.

        Raises:
            SchemaTooNew: a later version made the database.
        """
        with self.session():
            runner = self._runner()
            self._refuse_newer(runner)
            return [step.name for step in runner.status() if not step.applied]

    def _runner(self) -> Runner:
        return Runner(self._connection, str(self._migrations))

    def _refuse_newer(self, runner: Runner) -> None:
        known = [step.name for step in runner.migrations()]
        unknown = sorted(set(runner.applied()) - set(known))
        if unknown:
            raise SchemaTooNew(str(self._config.database), found=unknown[-1], known=known[-1])


def _open_private(path: Path) -> BinaryIO:
    """Open a file to write to its end; whoever may enter the folder, its owner only reads it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")
