"""Work that holds a core gives it back for a moment, often."""

import peewee
import pytest

from registry.breath import Breath
from registry.schema import CURRENT


class Time:
    now = 10.0

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_it_is_taken_once_a_millisecond_of_work():
    time = Time()
    breath = Breath(time, time.sleep)

    for _ in range(1000):  # 10 µs each
        breath.take()
        time.now += 0.00001

    assert 8 <= len(time.slept) <= 10
    assert sum(time.slept) < 0.001


_LONG = """
WITH RECURSIVE numbers (number) AS (
    SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 20000
)
SELECT COUNT(*) FROM numbers
"""


def test_a_long_statement_breathes_and_gives_what_it_would(given):
    database, taken = given.registry.database, []

    def run() -> int:
        return int(database._connection.execute_sql(_LONG).fetchone()[0])

    with database.write():
        with database.easing(lambda: taken.append(1)):
            assert run() == 20_000
        often = len(taken)
        is_here = isinstance(CURRENT.obj, peewee.SqliteDatabase)  # PostgreSQL is another process
        assert often > 100 if is_here else often == 0
        assert run() == 20_000
        assert len(taken) == often


def test_an_error_leaves_nothing_behind(given):
    database, taken = given.registry.database, []

    with database.write():
        with pytest.raises(ValueError, match="stop"), database.easing(lambda: taken.append(1)):
            raise ValueError("stop")
        database._connection.execute_sql("SELECT 1").fetchall()

    assert taken == []
