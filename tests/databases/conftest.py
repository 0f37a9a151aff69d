"""A database of PostgreSQL for each test, in the shared cluster or in one that a test may stop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.config import RegistryConfig
from registry.database import Database
from tests.tools.postgres import Cluster, running_postgres

Open = Callable[..., Database]


@pytest.fixture(scope="module")
def stoppable() -> Iterator[Cluster]:
    """A cluster of the module's own, which a test may stop if it starts it again."""
    with running_postgres() as started:
        yield started


def opener(cluster: Cluster, data: Path) -> Iterator[Open]:
    """Give a function that opens one database of `cluster`, with options of the configuration."""
    made = cluster.create()
    opened: list[Database] = []

    def open_it(**options: object) -> Database:
        given = {"database_url": made.url} | options
        database = Database(RegistryConfig(data, **given))  # type: ignore[arg-type]
        if not opened:
            database.migrate()
        opened.append(database)
        return database

    yield open_it
    for database in opened:
        database.close()
    cluster.drop(made)


@pytest.fixture
def open_database(cluster: Cluster, tmp_path: Path) -> Iterator[Open]:
    """Open a database of the shared cluster."""
    yield from opener(cluster, tmp_path)


@pytest.fixture
def open_stoppable(stoppable: Cluster, tmp_path: Path) -> Iterator[Open]:
    """Open a database of a cluster that may be stopped."""
    yield from opener(stoppable, tmp_path)
