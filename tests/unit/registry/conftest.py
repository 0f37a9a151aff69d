"""A registry with a namespace, and one with a release: each test has its own copy."""

from pathlib import Path
from typing import Any

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
    once: dict[object, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Given:
    key = kept_databases, "namespace"
    if key not in once:
        once[key] = Given(tmp_path_factory.mktemp("registry") / "data")
        once[key].namespace("team")
    made: Given = once[key]
    return made


@pytest.fixture(scope="session")
def with_release(
    kept_databases: Databases,
    once: dict[object, Any],
    with_namespace: Given,
    package: Package,
    tmp_path_factory: pytest.TempPathFactory,
) -> Given:
    key = kept_databases, "release"
    if key not in once:
        once[key] = with_namespace.copied_to(tmp_path_factory.mktemp("release") / "data")
        once[key].publish(package)
    made: Given = once[key]
    return made


@pytest.fixture
def given(with_namespace: Given, folder: Path) -> Given:
    """The private namespace `team`, in which SIGNER signs, and nothing else."""
    return with_namespace.copied_to(folder / "data")


@pytest.fixture
def released(with_release: Given, folder: Path) -> Given:
    """The same, with the release `team/etl` 1.0.0."""
    return with_release.copied_to(folder / "data")
