"""What can go wrong with stored bytes.

::

    StorageError
    ├── UploadUnknown       no such upload: never begun, or aborted
    ├── UploadClosed        its blob is committed: it takes no more bytes
    ├── UploadBusy          another request is writing to it at this moment
    ├── OffsetMismatch      bytes that don't begin where the upload ends
    ├── BodyCutShort        the stream ended before the length that was announced
    ├── BlobMissing         nothing is stored at that location
    ├── BlobDamaged         what is stored there has another length than it was kept with
    └── StoreUnavailable    the folder or bucket can't be used: not writable, full, away

A blob with another digest than asked for is `artifacts.errors.DigestMismatch`.
"""


class StorageError(Exception):
    """Base of everything that `storage` raises."""


class UploadUnknown(StorageError):
    """No upload has the id `upload_id`."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"no upload {upload_id[:80]!r}: it ended, or never was; start another")


class UploadClosed(StorageError):
    """The upload `upload_id` is committed, and takes no more bytes."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"upload {upload_id!r} is committed and takes no more bytes")


class UploadBusy(StorageError):
    """Another request writes to the upload `upload_id`."""

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(
            f"upload {upload_id!r} is being written by another request; wait for that one to end"
        )


class OffsetMismatch(StorageError):
    """Bytes sent for `found`, where the upload holds `expected` bytes."""

    def __init__(self, upload_id: str, *, expected: int, found: int) -> None:
        self.upload_id = upload_id
        self.expected = expected
        self.found = found
        super().__init__(
            f"upload {upload_id!r} holds {expected} bytes, so that the next begin at {expected}, "
            f"not at {found}"
        )


class BodyCutShort(StorageError):
    """A stream that ended after `found` of `expected` bytes; the upload holds `size` now."""

    def __init__(self, upload_id: str, *, expected: int, found: int, size: int) -> None:
        self.upload_id = upload_id
        self.expected = expected
        self.found = found
        self.size = size
        super().__init__(
            f"upload {upload_id!r}: the body ended after {found} of {expected} bytes; "
            f"go on from {size}"
        )


class BlobMissing(StorageError):
    """Nothing is stored at `location`."""

    def __init__(self, location: str) -> None:
        self.location = location
        super().__init__(f"no bytes are stored at {location!r}, though they should be")


class BlobDamaged(StorageError):
    """The `found` bytes at `location` aren't the `expected` many that were kept there."""

    def __init__(self, location: str, *, expected: int, found: int) -> None:
        self.location = location
        self.expected = expected
        self.found = found
        super().__init__(
            f"{found} bytes are stored at {location!r}, where {expected} were kept; "
            "bring the file back from a backup"
        )


class StoreUnavailable(StorageError):
    """The store at `place` can't be used; `reason` is what the system said."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"the blob store at {place} can't be used: {reason}")
