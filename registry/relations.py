"""Who requires a package, what a release leads to, and what a yank of it would affect.

Everything is told to a principal: a package, application or release that they may not read is
never named, and never counted. What a release requires is in its package.json, and so no secret
from who may read that release; whether there is such a package, is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Access, Principal, Verb, is_readable
from registry.clock import moment
from registry.database import Database
from registry.errors import InvalidValue, PackageUnknown, ReleaseUnknown
from registry.oci.repositories import Kind
from registry.releases import (
    find_release,
    read_yank,
    releases_of,
    requirements_of,
    yank_of,
)
from registry.schema import (
    BundleReleaseRow,
    BundleRow,
    ChannelRow,
    NamespaceRow,
    ReleaseRequirementRow,
    ReleaseRow,
    RepositoryRow,
    YankRow,
)
from resolver.requirement import Range, Requirement
from resolver.version import Version

LARGEST_PAGE = 100
"""Packages, applications or bundles in one answer at most."""

SHOWN_RELEASES = 20
"""Releases of one dependent that are listed; its newest come first."""

LARGEST_GRAPH = 200
"""Nodes of a graph at most: a page can't show more."""


@dataclass(frozen=True, slots=True)
class RequiringRelease:
    """A release that requires the package, in a range; `is_yanked`: it was yanked itself.

    With `extra` it does so with that alone (the first of them by name); None: always.
    """

    version: str
    range: str
    extra: str | None
    is_yanked: bool


@dataclass(frozen=True, slots=True)
class Dependent:
    """A package that requires another: `newest` is its newest release that isn't yanked.

    `is_current` says whether that one still does; `releases` are those that do, newest first, at
    most `SHOWN_RELEASES` of the `count` that there are.
    """

    name: PackageName
    newest: str | None
    is_current: bool
    releases: tuple[RequiringRelease, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Holder:
    """An application that holds the package: how many bundles, which versions, which channels.

    `channels` are (channel, version), in the order of the channels.
    """

    application: PackageName
    bundles: int
    versions: tuple[str, ...]
    channels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dependents:
    """A page of the packages that require one, by name; `next` is the cursor of the next page.

    `holders` are the first `LARGEST_PAGE` applications by name that hold it, on the first page.
    """

    package: PackageName
    dependents: tuple[Dependent, ...]
    next: str | None
    holders: tuple[Holder, ...]
    are_all_holders: bool


@dataclass(frozen=True, slots=True)
class HoldingBundle:
    """A bundle that holds the release, and the channels that point to it now."""

    application: PackageName
    digest: Digest
    created: datetime
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stranded:
    """A release that requires the package in a range, of which a yank would leave nothing.

    With `extra` it does so with that alone; None: always.
    """

    name: PackageName
    version: str
    range: str
    extra: str | None


@dataclass(frozen=True, slots=True)
class Affected:
    """What a yank of a release affects: it goes on working where it is held, and isn't chosen anew.

    `bundles` are the newest `LARGEST_PAGE` of the `bundle_count` that hold it, those in channels
    first; `channels` all that point to one, as (application, channel); `stranded` the first
    `LARGEST_PAGE` of the `stranded_count` releases that nothing else would satisfy.
    """

    package: PackageName
    version: str
    is_yanked: bool
    bundles: tuple[HoldingBundle, ...]
    bundle_count: int
    channels: tuple[tuple[PackageName, str], ...]
    stranded: tuple[Stranded, ...]
    stranded_count: int


@dataclass(frozen=True, slots=True)
class Node:
    """A release that a graph leads to; `version` None: none that fits may be read, or is there.

    `depth` is how many requirements lead to it at least.
    """

    id: str
    package: PackageName
    version: str | None
    is_yanked: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Edge:
    """The node `source` requires the package of the node `target`, in a range."""

    source: str
    target: str
    range: str


@dataclass(frozen=True, slots=True)
class Graph:
    """What a release requires, and so on: nodes, breadth first, and edges.

    Each requirement leads to the newest release in its range that isn't yanked; a package may
    stand there in several versions, where a solve would find one, or none. `is_whole` is False
    where it was cut off at `LARGEST_GRAPH` nodes.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    is_whole: bool


class Relations:
    """Reads who requires, holds and leads to whom."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def dependents(
        self,
        principal: Principal,
        package: PackageName,
        cursor: str | None = None,
        limit: int = 20,
    ) -> Dependents:
        """Return the packages with a release that requires `package`, by name.

        Raises:
            InvalidValue: the limit isn't between 1 and 100.
            PackageUnknown: nothing listed under this name.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidValue("limit", str(limit), f"between 1 and {LARGEST_PAGE}")
        with self._database.read():
            self._require(principal, package)
            dependent = ReleaseRequirementRow.dependent
            query = (
                ReleaseRequirementRow.select(dependent)
                .distinct()
                .join(RepositoryRow, on=(RepositoryRow.name == dependent))
                .join(NamespaceRow)
                .where(is_readable(principal) & (ReleaseRequirementRow.package == str(package)))
            )
            if cursor is not None:
                query = query.where(dependent > cursor)
            names = [row.dependent for row in query.order_by(dependent).limit(limit + 1)]
            found = tuple(_dependent(PackageName.parse(name), package) for name in names[:limit])
            holders = [] if cursor is not None else _holders(principal, package)
        return Dependents(
            package,
            found,
            names[limit - 1] if len(names) > limit else None,
            tuple(holders[:LARGEST_PAGE]),
            len(holders) <= LARGEST_PAGE,
        )

    def affected(self, principal: Principal, package: PackageName, version: str) -> Affected:
        """Return what a yank of a release affects, of what the principal may read.

        Raises:
            ReleaseUnknown: not listed.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            release = self._get_release(principal, package, version)
            pointing: dict[int, list[str]] = {}
            channels: list[tuple[PackageName, str]] = []
            for row in _channels_holding(principal, release):
                pointing.setdefault(row.bundle_id, []).append(row.name)
                channels.append((PackageName.parse(row.repository.name), row.name))
            holding = _bundles_holding(principal, release)
            in_channels = BundleRow.id.in_(list(pointing))
            shown = list(holding.where(in_channels).limit(LARGEST_PAGE))
            shown.extend(holding.where(~in_channels).limit(LARGEST_PAGE - len(shown)))
            stranded = _stranded(principal, package, release)
            return Affected(
                package,
                version,
                yank_of(release) is not None,
                tuple(
                    HoldingBundle(
                        PackageName.parse(row.repository.name),
                        Digest.parse(row.manifest.digest),
                        moment(row.created),
                        tuple(pointing.get(row.id, ())),
                    )
                    for row in shown
                ),
                holding.count(),
                tuple(channels),
                tuple(
                    Stranded(
                        PackageName.parse(row.release.repository.name),
                        row.release.version,
                        _range_of(row),
                        row.extra or None,
                    )
                    for row in stranded.limit(LARGEST_PAGE)
                ),
                stranded.count(),
            )

    def graph(
        self, principal: Principal, package: PackageName, version: str, limit: int = LARGEST_GRAPH
    ) -> Graph:
        """Return what a release requires, and what that requires, down to the last.

        Raises:
            ReleaseUnknown: not listed.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            release = self._get_release(principal, package, version)
            drawing = _Drawing(self._access, principal, limit)
            drawing.draw(package, release)
        return Graph(tuple(drawing.nodes.values()), tuple(drawing.edges), drawing.is_whole)

    def _require(self, principal: Principal, package: PackageName) -> None:
        self._access.require(principal, Verb.PULL, package.namespace, str(package))
        listed = (
            ReleaseRow.select()
            .join(RepositoryRow)
            .where(
                (RepositoryRow.name == str(package)) & (RepositoryRow.kind == Kind.PACKAGE.value)
            )
        )
        if not listed.exists():
            raise PackageUnknown(str(package))

    def _get_release(self, principal: Principal, package: PackageName, version: str) -> ReleaseRow:
        self._access.require(principal, Verb.PULL, package.namespace, str(package))
        release = find_release(package, version)
        if release is None:
            raise ReleaseUnknown(f"{package}@{version}")
        return release


class _Drawing:
    """A graph that grows from one release, breadth first."""

    def __init__(self, access: Access, principal: Principal, limit: int) -> None:
        self._access = access
        self._principal = principal
        self._limit = limit
        self._releases: dict[PackageName, list[ReleaseRow]] = {}
        self.nodes: dict[str, Node] = {}
        self.edges: dict[Edge, None] = {}
        self.is_whole = True

    def draw(self, package: PackageName, release: ReleaseRow) -> None:
        none: tuple[str, ...] = ()
        waiting = [(self._add(package, release, 0), release, none)]
        seen = {(waiting[0][0].id, none)}
        for node, row, extras in waiting:  # it grows
            for requirement in requirements_of(row, extras):
                found = self._find(requirement.package, requirement.range)
                known = _node_id(requirement.package, found) in self.nodes
                if not known and len(self.nodes) >= self._limit:
                    self.is_whole = False
                    continue
                target = self._add(requirement.package, found, node.depth + 1)
                self.edges[Edge(node.id, target.id, str(requirement.range))] = None
                key = (target.id, requirement.extras)
                if found is not None and key not in seen:
                    seen.add(key)
                    waiting.append((target, found, requirement.extras))

    def _add(self, package: PackageName, row: ReleaseRow | None, depth: int) -> Node:
        node_id = _node_id(package, row)
        if node_id not in self.nodes:
            version = None if row is None else row.version
            is_yanked = depth == 0 and row is not None and yank_of(row) is not None
            self.nodes[node_id] = Node(node_id, package, version, is_yanked, depth)
        return self.nodes[node_id]

    def _find(self, package: PackageName, wanted: Range) -> ReleaseRow | None:
        """Return the newest release in a range that isn't yanked, of what may be read."""
        if package not in self._releases:
            may_read = self._access.allows(
                self._principal, Verb.PULL, package.namespace, str(package)
            )
            yanked = _yanked(package) if may_read else set()
            listed = releases_of(package) if may_read else []
            self._releases[package] = [row for row in listed if row.id not in yanked]
        for row in self._releases[package]:
            if wanted.contains(Version.parse(row.version)):
                return row
        return None


def _node_id(package: PackageName, row: ReleaseRow | None) -> str:
    return str(package) if row is None else f"{package}@{row.version}"


def _dependent(name: PackageName, required: PackageName) -> Dependent:
    rows = (
        ReleaseRow.select(ReleaseRow.id, ReleaseRow.version)
        .join(RepositoryRow)
        .where(RepositoryRow.name == str(name))
    )
    versions = {row.id: row.version for row in rows}
    requirements = ReleaseRequirementRow.select().where(
        (ReleaseRequirementRow.dependent == str(name))
        & (ReleaseRequirementRow.package == str(required))
    )
    by_extra = requirements.order_by(ReleaseRequirementRow.extra.desc())
    asking = {row.release_id: row for row in by_extra}  # the last counts: without an extra, if any
    yanked = _yanked(name)
    newest_first = sorted(versions, key=lambda one: Version.parse(versions[one]), reverse=True)
    newest = next((one for one in newest_first if one not in yanked), None)
    requiring = [one for one in newest_first if one in asking]
    return Dependent(
        name,
        None if newest is None else versions[newest],
        newest in asking,
        tuple(
            RequiringRelease(
                versions[one], _range_of(asking[one]), asking[one].extra or None, one in yanked
            )
            for one in requiring[:SHOWN_RELEASES]
        ),
        len(requiring),
    )


def _range_of(row: ReleaseRequirementRow) -> str:
    return str(Requirement.of(row.package, row.wanted).range)


def _yanked(package: PackageName) -> set[int]:
    """Return the ids of a package's releases that are yanked now."""
    changes = (
        YankRow.select()
        .join(ReleaseRow)
        .join(RepositoryRow)
        .where(RepositoryRow.name == str(package))
        .order_by(YankRow.revision)
    )
    last = {row.release_id: row for row in changes}
    return {release_id for release_id, row in last.items() if read_yank(row) is not None}


def _bundles_holding(principal: Principal, release: ReleaseRow) -> Any:
    """Return the query for the readable bundles that hold a release, newest first."""
    return (
        BundleRow.select(BundleRow, RepositoryRow)
        .join(BundleReleaseRow)
        .switch(BundleRow)
        .join(RepositoryRow)
        .join(NamespaceRow)
        .where(is_readable(principal) & (BundleReleaseRow.release == release))
        .order_by(BundleRow.created.desc(), BundleRow.id.desc())
    )


def _channels_holding(principal: Principal, release: ReleaseRow) -> Any:
    """Return the query for the readable channels that point to a bundle with a release."""
    holding = BundleReleaseRow.select(BundleReleaseRow.bundle).where(
        BundleReleaseRow.release == release
    )
    return (
        ChannelRow.select(ChannelRow, RepositoryRow)
        .join(RepositoryRow)
        .join(NamespaceRow)
        .where(is_readable(principal) & ChannelRow.bundle.in_(holding))
        .order_by(RepositoryRow.name, ChannelRow.position)
    )


def _holders(principal: Principal, package: PackageName) -> list[Holder]:
    """Return the readable applications with a bundle of the package, by name; one too many."""
    holding = (
        BundleRow.select(BundleRow.repository)
        .join(BundleReleaseRow)
        .join(ReleaseRow)
        .join(RepositoryRow)
        .where(RepositoryRow.name == str(package))
    )
    applications = (
        RepositoryRow.select()
        .join(NamespaceRow)
        .where(is_readable(principal) & RepositoryRow.id.in_(holding))
        .order_by(RepositoryRow.name)
        .limit(LARGEST_PAGE + 1)
    )
    return [_holder(row, package) for row in applications]


def _holder(application: RepositoryRow, package: PackageName) -> Holder:
    rows = (
        BundleReleaseRow.select(BundleReleaseRow, ReleaseRow)
        .join(ReleaseRow)
        .join(RepositoryRow)
        .switch(BundleReleaseRow)
        .join(BundleRow)
        .where((RepositoryRow.name == str(package)) & (BundleRow.repository == application))
    )
    held = {row.bundle_id: row.release.version for row in rows}
    channels = ChannelRow.select().where(ChannelRow.repository == application)
    return Holder(
        PackageName.parse(application.name),
        len(held),
        tuple(sorted(set(held.values()), key=Version.parse, reverse=True)),
        tuple(
            (row.name, held[row.bundle_id])
            for row in channels.order_by(ChannelRow.position)
            if row.bundle_id in held
        ),
    )


def _stranded(principal: Principal, package: PackageName, release: ReleaseRow) -> Any:
    """Return the query for the requirements on a package that nothing but `release` satisfies."""
    yanked = _yanked(package)
    others = [
        Version.parse(row.version)
        for row in releases_of(package)
        if row.id != release.id and row.id not in yanked
    ]
    version = Version.parse(release.version)

    def needs_it(wanted: Range) -> bool:
        return wanted.contains(version) and not any(wanted.contains(other) for other in others)

    asked = (
        ReleaseRequirementRow.select(ReleaseRequirementRow, ReleaseRow, RepositoryRow)
        .join(ReleaseRow)
        .join(RepositoryRow)
        .join(NamespaceRow)
        .where(is_readable(principal) & (ReleaseRequirementRow.package == str(package)))
    )
    written = ReleaseRequirementRow.select(ReleaseRequirementRow.wanted).distinct()
    texts = [row.wanted for row in written.where(ReleaseRequirementRow.package == str(package))]
    needing = [text for text in texts if needs_it(Requirement.of(str(package), text).range)]
    return asked.where(ReleaseRequirementRow.wanted.in_(needing)).order_by(
        RepositoryRow.name, ReleaseRow.id.desc(), ReleaseRequirementRow.extra
    )
