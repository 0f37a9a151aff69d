"""One line for each request, as text for people or JSON for machines, and its ids.

::

    {"time": "2026-01-31T12:00:00.123Z", "level": "info", "message": "request",
     "request_id": "8c1f...", "method": "PUT", "path": "/v2/team/etl/manifests/1.2.3",
     "status": 201, "bytes": 0, "duration_ms": 12.4, "remote": "127.0.0.1",
     "principal": "ada", "user_agent": "oras/1.3.3"}

What a view learns about a request (who asks, which repository, which digest) it notes in the
request's WSGI environment, so that the server, which alone knows when the last byte has left,
writes all of it. No secret is ever noted: neither tokens nor query strings (they may hold one).
"""

import json
import re
import secrets
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

NOTES = "recipebox.notes"
"""The key of the WSGI environment that holds a request's notes."""

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_AMBIGUOUS = re.compile(r'[ "=]')
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), 127)}


def start_notes(environ: MutableMapping[str, Any]) -> dict[str, str]:
    """Give the request its id (its own `X-Request-Id`, where it is a plain one) and its notes."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    request_id = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(16)
    notes: dict[str, str] = {"request_id": request_id}
    environ[NOTES] = notes
    return notes


def describe(
    environ: Mapping[str, Any], status: int, sent: int | None, seconds: float, now: datetime
) -> dict[str, Any]:
    """Return the members of one request's line; `sent` counts the body's bytes, in bytes."""
    return {
        "time": _stamp(now),
        "level": "error" if status >= 500 else "info",  # noqa: PLR2004 - RFC 9110's classes
        "message": "request",
        "method": environ.get("REQUEST_METHOD", ""),
        "path": environ.get("PATH_INFO", ""),
        "status": status,
        "bytes": sent,
        "duration_ms": round(seconds * 1000, 1),
        "remote": environ.get("REMOTE_ADDR", ""),
        "user_agent": environ.get("HTTP_USER_AGENT", ""),
        **environ.get(NOTES, {}),
    }


def format_line(members: Mapping[str, Any], log_format: str) -> str:
    """Return a line of the log: `json`, or `text` for people."""
    if log_format == "json":
        return json.dumps(members, ensure_ascii=False)
    first = ("time", "level", "message")
    rest = " ".join(
        f"{key}={_quote(value)}"
        for key, value in members.items()
        if key not in first and value not in (None, "")
    )
    line = f"{members['time']} {members['level']} {members['message']} {rest}".rstrip()
    return line.translate(_CONTROLS)


def describe_event(level: str, message: str, now: datetime, **values: Any) -> dict[str, Any]:
    """Return the members of a line that isn't about one request's end."""
    return {"time": _stamp(now), "level": level, "message": message, **values}


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quote(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or _AMBIGUOUS.search(text) else text
