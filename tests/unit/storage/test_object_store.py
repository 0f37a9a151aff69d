"""What only a bucket can do wrong: other writers, servers that are away, lie or lose things."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from storage import object_store
from storage.config import Sdk
from storage.errors import (
    BlobMissing,
    OffsetMismatch,
    StoreUnavailable,
    UploadBusy,
    UploadClosed,
    UploadUnknown,
)
from storage.object_store import ObjectStore
from storage.states import State, part_size
from storage.uploads import new_upload_id
from tests.contracts.blob_store import random_bytes
from tests.s3_twin import Answer, Away, Call, S3Twin, a_bucket, a_store, refused

MIB = 1024 * 1024
HELLO = Digest.of(b"hello")
PREFIX = "some/where/"


@pytest.fixture(params=Sdk)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    return request.param


@pytest.fixture
def twin() -> S3Twin:
    return S3Twin()


@pytest.fixture
def store(twin: S3Twin, sdk: Sdk) -> ObjectStore:
    return a_store(twin, sdk)


def started(store: ObjectStore, data: bytes | None = None) -> str:
    upload_id = new_upload_id()
    store.start_upload(upload_id)
    if data is not None:
        append(store, upload_id, 0, data)
    return upload_id


def append(store: ObjectStore, upload_id: str, offset: int, data: bytes) -> int:
    return store.append(upload_id, offset, io.BytesIO(data), len(data))


def read(store: ObjectStore, location: str) -> bytes:
    with store.open(location) as stream:
        return stream.read()


@dataclass
class Once:
    """Does something before the first call of a name, and then no more."""

    operation: str
    act: Callable[[], object]
    suffix: str = ""
    calls: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer | None:
        if not self.calls and call.operation == self.operation and call.key.endswith(self.suffix):
            self.calls.append(call)
            found = self.act()
            return found if isinstance(found, Answer) else None
        return None


def away() -> None:
    raise Away


def take_numbers(twin: S3Twin, store: ObjectStore, upload_id: str, offset: int = 0) -> None:
    """Begin to write parts, and get no further."""
    twin.before = Once("UploadPart", away)
    with pytest.raises(StoreUnavailable):
        append(store, upload_id, offset, bytes(6 * MIB))


class TestRequests:
    def test_a_small_blob_is_four_requests(self, store: ObjectStore, twin: S3Twin) -> None:
        store.abort(started(store))  # the first of a process asks more
        del twin.calls[:]
        store.commit(started(store, b"hello"), HELLO)
        assert twin.operations == ["PutObject", "PutObject", "PutObject", "DeleteObject"]

    def test_under_a_part_there_is_no_multipart_upload(
        self, store: ObjectStore, twin: S3Twin
    ) -> None:
        data = random_bytes(5 * MIB - 1)
        store.commit(started(store, data), Digest.of(data))
        assert "CreateMultipartUpload" not in twin.operations

    def test_no_object_is_ever_copied(self, store: ObjectStore, twin: S3Twin) -> None:
        data = random_bytes(11 * MIB)
        store.commit(started(store, data), Digest.of(data))
        assert not any("X-Amz-Copy-Source" in call.headers for call in twin.calls)

    def test_a_commit_that_saw_every_byte_reads_none_of_them_again(
        self, store: ObjectStore, twin: S3Twin
    ) -> None:
        data = random_bytes(11 * MIB)
        location = store.commit(started(store, data), Digest.of(data))
        key = f"{PREFIX}blobs/{location}"
        assert not [each for each in twin.calls if (each.method, each.key) == ("GET", key)]

    def test_nothing_is_asked_for_a_link(self, store: ObjectStore, twin: S3Twin) -> None:
        link = store.link("ab/ab" + "0" * 30, timedelta(minutes=5))
        assert link is not None
        assert link.startswith("http://s3.test/bucket/some/where/blobs/ab/ab000")
        assert "X-Amz-Expires=300" in link
        assert twin.calls == []

    def test_what_is_no_location_has_no_link(self, store: ObjectStore) -> None:
        assert store.link("inline", timedelta(minutes=5)) is None

    def test_a_link_is_signed_for_the_host_that_clients_reach(self, twin: S3Twin, sdk: Sdk) -> None:
        bucket = a_bucket(twin, sdk, public_endpoint="https://blobs.example.org")
        link = bucket.presign("a/key", timedelta(minutes=5))
        assert link.startswith("https://blobs.example.org/bucket/a/key?")

    def test_a_bucket_may_be_named_in_the_host(self, twin: S3Twin, sdk: Sdk) -> None:
        bucket = a_bucket(twin, sdk, is_path_style=False)
        if sdk is Sdk.BOTO3:
            link = bucket.presign("key", timedelta(minutes=5))
            assert link.startswith("http://bucket.s3.test/key?")

    def test_a_child_process_has_connections_of_its_own(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_id = started(store, b"hello")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert read(store, store.commit(upload_id, HELLO)) == b"hello"


class TestParts:
    def test_parts_grow_so_that_large_blobs_fit(self) -> None:
        assert {part_size(number) for number in range(1, 1000)} == {5 * MIB}
        assert part_size(1000) == 10 * MIB
        assert sum(part_size(number) for number in range(1, 10_001)) > 250 * 1024 * MIB

    def test_a_part_more_than_there_can_be_is_refused(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(object_store, "LAST_NUMBER", 2)
        upload_id = started(store)
        with pytest.raises(StoreUnavailable, match="push it as several blobs"):
            append(store, upload_id, 0, bytes(15 * MIB))

    def test_numbers_are_taken_before_parts_are_written(
        self, store: ObjectStore, twin: S3Twin
    ) -> None:
        upload_id = started(store, random_bytes(6 * MIB))
        names = [name for name in twin.operations if name != "GetObject"]
        begin = names.index("CreateMultipartUpload")
        assert names[begin:] == ["CreateMultipartUpload", "PutObject", "UploadPart", "PutObject"]
        assert store.upload_size(upload_id) == 6 * MIB

    def test_more_numbers_are_taken_when_they_run_out(
        self, store: ObjectStore, twin: S3Twin
    ) -> None:
        data = bytes(5 * MIB) * 10
        upload_id = started(store, data)
        states = [call for call in twin.calls if call.key.endswith("/state")]
        assert len([call for call in states if call.operation == "PutObject"]) >= 4
        assert len(read(store, store.commit(upload_id, Digest.of(data)))) == len(data)


class TestOtherWriters:
    def test_of_two_processes_the_late_one_is_told(self, twin: S3Twin, sdk: Sdk) -> None:
        first, second = a_store(twin, sdk), a_store(twin, sdk)
        upload_id = started(first, b"hel")
        twin.before = Once("PutObject", lambda: append(second, upload_id, 3, b"LO"))
        with pytest.raises(OffsetMismatch) as refused:
            append(first, upload_id, 3, b"lo")
        assert (refused.value.expected, refused.value.found) == (5, 3)
        assert read(first, first.commit(upload_id, Digest.of(b"helLO"))) == b"helLO"

    def test_one_that_only_took_numbers_makes_the_other_busy(self, twin: S3Twin, sdk: Sdk) -> None:
        upload_id = started(a_store(twin, sdk))
        twin.before = Once("PutObject", lambda: take_numbers(twin, a_store(twin, sdk), upload_id))
        with pytest.raises(UploadBusy):
            append(a_store(twin, sdk), upload_id, 0, b"lo")

    @pytest.mark.parametrize("size", [2, 6 * MIB])
    def test_one_that_took_numbers_and_died_is_in_nobodys_way(
        self, twin: S3Twin, sdk: Sdk, size: int
    ) -> None:
        data = random_bytes(3 + size)
        remembering = a_store(twin, sdk)
        upload_id = started(remembering, data[:3])
        take_numbers(twin, a_store(twin, sdk), upload_id, 3)
        append(remembering, upload_id, 3, data[3:])
        location = remembering.commit(upload_id, Digest.of(data))
        assert read(remembering, location) == data
        assert twin.multiparts == {}

    def test_an_upload_that_was_aborted_is_not_gone_on_with(self, twin: S3Twin, sdk: Sdk) -> None:
        remembering = a_store(twin, sdk)
        upload_id = started(remembering, b"hel")
        a_store(twin, sdk).abort(upload_id)
        with pytest.raises(UploadUnknown):
            append(remembering, upload_id, 3, bytes(6 * MIB))
        assert (twin.objects, twin.multiparts) == ({}, {})

    def test_its_multipart_upload_goes_with_it(self, twin: S3Twin, sdk: Sdk) -> None:
        first, second = a_store(twin, sdk), a_store(twin, sdk)
        upload_id = started(first)
        twin.before = Once("CreateMultipartUpload", lambda: append(second, upload_id, 0, b"hi"))
        with pytest.raises(OffsetMismatch):
            append(first, upload_id, 0, bytes(6 * MIB))
        assert twin.multiparts == {}

    def test_a_state_that_is_remembered_is_no_reason_for_a_refusal(
        self, twin: S3Twin, sdk: Sdk
    ) -> None:
        first, second = a_store(twin, sdk), a_store(twin, sdk)
        upload_id = started(first, b"hel")
        append(second, upload_id, 3, b"lo")
        assert append(first, upload_id, 5, b"!") == 6
        append(second, upload_id, 6, b"?")
        assert read(first, first.commit(upload_id, Digest.of(b"hello!?"))) == b"hello!?"

    def test_an_answer_that_was_lost_is_found_again(self, twin: S3Twin, sdk: Sdk) -> None:
        store = a_store(twin, sdk)
        upload_id = started(store)

        def lost(call: Call, answer: Answer) -> Answer:
            if call.operation == "PutObject" and answer.status == 200:
                return refused(412, "PreconditionFailed")  # what a second attempt is told
            return answer

        twin.after = lost
        assert append(store, upload_id, 0, b"hello") == 5
        location = store.commit(upload_id, HELLO)
        assert read(store, location) == b"hello"

    def test_what_another_committed_is_committed(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(6 * MIB)
        first, second = a_store(twin, sdk), a_store(twin, sdk)
        upload_id = started(first, data)
        twin.before = Once(
            "CompleteMultipartUpload", lambda: second.commit(upload_id, Digest.of(data))
        )
        assert read(first, first.commit(upload_id, Digest.of(data))) == data

    def test_a_small_blob_that_is_there_with_other_bytes_is_never_written_over(
        self, twin: S3Twin, sdk: Sdk
    ) -> None:
        first, second = a_store(twin, sdk), a_store(twin, sdk)
        upload_id = started(first, b"hel")

        def overtake() -> None:
            append(second, upload_id, 3, b"lo")
            second.commit(upload_id, HELLO)

        twin.before = Once("PutObject", overtake, upload_id)
        with pytest.raises(DigestMismatch):
            first.commit(upload_id, Digest.of(b"hel"))
        assert read(second, f"{upload_id[:2]}/{upload_id}") == b"hello"

    def test_a_tail_that_two_commits_wrote_is_busy(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(6 * MIB)
        store = a_store(twin, sdk)
        upload_id = started(store, data)
        twin.before = Once("CompleteMultipartUpload", lambda: refused(400, "InvalidPart"))
        with pytest.raises(UploadBusy):
            store.commit(upload_id, Digest.of(data))
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    def test_a_commit_that_never_gets_its_turn_gives_up(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(6 * MIB)
        store = a_store(twin, sdk)
        upload_id = started(store, data)

        def overtaken(call: Call) -> Answer | None:
            is_seal = call.operation == "PutObject" and call.key.endswith("/state")
            return refused(412, "PreconditionFailed") if is_seal else None

        twin.before = overtaken
        with pytest.raises(UploadBusy):
            store.commit(upload_id, Digest.of(data))

    def test_an_upload_that_was_sealed_takes_no_more(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(6 * MIB)
        store = a_store(twin, sdk)
        upload_id = started(store, data)
        twin.before = Once("CompleteMultipartUpload", away)
        with pytest.raises(StoreUnavailable):
            store.commit(upload_id, Digest.of(data))
        with pytest.raises(UploadClosed):
            append(store, upload_id, len(data), b"!")
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    def test_parts_that_somebody_removed_are_lost(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(6 * MIB)
        store = a_store(twin, sdk)
        upload_id = started(store, data)
        twin.multiparts.clear()  # as a rule of the bucket does after some days
        with pytest.raises(UploadUnknown):
            append(store, upload_id, len(data), bytes(6 * MIB))
        with pytest.raises(UploadUnknown):
            store.commit(upload_id, Digest.of(data))

    def test_multipart_uploads_that_nobody_tells_of_go_with_the_commit(
        self, twin: S3Twin, sdk: Sdk
    ) -> None:
        store = a_store(twin, sdk)
        upload_id = started(store, b"hello")
        key = f"{PREFIX}blobs/{upload_id[:2]}/{upload_id}"
        for number in range(5):
            twin.multiparts[f"stray-{number}"] = (key, {})
        twin.multiparts["another's"] = (f"{key}0", {})
        a_store(twin, sdk).commit(upload_id, HELLO)
        assert list(twin.multiparts) == ["another's"]


class TestAway:
    @pytest.mark.parametrize(
        "operation", ["CreateMultipartUpload", "PutObject", "UploadPart", "GetObject"]
    )
    def test_an_append_fails_and_goes_on_later(
        self, twin: S3Twin, sdk: Sdk, operation: str
    ) -> None:
        data = random_bytes(13 * MIB)
        upload_id = started(a_store(twin, sdk), data[:100])
        store = a_store(twin, sdk)
        twin.before = Once(operation, away)
        with pytest.raises(StoreUnavailable, match=r"at http://s3\.test"):
            append(store, upload_id, 100, data[100:])
        size = store.upload_size(upload_id)
        assert size >= 100
        append(store, upload_id, size, data[size:])
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload"])
    def test_a_commit_fails_and_may_be_done_again(
        self, twin: S3Twin, sdk: Sdk, operation: str
    ) -> None:
        data = random_bytes(6 * MIB)
        store = a_store(twin, sdk)
        upload_id = started(store, data)
        twin.before = Once(operation, away)
        with pytest.raises(StoreUnavailable):
            store.commit(upload_id, Digest.of(data))
        assert read(store, store.commit(upload_id, Digest.of(data))) == data

    @pytest.mark.parametrize(
        "attempt",
        [
            lambda store: store.delete("ab/ab" + "0" * 30),
            lambda store: store.open("ab/ab" + "0" * 30),
            lambda store: store.abort("0" * 32),
            lambda store: list(store.blobs()),
            lambda store: list(store.uploads()),
            lambda store: store.start_upload(new_upload_id()),
        ],
    )
    def test_every_other_verb_says_so(
        self, twin: S3Twin, sdk: Sdk, attempt: Callable[[ObjectStore], object]
    ) -> None:
        twin.before = lambda _: away()
        with pytest.raises(StoreUnavailable):
            attempt(a_store(twin, sdk))

    @pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (507, "StorageFull")])
    def test_a_server_that_refuses_is_quoted(
        self, twin: S3Twin, sdk: Sdk, status: int, code: str
    ) -> None:
        store = a_store(twin, sdk)
        upload_id = started(store)
        twin.before = lambda _: refused(status, code)
        with pytest.raises(StoreUnavailable, match=code):
            append(store, upload_id, 0, b"hello")

    def test_an_answer_that_is_not_s3s_is_said(self, twin: S3Twin, sdk: Sdk) -> None:
        twin.before = lambda _: Answer(200, b"<html>log in first")
        with pytest.raises(StoreUnavailable):
            list(a_store(twin, sdk).blobs())

    def test_a_reader_asks_again_where_the_connection_broke(self, twin: S3Twin, sdk: Sdk) -> None:
        data = random_bytes(1 * MIB)
        store = a_store(twin, sdk)
        location = store.commit(started(store, data), Digest.of(data))
        cut = iter([900_000, 100_000])
        twin.after = lambda _, answer: Answer(
            answer.status, answer.body, answer.headers, next(cut, 0)
        )
        assert read(store, location) == data

    def test_a_reader_gives_up_in_the_end(self, twin: S3Twin, sdk: Sdk) -> None:
        store = a_store(twin, sdk)
        location = store.commit(started(store, b"hello"), HELLO)
        twin.after = lambda _, answer: Answer(answer.status, answer.body, answer.headers, 5)
        with store.open(location) as stream, pytest.raises(StoreUnavailable):
            stream.read()

    def test_a_blob_that_goes_while_it_is_read_is_missing(self, twin: S3Twin, sdk: Sdk) -> None:
        store = a_store(twin, sdk)
        location = store.commit(started(store, b"hello"), HELLO)
        with store.open(location) as stream:
            store.delete(location)
            stream.seek(2)
            with pytest.raises(BlobMissing):
                stream.read()


class TestStart:
    def test_a_bucket_that_is_not_there_is_said_with_what_to_do(
        self, twin: S3Twin, sdk: Sdk
    ) -> None:
        twin.has_bucket = False
        with pytest.raises(StoreUnavailable, match="aws s3 mb s3://bucket"):
            a_store(twin, sdk).start_upload(new_upload_id())

    @pytest.mark.parametrize("ignored", ["If-None-Match", "If-Match"])
    def test_a_server_that_heeds_no_conditions_is_refused(
        self, twin: S3Twin, sdk: Sdk, ignored: str
    ) -> None:
        twin.heeds.discard(ignored)
        with pytest.raises(StoreUnavailable, match=f"in spite of {ignored}"):
            a_store(twin, sdk).start_upload(new_upload_id())
        assert twin.objects == {}

    def test_an_id_is_begun_once(self, store: ObjectStore) -> None:
        upload_id = started(store, b"hello")
        with pytest.raises(StoreUnavailable, match="another writer"):
            store.start_upload(upload_id)
        assert store.upload_size(upload_id) == 5

    def test_the_first_of_a_process_may_find_its_id_taken(self, twin: S3Twin, sdk: Sdk) -> None:
        upload_id = started(a_store(twin, sdk), b"hello")
        with pytest.raises(StoreUnavailable, match="another writer"):
            a_store(twin, sdk).start_upload(upload_id)


class TestStates:
    def test_one_is_drawn_as_its_module_says(self, store: ObjectStore, twin: S3Twin) -> None:
        upload_id = started(store, b"hello")
        written = twin.objects[f"{PREFIX}uploads/{upload_id}/state"].data
        assert written[:32] == b"recipebox1 00000000000000000005 "
        length = int(written[32:47])
        drawn = json.loads(written[48 : 48 + length])
        assert drawn.keys() == {
            "multipart",
            "parts",
            "next_number",
            "is_sealed",
            "tail",
            "nonce",
        }
        assert written[48 + length :] == b"hello"

    @pytest.mark.parametrize(
        "written",
        [
            b"",
            b"something else",
            b"recipebox1 %020d %015d\n" % (5, 2) + b"{}",
            b"recipebox1 %020d %015d\n" % (5, 9) + b"not json!",
            State(tail=5).to_bytes() + b"hel",
        ],
    )
    def test_what_is_none_is_said(self, twin: S3Twin, sdk: Sdk, written: bytes) -> None:
        upload_id = started(a_store(twin, sdk))
        key = f"{PREFIX}uploads/{upload_id}/state"
        twin.objects[key] = type(twin.objects[key])(written)
        with pytest.raises(StoreUnavailable, match="state"):
            append(a_store(twin, sdk), upload_id, 0, b"hello")

    def test_things_of_others_in_the_bucket_are_left_alone(
        self, store: ObjectStore, twin: S3Twin
    ) -> None:
        upload_id = started(store, b"hello")
        state = twin.objects[f"{PREFIX}uploads/{upload_id}/state"]
        for key in ("uploads/readme", "blobs/readme", "uploads/a/b"):
            twin.objects[PREFIX + key] = state
        twin.multiparts["theirs"] = (f"{PREFIX}blobs/theirs", {})
        assert [each.id for each in store.uploads()] == [upload_id]
        assert list(store.blobs()) == []

    def test_only_so_many_are_remembered(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(object_store, "_REMEMBERED", 2)
        ids = [started(store, b"hel") for _ in range(4)]
        for upload_id in ids:
            append(store, upload_id, 3, b"lo")
            assert read(store, store.commit(upload_id, HELLO)) == b"hello"


def test_an_open_blob_is_a_stream_that_may_be_wrapped(store: ObjectStore) -> None:
    location = store.commit(started(store, b"hello"), HELLO)
    raw: BinaryIO = store.open(location)
    assert raw.readable()
    assert raw.seekable()
    with io.BufferedReader(raw) as stream:  # type: ignore[type-var]
        assert stream.read(2) == b"he"
        assert stream.read() == b"llo"
