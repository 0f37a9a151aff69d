"""The sparse index: all that a solver needs of a package, at a revision.

The format is drawn in resolver/source.py. Nothing is ever changed in place: a release and each
change of its yank have the revision at which they came, so that any earlier index can be told.
"""

import hashlib
from dataclasses import dataclass

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import ANONYMOUS, Access, Principal, Verb
from registry.clock import moment
from registry.database import Database
from registry.errors import InvalidValue, PackageUnknown
from registry.releases import (
    extras_of,
    index_revision,
    last_yank_row,
    metadata_of,
    platforms_of,
    read_yank,
    releases_of,
    requirements_of,
    signers_of,
)
from registry.schema import ReleaseRow, YankRow
from resolver.candidate import Candidate
from resolver.candidate import Yank as IndexYank
from resolver.source import PackageIndex, encode_index
from resolver.version import Version


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """The answer to `GET /index/ns/name.json`.

    `body` is RFC 8785 bytes, `etag` their strong ETag with its quotes, and `public` says whether
    any cache may keep them (the namespace is public).
    """

    body: bytes
    etag: str
    revision: int
    public: bool


class Index:
    """Answers from rows; each change of the whole index has the next revision."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def revision(self) -> int:
        """Return the revision of the last change; 0 before the first."""
        with self._database.session():
            return index_revision()

    def package_index(
        self, principal: Principal, package: PackageName, as_of: int | None = None
    ) -> IndexDocument:
        """Return a package's releases as they were at the revision `as_of` (None: now).

        Raises:
            PackageUnknown: no listed release at that revision.
            InvalidValue: `as_of` is ahead of the index.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            index = self.releases(principal, package, as_of)
            is_public = self._access.allows(ANONYMOUS, Verb.PULL, package.namespace)
        body = encode_index(index)
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        return IndexDocument(body, etag, index.revision, is_public)

    def releases(
        self, principal: Principal, package: PackageName, as_of: int | None = None
    ) -> PackageIndex:
        """Return the same as values.

        Raises:
            PackageUnknown, InvalidValue, NotAuthenticated, NamespaceUnknown: as `package_index`.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, package.namespace, str(package))
            current = index_revision()
            limit = current if as_of is None else as_of
            if not 0 <= limit <= current:
                raise InvalidValue("as_of", str(as_of), f"a revision between 0 and {current}")
            rows = [
                (row, last_yank_row(row, limit))
                for row in releases_of(package)
                if row.revision <= limit
            ]
            if not rows:
                raise PackageUnknown(str(package))
            changes = [row.revision for row, _ in rows]
            changes += [yank.revision for _, yank in rows if yank is not None]
            found = tuple(_candidate(package, row, yank) for row, yank in rows)
        return PackageIndex(package, max(changes), found)


def _candidate(package: PackageName, row: ReleaseRow, yank_row: YankRow | None) -> Candidate:
    yank = read_yank(yank_row)
    return Candidate(
        name=package,
        version=Version.parse(row.version),
        digest=Digest.parse(row.manifest.digest),
        size=row.manifest.size,
        published=moment(row.published),
        requires=requirements_of(row),
        python=metadata_of(row)["python"],
        platforms=platforms_of(row),
        yanked=None if yank is None else IndexYank(yank.reason, yank.at),
        signers=signers_of(row),
        extras=extras_of(row),
    )
