"""Why nothing fits: who requires what, what exists, and what keeps it out, in plain sentences.

The facts are a proof (resolver/derive.py): they can't all hold together, and none can be left out.
They are told from the user's own requirements downwards; then, for each package of which nothing
is left, what there is of it and why it doesn't count.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment
from resolver.derive import Fact, Proof
from resolver.offers import Offer, Offers, bits
from resolver.requirement import ANY, Requirement
from resolver.source import NamingSource

_SHOWN = 4
_NEAR = 0.8  # of difflib's ratio: the namespace alone makes most names alike
_PRERELEASE = (
    "a prerelease counts only where every requirement on it names one of the same version, "
    "or where prereleases are allowed"
)


@dataclass(frozen=True, slots=True)
class Required:
    """The releases `by` (none: the user) all require `requirement`; `by` is newest first."""

    by: tuple[Candidate, ...]
    requirement: Requirement

    def __str__(self) -> str:
        """Return the sentence."""
        if not self.by:
            return f"You require {_wanted(self.requirement)}."
        verb = "requires" if len(self.by) == 1 else "require"
        return f"{self.by[0].name} {_versions(self.by)} {verb} {_wanted(self.requirement)}."


@dataclass(frozen=True, slots=True)
class Explanation:
    """Facts that can't all hold, in the order to tell them, and what there is of the packages."""

    environment: Environment
    revision: int
    facts: tuple[Required, ...]
    notes: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it: a headline, the facts, and what exists."""
        headline = (
            f"No set of releases fits all requirements ({self.environment}, "
            f"index revision {self.revision})."
        )
        return (headline, *(str(fact) for fact in self.facts), *self.notes)

    def to_json(self) -> dict[str, Any]:
        """Return it for machines; `by` is null for the user's own requirements."""
        return {
            "python": self.environment.python,
            "platform": self.environment.platform,
            "revision": self.revision,
            "facts": [
                {
                    "by": {
                        "package": str(fact.by[0].name),
                        "versions": [str(candidate.version) for candidate in fact.by],
                    }
                    if fact.by
                    else None,
                    "package": str(fact.requirement.package),
                    "range": str(fact.requirement.range),
                    "extras": list(fact.requirement.extras),
                    "sentence": str(fact),
                }
                for fact in self.facts
            ],
            "notes": list(self.notes),
        }


def explain(proof: Proof, offers: Offers) -> Explanation:
    """Put a proof into words."""
    facts = _told_from_the_top(proof.facts, offers)
    targets = list(dict.fromkeys(fact.requirement.package for fact in facts))
    notes: list[str] = []
    for package in targets:
        notes.extend(
            _notes([fact for fact in facts if fact.requirement.package == package], offers)
        )
    return Explanation(offers.environment, offers.revision, facts, tuple(notes))


def _told_from_the_top(facts: Iterable[Fact], offers: Offers) -> tuple[Required, ...]:
    """Order facts from the user's downwards, and name only releases that those before allow."""
    left = sorted(facts, key=lambda fact: (str(fact.requirement), str(fact.by), fact.mask))
    told = [fact for fact in left if fact.by is None]
    named = dict.fromkeys(fact.requirement.package for fact in told)
    for package in (queue := list(named)):
        own = [fact for fact in left if fact.by == package]
        told.extend(own)
        for fact in own:
            if fact.requirement.package not in named:
                named[fact.requirement.package] = None
                queue.append(fact.requirement.package)
    allowed: dict[PackageName, int] = {}
    for fact in told:
        package = fact.requirement.package
        allowed[package] = allowed.get(package, 0) | offers[package].fitting(fact.requirement)
    return tuple(
        Required(
            ()
            if fact.by is None
            else tuple(offers[fact.by].candidates[at] for at in bits(fact.mask & allowed[fact.by])),
            fact.requirement,
        )
        for fact in told
    )


def _notes(facts: Sequence[Required], offers: Offers) -> Iterator[str]:
    """Say what there is of a package, where that is why the requirements on it can't be had."""
    wanted = list(dict.fromkeys(fact.requirement for fact in facts))
    offer = offers[wanted[0].package]
    if not offer.known:
        yield _unknown(offer.name, offers)
        return
    hopeless = [one for one in wanted if not offer.fitting(one)]
    clashing = [] if hopeless else _clashing(facts, wanted, offer)
    yield from _refusals([clashing] if clashing else [(one,) for one in hopeless or wanted], offer)
    exists = f"the index has {_versions(offer.candidates)}" if offer.candidates else ""
    for one in hopeless:
        if not exists:
            yield f"{offer.name} has no releases."
        elif one.extras:
            extras = ",".join(one.extras)
            yield f"No release of {offer.name} declares extras, so none has [{extras}]."
        elif one.range == ANY:
            yield f"No release of {offer.name} can be used; {exists}."
        else:
            yield f"No usable release of {offer.name} is in {one.range}; {exists}."
    if clashing:
        ranges = _and(str(one.range) for one in clashing)
        yield f"No usable release of {offer.name} is in {ranges} at once; {exists}."


def _clashing(
    facts: Sequence[Required], wanted: Sequence[Requirement], offer: Offer
) -> list[Requirement]:
    """Return requirements that hold at once and leave nothing: none of them can be left out.

    Those of two releases of one package do not hold at once, and there are none then.
    """
    sources = [fact.by[0].name for fact in facts if fact.by]
    if len(set(sources)) < len(sources) or _left(wanted, offer):
        return []
    clashing = list(wanted)
    for one in wanted:
        others = [other for other in clashing if other != one]
        if not _left(others, offer):
            clashing = others
    return clashing


def _left(wanted: Iterable[Requirement], offer: Offer) -> int:
    left = offer.usable
    for one in wanted:
        left &= offer.fitting(one)
    return left


def _refusals(groups: Sequence[Sequence[Requirement]], offer: Offer) -> Iterator[str]:
    """Say why releases aren't used that a group of requirements would take; a sentence a reason."""
    reasons: dict[str, list[Candidate]] = {}
    for at, candidate in enumerate(offer.candidates):
        for group in groups:
            if not all(_takes(offer, one, at, allow_prereleases=True) for one in group):
                continue
            if at in offer.refused:
                reasons.setdefault(offer.refused[at], []).append(candidate)
                break
            allowed = offer.allow_prereleases
            if not all(_takes(offer, one, at, allow_prereleases=allowed) for one in group):
                reasons.setdefault(_PRERELEASE, []).append(candidate)
                break
    for reason, candidates in reasons.items():
        yield f"{offer.name} {_versions(candidates)} can't be used: {reason}."


def _takes(offer: Offer, one: Requirement, at: int, *, allow_prereleases: bool) -> bool:
    return bool(offer.matching(one.range, allow_prereleases=allow_prereleases) >> at & 1)


def _wanted(requirement: Requirement) -> str:
    if requirement.range == ANY:
        return f"any version of {requirement.name_with_extras}"
    return str(requirement)


def _unknown(package: PackageName, offers: Offers) -> str:
    sentence = f"{package} is not in the index, or may not be read with this login"
    if isinstance(offers.source, NamingSource):
        names = sorted(str(name) for name in offers.source.list_names())
        near = difflib.get_close_matches(str(package), names, n=1, cutoff=_NEAR)
        if near:
            return f"{sentence}; did you mean {near[0]}?"
    return f"{sentence}."


def _versions(candidates: Sequence[Candidate]) -> str:
    shown = [str(candidate.version) for candidate in candidates]
    if len(shown) <= _SHOWN + 1:
        return _and(shown)
    return f"{', '.join(shown[:_SHOWN])} and {len(shown) - _SHOWN} more down to {shown[-1]}"


def _and(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
