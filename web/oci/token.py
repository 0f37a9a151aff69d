"""Docker's token protocol: where a 401 sends clients, and what they get there.

::

    GET /v2/...              401  WWW-Authenticate: Bearer realm="https://HOST/v2/token",
                                    service="recipebox",scope="repository:team/etl:pull"
    GET  /v2/token?service=recipebox&scope=...   Basic, or nobody     200 {token, expires_in, ...}
    POST /v2/token   grant_type=password | refresh_token              200 {access_token, ...}

(distribution's spec/auth/token and spec/auth/oauth; docs/adr/0013.) A 401 names one scheme alone:
docker applies every scheme that is named, and ends without a login where Basic is one of them;
oras-py reads two as one. Who sent Basic and was refused is told Basic, as Harbor does. Basic and
API tokens as Bearer are taken everywhere, unasked.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, request

from registry.access import Principal
from registry.bearer import SERVICE
from registry.clock import rfc3339
from registry.errors import ExpiredToken, InvalidToken, OutOfScope
from registry.scopes import CATALOG, Scope, is_name, of_repository, parse_scopes
from web.answers import json_answer
from web.auth import BASIC, current_principal, note_principal
from web.bodies import first_value, read_form
from web.errors import InvalidFields
from web.oci.views import OciViews

PATH = "/v2/token"
_SAFE = frozenset({"GET", "HEAD"})
_PUSHES = frozenset({"oci.get_upload", "oci.cancel_upload", "oci.may_upload"})
_UPLOADS_PATH = re.compile(r"/v2/(.+)/blobs/uploads/.*")
_NO_STORE = {"Cache-Control": "no-store"}
# The member of an OAuth 2 form that holds an API token, by the kind of grant (RFC 6749, 4.3 and 6).
_GRANTS = {"password": "password", "refresh_token": "refresh_token"}


class TokenViews(OciViews):
    """The route that gives out bearer tokens."""

    def add_to(self, routes: Blueprint) -> None:
        """Add the routes."""
        routes.add_url_rule("/token", "get_token", self.get, methods=["GET"])
        routes.add_url_rule("/token", "post_token", self.post, methods=["POST"])

    def get(self) -> Response:
        """Give who asks, or nobody, a token for what it may of what it asks for."""
        _check_service(request.args.get("service"))
        # Without `bearer`: a bearer token that got another would never end.
        principal = current_principal(self._registry.access)
        return self._answer(principal, request.args.getlist("scope"))

    def post(self) -> Response:
        """The same, as OAuth 2 has it: the login is in the form."""
        form = read_form(request.environ)
        _check_service(first_value(form, "service"))
        kind = first_value(form, "grant_type")
        if kind not in _GRANTS:
            message = f"expected {' or '.join(_GRANTS)}, found {kind[:40]!r}"
            raise InvalidFields([{"where": "grant_type", "message": message}])
        text = first_value(form, _GRANTS[kind])
        if not text:
            raise InvalidToken(f"send it as {_GRANTS[kind]}")
        try:
            principal = self._registry.access.authenticate(text)
        except ExpiredToken:
            raise
        except InvalidToken:
            self._services.rates.fail(request.environ)
            raise
        note_principal(principal)
        return self._answer(principal, form.get("scope", []))

    def _answer(self, principal: Principal, asked: list[str]) -> Response:
        made = self._registry.bearer.issue(principal, parse_scopes(asked))
        drawn: dict[str, Any] = {
            "token": made.text,
            "access_token": made.text,
            "token_type": "Bearer",
            "expires_in": made.lifetime // timedelta(seconds=1),
            "issued_at": rfc3339(made.issued),
            "scope": " ".join(map(str, made.scopes)),
        }
        return json_answer(drawn, headers=_NO_STORE)


def challenge(error: Exception, url: str) -> str:
    """Return the WWW-Authenticate of a 401 for this request; `url` is the server's own."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    path = request.path.rstrip("/")
    if not f"{path}/".startswith("/v2/") or path == PATH or scheme == "basic":
        return BASIC
    members = {"realm": url.replace('"', "") + PATH, "service": SERVICE}
    scopes = list(dict.fromkeys(map(str, (*_wanted(), *_mounted(error)))))
    if scopes:
        members["scope"] = " ".join(scopes)
    if scheme == "bearer":
        is_refused = isinstance(error, InvalidToken)
        members["error"] = "invalid_token" if is_refused else "insufficient_scope"
    return "Bearer " + ",".join(f'{name}="{value}"' for name, value in members.items())


def _wanted() -> Iterator[Scope]:
    """Yield the scopes that this request needs, where it is about something that has one."""
    endpoint = request.endpoint
    if endpoint == "oci.catalog":
        yield CATALOG
    name = (request.view_args or {}).get("name", "")
    if endpoint == "oci.may_upload":
        path = unquote(request.headers.get("X-Original-URI", "").partition("?")[0])
        matched = _UPLOADS_PATH.fullmatch(path)
        name = matched[1] if matched else ""
    if not is_name(name):
        return
    if endpoint == "oci.get_blob" and request.method == "HEAD":
        # Who asks if a blob is there is about to push it; oras-py asks for a token this once.
        yield of_repository(name, "pull", "push")
    elif endpoint not in _PUSHES and request.method in _SAFE:
        yield of_repository(name, "pull")
    elif endpoint not in _PUSHES and request.method == "DELETE":
        yield of_repository(name, "pull", "delete")
    else:
        yield of_repository(name, "pull", "push")


def _mounted(error: Exception) -> Iterator[Scope]:
    """Yield the scope of what a mount takes a blob from, be it named or found by the server.

    It is found only where the principal may pull, so this tells nothing new.
    """
    if request.endpoint != "oci.start_upload" or "mount" not in request.args:
        return
    here = (request.view_args or {}).get("name")
    named = request.args.get("from", "")
    if is_name(named) and named != here:
        yield of_repository(named, "pull")
    elif isinstance(error, OutOfScope) and is_name(error.what) and error.what != here:
        yield of_repository(error.what, "pull")


def _check_service(given: str | None) -> None:
    """Refuse a request that was meant for another service's tokens."""
    if given not in {None, "", SERVICE}:
        message = f"expected {SERVICE}, found {str(given)[:80]!r}"
        raise InvalidFields([{"where": "service", "message": message}])
