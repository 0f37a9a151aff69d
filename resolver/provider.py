"""What resolvelib asks of us: candidates newest first, and which package to look at next.

The preference may steer the search and never sees the user's order, so the same requirements and
index give the same search, whatever their order.
"""

# ruff: noqa: ARG002 (resolvelib passes arguments by name, and some aren't needed)

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from resolvelib import AbstractProvider, BaseReporter
from resolvelib.structs import RequirementInformation

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.offers import Offers, bits
from resolver.requirement import Requirement

Information: TypeAlias = RequirementInformation[Requirement, Candidate]

_CONFLICTS_TO_PROMOTE = 5
"""After so many conflicts a package is looked at first (uv does the same)."""


class Provider(AbstractProvider[Requirement, Candidate, PackageName]):
    """resolvelib's delegate over the offers of one solve."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._conflicts: Counter[PackageName] = Counter()

    def note_conflict(self, causes: Iterable[Information]) -> None:
        """Count the packages of a conflict, to look at them earlier."""
        self._conflicts.update({cause.requirement.package for cause in causes})
        self._conflicts.update({cause.parent.name for cause in causes if cause.parent is not None})

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> PackageName:
        """Return the package of either."""
        if isinstance(requirement_or_candidate, Requirement):
            return requirement_or_candidate.package
        return requirement_or_candidate.name

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[PackageName],
        resolutions: Mapping[PackageName, Candidate],
        candidates: Mapping[PackageName, Iterator[Candidate]],
        information: Mapping[PackageName, Iterator[Information]],
        backtrack_causes: Sequence[Information],
    ) -> Iterable[PackageName]:
        """Return those that the last conflict was about, or all where none was."""
        names = list(identifiers)
        causes = {cause.requirement.package for cause in backtrack_causes}
        causes |= {cause.parent.name for cause in backtrack_causes if cause.parent is not None}
        return [name for name in names if name in causes] or names

    def get_preference(
        self,
        identifier: PackageName,
        resolutions: Mapping[PackageName, Candidate],
        candidates: Mapping[PackageName, Iterator[Candidate]],
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
        incompatibilities: Mapping[PackageName, Iterator[Candidate]],
    ) -> Any:
        """Return what fits all requirements and is not known to fail, newest first."""
        offer = self._offers[identifier]
        mask = offer.usable
        for requirement in requirements[identifier]:
            mask &= offer.fitting(requirement)
        for candidate in incompatibilities[identifier]:
            mask &= ~(1 << self._offers.position(candidate))
        return lambda: (offer.candidates[position] for position in bits(mask))

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        """Whether a candidate satisfies a requirement on its package."""
        return self._offers.satisfies(candidate, requirement)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Requirement]:
        """Return what a candidate requires."""
        return candidate.requires


class Circling(Exception):
    """The search makes no progress: it pins packages in turn, each against the one before."""


class Reporter(BaseReporter[Requirement, Candidate, PackageName]):
    """Tells the provider of conflicts, and stops a search that makes no progress.

    resolvelib re-pins a package whose pin a later one contradicts, without backtracking; where
    packages require each other it may do so for ever (seen on indexes of five packages).
    """

    def __init__(self, provider: Provider, patience: int) -> None:
        self._provider = provider
        self._patience = patience
        self._most_pinned = 0
        self._waited = 0

    def resolving_conflicts(self, causes: Iterable[Information]) -> None:
        """Pass a conflict on."""
        self._provider.note_conflict(causes)

    def ending_round(self, index: int, state: Any) -> None:
        """Count the rounds since more packages were pinned than ever before.

        Raises:
            Circling: they are too many.
        """
        self._waited += 1
        if len(state.mapping) > self._most_pinned:
            self._most_pinned = len(state.mapping)
            self._waited = 0
        if self._waited >= self._patience:
            raise Circling
