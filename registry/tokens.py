"""Tokens: `rbx_<id>_<secret>`; the secret is random (256 bits) and kept as its sha256 only.

A token has a role, and may be held to one namespace, to some of the role's verbs, and to a time.
Administrators make any; others make narrower ones of their own, for a CI job or a robot, which
carry the same name. These end with the token that they were made with.
"""

import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from artifacts.reference import check_namespace
from registry.access import Principal, Role, Verb, allowed, draw_token, hash_secret
from registry.audit import OPERATOR, Audit
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import Denied, InvalidValue, NotAuthenticated, TokenUnknown
from registry.schema import TokenRow

_LONGEST_NAME = 100
_LONGEST_LIFE = timedelta(days=36_500)
# Who pushes looks at what was pushed, and pushes what belongs to it.
_IMPLIED = {Verb.PUSH: (Verb.SEE_STAGED, Verb.ATTACH)}


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret.

    `namespace` None is every namespace, `verbs` None is all of the role's, `expires` None is never;
    `made_by` is the id of the token that asked for it, None an operator.
    """

    id: str
    name: str
    role: Role
    namespace: str | None
    verbs: tuple[Verb, ...] | None
    made_by: str | None
    created: datetime
    expires: datetime | None
    revoked: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made; `text` is shown once and kept nowhere."""

    text: str
    token: Token


class Tokens:
    """Makes, lists and revokes tokens."""

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
        *,
        verbs: Collection[Verb] | None = None,
        by: Principal = OPERATOR,
    ) -> NewToken:
        """Make a token for the principal `name`; tokens of one name are one principal.

        Raises:
            InvalidName: (artifacts) `namespace` isn't one.
            InvalidValue: an empty or overlong name, verbs that the role doesn't have, or an expiry
                that isn't ahead.
            NotAuthenticated: `by` is nobody.
            Denied: `by` may do less than the token would, or isn't an administrator and asks for
                another name.
        """
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidValue("name", name, f"printable, and 1 to {_LONGEST_NAME} characters")
        if namespace is not None:
            check_namespace(namespace)
        if expires_in is not None and not timedelta() < expires_in <= _LONGEST_LIFE:
            raise InvalidValue("expires", str(expires_in), "ahead, by 100 years at most")
        wanted = None if verbs is None else _check_verbs(role, verbs)
        now = self._clock()
        expires = by.expires if expires_in is None else now + expires_in
        _check_narrower(by, name, wanted or allowed(role), namespace, expires)
        secret = secrets.token_hex(32)
        with self._database.write():
            row = TokenRow.create(
                public_id=secrets.token_hex(6),
                secret_sha256=hash_secret(secret),
                name=name,
                role=role.value,
                namespace=namespace,
                verbs=None if wanted is None else json.dumps(sorted(wanted)),
                made_by=by.token_id,
                created=seconds(now),
                expires=None if expires is None else seconds(expires),
            )
            token = _token(row)
            detail = {
                "name": name,
                "role": role.value,
                "namespace": namespace,
                "verbs": token.verbs,
                "expires": row.expires,
            }
            self._audit.record(by, "token.create", row.public_id, detail)
            return NewToken(draw_token(row.public_id, secret), token)

    def create_first(self) -> NewToken | None:
        """Make an administrator's token if there has never been one, else return None.

        Tokens of other roles that were made before the first start don't count: with these alone
        nobody could do anything.
        """
        with self._database.write():
            if TokenRow.select().where(TokenRow.role == Role.ADMIN.value).exists():
                return None
            return self.create("admin", Role.ADMIN)

    def all(self, by: Principal = OPERATOR) -> list[Token]:
        """Return the tokens that `by` may know of, also those expired or revoked, oldest first.

        An administrator knows those of its namespace, others their own and those made with it.

        Raises:
            NotAuthenticated: `by` is nobody.
        """
        with self._database.session():
            query = TokenRow.select().order_by(TokenRow.id)
            return [_token(row) for row in query if _knows(by, row)]

    def revoke(self, token_id: str, by: Principal = OPERATOR) -> Token:
        """End a token now, and those of the same name that were made with it; again is no error.

        Raises:
            TokenUnknown: no such id, or not one that `by` may know of.
            NotAuthenticated: `by` is nobody.
        """
        with self._database.write():
            row = TokenRow.get_or_none(TokenRow.public_id == token_id)
            if not _knows(by, row) or row is None:
                raise TokenUnknown(token_id)
            pending = [row]
            while pending:
                ended = pending.pop()
                if ended.revoked is None:
                    ended.revoked = seconds(self._clock())
                    ended.save()
                    detail = {"name": ended.name}
                    self._audit.record(by, "token.revoke", ended.public_id, detail)
                made_with_it = TokenRow.select().where(
                    (TokenRow.made_by == ended.public_id) & (TokenRow.name == ended.name)
                )
                pending += list(made_with_it)
            return _token(row)


def _check_verbs(role: Role, verbs: Iterable[Verb]) -> frozenset[Verb]:
    """Return the verbs with those that they imply.

    Raises:
        InvalidValue: none, or one that the role doesn't have.
    """
    wanted = frozenset(verbs)
    rule = f"some of what a {role} may: {', '.join(sorted(allowed(role)))}"
    if not wanted or not wanted <= allowed(role):
        raise InvalidValue("verbs", ", ".join(sorted(wanted - allowed(role))), rule)
    implied = {each for verb in wanted for each in _IMPLIED.get(verb, ())}
    return wanted | (implied & allowed(role))


def _check_narrower(
    by: Principal,
    name: str,
    verbs: frozenset[Verb],
    namespace: str | None,
    expires: datetime | None,
) -> None:
    """Refuse a token that could do what `by` can't.

    Raises:
        NotAuthenticated, Denied: as `Tokens.create`.
    """
    if by.role is None:
        raise NotAuthenticated("a token")
    reason = None
    more = sorted(verb for verb in verbs if not by.may(verb))
    if more:
        reason = f"it would have {', '.join(more)}, which this one has not"
    elif by.namespace not in {None, namespace}:
        reason = f"this one is for {by.namespace} only"
    elif by.expires is not None and (expires is None or expires > by.expires):
        reason = f"it would outlive this one, which ends at {by.expires:%Y-%m-%dT%H:%M:%SZ}"
    elif name != by.name and not by.may(Verb.ADMINISTER):
        reason = f"only an administrator makes tokens for others than {by.name}"
    if reason is not None:
        raise Denied(by.name, "make", f"a token for {name}", reason)


def _knows(by: Principal, row: TokenRow | None) -> bool:
    if by.role is None:
        raise NotAuthenticated("the tokens")
    if row is None:
        return False
    if by.may(Verb.ADMINISTER):
        return by.namespace in {None, row.namespace}
    return by.token_id in {row.public_id, row.made_by}


def _token(row: TokenRow) -> Token:
    verbs = None if row.verbs is None else tuple(Verb(verb) for verb in json.loads(row.verbs))
    return Token(
        id=row.public_id,
        name=row.name,
        role=Role(row.role),
        namespace=row.namespace,
        verbs=verbs,
        made_by=row.made_by,
        created=moment(row.created),
        expires=None if row.expires is None else moment(row.expires),
        revoked=None if row.revoked is None else moment(row.revoked),
    )
