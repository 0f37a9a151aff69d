"""Health, and the start: what works, and what is wrong when it doesn't."""

import stat
from pathlib import Path

import pytest

from registry.assembly import open_registry
from registry.database import Database
from registry.health import Check, Health
from storage.errors import StoreUnavailable
from storage.filesystem import FilesystemStore
from storage.memory import MemoryStore
from tests.builders import Given, a_config


def problems(checks: tuple[Check, ...]) -> dict[str, str]:
    assert [check.name for check in checks] == ["database", "schema", "store"]
    return {check.name: check.problem for check in checks if check.problem is not None}


def health(data: Path) -> Health:
    config = a_config(data)
    return Health(Database(config), FilesystemStore(data))


def test_a_registry_that_was_started_is_well(given: Given) -> None:
    assert problems(given.registry.health.checks()) == {}
    assert list((given.data / "uploads").iterdir()) == []


def test_before_the_first_start_the_schema_is_missing(tmp_path: Path) -> None:
    found = problems(health(tmp_path).checks())
    assert found.keys() == {"database", "schema"}
    assert "0001_initial" in found["schema"]
    assert "recipebox serve" not in found["database"]


@pytest.mark.sqlite
def test_a_database_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite3").write_bytes(b"nonsense" * 1000)
    found = problems(health(tmp_path).checks())
    assert "file is not a database" in found["database"]


@pytest.mark.sqlite
def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    found = problems(health(tmp_path / "none").checks())
    assert "unable to open database file" in found["database"]


def test_a_store_that_cannot_be_written_is_said(given: Given) -> None:
    (given.data / "uploads").rmdir()
    (given.data / "uploads").write_text("a file where a folder should be")
    assert problems(given.registry.health.checks()).keys() == {"store"}


class TestStart:
    def test_it_makes_a_folder_that_only_its_owner_reads(self, tmp_path: Path) -> None:
        given = Given(tmp_path / "deep" / "data")
        assert stat.S_IMODE(given.data.stat().st_mode) == 0o700
        assert given.registry.server_key.fingerprint
        assert [path.name for path in given.data.iterdir() if "probe" in path.name] == []

    def test_opening_touches_nothing(self, tmp_path: Path) -> None:
        open_registry(a_config(tmp_path / "data"), MemoryStore())
        assert not (tmp_path / "data").exists()

    @pytest.mark.parametrize("place", ["file", "file/data", "/proc/recipebox"])
    def test_a_folder_that_cannot_be_written_stops_it(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("")
        registry = open_registry(a_config(tmp_path / place))
        with pytest.raises(StoreUnavailable, match="can't be used") as refused:
            registry.prepare()
        assert place in str(refused.value)
