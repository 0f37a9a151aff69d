"""Builds every part of the registry once, each with the collaborators that it needs."""

from dataclasses import dataclass

from registry.access import Access
from registry.bundles import Bundles
from registry.catalog import Catalog
from registry.channels import Channels
from registry.clock import Clock, system_clock
from registry.config import RegistryConfig
from registry.database import Database
from registry.health import Health
from registry.index import Index
from registry.namespaces import Namespaces
from registry.oci.blobs import Blobs
from registry.oci.manifests import Manifests
from registry.oci.referrers import Referrers
from registry.oci.repositories import Repositories
from registry.oci.tags import Tags
from registry.oci.uploads import Uploads
from registry.promotions import Promotions
from registry.publish import Publishing
from registry.server_key import ServerKey
from registry.tokens import NewToken, Tokens
from storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Registry:
    """Every part, built once: what web/ and the admin commands work with."""

    config: RegistryConfig
    database: Database
    store: BlobStore
    access: Access
    tokens: Tokens
    namespaces: Namespaces
    server_key: ServerKey
    uploads: Uploads
    blobs: Blobs
    manifests: Manifests
    tags: Tags
    referrers: Referrers
    repositories: Repositories
    publishing: Publishing
    index: Index
    catalog: Catalog
    bundles: Bundles
    channels: Channels
    promotions: Promotions
    health: Health

    def prepare(self) -> NewToken | None:
        """Make the data folder, migrate, make the server's key; return the first admin's token.

        To be called once at start, before a server forks: no connection stays open. The token is
        returned at the very first start only.

        Raises:
            SchemaTooNew: a later version of Recipebox made the database.
            StoreUnavailable: (storage) the data folder can't be made or written.
        """
        raise NotImplementedError


def open_registry(
    config: RegistryConfig, store: BlobStore | None = None, clock: Clock = system_clock
) -> Registry:
    """Build the registry over `store` (None: a folder in the data folder). Opens nothing yet."""
    raise NotImplementedError
