"""One server of each kind for the tests that don't stop theirs."""

from collections.abc import Iterator

import pytest

from tests.tools.server import RunningServer, running_server

KINDS = ("gunicorn", "granian")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return which WSGI server answers."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, kind: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    options = {"workers": 2, "threads": 4, "log_format": "json", "server": kind}
    with running_server(folder / "data", **options) as running:
        yield running
