"""Who asks: a token in the Authorization header, or a session that was begun with one.

A session's cookie holds the token's public id, signed, and not the token: the id is read again in
the database for each request, so that a revoked or expired token ends its sessions at once. It has
an id of its own too, and a session that was ended is noted by it: a copy of its cookie is worth
nothing then.

The header has an API token, as the password of Basic or as Bearer; under `/v2/` it may also have a
short bearer token of Docker's token protocol (`web.oci.token`).
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import Authorization

from registry.access import ANONYMOUS, TOKEN_PREFIX, Access, Principal
from registry.bearer import Bearer
from registry.errors import InvalidToken
from registry.sessions import Sessions
from web.access_log import NOTES
from web.bodies import first_value
from web.errors import FormExpired

BASIC = 'Basic realm="recipebox"'
"""What a 401 says to clients of the API."""

_TOKEN_ID = "token"  # noqa: S105 - the name of a member of the session
_SESSION_ID = "id"
_CSRF = "csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionCookies(SecureCookieSessionInterface):
    """Flask's signed cookies, which go over TLS only where the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        """Return whether the cookie is for TLS only."""
        return request.is_secure


def current_principal(access: Access, bearer: Bearer | None = None) -> Principal:
    """Return who makes this request; the answer is kept for as long as the request lasts.

    `bearer` reads the bearer tokens of Docker's protocol, where these are taken.

    Raises:
        InvalidToken: the header has a token that is refused. (A session that has ended is just
            no session any more.)
    """
    if "principal" not in g:
        note_principal(_authenticate(access, bearer))
    principal: Principal = g.principal
    return principal


def note_principal(principal: Principal) -> None:
    """Take it that `principal` makes this request."""
    g.principal = principal
    request.environ[NOTES]["principal"] = principal.name


def authenticate(header: str, access: Access, bearer: Bearer | None) -> Principal:
    """Return whose token an Authorization header has; `bearer` as for `current_principal`.

    Raises:
        InvalidToken: it has none, or one that is refused.
    """
    try:
        authorization = Authorization.from_header(header)
    except ValueError:  # what should be base64 isn't even ASCII
        authorization = None
    if authorization is None:
        raise InvalidToken("the Authorization header can't be read")
    token = read_token(authorization)
    is_short = authorization.type == "bearer" and not token.startswith(TOKEN_PREFIX)
    if bearer is not None and is_short:
        return bearer.read(token)
    return access.authenticate(token)


def read_token(authorization: Authorization) -> str:
    """Return the token of a Basic (as its password, with any user name) or Bearer header.

    Raises:
        InvalidToken: another scheme, or no token in it.
    """
    token = None
    if authorization.type == "basic":
        token = authorization.password
    elif authorization.type == "bearer":
        token = authorization.token
    if not token:
        raise InvalidToken("send it as the password of Basic, or as Bearer")
    return token


def begin_session(access: Access, token: str) -> Principal:
    """Log the browser in.

    Raises:
        InvalidToken: the token is refused.
    """
    principal = access.authenticate(token)
    session.clear()
    session.permanent = True
    session[_TOKEN_ID] = principal.token_id
    session[_SESSION_ID] = secrets.token_hex(16)
    g.principal = principal
    return principal


def end_session(access: Access, sessions: Sessions, until: datetime) -> None:
    """Log the browser out, for good; no cookie of now is good after `until` anyway."""
    session_id = session.get(_SESSION_ID)
    if session_id is not None:
        sessions.end(current_principal(access), str(session_id), until)
    session.clear()
    g.principal = ANONYMOUS


def csrf_token() -> str:
    """Return the secret that this session's forms carry."""
    if _CSRF not in session:
        session[_CSRF] = secrets.token_urlsafe(24)
    return str(session[_CSRF])


def check_csrf(form: Mapping[str, Sequence[str]]) -> None:
    """Refuse a form that doesn't come from this session's own page.

    Raises:
        FormExpired: it carries another secret, or none.
    """
    expected = str(session.get(_CSRF, ""))
    given = first_value(form, "csrf")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise FormExpired


def _authenticate(access: Access, bearer: Bearer | None) -> Principal:
    header = request.headers.get("Authorization")
    if header is not None:
        return authenticate(header, access, bearer)
    if not _takes_sessions():
        return ANONYMOUS
    token_id, session_id = session.get(_TOKEN_ID), session.get(_SESSION_ID)
    if token_id is None or session_id is None:
        return ANONYMOUS
    try:
        return access.resume(str(token_id), str(session_id))
    except InvalidToken:
        session.clear()
        return ANONYMOUS


def _takes_sessions() -> bool:
    """Pages check forms by their CSRF secret; elsewhere a cookie may read, but never write."""
    if request.path.startswith("/v2"):
        return False
    is_page = request.blueprint == "pages" or request.blueprint is None
    return is_page or request.method in _SAFE
