"""`recipebox admin check`: what an operator reads, and the exit code that a script goes by."""

import json
import shutil

import pytest
from click.testing import CliRunner, Result

from artifacts.reference import RepositoryName
from registry.schema import NamespaceRow, RepositoryRow
from tests.builders import Given
from web.commands.admin import command


@pytest.fixture
def given(tmp_path) -> Given:
    given = Given(tmp_path / "data")
    given.namespace("team")
    return given


def run(given: Given, *words: str) -> Result:
    return CliRunner().invoke(command, ["check", "--data", str(given.data), *words])


def damage(given: Given) -> None:
    with given.registry.database.write():
        NamespaceRow.update(used_bytes=7).execute()


def test_where_nothing_is_wrong(given):
    done = run(given)
    assert done.exit_code == 0
    assert done.output == (
        "Looked at 0 repositories, 0 manifests, 0 tags, 0 blobs: database and store agree.\n"
    )


def test_what_is_wrong_is_said_with_what_to_do(given):
    damage(given)
    done = run(given)
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        "quota counted wrongly: team: it is said to use 7 bytes, and uses 0",
        "  --repair mends it",
        "Looked at 0 repositories, 0 manifests, 0 tags, 0 blobs: 1 wrong.",
    ]


def test_a_repair_mends_it(given):
    damage(given)
    done = run(given, "--repair")
    assert done.exit_code == 0
    assert "  mended: counted again: 0\n" in done.output
    assert "1 mended; 0 wrong." in done.output
    assert run(given).exit_code == 0


def test_json_has_all_of_it(given):
    damage(given)
    done = run(given, "--json")
    assert done.exit_code == 1
    drawn = json.loads(done.output)
    assert drawn["problems"] == {"quota counted wrongly": 1}
    assert drawn["findings"][0]["where"] == "team"
    assert drawn["findings"][0]["mended"] is None
    assert (drawn["wrong"], drawn["mended"]) == (1, 0)
    assert drawn["looked_at"]["namespaces"] == 1


@pytest.mark.sqlite
@pytest.mark.parametrize("words", ["check", "sweep", "audit", "read-only status", "namespace list"])
def test_a_name_that_was_mistyped_makes_no_registry(tmp_path, words):
    typo = tmp_path / "typo"
    done = CliRunner().invoke(command, [*words.split(), "--data", str(typo)])
    assert done.exit_code == 1
    assert f"there is no registry in {typo}" in done.output
    assert not typo.exists()


def test_quick_takes_digests_on_trust(given):
    assert run(given, "--quick").exit_code == 0


class TestAnotherStore:
    """A disk that isn't mounted, or a database that is another's."""

    @pytest.fixture
    def filled(self, given: Given) -> Given:
        given.artifact(RepositoryName("team/image"), b"layer")
        return given

    def test_nothing_is_forgotten_where_the_store_is_not_there(self, filled: Given) -> None:
        blobs, away = filled.data / "blobs", filled.data / "away"
        blobs.rename(away)
        done = run(filled, "--repair")
        assert done.exit_code == 1
        assert "nothing was mended: the database names 2 blobs in the store" in done.output
        assert "--all-lost" in done.output
        away.rename(blobs)
        assert run(filled).exit_code == 0

    def test_nothing_is_deleted_where_the_database_is_another(self, filled: Given) -> None:
        other = Given(filled.data.parent / "other")
        (filled.data / "blobs").rename(other.data / "blobs")
        done = run(other, "--repair", "--json")
        assert done.exit_code == 1
        assert (
            "and 2 that the database does not name" in json.loads(done.stdout)["error"]["message"]
        )
        assert sum(1 for path in (other.data / "blobs").rglob("*") if path.is_file()) == 2

    def test_an_operator_may_say_that_all_is_lost(self, filled: Given) -> None:
        shutil.rmtree(filled.data / "blobs")
        done = run(filled, "--repair", "--all-lost")
        assert "mended: forgotten: push it again" in done.output
        filled.blob(RepositoryName("team/image"), b"layer")
        assert "layer" not in run(filled).output


def test_what_a_person_must_mend_stays_wrong(given):
    given.artifact(RepositoryName("team/image"), b"layer")
    given.namespace("others", keys=())
    with given.registry.database.write():
        others = NamespaceRow.get(NamespaceRow.name == "others")
        RepositoryRow.update(namespace=others).execute()

    done = run(given, "--repair")

    assert done.exit_code == 1
    assert (
        "name in another namespace: team/image: its row is in the namespace others" in done.output
    )
    assert "bring the database back from a backup" in done.output
