"""Builds every part of the registry once, each with the collaborators that it needs."""

import secrets
from dataclasses import dataclass

from registry.acceptance import Acceptances
from registry.access import Access
from registry.audit import Audit
from registry.bearer import Bearer, TokenKey
from registry.bundles import Bundles
from registry.catalog import Catalog
from registry.channels import Channels
from registry.check.checker import Checker
from registry.check.repair import Repair
from registry.clock import Clock, system_clock
from registry.config import RegistryConfig
from registry.countersign import Countersigning
from registry.database import Database
from registry.events import Outbox
from registry.health import Health
from registry.images import Images
from registry.index import Index
from registry.leases import Leases
from registry.maintenance import Maintenance
from registry.namespaces import Namespaces
from registry.oci.blobs import Blobs
from registry.oci.contents import Contents
from registry.oci.manifests import Manifests
from registry.oci.referrers import Referrers
from registry.oci.repositories import Repositories
from registry.oci.tags import Tags
from registry.oci.uploads import Uploads
from registry.promotions import Promotions
from registry.publish import Publishing
from registry.relations import Relations
from registry.retention import Retentions
from registry.reviews import Reviews
from registry.server_key import ServerKey
from registry.sessions import Sessions
from registry.solving import Solving
from registry.sweep import Sweep
from registry.switches import Switches
from registry.tokens import NewToken, Tokens
from storage.blobs import ListedStore
from storage.config import open_store
from storage.errors import StoreUnavailable
from storage.uploads import new_upload_id


@dataclass(frozen=True, slots=True)
class Registry:
    """Every part, built once: what web/ and the admin commands work with."""

    config: RegistryConfig
    database: Database
    store: ListedStore
    access: Access
    audit: Audit
    sessions: Sessions
    tokens: Tokens
    token_key: TokenKey
    bearer: Bearer
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
    acceptances: Acceptances
    catalog: Catalog
    relations: Relations
    solving: Solving
    bundles: Bundles
    channels: Channels
    promotions: Promotions
    health: Health
    checker: Checker
    repair: Repair
    switches: Switches
    leases: Leases
    sweep: Sweep
    maintenance: Maintenance
    retentions: Retentions

    def prepare(self) -> NewToken | None:
        """Make the data folder, migrate, make the server's key; return the first admin's token.

        To be called once at start, before a server forks: no connection stays open. The token is
        returned at the very first start only.

        Raises:
            SchemaTooNew: a later version of Recipebox made the database.
            UnusableKey: the key of bearer tokens isn't one.
            StoreUnavailable: (storage) the data folder can't be made or written, or the bucket
                isn't there, or not of use.
        """
        try:
            self.config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.config.data / f".probe-{secrets.token_hex(8)}"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreUnavailable(str(self.config.data), reason) from error
        self.database.migrate()
        self.server_key.prepare()
        self.token_key.prepare()
        upload_id = new_upload_id()
        self.store.start_upload(upload_id)
        self.store.abort(upload_id)
        if self.switches.read_only() is None:
            self.uploads.expire(self.config.upload_lifetime)
        made = self.tokens.create_first()
        self.database.close()
        return made


def open_registry(
    config: RegistryConfig, store: ListedStore | None = None, clock: Clock = system_clock
) -> Registry:
    """Build the registry over `store` (None: what the configuration says). Opens nothing yet."""
    database = Database(config)
    blob_store = open_store(config.bucket, config.data) if store is None else store
    audit = Audit(clock)
    outbox = Outbox(clock)
    access = Access(database, clock)
    server_key = ServerKey(config.keys, config.server_key)
    token_key = TokenKey(config.keys, config.token_key)
    namespaces = Namespaces(database, access, audit, clock)
    reviews = Reviews(database, clock, config.sweep_grace)
    contents = Contents(database, blob_store, clock, reviews)
    switches = Switches(database, audit, clock, is_read_only=config.is_read_only)
    repositories = Repositories(
        database=database,
        access=access,
        namespaces=namespaces,
        switches=switches,
        audit=audit,
        clock=clock,
    )
    blobs = Blobs(
        database=database,
        store=blob_store,
        contents=contents,
        access=access,
        repositories=repositories,
        audit=audit,
    )
    uploads = Uploads(
        database=database,
        store=blob_store,
        contents=contents,
        repositories=repositories,
        blobs=blobs,
        audit=audit,
        clock=clock,
    )
    leases = Leases(database, clock)
    sweep = Sweep(
        config=config,
        database=database,
        store=blob_store,
        contents=contents,
        uploads=uploads,
        reviews=reviews,
        leases=leases,
        switches=switches,
        audit=audit,
        clock=clock,
    )
    retentions = Retentions(
        database=database,
        access=access,
        contents=contents,
        switches=switches,
        audit=audit,
        clock=clock,
    )
    countersigning = Countersigning(server_key)
    index = Index(database, access)
    acceptances = Acceptances(database, access, repositories)
    return Registry(
        config=config,
        database=database,
        store=blob_store,
        access=access,
        audit=audit,
        sessions=Sessions(database, audit, clock),
        tokens=Tokens(database, audit, clock),
        token_key=token_key,
        bearer=Bearer(
            database=database,
            access=access,
            repositories=repositories,
            key=token_key,
            clock=clock,
        ),
        namespaces=namespaces,
        server_key=server_key,
        uploads=uploads,
        blobs=blobs,
        manifests=Manifests(
            config=config,
            database=database,
            access=access,
            contents=contents,
            repositories=repositories,
            audit=audit,
        ),
        tags=Tags(database, access),
        referrers=Referrers(database, access, repositories),
        repositories=repositories,
        publishing=Publishing(
            database=database,
            access=access,
            contents=contents,
            repositories=repositories,
            countersigning=countersigning,
            outbox=outbox,
            audit=audit,
            clock=clock,
        ),
        index=index,
        acceptances=acceptances,
        catalog=Catalog(database, access),
        relations=Relations(database, access),
        solving=Solving(config, database, index, acceptances),
        bundles=Bundles(
            config=config,
            database=database,
            access=access,
            contents=contents,
            repositories=repositories,
            images=Images(access, contents, repositories),
            outbox=outbox,
            audit=audit,
            clock=clock,
        ),
        channels=Channels(database, access, repositories),
        promotions=Promotions(
            database=database,
            access=access,
            contents=contents,
            repositories=repositories,
            countersigning=countersigning,
            outbox=outbox,
            audit=audit,
            clock=clock,
        ),
        health=Health(database, blob_store),
        checker=Checker(database, blob_store, contents),
        repair=Repair(
            database=database,
            store=blob_store,
            contents=contents,
            reviews=reviews,
            audit=audit,
            clock=clock,
        ),
        switches=switches,
        leases=leases,
        sweep=sweep,
        retentions=retentions,
        maintenance=Maintenance(
            sweep=sweep,
            retentions=retentions,
            leases=leases,
            every=config.sweep_every,
            clock=clock,
        ),
    )
