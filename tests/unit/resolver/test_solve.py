import subprocess
import sys
from collections.abc import Collection
from typing import Any

import pytest

from artifacts.reference import PackageName
from resolver.derive import Fact, OutOfRounds, Proof, decide, minimised
from resolver.errors import (
    IndexMoved,
    InvalidIndex,
    InvalidRequirement,
    InvalidVersion,
    PinChanged,
    ResolutionImpossible,
    ResolverError,
    SolveCancelled,
    TooManyRounds,
    Unread,
)
from resolver.hint import Change, Hint
from resolver.offers import Offers
from resolver.options import Options
from resolver.solve import Solution, solve
from resolver.source import MemorySource, PackageIndex
from resolver.version import Version
from resolver.watch import Progress, Watch
from tests.unit.resolver.builders import (
    LINUX,
    PUBLISHED,
    digest_of,
    name,
    release,
    requirements,
    source,
)
from tests.unit.resolver.shapes import chain_of_steps_with_a_conflict_at_its_end


class Elsewhere:
    """A source that answers the same whatever it was asked for, and can't list names."""

    revision = 1

    def __init__(self, answer: PackageIndex | None) -> None:
        self._answer = answer

    def find_index(self, package: PackageName) -> PackageIndex | None:
        del package
        return self._answer


def versions(solution: Solution) -> dict[str, str]:
    return {str(package): str(one.version) for package, one in solution.candidates.items()}


def chain(length: int) -> MemorySource:
    return source(
        {f"t/p{at}": {"1.0.0": [f"t/p{at + 1} *"]} for at in range(length)}
        | {f"t/p{length}": {"1.0.0": []}}
    )


def test_a_solution_says_what_it_is_for_and_who_requires_what() -> None:
    solution = solve(
        requirements("team/b", "team/a ^1", "team/b"),
        source({"team/a": {"1.0.0": ["team/b *"]}, "team/b": {"1.0.0": []}}, revision=42),
        LINUX,
    )
    assert [str(wanted) for wanted in solution.requirements] == ["team/a ^1", "team/b *"]
    assert (solution.environment, solution.revision) == (LINUX, 42)
    assert list(solution.candidates) == [name("team/a"), name("team/b")]
    assert solution.required_by(name("team/b")) == (name("team/a"),)
    assert solution.required_by(name("team/a")) == ()


def test_a_long_chain_is_followed_to_its_end() -> None:
    solution = solve(requirements("t/p0"), chain(300), LINUX)
    assert len(solution.candidates) == 301


def test_the_search_stops_at_its_limit() -> None:
    with pytest.raises(TooManyRounds, match="no answer after 5 rounds of search") as caught:
        solve(requirements("t/p0"), chain(10), LINUX, max_rounds=5)
    assert caught.value.rounds == 5


def test_the_other_way_to_decide_stops_at_the_limit_too() -> None:
    with pytest.raises(OutOfRounds):
        decide(requirements("t/p0"), Offers(chain(10), LINUX), Watch(5))


def test_a_fact_that_proves_nothing_is_left_out_of_a_proof() -> None:
    offers = Offers(source({"t/a": {"1.0.0": []}}), LINUX)
    needless, needed = (Fact(None, 0, wanted) for wanted in requirements("t/a *", "t/a ^2"))
    assert minimised(Proof(frozenset({needless, needed})), offers, Watch(100)).facts == {needed}


def test_a_thousand_releases_of_which_the_oldest_fits() -> None:
    index: dict[str, dict[str, Any]] = {
        "t/a": {f"1.{minor}.0": (["t/b ^2"] if minor else ["t/b ^1"]) for minor in range(1_000)},
        "t/b": {"1.0.0": [], "2.0.0": []},
    }
    solution = solve(requirements("t/a", "t/b ^1"), source(index), LINUX)
    assert versions(solution) == {"t/a": "1.0.0", "t/b": "1.0.0"}


def test_an_index_that_moves_while_it_is_read_is_noticed() -> None:
    moved = MemorySource([PackageIndex(name("t/a"), 9, (release("t/a", "1.0.0"),))], revision=8)
    with pytest.raises(
        IndexMoved, match="t/a changed at revision 9, but this solve is of revision 8"
    ):
        solve(requirements("t/a"), moved, LINUX)


def test_an_answer_for_another_package_is_refused() -> None:
    other = Elsewhere(PackageIndex(name("t/b"), 1, (release("t/b", "1.0.0"),)))
    with pytest.raises(InvalidIndex, match="the source answered with the index of t/b"):
        solve(requirements("t/a"), other, LINUX)


def test_a_pinned_release_with_other_bytes_is_refused() -> None:
    pins = {name("t/a"): (Version.parse("1.0.0"), digest_of("other bytes"))}
    with pytest.raises(PinChanged, match="the index lists it as sha256:") as caught:
        solve(requirements("t/a"), source({"t/a": {"1.0.0": []}}), LINUX, pins=pins)
    assert caught.value.expected == str(digest_of("other bytes"))
    assert caught.value.found == str(digest_of("t/a 1.0.0"))


def test_a_source_that_lists_no_names_offers_none() -> None:
    with pytest.raises(ResolutionImpossible) as caught:
        solve(requirements("t/a"), Elsewhere(None), LINUX)
    assert caught.value.explanation.sentences[-2] == (
        "t/a is not in the index, or may not be read with this login."
    )


def test_an_explanation_has_the_same_facts_for_machines() -> None:
    index: dict[str, dict[str, Any]] = {"t/a": {"1.0.0": ["t/b ^2"]}, "t/b": {"1.0.0": []}}
    with pytest.raises(ResolverError) as caught:
        solve(requirements("t/a ^1"), source(index), LINUX)
    assert isinstance(caught.value, ResolutionImpossible)
    assert caught.value.explanation.to_json() == {
        "python": "3.11",
        "platform": "linux/amd64",
        "revision": 7,
        "application": None,
        "facts": [
            {
                "kind": "requirement",
                "by": None,
                "package": "t/a",
                "range": "^1",
                "extras": [],
                "override": None,
                "sentence": "You require t/a ^1.",
            },
            {
                "kind": "requirement",
                "by": {"package": "t/a", "versions": ["1.0.0"], "extra": None},
                "package": "t/b",
                "range": "^2",
                "extras": [],
                "override": None,
                "sentence": "t/a 1.0.0, the only release in ^1, requires t/b ^2.",
            },
        ],
        "refused": [],
        "notes": ["There is no release of t/b in ^2.", "The only release of t/b is 1.0.0."],
        "lost": ["t/b"],
        "derivation": [
            {
                "sentence": "t/a 1.0.0, the only release in ^1, requires t/b ^2.",
                "fact": 1,
                "causes": [],
            },
            {"sentence": "You require t/a ^1.", "fact": 0, "causes": []},
            {"sentence": "So nothing fits.", "fact": None, "causes": [0, 1]},
        ],
        "hint": {
            "changes": [{"kind": "override", "from": None, "to": "t/b ^1"}],
            "sentence": "It would fit with --override 't/b ^1' "
            "(try whether what requires it runs with that).",
        },
    }


def test_solving_is_imported_without_what_only_reading_and_writing_need() -> None:
    heavy = "{'pydantic', 'packaging', 'tomli_w'}"
    program = (
        f"import resolver.lock, resolver.source, sys; print(sorted({heavy} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_a_search_tells_how_far_it_is_and_can_be_cancelled() -> None:
    told: list[Progress] = []

    with pytest.raises(SolveCancelled, match="cancelled after 7 rounds") as caught:
        solve(
            requirements("t/p0"),
            chain(20),
            LINUX,
            progress=told.append,
            is_cancelled=lambda: len(told) == 7,
        )

    assert caught.value.rounds == 7
    assert [one.rounds for one in told] == [1, 2, 3, 4, 5, 6, 7]
    assert str(told[-1]) == "7 rounds, 7 packages pinned"


def test_a_search_at_its_limit_says_what_it_was_stuck_on() -> None:
    shape, asked = chain_of_steps_with_a_conflict_at_its_end()
    with pytest.raises(TooManyRounds) as caught:
        solve(asked, shape, LINUX, max_rounds=60)
    assert caught.value.rounds == 60
    assert "You require t/end ^1." in caught.value.stuck_on
    assert "The last thing that didn't fit:\n" in str(caught.value)


def test_the_other_way_to_decide_says_it_too() -> None:
    shape, asked = chain_of_steps_with_a_conflict_at_its_end()
    with pytest.raises(OutOfRounds) as caught:
        decide(asked, Offers(shape, LINUX), Watch(50))
    assert {str(fact.requirement.package) for fact in caught.value.facts} >= {"t/end"}


def test_10_000_releases_of_one_package() -> None:
    index = {"t/a": {f"1.{minor}.0": [f"t/b <={minor}"] for minor in range(10_000)}}
    solution = solve(
        requirements("t/a", "t/b >=17"), source({**index, "t/b": {"17.0.0": []}}), LINUX
    )
    assert versions(solution) == {"t/a": "1.9999.0", "t/b": "17.0.0"}
    with pytest.raises(ResolutionImpossible) as caught:
        solve(requirements("t/a ^2"), source(index), LINUX)
    assert "1.9999.0, 1.9998.0, 1.9997.0, 1.9996.0 and 9996 more down to 1.0.0" in str(caught.value)


def test_a_version_of_200_digits_is_refused_before_it_is_solved() -> None:
    with pytest.raises(InvalidVersion, match="204 characters; at most 64"):
        Version.parse("1" * 200 + ".0.0")
    with pytest.raises(InvalidRequirement, match="a version has 200 characters"):
        requirements("t/a ^" + "1" * 200)


def test_options_that_have_no_meaning_are_refused() -> None:
    with pytest.raises(InvalidRequirement, match=r"constraints are about versions; leave out"):
        Options(constraints=tuple(requirements("t/a[gpu] ^1")))
    with pytest.raises(InvalidRequirement, match=r"it is overridden with \^1 and \^2"):
        Options(overrides=tuple(requirements("t/a ^1", "t/a ^2")))
    with pytest.raises(ValueError, match="not a preference: 'oldest'"):
        Options(prefer="oldest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="published_before has no zone"):
        Options(published_before=PUBLISHED.replace(tzinfo=None))


class Away(Unread):
    """A source that doesn't have everything at hand."""


def test_a_hint_that_would_need_what_can_not_be_read_is_not_given() -> None:
    whole = source({"t/a": {"2.0.0": ["t/far *"], "1.0.0": ["t/b ^2"]}, "t/b": {"1.0.0": []}})

    class Offline:
        revision = 7

        def find_index(self, package: PackageName) -> PackageIndex | None:
            if package == name("t/far"):
                raise Away
            return whole.find_index(package)

    with pytest.raises(ResolutionImpossible) as caught:
        solve(requirements("t/a ^1"), Offline(), LINUX)
    assert (
        "t/a 1.0.0, the only release in ^1, requires t/b ^2." in caught.value.explanation.sentences
    )
    assert "--override 't/b ^1'" in str(caught.value)


def test_a_source_that_reads_ahead_is_told_before_it_is_asked() -> None:
    whole = source(
        {"t/a": {"1.0.0": ["t/b *", "t/c *"]}, "t/b": {"1.0.0": []}, "t/c": {"1.0.0": []}}
    )
    told: list[list[str]] = []

    class Ahead:
        revision = 7

        def find_index(self, package: PackageName) -> PackageIndex | None:
            told.append([f"read {package}"])
            return whole.find_index(package)

        def read_ahead(self, packages: Collection[PackageName]) -> None:
            told.append([str(package) for package in packages])

    solve(requirements("t/a"), Ahead(), LINUX)
    assert told == [["t/a"], ["read t/a"], ["t/b", "t/c"], ["read t/b"], ["read t/c"]]


def test_changes_that_are_no_requirements_are_told_to_machines_too() -> None:
    later = Change("published_before", time=PUBLISHED)
    hint = Hint((Change("prereleases"), later, Change("constraint", *requirements("t/a <2"))))

    assert hint.to_json()["changes"] == [
        {"kind": "prereleases", "from": None, "to": "allowed"},
        {"kind": "published_before", "from": None, "to": "2026-01-02T03:04:05Z"},
        {"kind": "constraint", "from": "t/a <2", "to": None},
    ]
    assert str(hint) == (
        "It would fit with prereleases allowed (--pre), and with --published-before "
        "2026-01-02T03:04:05Z, and without the constraint t/a <2."
    )
    asked, options = hint.apply((), Options(constraints=tuple(requirements("t/a <2"))))
    assert asked == ()
    assert options == Options(allow_prereleases=True, published_before=PUBLISHED)
