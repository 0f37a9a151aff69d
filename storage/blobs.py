"""The protocol of a blob store: bytes come in by resumable uploads and are kept by digest.

::

    start_upload ──> append ... append ──> commit ──> location ──> open, path, delete
                        └── abort             └── abort (forgets the upload, keeps the blob)

A store knows nothing of repositories or rights, and is never listed: what exists is in the
database, which keeps the `location` of each digest.
"""

from pathlib import Path
from typing import BinaryIO, Protocol

from artifacts.digest import Digest


class BlobStore(Protocol):
    """Eight verbs; `tests/contracts/test_blob_store.py` says what each must do."""

    def start_upload(self) -> str:
        """Begin an upload of zero bytes; return its id, 32 hex digits that can't be guessed.

        Raises:
            StoreUnavailable: not writable, or full.
        """
        ...

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add `length` bytes of `stream`, or all of it, at `offset`; return the new size in bytes.

        The stream is read in fixed buffers. When it ends early, what came is kept.

        Raises:
            UploadUnknown: no such upload.
            UploadClosed: it is committed.
            UploadBusy: another request writes to it.
            OffsetMismatch: it holds another number of bytes than `offset`.
            BodyCutShort: the stream ended before `length`.
            StoreUnavailable: not writable, or full.
        """
        ...

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes the upload holds.

        Raises:
            UploadUnknown: no such upload.
        """
        ...

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make the upload's bytes the blob `digest`, durably; return its location.

        The bytes are hashed by the store, whatever the client said. May be repeated until
        `abort`, so that a caller that was killed half way can do it again.

        Raises:
            UploadUnknown: no such upload.
            UploadBusy: another request writes to it.
            DigestMismatch: the bytes have another digest; the upload stays as it was.
            StoreUnavailable: not writable, or full.
        """
        ...

    def abort(self, upload_id: str) -> None:
        """Forget the upload, known or not; a blob that was committed from it stays."""
        ...

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob for reading from the byte `start`; the caller closes it.

        Raises:
            BlobMissing: nothing is there.
        """
        ...

    def path(self, location: str) -> Path | None:
        """Return the blob's file, for sendfile, or None where blobs are no files."""
        ...

    def delete(self, location: str) -> None:
        """Remove a blob, whether it is there or not."""
        ...
