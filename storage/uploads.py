"""What the stores share of resumable uploads: reading a stream in buffers, and hashing on the way.

hashlib's state can't be saved, so it lives in the process that took the bytes: a commit uses it
when this process saw every byte, and reads the bytes again when it didn't.
"""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import BinaryIO

from artifacts.digest import Digest, Hash

BUFFER = 64 * 1024
"""Bytes read from a stream at once; what an upload costs in memory."""

BLOCK = 256 * 1024
"""Bytes that are read into one memory at once; what an upload to a folder costs."""

_ALGORITHM = "sha256"
_KEPT = 1024


def new_upload_id() -> str:
    """Return 32 hex digits that can't be guessed."""
    return secrets.token_hex(16)


def buffers(stream: BinaryIO, length: int | None) -> Iterator[bytes]:
    """Yield `stream` in buffers until its end, or until `length` bytes have come."""
    left = length
    while left is None or left > 0:
        chunk = stream.read(BUFFER if left is None else min(BUFFER, left))
        if not chunk:
            return
        yield chunk
        if left is not None:
            left -= len(chunk)


def blocks(stream: BinaryIO, length: int | None) -> Iterator[memoryview]:
    """Yield `stream` as `buffers` does, in blocks that are all of one memory: the last is gone.

    Each step of a block lets other threads go on, and must then wait for its own turn with them; so
    blocks are four times as large, and their memory isn't given back and taken anew for each.
    """
    fill: Callable[[memoryview], int] | None = getattr(stream, "readinto", None)
    if fill is None:
        yield from (memoryview(chunk) for chunk in buffers(stream, length))
        return
    memory = memoryview(bytearray(BLOCK if length is None else min(BLOCK, max(length, 1))))
    left = length
    while left is None or left > 0:
        filled = fill(memory if left is None else memory[:left])
        if not filled:
            return
        yield memory[:filled]
        if left is not None:
            left -= filled


class RunningHashes:
    """The sha256 of uploads that this process has seen every byte of, the last 1,024 of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[str, tuple[Hash, int]] = OrderedDict()

    def take(self, upload_id: str, size: int) -> Hash | None:
        """Return the hash of the first `size` bytes, to be continued, or None if not known.

        It is kept no longer: whoever continues it must `put` it back, and so an append that fails
        half way leaves none behind.
        """
        with self._lock:
            state = self._states.pop(upload_id, None)
        if state is not None and state[1] == size:
            return state[0]
        return hashlib.new(_ALGORITHM) if size == 0 else None

    def put(self, upload_id: str, hasher: Hash, size: int) -> None:
        """Keep the hash of the first `size` bytes."""
        with self._lock:
            self._states[upload_id] = (hasher, size)
            while len(self._states) > _KEPT:
                self._states.popitem(last=False)

    def find(self, upload_id: str, size: int) -> Digest | None:
        """Return the digest of the first `size` bytes, or None if not known."""
        with self._lock:
            state = self._states.get(upload_id)
        if state is not None and state[1] == size:
            return Digest(_ALGORITHM, state[0].hexdigest())
        return None

    def forget(self, upload_id: str) -> None:
        """Keep nothing of an upload."""
        with self._lock:
            self._states.pop(upload_id, None)
