"""The sparse index: all that a solver needs of a package, at a revision."""

from dataclasses import dataclass

from artifacts.reference import PackageName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class IndexDocument:
    """`GET /index/ns/name.json`: RFC 8785 bytes, their strong ETag with its quotes, and whether
    any cache may keep it (the namespace is public).
    """

    body: bytes
    etag: str
    revision: int
    public: bool


class Index:
    """Answers from rows; each change of the whole index has the next revision."""

    def revision(self) -> int:
        """Return the revision of the last change; 0 before the first."""
        raise NotImplementedError

    def package_index(
        self, principal: Principal, package: PackageName, as_of: int | None = None
    ) -> IndexDocument:
        """Return a package's releases as they were at the revision `as_of` (None: now).

        Raises:
            PackageUnknown: no listed release at that revision.
            InvalidValue: `as_of` is ahead of the index.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
