"""Who requires whom in a lock: chains from what was asked for, and trees; no IO.

A lock may have packages that require each other in a ring: nothing here goes round in one.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from artifacts.reference import PackageName
from resolver.lock import Lock, LockedPackage
from resolver.requirement import Requirement


@dataclass(frozen=True, slots=True)
class Link:
    """`by` (None: whoever locked) requires `package`, which is locked, by `requirement`."""

    by: LockedPackage | None
    requirement: Requirement
    package: LockedPackage


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a tree: a package at a `depth` (0: a root).

    `requirement` is the one that leads to or from the line above it (None: a root);
    `is_last` says of each depth from 1 on whether this line's ancestor there is the last of its
    kind, itself at the end; `is_repeated` that what is below it stands further up already.
    """

    package: LockedPackage
    requirement: Requirement | None
    is_last: tuple[bool, ...] = ()
    is_repeated: bool = False

    @property
    def depth(self) -> int:
        """How many lines lead to it."""
        return len(self.is_last)

    @property
    def drawn(self) -> str:
        """The lines of the tree before it, as `│   └── `."""
        if not self.is_last:
            return ""
        *above, last = self.is_last
        bars = "".join("    " if ended else "│   " for ended in above)
        return bars + ("└── " if last else "├── ")


def chains(lock: Lock, name: PackageName) -> tuple[tuple[Link, ...], ...]:
    """Return why a package is in a lock: for each who requires it, a shortest chain from the top.

    The chains that the requirements themselves begin and end come first; the rest is ordered by
    length, then by who requires it. Empty where the lock hasn't got it.
    """
    target = lock.find_package(name)
    if target is None:
        return ()
    leading = _leading(lock, without=name)
    found: list[tuple[Link, ...]] = [
        (Link(None, requirement, target),)
        for requirement in lock.requirements
        if requirement.package == name
    ]
    found += [
        (*_path(parent, leading), Link(parent, requirement, target))
        for parent in lock.packages
        for requirement in parent.requires
        if requirement.package == name and parent.name in leading
    ]
    return tuple(sorted(found, key=len))


def tree(
    lock: Lock,
    names: Collection[PackageName] = (),
    *,
    is_inverted: bool = False,
    depth: int | None = None,
) -> Iterator[Line]:
    """Yield the lines of a lock's tree: below each package what it requires, in order of names.

    Inverted, below each is who requires it. The roots are `names`; without them, what was asked
    for, or, inverted, what requires nothing (everything, where all is in rings). `depth` is how
    many levels are below the roots at most (None: all).
    """
    locked = {package.name: package for package in lock.packages}
    above: dict[PackageName, list[tuple[LockedPackage, Requirement]]] = {one: [] for one in locked}
    below: dict[PackageName, list[tuple[LockedPackage, Requirement]]] = {one: [] for one in locked}
    for package in lock.packages:
        for requirement in package.requires:
            below[package.name].append((locked[requirement.package], requirement))
            above[requirement.package].append((package, requirement))
    following = above if is_inverted else below
    roots: Iterable[PackageName] = names
    if not names and is_inverted:
        roots = [name for name in locked if not below[name]] or list(locked)
    elif not names:
        roots = lock.roots
    expanded: set[PackageName] = set()
    waiting = [Line(locked[name], None) for name in reversed(list(roots))]
    while waiting:
        line = waiting.pop()
        name = line.package.name
        children = following[name]
        if children and name in expanded:
            yield Line(line.package, line.requirement, line.is_last, is_repeated=True)
            continue
        yield line
        if depth is not None and line.depth >= depth:
            continue
        expanded.add(name)
        for place, (child, requirement) in enumerate(reversed(children)):
            waiting.append(Line(child, requirement, (*line.is_last, place == 0)))


def _leading(lock: Lock, without: PackageName) -> dict[PackageName, Link]:
    """Return the link by which each package is first reached from the top, going round one."""
    locked = {package.name: package for package in lock.packages}
    leading: dict[PackageName, Link] = {}
    links = [Link(None, one, locked[one.package]) for one in lock.requirements]
    for link in links:  # it grows: breadth first
        name = link.package.name
        if name == without or name in leading:
            continue
        leading[name] = link
        links.extend(Link(link.package, one, locked[one.package]) for one in link.package.requires)
    return leading


def _path(package: LockedPackage, leading: dict[PackageName, Link]) -> list[Link]:
    path = []
    at: LockedPackage | None = package
    while at is not None:
        path.append(leading[at.name])
        at = leading[at.name].by
    return path[::-1]
