"""Blobs of a repository: stat, read, delete.

A blob may be read by who may pull where the repository is a plain one, or where a manifest of the
repository that they may see needs it. Those who may push there may read every blob of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob's digest and size in bytes, and where the store has it."""

    digest: Digest
    size: int
    location: str


class Blobs:
    """Reads and deletes blobs."""

    def stat(self, principal: Principal, repository: RepositoryName, digest: Digest) -> BlobInfo:
        """Return a blob's size, from the database alone.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
            BlobUnknown: not there, or needed by nothing that the principal may see.
        """
        raise NotImplementedError

    def path(self, info: BlobInfo) -> Path | None:
        """Return the file of a blob, for sendfile, or None where the store has no files."""
        raise NotImplementedError

    def open(self, info: BlobInfo, start: int = 0) -> BinaryIO:
        """Open a blob for reading from the byte `start`; the caller closes it.

        Raises:
            BlobMissing: (storage) the row is there, the bytes are not.
        """
        raise NotImplementedError

    def delete(self, principal: Principal, repository: RepositoryName, digest: Digest) -> None:
        """Unlink a blob from the repository (its bytes wait for a sweep).

        Raises:
            BlobUnknown: not there.
            InUse: a manifest of the repository needs it.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not delete.
        """
        raise NotImplementedError
