"""The catalog: search, and all that a package's page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal
from registry.publish import Yank


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """A line of the search: `latest` is the newest version that isn't yanked, else the newest."""

    name: PackageName
    summary: str
    latest: str
    published: datetime
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Packages by name; `next` is the cursor of the page that follows, or None."""

    packages: tuple[PackageSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """A listed release; `metadata` is its package.json."""

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


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """A channel whose bundle holds the package, with the version that it holds."""

    application: PackageName
    channel: str
    version: str


@dataclass(frozen=True, slots=True)
class PackagePage:
    """A package with its releases, newest version first, and the channels that it is in.

    `latest` is one of the releases.
    """

    name: PackageName
    summary: str
    public: bool
    latest: ReleaseInfo
    releases: tuple[ReleaseInfo, ...]
    channels: tuple[ChannelUse, ...]


class Catalog:
    """Reads what is listed."""

    def search(
        self, principal: Principal, query: str = "", cursor: str | None = None, limit: int = 20
    ) -> SearchPage:
        """Return packages that the principal may read, whose name or summary has every word.

        Raises:
            InvalidValue: the limit isn't between 1 and 100.
        """
        raise NotImplementedError

    def package(self, principal: Principal, package: PackageName) -> PackagePage:
        """Return a package with all that is listed of it.

        Raises:
            PackageUnknown: nothing listed under this name.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
