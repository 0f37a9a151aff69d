"""Tokens: `rbx_<id>_<secret>`; the secret is random (256 bits) and kept as its sha256 only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.access import Role
from registry.clock import Clock
from registry.database import Database


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret; `namespace` None is every namespace, `expires` None is never."""

    id: str
    name: str
    role: Role
    namespace: str | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made; `text` is shown once and kept nowhere."""

    text: str
    token: Token


class Tokens:
    """Makes, lists and revokes tokens, asked by an operator on the machine: without a principal."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        name: str,
        role: Role,
        namespace: str | None = None,
        expires_in: timedelta | None = None,
        actor: str = "operator",
    ) -> NewToken:
        """Make a token for the principal `name`; tokens of one name are one principal.

        Raises:
            InvalidName: `namespace` isn't one.
            InvalidValue: an empty or overlong name, or an expiry that isn't ahead.
        """
        raise NotImplementedError

    def create_first(self) -> NewToken | None:
        """Make an administrator's token if the server has never had a token, else return None."""
        raise NotImplementedError

    def all(self) -> list[Token]:
        """Return every token, also those expired or revoked, oldest first."""
        raise NotImplementedError

    def revoke(self, token_id: str, actor: str = "operator") -> Token:
        """End a token now; again is no error.

        Raises:
            TokenUnknown: no such id.
        """
        raise NotImplementedError
