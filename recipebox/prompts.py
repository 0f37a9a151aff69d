"""What commands ask of a person, and how they read what was typed."""

import re
import sys
from datetime import timedelta
from pathlib import Path

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhdwy])")
_YEAR = 365

pass_invocation = click.make_pass_decorator(Invocation)
folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Don't ask.")


def read_duration(text: str) -> timedelta:
    """Return a time span such as `30d`: a whole number of minutes, hours, days, weeks or years.

    Raises:
        click.BadParameter: it is something else.
    """
    matched = _DURATION.fullmatch(text)
    if matched is None:
        raise click.BadParameter(f"{text!r} is not a time span such as 12h, 30d or 2y")
    if matched[2] == "y":
        return timedelta(days=_YEAR * int(matched[1]))
    return timedelta(**{_UNITS[matched[2]]: int(matched[1])})


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what others will notice; where nobody can be asked, `--yes` has to be given.

    Raises:
        Misuse: nobody can be asked.
        click.Abort: the answer was no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Misuse(f"{question} Nobody is here to answer", hint="give --yes to mean it")
    click.confirm(question, abort=True, err=True)
