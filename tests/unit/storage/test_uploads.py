"""Hashes on the way: kept for what this process saw whole, and no longer than that."""

import hashlib
import io

import pytest

from artifacts.digest import Digest
from storage import uploads
from storage.uploads import BLOCK, RunningHashes, blocks, new_upload_id


def test_ids_are_not_alike() -> None:
    assert len({new_upload_id() for _ in range(100)}) == 100


def test_a_new_upload_begins_a_hash() -> None:
    hashes = RunningHashes()
    hasher = hashes.take("a", 0)
    assert hasher is not None
    hasher.update(b"hello")
    hashes.put("a", hasher, 5)
    assert hashes.find("a", 5) == Digest.of(b"hello")


def test_bytes_that_this_process_did_not_see_have_no_hash() -> None:
    hashes = RunningHashes()
    assert hashes.take("a", 5) is None
    hashes.put("a", hashlib.sha256(b"hel"), 3)
    assert hashes.find("a", 5) is None
    assert hashes.take("a", 5) is None


def test_a_hash_that_was_taken_and_not_put_back_is_gone() -> None:
    hashes = RunningHashes()
    hashes.put("a", hashlib.sha256(b"hel"), 3)
    assert hashes.take("a", 3) is not None
    assert hashes.find("a", 3) is None


def test_a_forgotten_upload_has_no_hash() -> None:
    hashes = RunningHashes()
    hashes.put("a", hashlib.sha256(b""), 0)
    hashes.forget("a")
    hashes.forget("a")
    assert hashes.find("a", 0) is None


def test_the_oldest_hash_goes_when_there_are_too_many() -> None:
    hashes = RunningHashes()
    for number in range(uploads._KEPT + 1):
        hashes.put(str(number), hashlib.sha256(), 0)
    assert hashes.find("0", 0) is None
    assert hashes.find("1", 0) is not None


class OnlyReads:
    """A stream without `readinto`."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


@pytest.mark.parametrize("kind", [io.BytesIO, OnlyReads])
@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@pytest.mark.parametrize("way", ["unknown", "whole", "part", "too long"])
def test_blocks_are_the_stream_up_to_its_length(kind, size, way):
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    length = {"unknown": None, "whole": size, "part": size // 2, "too long": size + 7}[way]
    stream = kind(data)

    got = bytearray()
    for block in blocks(stream, length):
        assert len(block) <= BLOCK
        got += block

    wanted = size if length is None else min(size, length)
    assert got == data[:wanted]
    assert stream.read() == data[wanted:]
