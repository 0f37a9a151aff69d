"""What the index offers to one solve: each package's candidates, and which of them can be used.

Sets of candidates are bits of an integer: bit 0 is the one that is preferred to all others, which
is the newest unless the options say otherwise. So what a range allows is worked out once for each
package, and to narrow is one `&`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from artifacts.digest import Digest
from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment, utc_text
from resolver.errors import IndexMoved, InvalidIndex, PinChanged
from resolver.options import Options
from resolver.requirement import Range, Requirement
from resolver.source import (
    IndexSource,
    Origin,
    PackageIndex,
    ReadAheadSource,
    SeveralSources,
)
from resolver.version import Version

Pins: TypeAlias = Mapping[PackageName, tuple[Version, Digest]]
"""What a lock holds: the version of each package, and its manifest's digest."""

Refuse: TypeAlias = Callable[[Candidate], str | None]
"""Says why a candidate may not be chosen, None where it may be.

It is a clause, to stand after `because`, about one release: `it needs an approval`.
"""


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of a mask's bits, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@dataclass(slots=True)
class Offer:
    """The candidates of one package, the preferred first.

    `usable` has a bit for each that may be chosen, `refused` the reason for each that may not,
    `constraints` bound it, `override` is the range that counts whatever is required, and `known`
    is False where the index has no such package.
    """

    name: PackageName
    candidates: tuple[Candidate, ...]
    refused: Mapping[int, str]
    usable: int
    allow_prereleases: bool
    constraints: tuple[Requirement, ...] = ()
    override: Range | None = None
    known: bool = True
    positions: Mapping[Version, int] = field(default_factory=dict)
    _matching: dict[tuple[Range, bool], int] = field(default_factory=dict)
    _declaring: dict[tuple[str, ...], int] = field(default_factory=dict)
    _requiring: dict[str | None, dict[Requirement, int]] = field(default_factory=dict)

    def matching(self, wanted: Range, *, allow_prereleases: bool) -> int:
        """Return the candidates whose versions are in a range, usable or not."""
        key = (wanted, allow_prereleases)
        if key not in self._matching:
            self._matching[key] = _mask_of(
                position
                for position, candidate in enumerate(self.candidates)
                if wanted.contains(candidate.version, allow_prereleases=allow_prereleases)
            )
        return self._matching[key]

    def declaring(self, extras: tuple[str, ...]) -> int:
        """Return the candidates that declare all of these extras, usable or not."""
        if extras not in self._declaring:
            self._declaring[extras] = _mask_of(
                position
                for position, candidate in enumerate(self.candidates)
                if candidate.extras.keys() >= set(extras)
            )
        return self._declaring[extras]

    def requiring(self, extra: str | None) -> Mapping[Requirement, int]:
        """Return all that candidates require, or do with an extra of theirs; and which these are.

        They may be usable or not.
        """
        found = self._requiring.get(extra)
        if found is None:
            found = self._requiring[extra] = {}
            for position, candidate in enumerate(self.candidates):
                group = candidate.requires if extra is None else candidate.extras.get(extra, ())
                for one in group:
                    found[one] = found.get(one, 0) | 1 << position
        return found

    def range_of(self, requirement: Requirement) -> Range:
        """Return the range that counts: the override's, where there is one."""
        return requirement.range if self.override is None else self.override

    def fitting(self, requirement: Requirement) -> int:
        """Return the usable candidates that satisfy a requirement, constraints aside."""
        wanted = self.matching(self.range_of(requirement), allow_prereleases=self.allow_prereleases)
        if requirement.extras:
            wanted &= self.declaring(requirement.extras)
        return wanted & self.usable

    def within(self, constraint: Requirement) -> int:
        """Return the usable candidates inside of a constraint, which goes by order alone."""
        return self.matching(constraint.range, allow_prereleases=True) & self.usable

    @property
    def allowed(self) -> int:
        """The usable candidates inside of all constraints."""
        allowed = self.usable
        for constraint in self.constraints:
            allowed &= self.within(constraint)
        return allowed

    def narrowed(self, mask: int) -> "Offer":
        """Return the same offer where only candidates of `mask` are usable."""
        return replace(self, usable=self.usable & mask)


class Snapshot:
    """The index at one revision: every package is read once, and checked, whatever asks for it."""

    def __init__(self, source: IndexSource) -> None:
        self.source = source
        self.revision = source.revision
        self._reading_ahead = source if isinstance(source, ReadAheadSource) else None
        self._several = source if isinstance(source, SeveralSources) else None
        self._indexes: dict[PackageName, PackageIndex | None] = {}

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package, or None where it isn't, or may not be read.

        Raises:
            IndexMoved: the answer is newer than its source's revision.
            InvalidIndex: the source answered for another package.
        """
        if package not in self._indexes:
            index = self.source.find_index(package)
            if index is not None and index.name != package:
                answered = f"the source answered with the index of {index.name}"
                raise InvalidIndex(str(package), answered)
            if index is not None:
                origin = self.find_origin(package)
                revision = self.revision if origin is None else origin.revision
                if index.revision > revision:
                    raise IndexMoved(package, found=index.revision, revision=revision)
            self._indexes[package] = index
        return self._indexes[package]

    def find_origin(self, package: PackageName) -> Origin | None:
        """Return where the index of a package is, where that isn't the source's main one."""
        return None if self._several is None else self._several.find_origin(package)

    def find_address(self, package: PackageName) -> str | None:
        """Return the address of the index of a package, where that isn't the main one."""
        return None if self._several is None else self._several.find_address(package)

    def has_read(self, package: PackageName) -> bool:
        """Whether a package was read before, so that to ask for it costs nothing."""
        return package in self._indexes

    def read_ahead(self, packages: Iterable[PackageName]) -> None:
        """Tell a source that can read ahead which packages will be asked for soon."""
        if self._reading_ahead is not None:
            new = [package for package in dict.fromkeys(packages) if package not in self._indexes]
            if new:
                self._reading_ahead.read_ahead(new)


class Offers:
    """What there is of every package that a solve has asked for.

    Raises:
        IndexMoved, InvalidIndex: the source answered with what it shouldn't (see Snapshot).
        PinChanged: a pinned version is listed with another digest.
    """

    def __init__(
        self,
        source: IndexSource | Snapshot,
        environment: Environment,
        pins: Pins | None = None,
        options: Options | None = None,
        *,
        refused: Refuse | None = None,
        direct: Collection[PackageName] = (),
    ) -> None:
        self.snapshot = source if isinstance(source, Snapshot) else Snapshot(source)
        self.environment = environment
        self.options = options or Options()
        self.revision = self.snapshot.revision
        self._pins = pins or {}
        self._refuse = refused
        self._direct = frozenset(direct)
        self._overrides = {one.package: one.range for one in self.options.overrides}
        self._constraints: dict[PackageName, tuple[Requirement, ...]] = {}
        for one in self.options.constraints:
            self._constraints[one.package] = (*self._constraints.get(one.package, ()), one)
        self._offers: dict[PackageName, Offer] = {}
        self._narrowed: dict[PackageName, Offer] = {}

    def __getitem__(self, package: PackageName) -> Offer:
        """Return what there is of a package: nothing, where it isn't in the index."""
        offer = self._narrowed.get(package) or self._offers.get(package)
        if offer is None:
            offer = self._offers[package] = self._read(package)
        return offer

    def narrowed(self, masks: Mapping[PackageName, int]) -> "Offers":
        """Return the same offers, with only some candidates usable of the packages given."""
        other = object.__new__(Offers)
        other.__dict__.update(self.__dict__)
        other._narrowed = self._narrowed | {
            package: self[package].narrowed(mask) for package, mask in masks.items()
        }
        return other

    def changed(self, options: Options) -> "Offers":
        """Return offers of the same index at other options, for what a change of them would do.

        Without the application that it was solved for, nothing is refused on its behalf.
        """
        is_for_none = self.options.application is not None and options.application is None
        return Offers(
            self.snapshot,
            self.environment,
            self._pins,
            options,
            refused=None if is_for_none else self._refuse,
            direct=self._direct,
        )

    def position(self, candidate: Candidate) -> int:
        """Return the bit of a candidate."""
        return self[candidate.name].positions[candidate.version]

    def satisfies(self, candidate: Candidate, requirement: Requirement) -> bool:
        """Whether a candidate may be chosen for a requirement on its package."""
        offer = self[candidate.name]
        fitting = offer.fitting(requirement) & offer.allowed
        return bool(fitting >> offer.positions[candidate.version] & 1)

    def _read(self, package: PackageName) -> Offer:
        constraints = self._constraints.get(package, ())
        override = self._overrides.get(package)
        prereleases = self.options.allow_prereleases
        index = self.snapshot.find_index(package)
        if index is None:
            return Offer(package, (), {}, 0, prereleases, constraints, override, known=False)
        candidates = index.releases
        prefer = self.options.prefer
        if prefer == "lowest" or (prefer == "lowest-direct" and package in self._direct):
            candidates = candidates[::-1]
        refused = {
            position: reason
            for position, candidate in enumerate(candidates)
            if (reason := self._why_refused(candidate)) is not None
        }
        return Offer(
            package,
            candidates,
            refused,
            ((1 << len(candidates)) - 1) & ~_mask_of(refused),
            prereleases,
            constraints,
            override,
            positions={candidate.version: at for at, candidate in enumerate(candidates)},
        )

    def _why_refused(self, candidate: Candidate) -> str | None:
        pinned = self._pins.get(candidate.name)
        is_pinned = pinned is not None and pinned[0] == candidate.version
        if pinned is not None and is_pinned and pinned[1] != candidate.digest:
            raise PinChanged(
                candidate.name, candidate.version, expected=pinned[1], found=candidate.digest
            )
        python, platform = self.environment.python, self.environment.platform
        limit = self.options.published_before
        refused = None if self._refuse is None else self._refuse(candidate)
        if candidate.yanked is not None and not is_pinned:
            return refused or (
                f"it was yanked ({candidate.yanked.reason}); only a lock that holds it may use it"
            )
        if not candidate.runs_on_python(python):
            return f"it needs python {candidate.python}, and this is solved for python {python}"
        if not candidate.runs_on_platform(platform):
            platforms = " and ".join(sorted(candidate.platforms))
            return f"it has wheels for {platforms} only, and this is solved for {platform}"
        if limit is not None and candidate.published >= limit:
            published, before = utc_text(candidate.published), utc_text(limit)
            return f"it was published at {published}, too late for --published-before {before}"
        return refused


def _mask_of(positions: Iterable[int]) -> int:
    mask = 0
    for position in positions:
        mask |= 1 << position
    return mask
