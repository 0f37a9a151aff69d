"""Bearer tokens of Docker's token protocol: short JWTs that say what they are for.

::

    header   {"alg": "EdDSA", "typ": "JWT", "kid": "..."}
    claims   {"iss": "recipebox", "aud": "recipebox", "sub": "ada", "jti": "...",
              "iat": 1767225600, "nbf": 1767225600, "exp": 1767225900,
              "token": "0123456789ab",
              "access": [{"type": "repository", "name": "team/etl", "actions": ["pull", "push"]}]}

As distribution's spec/auth/jwt has it; `token` is the public id of the API token that it was made
with (never a secret), which is read again for each request, so that a revocation ends both. That of
nobody has an empty `sub` and no `token`: its `access` is a courtesy to clients, since what is
public may be pulled without it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from artifacts.reference import RepositoryName
from registry.access import ANONYMOUS, Access, Principal, Verb
from registry.clock import Clock, moment, seconds
from registry.database import Database
from registry.errors import AccessError, ExpiredToken, InvalidToken, NotFound, UnusableKey
from registry.oci.repositories import Repositories
from registry.private_files import keep_first
from registry.scopes import CATALOG, Scope, of_repository

SERVICE = "recipebox"
"""What issues the tokens, and whom they are for: each registry trusts its own key alone."""

LIFETIME = timedelta(minutes=5)
"""How long a token holds: what a client does in one go; it asks for another without a person."""

LEEWAY = timedelta(seconds=10)
"""How far the clocks of several servers may be apart."""

_ALGORITHM = "EdDSA"
_LARGEST_ACCESS = 4096
"""Bytes of `access` at most: a server reads header lines of 8 KiB, and base64 adds a third."""

_LONGEST = 8192
_REMEMBERED = 1024
_REQUIRED = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti", "access"]


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token just made: its text, when, how long it holds, and what it turned out to be for."""

    text: str
    issued: datetime
    lifetime: timedelta
    scopes: tuple[Scope, ...]


class TokenKey:
    """The Ed25519 key that signs: in `DATA/keys`, made at first start, or a file that was given.

    The file is PEM (PKCS #8), without a passphrase: `openssl genpkey -algorithm ed25519`.
    """

    def __init__(self, folder: Path, given: Path | None = None) -> None:
        self._made = folder / "token.key.pem"
        self._given = given

    def prepare(self) -> None:
        """Make the key if there is none yet, and read it.

        Raises:
            UnusableKey: what is there, or was given, isn't one.
            OSError: the file can't be read or written.
        """
        if self._given is None and not self._made.exists():
            made = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            keep_first(self._made, made)
        _ = self.id

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for another purpose, the same wherever the key is (RFC 5869)."""
        secret = self.private.private_bytes_raw()
        return HKDF(hashes.SHA256(), 32, None, f"recipebox {purpose}".encode()).derive(secret)

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        """The key."""
        path = self._given or self._made
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise UnusableKey(str(path), "an Ed25519 key, PEM, without a passphrase") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableKey(str(path), "an Ed25519 key")
        return key

    @cached_property
    def id(self) -> str:
        """What tokens call it (`kid`): of the public key, so that no two keys share one."""
        public = self.private.public_key().public_bytes_raw()
        return hashlib.sha256(public).hexdigest()[:16]


class Bearer:
    """Makes and reads bearer tokens."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        repositories: Repositories,
        key: TokenKey,
        clock: Clock,
    ) -> None:
        self._database = database
        self._access = access
        self._repositories = repositories
        self._key = key
        self._clock = clock
        # Whether a signature holds doesn't change; all else is checked each time.
        self._read_signed = lru_cache(_REMEMBERED)(self._check_signature)

    def issue(self, principal: Principal, asked: Iterable[Scope]) -> BearerToken:
        """Make a token for what of `asked` the principal may.

        What it may not, or what there is not, is left out without a word; so is what comes after
        the token has become too large for a header.
        """
        now = self._clock().replace(microsecond=0)
        expires = now + LIFETIME
        if principal.expires is not None:
            expires = min(expires, principal.expires)
        scopes: list[Scope] = []
        size = 0
        for scope in asked:
            granted = self._grant(principal, scope)
            size += 0 if granted is None else len(str(granted)) + len('{"type":"","actions":[]}')
            if granted is not None and size <= _LARGEST_ACCESS:
                scopes.append(granted)
        claims: dict[str, Any] = {
            "iss": SERVICE,
            "aud": SERVICE,
            "sub": "" if principal.role is None else principal.name,
            "iat": seconds(now),
            "nbf": seconds(now),
            "exp": seconds(expires),
            "jti": secrets.token_hex(16),
            "access": [scope.draw() for scope in scopes],
        }
        if principal.token_id is not None:
            claims["token"] = principal.token_id
        text = jwt.encode(
            claims, self._key.private, algorithm=_ALGORITHM, headers={"kid": self._key.id}
        )
        return BearerToken(text, now, expires - now, tuple(scopes))

    def read(self, text: str) -> Principal:
        """Return whose token this is, held to what it is for.

        Raises:
            InvalidToken: not one of this registry's, or what it was made with is revoked.
            ExpiredToken: it is over, or what it was made with.
        """
        if len(text) > _LONGEST:
            raise InvalidToken("it is too long for a bearer token")
        try:
            claims = self._read_signed(text)
            begins, ends = moment(claims["nbf"]), moment(claims["exp"])
            scopes = frozenset(
                Scope(each["type"], each["name"], tuple(each["actions"]))
                for each in claims["access"]
            )
            token_id = claims.get("token")
        except (jwt.InvalidTokenError, LookupError, TypeError, ValueError, OverflowError) as error:
            raise InvalidToken("not a bearer token of this registry") from error
        now = self._clock()
        if now >= ends + LEEWAY:
            raise ExpiredToken(str(claims["sub"]) or ANONYMOUS.name, ends)
        if now < begins - LEEWAY:
            raise InvalidToken(f"the bearer token is good from {begins:%Y-%m-%dT%H:%M:%SZ} on")
        if token_id is None:
            return replace(ANONYMOUS, expires=ends + LEEWAY)
        return self._access.recognise(str(token_id), ends + LEEWAY, scopes)

    def _check_signature(self, text: str) -> dict[str, Any]:
        """Return the claims of a token that this registry signed; its times aren't looked at."""
        claims: dict[str, Any] = jwt.decode(
            text,
            self._key.private.public_key(),
            algorithms=[_ALGORITHM],
            audience=SERVICE,
            issuer=SERVICE,
            options={
                "require": _REQUIRED,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        return claims

    def _grant(self, principal: Principal, scope: Scope) -> Scope | None:
        if scope == CATALOG:
            return scope
        name = RepositoryName(scope.name)
        actions = [action for action in scope.actions if self._may(principal, action, name)]
        return of_repository(scope.name, *actions) if actions else None

    def _may(self, principal: Principal, action: str, name: RepositoryName) -> bool:
        try:
            with self._database.session():
                if action == "push":
                    self._repositories.check_push(principal, name)
                else:
                    verb = Verb.DELETE if action == "delete" else Verb.PULL
                    self._access.require(principal, verb, name.namespace, name.text)
        except (AccessError, NotFound):
            return False
        return True
