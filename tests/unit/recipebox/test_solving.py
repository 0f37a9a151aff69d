"""Solving beside a lock: the least change, and the newest of what is upgraded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain, combinations
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from recipebox.errors import Misuse
from recipebox.solving import Narrowed, ages, solve_least
from resolver.acceptance import Acceptance
from resolver.errors import ResolutionImpossible
from resolver.lock import Lock
from resolver.solve import Solution, solve
from resolver.source import IndexSource, MemorySource, PackageIndex
from tests.unit.resolver.builders import LINUX, name, requirements, source

Drawn = Mapping[str, Mapping[str, Any]]


def lock_of(drawn: Drawn, *texts: str) -> Lock:
    return Lock.from_solution(solve(requirements(*texts), source(drawn), LINUX))


def least(drawn: Drawn, lock: Lock, *texts: str, upgraded: Sequence[str] = ()) -> dict[str, str]:
    """Return the versions of the least change, by name without the namespace."""
    wanted = requirements(*texts) or list(lock.requirements)

    def solve_over(index: IndexSource) -> Solution:
        return solve(wanted, index, LINUX)

    found = solve_least(solve_over, source(drawn), lock, [name(each) for each in upgraded])
    return {each.name: str(one.version) for each, one in found.candidates.items()}


OLD: Drawn = {
    "team/a": {"1.0.0": ["team/c ^1"]},
    "team/b": {"1.0.0": ["team/c ^1"]},
    "team/c": {"1.0.0": ["team/d *"]},
    "team/d": {"1.0.0": []},
}
NEW: Drawn = {
    "team/a": {"1.0.0": ["team/c ^1"], "1.1.0": ["team/c ^1.1"]},
    "team/b": {"1.0.0": ["team/c ^1"], "1.1.0": ["team/c ^1"]},
    "team/c": {"1.0.0": ["team/d *"], "1.1.0": ["team/d *"], "1.2.0": ["team/d *"]},
    "team/d": {"1.0.0": [], "1.1.0": []},
}


def test_nothing_moves_without_a_reason() -> None:
    lock = lock_of(OLD, "team/a", "team/b")
    assert set(least(NEW, lock).values()) == {"1.0.0"}


def test_one_is_upgraded_and_what_that_needs() -> None:
    lock = lock_of(OLD, "team/a", "team/b")
    assert least(NEW, lock, upgraded=["team/a"]) == {
        "a": "1.1.0",
        "b": "1.0.0",
        "c": "1.2.0",  # it had to move: then to the newest
        "d": "1.0.0",
    }
    assert least(NEW, lock, upgraded=["team/d"])["d"] == "1.1.0"
    assert least(NEW, lock, upgraded=["team/d"])["c"] == "1.0.0"


def test_the_upgraded_is_as_new_as_its_requirements_allow_whatever_else_is_locked() -> None:
    old: Drawn = {"team/a": {"1.0.0": []}, "team/z": {"1.0.0": ["team/a ^1"]}}
    new: Drawn = {
        "team/a": {"1.0.0": [], "2.0.0": []},
        # the newest team/z keeps team/a back, an older one doesn't
        "team/z": {"1.0.0": ["team/a ^1"], "0.9.0": ["team/a *"]},
    }
    lock = lock_of(old, "team/z")

    assert least(new, lock, upgraded=["team/a"]) == {"a": "2.0.0", "z": "0.9.0"}
    assert least(new, lock) == {"a": "1.0.0", "z": "1.0.0"}


def test_what_is_upgraded_away_is_no_matter() -> None:
    old: Drawn = {"team/a": {"1.0.0": ["team/b *"]}, "team/b": {"1.0.0": []}}
    new: Drawn = {"team/a": {"1.0.0": ["team/b *"], "1.1.0": []}, "team/b": {"1.0.0": []}}
    lock = lock_of(old, "team/a")

    assert least(new, lock, upgraded=["team/a", "team/b"]) == {"a": "1.1.0"}


def test_what_is_gone_from_the_index_is_not_kept() -> None:
    new: Drawn = {name: {"1.1.0": said["1.0.0"]} for name, said in OLD.items()}
    assert set(least(new, lock_of(OLD, "team/a")).values()) == {"1.1.0"}


def test_what_can_not_be_upgraded() -> None:
    with pytest.raises(Misuse, match="team/none isn't in the lock"):
        least(NEW, lock_of(OLD, "team/a"), upgraded=["team/none"])


def test_where_nothing_fits_it_says_why_of_the_whole_index() -> None:
    with pytest.raises(ResolutionImpossible, match=r"are 1\.2\.0, 1\.1\.0 and 1\.0\.0"):
        least(NEW, lock_of(OLD, "team/a", "team/b"), "team/a", "team/c ^9")


def test_an_index_that_is_narrowed_passes_on_what_is_read_ahead() -> None:
    asked: list[object] = []

    class Ahead:
        revision = 7

        def find_index(self, package: object) -> None:
            asked.append(package)

        def read_ahead(self, packages: object) -> None:
            asked.append(packages)

    narrowed = Narrowed(Ahead(), {})
    narrowed.read_ahead([name("team/a")])
    assert narrowed.find_index(name("team/a")) is None
    assert asked == [[name("team/a")], name("team/a")]
    Narrowed(source(NEW), {}).read_ahead([name("team/a")])


VERSIONS = ("1.0.0", "2.0.0", "3.0.0")
NAMES = ("a", "b", "c", "d")


@st.composite
def indexes(draw: st.DrawFn) -> dict[str, dict[str, list[str]]]:
    """Four packages of three versions, each of which requires some of the others."""
    drawn: dict[str, dict[str, list[str]]] = {}
    ranges = st.sampled_from(["*", "^1", "^2", ">=2", "<3", None, None])
    for one in NAMES:
        drawn[f"team/{one}"] = {}
        for version in VERSIONS:
            asked = {other: draw(ranges) for other in NAMES if other != one}
            drawn[f"team/{one}"][version] = [
                f"team/{other} {text}" for other, text in asked.items() if text
            ]
    return drawn


@hypothesis.given(index=indexes(), wanted=st.sampled_from(["team/a ^2", "team/a", "team/a >=2"]))
@hypothesis.settings(deadline=None)
def test_no_more_could_have_been_kept(index: dict[str, dict[str, list[str]]], wanted: str) -> None:
    earlier = {one: {"1.0.0": []} for one in index} | {
        "team/a": {"1.0.0": ["team/b *", "team/c *", "team/d *"]}
    }
    lock = lock_of(earlier, "team/a")

    def solve_over(index: IndexSource) -> Solution:
        return solve(requirements(wanted), index, LINUX)

    try:
        solve_over(source(index))
    except ResolutionImpossible:
        hypothesis.reject()
    found = solve_least(solve_over, source(index), lock)

    versions = {one.name: one.version for one in lock.packages}
    kept = {each for each, one in found.candidates.items() if versions[each] == one.version} | {
        each for each in versions if each not in found.candidates
    }
    for more in chain.from_iterable(
        combinations(sorted(versions.keys() - kept), size) for size in (1, 2)
    ):
        held = {each: versions[each] for each in (*kept, *more)}
        with pytest.raises(ResolutionImpossible):
            solve_over(Narrowed(source(index), held))


def test_why_the_newest_is_not_taken() -> None:
    new: Drawn = {
        "team/a": {"1.0.0": ["team/c ^1"], "2.0.0": {"requires": [], "python": ">=3.13"}},
        "team/b": {"1.0.0": [], "2.0.0": {"requires": [], "platforms": ["linux/arm64"]}},
        "team/c": {"1.0.0": [], "2.0.0": []},
        "team/d": {"1.0.0": [], "2.0.0": ["team/c ^2"]},
        "team/e": {"1.0.0": [], "2.0.0": []},
    }
    old = {one: {"1.0.0": said["1.0.0"]} for one, said in new.items()}
    asked = ("team/a", "team/b", "team/d", "team/e <2", "team/c *")
    lock = lock_of(old, *asked)
    solution = solve(requirements(*asked), source(new), LINUX)

    found = {age.package.name.name: age.why for age in ages(lock, solution, source(new))}

    assert found == {
        "a": "it needs python >=3.13, and the lock is for 3.11",
        "b": "it has wheels for linux/arm64, and the lock is for linux/amd64",
        "c": "team/a 1.0.0 requires team/c ^1",
        "d": "what it requires doesn't fit the rest: recipebox why-not team/d@2.0.0",
        "e": "you require team/e <2",
    }


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"constraints": requirements("team/c <1.1")}, "you constrain it to team/c <1.1"),
        ({"overrides": requirements("team/c =1.0.0")}, "you override it with team/c =1.0.0"),
        ({"prefer": "lowest"}, "you prefer lowest"),
    ],
)
def test_what_the_user_said_beside_requirements_is_why(options: dict[str, Any], why: str) -> None:
    solution = solve(requirements("team/a"), source(NEW), LINUX, **options)
    found = {
        age.package.name.name: age.why
        for age in ages(lock_of(OLD, "team/a"), solution, source(NEW))
    }
    assert found["c"] == why


def test_a_cooldown_is_why() -> None:
    index = source({"team/d": {"1.0.0": [], "1.1.0": []}}).find_index(name("team/d"))
    assert index is not None
    new, old = index.releases
    early = replace(old, published=old.published - timedelta(days=2))
    cooled = MemorySource([PackageIndex(index.name, 7, (new, early))])
    before = new.published - timedelta(days=1)
    solution = solve(requirements("team/d"), cooled, LINUX, published_before=before)

    (age,) = ages(lock_of(OLD, "team/d"), solution, cooled)

    assert age.why == "it was published 2026-01-02T03:04:05Z, not before 2026-01-01T03:04:05Z"


def test_a_package_that_is_gone_has_no_newest() -> None:
    solution = solve(requirements("team/d"), source(NEW), LINUX)
    (one, *_) = ages(lock_of(OLD, "team/c"), solution, source({}))
    assert (one.newest, one.fits, one.yanked, one.why) == (None, None, None, None)
    assert one.is_behind


def test_what_an_application_refuses_is_why_something_is_behind() -> None:
    drawn: Drawn = {"team/a": {"1.0.0": [], "2.0.0": {"unsigned": True}}}
    shop = Acceptance.of(name("team/shop"), exists=True, is_public=False, private=())
    index, wanted = source(drawn), requirements("team/a")
    found = solve(wanted, index, LINUX, application=shop.application, refused=shop.why_not)

    [age] = ages(Lock.from_solution(found), found, index, shop.why_not)

    assert (str(age.fits), str(age.newest)) == ("1.0.0", "2.0.0")
    assert age.why == "it is unsigned; a bundle of team/shop holds nothing unsigned"
