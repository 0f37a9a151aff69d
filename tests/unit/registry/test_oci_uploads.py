"""Uploads: whole, in chunks, resumed, mounted; by whom, and what a broken one leaves."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import BinaryIO, cast

import pytest

from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from artifacts.reference import RepositoryName
from registry.access import Principal, Role
from registry.errors import (
    BlobUnknown,
    BodyTooShort,
    Denied,
    NamespaceUnknown,
    NotAuthenticated,
    OffsetConflict,
    OutOfScope,
    UploadInUse,
    UploadUnknown,
)
from registry.oci.blobs import BlobInfo
from registry.oci.uploads import Upload
from registry.schema import CondemnedRow, UploadRow
from registry.scopes import of_repository
from storage.errors import StoreUnavailable
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    a_principal,
)
from tests.fakes import Stream

TOOLS = RepositoryName("team/tools")
OTHER = RepositoryName("team/other")
HELLO = Digest.of(b"hello")


def stream(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


def read(given: Given, repository: RepositoryName, digest: Digest) -> bytes:
    info = given.registry.blobs.stat(ADMIN, repository, digest)
    with given.registry.blobs.open(info) as opened:
        return opened.read()


def uploads_left(given: Given) -> int:
    return len(list((given.data / "uploads").glob("*")))


def test_a_blob_is_pushed_in_one_go(given: Given) -> None:
    pushed = given.registry.uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hello"), 5)
    assert (pushed.digest, pushed.size) == (HELLO, 5)
    assert read(given, TOOLS, HELLO) == b"hello"
    assert uploads_left(given) == 0


def test_the_same_blob_twice_is_one(given: Given) -> None:
    first = given.registry.uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hello"), 5)
    again = given.registry.uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hello"), None)
    assert again == first


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_digests_of_sha512_and_empty_blobs_are_taken(given: Given, data: bytes) -> None:
    digest = Digest.of(data, "sha512")
    given.registry.uploads.push(PUBLISHER, TOOLS, digest, stream(data), len(data))
    assert read(given, TOOLS, digest) == data


def test_an_upload_comes_in_chunks_and_its_end_with_the_digest(given: Given) -> None:
    uploads = given.registry.uploads
    begun = uploads.start(PUBLISHER, TOOLS)
    assert begun.size == 0
    assert uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"he"), offset=0, length=2).size == 2
    assert uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"l")).size == 3
    assert uploads.status(PUBLISHER, TOOLS, begun.id) == Upload(begun.id, TOOLS, 3)

    ended = uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO, stream(b"lo"), offset=3, length=2)

    assert ended == BlobInfo(HELLO, 5, ended.location)
    assert read(given, TOOLS, HELLO) == b"hello"
    assert uploads_left(given) == 0


def test_an_upload_may_end_without_more_bytes(given: Given) -> None:
    begun = given.registry.uploads.start(PUBLISHER, TOOLS)
    given.registry.uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hello"))
    given.registry.uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO)
    assert read(given, TOOLS, HELLO) == b"hello"


def test_bytes_that_do_not_follow_are_refused_with_where_to_go_on(given: Given) -> None:
    begun = given.registry.uploads.start(PUBLISHER, TOOLS)
    given.registry.uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hel"))
    for offset in (0, 2, 4):
        with pytest.raises(OffsetConflict) as refused:
            given.registry.uploads.append(
                PUBLISHER, TOOLS, begun.id, stream(b"lo"), offset=offset, length=2
            )
        assert (refused.value.size, refused.value.found) == (3, offset)


def test_what_came_before_a_connection_broke_is_kept(given: Given) -> None:
    uploads = given.registry.uploads
    begun = uploads.start(PUBLISHER, TOOLS)
    with pytest.raises(BodyTooShort) as cut:
        uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hel"), offset=0, length=5)
    assert (cut.value.expected, cut.value.found, cut.value.size) == (5, 3, 3)

    uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO, stream(b"lo"), offset=3, length=2)

    assert read(given, TOOLS, HELLO) == b"hello"


def test_a_whole_push_that_is_cut_short_leaves_nothing(given: Given) -> None:
    with pytest.raises(BodyTooShort):
        given.registry.uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hel"), 5)
    with pytest.raises(BlobUnknown):
        given.registry.blobs.stat(ADMIN, TOOLS, HELLO)
    assert uploads_left(given) == 0


def test_bytes_of_another_digest_are_refused_naming_both(given: Given) -> None:
    found = Digest.of(b"hallo")
    with pytest.raises(DigestMismatch) as refused:
        given.registry.uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hallo"), 5)
    assert (refused.value.expected, refused.value.found) == (str(HELLO), str(found))
    for digest in (HELLO, found):
        with pytest.raises(BlobUnknown):
            given.registry.blobs.stat(ADMIN, TOOLS, digest)
    assert uploads_left(given) == 0


def test_an_upload_with_another_digest_stays_open(given: Given) -> None:
    uploads = given.registry.uploads
    begun = uploads.start(PUBLISHER, TOOLS)
    uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hello"))
    with pytest.raises(DigestMismatch):
        uploads.finish(PUBLISHER, TOOLS, begun.id, Digest.of(b"other"))
    assert uploads.status(PUBLISHER, TOOLS, begun.id).size == 5

    uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO)

    assert read(given, TOOLS, HELLO) == b"hello"


Act = Callable[[Given, Principal, RepositoryName, str], object]
ACTS: dict[str, Act] = {
    "append": lambda given, who, where, upload: given.registry.uploads.append(
        who, where, upload, stream(b"x")
    ),
    "status": lambda given, who, where, upload: given.registry.uploads.status(who, where, upload),
    "finish": lambda given, who, where, upload: given.registry.uploads.finish(
        who, where, upload, HELLO
    ),
    "cancel": lambda given, who, where, upload: given.registry.uploads.cancel(who, where, upload),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
class TestWhichUpload:
    def test_one_that_never_was_is_unknown(self, given: Given, act: Act) -> None:
        for upload_id in ("0" * 32, "../../etc/passwd", ""):
            with pytest.raises(UploadUnknown, match="no upload"):
                act(given, PUBLISHER, TOOLS, upload_id)

    def test_one_of_another_repository_is_unknown(self, given: Given, act: Act) -> None:
        begun = given.registry.uploads.start(PUBLISHER, OTHER)
        with pytest.raises(UploadUnknown):
            act(given, PUBLISHER, TOOLS, begun.id)

    def test_one_that_ended_is_unknown(self, given: Given, act: Act) -> None:
        uploads = given.registry.uploads
        ended = uploads.start(PUBLISHER, TOOLS)
        uploads.finish(PUBLISHER, TOOLS, ended.id, HELLO, stream(b"hello"))
        cancelled = uploads.start(PUBLISHER, TOOLS)
        uploads.cancel(PUBLISHER, TOOLS, cancelled.id)
        for upload_id in (ended.id, cancelled.id):
            with pytest.raises(UploadUnknown):
                act(given, PUBLISHER, TOOLS, upload_id)
        assert uploads_left(given) == 0

    def test_one_in_a_namespace_of_others_is_not_theirs(self, given: Given, act: Act) -> None:
        begun = given.registry.uploads.start(PUBLISHER, TOOLS)
        with pytest.raises(NamespaceUnknown):
            act(given, STRANGER, TOOLS, begun.id)
        with pytest.raises(NotAuthenticated):
            act(given, NOBODY, TOOLS, begun.id)
        with pytest.raises(Denied):
            act(given, READER, TOOLS, begun.id)


@pytest.mark.parametrize("act", [ACTS["append"], ACTS["status"], ACTS["finish"]])
def test_an_upload_whose_bytes_are_lost_is_unknown(given: Given, act: Act) -> None:
    begun = given.registry.uploads.start(PUBLISHER, TOOLS)
    (given.data / "uploads" / begun.id).unlink()
    with pytest.raises(UploadUnknown):
        act(given, PUBLISHER, TOOLS, begun.id)


class _Waiting(Stream):
    """A body that gives one byte, and no end until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = Event()
        self.may_end = Event()
        self._given = False

    def read(self, size: int = -1) -> bytes:
        del size
        if not self._given:
            self._given = True
            return b"x"
        self.is_read.set()
        assert self.may_end.wait(10)
        return b""


def test_two_requests_cannot_write_one_upload(given: Given) -> None:
    uploads = given.registry.uploads
    begun = uploads.start(PUBLISHER, TOOLS)
    body = _Waiting()
    with ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(uploads.append, PUBLISHER, TOOLS, begun.id, cast(BinaryIO, body))
        assert body.is_read.wait(10)

        with pytest.raises(UploadInUse, match="another request is writing"):
            uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"y"))

        body.may_end.set()
        assert first.result().size == 1


class TestWho:
    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (NOBODY, NotAuthenticated),
            (READER, Denied),
            (PROMOTER, Denied),
            (STRANGER, NamespaceUnknown),
        ],
    )
    def test_others_than_publishers_push_nothing(self, given: Given, principal, refusal) -> None:
        uploads = given.registry.uploads
        for act in (
            lambda: uploads.start(principal, TOOLS),
            lambda: uploads.push(principal, TOOLS, HELLO, stream(b"hello"), 5),
            lambda: uploads.mount(principal, TOOLS, HELLO, None),
        ):
            with pytest.raises(refusal):
                act()
        assert uploads_left(given) == 0

    def test_an_administrators_push_makes_the_namespace(self, given: Given) -> None:
        given.registry.uploads.push(ADMIN, RepositoryName("new/tools"), HELLO, stream(b"hello"), 5)
        made = given.registry.namespaces.get(ADMIN, "new")
        assert (made.owner, made.public) == ("admin", False)

    def test_nobody_elses_push_makes_one(self, given: Given) -> None:
        for publisher in (STRANGER, a_principal(Role.PUBLISHER)):
            with pytest.raises(NamespaceUnknown):
                given.registry.uploads.start(publisher, RepositoryName("others/tools"))


class TestMount:
    def test_a_blob_that_may_be_pulled_there_is_linked_here(self, given: Given) -> None:
        given.artifact(OTHER, b"hello")
        mounted = given.registry.uploads.mount(PUBLISHER, TOOLS, HELLO, OTHER)
        assert isinstance(mounted, BlobInfo)
        assert read(given, TOOLS, HELLO) == b"hello"

    def test_one_of_a_public_namespace_too(self, given: Given) -> None:
        given.namespace("open", public=True)
        given.artifact(RepositoryName("open/base"), b"hello")
        mounted = given.registry.uploads.mount(PUBLISHER, TOOLS, HELLO, RepositoryName("open/base"))
        assert isinstance(mounted, BlobInfo)

    @pytest.mark.parametrize("there", ["team/other", "open/base"])
    def test_without_a_source_it_is_found_wherever_it_may_be_pulled(
        self, given: Given, there: str
    ) -> None:
        given.namespace("open", public=True)
        given.artifact(RepositoryName(there), b"hello")
        mounted = given.registry.uploads.mount(PUBLISHER, TOOLS, HELLO, None)
        assert isinstance(mounted, BlobInfo)
        assert read(given, TOOLS, HELLO) == b"hello"

    def test_it_is_found_although_many_others_hold_it_who_do_not_show_it(
        self, given: Given
    ) -> None:
        for number in range(30):
            given.blob(RepositoryName(f"private/r{number}"), b"hello")
            given.blob(RepositoryName(f"open/r{number}"), b"hello")
        given.registry.namespaces.set_public(ADMIN, "open", public=True)
        assert isinstance(given.registry.uploads.mount(PUBLISHER, TOOLS, HELLO, None), Upload)
        given.artifact(RepositoryName("open/base"), b"hello")
        assert isinstance(given.registry.uploads.mount(PUBLISHER, TOOLS, HELLO, None), BlobInfo)

    @pytest.mark.parametrize("source", [OTHER, None])
    def test_a_bearer_token_that_is_not_for_it_has_to_be_widened(
        self, given: Given, source: RepositoryName | None
    ) -> None:
        given.artifact(OTHER, b"hello")
        here = of_repository(TOOLS.text, "pull", "push")
        narrow = replace(PUBLISHER, scopes=frozenset({here}))
        with pytest.raises(OutOfScope, match="isn't for pull on team/other"):
            given.registry.uploads.mount(narrow, TOOLS, HELLO, source)

        wide = replace(PUBLISHER, scopes=frozenset({here, of_repository(OTHER.text, "pull")}))
        assert isinstance(given.registry.uploads.mount(wide, TOOLS, HELLO, source), BlobInfo)

    def test_a_bearer_token_learns_nothing_of_what_nobody_may_show_it(self, given: Given) -> None:
        given.artifact(RepositoryName("private/base"), b"hello")
        here = of_repository(TOOLS.text, "pull", "push")
        narrow = replace(PUBLISHER, scopes=frozenset({here}))
        for source in (RepositoryName("private/base"), None):
            assert isinstance(given.registry.uploads.mount(narrow, TOOLS, HELLO, source), Upload)

    @pytest.mark.parametrize("source", ["private/base", "team/none", "no-such/base", None])
    def test_else_an_upload_begins_and_nothing_is_told(
        self, given: Given, source: str | None
    ) -> None:
        given.artifact(RepositoryName("private/base"), b"hello")
        mounted = given.registry.uploads.mount(
            PUBLISHER, TOOLS, HELLO, None if source is None else RepositoryName(source)
        )
        assert isinstance(mounted, Upload)
        assert mounted.size == 0
        with pytest.raises(BlobUnknown):
            given.registry.blobs.stat(PUBLISHER, TOOLS, HELLO)

    def test_a_staged_blob_is_not_mounted_by_who_may_not_see_it(
        self, given: Given, package
    ) -> None:
        given.push(package)
        given.namespace("open", public=True)
        given.registry.namespaces.set_public(ADMIN, "team", public=True)
        config = Digest.of(package.config)
        mounter = a_principal(Role.PUBLISHER, "open")

        mounted = given.registry.uploads.mount(
            mounter, RepositoryName("open/copy"), config, package.repository
        )

        assert isinstance(mounted, Upload)


def test_what_was_begun_long_ago_is_ended(given: Given) -> None:
    uploads = given.registry.uploads
    old = uploads.start(PUBLISHER, TOOLS)
    given.clock.advance(timedelta(hours=2))
    new = uploads.start(PUBLISHER, TOOLS)

    assert uploads.expire(timedelta(hours=1)) == 1

    with pytest.raises(UploadUnknown):
        uploads.status(PUBLISHER, TOOLS, old.id)
    assert uploads.status(PUBLISHER, TOOLS, new.id).size == 0
    assert uploads_left(given) == 1


class TestBytesWithoutABlob:
    """Whatever happens, bytes in the store are told of by a row, or gone."""

    def test_of_two_pushes_of_one_digest_the_seconds_bytes_are_condemned(
        self, given: Given
    ) -> None:
        uploads = given.registry.uploads
        first = uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hello"), 5)
        second = uploads.start(PUBLISHER, OTHER)
        ended = uploads.finish(PUBLISHER, OTHER, second.id, HELLO, stream(b"hello"))
        assert ended.location == first.location
        assert condemned(given) == {f"{second.id[:2]}/{second.id}"}
        assert read(given, OTHER, HELLO) == b"hello"

    def test_one_that_is_ending_takes_no_bytes_and_is_no_blob(self, given: Given) -> None:
        uploads = given.registry.uploads
        begun = uploads.start(PUBLISHER, TOOLS)
        uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hello"))
        with given.registry.database.write():
            UploadRow.update(is_ending=True).execute()
        for act in ACTS.values():
            with pytest.raises(UploadUnknown):
                act(given, PUBLISHER, TOOLS, begun.id)
        assert uploads.expire(timedelta(days=7)) == 1
        assert uploads_left(given) == 0

    def test_one_that_is_ended_while_it_commits_is_no_blob_and_leaves_nothing(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uploads = given.registry.uploads
        begun = uploads.start(PUBLISHER, TOOLS)
        uploads.append(PUBLISHER, TOOLS, begun.id, stream(b"hello"))
        store = given.registry.store
        commit = store.commit

        def commit_then_mark(upload_id: str, digest: Digest) -> str:
            location = commit(upload_id, digest)
            with given.registry.database.write():
                UploadRow.update(is_ending=True).execute()
            return location

        monkeypatch.setattr(store, "commit", commit_then_mark)
        with pytest.raises(UploadUnknown):
            uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO)
        with pytest.raises(BlobUnknown):
            given.registry.blobs.stat(ADMIN, TOOLS, HELLO)
        assert condemned(given) == {f"{begun.id[:2]}/{begun.id}"}

    def test_while_the_store_is_away_the_row_of_a_push_stays_and_expires_later(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uploads, store = given.registry.uploads, given.registry.store

        def away(*_: object) -> None:
            raise StoreUnavailable("the store", "it is away")

        with monkeypatch.context() as while_away:
            while_away.setattr(store, "append", away)
            while_away.setattr(store, "abort", away)
            with pytest.raises(StoreUnavailable):
                uploads.push(PUBLISHER, TOOLS, HELLO, stream(b"hello"), 5)
        assert uploads_left(given) == 1
        assert uploads.expire(timedelta(days=7)) == 1
        assert uploads_left(given) == 0


def condemned(given: Given) -> set[str]:
    with given.registry.database.session():
        return {row.location for row in CondemnedRow.select()}
