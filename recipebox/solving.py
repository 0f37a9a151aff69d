"""Solving beside a lock: keep what is locked, upgrade what was named, say what is behind.

The solver itself (resolver/solve.py) knows of newest only. To keep a version is to show it an
index where the package has no other; to upgrade one is to show it only newer ones.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from artifacts.reference import PackageName
from recipebox.errors import Misuse
from resolver.candidate import Candidate, utc_text
from resolver.errors import ResolutionImpossible
from resolver.lock import Lock, LockedPackage
from resolver.offers import Refuse
from resolver.solve import Solution
from resolver.source import (
    IndexSource,
    NamingSource,
    Origin,
    PackageIndex,
    ReadAheadSource,
    SeveralSources,
)
from resolver.version import Version

Solve = Callable[[IndexSource], Solution]
"""Solves the same requirements over an index, or raises ResolutionImpossible."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """An index of which some packages show one version only (`held`), or only newer ones."""

    source: IndexSource
    held: Mapping[PackageName, Version]
    newer_than: tuple[PackageName, Version] | None = None

    @property
    def revision(self) -> int:
        """The revision of the index."""
        return self.source.revision

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package that are shown, or None where there is no package."""
        index = self.source.find_index(package)
        if index is None:
            return None
        releases = index.releases
        if package in self.held:
            releases = tuple(one for one in releases if one.version == self.held[package])
        if self.newer_than is not None and package == self.newer_than[0]:
            releases = tuple(one for one in releases if one.version > self.newer_than[1])
        return replace(index, releases=releases)

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        """Pass on what will be asked for, to a source that can read it ahead."""
        if isinstance(self.source, ReadAheadSource):
            self.source.read_ahead(packages)

    def list_names(self) -> Collection[PackageName]:
        """Return the names of the index, which are no fewer here."""
        return self.source.list_names() if isinstance(self.source, NamingSource) else ()

    def find_address(self, package: PackageName) -> str | None:
        """Return the address of the index that a package is read from; None: the main one."""
        several = self.source
        return several.find_address(package) if isinstance(several, SeveralSources) else None

    def find_origin(self, package: PackageName) -> Origin | None:
        """Return that address with the revision of that index; None: the main one."""
        several = self.source
        return several.find_origin(package) if isinstance(several, SeveralSources) else None


def solve_least(
    solve: Solve, source: IndexSource, lock: Lock, upgraded: Collection[PackageName] = ()
) -> Solution:
    """Solve so that as little as can be differs from a lock.

    Each of `upgraded`, one after the other by name, is made as new as its requirements allow; then
    the others keep their locked versions, but for those that can't all be kept: of such, the first
    by name stay. What isn't in the lock is the newest that fits.

    Raises:
        ResolutionImpossible: nothing fits, whatever is kept.
        Misuse: one of `upgraded` isn't in the lock.
    """
    locked = {package.name: package.version for package in lock.packages}
    for name in sorted(set(upgraded)):
        if name not in locked:
            raise Misuse(
                f"{name} isn't in the lock, so there is nothing to upgrade",
                hint="`recipebox tree` shows what is in it",
            )
    keeping = {name: version for name, version in locked.items() if name not in upgraded}
    settled: dict[PackageName, Version] = {}
    if upgraded:
        settled = _newest(solve, source, sorted(set(upgraded)))
    found = _try(solve, Narrowed(source, {**settled, **keeping}))
    if found is not None:
        return found
    found = solve(Narrowed(source, settled))  # says why, where nothing fits at all
    agreeing = {
        name: version
        for name, version in keeping.items()
        if name in found.candidates and found.candidates[name].version == version
    }
    open_names = [name for name in sorted(keeping) if name not in agreeing]
    kept = {**settled, **agreeing}
    groups = _halves(open_names)  # all of them together were tried above
    while groups:
        group = groups.pop()
        tried = _try(solve, Narrowed(source, {**kept, **{name: keeping[name] for name in group}}))
        if tried is not None:
            found = tried
            kept |= {name: keeping[name] for name in group}
        else:
            groups += _halves(group)
    return found


def _halves(group: list[PackageName]) -> list[list[PackageName]]:
    """Return both halves, the first at the end; none of a single one."""
    half = len(group) // 2
    return [group[half:], group[:half]] if half else []


def _newest(
    solve: Solve, source: IndexSource, names: Collection[PackageName]
) -> dict[PackageName, Version]:
    """Return the newest version of each, the first before the next; what isn't needed has none."""
    settled: dict[PackageName, Version] = {}
    found = solve(source)
    for name in names:
        while name in found.candidates:
            best = found.candidates[name].version
            tried = _try(solve, Narrowed(source, settled, (name, best)))
            if tried is None or name not in tried.candidates:
                settled[name] = best
                break
            found = tried
        found = _try(solve, Narrowed(source, settled)) or found
    return settled


def _try(solve: Solve, source: IndexSource) -> Solution | None:
    try:
        return solve(source)
    except ResolutionImpossible:
        return None


@dataclass(frozen=True, slots=True)
class Age:
    """How far behind a locked package is.

    `fits` is the version that solving anew would take (None: it isn't needed any more), `newest`
    the newest listed that isn't yanked nor a prerelease (None: there is none), `yanked` the reason
    for which the locked one was yanked, and `why` says why the newest isn't taken.
    """

    package: LockedPackage
    fits: Version | None
    newest: Version | None
    yanked: str | None
    why: str | None

    @property
    def is_behind(self) -> bool:
        """Whether anything is to be said of it."""
        ahead = [one for one in (self.fits, self.newest) if one is not None]
        is_old = any(one > self.package.version for one in ahead)
        return is_old or self.yanked is not None or self.fits != self.package.version

    def to_json(self) -> dict[str, Any]:
        """{name, locked, fits, newest, yanked, why}."""
        return {
            "name": str(self.package.name),
            "locked": str(self.package.version),
            "fits": None if self.fits is None else str(self.fits),
            "newest": None if self.newest is None else str(self.newest),
            "yanked": self.yanked,
            "why": self.why,
        }


def ages(
    lock: Lock, solution: Solution, source: IndexSource, refused: Refuse | None = None
) -> tuple[Age, ...]:
    """Compare every package of a lock with `solution`, the newest answer, and with what exists.

    `refused` is what it was solved with.
    """
    return tuple(_age(package, solution, source, refused) for package in lock.packages)


def _age(
    package: LockedPackage, solution: Solution, source: IndexSource, refused: Refuse | None
) -> Age:
    index = source.find_index(package.name)
    releases = () if index is None else index.releases
    locked = next((one for one in releases if one.version == package.version), None)
    newest = next(
        (one for one in releases if one.yanked is None and not one.version.is_prerelease), None
    )
    chosen = solution.candidates.get(package.name)
    why = None
    if newest is not None and chosen is not None and newest.version > chosen.version:
        why = _why_older(solution, newest, refused)
    return Age(
        package,
        None if chosen is None else chosen.version,
        None if newest is None else newest.version,
        locked.yanked.reason if locked is not None and locked.yanked is not None else None,
        why,
    )


def _why_older(solution: Solution, release: Candidate, refused: Refuse | None) -> str:
    """Say in a few words what keeps a release out of a solution."""
    name, version = release.name, release.version
    options = solution.options
    overridden = [one for one in options.overrides if one.package == name]
    asked = [("you override it with", one) for one in overridden]
    if not overridden:
        asked += [("you require", one) for one in solution.requirements]
        for candidate in solution.candidates.values():
            wanted = solution.requires(candidate.name)
            asked += [(f"{candidate} requires", one) for one in wanted]
    asked += [("you constrain it to", one) for one in options.constraints]
    bounds = [
        f"{who} {one}"
        for who, one in asked
        if one.package == name and not one.range.contains(version, allow_prereleases=True)
    ]
    if bounds:
        return " and ".join(bounds)
    own = _own_reason(release, solution) or (None if refused is None else refused(release))
    if own is not None:
        return own
    if options.prefer != "newest":
        return f"you prefer {options.prefer}"
    return f"what it requires doesn't fit the rest: recipebox why-not {name}@{version}"


def _own_reason(release: Candidate, solution: Solution) -> str | None:
    """Say what of a release itself keeps it out of a solution, if anything does."""
    environment, before = solution.environment, solution.options.published_before
    if not release.runs_on_python(environment.python):
        return f"it needs python {release.python}, and the lock is for {environment.python}"
    if not release.runs_on_platform(environment.platform):
        platforms = ", ".join(sorted(release.platforms))
        return f"it has wheels for {platforms}, and the lock is for {environment.platform}"
    if before is not None and release.published >= before:
        return f"it was published {utc_text(release.published)}, not before {utc_text(before)}"
    return None
