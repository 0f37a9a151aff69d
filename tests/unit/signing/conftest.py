"""Gpg in a home of this session's own, and the check that none of it remains."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keys import Gnupg, agents, gnupg


@pytest.fixture(scope="session")
def gpg() -> Iterator[Gnupg]:
    with gnupg() as opened:
        yield opened
    wait_until_no_agent(str(opened.home))


@pytest.fixture(scope="module", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary folder of this module's own, which must be empty in the end."""
    tmp_path_factory.getbasetemp()  # pytest's own is elsewhere
    folder = Path(tempfile.mkdtemp(prefix="rbt-", dir="/tmp"))
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield folder
        wait_until_no_agent(str(folder))
        assert list(folder.iterdir()) == []
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder)


def wait_until_no_agent(folder: str) -> None:
    deadline = time.monotonic() + 5
    while agents(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert agents(folder) == []
