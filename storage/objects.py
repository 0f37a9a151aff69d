"""What a store that speaks S3 needs of an SDK: a few operations on objects, private to `storage`.

The logic of uploads is in storage/object_store.py, once; storage/s3.py and storage/minio.py each
put one SDK under it. A key is a whole key, prefix and all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from storage.errors import StorageError

SMALLEST_PART = 5 * 1024 * 1024
"""Bytes that each part but the last must have (S3, "Multipart upload limits")."""

LAST_NUMBER = 10_000
"""The highest number of a part (the same table)."""


class ConditionFailed(StorageError):
    """The object at `key` isn't what it had to be to be written over."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} was changed by another writer")


class MultipartGone(StorageError):
    """There is no such multipart upload to `key`, or no more."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the multipart upload to {key} ended")


class PartsChanged(StorageError):
    """The multipart upload to `key` hasn't the parts, by their ETags, that were named."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the parts of {key} were changed by another writer")


class OutOfRange(StorageError):
    """No byte of `key` is in the range that was asked for."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} has no byte in the range that was asked for")


class Body(Protocol):
    """An object's bytes as they come."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end.

        Raises:
            StoreUnavailable: the connection broke.
        """
        ...

    def close(self) -> None:
        """End the request, whether all of it was read or not."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """An object that was asked for: its bytes from there on, its whole size, and its ETag."""

    body: Body
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An object, or a multipart upload (`multipart` is its id; its size isn't known: 0)."""

    key: str
    size: int
    modified: int
    multipart: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that is stored."""

    number: int
    etag: str
    size: int


class Objects(Protocol):
    """Operations on objects. Each raises StoreUnavailable where the server is away or refuses."""

    def put(self, key: str, data: memoryview, over: str | None) -> str:
        """Write an object over the one with the ETag `over`, or (None) where none is.

        Returns its ETag.

        Raises:
            ConditionFailed: something else is there.
        """
        ...

    def get(self, key: str, start: int = 0, length: int | None = None) -> Held | None:
        """Ask for an object from the byte `start` on; None where there is none.

        Raises:
            OutOfRange: it has no byte there; never where `start` is 0 and `length` is None.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove an object, whether it is there or not."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects whose key begins with `prefix`."""
        ...

    def presign(self, key: str, lifetime: timedelta) -> str:
        """Return a URL with which anybody may GET the object for `lifetime`; asks nobody."""
        ...


class Multiparts(Protocol):
    """Operations on multipart uploads; they raise StoreUnavailable as those on objects do."""

    def begin(self, key: str) -> str:
        """Begin a multipart upload; return its id."""
        ...

    def put_part(self, key: str, multipart: str, number: int, data: memoryview) -> str:
        """Write a part; return its ETag.

        Raises:
            MultipartGone: it ended.
        """
        ...

    def complete(self, key: str, multipart: str, parts: tuple[Part, ...]) -> None:
        """Make the parts the object, in the order of their numbers.

        Raises:
            MultipartGone: it ended.
            PartsChanged: a part isn't there, or has another ETag.
        """
        ...

    def cancel(self, key: str, multipart: str) -> None:
        """Remove a multipart upload with its parts, whether it is there or not."""
        ...

    def list_begun(self, prefix: str) -> Iterator[Listed]:
        """Yield the multipart uploads whose key begins with `prefix`.

        MinIO tells only of those whose key is `prefix`.
        """
        ...


class Bucket(Objects, Multiparts, Protocol):
    """Both; `place` is what errors call it."""

    @property
    def place(self) -> str:
        """The bucket and where it is, for people."""
        ...
