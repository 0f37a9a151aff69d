"""Tags of a repository, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from artifacts.reference import RepositoryName
from registry.access import Access, Principal, Verb
from registry.database import Database
from registry.errors import RepositoryUnknown
from registry.schema import ManifestRow, RepositoryRow, TagRow

LARGEST_PAGE = 1000
"""Names in a page at most, whatever a client asks for."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of names in order; `last` is where the next begins (`?last=`), None at the end."""

    names: tuple[str, ...]
    last: str | None


def page_of(queries: Sequence[Any], column: Any, limit: int | None, last: str | None) -> Page:
    """Return the names of `column` that any of `queries` finds after `last`, `limit` at most.

    Each query should be a range of an index in the order of `column`: then the page is read from
    there, and what comes before and after it isn't.
    """
    size = LARGEST_PAGE if limit is None else min(limit, LARGEST_PAGE)
    found: set[str] = set()
    for query in queries:
        after = query if last is None else query.where(column > last)
        found.update(name for (name,) in after.order_by(column).limit(size + 1).tuples())
    names = sorted(found)  # by code points, which is the order of their bytes in UTF-8
    shown = tuple(names[:size])
    return Page(shown, shown[-1] if shown and len(names) > size else None)


class Tags:
    """Lists tags."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def page(
        self,
        principal: Principal,
        repository: RepositoryName,
        limit: int | None = None,
        last: str | None = None,
    ) -> Page:
        """Return tags that the principal may see, after `last`; `limit` or 1,000 at most.

        Raises:
            RepositoryUnknown: there is none, or nothing in it that the principal may see.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.session():
            self._access.require(principal, Verb.PULL, repository.namespace, repository.text)
            row = RepositoryRow.get_or_none(RepositoryRow.name == repository.text)
            if row is None:
                raise RepositoryUnknown(repository.text)
            shown = ManifestRow.select().where(ManifestRow.repository == row)
            query = TagRow.select(TagRow.name).join(ManifestRow).where(TagRow.repository == row)
            namespace, name = repository.namespace, repository.text
            if not self._access.allows(principal, Verb.SEE_STAGED, namespace, name):
                shown = shown.where(~ManifestRow.is_staged)
                query = query.where(~ManifestRow.is_staged)
                if not shown.exists():
                    raise RepositoryUnknown(repository.text)
            return page_of([query], TagRow.name, limit, last)
