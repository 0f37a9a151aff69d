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
may be pulled by anyone. `attach` is a push of a statement (a referrer) to an application.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from registry.clock import Clock
from registry.database import Database


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
    """Who asks: a name, a role (None: anonymous), a namespace (None: every), and the proof."""

    name: str
    role: Role | None
    namespace: str | None
    proof: Proof
    token_id: str | None = None


ANONYMOUS = Principal("anonymous", None, None, "none")


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
        raise NotImplementedError

    def resume(self, token_id: str) -> Principal:
        """Return the principal of a session that was begun with the token `token_id`.

        Its proof is `session`. The token is read again, so that a revocation ends the session.

        Raises:
            InvalidToken: unknown or revoked by now.
            ExpiredToken: over by now.
        """
        raise NotImplementedError

    def allows(self, principal: Principal, verb: Verb, namespace: str) -> bool:
        """Return whether `principal` may `verb` in `namespace`, which must exist but for admins."""
        raise NotImplementedError

    def require(
        self, principal: Principal, verb: Verb, namespace: str, what: str | None = None
    ) -> None:
        """Refuse unless `principal` may `verb` in `namespace`; `what` names it in the error.

        Raises:
            NotAuthenticated: anonymous, and it isn't public or isn't there.
            NamespaceUnknown: missing, or private to others.
            Denied: it may be read, but the role doesn't allow the verb.
        """
        raise NotImplementedError
