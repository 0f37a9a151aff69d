"""Repositories: a name is one thing, a package, an application, or a plain repository."""

from enum import StrEnum

from registry.access import Principal
from registry.oci.tags import Page


class Kind(StrEnum):
    """What a repository's name is. It is `new` until its first manifest decides."""

    NEW = "new"
    PLAIN = "plain repository"
    PACKAGE = "package"
    APPLICATION = "application"


class Repositories:
    """Lists repositories."""

    def page(self, principal: Principal, limit: int | None = None, last: str | None = None) -> Page:
        """Return the names of repositories with something that the principal may see."""
        raise NotImplementedError
