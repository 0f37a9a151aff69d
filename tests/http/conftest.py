"""One server for the tests that don't stop theirs."""

from collections.abc import Iterator

import pytest

from tests.tools.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder / "data", workers=2, threads=4, log_format="json") as running:
        yield running
