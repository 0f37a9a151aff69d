"""Publishing: a staged manifest becomes a listed release; yank and unyank."""

from dataclasses import dataclass
from datetime import datetime

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class Admission:
    """A listed release; `created` is False when these bytes were listed already."""

    name: PackageName
    version: str
    digest: Digest
    receipt: Digest
    revision: int
    created: bool


@dataclass(frozen=True, slots=True)
class Yank:
    """Why and when a release was yanked, and by whom."""

    reason: str
    at: datetime
    by: str


class Publishing:
    """Admits releases to the index."""

    def admit(self, principal: Principal, package: PackageName, digest: Digest) -> Admission:
        """Check everything about a staged release and list it, with a receipt.

        Raises:
            ManifestUnknown: it was not pushed.
            InvalidRelease: it isn't what a release must be.
            Untrusted: no good signature by a key of the namespace with the role `release`.
            ReleaseExists: the version is listed with other bytes.
            WrongKind: the name is an application or a plain repository.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not admit there.
        """
        raise NotImplementedError

    def yank(self, principal: Principal, package: PackageName, version: str, reason: str) -> Yank:
        """Take a release out of what a solver may choose; locks that pin it still work.

        Raises:
            ReleaseUnknown: not listed.
            InvalidValue: the reason is empty or over 500 characters.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        raise NotImplementedError

    def unyank(self, principal: Principal, package: PackageName, version: str) -> None:
        """Take a yank back; one that isn't yanked is no error.

        Raises:
            ReleaseUnknown: not listed.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        raise NotImplementedError
