"""Which database a test's registries keep their rows in: `--database sqlite|postgresql`.

::

    with using(PostgresDatabases(cluster)):
        Given(tmp_path / "data")        has a database of its own in the cluster
        Given(tmp_path / "data")        the same one: a data folder has one database

SQLite's is in the data folder, so that nothing is to be known about it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.postgres import Cluster, Database


class Databases:
    """SQLite: each in its data folder."""

    def url_of(self, data: Path) -> str | None:  # noqa: ARG002
        """Return the setting `database` of a registry over `data`; None is SQLite."""
        return None

    def copy(self, data: Path, to: Path) -> None:
        """Give the data folder `to` a copy of the database of `data`, which nobody may use now."""

    def folders(self) -> frozenset[Path]:
        """Return the data folders that have a database elsewhere."""
        return frozenset()

    def drop(self, data: Path) -> None:
        """Forget the database of a data folder."""


class PostgresDatabases(Databases):
    """PostgreSQL: each a database of one cluster, reached by its Unix socket."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._made: dict[Path, Database] = {}

    def url_of(self, data: Path) -> str:
        """Return the URL of the database of `data`, which is made when it is asked for first."""
        if data not in self._made:
            self._made[data] = self.cluster.create()
        return self._made[data].socket_url

    def copy(self, data: Path, to: Path) -> None:
        """Copy a database to which nobody is connected."""
        self._made[to] = self.cluster.create(self._made[data])

    def folders(self) -> frozenset[Path]:
        """Return the data folders that have one."""
        return frozenset(self._made)

    def drop(self, data: Path) -> None:
        """Drop the database of a data folder."""
        self.cluster.drop(self._made.pop(data))


_USED: list[Databases] = [Databases()]


def databases() -> Databases:
    """Return those in use."""
    return _USED[-1]


@contextmanager
def using(ones: Databases) -> Iterator[None]:
    """Have registries keep their rows in these."""
    _USED.append(ones)
    try:
        yield
    finally:
        _USED.remove(ones)
