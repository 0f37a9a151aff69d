"""Times for people: relative on the page, exact on hover, ISO 8601 for machines."""

from datetime import UTC, datetime

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_MONTH = 30 * _DAY
_YEAR = 365 * _DAY


def relative(moment: datetime, now: datetime) -> str:
    """Return how long ago `moment` was, such as `3 days ago`; `just now` under a minute."""
    passed = int((now - moment).total_seconds())
    for unit, name in ((_YEAR, "year"), (_MONTH, "month"), (_DAY, "day"), (_HOUR, "hour")):
        if passed >= unit:
            return _ago(passed // unit, name)
    if passed >= _MINUTE:
        return _ago(passed // _MINUTE, "minute")
    return "just now"


def exact(moment: datetime) -> str:
    """Return the moment in UTC for people, such as `31 January 2026, 12:00:00 UTC`."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M:%S} UTC"


def iso(moment: datetime) -> str:
    """Return the moment in UTC, as `2026-01-31T12:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ago(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'} ago"
