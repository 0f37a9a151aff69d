"""Images in bundles: which may come in, and how long they stay."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, ImageIndex, encode, image_manifest, parse_manifest
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.access import Principal, Role
from registry.bundles import Bundle
from registry.check.findings import Problem
from registry.errors import (
    InUse,
    InvalidBundle,
    ManifestUnknown,
    QuotaExceeded,
    ShowsPrivate,
)
from registry.images import MOST_IMAGES, ImageReference
from registry.schema import BundleImageRow, EventRow
from registry.sweep import Pace
from tests.builders import (
    ADMIN,
    PROMOTER,
    PUBLISHER,
    READER,
    Given,
    Image,
    Package,
    a_lock,
    a_manifest,
    a_package,
    a_principal,
    an_image,
    an_index,
)

APP = PackageName("team", "app")
IMAGE = RepositoryName("team/app/image")
OTHER = RepositoryName("team/tools")
SINGLE = an_image()
BOTH = an_index(an_image(), an_image(architecture="arm64", variant="v8"))


def refused(
    given: Given, package: Package, *images: ImageReference, by: Principal = PROMOTER
) -> str:
    with pytest.raises(InvalidBundle) as caught:
        given.registry.bundles.create(by, APP, a_lock(package), images)
    return "; ".join(caught.value.problems)


def index_of(given: Given, bundle: Bundle) -> ImageIndex:
    stored = given.registry.manifests.get(READER, bundle.application.repository, bundle.digest)
    index = parse_manifest(stored.data)
    assert isinstance(index, ImageIndex)
    return index


def images_in(given: Given, bundle: Bundle) -> list[Descriptor]:
    return [each for each in index_of(given, bundle).manifests if media.IMAGE in each.annotations]


def assert_whole(given: Given, repository: RepositoryName, image: Image) -> None:
    """Everything of an image can be read from a repository."""
    stored = given.registry.manifests.get(READER, repository, image.digest)
    assert stored.data == image.manifest
    assert stored.info.media_type == image.media_type
    for blob in image.blobs:
        with given.registry.blobs.open(
            given.registry.blobs.stat(READER, repository, Digest.of(blob))
        ) as stream:
            assert stream.read() == blob
    for each in image.below:
        assert_whole(given, repository, each)


def sweep(given: Given) -> None:
    for _ in range(4):  # what is below waits for a grace of its own
        given.clock.advance(given.config.sweep_grace + timedelta(days=1))
        given.registry.sweep.run(Pace(wait=lambda _: None))


def findings(given: Given) -> list[str]:
    return [str(each) for each in given.registry.checker.run(lambda _stage, _seen: None)]


def a_signature(
    of: Image, artifact_type: str = media.SIGSTORE_BUNDLE, text: bytes = b"signed"
) -> Image:
    """Draw what cosign hangs on an image."""
    data = image_manifest(
        artifact_type=artifact_type,
        config=EMPTY_CONFIG,
        layers=[Descriptor.of(text, artifact_type)],
        subject=Descriptor.of(of.manifest, of.media_type),
    )
    return Image(data, media.MANIFEST, (media.EMPTY_JSON, text))


class TestWhatABundleHolds:
    @pytest.mark.parametrize(
        "image",
        [
            SINGLE,
            BOTH,
            an_image(is_docker=True),
            an_index(an_image(is_docker=True), is_docker=True),
            an_index(BOTH, an_image(architecture="s390x")),
        ],
        ids=["one", "two-platforms", "docker", "docker-list", "nested"],
    )
    def test_an_image_is_read_from_the_application(
        self, released: Given, package: Package, image: Image
    ) -> None:
        made = released.bundle(APP, package, images=[released.image(IMAGE, image)])

        (entry,) = images_in(released, made)
        assert (entry.digest, entry.size, entry.media_type) == (
            image.digest,
            len(image.manifest),
            image.media_type,
        )
        assert entry.annotations == {media.IMAGE: IMAGE.text}
        assert entry.artifact_type is None
        assert_whole(released, APP.repository, image)
        assert released.registry.bundles.get(READER, APP, made.digest) == made
        assert findings(released) == []

    def test_its_platform_is_told(self, released: Given, package: Package) -> None:
        images = [released.image(IMAGE, SINGLE), released.image(OTHER, BOTH)]
        made = released.bundle(APP, package, images=images)

        one, two = images_in(released, made)
        assert one.platform == {"os": "linux", "architecture": "amd64"}
        assert two.platform is None
        assert [each.platforms for each in made.images] == [
            ("linux/amd64",),
            ("linux/amd64", "linux/arm64/v8"),
        ]
        assert [each.size for each in made.images] == [SINGLE.size, BOTH.size]

    def test_a_platform_that_nobody_says_is_none(self, released: Given, package: Package) -> None:
        attestation = replace(
            an_image(architecture=None), platform={"os": "unknown", "architecture": "unknown"}
        )
        silent = replace(an_image(architecture="riscv64"), platform=None)
        odd = Image(
            encode(
                json.loads(SINGLE.manifest)
                | {"config": Descriptor.of(b"[", media.IMAGE_CONFIG).to_json()}
            ),
            media.MANIFEST,
            (b"[", *SINGLE.blobs),
        )
        first = released.image(IMAGE, an_index(attestation, silent))
        made = released.bundle(APP, package, images=[first, released.image(OTHER, odd)])

        assert [each.platforms for each in made.images] == [("linux/riscv64",), ()]
        assert [each.platform for each in images_in(released, made)] == [None, None]

    def test_a_configuration_that_is_too_large_is_not_read(
        self, released: Given, package: Package, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("registry.images._LARGEST_CONFIG", len(SINGLE.blobs[0]) - 1)
        made = released.bundle(APP, package, images=[released.image(IMAGE, SINGLE)])
        assert made.images[0].platforms == ()

    def test_a_lock_alone_gives_what_it_gave(self, released: Given, package: Package) -> None:
        before = released.bundle(APP, package)
        with_image = released.bundle(APP, package, images=[released.image(IMAGE, SINGLE)])
        again = released.bundle(APP, package)

        assert again == before
        assert with_image.digest != before.digest
        first, *_ = index_of(released, before).manifests
        entries = index_of(released, with_image).manifests
        assert entries[0] == first
        assert entries[:-1] == index_of(released, before).manifests

    def test_the_same_in_any_order_is_the_same_bundle(
        self, released: Given, package: Package
    ) -> None:
        images = [
            released.image(OTHER, SINGLE),
            released.image(IMAGE, BOTH),
            released.image(IMAGE, SINGLE),
        ]
        made = released.bundle(APP, package, images=images)
        elsewhere = PackageName("team", "copy")

        assert released.bundle(APP, package, images=images[::-1]) == made
        assert released.bundle(APP, package, images=[*images, *images]) == made
        other = released.bundle(elsewhere, package, images=images[::-1])
        assert other.digest == made.digest
        assert released.bundle(APP, package, images=images[:2]).digest != made.digest

    def test_one_image_of_two_repositories_is_one_entry(
        self, released: Given, package: Package
    ) -> None:
        images = [released.image(OTHER, BOTH), released.image(IMAGE, BOTH)]
        made = released.bundle(APP, package, images=images)

        (entry,) = images_in(released, made)
        assert entry.annotations == {media.IMAGE: "team/app/image,team/tools"}
        assert [str(each.repository) for each in made.images] == ["team/app/image", "team/tools"]
        assert released.bundle(APP, package, images=images[:1]).digest != made.digest

    def test_who_made_it_with_what_is_written_down(self, released: Given, package: Package) -> None:
        made = released.bundle(APP, package, images=[released.image(IMAGE, SINGLE)])
        with released.registry.database.session():
            event = EventRow.get(EventRow.kind == "bundle.created")
            row = BundleImageRow.get()
        assert json.loads(event.payload)["digest"] == str(made.digest)
        assert (row.repository, row.digest) == (IMAGE.text, str(SINGLE.digest))


class TestSignatures:
    def test_what_signs_an_image_or_one_below_it_is_an_entry(
        self, released: Given, package: Package
    ) -> None:
        where = released.image(IMAGE, BOTH)
        signatures = [
            a_signature(BOTH),
            a_signature(BOTH.below[0], media.NOTATION_SIGNATURE),
            a_signature(BOTH, media.COSIGN_SIGNATURE, b"again"),
        ]
        for each in signatures:
            released.image(IMAGE, each)
        made = released.bundle(APP, package, images=[where])

        last = index_of(released, made).manifests[-3:]
        assert [str(each.digest) for each in last] == sorted(str(one.digest) for one in signatures)
        for each in signatures:
            assert_whole(released, APP.repository, each)
        listed = json.loads(
            released.registry.referrers.index(READER, APP.repository, BOTH.digest).data
        )
        assert len(listed["manifests"]) == 2
        assert findings(released) == []

    def test_what_only_refers_to_it_is_none(self, released: Given, package: Package) -> None:
        where = released.image(IMAGE, SINGLE)
        note = a_manifest(b"a note", subject=SINGLE.descriptor)
        released.manifest(IMAGE, note, media.EMPTY_JSON, b"a note")
        made = released.bundle(APP, package, images=[where])

        assert index_of(released, made).manifests[-1].digest == SINGLE.digest

    def test_one_that_comes_later_makes_no_other_bundle(
        self, released: Given, package: Package
    ) -> None:
        where = released.image(IMAGE, SINGLE)
        made = released.bundle(APP, package, images=[where])
        released.image(IMAGE, a_signature(SINGLE))

        assert released.bundle(APP, package, images=[where]) == made

    def test_of_each_repository_that_the_image_is_of(
        self, released: Given, package: Package
    ) -> None:
        images = [released.image(IMAGE, SINGLE), released.image(OTHER, SINGLE)]
        signatures = [a_signature(SINGLE, text=b"one"), a_signature(SINGLE, text=b"two")]
        for where, signature in zip((IMAGE, OTHER), signatures, strict=True):
            released.image(where, signature)
        made = released.bundle(APP, package, images=images)

        entries = {each.digest for each in index_of(released, made).manifests}
        assert {each.digest for each in signatures} < entries
        for each in signatures:
            assert_whole(released, APP.repository, each)


class TestWhatIsNoImage:
    def test_one_that_is_not_there_or_not_to_be_read(
        self, released: Given, package: Package
    ) -> None:
        released.namespace("secret")
        hidden = released.image(RepositoryName("secret/image"), SINGLE)
        released.image(IMAGE, SINGLE)
        absent = [
            hidden,
            ImageReference(RepositoryName("secret/other"), SINGLE.digest),
            ImageReference(RepositoryName("nowhere/image"), SINGLE.digest),
            ImageReference(RepositoryName("team/nothing"), SINGLE.digest),
            ImageReference(IMAGE, Digest.of(b"a typo")),
        ]
        for each in absent:
            assert refused(released, package, each) == f"the image {each} is not there"
        said = refused(released, package, *absent)
        assert said.count("is not there") == len(absent)

    @pytest.mark.parametrize("what", ["release", "bundle", "lock", "chart", "empty", "blobs"])
    def test_something_else(self, released: Given, package: Package, what: str) -> None:
        made = released.bundle(APP, package)
        lock = index_of(released, made).manifests[0].digest
        chart = encode(
            json.loads(SINGLE.manifest)
            | {
                "config": Descriptor.of(
                    SINGLE.blobs[0], "application/vnd.cncf.helm.config.v1+json"
                ).to_json()
            }
        )
        cache = an_index()
        drawn = json.loads(cache.manifest)
        drawn["manifests"] = [Descriptor.of(b"cached", media.LAYER_TAR).to_json()]
        where = {
            "release": lambda: ImageReference(package.repository, package.digest),
            "bundle": lambda: ImageReference(APP.repository, made.digest),
            "lock": lambda: ImageReference(APP.repository, lock),
            "chart": lambda: released.image(IMAGE, Image(chart, blobs=SINGLE.blobs)),
            "empty": lambda: released.image(IMAGE, an_index()),
            "blobs": lambda: released.image(
                IMAGE, Image(json.dumps(drawn).encode(), media.INDEX, (b"cached",))
            ),
        }[what]()
        said = {
            "release": media.PACKAGE,
            "bundle": media.BUNDLE,
            "lock": media.LOCK,
            "chart": "helm",
            "empty": "an index that leads to none",
            "blobs": "an index that leads to none",
        }[what]

        found = refused(released, package, where)

        assert "is no image that a bundle holds, but" in found
        assert said in found
        assert len(found.split("; ")) == 1

    def test_a_private_one_in_a_public_application(self, released: Given, package: Package) -> None:
        released.registry.namespaces.set_public(ADMIN, "team", public=True)
        released.namespace("secret")
        everywhere = a_principal(Role.PROMOTER)
        hidden = released.image(RepositoryName("secret/image"), SINGLE)
        said = refused(released, package, hidden, by=everywhere)
        assert said == "secret/image is private, and team/app would show it to everybody"

    def test_too_many(self, released: Given, package: Package) -> None:
        absent = [ImageReference(IMAGE, Digest.of(str(each).encode())) for each in range(500)]
        said = refused(released, package, *absent)
        assert said == f"500 images were asked for, and a bundle holds {MOST_IMAGES} at most"

    def test_too_many_manifests(
        self, released: Given, package: Package, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        most = 20
        monkeypatch.setattr("registry.images.MOST_MANIFESTS", most)
        child = an_image(b"")
        padded = [Image(child.manifest + b" " * each, blobs=child.blobs) for each in range(most)]
        where = released.image(IMAGE, an_index(*padded))
        half = [released.image(OTHER, an_index(*padded[start::2])) for start in (0, 1)]

        assert f"an index with over {most} manifests" in refused(released, package, where)
        said = refused(released, package, *half)
        assert said == f"the images and their signatures are over {most} manifests"

    def test_every_fault_is_told_at_once(self, released: Given, package: Package) -> None:
        images = [
            released.image(IMAGE, an_index()),
            ImageReference(OTHER, SINGLE.digest),
            released.image(IMAGE, SINGLE),
        ]
        said = refused(released, package, *images).split("; ")
        assert len(said) == 2


class TestSparseOnes:
    @pytest.fixture
    def sparse(self, released: Given) -> Given:
        released.registry.namespaces.change(ADMIN, "team", {"sparse": True})
        return released

    def push(self, given: Given, image: Image, *, without: bytes) -> ImageReference:
        for blob in image.blobs:
            if blob != without:
                given.blob(IMAGE, blob)
        for each in image.below:
            if each.manifest != without:
                self.push(given, each, without=without)
        given.registry.manifests.put(ADMIN, IMAGE, image.digest, image.manifest, image.media_type)
        return ImageReference(IMAGE, image.digest)

    @pytest.mark.parametrize(
        "missing",
        [BOTH.below[0].blobs[1], BOTH.below[1].blobs[0], BOTH.below[1].manifest],
        ids=["layer", "config", "manifest"],
    )
    def test_what_is_missing_is_named(
        self, sparse: Given, package: Package, missing: bytes
    ) -> None:
        where = self.push(sparse, BOTH, without=missing)
        said = refused(sparse, package, where)
        assert said == f"{where} isn't whole: it lacks {Digest.of(missing)}"
        sparse.image(IMAGE, BOTH)
        assert sparse.bundle(APP, package, images=[where]).images[0].digest == BOTH.digest

    def test_of_many_a_few_are_named(self, sparse: Given, package: Package) -> None:
        image = an_image(*(str(each).encode() for each in range(30)))
        sparse.registry.manifests.put(ADMIN, IMAGE, image.digest, image.manifest, image.media_type)
        said = refused(sparse, package, ImageReference(IMAGE, image.digest))
        assert said.count("sha256:") == 11
        assert said.endswith("and 21 more")

    def test_a_signature_that_lacks_its_layer(self, sparse: Given, package: Package) -> None:
        where = sparse.image(IMAGE, SINGLE)
        signature = a_signature(SINGLE, text=b"gone")
        self.push(sparse, signature, without=b"gone")
        assert str(Digest.of(b"gone")) in refused(sparse, package, where)

    def test_another_size_than_it_says(self, sparse: Given, package: Package) -> None:
        drawn = json.loads(BOTH.manifest)
        drawn["manifests"][0]["size"] += 1
        lying = Image(json.dumps(drawn).encode(), media.INDEX)
        where = sparse.image(IMAGE, lying)
        sparse.image(IMAGE, BOTH)
        assert str(BOTH.below[0].digest) in refused(sparse, package, where)

    def test_what_is_below_an_image_stays_in_a_sparse_application(
        self, sparse: Given, package: Package
    ) -> None:
        where = sparse.image(IMAGE, an_index(BOTH))
        made = sparse.bundle(APP, package, images=[where])
        for each in (BOTH, *BOTH.below):
            with pytest.raises(InUse, match=str(made.digest)):
                sparse.registry.manifests.delete(PUBLISHER, APP.repository, each.digest)
            sparse.registry.manifests.delete(PUBLISHER, IMAGE, each.digest)


class TestHowLongTheyStay:
    def test_an_image_stays_though_its_repository_loses_it(
        self, released: Given, package: Package
    ) -> None:
        where = released.image(IMAGE, BOTH, tag="v1")
        signature = a_signature(BOTH)
        released.image(IMAGE, signature)
        made = released.bundle(APP, package, images=[where])
        manifests = released.registry.manifests
        manifests.delete(PUBLISHER, IMAGE, Tag("v1"))
        for digest in (BOTH.digest, *(each.digest for each in BOTH.below)):
            manifests.delete(PUBLISHER, IMAGE, digest)
        sweep(released)

        for each in (BOTH, *BOTH.below, signature):
            with pytest.raises(ManifestUnknown):
                manifests.get(READER, IMAGE, each.digest)
        assert_whole(released, APP.repository, BOTH)
        assert_whole(released, APP.repository, signature)
        assert findings(released) == []
        # and what is held can be held again, by another lock too
        newer = a_package("team/etl", "1.1.0")
        released.publish(newer)
        assert released.bundle(APP, package, images=[where]) == made
        other = released.bundle(APP, newer, images=[where])
        assert other.images == made.images
        assert signature.digest in {each.digest for each in index_of(released, other).manifests}
        elsewhere = PackageName("team", "copy")
        with pytest.raises(InvalidBundle, match="is not there"):
            released.bundle(elsewhere, newer, images=[where])

    def test_what_a_deleted_bundle_held_goes(self, released: Given, package: Package) -> None:
        where = released.image(IMAGE, BOTH, tag="v1")
        plain = released.bundle(APP, package)
        made = released.bundle(APP, package, images=[where])
        released.registry.manifests.delete(PUBLISHER, APP.repository, made.digest)
        sweep(released)

        for each in (BOTH, *BOTH.below):
            with pytest.raises(ManifestUnknown):
                released.registry.manifests.get(READER, APP.repository, each.digest)
        assert_whole(released, IMAGE, BOTH)
        assert released.registry.bundles.get(READER, APP, plain.digest) == plain
        assert released.bundle(APP, package, images=[where]).digest == made.digest
        assert findings(released) == []

    def test_a_namespace_stays_private_while_its_applications_hold_private_images(
        self, released: Given, package: Package
    ) -> None:
        released.namespace("secret")
        everywhere = a_principal(Role.PROMOTER)
        hidden = released.image(RepositoryName("secret/image"), SINGLE)
        made = released.bundle(APP, package, images=[hidden], by=everywhere)
        released.registry.manifests.delete(ADMIN, APP.repository, made.digest)  # parts stay
        namespaces = released.registry.namespaces

        with pytest.raises(ShowsPrivate) as caught:
            namespaces.set_public(ADMIN, "team", public=True)
        assert caught.value.shown == ("secret/image",)
        sweep(released)
        assert namespaces.set_public(ADMIN, "team", public=True).public

    def test_it_counts_for_the_applications_quota(self, released: Given, package: Package) -> None:
        released.namespace("shared")
        everywhere = a_principal(Role.PROMOTER)
        where = released.image(RepositoryName("shared/image"), an_image(b"x" * 10_000))
        released.bundle(APP, package)
        settings = released.registry.namespaces.get(ADMIN, "team").settings
        assert settings is not None
        used = settings.used
        released.registry.namespaces.change(ADMIN, "team", {"quota": used + 5_000})
        with pytest.raises(QuotaExceeded):
            released.bundle(APP, package, images=[where], by=everywhere)
        assert findings(released) == []


def test_what_went_away_between_the_look_and_the_write(
    released: Given, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes a signature, or the image, while the bundle is being drawn."""
    where = released.image(IMAGE, SINGLE, tag="v1")
    signature = a_signature(SINGLE)
    released.image(IMAGE, signature)
    keep = released.registry.bundles._keep_lock

    def deleting(digest: Digest) -> Callable[..., object]:
        def keep_lock(lock: object) -> object:
            released.registry.manifests.delete(PUBLISHER, IMAGE, digest)
            return keep(lock)  # type: ignore[arg-type]

        return keep_lock

    for digest, said in ((signature.digest, "went away meanwhile"), (SINGLE.digest, "not there")):
        monkeypatch.setattr(released.registry.bundles, "_keep_lock", deleting(digest))
        with pytest.raises(InvalidBundle, match=said):
            released.bundle(APP, package, images=[where])
        monkeypatch.undo()
        assert findings(released) == []
        if digest == signature.digest:
            released.image(IMAGE, signature)


def test_an_image_that_is_said_and_not_held_is_found(released: Given, package: Package) -> None:
    released.bundle(APP, package, images=[released.image(IMAGE, SINGLE)])
    with released.registry.database.write():
        BundleImageRow.update(digest=str(BOTH.digest)).execute()

    (found,) = released.registry.checker.run(lambda _stage, _seen: None)

    assert found.problem is Problem.BUNDLE_PARTS
    assert f"{IMAGE}@{BOTH.digest}" in found.detail
