"""The database: one connection a thread, one transaction a write; on SQLite or on PostgreSQL.

What the two do differently is in registry/sqlite.py and registry/postgresql.py; why the one is as
safe as the other, in docs/adr/0012-transactions-on-two-databases.md.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from registry.clock import system_clock
from registry.config import RegistryConfig
from registry.copies import copy_before
from registry.engine import Engine
from registry.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    DatabaseUnusable,
    InvalidValue,
    SchemaTooNew,
)
from registry.schema import CURRENT
from registry.sqlite import Sqlite

MIGRATIONS = Path(__file__).parent / "migrations"
"""The folder of the schema's steps."""

_LOG = logging.getLogger("registry.database")


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the transaction of this thread may do; no namespace is every one."""

    writes: bool
    namespace: str | None = None
    is_durable: bool = True

    def check(self, namespace: str | None) -> None:
        """Refuse a write within this transaction that it isn't wide enough for."""
        if not self.writes:
            raise ValueError("a write within a read: end the read first")
        if self.namespace is not None and self.namespace != namespace:
            raise ValueError(f"a write of {namespace or 'all'} within one of {self.namespace}")


class _Thread(threading.local):
    """What a thread is in the middle of."""

    scope: _Scope | None = None


class Database:
    """Hands out sessions. Nothing is opened before the first, so a server may fork before it.

    Errors of the database itself, wherever they come from, are raised as
    `registry.errors.DatabaseUnavailable` or `DatabaseUnusable`, and what failed changed nothing
    (but for a commit whose answer got lost: then it is unknown, and to try again is safe).
    """

    def __init__(self, config: RegistryConfig, migrations: Path = MIGRATIONS) -> None:
        self._config = config
        self._migrations = migrations
        self._engine = _engine(config)
        self._connection: peewee.Database = self._engine.connection
        self._thread = _Thread()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return self._engine.place

    @contextmanager
    def session(self) -> Iterator[None]:
        """Let this thread ask the database: a request is one session. May be nested.

        A connection is made by the first statement, and stays for the thread's next sessions.
        """
        connection = self._engine.connection
        connection.enter()
        CURRENT.push(connection)
        try:
            yield
        except self._engine.errors as error:
            failure = self._engine.failure(error)
            if failure is None:
                raise
            if not isinstance(failure, DatabaseBusy):
                connection.doubt()
            raise failure from error
        finally:
            CURRENT.pop()
            connection.leave()

    @contextmanager
    def read(self) -> Iterator[None]:
        """A session whose reads all see one state of the database. May be nested."""
        with self.session():
            if self._thread.scope is not None:
                yield
                return
            with self._transaction(_Scope(writes=False)):
                yield

    @contextmanager
    def write(self, namespace: str | None = None, *, is_durable: bool = True) -> Iterator[None]:
        """One transaction that writes: all of it, or nothing. May be nested in another.

        Name the namespace where nothing is written but its own repositories, manifests, tags,
        uploads, links, reviews of these and audit entries, and blobs that it brings; a transaction
        that writes more, or decides by what other namespaces write, names none. SQLite has one
        writer whatever is named; on PostgreSQL one namespace's writers don't wait for another's.

        One that isn't durable is as whole, and seen by all at once, and survives every process; but
        where the machine itself stops, it may be as if it had never been, as long as no durable one
        came after it. That is enough for uploads under way, whose bytes aren't on the disk either.
        Within another transaction, that one's word counts.

        Raises:
            ValueError: within a read, or within a write of another namespace.
            DatabaseBusy: others wrote for longer than may be waited for.
        """
        with self.session():
            scope = self._thread.scope
            if scope is not None:
                scope.check(namespace)
                with self._connection.atomic():
                    yield
                return
            scope = _Scope(writes=True, namespace=namespace, is_durable=is_durable)
            with self._transaction(scope):
                yield
                self._engine.count(namespace)

    def easing(self, breathe: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Call `breathe` often while statements run, within a transaction of the caller's.

        Where the database is another process, which does the work, it isn't called.
        """
        return self._engine.easing(breathe)

    def stamp(self, namespace: str | None = None) -> Hashable | None:
        """Return a value that every later commit of what a cache keeps changes; equal is unchanged.

        For what is `namespace`'s and for what is nobody's (tokens, switches, settings); without
        one, for the latter only. Ask *before* reading what is to be kept, outside of a
        transaction, and keep it under that stamp: what is committed in between only makes the
        stamp one that is never seen again. An entry holds while the stamp that is asked for now
        is the one that it was kept under. In this process only: never store one. None: it can't be
        had (the database is away, was never made, or the name has a NUL): nothing kept is sure.

        It is exact, since the change and the stamp's change are one commit:

        - SQLite: the header of the log's index, which every commit writes and every reader takes
          what was committed from; or `PRAGMA data_version`, which counts the commits of all
          connections but its own. Each thread's connection would count differently, and not its
          own; so one more connection of the process, which never writes, is asked for all of its
          threads (`registry.stamp`).
        - PostgreSQL: each `write()` adds one to `registry_state.changes`, and each
          `write(namespace)` to `namespace.changes`, in its transaction. One statement reads both,
          so from one state. Who changes rows by hand adds one as well, or starts servers again.

        Raises:
            ValueError: within a transaction, whose reads may be older than the stamp.
        """
        if self._thread.scope is not None:
            raise ValueError("a stamp within a transaction: ask before it begins")
        if self._engine.stamps_apart:
            return self._engine.stamp(namespace)
        with contextlib.suppress(DatabaseUnavailable, InvalidValue), self.session():
            return self._engine.stamp(namespace)
        return None

    def migrate(self) -> list[str]:
        """Move the schema forward, alone (under a lock); return the migrations that ran.

        A database with something in it is copied before (`RegistryConfig.is_copied`). Each step is
        one transaction: killed at any moment, it was done or it wasn't.

        Raises:
            SchemaTooNew: a later version made it.
            CopyFailed: there is no copy, and so nothing was changed.
            DatabaseUnusable: it isn't a database, or can't be read or written.
            DatabaseUnavailable: it can't be reached.
        """
        with self.session():
            try:
                with self._engine.migrating():
                    return self._run_missing()
            except peewee.PeeweeException as error:
                if self._engine.failure(error) is not None:
                    raise
                raise DatabaseUnusable(self.place, str(error)) from error

    def is_new(self) -> bool:
        """Return whether no registry was ever kept here; nothing is made by asking."""
        if self._config.database_url is None and not self._config.database.exists():
            return True
        with self.session():
            return not self._runner().applied()

    def missing_migrations(self) -> list[str]:
        """Return the migrations that are still to run.

        Raises:
            SchemaTooNew: a later version of Recipebox made the database.
        """
        with self.session():
            return self._missing(self._runner())

    def close(self) -> None:
        """Close the connections of all threads, each of which may go on: it gets a new one."""
        self._engine.close()

    @contextmanager
    def _transaction(self, scope: _Scope) -> Iterator[None]:
        with self._engine.turn(writes=scope.writes, is_durable=scope.is_durable):
            opening = self._engine.opening(
                scope.namespace, writes=scope.writes, is_durable=scope.is_durable
            )
            with self._connection.transaction(opening):
                self._thread.scope = scope
                try:
                    yield
                finally:
                    self._thread.scope = None

    def _run_missing(self) -> list[str]:
        runner = self._runner()
        missing = self._missing(runner)
        if not missing:
            return []
        if runner.applied():
            if self._config.is_copied:
                made = copy_before(
                    self._engine,
                    self._config.backups,
                    missing[0],
                    system_clock(),
                    self._config.copies_kept,
                )
                _LOG.warning("the database was copied to %s", made)
            _LOG.warning("moving the schema of %s forward: %s", self.place, ", ".join(missing))
        ran: list[str] = runner.up()
        return ran

    def _missing(self, runner: Runner) -> list[str]:
        steps = runner.status()
        unknown = [step.name for step in steps if step.path is None]
        if unknown:
            known = [step.name for step in steps if step.path is not None]
            raise SchemaTooNew(self.place, found=unknown[-1], known=known[-1])
        return [step.name for step in steps if not step.applied]

    def _runner(self) -> Runner:
        return Runner(self._connection, str(self._migrations))


def _engine(config: RegistryConfig) -> Engine:
    if config.database_url is None:
        return Sqlite(config)
    from registry.postgresql import Postgresql

    return Postgresql(config, config.database_url)
