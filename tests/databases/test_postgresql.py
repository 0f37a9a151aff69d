"""PostgreSQL: locks by namespace, a server that goes away and comes back, what is never told."""

import io
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry import postgresql
from registry.config import RegistryConfig
from registry.database import Database
from registry.errors import (
    CopyFailed,
    DatabaseAway,
    DatabaseBusy,
    DatabaseUnusable,
    InvalidValue,
)
from registry.postgresql import read_url, show
from registry.schema import CURRENT, BlobRow, EventRow, NamespaceRow, RegistryStateRow
from tests.builders import ADMIN, Given
from tests.databases.conftest import Open
from tests.tools.databases import PostgresDatabases, using
from tests.tools.postgres import Cluster

pytestmark = pytest.mark.real


def an_event_of(database: Database, kind: str, namespace: str | None = None) -> None:
    with database.write(namespace):
        EventRow.create(kind=kind, payload="{}", at=0)


def kinds(database: Database) -> list[str]:
    with database.session():
        return [row.kind for row in EventRow.select().order_by(EventRow.id)]


def backend_of(database: Database) -> int:
    """Return the process of the server's that answers this thread."""
    with database.session():
        number: int = CURRENT.obj.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
        return number


@contextmanager
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


class TestAway:
    def test_it_is_said_at_once_and_everyone_goes_on_when_it_is_back(
        self, stoppable: Cluster, open_stoppable: Open
    ) -> None:
        database = open_stoppable()
        with ThreadPoolExecutor(8) as pool:
            start = Barrier(8)

            def ask(_: int) -> str:
                start.wait()
                try:
                    return ",".join(kinds(database))
                except DatabaseAway as error:
                    return str(error)

            an_event_of(database, "before")
            assert set(pool.map(ask, range(8))) == {"before"}
            stoppable.stop()
            (said,) = set(pool.map(ask, range(8)))
            assert database.place in said
            assert "Connection refused" in said
            assert database.stamp("team") is None
            with pytest.raises(DatabaseAway):
                database.migrate()
            stoppable.start()
            assert set(pool.map(ask, range(8))) == {"before"}

    def test_one_that_was_restarted_in_between_is_not_noticed(
        self, stoppable: Cluster, open_stoppable: Open
    ) -> None:
        database = open_stoppable()
        an_event_of(database, "before")
        stoppable.stop()
        stoppable.start()
        an_event_of(database, "after")
        assert kinds(database) == ["before", "after"]

    def test_a_connection_that_is_lost_in_a_transaction_fails_that_one_alone(
        self, open_database: Open
    ) -> None:
        database, other = open_database(), open_database()

        def lose_it() -> None:
            with database.write("team"):
                EventRow.create(kind="lost", payload="{}", at=0)
                number = CURRENT.obj.execute_sql("SELECT pg_backend_pid()").fetchone()[0]
                with other.session():
                    CURRENT.obj.execute_sql("SELECT pg_terminate_backend(%s, 5000)", (number,))
                EventRow.create(kind="lost too", payload="{}", at=0)

        with pytest.raises(DatabaseAway, match="terminating connection"):
            lose_it()
        an_event_of(database, "next")
        assert kinds(database) == ["next"]

    def test_one_that_answers_no_more_is_not_waited_for(self, open_database: Open) -> None:
        database = open_database(answer_timeout=0.5)
        number = backend_of(database)
        os.kill(number, signal.SIGSTOP)
        try:
            with pytest.raises(DatabaseAway, match="wait timeout expired"):
                kinds(database)
            an_event_of(database, "next")  # of another process of the server's
        finally:
            os.kill(number, signal.SIGCONT)
        assert kinds(database) == ["next"]

    def test_one_that_lets_nobody_in_is_not_waited_for(self, tmp_path: Path) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/registry"
            database = Database(RegistryConfig(tmp_path, database_url=url, connect_timeout=1))
            with pytest.raises(DatabaseAway, match="timeout"):
                kinds(database)

    def test_a_statement_that_takes_too_long_is_ended(self, open_database: Open) -> None:
        database = open_database(statement_timeout=0.2)
        with pytest.raises(DatabaseBusy, match="statement timeout"), database.session():
            CURRENT.obj.execute_sql("SELECT pg_sleep(60)")
        assert kinds(database) == []

    def test_one_that_takes_no_writes_is_away(self, open_database: Open) -> None:
        database = open_database()

        def write() -> None:
            with database.write():
                CURRENT.obj.execute_sql("SET TRANSACTION READ ONLY")  # as a standby is
                EventRow.create(kind="never", payload="{}", at=0)

        with pytest.raises(DatabaseAway, match="read-only transaction"):
            write()


class TestSecrets:
    URL = "postgresql://me:hush-hush@127.0.0.1:1/registry?sslpassword=hush-hush"

    def test_a_password_is_in_no_text(self, tmp_path: Path) -> None:
        config = RegistryConfig(tmp_path, database_url=self.URL)
        database = Database(config)
        with pytest.raises(DatabaseAway) as refused:
            kinds(database)
        assert database.place == "postgresql://me@127.0.0.1:1/registry"
        for text in (str(refused.value), repr(refused.value), repr(config), database.place):
            assert "hush-hush" not in text

    @pytest.mark.parametrize(
        "url", ["mysql://me:hush-hush@x/y", "postgresql://me:hush-hush@[::1/y", "hush-hush"]
    )
    def test_what_is_no_url_is_not_repeated(self, tmp_path: Path, url: str) -> None:
        with pytest.raises(InvalidValue, match="postgresql://USER:PASSWORD@HOST") as refused:
            Database(RegistryConfig(tmp_path, database_url=url))
        assert "hush-hush" not in str(refused.value)

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("postgres://host/name", "postgresql://host/name"),
            ("postgresql://u:p@h:5433/n?sslmode=require", "postgresql://u@h:5433/n"),
            ("postgresql:///n?host=/run/postgresql", "postgresql:///run/postgresql/n"),
            ("postgresql://", "postgresql:///"),
        ],
    )
    def test_the_place_is_shown_without_it(self, url: str, shown: str) -> None:
        assert show(read_url(url)) == shown


class TestLocks:
    def test_namespaces_do_not_wait_for_each_other(self, open_database: Open) -> None:
        database = open_database(busy_timeout=5)
        with elsewhere() as pool, database.write("team"):
            EventRow.create(kind="team's", payload="{}", at=0)
            pool.submit(an_event_of, database, "other's", "other").result()
            assert pool.submit(kinds, database).result() == ["other's"]
        assert sorted(kinds(database)) == ["other's", "team's"]

    @pytest.mark.parametrize(
        ("held", "wanted"), [("team", "team"), ("team", None), (None, "team"), (None, None)]
    )
    def test_others_wait_and_are_told_when_it_is_too_long(
        self, open_database: Open, held: str | None, wanted: str | None
    ) -> None:
        database = open_database(busy_timeout=0.1)
        with elsewhere() as pool:
            with database.write(held):
                waiting = pool.submit(an_event_of, database, "late", wanted)
                with pytest.raises(DatabaseBusy, match="lock timeout"):
                    waiting.result()
                assert pool.submit(kinds, database).result() == []  # readers never wait
            pool.submit(an_event_of, database, "next", wanted).result()
        assert kinds(database) == ["next"]

    def test_of_two_that_wait_for_each_other_one_is_told(self, open_database: Open) -> None:
        database = open_database()
        with database.write():
            for name in ("a", "b"):
                NamespaceRow.create(name=name, is_public=False, owner="", created=0)
        both = Barrier(2)

        def cross(first: str, second: str) -> str:
            def touch(name: str) -> None:
                NamespaceRow.update(owner=first).where(NamespaceRow.name == name).execute()

            try:
                with database.write(first):
                    touch(first)
                    both.wait()
                    touch(second)
            except DatabaseBusy as error:
                return str(error)
            return "done"

        with ThreadPoolExecutor(2) as pool:
            ends = sorted(pool.map(cross, ("a", "b"), ("b", "a")))
        assert ends[0] == "done"
        assert "deadlock detected" in ends[1]

    def test_every_write_is_counted_where_it_was(self, open_database: Open) -> None:
        database = open_database()
        with database.write():
            NamespaceRow.create(name="team", is_public=False, owner="", created=0)

        def write(number: int) -> None:
            for _ in range(10):
                an_event_of(database, str(number), "team" if number % 2 else None)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
        with database.session():
            assert NamespaceRow.get().changes == 20
            assert RegistryStateRow.get().changes == 21

    def test_a_namespaces_stamp_is_its_own(self, open_database: Open) -> None:
        database = open_database()
        with database.write():
            for name in ("team", "other"):
                NamespaceRow.create(name=name, is_public=False, owner="", created=0)
        before = database.stamp("team"), database.stamp("other"), database.stamp()
        an_event_of(database, "x", "team")
        after = database.stamp("team"), database.stamp("other"), database.stamp()
        assert [old != new for old, new in zip(before, after, strict=True)] == [True, False, False]
        an_event_of(database, "x")
        last = database.stamp("team"), database.stamp("other"), database.stamp()
        assert [old != new for old, new in zip(after, last, strict=True)] == [True, True, True]

    def test_a_name_that_none_can_have_has_no_stamp(self, open_database: Open) -> None:
        assert open_database().stamp("te\0am") is None


class TestAtOnce:
    """What two requests do at the same moment ends well, never with an error of the database."""

    @pytest.fixture
    def given(self, cluster: Cluster, tmp_path: Path) -> Iterator[Given]:
        databases = PostgresDatabases(cluster)
        with using(databases):
            given = Given(tmp_path / "data")
            yield given
            given.registry.database.close()
            databases.drop(given.data)

    def test_one_blob_is_pushed_to_several_namespaces(self, given: Given) -> None:
        start = Barrier(4)

        def push(number: int) -> list[Digest]:
            name = RepositoryName(f"team{number}/tools")
            digests = []
            for turn in range(5):
                start.wait()
                digests.append(given.blob(name, b"the same, turn %d" % turn))
            return digests

        with ThreadPoolExecutor(4) as pool:
            pushed = list(pool.map(push, range(4)))
        assert len({tuple(digests) for digests in pushed}) == 1
        with given.registry.database.session():
            assert BlobRow.select().count() == 5
            used = {row.used_bytes for row in NamespaceRow.select()}
        assert used == {5 * len(b"the same, turn 0")}

    def test_a_namespace_is_made_by_its_first_pushes(self, given: Given) -> None:
        start = Barrier(4)

        def push(number: int) -> Digest:
            start.wait()
            return given.artifact(RepositoryName(f"new/tools{number}"), b"x", tag="v1")

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(push, range(4)))) == 1
        names = given.registry.repositories.page(ADMIN).names
        assert names == tuple(f"new/tools{number}" for number in range(4))

    def test_one_tag_is_put_with_several_manifests(self, given: Given) -> None:
        name = RepositoryName("team/tools")
        start = Barrier(4)

        def push(number: int) -> Digest:
            start.wait()
            return given.artifact(name, b"%d" % number, tag="v1")

        with ThreadPoolExecutor(4) as pool:
            pushed = set(pool.map(push, range(4)))
        assert given.registry.manifests.stat(ADMIN, name, Tag("v1")).digest in pushed

    def test_one_upload_is_ended_once(self, given: Given) -> None:
        name = RepositoryName("team/tools")
        upload = given.registry.uploads.start(ADMIN, name)
        given.registry.uploads.append(ADMIN, name, upload.id, io.BytesIO(b"bytes"))
        start = Barrier(3)

        def finish(_: int) -> str:
            start.wait()
            try:
                given.registry.uploads.finish(ADMIN, name, upload.id, Digest.of(b"bytes"))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                return type(error).__name__
            return "done"

        with ThreadPoolExecutor(3) as pool:
            ends = sorted(pool.map(finish, range(3)))
        assert ends.count("done") == 1
        assert set(ends) <= {"done", "UploadUnknown", "UploadInUse"}


class TestTypes:
    def test_texts_are_compared_by_their_bytes_and_numbers_have_64_bits(
        self, open_database: Open
    ) -> None:
        own = "table_schema = current_schema() AND table_name <> 'schema_migration'"
        with open_database().session():
            run = CURRENT.obj.execute_sql
            columns = f"SELECT table_name, column_name FROM information_schema.columns WHERE {own}"
            others = run(f"{columns} AND data_type = 'text' AND collation_name IS NULL").fetchall()
            narrow = run(
                f"{columns} AND data_type = 'integer' AND column_name <> 'position'"
            ).fetchall()
            sequences = run(
                "SELECT sequencename FROM pg_sequences WHERE data_type <> 'bigint'::regtype "
                "AND sequencename <> 'schema_migration_id_seq'"
            ).fetchall()
        assert (others, narrow, sequences) == ([], [], [])

    def test_a_database_of_another_encoding_is_refused(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        made = cluster.create()
        with psycopg.connect(cluster.database("postgres").url, autocommit=True) as server:
            server.execute(f"DROP DATABASE {made.name}")  # type: ignore[arg-type]
            server.execute(
                f"CREATE DATABASE {made.name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' "  # type: ignore[arg-type]
                "LOCALE_PROVIDER libc"
            )
        database = Database(RegistryConfig(tmp_path, database_url=made.url))
        with pytest.raises(DatabaseUnusable, match="its encoding is LATIN1"):
            database.migrate()
        database.close()
        cluster.drop(made)

    def test_a_server_that_is_too_old_is_refused(
        self, open_database: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database = open_database()
        monkeypatch.setattr(postgresql, "OLDEST", 99_00_00)
        with pytest.raises(DatabaseUnusable, match="and 99 is needed"):
            database.migrate()


class TestCopies:
    def test_one_can_be_put_back(
        self, cluster: Cluster, open_database: Open, tmp_path: Path
    ) -> None:
        database = open_database()
        an_event_of(database, "kept")
        made = database._engine.copy(tmp_path, "copy")
        assert stat.S_IMODE(made.stat().st_mode) == 0o600

        back = cluster.create()
        words = [cluster.programs / "pg_restore", "--exit-on-error", f"--dbname={back.url}", made]
        subprocess.run(words, check=True)
        restored = Database(RegistryConfig(tmp_path, database_url=back.url))
        assert restored.missing_migrations() == []
        assert kinds(restored) == ["kept"]
        restored.close()
        cluster.drop(back)

    @pytest.mark.parametrize(
        ("program", "said"),
        [
            (None, "pg_dump, of PostgreSQL's own client programs, is not on PATH"),
            ("echo server version mismatch >&2; exit 1", "pg_dump: server version mismatch"),
        ],
    )
    def test_without_one_nothing_moves(
        self,
        open_database: Open,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        program: str | None,
        said: str,
    ) -> None:
        database = open_database()
        with database.write():
            CURRENT.obj.execute_sql("DELETE FROM schema_migration WHERE name LIKE '0002%%'")
        programs = tmp_path / "bin"
        programs.mkdir()
        if program is not None:
            (programs / "pg_dump").write_text(f"#!/bin/sh\n{program}\n")
            (programs / "pg_dump").chmod(0o755)
        monkeypatch.setenv("PATH", str(programs))
        with pytest.raises(CopyFailed) as refused:
            database.migrate()
        assert said in str(refused.value)
        assert database.missing_migrations() == ["0002_collection"]
        assert list((tmp_path / "backups").iterdir()) == []
