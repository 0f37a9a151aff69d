"""Statements about many rows at once."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from peewee import SQL

_CHUNK = 500
_Value = TypeVar("_Value")


def chunks(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Yield values in lists that fit into one statement: SQLite bounds its variables."""
    rest = iter(values)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def among(column: Any, ids: Collection[int]) -> Any:
    """Return the condition that a column is one of these numbers, of which there may be thousands.

    They are written out: to draw a parameter for each takes longer than to run the statement.
    """
    numbers = ",".join(str(int(number)) for number in ids)
    return column.in_(SQL(f"({numbers or 'NULL'})"))
