"""Blob uploads: chunked and resumable, in one request, and mounts from another repository.

Bytes go into the store without a transaction, and never before the row that tells of their upload:
whoever is killed leaves bytes only below a row, which expires. The row says to which repository the
upload belongs, and is swapped for the blob's rows in one transaction. Who ends an upload without a
blob marks its row first (`is_ending`), so that nobody can make a blob of bytes that are going; then
the bytes go, and then the row.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

import storage.errors
from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry import changes, lookups, quota
from registry.access import Principal
from registry.audit import SERVER, Audit
from registry.clock import Clock, seconds
from registry.database import Database
from registry.errors import (
    AccessError,
    BodyTooShort,
    NotFound,
    OffsetConflict,
    OutOfScope,
    UploadInUse,
    UploadUnknown,
)
from registry.oci.blobs import BlobInfo, Blobs, blob_info
from registry.oci.contents import Contents, Kept
from registry.oci.repositories import Repositories
from registry.reviews import Reason
from registry.schema import CondemnedRow, RepositoryRow, UploadRow
from storage.blobs import BlobStore
from storage.failpoints import Failpoint, failpoint
from storage.uploads import new_upload_id

_TOUCH_SECONDS = 60
"""How long an upload isn't noted to be in use again: uploads last for days."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way: its id, and how many bytes it holds."""

    id: str
    repository: RepositoryName
    size: int


class Uploads:
    """Takes in blobs. `Verb.PUSH` is needed, or `Verb.ATTACH` where the name is an application."""

    def __init__(
        self,
        *,
        database: Database,
        store: BlobStore,
        contents: Contents,
        repositories: Repositories,
        blobs: Blobs,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._store = store
        self._contents = contents
        self._repositories = repositories
        self._blobs = blobs
        self._audit = audit
        self._clock = clock

    @property
    def smallest_chunk(self) -> int:
        """Bytes that a chunk should have, but for the last; 0: any."""
        return self._store.smallest_chunk

    def start(self, principal: Principal, repository: RepositoryName) -> Upload:
        """Begin an upload; an admin's creates the namespace.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push there.
            StoreUnavailable: (storage) the bytes can't be kept now.
        """
        upload_id = new_upload_id()
        now = seconds(self._clock())
        with self._database.write(repository.namespace, is_durable=False):
            holder = self._repositories.open_for_push(principal, repository)
            changes.add_upload(upload_id, holder.id, principal.name, now)
        failpoint(Failpoint.UPLOAD_AFTER_ROW)
        self._store.start_upload(upload_id)
        failpoint(Failpoint.UPLOAD_AFTER_START)
        return Upload(upload_id, repository, 0)

    def append(
        self,
        principal: Principal,
        repository: RepositoryName,
        upload_id: str,
        stream: BinaryIO,
        *,
        offset: int | None = None,
        length: int | None = None,
    ) -> Upload:
        """Add bytes at `offset` (None: wherever it ends); `length` is what was announced.

        Raises:
            UploadUnknown: not an open upload of this repository.
            OffsetConflict: it holds another number of bytes than `offset`.
            UploadInUse: another request writes to it.
            BodyTooShort: the stream ended before `length`; what came is kept.
            QuotaExceeded: it doesn't fit into the namespace: what was announced, or what came.
        """
        self._touch(principal, repository, upload_id)
        size = self._append(repository, upload_id, stream, offset, length)
        self._check(principal, repository, upload_id)  # it may have been ended in the meantime
        return Upload(upload_id, repository, size)

    def status(self, principal: Principal, repository: RepositoryName, upload_id: str) -> Upload:
        """Return how far an upload is.

        Raises:
            UploadUnknown: not an open upload of this repository.
        """
        self._check(principal, repository, upload_id)
        with _translated(upload_id):
            return Upload(upload_id, repository, self._store.upload_size(upload_id))

    def finish(
        self,
        principal: Principal,
        repository: RepositoryName,
        upload_id: str,
        digest: Digest,
        stream: BinaryIO | None = None,
        *,
        offset: int | None = None,
        length: int | None = None,
    ) -> BlobInfo:
        """Add the last bytes, if any, and make the upload the blob `digest`.

        Raises:
            DigestMismatch: (artifacts) the bytes have another digest; the upload stays open.
            UploadUnknown, OffsetConflict, UploadInUse, BodyTooShort, QuotaExceeded: as `append`.
        """
        self._touch(principal, repository, upload_id)
        if stream is not None:
            self._append(repository, upload_id, stream, offset, length, digest=digest)
        return self._finish(principal, repository, upload_id, digest)

    def cancel(self, principal: Principal, repository: RepositoryName, upload_id: str) -> None:
        """End an upload without a blob.

        Raises:
            UploadUnknown: not an open upload of this repository.
        """
        self._check(principal, repository, upload_id)
        with self._database.write(repository.namespace):
            self._audit.record(principal, "upload.cancel", f"{repository}@{upload_id}")
        self._end(upload_id)

    def push(
        self,
        principal: Principal,
        repository: RepositoryName,
        digest: Digest,
        stream: BinaryIO,
        length: int | None,
    ) -> BlobInfo:
        """Take in a whole blob in one go.

        Raises:
            DigestMismatch: (artifacts) the bytes have another digest; nothing is kept.
            BodyTooShort: the stream ended before `length`; nothing is kept.
            QuotaExceeded: it doesn't fit into the namespace; nothing is kept.
        """
        begun = self.start(principal, repository)
        try:
            self._append(repository, begun.id, stream, 0, length, digest=digest)
            return self._finish(principal, repository, begun.id, digest)
        except BaseException:
            # what the store can't remove now is still below its row, and expires
            with suppress(storage.errors.StoreUnavailable):
                self._end(begun.id)
            raise

    def mount(
        self,
        principal: Principal,
        repository: RepositoryName,
        digest: Digest,
        source: RepositoryName | None,
    ) -> BlobInfo | Upload:
        """Link a blob of `source`, if the principal may pull it there; else begin an upload.

        With None it is searched wherever the principal may pull.

        Raises:
            OutOfScope: the principal may pull it there, but its bearer token isn't for that.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push.
            QuotaExceeded: it doesn't fit into the namespace.
        """
        with self._database.session():
            self._repositories.check_push(principal, repository)
        if self._find(principal, source, digest) is None:
            return self.start(principal, repository)
        with self._database.write(repository.namespace):
            row = self._repositories.open_for_push(principal, repository)
            found = self._find(principal, source, digest)  # a sweep may have been quicker
            if found is not None:
                kept = Kept(found.digest, found.size, found.location)
                self._contents.link_blob(row, kept, Reason.MOUNTED)
                detail = {"size": found.size, "from": None if source is None else source.text}
                self._audit.record(principal, "blob.mount", f"{repository}@{digest}", detail)
            failpoint(Failpoint.MOUNT_BEFORE_COMMIT)
        failpoint(Failpoint.MOUNT_AFTER_COMMIT)
        return found or self.start(principal, repository)

    def expire(self, lifetime: timedelta) -> int:
        """End the uploads that were last touched longer ago than `lifetime`; return how many.

        Raises:
            StoreUnavailable: (storage) what isn't ended yet is ended by the next call.
        """
        limit = seconds(self._clock() - lifetime)
        with self._database.session():
            is_wanted = (UploadRow.touched < limit) | UploadRow.is_ending
            if not UploadRow.select().where(is_wanted).exists():
                return 0
        with self._database.write():
            is_over = (UploadRow.touched < limit) & ~UploadRow.is_ending
            ending = UploadRow.select(UploadRow, RepositoryRow).join(RepositoryRow).where(is_over)
            for row in ending:
                name = f"{row.repository.name}@{row.upload_id}"
                self._audit.record(SERVER, "upload.expire", name)
            UploadRow.update(is_ending=True).where(is_over).execute()
            ids = [row.upload_id for row in UploadRow.select().where(UploadRow.is_ending)]
        for upload_id in ids:
            self._end(upload_id)
        return len(ids)

    def _end(self, upload_id: str) -> None:
        """Remove an upload's bytes, then its row; nothing where its blob's rows took its place."""
        with self._database.write():
            is_there = UploadRow.update(is_ending=True).where(UploadRow.upload_id == upload_id)
            if not is_there.execute():
                return
        self._store.abort(upload_id)
        with self._database.write():
            UploadRow.delete().where(UploadRow.upload_id == upload_id).execute()

    def _finish(
        self, principal: Principal, repository: RepositoryName, upload_id: str, digest: Digest
    ) -> BlobInfo:
        with _translated(upload_id):
            location = self._store.commit(upload_id, digest)
            # only now: until then another request may add bytes, and the row would lie
            size = self._store.upload_size(upload_id)
        kept = Kept(digest, size, location)
        with self._database.write(repository.namespace):
            row = self._repositories.open_for_push(principal, repository)
            blob = None
            if changes.drop_upload(upload_id):
                blob = self._contents.link_blob(row, kept, Reason.UPLOADED)
                detail = {"size": size, "upload": upload_id}
                self._audit.record(principal, "blob.push", f"{repository}@{digest}", detail)
            if blob is None or blob.location != location:
                self._condemn_unused(kept)
            failpoint(Failpoint.UPLOAD_BEFORE_COMMIT)
        failpoint(Failpoint.UPLOAD_AFTER_COMMIT)
        if blob is None:
            raise UploadUnknown(upload_id)
        return blob_info(blob)

    def _condemn_unused(self, kept: Kept) -> None:
        """Have bytes removed that are no blob's: others had its digest, or the upload was ended.

        No row can ever come to point at them, since their upload's row is gone or going.
        """
        if not lookups.has_location(kept.location):
            CondemnedRow.insert(
                location=kept.location, size=kept.size, since=seconds(self._clock())
            ).on_conflict_ignore().execute()

    def _touch(self, principal: Principal, repository: RepositoryName, upload_id: str) -> None:
        """Check, and put off when the upload expires, unless that was done just now."""
        now = seconds(self._clock())
        if 0 <= now - self._check(principal, repository, upload_id).touched < _TOUCH_SECONDS:
            return
        with self._database.write(repository.namespace, is_durable=False):
            self._check(principal, repository, upload_id)
            UploadRow.update(touched=now).where(UploadRow.upload_id == upload_id).execute()

    def _check(self, principal: Principal, repository: RepositoryName, upload_id: str) -> UploadRow:
        with self._database.session():
            self._repositories.check_push(principal, repository)
            row = lookups.upload(upload_id, repository.text)
            if row is None:
                raise UploadUnknown(upload_id)
            return row

    def _append(
        self,
        repository: RepositoryName,
        upload_id: str,
        stream: BinaryIO,
        offset: int | None,
        length: int | None,
        *,
        digest: Digest | None = None,
    ) -> int:
        """Have the store take bytes, as long as what they make may fit into the namespace."""
        with _translated(upload_id), self._database.session():
            start = self._store.upload_size(upload_id) if offset is None else offset
            quota.check_upload(repository.namespace, start + (length or 0), digest)
            # what was announced was checked, and no more than that is read
            within = (
                quota.metered(repository.namespace, stream, start, digest)
                if length is None
                else stream
            )
            size = self._store.append(upload_id, start, within, length)
        failpoint(Failpoint.UPLOAD_AFTER_APPEND)
        return size

    def _find(
        self, principal: Principal, source: RepositoryName | None, digest: Digest
    ) -> BlobInfo | None:
        if source is None:
            return self._blobs.search(principal, digest)
        try:
            return self._blobs.stat(principal, source, digest)
        except OutOfScope:
            raise  # it may, and only has to ask for a wider token
        except (AccessError, NotFound):
            return None  # whether it is there, or private, is not told


@contextmanager
def _translated(upload_id: str) -> Iterator[None]:
    """Raise the registry's own errors for what the store says of an upload."""
    try:
        yield
    except (storage.errors.UploadUnknown, storage.errors.UploadClosed):
        raise UploadUnknown(upload_id) from None
    except storage.errors.UploadBusy:
        raise UploadInUse(upload_id) from None
    except storage.errors.OffsetMismatch as error:
        raise OffsetConflict(upload_id, size=error.expected, found=error.found) from None
    except storage.errors.BodyCutShort as error:
        raise BodyTooShort(
            upload_id, expected=error.expected, found=error.found, size=error.size
        ) from None
