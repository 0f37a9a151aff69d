"""The newest set of releases that fits, the same whatever the order of requirements and index.

`solve` searches with resolvelib, newest candidates first (or lowest, as the options say). Then it
polishes: the user's own packages are made as new as can be, one after the other by name; and while
any one package can be made newer and all others that stay keep their versions, it is. Where
resolvelib finds nothing, or goes round in circles, `resolver/derive.py` has the last word: an
answer that was missed, or a proof, which is explained, with a hint (`resolver/hint.py`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment
from resolver.derive import OutOfRounds, Proof, minimised
from resolver.errors import ResolutionImpossible, TooManyRounds
from resolver.explain import explain, told
from resolver.hint import find_hint
from resolver.offers import Offers, Pins, Refuse, bits
from resolver.options import Options, Preference
from resolver.requirement import Requirement
from resolver.search import Answer, closure, search
from resolver.source import IndexSource, Origin
from resolver.watch import Progress, Watch

MAX_ROUNDS: Final = 200_000
"""Rounds of search before it gives up; pip's number."""


@dataclass(frozen=True, slots=True)
class Solution:
    """A set of releases in which every requirement is satisfied, and no other release.

    `requirements` are the user's, sorted; `candidates` is sorted by name; `extras` holds those that
    are on (sorted), of packages that have any; `origins` says where those come from that are not
    of the main index, whose revision is `revision`; `rounds` is how many all searches took.
    """

    requirements: tuple[Requirement, ...]
    environment: Environment
    revision: int
    candidates: Mapping[PackageName, Candidate]
    options: Options = field(default_factory=Options)
    extras: Mapping[PackageName, tuple[str, ...]] = field(default_factory=dict)
    rounds: int = field(default=0, compare=False)
    origins: Mapping[PackageName, Origin] = field(default_factory=dict)

    def requires(self, package: PackageName) -> tuple[Requirement, ...]:
        """Return what a package of the solution requires, with the extras that are on, sorted."""
        return self.candidates[package].requirements(self.extras.get(package, ()))

    def required_by(self, package: PackageName) -> tuple[PackageName, ...]:
        """Return the packages of the solution that require a package, sorted by name."""
        return tuple(
            name
            for name in self.candidates
            if any(requirement.package == package for requirement in self.requires(name))
        )


def solve(
    requirements: Iterable[Requirement],
    source: IndexSource,
    environment: Environment,
    *,
    pins: Pins | None = None,
    constraints: Iterable[Requirement] = (),
    overrides: Iterable[Requirement] = (),
    allow_prereleases: bool = False,
    published_before: datetime | None = None,
    prefer: Preference = "newest",
    application: PackageName | None = None,
    refused: Refuse | None = None,
    max_rounds: int = MAX_ROUNDS,
    progress: Callable[[Progress], object] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Solution:
    """Return the newest releases that satisfy all requirements, with all that those require.

    The packages that are required directly are as new as can be, the first by name before the
    next; and no package can be made newer while the others that stay keep their versions. A
    yanked release is a candidate only where `pins`, the contents of a lock, hold it.

    Constraints, overrides, prereleases, `published_before`, `prefer` and `application` are those
    of `resolver.options`. `refused` says why a release may not be chosen, or None; for an
    application that is its `resolver.acceptance.Acceptance.why_not`. `progress` is told of each
    round, and `is_cancelled` asked after it.

    Raises:
        ResolutionImpossible: nothing fits; says who requires what, what there is, and what helps.
        TooManyRounds: the searches took `max_rounds` rounds; says what didn't fit last.
        SolveCancelled: `is_cancelled` said so.
        IndexMoved: the source answered with something newer than its own revision.
        InvalidIndex: the source answered for another package.
        InvalidRequirement: a constraint or override that has no meaning (see Options).
        PinChanged: a pinned version is listed with another digest.
        ValueError: an application, and nothing that says what its bundles refuse.
    """
    if application is not None and refused is None:
        raise ValueError(f"solving for {application} needs to be told what its bundles refuse")
    roots = tuple(sorted(set(requirements), key=str))
    options = Options(
        tuple(constraints),
        tuple(overrides),
        allow_prereleases,
        published_before,
        prefer,
        application,
    )
    direct = {requirement.package for requirement in roots}
    offers = Offers(source, environment, pins, options, refused=refused, direct=direct)
    offers.snapshot.read_ahead(sorted(direct))
    watch = Watch(max_rounds, progress, is_cancelled)
    try:
        found = search(roots, offers, watch)
        if isinstance(found, Proof):
            proof = minimised(found, offers, watch)
            hint = find_hint(roots, proof, offers, watch)
            raise ResolutionImpossible(explain(proof, offers, hint))
        found = _with_newest_roots(roots, offers, found, watch)
        while (better := _better(roots, offers, found, watch)) is not None:
            found = better
    except OutOfRounds as error:
        stuck_on = [str(fact) for fact in told(error.facts, offers)]
        raise TooManyRounds(max_rounds, stuck_on) from error
    needed = closure(roots, offers, found)
    on = {} if needed is None else needed.extras
    return Solution(
        roots,
        environment,
        offers.revision,
        dict(sorted(found.items())),
        options,
        {package: tuple(sorted(on[package])) for package in sorted(on) if on[package]},
        watch.rounds,
        {
            package: origin
            for package in sorted(found)
            if (origin := offers.snapshot.find_origin(package)) is not None
        },
    )


def _with_newest_roots(
    roots: Collection[Requirement], offers: Offers, answer: Answer, watch: Watch
) -> Answer:
    """Return an answer with the newest of each required package, one after the other by name."""
    settled: dict[PackageName, int] = {}
    for package in sorted({requirement.package for requirement in roots}):
        fitting = offers[package].allowed
        for requirement in roots:
            if requirement.package == package:
                fitting &= offers[package].fitting(requirement)
        position = offers.position(answer[package])
        while newer := fitting & ((1 << position) - 1):
            found = search(roots, offers.narrowed({**settled, package: newer}), watch)
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
    watch: Watch,
) -> Answer | None:
    """Return the answer with one package newer, the first by name, and all that stay as they are.

    This ends: a package that is always needed only ever gets newer, and so, step by step, all.
    """
    for package in sorted(answer):
        newer = _newer_that_could_fit(package, roots, offers, answer)
        for position in bits(newer):
            candidate = offers[package].candidates[position]
            tried = closure(roots, offers, {**answer, package: candidate})
            if tried is None:
                continue
            if not tried.is_lacking:
                return tried.candidates
            fixed = {name: 1 << offers.position(one) for name, one in answer.items()}
            fixed[package] = 1 << position
            found = search(roots, offers.narrowed(fixed), watch)
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
    newer = offers[package].allowed & ((1 << offers.position(answer[package])) - 1)
    pending: list[Requirement] = list(roots)
    seen: set[tuple[PackageName, str]] = set()
    while pending and newer:
        requirement = pending.pop()
        name = requirement.package
        if name == package:
            newer &= offers[package].fitting(requirement)
            continue
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                one = answer[name]
                pending.extend(one.extras[extra] if extra else one.requires)
    return newer
