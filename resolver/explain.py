"""Why nothing fits: who requires what, what exists, and what keeps it out, in plain sentences.

The facts are a proof (resolver/derive.py): they can't all hold together, and none can be left out.
They are told from the user's own requirements downwards; then, for each package of which nothing
is left, why what there is of it doesn't count, and what all its releases are; then the hint, if
there is one (resolver/hint.py). Where the releases that are named are all that may be chosen, that
is said: nobody has to wonder about another one. The derivation, step by step, is for machines and
for who doubts the sentences.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment
from resolver.derive import ABSENT, Fact, Incompatibility, Node, Proof
from resolver.hint import Hint
from resolver.near import declared_extras, near_extras, near_packages
from resolver.offers import Offer, Offers, bits
from resolver.requirement import Range, Requirement
from resolver.wording import bounded, either, joined, versions, wanted, within

_ONE_BY_ONE: Final = 4
"""Facts of releases of one package on one other that are told each by itself."""


@dataclass(frozen=True, slots=True)
class Required:
    """The releases `by` (none: the user) all require `requirement`; `by` is newest first.

    `extra` is the extra of theirs by which they do; the user may also constrain by it, and
    `override` is the range that counts instead, as text. Where they are all that may be chosen,
    `among` says of which: ` in ^1`, or nothing for all.
    """

    by: tuple[Candidate, ...]
    requirement: Requirement
    extra: str | None = None
    is_constraint: bool = False
    override: str | None = None
    among: str | None = None

    def __str__(self) -> str:
        """Return the sentence."""
        if self.is_constraint:
            return f"You constrain {bounded(self.requirement)}."
        needed = wanted(self.requirement)
        if self.override is not None:
            needed = (
                f"{self.requirement.name_with_extras}, where your override says {self.override}"
            )
        if not self.by:
            return f"You require {needed}."
        is_one = len(self.by) == 1
        extra = f"[{self.extra}]" if self.extra else ""
        who = f"{self.by[0].name}{extra} {versions(self.by)}"
        if self.among is not None:
            who += f", the only {'release' if is_one else 'releases'}{self.among},"
        return f"{who} {'requires' if is_one else 'require'} {needed}."


@dataclass(frozen=True, slots=True)
class Refused:
    """Releases of one package (newest first) that would fit, and may not be chosen.

    `reason` is a clause about each of them, to stand after `because`.
    """

    candidates: tuple[Candidate, ...]
    reason: str

    def __str__(self) -> str:
        """Return the sentence."""
        package = self.candidates[0].name
        each = "because" if len(self.candidates) == 1 else "each because"
        return f"{package} {versions(self.candidates)} can't be used, {each} {self.reason}."

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "package": str(self.candidates[0].name),
            "versions": [str(candidate.version) for candidate in self.candidates],
            "reason": self.reason,
            "sentence": str(self),
        }


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from earlier steps: `causes` are their places, or `fact` the place of a fact."""

    sentence: str
    fact: int | None = None
    causes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Facts that can't all hold, in the order to tell them, and what there is of the packages.

    `refused` are the releases that would be candidates but for something beside requirements, and
    `lost` the packages of which nothing is left: the `notes` say both. The last of the `steps` is
    that nothing fits; each stands after what it follows from.
    """

    environment: Environment
    revision: int
    facts: tuple[Required, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    hint: Hint | None = None
    refused: tuple[Refused, ...] = ()
    lost: tuple[PackageName, ...] = ()
    application: PackageName | None = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it: a headline, the facts, what exists, and what would help."""
        aim = "" if self.application is None else f", for {self.application}"
        headline = (
            f"No set of releases fits all requirements ({self.environment}, "
            f"index revision {self.revision}{aim})."
        )
        hint = () if self.hint is None else (str(self.hint),)
        return (headline, *self.statements, *self.notes, *hint)

    @property
    def statements(self) -> tuple[str, ...]:
        """The facts as sentences; where many releases of a package each want another range, one."""
        told: list[str] = []
        for _, group in groupby(self.facts, _alike):
            facts = list(group)
            told += [_summed(facts)] if len(facts) > _ONE_BY_ONE else map(str, facts)
        return tuple(told)

    def to_json(self) -> dict[str, Any]:
        """Return it for machines; `by` is null for the user's own requirements.

        `refused` are the facts about single releases: each can't be chosen, for its reason.
        `derivation` holds steps; each has the place of a fact, or the places of those steps that
        it follows from.
        """
        return {
            "python": self.environment.python,
            "platform": self.environment.platform,
            "revision": self.revision,
            "application": None if self.application is None else str(self.application),
            "facts": [
                {
                    "kind": "constraint" if fact.is_constraint else "requirement",
                    "by": {
                        "package": str(fact.by[0].name),
                        "versions": [str(candidate.version) for candidate in fact.by],
                        "extra": fact.extra,
                    }
                    if fact.by
                    else None,
                    "package": str(fact.requirement.package),
                    "range": str(fact.requirement.range),
                    "extras": list(fact.requirement.extras),
                    "override": fact.override,
                    "sentence": str(fact),
                }
                for fact in self.facts
            ],
            "refused": [one.to_json() for one in self.refused],
            "notes": list(self.notes),
            "lost": [str(package) for package in self.lost],
            "derivation": [
                {"sentence": step.sentence, "fact": step.fact, "causes": list(step.causes)}
                for step in self.steps
            ],
            "hint": None if self.hint is None else self.hint.to_json(),
        }


def _alike(fact: Required) -> tuple[object, ...]:
    """Return what facts have in common that one sentence can tell; any other's is its own."""
    if not fact.by or fact.override is not None:
        return (id(fact),)
    return fact.by[0].name, fact.extra, fact.requirement.package, fact.requirement.extras


def _summed(facts: Sequence[Required]) -> str:
    """Tell facts about the releases of one package that want another in ranges of their own."""
    first = facts[0]
    ordered = sorted(facts, key=lambda fact: fact.by[0].version, reverse=True)
    by = _newest_first({candidate for fact in facts for candidate in fact.by})
    ranges = list(dict.fromkeys(str(fact.requirement.range) for fact in ordered))
    extra = f"[{first.extra}]" if first.extra else ""
    more = f" and {len(ranges) - _ONE_BY_ONE} more" if len(ranges) > _ONE_BY_ONE else ""
    return (
        f"{by[0].name}{extra} {versions(by)} require {first.requirement.name_with_extras}, in "
        f"{len(ranges)} ranges: {', '.join(ranges[:_ONE_BY_ONE])}{more}."
    )


def explain(proof: Proof, offers: Offers, hint: Hint | None = None) -> Explanation:
    """Put a proof into words."""
    order = _from_the_top(proof.facts)
    facts = _named(order, offers)
    notes: list[str | Refused] = []
    lost: list[PackageName] = []
    for package in dict.fromkeys(fact.requirement.package for fact in facts):
        refused, missing = _notes(
            [fact for fact in facts if fact.requirement.package == package], offers
        )
        some = _only_releases(package, order, offers) if not missing else None
        notes += [*refused, *missing, *([some] if some else [])]
        lost += [package] if missing else []
    places = {fact: place for place, fact in enumerate(order)}
    sentences = [str(fact) for fact in facts]
    steps = tuple(_steps(proof.root, places, sentences, offers)) if proof.root else ()
    return Explanation(
        offers.environment,
        offers.revision,
        facts,
        tuple(map(str, notes)),
        steps,
        hint,
        tuple(note for note in notes if isinstance(note, Refused)),
        tuple(lost),
        offers.options.application,
    )


def told(facts: Iterable[Fact], offers: Offers) -> tuple[Required, ...]:
    """Put facts into an order and words, whether they are a proof or not."""
    return _named(_from_the_top(facts), offers)


def _from_the_top(facts: Iterable[Fact]) -> list[Fact]:
    """Order facts from the user's downwards; those that hang on nothing come last."""
    left = sorted(
        facts,
        key=lambda fact: (fact.is_constraint, str(fact.requirement), fact.order),
    )
    ordered = [fact for fact in left if fact.by is None]
    named = dict.fromkeys(fact.requirement.package for fact in ordered)
    for package in (queue := list(named)):
        own = [fact for fact in left if fact.by == package]
        ordered.extend(own)
        for fact in own:
            if fact.requirement.package not in named:
                named[fact.requirement.package] = None
                queue.append(fact.requirement.package)
    return [*ordered, *(fact for fact in left if fact not in ordered)]


def _named(order: Sequence[Fact], offers: Offers) -> tuple[Required, ...]:
    """Name only releases that the facts allow, and say once of each package if these are all."""
    named = []
    told: set[PackageName] = set()
    for fact in order:
        by: tuple[Candidate, ...] = ()
        among = None
        if fact.by is not None:
            choice = _choice(fact.by, order, offers)
            some = fact.mask & choice.allowed or fact.mask
            by = _newest_first(offers[fact.by].candidates[at] for at in bits(some))
            if some == choice.both and fact.by not in told:
                told.add(fact.by)
                among = choice.among
        override = offers[fact.requirement.package].override
        named.append(
            Required(
                by,
                fact.requirement,
                fact.extra,
                fact.is_constraint,
                None if override is None or fact.is_constraint else str(override),
                among,
            )
        )
    return tuple(named)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The candidates that facts leave of a package.

    `allowed` are in any of the requirements on it and in all constraints, all there are where
    nothing requires it; `both` are in all of the requirements, too, and `among` says of which these
    are all.
    """

    allowed: int
    both: int
    among: str


def _choice(package: PackageName, facts: Sequence[Fact], offers: Offers) -> _Choice:
    offer = offers[package]
    about = [fact.requirement for fact in facts if fact.requirement.package == package]
    kinds = [fact.is_constraint for fact in facts if fact.requirement.package == package]
    needs = [one for one, is_bound in zip(about, kinds, strict=True) if not is_bound]
    bounds = [one for one, is_bound in zip(about, kinds, strict=True) if is_bound]
    if not needs:
        return _Choice(-1, 0, "")
    allowed, both = 0, offer.usable
    for one in needs:
        allowed |= offer.fitting(one)
        both &= offer.fitting(one)
    for one in bounds:
        allowed &= offer.within(one) or -1
        both &= offer.within(one)
    extras = tuple(sorted({extra for one in needs for extra in one.extras}))
    ranges = [*(offer.range_of(one) for one in needs), *(one.range for one in bounds)]
    there = offer.declaring(extras)
    for each in ranges:
        there &= offer.matching(each, allow_prereleases=True)
    having = f" with [{','.join(extras)}]" if extras else ""
    usable = " that can be used" if there & ~both else ""
    return _Choice(allowed, both, f"{having}{within(ranges)}{usable}")


def _only_releases(package: PackageName, facts: Sequence[Fact], offers: Offers) -> str | None:
    """Say that the releases which facts name, one by one, are all that may be chosen."""
    choice = _choice(package, facts, offers)
    masks = [fact.mask & choice.allowed for fact in facts if fact.by == package]
    together = 0
    for mask in masks:
        together |= mask
    if not masks or choice.both in masks or together != choice.both:
        return None
    found = _newest_first(offers[package].candidates[at] for at in bits(together))
    return f"The only releases of {package}{choice.among} are {versions(found)}."


def _newest_first(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda one: one.version, reverse=True))


def _notes(facts: Sequence[Required], offers: Offers) -> tuple[list[Refused], list[str]]:
    """Say what there is of a package, where that is why the requirements on it can't be had.

    Returns:
        Which releases can't be used, and why nothing is left; each may be empty.
    """
    offer = offers[facts[0].requirement.package]
    if not offer.known:
        return [], [_unknown(offer.name, offers)]
    wishes = list({(str(_range(fact, offer)), _extras(fact)): fact for fact in facts}.values())
    if not offer.candidates:
        return [], [f"{offer.name} has no releases."]
    hopeless = [one for one in wishes if not _fitting(one, offer)]
    clashes = [] if hopeless else _clashes(facts, wishes, offer)
    groups = clashes or [[one] for one in hopeless or wishes]
    refused = list(_refusals(groups, offer))
    if (hopeless or clashes) and _are_all_refused(groups, offer):
        return refused, [f"There is no other release of {offer.name}."]
    missing = _lines_of_hopeless(hopeless, offer)
    missing += _lines_of_clashes(clashes, offer)
    if any(not _lacks_extras(one, offer) for one in hopeless) or clashes:
        missing.append(_all_releases(offer))
    return refused, list(dict.fromkeys(missing))


def _all_releases(offer: Offer) -> str:
    found = _newest_first(offer.candidates)
    some = "release" if len(found) == 1 else "releases"
    are = "is" if len(found) == 1 else "are"
    return f"The only {some} of {offer.name} {are} {versions(found)}."


def _lines_of_clashes(clashes: Sequence[Sequence[Required]], offer: Offer) -> list[str]:
    """Say that each leaves nothing; where many have something in common, with that, at once."""
    common = [one for one in clashes[0] if all(one in each for each in clashes)] if clashes else []
    has_extras = any(_extras(one) for each in clashes for one in each)
    if len(clashes) <= _ONE_BY_ONE or not common or has_extras:
        return [_none_left(clashing, offer) for clashing in clashes]
    inside = within(_range(one, offer) for one in common)
    return [f"No release of {offer.name}{inside} is in any of the {len(clashes)} other ranges."]


def _none_left(clashing: Sequence[Required], offer: Offer) -> str:
    """Say that one alone, or several together, leave nothing."""
    ranges = [_range(one, offer) for one in clashing]
    extras = sorted({extra for one in clashing for extra in _extras(one)})
    having = f" with [{','.join(extras)}]" if extras and not _left_without(clashing, offer) else ""
    if _is_any_refused(clashing, offer):  # which was said before
        return f"There is no other release of {offer.name}{having}{within(ranges, 'but')}."
    return f"There is no release of {offer.name}{having}{within(ranges)}."


def _lines_of_hopeless(hopeless: Sequence[Required], offer: Offer) -> list[str]:
    """Say of each that it leaves nothing alone; of many, at once."""
    if len(hopeless) <= _ONE_BY_ONE or any(_lacks_extras(one, offer) for one in hopeless):
        return [_hopeless(one, offer) for one in hopeless]
    other = "other " if any(_is_any_refused([one], offer) for one in hopeless) else ""
    return [f"No {other}release of {offer.name} is in any of these {len(hopeless)} ranges."]


def _hopeless(one: Required, offer: Offer) -> str:
    """Say why a requirement or constraint alone leaves nothing."""
    if _lacks_extras(one, offer):
        return _undeclared(one, offer, _in_range(one, offer))
    return _none_left([one], offer)


def _lacks_extras(one: Required, offer: Offer) -> bool:
    return bool(_extras(one) and _in_range(one, offer))


def _in_range(one: Required, offer: Offer) -> int:
    allowed = offer.allow_prereleases or one.is_constraint
    return offer.usable & offer.matching(_range(one, offer), allow_prereleases=allowed)


def _undeclared(one: Required, offer: Offer, in_range: int) -> str:
    extras = ",".join(_extras(one))
    declared = declared_extras(offer)
    if not declared:
        return f"No release of {offer.name} declares extras, so none has [{extras}]."
    for extra in _extras(one):
        if extra not in declared:
            near = near_extras(extra, declared)
            meant = f"; did you mean [{near[0]}]?" if near else f"; they have {joined(declared)}."
            return f"No release of {offer.name} declares the extra [{extra}]{meant}"
    elsewhere = _newest_first(
        offer.candidates[at] for at in bits(offer.declaring(_extras(one)) & ~in_range)
    )
    does = f"; {versions(elsewhere)} {'does' if len(elsewhere) == 1 else 'do'}" if elsewhere else ""
    where = within([_range(one, offer)])
    refused = offer.declaring(_extras(one)) & ~offer.usable
    usable = " that can be used" if refused else ""
    return f"No release of {offer.name}{where}{usable} declares [{extras}]{does}."


def _range(fact: Required, offer: Offer) -> Range:
    return fact.requirement.range if fact.is_constraint else offer.range_of(fact.requirement)


def _extras(fact: Required) -> tuple[str, ...]:
    return fact.requirement.extras


def _fitting(fact: Required, offer: Offer) -> int:
    if fact.is_constraint:
        return offer.within(fact.requirement)
    return offer.fitting(fact.requirement)


def _clashes(
    facts: Sequence[Required], wishes: Sequence[Required], offer: Offer
) -> list[list[Required]]:
    """Return what holds at once and leaves nothing: none of it can be left out.

    What the user says always holds, and so clashes with each that it leaves nothing for. Beside
    that, requirements of different releases of one package do not hold at once: there are no
    clashes to tell then.
    """
    fixed = [one for one in wishes if not one.by]
    others = [one for one in wishes if one.by]
    if fixed and others and all(not _left([*fixed, one], offer) for one in others):
        return [_needed_for_a_clash([*fixed, one], offer) for one in others]
    together: dict[PackageName, set[Candidate]] = {}
    for fact in facts:
        if fact.by:
            name = fact.by[0].name
            together[name] = together.get(name, set(fact.by)) & set(fact.by)
    if not all(together.values()) or _left(wishes, offer):
        return []
    return [_needed_for_a_clash(wishes, offer)]


def _needed_for_a_clash(wishes: Sequence[Required], offer: Offer) -> list[Required]:
    clashing = list(wishes)
    for one in wishes:
        others = [other for other in clashing if other != one]
        if not _left(others, offer):
            clashing = others
    return clashing


def _left(wishes: Iterable[Required], offer: Offer) -> int:
    left = offer.usable
    for one in wishes:
        left &= _fitting(one, offer)
    return left


def _left_without(wishes: Iterable[Required], offer: Offer) -> bool:
    """Whether nothing would be left even if nobody asked for extras."""
    left = offer.usable
    for one in wishes:
        allowed = offer.allow_prereleases or one.is_constraint
        left &= offer.matching(_range(one, offer), allow_prereleases=allowed)
    return not left


def _refusals(groups: Sequence[Sequence[Required]], offer: Offer) -> Iterator[Refused]:
    """Yield the releases that a group of wishes would take, and that aren't used; by the reason."""
    reasons: dict[str, list[Candidate]] = {}
    prereleases: list[Candidate] = []
    for at, candidate in enumerate(offer.candidates):
        if not any(_refuses(group, offer, at) for group in groups):
            continue
        if at in offer.refused:
            reasons.setdefault(offer.refused[at], []).append(candidate)
        else:
            prereleases.append(candidate)
    if prereleases:
        newest = _newest_first(prereleases)[0]
        reason = (
            f"it is a prerelease; it counts with --pre, or where every requirement on {offer.name} "
            f"names it, as >={newest.version} does"
        )
        reasons[reason] = prereleases
    for reason, candidates in reasons.items():
        yield Refused(_newest_first(candidates), reason)


def _refuses(group: Sequence[Required], offer: Offer, at: int) -> bool:
    """Whether a group would take a candidate with its extras, and it can't be used."""
    if not all(_takes(offer, one, at, allow_prereleases=True) for one in group):
        return False
    if any(not offer.declaring(_extras(one)) >> at & 1 for one in group if _extras(one)):
        return False
    allowed = offer.allow_prereleases
    return at in offer.refused or not all(
        _takes(offer, one, at, allow_prereleases=allowed) for one in group
    )


def _is_any_refused(group: Sequence[Required], offer: Offer) -> bool:
    return any(_refuses(group, offer, at) for at in range(len(offer.candidates)))


def _are_all_refused(groups: Sequence[Sequence[Required]], offer: Offer) -> bool:
    places = range(len(offer.candidates))
    return all(any(_refuses(group, offer, at) for group in groups) for at in places)


def _takes(offer: Offer, one: Required, at: int, *, allow_prereleases: bool) -> bool:
    allowed = allow_prereleases or one.is_constraint
    return bool(offer.matching(_range(one, offer), allow_prereleases=allowed) >> at & 1)


def _steps(
    root: Incompatibility, places: Mapping[Fact, int], facts: Sequence[str], offers: Offers
) -> Iterator[Step]:
    """Yield the derivation, each step after its causes; facts are steps of their own, once."""
    numbers: dict[object, int] = {}
    pending = [root]
    while pending:
        one = pending[-1]
        key: object = one.fact or id(one)
        waiting = [cause for cause in one.causes if (cause.fact or id(cause)) not in numbers]
        if key not in numbers and waiting:
            pending.extend(reversed(waiting))
            continue
        pending.pop()
        if key in numbers:
            continue
        numbers[key] = len(numbers)
        if one.fact is not None:
            place = places[one.fact]
            yield Step(facts[place], place)
        else:
            causes = dict.fromkeys(numbers[cause.fact or id(cause)] for cause in one.causes)
            yield Step(_follows(one.terms, offers), None, tuple(causes))
    if root.fact is not None:  # one fact that can't be, alone
        yield Step(_follows({}, offers), None, (0,))


def _follows(terms: Mapping[Node, int], offers: Offers) -> str:
    """Say what an incompatibility means: these need one of those, or can't be together."""
    if not terms:
        return "So nothing fits."
    having: list[str] = []
    needing: list[str] = []
    for (package, extra), mask in sorted(terms.items()):
        offer = offers[package]
        if extra:
            (needing if mask & ABSENT else having).append(f"{package}[{extra}]")
            continue
        which = (offer.usable & ~(mask >> 1)) if mask & ABSENT else mask >> 1
        versions = _newest_first(offer.candidates[at] for at in bits(which))
        text = f"{package} {either(versions)}" if which != offer.usable else str(package)
        (needing if mask & ABSENT else having).append(text)
    if not needing:
        together = "be used" if len(having) == 1 else "be together"
        return f"So {joined(having)} can't {together}."
    need = " or ".join(needing)
    if not having:
        return f"So {need} is needed."
    verb = "needs" if len(having) == 1 else "need"
    return f"So {joined(having)} {verb} {need}."


def _unknown(package: PackageName, offers: Offers) -> str:
    address = offers.snapshot.find_address(package)
    index = "the index" if address is None else f"the index of {address}, which has its name alone"
    sentence = f"{package} is not in {index}, or may not be read with this login"
    near = near_packages(package, offers)
    return f"{sentence}; did you mean {near[0]}?" if near else f"{sentence}."
