"""How a blob leaves: in the proxy's hands, from the store itself, by sendfile, or as a stream.

::

    asked                what the store has      answer
    what it has already  -                       304
    HEAD                 -                       200 from the row, no bytes
    GET by the proxy     a file, and a prefix    200, X-Accel-Redirect: nginx sends, ranges too
    GET                  a URL, and redirects    307 to it (the store heeds the Range), unless the
                                                 client would take its login along
    GET                  a file                  200 or 206, by the kernel's sendfile
    GET                  anything else           200 or 206, in fixed buffers

The decision knows nothing of Flask: a view and the front path share it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from wsgiref.types import WSGIEnvironment

from werkzeug.http import parse_etags
from werkzeug.wsgi import wrap_file

from registry.oci.blobs import BlobInfo, Blobs
from web.files import BUFFER, FilePart, choose_range
from web.proxies import PROXIED


@dataclass(frozen=True, slots=True)
class Ways:
    """Which ways out the operator allows, besides the bytes themselves."""

    accel_prefix: str | None = None
    """The proxy's internal location of the store's files, `/_blobs/`; None: no X-Accel-Redirect."""

    files: Path | None = None
    """The folder that `accel_prefix` stands for; no file outside it is ever named to a proxy."""

    is_redirecting: bool = True
    """Whether a GET may be sent to the store itself, where it can sign a URL."""

    link_lifetime: timedelta = timedelta(minutes=20)
    """How long a signed URL holds: a client begins at once, but may come back for a range."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request for a blob says: its method, and its Range and If-None-Match headers."""

    method: str
    range: str | None = None
    none_match: str | None = None
    is_proxied: bool = False
    """Whether a trusted proxy sent it, which alone understands X-Accel-Redirect."""

    login_host: str | None = None
    """The name of the host that a login was sent to; None: the request has none."""

    @classmethod
    def read(cls, environ: WSGIEnvironment) -> "Asked":
        """Return what a request's WSGI environment says."""
        return cls(
            method=environ["REQUEST_METHOD"],
            range=environ.get("HTTP_RANGE"),
            none_match=environ.get("HTTP_IF_NONE_MATCH"),
            is_proxied=environ.get(PROXIED) is True,
            login_host=_host_name(environ) if "HTTP_AUTHORIZATION" in environ else None,
        )


@dataclass(frozen=True, slots=True)
class Leaving:
    """An answer: its status, headers as WSGI has them, and the bytes, if this server sends any."""

    status: int
    headers: list[tuple[str, str]]
    part: FilePart | None = None

    def body(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return the body as WSGI has it: the server's own wrapper of files, where it has one."""
        if self.part is None:
            return ()
        wrapped: Any = wrap_file(environ, self.part, BUFFER)  # type: ignore[arg-type]
        return wrapped  # type: ignore[no-any-return]


def leave(blobs: Blobs, info: BlobInfo, asked: Asked, ways: Ways) -> Leaving:
    """Return how the blob `info` leaves, for who may have it (`Blobs.stat` says who).

    Raises:
        RangeNotSatisfiable: the range has no byte of it.
        BlobMissing, BlobDamaged, StoreUnavailable: (storage) the row is there, the bytes aren't.
    """
    etag = f'"{info.digest}"'
    headers = [("Docker-Content-Digest", str(info.digest)), ("ETag", etag)]
    if asked.none_match and parse_etags(asked.none_match).contains_weak(str(info.digest)):
        return Leaving(304, headers)
    headers.append(("Content-Type", "application/octet-stream"))
    headers.append(("Accept-Ranges", "bytes"))
    if asked.method == "HEAD":
        return Leaving(200, [*headers, ("Content-Length", str(info.size))])
    chosen = choose_range(asked.range, info.size)
    link = blobs.link(info, ways.link_lifetime)
    if isinstance(link, Path):
        internal = _accel_uri(link, ways) if asked.is_proxied else None
        if internal is not None:
            accel = [("X-Accel-Redirect", internal), ("Content-Length", "0")]
            return Leaving(200, headers + accel)
    elif link is not None and ways.is_redirecting and not _takes_login_along(asked, link):
        return Leaving(307, [*headers, ("Location", link), ("Content-Length", "0")])
    start, end = chosen or (0, info.size)
    headers.append(("Content-Length", str(end - start)))
    if chosen is not None:
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{info.size}"))
    file = link.open("rb", buffering=0) if isinstance(link, Path) else blobs.open(info, start)
    if isinstance(link, Path):
        file.seek(start)
    return Leaving(200 if chosen is None else 206, headers, FilePart(file, end - start))


def _host_name(environ: WSGIEnvironment) -> str | None:
    try:
        return urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname
    except ValueError:  # half an address of IPv6
        return None


def _takes_login_along(asked: Asked, link: str) -> bool:
    """Return whether a client that follows `link` might send the store its login too.

    Go's clients do where only the port is another, or the host is below the one that they asked
    (net/http, `shouldCopyHeaderOnRedirect`). The store would learn a token of ours, and S3 refuses
    a request that is both signed and logged in.
    """
    if asked.login_host is None:
        return False
    there = urlsplit(link).hostname or ""
    return there == asked.login_host or there.endswith(f".{asked.login_host}")


def _accel_uri(file: Path, ways: Ways) -> str | None:
    """Return what the proxy calls `file`, or None where it has no name for it."""
    if ways.accel_prefix is None or ways.files is None or ".." in file.parts:
        return None
    if not file.is_relative_to(ways.files):
        return None
    return ways.accel_prefix + quote(file.relative_to(ways.files).as_posix())
