"""Cron schedules, as Kubernetes reads them (robfig/cron, its standard parser).

::

    30 2 * * MON-FRI
    │  │ │ │ └─ day of the week    0-6 or SUN-SAT
    │  │ │ └─── month              1-12 or JAN-DEC
    │  │ └───── day of the month   1-31
    │  └─────── hour               0-23
    └────────── minute             0-59

`*`, lists (`1,3`), ranges (`1-5`) and steps (`*/15`, `10-50/20`); `@daily` and the like. Where both
days are restricted, either will do.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ITEM = re.compile(r"(\*|\?|\w+)(?:-(\w+))?(?:/(\d+))?")
_FIRST, _YEARS = date(2024, 1, 1), 9  # two leap days, and every weekday of them but few


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


class Schedule(NamedTuple):
    """The values of each field at which something is due."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either_day: bool

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read a schedule.

        Raises:
            ValueError: it isn't one, with the field and what may stand there; or it never comes.
        """
        words = MACROS.get(text.strip(), text).split()
        if len(words) != len(_FIELDS):
            raise ValueError(
                f"{text!r} is not a schedule: expected five fields (minute, hour, day of the month,"
                f" month, day of the week), as in '30 2 * * MON-FRI', or one of"
                f" {', '.join(MACROS)}"
            )
        minutes, hours, days, months, weekdays = (
            _values(field, word) for field, word in zip(_FIELDS, words, strict=True)
        )
        stars = [any(each in {"*", "?"} for each in word.split(",")) for word in words]
        found = cls(
            minutes, hours, days, months, weekdays, is_either_day=not (stars[2] or stars[4])
        )
        if next(found._dates(), None) is None:
            raise ValueError(f"{text!r} never comes: no such day is in such a month")
        return found

    def longest_gap(self) -> int:
        """Return the most minutes that lie between two times at which it is due."""
        times = sorted(60 * hour + minute for hour in self.hours for minute in self.minutes)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        dates = list(self._dates())
        days = max(
            ((later - earlier).days for earlier, later in pairwise(dates)),
            default=366,
        )
        return max([*gaps, 24 * 60 * days - times[-1] + times[0]])

    def _dates(self) -> Iterator[date]:
        for number in range(366 * _YEARS):
            day = _FIRST + timedelta(days=number)
            if day.month in self.months and self._is_day(day):
                yield day

    def _is_day(self, day: date) -> bool:
        in_month = day.day in self.days
        in_week = (day.weekday() + 1) % 7 in self.weekdays
        return in_month or in_week if self.is_either_day else in_month and in_week


def _values(field: _Field, text: str) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise ValueError(f"{item!r} is no {field.name}; {_allowed(field)}")
        first, last, step = found[1], found[2], int(found[3] or 1)
        if first in {"*", "?"}:
            low, high = field.least, field.most
            if last:
                raise ValueError(f"{item!r} is no {field.name}; {_allowed(field)}")
        else:
            low = _number(field, first)
            high = _number(field, last) if last else field.most if found[3] else low
        if low > high:
            raise ValueError(f"{item!r} goes backwards in the {field.name}; {_allowed(field)}")
        if step == 0:
            raise ValueError(f"{item!r} has a step of 0 in the {field.name}")
        values |= set(range(low, high + 1, step))
    return frozenset(values)


def _number(field: _Field, text: str) -> int:
    if text.upper() in field.words:
        return field.words.index(text.upper()) + field.least
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not field.least <= number <= field.most:
        raise ValueError(f"{text!r} is no {field.name}; {_allowed(field)}")
    return number


def _allowed(field: _Field) -> str:
    words = f" or {field.words[0]}-{field.words[-1]}" if field.words else ""
    return f"expected {field.least}-{field.most}{words}, *, or a list, range or step of these"
