"""What a namespace uses is counted exactly, and what doesn't fit is refused."""

import io

import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry.errors import QuotaExceeded
from registry.quota import check_upload, count_used, metered, unlink
from registry.schema import BlobRow, NamespaceRow, RepositoryBlobRow, RepositoryRow
from tests.builders import ADMIN, Given, a_manifest, a_package
from tests.fakes import Stream

ONE = RepositoryName("team/one")
TWO = RepositoryName("team/two")
ELSEWHERE = RepositoryName("others/one")


def used(given: Given, name: str = "team") -> int:
    """Return what is noted, which must be what can be counted."""
    with given.registry.database.session():
        row = NamespaceRow.get(NamespaceRow.name == name)
        assert row.used_bytes == count_used(row)
        return int(row.used_bytes)


def limit(given: Given, quota: int | None, name: str = "team") -> None:
    with given.registry.database.write():
        NamespaceRow.update(quota_bytes=quota).where(NamespaceRow.name == name).execute()


def blobs_of(given: Given, repository: RepositoryName) -> int:
    with given.registry.database.session():
        return int(
            RepositoryBlobRow.select()
            .join(RepositoryRow)
            .where(RepositoryRow.name == repository.text)
            .count()
        )


def test_an_empty_namespace_uses_nothing(given):
    assert used(given) == 0


def test_a_blob_counts_once_however_many_repositories_hold_it(given):
    given.blob(ONE, b"x" * 100)
    given.blob(ONE, b"x" * 100)
    given.blob(TWO, b"x" * 100)
    given.blob(TWO, b"y" * 10)

    assert used(given) == 110


def test_namespaces_count_apart(given):
    given.namespace("others", keys=())
    given.blob(ONE, b"x" * 100)
    given.blob(ELSEWHERE, b"x" * 100)

    assert (used(given), used(given, "others")) == (100, 100)


def test_manifests_count_too(given):
    data = a_manifest(b"x" * 100)
    given.artifact(ONE, b"x" * 100)

    assert used(given) == len(data) + 100 + len(media.EMPTY_JSON)

    given.artifact(ONE, b"x" * 100, tag="v2")
    given.artifact(TWO, b"x" * 100)

    assert used(given) == len(data) + 100 + len(media.EMPTY_JSON)


def test_bytes_that_are_both_a_blob_and_a_manifest_count_once(given):
    data = a_manifest(b"x")
    given.artifact(ONE, b"x")
    before = used(given)

    given.blob(ONE, data)

    assert used(given) == before


def test_what_is_unlinked_counts_until_nothing_of_the_namespace_holds_it(given):
    digest = given.blob(ONE, b"x" * 100)
    given.blob(TWO, b"x" * 100)

    given.registry.blobs.delete(ADMIN, ONE, digest)
    assert used(given) == 100

    given.registry.blobs.delete(ADMIN, TWO, digest)
    assert used(given) == 0


def test_a_deleted_manifest_counts_no_more(given):
    digest = given.artifact(ONE, b"x" * 100)

    given.registry.manifests.delete(ADMIN, ONE, digest)

    assert used(given) == 100 + len(media.EMPTY_JSON)


def test_a_published_release_with_its_receipt_counts_all_of_it(given):
    given.publish(a_package())

    assert used(given) > 0


def test_a_bundle_counts_in_its_own_namespace_too(given):
    package = a_package()
    given.publish(package)
    before = used(given)
    application = a_package("team/app").name

    given.bundle(application, package)

    assert used(given) > before


def test_what_fits_exactly_is_taken_and_one_byte_more_is_not(given):
    limit(given, 100)
    given.blob(ONE, b"x" * 60)
    given.blob(ONE, b"y" * 40)

    with pytest.raises(QuotaExceeded) as refused:
        given.blob(ONE, b"z")

    error = refused.value
    assert (error.namespace, error.quota, error.used, error.asked) == ("team", 100, 100, 1)
    assert str(error) == "team uses 100 of its quota of 100 bytes; 1 more don't fit"
    assert used(given) == 100
    assert blobs_of(given, ONE) == 2


def test_a_blob_that_the_namespace_has_costs_nothing(given):
    given.blob(ONE, b"x" * 100)
    limit(given, 100)

    given.blob(ONE, b"x" * 100)
    given.blob(TWO, b"x" * 100)

    assert used(given) == 100


def test_a_quota_below_what_is_used_refuses_until_there_is_room(given):
    digest = given.blob(ONE, b"x" * 100)
    limit(given, 50)
    with pytest.raises(QuotaExceeded):
        given.blob(ONE, b"y")

    given.registry.blobs.delete(ADMIN, ONE, digest)

    given.blob(ONE, b"y")
    assert used(given) == 1


def test_a_quota_of_nothing_takes_nothing(given):
    limit(given, 0)

    with pytest.raises(QuotaExceeded):
        given.blob(ONE, b"x")
    given.blob(ONE, b"")


def test_a_manifest_that_does_not_fit_leaves_nothing(given):
    given.blob(ONE, media.EMPTY_JSON)
    limit(given, 10)

    with pytest.raises(QuotaExceeded):
        given.manifest(ONE, a_manifest(), reference=Tag("v1"))

    assert used(given) == len(media.EMPTY_JSON)
    assert given.registry.manifests.find(ADMIN, ONE, Tag("v1")) is None


def test_a_mount_from_another_namespace_costs(given):
    given.namespace("others", keys=())
    digest = given.blob(ELSEWHERE, b"x" * 100)
    limit(given, 99)

    with pytest.raises(QuotaExceeded):
        given.registry.uploads.mount(ADMIN, ONE, digest, ELSEWHERE)
    limit(given, 100)
    given.registry.uploads.mount(ADMIN, ONE, digest, ELSEWHERE)

    assert used(given) == 100


def test_a_mount_within_the_namespace_costs_nothing(given):
    digest = given.blob(ONE, b"x" * 100)
    limit(given, 100)

    given.registry.uploads.mount(ADMIN, TWO, digest, ONE)

    assert blobs_of(given, TWO) == 1


class TestBeforeBytesAreTaken:
    def test_a_namespace_without_a_quota_takes_any_size(self, given):
        with given.registry.database.session():
            check_upload("team", 1 << 60)

    def test_a_namespace_that_is_not_there_yet_has_no_quota(self, given):
        with given.registry.database.session():
            check_upload("new", 1 << 60)

    def test_what_can_not_fit_is_refused(self, given):
        given.blob(ONE, b"x" * 50)
        limit(given, 100)

        with given.registry.database.session():
            check_upload("team", 50)
            with pytest.raises(QuotaExceeded, match="uses 50 of its quota of 100 bytes; 51 more"):
                check_upload("team", 51)

    def test_a_known_blob_of_the_namespace_is_let_through(self, given):
        digest = given.blob(ONE, b"x" * 100)
        limit(given, 100)

        with given.registry.database.session():
            check_upload("team", 100, digest)
            with pytest.raises(QuotaExceeded):
                check_upload("team", 100, Digest.of(b"y"))

    def test_an_unknown_one_may_be_as_large_as_the_largest_that_is_there(self, given):
        given.blob(ONE, b"x" * 100)
        limit(given, 100)

        with given.registry.database.session():
            check_upload("team", 100)
            with pytest.raises(QuotaExceeded):
                check_upload("team", 101)

    def test_an_endless_body_stops_at_the_quota(self, given):
        limit(given, 1000)

        class Endless(Stream):
            taken = 0

            def read(self, size: int = -1, /) -> bytes:
                self.taken += size
                return b"x" * size

        endless = Endless()
        with given.registry.database.session():
            stream = metered("team", endless, 300, None)
            with pytest.raises(QuotaExceeded):
                stream.readall()  # type: ignore[attr-defined]

        assert 300 + endless.taken <= 1000 + io.DEFAULT_BUFFER_SIZE

    def test_a_metered_stream_gives_the_bytes_unchanged(self, given):
        limit(given, 1000)

        with given.registry.database.session():
            stream = metered("team", io.BytesIO(b"abcdef"), 0, None)
            buffer = bytearray(4)
            assert stream.readable()
            assert stream.readinto(buffer) == 4  # type: ignore[attr-defined]
            assert bytes(buffer) == b"abcd"
            assert stream.read(9) == b"ef"
            assert stream.read(9) == b""


def test_unlinking_what_is_still_held_changes_nothing(given):
    given.blob(ONE, b"x" * 100)

    with given.registry.database.write():
        repository = RepositoryRow.get(RepositoryRow.name == ONE.text)
        unlink(repository, BlobRow.get(BlobRow.size == 100))

    assert used(given) == 100


class TestUploads:
    def test_a_declared_length_that_can_not_fit_is_refused_unread(self, given):
        limit(given, 100)
        upload = given.registry.uploads.start(ADMIN, ONE)
        stream = io.BytesIO(b"x" * 101)

        with pytest.raises(QuotaExceeded):
            given.registry.uploads.append(ADMIN, ONE, upload.id, stream, length=101)

        assert stream.tell() == 0

    def test_chunks_count_together(self, given):
        limit(given, 100)
        uploads = given.registry.uploads
        upload = uploads.start(ADMIN, ONE)
        uploads.append(ADMIN, ONE, upload.id, io.BytesIO(b"x" * 60))

        with pytest.raises(QuotaExceeded):
            uploads.append(ADMIN, ONE, upload.id, io.BytesIO(b"x" * 41), length=41)
        done = uploads.append(ADMIN, ONE, upload.id, io.BytesIO(b"x" * 40), length=40)
        uploads.finish(ADMIN, ONE, upload.id, Digest.of(b"x" * 100))

        assert done.size == 100
        assert used(given) == 100

    def test_a_body_of_unknown_length_stops(self, given):
        limit(given, 100)
        upload = given.registry.uploads.start(ADMIN, ONE)

        with pytest.raises(QuotaExceeded, match=r"uses 0 of its quota of 100 bytes"):
            given.registry.uploads.append(ADMIN, ONE, upload.id, io.BytesIO(b"x" * (1 << 22)))

    def test_the_one_that_comes_second_is_refused_and_may_go_on_once_there_is_room(self, given):
        limit(given, 100)
        uploads = given.registry.uploads
        first, second = uploads.start(ADMIN, ONE), uploads.start(ADMIN, TWO)
        uploads.append(ADMIN, ONE, first.id, io.BytesIO(b"x" * 60))
        uploads.append(ADMIN, TWO, second.id, io.BytesIO(b"y" * 60))
        kept = uploads.finish(ADMIN, ONE, first.id, Digest.of(b"x" * 60))

        with pytest.raises(QuotaExceeded):
            uploads.finish(ADMIN, TWO, second.id, Digest.of(b"y" * 60))
        given.registry.blobs.delete(ADMIN, ONE, kept.digest)
        uploads.finish(ADMIN, TWO, second.id, Digest.of(b"y" * 60))

        assert used(given) == 60

    def test_a_known_blob_may_be_pushed_again_when_the_quota_is_used_up(self, given):
        given.blob(ONE, b"x" * 100)
        limit(given, 100)
        uploads = given.registry.uploads
        upload = uploads.start(ADMIN, TWO)

        uploads.append(ADMIN, TWO, upload.id, io.BytesIO(b"x" * 100))
        uploads.finish(ADMIN, TWO, upload.id, Digest.of(b"x" * 100))

        assert used(given) == 100
