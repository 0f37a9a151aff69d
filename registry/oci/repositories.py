"""Repositories: a name is one thing, a package, an application, or a plain repository.

::

    new ──┬── a manifest of a release, under its own name ───────────> package
          ├── a release of another name: a copy ─────────────────────> plain
          ├── any other manifest without a subject ──────────────────> plain
          └── its first bundle, made by the server ──────────────────> application

A package takes releases and what refers to something in it; an application takes only the latter.
A release says its name by its title, so a mirror, or a bundle that was copied with its parts, is
told from a publish.
"""

from enum import StrEnum
from typing import Any

from peewee import fn

from artifacts import media
from artifacts.errors import InvalidManifest, InvalidName
from artifacts.manifest import ImageIndex, ImageManifest
from artifacts.reference import PackageName, RepositoryName
from registry import lookups
from registry.access import Access, Principal, Verb, is_readable, sees_staged
from registry.audit import Audit
from registry.clock import Clock, seconds
from registry.database import Database
from registry.errors import AccessError, WrongKind
from registry.namespaces import Namespaces
from registry.oci.tags import Page, page_of
from registry.schema import ManifestRow, NamespaceRow, RepositoryRow
from registry.switches import Switches


class Kind(StrEnum):
    """What a repository's name is. It is `new` until its first manifest decides."""

    NEW = "new"
    PLAIN = "plain repository"
    PACKAGE = "package"
    APPLICATION = "application"


STAGING_TYPES = frozenset({media.PACKAGE, media.WHEEL_SET, media.STATEMENT})
"""Artifact types that are staged in a repository whose kind isn't known yet."""


def decide_kind(current: Kind, name: RepositoryName, manifest: ImageManifest | ImageIndex) -> Kind:
    """Return what a repository is once it has taken `manifest` from a client.

    Raises:
        InvalidManifest: (artifacts) a release that refers to something.
        WrongKind: the name is something else.
    """
    is_copy = current in {Kind.NEW, Kind.PLAIN} and _is_of_another(name, manifest)
    if manifest.artifact_type == media.PACKAGE and not is_copy:
        if manifest.subject is not None:
            raise InvalidManifest("a release has no subject")
        try:
            PackageName.parse(name.text)
        except InvalidName:
            found = "name without exactly two segments"
            raise WrongKind(name.text, found=found, wanted="release") from None
        if current not in {Kind.NEW, Kind.PACKAGE}:
            raise WrongKind(name.text, found=current, wanted="release")
        return Kind.PACKAGE
    if manifest.subject is not None:
        return current
    if current not in {Kind.NEW, Kind.PLAIN}:
        raise WrongKind(name.text, found=current, wanted="manifest that refers to nothing in it")
    return Kind.PLAIN


def _is_of_another(name: RepositoryName, manifest: ImageManifest | ImageIndex) -> bool:
    """Return whether a release says that it is of a package that isn't `name`."""
    try:
        package = PackageName.parse(manifest.annotations.get(media.TITLE, ""))
    except InvalidName:
        return False
    return str(package) != name.text


class Repositories:
    """Finds, creates and lists repositories."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        namespaces: Namespaces,
        switches: Switches,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._access = access
        self._namespaces = namespaces
        self._switches = switches
        self._audit = audit
        self._clock = clock

    def page(self, principal: Principal, limit: int | None = None, last: str | None = None) -> Page:
        """Return the names of repositories with something that the principal may see."""
        shown = fn.EXISTS(
            ManifestRow.select().where(
                (ManifestRow.repository == RepositoryRow.id)
                & (~ManifestRow.is_staged | sees_staged(principal))
            )
        )
        readable = RepositoryRow.select(RepositoryRow.name).join(NamespaceRow).where(shown)
        with self._database.session():
            queries = [readable.where(way) for way in _ways(principal)]
            return page_of(queries, RepositoryRow.name, limit, last)

    def find(self, name: RepositoryName) -> RepositoryRow | None:
        """Return a repository's row, in a session of the caller's, who asks who may see it."""
        return lookups.repository(name.text)

    def sees_staged(self, principal: Principal, name: RepositoryName) -> bool:
        """Return whether the principal sees what is staged in a repository."""
        return self._access.allows(principal, Verb.SEE_STAGED, name.namespace, name.text)

    def check_push(self, principal: Principal, name: RepositoryName) -> None:
        """Refuse unless the principal may push to a repository, in a session of the caller's.

        An application takes statements of those who may `attach` them, too.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: it may not.
        """
        self._find_for_push(principal, name)

    def may_push(self, principal: Principal, name: RepositoryName) -> bool:
        """Return whether the principal may push to a repository, in a session of the caller's."""
        try:
            self.check_push(principal, name)
        except AccessError:
            return False
        return True

    def may_rely(self, principal: Principal, name: RepositoryName) -> bool:
        """Return whether the principal may push there now, and so rely on what it finds there."""
        return self.may_push(principal, name) and self._switches.read_only() is None

    def open_for_push(self, principal: Principal, name: RepositoryName) -> RepositoryRow:
        """Return a repository's row, made where there is none, in a transaction of the caller's.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not push there.
            ReadOnly: nothing can be written now, however long ago the push began.
        """
        row = self._find_for_push(principal, name)
        self._switches.require_writable()
        return row or self._create(principal, name, Kind.NEW)

    def open_application(
        self, principal: Principal, name: PackageName
    ) -> tuple[RepositoryRow, bool]:
        """Return an application's row, in a transaction of the caller's; True where it is new.

        The caller has checked that the principal may make bundles there.

        Raises:
            WrongKind: the name is a package or a plain repository.
        """
        row = self.find(name.repository)
        if row is None:
            return self._create(principal, name.repository, Kind.APPLICATION), True
        if row.kind == Kind.APPLICATION:
            return row, False
        if row.kind != Kind.NEW:
            raise WrongKind(str(name), found=row.kind, wanted="bundle")
        self.become(row, Kind.APPLICATION)
        return row, True

    def become(self, row: RepositoryRow, kind: Kind) -> None:
        """Settle what a new repository is; what it holds already is staged, or not, with it."""
        row.kind = kind.value
        row.save()
        ManifestRow.update(is_staged=kind is Kind.PACKAGE).where(
            ManifestRow.repository == row
        ).execute()

    def _find_for_push(self, principal: Principal, name: RepositoryName) -> RepositoryRow | None:
        row = self.find(name)
        is_application = row is not None and row.kind == Kind.APPLICATION
        verb = Verb.ATTACH if is_application else Verb.PUSH
        self._access.require(principal, verb, name.namespace, name.text)
        return row

    def _create(self, principal: Principal, name: RepositoryName, kind: Kind) -> RepositoryRow:
        namespace = lookups.namespace(name.namespace)
        if namespace is None:
            # Only an administrator gets here: for others the namespace was unknown before.
            namespace = self._namespaces.add(principal, name.namespace)
        row = RepositoryRow.create(
            namespace=namespace,
            name=name.text,
            kind=kind.value,
            created=seconds(self._clock()),
            created_by=principal.name,
            is_public=namespace.is_public,
        )
        self._audit.record(principal, "repository.create", name.text)
        return row


def _ways(principal: Principal) -> list[Any]:
    """Return where the principal may pull, as conditions that are a range of one index each.

    What is public is asked of the namespace too, by a subquery: PostgreSQL would take a join for
    a second, independent condition, expect few rows, and read and sort all of them.
    """
    if principal.may(Verb.PULL) and principal.namespace is None:
        return [is_readable(principal)]
    home: Any = NamespaceRow.alias()
    is_shown = home.select(home.is_public).where(home.id == RepositoryRow.namespace)
    public = (RepositoryRow.is_public == True) & is_shown  # noqa: E712 - SQL
    if not principal.may(Verb.PULL):
        return [public]
    own = NamespaceRow.select(NamespaceRow.id).where(NamespaceRow.name == principal.namespace)
    return [public, (RepositoryRow.namespace == own) & is_readable(principal)]
