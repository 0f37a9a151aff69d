"""What would help: the smallest change of what the user said with which it solves.

Of one change, the first of these that solves is told: prereleases, a later `published_before`,
another requirement in the place of one (another range, the name or extra that was perhaps meant),
another constraint or override, a new override, no application to solve for. Where none of these
does, the fewest statements of the user are sought without which the rest solves, one or more: every
such set has one of each proof's, so proofs are what the search branches on (Reiter's hitting sets,
1987), the fewest first; then what can stay with another range, stays.

Every change was solved with before it is told. Ranges are told as carets.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from artifacts.reference import PackageName
from resolver.candidate import utc_text
from resolver.derive import OutOfRounds, Proof, decide
from resolver.errors import Unread
from resolver.near import declared_extras, near_extras, near_packages
from resolver.offers import Offers
from resolver.options import Options
from resolver.requirement import ANY, Range, Requirement
from resolver.search import Answer
from resolver.version import Version
from resolver.watch import Watch

TRIALS: Final = 200
"""Solves that a hint may take; the fewest statements may not be found in so many."""

ROUNDS: Final = 5_000
"""Rounds that each of these solves may take."""

Kind: TypeAlias = Literal["requirement", "constraint", "override"]
Statement: TypeAlias = tuple[Kind, Requirement]


@dataclass(frozen=True, slots=True)
class Change:
    """`old` becomes `new`; None where it is added or removed. Other kinds have texts.

    `prereleases` is None to `allowed`; `published_before` two times in RFC 3339; `application` the
    name of what is not solved for any more, to None.
    """

    kind: Literal[
        "requirement", "constraint", "override", "prereleases", "published_before", "application"
    ]
    old: Requirement | None = None
    new: Requirement | None = None
    time: datetime | None = None
    application: PackageName | None = None

    def __str__(self) -> str:
        """Return what follows `It would fit`."""
        if self.kind == "prereleases":
            return "with prereleases allowed (--pre)"
        if self.time is not None:
            return f"with --published-before {utc_text(self.time)}"
        if self.application is not None:
            return f"without --for {self.application} (no bundle of it could hold that)"
        what = "your requirement " if self.kind == "requirement" else f"the {self.kind} "
        if self.new is None:
            return f"without {what}{self.old}"
        if self.old is None:
            return f"with --override '{self.new}' (try whether what requires it runs with that)"
        what = "" if self.kind == "requirement" else what
        is_same = self.old.name_with_extras == self.new.name_with_extras
        return f"with {what}{self.new} instead of {self.old.range if is_same else self.old}"

    def to_json(self) -> dict[str, Any]:
        """Return it for machines; `from` or `to` is null where it is added or removed."""
        if self.kind == "prereleases":
            return {"kind": self.kind, "from": None, "to": "allowed"}
        if self.time is not None:
            return {"kind": self.kind, "from": None, "to": utc_text(self.time)}
        if self.application is not None:
            return {"kind": self.kind, "from": str(self.application), "to": None}
        return {
            "kind": self.kind,
            "from": None if self.old is None else str(self.old),
            "to": None if self.new is None else str(self.new),
        }


@dataclass(frozen=True, slots=True)
class Hint:
    """Changes of what the user said, with all of which it solves."""

    changes: tuple[Change, ...]

    def __str__(self) -> str:
        """Return the sentence."""
        return f"It would fit {', and '.join(str(change) for change in self.changes)}."

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {"changes": [change.to_json() for change in self.changes], "sentence": str(self)}

    def apply(
        self, requirements: Sequence[Requirement], options: Options
    ) -> tuple[tuple[Requirement, ...], Options]:
        """Return the requirements and options after the changes."""
        asked = _Asked(tuple(requirements), options)
        for change in self.changes:
            asked = asked.changed(change)
        return asked.roots, asked.options


def find_hint(
    roots: Sequence[Requirement], proof: Proof, offers: Offers, watch: Watch
) -> Hint | None:
    """Return the smallest change with which requirements solve that have a proof against them.

    None where none was found in the trials that it may take.

    Raises:
        SolveCancelled: the watch says so.
    """
    seeker = _Seeker(_Asked(tuple(roots), offers.options), offers, watch)
    return seeker.one_change(proof) or seeker.several_changes(proof)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user said."""

    roots: tuple[Requirement, ...]
    options: Options

    def changed(self, change: Change) -> "_Asked":
        """Return it with one change."""
        match change.kind:
            case "requirement":
                return replace(self, roots=_exchanged(self.roots, change))
            case "constraint":
                said = _exchanged(self.options.constraints, change)
                return replace(self, options=replace(self.options, constraints=said))
            case "override":
                said = _exchanged(self.options.overrides, change)
                return replace(self, options=replace(self.options, overrides=said))
            case "prereleases":
                return replace(self, options=replace(self.options, allow_prereleases=True))
            case "published_before":
                return replace(self, options=replace(self.options, published_before=change.time))
            case "application":
                return replace(self, options=replace(self.options, application=None))

    def without(self, statements: Sequence[Statement]) -> "_Asked":
        """Return it without some of the statements."""
        asked = self
        for kind, said in statements:
            asked = asked.changed(Change(kind, said))
        return asked


def _exchanged(said: Sequence[Requirement], change: Change) -> tuple[Requirement, ...]:
    kept = [one for one in said if one != change.old]
    return (*kept, change.new) if change.new is not None else tuple(kept)


def _order(statement: Statement) -> tuple[bool, str, str]:
    kind, said = statement
    return kind != "requirement", kind, str(said)


class _Seeker:
    """Solves changed questions, at most so many."""

    def __init__(self, asked: _Asked, offers: Offers, watch: Watch) -> None:
        self._asked = asked
        self._offers = offers
        self._watch = watch
        self._trials = 0

    def one_change(self, proof: Proof) -> Hint | None:
        """Return the first of the single changes that solves."""
        statements = self._statements(proof)
        tries: list[Callable[[], Change | None]] = [
            self._prereleases,
            self._later,
            *(lambda one=one: self._replaced(self._asked, one) for one in statements),
            *(lambda one=one: self._overridden(one) for one in self._required(proof)),
            self._for_none,
        ]
        for attempt in tries:
            change = attempt()
            if change is not None:
                return Hint((change,))
        return None

    def several_changes(self, proof: Proof) -> Hint | None:
        """Return the fewest statements to change or to leave out."""
        gone = self._fewest(proof)
        if gone is None:
            return None
        asked = self._asked.without(gone)
        changes: list[Change] = []
        for kind, said in gone:
            restored = asked.changed(Change(kind, None, said))
            change = self._replaced(restored, (kind, said)) or Change(kind, said)
            changes.append(change)
            asked = restored.changed(change)
        return Hint(tuple(changes))

    def _fewest(self, proof: Proof) -> tuple[Statement, ...] | None:
        level: list[tuple[tuple[Statement, ...], Proof]] = [((), proof)]
        seen: set[frozenset[Statement]] = set()
        while level:
            following: list[tuple[tuple[Statement, ...], Proof]] = []
            for gone, still in level:
                for statement in self._statements(still):
                    less = (*gone, statement)
                    if frozenset(less) in seen:
                        continue
                    seen.add(frozenset(less))
                    found = self._solved(self._asked.without(less))
                    if isinstance(found, Proof):
                        following.append((less, found))
                    elif found is not None:
                        return tuple(sorted(less, key=_order))
            level = following
        return None

    def _solved(self, asked: _Asked) -> Answer | Proof | None:
        """Return an answer or a proof; None where neither can be had with what a hint may take."""
        if self._trials >= TRIALS:
            return None
        self._trials += 1
        offers = self._offers
        if asked.options != offers.options:
            offers = offers.changed(asked.options)
        try:
            return decide(sorted(set(asked.roots), key=str), offers, self._watch.another(ROUNDS))
        except (OutOfRounds, Unread):
            return None

    def _answer(self, asked: _Asked) -> Answer | None:
        found = self._solved(asked)
        return None if isinstance(found, Proof) else found

    def _statements(self, proof: Proof) -> list[Statement]:
        """Return what the user said that a proof needs, in the order to try it."""
        found: list[Statement] = [
            ("constraint" if fact.is_constraint else "requirement", fact.requirement)
            for fact in sorted(proof.facts, key=lambda fact: fact.order)
            if fact.by is None
        ]
        targets = {fact.requirement.package for fact in proof.facts}
        overrides = self._asked.options.overrides
        found += [("override", one) for one in overrides if one.package in targets]
        return found

    def _required(self, proof: Proof) -> list[PackageName]:
        """Return what releases require, by a proof, and no override is about yet."""
        overridden = {one.package for one in self._asked.options.overrides}
        required = {fact.requirement.package for fact in proof.facts if fact.by is not None}
        return sorted(required - overridden)

    def _replaced(self, asked: _Asked, statement: Statement) -> Change | None:
        """Return a change of one statement to another about, as far as can be, the same."""
        kind, said = statement
        for other in self._others(statement):
            change = self._tightened(asked, Change(kind, said, other))
            if change is not None and change.new != change.old:
                return change
        return None

    def _others(self, statement: Statement) -> Iterator[Requirement]:
        kind, said = statement
        if kind != "requirement":
            yield Requirement(said.package)
            return
        offer = self._offers[said.package]
        if not offer.known:
            for package in near_packages(said.package, self._offers):
                yield replace(said, package=package)
                yield replace(said, package=package, range=ANY)
            return
        declared = declared_extras(offer)
        meant: list[str] = []
        for extra in said.extras:
            meant += near_extras(extra, declared)[:1]
        fewer = [tuple(one for one in said.extras if one != less) for less in said.extras]
        for extras in dict.fromkeys((tuple(meant), *fewer, ())):
            for within in (said.range, ANY):
                if (within, extras) != (said.range, said.extras):
                    yield replace(said, range=within, extras=extras)

    def _tightened(self, asked: _Asked, change: Change) -> Change | None:
        """Return a change that solves, with a range around what it was solved with; or None."""
        answer = self._answer(asked.changed(change))
        if answer is None or change.new is None:
            return None
        found = answer.get(change.new.package)
        if found is None:  # it would fit without the change, which could not be found out
            return None
        if change.new.range != ANY or (change.old is not None and change.old.range == ANY):
            return change
        for within in _ranges_around(found.version):
            narrow = replace(change, new=replace(change.new, range=within))
            if self._answer(asked.changed(narrow)) is not None:
                return narrow
        return change

    def _prereleases(self) -> Change | None:
        if self._asked.options.allow_prereleases:
            return None
        change = Change("prereleases")
        return change if self._answer(self._asked.changed(change)) is not None else None

    def _later(self) -> Change | None:
        if self._asked.options.published_before is None:
            return None
        answer = self._answer(self._asked.changed(Change("published_before")))
        change = None
        while answer:  # as early as it goes: each answer does without the newest of the one before
            last = max(one.published for one in answer.values())
            change = Change("published_before", time=last + timedelta(seconds=1))
            answer = self._answer(self._asked.changed(Change("published_before", time=last)))
        if change is None or self._answer(self._asked.changed(change)) is None:
            return None
        return change

    def _for_none(self) -> Change | None:
        application = self._asked.options.application
        if application is None:
            return None
        change = Change("application", application=application)
        return change if self._answer(self._asked.changed(change)) is not None else None

    def _overridden(self, package: PackageName) -> Change | None:
        return self._tightened(self._asked, Change("override", None, Requirement(package)))


def _ranges_around(version: Version) -> Iterator[Range]:
    """Yield ranges that hold a version, what one would write first.

    The first holds no prerelease of the very first version in it.
    """
    major, minor, _ = version.release
    yield Range.parse(f"^{major}" if major else f"^0.{minor}")
    yield Range.parse(f"^{version}")
