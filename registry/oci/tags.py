"""Tags of a repository, in pages."""

from dataclasses import dataclass

from artifacts.reference import RepositoryName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class Page:
    """A page of names in order; `last` is where the next begins (`?last=`), None at the end."""

    names: tuple[str, ...]
    last: str | None


class Tags:
    """Lists tags."""

    def page(
        self,
        principal: Principal,
        repository: RepositoryName,
        limit: int | None = None,
        last: str | None = None,
    ) -> Page:
        """Return tags that the principal may see, after `last`, `limit` at most.

        Raises:
            RepositoryUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
