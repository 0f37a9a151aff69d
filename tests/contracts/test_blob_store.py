"""What every blob store must do; each implementation runs all of it."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage.blobs import BlobStore
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.filesystem import FilesystemStore
from storage.memory import MemoryStore
from storage.uploads import BUFFER

STORES: dict[str, Callable[[Path], BlobStore]] = {
    "filesystem": FilesystemStore,
    "memory": lambda _: MemoryStore(),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return STORES[request.param](tmp_path / "data")


def upload_of(store: BlobStore, data: bytes) -> str:
    upload_id = store.start_upload()
    store.append(upload_id, 0, io.BytesIO(data), len(data))
    return upload_id


def stored(store: BlobStore, data: bytes) -> str:
    return store.commit(upload_of(store, data), Digest.of(data))


def read(store: BlobStore, location: str, start: int = 0) -> bytes:
    with store.open(location, start) as stream:
        return stream.read()


def test_a_blob_comes_back_as_it_went_in(store: BlobStore) -> None:
    location = stored(store, b"hello")
    assert read(store, location) == b"hello"


def test_a_blob_is_read_from_any_byte(store: BlobStore) -> None:
    location = stored(store, b"hello")
    assert read(store, location, 3) == b"lo"
    assert read(store, location, 5) == b""


def test_an_upload_grows_by_chunks_and_says_its_size(store: BlobStore) -> None:
    upload_id = store.start_upload()
    assert store.upload_size(upload_id) == 0
    assert store.append(upload_id, 0, io.BytesIO(b"hel"), 3) == 3
    assert store.append(upload_id, 3, io.BytesIO(b"lo"), None) == 5
    assert store.upload_size(upload_id) == 5
    location = store.commit(upload_id, Digest.of(b"hello"))
    assert read(store, location) == b"hello"


def test_a_stream_is_read_no_further_than_announced(store: BlobStore) -> None:
    stream = io.BytesIO(b"hello, and the next request")
    upload_id = store.start_upload()
    assert store.append(upload_id, 0, stream, 5) == 5
    assert stream.read() == b", and the next request"


def test_a_stream_larger_than_a_buffer_comes_whole(store: BlobStore) -> None:
    data = bytes(range(256)) * (BUFFER // 128) + b"tail"
    assert read(store, stored(store, data)) == data


def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    location = store.commit(store.start_upload(), Digest.of(b""))
    assert read(store, location) == b""


def test_a_blob_may_have_a_sha512_digest(store: BlobStore) -> None:
    location = store.commit(upload_of(store, b"hello"), Digest.of(b"hello", "sha512"))
    assert read(store, location) == b"hello"


def test_bytes_for_another_place_are_refused_with_the_size(store: BlobStore) -> None:
    upload_id = upload_of(store, b"hello")
    with pytest.raises(OffsetMismatch) as refused:
        store.append(upload_id, 3, io.BytesIO(b"x"), 1)
    assert (refused.value.expected, refused.value.found) == (5, 3)
    assert store.upload_size(upload_id) == 5


def test_a_body_cut_short_is_said_and_what_came_is_kept(store: BlobStore) -> None:
    upload_id = store.start_upload()
    with pytest.raises(BodyCutShort) as refused:
        store.append(upload_id, 0, io.BytesIO(b"hel"), 5)
    assert (refused.value.expected, refused.value.found, refused.value.size) == (5, 3, 3)
    store.append(upload_id, 3, io.BytesIO(b"lo"), 2)
    assert read(store, store.commit(upload_id, Digest.of(b"hello"))) == b"hello"


class Breaking(io.RawIOBase):
    """A stream whose sender goes away after the first bytes."""

    def __init__(self, first: bytes) -> None:
        super().__init__()
        self._first = first

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002
        first, self._first = self._first, b""
        if first:
            return first
        raise ConnectionResetError


def test_a_sender_that_goes_away_leaves_what_came(store: BlobStore) -> None:
    upload_id = store.start_upload()
    broken: BinaryIO = Breaking(b"hel")  # type: ignore[assignment]
    with pytest.raises(ConnectionResetError):
        store.append(upload_id, 0, broken, 5)
    store.append(upload_id, store.upload_size(upload_id), io.BytesIO(b"lo"), 2)
    assert read(store, store.commit(upload_id, Digest.of(b"hello"))) == b"hello"


def test_bytes_with_another_digest_are_refused_and_stay(store: BlobStore) -> None:
    upload_id = upload_of(store, b"hello")
    asked = Digest.of(b"other")
    with pytest.raises(DigestMismatch) as refused:
        store.commit(upload_id, asked)
    assert (refused.value.expected, refused.value.found) == (str(asked), str(Digest.of(b"hello")))
    assert store.upload_size(upload_id) == 5
    assert read(store, store.commit(upload_id, Digest.of(b"hello"))) == b"hello"


def test_a_commit_may_be_repeated_until_the_upload_is_forgotten(store: BlobStore) -> None:
    upload_id = upload_of(store, b"hello")
    first = store.commit(upload_id, Digest.of(b"hello"))
    assert store.commit(upload_id, Digest.of(b"hello")) == first
    store.abort(upload_id)
    with pytest.raises(UploadUnknown):
        store.commit(upload_id, Digest.of(b"hello"))
    assert read(store, first) == b"hello"


def test_a_committed_upload_takes_no_more_bytes(store: BlobStore) -> None:
    upload_id = upload_of(store, b"hello")
    location = store.commit(upload_id, Digest.of(b"hello"))
    with pytest.raises(UploadClosed):
        store.append(upload_id, 5, io.BytesIO(b"!"), 1)
    assert read(store, location) == b"hello"


def test_the_same_bytes_twice_are_one_blob(store: BlobStore) -> None:
    assert stored(store, b"hello") == stored(store, b"hello")
    again = upload_of(store, b"hello")
    location = store.commit(again, Digest.of(b"hello"))
    with pytest.raises(UploadClosed):
        store.append(again, 5, io.BytesIO(b"!"), 1)
    store.abort(again)
    assert read(store, location) == b"hello"


def test_an_aborted_upload_is_unknown(store: BlobStore) -> None:
    upload_id = upload_of(store, b"hello")
    store.abort(upload_id)
    store.abort(upload_id)
    with pytest.raises(UploadUnknown):
        store.upload_size(upload_id)
    with pytest.raises(UploadUnknown):
        store.append(upload_id, 5, io.BytesIO(b"x"), 1)


@pytest.mark.parametrize("upload_id", ["0" * 32, "", "../../etc/passwd", "A" * 32, "0" * 31 + "/"])
def test_an_id_that_was_never_given_is_unknown(store: BlobStore, upload_id: str) -> None:
    store.start_upload()
    with pytest.raises(UploadUnknown):
        store.upload_size(upload_id)
    with pytest.raises(UploadUnknown):
        store.append(upload_id, 0, io.BytesIO(b"x"), 1)
    with pytest.raises(UploadUnknown):
        store.commit(upload_id, Digest.of(b""))
    store.abort(upload_id)


@pytest.mark.parametrize(
    "location", ["", "sha256/aa/../../../etc/passwd", f"sha256/ab/{'c' * 64}", "/etc/passwd"]
)
def test_a_location_that_was_never_given_holds_nothing(store: BlobStore, location: str) -> None:
    with pytest.raises(BlobMissing):
        store.open(location)
    store.delete(location)


def test_a_deleted_blob_is_missing(store: BlobStore) -> None:
    location = stored(store, b"hello")
    store.delete(location)
    store.delete(location)
    with pytest.raises(BlobMissing):
        store.open(location)


def test_a_deleted_blob_can_be_stored_again(store: BlobStore) -> None:
    store.delete(stored(store, b"hello"))
    assert read(store, stored(store, b"hello")) == b"hello"


def test_a_blob_that_is_a_file_says_where(store: BlobStore) -> None:
    file = store.path(stored(store, b"hello"))
    assert file is None or file.read_bytes() == b"hello"


class Waiting(io.RawIOBase):
    """A stream that says when it is being read, and goes on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.may_end = threading.Event()

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002
        self.is_read.set()
        assert self.may_end.wait(10)
        return b""


def test_two_requests_do_not_write_to_one_upload(store: BlobStore) -> None:
    upload_id = store.start_upload()
    slow = Waiting()
    stream: BinaryIO = slow  # type: ignore[assignment]
    first = threading.Thread(target=store.append, args=(upload_id, 0, stream, None))
    first.start()
    assert slow.is_read.wait(10)
    try:
        with pytest.raises(UploadBusy):
            store.append(upload_id, 0, io.BytesIO(b"x"), 1)
        with pytest.raises(UploadBusy):
            store.commit(upload_id, Digest.of(b""))
    finally:
        slow.may_end.set()
        first.join(10)
    assert store.append(upload_id, 0, io.BytesIO(b"x"), 1) == 1
