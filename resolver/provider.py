"""What resolvelib asks of us: the preferred candidates first, and which package to look at next.

An extra that is asked for later, of a package that is pinned already, leaves the pin unsatisfied,
and resolvelib pins it anew with both.

The preference may steer the search and never sees the user's order, so the same requirements and
index give the same search, whatever their order.
"""

# ruff: noqa: ARG002 (resolvelib passes arguments by name, and some aren't needed)

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from resolvelib import AbstractProvider, BaseReporter
from resolvelib.structs import RequirementInformation

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.derive import Fact
from resolver.offers import Offers, bits
from resolver.requirement import Requirement
from resolver.watch import Watch


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate with the extras of it that are asked for so far, sorted."""

    candidate: Candidate
    extras: tuple[str, ...] = ()


Information: TypeAlias = RequirementInformation[Requirement, Chosen]

_CONFLICTS_TO_PROMOTE = 5
"""After so many conflicts a package is looked at first (uv does the same)."""


_LONGEST_BACKJUMP = 5_000
"""Matches that resolvelib may ask for without progress: one round can backtrack for hours (seen
with 15 diamonds in a row)."""


class Circling(Exception):
    """The search makes no progress: it pins packages in turn, each against the one before."""


class Provider(AbstractProvider[Requirement, Chosen, PackageName]):
    """resolvelib's delegate over the offers of one solve."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._conflicts: Counter[PackageName] = Counter()
        # By identity, since resolvelib asks the same of every pin in every round, and hashing a
        # requirement takes its time; the snapshot and the user's requirements keep both alive.
        self._satisfied: dict[tuple[int, int], bool] = {}
        self._asked = 0

    def note_progress(self) -> None:
        """Have patience anew."""
        self._asked = 0

    def note_conflict(self, causes: Iterable[Information]) -> None:
        """Count the packages of a conflict, to look at them earlier."""
        self._conflicts.update({cause.requirement.package for cause in causes})
        self._conflicts.update(
            {cause.parent.candidate.name for cause in causes if cause.parent is not None}
        )

    def stated(self, cause: Information) -> Fact:
        """Return what a cause of a conflict says, as a fact."""
        if cause.parent is None:
            return Fact(None, 0, cause.requirement)
        by = cause.parent.candidate
        extra = next(
            (each for each in cause.parent.extras if cause.requirement in by.extras.get(each, ())),
            None,
        )
        if cause.requirement in by.requires:
            extra = None
        offer = self._offers[by.name]
        alike = offer.requiring(extra)[cause.requirement] & offer.usable
        return Fact(by.name, alike, cause.requirement, extra)

    def identify(self, requirement_or_candidate: Requirement | Chosen) -> PackageName:
        """Return the package of either."""
        if isinstance(requirement_or_candidate, Requirement):
            return requirement_or_candidate.package
        return requirement_or_candidate.candidate.name

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[PackageName],
        resolutions: Mapping[PackageName, Chosen],
        candidates: Mapping[PackageName, Iterator[Chosen]],
        information: Mapping[PackageName, Iterator[Information]],
        backtrack_causes: Sequence[Information],
    ) -> Iterable[PackageName]:
        """Return those that the last conflict was about, or all where none was."""
        names = list(identifiers)
        causes = {cause.requirement.package for cause in backtrack_causes}
        causes |= {
            cause.parent.candidate.name for cause in backtrack_causes if cause.parent is not None
        }
        return [name for name in names if name in causes] or names

    def get_preference(
        self,
        identifier: PackageName,
        resolutions: Mapping[PackageName, Chosen],
        candidates: Mapping[PackageName, Iterator[Chosen]],
        information: Mapping[PackageName, Iterator[Information]],
        backtrack_causes: Sequence[Information],
    ) -> tuple[bool, bool, bool, bool, str]:
        """Return the order: often in conflict, direct, exact, upper-bounded, by name."""
        wanted = list(information[identifier])
        return (
            self._conflicts[identifier] < _CONFLICTS_TO_PROMOTE,
            all(one.parent is not None for one in wanted),
            not any(one.requirement.range.is_exact for one in wanted),
            not any(one.requirement.range.is_upper_bounded for one in wanted),
            str(identifier),
        )

    def find_matches(
        self,
        identifier: PackageName,
        requirements: Mapping[PackageName, Iterator[Requirement]],
        incompatibilities: Mapping[PackageName, Iterator[Chosen]],
    ) -> Any:
        """Return what fits all requirements and is not known to fail, the preferred first.

        Raises:
            Circling: resolvelib has asked too often since the last round with progress, or tells
                the same candidates over and over.
        """
        self._asked += 1
        if self._asked > _LONGEST_BACKJUMP:
            raise Circling
        offer = self._offers[identifier]
        mask = offer.allowed
        extras: set[str] = set()
        for requirement in requirements[identifier]:
            mask &= offer.fitting(requirement)
            extras.update(requirement.extras)
        most = 10 * len(offer.candidates) + 100
        for count, chosen in enumerate(incompatibilities[identifier]):
            if count > most:  # resolvelib doubles this list, again and again, within one round
                raise Circling
            if extras.issuperset(chosen.extras):  # with fewer extras it may yet fit
                mask &= ~(1 << self._offers.position(chosen.candidate))
        asked = tuple(sorted(extras))
        return lambda: (Chosen(offer.candidates[position], asked) for position in bits(mask))

    def is_satisfied_by(self, requirement: Requirement, candidate: Chosen) -> bool:
        """Whether a candidate satisfies a requirement on its package, with the extras it has on."""
        if requirement.extras and not set(requirement.extras) <= set(candidate.extras):
            return False
        key = (id(requirement), id(candidate.candidate))
        satisfied = self._satisfied.get(key)
        if satisfied is None:
            satisfied = self._offers.satisfies(candidate.candidate, requirement)
            self._satisfied[key] = satisfied
        return satisfied

    def get_dependencies(self, candidate: Chosen) -> Iterable[Requirement]:
        """Return what a candidate requires with the extras that it has on."""
        requires = candidate.candidate.requirements(candidate.extras)
        self._offers.snapshot.read_ahead(one.package for one in requires)
        return requires


class Reporter(BaseReporter[Requirement, Chosen, PackageName]):
    """Tells the provider of conflicts, and stops a search that makes no progress.

    resolvelib re-pins a package whose pin a later one contradicts, without backtracking; where
    packages require each other it may do so for ever (seen on indexes of five packages).
    """

    def __init__(self, provider: Provider, patience: int, watch: Watch) -> None:
        self._provider = provider
        self._patience = patience
        self._watch = watch
        self._most_pinned = 0
        self._waited = 0
        self.last_conflict: frozenset[Fact] = frozenset()

    def resolving_conflicts(self, causes: Iterable[Information]) -> None:
        """Pass a conflict on, and keep it in case that it is the last."""
        causes = list(causes)
        self._provider.note_conflict(causes)
        self.last_conflict = frozenset(self._provider.stated(cause) for cause in causes)

    def ending_round(self, index: int, state: Any) -> None:
        """Count the rounds since more packages were pinned than ever before.

        Raises:
            Circling: they are too many.
            SolveCancelled: somebody asked for it.
        """
        self._watch.count(len(state.mapping))
        self._waited += 1
        if len(state.mapping) > self._most_pinned:
            self._most_pinned = len(state.mapping)
            self._waited = 0
            self._provider.note_progress()
        if self._waited >= self._patience:
            raise Circling
