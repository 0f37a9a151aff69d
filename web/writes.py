"""Read-only mode, as requests meet it: refused before anything of them is read."""

from collections.abc import Callable

from flask import request

from registry.switches import Switches

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HARMLESS = frozenset({"oci.post_token"})
"""Endpoints that write nothing, whatever their method is."""


def refuse_writes(switches: Switches) -> Callable[[], None]:
    """Return what is to run before each request of a blueprint.

    It raises `ReadOnly` (registry) where the request would write and nothing can be written.
    """

    def refuse() -> None:
        if request.method not in _SAFE and request.endpoint not in _HARMLESS:
            switches.require_writable()

    return refuse
