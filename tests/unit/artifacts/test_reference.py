import pytest

from artifacts.digest import Digest
from artifacts.errors import InvalidDigest, InvalidName
from artifacts.reference import (
    PackageName,
    RepositoryName,
    Tag,
    check_namespace,
    parse_reference,
)


@pytest.mark.parametrize("text", ["a", "team/etl", "team/etl-daily/image", "a__b/c.d/e--f", "0/1"])
def test_names_of_the_grammar_are_taken(text):
    assert str(RepositoryName(text)) == text
    assert RepositoryName(text).namespace == text.split("/")[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "A",
        "a//b",
        "a/../b",
        "..",
        "a/.b",
        "a b",
        "a___b",
        "a\n",
        "é",
        "a" * 256,
    ],
)
def test_names_outside_of_the_grammar_are_refused(text):
    with pytest.raises(InvalidName, match="not a repository name"):
        RepositoryName(text)


def test_a_package_is_a_namespace_and_a_name():
    package = PackageName.parse("team/etl-daily")
    assert (package.namespace, package.name) == ("team", "etl-daily")
    assert str(package) == "team/etl-daily"
    assert package.repository == RepositoryName("team/etl-daily")


@pytest.mark.parametrize(
    "text", ["team", "team/a/b", "../x", "team/..", "/x", "x/", "team/" + "a" * 255]
)
def test_what_is_no_package_name_is_refused(text):
    with pytest.raises(InvalidName, match="not a package name"):
        PackageName.parse(text)


@pytest.mark.parametrize("text", ["team/a", "..", "", "a" * 256])
def test_a_namespace_is_one_segment(text):
    with pytest.raises(InvalidName, match="not a namespace"):
        check_namespace(text)


def test_a_namespace_of_the_grammar_is_taken():
    assert check_namespace("team-a") == "team-a"


def test_a_reference_with_a_colon_is_a_digest_and_else_a_tag():
    digest = Digest.of(b"x")
    assert parse_reference(str(digest)) == digest
    assert parse_reference("1.2.3") == Tag("1.2.3")
    assert str(Tag("latest")) == "latest"


@pytest.mark.parametrize("text", ["", ".a", "-a", "a b", "a" * 129, "a/b", "a\n"])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(InvalidName, match="not a tag"):
        parse_reference(text)


def test_a_colon_without_a_digest_is_refused():
    with pytest.raises(InvalidDigest):
        parse_reference("sha256:short")
