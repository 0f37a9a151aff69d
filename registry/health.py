"""Health: whether the database, the schema and the store can do their work."""

from dataclasses import dataclass

from registry.config import RegistryConfig
from registry.database import Database
from storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, and what is wrong (None: nothing)."""

    name: str
    problem: str | None


class Health:
    """Checks for `/readyz`."""

    def __init__(self, config: RegistryConfig, database: Database, store: BlobStore) -> None:
        self._config = config
        self._database = database
        self._store = store

    def checks(self) -> tuple[Check, ...]:
        """Return `database`, `schema` and `store`, in this order, each tried now."""
        raise NotImplementedError
