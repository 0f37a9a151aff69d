"""Docker's token protocol, for registries that are not Recipebox's (distribution, "Token").

::

    GET /v2/mirror/shop/…             401  WWW-Authenticate: Bearer realm="…",service="…",scope="…"
    GET <realm>?service=…&scope=…     200  {"token": "…"}       with the login, where there is one
    GET /v2/mirror/shop/…             200                       with the token

A registry that asks for Basic gets the login. Nothing is answered to another host than the one that
was asked, to which a redirect may lead; a login goes to a realm over https or on this machine only.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from recipebox.config import is_loopback
from recipebox.errors import Denied, Unreachable

_CHALLENGE = re.compile(r"\s*(basic|bearer)\b(.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_REPOSITORY = re.compile(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)/")
_LARGEST_ANSWER = 1 << 20


class RegistryAuth(AuthBase):
    """Answers a registry's challenges, and remembers what it wanted, by repository."""

    def __init__(self, url: str, login: tuple[str, str] | None, *, insecure: bool = False) -> None:
        self._host = urlsplit(url).netloc
        self._login = login
        self._insecure = insecure
        self._is_basic = False
        self._tokens: dict[str, str] = {}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Authorize a request as far as is known how."""
        token = self._tokens.get(_repository(request))
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        elif self._is_basic and self._login is not None:
            HTTPBasicAuth(*self._login)(request)
        request.register_hook("response", self._answer)  # type: ignore[no-untyped-call]
        return request

    def _answer(self, response: requests.Response, **options: Any) -> requests.Response:
        """Send a request again, authorized as the 401 to it asks."""
        if response.status_code != requests.codes.unauthorized:
            return response
        request = response.request
        sent = request.headers.get("Authorization", "")
        if urlsplit(request.url or "").netloc != self._host or not _may_repeat(request):
            return response
        matched = _CHALLENGE.match(response.headers.get("WWW-Authenticate", ""))
        if matched is None:
            return response
        repository = _repository(request)
        if matched[1].lower() == "basic":
            if self._login is None or sent.startswith("Basic "):
                return response
            self._is_basic = True
        else:
            asked = dict(_PARAMETER.findall(matched[2]))
            self._tokens[repository] = self._token(asked, response, options)
        again = request.copy()
        again.hooks = {"response": []}
        self(again)
        return self._send(response, again, options)

    @staticmethod
    def _send(
        response: requests.Response, again: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        _ = response.content  # so that its connection can be used again
        response.close()
        found: requests.Response = response.connection.send(again, **options)
        found.history.append(response)
        found.request = again
        return found

    def _token(
        self, asked: dict[str, str], response: requests.Response, options: dict[str, Any]
    ) -> str:
        realm = asked.get("realm", "")
        parts = urlsplit(realm)
        is_safe = parts.scheme == "https" or is_loopback(parts.netloc) or self._insecure
        if parts.scheme not in {"http", "https"} or not is_safe:
            raise Denied(
                f"{self._host} asks for tokens of {realm[:200]!r}, which isn't https",
                hint="the login would be sent in the clear: tell the registry's operator",
            )
        query = {key: asked[key] for key in ("service", "scope") if key in asked}
        login = None if self._login is None else HTTPBasicAuth(*self._login)
        request = requests.Request("GET", realm, params=query, auth=login).prepare()
        try:
            # the connection's adapter, so that proxies and authorities are the same
            answer = response.connection.send(request, **{**options, "stream": True})
            status = answer.status_code
            data = next(answer.iter_content(_LARGEST_ANSWER), b"")
            answer.close()
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"{realm}: no token for {self._host}: {error}") from error
        if status != requests.codes.ok:
            raise Denied(
                f"{self._host}: no token for {asked.get('scope', 'it')} (status {status})",
                hint=f"log in to it: docker login {self._host}",
            )
        try:
            drawn = json.loads(data)
            token = drawn.get("token") or drawn.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isprintable():
            raise Unreachable(f"{realm}: the answer holds no token for {self._host}")
        return token


def _repository(request: requests.PreparedRequest) -> str:
    matched = _REPOSITORY.search(urlsplit(request.url or "").path)
    return matched[1] if matched else ""


def _may_repeat(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent again: none, or bytes; an upload's was read."""
    return request.body is None or isinstance(request.body, bytes | str)
