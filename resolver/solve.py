"""The newest set of releases that fits, the same whatever the order of requirements and index.

`solve` searches with resolvelib, newest candidates first. Then it polishes: the user's own packages
are made as new as can be, one after the other by name; and while any one package can be made newer
and all others that stay keep their versions, it is. Where resolvelib finds nothing, or goes round
in circles, `resolver/derive.py` has the last word: an answer that was missed, or a proof, which is
explained.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from resolvelib.resolvers import Resolution, ResolutionTooDeep
from resolvelib.resolvers import ResolutionImpossible as SearchFailed

from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment
from resolver.derive import Proof, decide, minimised
from resolver.errors import ResolutionImpossible, TooManyRounds
from resolver.explain import explain
from resolver.offers import Offers, Pins, bits
from resolver.provider import Circling, Provider, Reporter
from resolver.requirement import Requirement
from resolver.source import IndexSource

MAX_ROUNDS: Final = 200_000
"""Rounds of search before it gives up; pip's number."""

PATIENCE: Final = 1_000
"""Rounds of resolvelib without progress before the other way to decide takes over."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A set of releases in which every requirement is satisfied, and no other release.

    `requirements` are the user's, sorted; `candidates` is sorted by name.
    """

    requirements: tuple[Requirement, ...]
    environment: Environment
    revision: int
    candidates: Mapping[PackageName, Candidate]

    def required_by(self, package: PackageName) -> tuple[PackageName, ...]:
        """Return the packages of the solution that require a package, sorted by name."""
        return tuple(
            name
            for name, candidate in self.candidates.items()
            if any(requirement.package == package for requirement in candidate.requires)
        )


def solve(
    requirements: Iterable[Requirement],
    source: IndexSource,
    environment: Environment,
    *,
    pins: Pins | None = None,
    allow_prereleases: bool = False,
    max_rounds: int = MAX_ROUNDS,
) -> Solution:
    """Return the newest releases that satisfy all requirements, with all that those require.

    The packages that are required directly are as new as can be, the first by name before the
    next; and no package can be made newer while the others that stay keep their versions. A
    yanked release is a candidate only where `pins`, the contents of a lock, hold it.

    Raises:
        ResolutionImpossible: nothing fits; says who requires what, and what there is.
        TooManyRounds: one search took `max_rounds` rounds and found neither.
        IndexMoved: the source answered with something newer than its own revision.
        InvalidIndex: the source answered for another package.
        PinChanged: a pinned version is listed with another digest.
    """
    roots = tuple(sorted(set(requirements), key=str))
    offers = Offers(source, environment, pins or {}, allow_prereleases=allow_prereleases)
    found = _search(roots, offers, max_rounds)
    if isinstance(found, Proof):
        raise ResolutionImpossible(explain(minimised(found, offers, max_rounds), offers))
    found = _with_newest_roots(roots, offers, found, max_rounds)
    while (better := _better(roots, offers, found, max_rounds)) is not None:
        found = better
    return Solution(roots, environment, offers.revision, dict(sorted(found.items())))


def _search(
    roots: Collection[Requirement], offers: Offers, max_rounds: int
) -> dict[PackageName, Candidate] | Proof:
    """Return an answer without anything superfluous, or the proof that there is none."""
    provider = Provider(offers)
    search: Resolution[Requirement, Candidate, PackageName] = Resolution(
        provider, Reporter(provider, PATIENCE)
    )
    found: Mapping[PackageName, Candidate]
    try:
        found = search.resolve(roots, max_rounds=max_rounds).mapping
    except ResolutionTooDeep as error:
        raise TooManyRounds(max_rounds) from error
    except (SearchFailed, Circling):
        found = {}
    needed = _needed(roots, offers, found)
    if needed is not None and not needed.missing:
        return needed.candidates
    return decide(roots, offers, max_rounds)


@dataclass(frozen=True, slots=True)
class _Needed:
    candidates: dict[PackageName, Candidate]
    missing: bool


def _needed(
    roots: Collection[Requirement], offers: Offers, chosen: Mapping[PackageName, Candidate]
) -> _Needed | None:
    """Return those of the chosen that are required, or None where one doesn't fit."""
    candidates: dict[PackageName, Candidate] = {}
    missing = False
    pending = list(roots)
    while pending:
        requirement = pending.pop()
        candidate = chosen.get(requirement.package)
        if candidate is None:
            missing = True
            continue
        if not offers.satisfies(candidate, requirement):
            return None
        if candidate.name not in candidates:
            candidates[candidate.name] = candidate
            pending.extend(candidate.requires)
    return _Needed(candidates, missing)


def _with_newest_roots(
    roots: Collection[Requirement],
    offers: Offers,
    answer: dict[PackageName, Candidate],
    max_rounds: int,
) -> dict[PackageName, Candidate]:
    """Return an answer with the newest of each required package, one after the other by name."""
    settled: dict[PackageName, int] = {}
    for package in sorted({requirement.package for requirement in roots}):
        fitting = offers[package].usable
        for requirement in roots:
            if requirement.package == package:
                fitting &= offers[package].fitting(requirement)
        position = offers.position(answer[package])
        while newer := fitting & ((1 << position) - 1):
            found = _search(roots, offers.narrowed({**settled, package: newer}), max_rounds)
            if isinstance(found, Proof):
                break
            answer = found
            position = offers.position(answer[package])
        settled[package] = 1 << position
    return answer


def _better(
    roots: Collection[Requirement],
    offers: Offers,
    answer: Mapping[PackageName, Candidate],
    max_rounds: int,
) -> dict[PackageName, Candidate] | None:
    """Return the answer with one package newer, the first by name, and all that stay as they are.

    This ends: a package that is always needed only ever gets newer, and so, step by step, all.
    """
    for package in sorted(answer):
        newer = _newer_that_could_fit(package, roots, offers, answer)
        for position in bits(newer):
            candidate = offers[package].candidates[position]
            tried = _needed(roots, offers, {**answer, package: candidate})
            if tried is None:
                continue
            if not tried.missing:
                return tried.candidates
            fixed = {name: 1 << offers.position(one) for name, one in answer.items()}
            fixed[package] = 1 << position
            found = _search(roots, offers.narrowed(fixed), max_rounds)
            if not isinstance(found, Proof):
                return found
    return None


def _newer_that_could_fit(
    package: PackageName,
    roots: Collection[Requirement],
    offers: Offers,
    answer: Mapping[PackageName, Candidate],
) -> int:
    """Return the newer candidates that satisfy all who require the package without its help."""
    newer = offers[package].usable & ((1 << offers.position(answer[package])) - 1)
    pending, seen = list(roots), {package}
    while pending and newer:
        requirement = pending.pop()
        if requirement.package == package:
            newer &= offers[package].fitting(requirement)
        elif requirement.package not in seen:
            seen.add(requirement.package)
            pending.extend(answer[requirement.package].requires)
    return newer
