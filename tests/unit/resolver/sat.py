"""An oracle for the resolver: a case as clauses for a SAT solver, by code that shares none with it.

A case is what a file of tests/cases/resolution holds. A release is a variable, and an extra that is
on is one; what a range holds is written down here by hand. Statements of the user and facts may be
left out one by one, each by a variable of its own.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Self

from pysat.solvers import Solver

Case = Mapping[str, Any]

VERSIONS = ("1.0.0", "1.1.0", "2.0.0", "3.0.0-rc.1", "3.0.0")  # in their order
_ONE, _TWO, _THREE, _RC = {"1.0.0", "1.1.0"}, {"2.0.0"}, {"3.0.0"}, {"3.0.0-rc.1"}
HELD: Mapping[str, tuple[set[str], set[str]]] = {
    # a range: what it holds, and what it holds where prereleases are allowed
    "*": (_ONE | _TWO | _THREE, _ONE | _TWO | _THREE | _RC),
    "^1": (_ONE, _ONE),
    "~1.0": ({"1.0.0"}, {"1.0.0"}),
    "=1.1.0": ({"1.1.0"}, {"1.1.0"}),
    "^2": (_TWO, _TWO),
    "^3": (_THREE, _THREE),
    "<2": (_ONE, _ONE),
    "<3": (_ONE | _TWO, _ONE | _TWO),
    ">=2": (_TWO | _THREE, _TWO | _THREE | _RC),
    "=3.0.0": (_THREE, _THREE),
    "!=2": (_ONE | _THREE, _ONE | _THREE | _RC),
    "^1 || ^3": (_ONE | _THREE, _ONE | _THREE),
    ">=3.0.0-rc.1": (_RC | _THREE, _RC | _THREE),
    "=3.0.0-rc.1": (_RC, _RC),
    "^3.0.0-rc.1": (_RC | _THREE, _RC | _THREE),  # what a hint may say
    "=1.0.0": ({"1.0.0"}, {"1.0.0"}),
    "=2.0.0": (_TWO, _TWO),
}


def split(text: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the package, the range and the extras of `t/a[x,y] ^1`."""
    named, _, within = text.partition(" ")
    package, _, extras = named.partition("[")
    return package, within or "*", tuple(extras.rstrip("]").split(",")) if extras else ()


class Oracle:
    """The releases of a case that may be used, and what is required: any of it, or facts alone."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._numbers = itertools.count(1)
        self._releases: dict[tuple[str, str], int] = {}
        self._extras: dict[tuple[str, str], int] = {}
        self._solver = Solver(name="m22")
        self._overrides = {
            package: within for package, within, _ in map(split, case.get("overrides", ()))
        }
        for package, releases in case["index"].items():
            usable = [version for version in releases if self._is_usable(package, version)]
            for version in usable:
                self._releases[package, version] = next(self._numbers)
            for one, other in itertools.combinations(usable, 2):
                self._add([-self._releases[package, one], -self._releases[package, other]])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._solver.delete()

    def require_all(self) -> dict[tuple[str, str], int]:
        """State the case; return a switch for each requirement and constraint of the user."""
        switches: dict[tuple[str, str], int] = {}
        for text in self._case["requirements"]:
            switches["requirement", text] = switch = next(self._numbers)
            self.require([-switch], text)
        for text in self._case.get("constraints", ()):
            switches["constraint", text] = switch = next(self._numbers)
            self.constrain([-switch], text)
        for (package, version), chosen in self._releases.items():
            said = self._said(package, version)
            for text in said.get("requires", ()):
                self.require([-chosen], text)
            for extra, group in said.get("extras", {}).items():
                for text in group:
                    self.require([-chosen, -self._extra(package, extra)], text)
        return switches

    def switch(self) -> int:
        """Return a new variable."""
        return next(self._numbers)

    def require(self, unless: list[int], text: str) -> None:
        """State a requirement, unless one of the literals holds."""
        package, within, extras = split(text)
        held = HELD[self._overrides.get(package, within)][bool(self._case.get("prereleases"))]
        fitting = [
            chosen
            for (name, version), chosen in self._releases.items()
            if name == package
            and version in held
            and set(extras) <= set(self._said(package, version).get("extras", {}))
        ]
        self._add([*unless, *fitting])
        for extra in extras:
            self._add([*unless, self._extra(package, extra)])

    def constrain(self, unless: list[int], text: str) -> None:
        """State a constraint, which goes by order alone."""
        package, within, _ = split(text)
        for (name, version), chosen in self._releases.items():
            if name == package and version not in HELD[within][1]:
                self._add([*unless, -chosen])

    def by(self, package: str, versions: Iterable[str], extra: str | None) -> Iterator[list[int]]:
        """Yield for each release the literals of which one holds where it isn't chosen so."""
        for version in versions:
            unless = [-self._releases[package, version]]
            yield [*unless, -self._extra(package, extra)] if extra else unless

    def is_solvable(self, assumed: Iterable[int] = ()) -> bool:
        """Whether all that was stated can be, and the assumptions with it."""
        return bool(self._solver.solve(assumptions=list(assumed)))

    def can_have(
        self, newer: tuple[str, str], rest: Mapping[str, str], switches: Collection[int]
    ) -> bool:
        """Whether a release can be, and of those packages in `rest` that stay none changes."""
        others = [
            -chosen
            for (package, version), chosen in self._releases.items()
            if rest.get(package, version) != version
        ]
        return self.is_solvable([*switches, self._releases[newer], *others])

    def usable(self, package: str) -> list[str]:
        """Return the versions that may be used, in their order."""
        found = {version for name, version in self._releases if name == package}
        return [version for version in VERSIONS if version in found]

    def _extra(self, package: str, extra: str) -> int:
        if (package, extra) not in self._extras:
            self._extras[package, extra] = next(self._numbers)
        return self._extras[package, extra]

    def _said(self, package: str, version: str) -> Mapping[str, Any]:
        said: Mapping[str, Any] = self._case["index"][package][version]
        return said

    def _is_usable(self, package: str, version: str) -> bool:
        said = self._said(package, version)
        is_pinned = self._case.get("pins", {}).get(package) == version
        return (
            ("yanked" not in said or is_pinned)
            and said.get("python", "") != ">=3.12"  # cases are for 3.11
            and f"{package} {version}" not in self._case.get("refused", {})
            and said.get("published", "") < self._case.get("published_before", "9")
        )

    def _add(self, clause: list[int]) -> None:
        self._solver.add_clause(clause)
