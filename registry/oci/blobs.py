"""Blobs of a repository: stat, read, delete.

A blob may be read by who may pull where the repository is a plain one, or where a manifest of the
repository that they may see needs it. Those who may push there may read every blob of it. So what
belongs to a staged release is hidden, by digest too, as is what was uploaded and never named.
"""

import io
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from peewee import fn

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry import quota
from registry.access import Access, Principal, Verb, is_readable, sees_staged
from registry.audit import Audit
from registry.database import Database
from registry.errors import AccessError, BlobUnknown, InUse, OutOfScope
from registry.oci.contents import Contents, find_blob
from registry.oci.repositories import Kind as RepositoryKind
from registry.oci.repositories import Repositories
from registry.reviews import AT_ONCE, Kind, Reason
from registry.schema import (
    INLINE,
    BlobRow,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
)
from storage.blobs import BlobStore
from storage.errors import BlobDamaged, BlobMissing

_MOST_NAMED = 10
"""Manifests that a refused deletion names at most."""

_MOST_SEARCHED = 20
"""Repositories that a search looks into: each is one in which the blob is very likely seen."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob's digest and size in bytes, and where the store has it."""

    digest: Digest
    size: int
    location: str


def _check_size(info: BlobInfo, found: int) -> None:
    if found != info.size:
        raise BlobDamaged(info.location, expected=info.size, found=found)


def blob_info(row: BlobRow) -> BlobInfo:
    """Return what a row says."""
    return BlobInfo(Digest.parse(row.digest), row.size, row.location)


class Blobs:
    """Reads and deletes blobs."""

    def __init__(
        self,
        *,
        database: Database,
        store: BlobStore,
        contents: Contents,
        access: Access,
        repositories: Repositories,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._contents = contents
        self._access = access
        self._repositories = repositories
        self._audit = audit

    def stat(self, principal: Principal, repository: RepositoryName, digest: Digest) -> BlobInfo:
        """Return a blob's size, from the database alone.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
            BlobUnknown: not there, or needed by nothing that the principal may see.
        """
        with self._database.session():
            self._access.require(principal, Verb.PULL, repository.namespace, repository.text)
            row = self._repositories.find(repository)
            blob = None if row is None else find_blob(row, str(digest))
            if row is None or blob is None or not self._shows(principal, repository, row, blob):
                raise BlobUnknown(f"{repository}@{digest}")
            return blob_info(blob)

    def search(self, principal: Principal, digest: Digest) -> BlobInfo | None:
        """Return a blob of any repository in which the principal may pull it, or None.

        Raises:
            OutOfScope: there is one, but the principal's bearer token isn't for it.
        """
        shown = ManifestRow.select().join(ManifestPartRow)
        shown = shown.where(
            (ManifestRow.repository == RepositoryRow.id)
            & (ManifestPartRow.digest == str(digest))
            & ~ManifestRow.is_staged
        )
        query: Any = (
            RepositoryRow.select(RepositoryRow.name)
            .join(NamespaceRow)
            .switch(RepositoryRow)
            .join(RepositoryBlobRow)
            .join(BlobRow)
            .where((BlobRow.digest == str(digest)) & is_readable(principal))
            .where(
                (RepositoryRow.kind == RepositoryKind.PLAIN)
                | sees_staged(principal)
                | fn.EXISTS(shown)
            )
        )
        beyond: OutOfScope | None = None
        with self._database.session():
            for (name,) in query.limit(_MOST_SEARCHED).tuples():
                try:
                    return self.stat(principal, RepositoryName(name), digest)
                except OutOfScope as error:
                    beyond = error
                except (AccessError, BlobUnknown):
                    continue
        if beyond is not None:
            raise beyond
        return None

    def touch(
        self, principal: Principal, repository: RepositoryName, digest: Digest
    ) -> tuple[BlobInfo, bool]:
        """Return the same for a client that may rely on it: who may push has it kept for a grace.

        Also return whether it is to ask again: what waits for a review, asked for by who may push.

        Raises:
            NotAuthenticated, NamespaceUnknown, BlobUnknown: as `stat`.
        """
        while True:
            with self._database.session():
                info = self.stat(principal, repository, digest)
                row = self._repositories.find(repository)
                reviews = self._contents.reviews
                if row is None or not reviews.awaits(Kind.LINK, row, str(digest)):
                    return info, False
                if not self._repositories.may_rely(principal, repository):
                    return info, False
                if reviews.renew(Kind.LINK, row, str(digest)):
                    return info, True

    def link(self, info: BlobInfo, lifetime: timedelta) -> Path | str | None:
        """Return a blob's file, or a URL good for a GET during `lifetime`, or None: neither.

        An answer says its length before its bytes are read, so a file is measured here.

        Raises:
            BlobMissing: (storage) the row is there, the bytes are not.
            BlobDamaged: (storage) the file isn't as long as the row says.
        """
        link = None if info.location == INLINE else self._store.link(info.location, lifetime)
        if isinstance(link, Path):
            try:
                found = link.stat().st_size
            except FileNotFoundError:
                raise BlobMissing(info.location) from None
            _check_size(info, found)
        return link

    def open(self, info: BlobInfo, start: int = 0) -> BinaryIO:
        """Open a blob for reading from the byte `start`; the caller closes it.

        Raises:
            BlobMissing: (storage) the row is there, the bytes are not.
            BlobDamaged: (storage) there aren't as many as the row says.
            StoreUnavailable: (storage) it is away.
        """
        stream = self._contents.open(str(info.digest), info.location, start)
        try:
            _check_size(info, stream.seek(0, io.SEEK_END))
            stream.seek(start)
        except BaseException:
            stream.close()
            raise
        return stream

    def delete(self, principal: Principal, repository: RepositoryName, digest: Digest) -> None:
        """Unlink a blob from the repository (its bytes wait for a sweep).

        Raises:
            BlobUnknown: not there.
            InUse: a manifest of the repository needs it.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not delete.
        """
        with self._database.write(repository.namespace):
            self._access.require(principal, Verb.DELETE, repository.namespace, repository.text)
            name = f"{repository}@{digest}"
            row = self._repositories.find(repository)
            blob = None if row is None else find_blob(row, str(digest))
            if row is None or blob is None:
                raise BlobUnknown(name)
            users = _users(row, str(digest)).order_by(ManifestRow.id).limit(_MOST_NAMED)
            if needed_by := [manifest.digest for manifest in users]:
                raise InUse(name, needed_by)
            RepositoryBlobRow.delete().where(
                (RepositoryBlobRow.repository == row) & (RepositoryBlobRow.blob == blob)
            ).execute()
            quota.unlink(row, blob)
            self._contents.reviews.queue(Kind.BLOB, None, str(digest), Reason.UNLINKED, AT_ONCE)
            self._audit.record(principal, "blob.delete", name)

    def _shows(
        self, principal: Principal, name: RepositoryName, row: RepositoryRow, blob: BlobRow
    ) -> bool:
        if row.kind == RepositoryKind.PLAIN:
            return True
        if _users(row, blob.digest).where(~ManifestRow.is_staged).exists():
            return True
        # a bearer token that is for pulls only shows its holder as much as another would
        may_see = self._repositories.sees_staged(principal, name)
        return may_see or self._repositories.may_push(principal, name)


def _users(repository: RepositoryRow, digest: str) -> Any:
    """Return the query of a repository's manifests that need a blob: often thousands need `{}`."""
    return (
        ManifestRow.select()
        .join(ManifestPartRow)
        .where(
            (ManifestRow.repository == repository)
            & (ManifestPartRow.digest == digest)
            & ~ManifestPartRow.is_manifest
        )
    )
