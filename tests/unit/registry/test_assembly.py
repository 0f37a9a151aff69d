"""The first start, later starts, and health: what works, and what doesn't and why."""

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from artifacts.reference import RepositoryName
from registry.assembly import open_registry
from registry.errors import UploadUnknown
from registry.schema import CURRENT
from registry.server_key import ServerKey
from storage.errors import StoreUnavailable
from storage.memory import MemoryStore
from tests.builders import PUBLISHER, Given, Package, a_config

TOOLS = RepositoryName("team/tools")


def problems(given: Given) -> dict[str, str | None]:
    return {check.name: check.problem for check in given.registry.health.checks()}


def test_the_first_start_makes_everything_and_an_administrators_token(tmp_path: Path) -> None:
    given = Given(tmp_path / "data")
    assert given.first_token is not None
    principal = given.registry.access.authenticate(given.first_token.text)
    assert principal.role == "admin"
    assert stat.S_IMODE(given.data.stat().st_mode) == 0o700
    if given.config.database_url is None:
        made = {path.name for path in given.data.iterdir()}
        assert made >= {"registry.sqlite3", "migrations.lock"}


def test_a_later_start_gives_no_token(tmp_path: Path) -> None:
    Given(tmp_path / "data")
    assert Given(tmp_path / "data").first_token is None


def test_without_a_given_key_the_first_start_makes_one(tmp_path: Path) -> None:
    config = a_config(tmp_path / "data")
    registry = open_registry(config)
    registry.prepare()
    again = open_registry(config)
    assert again.prepare() is None
    assert again.server_key.fingerprint == ServerKey(config.keys).prepare()
    assert again.server_key.fingerprint == registry.server_key.fingerprint


def test_nothing_is_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    open_registry(a_config(tmp_path / "data"))
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    registry = open_registry(a_config(tmp_path / "file" / "data"))
    with pytest.raises(StoreUnavailable, match="file/data"):
        registry.prepare()


def test_uploads_of_long_ago_end_at_a_start(given: Given) -> None:
    upload = given.registry.uploads.start(PUBLISHER, TOOLS)
    given.clock.advance(timedelta(days=8))
    Given(given.data, clock=given.clock)
    with pytest.raises(UploadUnknown):
        given.registry.uploads.status(PUBLISHER, TOOLS, upload.id)


def test_what_one_store_holds_another_start_reads(released: Given, package: Package) -> None:
    again = Given(released.data, clock=released.clock)
    stored = again.registry.manifests.get(PUBLISHER, package.repository, package.tag)
    assert stored.data == package.manifest


class TestHealth:
    def test_a_prepared_registry_is_well(self, given: Given) -> None:
        assert problems(given) == {"database": None, "schema": None, "store": None}

    def test_a_check_leaves_nothing_in_the_store(self, given: Given) -> None:
        problems(given)
        assert list((given.data / "uploads").iterdir()) == []

    def test_migrations_that_did_not_run_are_named(self, tmp_path: Path) -> None:
        registry = open_registry(a_config(tmp_path), MemoryStore())
        found = {check.name: check.problem for check in registry.health.checks()}
        assert "index_state" in str(found["database"])
        assert "0001_initial" in str(found["schema"])
        assert found["store"] is None

    @pytest.mark.sqlite
    def test_a_database_that_is_away_is_said(self, given: Given) -> None:
        shutil.rmtree(given.data)
        found = problems(given)
        assert "unable to open" in str(found["database"])
        assert found["schema"] is not None

    def test_a_store_that_takes_nothing_is_said(self, given: Given) -> None:
        shutil.rmtree(given.data / "uploads", ignore_errors=True)
        (given.data / "uploads").write_text("not a folder")
        assert "EEXIST" in str(problems(given)["store"])

    def test_a_database_of_a_later_version_is_said(self, given: Given) -> None:
        with given.registry.database.write():
            CURRENT.execute_sql(
                "INSERT INTO schema_migration (name, applied) VALUES ('0099_later', '2026-01-01')"
            )
        assert "0099_later" in str(problems(given)["schema"])
