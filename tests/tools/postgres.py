"""A PostgreSQL of one's own: a new cluster in a temporary folder, gone at the end.

::

    with running_postgres() as cluster:
        filled = cluster.create()               # an empty database
        migrate(filled.url)
        for story in stories:
            story(cluster.create(filled).url)   # a copy of it, in some 50 ms

PostgreSQL refuses to run as root, so that root's tests start it as another user; its folder is one
of its own for that, in memory where there is room, or below the system's temporary folder. It
listens on a loopback port and on a Unix socket, trusts who connects, and loses what it holds when
the machine goes down. It sorts text as English does, as many a real cluster sorts by its users'
language: who wants another order than that of the cluster has to ask for it.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.tools import parts
from tests.tools.server import LIMIT, wait_until

USER = "postgres"  # the name of the superuser
USERS = ("postgres", "nobody")  # of the system, to run as where the tests are root's
TRIES = 5  # of finding a port that nobody takes before we do
NEW = 15  # the first version that sorts by ICU, and copies a database's files when told so
MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3  # bytes that must be free there; a container may have 64 MiB
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
}


class PostgresFailed(AssertionError):
    """PostgreSQL ended before it was ready; the text is its log."""


@dataclass(frozen=True)
class Database:
    """A database: `url` over the loopback port, `socket_url` over the Unix socket."""

    name: str
    url: str
    socket_url: str


@dataclass
class Cluster:
    """A cluster: its folder (with `data`, `log` and the socket), port and process."""

    folder: Path
    programs: Path
    owner: int | None
    port: int = 0
    version: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def create(self, like: Database | None = None) -> Database:
        """Create a database, empty or a copy of one to which nobody is connected."""
        name = f"t{uuid.uuid4().hex[:12]}"
        template = like.name if like else "template0"
        # copying files takes half the time of writing each page to the log as well
        copying = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        self._tell(
            copying if self.version >= NEW else "CREATE DATABASE {} TEMPLATE {}", name, template
        )
        return self.database(name)

    def drop(self, database: Database) -> None:
        """Drop a database, with its connections."""
        self._tell("DROP DATABASE {} WITH (FORCE)", database.name)

    def database(self, name: str) -> Database:
        """Return how to reach a database, whether or not it is there."""
        return Database(
            name=name,
            url=f"postgresql://{USER}@127.0.0.1:{self.port}/{name}",
            socket_url=f"postgresql://{USER}@/{name}?host={self.folder}&port={self.port}",
        )

    def log_text(self) -> str:
        """Return what was logged so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def start(self) -> None:
        """Start it, on the port that it had before if it had one.

        Raises:
            PostgresFailed: it ended before it was ready.
            AssertionError: it doesn't come back.
        """
        if self.port:
            # what a killed one left may hold on to its memory for a moment
            wait_until(lambda: self._started(self.port))
            return
        for _ in range(TRIES):
            port = _free_port()
            if self._started(port):
                self.port = port
                return
        raise PostgresFailed(self.log_text())

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: connections are cut, what was committed stays (with SIGKILL too)."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(LIMIT)

    def _started(self, port: int) -> bool:
        words = [self.programs / "postgres", "-D", self.folder / "data", "-p", str(port)]
        words += ["-k", self.folder]
        for name, value in SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                words, cwd=self.folder, stdout=log, stderr=log, user=self.owner, group=self._group
            )
        self.process = process
        wait_until(lambda: self._is_ready() or process.poll() is not None)
        return process.poll() is None

    def _is_ready(self) -> bool:
        # its last line is "ready" once connections are taken
        with contextlib.suppress(FileNotFoundError):
            lines = (self.folder / "data" / "postmaster.pid").read_text("utf-8").split()
            assert self.process is not None
            return lines[:1] == [str(self.process.pid)] and lines[-1] == "ready"
        return False

    def initialise(self) -> None:
        """Write an empty cluster."""
        words = [self.programs / "initdb", "-D", self.folder / "data", "-U", USER]
        words += ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        words += ["--no-instructions", *self._collation()]
        subprocess.run(
            words,
            cwd=self.folder,
            user=self.owner,
            group=self._group,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _collation(self) -> tuple[str, ...]:
        self.version = self._version()
        has_icu = self.version >= NEW
        return ("--locale-provider=icu", "--icu-locale=en-US") if has_icu else ()

    def _version(self) -> int:
        told = subprocess.run(
            [self.programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"\d+", told)
        return 0 if found is None else int(found[0])

    @property
    def _group(self) -> int | None:
        return None if self.owner is None else pwd.getpwuid(self.owner).pw_gid

    def _tell(self, statement: str, *names: str) -> None:
        written = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.database("postgres").url, autocommit=True) as connection:
            connection.execute(written)


@contextlib.contextmanager
def running_postgres() -> Iterator[Cluster]:
    """Start a new cluster, and remove it at the end; skip where PostgreSQL isn't here.

    Raises:
        PostgresFailed: it didn't start.
    """
    programs = parts.postgresql()
    folder = Path(tempfile.mkdtemp(prefix="recipebox-pg-", dir=_roomiest()))
    cluster = Cluster(folder, programs, _owner())
    try:
        if cluster.owner is not None:
            os.chown(folder, cluster.owner, -1)
        cluster.initialise()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _roomiest() -> Path | None:
    """Return the folder in memory, where a copy takes a third of the time, or None: the usual."""
    is_usable = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if is_usable else None


def _owner() -> int | None:
    """Return the id of the user to run as, or None where it is the one that we are."""
    if os.geteuid() != 0:
        return None
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise PostgresFailed(f"root can't start it, and there is no user {' or '.join(USERS)}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
