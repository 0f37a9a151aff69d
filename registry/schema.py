"""The tables. Times are whole seconds since 1970 (UTC), lists and objects are JSON as text.

Texts compare and sort by their bytes, which on PostgreSQL is COLLATE "C" of each column (a unit
test asks for it); no text holds a NUL (registry/connections.py). Ids have 64 bits.

::

    namespace ─┬─ namespace_key
               └─ repository ─┬─ repository_blob ── blob ── blob_data   bytes kept here
                              ├─ upload
                              ├─ manifest ─┬─ manifest_part     what it needs, by digest
                              │            └─ tag
                              ├─ release ─┬─ yank               one row for each change
                              │           └─ release_requirement
                              ├─ bundle ─┬── bundle_release
                              │          └── bundle_image
                              └─ channel ─── promotion          one row for each move
    review      what may be garbage, and when it is looked at
    condemned   bytes of the store that no row needs any more: they go next
    token   ended_session   index_state   registry_state   switch   lease   event   audit_entry

Models belong to whatever database the current thread's session is of (`registry.database`), so
that a process may work with several. A change here is a migration too: a unit test compares both.
"""

import threading
from typing import Any

import peewee


class CurrentDatabase(peewee.DatabaseProxy):
    """Stands for the database of this thread's innermost session."""

    _stack = threading.local()

    @property
    def obj(self) -> Any:
        """The database, or None outside of a session."""
        databases: list[peewee.Database] = getattr(self._stack, "databases", [])
        return databases[-1] if databases else None

    @obj.setter
    def obj(self, database: None) -> None:
        """Take peewee's own initialisation, with None."""

    def push(self, database: peewee.Database) -> None:
        """Begin to stand for `database` in this thread."""
        if not hasattr(self._stack, "databases"):
            self._stack.databases = []
        self._stack.databases.append(database)

    def pop(self) -> None:
        """Go back to what it stood for before."""
        self._stack.databases.pop()


CURRENT = CurrentDatabase()


class Row(peewee.Model):
    """Base of all rows."""

    id = peewee.BigAutoField()

    class Meta:
        """What all tables share."""

        database = CURRENT
        legacy_table_names = False


class IndexState(Row):
    """One row: the revision of the whole index."""

    revision = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "index_state"


class RegistryStateRow(Row):
    """One row: how often anything that isn't one namespace's was changed (PostgreSQL only)."""

    changes = peewee.BigIntegerField(default=0)

    class Meta:
        """Its table."""

        table_name = "registry_state"


class NamespaceRow(Row):
    """A namespace and its settings.

    `quota_bytes` None is no quota; `used_bytes` are those of its distinct blobs and manifests;
    `immutable_tags` is a list of patterns, `retention` the rules or None; `changes` counts its
    write transactions (PostgreSQL only).
    """

    name = peewee.TextField(unique=True)
    is_public = peewee.BooleanField()
    owner = peewee.TextField()
    created = peewee.BigIntegerField()
    quota_bytes = peewee.BigIntegerField(null=True)
    used_bytes = peewee.BigIntegerField(default=0)
    is_sparse = peewee.BooleanField(default=False)
    immutable_tags = peewee.TextField(default="[]")
    retention = peewee.TextField(null=True)
    changes = peewee.BigIntegerField(default=0)

    class Meta:
        """Its table."""

        table_name = "namespace"


class NamespaceKeyRow(Row):
    """A public key of a namespace."""

    namespace = peewee.ForeignKeyField(NamespaceRow)
    namespace_id: int
    fingerprint = peewee.TextField()
    armored = peewee.TextField()
    user_ids = peewee.TextField()
    roles = peewee.TextField()
    algorithm = peewee.TextField()
    created = peewee.BigIntegerField()
    expires = peewee.BigIntegerField(null=True)
    is_revoked = peewee.BooleanField()
    added = peewee.BigIntegerField()
    added_by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "namespace_key"
        indexes = ((("namespace", "fingerprint"), True),)


class TokenRow(Row):
    """A token, without its secret; `verbs` narrows its role (a list, None: all of the role's).

    `made_by` is the public id of the token that asked for it; None: an operator did.
    """

    public_id = peewee.TextField(unique=True)
    secret_sha256 = peewee.TextField()
    name = peewee.TextField()
    role = peewee.TextField()
    namespace = peewee.TextField(null=True)
    verbs = peewee.TextField(null=True)
    made_by = peewee.TextField(null=True)
    created = peewee.BigIntegerField()
    expires = peewee.BigIntegerField(null=True)
    revoked = peewee.BigIntegerField(null=True)

    class Meta:
        """Its table."""

        table_name = "token"


class EndedSessionRow(Row):
    """A browser's session that was ended; kept `until` its cookie would have run out."""

    session_id = peewee.TextField(unique=True)
    until = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "ended_session"


class RepositoryRow(Row):
    """A repository; `kind` is a value of `registry.oci.repositories.Kind`.

    `is_public` is its namespace's, kept here so that the public ones are an index's range in the
    order of their names; who may read is decided by the namespace's own.
    """

    namespace_id: int
    namespace = peewee.ForeignKeyField(NamespaceRow)
    name = peewee.TextField(unique=True)
    kind = peewee.TextField()
    created = peewee.BigIntegerField()
    created_by = peewee.TextField()
    is_public = peewee.BooleanField(default=False)

    class Meta:
        """Its table."""

        table_name = "repository"
        indexes = ((("namespace", "name"), True), (("is_public", "name"), False))


INLINE = "inline"
"""The `location` of a blob whose bytes are a row of `blob_data`."""


class BlobRow(Row):
    """A blob, manifests among them; `location` is the store's, or `INLINE`."""

    digest = peewee.TextField(unique=True)
    size = peewee.BigIntegerField()
    location = peewee.TextField()
    created = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "blob"


class BlobDataRow(Row):
    """The bytes of a blob that the database keeps itself: manifests, and what the server signs."""

    blob = peewee.ForeignKeyField(BlobRow, unique=True, on_delete="CASCADE")
    blob_id: int
    data = peewee.BlobField()

    class Meta:
        """Its table."""

        table_name = "blob_data"


class CondemnedRow(Row):
    """Bytes of the store that no row needs any more: they go next."""

    location = peewee.TextField(unique=True)
    size = peewee.BigIntegerField()
    since = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "condemned"


class RepositoryBlobRow(Row):
    """A blob that a repository holds."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    blob = peewee.ForeignKeyField(BlobRow)
    blob_id: int

    class Meta:
        """Its table."""

        table_name = "repository_blob"
        indexes = ((("repository", "blob"), True),)


class UploadRow(Row):
    """An upload under way, last `touched`; how much it holds is the store's to say.

    One that `is_ending` takes no bytes and becomes no blob: its bytes are going, and then its row.
    """

    upload_id = peewee.TextField(unique=True)
    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    started = peewee.BigIntegerField()
    started_by = peewee.TextField()
    touched = peewee.BigIntegerField(default=0)
    is_ending = peewee.BooleanField(default=False)

    class Meta:
        """Its table."""

        table_name = "upload"


class ManifestRow(Row):
    """A manifest in a repository; `kind` is what the referrers list calls it."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    blob = peewee.ForeignKeyField(BlobRow)
    blob_id: int
    digest = peewee.TextField()
    media_type = peewee.TextField()
    artifact_type = peewee.TextField(null=True)
    kind = peewee.TextField(null=True)
    subject = peewee.TextField(null=True)
    size = peewee.BigIntegerField()
    annotations = peewee.TextField()
    is_staged = peewee.BooleanField()
    created = peewee.BigIntegerField()
    created_by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "manifest"
        indexes = ((("repository", "digest"), True), (("repository", "subject"), False))


class ManifestPartRow(Row):
    """A blob, or a manifest, that a manifest needs."""

    manifest = peewee.ForeignKeyField(ManifestRow, on_delete="CASCADE")
    manifest_id: int
    digest = peewee.TextField(index=True)
    is_manifest = peewee.BooleanField()

    class Meta:
        """Its table."""

        table_name = "manifest_part"


class TagRow(Row):
    """A tag; a server-owned one can't be moved or deleted through `/v2/`."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    name = peewee.TextField()
    manifest = peewee.ForeignKeyField(ManifestRow)
    manifest_id: int
    is_server_owned = peewee.BooleanField()
    changed = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "tag"
        indexes = ((("repository", "name"), True),)


class ReviewRow(Row):
    """A digest that may have lost its last reference, to be looked at when it is `due`.

    `kind` is `manifest`, `link` (a blob in a repository) or `blob` (which has no repository);
    `key` is `KIND:REPOSITORY_ID:DIGEST`, so that each waits once.
    """

    key = peewee.TextField(unique=True)
    kind = peewee.TextField()
    repository = peewee.ForeignKeyField(RepositoryRow, null=True, on_delete="CASCADE")
    repository_id: int | None
    digest = peewee.TextField(index=True)
    due = peewee.BigIntegerField()
    reason = peewee.TextField()
    added = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "review"
        indexes = ((("kind", "due"), False),)


class ReleaseRow(Row):
    """A listed release: `metadata` is its package.json, `revision` the index's when listed."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    version = peewee.TextField()
    manifest = peewee.ForeignKeyField(ManifestRow, unique=True)
    manifest_id: int
    revision = peewee.BigIntegerField(unique=True)
    summary = peewee.TextField()
    metadata = peewee.TextField()
    platforms = peewee.TextField()
    signers = peewee.TextField()
    receipt = peewee.TextField()
    evidence = peewee.TextField(default="{}")
    published = peewee.BigIntegerField()
    published_by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "release"
        indexes = ((("repository", "version"), True),)


class ReleaseRequirementRow(Row):
    """A package that a release of `dependent` requires; its package.json says the same.

    `wanted` is a range, or extras and one: `[gpu] ^1.2`. It counts with the `extra`; empty: always.
    """

    release = peewee.ForeignKeyField(ReleaseRow, on_delete="CASCADE")
    release_id: int
    dependent = peewee.TextField()
    package = peewee.TextField()
    wanted = peewee.TextField()
    extra = peewee.TextField(default="")

    class Meta:
        """Its table."""

        table_name = "release_requirement"
        indexes = ((("package", "release", "extra"), True), (("package", "dependent"), False))


class YankRow(Row):
    """A yank or its end; the last of a release counts."""

    release = peewee.ForeignKeyField(ReleaseRow)
    release_id: int
    revision = peewee.BigIntegerField(unique=True)
    is_yanked = peewee.BooleanField()
    reason = peewee.TextField()
    at = peewee.BigIntegerField()
    by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "yank"


class BundleRow(Row):
    """A bundle of an application; `packages` gives versions by name."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    manifest = peewee.ForeignKeyField(ManifestRow, unique=True)
    manifest_id: int
    packages = peewee.TextField()
    created = peewee.BigIntegerField()
    created_by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "bundle"


class BundleReleaseRow(Row):
    """A release that a bundle holds."""

    bundle = peewee.ForeignKeyField(BundleRow, on_delete="CASCADE")
    bundle_id: int
    release = peewee.ForeignKeyField(ReleaseRow)
    release_id: int

    class Meta:
        """Its table."""

        table_name = "bundle_release"
        indexes = ((("bundle", "release"), True),)


class BundleImageRow(Row):
    """An image that a bundle of `application` holds, and the name of the repository it came from.

    `size` is of its manifests and blobs, each once, in bytes; `platforms` a list (`linux/arm64`).
    One whose bundle was deleted tells where what is still held there came from.
    """

    application = peewee.ForeignKeyField(RepositoryRow)
    application_id: int
    bundle = peewee.ForeignKeyField(BundleRow, null=True, on_delete="SET NULL")
    bundle_id: int | None
    repository = peewee.TextField()
    digest = peewee.TextField()
    size = peewee.BigIntegerField()
    platforms = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "bundle_image"
        indexes = ((("bundle", "repository", "digest"), True), (("application", "digest"), False))


class ChannelRow(Row):
    """A channel of an application, and the bundle that it points to."""

    repository = peewee.ForeignKeyField(RepositoryRow)
    repository_id: int
    name = peewee.TextField()
    position = peewee.IntegerField()
    bundle = peewee.ForeignKeyField(BundleRow, null=True)
    bundle_id: int | None

    class Meta:
        """Its table."""

        table_name = "channel"
        indexes = ((("repository", "name"), True),)


class PromotionRow(Row):
    """A move of a channel's pointer; `record` is the digest of the record's manifest."""

    channel = peewee.ForeignKeyField(ChannelRow)
    channel_id: int
    bundle = peewee.ForeignKeyField(BundleRow)
    bundle_id: int
    record = peewee.TextField()
    came_from = peewee.TextField(null=True)
    previous = peewee.TextField(null=True)
    previous_bundle = peewee.TextField(null=True)
    evidence = peewee.TextField()
    asked_by = peewee.TextField()
    role = peewee.TextField()
    proof = peewee.TextField()
    at = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "promotion"


class EventRow(Row):
    """The outbox: what happened, for hooks to come; written with what it tells of."""

    kind = peewee.TextField()
    payload = peewee.TextField()
    at = peewee.BigIntegerField()

    class Meta:
        """Its table."""

        table_name = "event"


class AuditRow(Row):
    """Who did what, written with what was done."""

    at = peewee.BigIntegerField()
    actor = peewee.TextField()
    role = peewee.TextField()
    proof = peewee.TextField()
    action = peewee.TextField()
    target = peewee.TextField()
    detail = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "audit_entry"


class SwitchRow(Row):
    """What an operator switched on or off while the server runs (`read_only`)."""

    name = peewee.TextField(unique=True)
    is_on = peewee.BooleanField()
    reason = peewee.TextField()
    changed = peewee.BigIntegerField()
    changed_by = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "switch"


class LeaseRow(Row):
    """Who alone does a piece of background work, until when, and how far it is (JSON)."""

    name = peewee.TextField(unique=True)
    holder = peewee.TextField()
    until = peewee.BigIntegerField()
    progress = peewee.TextField()

    class Meta:
        """Its table."""

        table_name = "lease"


MODELS: tuple[type[Row], ...] = (
    IndexState,
    RegistryStateRow,
    NamespaceRow,
    NamespaceKeyRow,
    TokenRow,
    EndedSessionRow,
    RepositoryRow,
    BlobRow,
    BlobDataRow,
    CondemnedRow,
    RepositoryBlobRow,
    UploadRow,
    ManifestRow,
    ManifestPartRow,
    TagRow,
    ReviewRow,
    ReleaseRow,
    ReleaseRequirementRow,
    YankRow,
    BundleRow,
    BundleReleaseRow,
    BundleImageRow,
    ChannelRow,
    PromotionRow,
    SwitchRow,
    LeaseRow,
    EventRow,
    AuditRow,
)
"""Every table, those first that others point to."""
