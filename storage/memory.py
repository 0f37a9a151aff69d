"""A blob store in memory, for tests: the twin of the folder, with the same contract."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.uploads import buffers, new_upload_id


@dataclass
class _Upload:
    data: bytearray = field(default_factory=bytearray)
    is_closed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class MemoryStore:
    """Blobs in a dictionary, for one process."""

    def __init__(self) -> None:
        self._uploads: dict[str, _Upload] = {}
        self._blobs: dict[str, bytes] = {}

    def start_upload(self) -> str:
        """Begin an upload (see `BlobStore`)."""
        upload_id = new_upload_id()
        self._uploads[upload_id] = _Upload()
        return upload_id

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add bytes to an upload (see `BlobStore`)."""
        with self._locked(upload_id) as upload:
            if upload.is_closed:
                raise UploadClosed(upload_id)
            if len(upload.data) != offset:
                raise OffsetMismatch(upload_id, expected=len(upload.data), found=offset)
            for chunk in buffers(stream, length):
                upload.data += chunk
            size = len(upload.data)
        if length is not None and size - offset < length:
            raise BodyCutShort(upload_id, expected=length, found=size - offset, size=size)
        return size

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes an upload holds (see `BlobStore`)."""
        return len(self._find(upload_id).data)

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make an upload a blob (see `BlobStore`)."""
        with self._locked(upload_id) as upload:
            found = Digest.of(bytes(upload.data), digest.algorithm)
            if found != digest:
                raise DigestMismatch(f"upload {upload_id}", expected=digest, found=found)
            upload.is_closed = True
            location = paths.location(digest)
            self._blobs[location] = bytes(upload.data)
        return location

    def abort(self, upload_id: str) -> None:
        """Forget an upload (see `BlobStore`)."""
        self._uploads.pop(upload_id, None)

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob (see `BlobStore`)."""
        if location not in self._blobs:
            raise BlobMissing(location)
        stream = io.BytesIO(self._blobs[location])
        stream.seek(start)
        return stream

    def path(self, location: str) -> Path | None:  # noqa: ARG002 (the protocol's name)
        """Return None: there are no files (see `BlobStore`)."""
        return None

    def delete(self, location: str) -> None:
        """Remove a blob (see `BlobStore`)."""
        self._blobs.pop(location, None)

    def _find(self, upload_id: str) -> _Upload:
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
