"""A registry with a namespace, and one with a release: each test has its own copy."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import PLATFORM, Given, Package, a_package
from tests.tools.databases import Databases


@pytest.fixture(scope="session")
def package() -> Package:
    return a_package("team/etl", "1.0.0", wheels={PLATFORM: [b"a wheel for linux"]})


@pytest.fixture(autouse=True)
def on_a_database(own_databases: Databases) -> Databases:
    """Run every test over each database that was asked for (`--database`)."""
    return own_databases


@pytest.fixture(scope="session")
def with_namespace(
    kept_databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Given:
    given = Given(tmp_path_factory.mktemp("registry") / "data")
    given.namespace("team")
    return given


@pytest.fixture(scope="session")
def with_release(
    with_namespace: Given, package: Package, tmp_path_factory: pytest.TempPathFactory
) -> Given:
    given = with_namespace.copied_to(tmp_path_factory.mktemp("release") / "data")
    given.publish(package)
    return given


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a disk, a push waits for some 30 fsyncs."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="rbt-", dir=memory) as made:
        yield Path(made)


@pytest.fixture
def given(with_namespace: Given, folder: Path) -> Given:
    """The private namespace `team`, in which SIGNER signs, and nothing else."""
    return with_namespace.copied_to(folder / "data")


@pytest.fixture
def released(with_release: Given, folder: Path) -> Given:
    """The same, with the release `team/etl` 1.0.0."""
    return with_release.copied_to(folder / "data")
