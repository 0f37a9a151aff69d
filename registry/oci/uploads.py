"""Blob uploads: chunked and resumable, in one request, and mounts from another repository."""

from dataclasses import dataclass
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal
from registry.oci.blobs import BlobInfo


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way: its id, and how many bytes it holds."""

    id: str
    repository: RepositoryName
    size: int


class Uploads:
    """Takes in blobs. `Verb.PUSH` is needed, or `Verb.ATTACH` where the name is an application."""

    def start(self, principal: Principal, repository: RepositoryName) -> Upload:
        """Begin an upload; an admin's creates the namespace.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push there.
        """
        raise NotImplementedError

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
        """
        raise NotImplementedError

    def status(self, principal: Principal, repository: RepositoryName, upload_id: str) -> Upload:
        """Return how far an upload is.

        Raises:
            UploadUnknown: not an open upload of this repository.
        """
        raise NotImplementedError

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
            UploadUnknown, OffsetConflict, UploadInUse, BodyTooShort: as `append`.
        """
        raise NotImplementedError

    def cancel(self, principal: Principal, repository: RepositoryName, upload_id: str) -> None:
        """End an upload without a blob.

        Raises:
            UploadUnknown: not an open upload of this repository.
        """
        raise NotImplementedError

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
        """
        raise NotImplementedError

    def mount(
        self,
        principal: Principal,
        repository: RepositoryName,
        digest: Digest,
        source: RepositoryName | None,
    ) -> BlobInfo | Upload:
        """Link a blob of `source`, if the principal may pull it there; else begin an upload.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push.
        """
        raise NotImplementedError
