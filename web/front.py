"""The front path: repeats what Flask answered to a pull, for as long as nothing has changed.

::

    GET, HEAD /v2/NAME/manifests/REFERENCE, /v2/NAME/blobs/DIGEST
        ├── anything unusual in it ─────────────────────────────> Flask
        ├── kept, under the database's stamp of now ────────────> answered here
        ├── kept, and confirmed: the same token is the same
        │   principal's, the registry says the same again ──────> answered here
        └── else ───> Flask; its 200 is kept, under the stamp of before it was asked

So it decides nothing itself: who may pull what, and which headers say so, is said by the views. An
answer is kept by what it depends on (method, path, who asks, what is accepted), a blob's without
its bytes, which leave as `web.leaving` says each time. The stamp is exact (`Database.stamp`): what
any process commits, be it a deletion, a yank or a revocation, is seen by the next request. Most
commits are about something else, though: so what was kept before one is confirmed by asking the
registry what the view asked it, which takes a fourth of the time of a view. Only the clock can end
what the database doesn't change: a token's time is checked on its own.
"""

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, g, request

from registry.access import ANONYMOUS, Principal
from registry.clock import Clock
from registry.errors import RegistryError
from registry.oci.blobs import BlobInfo, Blobs
from registry.schema import INLINE
from storage.errors import StorageError
from web.access_log import NOTES, start_notes
from web.auth import authenticate
from web.errors import WebError
from web.leaving import Asked, Ways, leave
from web.services import Services

Confirm: TypeAlias = Callable[[Principal], bool]
"""Asks the registry again what a view asked it; False, or its error: the answer may be another."""

Check: TypeAlias = Callable[[WSGIEnvironment, Principal], bool]
"""Asked before an answer is repeated, as Flask's own hooks are before a view; False: ask Flask."""

_NOTED = "recipebox.front"
_REQUEST_ID = "X-Request-Id"
_STATUSES = {200: "200 OK", 206: "206 PARTIAL CONTENT", 307: "307 TEMPORARY REDIRECT"}
_KEPT_STATUSES = frozenset({200, 307})
_VARYING = frozenset({"x-request-id"})
# What `web.leaving` says anew each time.
_OF_BLOBS = _VARYING | {
    "accept-ranges",
    "content-length",
    "content-range",
    "content-type",
    "docker-content-digest",
    "etag",
    "location",
    "x-accel-redirect",
}
_MANIFEST_ENDPOINT = "oci.get_manifest"
_BLOB_ENDPOINT = "oci.get_blob"
# What changes an answer, or must be read: Flask's. (A Range is not: it is a blob's alone.)
_UNUSUAL = frozenset(
    {
        "HTTP_COOKIE",
        "HTTP_EXPECT",
        "HTTP_IF_MATCH",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_RANGE",
        "HTTP_IF_UNMODIFIED_SINCE",
        "HTTP_TRANSFER_ENCODING",
    }
)
_LONGEST_KEY = 4096
"""Characters of path, Accept and Authorization together; longer ones aren't kept."""

_ENTRY = 4096
"""Bytes that an entry takes beside its body, counted generously: some 15 headers and its key."""

_LARGEST_SHARE = 16
"""A body may take this part of the cache at most: one manifest must not push out all others."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a view's answer was made of: who asked, the blob, or the manifest's bytes."""

    principal: Principal
    blob: BlobInfo | None
    data: bytes
    confirm: Confirm


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: `stamp` says until when it holds, `headers` are those that don't vary."""

    stamp: Hashable
    principal: Principal
    notes: dict[str, str]
    status: str
    headers: list[tuple[str, str]]
    blob: BlobInfo | None
    body: bytes
    confirm: Confirm

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, about."""
        return _ENTRY + len(self.body)


class Shelf:
    """Answers by key, of `limit` bytes together; the oldest goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[Hashable, Kept] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> Kept | None:
        """Return what is kept under `key`, whether it still holds or not."""
        return self._kept.get(key)  # no lock: one step of the interpreter

    def put(self, key: Hashable, kept: Kept) -> None:
        """Keep an answer, if it isn't too large a part of all."""
        if kept.size * _LARGEST_SHARE > self._limit:
            return
        with self._lock:
            self._drop(key)
            while self.size + kept.size > self._limit:
                self._drop(next(iter(self._kept)))
            self._kept[key] = kept
            self.size += kept.size

    def _drop(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self.size -= found.size


class Front:
    """A WSGI application before Flask's; `install` puts it there.

    Args:
        stamp: of a namespace, as `Database.stamp`; None where it can't be had.
        authenticate: says whose token an Authorization header (None: there is none) has.
        cache_bytes: how much memory the kept answers may take, in this process.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        stamp: Callable[[str], Hashable | None],
        authenticate: Callable[[str | None], Principal],
        blobs: Blobs,
        ways: Ways,
        clock: Clock,
        cache_bytes: int,
        checks: Sequence[Check] = (),
    ) -> None:
        self._application = application
        self._stamp = stamp
        self._authenticate = authenticate
        self._blobs = blobs
        self._ways = ways
        self._clock = clock
        self._checks = tuple(checks)
        self.shelf = Shelf(cache_bytes)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        key = find_key(environ)
        if key is None:
            return self._application(environ, start_response)
        path: str = environ["PATH_INFO"]
        stamp = self._stamp(path[4 : path.index("/", 4)])
        if stamp is None:
            return self._application(environ, start_response)
        kept = self.shelf.find(key)
        if kept is not None and kept.stamp != stamp:
            kept = self._confirmed(kept, environ, key, stamp)
        if kept is not None and self._is_allowed(kept, environ):
            answer = self._repeat(kept, environ, start_response)
            if answer is not None:
                return answer
        return self._ask(key, stamp, environ, start_response)

    def _confirmed(
        self, kept: Kept, environ: WSGIEnvironment, key: Hashable, stamp: Hashable
    ) -> Kept | None:
        """Return an answer that holds under `stamp` too, and is kept under it; or None."""
        try:
            principal = self._authenticate(environ.get("HTTP_AUTHORIZATION"))
            if principal != kept.principal or not kept.confirm(principal):
                return None
        except RegistryError:  # Flask says it
            return None
        kept = replace(kept, stamp=stamp)
        self.shelf.put(key, kept)
        return kept

    def _is_allowed(self, kept: Kept, environ: WSGIEnvironment) -> bool:
        expires = kept.principal.expires
        if expires is not None and expires <= self._clock():
            return False
        return all(check(environ, kept.principal) for check in self._checks)

    def _repeat(
        self, kept: Kept, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Answer as before, but for the request's id; None: only Flask can say what is wrong."""
        status, headers = kept.status, kept.headers
        body: Iterable[bytes] = [kept.body]  # a list: granian sends that in one piece
        if kept.blob is not None:
            try:
                leaving = leave(self._blobs, kept.blob, Asked.read(environ), self._ways)
            except (WebError, StorageError):
                return None
            status = _STATUSES[leaving.status]
            headers = leaving.headers + headers
            body = leaving.body(environ)
        notes = start_notes(environ)
        notes.update(kept.notes)
        start_response(status, [*headers, (_REQUEST_ID, notes["request_id"])])
        return body

    def _ask(
        self,
        key: Hashable,
        stamp: Hashable,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Have Flask answer, and keep what it says where it can be repeated."""
        said: list[Any] = []

        def listen(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            said[:] = status, headers
            return start_response(status, headers, exc_info)

        body = self._application(environ, listen)
        noted: Noted | None = environ.get(_NOTED)
        if noted is not None and said:
            self.shelf.put(key, _keep(stamp, noted, environ[NOTES], *said))
        return body


def install_front(
    app: Flask, services: Services, cache_bytes: int, checks: Sequence[Check] = ()
) -> Front:
    """Put a front path before the views of `app`, and have these note what they answer with."""
    access, bearer = services.registry.access, services.registry.bearer

    def authenticate_again(header: str | None) -> Principal:
        return ANONYMOUS if header is None else authenticate(header, access, bearer)

    front = Front(
        app.wsgi_app,
        stamp=services.registry.database.stamp,
        authenticate=authenticate_again,
        blobs=services.registry.blobs,
        ways=services.ways,
        clock=services.clock,
        cache_bytes=cache_bytes,
        checks=checks,
    )
    app.after_request(_note)
    app.wsgi_app = front  # type: ignore[method-assign]
    return front


def find_key(environ: WSGIEnvironment) -> Hashable | None:
    """Return what the answer to a pull depends on, or None where Flask is to answer.

    Of the Authorization header it holds the hash only: no secret stays in memory for its sake.
    """
    method = environ["REQUEST_METHOD"]
    if method not in {"GET", "HEAD"}:
        return None
    path: str = environ.get("PATH_INFO", "")
    if not path.startswith("/v2/") or not ("/manifests/" in path or "/blobs/" in path):
        return None
    if (
        environ.get("QUERY_STRING")
        or environ.get("SCRIPT_NAME")
        or environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        or not _UNUSUAL.isdisjoint(environ)
    ):
        return None
    accept: str = environ.get("HTTP_ACCEPT", "")
    authorization: str | None = environ.get("HTTP_AUTHORIZATION")
    if len(path) + len(accept) + len(authorization or "") > _LONGEST_KEY:
        return None
    who = None
    if authorization is not None:
        who = hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
    return method, path, environ.get("wsgi.url_scheme"), who, accept


def _note(answer: Response) -> Response:
    """Note for the front path what a view's answer was made of, where it may be repeated."""
    # who may push relies on an answer to HEAD: each that waits for a review must be told to it
    is_awaited = g.get("is_awaited", False)
    if answer.status_code in _KEPT_STATUSES and "principal" in g and not is_awaited:
        if request.endpoint == _MANIFEST_ENDPOINT:
            request.environ[_NOTED] = Noted(g.principal, None, answer.get_data(), g.confirm)
        elif request.endpoint == _BLOB_ENDPOINT and "oci_blob" in g:
            blob: BlobInfo = g.oci_blob
            if blob.location != INLINE:  # bytes of the database: read as Flask reads them
                request.environ[_NOTED] = Noted(g.principal, blob, b"", g.confirm)
    return answer


def _keep(
    stamp: Hashable,
    noted: Noted,
    notes: Mapping[str, str],
    status: str,
    headers: Sequence[tuple[str, str]],
) -> Kept:
    varying = _VARYING if noted.blob is None else _OF_BLOBS
    return Kept(
        stamp=stamp,
        principal=noted.principal,
        notes={name: value for name, value in notes.items() if name != "request_id"},
        status=status,
        headers=[(name, value) for name, value in headers if name.lower() not in varying],
        blob=noted.blob,
        body=noted.data,
        confirm=noted.confirm,
    )
