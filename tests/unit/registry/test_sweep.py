"""The sweep: what nothing reaches goes, with its bytes, and nothing else does."""

import io
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import image_index
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.clock import seconds
from registry.errors import (
    BlobUnknown,
    LeaseHeld,
    LeaseLost,
    ManifestBlobUnknown,
    ManifestUnknown,
    ReadOnly,
    UploadUnknown,
)
from registry.leases import LIFETIME
from registry.quota import count_used
from registry.reachability import Closure, Gone, closure_above
from registry.retention import Retention
from registry.reviews import AT_ONCE, Kind, Reason
from registry.schema import (
    AuditRow,
    BlobRow,
    CondemnedRow,
    LeaseRow,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    UploadRow,
)
from registry.sweep import LEASE, LONGEST_REST, Candidate, Pace, Swept
from storage.errors import StoreUnavailable
from storage.filesystem import FilesystemStore
from storage.memory import MemoryStore
from tests.builders import ADMIN, PUBLISHER, READER, Given, Package, a_manifest, a_package

ONE = RepositoryName("team/one")
TWO = RepositoryName("team/two")
APP = PackageName("team", "app")
GRACE = timedelta(days=1)


def sweep(given: Given, **pace: object) -> Swept:
    """Sweep without rests."""
    done = given.registry.sweep.run(Pace(wait=lambda _: None, **pace))  # type: ignore[arg-type]
    check(given)
    return done


def sweep_all(given: Given) -> list[Swept]:
    """Let the grace pass, and sweep, until nothing is left to do."""
    runs = []
    while not runs or runs[-1].reviewed:
        given.clock.advance(GRACE)
        runs.append(sweep(given))
    return runs


def preview(given: Given, grace: int | None = None) -> list[Candidate]:
    return list(given.registry.sweep.preview(grace))


def check(given: Given) -> None:
    """What must hold after every sweep: parts are there, counters are right, garbage is queued."""
    registry = given.registry
    with registry.database.read():
        for row in ManifestPartRow.select(ManifestPartRow, ManifestRow).join(ManifestRow):
            holder = row.manifest.repository_id
            if row.is_manifest:
                found = ManifestRow.select().where(
                    (ManifestRow.repository == holder) & (ManifestRow.digest == row.digest)
                )
            else:
                found = (
                    RepositoryBlobRow.select()
                    .join(BlobRow)
                    .where(
                        (RepositoryBlobRow.repository == holder) & (BlobRow.digest == row.digest)
                    )
                )
            assert found.exists(), f"{row.manifest.digest} lost {row.digest}"
        for namespace in NamespaceRow.select():
            assert namespace.used_bytes == count_used(namespace)
        for manifest in ManifestRow.select():
            closure = closure_above(manifest, Gone())
            digests = [row.digest for row in closure.manifests.values()]
            waits = ReviewRow.select().where(
                (ReviewRow.kind == Kind.MANIFEST)
                & (ReviewRow.repository == manifest.repository_id)
                & ReviewRow.digest.in_(digests)
            )
            assert closure.root or waits.exists(), f"{manifest.digest} is never collected"
        for blob in BlobRow.select().where(BlobRow.location != "inline"):
            registry.store.open(blob.location).close()


def has(given: Given, repository: RepositoryName, digest: Digest) -> bool:
    """Whether a manifest or blob is there for who may push."""
    for part in (given.registry.manifests, given.registry.blobs):
        try:
            part.stat(PUBLISHER, repository, digest)
        except (ManifestUnknown, BlobUnknown):
            continue
        return True
    return False


def stored(given: Given) -> int:
    """How many files the store has."""
    return sum(1 for _ in given.registry.store.blobs())


def an_index(*manifests: bytes, subject: Descriptor | None = None) -> bytes:
    drawn = json.loads(
        image_index(
            artifact_type="application/vnd.example.v1",
            manifests=[Descriptor.of(each, media.MANIFEST) for each in manifests],
        )
    )
    if subject is not None:
        drawn["subject"] = subject.to_json()
    return json.dumps(drawn).encode()


def put_index(
    given: Given, repository: RepositoryName, data: bytes, tag: str | None = None
) -> Digest:
    reference = Digest.of(data) if tag is None else Tag(tag)
    put = given.registry.manifests.put(PUBLISHER, repository, reference, data, media.INDEX)
    return put.info.digest


class TestTags:
    def test_what_a_tag_names_stays_with_its_blobs(self, given: Given) -> None:
        digest = given.artifact(ONE, b"layer")
        sweep_all(given)
        assert has(given, ONE, digest)
        assert has(given, ONE, Digest.of(b"layer"))
        with given.registry.database.session():
            assert ReviewRow.select().count() == 0

    def test_what_lost_its_tag_goes_after_the_grace_step_by_step(self, given: Given) -> None:
        digest = given.artifact(ONE, b"layer")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))

        given.clock.advance(GRACE - timedelta(seconds=1))
        assert sweep(given).manifests == 0
        given.clock.advance(timedelta(seconds=1))
        first = sweep(given)
        assert (first.manifests, first.links, first.blobs) == (1, 0, 1)
        assert not has(given, ONE, digest)
        assert has(given, ONE, Digest.of(b"layer"))  # its own grace begins now

        given.clock.advance(GRACE)
        second = sweep(given)
        assert (second.links, second.blobs, second.locations) == (2, 2, 2)
        assert not has(given, ONE, Digest.of(b"layer"))
        assert stored(given) == 0
        with given.registry.database.session():
            assert ReviewRow.select().count() == BlobRow.select().count() == 0
            assert NamespaceRow.get(NamespaceRow.name == "team").used_bytes == 0

    def test_a_tag_that_moves_leaves_the_old_manifest_to_the_sweep(self, given: Given) -> None:
        old, new = given.artifact(ONE, b"old"), given.artifact(ONE, b"new")
        sweep_all(given)
        assert not has(given, ONE, old)
        assert has(given, ONE, new)
        assert has(given, ONE, Digest.of(media.EMPTY_JSON))  # the new one needs it too
        assert stored(given) == 2

    def test_a_tag_that_is_put_again_within_the_grace_saves_it(self, given: Given) -> None:
        digest = given.artifact(ONE, b"layer")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        given.clock.advance(GRACE / 2)
        assert given.artifact(ONE, b"layer", tag="again") == digest
        sweep_all(given)
        assert has(given, ONE, digest)

    def test_a_tag_of_another_manifest_saves_nothing(self, given: Given) -> None:
        digest = given.artifact(ONE, b"one", tag="one")
        given.artifact(ONE, b"two", tag="two")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("one"))
        sweep_all(given)
        assert not has(given, ONE, digest)


class TestBlobs:
    def test_one_that_no_manifest_came_for_goes(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")
        given.clock.advance(GRACE)
        assert sweep(given).locations == 1
        assert not has(given, ONE, digest)
        assert stored(given) == 0

    def test_one_that_several_repositories_hold_stays_for_the_last(self, given: Given) -> None:
        given.artifact(ONE, b"shared")
        mounted = given.registry.uploads.mount(PUBLISHER, TWO, Digest.of(b"shared"), ONE)
        assert mounted.size == 6
        given.manifest(TWO, a_manifest(b"shared"), media.EMPTY_JSON, b"shared", reference=Tag("v1"))
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        sweep_all(given)
        assert not has(given, ONE, Digest.of(b"shared"))
        assert has(given, TWO, Digest.of(b"shared"))

        given.registry.manifests.delete(PUBLISHER, TWO, Tag("v1"))
        sweep_all(given)
        assert stored(given) == 0

    def test_one_that_was_deleted_goes_at_once(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")
        given.registry.blobs.delete(PUBLISHER, ONE, digest)
        done = sweep(given)
        assert (done.blobs, done.locations, done.bytes_freed) == (1, 1, 5)
        assert stored(given) == 0

    def test_who_may_push_and_asks_has_it_kept(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")
        for _ in range(3):
            given.clock.advance(GRACE - timedelta(seconds=1))
            info, awaits = given.registry.blobs.touch(PUBLISHER, ONE, digest)
            assert (info.digest, awaits) == (digest, True)
        sweep(given)
        given.manifest(ONE, a_manifest(b"alone"), media.EMPTY_JSON, reference=Tag("v1"))
        sweep_all(given)
        assert has(given, ONE, digest)
        assert given.registry.blobs.touch(PUBLISHER, ONE, digest)[1] is False

    def test_who_may_only_pull_has_nothing_kept(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")
        given.artifact(ONE, b"other")
        given.clock.advance(GRACE - timedelta(seconds=1))
        given.registry.blobs.touch(READER, ONE, digest)
        given.clock.advance(timedelta(seconds=1))
        sweep(given)
        assert not has(given, ONE, digest)

    def test_asking_again_and_again_writes_once(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")

        def due() -> int:
            with given.registry.database.session():
                return int(ReviewRow.get(ReviewRow.digest == str(digest)).due)

        first = due()
        given.clock.advance(GRACE / 5)
        given.registry.blobs.touch(PUBLISHER, ONE, digest)
        assert due() == first
        given.clock.advance(GRACE / 5)
        given.registry.blobs.touch(PUBLISHER, ONE, digest)
        assert due() == seconds(given.clock.now + GRACE)

    def test_a_push_again_keeps_it_too_and_its_own_bytes_go(self, given: Given) -> None:
        digest = given.blob(ONE, b"alone")
        given.clock.advance(GRACE - timedelta(seconds=1))
        given.blob(ONE, b"alone")
        given.clock.advance(timedelta(seconds=1))
        assert stored(given) == 2
        assert sweep(given).locations == 1
        assert has(given, ONE, digest)
        assert stored(given) == 1

    def test_a_mount_is_no_reference_until_its_manifest_comes(self, given: Given) -> None:
        given.artifact(ONE, b"shared")
        given.registry.uploads.mount(PUBLISHER, TWO, Digest.of(b"shared"), ONE)
        sweep_all(given)
        assert has(given, ONE, Digest.of(b"shared"))
        assert not has(given, TWO, Digest.of(b"shared"))

    def test_a_mount_of_what_went_meanwhile_begins_an_upload(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given.artifact(ONE, b"other")
        digest = given.blob(ONE, b"alone")
        uploads = given.registry.uploads
        find = uploads._find

        def find_and_then_sweep(*asked: object) -> object:
            found = find(*asked)  # type: ignore[arg-type]
            monkeypatch.setattr(uploads, "_find", find)
            given.registry.blobs.delete(PUBLISHER, ONE, digest)
            sweep(given)
            return found

        monkeypatch.setattr(uploads, "_find", find_and_then_sweep)
        begun = uploads.mount(PUBLISHER, TWO, digest, ONE)
        assert begun.size == 0
        assert uploads.status(PUBLISHER, TWO, begun.id).size == 0
        assert not has(given, TWO, digest)

    def test_one_asked_for_as_it_goes_is_not_there(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given.artifact(ONE, b"other")
        digest = given.blob(ONE, b"alone")
        given.clock.advance(GRACE)
        blobs, reviews = given.registry.blobs, given.registry.uploads._contents.reviews
        awaits = reviews.awaits

        def awaits_and_then_sweep(*of: object) -> bool:
            monkeypatch.setattr(reviews, "awaits", awaits)
            found = awaits(*of)  # type: ignore[arg-type]
            sweep(given)
            return found

        monkeypatch.setattr(reviews, "awaits", awaits_and_then_sweep)
        with pytest.raises(BlobUnknown):
            blobs.touch(PUBLISHER, ONE, digest)


class TestIndexes:
    def test_what_an_index_holds_stays_and_goes_after_it(self, given: Given) -> None:
        leaf, other = a_manifest(b"leaf"), a_manifest(b"other")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        given.manifest(ONE, other, b"other")
        inner = an_index(leaf)
        put_index(given, ONE, inner)
        outer = an_index(inner, other)
        put_index(given, ONE, outer, tag="v1")
        sweep_all(given)
        assert all(has(given, ONE, Digest.of(each)) for each in (leaf, inner, other, outer))

        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        runs = sweep_all(given)
        # each level has a grace of its own, since somebody may just have seen that it is there
        assert [run.manifests for run in runs if run.manifests] == [1, 2, 1]
        assert stored(given) == 0

    def test_a_child_of_two_goes_with_the_last(self, given: Given) -> None:
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        put_index(given, ONE, an_index(leaf), tag="one")
        other = a_manifest()
        given.manifest(ONE, other)
        put_index(given, ONE, an_index(leaf, other), tag="two")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("one"))
        sweep_all(given)
        assert has(given, ONE, Digest.of(leaf))
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("two"))
        sweep_all(given)
        assert not has(given, ONE, Digest.of(leaf))

    def test_one_that_refers_to_what_it_holds_keeps_itself_from_nothing(self, given: Given) -> None:
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf", reference=Tag("leaf"))
        ring = an_index(leaf, subject=Descriptor.of(leaf, media.MANIFEST))
        put_index(given, ONE, ring)
        sweep_all(given)
        assert has(given, ONE, Digest.of(ring))

        given.registry.manifests.delete(PUBLISHER, ONE, Tag("leaf"))
        given.clock.advance(GRACE)
        assert sweep(given).manifests == 2
        sweep_all(given)
        assert stored(given) == 0

    def test_an_index_that_no_review_waits_for_gets_one(self, given: Given) -> None:
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        index = put_index(given, ONE, an_index(leaf))
        with given.registry.database.write():  # as a database that is older than reviews might
            ReviewRow.delete().where(ReviewRow.digest == str(index)).execute()
        given.clock.advance(GRACE)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 0
        with given.registry.database.session():
            assert ReviewRow.get().reason == Reason.FOUND
        sweep_all(given)
        assert stored(given) == 0


class TestReferrers:
    def test_they_stay_with_their_subject_and_go_with_it_at_once(self, given: Given) -> None:
        digest = given.artifact(ONE, b"layer")
        subject = Descriptor.of(a_manifest(b"layer"), media.MANIFEST)
        signature = a_manifest(b"signature", subject=subject)
        given.manifest(ONE, signature, b"signature")
        on_signature = a_manifest(b"second", subject=Descriptor.of(signature, media.MANIFEST))
        given.manifest(ONE, on_signature, b"second")
        sweep_all(given)
        assert has(given, ONE, Digest.of(on_signature))

        given.registry.manifests.delete(PUBLISHER, ONE, digest)
        assert sweep(given).manifests == 2
        assert not has(given, ONE, Digest.of(signature))
        assert not has(given, ONE, Digest.of(on_signature))
        sweep_all(given)
        assert stored(given) == 0

    def test_a_long_chain_of_them_makes_nobody_wait(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is looked at with some of what is above it, not with all."""
        link = a_manifest(b"layer")
        given.artifact(ONE, b"layer")
        for _ in range(50):
            link = a_manifest(b"layer", subject=Descriptor.of(link, media.MANIFEST))
            given.manifest(ONE, link, media.EMPTY_JSON)
        climbed: list[int] = []

        def counting(*asked: object) -> Closure:
            found = closure_above(*asked)  # type: ignore[arg-type]
            climbed.append(len(found.manifests))
            return found

        monkeypatch.setattr("registry.sweep.closure_above", counting)
        given.clock.advance(GRACE)
        for grace in (None, 0):
            pace = Pace(wait=lambda _: None, grace=grace)
            assert given.registry.sweep.run(pace).manifests == 0
        assert max(climbed) < 40
        assert has(given, ONE, Digest.of(link))
        check(given)

        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        given.clock.advance(GRACE)
        assert sweep(given).manifests == 51

    def test_one_whose_subject_has_not_come_waits_for_the_grace(self, given: Given) -> None:
        later = a_manifest(b"later")
        signature = a_manifest(b"early", subject=Descriptor.of(later, media.MANIFEST))
        given.manifest(ONE, signature, media.EMPTY_JSON, b"early")
        given.clock.advance(GRACE - timedelta(seconds=1))
        sweep(given)
        given.manifest(ONE, later, b"later", reference=Tag("v1"))
        sweep_all(given)
        assert has(given, ONE, Digest.of(signature))

        missing = a_manifest(b"never", subject=Descriptor.of(b'{"never": 1}', media.MANIFEST))
        given.manifest(ONE, missing, b"never")
        sweep_all(given)
        assert not has(given, ONE, Digest.of(missing))

    def test_a_tagged_one_outlives_its_subject(self, given: Given) -> None:
        digest = given.artifact(ONE, b"layer")
        subject = Descriptor.of(a_manifest(b"layer"), media.MANIFEST)
        kept = a_manifest(b"report", subject=subject)
        given.manifest(ONE, kept, b"report", reference=Tag("report"))
        given.registry.manifests.delete(PUBLISHER, ONE, digest)
        sweep_all(given)
        assert has(given, ONE, Digest.of(kept))
        assert not has(given, ONE, digest)

    def test_who_may_push_and_asks_has_a_manifest_kept(self, given: Given) -> None:
        given.artifact(ONE, b"other")
        digest = given.manifest(ONE, a_manifest(b"layer"), b"layer")
        for _ in range(3):
            given.clock.advance(GRACE - timedelta(seconds=1))
            assert given.registry.manifests.touch(PUBLISHER, ONE, digest)[1]
            assert not given.registry.manifests.touch(READER, ONE, digest)[1]
        sweep(given)
        assert has(given, ONE, digest)
        given.clock.advance(GRACE)
        given.registry.manifests.touch(READER, ONE, digest)
        sweep(given)
        with pytest.raises(ManifestUnknown):
            given.registry.manifests.touch(PUBLISHER, ONE, digest)


class TestReleases:
    def test_a_release_keeps_all_that_is_of_it(self, released: Given) -> None:
        before = everything(released)
        sweep_all(released)
        assert everything(released) == before

    def test_a_staged_release_that_is_never_admitted_ages_out(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        given.clock.advance(GRACE - timedelta(seconds=1))
        assert sweep(given).manifests == 0
        given.registry.manifests.touch(PUBLISHER, package.repository, package.digest)
        given.clock.advance(timedelta(seconds=1))
        assert sweep(given).manifests == 0  # what refers to it is kept with it
        runs = sweep_all(given)
        assert sum(run.manifests for run in runs) == 3
        assert everything(given) == Counter()
        assert stored(given) == 0
        given.publish(package)
        sweep_all(given)
        assert given.registry.manifests.stat(READER, package.repository, package.tag)

    def test_bundles_and_a_channels_history_keep_all_that_they_hold(
        self, released: Given, package: Package
    ) -> None:
        second = a_package("team/etl", "1.1.0")
        released.publish(second)
        first_bundle = released.bundle(APP, package)
        released.promote(first_bundle)
        bundle = released.bundle(APP, second)
        released.promote(bundle, previous=first_bundle.digest)
        third = a_package("team/other")
        released.publish(third)
        never = released.bundle(APP, third)
        before = everything(released)
        sweep_all(released)
        assert everything(released) == before

        released.registry.manifests.delete(ADMIN, APP.repository, never.digest)
        sweep_all(released)
        assert not has(released, APP.repository, never.digest)
        left = everything(released)
        assert set(left) < set(before)
        history = released.registry.promotions.history(READER, APP, "dev")
        assert [each.bundle for each in history] == [bundle.digest, first_bundle.digest]

    def test_version_tags_that_turn_into_the_servers_leave_their_manifests_to_it(
        self, given: Given, package: Package
    ) -> None:
        early = a_manifest(b"early", subject=package.descriptor)
        given.manifest(
            package.repository, early, media.EMPTY_JSON, b"early", reference=Tag("9.9.9")
        )
        given.push(package)
        with given.registry.database.session():
            reasons = {row.reason for row in ReviewRow.select()}
        assert Reason.TAG_DELETED in reasons


def everything(given: Given) -> Counter[tuple[str, str]]:
    """Every manifest and blob of every repository."""
    found: Counter[tuple[str, str]] = Counter()
    with given.registry.database.session():
        for row in ManifestRow.select(ManifestRow, RepositoryRow).join(RepositoryRow):
            found[row.repository.name, row.digest] += 1
        links = RepositoryBlobRow.select(RepositoryBlobRow, RepositoryRow, BlobRow)
        for link in links.join(RepositoryRow).switch(RepositoryBlobRow).join(BlobRow):
            found[link.repository.name, link.blob.digest] += 1
    return found


class TestOrder:
    def test_one_at_a_time(self, given: Given) -> None:
        given.registry.leases.take(LEASE)
        with pytest.raises(LeaseHeld):
            sweep(given)

    def test_one_that_stood_still_writes_nothing_more(self, given: Given) -> None:
        given.blob(ONE, b"alone")
        given.clock.advance(GRACE)

        def take_over(_: float) -> None:
            with given.registry.database.write():
                LeaseRow.update(holder="another").execute()

        given.registry.blobs.delete(ADMIN, ONE, given.blob(ONE, b"first"))
        with pytest.raises(LeaseLost):
            given.registry.sweep.run(Pace(wait=take_over))
        assert given.registry.leases.holder(LEASE) is not None
        with given.registry.database.session():
            assert CondemnedRow.select().count() > 0

    def test_nothing_goes_while_nothing_may_be_written(self, given: Given) -> None:
        given.blob(ONE, b"alone")
        given.manifest(TWO, a_manifest(b"untagged"), media.EMPTY_JSON, b"untagged")
        given.clock.advance(GRACE)
        given.registry.switches.turn_read_only("a backup")
        with pytest.raises(ReadOnly):
            sweep(given)
        given.registry.blobs.touch(PUBLISHER, ONE, Digest.of(b"alone"))  # keeps nothing either
        given.registry.switches.turn_read_only(None)

        def turn(_: Swept) -> None:
            given.registry.switches.turn_read_only("a backup")

        done = sweep(given, told=turn)
        assert (done.is_done, done.manifests, done.links) == (False, 1, 0)
        assert stored(given) == 3
        given.registry.switches.turn_read_only(None)
        assert sweep(given).is_done
        assert stored(given) == 2  # of the manifest, which went just now

    def test_it_can_be_stopped_and_goes_on_where_it_was(self, given: Given) -> None:
        for number in range(10):
            given.blob(ONE, b"%d" % number)
        given.clock.advance(GRACE)
        stop: list[bool] = []
        done = sweep(given, limit=3, told=stop.append, is_stopped=lambda: len(stop) > 1)
        assert (done.reviewed, done.is_done) == (3, False)
        done = sweep(given, is_stopped=lambda: True)
        assert (done.reviewed, done.is_done) == (0, False)
        assert sweep(given).is_done
        assert stored(given) == 0
        assert given.registry.leases.progress(LEASE)["is_done"]

    def test_a_rate_is_kept_by_waiting(self, given: Given) -> None:
        for number in range(10):
            given.blob(ONE, b"%d" % number)
        given.clock.advance(GRACE)
        waits: list[float] = []
        done = given.registry.sweep.run(Pace(rate=5, wait=waits.append))
        assert (done.reviewed, done.locations) == (10, 10)
        assert sum(waits) > 3  # 20 of something, five a second, less what they took
        assert max(waits) <= 2.1

    def test_rests_are_short_and_after_each_batch(self, given: Given) -> None:
        given.blob(ONE, b"alone")
        given.clock.advance(GRACE)
        waits: list[float] = []
        given.registry.sweep.run(Pace(wait=waits.append))
        assert len(waits) == 2
        assert all(0 < wait <= LONGEST_REST for wait in waits)

    def test_a_grace_of_none_takes_all_that_nothing_reaches_at_once(self, given: Given) -> None:
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        put_index(given, ONE, an_index(leaf), tag="v1")
        kept = given.artifact(TWO, b"kept")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        assert sweep(given).manifests == 0
        done = sweep(given, grace=0)
        assert (done.manifests, done.links) == (2, 2)
        assert has(given, TWO, kept)
        assert stored(given) == 2

    def test_uploads_that_expired_end_and_others_go_on(self, given: Given) -> None:
        uploads = given.registry.uploads
        old = uploads.start(PUBLISHER, ONE)
        given.clock.advance(given.config.upload_lifetime - timedelta(hours=1))
        fresh = uploads.start(PUBLISHER, ONE)
        uploads.append(PUBLISHER, ONE, fresh.id, io.BytesIO(b"part"))
        given.clock.advance(timedelta(hours=2))
        assert [each.kind for each in preview(given)] == ["upload"]
        assert preview(given)[0].name == f"{ONE}/{old.id}"
        assert sweep(given).uploads == 1
        done = uploads.finish(PUBLISHER, ONE, fresh.id, Digest.of(b"part"))
        sweep(given)
        assert has(given, ONE, done.digest)
        with given.registry.database.session():
            assert UploadRow.select().count() == 0


class StubbornStore(MemoryStore):
    """A store that can't delete some of its blobs now."""

    def __init__(self) -> None:
        super().__init__()
        self.stubborn: set[str] = set()

    def delete(self, location: str) -> None:
        if location in self.stubborn:
            raise StoreUnavailable("memory", "it is stubborn")
        super().delete(location)


class TestBytes:
    def test_those_that_cant_go_now_go_with_the_next_sweep(self, tmp_path: Path) -> None:
        store = StubbornStore()
        given = Given(tmp_path / "data", store)
        given.namespace("team")
        for data in (b"one", b"two", b"three"):
            given.blob(ONE, data)
        with given.registry.database.session():
            location = BlobRow.get(BlobRow.digest == str(Digest.of(b"two"))).location
        store.stubborn.add(location)
        given.clock.advance(GRACE)
        done = sweep(given)
        assert (done.blobs, done.locations) == (3, 2)
        assert "stubborn" in done.failed[location]
        assert [each.kind for each in preview(given)] == ["bytes"]
        store.stubborn.clear()
        assert sweep(given).locations == 1
        assert stored(given) == 0
        with given.registry.database.session():
            assert CondemnedRow.select().count() == 0

    def test_an_upload_that_cant_end_keeps_nothing_else_from_going(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = given.blob(ONE, b"alone")
        upload = given.registry.uploads.start(PUBLISHER, ONE)
        given.clock.advance(given.config.upload_lifetime + timedelta(seconds=1))

        def refuse(_store: FilesystemStore, upload_id: str) -> None:
            raise StoreUnavailable("here", f"{upload_id} stays")

        with monkeypatch.context() as patched:
            patched.setattr(FilesystemStore, "abort", refuse)
            done = sweep(given)
        assert done.failed == {
            "uploads/": f"the blob store at here can't be used: {upload.id} stays"
        }
        assert done.locations == 1
        assert not has(given, ONE, digest)
        assert sweep(given).uploads == 1

    def test_a_store_that_is_away_is_not_asked_for_each_of_many(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = StubbornStore()
        given = Given(tmp_path / "data", store)
        given.namespace("team")
        for number in range(20):
            given.blob(ONE, b"%d" % number)
        store.stubborn = {each.location for each in store.blobs()}
        given.clock.advance(GRACE)
        with monkeypatch.context() as patched:
            clock = (float(number) for number in range(0, 10_000, 4))
            patched.setattr("registry.sweep.time.monotonic", lambda: next(clock))
            done = given.registry.sweep.run(Pace(wait=lambda _: None))
        assert done.blobs == 20
        assert 0 < len(done.failed) < 20
        store.stubborn.clear()
        assert sweep(given).locations == 20

    def test_while_a_slow_store_deletes_the_lease_is_held(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for data in (b"one", b"two", b"three"):
            given.blob(ONE, data)
        given.clock.advance(GRACE)
        delete = FilesystemStore.delete

        def delete_slowly(store: FilesystemStore, location: str) -> None:
            given.clock.advance(LIFETIME - timedelta(seconds=1))
            delete(store, location)

        clock = (float(number) for number in range(0, 10_000, 2))
        monkeypatch.setattr("registry.sweep.time.monotonic", lambda: next(clock))
        monkeypatch.setattr(FilesystemStore, "delete", delete_slowly)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).locations == 3


class TestPreview:
    @pytest.fixture
    def littered(self, given: Given) -> Given:
        """An untagged index with a leaf and signatures of both, a blob alone, and what stays."""
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        index = an_index(leaf)
        put_index(given, ONE, index)
        for subject, blob in ((leaf, b"on leaf"), (index, b"on index")):
            kind = media.MANIFEST if subject is leaf else media.INDEX
            signature = a_manifest(blob, subject=Descriptor.of(subject, kind))
            given.manifest(ONE, signature, blob)
        given.blob(ONE, b"alone")
        given.artifact(TWO, b"kept")
        given.registry.sweep.run(Pace(wait=lambda _: None))  # bytes that came twice
        given.clock.advance(GRACE)
        return given

    def test_it_says_what_a_sweep_does_and_changes_nothing(self, littered: Given) -> None:
        before = everything(littered)
        said = Counter(each.kind for each in preview(littered))
        assert everything(littered) == before
        done = sweep(littered)
        assert said == {"manifest": done.manifests, "link": done.links, "blob": done.blobs}
        assert done.manifests == 2
        assert done.links == 1

    def test_with_no_grace_it_follows_to_the_end(self, littered: Given) -> None:
        drawn = preview(littered, grace=0)
        said = Counter(each.kind for each in drawn)
        freed = sum(each.size for each in drawn)
        done = sweep(littered, grace=0)
        assert said == {"manifest": done.manifests, "link": done.links, "blob": done.blobs}
        assert done.manifests == 4
        blobs = [each for each in drawn if each.kind == "blob"]
        assert done.bytes_freed == sum(each.size for each in blobs)
        assert freed > done.bytes_freed  # a manifest's bytes are also a blob's

    def test_it_says_why_and_since_when(self, littered: Given) -> None:
        since = littered.clock.now - GRACE
        (alone,) = [each for each in preview(littered) if each.kind == "link"]
        assert alone == Candidate("link", f"{ONE}@{Digest.of(b'alone')}", 0, Reason.UPLOADED, since)

    def test_what_has_gone_already_is_not_said(self, littered: Given) -> None:
        sweep(littered, grace=0)
        assert preview(littered, grace=0) == []
        with littered.registry.database.write():
            contents = littered.registry.uploads._contents
            repository = RepositoryRow.get(RepositoryRow.name == ONE.text)
            digest = str(Digest.of(b"nothing"))
            contents.reviews.queue(Kind.MANIFEST, repository, digest, Reason.PUT, AT_ONCE)
            contents.reviews.queue(Kind.LINK, repository, digest, Reason.PUT, AT_ONCE)
            contents.reviews.queue(Kind.BLOB, None, digest, Reason.PUT, AT_ONCE)
        assert preview(littered) == []
        assert sweep(littered).kept == 3


class TestCompanions:
    """Tags that are about a manifest, as cosign keeps signatures without referrers."""

    @staticmethod
    def about(digest: Digest, end: str = ".sig") -> str:
        return f"sha256-{digest.hex}{end}"

    @pytest.fixture
    def signed(self, given: Given) -> Digest:
        """An image with a signature, an attestation of that, and a tag that only looks so."""
        image = given.artifact(ONE, b"image")
        signature = given.artifact(ONE, b"signature", tag=self.about(image))
        given.artifact(ONE, b"attestation", tag=self.about(signature, ".att"))
        given.artifact(ONE, b"other", tag=self.about(image, ".other"))
        return image

    def tags(self, given: Given, repository: RepositoryName = ONE) -> set[str]:
        return set(given.registry.tags.page(ADMIN, repository).names)

    @pytest.mark.usefixtures("signed")
    def test_they_stay_as_long_as_what_they_are_about(self, given: Given) -> None:
        before = self.tags(given)
        sweep_all(given)
        assert self.tags(given) == before
        assert len(before) == 4
        assert has(given, ONE, Digest.of(b"attestation"))

    def test_they_go_with_what_is_swept(self, given: Given, signed: Digest) -> None:
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        assert len(self.tags(given)) == 3
        given.clock.advance(GRACE)
        assert sweep(given).manifests == 3
        assert self.tags(given) == {self.about(signed, ".other")}
        sweep_all(given)
        for blob in (b"image", b"signature", b"attestation"):
            assert not has(given, ONE, Digest.of(blob))
        assert has(given, ONE, Digest.of(b"other"))
        with given.registry.database.session():
            entry = AuditRow.select().where(AuditRow.action == "tag.delete").order_by(AuditRow.id)
            assert self.about(signed) in [each.detail for each in entry][1]

    def test_they_go_with_what_is_deleted(self, given: Given, signed: Digest) -> None:
        given.registry.manifests.delete(PUBLISHER, ONE, signed)
        assert self.about(signed) not in self.tags(given)
        assert sweep(given).manifests == 2
        with given.registry.database.session():
            entry = AuditRow.get(AuditRow.action == "manifest.delete")
            assert json.loads(entry.detail)["tags"] == ["v1", self.about(signed)]

    def test_those_of_another_repository_stay(self, given: Given, signed: Digest) -> None:
        given.artifact(TWO, b"signature", tag=self.about(signed))
        given.registry.manifests.delete(PUBLISHER, ONE, signed)
        sweep_all(given)
        assert self.tags(given, TWO) == {self.about(signed)}

    def test_what_another_tag_names_too_stays(self, given: Given, signed: Digest) -> None:
        signature = given.artifact(ONE, b"signature", tag="mine")
        given.registry.manifests.delete(PUBLISHER, ONE, signed)
        sweep_all(given)
        assert has(given, ONE, signature)
        assert has(given, ONE, Digest.of(b"attestation"))

    def test_those_that_are_immutable_stay(self, given: Given, signed: Digest) -> None:
        given.registry.namespaces.change(ADMIN, "team", {"immutable_tags": ["*.sig"]})
        given.registry.manifests.delete(PUBLISHER, ONE, signed)
        sweep_all(given)
        assert self.about(signed) in self.tags(given)
        assert has(given, ONE, Digest.of(b"signature"))

    @pytest.mark.usefixtures("signed")
    def test_a_dry_run_follows_them(self, given: Given) -> None:
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        sweep(given)  # bytes that came twice
        for grace in (None, 0):
            given.clock.advance(GRACE)
            said = Counter(each.kind for each in preview(given, grace))
            done = sweep(given, grace=grace)
            assert said == Counter(manifest=done.manifests, link=done.links, blob=done.blobs)
            assert done.reviewed


def test_a_manifest_can_not_be_put_upon_what_went(given: Given) -> None:
    given.blob(ONE, b"alone")
    given.clock.advance(GRACE)
    sweep(given)
    with pytest.raises(ManifestBlobUnknown):
        given.manifest(ONE, a_manifest(b"alone"), media.EMPTY_JSON)
    assert given.artifact(ONE, b"alone")
    sweep_all(given)
    assert has(given, ONE, Digest.of(b"alone"))


class TestAClockThatWasAhead:
    YEARS = timedelta(days=3650)

    def test_what_it_put_off_goes_a_grace_after_it_was_put_right(self, given: Given) -> None:
        given.clock.advance(self.YEARS)
        digest = given.blob(ONE, b"alone")
        upload = given.registry.uploads.start(PUBLISHER, ONE)
        given.clock.advance(-self.YEARS)

        assert sweep(given).blobs == 0
        given.clock.advance(GRACE)
        assert sweep(given).blobs == 1
        assert not has(given, ONE, digest)
        given.clock.advance(timedelta(days=30))
        assert sweep(given).uploads == 1
        with pytest.raises(UploadUnknown):
            given.registry.uploads.status(PUBLISHER, ONE, upload.id)

    def test_what_rules_keep_for_long_is_left_alone(self, given: Given) -> None:
        given.registry.retentions.set(ADMIN, "team", Retention(keep_untagged_days=30))
        digest = given.artifact(ONE, b"layer")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        given.clock.advance(GRACE)
        sweep(given)

        def due() -> int:
            with given.registry.database.session():
                return int(ReviewRow.get(ReviewRow.digest == str(digest)).due)

        first = due()
        assert first > seconds(given.clock.now + 20 * GRACE)
        sweep(given)
        assert due() == first
