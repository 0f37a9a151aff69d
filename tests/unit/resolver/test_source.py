import json
import re
from collections.abc import Collection
from typing import Any

import pytest

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.errors import (
    IndexMoved,
    InvalidIndex,
    ResolutionImpossible,
    UnsupportedSchema,
)
from resolver.solve import solve
from resolver.source import (
    MemorySource,
    NamingSource,
    Origin,
    PackageIndex,
    Reserved,
    ReservedSource,
    encode_index,
    index_document,
    index_schema,
    parse_index,
)
from tests.unit.resolver.builders import (
    LINUX,
    SIGNER,
    digest_of,
    name,
    release,
    requirements,
    source,
)


def etl() -> PackageIndex:
    return PackageIndex(
        name("team/etl"),
        12,
        (
            release("team/etl", "1.9.0", ["team/log[json] ^1", "team/clean ^1.2"], python=">=3.11"),
            release("team/etl", "1.10.0", platforms=["linux/arm64", "linux/amd64"]),
            release("team/etl", "1.10.0-rc.1", yanked="lost rows"),
        ),
    )


def drawn(**changes: Any) -> dict[str, Any]:
    return index_document(etl()) | changes


def with_release(**changes: Any) -> bytes:
    """Return the index with other members in its second release, 1.10.0-rc.1."""
    document = drawn()
    document["releases"][1] |= changes
    return json.dumps(document).encode()


def test_an_index_is_the_same_after_a_journey() -> None:
    data = encode_index(etl())
    assert parse_index(data) == etl()
    assert encode_index(parse_index(data)) == data


def test_an_index_is_drawn_as_the_format_says() -> None:
    document = index_document(etl())
    assert [one["version"] for one in document["releases"]] == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
    assert document | {"releases": []} == {
        "schema_version": 1,
        "name": "team/etl",
        "revision": 12,
        "releases": [],
    }
    assert document["releases"][2] == {
        "version": "1.9.0",
        "digest": str(digest_of("team/etl 1.9.0")),
        "size": 1234,
        "requires": [
            {"package": "team/clean", "range": "^1.2", "extras": []},
            {"package": "team/log", "range": "^1", "extras": ["json"]},
        ],
        "python": ">=3.11",
        "platforms": {},
        "yanked": None,
        "signers": [SIGNER],
        "published": "2026-01-02T03:04:05Z",
    }
    assert document["releases"][1]["yanked"] == {
        "reason": "lost rows",
        "at": "2026-01-02T03:04:05Z",
    }
    assert document["releases"][0]["platforms"]["linux/amd64"] == {
        "digest": str(digest_of("team/etl 1.10.0 linux/amd64")),
        "size": 567,
    }


def test_another_schema_version_is_refused_with_the_one_that_is_understood() -> None:
    with pytest.raises(UnsupportedSchema, match="2 is not understood, only 1 is") as caught:
        parse_index(json.dumps(drawn(schema_version=2, new=True)).encode())
    assert (caught.value.found, caught.value.understood) == (2, 1)


@pytest.mark.parametrize(
    ("data", "where", "reason"),
    [
        (b"\xff", "the document", "not JSON"),
        (b"[" * 100_000, "the document", "not JSON"),
        (b"[]", "the document", "not a JSON object"),
        (b'{"name": "a/b", "name": "a/c"}', "the document", "a member stands twice"),
        (b"{}", "schema_version", "it is missing"),
        (json.dumps(drawn(name="etl")).encode(), "name", "not a package name: 'etl'"),
        (json.dumps(drawn(name=7)).encode(), "name", "not a string"),
        (json.dumps(drawn(revision=-1)).encode(), "revision", "greater than or equal to 0"),
        (json.dumps(drawn(revison=1)).encode(), "revison", "did you mean revision?"),
        (json.dumps(drawn(zzz=1)).encode(), "zzz", "there is no such key"),
        (with_release(version="1.0"), "releases[1].version", "not a version: '1.0'"),
        (with_release(version="1.9.0"), "team/etl", "it lists 1.9.0 twice"),
        (with_release(digest="md5:00"), "releases[1].digest", "not a digest"),
        (with_release(size="12"), "releases[1].size", "found '12'"),
        (with_release(size=True), "releases[1].size", "found 'True'"),
        (with_release(python="three"), "releases[1].python", "PEP 440"),
        (with_release(signers=["ABC"]), "releases[1].signers[0]", "not a fingerprint"),
        (with_release(published="today"), "releases[1].published", "today"),
        (with_release(yanked=True), "releases[1].yanked", "found 'True'"),
        (with_release(yanked={"reason": "x"}), "releases[1].yanked.at", "it is missing"),
        (with_release(platforms={"linux": {}}), "releases[1].platforms.linux", "os/architecture"),
        (
            with_release(platforms={"linux/amd64": {"size": 1}}),
            'releases[1].platforms["linux/amd64"].digest',
            "it is missing",
        ),
        (
            with_release(requires=[{"package": "team/log", "range": "==1", "extras": []}]),
            "releases[1].requires[0].range",
            "not a range of versions",
        ),
        (
            with_release(requires=[{"package": "team/etl", "range": "*", "extras": []}]),
            "releases[1].requires",
            "requires itself",
        ),
        (
            with_release(requires=[{"package": "team/log", "range": "*", "extras": []}] * 2),
            "releases[1].requires",
            "required twice",
        ),
        (
            with_release(requires=[{"package": "team/log", "range": "*", "extras": ["A"]}]),
            "releases[1].requires",
            "an extra is",
        ),
    ],
)
def test_a_damaged_index_is_refused_by_place(data: bytes, where: str, reason: str) -> None:
    with pytest.raises(InvalidIndex) as caught:
        parse_index(data)
    assert caught.value.where == where
    assert reason in str(caught.value)


def test_an_index_holds_releases_of_its_own_package_only() -> None:
    with pytest.raises(InvalidIndex, match=r"it lists team/other 1\.0\.0, of another package"):
        PackageIndex(name("team/etl"), 1, (release("team/other", "1.0.0"),))


def test_the_schema_names_the_members_that_are_written() -> None:
    schema = index_schema()
    document = index_document(etl())
    release_schema = schema["$defs"]["ReleaseDocument"]
    assert set(schema["required"]) == set(document)
    assert set(release_schema["required"]) == set(document["releases"][0])
    assert not schema["additionalProperties"]
    for member in ("version", "digest", "published"):
        pattern = release_schema["properties"][member]["pattern"]
        assert re.search(pattern, document["releases"][1][member])
        assert not re.search(pattern, "x")


def test_a_source_in_memory_gives_what_it_was_given() -> None:
    source = MemorySource([etl()])
    assert isinstance(source, NamingSource)
    assert source.revision == 12
    assert source.find_index(name("team/etl")) == etl()
    assert source.find_index(name("team/other")) is None
    assert list(source.list_names()) == [name("team/etl")]
    assert MemorySource([]).revision == 0


def test_ten_thousand_releases_are_read() -> None:
    releases: list[Candidate] = [release("team/etl", f"1.{minor}.0") for minor in range(10_000)]
    index = PackageIndex(name("team/etl"), 1, tuple(releases))
    assert parse_index(encode_index(index)) == index


def test_a_name_under_a_reserved_prefix_is_never_looked_up_elsewhere() -> None:
    public = source(
        {"team/clean": {"9.0.0": []}, "team/secret-x": {"9.9.9": []}, "open/x": {"1.0.0": []}},
        revision=3,
    )
    own = source({"team/clean": {"1.0.0": ["open/x *", "team/secret-x *"]}}, revision=40)
    vault = source({"team/secret-x": {"1.0.0": []}}, revision=2)
    reserved = ReservedSource(
        public,
        [
            Reserved("https://own", ("team/",), own),
            Reserved("https://vault", ("team/secret-",), vault),
        ],
    )

    solution = solve(requirements("team/clean"), reserved, LINUX)

    assert {str(one) for one in solution.candidates.values()} == {
        "team/clean 1.0.0",
        "team/secret-x 1.0.0",
        "open/x 1.0.0",
    }
    assert solution.revision == 3
    assert solution.origins == {
        name("team/clean"): Origin("https://own", 40),
        name("team/secret-x"): Origin("https://vault", 2),
    }
    assert reserved.find_index(name("team/secret-y")) is None
    moved = MemorySource([PackageIndex(name("team/a"), 9, (release("team/a", "1.0.0"),))], 8)
    moving = ReservedSource(public, [Reserved("https://own", ("team/",), moved)])
    with pytest.raises(IndexMoved, match="changed at revision 9, but this solve is of revision 8"):
        solve(requirements("team/a"), moving, LINUX)


class Ahead(MemorySource):
    """A source that keeps what it was told to read ahead."""

    def __init__(self) -> None:
        super().__init__([], 1)
        self.told: list[str] = []

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        self.told += [str(package) for package in packages]


def test_what_is_read_ahead_is_asked_of_its_own_source_alone() -> None:
    public, own = Ahead(), Ahead()
    plain = Reserved("https://plain", ("plain/",), MemorySource([], 1))
    several = ReservedSource(public, [Reserved("https://own", ("acme/", "t/in-"), own), plain])

    several.read_ahead([name(each) for each in ("t/a", "acme/b", "t/in-c", "plain/d", "t/e")])

    assert (public.told, own.told) == (["t/a", "t/e"], ["acme/b", "t/in-c"])


def test_a_reserved_name_that_is_not_there_is_told_with_its_source() -> None:
    public = source({"t/a": {"1.0.0": ["acme/b *"]}, "acme/b": {"1.0.0": []}})
    own = Reserved("https://own", ("acme/",), MemorySource([], 1))
    with pytest.raises(ResolutionImpossible, match="acme/b is not in the index of https://own,"):
        solve(requirements("t/a"), ReservedSource(public, [own]), LINUX)


def test_extras_travel_and_are_only_there_where_a_release_has_some() -> None:
    with_extras = release("t/a", "1.0.0", extras={"gpu": ["t/cuda[all] ^1", "t/base *"], "web": []})
    index = PackageIndex(name("t/a"), 3, (with_extras, release("t/a", "0.9.0")))

    drawn = index_document(index)

    assert parse_index(encode_index(index)) == index
    assert "extras" not in drawn["releases"][1]
    assert drawn["releases"][0]["extras"] == {
        "gpu": [
            {"package": "t/base", "range": "*", "extras": []},
            {"package": "t/cuda", "range": "^1", "extras": ["all"]},
        ],
        "web": [],
    }


@pytest.mark.parametrize(
    ("extras", "said"),
    [
        ({"GPU": []}, "an extra is lower-case letters"),
        ({"x" * 65: []}, "at most 64 characters"),
        ({"gpu": [{"package": "t/a", "range": "*", "extras": []}]}, "requires itself"),
        ({"gpu": [{"package": "t/b", "range": "*", "extras": []}] * 2}, "required twice"),
    ],
)
def test_extras_that_can_not_be_are_refused(extras: dict[str, Any], said: str) -> None:
    index = PackageIndex(name("t/a"), 3, (release("t/a", "1.0.0"),))
    drawn = index_document(index)
    drawn["releases"][0]["extras"] = extras
    with pytest.raises(InvalidIndex, match=said):
        parse_index(json.dumps(drawn).encode())
