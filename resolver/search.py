"""One search: resolvelib first, and `resolver/derive.py` where that finds nothing or circles."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from resolvelib.resolvers import Resolution, ResolutionTooDeep
from resolvelib.resolvers import ResolutionImpossible as SearchFailed

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.derive import OutOfRounds, Proof, decide
from resolver.offers import Offers
from resolver.provider import Chosen, Circling, Provider, Reporter
from resolver.requirement import Requirement
from resolver.watch import Watch

PATIENCE: Final = 50
"""Rounds of resolvelib without progress before the other way to decide takes over."""

Answer: TypeAlias = dict[PackageName, Candidate]


def search(roots: Collection[Requirement], offers: Offers, watch: Watch) -> Answer | Proof:
    """Return an answer without anything superfluous, or the proof that there is none.

    Raises:
        OutOfRounds: neither was found before the watch's limit.
    """
    provider = Provider(offers)
    reporter = Reporter(provider, PATIENCE, watch)
    attempt: Resolution[Requirement, Chosen, PackageName] = Resolution(provider, reporter)
    found: Answer = {}
    try:
        mapping = attempt.resolve(roots, max_rounds=max(1, watch.left)).mapping
        found = {package: chosen.candidate for package, chosen in mapping.items()}
    except ResolutionTooDeep as error:
        raise OutOfRounds(reporter.last_conflict) from error
    except (SearchFailed, Circling):
        pass
    needed = closure(roots, offers, found)
    if needed is not None and not needed.is_lacking:
        return needed.candidates
    return decide(roots, offers, watch)


@dataclass(frozen=True, slots=True)
class Closure:
    """What requirements need of a choice, with the extras that are on; something may be lacking."""

    candidates: Answer
    extras: dict[PackageName, set[str]]
    is_lacking: bool


def closure(
    roots: Collection[Requirement], offers: Offers, chosen: Mapping[PackageName, Candidate]
) -> Closure | None:
    """Return those of the chosen that are required, or None where one doesn't fit."""
    candidates: Answer = {}
    extras: dict[PackageName, set[str]] = {}
    is_lacking = False
    pending = list(roots)
    while pending:
        requirement = pending.pop()
        candidate = chosen.get(requirement.package)
        if candidate is None:
            is_lacking = True
            continue
        if not offers.satisfies(candidate, requirement):
            return None
        if candidate.name not in candidates:
            candidates[candidate.name] = candidate
            extras[candidate.name] = set()
            pending.extend(candidate.requires)
        for extra in set(requirement.extras) - extras[candidate.name]:
            extras[candidate.name].add(extra)
            pending.extend(candidate.extras[extra])
    return Closure(candidates, extras, is_lacking)
