"""Random cases, small and mostly hard: as data, so that one that fails can be kept in a file.

`shrunk` makes a case that fails smaller while it fails, so that a reader sees what it is about.
"""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.resolver.sat import HELD, VERSIONS, Oracle

TIGHT = ("^1", "^2", "^3", "~1.0", "=1.1.0", "=3.0.0", "<2", "<3", ">=2", "!=2", "^1 || ^3")
LOOSE = ("*", "*", "<3", ">=2", "!=2", "^1 || ^3", "^1")
PRERELEASE = (">=3.0.0-rc.1", "=3.0.0-rc.1")
EXTRAS = ("gpu", "web")
EARLY, LATE, LATEST = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"

Case = dict[str, Any]


def random_case(chance: random.Random) -> Case:
    """Draw a case; one in ten may be refused for what the user says of each package alone."""
    while True:
        case = _drawn(chance)
        with Oracle(case) as oracle:
            for text in case["requirements"]:
                oracle.require([], text)
            for text in case.get("constraints", ()):
                oracle.constrain([], text)
            if oracle.is_solvable() or chance.random() < 0.05:
                return case


def _drawn(chance: random.Random) -> Case:
    """Draw an index of up to eight packages, the user's requirements, and options.

    What is required of a package mostly is there, and mostly of a package further down, so that
    what doesn't fit doesn't for what several packages say.
    """
    names = [f"t/{letter}" for letter in "abcdefgh"[: chance.choice((4, 5, 6, 6, 7, 8, 8))]]
    drawing = _Drawing(chance, {own: _versions(chance) for own in names})
    index = {
        own: {version: drawing.release(own, version) for version in versions}
        for own, versions in drawing.versions.items()
    }
    roots = names[: chance.choice((1, 1, 2, 2, 3))]
    if chance.random() < 0.3:
        roots = [*roots, chance.choice(names)]
    case: Case = {
        "requirements": sorted({drawing.requirement(one, LOOSE) for one in roots}),
        "index": index,
    }
    if chance.random() < 0.3:
        case["constraints"] = [drawing.plain(chance.choice(names[1:]), TIGHT)]
        if chance.random() < 0.3:
            case["constraints"] += [drawing.plain(chance.choice(names), LOOSE)]
    if chance.random() < 0.25:
        some = chance.sample(names, chance.choice((1, 1, 2)))
        case["overrides"] = [drawing.plain(one, (*TIGHT, *PRERELEASE)) for one in some]
    if chance.random() < 0.1:
        case["prereleases"] = True
    if chance.random() < 0.1:
        case["prefer"] = chance.choice(("lowest", "lowest-direct"))
    if chance.random() < 0.1:
        case["published_before"] = LATE
    if chance.random() < 0.1:
        some_package = chance.choice(names)
        one = chance.choice(list(index[some_package]))
        case["refused"] = {f"{some_package} {one}": "it needs an approval"}
    if chance.random() < 0.2:
        some_package = chance.choice(names)
        case["pins"] = {some_package: chance.choice(list(index[some_package]))}
    return case


def _versions(chance: random.Random) -> list[str]:
    found = chance.sample(VERSIONS, chance.choice((1, 2, 2, 3, 3, 3, 4, 4)))
    return [version for version in VERSIONS if version in found]


class _Drawing:
    """Releases and requirements of packages whose versions and extras are known."""

    def __init__(self, chance: random.Random, versions: dict[str, list[str]]) -> None:
        self._chance = chance
        self.versions = versions
        self._extras = {own: chance.sample(EXTRAS, chance.choice((0, 1, 1, 2))) for own in versions}
        self._flags = {
            own: {version: self._flag() for version in some} for own, some in versions.items()
        }

    def _flag(self) -> Case:
        chance = self._chance
        said: Case = {"published": chance.choice((EARLY, EARLY, EARLY, EARLY, EARLY, LATEST))}
        if chance.random() < 0.06:
            said["yanked"] = "lost rows"
        if chance.random() < 0.1:
            said["python"] = chance.choice((">=3.11", ">=3.12"))
        return said

    def release(self, own: str, version: str) -> Case:
        chance = self._chance
        names = list(self.versions)
        below = names[names.index(own) + 1 :]
        others = below if below and chance.random() < 0.9 else [one for one in names if one != own]
        some = chance.sample(others, min(len(others), chance.choice((1, 2, 2, 2, 3))))
        is_leaf = not below or chance.random() < 0.1
        said: Case = {
            "requires": [] if is_leaf else [self.requirement(other, TIGHT) for other in some],
            **self._flags[own][version],
        }
        extras = [extra for extra in self._extras[own] if chance.random() < 0.85]
        if extras:
            said["extras"] = {
                extra: [self.requirement(chance.choice(others), TIGHT)] for extra in extras
            }
        return said

    def requirement(self, package: str, ranges: tuple[str, ...]) -> str:
        chance = self._chance
        declared = self._extras[package]
        is_asking = declared and chance.random() < 0.35
        extras = f"[{chance.choice(declared)}]" if is_asking else ""
        if not extras and chance.random() < 0.01:
            extras = f"[{chance.choice(EXTRAS)}]"
        some = (*PRERELEASE, *ranges) if chance.random() < 0.3 else ranges
        within = self.plain(package, some).partition(" ")[2]
        return f"{package}{extras} {within}"

    def plain(self, package: str, ranges: tuple[str, ...]) -> str:
        """Return a requirement without extras; nearly always one that some release satisfies."""
        chance = self._chance
        flags = self._flags[package]
        there = {
            version
            for version in self.versions[package]
            if "yanked" not in flags[version] and flags[version].get("python") != ">=3.12"
        }
        fitting = [within for within in ranges if HELD[within][0] & there]
        return (
            f"{package} {chance.choice(fitting if fitting and chance.random() < 0.97 else ranges)}"
        )


def shrunk(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return a smaller case that fails, of which nothing more can be left out."""
    smaller = True
    while smaller:
        smaller = False
        for less in _less(case):
            if fails(less):
                case, smaller = less, True
                break
    return case


def _less(case: Case) -> Iterator[Case]:
    """Yield the case with one thing left out."""
    for key in set(case) - {"requirements", "index"}:
        yield {name: said for name, said in case.items() if name != key}
    for path in list(_paths(case, ())):
        copied = copy.deepcopy(case)
        place: Any = copied
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]
        yield copied


def _paths(place: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    parts = place if isinstance(place, dict) else range(len(place))
    for part in list(parts):
        if path:
            yield (*path, part)
        if isinstance(place[part], dict | list):
            yield from _paths(place[part], (*path, part))
