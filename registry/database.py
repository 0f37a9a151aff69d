"""The database: one connection a thread, one transaction a write (peewee; SQLite now)."""

from collections.abc import Iterator
from contextlib import contextmanager

from registry.config import RegistryConfig


class Database:
    """Hands out sessions. Nothing is opened before the first, so a server may fork before it."""

    def __init__(self, config: RegistryConfig) -> None:
        self._config = config

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep this thread's connection open: a request is one. May be nested."""
        raise NotImplementedError
        yield

    @contextmanager
    def read(self) -> Iterator[None]:
        """A session whose reads all see one state of the database. May be nested."""
        raise NotImplementedError
        yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """One transaction that writes: all of it, or nothing. May be nested."""
        raise NotImplementedError
        yield

    def migrate(self) -> list[str]:
        """Move the schema forward, alone (under a lock); return the migrations that ran.

        Raises:
            SchemaTooNew: a later version made it.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close this thread's connection, if it is open."""
        raise NotImplementedError
