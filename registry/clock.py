"""Time, handed in: everything that needs the time takes a `Clock`, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time, with a time zone."""


def system_clock() -> datetime:
    """Return the machine's time in UTC."""
    return datetime.now(UTC)


def seconds(moment: datetime) -> int:
    """Return `moment` as whole seconds since 1970, UTC, which is how the database keeps it."""
    return int(moment.timestamp())


def moment(stored: int) -> datetime:
    """Return what `seconds` kept, as a time in UTC."""
    return datetime.fromtimestamp(stored, UTC)


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC and whole seconds, as `2026-01-31T12:00:00Z` (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
