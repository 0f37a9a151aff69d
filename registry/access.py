"""Who may do what: principals, roles and verbs. Rights are read for each request.

=============  =====  =========  ========  ======  =========
verb           admin  publisher  promoter  reader  anonymous
=============  =====  =========  ========  ======  =========
pull           yes    yes        yes       yes     if public
see_staged     yes    yes        no        no      no
push           yes    yes        no        no      no
attach         yes    yes        yes       no      no
delete         yes    yes        no        no      no
admit          yes    yes        no        no      no
yank           yes    yes        no        no      no
own            yes    owner      owner     no      no
bundle         yes    no         yes       no      no
promote        yes    no         yes       no      no
administer     yes    no         no        no      no
=============  =====  =========  ========  ======  =========

Each but an administrator's within the token's namespace, or in all when it has none; what is public
may be pulled by anyone. `attach` is a push of a statement (a referrer) to an application. A token
may be narrower than its role (`verbs`), and a bearer token of Docker's protocol narrower than the
token that it came from (`scopes`): neither ever adds anything.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from peewee import SQL

from registry import lookups
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import (
    Denied,
    ExpiredToken,
    InvalidToken,
    NamespaceUnknown,
    NotAuthenticated,
    OutOfScope,
    RegistryError,
)
from registry.schema import EndedSessionRow, NamespaceRow
from registry.scopes import CATALOG, Scope


class Role(StrEnum):
    """What a token may do at most."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    PROMOTER = "promoter"
    READER = "reader"


class Verb(StrEnum):
    """What is asked for, within a namespace."""

    PULL = "pull"
    SEE_STAGED = "see_staged"
    PUSH = "push"
    ATTACH = "attach"
    DELETE = "delete"
    ADMIT = "admit"
    YANK = "yank"
    OWN = "own"
    BUNDLE = "bundle"
    PROMOTE = "promote"
    ADMINISTER = "administer"


Proof = Literal["none", "token", "session"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a name, a role (None: anonymous), a namespace (None: every), and the proof.

    `expires` is when the proof ends by itself (None: never). `verbs` narrows the role (None: all
    of it); `scopes` narrows further, to the repositories and actions of a bearer token (None: it
    isn't one).
    """

    name: str
    role: Role | None
    namespace: str | None
    proof: Proof
    token_id: str | None = None
    expires: datetime | None = field(default=None, compare=False)
    verbs: frozenset[Verb] | None = None
    scopes: frozenset[Scope] | None = None

    def may(self, verb: Verb) -> bool:
        """Return whether the role has the verb, and the token wasn't made narrower than that."""
        return verb in allowed(self.role) and (self.verbs is None or verb in self.verbs)

    def reaches(self, verb: Verb, namespace: str, repository: str | None) -> bool:
        """Return whether a bearer token is for the verb in a repository (None: in any there)."""
        if self.scopes is None:
            return True
        action = _ACTIONS.get(verb)
        return any(
            scope.kind == "repository"
            and action in scope.actions
            and (
                scope.name.partition("/")[0] == namespace
                if repository is None
                else scope.name == repository
            )
            for scope in self.scopes
        )


ANONYMOUS = Principal("anonymous", None, None, "none")


_PULL = frozenset({Verb.PULL})
_ALLOWED: dict[Role | None, frozenset[Verb]] = {
    None: frozenset(),
    Role.READER: _PULL,
    Role.PROMOTER: _PULL | {Verb.ATTACH, Verb.OWN, Verb.BUNDLE, Verb.PROMOTE},
    Role.PUBLISHER: _PULL
    | {Verb.SEE_STAGED, Verb.PUSH, Verb.ATTACH, Verb.DELETE, Verb.ADMIT, Verb.YANK, Verb.OWN},
    Role.ADMIN: frozenset(Verb),
}
# What of a bearer token's scope each verb is; it is for nothing else.
_ACTIONS = {
    Verb.PULL: "pull",
    Verb.SEE_STAGED: "pull",
    Verb.PUSH: "push",
    Verb.ATTACH: "push",
    Verb.DELETE: "delete",
}
TOKEN_PREFIX = "rbx_"  # noqa: S105 - what tells a token from others
"""How every API token begins, so that scanners for secrets find it."""

_TOKEN = re.compile(r"rbx_([0-9a-f]{12})_([0-9a-f]{64})")


def allowed(role: Role | None) -> frozenset[Verb]:
    """Return what a role may do at most."""
    return _ALLOWED[role]


def covers(principal: Principal, namespace: str) -> bool:
    """Return whether the principal's token is good for `namespace`."""
    return principal.role is not None and principal.namespace in {None, namespace}


def draw_token(public_id: str, secret: str) -> str:
    """Return a token's text: `rbx_`, 12 hex digits, `_`, 64 hex digits."""
    return f"rbx_{public_id}_{secret}"


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret. It is random, so that no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Access:
    """Decides who asks, and whether they may."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def authenticate(self, token: str) -> Principal:
        """Return whose token `rbx_<id>_<secret>` this is.

        Raises:
            InvalidToken: not a token, unknown, revoked, or with another secret.
            ExpiredToken: it is over.
        """
        matched = _TOKEN.fullmatch(token)
        if matched is None:
            raise InvalidToken("it isn't one (expected rbx_ID_SECRET)")
        public_id, secret = matched.groups()
        return self._principal(public_id, secret, "token")

    def resume(self, token_id: str, session_id: str) -> Principal:
        """Return the principal of the session `session_id`, begun with the token `token_id`.

        Its proof is `session`. The token is read again, so that a revocation ends the session.

        Raises:
            InvalidToken: unknown or revoked by now, or the session was ended.
            ExpiredToken: over by now.
        """
        with self._database.session():
            ended = EndedSessionRow.select().where(EndedSessionRow.session_id == session_id)
            if ended.exists():
                raise InvalidToken("the session was ended")
            return self._principal(token_id, None, "session")

    def recognise(self, token_id: str, expires: datetime, scopes: frozenset[Scope]) -> Principal:
        """Return the principal of a bearer token, made with the token `token_id`.

        The token is read again, so that a revocation ends what was made with it.

        Raises:
            InvalidToken: unknown or revoked by now.
            ExpiredToken: over by now.
        """
        principal = self._principal(token_id, None, "token")
        sooner = expires if principal.expires is None else min(expires, principal.expires)
        return replace(principal, expires=sooner, scopes=scopes)

    def allows(
        self, principal: Principal, verb: Verb, namespace: str, repository: str | None = None
    ) -> bool:
        """Return whether `principal` may `verb` in `namespace`, which must exist but for admins.

        A bearer token is asked about the `repository`; without one, about any there.
        """
        return self._refusal(principal, verb, namespace, repository) is None

    def require_catalog(self, principal: Principal) -> None:
        """Refuse a bearer token that isn't for the list of repositories.

        Raises:
            OutOfScope: it is for something else.
        """
        if principal.scopes is not None and CATALOG not in principal.scopes:
            raise OutOfScope("the catalog", "list")

    def require(
        self, principal: Principal, verb: Verb, namespace: str, what: str | None = None
    ) -> None:
        """Refuse unless `principal` may `verb` in `namespace`; `what` names it in the error.

        Raises:
            NotAuthenticated: anonymous, and it isn't public or isn't there.
            NamespaceUnknown: missing, or private to others.
            Denied: it may be read, but the role doesn't allow the verb.
            OutOfScope: the principal may, but its bearer token is for something else.
        """
        refusal = self._refusal(principal, verb, namespace, what)
        if refusal is not None:
            raise refusal

    def _refusal(
        self, principal: Principal, verb: Verb, namespace: str, repository: str | None
    ) -> RegistryError | None:
        what = repository or namespace
        is_covered = covers(principal, namespace)
        refusal: RegistryError | None = None
        if not (is_covered and principal.role is Role.ADMIN and principal.may(verb)):
            with self._database.session():
                row = lookups.namespace(namespace)
            is_public = row is not None and row.is_public
            if verb is Verb.PULL and is_public:
                return None
            if principal.role is None:
                return NotAuthenticated(what)
            if row is None or not (is_public or is_covered):
                return NamespaceUnknown(namespace)
            reason = _reason(principal, verb, row)
            refusal = None if reason is None else Denied(principal.name, verb, what, reason)
        if refusal is None and not principal.reaches(verb, namespace, repository):
            return OutOfScope(what, verb)
        return refusal

    def _principal(self, public_id: str, secret: str | None, proof: Proof) -> Principal:
        with self._database.session():
            row = lookups.token(public_id)
        if row is None or row.revoked is not None:
            raise InvalidToken
        if secret is not None and not hmac.compare_digest(hash_secret(secret), row.secret_sha256):
            raise InvalidToken
        if row.expires is not None and row.expires <= seconds(self._clock()):
            raise ExpiredToken(row.name, moment(row.expires))
        expires = None if row.expires is None else moment(row.expires)
        return Principal(
            row.name,
            Role(row.role),
            row.namespace,
            proof,
            row.public_id,
            expires,
            None if row.verbs is None else frozenset(map(Verb, json.loads(row.verbs))),
        )


def _reason(principal: Principal, verb: Verb, namespace: NamespaceRow) -> str | None:
    """Return why somebody who may read a namespace may not `verb` there, or None if they may."""
    if not covers(principal, namespace.name):
        return f"the token is for {principal.namespace} only"
    if verb not in _ALLOWED[principal.role]:
        return f"its role is {principal.role}"
    if not principal.may(verb):
        return f"the token is for {', '.join(sorted(principal.verbs or ()))} only"
    is_admin = principal.role is Role.ADMIN
    if verb is Verb.OWN and namespace.owner != principal.name and not is_admin:
        return f"the owner is {namespace.owner}"
    return None


def is_readable(principal: Principal) -> Any:
    """Return the condition on `NamespaceRow` that holds where `principal` may pull (SQL)."""
    if not principal.may(Verb.PULL):
        return NamespaceRow.is_public
    if principal.namespace is None:
        return SQL("1 = 1")
    return NamespaceRow.is_public | (NamespaceRow.name == principal.namespace)


def sees_staged(principal: Principal) -> Any:
    """Return the condition on `NamespaceRow` that holds where staged things are seen (SQL)."""
    if not principal.may(Verb.SEE_STAGED):
        return SQL("1 = 0")
    if principal.namespace is None:
        return SQL("1 = 1")
    return NamespaceRow.name == principal.namespace
