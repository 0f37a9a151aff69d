"""PostgreSQL: locks by namespace, exact counts of changes, and a server that may go away.

Locks are advisory ones, which PostgreSQL drops with the transaction (postgresql.org/docs, 13.3.5,
"Advisory Locks"); it grants them in the order in which they were asked for:

::

    write()           the registry's, alone                               one at a time
    write("team")     the registry's, shared, and team's, alone           one a namespace

So what reads and then writes is as safe under READ COMMITTED as on SQLite with its one writer. Rows
that namespaces share (`blob`, `condemned`) take their turn at their unique index.
"""

import os
import select
import shutil
import subprocess
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import peewee
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from registry.config import RegistryConfig
from registry.connections import KeptConnections
from registry.engine import CopyRefused, cause_of
from registry.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseUnusable,
    InvalidValue,
    RegistryError,
)
from registry.schema import NamespaceRow, RegistryStateRow

OLDEST = 13_00_00
"""The oldest version of the server: 13 sorts what is nearly sorted step by step, as pages need."""

_DEFAULTS = {
    "application_name": "recipebox",
    "client_encoding": "UTF8",
    # a server that vanished without a word is noticed after a minute, and writes to it sooner
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_IDLE_SECONDS = 60
"""How long a transaction may wait for us: a process that hangs must not hold its locks forever."""

_WRAPPING: Any = vars(peewee)["__exception_wrapper__"]
"""Raises peewee's errors for the driver's, as peewee does around each statement."""

_SCHEMES = ("postgresql://", "postgres://")
# Of SQLSTATE (postgresql.org/docs, appendix A), whole codes and classes.
_BUSY = frozenset({"40001", "40P01", "55P03", "57014", "25P03", "55006"})
_AWAY_CLASSES = ("08", "53", "57", "58")
_AWAY = frozenset({"25006", "25P02"})  # a standby, and what follows an error in a transaction


def read_url(url: str) -> dict[str, str]:
    """Return the parameters of a connection, by libpq's names.

    Raises:
        InvalidValue: it isn't `postgresql://USER:PASSWORD@HOST:PORT/NAME`; it isn't repeated, since
            it may hold a password.
    """
    rule = "postgresql://USER:PASSWORD@HOST:PORT/NAME, with libpq's options after a '?'"
    if not url.startswith(_SCHEMES):
        raise InvalidValue("database", "(hidden)", rule)
    try:
        drawn = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InvalidValue("database", "(hidden)", rule) from None
    return {name: str(value) for name, value in drawn.items() if value is not None}


def show(parameters: Mapping[str, str]) -> str:
    """Return a URL for people, without a password."""
    user = f"{parameters['user']}@" if "user" in parameters else ""
    host = parameters.get("host", parameters.get("hostaddr", ""))
    port = f":{parameters['port']}" if "port" in parameters else ""
    return f"postgresql://{user}{host}{port}/{parameters.get('dbname', '')}"


def lock_key(*words: str) -> int:
    """Return the number of an advisory lock: 64 bits, so that no two names share one."""
    return int.from_bytes(
        sha256("\n".join(("recipebox", *words)).encode()).digest()[:8], signed=True
    )


class _Connection(psycopg.Connection[Any]):
    """A connection that doesn't wait forever for an answer."""

    answer_timeout: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, at most for `answer_timeout` seconds."""
        return super().wait(gen, interval, self.answer_timeout if timeout is None else timeout)


class _Adapter(peewee.Psycopg3Adapter):
    """Has peewee open connections of our class."""

    def connect(self, db: Any, **parameters: Any) -> _Connection:
        """Connect."""
        return _Connection.connect(dbname=db.database, **parameters)


class KeptPostgresql(KeptConnections, peewee.PostgresqlDatabase):
    """peewee's PostgreSQL, whose connections are kept."""

    psycopg3_adapter = _Adapter

    def __init__(self, config: RegistryConfig, parameters: dict[str, str]) -> None:
        self._config = config
        named = dict(_DEFAULTS, connect_timeout=str(config.connect_timeout)) | parameters
        super().__init__(named.pop("dbname", ""), prefer_psycopg3=True, **named)

    def begin(self, isolation_level: Any = None) -> None:
        """Begin a transaction by a text, which is sent as it is: one trip for it and its locks."""
        raw = self.cursor().connection
        try:
            with _WRAPPING:
                raw.execute(isolation_level or "BEGIN", prepare=False)
        except BaseException:
            if not self._settle(raw):
                self.forget()
            raise

    def rollback(self) -> None:
        """Take a transaction back, unless the connection is lost: then the server does."""
        if not self.raw.closed:
            super().rollback()

    def relax(self) -> None:
        """Let this thread's connection work for as long as it takes: for migrations."""
        self._limit(self.cursor().connection, statement=0, waiting=0)

    def _initialize_connection(self, conn: Any) -> None:
        config = self._config
        self._limit(conn, statement=config.statement_timeout, waiting=config.busy_timeout)
        conn.answer_timeout = config.answer_timeout

    def _limit(self, conn: _Connection, *, statement: float, waiting: float) -> None:
        conn.answer_timeout = None
        values = {
            "statement_timeout": statement,
            "lock_timeout": waiting,
            "idle_in_transaction_session_timeout": _IDLE_SECONDS,
        }
        asked = ", ".join("set_config(%s, %s, false)" for _ in values)
        given = [
            text for name, value in values.items() for text in (name, f"{int(value * 1000)}ms")
        ]
        conn.execute(f"SELECT {asked}", given)

    def _is_alive(self, raw: Any) -> bool:
        """Return whether the server has said nothing: to one who didn't ask, it says goodbye."""
        if raw.closed:
            return False
        waiting = select.poll()
        waiting.register(raw.fileno(), select.POLLIN)
        return not waiting.poll(0)

    def _settle(self, raw: Any) -> bool:
        if raw.pgconn.transaction_status == TransactionStatus.INERROR:
            with suppress(psycopg.Error):  # a connection that is lost isn't kept
                raw.execute("ROLLBACK", prepare=False)
        return bool(raw.pgconn.transaction_status == TransactionStatus.IDLE)


class Postgresql:
    """PostgreSQL as an engine."""

    errors = (peewee.PeeweeException, psycopg.Error)
    stamps_apart = False

    def __init__(self, config: RegistryConfig, url: str) -> None:
        self._parameters = read_url(url)
        self.place = show(self._parameters)
        self._kept = KeptPostgresql(config, self._parameters)
        self.connection: KeptConnections = self._kept
        self._registry = lock_key("registry")

    def opening(self, namespace: str | None, *, writes: bool, is_durable: bool = True) -> str:
        """Return the statements that begin a transaction and take its locks."""
        if not writes:
            return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        locks = f"pg_advisory_xact_lock({self._registry})"
        if namespace is not None:
            key = lock_key("namespace", namespace)
            locks = f"pg_advisory_xact_lock_shared({self._registry}), pg_advisory_xact_lock({key})"
        hasty = "" if is_durable else "SET LOCAL synchronous_commit TO off; "
        return f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {hasty}SELECT {locks}"

    def turn(
        self,
        *,
        writes: bool,  # noqa: ARG002
        is_durable: bool = True,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Nothing to wait for: its locks have a queue, and its commits wait for the disk."""
        return nullcontext()

    def easing(self, breathe: Callable[[], None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing to do: its statements run in processes of their own."""
        return nullcontext()

    def count(self, namespace: str | None) -> None:
        """Count the write where its readers look: at the namespace, or at the registry."""
        if namespace is None:
            RegistryStateRow.update(changes=RegistryStateRow.changes + 1).execute()
        else:
            NamespaceRow.update(changes=NamespaceRow.changes + 1).where(
                NamespaceRow.name == namespace
            ).execute()

    def stamp(self, namespace: str | None) -> Hashable:
        """Return both counts, read by one statement and so from one state."""
        counts: Any = self.connection.execute_sql(
            "SELECT (SELECT changes FROM registry_state), "
            "(SELECT changes FROM namespace WHERE name = %s)",
            (namespace,),
        )
        found: tuple[int | None, int | None] = counts.fetchone()
        return found

    def failure(self, error: Exception) -> RegistryError | None:
        """Return what a SQLSTATE says of the server; errors without one come from the network."""
        cause = cause_of(error)
        state = getattr(cause, "sqlstate", None)
        if state is None:
            lost = (peewee.OperationalError, peewee.InterfaceError, psycopg.OperationalError)
            return DatabaseAway(self.place, _plain(error)) if isinstance(error, lost) else None
        if state in _BUSY:
            return DatabaseBusy(self.place, _plain(error))
        if state in _AWAY or state.startswith(_AWAY_CLASSES):
            return DatabaseAway(self.place, _plain(error))
        return None

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Hold the registry's lock for the session: nobody writes, and nobody else migrates.

        Raises:
            DatabaseUnusable: a server that is too old, or a database that isn't in UTF-8.
        """
        kept = self._kept
        kept.enter()
        try:
            kept.relax()
            version = kept.server_version
            if version < OLDEST:
                reason = f"it is PostgreSQL {version // 10000}, and {OLDEST // 10000} is needed"
                raise DatabaseUnusable(self.place, reason)
            encoding = kept.execute_sql("SHOW server_encoding").fetchone()[0]
            if encoding != "UTF8":
                reason = f"its encoding is {encoding}; create it with ENCODING 'UTF8'"
                raise DatabaseUnusable(self.place, reason)
            kept.execute_sql("SELECT pg_advisory_lock(%s)", (self._registry,))
            yield
        finally:
            kept.doubt()  # closed, and its lock and limits with it
            kept.leave()

    def copy(self, folder: Path, name: str) -> Path:
        """Have pg_dump write its custom format, which pg_restore reads.

        Raises:
            CopyRefused: there is no pg_dump, or it failed.
        """
        program = shutil.which("pg_dump")
        if program is None:
            raise CopyRefused("pg_dump, of PostgreSQL's own client programs, is not on PATH")
        target = folder / f"{name}.dump"
        part = folder / f".{target.name}.{os.getpid()}"
        secret = self._parameters.get("password")
        shown = {key: value for key, value in self._parameters.items() if key != "password"}
        given = {} if secret is None else {"PGPASSWORD": secret}  # arguments are seen by everybody
        try:
            part.touch(mode=0o600)
            place = f"--dbname={make_conninfo(**shown)}"
            done = subprocess.run(
                [program, "--format=custom", "--no-password", f"--file={part}", place],
                env=os.environ | given,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise CopyRefused(f"pg_dump: {done.stderr.strip()}")
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def close(self) -> None:
        """Close the connections of every thread."""
        self.connection.close_all()


def _plain(error: Exception) -> str:
    """Return a driver's message as one line."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
