"""Bundles: a lock and all that it pins, in the application's repository."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import ImageIndex, parse_manifest
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.access import Principal, Role
from registry.errors import (
    BlobUnknown,
    BundleUnknown,
    Denied,
    InUse,
    InvalidBundle,
    ManifestUnknown,
    NamespaceUnknown,
    NotAuthenticated,
    ShowsPrivate,
    WrongKind,
)
from registry.oci.contents import Contents
from registry.reviews import Reviews
from registry.schema import ManifestRow, ReleaseRow, RepositoryRow
from tests.builders import (
    ADMIN,
    NOBODY,
    PLATFORM,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_lock,
    a_manifest,
    a_package,
    a_principal,
)

APP = PackageName("team", "app")


def entries(given: Given, digest: Digest, application: PackageName = APP) -> ImageIndex:
    stored = given.registry.manifests.get(READER, application.repository, digest)
    index = parse_manifest(stored.data)
    assert isinstance(index, ImageIndex)
    return index


def refused(given: Given, lock: str, by: Principal = PROMOTER) -> str:
    with pytest.raises(InvalidBundle) as caught:
        given.registry.bundles.create(by, APP, lock)
    assert caught.value.application == "team/app"
    return "; ".join(caught.value.problems)


def test_a_bundle_holds_the_lock_and_all_that_it_pins(released: Given, package: Package) -> None:
    made = released.bundle(APP, package, signed_by=None)
    index = entries(released, made.digest)
    assert index.artifact_type == media.BUNDLE
    first, *others = index.manifests
    assert first.artifact_type == media.LOCK
    digests = [str(entry.digest) for entry in others]
    assert digests == sorted(digests)
    assert sorted(str(entry.artifact_type) for entry in others) == [
        media.PACKAGE,
        media.STATEMENT,
        media.STATEMENT,
        media.WHEEL_SET,
    ]
    assert made.packages == {"team/etl": "1.0.0"}
    assert made.created_by == "promoter"
    assert released.registry.bundles.get(READER, APP, made.digest) == made


def test_other_referrers_of_a_release_are_no_part_of_it(released: Given, package: Package) -> None:
    before = released.bundle(APP, package, signed_by=None)
    report = a_manifest(b"a report", subject=package.descriptor)
    released.manifest(package.repository, report, media.EMPTY_JSON, b"a report", by=PUBLISHER)
    assert released.bundle(APP, package, signed_by=None) == before


def test_its_lock_is_a_layer(released: Given, package: Package) -> None:
    made = released.bundle(APP, package, signed_by=None)
    manifests, blobs = released.registry.manifests, released.registry.blobs
    entry = entries(released, made.digest).manifests[0]
    manifest = parse_manifest(manifests.get(READER, APP.repository, entry.digest).data)
    (layer,) = manifest.blobs[1:]
    with blobs.open(blobs.stat(READER, APP.repository, layer.digest)) as stream:
        assert stream.read().decode() == a_lock(package)


def test_every_entry_and_its_blobs_are_read_from_the_application(
    released: Given, package: Package
) -> None:
    made = released.bundle(APP, package, signed_by=None)
    for entry in entries(released, made.digest).manifests:
        stored = released.registry.manifests.get(READER, APP.repository, entry.digest)
        assert (stored.info.size, stored.info.media_type) == (entry.size, entry.media_type)
        for part in parse_manifest(stored.data).blobs:
            info = released.registry.blobs.stat(READER, APP.repository, part.digest)
            assert info.size == part.size


def test_the_same_lock_gives_the_same_bundle(released: Given, package: Package) -> None:
    made = released.bundle(APP, package, signed_by=None)
    lock = "# reviewed by pat\n" + a_lock(package)
    assert released.registry.bundles.create(PROMOTER, APP, lock) == made


def test_packages_of_several_namespaces_come_together(released: Given) -> None:
    released.namespace("shared")
    admin = a_principal(Role.ADMIN)
    clean = a_package("shared/clean", "1.1.0")
    etl = a_package("team/etl", "2.0.0", requires={"shared/clean": "^1"})
    for each in (clean, etl):
        released.publish(each, by=admin)
    text = a_lock(etl, clean)
    assert "shared/clean 1.1.0 is not listed" in refused(released, text)
    everywhere = a_principal(Role.PROMOTER)
    made = released.registry.bundles.create(everywhere, APP, text)
    assert made.packages == {"shared/clean": "1.1.0", "team/etl": "2.0.0"}


class TestWhatALockMayNotSay:
    def test_nothing(self, released: Given) -> None:
        assert "not TOML" in refused(released, "= what")
        empty = 'schema_version = 1\nrevision = 1\npython = "3.11"\nplatform = "linux/amd64"\n'
        assert "holds no package" in refused(released, empty + "requirements = []\n")

    def test_a_package_that_is_not_listed(self, released: Given) -> None:
        other = a_package("team/etl", "1.0.1")
        assert refused(released, a_lock(other)) == "team/etl 1.0.1 is not listed"

    def test_other_bytes(self, released: Given, package: Package) -> None:
        other = a_package("team/etl", "1.0.0", code="print('bye')\n")
        said = refused(released, a_lock(other))
        assert str(package.digest) in said
        assert str(other.digest) in said

    def test_a_yanked_release(self, released: Given, package: Package) -> None:
        released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "it loses rows")
        assert refused(released, a_lock(package)) == "team/etl 1.0.0 was yanked: it loses rows"

    def test_an_unsigned_release(self, released: Given, package: Package) -> None:
        with released.registry.database.write():  # as an earlier policy might have let in
            ReleaseRow.update(signers="[]").execute()
        assert refused(released, a_lock(package, signers=[])) == "team/etl 1.0.0 is unsigned"

    def test_other_signers(self, released: Given, package: Package) -> None:
        assert "not " + "B" * 40 in refused(released, a_lock(package, signers=["B" * 40]))
        assert "not nothing" in refused(released, a_lock(package, signers=[]))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda text: text.replace("size = ", "size = 1"), "bytes, not 1"),
            (
                lambda text: text.replace(
                    f'"{PLATFORM}" = "sha256:', f'"{PLATFORM}" = "sha256:{"0" * 64}"#'
                ),
                "has no wheel set sha256:0000",
            ),
        ],
        ids=["size", "wheels"],
    )
    def test_another_size_or_other_wheels(
        self, released: Given, package: Package, change: Callable[[str], str], said: str
    ) -> None:
        assert said in refused(released, change(a_lock(package)))

    def test_wheels_where_there_are_none(self, released: Given) -> None:
        plain = a_package("team/plain", "1.0.0")
        released.publish(plain)
        text = a_lock(plain) + f'\n[package.wheel_sets]\n"{PLATFORM}" = "sha256:{"0" * 64}"\n'
        assert "has no wheel set" in refused(released, text)

    def test_fewer_requirements_than_the_release_has(self, released: Given) -> None:
        clean = a_package("team/clean", "1.0.0")
        etl = a_package("team/etl", "2.0.0", requires={"team/clean": "^1"})
        for each in (clean, etl):
            released.publish(each)
        without = a_package("team/etl", "2.0.0")
        text = a_lock(without).replace(str(without.digest), str(etl.digest))
        assert "requires team/clean ^1, not nothing" in refused(released, text)

    def test_every_fault_is_told_at_once(self, released: Given) -> None:
        clean = a_package("team/clean", "9.0.0")
        etl = a_package("team/etl", "9.0.0", requires={"team/clean": "^9"})
        said = refused(released, a_lock(etl, clean))
        assert said == "team/clean 9.0.0 is not listed; team/etl 9.0.0 is not listed"


def test_a_public_application_shows_nothing_private(released: Given, package: Package) -> None:
    released.namespace("open", public=True)
    application = PackageName("open", "app")
    everywhere = a_principal(Role.PROMOTER)
    with pytest.raises(InvalidBundle, match="team/etl is private"):
        released.registry.bundles.create(everywhere, application, a_lock(package))
    released.registry.namespaces.set_public(ADMIN, "team", public=True)
    made = released.registry.bundles.create(everywhere, application, a_lock(package))
    assert made.application == application


def test_a_namespace_stays_private_while_its_applications_hold_what_is(
    released: Given, package: Package
) -> None:
    released.namespace("open")
    application = PackageName("open", "app")
    everywhere = a_principal(Role.PROMOTER)
    made = released.registry.bundles.create(everywhere, application, a_lock(package))
    released.registry.manifests.delete(ADMIN, application.repository, made.digest)  # parts stay
    namespaces = released.registry.namespaces

    with pytest.raises(ShowsPrivate) as caught:
        namespaces.set_public(ADMIN, "open", public=True)

    assert caught.value.shown == ("team/etl",)
    assert not namespaces.get(ADMIN, "open").public
    namespaces.set_public(ADMIN, "team", public=True)
    assert namespaces.set_public(ADMIN, "open", public=True).public


def test_a_namespace_with_bundles_of_its_own_may_be_public(
    released: Given, package: Package
) -> None:
    released.bundle(APP, package)
    assert released.registry.namespaces.set_public(ADMIN, "team", public=True).public


def test_a_promoter_adds_statements_to_an_application_and_nothing_else(
    released: Given, package: Package
) -> None:
    made = released.bundle(APP, package)
    subject = Descriptor(media.INDEX, made.digest, made.size)
    other = a_manifest(subject=subject)
    with pytest.raises(Denied, match="which adds statements and nothing else"):
        released.manifest(APP.repository, other, media.EMPTY_JSON, by=PROMOTER)
    [signature] = [
        each["digest"]
        for each in json.loads(
            released.registry.referrers.index(PROMOTER, APP.repository, made.digest).data
        )["manifests"]
    ]
    data = released.registry.manifests.get(PROMOTER, APP.repository, Digest.parse(signature)).data
    with pytest.raises(Denied, match="which adds statements and nothing else"):
        released.manifest(APP.repository, data, by=PROMOTER, reference=Tag("mine"))

    released.manifest(APP.repository, other, by=PUBLISHER)
    released.manifest(APP.repository, data, by=PROMOTER)


class TestTheName:
    def test_a_package_is_no_application(self, released: Given, package: Package) -> None:
        with pytest.raises(WrongKind) as caught:
            released.registry.bundles.create(PROMOTER, package.name, a_lock(package))
        assert (caught.value.found, caught.value.wanted) == ("package", "bundle")

    def test_nor_is_a_plain_repository(self, released: Given, package: Package) -> None:
        released.artifact(APP.repository, b"bytes")
        with pytest.raises(WrongKind):
            released.registry.bundles.create(PROMOTER, APP, a_lock(package))

    def test_one_that_holds_only_blobs_becomes_one(self, released: Given, package: Package) -> None:
        released.blob(APP.repository, b"bytes")
        made = released.bundle(APP, package)
        assert released.promote(made).bundle == made.digest

    def test_an_application_takes_no_other_manifests(
        self, released: Given, package: Package
    ) -> None:
        released.bundle(APP, package)
        with pytest.raises(WrongKind):
            released.artifact(APP.repository, b"bytes")
        with pytest.raises(WrongKind):
            released.push(a_package("team/app", "1.0.0"))


class TestWho:
    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (NOBODY, NotAuthenticated),
            (STRANGER, NamespaceUnknown),
            (READER, Denied),
            (PUBLISHER, Denied),
        ],
    )
    def test_others_make_none(
        self, released: Given, package: Package, principal: Principal, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            released.bundle(APP, package, by=principal)

    def test_an_admin_makes_the_namespace_too(self, released: Given, package: Package) -> None:
        made = released.registry.bundles.create(ADMIN, PackageName("fresh", "app"), a_lock(package))
        assert released.registry.namespaces.get(ADMIN, "fresh").owner == ADMIN.name
        assert made.packages == {"team/etl": "1.0.0"}

    def test_one_that_is_not_there_is_unknown(self, released: Given, package: Package) -> None:
        with pytest.raises(BundleUnknown):
            released.registry.bundles.get(READER, APP, package.digest)
        with pytest.raises(BundleUnknown):
            released.registry.bundles.get(READER, package.name, package.digest)


class TestDeletes:
    def test_parts_of_a_bundle_stay(self, released: Given, package: Package) -> None:
        made = released.bundle(APP, package)
        publisher = PUBLISHER
        for entry in entries(released, made.digest).manifests:
            with pytest.raises(InUse, match="the bundle sha256"):
                released.registry.manifests.delete(publisher, APP.repository, entry.digest)

    def test_one_that_was_never_promoted_goes(self, released: Given, package: Package) -> None:
        made = released.bundle(APP, package)
        released.registry.manifests.delete(PUBLISHER, APP.repository, made.digest)
        with pytest.raises(BundleUnknown):
            released.registry.bundles.get(READER, APP, made.digest)
        again = released.bundle(APP, package)
        assert again.digest == made.digest

    def test_one_that_was_in_a_channel_stays_with_its_statements(
        self, released: Given, package: Package
    ) -> None:
        made = released.bundle(APP, package)
        record = released.promote(made)
        for digest in (made.digest, record.record, *record.evidence):
            with pytest.raises(InUse, match="is or was in a channel"):
                released.registry.manifests.delete(PUBLISHER, APP.repository, digest)


def test_the_same_digests_elsewhere_stay_unknown(released: Given, package: Package) -> None:
    made = released.bundle(APP, package)
    other = RepositoryName("team/other")
    released.blob(other, b"bytes")
    with pytest.raises(ManifestUnknown):
        released.registry.manifests.get(READER, other, made.digest)
    with pytest.raises(BlobUnknown):
        released.registry.blobs.stat(READER, other, Digest.of(package.config))


def test_linking_a_manifest_brings_no_blob_that_its_own_repository_lacks(given: Given) -> None:
    """A layer that may be elsewhere can name any digest: also one of somebody else's."""
    given.namespace("others")
    secret = given.blob(RepositoryName("others/secret"), b"secret")
    source, target = RepositoryName("team/source"), RepositoryName("team/target")
    drawn = json.loads(a_manifest(b"own"))
    drawn["layers"].append(Descriptor.of(b"secret", "application/x.foreign.y").to_json())
    digest = given.manifest(source, json.dumps(drawn).encode(), media.EMPTY_JSON, b"own")
    given.artifact(target, b"something")

    with given.registry.database.write():
        row = ManifestRow.get(ManifestRow.digest == str(digest))
        repository = RepositoryRow.get(RepositoryRow.name == target.text)
        reviews = Reviews(given.registry.database, given.clock, timedelta(days=1))
        contents = Contents(given.registry.database, given.registry.store, given.clock, reviews)
        contents.link_manifest(PUBLISHER, row, repository)

    blobs = given.registry.blobs
    assert blobs.stat(PUBLISHER, target, Digest.of(b"own")).size == 3
    with pytest.raises(BlobUnknown):
        blobs.stat(PUBLISHER, target, secret)
