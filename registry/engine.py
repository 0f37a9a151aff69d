"""What a database must be able to do beside peewee's part: SQLite and PostgreSQL each in a file."""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from registry.connections import KeptConnections
from registry.errors import RegistryError


class Engine(Protocol):
    """A kind of database."""

    place: str
    """Where it is, for people: without a secret."""

    connection: KeptConnections
    """peewee's part."""

    stamps_apart: bool
    """Whether `stamp` needs no session: it doesn't ask over a thread's connection."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver and peewee raise."""
        ...

    def opening(self, namespace: str | None, *, writes: bool, is_durable: bool = True) -> str:
        """Return how a transaction begins; a write's waits for those that must not run beside.

        One that isn't durable doesn't wait for the disk when it ends, as the next durable one does.
        """
        ...

    def turn(self, *, writes: bool, is_durable: bool = True) -> AbstractContextManager[None]:
        """Wait, before a transaction, for those that come first, and after it for the disk.

        Only as far as the database doesn't do so itself.

        Raises:
            DatabaseBusy: those before it take too long.
            DatabaseAway: the disk fails; what was written may be there, or not.
        """
        ...

    def easing(self, breathe: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `breathe` often while this thread's statements run, if they run in this process."""
        ...

    def count(self, namespace: str | None) -> None:
        """Note, at the end of a write, that there was one, for `stamp`."""
        ...

    def stamp(self, namespace: str | None) -> Hashable | None:
        """Return a value that another commit changes; see `Database.stamp`."""
        ...

    def failure(self, error: Exception) -> RegistryError | None:
        """Return what an error says of the database itself; None: it is about a statement."""
        ...

    def migrating(self) -> AbstractContextManager[None]:
        """Keep every other process from writing and migrating, without a limit of time."""
        ...

    def copy(self, folder: Path, name: str) -> Path:
        """Write a copy of all of it into `folder`; `name` lacks its suffix.

        Raises:
            CopyRefused: it can't be; the message says why.
            OSError: the folder can't be written.
        """
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...


class CopyRefused(Exception):
    """No copy could be made; the text says why."""


def cause_of(error: Exception) -> Exception:
    """Return the driver's error, for which peewee raised its own, twice where it connected."""
    while isinstance(cause := getattr(error, "orig", None), Exception):
        error = cause
    return error
