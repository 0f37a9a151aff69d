"""A blob store in memory, for tests: the twin of the folder, with the same contract."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.blobs import StoredBlob, StoredUpload
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    StoreUnavailable,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.uploads import buffers


@dataclass
class _Upload:
    data: bytearray = field(default_factory=bytearray)
    modified: float = field(default_factory=time.time)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class _Blob:
    data: bytes
    modified: float = field(default_factory=time.time)


class MemoryStore:
    """Blobs in a dictionary, for one process."""

    smallest_chunk = 0

    def __init__(self) -> None:
        self._uploads: dict[str, _Upload] = {}
        self._blobs: dict[str, _Blob] = {}

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload (see `BlobStore`)."""
        if not paths.is_upload(upload_id):
            raise UploadUnknown(upload_id)
        if upload_id in self._uploads:
            raise StoreUnavailable("memory", f"there is an upload {upload_id} already")
        self._uploads[upload_id] = _Upload()

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add bytes to an upload (see `BlobStore`)."""
        with self._locked(upload_id) as upload:
            if len(upload.data) != offset:
                raise OffsetMismatch(upload_id, expected=len(upload.data), found=offset)
            for chunk in buffers(stream, length):
                upload.data += chunk
            size = len(upload.data)
            upload.modified = time.time()
            if self._uploads.get(upload_id) is not upload:
                raise UploadUnknown(upload_id)  # aborted in the meantime
        if length is not None and size - offset < length:
            raise BodyCutShort(upload_id, expected=length, found=size - offset, size=size)
        return size

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes an upload holds (see `BlobStore`)."""
        committed = self._blobs.get(paths.location(upload_id))
        return len(committed.data if committed else self._find(upload_id).data)

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make an upload a blob (see `BlobStore`)."""
        location = paths.location(upload_id)
        if location in self._blobs:
            _check(upload_id, self._blobs[location].data, digest)
            return location
        with self._locked(upload_id) as upload:
            data = bytes(upload.data)
            _check(upload_id, data, digest)
            self._blobs[location] = _Blob(data)
            self._uploads.pop(upload_id, None)
        return location

    def abort(self, upload_id: str) -> None:
        """Remove an upload, and its blob (see `BlobStore`)."""
        self._uploads.pop(upload_id, None)
        self._blobs.pop(paths.location(upload_id), None)

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob (see `BlobStore`)."""
        if location not in self._blobs:
            raise BlobMissing(location)
        stream = io.BytesIO(self._blobs[location].data)
        stream.seek(start)
        return stream

    def link(self, location: str, lifetime: timedelta) -> None:  # noqa: ARG002
        """Return None: there are no files (see `BlobStore`)."""
        return

    def delete(self, location: str) -> None:
        """Remove a blob (see `BlobStore`)."""
        self._blobs.pop(location, None)

    def blobs(self) -> Iterator[StoredBlob]:
        """Yield every blob (see `Inventory`)."""
        for location, blob in list(self._blobs.items()):
            yield StoredBlob(location, len(blob.data), int(blob.modified))

    def uploads(self) -> Iterator[StoredUpload]:
        """Yield every upload (see `Inventory`)."""
        for upload_id, upload in list(self._uploads.items()):
            yield StoredUpload(upload_id, len(upload.data), int(upload.modified))

    def clear(self, upload_id: str) -> None:
        """Remove what is left of an upload (see `Inventory`)."""
        self._uploads.pop(upload_id, None)

    def _find(self, upload_id: str) -> _Upload:
        if paths.location(upload_id) in self._blobs:
            raise UploadClosed(upload_id)
        if upload_id not in self._uploads:
            raise UploadUnknown(upload_id)
        return self._uploads[upload_id]

    @contextmanager
    def _locked(self, upload_id: str) -> Iterator[_Upload]:
        upload = self._find(upload_id)
        if not upload.lock.acquire(blocking=False):
            raise UploadBusy(upload_id)
        try:
            yield upload
        finally:
            upload.lock.release()


def _check(upload_id: str, data: bytes, digest: Digest) -> None:
    found = Digest.of(data, digest.algorithm)
    if found != digest:
        raise DigestMismatch(f"upload {upload_id}", expected=digest, found=found)
