"""Health: whether the database, the schema and the store can do their work."""

from collections.abc import Callable
from dataclasses import dataclass

import peewee

from registry.database import Database
from registry.errors import RegistryError, SchemaNotReady
from registry.releases import index_revision
from storage.blobs import BlobStore
from storage.errors import StorageError
from storage.uploads import new_upload_id


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, and what is wrong (None: nothing)."""

    name: str
    problem: str | None


class Health:
    """Checks for `/readyz`."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store

    def checks(self) -> tuple[Check, ...]:
        """Return `database`, `schema` and `store`, in this order, each tried now."""
        return (
            Check("database", self._problem(self._read)),
            Check("schema", self._problem(self._check_schema)),
            Check("store", self._problem(self._write)),
        )

    def _problem(self, attempt: Callable[[], None]) -> str | None:
        try:
            attempt()
        except (peewee.PeeweeException, RegistryError, StorageError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return None

    def _read(self) -> None:
        with self._database.read():
            index_revision()

    def _check_schema(self) -> None:
        missing = self._database.missing_migrations()
        if missing:
            raise SchemaNotReady(self._database.place, missing)

    def _write(self) -> None:
        upload_id = new_upload_id()
        self._store.start_upload(upload_id)
        self._store.abort(upload_id)
