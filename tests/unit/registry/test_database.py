"""The database: transactions that are whole or not at all, and a schema that only moves forward."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import peewee
import pytest

from registry.database import Database
from registry.errors import DatabaseUnusable
from registry.schema import CURRENT, EventRow, NamespaceRow, RepositoryRow
from tests.builders import a_config


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(a_config(tmp_path))
    database.migrate()
    return database


def an_event(kind: str) -> EventRow:
    return EventRow.create(kind=kind, payload="{}", at=0)


def kinds(database: Database) -> list[str]:
    with database.session():
        return [row.kind for row in EventRow.select().order_by(EventRow.id)]


class TestTransactions:
    def test_what_fails_leaves_nothing(self, database: Database) -> None:
        def act() -> None:
            with database.write():
                an_event("before")
                RepositoryRow.create(namespace=99, name="x", kind="new", created=0, created_by="x")

        with pytest.raises(peewee.IntegrityError):
            act()
        assert kinds(database) == []

    def test_one_within_another_fails_alone_or_with_it(self, database: Database) -> None:
        def inner() -> None:
            with database.write():
                an_event("inner")
                raise RuntimeError

        with database.write():
            an_event("outer")
            with pytest.raises(RuntimeError):
                inner()
        assert kinds(database) == ["outer"]

    def test_a_read_sees_one_state_whatever_others_write(self, database: Database) -> None:
        with ThreadPoolExecutor(1) as elsewhere, database.read():
            assert EventRow.select().count() == 0

            def write() -> None:
                with database.write():
                    an_event("meanwhile")

            elsewhere.submit(write).result()
            with database.read():
                assert EventRow.select().count() == 0
        assert kinds(database) == ["meanwhile"]

    def test_writers_wait_for_each_other(self, database: Database) -> None:
        start = Barrier(4)

        def write(number: int) -> None:
            start.wait()
            for _ in range(10):
                with database.write():
                    last = EventRow.select().order_by(EventRow.id.desc()).first()
                    an_event(str(int(last.kind) + 1 if last else 1))
            assert number >= 0

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        assert kinds(database) == [str(number) for number in range(1, 41)]

    def test_foreign_keys_hold(self, database: Database) -> None:
        with database.write():
            NamespaceRow.create(name="team", is_public=False, owner="x", created=0)
            namespace = NamespaceRow.get()
            RepositoryRow.create(
                namespace=namespace, name="team/etl", kind="new", created=0, created_by="x"
            )
        with pytest.raises(peewee.IntegrityError), database.write():
            namespace.delete_instance()

    def test_a_process_may_work_with_several(self, database: Database, tmp_path: Path) -> None:
        (tmp_path / "second").mkdir()
        second = Database(a_config(tmp_path / "second"))
        second.migrate()
        with database.write():
            with second.write():
                an_event("in the second")
            an_event("in the first")
        assert kinds(database) == ["in the first"]
        assert kinds(second) == ["in the second"]

    def test_outside_of_a_session_there_is_none(self, database: Database) -> None:
        assert kinds(database) == []
        assert CURRENT.obj is None


@pytest.mark.sqlite
class TestTheFile:
    def test_its_owner_only_reads_it_whatever_the_folder_allows(self, tmp_path: Path) -> None:
        config = a_config(tmp_path)
        tmp_path.chmod(0o755)
        config.database.touch(mode=0o644)  # of a version that left it open

        database = Database(config)
        database.migrate()
        with database.write():
            an_event("written")
            found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

        assert "registry.sqlite3-wal" in found
        assert set(found.values()) == {0o600}

    def test_what_is_no_database_is_named(self, tmp_path: Path) -> None:
        config = a_config(tmp_path)
        config.database.write_bytes(b"something else" * 500)
        with pytest.raises(DatabaseUnusable, match=f"{config.database} can't be used: file is not"):
            Database(config).migrate()
