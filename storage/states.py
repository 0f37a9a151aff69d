r"""An upload's state on a store that speaks S3, one object: what is stored of it, and its tail.

::

    recipebox1 00000000000005242885 000000000000123\n   48 bytes: the format, the upload's size in
                                                      bytes, and how many bytes the JSON has
    {"multipart": "...", ...}    the multipart upload, if there is one, its parts [number, ETag,
                                 size], the next number that nobody may have used yet, whether it
                                 is sealed, how long the tail is, and a nonce of the writer
    hello                        the tail: what came after the last part

A part has 5 MiB at least, so that what is left of a chunk waits here for the next; the tail and
what it follows are written together, over the ETag that was read, so that of two writers one wins.
"""

import json
import mmap
import re
import secrets
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from storage.errors import StoreUnavailable
from storage.objects import SMALLEST_PART, Body, Held, Part

FRONT = 48
"""Bytes before the JSON; they say the upload's size."""

_FRONT_FORM = re.compile(rb"recipebox1 (\d{20}) (\d{15})\n")
_JSON_ROOM = 2 * 1024 * 1024  # 10,000 parts take some 600 kB
_READ = 256 * 1024
_LARGER_EVERY = 1000


def part_size(number: int) -> int:
    """Return how many bytes the part `number` has, from 1 to 10,000, unless it is the last.

    5 MiB, and 5 MiB more after every 1,000: 4.9 GiB in the first 1,000, 268 GiB in all.
    """
    return SMALLEST_PART * (1 + number // _LARGER_EVERY)


@dataclass(frozen=True, slots=True)
class State:
    """What is stored of an upload, but for the bytes of its tail."""

    multipart: str | None = None
    parts: tuple[Part, ...] = ()
    next_number: int = 1
    is_sealed: bool = False
    tail: int = 0
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def stored(self) -> int:
        """How many bytes the parts have."""
        return sum(part.size for part in self.parts)

    @property
    def size(self) -> int:
        """How many bytes the upload has."""
        return self.stored + self.tail

    def to_bytes(self) -> bytes:
        """Return what comes before the tail."""
        drawn = {
            "multipart": self.multipart,
            "parts": [[part.number, part.etag, part.size] for part in self.parts],
            "next_number": self.next_number,
            "is_sealed": self.is_sealed,
            "tail": self.tail,
            "nonce": self.nonce,
        }
        text = json.dumps(drawn, separators=(",", ":")).encode("ascii")
        return b"recipebox1 %020d %015d\n" % (self.size, len(text)) + text

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Return what the JSON says.

        Raises:
            ValueError, KeyError, TypeError: it isn't a state's.
        """
        drawn = json.loads(text)
        return cls(
            multipart=drawn["multipart"],
            parts=tuple(Part(*part) for part in drawn["parts"]),
            next_number=drawn["next_number"],
            is_sealed=drawn["is_sealed"],
            tail=drawn["tail"],
            nonce=drawn["nonce"],
        )


def read_size(held: Held, place: str, key: str) -> int:
    """Return the size of the upload whose state begins with what is held, and close it.

    Raises:
        StoreUnavailable: the connection broke, or it isn't a state.
    """
    try:
        return _read_front(held.body, place, key)[0]
    finally:
        held.body.close()


class Buffer:
    """The memory of one upload: room for a part, and before it for a state.

    Memory of its own from the system, of which pages that nobody writes to cost nothing, and which
    goes back whole: what is freed to an allocator stays with the process.
    """

    def __init__(self) -> None:
        self.used = 0
        """How many bytes are in it."""
        self._room = 0
        self._map = mmap.mmap(-1, mmap.PAGESIZE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._map.close()

    def clear(self, room: int) -> None:
        """Empty it, and make room for `room` bytes."""
        self.used = 0
        if room != self._room:
            self._map.close()
            self._map = mmap.mmap(-1, _JSON_ROOM + room)
            self._room = room

    @property
    def is_full(self) -> bool:
        """Whether no byte more fits."""
        return self.used == self._room

    def add(self, data: bytes) -> int:
        """Take as many of the bytes as fit; return how many."""
        count = min(len(data), self._room - self.used)
        start = _JSON_ROOM + self.used
        self._map[start : start + count] = data if count == len(data) else data[:count]
        self.used += count
        return count

    def content(self) -> memoryview:
        """Return the bytes in it, to be released by the caller."""
        return self._view(_JSON_ROOM, self.used)

    def drawn(self, state: State) -> memoryview:
        """Return a state with its tail, with which the buffer begins; the caller releases it."""
        front = state.to_bytes()
        start = _JSON_ROOM - len(front)
        self._map[start:_JSON_ROOM] = front
        return self._view(start, len(front) + state.tail)

    def read(self, held: Held, place: str, key: str) -> State:
        """Take in a state with its tail, and close what is held.

        Raises:
            StoreUnavailable: the connection broke, or it isn't a state.
        """
        try:
            _, length = _read_front(held.body, place, key)
            try:
                state = State.from_json(_read(held.body, length))
            except (ValueError, KeyError, TypeError) as error:
                raise StoreUnavailable(place, f"{key} isn't the state of an upload") from error
            self.clear(part_size(state.next_number))
            while self.used < state.tail:
                data = held.body.read(min(_READ, state.tail - self.used))
                if not data or self.add(data) != len(data):
                    raise StoreUnavailable(place, f"{key} ended before its {state.tail} bytes")
        finally:
            held.body.close()
        return state

    def _view(self, start: int, length: int) -> memoryview:
        with memoryview(self._map) as whole:
            return whole[start : start + length]


def _read_front(body: Body, place: str, key: str) -> tuple[int, int]:
    matched = _FRONT_FORM.fullmatch(_read(body, FRONT))
    if matched is None:
        raise StoreUnavailable(place, f"{key} isn't the state of an upload")
    return int(matched[1]), int(matched[2])


def _read(body: Body, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = body.read(length - len(data))
        if not more:
            break
        data += more
    return data
