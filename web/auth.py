"""Who asks: a token in the Authorization header, or a session that was begun with one.

A session's cookie holds the token's public id, signed, and not the token: the id is read again in
the database for each request, so that a revoked or expired token ends its sessions at once.
"""

import hmac
import secrets

from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import Authorization

from registry.access import ANONYMOUS, Access, Principal
from registry.errors import InvalidToken
from web.access_log import NOTES
from web.errors import FormExpired

CHALLENGE = 'Basic realm="recipebox"'
"""What a 401 says to clients that aren't browsers on a page."""

_TOKEN_ID = "token"  # noqa: S105 - the name of a member of the session
_CSRF = "csrf"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionCookies(SecureCookieSessionInterface):
    """Flask's signed cookies, which go over TLS only where the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        """Return whether the cookie is for TLS only."""
        return request.is_secure


def current_principal(access: Access) -> Principal:
    """Return who makes this request; the answer is kept for as long as the request lasts.

    Raises:
        InvalidToken: the header has a token that is refused. (A session that has ended is just
            no session any more.)
    """
    if "principal" not in g:
        g.principal = _authenticate(access)
        request.environ[NOTES]["principal"] = g.principal.name
    principal: Principal = g.principal
    return principal


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
    g.principal = principal
    return principal


def end_session() -> None:
    """Log the browser out."""
    session.clear()
    g.principal = ANONYMOUS


def csrf_token() -> str:
    """Return the secret that this session's forms carry."""
    if _CSRF not in session:
        session[_CSRF] = secrets.token_urlsafe(24)
    return str(session[_CSRF])


def check_csrf() -> None:
    """Refuse a form that doesn't come from this session's own page.

    Raises:
        FormExpired: it carries another secret, or none.
    """
    expected = str(session.get(_CSRF, ""))
    given = request.form.get("csrf", "")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise FormExpired


def _authenticate(access: Access) -> Principal:
    if "Authorization" in request.headers:
        authorization = request.authorization
        if authorization is None:
            raise InvalidToken("the Authorization header can't be read")
        return access.authenticate(read_token(authorization))
    if not _takes_sessions():
        return ANONYMOUS
    token_id = session.get(_TOKEN_ID)
    if token_id is None:
        return ANONYMOUS
    try:
        return access.resume(str(token_id))
    except InvalidToken:
        session.clear()
        return ANONYMOUS


def _takes_sessions() -> bool:
    """Pages check forms by their CSRF secret; elsewhere a cookie may read, but never write."""
    if request.path.startswith("/v2"):
        return False
    is_page = request.blueprint == "pages" or request.blueprint is None
    return is_page or request.method in _SAFE
