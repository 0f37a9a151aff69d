"""The protocol of a blob store: bytes come in by resumable uploads, and stay where they came.

::

    start_upload(id) ──> append ... append ──> commit ──> location ──> open, link, delete
                             └── abort            └── abort (while no row has the location)

A store knows nothing of repositories or rights, and is never listed on a request's path: what
exists is in the database, which keeps the `location` of each digest. A location is made of its
upload's id alone and never comes twice, so that bytes may go as soon as no row has their location:
no push can bring it back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from artifacts.digest import Digest


class BlobStore(Protocol):
    """Eight verbs; `tests/contracts/blob_store.py` says what each must do."""

    smallest_chunk: int
    """Bytes from which a chunk costs no more than it must, though smaller ones do; 0: any."""

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload of zero bytes under an id that `storage.uploads.new_upload_id` made.

        Raises:
            StoreUnavailable: not writable, full, or away.
        """
        ...

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add `length` bytes of `stream`, or all of it, at `offset`; return the new size in bytes.

        The stream is read in fixed buffers. When it ends early, or breaks, what came is kept.

        Raises:
            UploadUnknown: no such upload, or it was aborted in the meantime.
            UploadClosed: it is committed.
            UploadBusy: another request writes to it.
            OffsetMismatch: it holds another number of bytes than `offset`.
            BodyCutShort: the stream ended before `length`.
            StoreUnavailable: not writable, away, or full (a folder keeps nothing of it then).
        """
        ...

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes the upload holds; of a committed one, how many its blob has.

        Raises:
            UploadUnknown: no such upload.
            StoreUnavailable: away.
        """
        ...

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make the upload's bytes the blob `digest`, durably; return its location.

        The bytes are hashed by the store, whatever the client said. May be repeated, also by
        another process after a kill in its middle, and after it succeeded. Then nothing is left of
        the upload but the blob.

        Raises:
            UploadUnknown: no such upload.
            UploadBusy: another request writes to it.
            DigestMismatch: the bytes have another digest; they stay, to be committed under theirs.
            StoreUnavailable: not writable, full, or away.
        """
        ...

    def abort(self, upload_id: str) -> None:
        """Remove whatever there is of an upload, known or not, and the blob committed from it.

        To be called only while no row has its location. May be repeated.

        Raises:
            StoreUnavailable: not writable, or away.
        """
        ...

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob for reading from the byte `start`; it can seek; the caller closes it.

        Raises:
            BlobMissing: nothing is there.
            StoreUnavailable: away; also while it is read.
        """
        ...

    def link(self, location: str, lifetime: timedelta) -> Path | str | None:
        """Return a blob's file, or a URL that is good for a GET for `lifetime`, or None: neither.

        Nothing is asked of the store: what is linked may be missing.
        """
        ...

    def delete(self, location: str) -> None:
        """Remove a blob, whether it is there or not.

        Raises:
            StoreUnavailable: not writable, or away.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A blob that is in the store: `modified` is seconds since 1970, by the store's clock."""

    location: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """Something of an upload that is in the store; one upload may be told of several times.

    `size` is what is known of it to occupy, in bytes. `clear(id)` removes all of it.
    """

    id: str
    size: int
    modified: int


class Inventory(Protocol):
    """What a store can list, and clear up, for `recipebox admin check` alone."""

    def blobs(self) -> Iterator[StoredBlob]:
        """Yield every blob, in no order.

        Raises:
            StoreUnavailable: not readable, or away.
        """
        ...

    def uploads(self) -> Iterator[StoredUpload]:
        """Yield every upload, and what is left of one, in no order.

        Raises:
            StoreUnavailable: not readable, or away.
        """
        ...

    def clear(self, upload_id: str) -> None:
        """Remove whatever there is of an upload, known or not, but not the blob committed from it.

        May be repeated.

        Raises:
            StoreUnavailable: not writable, or away.
        """
        ...


class ListedStore(BlobStore, Inventory, Protocol):
    """A store that can also say all that it holds."""
