"""Times as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from web.index.times import exact, iso, relative

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=30), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=70), "2 months ago"),
        (timedelta(days=800), "2 years ago"),
    ],
)
def test_the_past_is_told_in_its_largest_unit(passed, said):
    assert relative(NOW - passed, NOW) == said


def test_the_exact_time_is_in_utc():
    moment = datetime(2026, 1, 31, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    assert exact(moment) == "30 January 2026, 23:02:03 UTC"
    assert iso(moment) == "2026-01-30T23:02:03Z"
