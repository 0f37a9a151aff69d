"""A blob store in a folder: a temporary file in the same file system, fsync, link, fsync.

An upload is written where a hard link can make it the blob, so that nothing is copied; a blob
appears under its digest whole or not at all, whenever the machine stops.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    StoreUnavailable,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.failpoints import Failpoint, failpoint
from storage.uploads import RunningHashes, buffers, new_upload_id

_OPEN_MODE = 0o600
_CLOSED_MODE = 0o400


class FilesystemStore:
    """Blobs as files below `root`; several processes may work on one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hashes = RunningHashes()

    def start_upload(self) -> str:
        """Begin an upload (see `BlobStore`)."""
        upload_id = new_upload_id()
        with self._reporting():
            folder = paths.uploads(self._root)
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(folder / upload_id, flags, _OPEN_MODE))
        return upload_id

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add bytes to an upload (see `BlobStore`)."""
        with self._locked(upload_id, os.O_WRONLY) as descriptor:
            held = os.fstat(descriptor)
            if not held.st_mode & stat.S_IWUSR:
                raise UploadClosed(upload_id)
            if held.st_size != offset:
                raise OffsetMismatch(upload_id, expected=held.st_size, found=offset)
            hasher = self._hashes.take(upload_id, offset)
            os.lseek(descriptor, offset, os.SEEK_SET)
            size = offset
            for chunk in buffers(stream, length):
                self._write(descriptor, chunk)
                size += len(chunk)
                if hasher is not None:
                    hasher.update(chunk)
            if hasher is not None:
                self._hashes.put(upload_id, hasher, size)
            failpoint(Failpoint.UPLOAD_AFTER_APPEND)
        if length is not None and size - offset < length:
            raise BodyCutShort(upload_id, expected=length, found=size - offset, size=size)
        return size

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes an upload holds (see `BlobStore`)."""
        file = paths.upload(self._root, upload_id)
        try:
            return file.stat().st_size if file else self._unknown(upload_id)
        except FileNotFoundError:
            raise UploadUnknown(upload_id) from None

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make an upload a blob (see `BlobStore`)."""
        location = paths.location(digest)
        final = self._root / "blobs" / location
        with self._locked(upload_id, os.O_RDONLY) as descriptor:
            found = self._digest(upload_id, descriptor, digest.algorithm)
            if found != digest:
                raise DigestMismatch(f"upload {upload_id}", expected=digest, found=found)
            with self._reporting():
                os.fchmod(descriptor, _CLOSED_MODE)
                os.fsync(descriptor)
                failpoint(Failpoint.BLOB_AFTER_WRITE)
                self._make_folder(final.parent)
                self._link(upload_id, final)
                failpoint(Failpoint.BLOB_AFTER_LINK)
                _sync_folder(final.parent)
        return location

    def abort(self, upload_id: str) -> None:
        """Forget an upload (see `BlobStore`)."""
        self._hashes.forget(upload_id)
        file = paths.upload(self._root, upload_id)
        if file is not None:
            with self._reporting():
                file.unlink(missing_ok=True)

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob (see `BlobStore`)."""
        file = paths.blob(self._root, location)
        if file is None:
            raise BlobMissing(location)
        try:
            stream = file.open("rb")
        except FileNotFoundError:
            raise BlobMissing(location) from None
        stream.seek(start)
        return stream

    def path(self, location: str) -> Path | None:
        """Return a blob's file (see `BlobStore`)."""
        return paths.blob(self._root, location)

    def delete(self, location: str) -> None:
        """Remove a blob (see `BlobStore`)."""
        file = paths.blob(self._root, location)
        if file is not None:
            with self._reporting():
                file.unlink(missing_ok=True)

    def _link(self, upload_id: str, final: Path) -> None:
        # FileExistsError: the same bytes came before, and were checked then
        with suppress(FileExistsError):
            try:
                os.link(paths.uploads(self._root) / upload_id, final)
            except FileNotFoundError:
                raise UploadUnknown(upload_id) from None  # aborted in the meantime

    def _unknown(self, upload_id: str) -> int:
        raise UploadUnknown(upload_id)

    def _digest(self, upload_id: str, descriptor: int, algorithm: str) -> Digest:
        known = self._hashes.find(upload_id, os.fstat(descriptor).st_size)
        if known is not None and known.algorithm == algorithm:
            return known
        with open(descriptor, "rb", closefd=False) as stream:
            return Digest.of_stream(stream, algorithm)

    def _write(self, descriptor: int, chunk: bytes) -> None:
        left = memoryview(chunk)
        with self._reporting():
            while left:
                left = left[os.write(descriptor, left) :]

    @contextmanager
    def _locked(self, upload_id: str, flags: int) -> Iterator[int]:
        """Open an upload and hold its lock, which also other processes see."""
        file = paths.upload(self._root, upload_id)
        if file is None:
            raise UploadUnknown(upload_id)
        try:
            descriptor = os.open(file, flags | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise UploadUnknown(upload_id) from None
        except PermissionError:
            raise UploadClosed(upload_id) from None  # its mode, for who isn't root
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(upload_id) from None
            try:
                yield descriptor
            finally:
                # not by closing alone: a child that another thread is just starting (gpg) has a
                # copy of the descriptor until it execs, and with that the lock
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turn what the system refuses into an error that names the store."""
        try:
            yield
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "?")
            raise StoreUnavailable(str(self._root), f"{error.strerror} ({reason})") from error

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for below in reversed(missing):
            below.mkdir(exist_ok=True)
            _sync_folder(below.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
