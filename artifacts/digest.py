"""Content addresses: `algorithm:hex`, as image-spec 1.1 (descriptor.md, "Digests") has them."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from artifacts.errors import DigestMismatch, InvalidDigest

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
ALGORITHMS = frozenset(_HEX_LENGTHS)
"""The algorithms that digests may have: those that image-spec registers."""

_FORM = re.compile(r"(sha256|sha512):([a-f0-9]+)")
_READ_SIZE = 1 << 20


class Hash(Protocol):
    """The part of hashlib's objects that is used here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far, as lower-case hex."""


@dataclass(frozen=True, order=True, slots=True)
class Digest:
    """An algorithm (`sha256` or `sha512`) and its lower-case hex; `str()` gives `algorithm:hex`."""

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        """Refuse what isn't a digest.

        Raises:
            InvalidDigest: an unknown algorithm, or hex of another length or case.
        """
        matched = _FORM.fullmatch(f"{self.algorithm}:{self.hex}")
        if matched is None or len(self.hex) != _HEX_LENGTHS[self.algorithm]:
            raise InvalidDigest(f"{self.algorithm}:{self.hex}")

    def __str__(self) -> str:
        """Return `algorithm:hex`."""
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read `algorithm:hex`.

        Raises:
            InvalidDigest: it isn't one.
        """
        algorithm, separator, value = text.partition(":")
        if not separator:
            raise InvalidDigest(text)
        return cls(algorithm, value)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> "Digest":
        """Return the digest of `data`."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    @classmethod
    def of_stream(cls, stream: BinaryIO, algorithm: str = "sha256") -> "Digest":
        """Return the digest of all that is left in `stream`, read in buffers of 1 MiB."""
        hasher = hashlib.new(algorithm)
        while chunk := stream.read(_READ_SIZE):
            hasher.update(chunk)
        return cls(algorithm, hasher.hexdigest())

    def hasher(self) -> Hash:
        """Return a new hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def check(self, what: str, data: bytes) -> bytes:
        """Return `data` if it has this digest.

        Raises:
            DigestMismatch: it has another; names `what`, the expected and the found digest.
        """
        found = Digest.of(data, self.algorithm)
        if found != self:
            raise DigestMismatch(what, expected=self, found=found)
        return data


def copy_exactly(source: BinaryIO, size: int, *sinks: Callable[[bytes], object]) -> int:
    """Hand `size` bytes of `source` to each of `sinks`, and return how many there were too few.

    No more than one byte beyond is read: below 0 there are more, and what was read last was handed
    to nobody.
    """
    left = size
    while chunk := source.read(min(_READ_SIZE, left + 1)):
        left -= len(chunk)
        if left < 0:
            break
        for sink in sinks:
            sink(chunk)
    return left
