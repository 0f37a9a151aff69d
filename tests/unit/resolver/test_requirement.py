import tomllib
from pathlib import Path
from typing import Any

import pytest

from resolver.errors import InvalidRange, InvalidRequirement
from resolver.requirement import ANY, Range, Requirement
from resolver.version import Version
from tests.unit.resolver.builders import name

CASES = tomllib.loads(
    (Path(__file__).parents[2] / "cases/resolution/ranges/ranges.toml").read_text()
)


def holds(within: str, version: str, *, allow_prereleases: bool = False) -> bool:
    return Range.parse(within).contains(Version.parse(version), allow_prereleases=allow_prereleases)


@pytest.mark.parametrize("case", CASES["range"], ids=lambda case: case["text"])
def test_a_range_holds_what_it_should(case: dict[str, Any]) -> None:
    text = case["text"]
    more = case.get("with_prereleases", [])
    assert str(Range.parse(text)) == text
    assert {str(Range.parse(written)) for written in case.get("same", [])} <= {text}
    assert [version for version in case["holds"] if not holds(text, version)] == []
    assert [version for version in case["lacks"] + more if holds(text, version)] == []
    for version in case["holds"] + case["lacks"] + more:
        was_to_hold = version in case["holds"] + more
        assert (version, holds(text, version, allow_prereleases=True)) == (version, was_to_hold)


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["text"] or "empty")
def test_what_is_no_range_is_refused_with_the_reason(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidRange) as caught:
        Range.parse(case["text"])
    assert case["reason"] in caught.value.reason
    assert caught.value.text == case["text"]


def test_an_upper_bound_keeps_its_own_prereleases_out_even_when_they_are_allowed() -> None:
    for within in ("^1", "<2.0.0", "<2", "1.*", "~1"):
        assert not holds(within, "2.0.0-rc.1", allow_prereleases=True)


def test_long_ranges_and_long_versions_in_them_are_refused() -> None:
    with pytest.raises(InvalidRange, match="602 characters; at most 512"):
        Range.parse("^1" + "," * 600)
    with pytest.raises(InvalidRange, match="a version has 204 characters; at most 64"):
        Range.parse("^" + "1" * 200 + ".2.3")
    with pytest.raises(InvalidRange, match="over 512 characters when written out"):
        Range.parse(" ".join(f"{major}.{minor}" for major in range(9) for minor in range(13)))


def test_what_steers_the_search_is_known_of_a_range() -> None:
    assert Range.parse("1.2.3").is_exact
    assert not Range.parse("1.2.3 || 1.2.4").is_exact
    assert not Range.parse("1.2").is_exact
    assert Range.parse("^1 || <3").is_upper_bounded
    assert not Range.parse("^1 || >3").is_upper_bounded
    assert not Range.parse("!=2").is_upper_bounded


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("team/etl", "team/etl *"),
        ("team/etl ^1.2", "team/etl ^1.2"),
        ("team/etl@^1.2", "team/etl ^1.2"),
        (" team/etl @ 1.2.3 ", "team/etl =1.2.3"),
        ("team/etl>=1,<2", "team/etl >=1,<2"),
        ("team/etl[gpu, aws,gpu] ^1", "team/etl[aws,gpu] ^1"),
        ("team/etl-daily_2.x ^1 || ^3", "team/etl-daily_2.x ^1 || ^3"),
    ],
)
def test_a_requirement_is_read_in_each_of_its_forms(text: str, canonical: str) -> None:
    assert str(Requirement.parse(text)) == canonical
    assert Requirement.parse(canonical) == Requirement.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected NAMESPACE/NAME"),
        ("etl ^1", "not a package name: 'etl'"),
        ("Team/etl", "not a package name: 'Team/etl'"),
        ("team/etl/more ^1", "not a package name"),
        ("team/../etl", "not a package name"),
        ("team/etl@", "there is no range after the '@'"),
        ("team/etl ==1", "write '=1.2.3'"),
        ("team/etl[] ^1", "an extra is lower-case letters"),
        ("team/etl[GPU] ^1", "an extra is lower-case letters"),
    ],
)
def test_what_is_no_requirement_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequirement) as caught:
        Requirement.parse(text)
    assert reason in str(caught.value)


def test_a_requirement_without_more_takes_any_version() -> None:
    assert Requirement(name("team/etl")) == Requirement.parse("team/etl")
    assert Requirement(name("team/etl")).range == ANY
