"""Twins that tests use in place of the network."""

import io
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Stream(io.RawIOBase):
    """A stream of which a test writes `read`; whoever reads into memory of his own comes to it."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data: bytes = self.read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


class _Body(io.RawIOBase):
    """A WSGI answer's body as a file; what the application raises breaks the connection."""

    def __init__(self, parts: Iterable[bytes], iterator: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts
        self._iterator = iterator
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            try:
                part = next(self._iterator)
            except StopIteration:
                return 0
            except ConnectionError as error:
                raise ProtocolError(f"Connection broken: {error!r}", error) from error
            self._left = bytes(part)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        closing = getattr(self._parts, "close", None)
        if closing and not self.closed:
            closing()
        super().close()


class WsgiAdapter(BaseAdapter):
    """Hands requests to a WSGI application in this process; no sockets.

    `app` raising ConnectionError, before or within the body, is a connection that broke.
    `requests` keeps (method, path and query) of each in order.
    """

    def __init__(self, app: WsgiApp) -> None:
        super().__init__()
        self.app = app
        self.requests: list[tuple[str, str]] = []

    def send(
        self, request: requests.PreparedRequest, *args: object, stream: bool = False, **_: object
    ) -> requests.Response:
        """Answer `request` by calling the application."""
        del args
        parts = urlsplit(request.url or "")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self.requests.append((request.method or "", target))
        body = request.body
        if body is not None and hasattr(body, "read"):
            content = b"".join(iter(lambda: body.read(1 << 16), b""))
        else:
            content = body.encode() if isinstance(body, str) else (body or b"")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(parts.path),
            "RAW_URI": target,
            "REQUEST_URI": target,
            "QUERY_STRING": parts.query,
            "SERVER_NAME": parts.hostname,
            "SERVER_PORT": str(parts.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": io.BytesIO(content),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            started[:] = [status, headers]

        try:
            parts_of_body = self.app(environ, start_response)
        except ConnectionError as error:
            raise requests.exceptions.ConnectionError(error, request=request) from error
        iterator = iter(parts_of_body)
        begun = [] if started else [next(iterator, b"")]  # a generator answers with its first part
        status, headers = started
        raw = HTTPResponse(
            body=_Body(parts_of_body, chain(begun, iterator)),
            headers=headers,
            status=int(status.split()[0]),
            reason=status.partition(" ")[2],
            preload_content=False,
            request_method=request.method,
        )
        response = requests.Response()
        response.status_code = raw.status
        response.headers = requests.structures.CaseInsensitiveDict(raw.headers)
        response.raw = raw
        response.reason = raw.reason
        response.url = request.url or ""
        response.request = request
        response.connection = self  # type: ignore[attr-defined]  # as HTTPAdapter does
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        """Nothing is open."""
