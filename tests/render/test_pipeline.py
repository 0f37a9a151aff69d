"""deployment_pipeline.py takes a release through the channels of a real server."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.support import APPLICATION, PACKAGE, Done, Machine, Stage, make_stage
from tests.tools.server import LIMIT, running_server

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A registry with a release that is in dev."""
    return make_stage(tmp_path_factory.mktemp("stage"))


def go(machine: Machine, tree: Path, *words: str | Path) -> Done:
    program = tree / "ci-cd" / "deployment_pipeline.py"
    done = subprocess.run(
        [sys.executable, program, "--application", APPLICATION, *words],
        cwd=machine.home,
        env=machine.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * LIMIT,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_release_goes_from_channel_to_channel_as_it_is(stage: Stage, tmp_path: Path) -> None:
    with running_server(stage.copy(tmp_path), token=stage.token) as server:
        ada = Machine(tmp_path / "ada", server.url, server.token)
        ada.run("publish", stage.second)
        ada.run("fetch", f"{PACKAGE}@=1.1.0", "--out", "package")
        tree = ada.home / "package" / "team" / "count-1.1.0"

        tried = go(ada, tree, "--dry-run", "--run")
        assert tried.exit_code == 0, tried.err
        assert tried.json["promoted"] == {}

        output = tmp_path / "output"
        first = go(ada, tree, "--to", "dev", "--output", output)
        assert first.exit_code == 0, first.err
        bundle = first.json["bundle"]
        assert bundle != stage.bundle
        assert output.read_text() == f"bundle={bundle}\n"

        second = go(ada, tree, "--to", "staging,production", "--bundle", bundle)
        assert second.exit_code == 0, second.err
        assert second.json["bundle"] == bundle
        assert list(second.json["promoted"]) == ["staging", "production"]

        refused = go(ada, tree, "--bundle", f"sha256:{'0' * 64}", "--to", "dev")
        assert refused.exit_code == 3, refused.err
        assert "nothing was promoted after that" in refused.err

        lock = tmp_path / "first.lock"
        lock.write_text(stage.lock)
        other = go(ada, tree, "--lock", lock)
        assert other.exit_code == 1
        assert "team/count@=1.1.0 is not among what the lock pins" in other.err


def test_without_a_key_nothing_is_promoted(stage: Stage, tmp_path: Path) -> None:
    with running_server(stage.copy(tmp_path), token=stage.token) as server:
        ada = Machine(tmp_path / "ada", server.url, server.token)
        ada.run("fetch", PACKAGE, "--out", "package")
        tree = ada.home / "package" / "team" / "count-1.0.0"
        keyless = replace(ada, home=tmp_path / "eve", variables={"RECIPEBOX_SIGNING_KEY": ""})
        keyless.home.mkdir()

        refused = go(keyless, tree, "--to", "staging")
        assert refused.exit_code != 0
        assert "--to staging` ended with" in refused.err
        assert refused.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bundle", "sha256:1"], "'sha256:1' is not a digest"),
        (["--to", ","], "no channel is named"),
        (["--command", "no-such-recipebox"], "no-such-recipebox is not on PATH"),
    ],
)
def test_what_can_not_be_is_said(stage: Stage, tmp_path: Path, words: list[str], said: str) -> None:
    machine = Machine(tmp_path)
    done = go(machine, stage.first / "team" / "count-1.0.0", *words)
    assert done.exit_code in {2, 127}
    assert said in done.err
