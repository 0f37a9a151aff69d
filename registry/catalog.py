"""The catalog: search, and all that a package's page shows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import ANONYMOUS, Access, Principal, Verb, is_readable
from registry.clock import moment
from registry.database import Database
from registry.errors import InvalidValue, PackageUnknown
from registry.oci.repositories import Kind
from registry.releases import (
    Yank,
    evidence_of,
    metadata_of,
    platforms_of,
    releases_of,
    signers_of,
    yank_of,
)
from registry.schema import (
    BundleReleaseRow,
    ChannelRow,
    NamespaceRow,
    ReleaseRow,
    RepositoryRow,
)
from resolver.version import Version

LARGEST_PAGE = 100
"""Packages in a page of the search at most."""


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """A line of the search: `latest` as in `PackagePage`; `is_proved`: it came with a proof."""

    name: PackageName
    summary: str
    latest: str
    published: datetime
    signers: tuple[str, ...]
    is_proved: bool


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Packages by name; `next` is the cursor of the page that follows, or None."""

    packages: tuple[PackageSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """A listed release; `metadata` is its package.json.

    `proof` is what a signer says of its run, None where there is none; `documents` are those that
    a signer vouches for, by file name (see `registry.admission.Inspection.find_evidence`).
    """

    version: str
    digest: Digest
    size: int
    published: datetime
    revision: int
    yanked: Yank | None
    signers: tuple[str, ...]
    requires: Mapping[str, str]
    python: str
    platforms: Mapping[str, Digest]
    receipt: Digest
    metadata: Mapping[str, Any]
    proof: Mapping[str, Any] | None
    documents: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """A channel whose bundle holds the package, with the version that it holds."""

    application: PackageName
    channel: str
    version: str


@dataclass(frozen=True, slots=True)
class PackagePage:
    """A package with its releases, newest version first, and the channels that it is in.

    `latest` is the newest release that is neither yanked nor a prerelease; where there is none,
    the newest that isn't yanked; else the newest.
    """

    name: PackageName
    summary: str
    public: bool
    latest: ReleaseInfo
    releases: tuple[ReleaseInfo, ...]
    channels: tuple[ChannelUse, ...]


class Catalog:
    """Reads what is listed."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def search(
        self, principal: Principal, query: str = "", cursor: str | None = None, limit: int = 20
    ) -> SearchPage:
        """Return packages that the principal may read, whose name or summary has every word.

        Raises:
            InvalidValue: the limit isn't between 1 and 100.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidValue("limit", str(limit), f"between 1 and {LARGEST_PAGE}")
        found = (
            RepositoryRow.select(RepositoryRow.name)
            .join(NamespaceRow)
            .where(is_readable(principal) & (RepositoryRow.kind == Kind.PACKAGE.value))
        )
        releases = ReleaseRow.select().where(ReleaseRow.repository == RepositoryRow.id)
        found = found.where(fn.EXISTS(releases))
        for word in query.split():
            in_summary = fn.EXISTS(releases.where(ReleaseRow.summary.contains(word)))
            found = found.where(RepositoryRow.name.contains(word) | in_summary)
        if cursor is not None:
            found = found.where(RepositoryRow.name > cursor)
        with self._database.read():
            ordered = found.order_by(RepositoryRow.name).limit(limit + 1)
            names: list[str] = [row.name for row in ordered]
            shown = tuple(_summary(PackageName.parse(name)) for name in names[:limit])
        return SearchPage(shown, names[limit - 1] if len(names) > limit else None)

    def package(self, principal: Principal, package: PackageName) -> PackagePage:
        """Return a package with all that is listed of it.

        Raises:
            PackageUnknown: nothing listed under this name.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, package.namespace, str(package))
            releases = tuple(_release(row) for row in releases_of(package))
            if not releases:
                raise PackageUnknown(str(package))
            latest = _latest(releases)
            return PackagePage(
                name=package,
                summary=str(latest.metadata["summary"]),
                public=self._access.allows(ANONYMOUS, Verb.PULL, package.namespace),
                latest=latest,
                releases=releases,
                channels=_channels(principal, package),
            )


def _summary(package: PackageName) -> PackageSummary:
    latest = _latest(tuple(_release(row) for row in releases_of(package)))
    return PackageSummary(
        package,
        str(latest.metadata["summary"]),
        latest.version,
        latest.published,
        latest.signers,
        latest.proof is not None,
    )


def _latest(releases: tuple[ReleaseInfo, ...]) -> ReleaseInfo:
    """Return the newest that isn't yanked; a prerelease, or a yanked one, only if that is all."""
    good = [release for release in releases if release.yanked is None]
    final = [release for release in good if not Version.parse(release.version).is_prerelease]
    return (final or good or list(releases))[0]


def _release(row: ReleaseRow) -> ReleaseInfo:
    return ReleaseInfo(
        version=row.version,
        digest=Digest.parse(row.manifest.digest),
        size=row.manifest.size,
        published=moment(row.published),
        revision=row.revision,
        yanked=yank_of(row),
        signers=signers_of(row),
        requires=metadata_of(row)["requires"],
        python=metadata_of(row)["python"],
        platforms={platform: one.digest for platform, one in platforms_of(row).items()},
        receipt=Digest.parse(row.receipt),
        metadata=metadata_of(row),
        proof=evidence_of(row)["proof"],
        documents=evidence_of(row)["documents"],
    )


def _channels(principal: Principal, package: PackageName) -> tuple[ChannelUse, ...]:
    """Return the channels that hold a release of the package, of readable applications."""
    holding = (
        BundleReleaseRow.select(BundleReleaseRow.bundle)
        .join(ReleaseRow)
        .join(RepositoryRow)
        .where(RepositoryRow.name == str(package))
    )
    rows = (
        ChannelRow.select()
        .join(RepositoryRow)
        .join(NamespaceRow)
        .where(is_readable(principal) & ChannelRow.bundle.in_(holding))
        .order_by(RepositoryRow.name, ChannelRow.position)
    )
    return tuple(
        ChannelUse(
            PackageName.parse(row.repository.name),
            row.name,
            json.loads(row.bundle.packages)[str(package)],
        )
        for row in rows
        if row.bundle is not None
    )
