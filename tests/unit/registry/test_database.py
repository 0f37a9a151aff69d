"""The database: transactions that are whole or not at all, connections that stay, exact stamps."""

import gc
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import peewee
import pytest

from registry.database import Database
from registry.engine import CopyRefused
from registry.errors import DatabaseAway, DatabaseBusy, DatabaseUnusable, InvalidValue
from registry.schema import CURRENT, EventRow, NamespaceRow, RepositoryRow
from tests.builders import a_config


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(a_config(tmp_path))
    database.migrate()
    return database


def an_event(kind: str) -> EventRow:
    return EventRow.create(kind=kind, payload="{}", at=0)


def an_event_of(database: Database, kind: str) -> None:
    with database.write():
        an_event(kind)


def connection_of(database: Database) -> Any:
    """Return the driver's connection of this thread, in a session."""
    return database._connection.cursor().connection


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


class TestScopes:
    def test_a_write_of_a_namespace_takes_another_of_it(self, database: Database) -> None:
        with database.write("team"), database.write("team"):
            an_event("inner")
        assert kinds(database) == ["inner"]

    def test_one_of_everything_takes_any(self, database: Database) -> None:
        with database.write(), database.write("team"), database.write(), database.read():
            an_event("inner")
        assert kinds(database) == ["inner"]

    @pytest.mark.parametrize("wider", [None, "other"])
    def test_one_of_a_namespace_takes_no_wider(self, database: Database, wider: str | None) -> None:
        with (
            database.write("team"),
            pytest.raises(ValueError, match="within one of team"),
            database.write(wider),
        ):
            an_event("inner")
        assert kinds(database) == []

    def test_a_read_takes_none(self, database: Database) -> None:
        with (
            database.read(),
            pytest.raises(ValueError, match="a write within a read"),
            database.write("team"),
        ):
            an_event("inner")
        assert kinds(database) == []


class TestConnections:
    def test_one_stays_for_the_thread(self, database: Database) -> None:
        with database.session():
            first = connection_of(database)
        with database.session(), database.write():
            assert connection_of(database) is first

    def test_each_thread_has_its_own_until_it_ends(self, database: Database) -> None:
        kept = database._engine.connection
        with database.session():
            connection_of(database)
        before = set(kept._open_ones)

        def ask() -> int:
            with database.session():
                connection_of(database)
            return len(kept._open_ones)

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(ask).result() == len(before) + 1
        assert kept._open_ones == before

    def test_all_are_closed_and_each_thread_goes_on(self, database: Database) -> None:
        kept = database._engine.connection
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kinds, database).result() == []
            database.close()
            assert kept._open_ones == set()
            assert pool.submit(kinds, database).result() == []
        assert kinds(database) == []

    def test_a_database_that_nobody_has_holds_none(self, tmp_path: Path) -> None:
        (tmp_path / "second").mkdir()
        second = Database(a_config(tmp_path / "second"))
        second.migrate()
        assert kinds(second) == []
        held = second._engine.connection._open_ones
        assert len(held) == 1
        del second
        gc.collect()
        assert held == set()

    def test_none_goes_through_a_fork(self, database: Database) -> None:
        kept = database._engine.connection
        an_event_of(database, "before")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                inherited = len(kept._open_ones)
                an_event_of(database, "in the child")
                os.write(writing, f"{inherited} {','.join(kinds(database))}".encode())
                database.close()
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading) as said:
            assert said.read() == "0 before,in the child"
        assert kinds(database) == ["before", "in the child"]

    def test_one_that_went_through_a_fork_is_neither_used_nor_closed(
        self, database: Database
    ) -> None:
        kept = database._engine.connection
        reading, writing = os.pipe()
        with database.session():
            before = connection_of(database)
            child = os.fork()  # in the middle of a session, so that nothing could be closed
            if child == 0:
                try:
                    with database.session():
                        is_same = connection_of(database) is before
                        row = EventRow.create(kind="in the child", payload="{}", at=0)
                        os.write(writing, f"{is_same} {row.kind}".encode())
                    kept.close_all()
                finally:
                    os._exit(0)
            os.close(writing)
            os.waitpid(child, 0)
            with os.fdopen(reading) as said:
                assert said.read() == "False in the child"
            assert connection_of(database) is before
            assert [row.kind for row in EventRow.select()] == ["in the child"]

    def test_a_query_that_was_left_shows_no_old_state_later(self, database: Database) -> None:
        for number in range(3):
            an_event_of(database, str(number))
        with database.session():
            left = iter(EventRow.select().iterator())
            assert next(left).kind == "0"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(an_event_of, database, "3").result()
        assert kinds(database) == ["0", "1", "2", "3"]

    def test_a_text_with_a_nul_is_refused(self, database: Database) -> None:
        with database.session(), pytest.raises(InvalidValue, match="without NUL"):
            NamespaceRow.get_or_none(NamespaceRow.name == "te\0am")


class TestStamps:
    def test_what_is_only_read_changes_none(self, database: Database) -> None:
        before = database.stamp("team")
        assert kinds(database) == []
        with database.read():
            assert EventRow.select().count() == 0

        def fail() -> None:
            with database.write():
                an_event("taken back")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        assert database.stamp("team") == before is not None

    @pytest.mark.parametrize("scope", ["team", None])
    def test_every_commit_changes_it_whoever_made_it(
        self, database: Database, tmp_path: Path, scope: str | None
    ) -> None:
        with database.write():
            NamespaceRow.create(name="team", is_public=False, owner="x", created=0)
        other = Database(a_config(tmp_path))  # as another process has it

        def elsewhere() -> None:
            with other.write(scope):
                an_event("elsewhere")

        def here() -> None:
            with database.write(scope):
                an_event("here")

        seen = [database.stamp("team")]
        for write in (here, elsewhere, here):
            with ThreadPoolExecutor(1) as pool:
                write() if write is here else pool.submit(write).result()
                seen.append(database.stamp("team"))
                assert pool.submit(database.stamp, "team").result() == seen[-1]
        assert len(set(seen)) == 4

    def test_making_the_namespace_changes_it(self, database: Database) -> None:
        before = database.stamp("team")
        with database.write("team"):
            NamespaceRow.create(name="team", is_public=False, owner="x", created=0)
        assert database.stamp("team") != before

    def test_it_is_not_asked_for_in_a_transaction(self, database: Database) -> None:
        with database.read(), pytest.raises(ValueError, match="ask before it begins"):
            database.stamp("team")


@pytest.mark.sqlite
class TestFailures:
    """Of SQLite; those of PostgreSQL are in tests/databases."""

    def test_one_that_is_locked_for_too_long_is_busy(self, tmp_path: Path) -> None:
        config = a_config(tmp_path, busy_timeout=0.01)
        database = Database(config)
        database.migrate()
        with closing(sqlite3.connect(config.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseBusy, match="is busy: database is locked"):
                an_event_of(database, "too late")
            other.execute("ROLLBACK")
        an_event_of(database, "later")
        assert kinds(database) == ["later"]

    @pytest.mark.parametrize(
        ("pragma", "said"),
        [("max_page_count = 1", "database or disk is full"), ("query_only = 1", "readonly")],
    )
    def test_one_that_takes_nothing_is_away_and_comes_back(
        self, database: Database, pragma: str, said: str
    ) -> None:
        with database.session():
            CURRENT.obj.execute_sql(f"PRAGMA {pragma}")
        with pytest.raises(DatabaseAway, match=said):
            an_event_of(database, "x" * 10_000_000)
        an_event_of(database, "later")  # over a new connection
        assert kinds(database) == ["later"]

    def test_one_that_is_damaged_is_said(self, database: Database, tmp_path: Path) -> None:
        an_event_of(database, "before")
        database.close()
        file = a_config(tmp_path).database
        file.write_bytes(file.read_bytes()[:100] + b"\xff" * (file.stat().st_size - 100))
        with pytest.raises(DatabaseUnusable, match=str(file)):
            kinds(database)

    def test_one_that_is_gone_has_no_stamp(self, tmp_path: Path) -> None:
        assert Database(a_config(tmp_path / "none")).stamp("team") is None

    def test_what_is_wrong_with_a_statement_stays_so(self, database: Database) -> None:
        with pytest.raises(peewee.OperationalError, match="no such table"), database.session():
            CURRENT.obj.execute_sql("SELECT * FROM unheard_of")

    def test_what_cannot_be_read_is_not_copied(self, database: Database, tmp_path: Path) -> None:
        database.close()
        a_config(tmp_path).database.write_bytes(b"something else" * 500)
        with pytest.raises(CopyRefused, match="not a database"):
            database._engine.copy(tmp_path, "copy")
        assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


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

    def test_to_move_it_forward_takes_nobody_s_locks_away(self, tmp_path: Path) -> None:
        database = Database(a_config(tmp_path))
        database.migrate()
        an_event_of(database, "before")  # over a connection that stays open
        database.migrate()
        read_and_close = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])"
        read_and_close += "; c.execute('select * from event').fetchall(); c.close()"
        place = str(a_config(tmp_path).database)
        subprocess.run([sys.executable, "-c", read_and_close, place], check=True)
        assert Path(f"{place}-wal").exists()  # who closes last removes it
        an_event_of(database, "after")
        assert kinds(Database(a_config(tmp_path))) == ["before", "after"]

    def test_what_is_no_database_is_named(self, tmp_path: Path) -> None:
        config = a_config(tmp_path)
        config.database.write_bytes(b"something else" * 500)
        with pytest.raises(DatabaseUnusable, match=f"{config.database} can't be used: file is not"):
            Database(config).migrate()
