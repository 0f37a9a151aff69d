"""A blob store in a folder: a temporary file in the same file system, fsync, rename, fsync.

An upload is written where a rename makes it the blob, so that nothing is copied; a blob appears
whole or not at all, whenever the machine stops.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import paths
from storage.blobs import StoredBlob, StoredUpload
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    StorageError,
    StoreUnavailable,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.failpoints import Failpoint, failpoint
from storage.uploads import RunningHashes, blocks

_OPEN_MODE = 0o600
_CLOSED_MODE = 0o400


class FilesystemStore:
    """Blobs as files below `root`; several processes may work on one folder."""

    smallest_chunk = 0

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hashes = RunningHashes()

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload (see `BlobStore`)."""
        with self._reporting():
            paths.uploads(self._root).mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            os.close(os.open(self._upload(upload_id), flags, _OPEN_MODE))

    def append(self, upload_id: str, offset: int, stream: BinaryIO, length: int | None) -> int:
        """Add bytes to an upload (see `BlobStore`)."""
        with self._locked(upload_id, os.O_WRONLY) as descriptor:
            held = os.fstat(descriptor).st_size
            if held != offset:
                raise OffsetMismatch(upload_id, expected=held, found=offset)
            hasher = self._hashes.take(upload_id, offset)
            os.lseek(descriptor, offset, os.SEEK_SET)
            size = offset
            for chunk in blocks(stream, length):
                self._write(descriptor, chunk, offset)
                size += len(chunk)
                if hasher is not None:
                    hasher.update(chunk)
            if not os.fstat(descriptor).st_nlink:
                raise UploadUnknown(upload_id)  # aborted in the meantime
            if hasher is not None:
                self._hashes.put(upload_id, hasher, size)
        if length is not None and size - offset < length:
            raise BodyCutShort(upload_id, expected=length, found=size - offset, size=size)
        return size

    def upload_size(self, upload_id: str) -> int:
        """Return how many bytes an upload holds (see `BlobStore`)."""
        for file in (self._upload(upload_id), self._committed(upload_id)):
            try:
                return file.stat().st_size
            except FileNotFoundError:
                continue
        raise UploadUnknown(upload_id)

    def commit(self, upload_id: str, digest: Digest) -> str:
        """Make an upload a blob (see `BlobStore`)."""
        final = self._committed(upload_id)
        try:
            with self._locked(upload_id, os.O_RDONLY) as descriptor:
                self._check(upload_id, descriptor, digest)
                with self._reporting():
                    os.fchmod(descriptor, _CLOSED_MODE)
                    os.fsync(descriptor)
                    failpoint(Failpoint.BLOB_AFTER_WRITE)
                    self._make_folder(final.parent)
                    self._rename(upload_id, final)
                    failpoint(Failpoint.BLOB_AFTER_RENAME)
                    _sync_folder(final.parent)
                    _sync_folder(paths.uploads(self._root))
        except UploadClosed:
            # committed before, perhaps by one who was killed right after the rename
            with self._opened(final, UploadUnknown(upload_id)) as stream:
                self._check(upload_id, stream.fileno(), digest)
            with self._reporting():
                _sync_folder(final.parent)
        self._hashes.forget(upload_id)
        return paths.location(upload_id)

    def abort(self, upload_id: str) -> None:
        """Remove an upload, and its blob (see `BlobStore`)."""
        # in this order: a commit that runs meanwhile renames the first to the second
        self.clear(upload_id)
        if paths.is_upload(upload_id):
            with self._reporting():
                self._committed(upload_id).unlink(missing_ok=True)

    def open(self, location: str, start: int = 0) -> BinaryIO:
        """Open a blob (see `BlobStore`)."""
        file = paths.blob(self._root, location)
        if file is None:
            raise BlobMissing(location)
        stream = self._opened(file, BlobMissing(location))
        stream.seek(start)
        return stream

    def link(self, location: str, lifetime: timedelta) -> Path | None:  # noqa: ARG002
        """Return a blob's file (see `BlobStore`)."""
        return paths.blob(self._root, location)

    def delete(self, location: str) -> None:
        """Remove a blob (see `BlobStore`)."""
        file = paths.blob(self._root, location)
        if file is not None:
            with self._reporting():
                file.unlink(missing_ok=True)

    def blobs(self) -> Iterator[StoredBlob]:
        """Yield every blob (see `Inventory`)."""
        for file, held in self._files(paths.blobs(self._root)):
            location = file.relative_to(paths.blobs(self._root)).as_posix()
            if paths.is_location(location):
                yield StoredBlob(location, held.st_size, int(held.st_mtime))

    def uploads(self) -> Iterator[StoredUpload]:
        """Yield every upload (see `Inventory`)."""
        for file, held in self._files(paths.uploads(self._root)):
            if paths.is_upload(file.name):
                yield StoredUpload(file.name, held.st_size, int(held.st_mtime))

    def clear(self, upload_id: str) -> None:
        """Remove what is left of an upload (see `Inventory`)."""
        self._hashes.forget(upload_id)
        if paths.is_upload(upload_id):
            with self._reporting():
                self._upload(upload_id).unlink(missing_ok=True)

    def _files(self, folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Yield the files below a folder, as they are met; those that go meanwhile are left out."""
        for parent, _, names in os.walk(folder, onerror=self._refused):
            for name in names:
                file = Path(parent, name)
                try:
                    held = file.lstat()
                except FileNotFoundError:
                    continue
                yield file, held

    def _refused(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise self._unavailable(error) from error

    def _upload(self, upload_id: str) -> Path:
        file = paths.upload(self._root, upload_id)
        if file is None:
            raise UploadUnknown(upload_id)
        return file

    def _committed(self, upload_id: str) -> Path:
        """Return where the blob of an upload is, or will be."""
        return paths.blobs(self._root) / paths.location(upload_id)

    def _rename(self, upload_id: str, final: Path) -> None:
        try:
            self._upload(upload_id).rename(final)
        except FileNotFoundError:
            if not final.exists():
                raise UploadUnknown(upload_id) from None  # aborted in the meantime

    def _opened(self, file: Path, missing: StorageError) -> BinaryIO:
        try:
            return file.open("rb")
        except FileNotFoundError:
            raise missing from None
        except OSError as error:
            raise self._unavailable(error) from error

    def _check(self, upload_id: str, descriptor: int, digest: Digest) -> None:
        """Hash what the open file holds, unless that was done while it came."""
        found = self._hashes.find(upload_id, os.fstat(descriptor).st_size)
        if found is None or found.algorithm != digest.algorithm:
            with open(descriptor, "rb", closefd=False) as stream:
                found = Digest.of_stream(stream, digest.algorithm)
        if found != digest:
            raise DigestMismatch(f"upload {upload_id}", expected=digest, found=found)

    def _write(self, descriptor: int, chunk: memoryview, begun: int) -> None:
        """Write a chunk where the file stands; if it can't be, give back all from `begun` on.

        A disk that stays full lets nothing be written that would end the upload: the database is
        often on the same one.
        """
        left = chunk
        with self._reporting():
            try:
                while left:
                    left = left[os.write(descriptor, left) :]
            except OSError:
                os.ftruncate(descriptor, begun)
                raise

    @contextmanager
    def _locked(self, upload_id: str, flags: int) -> Iterator[int]:
        """Open an upload and hold its lock, which also other processes see."""
        try:
            descriptor = os.open(self._upload(upload_id), flags | os.O_NOFOLLOW)
        except FileNotFoundError:
            if self._committed(upload_id).exists():
                raise UploadClosed(upload_id) from None
            raise UploadUnknown(upload_id) from None
        except OSError as error:
            if isinstance(error, PermissionError) and flags & os.O_WRONLY:
                raise UploadClosed(upload_id) from None  # its mode, for who isn't root
            raise self._unavailable(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(upload_id) from None
            try:
                if flags & os.O_WRONLY and not os.fstat(descriptor).st_mode & stat.S_IWUSR:
                    raise UploadClosed(upload_id)
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
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        reason = errno.errorcode.get(error.errno or 0, "?")
        return StoreUnavailable(str(self._root), f"{error.strerror} ({reason})")

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
