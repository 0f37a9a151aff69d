"""`admin check` finds each kind of corruption that is planted, and nothing else."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import image_index
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.check.findings import Finding, Problem
from registry.errors import BlobUnknown
from registry.schema import (
    INLINE,
    MODELS,
    BlobDataRow,
    BlobRow,
    BundleReleaseRow,
    BundleRow,
    ChannelRow,
    CondemnedRow,
    IndexState,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    PromotionRow,
    ReleaseRequirementRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    TagRow,
    UploadRow,
)
from registry.sweep import Pace
from storage import paths
from storage.uploads import new_upload_id
from tests.builders import ADMIN, PLATFORM, PUBLISHER, Given, Package, a_manifest, a_package

IMAGE = RepositoryName("team/image")
OTHER = RepositoryName("others/image")
APPLICATION = PackageName.parse("team/app")
LAYER = b"a layer of the image"


@pytest.fixture(scope="session")
def with_everything(
    with_release: Given, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Given:
    """A release with wheels, a bundle in two channels, images under an index, an upload."""
    given = with_release.copied_to(tmp_path_factory.mktemp("everything") / "data")
    given.publish(a_package("team/etl", "1.1.0"))
    bundle = given.bundle(APPLICATION, package)
    given.promote(bundle, "dev")
    given.promote(bundle, "staging")
    newer = given.bundle(APPLICATION, a_package("team/etl", "1.1.0"))
    given.promote(newer, "dev", bundle.digest)
    image = given.artifact(IMAGE, LAYER, b"another layer", tag="v1")
    given.namespace("others", keys=())
    given.artifact(OTHER, LAYER, tag="v1")
    with given.registry.database.session():
        row = ManifestRow.get(ManifestRow.digest == str(image))
        child = Descriptor(row.media_type, image, row.size)
    index = image_index(artifact_type=None, manifests=[child])
    given.registry.manifests.put(PUBLISHER, IMAGE, Tag("all"), index, media.INDEX)
    upload = given.registry.uploads.start(PUBLISHER, IMAGE)
    given.registry.uploads.append(PUBLISHER, IMAGE, upload.id, io.BytesIO(b"half"))
    return given


@pytest.fixture
def everything(with_everything: Given, folder: Path) -> Given:
    return with_everything.copied_to(folder / "data")


def check(given: Given, *, reads_bytes: bool = True) -> list[Finding]:
    return list(given.registry.checker.run(lambda _stage, _seen: None, reads_bytes=reads_bytes))


def problems(given: Given) -> set[Problem]:
    return {finding.problem for finding in check(given)}


# --- what is planted ---------------------------------------------------------------------------


def layer() -> BlobRow:
    row: BlobRow = BlobRow.get(BlobRow.digest == str(Digest.of(LAYER)))
    return row


def file_of(given: Given, row: BlobRow) -> Path:
    path = paths.blob(given.data, row.location)
    assert path is not None
    return path


def image() -> ManifestRow:
    return tag("v1").manifest


def tag(name: str, repository: RepositoryName = IMAGE) -> TagRow:
    row: TagRow = (
        TagRow.select()
        .join(RepositoryRow)
        .where((RepositoryRow.name == repository.text) & (TagRow.name == name))
        .get()
    )
    return row


def release() -> ReleaseRow:
    row: ReleaseRow = ReleaseRow.get(ReleaseRow.version == "1.0.0")
    return row


def channel(name: str = "dev") -> ChannelRow:
    row: ChannelRow = ChannelRow.get(ChannelRow.name == name)
    return row


def bytes_that_are_gone(given: Given) -> None:
    file_of(given, layer()).unlink()


def bytes_that_are_longer(given: Given) -> None:
    path = file_of(given, layer())
    path.chmod(0o600)
    path.write_bytes(LAYER + b"!")


def bytes_that_are_others(given: Given) -> None:
    path = file_of(given, layer())
    path.chmod(0o600)
    path.write_bytes(LAYER[::-1])


def bytes_of_nobody(given: Given) -> None:
    upload_id = new_upload_id()
    store = given.registry.store
    store.start_upload(upload_id)
    store.append(upload_id, 0, io.BytesIO(b"stray"), 5)
    store.commit(upload_id, Digest.of(b"stray"))


def bytes_of_two(_given: Given) -> None:
    other = BlobRow.get(BlobRow.digest == str(Digest.of(b"another layer")))
    BlobRow.update(location=other.location).where(BlobRow.id == layer().id).execute()


def bytes_on_their_way_out(_given: Given) -> None:
    CondemnedRow.create(location=layer().location, size=1, since=0)


def manifest_bytes_that_are_gone(_given: Given) -> None:
    BlobDataRow.delete().where(BlobDataRow.blob == image().blob).execute()


def manifest_bytes_that_are_others(_given: Given) -> None:
    row = BlobDataRow.get(BlobDataRow.blob == image().blob)
    row.data = bytes(row.data)[::-1]
    row.save()


def manifest_bytes_that_are_shorter(_given: Given) -> None:
    BlobDataRow.update(data=b"{}").where(BlobDataRow.blob == image().blob).execute()


def bytes_in_both_places(_given: Given) -> None:
    BlobDataRow.create(blob=layer(), data=LAYER)


def an_upload_of_nobody(given: Given) -> None:
    given.registry.store.start_upload(upload_id := new_upload_id())
    given.registry.store.append(upload_id, 0, io.BytesIO(b"stray"), 5)


def an_upload_whose_row_went(_given: Given) -> None:
    UploadRow.delete().execute()


def a_blob_that_nobody_holds(_given: Given) -> None:
    blob = BlobRow.create(digest=str(Digest.of(b"forgotten")), size=9, location=INLINE, created=0)
    BlobDataRow.create(blob=blob, data=b"forgotten")


def a_manifest_that_nothing_reaches(_given: Given) -> None:
    TagRow.delete().where(TagRow.id == tag("v1", OTHER).id).execute()


def a_link_that_nothing_needs(_given: Given) -> None:
    others = RepositoryRow.get(RepositoryRow.name == OTHER.text)
    blob = BlobRow.get(BlobRow.digest == str(Digest.of(b"another layer")))
    RepositoryBlobRow.create(repository=others, blob=blob)
    NamespaceRow.update(used_bytes=NamespaceRow.used_bytes + blob.size).where(
        NamespaceRow.id == others.namespace_id
    ).execute()


def a_link_to_no_blob(_given: Given) -> None:
    BlobRow.delete().where(BlobRow.id == layer().id).execute()


def a_tag_of_no_manifest(_given: Given) -> None:
    ManifestRow.delete().where(ManifestRow.id == image().id).execute()


def a_repository_of_another(_given: Given) -> None:
    others = NamespaceRow.get(NamespaceRow.name == "others")
    RepositoryRow.update(namespace=others).where(RepositoryRow.name == IMAGE.text).execute()


def a_repository_that_hides(_given: Given) -> None:
    RepositoryRow.update(is_public=True).where(RepositoryRow.name == IMAGE.text).execute()


def a_manifest_of_another_digest(_given: Given) -> None:
    wrong = str(Digest.of(b"wrong"))
    ManifestRow.update(digest=wrong).where(ManifestRow.id == image().id).execute()


def a_manifest_that_is_none(_given: Given) -> None:
    blob, data = image().blob, b"not a manifest"
    BlobDataRow.update(data=data).where(BlobDataRow.blob == blob).execute()
    digest = str(Digest.of(data))
    BlobRow.update(digest=digest, size=len(data)).where(BlobRow.id == blob.id).execute()
    ManifestRow.update(digest=digest, size=len(data)).where(ManifestRow.blob == blob).execute()


def a_manifest_said_to_refer(_given: Given) -> None:
    wrong = str(Digest.of(b"wrong"))
    ManifestRow.update(subject=wrong).where(ManifestRow.id == image().id).execute()


def a_manifest_said_to_be_longer(_given: Given) -> None:
    ManifestRow.update(size=1).where(ManifestRow.id == image().id).execute()


def a_part_too_few(_given: Given) -> None:
    ManifestPartRow.delete().where(
        (ManifestPartRow.manifest == image())
        & (ManifestPartRow.digest == str(Digest.of(b"another layer")))
    ).execute()


def a_part_too_many(_given: Given) -> None:
    digest = str(Digest.of(b"more"))
    ManifestPartRow.create(manifest=image(), digest=digest, is_manifest=False)


def a_part_that_is_not_held(_given: Given) -> None:
    blob = BlobRow.get(BlobRow.digest == str(Digest.of(b"another layer")))
    RepositoryBlobRow.delete().where(RepositoryBlobRow.blob == blob).execute()


def a_child_that_is_gone(_given: Given) -> None:
    row = image()
    TagRow.delete().where(TagRow.manifest == row).execute()
    row.delete_instance()


def a_tag_of_another_repository(_given: Given) -> None:
    manifest = tag("v1", OTHER).manifest
    TagRow.update(manifest=manifest).where(TagRow.id == tag("all").id).execute()


def a_wrong_count(_given: Given) -> None:
    NamespaceRow.update(used_bytes=1).where(NamespaceRow.name == "team").execute()


def a_release_of_another_repository(_given: Given) -> None:
    other = RepositoryRow.get(RepositoryRow.name == IMAGE.text)
    ReleaseRow.update(repository=other).where(ReleaseRow.id == release().id).execute()


def a_release_that_is_hidden(_given: Given) -> None:
    ManifestRow.update(is_staged=True).where(ManifestRow.id == release().manifest_id).execute()


def a_release_whose_requirements_are_said_otherwise(_given: Given) -> None:
    name = release().repository.name
    ReleaseRequirementRow.create(release=release(), dependent=name, package="team/more", wanted="*")


def a_release_that_requires_more(_given: Given) -> None:
    metadata = json.loads(release().metadata) | {"requires": {"team/other": "^1"}}
    ReleaseRow.update(metadata=json.dumps(metadata)).where(ReleaseRow.id == release().id).execute()


def a_version_without_a_tag(_given: Given) -> None:
    TagRow.delete().where(TagRow.name == "1.0.0").execute()


def a_version_that_anyone_may_move(_given: Given) -> None:
    TagRow.update(is_server_owned=False).where(TagRow.name == "1.0.0").execute()


def a_receipt_that_is_gone(_given: Given) -> None:
    repository = release().repository
    ManifestRow.delete().where(
        (ManifestRow.digest == release().receipt) & (ManifestRow.repository == repository)
    ).execute()


def wheels_that_are_gone(_given: Given) -> None:
    digest = json.loads(release().platforms)[PLATFORM]["digest"]
    repository = release().repository
    ManifestRow.delete().where(
        (ManifestRow.digest == digest) & (ManifestRow.repository == repository)
    ).execute()


def an_index_that_went_back(_given: Given) -> None:
    IndexState.update(revision=1).execute()


def a_bundle_of_another_repository(_given: Given) -> None:
    other = RepositoryRow.get(RepositoryRow.name == IMAGE.text)
    row = BundleRow.select().order_by(BundleRow.id).get()
    BundleRow.update(repository=other).where(BundleRow.id == row.id).execute()


def a_bundle_that_lost_a_release(_given: Given) -> None:
    row = BundleReleaseRow.select().order_by(BundleReleaseRow.id).get()
    row.delete_instance()


def a_channel_that_points_elsewhere(_given: Given) -> None:
    other = channel("staging").bundle
    ChannelRow.update(bundle=other).where(ChannelRow.name == "dev").execute()


def a_channel_without_its_tag(_given: Given) -> None:
    TagRow.delete().where(TagRow.name == "dev").execute()


def a_record_that_is_gone(_given: Given) -> None:
    record = PromotionRow.select().order_by(PromotionRow.id).get().record
    ManifestRow.delete().where(ManifestRow.digest == record).execute()


def a_history_with_a_gap(_given: Given) -> None:
    row = PromotionRow.get(PromotionRow.previous.is_null(is_null=False))
    row.previous = str(Digest.of(b"another record"))
    row.save()


@dataclass(frozen=True)
class Planted:
    """What a test does to the data, what is found, and whether a repair mends it."""

    plant: Callable[[Given], None]
    problem: Problem
    mends: bool = False


PLANTED = (
    Planted(bytes_that_are_gone, Problem.BYTES_MISSING),
    Planted(bytes_that_are_longer, Problem.BYTES_LENGTH),
    Planted(bytes_that_are_others, Problem.BYTES_DIGEST),
    Planted(bytes_of_nobody, Problem.BYTES_ORPHANED, mends=True),
    Planted(bytes_of_two, Problem.BYTES_SHARED),
    Planted(bytes_on_their_way_out, Problem.BYTES_CONDEMNED, mends=True),
    Planted(manifest_bytes_that_are_gone, Problem.INLINE_MISSING),
    Planted(manifest_bytes_that_are_others, Problem.INLINE_DAMAGED),
    Planted(manifest_bytes_that_are_shorter, Problem.INLINE_DAMAGED),
    Planted(bytes_in_both_places, Problem.INLINE_STRAY, mends=True),
    Planted(an_upload_of_nobody, Problem.UPLOAD_ORPHANED, mends=True),
    Planted(an_upload_whose_row_went, Problem.UPLOAD_ORPHANED, mends=True),
    Planted(a_blob_that_nobody_holds, Problem.NEVER_COLLECTED, mends=True),
    Planted(a_manifest_that_nothing_reaches, Problem.NEVER_COLLECTED, mends=True),
    Planted(a_link_that_nothing_needs, Problem.NEVER_COLLECTED, mends=True),
    Planted(a_link_to_no_blob, Problem.DANGLING),
    Planted(a_tag_of_no_manifest, Problem.DANGLING),
    Planted(a_repository_of_another, Problem.NAME),
    Planted(a_repository_that_hides, Problem.VISIBILITY, mends=True),
    Planted(a_manifest_of_another_digest, Problem.MANIFEST_DIGEST),
    Planted(a_manifest_that_is_none, Problem.MANIFEST_UNREADABLE),
    Planted(a_manifest_said_to_refer, Problem.MANIFEST_ROW, mends=True),
    Planted(a_manifest_said_to_be_longer, Problem.MANIFEST_ROW, mends=True),
    Planted(a_part_too_few, Problem.PARTS, mends=True),
    Planted(a_part_too_many, Problem.PARTS, mends=True),
    Planted(a_part_that_is_not_held, Problem.BLOB_MISSING, mends=True),
    Planted(a_child_that_is_gone, Problem.CHILD_MISSING),
    Planted(a_tag_of_another_repository, Problem.TAG_ELSEWHERE),
    Planted(a_wrong_count, Problem.COUNTER, mends=True),
    Planted(a_release_of_another_repository, Problem.RELEASE_ELSEWHERE),
    Planted(a_release_that_is_hidden, Problem.RELEASE_STAGED, mends=True),
    Planted(a_release_that_requires_more, Problem.RELEASE_METADATA, mends=True),
    Planted(
        a_release_whose_requirements_are_said_otherwise, Problem.RELEASE_REQUIREMENTS, mends=True
    ),
    Planted(a_version_without_a_tag, Problem.RELEASE_TAG, mends=True),
    Planted(a_version_that_anyone_may_move, Problem.RELEASE_TAG, mends=True),
    Planted(a_receipt_that_is_gone, Problem.RELEASE_RECEIPT),
    Planted(wheels_that_are_gone, Problem.RELEASE_WHEELS),
    Planted(an_index_that_went_back, Problem.INDEX_BEHIND, mends=True),
    Planted(a_bundle_of_another_repository, Problem.BUNDLE_ELSEWHERE),
    Planted(a_bundle_that_lost_a_release, Problem.BUNDLE_PARTS),
    Planted(a_channel_that_points_elsewhere, Problem.CHANNEL_POINTER, mends=True),
    Planted(a_channel_without_its_tag, Problem.CHANNEL_TAG, mends=True),
    Planted(a_record_that_is_gone, Problem.PROMOTION_RECORD),
    Planted(a_history_with_a_gap, Problem.PROMOTION_CHAIN),
)
EACH = pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.plant.__name__)


@contextmanager
def unguarded(given: Given) -> Iterator[None]:
    """Write without the database's own guard of references, as an edit by hand can."""
    connection = given.registry.database._connection
    off, on = "PRAGMA foreign_keys = 0", "PRAGMA foreign_keys = 1"
    if given.config.database_url is not None:
        off, on = "SET session_replication_role = replica", "SET session_replication_role = origin"
    with given.registry.database.session():
        connection.execute_sql(off)
        try:
            with given.registry.database.write():
                yield
        finally:
            connection.execute_sql(on)


def plant(planted: Planted, given: Given) -> None:
    with unguarded(given):
        planted.plant(given)


def test_every_kind_is_planted() -> None:
    assert {planted.problem for planted in PLANTED} == set(Problem)


def test_nothing_is_found_where_nothing_is_wrong(everything: Given) -> None:
    assert check(everything) == []


@EACH
def test_what_is_planted_is_found(planted: Planted, everything: Given) -> None:
    plant(planted, everything)

    found = check(everything)

    assert planted.problem in {finding.problem for finding in found}
    for finding in found:
        assert finding.where
        assert finding.detail


@pytest.mark.sqlite  # the same statements mend both, and a check takes a second there
@EACH
def test_what_can_be_mended_is(planted: Planted, everything: Given) -> None:
    plant(planted, everything)

    done = [everything.registry.repair.mend(finding) for finding in check(everything)]

    assert any(done) >= planted.mends
    if planted.mends:
        assert check(everything) == []


def test_lost_bytes_come_back_with_the_next_push(everything: Given) -> None:
    plant(Planted(bytes_that_are_others, Problem.BYTES_DIGEST), everything)
    for finding in check(everything):
        everything.registry.repair.mend(finding)
    assert problems(everything) == {Problem.BLOB_MISSING}

    for repository in (IMAGE, OTHER):
        everything.blob(repository, LAYER)

    assert check(everything) == []


def test_a_lost_manifest_comes_back_with_the_next_push(everything: Given) -> None:
    plant(Planted(manifest_bytes_that_are_others, Problem.INLINE_DAMAGED), everything)
    for finding in check(everything):
        everything.registry.repair.mend(finding)
    assert problems(everything) >= {Problem.INLINE_MISSING}

    everything.artifact(IMAGE, LAYER, b"another layer", tag="v1")

    assert check(everything) == []


@pytest.mark.sqlite  # a folder's
def test_a_blob_outlives_what_was_left_of_its_upload(everything: Given) -> None:
    """A copy of the folder that was made file by file has an upload, and its blob too."""
    with everything.registry.database.session():
        location = layer().location
    left = everything.data / "uploads" / location.split("/")[-1]
    left.write_bytes(LAYER)
    [finding] = check(everything)
    assert finding.problem is Problem.UPLOAD_ORPHANED

    assert everything.registry.repair.mend(finding) == "ended"

    assert not left.exists()
    assert check(everything) == []


def test_two_blobs_in_one_place_lose_no_bytes_of_the_one_whose_they_are(everything: Given) -> None:
    plant(Planted(bytes_of_two, Problem.BYTES_SHARED), everything)
    for finding in check(everything):
        everything.registry.repair.mend(finding)

    everything.registry.sweep.run(Pace(grace=0, rest=0))

    other = Digest.of(b"another layer")
    info = everything.registry.blobs.stat(PUBLISHER, IMAGE, other)
    with everything.registry.blobs.open(info) as stream:
        assert stream.read() == b"another layer"


@EACH
def test_what_is_gone_meanwhile_is_not_mended(planted: Planted, everything: Given) -> None:
    plant(planted, everything)
    found = check(everything)
    with unguarded(everything):
        for model in reversed(MODELS):
            model.delete().execute()
    for finding in found:
        everything.registry.repair.mend(finding)


def test_another_blob_with_the_row_s_number_is_left_alone(everything: Given) -> None:
    """SQLite gives the number of the last row that was deleted to the next."""
    plant(Planted(bytes_that_are_others, Problem.BYTES_DIGEST), everything)
    [finding] = check(everything)
    newer = str(Digest.of(b"pushed meanwhile"))
    with everything.registry.database.write():
        BlobRow.update(digest=newer).where(BlobRow.id == finding.row).execute()

    assert everything.registry.repair.mend(finding) == "it is gone by now"

    with everything.registry.database.session():
        assert BlobRow.select().where(BlobRow.digest == newer).exists()


def test_without_reading_bytes_their_length_is_compared(everything: Given) -> None:
    plant(Planted(bytes_that_are_others, Problem.BYTES_DIGEST), everything)
    assert check(everything, reads_bytes=False) == []
    plant(Planted(bytes_that_are_longer, Problem.BYTES_LENGTH), everything)
    assert {one.problem for one in check(everything, reads_bytes=False)} == {Problem.BYTES_LENGTH}


def test_each_stage_is_told(everything: Given) -> None:
    told: dict[str, int] = {}
    list(everything.registry.checker.run(told.__setitem__))
    assert list(told) == [
        "references",
        "namespaces",
        "repositories",
        "blobs",
        "stored bytes",
        "uploads",
        "links",
        "manifests",
        "tags",
        "releases",
        "index",
        "bundles",
        "channels",
    ]
    assert told["namespaces"] == 2
    assert told["uploads"] == 1


def test_what_a_push_is_just_changing_is_no_finding(everything: Given) -> None:
    """The row goes between the first look and the second, as a sweep or a push would do it."""
    plant(Planted(a_wrong_count, Problem.COUNTER), everything)
    plant(Planted(bytes_that_are_gone, Problem.BYTES_MISSING), everything)
    checker = everything.registry.checker
    gone: list[str] = []

    def mend(stage: str, _seen: int) -> None:
        if stage == "blobs" and not gone:
            gone.append(stage)
            with everything.registry.database.write():
                RepositoryBlobRow.delete().where(RepositoryBlobRow.blob == layer()).execute()
                ReviewRow.delete().execute()
                layer().delete_instance()

    found = [finding.problem for finding in checker.run(mend)]
    assert Problem.BYTES_MISSING not in found
    assert Problem.COUNTER in found


def test_a_manifest_of_old_whose_bytes_are_in_the_store(everything: Given) -> None:
    """Before 0002 manifests were in the store: they read as they did."""
    data = a_manifest()
    everything.blob(IMAGE, media.EMPTY_JSON)
    digest = everything.blob(IMAGE, data)
    everything.registry.manifests.put(PUBLISHER, IMAGE, digest, data, media.MANIFEST)
    with everything.registry.database.session():
        assert BlobRow.get(BlobRow.digest == str(digest)).location != INLINE
    assert check(everything) == []


class TestSparse:
    """A namespace whose manifests may lack parts: nothing is wrong with those, nor made up."""

    def sparse(self, given: Given, *, is_on: bool) -> None:
        given.registry.namespaces.change(ADMIN, "team", {"sparse": is_on})

    def put(self, given: Given, *blobs: bytes) -> None:
        self.sparse(given, is_on=True)
        given.manifest(IMAGE, a_manifest(*blobs), by=PUBLISHER, reference=Tag("sparse"))

    def test_what_it_may_lack_is_not_missing(self, everything: Given) -> None:
        self.put(everything, b"somewhere else")
        assert check(everything) == []

    def test_releases_lack_nothing_there_either(self, everything: Given) -> None:
        self.sparse(everything, is_on=True)
        with everything.registry.database.write():
            part = ManifestPartRow.get(ManifestPartRow.manifest == release().manifest)
            blob = BlobRow.get(BlobRow.digest == part.digest)
            RepositoryBlobRow.delete().where(RepositoryBlobRow.blob == blob).execute()
        assert Problem.BLOB_MISSING in problems(everything)

    @pytest.mark.parametrize("is_on", [True, False])
    def test_another_namespace_s_blob_is_linked_by_no_repair(
        self, everything: Given, *, is_on: bool
    ) -> None:
        secret = b"a secret of others"
        everything.artifact(OTHER, secret, tag="secret")
        self.put(everything, secret)
        self.sparse(everything, is_on=is_on)

        for finding in check(everything):
            everything.registry.repair.mend(finding)

        with pytest.raises(BlobUnknown):
            everything.registry.blobs.stat(PUBLISHER, IMAGE, Digest.of(secret))
