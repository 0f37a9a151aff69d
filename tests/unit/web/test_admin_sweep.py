"""`recipebox admin sweep`: what an operator reads, and what a script goes by."""

import json

import click.testing
import pytest
from click.testing import CliRunner, Result

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from storage.errors import StoreUnavailable
from storage.filesystem import FilesystemStore
from tests.builders import PUBLISHER, Given
from web.commands.admin import command

ONE = RepositoryName("team/one")


@pytest.fixture
def given(tmp_path) -> Given:
    """A registry with an artifact whose tag was deleted, and a blob that nothing needs."""
    given = Given(tmp_path / "data")
    given.namespace("team")
    given.artifact(ONE, b"layer")
    given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
    given.blob(ONE, b"alone")
    return given


def run(given: Given, *words: str) -> Result:
    return CliRunner().invoke(command, ["sweep", "--data", str(given.data), *words])


def test_nothing_goes_within_the_grace(given):
    assert run(given).output == "Looked at 0, kept 0; removed nothing: 0 bytes.\n"
    assert run(given, "--dry-run").output == "Would remove nothing: 0 bytes.\n"


def test_a_dry_run_says_what_and_why_and_changes_nothing(given):
    said = run(given, "--dry-run", "--grace", "0")
    assert said.exit_code == 0
    lines = said.output.splitlines()
    assert "its tag was deleted" in lines[0]
    assert lines[0].startswith("manifest team/one@sha256:")
    alone = f"link team/one@{Digest.of(b'alone')} (it was uploaded, "
    assert any(line.startswith(alone) for line in lines)
    assert any(line.startswith("blob sha256:") for line in lines)
    assert lines[-1].startswith("Would remove 1 manifests, 3 links, 4 blobs: ")
    assert run(given, "--dry-run", "--grace", "0").output == said.output


def test_json_has_all_of_it(given):
    drawn = json.loads(run(given, "--dry-run", "--grace", "0", "--json").stdout)
    assert drawn["counts"] == {"manifest": 1, "link": 3, "blob": 4}
    assert drawn["bytes"] == sum(
        each["size"] for each in drawn["would_remove"] if each["kind"] == "blob"
    )
    assert {"kind", "name", "size", "reason", "since"} == set(drawn["would_remove"][0])

    done = json.loads(run(given, "--grace", "0", "--json").stdout)
    assert (done["manifests"], done["links"], done["blobs"]) == (1, 3, 4)
    assert (done["bytes"], done["done"]) == (drawn["bytes"], True)


def test_a_limit_holds_for_both(given):
    assert len(run(given, "--dry-run", "--grace", "0", "--limit", "2").output.splitlines()) == 3
    said = run(given, "--grace", "0", "--limit", "1", "--rate", "1000")
    assert "There is more: the next sweep goes on." in said.output
    assert run(given, "--grace", "0").exit_code == 0
    assert run(given, "--dry-run", "--grace", "0").output == "Would remove nothing: 0 bytes.\n"


def test_bytes_that_cannot_go_are_told_and_make_it_fail(given, monkeypatch):
    def delete(_self: FilesystemStore, location: str) -> None:
        raise StoreUnavailable(location, "it is stubborn")

    monkeypatch.setattr(FilesystemStore, "delete", delete)
    said = run(given, "--grace", "0")
    assert said.exit_code == 1
    assert "could not be deleted yet" in said.stderr


def test_another_sweep_under_way_is_told(given):
    given.registry.leases.take("sweep")
    said = run(given)
    assert said.exit_code == 1
    assert "another process does the sweep now" in said.stderr


def test_progress_is_shown_on_a_terminal_only(given, monkeypatch):
    assert "looked at" not in run(given, "--grace", "0").stderr
    given.blob(ONE, b"once more")
    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True)
    assert "1 looked at, 1 blobs gone" in run(given, "--grace", "0").stderr


@pytest.mark.parametrize("words", [("--grace", "soon"), ("--rate", "0"), ("--limit", "0")])
def test_what_it_cannot_mean_is_refused(given, words):
    assert run(given, *words).exit_code == 2
