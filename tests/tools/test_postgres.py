"""The cluster that tests of the database run against."""

import signal
from collections.abc import Iterator

import psycopg
import pytest

from tests.tools.postgres import Cluster, running_postgres

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_postgres() as started:
        yield started


def asked(url: str, statement: str) -> list[str]:
    """Return the first column of what a statement gives."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)  # type: ignore[arg-type]
        return [str(row[0]) for row in cursor.fetchall()] if cursor.description else []


def test_a_database_is_copied_and_the_copy_goes_its_own_way(cluster: Cluster) -> None:
    filled = cluster.create()
    asked(filled.url, "CREATE TABLE thing AS SELECT 'first' AS name")
    copy = cluster.create(filled)
    asked(copy.socket_url, "INSERT INTO thing VALUES ('second')")
    assert asked(copy.url, "SELECT name FROM thing") == ["first", "second"]
    assert asked(filled.url, "SELECT name FROM thing") == ["first"]
    cluster.drop(copy)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        asked(copy.url, "SELECT 1")


def test_text_is_sorted_as_people_do_unless_bytes_are_asked_for(cluster: Cluster) -> None:
    words = "SELECT word FROM (VALUES ('b'), ('B'), ('a-c'), ('ab'), ('_')) AS t (word) ORDER BY "
    url = cluster.create().url
    assert asked(url, words + "word") != sorted(["b", "B", "a-c", "ab", "_"])
    assert asked(url, words + 'word COLLATE "C"') == sorted(["b", "B", "a-c", "ab", "_"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_goes_away_and_comes_back_where_it_was(cluster: Cluster, number: int) -> None:
    url = cluster.create().url
    asked(url, "CREATE TABLE thing AS SELECT 'kept' AS name")
    asked(url, "CHECKPOINT")
    cluster.stop(number)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        asked(url, "SELECT 1")
    cluster.start()
    assert asked(url, "SELECT name FROM thing") == ["kept"]


def test_nothing_is_left_of_it() -> None:
    with running_postgres() as started:
        process, folder = started.process, started.folder
        assert process is not None
    assert process.poll() is not None
    assert not folder.exists()
