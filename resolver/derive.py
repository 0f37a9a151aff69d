"""A proof that nothing fits, or the answer that a search missed.

resolvelib names the causes of its last conflict only, and its backjumping may pass over an answer
(it forgets why a candidate was excluded earlier). So where it finds none, this decides, by
conflict-driven learning over *incompatibilities*, as PubGrub has them
(https://github.com/dart-lang/pub/blob/master/doc/solver.md)::

    {team/app: 1.1.0 or 1.0.0, team/lib: absent or not in ^2}     can't all be so

Each package has a value: one of its usable candidates, or *absent*; and each extra that somebody
asks for is a *node* of its own, on or absent. A *fact* is an incompatibility (or, where it asks for
extras, a few of them) that the index or the user states. From two incompatibilities on the same
node a third follows: the union of what they say of it, with the rest of both. When one without
terms follows, nothing fits, and the facts that it came from say why.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.offers import Offers
from resolver.requirement import Requirement
from resolver.watch import Watch

Node: TypeAlias = tuple[PackageName, str]
"""A package with an empty text, or one of its extras."""

ABSENT: Final = 1
"""The bit of 'not in the answer'; candidates follow, the preferred first."""

TRIES: Final = 200
"""Facts of a proof that are tried to be left out."""

ON: Final = 2
"""The bit of an extra that is in the answer."""


@dataclass(frozen=True, slots=True)
class Fact:
    """The candidates in `mask` of `by` require `requirement`, with their extra `extra` if given.

    Where `by` is None the user requires it, or, with `is_constraint`, bounds the package by it.
    """

    by: PackageName | None
    mask: int
    requirement: Requirement
    extra: str | None = None
    is_constraint: bool = False

    @property
    def order(self) -> tuple[str, str, int, bool, str]:
        """What sorts facts, the same on every machine."""
        by, extra = str(self.by or ""), self.extra or ""
        return by, extra, self.mask, self.is_constraint, str(self.requirement)


@dataclass(frozen=True, slots=True, eq=False)
class Incompatibility:
    """Terms that can't all hold; of a fact, or derived from two others."""

    terms: Mapping[Node, int]
    fact: Fact | None = None
    causes: "tuple[Incompatibility, ...]" = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Facts that can't all hold together, in no order; `root` is what followed from them: nothing.

    Its causes are the derivation.
    """

    facts: frozenset[Fact]
    root: Incompatibility | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Step:
    """A package's possible values shrank, by a decision (no cause) or since nothing else fits."""

    node: Node
    before: int
    after: int
    level: int
    cause: Incompatibility | None


@dataclass(slots=True)
class _State:
    now: dict[Node, int] = field(default_factory=dict)
    about: dict[Node, list[Incompatibility]] = field(default_factory=dict)
    steps: list[_Step] = field(default_factory=list)
    level: int = 0


class OutOfRounds(Exception):
    """A search came to the limit of its watch; `facts` are what its last conflict was about."""

    def __init__(self, facts: frozenset[Fact]) -> None:
        self.facts = facts
        super().__init__(f"out of rounds, over {len(facts)} facts")


def decide(
    roots: Collection[Requirement], offers: Offers, watch: Watch
) -> dict[PackageName, Candidate] | Proof:
    """Return an answer to the requirements, or a proof that there is none.

    Raises:
        OutOfRounds: neither was found before the watch's limit.
    """
    search = _Search(offers, watch, by_need=True)
    return search.run([Fact(None, 0, requirement) for requirement in roots])


def minimised(proof: Proof, offers: Offers, watch: Watch) -> Proof:
    """Return a proof of which no fact can be left out, if it isn't a very long one.

    Facts are tried in their order, TRIES of them at most: a proof that is longer is more than
    anybody reads. Each try has the whole of the watch's limit; a fact of which it isn't found out
    in time whether it can be left out, stays.
    """
    kept = sorted(proof.facts, key=lambda fact: fact.order)
    drawn: dict[Fact, list[Incompatibility]] = {}

    def tried(facts: Collection[Fact]) -> dict[PackageName, Candidate] | Proof:
        watched = watch.another(watch.limit)
        return _Search(offers, watched, by_need=False, drawn=drawn).run(facts)

    for fact in kept[:TRIES]:
        others = [other for other in kept if other != fact]
        if len(others) == len(kept):
            continue  # it went with an earlier one
        try:
            found = tried(others)
        except OutOfRounds:
            continue
        if isinstance(found, Proof):
            kept = [other for other in others if other in found.facts]
    final = tried(kept)
    return final if isinstance(final, Proof) and len(final.facts) == len(kept) else proof


class _Search:
    """Unit propagation, decisions, and learning from conflicts; preferred candidates first."""

    def __init__(
        self,
        offers: Offers,
        watch: Watch,
        *,
        by_need: bool,
        drawn: "dict[Fact, list[Incompatibility]] | None" = None,
    ) -> None:
        self._offers = offers
        self._drawn = {} if drawn is None else drawn  # facts as incompatibilities
        self._state = _State()
        self._watch = watch
        self._by_need = by_need  # whether to take in what a chosen candidate requires
        self._stated: set[Fact] = set()
        self._expanded: set[tuple[Node, int]] = set()
        self._chosen: Counter[Node] = Counter()
        self._contradiction: Incompatibility | None = None

    def run(self, facts: Collection[Fact]) -> dict[PackageName, Candidate] | Proof:
        """Return an answer or a proof."""
        for fact in facts:
            self._state_fact(fact)
        conflict = self._contradiction or self._propagate(list(self._state.about))
        learnt: Incompatibility | None = None
        while self._watch.left:
            self._watch.count(len(self._expanded))
            if conflict is not None:
                learnt, level = self._learn_from(conflict)
                if not learnt.terms:
                    return Proof(frozenset(facts_of(learnt)), learnt)
                self._undo_to(level)
                self._add(learnt)
                conflict = self._propagate(learnt.terms)
                continue
            node = self._next()
            if node is None:
                return self._answer()
            conflict = self._choose(node)
        raise OutOfRounds(frozenset() if learnt is None else frozenset(facts_of(learnt)))

    def _values(self, node: Node) -> int:
        now = self._state.now.get(node)
        if now is None:
            now = self._state.now[node] = self._universe(node)
        return now

    def _universe(self, node: Node) -> int:
        package, extra = node
        return ON | ABSENT if extra else self._offers[package].usable << 1 | ABSENT

    def _state_fact(self, fact: Fact) -> set[Node]:
        """Take a fact in, and what constrains its package; return the nodes that it is on."""
        if fact in self._stated:
            return set()
        self._stated.add(fact)
        drawn = self._drawn.get(fact)
        if drawn is None:
            drawn = self._drawn[fact] = list(self._draw(fact))
        touched: set[Node] = set()
        for incompatibility in drawn:
            self._add(incompatibility)
            touched.update(incompatibility.terms)
        if self._by_need and not fact.is_constraint:
            for constraint in self._offers[fact.requirement.package].constraints:
                touched |= self._state_fact(Fact(None, 0, constraint, is_constraint=True))
        return touched

    def _draw(self, fact: Fact) -> Iterator[Incompatibility]:
        condition: dict[Node, int] = {}
        if fact.by is not None:
            condition[fact.by, ""] = fact.mask << 1
            if fact.extra is not None:
                condition[fact.by, fact.extra] = ON
        package = fact.requirement.package
        target, offer = (package, ""), self._offers[package]
        if fact.is_constraint:
            unfit = (offer.usable & ~offer.within(fact.requirement)) << 1
        else:
            unfit = self._universe(target) & ~(offer.fitting(fact.requirement) << 1)
        yield Incompatibility(self._simplified({**condition, target: unfit}), fact)
        if not fact.is_constraint:
            for extra in fact.requirement.extras:
                terms = {**condition, (package, extra): ABSENT}
                yield Incompatibility(self._simplified(terms), fact)

    def _simplified(self, terms: Mapping[Node, int]) -> dict[Node, int]:
        """Leave out terms that always hold."""
        return {
            node: mask
            for node, mask in terms.items()
            if mask & (universe := self._universe(node)) != universe
        }

    def _add(self, incompatibility: Incompatibility) -> None:
        if not incompatibility.terms:
            self._contradiction = incompatibility
        for node in incompatibility.terms:
            self._values(node)
            self._state.about.setdefault(node, []).append(incompatibility)

    def _propagate(self, changed: Collection[Node]) -> Incompatibility | None:
        """Narrow what must be narrowed; return an incompatibility whose terms all hold."""
        queue = deque(dict.fromkeys(changed))
        waiting = set(queue)
        now = self._state.now
        while queue:
            looked_at = queue.popleft()
            waiting.discard(looked_at)
            for incompatibility in self._state.about.get(looked_at, ()):
                free: Node | None = None
                for node, mask in incompatibility.terms.items():
                    values = now[node]
                    if not values & ~mask:
                        continue
                    if free is not None or not values & mask:
                        break
                    free = node
                else:
                    if free is None:
                        return incompatibility
                    values = now[free] & ~incompatibility.terms[free]
                    self._narrow(free, values, incompatibility)
                    if free not in waiting:
                        waiting.add(free)
                        queue.append(free)
        return None

    def _narrow(self, node: Node, after: int, cause: Incompatibility | None) -> None:
        state = self._state
        state.steps.append(_Step(node, state.now[node], after, state.level, cause))
        state.now[node] = after

    def _undo_to(self, level: int) -> None:
        state = self._state
        while state.steps and state.steps[-1].level > level:
            step = state.steps.pop()
            state.now[step.node] = step.before
        state.level = level

    def _learn_from(self, conflict: Incompatibility) -> tuple[Incompatibility, int]:
        """Return what follows from a conflict, and the level at which it narrows something."""
        end = len(self._state.steps)  # what follows was narrowed by earlier steps each time
        while conflict.terms:
            satisfiers = self._satisfiers(conflict, end)
            end, last = next(satisfiers)
            previous = next(satisfiers, None)
            level = 0 if previous is None else previous[1].level
            if last.cause is None or level < last.level:
                return conflict, level
            conflict = self._resolved(conflict, last.cause, last.node)
        return conflict, 0

    def _satisfiers(self, conflict: Incompatibility, end: int) -> Iterator[tuple[int, _Step]]:
        """Yield the steps before `end` that made the terms hold, last first, one for each term."""
        left = len(conflict.terms)
        for at in range(end - 1, -1, -1):
            step = self._state.steps[at]
            mask = conflict.terms.get(step.node)
            if mask is not None and step.before & ~mask and not step.after & ~mask:
                yield at, step
                left -= 1
                if not left:
                    return

    def _resolved(self, one: Incompatibility, other: Incompatibility, on: Node) -> Incompatibility:
        terms = dict(one.terms)
        for node, mask in other.terms.items():
            if node == on:
                terms[node] |= mask
            else:
                terms[node] = terms.get(node, mask) & mask
        return Incompatibility(self._simplified(terms), None, (one, other))

    def _next(self) -> Node | None:
        """Return the first node, by name, that is needed and not settled.

        What has a single value left comes before all others, so that what it requires is known
        from the level on at which it became the only one.
        """
        unsettled: list[tuple[bool, Node]] = []
        for node, values in self._state.now.items():
            if values & ABSENT:
                continue
            package, extra = node
            chosen = self._state.now[package, ""] if extra else values
            is_open = chosen.bit_count() > 1
            if (is_open and not extra) or (not is_open and (node, chosen) not in self._expanded):
                unsettled.append((is_open, node))
        return min(unsettled, default=(False, None))[1]

    def _choose(self, node: Node) -> Incompatibility | None:
        """Take the preferred one that is left, and take in what it requires."""
        package, extra = node
        values = self._values((package, ""))
        chosen = values & -values
        if chosen != values:
            self._state.level += 1
            self._narrow(node, chosen, None)
        self._expanded.add((node, chosen))
        changed = {node}
        if self._by_need:
            offer = self._offers[package]
            candidate = offer.candidates[chosen.bit_length() - 2]
            group = candidate.extras.get(extra, ()) if extra else candidate.requires
            self._offers.snapshot.read_ahead(one.package for one in group)
            self._chosen[node] += 1
            requiring = offer.requiring(extra or None)
            # From the second time on, what other candidates require too, of packages that are
            # known already: to learn at once what would be learnt of each in its turn.
            known = self._offers.snapshot.has_read
            for requirement in requiring if self._chosen[node] > 1 else group:
                if self._chosen[node] == 1 or requirement in group or known(requirement.package):
                    alike = requiring[requirement]
                    fact = Fact(package, alike & offer.usable, requirement, extra or None)
                    changed |= self._state_fact(fact)
        return self._propagate(sorted(changed))

    def _answer(self) -> dict[PackageName, Candidate]:
        return {
            package: self._offers[package].candidates[values.bit_length() - 2]
            for (package, extra), values in self._state.now.items()
            if not extra and not values & ABSENT
        }


def facts_of(derived: Incompatibility) -> Iterator[Fact]:
    """Yield the facts that an incompatibility came from, some of them more than once."""
    pending, seen = [derived], {id(derived)}
    while pending:
        one = pending.pop()
        if one.fact is not None:
            yield one.fact
        for cause in one.causes:
            if id(cause) not in seen:
                seen.add(id(cause))
                pending.append(cause)
