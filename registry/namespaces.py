"""Namespaces: who owns one, its settings, and the public keys that sign in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import signing.errors
from artifacts.reference import check_namespace
from registry.access import Access, Principal, Verb, allowed, covers, is_readable
from registry.audit import Audit
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import (
    Denied,
    InvalidKey,
    InvalidValue,
    NamespaceExists,
    NamespaceUnknown,
    NotAuthenticated,
    ShowsPrivate,
)
from registry.oci.immutable import draw_patterns, read_patterns
from registry.retention import Retention, retention_of
from registry.schema import (
    BundleImageRow,
    ManifestRow,
    NamespaceKeyRow,
    NamespaceRow,
    ReleaseRow,
    RepositoryRow,
)
from signing.key import ACCEPTED_KEYS, KeyInfo
from signing.keyring import read_keys

KEY_ROLES = ("release", "promote")
"""What a key may sign: releases, and bundles for promotion."""


LARGEST_QUOTA = 1 << 60
"""Bytes: what every database can count, with room for what is used beside it."""


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """What is set for a namespace; `quota` and `used` are bytes (no quota: None).

    `used` is that of its distinct blobs and manifests.
    """

    quota: int | None
    used: int
    sparse: bool
    immutable_tags: tuple[str, ...]
    retention: Retention | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace; `owner` is the name of the principal that created it.

    `settings` is None for who may only pull what is public there.
    """

    name: str
    public: bool
    owner: str
    created: datetime
    settings: NamespaceSettings | None


class Changes(TypedDict, total=False):
    """Settings to change: those that are there; for `quota` and `retention` None is none."""

    public: bool
    quota: int | None
    sparse: bool
    immutable_tags: Sequence[str]
    retention: Retention | None


@dataclass(frozen=True, slots=True)
class NamespaceKey:
    """A public key of a namespace: primary fingerprint (40 hex digits, upper case), its uses."""

    fingerprint: str
    user_ids: tuple[str, ...]
    roles: tuple[str, ...]
    algorithm: str
    created: datetime
    expires: datetime | None
    added: datetime
    added_by: str


class Namespaces:
    """Creates namespaces and keeps their keys."""

    def __init__(self, database: Database, access: Access, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._audit = audit
        self._clock = clock

    def create(self, principal: Principal, name: str, *, public: bool = False) -> Namespace:
        """Create `name`, owned by `principal`: an admin, or a publisher whose token covers it.

        Raises:
            InvalidName: (artifacts) not a namespace's name.
            NamespaceExists: it is taken.
            NotAuthenticated, Denied: the principal may not.
        """
        check_namespace(name)
        if principal.role is None:
            raise NotAuthenticated(f"the namespace {name}")
        if not (principal.may(Verb.PUSH) and principal.may(Verb.OWN)):
            reason = f"its role is {principal.role}"
            if Verb.PUSH in allowed(principal.role):
                reason = "its token was made narrower than that"
            raise Denied(principal.name, "create", f"the namespace {name}", reason)
        if not covers(principal, name):
            reason = f"the token is for {principal.namespace} only"
            raise Denied(principal.name, "create", f"the namespace {name}", reason)
        with self._database.write():
            if NamespaceRow.select().where(NamespaceRow.name == name).exists():
                raise NamespaceExists(name)
            return _namespace(principal, self.add(principal, name, public=public))

    def add(self, principal: Principal, name: str, *, public: bool = False) -> NamespaceRow:
        """Add the row of a namespace, in a transaction of the caller's, who has checked it."""
        row = NamespaceRow.create(
            name=name, is_public=public, owner=principal.name, created=seconds(self._clock())
        )
        self._audit.record(principal, "namespace.create", name, {"public": public})
        return row

    def visible(self, principal: Principal) -> list[Namespace]:
        """Return the namespaces that `principal` may read, by name."""
        with self._database.session():
            rows = NamespaceRow.select().where(is_readable(principal)).order_by(NamespaceRow.name)
            return [_namespace(principal, row) for row in rows]

    def get(self, principal: Principal, name: str) -> Namespace:
        """Return one that `principal` may read.

        Raises:
            NotAuthenticated, NamespaceUnknown: it may not, or there is none.
        """
        with self._database.session():
            return _namespace(principal, self._row(principal, Verb.PULL, name))

    def set_public(self, principal: Principal, name: str, *, public: bool) -> Namespace:
        """Make it public or private.

        Raises:
            ShowsPrivate, NotAuthenticated, NamespaceUnknown, Denied: as `change`.
        """
        return self.change(principal, name, {"public": public})

    def change(self, principal: Principal, name: str, changes: Changes) -> Namespace:
        """Change settings; asked by its owner or an admin, and the quota by an admin alone.

        A quota may be less than what is used: then nothing more is taken until there is room.

        Raises:
            InvalidValue: nothing to change, a quota that can't be, or a pattern that is none.
            ShowsPrivate: it would be public, and its applications hold packages of private ones.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        values = _columns(changes)
        with self._database.write():
            row = self._row(principal, Verb.OWN, name)
            if "quota" in changes:
                self._access.require(principal, Verb.ADMINISTER, name)
            shown = _private_parts(row) if changes.get("public") else []
            if shown:
                raise ShowsPrivate(name, shown)
            before = {column: getattr(row, column) for column in values}
            # These columns alone: `used_bytes` is counted by others in the meantime.
            NamespaceRow.update(values).where(NamespaceRow.id == row.id).execute()
            if "public" in changes:  # the catalog asks the repositories
                RepositoryRow.update(is_public=changes["public"]).where(
                    RepositoryRow.namespace == row.id
                ).execute()
            detail = {
                column: {"from": before[column], "to": value} for column, value in values.items()
            }
            self._audit.record(principal, "namespace.set", name, detail)
            return _namespace(principal, NamespaceRow.get_by_id(row.id))

    def add_key(
        self, principal: Principal, name: str, armored: str, roles: Sequence[str] = KEY_ROLES
    ) -> NamespaceKey:
        """Add one public key (armoured); the same again updates its roles and material.

        Raises:
            InvalidKey: not exactly one public key, or a weak one; expired or revoked and new.
            InvalidValue: a role outside of `KEY_ROLES`, or none.
            NotAuthenticated, NamespaceUnknown, Denied: not by its owner or an admin.
        """
        self._access.require(principal, Verb.OWN, name)
        if not roles or not set(roles) <= set(KEY_ROLES):
            raise InvalidValue("roles", ",".join(roles), f"some of {', '.join(KEY_ROLES)}")
        key = _read_key(name, armored)
        with self._database.write():
            namespace = self._row(principal, Verb.OWN, name)
            row = NamespaceKeyRow.get_or_none(
                (NamespaceKeyRow.namespace == namespace)
                & (NamespaceKeyRow.fingerprint == key.fingerprint)
            )
            if row is None:
                if key.revoked or key.has_expired(self._clock()):
                    state = "revoked" if key.revoked else "expired"
                    raise InvalidKey(name, f"{key.fingerprint} is {state}")
                row = NamespaceKeyRow(
                    namespace=namespace,
                    fingerprint=key.fingerprint,
                    added=seconds(self._clock()),
                    added_by=principal.name,
                )
            elif row.is_revoked and not key.revoked:
                raise InvalidKey(name, f"{key.fingerprint} was revoked, and stays so")
            row.armored = armored.strip() + "\n"
            row.user_ids = json.dumps(key.user_ids)
            row.roles = json.dumps(sorted(set(roles)))
            row.algorithm = key.algorithm
            row.created = seconds(key.created)
            row.expires = None if key.expires is None else seconds(key.expires)
            row.is_revoked = key.revoked
            row.save()
            self._audit.record(
                principal, "namespace.add_key", name, {"fingerprint": key.fingerprint}
            )
            return _key(row)

    def keys(self, principal: Principal, name: str) -> list[NamespaceKey]:
        """Return its keys, oldest first.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read it.
        """
        with self._database.session():
            return [_key(row) for row in key_rows(self._row(principal, Verb.PULL, name))]

    def keyring(self, principal: Principal, name: str) -> str:
        """Return its public keys, armoured, one block after another ("" when it has none).

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read it.
        """
        with self._database.session():
            rows = key_rows(self._row(principal, Verb.PULL, name))
            return "".join(row.armored for row in rows)

    def _row(self, principal: Principal, verb: Verb, name: str) -> NamespaceRow:
        self._access.require(principal, verb, name)
        row = NamespaceRow.get_or_none(NamespaceRow.name == name)
        if row is None:
            raise NamespaceUnknown(name)
        return row


def key_rows(namespace: NamespaceRow) -> list[NamespaceKeyRow]:
    """Return the keys of a namespace, oldest first."""
    query = NamespaceKeyRow.select().where(NamespaceKeyRow.namespace == namespace)
    return list(query.order_by(NamespaceKeyRow.id))


def _private_parts(namespace: NamespaceRow) -> list[str]:
    """Return the private packages and images of other namespaces that applications of this hold.

    The manifests are asked, not the bundles: what was linked stays when its bundle is deleted.
    """
    return sorted({*_private_packages(namespace), *_private_images(namespace)})


def _private_packages(namespace: NamespaceRow) -> list[str]:
    held, package, home = ManifestRow.alias(), RepositoryRow.alias(), NamespaceRow.alias()
    query: Any = (
        ReleaseRow.select(package.name)
        .join(ManifestRow)
        .join(held, on=(held.digest == ManifestRow.digest))
        .join(RepositoryRow, on=(held.repository == RepositoryRow.id))
        .join_from(ReleaseRow, package, on=(ReleaseRow.repository == package.id))
        .join(home, on=(package.namespace == home.id))
        .where(
            (RepositoryRow.namespace == namespace)
            & (RepositoryRow.kind == "application")
            & (home.id != namespace.id)
            & ~home.is_public
        )
    )
    names: list[str] = [name for (name,) in query.distinct().tuples()]
    return names


def _private_images(namespace: NamespaceRow) -> list[str]:
    held = (ManifestRow.repository == BundleImageRow.application) & (
        ManifestRow.digest == BundleImageRow.digest
    )
    query: Any = (
        BundleImageRow.select(BundleImageRow.repository)
        .join(RepositoryRow)
        .join_from(BundleImageRow, ManifestRow, on=held)
        .where(RepositoryRow.namespace == namespace)
    )
    names: list[str] = [name for (name,) in query.distinct().tuples()]
    homes = {name.partition("/")[0] for name in names} - {namespace.name}
    private = NamespaceRow.select(NamespaceRow.name).where(
        NamespaceRow.name.in_(list(homes)) & ~NamespaceRow.is_public
    )
    hidden = {row.name for row in private}
    return [name for name in names if name.partition("/")[0] in hidden]


def _read_key(namespace: str, armored: str) -> KeyInfo:
    try:
        keys = read_keys(armored)
    except signing.errors.InvalidKey as error:
        raise InvalidKey(namespace, error.reason) from error
    if len(keys) != 1:
        raise InvalidKey(namespace, f"expected one key, found {len(keys)}; add them one by one")
    if keys[0].weakness is not None:
        raise InvalidKey(namespace, f"{keys[0].weakness} is too weak; expected {ACCEPTED_KEYS}")
    return keys[0]


def _columns(changes: Changes) -> dict[str, Any]:
    """Return the columns that hold these settings.

    Raises:
        InvalidValue: as `Namespaces.change`.
    """
    values: dict[str, Any] = {}
    if "public" in changes:
        values["is_public"] = changes["public"]
    if "quota" in changes:
        quota = changes["quota"]
        if quota is not None and not 0 <= quota <= LARGEST_QUOTA:
            raise InvalidValue("quota", str(quota), f"from 0 to {LARGEST_QUOTA} bytes, or none")
        values["quota_bytes"] = quota
    if "sparse" in changes:
        values["is_sparse"] = changes["sparse"]
    if "immutable_tags" in changes:
        values["immutable_tags"] = draw_patterns(changes["immutable_tags"])
    if "retention" in changes:
        rules = changes["retention"]
        values["retention"] = None if rules is None else rules.draw()
    if not values:
        known = ", ".join(Changes.__annotations__)
        raise InvalidValue("settings", "nothing", f"at least one of {known}")
    return values


def _namespace(principal: Principal, row: NamespaceRow) -> Namespace:
    settings = None
    if covers(principal, row.name):
        settings = NamespaceSettings(
            quota=row.quota_bytes,
            used=row.used_bytes,
            sparse=row.is_sparse,
            immutable_tags=read_patterns(row),
            retention=retention_of(row),
        )
    return Namespace(row.name, row.is_public, row.owner, moment(row.created), settings)


def _key(row: NamespaceKeyRow) -> NamespaceKey:
    return NamespaceKey(
        fingerprint=row.fingerprint,
        user_ids=tuple(json.loads(row.user_ids)),
        roles=tuple(json.loads(row.roles)),
        algorithm=row.algorithm,
        created=moment(row.created),
        expires=None if row.expires is None else moment(row.expires),
        added=moment(row.added),
        added_by=row.added_by,
    )
