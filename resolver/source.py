"""Where a solver reads the index: a protocol, its twin in memory, and the JSON that travels.

`GET /index/team/etl.json` answers, in RFC 8785 bytes::

    {
      "schema_version": 1,
      "name": "team/etl",
      "revision": 12,                      at which this answer last changed
      "releases": [                        newest version first
        {
          "version": "1.2.3",
          "digest": "sha256:…",            of the release's manifest
          "size": 1234,                    of the manifest, in bytes
          "requires": [{"package": "team/clean", "range": "^1.2", "extras": []}],
          "extras": {"gpu": [...]},        not there where it has none; as `requires`
          "python": ">=3.11",              PEP 440; empty is any
          "platforms": {                   empty where it needs no wheels
            "linux/amd64": {"digest": "sha256:…", "size": 567}
          },
          "yanked": null,                  or {"reason": "…", "at": "2026-01-02T03:04:05Z"}
          "signers": ["ABCD…"],            fingerprints of primary keys
          "published": "2026-01-02T03:04:05Z"
        }
      ]
    }
"""

import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from artifacts.manifest import encode
from artifacts.reference import PackageName
from resolver.candidate import Candidate, WheelSet, Yank, utc_text
from resolver.errors import (
    InvalidIndex,
    InvalidRequirement,
    SelfRequirement,
    UnsupportedSchema,
)
from resolver.requirement import Requirement

SCHEMA_VERSION: Final = 1
"""The version of the index's format that is written and understood."""


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """Every listed release of a package, newest first; `revision` is when that last changed."""

    name: PackageName
    revision: int
    releases: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        """Sort the releases, newest first.

        Raises:
            InvalidIndex: a release of another package, or a version that is listed twice.
        """
        newest_first = sorted(self.releases, key=lambda one: one.version, reverse=True)
        for one in newest_first:
            if one.name != self.name:
                raise InvalidIndex(str(self.name), f"it lists {one}, of another package")
        for one, following in itertools.pairwise(newest_first):
            if one.version == following.version:
                raise InvalidIndex(str(self.name), f"it lists {one.version} twice")
        object.__setattr__(self, "releases", tuple(newest_first))


@dataclass(frozen=True, slots=True)
class Origin:
    """Another index than the main one: its address, and the revision of it that is solved."""

    address: str
    revision: int


class IndexSource(Protocol):
    """The index at one revision. Reading may take time; it never gives two revisions in one."""

    @property
    def revision(self) -> int:
        """The revision of the whole index that all answers are of."""
        ...

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package, or None where it isn't, or may not be read."""
        ...


@runtime_checkable
class NamingSource(Protocol):
    """A source that can also list names, which an explanation offers for a mistyped one."""

    def list_names(self) -> Collection[PackageName]:
        """Return the names that may be read."""
        ...


@runtime_checkable
class ReadAheadSource(Protocol):
    """A source that can read several packages at once, before each is asked for."""

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        """Begin to read these packages; `find_index` has the last word on each."""
        ...


@runtime_checkable
class SeveralSources(Protocol):
    """A source that reads several indexes, each of a revision of its own."""

    def find_address(self, package: PackageName) -> str | None:
        """Return the address of the index that a package is read from; None: the main one."""
        ...

    def find_origin(self, package: PackageName) -> Origin | None:
        """Return that address with the revision of that index; None: the main one."""
        ...


@dataclass(frozen=True, slots=True)
class Reserved:
    """An index at `address` that names beginning with one of `prefixes` are read from, and only.

    A prefix is a namespace with its slash, and may go on: `team/`, `team/private-`.
    """

    address: str
    prefixes: tuple[str, ...]
    source: IndexSource


class ReservedSource:
    """Several indexes, of which each name has one: no name is ever looked up in a second.

    A name that begins with a reserved prefix is of that prefix's index, the longest prefix first,
    and isn't there where that index doesn't have it: whoever publishes the same name elsewhere gets
    nothing by it (dependency confusion). All others are of `other`, whose revision is the whole's.
    """

    def __init__(self, other: IndexSource, reserved: Iterable[Reserved]) -> None:
        self._other = other
        by_prefix = ((prefix, one) for one in reserved for prefix in one.prefixes)
        self._by_prefix = dict(sorted(by_prefix, key=lambda each: -len(each[0])))

    @property
    def revision(self) -> int:
        """The revision of the source without a prefix."""
        return self._other.revision

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package in the one source that it may come from."""
        return self._source_of(package).find_index(package)

    def list_names(self) -> Collection[PackageName]:
        """Return the names of every source that can list its own, of each only those it gives."""
        sources = [
            self._other,
            *{id(one.source): one.source for one in self._by_prefix.values()}.values(),
        ]
        return [
            name
            for source in sources
            if isinstance(source, NamingSource)
            for name in source.list_names()
            if self._source_of(name) is source
        ]

    def find_address(self, package: PackageName) -> str | None:
        """Return the address of the index that a name is reserved for; None where it is not."""
        reserved = self._find(package)
        return None if reserved is None else reserved.address

    def find_origin(self, package: PackageName) -> Origin | None:
        """Return that address with the revision of its index; None where it is not reserved."""
        reserved = self._find(package)
        return None if reserved is None else Origin(reserved.address, reserved.source.revision)

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        """Pass on what will be asked for, each name to its own source, if that can read ahead."""
        of_source: dict[int, tuple[IndexSource, list[PackageName]]] = {}
        for package in packages:
            source = self._source_of(package)
            of_source.setdefault(id(source), (source, []))[1].append(package)
        for source, names in of_source.values():
            if isinstance(source, ReadAheadSource):
                source.read_ahead(names)

    def _source_of(self, package: PackageName) -> IndexSource:
        reserved = self._find(package)
        return self._other if reserved is None else reserved.source

    def _find(self, package: PackageName) -> Reserved | None:
        name = str(package)
        return next(
            (one for prefix, one in self._by_prefix.items() if name.startswith(prefix)), None
        )


class MemorySource:
    """An index in memory."""

    def __init__(self, indexes: Iterable[PackageIndex], revision: int | None = None) -> None:
        self._indexes = {index.name: index for index in indexes}
        latest = max((index.revision for index in self._indexes.values()), default=0)
        self._revision = latest if revision is None else revision

    @property
    def revision(self) -> int:
        """The revision given, or that of the package that changed last."""
        return self._revision

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package, or None where there is none of that name."""
        return self._indexes.get(package)

    def list_names(self) -> Collection[PackageName]:
        """Return all names."""
        return self._indexes.keys()


def parse_index(data: bytes) -> PackageIndex:
    """Read the JSON of a package's index.

    Raises:
        UnsupportedSchema: it has another schema version.
        InvalidIndex: it isn't JSON, a member is missing, unknown, repeated or wrong, a version is
            listed twice, or a release requires its own package or another one twice.
    """
    from resolver import documents

    drawn = _read_object(data)
    document = documents.read(documents.IndexDocument, drawn, InvalidIndex)
    releases: list[Candidate] = []
    for position, release in enumerate(document.releases):
        try:
            releases.append(_candidate(document.name, release))
        except (SelfRequirement, InvalidRequirement) as error:
            raise InvalidIndex(f"releases[{position}].requires", str(error)) from error
    return PackageIndex(document.name, document.revision, tuple(releases))


def index_document(index: PackageIndex) -> dict[str, Any]:
    """Return the JSON object of a package's index, as the module draws it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": str(index.name),
        "revision": index.revision,
        "releases": [
            {
                "version": str(release.version),
                "digest": str(release.digest),
                "size": release.size,
                "requires": _drawn(release.requires),
                **_extras_member(release),
                "python": release.python,
                "platforms": {
                    platform: {"digest": str(wheels.digest), "size": wheels.size}
                    for platform, wheels in sorted(release.platforms.items())
                },
                "yanked": None
                if release.yanked is None
                else {"reason": release.yanked.reason, "at": utc_text(release.yanked.at)},
                "signers": list(release.signers),
                "published": utc_text(release.published),
            }
            for release in index.releases
        ],
    }


def _drawn(requires: Iterable[Requirement]) -> list[dict[str, Any]]:
    return [
        {
            "package": str(requirement.package),
            "range": str(requirement.range),
            "extras": list(requirement.extras),
        }
        for requirement in requires
    ]


def _extras_member(release: Candidate) -> dict[str, Any]:
    if not release.extras:
        return {}
    return {"extras": {extra: _drawn(group) for extra, group in release.extras.items()}}


def encode_index(index: PackageIndex) -> bytes:
    """Return the RFC 8785 bytes of a package's index, which `parse_index` reads."""
    return encode(index_document(index))


def index_schema() -> dict[str, Any]:
    """Return the JSON Schema of a package's index (`/schemas/index.json`)."""
    from resolver import documents

    return documents.schema(documents.IndexDocument, "Index of a package")


def _candidate(name: PackageName, release: Any) -> Candidate:
    return Candidate(
        name=name,
        version=release.version,
        digest=release.digest,
        size=release.size,
        published=release.published,
        requires=_requirements(release.requires),
        python=release.python,
        platforms={
            platform: WheelSet(wheels.digest, wheels.size)
            for platform, wheels in release.platforms.items()
        },
        yanked=None if release.yanked is None else Yank(release.yanked.reason, release.yanked.at),
        signers=tuple(release.signers),
        extras={extra: _requirements(group) for extra, group in release.extras.items()},
    )


def _requirements(group: Any) -> tuple[Requirement, ...]:
    """Return a release's requirements, or those of one of its extras: each package once."""
    requires = tuple(Requirement(one.package, one.range, tuple(one.extras)) for one in group)
    for package, count in Counter(requirement.package for requirement in requires).items():
        if count > 1:
            raise InvalidRequirement(str(package), "it is required twice by one release")
    return requires


def _read_object(data: bytes) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise InvalidIndex("the document", "a member stands twice in one object")
        return members

    try:
        drawn = json.loads(data, object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise InvalidIndex("the document", f"not JSON: {error}") from error
    if not isinstance(drawn, dict):
        raise InvalidIndex("the document", "not a JSON object")
    found = drawn.get("schema_version", SCHEMA_VERSION)
    if type(found) is not int or found != SCHEMA_VERSION:
        raise UnsupportedSchema("package index", found=found, understood=SCHEMA_VERSION)
    return drawn
