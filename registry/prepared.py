"""Queries whose SQL is made once: what every request asks, with other values each time.

peewee draws the SQL of a query anew whenever it runs, which takes several times as long as SQLite
needs to answer by an index, or to change a row. So those of nearly every request, and those of a
push, for which all other writers wait, are drawn once for each kind of database, with examples in
the place of their values:

    _BY_NAME = Prepared(lambda name: NamespaceRow.select().where(NamespaceRow.name == name), "")
    row = _BY_NAME.first("team")

    _END = PreparedWrite(lambda upload: UploadRow.delete().where(UploadRow.id == upload), 0)
    was_there = _END.run(upload_id) == 1
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


class _Drawn:
    """SQL that `build` draws of a query, once for each kind of database."""

    def __init__(self, build: Callable[..., Any], examples: Sequence[str | int]) -> None:
        self._build = build
        self._examples = [
            _EXAMPLE_NUMBER - at
            if isinstance(example, int)
            else f"example {at} of a prepared value"
            for at, example in enumerate(examples)
        ]
        self._plans: dict[type, _Plan] = {}

    def build(self) -> Any:
        """Return the query of the examples."""
        return self._build(*self._examples)

    def execute(self, values: Sequence[str | int | None]) -> Any:
        """Run it in the session of the caller's; return the driver's cursor."""
        database = CURRENT.obj
        if database is None:
            raise peewee.InterfaceError("a query outside of a session of the database")
        plan = self._plans.get(type(database))
        if plan is None:
            plan = self._plans[type(database)] = self._make(database)
        return database.execute_sql(plan.sql, plan.fill(values))

    def _make(self, database: Any) -> _Plan:
        sql, parameters = database.get_sql_context().sql(self.build()).query()
        places = {example: at for at, example in enumerate(self._examples)}
        drawn = tuple((places.get(value), value) for value in parameters)
        if {at for at, _ in drawn if at is not None} != set(places.values()):
            raise ValueError(f"a prepared query that doesn't use each of its values: {sql}")
        return _Plan(sql, drawn)


class Prepared(Generic[_Row]):
    """A SELECT of whole rows of one table.

    `build` gets as many values as there are `examples`, and uses each; an example is a text or a
    number, as its values will be. Run in a session of the caller's.
    """

    def __init__(self, build: Callable[..., Any], *examples: str | int) -> None:
        self._drawn = _Drawn(lambda *values: build(*values).limit(1), examples)
        self._read: Callable[[Any], Any] | None = None

    def first(self, *values: str | int) -> _Row | None:
        """Return the first row, or None."""
        cursor = self._drawn.execute(values)
        try:
            raw = cursor.fetchone()
            return None if raw is None else self._reader(cursor)(raw)
        finally:
            cursor.close()

    def one(self, *values: str | int) -> _Row:
        """Return the row that there must be.

        Raises:
            DoesNotExist: (peewee) there is none.
        """
        found = self.first(*values)
        if found is None:
            raise peewee.DoesNotExist(f"nothing with {values}")
        return found

    def exists(self, *values: str | int) -> bool:
        """Return whether there is a row."""
        cursor = self._drawn.execute(values)
        try:
            return cursor.fetchone() is not None
        finally:
            cursor.close()

    def _reader(self, cursor: Any) -> Callable[[Any], Any]:
        """Return what makes rows of what the driver gives; its columns are always the same."""
        if self._read is None:
            wrapper = self._drawn.build()._get_model_cursor_wrapper(cursor)  # noqa: SLF001 - peewee's own seam
            wrapper.initialize()
            self._read = wrapper.process_row
        return self._read


class PreparedWrite:
    """An INSERT, UPDATE or DELETE; `build` and `examples` are as those of `Prepared`.

    A value may be None as well where the column's may. Run in a transaction of the caller's.
    """

    def __init__(self, build: Callable[..., Any], *examples: str | int) -> None:
        self._drawn = _Drawn(build, examples)

    def run(self, *values: str | int | None) -> int:
        """Return how many rows were made, changed or deleted."""
        cursor = self._drawn.execute(values)
        try:
            changed: int = cursor.rowcount
            return changed
        finally:
            cursor.close()
