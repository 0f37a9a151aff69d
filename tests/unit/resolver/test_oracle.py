"""Random small indexes, judged by trying every combination."""

import dataclasses
import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.derive import Proof, decide
from resolver.errors import ResolutionImpossible
from resolver.explain import Explanation, Required
from resolver.offers import Offers
from resolver.requirement import Requirement
from resolver.solve import Solution, solve
from resolver.source import MemorySource, PackageIndex
from resolver.watch import Watch
from tests.unit.resolver.builders import LINUX, release, requirement

NAMES = [f"t/{letter}" for letter in "abcde"]
VERSIONS = ["1.0.0", "2.0.0", "3.0.0-rc.1", "3.0.0"]
RANGES = ["*", "^1", "^2", "<2", ">=2", "=3.0.0", "!=2", "^1 || ^3", ">=3.0.0-rc.1", "<3"]

Index = dict[PackageName, list[Candidate]]
Answer = dict[PackageName, Candidate]


@st.composite
def indexes(draw: st.DrawFn) -> tuple[list[Candidate], list[Requirement]]:
    """Draw the releases of up to five packages, and what the user requires."""
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    releases = []
    for own in names:
        others = [other for other in names if other != own]
        for version in draw(st.lists(st.sampled_from(VERSIONS), max_size=4, unique=True)):
            wanted = draw(
                st.dictionaries(st.sampled_from(others), st.sampled_from(RANGES), max_size=3)
            )
            releases.append(
                release(
                    own,
                    version,
                    [f"{other} {within}" for other, within in wanted.items()],
                    yanked=draw(st.sampled_from([None, None, None, None, None, "bad"])),
                    python=draw(st.sampled_from(["", "", "", "", ">=3.11", ">=3.12"])),
                )
            )
    roots = draw(
        st.lists(st.tuples(st.sampled_from(names), st.sampled_from(RANGES)), min_size=1, max_size=3)
    )
    return releases, [requirement(f"{package} {within}") for package, within in roots]


def source_of(releases: Sequence[Candidate]) -> MemorySource:
    by_name = itertools.groupby(sorted(releases, key=lambda one: one.name), lambda one: one.name)
    return MemorySource([PackageIndex(package, 1, tuple(group)) for package, group in by_name])


def usable(releases: Sequence[Candidate]) -> Index:
    found: Index = {}
    for one in releases:
        if one.yanked is None and one.runs_on_python("3.11"):
            found.setdefault(one.name, []).append(one)
    return found


def is_answer(roots: Iterable[Requirement], chosen: Mapping[PackageName, Candidate]) -> bool:
    """Whether every requirement is satisfied, and each package is needed."""
    needed, pending = set(), list(roots)
    while pending:
        one = pending.pop()
        found = chosen.get(one.package)
        if found is None or not one.range.contains(found.version):
            return False
        if found.name not in needed:
            needed.add(found.name)
            pending.extend(found.requires)
    return needed == set(chosen)


def all_answers(roots: Iterable[Requirement], index: Index) -> Iterator[Answer]:
    names = sorted(index)
    for chosen in itertools.product(*([None, *index[one]] for one in names)):
        answer = {one.name: one for one in chosen if one is not None}
        if is_answer(roots, answer):
            yield answer


def is_better_in_one(answer: Answer, than: Mapping[PackageName, Candidate]) -> bool:
    """Whether one package is newer, and those in both are otherwise the same."""
    changed = [one for one in answer.keys() & than.keys() if answer[one] != than[one]]
    return len(changed) == 1 and answer[changed[0]].version > than[changed[0]].version


def solved(releases: Sequence[Candidate], roots: Sequence[Requirement]) -> Solution | Explanation:
    try:
        return solve(roots, source_of(releases), LINUX)
    except ResolutionImpossible as error:
        found = error.explanation
    assert isinstance(found, Explanation)
    return found


def stripped_to(facts: Sequence[Required], index: Index) -> tuple[list[Requirement], Index]:
    """Return the user's requirements and an index of which only the facts are left."""
    left: Index = {
        package: [
            dataclasses.replace(
                one, requires=tuple(fact.requirement for fact in facts if one in fact.by)
            )
            for one in releases
        ]
        for package, releases in index.items()
    }
    return [fact.requirement for fact in facts if not fact.by], left


@settings(max_examples=250, deadline=None)
@given(indexes())
def test_what_can_be_solved_is_solved_and_can_not_be_bettered(
    drawn: tuple[list[Candidate], list[Requirement]],
) -> None:
    releases, roots = drawn
    answers = list(all_answers(roots, usable(releases)))
    found = solved(releases, roots)
    if isinstance(found, Explanation):
        assert not answers
    else:
        assert dict(found.candidates) in answers
        assert not any(is_better_in_one(other, found.candidates) for other in answers)
        direct = sorted({one.package for one in roots})
        best = max([one[package].version for package in direct] for one in answers)
        assert [found.candidates[package].version for package in direct] == best


@settings(max_examples=150, deadline=None)
@given(indexes())
def test_an_explanation_is_a_proof_of_which_nothing_can_be_left_out(
    drawn: tuple[list[Candidate], list[Requirement]],
) -> None:
    releases, roots = drawn
    found = solved(releases, roots)
    assume(isinstance(found, Explanation))
    assert isinstance(found, Explanation)
    index = usable(releases)
    stated = {one: set(one.requires) for one in releases}
    assert all(fact.requirement in stated[one] for fact in found.facts for one in fact.by)
    assert {fact.requirement for fact in found.facts if not fact.by} <= set(roots)
    assert not list(all_answers(*stripped_to(found.facts, index)))
    for fact in found.facts:
        others = [other for other in found.facts if other != fact]
        assert list(all_answers(*stripped_to(others, index)))


@settings(max_examples=80, deadline=None)
@given(indexes(), st.randoms(use_true_random=False))
def test_the_order_of_requirements_and_index_changes_nothing(
    drawn: tuple[list[Candidate], list[Requirement]], chance: random.Random
) -> None:
    releases, roots = drawn
    shuffled = chance.sample(releases, len(releases)), chance.sample(roots, len(roots))
    assert solved(*shuffled) == solved(releases, roots)


@settings(max_examples=150, deadline=None)
@given(indexes())
def test_the_other_way_to_decide_agrees(
    drawn: tuple[list[Candidate], list[Requirement]],
) -> None:
    releases, roots = drawn
    answers = list(all_answers(roots, usable(releases)))
    found = decide(roots, Offers(source_of(releases), LINUX), Watch(10_000))
    if isinstance(found, Proof):
        assert not answers
    else:
        assert found in answers
