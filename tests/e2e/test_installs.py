"""The plain install is the client: it has no server's parts, and publishes and fetches."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.checkouts import a_counting_checkout
from tests.e2e.support import LIMIT, Machine, add_namespace, build, install_client
from tests.tools.server import running_server

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin/ of an environment with nothing but `pip install .` in it."""
    return install_client(tmp_path_factory.mktemp("client"))


def test_a_plain_install_has_no_part_of_a_server(installed: Path) -> None:
    listed = subprocess.run(
        [installed / "python", "-m", "pip", "list", "--format=json"],
        capture_output=True,
        check=True,
        timeout=LIMIT,
    )
    names = {each["name"].lower() for each in json.loads(listed.stdout)}
    assert "recipebox" in names
    assert names.isdisjoint({"flask", "werkzeug", "peewee", "gunicorn", "nh3", "boto3", "docker"})
    for name in ("flask", "peewee", "gunicorn"):
        done = subprocess.run(
            [installed / "python", "-I", "-c", f"import {name}"], capture_output=True, check=False
        )
        assert b"ModuleNotFoundError" in done.stderr


def test_it_publishes_fetches_and_runs(installed: Path, tmp_path: Path) -> None:
    program = (str(installed / "recipebox"),)
    recipe = a_counting_checkout(tmp_path / "checkout")
    with running_server(tmp_path / "data") as server:
        ada = Machine(tmp_path / "ada", server.url, server.token, program)
        bob = Machine(tmp_path / "bob", server.url, server.token, program)
        add_namespace(ada)
        ada.run("publish", build(ada, recipe, tmp_path / "built"))
        bob.run("fetch", "team/count", "--out", "jobs")
        bob.run("verify", "jobs")
        done = bob.run("run", "jobs", "--json").json
    assert (done["exit_code"], done["context"]) == (0, {"count.lines": 3})


def test_a_server_command_says_which_part_it_needs(installed: Path, tmp_path: Path) -> None:
    ada = Machine(tmp_path / "ada", program=(str(installed / "recipebox"),))

    done = ada.run("serve", "--data", tmp_path / "data", expected=None)

    assert done.exit_code not in {0, 2}
    assert "recipebox[server]" in done.err
    assert not (tmp_path / "data").exists()
