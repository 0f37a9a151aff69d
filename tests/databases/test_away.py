"""A registry whose PostgreSQL goes away: every answer says so, and all is well afterwards."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.keys import CASES
from tests.tools.postgres import Cluster
from tests.tools.server import running_server, wait_until
from web.app import create_app
from web.commands.admin import command
from web.config import ServerConfig
from web.preparing import prepare
from web.services import build_services

pytestmark = pytest.mark.real


@pytest.fixture
def url(stoppable: Cluster) -> Iterator[str]:
    made = stoppable.create()
    yield made.url
    stoppable.drop(made)


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[FlaskClient]:
    """Ask a registry, as its administrator."""
    config = ServerConfig(
        data=tmp_path / "data", database=url, server_key=CASES / "other.secret.asc"
    )
    token = prepare(config)
    services = build_services(config)
    made = create_app(services, config).test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    yield made
    services.registry.database.close()


ASKED = (
    ("GET", "/v2/_catalog"),
    ("GET", "/v2/team/etl/manifests/latest"),
    ("HEAD", "/v2/team/etl/manifests/latest"),
    ("POST", "/v2/team/etl/blobs/uploads/"),
    ("GET", "/api/v1/whoami"),
    ("GET", "/index/team/etl.json"),
    ("GET", "/"),
)


def test_every_answer_says_so_until_it_is_back(
    stoppable: Cluster, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(method: str, path: str) -> TestResponse:
        return client.open(path, method=method)

    before = {each: ask(*each).status_code for each in ASKED}
    assert set(before.values()) == {200, 202, 404}
    stoppable.stop()
    try:
        caplog.clear()
        for method, path in ASKED:
            answer = ask(method, path)
            assert (path, answer.status_code) == (path, 503)
            assert answer.headers["Retry-After"] == "5"
            assert "127.0.0.1" not in answer.text
        (error,) = json.loads(ask("GET", "/v2/_catalog").text)["errors"]
        assert error["detail"]["code"] == "database_unavailable"
        problem = json.loads(ask("GET", "/api/v1/whoami").text)
        assert problem["code"] == "database_unavailable"
        assert ask("GET", "/healthz").status_code == 200
        ready = ask("GET", "/readyz")
        assert ready.status_code == 503
        assert ready.get_json()["checks"] == {
            "database": "failed",
            "schema": "failed",
            "store": "ok",
        }
        failed = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert failed
        assert all("is away" in record.getMessage() for record in failed)
        assert [record.exc_info for record in failed if record.exc_info] == []
    finally:
        stoppable.start()
    assert {each: ask(*each).status_code for each in ASKED} == before
    assert ask("GET", "/readyz").status_code == 200


def test_a_server_goes_on_without_being_started_again(
    stoppable: Cluster, url: str, tmp_path: Path
) -> None:
    with running_server(
        tmp_path / "data", environ={"RECIPEBOX_DATABASE": url}, token=None, workers=2
    ) as server:
        logged_in = {"Authorization": f"Bearer {server.token}"}

        def ask(path: str) -> int:
            return requests.get(f"{server.url}{path}", headers=logged_in, timeout=30).status_code

        assert {ask("/api/v1/whoami") for _ in range(8)} == {200}
        stoppable.stop()
        try:
            assert {ask("/api/v1/whoami") for _ in range(8)} == {503}
            assert {ask("/healthz") for _ in range(8)} == {200}
        finally:
            stoppable.start()
        wait_until(lambda: ask("/readyz") == 200)
        assert {ask("/api/v1/whoami") for _ in range(8)} == {200}
        assert server.stop() == 0
        assert "Traceback" not in server.log_text()


def test_it_does_not_start_without_one(stoppable: Cluster, url: str, tmp_path: Path) -> None:
    del stoppable
    words = ["token", "list", "--data", str(tmp_path / "data")]
    nowhere = "postgresql://me:hush-hush@127.0.0.1:1/none"
    refused = CliRunner().invoke(command, [*words, "--database", nowhere])
    assert refused.exit_code == 1
    assert "error: the database postgresql://me@127.0.0.1:1/none is away" in refused.output
    assert "hush-hush" not in refused.output
    misspelt = CliRunner().invoke(command, [*words, "--database", url.replace("gresql", "")])
    assert misspelt.exit_code == 2
    assert "postgresql://USER:PASSWORD@HOST:PORT/NAME" in misspelt.output


class TestAdmin:
    @pytest.mark.parametrize(
        "words",
        [
            ["token", "create", "--name", "ci", "--role", "reader"],
            ["token", "list"],
            ["check"],
            ["sweep"],
            ["audit"],
            ["read-only", "status"],
            ["namespace", "list"],
        ],
        ids=" ".join,
    )
    def test_each_command_works_over_it(self, url: str, tmp_path: Path, words: list[str]) -> None:
        where = ["--data", str(tmp_path / "data"), "--database", url]
        CliRunner().invoke(command, ["token", "list", *where])  # a registry, before its first start
        done = CliRunner().invoke(command, [*words, *where], catch_exceptions=False)
        assert done.exit_code == 0, done.output
