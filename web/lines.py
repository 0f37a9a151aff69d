"""Writes the server's log: lines of events, and one line for each request once it has ended.

gunicorn calls its own logger when the last byte has left; granian tells nobody, so there
`LoggedRequests` stands around the application and writes when the body is closed. What they write
is one thing: `access_log.describe`.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TextIO
from wsgiref.types import StartResponse, WSGIEnvironment

from web.access_log import describe, describe_event, format_line
from web.proxies import PROXIED, Application

_REFUSED = 400
_DRAIN_BLOCK = 1 << 20

_SMALL = 1 << 16
"""Bytes up to which a body goes out in one piece with its head. In two, the second waits until the
client's kernel acknowledges the first, which it puts off for up to 40 ms (RFC 1122, 4.2.3.2)."""


class LineFormatter(logging.Formatter):
    """Writes a record as `access_log` writes its lines; a traceback follows, or is a member."""

    def __init__(self, log_format: str) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        now = datetime.fromtimestamp(record.created, UTC)
        values: dict[str, Any] = {"logger": record.name, "process": record.process}
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if trace and self._log_format == "json":
            values["traceback"] = trace
        members = describe_event(record.levelname.lower(), record.getMessage(), now, **values)
        line = format_line(members, self._log_format)
        return f"{line}\n{trace}" if trace and self._log_format != "json" else line


def set_up_logging(log_format: str) -> None:
    """Have every logger of this process write our lines on stderr, from warnings up."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


class RequestLines:
    """Writes the lines of requests to `stream` (None: stderr)."""

    def __init__(self, log_format: str, stream: TextIO | None = None) -> None:
        self._log_format = log_format
        self._stream = stream

    def write(self, environ: WSGIEnvironment, status: int, sent: int, seconds: float) -> None:
        """Write the line of a request that was answered with `sent` bytes of body.

        A log that can't be written (its disk is full) is no reason to fail what was answered.
        """
        members = describe(environ, status, sent, seconds, datetime.now(UTC))
        out = self._stream or sys.stderr
        with contextlib.suppress(OSError):
            out.write(format_line(members, self._log_format) + "\n")
            out.flush()


class LoggedRequests:
    """A WSGI application whose requests are written to `lines` when their bodies are closed.

    Of a request that is refused, what a trusted proxy still sends of its body is read first:
    granian closes the connection else, and the proxy, which is still sending, finds it broken
    before it has read why. (Anybody else may send for ever, and is told that the connection ends.)
    """

    def __init__(self, application: Application, lines: RequestLines) -> None:
        self._application = application
        self._lines = lines

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        begun = time.perf_counter()
        status = 0
        is_small = environ["REQUEST_METHOD"] == "HEAD"

        def start(
            text: str, headers: list[tuple[str, str]], *rest: Any
        ) -> Callable[[bytes], object]:
            nonlocal status, is_small
            status = int(text[:3])
            is_small = is_small or _length(headers) <= _SMALL
            if status >= _REFUSED and environ.get(PROXIED) is not True and _may_be_left(environ):
                headers = [*headers, ("Connection", "close")]
            return start_response(text, headers, *rest)

        def end(sent: int) -> None:
            self._lines.write(environ, status, sent, time.perf_counter() - begun)

        body = self._application(environ, start)
        if status >= _REFUSED and environ.get(PROXIED) is True:
            _drain(environ)
        if is_small and not isinstance(body, list):
            body = [_join(body)]
        if isinstance(body, list):  # granian sends a list at once, in one piece with the head
            end(sum(map(len, body)))
            return body
        return _Counted(body, end)


def _may_be_left(environ: WSGIEnvironment) -> bool:
    """Return whether there may be more of a body than a server reads away."""
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    return is_chunked or len(environ.get("CONTENT_LENGTH", "")) >= len(str(_SMALL))


def _drain(environ: WSGIEnvironment) -> None:
    with contextlib.suppress(Exception):  # of a cut body: each server has its own
        while environ["wsgi.input"].read(_DRAIN_BLOCK):
            pass


def _length(headers: list[tuple[str, str]]) -> float:
    """Return the Content-Length; without one, nothing bounds the body."""
    declared = (value for name, value in headers if name.lower() == "content-length")
    return float(next(declared, "inf"))


def _join(body: Iterable[bytes]) -> bytes:
    try:
        return b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


class _Counted:
    """A body that tells at its close how many bytes were taken from it."""

    def __init__(self, body: Iterable[bytes], end: Callable[[int], None]) -> None:
        self._body = body
        self._end: Callable[[int], None] | None = end
        self._sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            self._sent += len(part)
            yield part

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            if self._end is not None:
                self._end(self._sent)
                self._end = None
