"""Request bodies, read in fixed buffers and checked against the length that was declared.

A WSGI server may hand over a body that just ends before its Content-Length when the client went
away (both gunicorn and granian do): whoever stores it must not take that for the whole.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast
from urllib.parse import parse_qs

from web.errors import (
    BodyTooLarge,
    BodyTruncated,
    InvalidContentRange,
    LengthRequired,
    NotJson,
)

_LONGEST_LENGTH = 18
"""Digits of a Content-Length: an exabyte."""

BUFFER = 1 << 20
"""How many bytes are in memory of a body at any time."""

_COPIED = 1 << 16
"""Bytes at once where they are copied: that many stay in the processor's cache."""

LARGEST_FORM = 64 * 1024
"""Bytes of a form at most: it has a token, a path, and what else fits into a few lines."""


class RequestBody(io.RawIOBase):
    """A readable stream of exactly one request's body.

    `length` is the declared one in bytes, or None where the body is chunked; `taken` counts what
    was read so far. A read past the end gives `b""`, and so does one after an end that came too
    early: whoever reads compares `taken` with `length`. A broken chunk raises.
    """

    def __init__(self, stream: BinaryIO, length: int | None) -> None:
        super().__init__()
        self.length = length
        self.taken = 0
        self._stream = stream
        self._range: tuple[str, int] | None = None

    @property
    def stream(self) -> BinaryIO:
        """The body, as the type that stores read from."""
        return cast("BinaryIO", self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, at most `BUFFER`.

        Raises:
            BodyTruncated: the sender stopped within a chunk, or before the end of its range, or the
                connection broke.
            InvalidContentRange: more came than its range has.
        """
        wanted = BUFFER if size < 0 else min(size, BUFFER)
        if self.length is not None:
            wanted = min(wanted, self.length - self.taken)
        if wanted == 0:
            return b""
        try:
            data = self._stream.read(wanted)
        except Exception as error:  # a server's own errors of a cut chunk: each has its own family
            raise BodyTruncated(expected=self.length, found=self.taken) from error
        self._count(len(data))
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`, straight from the connection where the server can do that.

        Raises:
            BodyTruncated, InvalidContentRange: as `read`.
        """
        view = memoryview(buffer)
        fill = getattr(self._stream, "readinto", None)
        if fill is None:
            data = self.read(min(len(view), _COPIED))
            view[: len(data)] = data
            return len(data)
        if self.length is not None:
            view = view[: self.length - self.taken]
        try:
            filled: int = fill(view) if len(view) else 0
        except Exception as error:  # as in `read`
            raise BodyTruncated(expected=self.length, found=self.taken) from error
        self._count(filled)
        return filled

    def hold_to(self, said: str, length: int) -> None:
        """Refuse a chunked body that turns out to be longer or shorter than its Content-Range."""
        self._range = said, length

    def _count(self, size: int) -> None:
        self.taken += size
        if self._range is None:
            return
        said, length = self._range
        if self.taken > length:
            raise InvalidContentRange(said, "more bytes came")
        if not size and self.taken < length:
            raise BodyTruncated(expected=length, found=self.taken)

    def readall(self) -> bytes:
        """Return all that is left: only for bodies whose size is bounded elsewhere."""
        parts = []
        while part := self.read(BUFFER):
            parts.append(part)
        return b"".join(parts)


def open_body(environ: Mapping[str, Any]) -> RequestBody:
    """Return the body of the request of a WSGI `environ`.

    Raises:
        LengthRequired: a Content-Length that is no number.
    """
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return RequestBody(environ["wsgi.input"], None)
    declared = environ.get("CONTENT_LENGTH") or "0"
    if not (declared.isascii() and declared.isdigit() and len(declared) <= _LONGEST_LENGTH):
        raise LengthRequired(declared)
    return RequestBody(environ["wsgi.input"], int(declared))


def has_stalled(environ: Mapping[str, Any]) -> bool:
    """Return whether the server gave the sender up, and its body for ended (web/connections.py)."""
    return bool(getattr(environ.get("gunicorn.socket"), "has_stalled", False))


def read_bounded(body: RequestBody, limit: int, what: str) -> bytes:
    """Return the whole body, of at most `limit` bytes; `what` names it in the error.

    Raises:
        BodyTooLarge: it is longer; nothing past the limit is kept.
        BodyTruncated: it ended early.
    """
    if body.length is not None and body.length > limit:
        raise BodyTooLarge(what, limit=limit, found=body.length)
    parts: list[bytes] = []
    while part := body.read(BUFFER):
        if body.taken > limit:
            raise BodyTooLarge(what, limit=limit, found=body.taken)
        parts.append(part)
    if body.length is not None and body.taken < body.length:
        raise BodyTruncated(expected=body.length, found=body.taken)
    return b"".join(parts)


def read_form(environ: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values of a form that was sent as browsers and OAuth 2 send one.

    Flask's own reads one without a bound into memory, and what is called a file onto the disk.

    Raises:
        LengthRequired: as `open_body`.
        BodyTooLarge, BodyTruncated: as `read_bounded`.
    """
    data = read_bounded(open_body(environ), LARGEST_FORM, "a form")
    return parse_qs(data.decode("utf-8", "replace"))


def first_value(form: Mapping[str, Sequence[str]], name: str) -> str:
    """Return the first value of a member of a form, or an empty text where there is none."""
    return form[name][0] if form.get(name) else ""


def parse_json(data: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        NotJson: it is something else, nested too deeply, has a member twice, or text that is not
            Unicode (half of a surrogate pair, which no answer and no row could repeat).
    """

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise NotJson("a member stands twice in one object")
        return members

    try:
        drawn = json.loads(data, object_pairs_hook=no_duplicates)
        json.dumps(drawn, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise NotJson("a string holds half of a surrogate pair") from error
    except RecursionError as error:
        raise NotJson("nested too deeply") from error
    except ValueError as error:
        raise NotJson(str(error)) from error
    return drawn
