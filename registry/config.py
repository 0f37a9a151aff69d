"""What the registry is told at start: where its data is, and its limits."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from storage.config import BucketConfig


@dataclass(frozen=True, slots=True)
class RegistryConfig:
    """Where the data is, and the limits.

    ::

        DATA/
        ├── registry.sqlite3   what exists: rows
        ├── blobs/, uploads/   bytes (storage/paths.py); not here where a bucket has them
        ├── keys/              the server's own key
        ├── backups/           copies of the database from before migrations
        ├── writes.lock        the turn of whoever writes to registry.sqlite3
        └── migrations.lock    held while the schema moves

    On PostgreSQL there is no registry.sqlite3, writes.lock or migrations.lock.
    """

    data: Path
    """The data folder; made at first start, readable by its owner only."""

    server_key: Path | None = None
    """An armoured secret key without passphrase to sign with; None: one is made in `keys/`."""

    database_url: str | None = field(default=None, repr=False)
    """A database of PostgreSQL, `postgresql://...`, which may hold a password; None: SQLite."""

    bucket: BucketConfig | None = None
    """The bucket of the blobs; None: they are in the data folder."""

    connect_timeout: int = 5
    """Seconds that PostgreSQL may take to let us in: a server that is there takes some 5 ms."""

    token_key: Path | None = None
    """A PEM file with an Ed25519 key that signs bearer tokens; None: one is made in `keys/`."""

    busy_timeout: float = 30.0
    """Seconds that a writer waits for another: a receipt takes gpg some 50 ms in a transaction."""

    statement_timeout: float = 60.0
    """Seconds that PostgreSQL may work at one statement: a page takes some 10 ms, and what is
    slower than a client's patience helps nobody. Longer than `busy_timeout`, which it holds."""

    answer_timeout: float = 70.0
    """Seconds without any answer after which PostgreSQL counts as away: longer than it may work."""

    is_copied: bool = True
    """Whether the database is copied before its schema is moved forward."""

    copies_kept: int = 3
    """How many of these copies stay: the last ones."""

    manifest_limit: int = 4 * 1024 * 1024
    """Largest manifest in bytes: what the distribution specification asks for at least."""

    channels: tuple[str, ...] = ("dev", "staging", "production")
    """The channels of a new application, in the order in which a bundle passes them."""

    upload_lifetime: timedelta = timedelta(days=7)
    """How long an upload may stay unfinished before the next start of the server ends it."""

    sweep_grace: timedelta = timedelta(days=1)
    """How long what nothing refers to is kept from its last touch, before a sweep removes it."""

    sweep_every: timedelta = timedelta(hours=1)
    """How often the server sweeps by itself; none at all: never."""

    solve_deadline: float = 10.0
    """Seconds that a solve may take: most take a tenth of one, and a browser waits for no more."""

    solve_rounds: int = 20_000
    """Rounds of search that a solve may take: hard ones that have an answer take hundreds."""

    solves_at_once: int = 1
    """Solves that run in one process: each wants a processor for itself, which others need too."""

    is_read_only: bool = False
    """Whether nothing can be written, whatever the switch `read_only` says."""

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "registry.sqlite3"

    @property
    def backups(self) -> Path:
        """The folder of the copies that are made before migrations."""
        return self.data / "backups"

    @property
    def write_turns(self) -> Path:
        """The file that whoever writes to the SQLite file holds a lock on."""
        return self.data / "writes.lock"

    @property
    def migration_lock(self) -> Path:
        """The file that whoever migrates holds a lock on."""
        return self.data / "migrations.lock"

    @property
    def keys(self) -> Path:
        """The folder of the server's key."""
        return self.data / "keys"
