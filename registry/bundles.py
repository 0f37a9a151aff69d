"""Bundles: an image index of a lock and all that it pins, in the application's repository."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle: its digest, the size of its index in bytes, and the versions it pins by name."""

    application: PackageName
    digest: Digest
    size: int
    packages: Mapping[str, str]
    created: datetime
    created_by: str


class Bundles:
    """Makes bundles from locks."""

    def create(self, principal: Principal, application: PackageName, lock_text: str) -> Bundle:
        """Make the bundle of a lock; the same lock gives the same bundle.

        The first creates the application. Its client signs the bundle afterwards, by a statement
        referrer of kind `bundle`.

        Raises:
            InvalidBundle: not a lock, or parts that are missing, yanked, unsigned or different.
            WrongKind: the name is a package or a plain repository.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        raise NotImplementedError

    def get(self, principal: Principal, application: PackageName, digest: Digest) -> Bundle:
        """Return one.

        Raises:
            BundleUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
