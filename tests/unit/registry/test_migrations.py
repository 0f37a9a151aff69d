"""The schema moves forward: from every earlier version, filled; copied before; whole or not."""

import json
import os
import shutil
import signal
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import peewee
import pytest

from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.database import MIGRATIONS, Database
from registry.errors import CopyFailed, SchemaTooNew
from registry.schema import (
    CURRENT,
    MODELS,
    BlobRow,
    EventRow,
    NamespaceRow,
    RegistryStateRow,
    ReleaseRequirementRow,
    RepositoryRow,
    ReviewRow,
    TokenRow,
)
from tests.builders import ADMIN, NOBODY, PROMOTER, READER, Given, a_config

CASES = Path(__file__).parents[2] / "cases" / "registry"
STEPS = sorted(path.stem for path in MIGRATIONS.glob("[0-9]*.py"))
FILLED = sorted(path.stem for path in CASES.glob("[0-9]*.sql"))
"""The versions of which there is a filled database."""


def steps_until(folder: Path, number: str) -> Path:
    """Return a folder with the migrations that a version had, whose last is `number`."""
    folder.mkdir()
    for path in MIGRATIONS.glob("[0-9]*.py"):
        if path.stem[:4] <= number:
            shutil.copy(path, folder)
    return folder


def with_step(folder: Path, name: str, *lines: str) -> Path:
    """Return a folder with every migration and one more."""
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    body = "".join(f"    {line}\n" for line in lines)
    text = f'"""A step that is to come."""\n\nimport os\n\n\ndef up(migrator, db):\n{body}'
    (folder / f"{name}.py").write_text(text)
    return folder


def fill(database: Database, number: str) -> None:
    """Run the statements of a case, and have new rows take the numbers after theirs."""
    text = (CASES / f"{number}.sql").read_text()
    with database.session():
        raw: Any = CURRENT.obj.cursor().connection
        if isinstance(CURRENT.obj, peewee.SqliteDatabase):
            raw.executescript(text)
            return
        raw.execute(text)
        for table in CURRENT.obj.get_tables():
            last = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), MAX(id)) FROM {table}"
            raw.execute(last)


def an_earlier(tmp_path: Path, number: str) -> Path:
    """Make the data folder of an earlier version, with a few of everything in it."""
    data = tmp_path / "data"
    data.mkdir()
    earlier = Database(a_config(data), steps_until(tmp_path / "steps", number))
    assert [step[:4] for step in earlier.migrate()][-1] == number
    fill(earlier, number)
    earlier.close()
    return data


@pytest.fixture(params=FILLED)
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return an_earlier(tmp_path, request.param)


def counts(database: Database) -> dict[str, int]:
    with database.session():
        return {
            table: CURRENT.obj.execute_sql(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in CURRENT.obj.get_tables()
            if table != "schema_migration"
        }


class TestForward:
    def test_every_version_but_the_last_has_a_filled_database(self) -> None:
        assert [step[:4] for step in STEPS[:-1]] == FILLED

    def test_it_is_new_until_there_is_a_schema(self, tmp_path: Path) -> None:
        config = a_config(tmp_path)
        database = Database(config)
        assert database.is_new()
        assert not config.database.exists()
        database.migrate()
        assert not database.is_new()

    def test_all_rows_stay(self, data: Path) -> None:
        database = Database(a_config(data))
        before = counts(database)
        missing = database.missing_migrations()
        assert missing == STEPS[-len(missing) :]
        assert database.migrate() == missing
        after = counts(database)
        assert {table: after[table] for table in before} == before
        assert database.missing_migrations() == []

    def test_the_registry_works_with_them(self, data: Path) -> None:
        given = Given(data)
        registry = given.registry
        tools, etl = RepositoryName("open/tools"), RepositoryName("team/etl")
        assert registry.repositories.page(ADMIN).names == (
            "open/etl",
            "open/tools",
            "team/app",
            "team/etl",
        )
        assert registry.repositories.page(NOBODY).names == ("open/etl", "open/tools")
        assert registry.tags.page(READER, etl).names == ("1.0.0",)
        assert registry.manifests.stat(NOBODY, tools, Tag("v1")).staged is False
        package = registry.catalog.package(READER, PackageName("team", "etl"))
        assert [each.channel for each in package.channels] == ["dev"]
        (yanked,) = registry.catalog.package(NOBODY, PackageName("open", "etl")).releases
        assert yanked.yanked is not None
        assert yanked.yanked.reason == "it is 100 % wrong"
        assert registry.index.revision() == 3
        assert len(registry.promotions.history(PROMOTER, PackageName("team", "app"), "dev")) == 1
        given.namespace("more")
        assert given.first_token is None
        new = given.artifact(RepositoryName("more/tools"), b"new")
        assert registry.manifests.stat(ADMIN, RepositoryName("more/tools"), Tag("v1")).digest == new

    @pytest.mark.parametrize("data", [each for each in FILLED if each < "0004"], indirect=True)
    def test_what_is_required_is_known(self, data: Path) -> None:
        database = Database(a_config(data))
        with database.session():
            drawn = {
                "requires": {"team/clean": "^1", "open/etl": "*"},
                "extras": {"mail": {"open/etl": "[tls] ^2"}},
            }
            CURRENT.obj.execute_sql(
                f"UPDATE release SET metadata = '{json.dumps(drawn)}' WHERE id = 1"
            )
        database.migrate()
        with database.session():
            rows = ReleaseRequirementRow.select()
            found = {(row.release_id, row.package, row.wanted, row.extra) for row in rows}
        assert found == {
            (1, "open/etl", "*", ""),
            (1, "open/etl", "[tls] ^2", "mail"),
            (1, "team/clean", "^1", ""),
        }

    def test_what_is_new_is_counted_and_queued(self, data: Path) -> None:
        database = Database(a_config(data))
        database.migrate()
        with database.session():
            used = {row.name: row.used_bytes for row in NamespaceRow.select()}
            public = {row.name: row.is_public for row in RepositoryRow.select()}
            reviewed = {(row.kind, row.digest) for row in ReviewRow.select()}
            sizes = {row.digest: row.size for row in BlobRow.select()}
            assert RegistryStateRow.select().count() == 1
        assert all(0 < size < sum(sizes.values()) for size in used.values())
        assert public == {name: name.startswith("open/") for name in public}
        assert ("link", str(Digest.of(b"never named"))) in reviewed
        assert [kind for kind, _ in reviewed].count("manifest") >= 1  # whose tag had moved


class TestSchema:
    def test_they_draw_the_tables_that_the_models_say(self, tmp_path: Path) -> None:
        database, drawn = Database(a_config(tmp_path)), Database(a_config(tmp_path / "drawn"))
        (tmp_path / "drawn").mkdir()
        database.migrate()
        with drawn.session():
            CURRENT.obj.create_tables(MODELS)
        assert schema_of(database) == schema_of(drawn)

    def test_texts_sort_by_their_bytes(self, given: Given) -> None:
        names = sorted(["a-b", "a.b", "a/b", "a0", "ab", "a_b", "B", "b", "é", "z"])
        with given.registry.database.write():
            for name in reversed(names):
                TokenRow.create(public_id=name, secret_sha256="", name="x", role="", created=0)
            made = TokenRow.select(TokenRow.public_id).where(TokenRow.name == "x")
            ordered = made.order_by(TokenRow.public_id)
            assert [row.public_id for row in ordered] == names
            after = ordered.where(TokenRow.public_id > "a/b")
            assert [row.public_id for row in after] == names[names.index("a/b") + 1 :]

    def test_numbers_have_64_bits(self, given: Given) -> None:
        large = 2**62
        with given.registry.database.write():
            EventRow.create(id=large, kind="far", payload="{}", at=large)
            assert EventRow.get_by_id(large).at == large


def schema_of(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return the columns, indexes and foreign keys of each table of the models."""
    drawn: dict[str, list[tuple[object, ...]]] = {}
    with database.session():
        for model in MODELS:
            table = model._meta.table_name
            columns = CURRENT.obj.get_columns(table)
            keys = CURRENT.obj.get_foreign_keys(table)
            drawn[table] = [
                *sorted((one.name, one.data_type.upper(), one.null) for one in columns),
                *sorted((tuple(one.columns), one.unique) for one in CURRENT.obj.get_indexes(table)),
                *sorted((one.column, one.dest_table, one.dest_column) for one in keys),
            ]
    return drawn


class TestRuns:
    def test_they_run_once(self, given: Given) -> None:
        assert given.registry.database.migrate() == []
        assert given.registry.database.missing_migrations() == []

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        database = Database(a_config(tmp_path))
        assert database.missing_migrations() == STEPS
        assert database.migrate() == STEPS

    def test_several_that_start_at_once_run_them_once(self, tmp_path: Path) -> None:
        start = Barrier(4)
        config = a_config(tmp_path)

        def migrate(_: int) -> list[str]:
            database = Database(config)
            start.wait()
            return database.migrate()

        with ThreadPoolExecutor(4) as pool:
            ran = sorted(pool.map(migrate, range(4)))
        assert ran == [[], [], [], STEPS]

    def test_a_schema_of_a_later_version_is_refused(self, tmp_path: Path) -> None:
        config = a_config(tmp_path)
        Database(config, with_step(tmp_path / "later", "9999_later", "pass")).migrate()
        database = Database(config)

        for act in (database.migrate, database.missing_migrations):
            with pytest.raises(SchemaTooNew) as refused:
                act()
            assert refused.value.found == "9999_later"
            assert refused.value.known == STEPS[-1]
            assert database.place in str(refused.value)

    def test_killed_in_its_middle_it_has_not_begun(self, tmp_path: Path) -> None:
        config = a_config(tmp_path, is_copied=False)
        Database(config).migrate()
        lines = (
            "db.execute_sql('CREATE TABLE half (id INTEGER)')",
            "db.execute_sql('DELETE FROM registry_state')",
        )
        dying = with_step(tmp_path / "dying", "9999_later", *lines, "os.kill(os.getpid(), 9)")
        child = os.fork()
        if child == 0:
            try:
                Database(config, dying).migrate()
            finally:
                os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

        assert "half" not in counts(Database(config))
        assert counts(Database(config))["registry_state"] == 1
        living = Database(config, with_step(tmp_path / "living", "9999_later", *lines))
        assert living.migrate() == ["9999_later"]
        assert counts(living)["half"] == 0
        assert counts(living)["registry_state"] == 0


class TestCopies:
    def test_one_is_made_of_what_was_there(
        self, data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        config = a_config(data)
        first = Database(config).missing_migrations()[0]
        Database(config).migrate()

        (made,) = config.backups.iterdir()
        assert made.stem.endswith(f"before-{first}")
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        assert stat.S_IMODE(config.backups.stat().st_mode) == 0o700
        assert f"the database was copied to {made}" in caplog.text
        assert made.stat().st_size > 0

    @pytest.mark.sqlite
    def test_it_can_be_put_back(self, data: Path, tmp_path: Path) -> None:
        config = a_config(data)
        before = counts(Database(config))
        Database(config).migrate()

        (made,) = config.backups.iterdir()
        back = a_config(tmp_path / "back")
        back.data.mkdir()
        shutil.copy(made, back.database)
        assert counts(Database(back)) == before
        with closing(sqlite3.connect(back.database)) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_an_empty_database_needs_none(self, given: Given) -> None:
        assert not given.config.backups.exists()

    def test_the_last_ones_stay(self, data: Path) -> None:
        config = a_config(data, copies_kept=2)
        config.backups.mkdir()
        for day in (1, 2, 3):
            old = config.backups / f"registry-2020010{day}T000000Z-before-0001_initial.sqlite3"
            old.write_text("old")
        (config.backups / "mine.txt").write_text("not ours")

        Database(config).migrate()

        names = sorted(path.name for path in config.backups.iterdir())
        assert names[:2] == ["mine.txt", "registry-20200103T000000Z-before-0001_initial.sqlite3"]
        assert len(names) == 3

    def test_without_one_nothing_is_changed(self, data: Path) -> None:
        config = a_config(data)
        config.backups.write_text("a file where a folder should be")
        database = Database(config)
        missing = database.missing_migrations()
        with pytest.raises(CopyFailed, match=f"before the migration {missing[0]}") as refused:
            database.migrate()
        assert "RECIPEBOX_MIGRATION_COPY" in str(refused.value.hint)
        assert database.missing_migrations() == missing

    def test_none_is_made_for_who_has_one(self, data: Path) -> None:
        config = a_config(data, is_copied=False)
        assert Database(config).migrate() != []
        assert not config.backups.exists()
