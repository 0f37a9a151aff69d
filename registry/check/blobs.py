"""Examines bytes: those that rows tell of, and those that no row tells of."""

import hashlib
from collections.abc import Iterator

from artifacts.digest import Digest
from artifacts.errors import InvalidDigest
from registry.check.findings import Finding, Problem
from registry.oci.contents import Contents
from registry.schema import (
    INLINE,
    BlobDataRow,
    BlobRow,
    CondemnedRow,
    ManifestRow,
    RepositoryBlobRow,
    ReviewRow,
    UploadRow,
)
from storage.blobs import StoredBlob, StoredUpload
from storage.errors import BlobDamaged, BlobMissing

_BUFFER = 1 << 20


class BlobExaminer:
    """Looks at one blob's row and bytes; `reads_bytes` False compares no digest of stored bytes."""

    def __init__(self, contents: Contents, *, reads_bytes: bool) -> None:
        self._contents = contents
        self._reads_bytes = reads_bytes

    def examine(self, row: BlobRow) -> Iterator[Finding]:
        """Yield what is wrong with a blob."""
        data = BlobDataRow.get_or_none(BlobDataRow.blob == row)
        if row.location == INLINE:
            yield from self._examine_inline(row, data)
            return
        if data is not None:
            detail = f"the store has it at {row.location}, and the database too"
            yield _finding(Problem.INLINE_STRAY, row, detail)
        yield from self._examine_rows(row)
        yield from self._examine_stored(row)

    def _examine_inline(self, row: BlobRow, data: BlobDataRow | None) -> Iterator[Finding]:
        if data is None:
            yield _finding(Problem.INLINE_MISSING, row, "its row of blob_data is not there")
        elif len(data.data) != row.size:
            detail = f"{len(data.data)} bytes, expected {row.size}"
            yield _finding(Problem.INLINE_DAMAGED, row, detail)
        elif (found := _digest_of(row, bytes(data.data))) != row.digest:
            yield _finding(Problem.INLINE_DAMAGED, row, f"their digest is {found}")
        if not _is_held(row):
            yield from _uncollected(row)

    def _examine_rows(self, row: BlobRow) -> Iterator[Finding]:
        others = BlobRow.select().where((BlobRow.location == row.location) & (BlobRow.id != row.id))
        for other in others:
            yield _finding(Problem.BYTES_SHARED, row, f"{other.digest} is at {row.location} too")
        if CondemnedRow.select().where(CondemnedRow.location == row.location).exists():
            detail = f"{row.location} is about to be deleted"
            yield _finding(Problem.BYTES_CONDEMNED, row, detail, row.location)
        if not _is_held(row):
            yield from _uncollected(row)

    def _examine_stored(self, row: BlobRow) -> Iterator[Finding]:
        size, hasher = 0, hashlib.new(_algorithm_of(row))
        try:
            with self._contents.open(row.digest, row.location) as stream:
                if self._reads_bytes:
                    while chunk := stream.read(_BUFFER):
                        size += len(chunk)
                        hasher.update(chunk)
                else:
                    size = stream.seek(0, 2)
        except BlobMissing:
            detail = f"nothing is at {row.location}"
            yield _finding(Problem.BYTES_MISSING, row, detail, row.location)
            return
        except BlobDamaged as error:
            yield _finding(Problem.BYTES_LENGTH, row, str(error), row.location)
            return
        if size != row.size:
            detail = f"{size} bytes at {row.location}, expected {row.size}"
            yield _finding(Problem.BYTES_LENGTH, row, detail, row.location)
        elif self._reads_bytes:
            found = f"{_algorithm_of(row)}:{hasher.hexdigest()}"
            if found != row.digest:
                detail = f"those at {row.location} have {found}"
                yield _finding(Problem.BYTES_DIGEST, row, detail, row.location)


def examine_stored(stored: StoredBlob) -> Iterator[Finding]:
    """Yield what is wrong with bytes that the store listed, in a session begun after that.

    A push has a row before it has bytes, and keeps one or the other until it is done, so that bytes
    which no row names belong to nobody.
    """
    is_named = (
        BlobRow.select().where(BlobRow.location == stored.location).exists()
        or CondemnedRow.select().where(CondemnedRow.location == stored.location).exists()
        or UploadRow.select().where(UploadRow.upload_id == stored.location.split("/")[-1]).exists()
    )
    if not is_named:
        yield Finding(
            Problem.BYTES_ORPHANED,
            stored.location,
            f"{stored.size} bytes that no row tells of",
            name=stored.location,
        )


def examine_upload(stored: StoredUpload) -> Iterator[Finding]:
    """Yield what is wrong with an upload that the store listed, in a session begun after that."""
    if not UploadRow.select().where(UploadRow.upload_id == stored.id).exists():
        yield Finding(
            Problem.UPLOAD_ORPHANED,
            f"upload {stored.id}",
            f"{stored.size} bytes of an upload that no row tells of",
            name=stored.id,
        )


def _finding(problem: Problem, row: BlobRow, detail: str, name: str = "") -> Finding:
    return Finding(problem, row.digest, detail, row=row.id, name=name)


def _uncollected(row: BlobRow) -> Iterator[Finding]:
    if not ReviewRow.select().where(ReviewRow.digest == row.digest).exists():
        detail = f"{row.size} bytes that nothing holds, and no review waits for them"
        yield _finding(Problem.NEVER_COLLECTED, row, detail)


def _is_held(row: BlobRow) -> bool:
    return (
        RepositoryBlobRow.select().where(RepositoryBlobRow.blob == row).exists()
        or ManifestRow.select().where(ManifestRow.blob == row).exists()
    )


def _algorithm_of(row: BlobRow) -> str:
    try:
        return Digest.parse(row.digest).algorithm
    except InvalidDigest:
        return "sha256"  # no bytes have such a digest: what they have is shown


def _digest_of(row: BlobRow, data: bytes) -> str:
    return str(Digest.of(data, _algorithm_of(row)))
