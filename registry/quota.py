"""Quotas: how many bytes a namespace uses, and how many it may.

A namespace uses the sizes of its distinct blobs and manifests, each once, however many of its
repositories hold it. `namespace.used_bytes` is that sum, exactly: it is kept in the transaction
that links or unlinks, which no other one of the namespace can be beside.

::

    check_upload    before bytes are taken, and while they come: what can't fit is refused early
    link            in the transaction that links: what doesn't fit is refused, exactly
    unlink, release  in the transaction that unlinks

All of these are called in a session or transaction of the caller's.
"""

import io
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, cast

from peewee import fn

from artifacts.digest import Digest
from registry import changes, lookups
from registry.batches import among
from registry.errors import QuotaExceeded
from registry.schema import (
    BlobRow,
    ManifestRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
)

_STEP = 1 << 20
"""Bytes of an upload of unknown length that may come between two looks at the quota."""


def link(repository: RepositoryRow, blob: BlobRow, *, is_new: bool = False) -> None:
    """Count a blob that `repository` is about to hold, itself or as a manifest.

    To be called before the row is made that holds it. What the namespace has already costs nothing;
    a blob whose own row `is_new` is held by nobody.

    Raises:
        QuotaExceeded: it doesn't fit.
    """
    namespace_id = repository.namespace_id
    if not is_new and _is_held(namespace_id, blob.id):
        return
    if not changes.count_bytes(blob.size, namespace_id):
        raise _exceeded(NamespaceRow.get_by_id(namespace_id), blob.size)


def unlink(repository: RepositoryRow, blob: BlobRow) -> None:
    """Stop counting a blob that `repository` held, unless its namespace still holds it.

    To be called after the row is gone that held it, while the blob's own row is still there.
    """
    namespace_id = repository.namespace_id
    if not _is_held(namespace_id, blob.id):
        NamespaceRow.update(used_bytes=NamespaceRow.used_bytes - blob.size).where(
            NamespaceRow.id == namespace_id
        ).execute()


def release(held: Collection[tuple[int, int]]) -> None:
    """Stop counting blobs that namespaces held, pairs of their ids, unless they still hold them.

    As `unlink`, for many at once.
    """
    namespaces = list({namespace for namespace, _ in held})
    blobs = list({blob for _, blob in held})
    still: set[tuple[int, int]] = set()
    for holding in (RepositoryBlobRow, ManifestRow):
        query: Any = (
            holding.select(RepositoryRow.namespace, holding.blob)
            .join(RepositoryRow)
            .where(among(holding.blob, blobs) & among(RepositoryRow.namespace, namespaces))
            .distinct()
        )
        still |= set(query.tuples())
    gone = set(held) - still
    sizes: Any = BlobRow.select(BlobRow.id, BlobRow.size).where(among(BlobRow.id, blobs))
    size_of: dict[int, int] = dict(sizes.tuples())
    for namespace in namespaces:
        freed = sum(size_of[blob] for holder, blob in gone if holder == namespace)
        NamespaceRow.update(used_bytes=NamespaceRow.used_bytes - freed).where(
            NamespaceRow.id == namespace
        ).execute()


def check_upload(namespace: str, size: int, digest: Digest | None = None) -> None:
    """Refuse an upload that has grown, or will grow, to `size` bytes and can't be linked then.

    A blob that the namespace has costs nothing, and of an upload without a digest it isn't known
    yet which it will be: so it may be as large as the namespace's largest.

    Raises:
        QuotaExceeded: it doesn't fit.
    """
    row = lookups.namespace(namespace)
    if row is None or row.quota_bytes is None or row.used_bytes + size <= row.quota_bytes:
        return
    is_wanted = BlobRow.size >= size if digest is None else BlobRow.digest == str(digest)
    if not _held(row.id).where(is_wanted).exists():
        raise _exceeded(row, size)


def metered(namespace: str, stream: BinaryIO, start: int, digest: Digest | None) -> BinaryIO:
    """Return `stream` as one that raises QuotaExceeded once the upload is larger than may be.

    `start` is how many bytes the upload holds already.
    """

    def check(size: int) -> None:
        check_upload(namespace, size, digest)

    return cast("BinaryIO", _Metered(stream, start, check))


def count_used(namespace: NamespaceRow) -> int:
    """Return what `used_bytes` must be, counted from the rows that hold blobs and manifests."""
    held = BlobRow.select(BlobRow.id).where(
        BlobRow.id.in_(_linked(namespace.id)) | BlobRow.id.in_(_manifests(namespace.id))
    )
    total = BlobRow.select(fn.COALESCE(fn.SUM(BlobRow.size), 0)).where(BlobRow.id.in_(held))
    return int(total.scalar())


class _Metered(io.RawIOBase):
    """A stream whose bytes are counted, and `check`ed with the size that they make."""

    def __init__(self, stream: BinaryIO, start: int, check: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._size = start
        self._checked = start
        self._check = check

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        data = self._stream.read(size)
        self._count(len(data))
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`."""
        filled: int = self._stream.readinto(buffer)  # type: ignore[attr-defined]
        self._count(filled)
        return filled

    def _count(self, size: int) -> None:
        self._size += size
        if size and self._size > self._checked:
            self._check(self._size)
            self._checked = self._size + _STEP


def _is_held(namespace_id: int, blob_id: int) -> bool:
    is_linked = lookups.is_linked(blob_id, namespace_id)
    return is_linked or lookups.is_manifest(blob_id, namespace_id)


def _held(namespace_id: int) -> Any:
    """Return the query of the blobs that a client's upload to the namespace may be once more."""
    return BlobRow.select().where(BlobRow.id.in_(_linked(namespace_id)))


def _linked(namespace_id: int) -> Any:
    return (
        RepositoryBlobRow.select(RepositoryBlobRow.blob)
        .join(RepositoryRow)
        .where(RepositoryRow.namespace == namespace_id)
    )


def _manifests(namespace_id: int) -> Any:
    return (
        ManifestRow.select(ManifestRow.blob)
        .join(RepositoryRow)
        .where(RepositoryRow.namespace == namespace_id)
    )


def _exceeded(row: NamespaceRow, asked: int) -> QuotaExceeded:
    return QuotaExceeded(row.name, quota=row.quota_bytes or 0, used=row.used_bytes, asked=asked)
