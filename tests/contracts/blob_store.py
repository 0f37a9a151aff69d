"""What every blob store must do; each implementation runs all of it.

A suite of an implementation is a class with the fixture `stores`: what makes store objects over the
same bytes, each as another process has it (a store of one process gives itself again).
"""

import hashlib
import io
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage.blobs import BlobStore, Inventory
from storage.errors import (
    BlobMissing,
    BodyCutShort,
    OffsetMismatch,
    StorageError,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.uploads import BUFFER, new_upload_id
from tests.fakes import Stream

LIFETIME = timedelta(minutes=5)
MIB = 1024 * 1024
LIMIT = 30.0
"""Seconds until a test of threads gives up."""


class Store(BlobStore, Inventory, Protocol):
    """Both protocols: what each implementation is."""


Stores = Callable[[], Store]
T = TypeVar("T")


def started(store: BlobStore) -> str:
    upload_id = new_upload_id()
    store.start_upload(upload_id)
    return upload_id


def upload_of(store: BlobStore, data: bytes) -> str:
    upload_id = started(store)
    store.append(upload_id, 0, io.BytesIO(data), len(data))
    return upload_id


def stored(store: BlobStore, data: bytes) -> str:
    return store.commit(upload_of(store, data), Digest.of(data))


def read(store: BlobStore, location: str, start: int = 0) -> bytes:
    with store.open(location, start) as stream:
        return stream.read()


def random_bytes(size: int, seed: str = "") -> bytes:
    """Return bytes that are alike in no two places, and the same for each `seed`."""
    return hashlib.shake_128(seed.encode()).digest(size)


class Breaking(Stream):
    """A stream whose sender goes away after the first bytes."""

    def __init__(self, first: bytes) -> None:
        super().__init__()
        self._first = io.BytesIO(first)

    def read(self, size: int = -1) -> bytes:
        first = self._first.read(size)
        if first:
            return first
        raise ConnectionResetError


class Waiting(Stream):
    """A stream of `first`, that then says that it is being read, and ends when it is told to."""

    def __init__(self, first: bytes = b"", then: bytes = b"") -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.may_end = threading.Event()
        self._first = io.BytesIO(first)
        self._then = io.BytesIO(then)

    def read(self, size: int = -1) -> bytes:
        first = self._first.read(size)
        if first:
            return first
        self.is_read.set()
        assert self.may_end.wait(LIMIT)
        return self._then.read(size)


def as_stream(stream: io.RawIOBase) -> BinaryIO:
    return stream  # type: ignore[return-value]


class BlobStoreContract:
    """The tests; see the module."""

    @pytest.fixture
    def store(self, stores: Stores) -> Store:
        return stores()

    def test_a_blob_comes_back_as_it_went_in(self, store: Store) -> None:
        assert read(store, stored(store, b"hello")) == b"hello"

    def test_a_blob_is_read_from_any_byte(self, store: Store) -> None:
        location = stored(store, b"hello")
        assert read(store, location, 3) == b"lo"
        assert read(store, location, 5) == b""

    def test_an_open_blob_says_its_length_and_seeks(self, store: Store) -> None:
        with store.open(stored(store, b"hello"), 3) as stream:
            assert stream.seek(0, io.SEEK_END) == 5
            assert stream.read() == b""
            assert stream.seek(1) == 1
            assert stream.read(2) == b"el"
            assert stream.tell() == 3
            assert stream.seek(-1, io.SEEK_CUR) == 2
            assert stream.read() == b"llo"

    def test_an_upload_grows_by_chunks_and_says_its_size(self, store: Store) -> None:
        upload_id = started(store)
        assert store.upload_size(upload_id) == 0
        assert store.append(upload_id, 0, io.BytesIO(b"hel"), 3) == 3
        assert store.append(upload_id, 3, io.BytesIO(b"lo"), None) == 5
        assert store.upload_size(upload_id) == 5
        location = store.commit(upload_id, Digest.of(b"hello"))
        assert read(store, location) == b"hello"

    def test_a_stream_is_read_no_further_than_announced(self, store: Store) -> None:
        stream = io.BytesIO(b"hello, and the next request")
        upload_id = started(store)
        assert store.append(upload_id, 0, stream, 5) == 5
        assert stream.read() == b", and the next request"

    @pytest.mark.parametrize("size", [2 * BUFFER + 4, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB])
    def test_a_stream_larger_than_a_buffer_comes_whole(self, store: Store, size: int) -> None:
        data = random_bytes(size)
        assert read(store, stored(store, data)) == data

    def test_chunks_of_any_length_make_one_blob(self, store: Store) -> None:
        data = random_bytes(13 * MIB)
        upload_id = started(store)
        size = 0
        for length in (1, 3 * MIB, 0, 4 * MIB, 5 * MIB, 1 * MIB - 1):
            chunk = io.BytesIO(data[size : size + length])
            assert store.append(upload_id, size, chunk, length) == size + length
            size += length
        assert store.upload_size(upload_id) == len(data)
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    def test_an_empty_blob_is_a_blob(self, store: Store) -> None:
        assert read(store, store.commit(started(store), Digest.of(b""))) == b""

    @pytest.mark.parametrize("data", [b"hello", random_bytes(6 * MIB)], ids=["small", "large"])
    def test_a_blob_may_have_a_sha512_digest(self, store: Store, data: bytes) -> None:
        location = store.commit(upload_of(store, data), Digest.of(data, "sha512"))
        assert read(store, location) == data

    def test_bytes_for_another_place_are_refused_with_the_size(self, store: Store) -> None:
        upload_id = upload_of(store, b"hello")
        for offset in (0, 3, 6):
            with pytest.raises(OffsetMismatch) as refused:
                store.append(upload_id, offset, io.BytesIO(b"x"), 1)
            assert (refused.value.expected, refused.value.found) == (5, offset)
        assert store.upload_size(upload_id) == 5

    @pytest.mark.parametrize("came", [3, 5 * MIB, 6 * MIB, 10 * MIB])
    def test_a_body_cut_short_is_said_and_what_came_is_kept(self, store: Store, came: int) -> None:
        data = random_bytes(came + 2)
        upload_id = started(store)
        with pytest.raises(BodyCutShort) as refused:
            store.append(upload_id, 0, io.BytesIO(data[:came]), came + 2)
        cut = refused.value
        assert (cut.expected, cut.found, cut.size) == (came + 2, came, came)
        store.append(upload_id, came, io.BytesIO(data[came:]), 2)
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize("came", [3, 6 * MIB])
    def test_a_sender_that_goes_away_leaves_what_came(self, store: Store, came: int) -> None:
        data = random_bytes(came + 2)
        upload_id = started(store)
        with pytest.raises(ConnectionResetError):
            store.append(upload_id, 0, as_stream(Breaking(data[:came])), came + 2)
        assert store.upload_size(upload_id) == came
        store.append(upload_id, came, io.BytesIO(data[came:]), 2)
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize("data", [b"hello", random_bytes(6 * MIB)], ids=["small", "large"])
    def test_bytes_with_another_digest_are_refused_and_stay(
        self, stores: Stores, data: bytes
    ) -> None:
        for committing in ("the same process", "another"):
            store = stores()
            upload_id = upload_of(store, data)
            if committing == "another":
                store = stores()
            asked = Digest.of(b"other")
            with pytest.raises(DigestMismatch) as refused:
                store.commit(upload_id, asked)
            assert refused.value.expected == str(asked)
            assert refused.value.found == str(Digest.of(data))
            assert store.upload_size(upload_id) == len(data)
            assert read(store, store.commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize("data", [b"", b"hello", random_bytes(6 * MIB)], ids=len)
    def test_a_commit_may_be_repeated_by_anybody(self, stores: Stores, data: bytes) -> None:
        store = stores()
        upload_id = upload_of(store, data)
        first = store.commit(upload_id, Digest.of(data))
        for each in (store, stores()):
            assert each.upload_size(upload_id) == len(data)
            assert each.commit(upload_id, Digest.of(data)) == first
            with pytest.raises(DigestMismatch):
                each.commit(upload_id, Digest.of(b"other"))
        assert read(store, first) == data

    def test_a_committed_upload_takes_no_more_bytes(self, stores: Stores) -> None:
        store = stores()
        upload_id = upload_of(store, b"hello")
        location = store.commit(upload_id, Digest.of(b"hello"))
        for each in (store, stores()):
            with pytest.raises(UploadClosed):
                each.append(upload_id, 5, io.BytesIO(b"!"), 1)
        assert read(store, location) == b"hello"

    def test_nothing_is_left_of_a_committed_upload_but_its_blob(self, store: Store) -> None:
        now = time.time()
        location = store.commit(upload_of(store, b"hello"), Digest.of(b"hello"))
        (blob,) = store.blobs()
        assert (blob.location, blob.size) == (location, 5)
        assert abs(blob.modified - now) < 3600
        assert list(store.uploads()) == []

    def test_the_same_bytes_twice_are_two_blobs_of_places_that_never_come_again(
        self, store: Store
    ) -> None:
        first, second = stored(store, b"hello"), stored(store, b"hello")
        assert first != second
        store.delete(first)
        assert read(store, second) == b"hello"

    def test_a_location_is_its_uploads(self, store: Store) -> None:
        upload_id = upload_of(store, b"hello")
        location = store.commit(upload_id, Digest.of(b"hello"))
        assert location == f"{upload_id[:2]}/{upload_id}"

    @pytest.mark.parametrize("data", [b"", b"hello", random_bytes(6 * MIB)], ids=len)
    def test_nothing_is_left_of_an_aborted_upload(self, store: Store, data: bytes) -> None:
        upload_id = upload_of(store, data)
        assert {upload.id for upload in store.uploads()} == {upload_id}
        store.abort(upload_id)
        store.abort(upload_id)
        for attempt in (
            lambda: store.upload_size(upload_id),
            lambda: store.append(upload_id, len(data), io.BytesIO(b"x"), 1),
            lambda: store.commit(upload_id, Digest.of(data)),
        ):
            with pytest.raises(UploadUnknown):
                attempt()
        assert list(store.uploads()) == []

    def test_an_abort_removes_the_blob_too(self, stores: Stores) -> None:
        store = stores()
        upload_id = upload_of(store, b"hello")
        location = store.commit(upload_id, Digest.of(b"hello"))
        stores().abort(upload_id)
        with pytest.raises(BlobMissing):
            store.open(location)
        with pytest.raises(UploadUnknown):
            store.commit(upload_id, Digest.of(b"hello"))

    @pytest.mark.parametrize("data", [b"", b"hello", random_bytes(6 * MIB)], ids=len)
    def test_nothing_is_left_of_an_upload_that_is_cleared(self, store: Store, data: bytes) -> None:
        upload_id = upload_of(store, data)
        store.clear(upload_id)
        store.clear(upload_id)
        with pytest.raises(UploadUnknown):
            store.commit(upload_id, Digest.of(data))
        assert list(store.uploads()) == []

    def test_clearing_leaves_the_blob_that_was_made(self, stores: Stores) -> None:
        location = stored(stores(), b"hello")
        stores().clear(location.split("/")[-1])
        assert read(stores(), location) == b"hello"

    @pytest.mark.parametrize(
        "upload_id", ["0" * 32, "", "../../etc/passwd", "A" * 32, "0" * 31 + "/"]
    )
    def test_an_id_that_was_never_given_is_unknown(self, store: Store, upload_id: str) -> None:
        started(store)
        with pytest.raises(UploadUnknown):
            store.upload_size(upload_id)
        with pytest.raises(UploadUnknown):
            store.append(upload_id, 0, io.BytesIO(b"x"), 1)
        with pytest.raises(UploadUnknown):
            store.commit(upload_id, Digest.of(b""))
        store.abort(upload_id)
        store.clear(upload_id)

    def test_an_id_that_is_none_begins_nothing(self, store: Store) -> None:
        with pytest.raises(UploadUnknown):
            store.start_upload("../../etc/passwd")

    @pytest.mark.parametrize(
        "location",
        [
            "",
            "sha256/aa/../../../etc/passwd",
            f"sha256/ab/{'c' * 64}",
            f"sha256/cc/{'c' * 64}",
            f"ab/{'c' * 32}",
            f"cc/{'c' * 32}",
            "/etc/passwd",
            "inline",
        ],
    )
    def test_a_location_that_was_never_given_holds_nothing(
        self, store: Store, location: str
    ) -> None:
        with pytest.raises(BlobMissing):
            store.open(location)
        store.delete(location)

    def test_a_deleted_blob_is_missing(self, store: Store) -> None:
        location = stored(store, b"hello")
        store.delete(location)
        store.delete(location)
        with pytest.raises(BlobMissing):
            store.open(location)
        assert list(store.blobs()) == []

    def test_a_blob_that_is_a_file_says_where(self, store: Store) -> None:
        link = store.link(stored(store, b"hello"), LIFETIME)
        assert not isinstance(link, Path) or link.read_bytes() == b"hello"

    def test_every_blob_and_upload_is_listed(self, store: Store) -> None:
        blobs = {stored(store, bytes(size)): size for size in (0, 1, 10)}
        uploads = {upload_of(store, bytes(size)) for size in (0, 5, 6 * MIB)}
        assert {each.location: each.size for each in store.blobs()} == blobs
        assert {each.id for each in store.uploads()} == uploads

    # Other processes, and other threads

    def test_another_process_goes_on_with_an_upload(self, stores: Stores) -> None:
        data = random_bytes(14 * MIB)
        upload_id = new_upload_id()
        stores().start_upload(upload_id)
        for start, end in itertools.pairwise((0, 3 * MIB, 9 * MIB, 14 * MIB)):
            stores().append(upload_id, start, io.BytesIO(data[start:end]), end - start)
        assert stores().upload_size(upload_id) == len(data)
        assert read(stores(), stores().commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize("committing", ["the same process", "another"])
    def test_a_digest_is_of_all_that_came_whoever_took_it(
        self, stores: Stores, committing: str
    ) -> None:
        first, second = stores(), stores()
        upload_id = upload_of(first, b"he")
        second.append(upload_id, 2, io.BytesIO(b"l"), 1)
        first.append(upload_id, 3, io.BytesIO(b"lo"), 2)
        store = first if committing == "the same process" else second
        with pytest.raises(DigestMismatch):
            store.commit(upload_id, Digest.of(b"helo"))
        assert read(store, store.commit(upload_id, Digest.of(b"hello"))) == b"hello"

    def test_two_requests_do_not_write_to_one_upload(self, store: Store) -> None:
        upload_id = started(store)
        slow = Waiting()
        with ThreadPoolExecutor(1) as beside:
            first = beside.submit(store.append, upload_id, 0, as_stream(slow), None)
            assert slow.is_read.wait(LIMIT)
            try:
                with pytest.raises(UploadBusy):
                    store.append(upload_id, 0, io.BytesIO(b"x"), 1)
                with pytest.raises(UploadBusy):
                    store.commit(upload_id, Digest.of(b""))
            finally:
                slow.may_end.set()
            assert first.result(LIMIT) == 0
        assert store.append(upload_id, 0, io.BytesIO(b"x"), 1) == 1

    @pytest.mark.parametrize("size", [10, 6 * MIB, 11 * MIB])
    def test_the_bytes_of_two_processes_are_never_mixed(self, stores: Stores, size: int) -> None:
        mine, theirs = random_bytes(size, "mine"), random_bytes(size, "theirs")
        upload_id = upload_of(stores(), b"head")
        slow = Waiting(mine)
        ends: dict[bytes, object] = {}
        with ThreadPoolExecutor(1) as beside:
            first = beside.submit(stores().append, upload_id, 4, as_stream(slow), None)
            assert slow.is_read.wait(LIMIT)
            try:
                ends[theirs] = outcome(
                    lambda: stores().append(upload_id, 4, io.BytesIO(theirs), size)
                )
            finally:
                slow.may_end.set()
            ends[mine] = outcome(lambda: first.result(LIMIT))
        refused = [end for end in ends.values() if not isinstance(end, int)]
        (kept,) = (data for data, end in ends.items() if isinstance(end, int))
        assert all(isinstance(each, (UploadBusy, OffsetMismatch)) for each in refused)
        whole = b"head" + kept
        assert read(stores(), stores().commit(upload_id, Digest.of(whole))) == whole

    @pytest.mark.parametrize("size", [10, 11 * MIB])
    def test_an_append_of_what_is_aborted_meanwhile_is_refused(
        self, stores: Stores, size: int
    ) -> None:
        upload_id = upload_of(stores(), b"head")
        slow = Waiting(bytes(size), bytes(6 * MIB))
        with ThreadPoolExecutor(1) as beside:
            first = beside.submit(stores().append, upload_id, 4, as_stream(slow), None)
            assert slow.is_read.wait(LIMIT)
            stores().abort(upload_id)
            slow.may_end.set()
            with pytest.raises(UploadUnknown):
                first.result(LIMIT)
        assert list(stores().uploads()) == []

    def test_of_many_that_finish_at_once_all_have_the_blob(self, stores: Stores) -> None:
        data = random_bytes(6 * MIB)
        upload_id = upload_of(stores(), data)
        with ThreadPoolExecutor(4) as beside:
            ends = list(
                beside.map(
                    lambda store: outcome(lambda: store.commit(upload_id, Digest.of(data))),
                    [stores() for _ in range(4)],
                )
            )
        assert all(isinstance(each, (str, UploadBusy)) for each in ends)
        assert any(isinstance(each, str) for each in ends)
        assert read(stores(), stores().commit(upload_id, Digest.of(data))) == data
        assert list(stores().uploads()) == []


def outcome(act: Callable[[], T]) -> T | StorageError:
    """Return what `act` returns, or the error of a store that it raises."""
    try:
        return act()
    except StorageError as error:
        return error
