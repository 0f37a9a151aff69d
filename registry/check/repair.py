"""Mends what can be mended from what is there: `recipebox admin check --repair`.

Nothing that could still be needed is thrown away, and nothing is mended over a store that has none
of the bytes that the database names: a disk that isn't mounted, or another's bucket. Bytes that are
missing or damaged can't be made up: their blob is forgotten, so that a registry says that it isn't
there, and the next push of it brings it back.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import peewee

from artifacts.reference import Tag
from registry.audit import OPERATOR, Audit
from registry.channel_tags import ChannelTags
from registry.check.findings import Finding, Problem
from registry.check.manifests import ManifestExaminer, parts_of, said_of, used_bytes
from registry.check.releases import ReleaseExaminer
from registry.clock import Clock, seconds
from registry.database import Database
from registry.errors import StoreElsewhere
from registry.oci.contents import Contents, unstage
from registry.releases import keep_requirements
from registry.reviews import Kind as ReviewKind
from registry.reviews import Reason, Reviews
from registry.schema import (
    INLINE,
    MODELS,
    BlobDataRow,
    BlobRow,
    ChannelRow,
    CondemnedRow,
    IndexState,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    PromotionRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
)
from storage.blobs import ListedStore

_GONE = "it is gone by now"

_DROPPED = frozenset(
    {
        "repository_blob",
        "blob_data",
        "manifest_part",
        "tag",
        "upload",
        "review",
        "bundle_release",
        "bundle_image",
    }
)
"""Tables whose rows mean nothing without what they refer to."""


class Repair:
    """Mends findings, each in a transaction of its own."""

    def __init__(
        self,
        *,
        database: Database,
        store: ListedStore,
        contents: Contents,
        reviews: Reviews,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._store = store
        self._contents = contents
        self._tags = ChannelTags(contents)
        self._reviews = reviews
        self._audit = audit
        self._clock = clock
        self._mends: Mapping[Problem, Callable[[Finding], str | None]] = {
            Problem.BYTES_MISSING: self._forget_blob,
            Problem.BYTES_LENGTH: self._forget_blob,
            Problem.BYTES_DIGEST: self._forget_blob,
            Problem.BYTES_ORPHANED: self._delete_bytes,
            Problem.BYTES_CONDEMNED: self._pardon,
            Problem.INLINE_DAMAGED: self._drop_data,
            Problem.INLINE_STRAY: self._drop_data,
            Problem.UPLOAD_ORPHANED: self._clear,
            Problem.NEVER_COLLECTED: self._review,
            Problem.DANGLING: self._drop_row,
            Problem.MANIFEST_ROW: self._say_manifest,
            Problem.PARTS: self._say_parts,
            Problem.BLOB_MISSING: self._link,
            Problem.COUNTER: self._count,
            Problem.VISIBILITY: self._show_repository,
            Problem.RELEASE_STAGED: self._show_release,
            Problem.RELEASE_METADATA: self._say_release,
            Problem.RELEASE_REQUIREMENTS: self._say_requirements,
            Problem.RELEASE_TAG: self._tag_release,
            Problem.INDEX_BEHIND: self._move_index,
            Problem.CHANNEL_POINTER: self._point_channel,
            Problem.CHANNEL_TAG: self._tag_channel,
        }

    def require_common(self, findings: Sequence[Finding]) -> None:
        """See that the store is this database's: they have something in common, or one has nothing.

        Raises:
            StoreElsewhere: mending would forget all blobs, or delete all bytes.
        """
        found = Counter(finding.problem for finding in findings)
        lost, unknown = found[Problem.BYTES_MISSING], found[Problem.BYTES_ORPHANED]
        with self._database.session():
            named = BlobRow.select().where(BlobRow.location != INLINE).count()
            is_empty = not RepositoryRow.select().exists()
        if (lost and lost >= named) or (unknown and is_empty):
            raise StoreElsewhere(named=named, unknown=unknown)

    def mend(self, finding: Finding) -> str | None:
        """Mend a finding; return what was done, or None where it needs a person.

        Raises:
            StoreUnavailable: (storage) the store can't be written.
        """
        mend = self._mends.get(finding.problem)
        if mend is None:
            return None
        with self._database.write():
            try:
                done = mend(finding)
            except peewee.DoesNotExist:  # registries go on: by now it was deleted, or swept
                return _GONE
            if done is not None:
                detail = {"problem": finding.problem.value, "done": done}
                self._audit.record(OPERATOR, "check.repair", finding.where, detail)
        return done

    def _forget_blob(self, finding: Finding) -> str | None:
        blob = _blob_of(finding)
        is_shared = BlobRow.select().where(
            (BlobRow.location == blob.location) & (BlobRow.id != blob.id)
        )
        # bytes of another digest may be those of another blob, which would lose them
        if finding.problem is not Problem.BYTES_MISSING and not is_shared.exists():
            CondemnedRow.insert(
                location=blob.location, size=blob.size, since=seconds(self._clock())
            ).on_conflict_ignore().execute()
        holders = list(
            NamespaceRow.select()
            .join(RepositoryRow)
            .join(RepositoryBlobRow)
            .where(RepositoryBlobRow.blob == blob)
            .distinct()
        )
        RepositoryBlobRow.delete().where(RepositoryBlobRow.blob == blob).execute()
        for namespace in holders:
            _recount(namespace)
        if ManifestRow.select().where(ManifestRow.blob == blob).exists():
            blob.location = INLINE  # a manifest's own bytes: the next push of it brings them
            blob.save()
        else:
            blob.delete_instance()
        return "forgotten: push it again"

    def _delete_bytes(self, finding: Finding) -> str:
        self._store.delete(finding.name)
        return "deleted"

    def _pardon(self, finding: Finding) -> str:
        CondemnedRow.delete().where(CondemnedRow.location == finding.name).execute()
        return "they stay"

    def _drop_data(self, finding: Finding) -> str:
        BlobDataRow.delete().where(BlobDataRow.blob == _blob_of(finding)).execute()
        if finding.problem is Problem.INLINE_STRAY:
            return "the store's are kept"
        return "forgotten: push it again"

    def _clear(self, finding: Finding) -> str:
        self._store.clear(finding.name)  # a blob may have been made of it, and be needed
        return "ended"

    def _review(self, finding: Finding) -> str:
        if finding.table == "manifest":
            row = ManifestRow.get_by_id(finding.row)
            self._reviews.queue(ReviewKind.MANIFEST, row.repository_id, row.digest, Reason.FOUND)
        elif finding.table == "repository_blob":
            link = RepositoryBlobRow.get_by_id(finding.row)
            self._reviews.queue(ReviewKind.LINK, link.repository_id, link.blob.digest, Reason.FOUND)
        else:
            self._reviews.queue(ReviewKind.BLOB, None, finding.where, Reason.FOUND)
        return "queued for a sweep"

    def _drop_row(self, finding: Finding) -> str | None:
        if finding.table not in _DROPPED:
            return None
        tables = {each._meta.table_name: each for each in MODELS}  # noqa: SLF001 - peewee's way
        model = tables[finding.table]
        model.delete().where(model.id == finding.row).execute()
        return "removed"

    def _say_manifest(self, finding: Finding) -> str | None:
        row = ManifestRow.get_by_id(finding.row)
        manifest = ManifestExaminer(self._contents).read(row)
        if manifest is None:
            return None
        values: dict[str, Any] = {**said_of(manifest), "size": row.blob.size}
        ManifestRow.update(values).where(ManifestRow.id == row.id).execute()
        return "its row says what its bytes say"

    def _say_parts(self, finding: Finding) -> str | None:
        row = ManifestRow.get_by_id(finding.row)
        manifest = ManifestExaminer(self._contents).read(row)
        if manifest is None:
            return None
        ManifestPartRow.delete().where(ManifestPartRow.manifest == row).execute()
        for digest, is_manifest in sorted(parts_of(manifest)):
            ManifestPartRow.create(manifest=row, digest=digest, is_manifest=is_manifest)
        return "its rows say what its bytes say"

    def _link(self, finding: Finding) -> str | None:
        """Link a blob that the manifest once was accepted with, where it is still kept.

        One that other namespaces alone hold may be theirs, and secret: a manifest that was taken
        while its namespace was sparse names what it likes.
        """
        row = ManifestRow.get_by_id(finding.row)
        blob = BlobRow.get_or_none(BlobRow.digest == finding.name)
        if blob is None or _is_others_alone(blob, row.repository.namespace_id):
            return None
        RepositoryBlobRow.insert(
            repository=row.repository_id, blob=blob
        ).on_conflict_ignore().execute()
        _recount(row.repository.namespace)
        return "linked again"

    def _count(self, finding: Finding) -> str:
        return f"counted again: {_recount(NamespaceRow.get_by_id(finding.row))}"

    def _show_repository(self, finding: Finding) -> str:
        row = RepositoryRow.get_by_id(finding.row)
        row.is_public = row.namespace.is_public
        row.save()
        return "as its namespace is"

    def _show_release(self, finding: Finding) -> str:
        unstage(ReleaseRow.get_by_id(finding.row).manifest)
        return "shown"

    def _say_release(self, finding: Finding) -> str | None:
        row = ReleaseRow.get_by_id(finding.row)
        metadata = ReleaseExaminer(self._contents).read_metadata(row)
        if metadata is None:
            return None
        summary = json.loads(metadata)["summary"]
        ReleaseRow.update(metadata=metadata, summary=summary).where(
            ReleaseRow.id == row.id
        ).execute()
        keep_requirements(ReleaseRow.get_by_id(row.id))
        return "the index says what its package.json says"

    def _say_requirements(self, finding: Finding) -> str:
        keep_requirements(ReleaseRow.get_by_id(finding.row))
        return "said as its package.json has it"

    def _tag_release(self, finding: Finding) -> str:
        row = ReleaseRow.get_by_id(finding.row)
        self._contents.set_tag(row.repository, Tag(row.version), row.manifest, is_server_owned=True)
        return "tagged"

    def _move_index(self, finding: Finding) -> str:
        if not IndexState.update(revision=finding.row).execute():
            IndexState.create(revision=finding.row)
        return f"moved on to {finding.row}"

    def _point_channel(self, finding: Finding) -> str:
        row = ChannelRow.get_by_id(finding.row)
        last = _last_promotion(row)
        row.bundle = None if last is None else last.bundle
        row.save()
        return "points where its last promotion says"

    def _tag_channel(self, finding: Finding) -> str | None:
        row = ChannelRow.get_by_id(finding.row)
        last = _last_promotion(row)
        if last is None:
            return None
        self._tags.set(OPERATOR, last.bundle, row.name)
        return "tagged"


def _blob_of(finding: Finding) -> BlobRow:
    """Return the blob that a finding is about: SQLite gives the ids of deleted rows out again.

    Raises:
        BlobRow.DoesNotExist: it is gone by now.
    """
    row: BlobRow = BlobRow.get((BlobRow.id == finding.row) & (BlobRow.digest == finding.where))
    return row


def _recount(namespace: NamespaceRow) -> int:
    used = used_bytes(namespace)
    NamespaceRow.update(used_bytes=used).where(NamespaceRow.id == namespace.id).execute()
    return used


def _is_others_alone(blob: BlobRow, namespace_id: int) -> bool:
    holders: Any = (
        RepositoryRow.select(RepositoryRow.namespace)
        .join(RepositoryBlobRow)
        .where(RepositoryBlobRow.blob == blob)
    )
    found = {holder for (holder,) in holders.tuples()}
    return bool(found) and namespace_id not in found


def _last_promotion(channel: ChannelRow) -> PromotionRow | None:
    found: PromotionRow | None = (
        PromotionRow.select()
        .where(PromotionRow.channel == channel)
        .order_by(PromotionRow.id.desc())
        .first()
    )
    return found
