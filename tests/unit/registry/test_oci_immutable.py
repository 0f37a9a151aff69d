"""Immutable tags: what a pattern holds stays where it is, for everybody."""

import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry.errors import InvalidValue, ManifestUnknown, TagImmutable
from registry.oci.immutable import draw_patterns, find_pattern
from registry.schema import NamespaceRow
from tests.builders import ADMIN, PUBLISHER, READER, Given, Package, a_manifest, a_package
from tests.keys import SIGNER

TOOLS = RepositoryName("team/tools")
FIRST = a_manifest()
SECOND = a_manifest(annotations={"a": "b"})


def hold(given: Given, *patterns: str) -> None:
    with given.registry.database.write():
        NamespaceRow.update(immutable_tags=draw_patterns(patterns)).where(
            NamespaceRow.name == "team"
        ).execute()


def put(given: Given, data: bytes, *tags: str) -> Digest:
    given.blob(TOOLS, media.EMPTY_JSON)
    first, *others = map(Tag, tags)
    manifests = given.registry.manifests
    return manifests.put(PUBLISHER, TOOLS, first, data, media.MANIFEST, tags=others).info.digest


def tags(given: Given) -> tuple[str, ...]:
    return given.registry.tags.page(READER, TOOLS).names


@pytest.mark.parametrize(
    ("pattern", "held", "free"),
    [
        ("*", ["v1", "latest", "_"], []),
        ("v*", ["v", "v1.2.3", "vendor"], ["V1", "1.0", "latest-v1"]),
        ("v[0-9]*", ["v1", "v1.2.3"], ["v", "vendor"]),
        ("[!d]??", ["abc"], ["dev", "ab", "abcd"]),
        ("1.0", ["1.0"], ["1x0", "1.0.0"]),
        ("[", ["["], ["v1"]),
    ],
)
def test_a_pattern_is_written_as_a_shells(pattern: str, held: list[str], free: list[str]) -> None:
    assert [find_pattern([pattern], tag) for tag in held] == [pattern] * len(held)
    assert [find_pattern([pattern], tag) for tag in free] == [None] * len(free)


def test_no_pattern_takes_years() -> None:
    assert find_pattern(["*a" * 60 + "b"], "a" * 128) is None  # as it would by backtracking


@pytest.mark.parametrize("pattern", ["", "a b", "a/b", "x" * 129, "{a,b}", "ä", "v1\n"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidValue, match="immutable_tags"):
        draw_patterns(["v*", pattern])


def test_there_may_be_fifty_patterns_once_each() -> None:
    assert draw_patterns(["v*", "*", "v*"]) == '["v*", "*"]'
    assert draw_patterns([]) == "[]"
    with pytest.raises(InvalidValue, match="51 patterns"):
        draw_patterns([f"v{number}" for number in range(51)])


def test_what_a_pattern_holds_is_pushed_once(given: Given) -> None:
    hold(given, "v*")
    digest = put(given, FIRST, "v1")

    for who in (PUBLISHER, ADMIN):
        with pytest.raises(TagImmutable) as refused:
            given.registry.manifests.put(who, TOOLS, Tag("v1"), SECOND, None)
    error = refused.value
    assert (error.repository, error.tag) == ("team/tools", "v1")
    assert (error.pattern, error.digest) == ("v*", str(digest))
    assert given.registry.manifests.stat(READER, TOOLS, Tag("v1")).digest == digest


def test_the_same_bytes_may_be_pushed_again(given: Given) -> None:
    hold(given, "*")
    digest = put(given, FIRST, "v1", "latest")
    assert put(given, FIRST, "v1", "stable") == digest
    assert tags(given) == ("latest", "stable", "v1")


def test_a_push_under_several_tags_gives_all_or_none(given: Given) -> None:
    hold(given, "v*")
    put(given, FIRST, "v1")
    with pytest.raises(TagImmutable):
        put(given, SECOND, "latest", "v1")
    assert tags(given) == ("v1",)


def test_neither_the_tag_nor_what_it_names_is_deleted(given: Given) -> None:
    digest = put(given, FIRST, "latest", "v1")
    hold(given, "v*")

    for reference in (Tag("v1"), digest):
        with pytest.raises(TagImmutable):
            given.registry.manifests.delete(ADMIN, TOOLS, reference)
    given.registry.manifests.delete(PUBLISHER, TOOLS, Tag("latest"))

    assert tags(given) == ("v1",)


def test_what_no_pattern_holds_moves_and_goes(given: Given) -> None:
    hold(given, "v*")
    put(given, FIRST, "latest")
    moved = put(given, SECOND, "latest")
    assert given.registry.manifests.stat(READER, TOOLS, Tag("latest")).digest == moved
    given.registry.manifests.delete(PUBLISHER, TOOLS, moved)
    assert tags(given) == ()


def test_without_the_pattern_all_of_it_is_possible_again(given: Given) -> None:
    hold(given, "v*")
    digest = put(given, FIRST, "v1")
    hold(given)
    assert put(given, SECOND, "v1") != digest
    given.registry.manifests.delete(PUBLISHER, TOOLS, Tag("v1"))
    with pytest.raises(ManifestUnknown):
        given.registry.manifests.stat(READER, TOOLS, Tag("v1"))


def test_another_namespace_has_patterns_of_its_own(given: Given) -> None:
    hold(given, "*")
    elsewhere = RepositoryName("free/tools")
    given.artifact(elsewhere, b"one")
    assert given.artifact(elsewhere, b"two")


def test_the_servers_own_tags_keep_their_rules(released: Given, package: Package) -> None:
    hold(released, "*")
    app = a_package("team/app").name
    bundles = [released.bundle(app, package)]
    first = released.promote(bundles[0])

    released.publish(a_package("team/etl", "2.0.0"))
    bundles.append(released.bundle(app, a_package("team/etl", "2.0.0")))
    released.promote(bundles[1], previous=bundles[0].digest)

    assert first
    manifests = released.registry.manifests
    assert manifests.stat(READER, app.repository, Tag("dev")).digest == bundles[1].digest


def test_a_repository_becomes_no_package_over_a_tag_that_is_held(
    given: Given, package: Package
) -> None:
    """Its versions' tags would have to go: they are the server's in a package."""
    given.blob(package.repository, media.EMPTY_JSON)
    about = package.signed_by(SIGNER)
    for blob in about.blobs:
        given.blob(package.repository, blob)
    put = given.registry.manifests.put
    put(PUBLISHER, package.repository, Tag("1.0.0"), about.manifest, media.MANIFEST)
    hold(given, "*")

    with pytest.raises(TagImmutable):
        given.push(package)
