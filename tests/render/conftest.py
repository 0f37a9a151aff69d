"""An engine with a base that has Python, for the suites that build what is generated."""

from collections.abc import Iterator

import pytest

from tests.tools import parts
from tests.tools.docker import Engine, running_docker

BASE = "python-base:1"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine that has the image `python-base:1`."""
    tar = parts.python_base()
    with running_docker() as started:
        started.run("import", str(tar), BASE)
        yield started
