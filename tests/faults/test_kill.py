"""A real server, or sweeper, killed at each step of a mount, a delete and a sweep.

Afterwards `admin check` finds nothing wrong, what was there is there or gone as a whole, and doing
it again succeeds. The steps of pushes and promotions are in tests/e2e/test_kill.py.
"""

import contextlib
import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from storage.failpoints import VARIABLE, Failpoint
from tests.faults.storm import ANY, MANIFEST, Broken, Line, digest_of, run_admin, start_admin
from tests.tools.server import RunningServer, running_server, wait_until

pytestmark = pytest.mark.real

ONE, TWO = "team/one", "team/two"
LAYER = b"a layer"
IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/json", "digest": digest_of(b"{}"), "size": 2},
        "layers": [
            {
                "mediaType": "application/octet-stream",
                "digest": digest_of(LAYER),
                "size": len(LAYER),
            }
        ],
    }
).encode()
SETTINGS = {"RECIPEBOX_SWEEP_EVERY": "0"}


def points(word: str) -> list[Failpoint]:
    return [point for point in Failpoint if point.value.startswith(word)]


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The settings of a server; over PostgreSQL in the long form only."""
    if request.param == "sqlite":
        return SETTINGS
    if not request.config.getoption("--long"):
        pytest.skip("over PostgreSQL with --long")
    return SETTINGS | {"RECIPEBOX_DATABASE": request.getfixturevalue("cluster").create().url}


@contextlib.contextmanager
def serving(
    data: Path, environ: Mapping[str, str], token: str | None = None, point: Failpoint | None = None
) -> Iterator[tuple[RunningServer, Line]]:
    """A server, which may die at a point, and a line to it."""
    variables = dict(environ) | ({VARIABLE: point.value} if point else {})
    with running_server(data, token=token, environ=variables) as server:
        line = Line(server.url, server.token)
        try:
            yield server, line
        finally:
            line.close()


def push(line: Line, repository: str, tag: str = "v1") -> None:
    """Push the image."""
    for blob in (b"{}", LAYER):
        path = f"/v2/{repository}/blobs/uploads/?digest={digest_of(blob)}"
        assert line.ask("POST", path, blob, Content_Type="application/octet-stream").status == 201
    path = f"/v2/{repository}/manifests/{tag}"
    assert line.ask("PUT", path, IMAGE, Content_Type=MANIFEST).status == 201


def check(data: Path, environ: Mapping[str, str]) -> None:
    assert run_admin(data, environ, "check")["findings"] == []


def is_there(line: Line, repository: str, digest: str) -> bool:
    line.close()  # one that stood idle for long may be closed already
    kind = "manifests" if digest == digest_of(IMAGE) else "blobs"
    answer = line.ask("GET", f"/v2/{repository}/{kind}/{digest}", Accept=ANY)
    assert answer.status in {200, 404}
    assert answer.status == 404 or digest_of(answer.body) == digest
    return answer.status == 200


def dies(server: RunningServer, line: Line, method: str, path: str) -> None:
    """Ask for something in which the server dies."""
    with pytest.raises(Broken):
        line.ask(method, path)
    wait_until(lambda: "was sent SIGKILL" in server.log_text())


@pytest.mark.parametrize("point", points("mount."))
def test_a_server_that_dies_in_a_mount(
    point: Failpoint, environ: Mapping[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    path = f"/v2/{TWO}/blobs/uploads/?mount={digest_of(LAYER)}&from={ONE}"
    with serving(data, environ, point=point) as (server, line):
        push(line, ONE)
        dies(server, line, "POST", path)
    check(data, environ)
    with serving(data, environ, server.token) as (_, line):
        assert is_there(line, TWO, digest_of(LAYER)) == (point is Failpoint.MOUNT_AFTER_COMMIT)
        assert line.ask("POST", path).status == 201
        assert is_there(line, TWO, digest_of(LAYER))
    check(data, environ)
    run_admin(data, environ, "sweep", "--grace", "0")
    with serving(data, environ, server.token) as (_, line):
        assert is_there(line, ONE, digest_of(LAYER))
        assert not is_there(line, TWO, digest_of(LAYER))
    check(data, environ)


@pytest.mark.parametrize("point", points("delete."))
def test_a_server_that_dies_in_a_delete(
    point: Failpoint, environ: Mapping[str, str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    path = f"/v2/{ONE}/manifests/{digest_of(IMAGE)}"
    with serving(data, environ, point=point) as (server, line):
        push(line, ONE)
        dies(server, line, "DELETE", path)
    check(data, environ)
    is_before = point is Failpoint.DELETE_BEFORE_COMMIT
    with serving(data, environ, server.token) as (_, line):
        assert is_there(line, ONE, digest_of(IMAGE)) == is_before
        assert line.ask("DELETE", path).status == (202 if is_before else 404)
    check(data, environ)
    done = run_admin(data, environ, "sweep", "--grace", "0")
    assert (done["links"], done["blobs"]) == (2, 3)
    check(data, environ)
    assert files_below(data / "blobs") == 0


@pytest.mark.parametrize("point", points("sweep."))
def test_a_sweeper_that_dies(point: Failpoint, environ: Mapping[str, str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, environ) as (_, line):
        push(line, ONE)
        push(line, TWO)
        for digest in (digest_of(b"other"), digest_of(b"more")):
            blob = b"other" if digest == digest_of(b"other") else b"more"
            path = f"/v2/{ONE}/blobs/uploads/?digest={digest}"
            line.ask("POST", path, blob, Content_Type="application/octet-stream")
        assert line.ask("DELETE", f"/v2/{ONE}/manifests/v1").status == 202

        died = 0
        for _ in range(3):  # before a commit or a row's end it dies in the same place for ever
            words = ("sweep", "--grace", "0", "--json")
            process = start_admin(data, {**environ, VARIABLE: point.value}, *words)
            _, err = process.communicate(timeout=60)
            assert process.returncode in {0, -signal.SIGKILL}, err
            died += process.returncode == -signal.SIGKILL
            check(data, environ)
            assert is_there(line, TWO, digest_of(IMAGE))
            assert is_there(line, TWO, digest_of(LAYER))
        assert died > 0

        done = run_admin(data, environ, "sweep", "--grace", "0")
        assert done["done"]
        check(data, environ)
        assert not is_there(line, ONE, digest_of(IMAGE))
        assert not is_there(line, ONE, digest_of(LAYER))
        assert is_there(line, TWO, digest_of(IMAGE))
        assert is_there(line, TWO, digest_of(LAYER))
        assert files_below(data / "blobs") == 2
        push(line, ONE)
    check(data, environ)


def files_below(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())
