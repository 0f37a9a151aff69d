"""Namespaces: who owns one, whether it is public, and the public keys that sign in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.access import Access, Principal
from registry.clock import Clock
from registry.database import Database

KEY_ROLES = ("release", "promote")
"""What a key may sign: releases, and bundles for promotion."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace; `owner` is the name of the principal that created it."""

    name: str
    public: bool
    owner: str
    created: datetime


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

    def __init__(self, database: Database, access: Access, clock: Clock) -> None:
        self._database = database
        self._access = access
        self._clock = clock

    def create(self, principal: Principal, name: str, *, public: bool = False) -> Namespace:
        """Create `name`, owned by `principal`: an admin, or a publisher whose token covers it.

        Raises:
            InvalidName: not a namespace's name.
            NamespaceExists: it is taken.
            NotAuthenticated, Denied: the principal may not.
        """
        raise NotImplementedError

    def visible(self, principal: Principal) -> list[Namespace]:
        """Return the namespaces that `principal` may read, by name."""
        raise NotImplementedError

    def get(self, principal: Principal, name: str) -> Namespace:
        """Return one that `principal` may read.

        Raises:
            NotAuthenticated, NamespaceUnknown: it may not, or there is none.
        """
        raise NotImplementedError

    def set_public(self, principal: Principal, name: str, *, public: bool) -> Namespace:
        """Make it public or private; asked by its owner or an admin.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        raise NotImplementedError

    def add_key(
        self, principal: Principal, name: str, armored: str, roles: Sequence[str] = KEY_ROLES
    ) -> NamespaceKey:
        """Add one public key (armoured); the same again updates its roles.

        Raises:
            InvalidKey: not exactly one public key, a secret or weak or expired one.
            InvalidValue: a role outside of `KEY_ROLES`, or none.
            NotAuthenticated, NamespaceUnknown, Denied: not by its owner or an admin.
        """
        raise NotImplementedError

    def keys(self, principal: Principal, name: str) -> list[NamespaceKey]:
        """Return its keys, oldest first.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read it.
        """
        raise NotImplementedError

    def keyring(self, principal: Principal, name: str) -> str:
        """Return its public keys, armoured, one block after another ("" when it has none).

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read it.
        """
        raise NotImplementedError
