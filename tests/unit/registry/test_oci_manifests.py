"""Manifests: taken in, named, hidden while staged, and kept while they are needed."""

import json

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import DigestMismatch, InvalidManifest
from artifacts.manifest import image_index
from artifacts.reference import RepositoryName, Tag
from registry.access import Principal, Role
from registry.errors import (
    BlobUnknown,
    Denied,
    InUse,
    InvalidRelease,
    ManifestBlobUnknown,
    ManifestTooLarge,
    ManifestUnknown,
    NamespaceUnknown,
    NotAuthenticated,
    RegistryError,
    ServerOwned,
    WrongKind,
)
from registry.schema import AuditRow, ManifestRow, TagRow
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_manifest,
    a_package,
    a_principal,
)
from tests.keys import SIGNER

TOOLS = RepositoryName("team/tools")
OUTSIDERS = [(STRANGER, NamespaceUnknown), (NOBODY, NotAuthenticated)]


def put(given: Given, data: bytes, reference: Tag | Digest, by: Principal = PUBLISHER) -> Digest:
    return given.manifest(TOOLS, data, media.EMPTY_JSON, by=by, reference=reference)


class TestPut:
    def test_the_bytes_come_back_as_they_came(self, given: Given) -> None:
        data = json.dumps(json.loads(a_manifest()), indent=3).encode()
        given.manifest(TOOLS, data, media.EMPTY_JSON, by=PUBLISHER)

        got = given.registry.manifests.get(READER, TOOLS, Digest.of(data))

        assert got.data == data
        assert got.info.size == len(data)
        assert got.info.media_type == media.MANIFEST
        assert got.info.artifact_type == "application/vnd.example.v1"
        assert got.info.subject is None
        assert not got.info.staged
        assert got.info.warning is None

    def test_a_tag_and_further_ones_name_it(self, given: Given) -> None:
        data = a_manifest()
        given.blob(TOOLS, media.EMPTY_JSON)
        done = given.registry.manifests.put(
            PUBLISHER, TOOLS, Tag("v1"), data, media.MANIFEST, tags=[Tag("latest")]
        )
        assert (done.created, done.tags) == (True, (Tag("v1"), Tag("latest")))
        for tag in done.tags:
            assert given.registry.manifests.stat(READER, TOOLS, tag).digest == Digest.of(data)

    def test_again_it_is_not_created(self, given: Given) -> None:
        put(given, a_manifest(), Tag("v1"))
        again = given.registry.manifests.put(
            PUBLISHER, TOOLS, Tag("v2"), a_manifest(), media.MANIFEST
        )
        assert not again.created
        assert given.registry.manifests.stat(READER, TOOLS, Tag("v2")).digest == again.info.digest

    def test_a_tag_moves(self, given: Given) -> None:
        first = put(given, a_manifest(), Tag("v1"))
        second = put(given, a_manifest(annotations={"a": "b"}), Tag("v1"))
        assert given.registry.manifests.stat(READER, TOOLS, Tag("v1")).digest == second
        assert given.registry.manifests.stat(READER, TOOLS, first).digest == first

    def test_a_digest_of_sha512_is_kept_under_that(self, given: Given) -> None:
        data = a_manifest()
        digest = Digest.of(data, "sha512")
        assert put(given, data, digest) == digest
        assert given.registry.manifests.get(READER, TOOLS, digest).data == data

    def test_another_digest_than_its_own_is_refused_naming_both(self, given: Given) -> None:
        other = Digest.of(b"other")
        with pytest.raises(DigestMismatch) as refused:
            put(given, a_manifest(), other)
        assert refused.value.expected == str(other)
        assert refused.value.found == str(Digest.of(a_manifest()))

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"[]", b'{"schemaVersion":1}', b"\xff" * 10, b"[" * 100_000]
    )
    def test_what_is_no_manifest_is_refused(self, given: Given, data: bytes) -> None:
        with pytest.raises(InvalidManifest):
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag("v1"), data, None)

    def test_another_media_type_than_it_says_is_refused(self, given: Given) -> None:
        with pytest.raises(InvalidManifest, match="it was sent as"):
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag("v1"), a_manifest(), media.INDEX)

    def test_one_that_is_too_large_is_refused_with_the_limit(self, given: Given) -> None:
        data = a_manifest(annotations={"a": "x" * given.config.manifest_limit})
        with pytest.raises(ManifestTooLarge) as refused:
            put(given, data, Tag("v1"))
        assert (refused.value.size, refused.value.limit) == (len(data), 4 * 1024 * 1024)

    def test_what_it_needs_must_be_there_and_all_that_is_missing_is_named(
        self, given: Given
    ) -> None:
        with pytest.raises(ManifestBlobUnknown) as refused:
            given.manifest(TOOLS, a_manifest(b"one", b"two", b"one"), b"two", by=PUBLISHER)
        missing = (Digest.of(media.EMPTY_JSON), Digest.of(b"one"))
        assert refused.value.digests == tuple(str(digest) for digest in missing)

        child = Descriptor.of(a_manifest(), media.MANIFEST)
        index = image_index(artifact_type=None, manifests=[child])
        with pytest.raises(ManifestBlobUnknown, match=str(child.digest)):
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag("v1"), index, media.INDEX)

    def test_blobs_of_another_repository_do_not_count(self, given: Given) -> None:
        given.artifact(RepositoryName("team/other"), b"hello")
        with pytest.raises(ManifestBlobUnknown):
            given.manifest(TOOLS, a_manifest(b"hello"), media.EMPTY_JSON)

    def test_layers_that_may_be_elsewhere_need_not_be_there(self, given: Given) -> None:
        drawn = json.loads(a_manifest(b"windows"))
        kind = "application/vnd.oci.image.layer.nondistributable.v1.tar"
        drawn["layers"][0]["mediaType"] = kind
        assert put(given, json.dumps(drawn).encode(), Tag("v1"))

    def test_an_index_of_manifests_that_are_there_is_taken(self, given: Given) -> None:
        child = put(given, a_manifest(), Tag("child"))
        index = image_index(
            artifact_type=None, manifests=[Descriptor(media.MANIFEST, child, len(a_manifest()))]
        )
        given.registry.manifests.put(PUBLISHER, TOOLS, Tag("all"), index, media.INDEX)
        assert given.registry.manifests.get(READER, TOOLS, Tag("all")).data == index

    @pytest.mark.parametrize(
        ("principal", "refusal"), [*OUTSIDERS, (READER, Denied), (PROMOTER, Denied)]
    )
    def test_only_publishers_put(
        self, given: Given, principal: Principal, refusal: type[RegistryError]
    ) -> None:
        given.blob(TOOLS, media.EMPTY_JSON)
        with pytest.raises(refusal):
            given.registry.manifests.put(principal, TOOLS, Tag("v1"), a_manifest(), None)

    def test_what_is_refused_leaves_no_row(self, given: Given, package: Package) -> None:
        with pytest.raises(ManifestBlobUnknown):
            given.manifest(package.repository, package.manifest, by=PUBLISHER)
        with given.registry.database.session():
            assert ManifestRow.select().count() == 0
            assert TagRow.select().count() == 0
            assert AuditRow.select().where(AuditRow.action == "manifest.put").count() == 0


class TestOneThing:
    """A name is a package, an application, or a plain repository."""

    def test_a_plain_repository_takes_no_release(self, given: Given, package: Package) -> None:
        given.artifact(package.repository, b"hello")
        with pytest.raises(WrongKind, match="team/etl is a plain repository"):
            given.push(package)

    def test_a_package_takes_no_plain_manifest(self, given: Given, package: Package) -> None:
        given.push(package)
        with pytest.raises(WrongKind, match="team/etl is a package"):
            given.artifact(package.repository, b"hello")

    def test_an_application_takes_neither(self, released: Given, package: Package) -> None:
        app = a_package("team/app").name
        released.bundle(app, package)
        with pytest.raises(WrongKind, match="team/app is an application"):
            released.artifact(app.repository, b"hello")
        with pytest.raises(WrongKind, match="team/app is an application"):
            released.push(a_package("team/app"))

    @pytest.mark.parametrize("name", ["team", "team/etl/image"])
    def test_a_release_has_a_name_of_two_segments(
        self, given: Given, package: Package, name: str
    ) -> None:
        repository = RepositoryName(name)
        drawn = json.loads(package.manifest)
        del drawn["annotations"]
        with pytest.raises(WrongKind, match="exactly two segments"):
            given.manifest(repository, json.dumps(drawn).encode(), package.config, *package.layers)

    @pytest.mark.parametrize("name", ["team", "team/copy", "backup/team/etl"])
    def test_a_release_of_another_name_is_a_copy_for_all_who_may_pull(
        self, given: Given, package: Package, name: str
    ) -> None:
        given.namespace("backup")
        repository = RepositoryName(name)
        reader = a_principal(Role.READER, repository.namespace)
        [wheels] = package.wheel_sets.values()
        blobs = (package.config, *package.layers, *package.wheels, media.EMPTY_JSON)
        given.manifest(repository, wheels, *blobs)  # a client copies in any order
        given.manifest(repository, package.manifest, reference=package.tag)

        manifests = given.registry.manifests
        assert manifests.get(reader, repository, package.tag).data == package.manifest
        assert manifests.get(reader, repository, Digest.of(wheels)).data == wheels
        given.artifact(repository, b"hello")  # it is a plain repository

    def test_a_package_takes_no_copy_for_a_release_of_its_own(
        self, given: Given, package: Package
    ) -> None:
        other = a_package("team/other")
        given.push(package)
        digest = given.manifest(package.repository, other.manifest, other.config, *other.layers)
        assert given.registry.manifests.find(READER, package.repository, digest) is None
        with pytest.raises(InvalidRelease, match="title is 'team/other', expected 'team/etl'"):
            given.registry.publishing.admit(PUBLISHER, package.name, digest)

    def test_a_release_refers_to_nothing(self, given: Given, package: Package) -> None:
        drawn = json.loads(package.manifest)
        drawn["subject"] = package.descriptor.to_json()
        for data in (package.config, *package.layers):
            given.blob(package.repository, data)
        with pytest.raises(InvalidManifest, match="a release has no subject"):
            given.manifest(package.repository, json.dumps(drawn).encode())


def visible(given: Given, who: Principal, package: Package, reference: Tag | Digest) -> bool:
    manifests = given.registry.manifests
    found = manifests.find(who, package.repository, reference)
    if found is None:
        for act in (manifests.stat, manifests.get):
            with pytest.raises(ManifestUnknown):
                act(who, package.repository, reference)
        return False
    assert manifests.get(who, package.repository, reference).info == found
    return True


class TestStaged:
    def everything(self, package: Package) -> list[Tag | Digest]:
        return [
            package.digest,
            *(Digest.of(data) for data in package.wheel_sets.values()),
            package.signed_by(SIGNER).digest,
        ]

    def test_it_is_seen_by_who_may_publish_there_and_by_nobody_else(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        given.registry.namespaces.set_public(ADMIN, "team", public=True)
        for reference in self.everything(package):
            for principal in (ADMIN, PUBLISHER):
                assert visible(given, principal, package, reference)
            for principal in (NOBODY, STRANGER, READER, PROMOTER):
                assert not visible(given, principal, package, reference), principal
        assert given.registry.manifests.stat(PUBLISHER, package.repository, package.digest).staged

    def test_its_admission_shows_all_of_it_under_its_version(
        self, given: Given, package: Package
    ) -> None:
        given.publish(package)
        given.registry.namespaces.set_public(ADMIN, "team", public=True)
        for reference in [*self.everything(package), package.tag]:
            for principal in (ADMIN, PUBLISHER, NOBODY, STRANGER, READER, PROMOTER):
                assert visible(given, principal, package, reference)

    def test_a_tag_on_it_is_hidden_too(self, given: Given, package: Package) -> None:
        given.push(package)
        given.manifest(
            package.repository, package.manifest, by=PUBLISHER, reference=Tag("candidate")
        )
        assert visible(given, PUBLISHER, package, Tag("candidate"))
        assert not visible(given, READER, package, Tag("candidate"))

    def test_a_referrer_that_comes_before_its_release_is_hidden_too(
        self, given: Given, package: Package
    ) -> None:
        signed = package.signed_by(SIGNER)
        given.referrer(package.repository, signed, by=PUBLISHER)
        assert not visible(given, READER, package, signed.digest)
        given.push(package)
        assert not visible(given, READER, package, signed.digest)

        given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

        assert visible(given, READER, package, signed.digest)

    def test_what_refers_to_a_referrer_is_shown_with_it(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        signed = package.signed_by(SIGNER)
        comment = a_manifest(subject=Descriptor.of(signed.manifest, media.MANIFEST))
        digest = given.manifest(package.repository, comment, by=PUBLISHER)
        assert not visible(given, READER, package, digest)

        given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

        assert visible(given, READER, package, digest)

    def test_what_comes_after_the_admission_is_seen_at_once(
        self, released: Given, package: Package
    ) -> None:
        comment = a_manifest(subject=package.descriptor)
        digest = released.manifest(package.repository, comment, by=PUBLISHER)
        assert visible(released, READER, package, digest)

    def test_another_version_stays_staged(self, released: Given) -> None:
        later = a_package("team/etl", "1.1.0")
        released.push(later)
        assert not visible(released, READER, later, later.digest)

    def test_statements_of_a_plain_repository_are_shown_with_what_makes_it_plain(
        self, given: Given
    ) -> None:
        data = a_manifest()
        referrer = a_manifest(
            subject=Descriptor.of(data, media.MANIFEST), artifact_type=media.STATEMENT
        )
        digest = given.manifest(TOOLS, referrer, media.EMPTY_JSON, by=PUBLISHER)
        assert given.registry.manifests.find(READER, TOOLS, digest) is None

        put(given, data, Tag("v1"))

        assert given.registry.manifests.find(READER, TOOLS, digest) is not None


@pytest.mark.parametrize(("principal", "refusal"), OUTSIDERS)
def test_a_private_namespace_is_not_there_for_others(
    released: Given, package: Package, principal: Principal, refusal: type[RegistryError]
) -> None:
    manifests = released.registry.manifests
    for reference in (package.digest, package.tag, Tag("none")):
        for act in (manifests.find, manifests.stat, manifests.get, manifests.delete):
            with pytest.raises(refusal):
                act(principal, package.repository, reference)


def test_what_is_not_there_is_named_as_it_was_asked_for(given: Given) -> None:
    given.artifact(TOOLS)
    digest = Digest.of(b"none")
    with pytest.raises(ManifestUnknown, match="no manifest team/tools:none"):
        given.registry.manifests.get(READER, TOOLS, Tag("none"))
    with pytest.raises(ManifestUnknown, match=f"no manifest team/tools@{digest}"):
        given.registry.manifests.get(READER, TOOLS, digest)
    with pytest.raises(ManifestUnknown):
        given.registry.manifests.get(READER, RepositoryName("team/none"), Tag("v1"))


def test_a_yanked_release_warns(released: Given, package: Package) -> None:
    released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "wrong totals")
    info = released.registry.manifests.stat(READER, package.repository, package.tag)
    assert info.warning == "team/etl 1.0.0 was yanked: wrong totals"

    released.registry.publishing.unyank(PUBLISHER, package.name, "1.0.0")

    again = released.registry.manifests.stat(READER, package.repository, package.tag)
    assert again.warning is None


def test_a_yanked_release_names_the_newest_that_is_not(released: Given, package: Package) -> None:
    for version in ("1.0.1", "1.1.0", "2.0.0"):
        released.publish(a_package("team/etl", version))
    for version in ("1.0.0", "2.0.0"):
        released.registry.publishing.yank(PUBLISHER, package.name, version, "wrong totals")

    def warning(version: str) -> str | None:
        return released.registry.manifests.stat(READER, package.repository, Tag(version)).warning

    said = "team/etl 1.0.0 was yanked: wrong totals; 1.1.0 is the newest that is not"
    assert warning("1.0.0") == said
    assert warning("2.0.0") == "team/etl 2.0.0 was yanked: wrong totals"  # there is none after it
    assert warning("1.0.1") is None  # that it isn't the newest is no reason to warn


class TestParts:
    """What a manifest needs: there, of the size that it says, or missing where that is allowed."""

    def sparse(self, given: Given) -> None:
        given.registry.namespaces.change(ADMIN, "team", {"sparse": True})

    def index_of(self, *entries: Descriptor) -> bytes:
        return image_index(artifact_type=None, manifests=entries)

    @pytest.mark.parametrize("size", [0, 4, 6, 2**62])
    def test_a_blob_of_another_size_than_it_says_is_refused(self, given: Given, size: int) -> None:
        drawn = json.loads(a_manifest(b"hello"))
        drawn["layers"][0]["size"] = size
        given.blob(TOOLS, b"hello")
        with pytest.raises(InvalidManifest, match=f"has {size} bytes, and that has 5"):
            put(given, json.dumps(drawn).encode(), Tag("v1"))

    def test_so_is_a_manifest(self, given: Given) -> None:
        child = given.artifact(TOOLS, b"hello")
        index = self.index_of(Descriptor(media.MANIFEST, child, 7))
        with pytest.raises(InvalidManifest, match="has 7 bytes, and that has"):
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag("all"), index, media.INDEX)

    def test_an_index_of_blobs_is_taken_as_buildkit_makes_it(self, given: Given) -> None:
        kinds = (media.LAYER_TAR_GZIP, "application/vnd.buildkit.cacheconfig.v0")
        blobs = (b"a layer", b"what the layers are of")
        entries = [Descriptor.of(data, kind) for data, kind in zip(blobs, kinds, strict=True)]
        index = self.index_of(*entries)
        with pytest.raises(ManifestBlobUnknown) as refused:
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag("cache"), index, media.INDEX)
        assert refused.value.digests == tuple(str(entry.digest) for entry in entries)

        for data in blobs:
            given.blob(TOOLS, data)
        given.registry.manifests.put(PUBLISHER, TOOLS, Tag("cache"), index, media.INDEX)

        for entry in entries:
            with pytest.raises(InUse):
                given.registry.blobs.delete(PUBLISHER, TOOLS, entry.digest)

    def test_indexes_may_be_nested(self, given: Given) -> None:
        digest, size = given.artifact(TOOLS, b"hello"), len(a_manifest(b"hello"))
        kind = media.MANIFEST
        for depth in range(20):
            index = self.index_of(Descriptor(kind, digest, size))
            digest = given.registry.manifests.put(
                PUBLISHER, TOOLS, Tag(f"d{depth}"), index, media.INDEX
            ).info.digest
            kind, size = media.INDEX, len(index)
        assert given.registry.manifests.stat(READER, TOOLS, Tag("d19")).digest == digest

    def test_what_an_index_needs_goes_after_it(self, given: Given) -> None:
        manifests = given.registry.manifests
        child = given.artifact(TOOLS, b"hello")
        data = self.index_of(Descriptor(media.MANIFEST, child, len(a_manifest(b"hello"))))
        index = manifests.put(PUBLISHER, TOOLS, Tag("all"), data, media.INDEX).info.digest
        manifests.delete(PUBLISHER, TOOLS, Tag("all"))  # by digest it can still be pulled

        with pytest.raises(InUse, match=f"needed by the index {index}"):
            manifests.delete(PUBLISHER, TOOLS, child)

        manifests.delete(PUBLISHER, TOOLS, index)
        manifests.delete(PUBLISHER, TOOLS, child)
        assert manifests.find(PUBLISHER, TOOLS, child) is None

    def test_where_indexes_may_be_sparse_it_may_go_before(self, given: Given) -> None:
        manifests = given.registry.manifests
        self.sparse(given)
        child = given.artifact(TOOLS, b"hello")
        data = self.index_of(Descriptor(media.MANIFEST, child, len(a_manifest(b"hello"))))
        manifests.put(PUBLISHER, TOOLS, Tag("all"), data, media.INDEX)

        manifests.delete(PUBLISHER, TOOLS, child)

        assert manifests.find(READER, TOOLS, Tag("all")) is not None
        assert manifests.find(READER, TOOLS, child) is None

    def test_a_manifest_of_thousands_of_parts_is_checked_as_one_of_two(self, given: Given) -> None:
        layers = [b"%d" % number for number in range(3000)]
        with pytest.raises(ManifestBlobUnknown) as refused:
            given.manifest(TOOLS, a_manifest(*layers), media.EMPTY_JSON, *layers[-2:])
        assert refused.value.digests == tuple(str(Digest.of(layer)) for layer in layers[:-2])
        assert str(refused.value).endswith(" and 2988 more, which the manifest needs")
        assert len(str(refused.value)) < 1000

    def test_parts_may_be_missing_where_the_namespace_is_sparse(self, given: Given) -> None:
        missing = Descriptor.of(b"somewhere else", media.MANIFEST)
        index, manifest = self.index_of(missing), a_manifest(b"not here")
        self.sparse(given)

        for tag, data in (("all", index), ("v1", manifest)):
            given.registry.manifests.put(PUBLISHER, TOOLS, Tag(tag), data, None)
            assert given.registry.manifests.get(READER, TOOLS, Tag(tag)).data == data

        with pytest.raises(ManifestUnknown):
            given.registry.manifests.stat(READER, TOOLS, missing.digest)
        with pytest.raises(BlobUnknown):
            given.registry.blobs.stat(READER, TOOLS, Digest.of(b"not here"))
        given.blob(TOOLS, b"not here")
        assert given.registry.blobs.stat(READER, TOOLS, Digest.of(b"not here")).size == 8

    def test_what_is_there_has_its_size_there_too(self, given: Given) -> None:
        self.sparse(given)
        drawn = json.loads(a_manifest(b"hello", b"missing"))
        drawn["layers"][0]["size"] = 4
        given.blob(TOOLS, b"hello")
        with pytest.raises(InvalidManifest, match="has 4 bytes, and that has 5"):
            put(given, json.dumps(drawn).encode(), Tag("v1"))

    def test_a_release_lacks_nothing_there_either(self, given: Given, package: Package) -> None:
        self.sparse(given)
        with pytest.raises(ManifestBlobUnknown):
            given.manifest(package.repository, package.manifest, by=PUBLISHER)
        given.push(package)
        statement = package.signed_by(SIGNER)
        with pytest.raises(ManifestBlobUnknown):
            given.manifest(RepositoryName("team/new"), statement.manifest, by=PUBLISHER)
        about = a_manifest(b"missing", subject=package.descriptor)
        with pytest.raises(ManifestBlobUnknown):
            given.manifest(package.repository, about, media.EMPTY_JSON, by=PUBLISHER)

    def test_a_manifest_whose_annotations_no_answer_can_hold_refers_to_nothing(
        self, given: Given
    ) -> None:
        subject = Descriptor.of(b"subject", media.MANIFEST)
        limit = given.config.manifest_limit
        size = limit - len(a_manifest(subject=subject, annotations={"a": ""}))
        largest = {"a": "x" * size}
        given.blob(TOOLS, media.EMPTY_JSON)
        longest = a_manifest(subject=subject, annotations=largest, artifact_type="a/b")
        assert len(longest) <= limit
        assert put(given, longest, Digest.of(longest))

        drawn = {"schemaVersion": 2, "manifests": [], "subject": subject.to_json()}
        bare = json.dumps(drawn | {"annotations": {"a": ""}}, separators=(",", ":"))
        fitting = json.dumps(
            drawn | {"annotations": {"a": "x" * (limit - len(bare))}}, separators=(",", ":")
        ).encode()
        assert len(fitting) == limit
        with pytest.raises(InvalidManifest, match="annotations are too large"):
            given.registry.manifests.put(
                PUBLISHER, TOOLS, Digest.of(fitting, "sha512"), fitting, media.INDEX
            )


class TestTaggingAgain:
    """A put of what is there already gives it another tag, whatever the repository is."""

    def test_a_bundle_gets_a_tag_of_a_publishers(self, released: Given, package: Package) -> None:
        made = released.bundle(a_package("team/app").name, package)
        repository = made.application.repository
        manifests = released.registry.manifests
        data = manifests.get(READER, repository, made.digest).data

        again = manifests.put(PUBLISHER, repository, Tag("approved"), data, media.INDEX)

        assert not again.created
        assert manifests.stat(READER, repository, Tag("approved")).digest == made.digest

    def test_it_is_not_a_channels(self, released: Given, package: Package) -> None:
        made = released.bundle(a_package("team/app").name, package)
        repository = made.application.repository
        data = released.registry.manifests.get(READER, repository, made.digest).data
        with pytest.raises(ServerOwned):
            released.registry.manifests.put(PUBLISHER, repository, Tag("dev"), data, None)

    def test_a_promoter_who_makes_bundles_tags_none(
        self, released: Given, package: Package
    ) -> None:
        made = released.bundle(a_package("team/app").name, package)
        repository = made.application.repository
        data = released.registry.manifests.get(READER, repository, made.digest).data
        with pytest.raises(Denied):
            released.registry.manifests.put(PROMOTER, repository, Tag("approved"), data, None)

    def test_a_tagged_bundle_may_still_be_deleted(self, released: Given, package: Package) -> None:
        made = released.bundle(a_package("team/app").name, package, signed_by=None)
        repository = made.application.repository
        manifests = released.registry.manifests
        data = manifests.get(READER, repository, made.digest).data
        manifests.put(PUBLISHER, repository, Tag("approved"), data, None)

        manifests.delete(PUBLISHER, repository, made.digest)

        with pytest.raises(ManifestUnknown):
            manifests.stat(READER, repository, Tag("approved"))


class TestServersTags:
    @pytest.mark.parametrize("tag", ["1.0.0", "2.0.0", "2.0.0-rc.1"])
    @pytest.mark.parametrize("principal", [PUBLISHER, ADMIN])
    def test_versions_of_a_package_are_the_servers(
        self, released: Given, package: Package, tag: str, principal: Principal
    ) -> None:
        with pytest.raises(ServerOwned, match=f"team/etl:{tag} belongs to the server: .*admission"):
            released.registry.manifests.put(
                principal, package.repository, Tag(tag), package.manifest, None
            )

    def test_a_further_tag_is_judged_as_the_first(self, released: Given, package: Package) -> None:
        with pytest.raises(ServerOwned):
            released.registry.manifests.put(
                PUBLISHER,
                package.repository,
                Tag("mine"),
                package.manifest,
                None,
                tags=[Tag("1.0.0")],
            )
        assert released.registry.manifests.find(READER, package.repository, Tag("mine")) is None

    def test_a_release_cannot_take_its_tag_by_itself(self, given: Given, package: Package) -> None:
        for data in (package.config, *package.layers):
            given.blob(package.repository, data)
        with pytest.raises(ServerOwned):
            given.manifest(package.repository, package.manifest, reference=package.tag)

    def test_it_is_not_deleted_either(self, released: Given, package: Package) -> None:
        for principal in (PUBLISHER, ADMIN):
            with pytest.raises(ServerOwned, match=r"1\.0\.0 belongs to the server"):
                released.registry.manifests.delete(principal, package.repository, package.tag)
        assert released.registry.manifests.find(READER, package.repository, package.tag)

    @pytest.mark.parametrize("channel", ["dev", "production"])
    def test_channels_of_an_application_are_the_servers(
        self, released: Given, package: Package, channel: str
    ) -> None:
        app = a_package("team/app").name
        bundle = released.bundle(app, package)
        released.promote(bundle)
        manifests = released.registry.manifests
        data = manifests.get(READER, app.repository, bundle.digest).data
        with pytest.raises(ServerOwned, match="only a promotion moves"):
            manifests.put(PUBLISHER, app.repository, Tag(channel), data, None)
        if channel == "dev":
            with pytest.raises(ServerOwned):
                manifests.delete(PUBLISHER, app.repository, Tag(channel))
            found = manifests.stat(READER, app.repository, Tag(channel))
            assert found.digest == bundle.digest

    def test_a_channel_is_not_squatted_before_there_is_an_application(
        self, released: Given, package: Package
    ) -> None:
        app = a_package("team/app").name
        stray = a_manifest(subject=package.descriptor)
        released.manifest(
            app.repository, stray, media.EMPTY_JSON, by=PUBLISHER, reference=Tag("production")
        )

        released.bundle(app, package)

        assert released.registry.manifests.find(READER, app.repository, Tag("production")) is None

    def test_a_version_is_not_squatted_before_there_is_a_package(
        self, given: Given, package: Package
    ) -> None:
        stray = a_manifest(subject=Descriptor.of(b"other", media.MANIFEST))
        given.manifest(
            package.repository, stray, media.EMPTY_JSON, by=PUBLISHER, reference=Tag("2.0.0")
        )
        given.manifest(package.repository, stray, by=PUBLISHER, reference=Tag("mine"))

        given.publish(package)

        assert given.registry.manifests.find(PUBLISHER, package.repository, Tag("2.0.0")) is None
        assert given.registry.manifests.find(PUBLISHER, package.repository, Tag("mine"))

    def test_other_tags_are_free(self, released: Given, package: Package) -> None:
        for tag in ("latest", "1.0", "v1.0.0", "dev"):
            released.manifest(
                package.repository, package.manifest, by=PUBLISHER, reference=Tag(tag)
            )
            released.registry.manifests.delete(PUBLISHER, package.repository, Tag(tag))
            assert released.registry.manifests.find(READER, package.repository, Tag(tag)) is None


class TestDelete:
    def test_a_tag_goes_and_the_manifest_stays(self, given: Given) -> None:
        digest = put(given, a_manifest(), Tag("v1"))
        given.registry.manifests.delete(PUBLISHER, TOOLS, Tag("v1"))
        assert given.registry.manifests.find(READER, TOOLS, Tag("v1")) is None
        assert given.registry.manifests.find(READER, TOOLS, digest)

    def test_a_manifest_goes_with_its_tags(self, given: Given) -> None:
        digest = put(given, a_manifest(), Tag("v1"))
        given.registry.manifests.delete(PUBLISHER, TOOLS, digest)
        for reference in (digest, Tag("v1")):
            with pytest.raises(ManifestUnknown):
                given.registry.manifests.delete(PUBLISHER, TOOLS, reference)
        given.registry.blobs.delete(PUBLISHER, TOOLS, Digest.of(media.EMPTY_JSON))

    @pytest.mark.parametrize("principal", [READER, PROMOTER])
    def test_only_publishers_delete(self, given: Given, principal: Principal) -> None:
        put(given, a_manifest(), Tag("v1"))
        with pytest.raises(Denied):
            given.registry.manifests.delete(principal, TOOLS, Tag("v1"))

    def test_a_staged_release_may_be_withdrawn(self, given: Given, package: Package) -> None:
        given.push(package)
        given.registry.manifests.delete(PUBLISHER, package.repository, package.digest)
        with pytest.raises(ManifestUnknown):
            given.registry.publishing.admit(PUBLISHER, package.name, package.digest)

    def test_a_listed_release_and_what_belongs_to_it_stay(
        self, released: Given, package: Package
    ) -> None:
        receipt = released.registry.catalog.package(READER, package.name).latest.receipt
        (wheel_set,) = package.wheel_sets.values()
        for digest in (
            package.digest,
            Digest.of(wheel_set),
            package.signed_by(SIGNER).digest,
            receipt,
        ):
            for principal in (PUBLISHER, ADMIN):
                with pytest.raises(InUse, match=r"needed by the release team/etl 1\.0\.0"):
                    released.registry.manifests.delete(principal, package.repository, digest)
            assert released.registry.manifests.find(READER, package.repository, digest)

    def test_a_comment_on_a_release_may_go(self, released: Given, package: Package) -> None:
        digest = released.manifest(
            package.repository, a_manifest(subject=package.descriptor), by=PUBLISHER
        )
        released.registry.manifests.delete(PUBLISHER, package.repository, digest)
        assert released.registry.manifests.find(PUBLISHER, package.repository, digest) is None

    def test_parts_of_a_bundle_stay_and_it_too_once_it_was_promoted(
        self, released: Given, package: Package
    ) -> None:
        app = a_package("team/app").name
        bundle = released.bundle(app, package)
        manifests = released.registry.manifests
        for digest in (package.digest, package.signed_by(SIGNER).digest):
            with pytest.raises(InUse, match=f"needed by the bundle {bundle.digest}"):
                manifests.delete(PUBLISHER, app.repository, digest)
        record = released.promote(bundle).record

        for digest in (bundle.digest, record):
            with pytest.raises(InUse, match="is or was in a channel"):
                manifests.delete(ADMIN, app.repository, digest)

    def test_a_bundle_that_was_in_no_channel_may_go(
        self, released: Given, package: Package
    ) -> None:
        app = a_package("team/app").name
        bundle = released.bundle(app, package)
        released.registry.manifests.delete(PUBLISHER, app.repository, bundle.digest)
        with pytest.raises(RegistryError, match="no bundle"):
            released.promote(bundle)
        assert released.bundle(app, package).digest == bundle.digest
