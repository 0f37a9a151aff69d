"""Cron schedules: what is one, and how long it may be until the next time."""

import pytest

from recipes.schedule import Schedule

HOUR, DAY = 60, 24 * 60


@pytest.mark.parametrize(
    ("text", "gap"),
    [
        ("* * * * *", 1),
        ("*/15 * * * *", 15),
        ("10-50/20 * * * *", 20),
        ("5/30 * * * *", 30),
        ("0 8,20 * * *", 12 * HOUR),
        ("30 2 * * MON-FRI", 3 * DAY),
        ("0 0 * * 0", 7 * DAY),
        ("0 0 1 * ?", 31 * DAY),
        ("0 0 31 * *", 61 * DAY),
        ("0 0 29 2 *", 1461 * DAY),
        ("0 0 1 jan *", 366 * DAY),
        ("0 0 1 * 1", 7 * DAY),  # either day will do
        ("@daily", DAY),
        ("@hourly", HOUR),
    ],
)
def test_the_longest_gap_is_known(text: str, gap: int) -> None:
    assert Schedule.parse(text).longest_gap() == gap


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected five fields"),
        ("1 2 3", "expected five fields"),
        ("@every 1h", "expected five fields"),
        ("TZ=UTC 0 0 * * *", "expected five fields"),
        ("60 * * * *", "'60' is no minute; expected 0-59"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of the month"),
        ("0 0 * 13 *", "'13' is no month; expected 1-12 or JAN-DEC"),
        ("0 0 * * 7", "'7' is no day of the week; expected 0-6 or SUN-SAT"),
        ("0 0 * * MO", "'MO' is no day of the week"),
        ("5-1 * * * *", "goes backwards"),
        ("*/0 * * * *", "a step of 0"),
        ("*-5 * * * *", "is no minute"),
        ("1,,2 * * * *", "'' is no minute"),
        ("٣ * * * *", "is no minute"),
        ("0 0 31 4 *", "never comes"),
    ],
)
def test_what_is_none_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Schedule.parse(text)
