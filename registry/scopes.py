"""Scopes: what a bearer token of Docker's token protocol is for (distribution's spec/auth/scope).

::

    repository:team/etl:pull,push        a repository, and what is done there
    registry:catalog:*                   the list of repositories

Several stand in one text with spaces between. What can't be read, and what there is not, is left
out: a token is given all the same, and says itself what it is for.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from artifacts.errors import InvalidName
from artifacts.reference import RepositoryName

ACTIONS = ("pull", "push", "delete")
"""What may be done with a repository; `*` is all of it."""

_FORM = re.compile(r"(?P<kind>[a-z]+)(?:\([a-z0-9]+\))?:(?P<name>[^\s,]+):(?P<actions>[a-z*,]*)")
_MOST = 200
"""Scopes that are read of one request; a request line is shorter than that many anyway."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A resource, and actions with it in a fixed order."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        """Return `kind:name:actions`."""
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"

    def draw(self) -> dict[str, Any]:
        """Return its member of a token's `access` (distribution's spec/auth/jwt)."""
        return {"type": self.kind, "name": self.name, "actions": list(self.actions)}


CATALOG = Scope("registry", "catalog", ("*",))
"""May list the repositories."""


def of_repository(name: str, *actions: str) -> Scope:
    """Return the scope of `actions` with a repository."""
    return Scope("repository", name, tuple(each for each in ACTIONS if each in actions))


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """Return the scopes that `texts` ask for, each resource once, in order of mention."""
    asked: dict[tuple[str, str], set[str]] = {}
    for text in " ".join(texts).split()[:_MOST]:
        matched = _FORM.fullmatch(text)
        if matched is None:
            continue
        actions = set(matched["actions"].split(","))
        if matched["kind"] == "repository" and is_name(matched["name"]):
            asked.setdefault(("repository", matched["name"]), set()).update(actions)
        elif text == str(CATALOG):
            asked[CATALOG.kind, CATALOG.name] = {"*"}
    return [_scope(kind, name, actions) for (kind, name), actions in asked.items()]


def _scope(kind: str, name: str, actions: set[str]) -> Scope:
    if kind == CATALOG.kind:
        return CATALOG
    return of_repository(name, *(ACTIONS if "*" in actions else actions))


def is_name(text: str) -> bool:
    """Return whether `text` is a repository's name."""
    try:
        RepositoryName(text)
    except InvalidName:
        return False
    return True
