"""What the views of `/v2/` share."""

from flask import request

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal
from web.access_log import NOTES
from web.api.fields import LONGEST_NUMBER
from web.auth import current_principal
from web.errors import InvalidParameter
from web.services import Services

_LARGEST_PAGE = 1000
_LARGEST_NUMBER = (1 << 63) - 1
_LONGEST_NAME = 255


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
        InvalidParameter: `n` isn't a count.
    """
    text = request.args.get("n")
    return None if text is None else min(_whole("n", text), _LARGEST_PAGE)


def page_start() -> str | None:
    """Return the name after which a page begins (`last`), or None where it is the first.

    It need not be there any more.

    Raises:
        InvalidParameter: `last` is nothing that a name could be.
    """
    text = request.args.get("last")
    if text is not None and not (text.isprintable() and len(text) <= _LONGEST_NAME):
        raise InvalidParameter("last", text, f"up to {_LONGEST_NAME} printable characters")
    return text or None


def page_position() -> int:
    """Return the number after which a page begins (`last`), 0 for the first.

    Raises:
        InvalidParameter: `last` isn't one that was linked.
    """
    return _whole("last", request.args.get("last") or "0")


def _whole(name: str, text: str) -> int:
    """Read a count; one that is longer than any that there could be is as good as the largest."""
    if not (text.isascii() and text.isdigit()):
        raise InvalidParameter(name, text, "a count")
    return int(text) if len(text) <= LONGEST_NUMBER else _LARGEST_NUMBER
