"""Requests that would write and may not, refused before anything of their bodies is read."""

from collections.abc import Callable

from flask import request

from registry.access import Access
from registry.errors import NotAuthenticated
from registry.switches import Switches
from web.auth import current_principal

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HARMLESS = frozenset({"oci.post_token", "api.solve"})
"""Endpoints that write nothing, whatever their method is."""


def refuse_writes(switches: Switches) -> Callable[[], None]:
    """Return what is to run before each request of a blueprint.

    It raises `ReadOnly` (registry) where the request would write and nothing can be written.
    """

    def refuse() -> None:
        if request.method not in _SAFE and request.endpoint not in _HARMLESS:
            switches.require_writable()

    return refuse


def refuse_strangers(access: Access) -> Callable[[], None]:
    """Return what is to run before each request of a blueprint in which nobody writes unnamed.

    A body that is only waited for to be refused holds a thread for as long as its sender likes. It
    raises `NotAuthenticated` or `InvalidToken` (registry).
    """

    def refuse() -> None:
        if request.method in _SAFE or request.endpoint in _HARMLESS:
            return
        if current_principal(access).role is None:
            raise NotAuthenticated(request.path)

    return refuse
