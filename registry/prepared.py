"""Queries whose SQL is made once: what every request asks, with other values each time.

peewee draws the SQL of a query anew whenever it runs, which takes several times as long as SQLite
needs to answer by an index. So those that each request asks are drawn once for each kind of
database, with examples in the place of their values:

    _BY_NAME = Prepared(lambda name: NamespaceRow.select().where(NamespaceRow.name == name), "")
    row = _BY_NAME.first("team")
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import peewee

from registry.schema import CURRENT, Row

_Row = TypeVar("_Row", bound=Row)
_EXAMPLE_NUMBER = -(10**15)


@dataclass(frozen=True, slots=True)
class _Plan:
    """SQL, and its parameters: each the place of a value, or a constant (place None)."""

    sql: str
    parameters: tuple[tuple[int | None, Any], ...]

    def fill(self, values: Sequence[Any]) -> list[Any]:
        """Return the parameters of a call."""
        return [constant if at is None else values[at] for at, constant in self.parameters]


class Prepared(Generic[_Row]):
    """A SELECT of whole rows of one table.

    `build` gets as many values as there are `examples`, and uses each; an example is a text or a
    number, as its values will be. Run in a session of the caller's.
    """

    def __init__(self, build: Callable[..., Any], *examples: str | int) -> None:
        self._build = build
        self._examples = [
            _EXAMPLE_NUMBER - at
            if isinstance(example, int)
            else f"example {at} of a prepared value"
            for at, example in enumerate(examples)
        ]
        self._plans: dict[type, _Plan] = {}
        self._read: Callable[[Any], Any] | None = None

    def first(self, *values: str | int) -> _Row | None:
        """Return the first row, or None."""
        cursor = self._execute(values)
        try:
            raw = cursor.fetchone()
            return None if raw is None else self._reader(cursor)(raw)
        finally:
            cursor.close()

    def exists(self, *values: str | int) -> bool:
        """Return whether there is a row."""
        cursor = self._execute(values)
        try:
            return cursor.fetchone() is not None
        finally:
            cursor.close()

    def _execute(self, values: Sequence[str | int]) -> Any:
        database = CURRENT.obj
        if database is None:
            raise peewee.InterfaceError("a query outside of a session of the database")
        plan = self._plans.get(type(database))
        if plan is None:
            plan = self._plans[type(database)] = self._make(database)
        return database.execute_sql(plan.sql, plan.fill(values))

    def _make(self, database: Any) -> _Plan:
        query = self._build(*self._examples).limit(1)
        sql, parameters = database.get_sql_context().sql(query).query()
        places = {example: at for at, example in enumerate(self._examples)}
        drawn = tuple((places.get(value), value) for value in parameters)
        if {at for at, _ in drawn if at is not None} != set(places.values()):
            raise ValueError(f"a prepared query that doesn't use each of its values: {sql}")
        return _Plan(sql, drawn)

    def _reader(self, cursor: Any) -> Callable[[Any], Any]:
        """Return what makes rows of what the driver gives; its columns are always the same."""
        if self._read is None:
            query = self._build(*self._examples)
            wrapper = query._get_model_cursor_wrapper(cursor)  # noqa: SLF001 - peewee's own seam
            wrapper.initialize()
            self._read = wrapper.process_row
        return self._read
