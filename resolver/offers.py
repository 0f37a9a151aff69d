"""What the index offers to one solve: each package's candidates, and which of them can be used.

Sets of candidates are bits of an integer: bit 0 is the newest. So what a range allows is worked
out once for each package, and to narrow is one `&`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from artifacts.digest import Digest
from artifacts.reference import PackageName
from resolver.candidate import Candidate, Environment
from resolver.errors import IndexMoved, InvalidIndex, PinChanged
from resolver.requirement import Range, Requirement
from resolver.source import IndexSource
from resolver.version import Version

Pins: TypeAlias = Mapping[PackageName, tuple[Version, Digest]]
"""What a lock holds: the version of each package, and its manifest's digest."""


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of a mask's bits, lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@dataclass(slots=True)
class Offer:
    """The candidates of one package, newest first.

    `usable` has a bit for each that may be chosen, `refused` the reason for each that may not, and
    `known` is False where the index has no such package.
    """

    name: PackageName
    candidates: tuple[Candidate, ...]
    refused: Mapping[int, str]
    usable: int
    allow_prereleases: bool
    known: bool = True
    positions: Mapping[Version, int] = field(default_factory=dict)
    _matching: dict[tuple[Range, bool], int] = field(default_factory=dict)

    def matching(self, wanted: Range, *, allow_prereleases: bool) -> int:
        """Return the candidates whose versions are in a range, usable or not."""
        key = (wanted, allow_prereleases)
        if key not in self._matching:
            self._matching[key] = sum(
                1 << position
                for position, candidate in enumerate(self.candidates)
                if wanted.contains(candidate.version, allow_prereleases=allow_prereleases)
            )
        return self._matching[key]

    def fitting(self, requirement: Requirement) -> int:
        """Return the usable candidates that satisfy a requirement.

        No release declares extras yet, so a requirement that asks for one has none.
        """
        if requirement.extras:
            return 0
        wanted = self.matching(requirement.range, allow_prereleases=self.allow_prereleases)
        return wanted & self.usable

    def narrowed(self, mask: int) -> "Offer":
        """Return the same offer where only candidates of `mask` are usable."""
        return Offer(
            self.name,
            self.candidates,
            self.refused,
            self.usable & mask,
            self.allow_prereleases,
            self.known,
            self.positions,
            self._matching,
        )


class Offers:
    """Every package that a solve has asked for, each read once from the source.

    Raises:
        IndexMoved: an answer is newer than the source's revision.
        InvalidIndex: the source answered for another package.
        PinChanged: a pinned version is listed with another digest.
    """

    def __init__(
        self,
        source: IndexSource,
        environment: Environment,
        pins: Pins,
        *,
        allow_prereleases: bool,
    ) -> None:
        self.source = source
        self.environment = environment
        self.revision = source.revision
        self._pins = pins
        self._allow_prereleases = allow_prereleases
        self._offers: dict[PackageName, Offer] = {}

    def __getitem__(self, package: PackageName) -> Offer:
        """Return what there is of a package: nothing, where it isn't in the index."""
        offer = self._offers.get(package)
        if offer is None:
            offer = self._offers[package] = self._read(package)
        return offer

    def narrowed(self, masks: Mapping[PackageName, int]) -> "Offers":
        """Return the same offers, with only some candidates usable of the packages given."""
        other = Offers(
            self.source,
            self.environment,
            self._pins,
            allow_prereleases=self._allow_prereleases,
        )
        other._offers = self._offers | {
            package: self[package].narrowed(mask) for package, mask in masks.items()
        }
        return other

    def position(self, candidate: Candidate) -> int:
        """Return the bit of a candidate."""
        return self[candidate.name].positions[candidate.version]

    def satisfies(self, candidate: Candidate, requirement: Requirement) -> bool:
        """Whether a candidate may be chosen for a requirement on its package."""
        return bool(self[candidate.name].fitting(requirement) >> self.position(candidate) & 1)

    def _read(self, package: PackageName) -> Offer:
        index = self.source.find_index(package)
        if index is None:
            return Offer(package, (), {}, 0, self._allow_prereleases, known=False)
        if index.name != package:
            raise InvalidIndex(str(package), f"the source answered with the index of {index.name}")
        if index.revision > self.revision:
            raise IndexMoved(package, found=index.revision, revision=self.revision)
        refused = {
            position: reason
            for position, candidate in enumerate(index.releases)
            if (reason := self._why_refused(candidate)) is not None
        }
        return Offer(
            package,
            index.releases,
            refused,
            sum(
                1 << position for position in range(len(index.releases)) if position not in refused
            ),
            self._allow_prereleases,
            positions={candidate.version: at for at, candidate in enumerate(index.releases)},
        )

    def _why_refused(self, candidate: Candidate) -> str | None:
        pinned = self._pins.get(candidate.name)
        is_pinned = pinned is not None and pinned[0] == candidate.version
        if pinned is not None and is_pinned and pinned[1] != candidate.digest:
            raise PinChanged(
                candidate.name, candidate.version, expected=pinned[1], found=candidate.digest
            )
        python, platform = self.environment.python, self.environment.platform
        if candidate.yanked is not None and not is_pinned:
            return f"yanked ({candidate.yanked.reason}), and only a lock that holds it may use it"
        if not candidate.runs_on_python(python):
            return f"needs python {candidate.python}, and this is solved for python {python}"
        if not candidate.runs_on_platform(platform):
            platforms = ", ".join(sorted(candidate.platforms))
            return f"has wheels for {platforms}, and this is solved for {platform}"
        return None
