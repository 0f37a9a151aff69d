"""What the views of `/v2/` share."""

from flask import request

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal
from web.access_log import NOTES
from web.api.fields import LONGEST_NUMBER
from web.auth import current_principal
from web.errors import InvalidFields
from web.services import Services

_LARGEST_PAGE = 1000


class OciViews:
    """Base of the views: the services, and how a request's parts are read and noted."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry = services.registry

    def principal(self) -> Principal:
        """Return who asks."""
        return current_principal(self._registry.access, self._registry.bearer)

    @staticmethod
    def repository(name: str) -> RepositoryName:
        """Read a repository's name.

        Raises:
            InvalidName: it isn't one.
        """
        repository = RepositoryName(name)
        request.environ[NOTES]["repository"] = name
        return repository

    @staticmethod
    def digest(text: str) -> Digest:
        """Read a digest.

        Raises:
            InvalidDigest: it isn't one.
        """
        digest = Digest.parse(text)
        request.environ[NOTES]["digest"] = text
        return digest


def page_limit() -> int | None:
    """Return how many entries a page may have (`n`), or None where that wasn't said.

    Raises:
        InvalidFields: `n` isn't a number.
    """
    text = request.args.get("n")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER):
        raise InvalidFields([{"where": "n", "message": f"not a number: {text[:40]!r}"}])
    return min(int(text), _LARGEST_PAGE)
