"""Channels as tags on the repositories of images."""

import pytest

from artifacts.reference import PackageName, RepositoryName, Tag
from registry.bundles import Bundle
from registry.check.findings import Problem
from registry.errors import InUse, ManifestUnknown, ServerOwned
from registry.images import ImageReference
from registry.retention import Retention
from registry.schema import ManifestRow, RepositoryRow, TagRow
from tests.builders import (
    ADMIN,
    PUBLISHER,
    READER,
    Given,
    Image,
    Package,
    a_package,
    an_image,
    an_index,
)
from tests.unit.registry.test_bundle_images import assert_whole, findings, sweep

APP = PackageName("team", "app")
IMAGE = RepositoryName("team/app/image")
DEEPER = RepositoryName("team/app/image/tools")
OTHER = RepositoryName("team/app-2/image")
ONE = an_index(an_image(), an_image(architecture="arm64"))
TWO = an_index(an_image(b"two"), an_image(b"two", architecture="arm64"))


def tagged(given: Given, repository: RepositoryName, tag: str = "dev") -> object:
    """Return the digest that a tag names, or None."""
    found = given.registry.manifests.find(READER, repository, Tag(tag))
    return None if found is None else found.digest


@pytest.fixture
def first(released: Given, package: Package) -> Bundle:
    """A bundle with an image below the application, one further below, and one elsewhere."""
    images = [
        released.image(IMAGE, ONE, tag="1"),
        released.image(DEEPER, an_image(b"tools"), tag="1"),
        released.image(OTHER, ONE, tag="1"),
    ]
    return released.bundle(APP, package, images=images)


@pytest.fixture
def second(released: Given, first: Bundle) -> Bundle:
    """A bundle with another image of the first repository, and none of the others."""
    newer = a_package("team/etl", "1.1.0")
    released.publish(newer)
    made = released.bundle(APP, newer, images=[released.image(IMAGE, TWO, tag="2")])
    assert made != first
    return made


def test_a_promotion_tags_the_images_below_the_application(
    released: Given, first: Bundle, second: Bundle
) -> None:
    released.promote(first)
    released.promote(first, "staging")
    assert tagged(released, IMAGE) == tagged(released, IMAGE, "staging") == ONE.digest
    assert tagged(released, DEEPER) == an_image(b"tools").digest
    assert tagged(released, OTHER) is None

    released.promote(second, "dev", first.digest)
    assert tagged(released, IMAGE) == TWO.digest
    assert tagged(released, IMAGE, "staging") == ONE.digest
    assert tagged(released, DEEPER) is None
    assert tagged(released, DEEPER, "staging") is not None
    assert findings(released) == []

    released.promote(first, "dev", second.digest)  # back again
    assert tagged(released, IMAGE) == ONE.digest
    assert tagged(released, DEEPER) == an_image(b"tools").digest
    assert findings(released) == []


def test_nobody_else_moves_or_deletes_them(released: Given, first: Bundle) -> None:
    released.image(IMAGE, TWO, tag="dev")  # it is anybody's until a promotion takes it
    released.promote(first)
    manifests = released.registry.manifests

    for image in (ONE, TWO):
        with pytest.raises(ServerOwned, match="the channel dev of team/app moves only with a"):
            manifests.put(ADMIN, IMAGE, Tag("dev"), image.manifest, image.media_type)
    with pytest.raises(ServerOwned, match="the channel dev of team/app"):
        manifests.delete(ADMIN, IMAGE, Tag("dev"))
    for image in (ONE, *ONE.below):
        with pytest.raises(InUse, match="the channel dev of team/app"):
            manifests.delete(ADMIN, IMAGE, image.digest)
    released.registry.namespaces.change(ADMIN, "team", {"sparse": True})
    with pytest.raises(InUse, match="the channel dev of team/app"):
        manifests.delete(ADMIN, IMAGE, ONE.below[0].digest)
    manifests.delete(PUBLISHER, IMAGE, Tag("1"))
    released.image(IMAGE, TWO, tag="production")
    assert tagged(released, IMAGE) == ONE.digest


def test_rules_of_retention_leave_them(released: Given, first: Bundle) -> None:
    released.promote(first)
    rules = Retention.read({"rules": [{"tags": "*", "keep_last": 0}]})
    assert rules
    retentions = released.registry.retentions
    retentions.set(ADMIN, "team", rules)
    told = {
        each.tag.name: each.why
        for each in retentions.simulate(ADMIN, "team")
        if each.tag.repository == IMAGE.text and not each.goes
    }
    assert told == {"dev": "the server made it"}


def test_an_image_that_its_repository_lost_comes_back(
    released: Given, first: Bundle, second: Bundle
) -> None:
    released.promote(first)
    released.promote(second, "dev", first.digest)
    for reference in (Tag("1"), ONE.digest, *(each.digest for each in ONE.below)):
        released.registry.manifests.delete(PUBLISHER, IMAGE, reference)
    sweep(released)
    with pytest.raises(ManifestUnknown):
        released.registry.manifests.get(READER, IMAGE, ONE.digest)

    released.promote(first, "dev", second.digest)

    assert tagged(released, IMAGE) == ONE.digest
    assert_whole(released, IMAGE, ONE)
    sweep(released)
    assert_whole(released, IMAGE, ONE)
    assert findings(released) == []


def test_two_images_of_a_repository_are_not_tagged(released: Given, package: Package) -> None:
    images = [released.image(IMAGE, ONE), released.image(IMAGE, TWO)]
    released.promote(released.bundle(APP, package, images=images))
    assert tagged(released, IMAGE) is None
    assert findings(released) == []


@pytest.mark.parametrize("damage", ["moved", "anybody's", "gone", "another"])
def test_a_tag_that_says_otherwise_is_found_and_mended(
    released: Given, first: Bundle, damage: str
) -> None:
    released.image(IMAGE, TWO, tag="2")
    released.image(RepositoryName("team/app/stray"), an_image(), tag="1")
    released.promote(first)
    mine = TagRow.name == "dev"
    with released.registry.database.write():
        other = TagRow.get(TagRow.name == "2")
        row = TagRow.get(mine & (TagRow.repository == other.repository_id))
        if damage == "gone":
            row.delete_instance()
        elif damage == "another":  # of an image that the bundle doesn't hold
            stray = RepositoryRow.get(RepositoryRow.name == "team/app/stray")
            image = ManifestRow.get(ManifestRow.repository == stray)
            TagRow.create(
                repository=stray, name="dev", manifest=image, is_server_owned=True, changed=0
            )
        else:
            if damage == "moved":
                row.manifest = other.manifest
            row.is_server_owned = damage != "anybody's"
            row.save()

    found = list(released.registry.checker.run(lambda _stage, _seen: None))
    assert [each.problem for each in found] == [Problem.CHANNEL_TAG]
    assert ("team/app/stray" if damage == "another" else IMAGE.text) in found[0].detail
    assert released.registry.repair.mend(found[0]) == "tagged"
    assert tagged(released, IMAGE) == ONE.digest
    assert findings(released) == []


def test_an_image_that_is_lost_altogether_stops_no_promotion(
    released: Given, first: Bundle
) -> None:
    """As a database is that was mended by hand."""
    with released.registry.database.write():
        application = RepositoryRow.get(RepositoryRow.name == str(APP))
        ManifestRow.delete().where(
            (ManifestRow.repository == application) & (ManifestRow.digest == str(ONE.digest))
        ).execute()

    released.promote(first)

    assert tagged(released, IMAGE) is None
    assert tagged(released, DEEPER) is not None
    found = {each.problem for each in released.registry.checker.run(lambda _stage, _seen: None)}
    assert {Problem.CHILD_MISSING, Problem.CHANNEL_TAG} <= found


def test_an_image_for_one_platform(released: Given, package: Package) -> None:
    image: Image = an_image(is_docker=True)
    where: ImageReference = released.image(IMAGE, image)
    released.promote(released.bundle(APP, package, images=[where]))
    assert tagged(released, IMAGE) == image.digest
