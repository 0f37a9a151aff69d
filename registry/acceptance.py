"""What an application's bundles refuse, as rows say it now; the decision is the resolver's.

(See resolver/acceptance.py, which a client has, too.) That somebody may not read a package is no
matter of these rules: it isn't there for them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from artifacts.reference import PackageName
from registry.access import ANONYMOUS, Access, Principal, Verb, is_readable
from registry.database import Database
from registry.errors import WrongKind
from registry.oci.repositories import Kind, Repositories
from registry.releases import signers_of, yank_of
from registry.schema import NamespaceRow, ReleaseRow, RepositoryRow
from resolver.acceptance import Acceptance, Part


@dataclass(frozen=True, slots=True)
class AcceptanceDocument:
    """The answer to `GET /api/v1/applications/ns/app/acceptance`: RFC 8785 bytes, and their ETag.

    It is for who asked alone, since it names private namespaces that they may read.
    """

    body: bytes
    etag: str


class Acceptances:
    """Reads what applications accept, whether they are there yet or not."""

    def __init__(self, database: Database, access: Access, repositories: Repositories) -> None:
        self._database = database
        self._access = access
        self._repositories = repositories

    def get(self, principal: Principal, application: PackageName) -> Acceptance:
        """Return what bundles of an application refuse of all that a principal may read.

        Where there is no such application yet, the rules are those that its first bundle will find.

        Raises:
            WrongKind: the name is a package or a plain repository.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, application.namespace, str(application))
            exists = self._exists(principal, application)
            names: Any = NamespaceRow.select(NamespaceRow.name).where(
                is_readable(principal) & ~NamespaceRow.is_public
            )
            is_public = is_shown_to_all(self._access, application.namespace)
            return Acceptance.of(
                application,
                exists=exists,
                is_public=is_public,
                private=[name for (name,) in names.tuples()] if is_public else (),
            )

    def document(self, principal: Principal, application: PackageName) -> AcceptanceDocument:
        """Return the same as bytes.

        Raises:
            WrongKind, NotAuthenticated, NamespaceUnknown: as `get`.
        """
        body = self.get(principal, application).encode()
        return AcceptanceDocument(body, f'"{hashlib.sha256(body).hexdigest()}"')

    def _exists(self, principal: Principal, application: PackageName) -> bool:
        row = self._repositories.find(application.repository)
        if row is None or row.kind == Kind.NEW:
            return False
        if row.kind == Kind.APPLICATION:
            return True
        is_seen = row.kind == Kind.PLAIN or self._is_seen_package(principal, row)
        if is_seen:
            raise WrongKind(str(application), found=row.kind, wanted="bundle")
        return False

    def _is_seen_package(self, principal: Principal, row: RepositoryRow) -> bool:
        """Whether a principal may know that a name is a package: what is staged has no name yet."""
        is_listed = ReleaseRow.select().where(ReleaseRow.repository == row).exists()
        name = PackageName.parse(row.name)
        return is_listed or self._repositories.sees_staged(principal, name.repository)


def acceptance_of_parts(
    access: Access, application: PackageName, parts: Iterable[Part], *, exists: bool
) -> Acceptance:
    """Return what bundles of an application refuse, as far as these parts are concerned."""
    is_public = is_shown_to_all(access, application.namespace)
    namespaces = {part.namespace for part in parts} if is_public else set()
    return Acceptance.of(
        application,
        exists=exists,
        is_public=is_public,
        private=(one for one in namespaces if not is_shown_to_all(access, one)),
    )


def is_shown_to_all(access: Access, namespace: str) -> bool:
    """Return whether everybody may read a namespace."""
    return access.allows(ANONYMOUS, Verb.PULL, namespace)


def part_of(release: ReleaseRow) -> Part:
    """Return a listed release, as it is judged."""
    yank = yank_of(release)
    return Part(
        name=release.repository.name,
        version=release.version,
        signers=signers_of(release),
        yanked=None if yank is None else yank.reason,
    )
