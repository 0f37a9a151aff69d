"""What repositories hold: bytes into the store, rows into the database, without asking who.

The parts that decide (uploads, manifests, publishing, bundles, promotions) share these steps. Bytes
of a client's are kept in the store before the row that tells of them, so that a row always has its
bytes; manifests, and all that the server makes itself, are kept in the database, with their rows.
"""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import Tag
from registry import changes, lookups, quota
from registry.access import Principal
from registry.batches import among
from registry.clock import Clock, seconds
from registry.database import Database
from registry.oci.companions import companions_of
from registry.reviews import AT_ONCE, Reason, Reviews
from registry.reviews import Kind as ReviewKind
from registry.schema import (
    INLINE,
    BlobDataRow,
    BlobRow,
    ManifestPartRow,
    ManifestRow,
    RepositoryBlobRow,
    RepositoryRow,
    TagRow,
)
from signing.statement import Kind, statement_manifest
from storage.blobs import BlobStore
from storage.errors import BlobMissing

_CHUNK = 300
"""Rows in one statement at most: SQLite bounds its variables, of which each row has three."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that are to get their rows: those that the store holds durably, or `data` itself."""

    digest: Digest
    size: int
    location: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """A manifest that is to get its rows, with its parts' bytes if they are the server's own."""

    kept: Kept
    manifest: ImageManifest | ImageIndex
    blobs: tuple[Kept, ...] = ()

    @property
    def descriptor(self) -> Descriptor:
        """What an index says of it."""
        return Descriptor(
            self.manifest.media_type,
            self.kept.digest,
            self.kept.size,
            artifact_type=self.manifest.kind,
        )


class Contents:
    """Puts bytes and rows in; the rows within a transaction of the caller's."""

    def __init__(
        self, database: Database, store: BlobStore, clock: Clock, reviews: Reviews
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self.reviews = reviews

    def open(self, digest: str, location: str, start: int = 0) -> BinaryIO:
        """Open a blob for reading from the byte `start`; the caller closes it.

        Raises:
            BlobMissing: (storage) the row is there, the bytes are not.
        """
        if location != INLINE:
            return self._store.open(location, start)
        with self._database.session():
            row = lookups.blob_data(digest)
        if row is None:
            raise BlobMissing(f"{INLINE} {digest}")
        stream = io.BytesIO(bytes(row.data))
        stream.seek(start)
        return stream

    def read(self, blob: BlobRow) -> bytes:
        """Read a small blob whole: its size was checked when it came.

        Raises:
            BlobMissing: (storage) the row is there, the bytes are not.
        """
        with self.open(blob.digest, blob.location) as stream:
            return stream.read()

    def parts(self, repository: RepositoryRow, manifest: ManifestRow) -> list[BlobRow]:
        """Return the blobs of the repository that a manifest needs."""
        query = (
            BlobRow.select()
            .join(RepositoryBlobRow)
            .switch(BlobRow)
            .join(ManifestPartRow, on=(ManifestPartRow.digest == BlobRow.digest))
            .where(
                (RepositoryBlobRow.repository == repository)
                & (ManifestPartRow.manifest == manifest)
            )
        )
        return list(query)

    def link_blob(
        self, repository: RepositoryRow, kept: Kept, review: Reason | None = None
    ) -> BlobRow:
        """Note that a blob is kept, and that the repository holds it.

        One that no manifest needs yet has a `review`: how it came.

        Raises:
            QuotaExceeded: it doesn't fit into the namespace.
        """
        blob, is_new = self._add_blob(kept)
        quota.link(repository, blob, is_new=is_new)
        changes.hold_blob(repository.id, blob.id)
        if review is not None:
            self.reviews.queue(ReviewKind.LINK, repository, blob.digest, review)
        return blob

    def add_manifest(
        self,
        principal: Principal,
        repository: RepositoryRow,
        kept: KeptManifest,
        *,
        is_staged: bool,
    ) -> tuple[ManifestRow, bool]:
        """Add the rows of a manifest; also return whether they are new.

        Its own bytes are no blob of the repository, but its parts' are, where it brings them.

        Raises:
            QuotaExceeded: it doesn't fit into the namespace.
        """
        found = find_manifest(repository, kept.kept.digest)
        if found is not None:
            self._add_blob(kept.kept)  # brings bytes back that were lost
            return found, False
        for blob in kept.blobs:
            self.link_blob(repository, blob)
        blob_row, is_new = self._add_blob(kept.kept)
        quota.link(repository, blob_row, is_new=is_new)
        manifest = kept.manifest
        row = ManifestRow.create(
            repository=repository,
            blob=blob_row,
            digest=str(kept.kept.digest),
            media_type=manifest.media_type,
            artifact_type=manifest.artifact_type,
            kind=manifest.kind,
            subject=None if manifest.subject is None else str(manifest.subject.digest),
            size=kept.kept.size,
            annotations=json.dumps(dict(manifest.annotations), sort_keys=True),
            is_staged=is_staged,
            created=seconds(self._clock()),
            created_by=principal.name,
        )
        for parts, is_manifest in ((manifest.blobs, False), (manifest.children, True)):
            digests = dict.fromkeys(str(part.digest) for part in parts)
            _add_parts(row, [(digest, is_manifest) for digest in digests])
        return row, True

    def link_manifest(
        self, principal: Principal, row: ManifestRow, repository: RepositoryRow
    ) -> ManifestRow:
        """Let another repository hold a manifest too, with the blobs that it needs.

        Raises:
            QuotaExceeded: they don't fit into the other's namespace.
        """
        found = find_manifest(repository, Digest.parse(row.digest))
        if found is not None:
            return found
        # Only what its own repository holds: a part that is "elsewhere" may be another's blob.
        for blob in self.parts(row.repository, row):
            quota.link(repository, blob)
            changes.hold_blob(repository.id, blob.id)
        quota.link(repository, row.blob)
        linked = ManifestRow.create(
            repository=repository,
            blob=row.blob,
            digest=row.digest,
            media_type=row.media_type,
            artifact_type=row.artifact_type,
            kind=row.kind,
            subject=row.subject,
            size=row.size,
            annotations=row.annotations,
            is_staged=False,
            created=seconds(self._clock()),
            created_by=principal.name,
        )
        parts = ManifestPartRow.select().where(ManifestPartRow.manifest == row)
        _add_parts(linked, [(part.digest, part.is_manifest) for part in parts])
        return linked

    def _add_blob(self, kept: Kept) -> tuple[BlobRow, bool]:
        """Add a blob's row, and its bytes where the database keeps them, unless it is there.

        Also return whether the row is new.
        """
        digest, now = str(kept.digest), seconds(self._clock())
        is_new = changes.add_blob(digest, kept.size, kept.location, now) == 1
        blob = lookups.known_blob(digest)
        if blob.location == INLINE and kept.data is not None:
            BlobDataRow.insert(blob=blob, data=kept.data).on_conflict_ignore().execute()
        return blob, is_new

    def set_tag(
        self,
        repository: RepositoryRow,
        tag: Tag,
        manifest: ManifestRow,
        *,
        is_server_owned: bool = False,
    ) -> str | None:
        """Make a tag point to a manifest; the one that it pointed to is reviewed.

        Return the digest that it pointed to, or None where it is new.
        """
        now = seconds(self._clock())
        row = lookups.tag(repository.id, tag.text)
        before = None
        if row is None:
            row = TagRow(repository=repository, name=tag.text)
        elif row.manifest_id == manifest.id:
            before = manifest.digest
        else:
            before = row.manifest.digest
            self.reviews.queue(ReviewKind.MANIFEST, repository, before, Reason.TAG_MOVED)
        row.manifest = manifest
        row.is_server_owned = is_server_owned
        row.changed = now
        row.save()
        return before

    def delete_tags(self, repository: RepositoryRow, names: Iterable[str]) -> None:
        """Delete tags, those that there are; what they pointed to is reviewed."""
        named = (TagRow.repository == repository) & TagRow.name.in_(list(names))
        manifests: Any = ManifestRow.select(ManifestRow.digest).join(TagRow).where(named)
        digests = [digest for (digest,) in manifests.tuples()]
        TagRow.delete().where(named).execute()
        self.reviews.queue(ReviewKind.MANIFEST, repository, digests, Reason.TAG_DELETED)

    def delete_manifests(self, rows: Sequence[ManifestRow]) -> list[str]:
        """Delete manifests that no tag, release or bundle points to; what they held is reviewed.

        Tags that are about them go too; return their names.
        """
        self.reviews.queue_parts(rows)
        dropped = self._delete_companions(rows)
        repositories: Any = RepositoryRow.select(RepositoryRow.id, RepositoryRow.namespace)
        holders = {row.repository_id for row in rows}
        namespaces: dict[int, int] = dict(
            repositories.where(among(RepositoryRow.id, holders)).tuples()
        )
        ManifestRow.delete().where(among(ManifestRow.id, [row.id for row in rows])).execute()
        quota.release({(namespaces[row.repository_id], row.blob_id) for row in rows})
        return dropped

    def _delete_companions(self, rows: Sequence[ManifestRow]) -> list[str]:
        """Delete the tags about manifests, without a grace for what they name."""
        dropped: list[str] = []
        for holder in {row.repository_id for row in rows}:
            about = [row.digest for row in rows if row.repository_id == holder]
            tags = companions_of(holder, about)
            TagRow.delete().where(among(TagRow.id, [tag.id for tag in tags])).execute()
            named = [tag.manifest.digest for tag in tags]
            self.reviews.queue(ReviewKind.MANIFEST, holder, named, Reason.SUBJECT_GONE, AT_ONCE)
            dropped += [tag.name for tag in tags]
        return sorted(dropped)


def inline(data: bytes, algorithm: str = "sha256") -> Kept:
    """Return bytes that the database is to keep itself."""
    return Kept(Digest.of(data, algorithm), len(data), INLINE, data)


def inline_manifest(data: bytes, blobs: Iterable[bytes] = ()) -> KeptManifest:
    """Return a manifest of the server's own, with the blobs that it needs."""
    return KeptManifest(inline(data), parse_manifest(data), tuple(map(inline, blobs)))


def inline_statement(
    subject: Descriptor, kind: Kind, statement: bytes, signature: str
) -> KeptManifest:
    """Return a signed statement of the server's own about `subject`."""
    signed = signature.encode("ascii")
    data = statement_manifest(subject, kind, statement, signed)
    return inline_manifest(data, (media.EMPTY_JSON, statement, signed))


def _add_parts(manifest: ManifestRow, parts: Sequence[tuple[str, bool]]) -> None:
    """Note what a manifest needs: digests, and whether each is of a manifest. It may be 40,000."""
    rows = [(manifest.id, digest, is_manifest) for digest, is_manifest in parts]
    columns = (ManifestPartRow.manifest, ManifestPartRow.digest, ManifestPartRow.is_manifest)
    for start in range(0, len(rows), _CHUNK):
        ManifestPartRow.insert_many(rows[start : start + _CHUNK], columns).execute()


def find_manifest(repository: RepositoryRow, reference: Tag | Digest) -> ManifestRow | None:
    """Return a manifest of a repository by tag or digest, or None."""
    if isinstance(reference, Digest):
        return lookups.manifest(repository.id, str(reference))
    return lookups.tagged(repository.id, reference.text)


def find_blob(repository: RepositoryRow, digest: str) -> BlobRow | None:
    """Return a blob that a repository holds, or None."""
    return lookups.held_blob(repository.id, digest)


def referrers_of(repository: RepositoryRow, digest: str) -> list[ManifestRow]:
    """Return the manifests whose subject is `digest`, oldest first."""
    query = ManifestRow.select().where(
        (ManifestRow.repository == repository) & (ManifestRow.subject == digest)
    )
    return list(query.order_by(ManifestRow.id))


def unstage(row: ManifestRow) -> None:
    """Show a manifest, and all that refers to it, to everybody who may read there."""
    pending = [row]
    while pending:
        shown = pending.pop()
        ManifestRow.update(is_staged=False).where(ManifestRow.id == shown.id).execute()
        pending += [each for each in referrers_of(row.repository, shown.digest) if each.is_staged]
