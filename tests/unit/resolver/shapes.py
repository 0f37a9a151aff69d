"""Shapes of indexes that are hard on a backtracking search, at any size; and a large one.

Each is a source and the user's requirements. They are what rounds are counted on, in
tests/solving/test_rounds.py and in benchmarks/resolver.py.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

from artifacts.reference import PackageName
from resolver.requirement import Requirement
from resolver.source import PackageIndex, encode_index, parse_index
from tests.unit.resolver.builders import name, release, requirements, source

Shape: TypeAlias = tuple["CountingSource", list[Requirement]]


class CountingSource:
    """An index that counts how often each name is asked for.

    `read` gives the releases of a package, or None; revision 7.
    """

    revision = 7

    def __init__(self, read: Callable[[PackageName], PackageIndex | None]) -> None:
        self._read = read
        self.asked: Counter[PackageName] = Counter()

    def find_index(self, package: PackageName) -> PackageIndex | None:
        self.asked[package] += 1
        return self._read(package)


def _shape(drawn: dict[str, dict[str, list[str]]], *asked: str) -> Shape:
    return CountingSource(source(drawn).find_index), requirements(*asked)


def chain_with_a_conflict_at_its_end(length: int = 30, versions: int = 20) -> Shape:
    """Every release of a package requires the next; those of the last what the user rules out."""
    index = {
        f"t/p{at:03}": {f"1.{minor}.0": [f"t/p{at + 1:03} *"] for minor in range(versions)}
        for at in range(length)
    }
    index[f"t/p{length:03}"] = {f"1.{minor}.0": ["t/end ^2"] for minor in range(versions)}
    index["t/end"] = {"1.0.0": [], "2.0.0": []}
    return _shape(index, "t/p000", "t/end ^1")


def chain_of_steps_with_a_conflict_at_its_end(length: int = 30, versions: int = 20) -> Shape:
    """The same, where a release takes the next package's releases up to its own number."""
    index = {
        f"t/p{at:03}": {
            f"1.{minor}.0": [f"t/p{at + 1:03} <=1.{minor}.0"] for minor in range(versions)
        }
        for at in range(length)
    }
    index[f"t/p{length:03}"] = {f"1.{minor}.0": ["t/end ^2"] for minor in range(versions)}
    index["t/end"] = {"1.0.0": [], "2.0.0": []}
    return _shape(index, "t/p000", "t/end ^1")


def diamonds_in_a_row(count: int = 15, versions: int = 5) -> Shape:
    """Both sides of each diamond must agree on its end, and only their oldest releases do."""
    index: dict[str, dict[str, list[str]]] = {}
    for at in range(count):
        index[f"t/d{at:02}"] = {
            f"{major}.0.0": [f"t/l{at:02} *", f"t/r{at:02} *"] for major in range(1, versions + 1)
        }
        for side, other in (("l", 2), ("r", 3)):
            index[f"t/{side}{at:02}"] = {
                f"1.{minor}.0": [f"t/d{at + 1:02} ={other if minor else 1}.0.0"]
                for minor in range(versions)
            }
    index[f"t/d{count:02}"] = {f"{major}.0.0": [] for major in range(1, versions + 1)}
    return _shape(index, "t/d00")


def only_the_oldest_fits(versions: int = 1_000) -> Shape:
    """All releases of a package but the oldest require what the user rules out."""
    index = {
        "t/a": {f"1.{minor}.0": [f"t/b ^{2 if minor else 1}"] for minor in range(versions)},
        "t/b": {"1.0.0": [], "2.0.0": []},
    }
    return _shape(index, "t/a", "t/b ^1")


def only_the_oldest_fits_each_for_its_own_reason(versions: int = 1_000) -> Shape:
    """The same, where no two releases require the same, so that nothing is learnt of many."""
    index = {
        "t/a": {
            f"1.{minor}.0": [f"t/b >={minor}" if minor else "t/b *"] for minor in range(versions)
        },
        "t/b": {"0.0.1": []},
    }
    return _shape(index, "t/a", "t/b <1")


PACKAGES, VERSIONS, REQUIREMENTS, CLUSTER = 10_000, 20, 5, 200


def large_index(*, parsed: bool = True, cluster: int = 3) -> Shape:
    """Draw 10,000 packages of 20 releases with 5 requirements each, in clusters of 200.

    A cluster's packages require each other, and the user two of them. Releases of a major mostly
    go together; some take only a part of what they require, and the newest of each now and then
    something that isn't there. A package is drawn when it is first asked for; not `parsed`, its
    JSON is read each time, as from a client's cache.
    """
    drawn: dict[PackageName, PackageIndex] = {}
    kept: dict[PackageName, bytes] = {}

    def read(package: PackageName) -> PackageIndex | None:
        if package not in drawn:
            drawn[package] = _large_package(package)
            kept[package] = encode_index(drawn[package])
        return drawn[package] if parsed else parse_index(kept[package])

    first = cluster * CLUSTER
    for number in range(first, first + CLUSTER):
        read(name(f"t/p{number:05}"))
    return CountingSource(read), requirements(f"t/p{first:05}", f"t/p{first + 7:05} ^4")


def _large_package(package: PackageName) -> PackageIndex:
    number = int(package.name.removeprefix("p"))
    chance = random.Random(number)
    first = number - number % CLUSTER
    others = [other for other in range(first, first + CLUSTER) if other != number]
    releases = []
    for at in range(VERSIONS):
        major, minor = 1 + at // 5, at % 5
        wanted = [
            f"t/p{other:05} {_wanted(chance, major, minor)}"
            for other in chance.sample(others, REQUIREMENTS)
        ]
        releases.append(release(str(package), f"{major}.{minor}.0", wanted))
    return PackageIndex(package, 7, tuple(releases))


def _wanted(chance: random.Random, major: int, minor: int) -> str:
    drawn = chance.random()
    if minor == 4 and drawn < 0.04:
        return f"^{major + 1}"
    if drawn < 0.5:
        return f"^{major}"
    if drawn < 0.9:
        return f">={major}"
    return f"<={major}.{max(1, minor)}.0"


SHAPES: Sequence[Callable[[], Shape]] = (
    chain_with_a_conflict_at_its_end,
    chain_of_steps_with_a_conflict_at_its_end,
    diamonds_in_a_row,
    only_the_oldest_fits,
    only_the_oldest_fits_each_for_its_own_reason,
)
