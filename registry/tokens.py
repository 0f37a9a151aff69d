"""Tokens: `rbx_<id>_<secret>`; the secret is random (256 bits) and kept as its sha256 only."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from artifacts.reference import check_namespace
from registry.access import Role, draw_token, hash_secret
from registry.audit import OPERATOR, Audit
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import InvalidValue, TokenUnknown
from registry.schema import TokenRow

_LONGEST_NAME = 100


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

    def __init__(self, database: Database, audit: Audit, clock: Clock) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def create(
        self,
        name: str,
        role: Role,
        namespace: str | None = None,
        expires_in: timedelta | None = None,
    ) -> NewToken:
        """Make a token for the principal `name`; tokens of one name are one principal.

        Raises:
            InvalidName: (artifacts) `namespace` isn't one.
            InvalidValue: an empty or overlong name, or an expiry that isn't ahead.
        """
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidValue("name", name, f"printable, and 1 to {_LONGEST_NAME} characters")
        if namespace is not None:
            check_namespace(namespace)
        if expires_in is not None and expires_in <= timedelta():
            raise InvalidValue("expires", str(expires_in), "ahead")
        secret = secrets.token_hex(32)
        now = self._clock()
        with self._database.write():
            row = TokenRow.create(
                public_id=secrets.token_hex(6),
                secret_sha256=hash_secret(secret),
                name=name,
                role=role.value,
                namespace=namespace,
                created=seconds(now),
                expires=None if expires_in is None else seconds(now + expires_in),
            )
            self._audit.record(
                OPERATOR, "token.create", row.public_id, {"name": name, "role": role.value}
            )
            return NewToken(draw_token(row.public_id, secret), _token(row))

    def create_first(self) -> NewToken | None:
        """Make an administrator's token if there has never been one, else return None.

        Tokens of other roles that were made before the first start don't count: with these alone
        nobody could do anything.
        """
        with self._database.write():
            if TokenRow.select().where(TokenRow.role == Role.ADMIN.value).exists():
                return None
            return self.create("admin", Role.ADMIN)

    def all(self) -> list[Token]:
        """Return every token, also those expired or revoked, oldest first."""
        with self._database.session():
            return [_token(row) for row in TokenRow.select().order_by(TokenRow.id)]

    def revoke(self, token_id: str) -> Token:
        """End a token now; again is no error.

        Raises:
            TokenUnknown: no such id.
        """
        with self._database.write():
            row = TokenRow.get_or_none(TokenRow.public_id == token_id)
            if row is None:
                raise TokenUnknown(token_id)
            if row.revoked is None:
                row.revoked = seconds(self._clock())
                row.save()
                self._audit.record(OPERATOR, "token.revoke", token_id, {"name": row.name})
            return _token(row)


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.public_id,
        name=row.name,
        role=Role(row.role),
        namespace=row.namespace,
        created=moment(row.created),
        expires=None if row.expires is None else moment(row.expires),
        revoked=None if row.revoked is None else moment(row.revoked),
    )
