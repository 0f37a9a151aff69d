"""What the commands of `admin` share: the registry of a data folder, time spans, tables."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from web.commands.common import read_settings, told_plainly

if TYPE_CHECKING:
    from registry.assembly import Registry

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhdw])")


def read_duration(text: str) -> timedelta:
    """Return a time span such as `30d`: a whole number of minutes, hours, days or weeks.

    Raises:
        click.BadParameter: it is something else.
    """
    matched = _DURATION.fullmatch(text)
    if matched is None:
        raise click.BadParameter(f"{text!r} is not a time span such as 12h, 30d or 4w")
    return timedelta(**{_UNITS[matched[2]]: int(matched[1])})


@contextmanager
def opened_registry(
    flags: dict[str, Any], *, as_json: bool, may_be_new: bool = False
) -> "Iterator[Registry]":
    """Open the registry of the data folder that `flags` name, in a session of its database.

    One that isn't there is made only where it `may_be_new`.

    What an operator can mend is told plainly, and ends the command.
    """
    with told_plainly(as_json):
        from web.config import read_config
        from web.preparing import open_prepared

        registry = open_prepared(read_config(*read_settings(flags)), may_be_new=may_be_new)
        with registry.database.session():
            yield registry


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows (the first has the headings) in columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
