"""A proof that nothing fits, or the answer that a search missed.

resolvelib names the causes of its last conflict only, and its backjumping may pass over an answer
(it forgets why a candidate was excluded earlier). So where it finds none, this decides, by
conflict-driven learning over *incompatibilities*, as PubGrub has them
(https://github.com/dart-lang/pub/blob/master/doc/solver.md)::

    {team/app: 1.1.0 or 1.0.0, team/lib: absent or not in ^2}     can't all be so

Each package has a value: one of its usable candidates, or *absent*. A *fact* is an incompatibility
that the index or the user states. From two incompatibilities on the same package a third follows:
the union of what they say of it, with the rest of both. When one without terms follows, nothing
fits, and the facts that it came from say why.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.errors import TooManyRounds
from resolver.offers import Offers
from resolver.requirement import Requirement

ABSENT = 1
"""The bit of 'not in the answer'; candidates follow, newest first."""


@dataclass(frozen=True, slots=True)
class Fact:
    """The candidates in `mask` of `by` (None is the user) require `requirement`."""

    by: PackageName | None
    mask: int
    requirement: Requirement


@dataclass(frozen=True, slots=True, eq=False)
class Incompatibility:
    """Terms that can't all hold; a fact, or derived from two others."""

    terms: Mapping[PackageName, int]
    fact: Fact | None = None
    causes: "tuple[Incompatibility, ...]" = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Facts that can't all hold together, in no order."""

    facts: frozenset[Fact]


@dataclass(frozen=True, slots=True)
class _Step:
    """A package's possible values shrank, by a decision (no cause) or since nothing else fits."""

    package: PackageName
    before: int
    after: int
    level: int
    cause: Incompatibility | None


@dataclass(slots=True)
class _State:
    now: dict[PackageName, int] = field(default_factory=dict)
    about: dict[PackageName, list[Incompatibility]] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)
    level: int = 0


def decide(
    roots: Collection[Requirement], offers: Offers, max_rounds: int
) -> dict[PackageName, Candidate] | Proof:
    """Return an answer to the requirements, or a proof that there is none.

    Raises:
        TooManyRounds: neither was found in so many rounds.
    """
    search = _Search(offers, max_rounds, by_need=True)
    return search.run([Fact(None, 0, requirement) for requirement in roots])


def minimised(proof: Proof, offers: Offers, max_rounds: int) -> Proof:
    """Return a proof of which no fact can be left out.

    Raises:
        TooManyRounds: whether one can be left out wasn't found in so many rounds.
    """
    kept = sorted(proof.facts, key=lambda fact: (str(fact.by), fact.mask, str(fact.requirement)))
    for fact in list(kept):
        others = [other for other in kept if other != fact]
        if isinstance(_Search(offers, max_rounds, by_need=False).run(others), Proof):
            kept = others
    return Proof(frozenset(kept))


class _Search:
    """Unit propagation, decisions, and learning from conflicts; newest candidates first."""

    def __init__(self, offers: Offers, max_rounds: int, *, by_need: bool) -> None:
        self._offers = offers
        self._state = _State()
        self._max_rounds = max_rounds
        self._by_need = by_need  # whether to take in what a chosen candidate requires
        self._stated: set[Fact] = set()
        self._expanded: set[tuple[PackageName, int]] = set()
        self._contradiction: Incompatibility | None = None

    def run(self, facts: Collection[Fact]) -> dict[PackageName, Candidate] | Proof:
        """Return an answer or a proof."""
        for fact in facts:
            self._state_fact(fact)
        conflict = self._first_conflict()
        for _ in range(self._max_rounds):
            if conflict is not None:
                learnt, level = self._learn_from(conflict)
                if not learnt.terms:
                    return Proof(frozenset(_facts_of(learnt)))
                self._undo_to(level)
                self._add(learnt)
                conflict = self._propagate(learnt.terms)
                continue
            package = self._next()
            if package is None:
                return self._answer()
            conflict = self._choose(package)
        raise TooManyRounds(self._max_rounds)

    def _values(self, package: PackageName) -> int:
        now = self._state.now.get(package)
        if now is None:
            now = self._state.now[package] = self._universe(package)
        return now

    def _universe(self, package: PackageName) -> int:
        return self._offers[package].usable << 1 | ABSENT

    def _state_fact(self, fact: Fact) -> None:
        if fact in self._stated:
            return
        self._stated.add(fact)
        target = fact.requirement.package
        unfit = self._universe(target) & ~(self._offers[target].fitting(fact.requirement) << 1)
        terms = {target: unfit}
        if fact.by is not None:
            terms[fact.by] = fact.mask << 1
        self._add(Incompatibility(self._simplified(terms), fact))

    def _simplified(self, terms: Mapping[PackageName, int]) -> dict[PackageName, int]:
        """Leave out terms that always hold."""
        return {
            package: mask
            for package, mask in terms.items()
            if mask & self._universe(package) != self._universe(package)
        }

    def _add(self, incompatibility: Incompatibility) -> None:
        if not incompatibility.terms:
            self._contradiction = incompatibility
        for package in incompatibility.terms:
            self._values(package)
            self._state.about.setdefault(package, []).append(incompatibility)

    def _first_conflict(self) -> Incompatibility | None:
        return self._contradiction or self._propagate(list(self._state.about))

    def _propagate(self, changed: Collection[PackageName]) -> Incompatibility | None:
        """Narrow what must be narrowed; return an incompatibility whose terms all hold."""
        queue = deque(changed)
        while queue:
            for incompatibility in self._state.about.get(queue.popleft(), ()):
                free: PackageName | None = None
                for package, mask in incompatibility.terms.items():
                    values = self._values(package)
                    if not values & ~mask:
                        continue
                    if free is not None or not values & mask:
                        break
                    free = package
                else:
                    if free is None:
                        return incompatibility
                    values = self._values(free) & ~incompatibility.terms[free]
                    self._narrow(free, values, incompatibility)
                    queue.append(free)
        return None

    def _narrow(self, package: PackageName, after: int, cause: Incompatibility | None) -> None:
        state = self._state
        state.steps.append(_Step(package, state.now[package], after, state.level, cause))
        state.now[package] = after

    def _undo_to(self, level: int) -> None:
        state = self._state
        while state.steps and state.steps[-1].level > level:
            step = state.steps.pop()
            state.now[step.package] = step.before
        state.level = level

    def _learn_from(self, conflict: Incompatibility) -> tuple[Incompatibility, int]:
        """Return what follows from a conflict, and the level at which it narrows something."""
        while conflict.terms:
            satisfiers = self._satisfiers(conflict)
            last = next(satisfiers)
            previous = next(satisfiers, None)
            level = 0 if previous is None else previous.level
            if last.cause is None or level < last.level:
                return conflict, level
            conflict = self._resolved(conflict, last.cause, last.package)
        return conflict, 0

    def _satisfiers(self, conflict: Incompatibility) -> Iterator[_Step]:
        """Yield the steps that made the terms hold, last first."""
        for step in reversed(self._state.steps):
            mask = conflict.terms.get(step.package)
            if mask is not None and step.before & ~mask and not step.after & ~mask:
                yield step

    def _resolved(
        self, one: Incompatibility, other: Incompatibility, package: PackageName
    ) -> Incompatibility:
        terms = dict(one.terms)
        for name, mask in other.terms.items():
            if name == package:
                terms[name] |= mask
            else:
                terms[name] = terms.get(name, mask) & mask
        return Incompatibility(self._simplified(terms), None, (one, other))

    def _next(self) -> PackageName | None:
        """Return the first package, by name, that is needed and not settled.

        One with a single candidate left comes before all others, so that what it requires is
        known from the level on at which it became the only one.
        """
        unsettled = (
            (values.bit_count() > 1, package)
            for package, values in self._state.now.items()
            if not values & ABSENT
            and (values.bit_count() > 1 or (package, values) not in self._expanded)
        )
        return min(unsettled, default=(False, None))[1]

    def _choose(self, package: PackageName) -> Incompatibility | None:
        """Take the newest that is left, and take in what it requires."""
        values = self._values(package)
        newest = values & -values
        if newest != values:
            self._state.level += 1
            self._narrow(package, newest, None)
        self._expanded.add((package, newest))
        changed = {package}
        if self._by_need:
            offer = self._offers[package]
            for requirement in offer.candidates[newest.bit_length() - 2].requires:
                alike = sum(
                    1 << position
                    for position, candidate in enumerate(offer.candidates)
                    if requirement in candidate.requires and offer.usable >> position & 1
                )
                self._state_fact(Fact(package, alike, requirement))
                changed.add(requirement.package)
        return self._propagate(sorted(changed))

    def _answer(self) -> dict[PackageName, Candidate]:
        return {
            package: self._offers[package].candidates[values.bit_length() - 2]
            for package, values in self._state.now.items()
            if not values & ABSENT
        }


def _facts_of(derived: Incompatibility) -> Iterator[Fact]:
    pending, seen = [derived], {id(derived)}
    while pending:
        one = pending.pop()
        if one.fact is not None:
            yield one.fact
        for cause in one.causes:
            if id(cause) not in seen:
                seen.add(id(cause))
                pending.append(cause)
