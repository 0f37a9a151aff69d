"""Every test of the official suite passes: none fails, is skipped, or is switched off."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.conformance.suite import NAMESPACE, run_suite
from tests.tools.postgres import running_postgres
from tests.tools.server import RunningServer, running_server
from tests.tools.stores import running_minio

SEVERAL = 1000
"""Tests of the suite at least: fewer would mean that it was narrowed by a setting."""

FOLDER = "folder, SQLite"
OBJECTS = "S3, PostgreSQL"
REDIRECTING = "S3 by redirects, PostgreSQL"

WORKERS = 2
BUCKET = "recipebox-conformance"

NOT_OURS = "registry did not return a Docker-Content-Digest header"
"""What the suite says of a blob that a redirect leads to: S3 answers with headers of its own."""


def environ_of(place: str, folder: Path, started: ExitStack) -> dict[str, str]:
    """Return the settings of a server over a `place`, whose parts are started."""
    if place == FOLDER:
        return {}
    cluster = started.enter_context(running_postgres())
    store = started.enter_context(running_minio(folder / "minio"))
    store.create_bucket(BUCKET)
    return {
        "RECIPEBOX_DATABASE": cluster.create().url,
        **store.environ_of(BUCKET),
        "RECIPEBOX_REDIRECTS": str(place == REDIRECTING).lower(),
        # Another name than the server's: Go's clients keep their login on a redirect to the same
        # host, whatever its port, and S3 refuses a signed URL with another login beside it.
        "RECIPEBOX_S3_PUBLIC_ENDPOINT": store.url.replace("127.0.0.1", "localhost"),
    }


@pytest.fixture(scope="module", params=[FOLDER, OBJECTS, REDIRECTING])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """A server whose namespace `conformance` takes sparse manifests."""
    if request.param == REDIRECTING and not request.config.getoption("--long"):
        pytest.skip("a long form: the same as over S3, but for who sends the blobs (--long)")
    folder = tmp_path_factory.mktemp("conformance")
    with ExitStack() as started:
        environ = environ_of(request.param, folder, started)
        server = started.enter_context(
            running_server(folder / "data", environ=environ, workers=WORKERS)
        )
        login = {"Authorization": f"Bearer {server.token}"}
        namespaces = f"{server.url}/api/v1/namespaces"
        for method, url, drawn in (
            ("POST", namespaces, {"name": NAMESPACE}),
            ("PATCH", f"{namespaces}/{NAMESPACE}", {"sparse": True}),
        ):
            done = requests.request(method, url, json=drawn, headers=login, timeout=60)
            assert done.ok, done.text
        yield server


@pytest.mark.real
@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_every_test_of_the_suite_passes(
    server: RunningServer,
    version: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    outcome = run_suite(server, version, tmp_path)

    place = request.node.callspec.params["server"]
    record_property("conformance", f"{place}: {outcome}".partition("\n")[0])
    assert outcome.total > SEVERAL
    if place != REDIRECTING:
        assert not outcome.blemishes, str(outcome)
        return
    others = [name for name, reason in outcome.failed if reason != NOT_OURS]
    assert not others, str(outcome)
    assert set(outcome.counts) == {"passed", "failure"}
